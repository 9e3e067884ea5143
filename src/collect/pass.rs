//! One source: its passes, and the loop that repeats them.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use tokio::time::Instant as Tick;
use tokio_util::sync::CancellationToken;

use super::schedule::{self, Jitter, LONGEST_LIMIT, SHORTEST_LIMIT, Setback};
use super::watched::WatchedStore;
use super::{Environment, Scheduled};
use crate::domain::{Instant, SourceName};
use crate::source::{PollContext, PollReport, SourceError};
use crate::store::{SourceState, Store, StoreError};

/// How soon a comparison that failed is tried again, at the earliest.
const RECONCILE_AGAIN: TimeDelta = TimeDelta::hours(1);
/// A source's first poll comes within this, so that not all start at once.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The source says why.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A bug. The other sources go on, and this one is asked again.
    #[error("the source panicked: {0}")]
    Panicked(String),
}

impl From<StoreError> for PassError {
    fn from(error: StoreError) -> Self {
        Self::Source(error.into())
    }
}

/// What looks after one source.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    scheduled: Scheduled,
    environment: Environment,
    pub(super) store: Arc<WatchedStore>,
    jitter: Jitter,
    /// Told once, until they are gone.
    warnings: BTreeSet<String>,
    /// A comparison that failed is not due before.
    reconcile_not_before: Option<Instant>,
}

impl Desk {
    pub(super) fn new(
        scheduled: Scheduled,
        environment: Environment,
        store: Arc<WatchedStore>,
        jitter: Jitter,
    ) -> Self {
        Self {
            scheduled,
            environment,
            store,
            jitter,
            warnings: BTreeSet::new(),
            reconcile_not_before: None,
        }
    }

    pub(super) fn name(&self) -> &SourceName {
        self.scheduled.source.name()
    }

    fn now(&self) -> Instant {
        self.environment.clock.now()
    }

