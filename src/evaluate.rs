//! From the store to one immutable evaluation: load what changed, evaluate, publish.
//!
//! A scrape never evaluates and never asks anybody upstream: it reads what was published.

#[cfg(test)]
mod properties;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::convert;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant as Moment;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use settings::Settings;

use crate::clock::Clock;
use crate::domain::{Fact, Instant, SourceName, Timeline};
use crate::kpi::evaluation::{
    self, Evaluation, Explanation, Freshness, Plan, Scope, SourceFreshness,
};
use crate::kpi::params::DeploymentRule;
use crate::kpi::view::index::Index;
use crate::kpi::view::reach::Landed;
use crate::kpi::window::Window;
use crate::kpi::{Kpi, Need, Params};
use crate::store::{Delta, SharedStore, StoreError};
use crate::telemetry::Telemetry;

/// How many changes are taken from the store at a time.
const LOAD_CHUNK: usize = 2_000;

/// However often rows land, evaluations leave at least this many times their own duration between
/// them, so that a cold sync is not spent on evaluating.
const REST_FACTOR: u32 = 4;

/// After an evaluation that failed the next one is not sooner than this.
const RETRY: Duration = Duration::from_secs(5);

/// Nobody need wait longer than this for the numbers of the team whose facts landed: where a whole
/// evaluation takes longer, those of the team go first.
const PROMPT: Duration = Duration::from_millis(100);

/// Keeps the timeline up to date with the store and evaluates it.
#[derive(Debug)]
pub struct Evaluator {
    store: SharedStore,
    params: Arc<Params>,
    /// The workflows whose runs a rule may ask for; `None` = all.
    workflows: Option<HashSet<String>>,
    timeline: Arc<RwLock<Timeline>>,
    /// How fresh the sources were when `timeline` was last brought up to date.
    freshness: RwLock<Freshness>,
    /// The store revision that `timeline` holds. The lock also keeps two loads apart.
    revision: Mutex<i64>,
}

impl Evaluator {
    /// An evaluator that has loaded nothing yet.
    pub fn new(store: SharedStore, params: Arc<Params>) -> Self {
        Self {
            store,
            workflows: workflows(&params),
            params,
            timeline: Arc::default(),
            freshness: RwLock::default(),
            revision: Mutex::new(0),
        }
    }

    /// Takes in what changed in the store since the last call, and says what it is about.
    ///
    /// # Errors
    /// When the store does; what was taken in before stays.
    pub async fn load(&self) -> Result<Landed, StoreError> {
        let mut revision = self.revision.lock().await;
        let mut landed = Landed::default();
        // Before the facts: a pass that ends meanwhile must not vouch for facts that are not here.
        let freshness = self.read_freshness().await?;
        loop {
            let (deltas, reached) = self.store.changes_since(*revision, LOAD_CHUNK).await?;
            if deltas.is_empty() {
                *self.freshness.write().unwrap_or_else(PoisonError::into_inner) = freshness;
                return Ok(landed);
            }
            let mut timeline = self.timeline.write().unwrap_or_else(PoisonError::into_inner);
            for delta in deltas {
                match delta {
                    Delta::Present(source, _) if !self.is_configured(&source) => {}
                    Delta::Present(source, fact) if self.is_asked_for(&fact) => {
                        landed.note(&timeline, &source, &fact);
                        timeline.apply(&source, *fact);
                    }
                    // What was asked for once may be called otherwise now.
                    Delta::Present(source, fact) => {
                        if let Fact::WorkflowRun(run) = &*fact
                            && timeline.has_had_run(&source, &run.id)
                        {
                            landed.note_anything();
                            timeline.remove(&fact.key(&source));
                        }
                    }
                    Delta::Removed(key) => {
                        landed.note_anything();
                        timeline.remove(&key);
                    }
                }
            }
            *revision = reached;
        }
    }

    /// Whether `source` is configured still. What a source left in the store that was renamed or
    /// taken away since would count beside what its successor collects, every item twice.
    fn is_configured(&self, source: &SourceName) -> bool {
        self.params.sources.iter().any(|it| it.name == *source)
    }

    /// Whether any rule may ask for it. Of most runs of CI none does, and there are more of them than
    /// of anything else.
    fn is_asked_for(&self, fact: &Fact) -> bool {
        match (fact, &self.workflows) {
            (Fact::WorkflowRun(run), Some(workflows)) => workflows.contains(run.workflow.as_str()),
            _ => true,
        }
    }

    /// Evaluates `plan` on what was loaded, away from the async threads.
    ///
    /// # Errors
    /// When the evaluation panicked.
    pub async fn evaluate(&self, plan: Plan, as_of: Instant) -> anyhow::Result<Evaluation> {
        self.evaluate_after(None, plan, as_of).await
    }

    /// The same; what says the same as in `before` is kept once for both.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub async fn evaluate_after(
        &self,
        before: Option<Arc<Evaluation>>,
        plan: Plan,
        as_of: Instant,
    ) -> anyhow::Result<Evaluation> {
        self.read(move |timeline, params, freshness| {
            let facts = (timeline, params);
            evaluation::evaluate_after(before.as_deref(), facts, freshness, &plan, as_of)
        })
        .await
    }

    /// Evaluates again only those that `landed` is about; `None` where it cannot be said whom that
    /// is. Hands back `index`, or a new one, with what landed in it.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub async fn refresh(
        &self,
        before: Arc<Evaluation>,
        (landed, index): (Landed, Option<Index>),
        plan: Plan,
        as_of: Instant,
    ) -> anyhow::Result<(Option<Evaluation>, Index)> {
        self.read(move |timeline, params, freshness| {
            let facts = (timeline, params);
            let mut index = index.unwrap_or_else(|| Index::of(timeline, &params.rules));
            let news = (&landed, &mut index);
            let refreshed = evaluation::refresh(&before, news, facts, freshness, &plan, as_of);
            (refreshed, index)
        })
        .await
    }

    /// What the next [`Self::refresh`] would look up first.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    async fn index(&self) -> anyhow::Result<Index> {
        self.read(|timeline, params, _| Index::of(timeline, &params.rules)).await
    }

    /// Evaluates one number and hands the items behind it to `then`, which runs away from the async
    /// threads too. Both come to their end even if nobody waits for them any more.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub async fn explain<T: Send + 'static>(
        &self,
        (kpi, scope, window): (&'static Kpi, Scope, Window),
        as_of: Instant,
        then: impl FnOnce(Explanation) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let freshness = self.freshness();
        let explain = move |timeline: &Timeline, params: &Params| {
            evaluation::explain(timeline, params, &freshness, (kpi, scope, window), as_of)
        };
        self.with_timeline(explain, then).await
    }

    /// Does `work` on what was loaded, away from the async threads.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Timeline, &Params, &Freshness) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let freshness = self.freshness();
        let work = move |timeline: &Timeline, params: &Params| work(timeline, params, &freshness);
        self.with_timeline(work, convert::identity).await
    }

    /// Does `work` on what was loaded, and `then` something with its result while others may load.
    async fn with_timeline<R, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Timeline, &Params) -> R + Send + 'static,
        then: impl FnOnce(R) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let timeline = Arc::clone(&self.timeline);
        let params = Arc::clone(&self.params);
        let work = tokio::task::spawn_blocking(move || {
            let timeline = timeline.read().unwrap_or_else(PoisonError::into_inner);
            let result = work(&timeline, &params);
            drop(timeline);
            then(result)
        });
        work.await.map_err(|panic| anyhow::anyhow!("the evaluation failed: {panic}"))
    }

    fn freshness(&self) -> Freshness {
        self.freshness.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read_freshness(&self) -> Result<Freshness, StoreError> {
        let mut freshness = Freshness::new();
        for source in &self.params.sources {
            let state = self.store.source_state(&source.name).await?;
            // A pass that was asked for less says nothing about what is asked for now.
            let saw_all = state.extent.is_some_and(|it| it.covers(&source.extent()));
            if let (Some(last_success), Some(data_through), true) =
                (state.last_success, state.data_through, saw_all)
            {
                freshness
                    .insert(source.name.clone(), SourceFreshness { last_success, data_through });
            }
        }
        Ok(freshness)
    }
}

/// The workflows whose runs stand for deployments. Where boundaries are tested, which may be named at
/// any time, they are not all: `None`.
fn workflows(params: &Params) -> Option<HashSet<String>> {
    let mut feeds = params.sources.iter().flat_map(|it| &it.feeds);
    let test = !params.boundaries.is_empty() || feeds.any(|it| *it == Need::Boundaries);
    let named = params.catalogue.services.iter().flat_map(|it| match &it.deployments {
        DeploymentRule::Workflow { names } => names.as_slice(),
        DeploymentRule::Deployments { .. } | DeploymentRule::Releases { .. } => &[],
    });
    (!test).then(|| named.cloned().collect())
}

/// What an evaluation loop needs beside the evaluator.
#[derive(Debug)]
pub struct Loop {
    /// Evaluates.
    pub evaluator: Arc<Evaluator>,
    /// What to evaluate and how often.
    pub settings: Settings,
    /// Tells `as_of`.
    pub clock: Arc<dyn Clock>,
    /// Hears how long it took.
    pub telemetry: Telemetry,
    /// Ticks when rows landed.
    pub landed: watch::Receiver<u64>,
    /// Gets every evaluation.
    pub published: watch::Sender<Option<Arc<Evaluation>>>,
}

/// Which evaluation is next.
#[derive(Clone, Copy, Debug)]
enum Pass {
    /// Everybody's numbers.
    Whole,
    /// Only those that what has landed is about; a whole one follows.
    Landed,
}

/// When evaluations may be.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    /// The next whole one at the latest.
    due: Moment,
    /// The next whole one at the earliest.
    rested: Moment,
    /// Whether rows landed that no whole evaluation has seen.
    owed: bool,
    /// When rows that landed may be evaluated before everything else is; `None` = whole
    /// evaluations are quick enough.
    prompt: Option<Moment>,
}