    /// Polls on schedule until `stop`.
    pub(super) async fn keep(mut self, stop: CancellationToken, grace: Duration) {
        let mut turn = 0;
        let mut failures = Failures::default();
        let mut pause = self.jitter.below(FIRST_WITHIN, self.name().as_str(), turn);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            turn += 1;
            let Some(next) = within(&stop, grace, self.turn(&mut failures)).await else {
                tracing::info!(source = %self.name(), "the poll was given up, to be continued");
                return;
            };
            pause = self.jitter.spread(next, self.name().as_str(), turn);
        }
    }

    /// Polls, compares ids if that is due, and says how long to wait until the next turn.
    async fn turn(&mut self, failures: &mut Failures) -> Duration {
        let started = Tick::now();
        let every = self.scheduled.poll_every;
        match self.poll().await {
            Ok(_) => {
                self.succeeded(failures);
                match self.reconcile_if_due().await {
                    Err(PassError::Source(SourceError::RateLimited { until })) => {
                        self.limited(until).max(schedule::rest(every, started.elapsed()))
                    }
                    _ => schedule::rest(every, started.elapsed()),
                }
            }
            Err(PassError::Source(SourceError::RateLimited { until })) => self.limited(until),
            Err(error) => self.failed(failures, &error, every),
        }
    }

    fn succeeded(&self, failures: &mut Failures) {
        self.set_up(true);
        if std::mem::take(failures).in_a_row > 0 {
            tracing::info!(source = %self.name(), "the source is read again");
        }
    }

    /// A failure is logged when it begins and when it becomes another.
    fn failed(&self, failures: &mut Failures, error: &PassError, every: Duration) -> Duration {
        self.set_up(false);
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        let setback = Setback::of(error).unwrap_or(Setback::Passing);
        let pause = setback.pause(failures.in_a_row, every);
        let text = error.to_string();
        let source = self.name();
        let again = pause.as_secs();
        if failures.last == text || setback == Setback::Store {
            tracing::debug!(%source, "poll failed again, next try in {again} s: {text}");
        } else if matches!(setback, Setback::Lasting | Setback::Local) {
            tracing::error!(%source, "poll failed, next try in {again} s: {text}");
        } else {
            tracing::warn!(%source, "poll failed, next try in {again} s: {text}");
        }
        failures.last = text;
        pause
    }

    /// Reads what is new. Afterwards everything that the vendor had when it started is stored.
    pub(super) async fn poll(&mut self) -> Result<PollReport, PassError> {
        let mut state = self.state().await?;
        self.publish(&state);
        let cx = self.context();
        let started = Tick::now();
        let result = guarded(self.scheduled.source.poll(&cx)).await;
        self.environment
            .telemetry
            .source_poll_duration_seconds
            .with_label_values(&[self.name().as_str()])
            .observe(started.elapsed().as_secs_f64());
        let report = result?;
        self.note(&report);
        state.last_success = Some(cx.now);
        state.data_through = Some(cx.now);
        state.extent = Some(self.scheduled.extent.clone());
        // A first complete pass has read everything, so there is nothing to compare yet.
        state.last_reconciled.get_or_insert(cx.now);
        self.store.set_source_state(self.name(), &state).await?;
        self.publish(&state);
        Ok(report)
    }

    /// Compares ids if it is time for that. A failure is logged, and does not mean that the source
    /// is down.
    async fn reconcile_if_due(&mut self) -> Result<(), PassError> {
        let now = self.now();
        let waits = self.reconcile_not_before.is_some_and(|not_before| now < not_before);
        if waits || !self.reconcile_is_due().await? {
            return Ok(());
        }
        let result = self.reconcile().await;
        self.reconcile_not_before = result.is_err().then(|| now + RECONCILE_AGAIN);
        if let Err(error) = &result {
            let source = self.name();
            tracing::warn!(%source, "what is stored could not be compared: {error}");
        }
        result.map(|_| ())
    }

    pub(super) async fn reconcile_is_due(&self) -> Result<bool, PassError> {
        let now = self.now();
        let every = TimeDelta::from_std(self.scheduled.reconcile_every).unwrap_or(TimeDelta::MAX);
        Ok(self.state().await?.last_reconciled.is_none_or(|last| {
            // After the clock was set back, a time in the future would never come.
            last > now || now - last >= every
        }))
    }

    /// Compares what is stored with what the vendor still has.
    pub(super) async fn reconcile(&mut self) -> Result<PollReport, PassError> {
        let mut state = self.state().await?;
        let cx = self.context();
        let report = guarded(self.scheduled.source.reconcile(&cx)).await?;
        self.note(&report);
        state.last_reconciled = Some(cx.now);
        self.store.set_source_state(self.name(), &state).await?;
        Ok(report)
    }

    async fn state(&self) -> Result<SourceState, PassError> {
        Ok(self.store.source_state(self.name()).await?)
    }

    fn context(&self) -> PollContext {
        PollContext {
            store: self.store.clone(),
            now: self.now(),
            progress: self.environment.progress.clone(),
        }
    }

    /// Counts what a pass reports, and tells its warnings unless the last one had them too.
    fn note(&mut self, report: &PollReport) {
        let source = self.scheduled.source.name();
        let telemetry = &self.environment.telemetry;
        let gaps = telemetry.source_gap_suspected_total.with_label_values(&[source.as_str()]);
        gaps.inc_by(report.gaps);
        for (kind, count) in &report.rejected {
            let labels = [source.as_str(), kind.as_str(), "rejected"];
            telemetry.source_items_total.with_label_values(&labels).inc_by(*count);
        }
        for warning in &report.warnings {
            if !self.warnings.contains(warning) {
                tracing::warn!(%source, "{warning}");
            }
        }
        self.warnings = report.warnings.iter().cloned().collect();
        let warnings = i64::try_from(self.warnings.len()).unwrap_or(i64::MAX);
        telemetry.source_warnings.with_label_values(&[source.as_str()]).set(warnings);
    }

    fn publish(&self, state: &SourceState) {
        let telemetry = &self.environment.telemetry;
        let name = [self.name().as_str()];
        let gauges = [
            (&telemetry.source_last_success_timestamp_seconds, state.last_success),
            (&telemetry.source_data_through_timestamp_seconds, state.data_through),
        ];
        for (gauge, instant) in gauges {
            if let Some(instant) = instant {
                #[expect(clippy::cast_precision_loss, reason = "exact until the year 287396")]
                let seconds = instant.timestamp_millis() as f64 / 1000.0;
                gauge.with_label_values(&name).set(seconds);
            }
        }
    }

    fn set_up(&self, up: bool) {
        let gauge = &self.environment.telemetry.source_up;
        gauge.with_label_values(&[self.name().as_str()]).set(i64::from(up));
    }

    /// How long the vendor wants us to wait. Bounded, since its clock may be anywhere, and never
    /// nothing.
    pub(super) fn limited(&self, until: Instant) -> Duration {
        let wait = (until - self.now()).to_std().unwrap_or(Duration::ZERO);
        let wait = wait.clamp(SHORTEST_LIMIT, LONGEST_LIMIT);
        tracing::info!(source = %self.name(), "rate limited; goes on in {} s", wait.as_secs());
        self.environment
            .telemetry
            .source_rate_limit_wait_seconds_total
            .with_label_values(&[self.name().as_str()])
            .inc_by(wait.as_secs_f64());
        wait
    }
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    last: String,
}

/// Turns a panic into an error: a bug in one source is no reason to stop the others.
async fn guarded(
    work: impl Future<Output = Result<PollReport, SourceError>>,
) -> Result<PollReport, PassError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => Ok(result?),
        Err(panic) => Err(PassError::Panicked(text_of(&*panic))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "?".to_owned())
}

/// Does `work`, which after `stop` has `grace` left. `None` if it was not done by then.
pub(super) async fn within<T>(
    stop: &CancellationToken,
    grace: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async { stop.cancelled().await; tokio::time::sleep(grace).await } => None,
    }
}