impl Rhythm {
    fn after(pass: Pass, started: Moment, interval: Duration, before: Option<Self>) -> Self {
        let took = started.elapsed();
        let rested = Moment::now() + (took * REST_FACTOR).min(interval);
        match (pass, before) {
            // What was found is made into text before a whole evaluation takes the processors.
            (Pass::Landed, Some(before)) => Self {
                owed: true,
                prompt: Some(rested),
                rested: before.rested.max(Moment::now() + PROMPT),
                ..before
            },
            (Pass::Landed | Pass::Whole, _) => Self {
                due: Moment::now() + interval,
                rested,
                owed: false,
                prompt: (took > PROMPT).then(Moment::now),
            },
        }
    }
}

impl Loop {
    /// Evaluates now, whenever rows land and at least every interval, until `stop`.
    ///
    /// A store that fails is logged once until it works again; what was published stays.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failing = false;
        let mut rhythm = None;
        let mut pass = Pass::Whole;
        let mut counting: Option<AbortOnDropHandle<()>> = None;
        let mut index = None;
        loop {
            let started = Moment::now();
            let done = match pass {
                Pass::Whole => self.whole(&mut index).await,
                Pass::Landed => self.landed(&mut index).await,
            };
            let is_counting = counting.as_ref().is_some_and(|it| !it.is_finished());
            if matches!(pass, Pass::Whole) && done.is_ok() && !is_counting {
                counting = Some(self.count());
            }
            match done {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!("evaluation failed, what is shown stays as it was: {error:#}");
                }
                Err(_) => {}
            }
            let mut next = Rhythm::after(pass, started, self.settings.interval(), rhythm);
            if failing {
                // What of it was taken in nobody can say any more: all of it is owed.
                next.prompt = None;
                next.owed = true;
                next.rested = next.rested.max(Moment::now() + RETRY);
            }
            rhythm = Some(next);
            match self.next(&next, &stop).await {
                Some(next) => pass = next,
                None => return,
            }
        }
    }

    async fn whole(&mut self, index: &mut Option<Index>) -> anyhow::Result<()> {
        *index = None;
        self.landed.mark_unchanged();
        let timer = self.telemetry.evaluation_duration_seconds.start_timer();
        self.evaluator.load().await?;
        let as_of = self.clock.now();
        let before = self.published.borrow().clone();
        let evaluation = self.evaluator.evaluate_after(before, self.settings.plan(), as_of).await?;
        timer.observe_duration();
        self.telemetry.evaluation_timestamp_seconds.set(seconds(as_of));
        self.published.send_replace(Some(Arc::new(evaluation)));
        *index = Some(self.evaluator.index().await?);
        Ok(())
    }

    /// Counts the rows of the store beside everything else: that reads every one of them, and what
    /// lands meanwhile should not wait for it.
    fn count(&self) -> AbortOnDropHandle<()> {
        let (store, telemetry) = (Arc::clone(&self.evaluator.store), self.telemetry.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            match store.counts().await {
                Ok(counts) => {
                    for (kind, count) in counts {
                        let count = i64::try_from(count).unwrap_or(i64::MAX);
                        telemetry.store_items.with_label_values(&[kind.as_str()]).set(count);
                    }
                }
                Err(error) => {
                    tracing::warn!("the rows of the store could not be counted: {error:#}");
                }
            }
        }))
    }

    /// An index that has not taken everything in, because something failed, is let go.
    async fn landed(&mut self, index: &mut Option<Index>) -> anyhow::Result<()> {
        let known = index.take();
        let landed = self.evaluator.load().await?;
        let Some(before) = self.published.borrow().clone() else {
            return Ok(());
        };
        let as_of = self.clock.now();
        let news = (landed, known);
        let refreshed = self.evaluator.refresh(before, news, self.settings.plan(), as_of);
        let (evaluation, known) = refreshed.await?;
        if let Some(evaluation) = evaluation {
            self.published.send_replace(Some(Arc::new(evaluation)));
        }
        *index = Some(known);
        Ok(())
    }

    /// Waits until it is time for the next evaluation; `None` = stop.
    async fn next(&mut self, rhythm: &Rhythm, stop: &CancellationToken) -> Option<Pass> {
        let Rhythm { due, rested, owed, prompt } = *rhythm;
        let landed = async {
            tokio::time::sleep_until(prompt.unwrap_or(rested)).await;
            if self.landed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => None,
            () = landed => Some(if prompt.is_some() { Pass::Landed } else { Pass::Whole }),
            () = tokio::time::sleep_until(rested), if owed => Some(Pass::Whole),
            () = tokio::time::sleep_until(due) => Some(Pass::Whole),
        }
    }
}

/// Seconds since the epoch, as Prometheus wants them.
fn seconds(at: Instant) -> f64 {
    (at - Instant::UNIX_EPOCH).as_seconds_f64()
}
