//! GitHub: github.com, Enterprise Server and ghe.com.
//!
//! One overview query tells where every repository stands. Streams that did not move cost nothing
//! more; the others read on from their cursors: pull requests by update, the default branch by
//! commit, deployments, runs and releases by creation with everything young read again, decision
//! records by commit, issues and alerts by update, and what standards look at when the branch moves.
//! Rows and cursor are committed together, page by page, so that an
//! interruption costs at most a page.
//!
//! GraphQL carries what it can; workflow runs are REST, conditionally. Repositories are known by
//! number and followed through renames and transfers. One that disappears keeps its history: a
//! lost permission looks the same as a deletion. A repository or a feature that is refused is
//! unknown, not empty: where a rule needs it, the poll fails; elsewhere it is a warning.

mod alerts;
mod app;
mod commits;
mod contents;
mod cursor;
mod deployments;
mod discover;
mod graphql;
mod issues;
mod jobs;
mod name;
mod needs;
mod probe;
mod properties;
mod pulls;
mod records;
mod releases;
mod round;
mod runs;
mod settings;

use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Mutex;

pub use needs::{Needs, RepositoryNeeds};
pub use probe::ProbeError;
pub use settings::{AppSettings, Settings};

use self::discover::{Collected, Discovery};
use self::graphql::{API_VERSION, GraphQl, MEDIA_TYPE};
use self::name::FullName;
use self::round::Round;
use self::settings::Selection;
use super::outbound::{
    Authenticator, Dialect, Environment, Limits, MintedTokens, Options, Outbound, OutboundError,
    ReferredToken, Request,
};
use super::{PollContext, PollReport, Source, SourceError};
use crate::domain::{Fact, Instant, Kind, SourceName};
use crate::store::{Batch, Store};

/// Repositories that are read at the same time. GitHub asks for few requests at a time.
const SIDE_BY_SIDE: usize = 3;

/// A GitHub source.
#[derive(Debug)]
pub struct GitHub {
    shared: Shared,
}

/// Why a GitHub source cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The client cannot be made.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Neither a token nor an App is configured.
    #[error("no credentials: give either a token or an App")]
    NoCredentials,
}

/// What all streams share.
#[derive(Debug)]
struct Shared {
    source: SourceName,
    outbound: Outbound,
    graphql: GraphQl,
    organisation: Option<String>,
    repositories: Vec<FullName>,
    selection: Selection,
    needs: Needs,
    history_start: Instant,
    settle_window: TimeDelta,
}

impl GitHub {
    /// A source called `name`. `needs` is what the rules need of each repository.
    ///
    /// # Errors
    /// If the token cannot be had or no client can be made for the address.
    pub fn new(
        name: SourceName,
        settings: &Settings,
        needs: Needs,
        environment: &Environment,
    ) -> Result<Self, BuildError> {
        let limits =
            Limits { allow_plain_http: settings.allow_insecure, ..Limits::of(Dialect::GitHub) };
        Self::with_limits(name, settings, needs, limits, environment)
    }

    /// The same with other limits than the vendor's.
    ///
    /// # Errors
    /// As [`GitHub::new`].
    pub fn with_limits(
        name: SourceName,
        settings: &Settings,
        needs: Needs,
        limits: Limits,
        environment: &Environment,
    ) -> Result<Self, BuildError> {
        let auth: Arc<dyn Authenticator> = match (&settings.app, &settings.token) {
            (Some(app), _) => {
                let clock = Arc::clone(&environment.clock);
                Arc::new(MintedTokens::new(app::App::new(app.clone()), clock))
            }
            (None, Some(token)) => Arc::new(ReferredToken::new("Bearer ", token.clone())?),
            (None, None) => return Err(BuildError::NoCredentials),
        };
        let options = Options {
            source: name.clone(),
            base: settings.api_url.clone(),
            dialect: Dialect::GitHub,
            limits,
            auth,
        };
        let outbound = Outbound::new(options, environment)?;
        Ok(Self {
            shared: Shared {
                source: name,
                graphql: GraphQl::new(outbound.clone()),
                outbound,
                organisation: settings.organisation.clone(),
                repositories: settings
                    .repositories
                    .iter()
                    .filter_map(|name| FullName::parse(name))
                    .collect(),
                selection: settings.selection(),
                needs,
                history_start: settings.history_start.0,
                settle_window: settings.settle_window.chrono(),
            },
        })
    }

    /// Visits every repository, to compare it in a `round` or to read on. One that fails does not
    /// keep the others from being read; the first failure is the result.
    async fn visit_all(
        &self,
        cx: &PollContext,
        collected: Vec<Collected>,
        report: &mut PollReport,
        round: Option<Round>,
    ) -> Result<(), SourceError> {
        let round = round.map(Mutex::new);
        let stream = if round.is_some() { "reconciliation" } else { "repositories" };
        let total = collected.len() as u64;
        let visits =
            collected.into_iter().map(|repository| self.visit(cx, repository, round.as_ref()));
        let mut visits = stream::iter(visits).buffer_unordered(SIDE_BY_SIDE);
        let mut outcome = Outcome::default();
        let mut done = 0;
        while let Some((repository, found, result)) = visits.next().await {
            report.merge(found);
            if let Err(error) = &result {
                let (source, repository) = (&self.shared.source, &repository.name);
                tracing::warn!(%source, %repository, %error, "a repository could not be read");
            }
            outcome.note(result)?;
            done += 1;
            cx.progress.step(&self.shared.source, stream, done, Some(total));
        }
        outcome.0.map_or(Ok(()), Err)
    }

    async fn visit(
        &self,
        cx: &PollContext,
        repository: Collected,
        round: Option<&Mutex<Round>>,
    ) -> (Collected, PollReport, Result<(), SourceError>) {
        let mut visit = Visit::new(&self.shared, cx, &repository);
        let mut result = match round {
            Some(_) => visit.reconcile().await,
            None => visit.poll().await,
        };
        let report = visit.report;
        // In the visit and not where visits are gathered: while those who gather wait for the
        // store, no visit goes on, and one of them may hold what the store waits for.
        if let (Ok(()), Some(round)) = (&result, round) {
            let mut round = round.lock().await;
            result = round.compared(&self.shared, cx, repository.native).await;
        }
        (repository, report, result)
    }
}

impl Shared {
    async fn commit(&self, cx: &PollContext, batch: Batch) -> Result<(), SourceError> {
        cx.store.commit(&self.source, batch).await?;
        Ok(())
    }
}

#[async_trait]
impl Source for GitHub {
    fn name(&self) -> &SourceName {
        &self.shared.source
    }

    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        let mut report = PollReport::default();
        let Discovery { collected, missing } =
            discover::discover(&self.shared, cx, &mut report).await?;
        self.visit_all(cx, collected, &mut report, None).await?;
        missing.map_or(Ok(report), Err)
    }

    async fn reconcile(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        let mut report = PollReport::default();
        let Discovery { mut collected, missing } =
            discover::discover(&self.shared, cx, &mut report).await?;
        discover::reconcile(&self.shared, cx, &collected, &mut report).await?;
        let round = Round::load(&self.shared, cx).await?;
        collected.retain(|it| !round.has(it.native));
        self.visit_all(cx, collected, &mut report, Some(round)).await?;
        if let Some(error) = missing {
            return Err(error);
        }
        Round::finish(&self.shared, cx).await?;
        Ok(report)
    }
}

/// The first failure of several parts.
#[derive(Default)]
struct Outcome(Option<SourceError>);

impl Outcome {
    /// Keeps a failure for later, unless nothing else can go better.
    fn note(&mut self, result: Result<(), SourceError>) -> Result<(), SourceError> {
        match result {
            Ok(()) => Ok(()),
            Err(error @ (SourceError::RateLimited { .. } | SourceError::Store(_))) => Err(error),
            Err(error) => {
                self.0.get_or_insert(error);
                Ok(())
            }
        }
    }
}

/// The work on one repository.
struct Visit<'a> {
    shared: &'a Shared,
    store: &'a dyn Store,
    now: Instant,
    repository: &'a Collected,
    report: PollReport,
    /// A feature that a rule needs was refused.
    refusal: Option<SourceError>,
}

impl<'a> Visit<'a> {
    fn new(shared: &'a Shared, cx: &'a PollContext, repository: &'a Collected) -> Self {
        let report = PollReport::default();
        Self { shared, store: &*cx.store, now: cx.now, repository, report, refusal: None }
    }

    /// Reads every stream on. One that fails does not keep the others from being read.
    async fn poll(&mut self) -> Result<(), SourceError> {
        let mut outcome = Outcome::default();
        outcome.note(commits::poll(self).await)?;
        outcome.note(self.name_head().await)?;
        outcome.note(pulls::poll(self).await)?;
        outcome.note(deployments::poll(self).await)?;
        outcome.note(runs::poll(self).await)?;
        outcome.note(releases::poll(self).await)?;
        outcome.note(records::poll(self).await)?;
        outcome.note(issues::poll(self).await)?;
        outcome.note(alerts::poll(self).await)?;
        outcome.note(contents::poll(self).await)?;
        outcome.note(properties::poll(self).await)?;
        outcome.note(jobs::poll(self).await)?;
        outcome.note(self.refusal.take().map_or(Ok(()), Err))?;
        outcome.0.map_or(Ok(()), Err)
    }

    async fn reconcile(&mut self) -> Result<(), SourceError> {
        let mut outcome = Outcome::default();
        outcome.note(self.poll().await)?;
        outcome.note(commits::reconcile(self).await)?;
        outcome.note(pulls::reconcile(self).await)?;
        outcome.note(deployments::reconcile(self).await)?;
        outcome.note(runs::reconcile(self).await)?;
        outcome.note(releases::reconcile(self).await)?;
        outcome.note(records::reconcile(self).await)?;
        outcome.note(issues::reconcile(self).await)?;
        outcome.note(alerts::reconcile(self).await)?;
        outcome.note(contents::reconcile(self).await)?;
        outcome.0.map_or(Ok(()), Err)
    }

    /// Lets the repository's fact name the tip that the graph now has.
    async fn name_head(&mut self) -> Result<(), SourceError> {
        let head = commits::cursor(self).await?.head;
        if head.is_none() {
            return Ok(());
        }
        let fact = crate::domain::fact::Repository { head, ..self.repository.fact.clone() };
        let batch = Batch { facts: vec![Fact::Repository(fact)], ..Batch::default() };
        self.commit(batch).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), SourceError> {
        self.store.commit(&self.shared.source, batch).await?;
        Ok(())
    }

    /// A REST request below `/repos/OWNER/NAME`.
    fn rest(&self, segments: &[&str]) -> Request {
        let name = &self.repository.name;
        let path = ["repos", name.owner(), name.name()].into_iter().chain(segments.iter().copied());
        self.dressed(Request::to(path))
    }

    /// With the headers that GitHub asks for.
    fn dressed(&self, request: Request) -> Request {
        let (name, version) = API_VERSION;
        request.accept(MEDIA_TYPE).header(name, version)
    }

    /// Counts an item that cannot be read and names it in the log.
    fn reject(&mut self, kind: Kind, item: Option<u64>, why: &dyn Display) {
        self.report.reject(kind);
        tracing::warn!(
            source = %self.shared.source,
            repository = %self.repository.name,
            kind = kind.as_str(),
            item,
            error = %why,
            "an item cannot be read; the others are kept"
        );
    }

    /// Counts an interval in which something may have been missed.
    fn gap(&mut self, what: &str, why: &str) {
        self.report.gaps += 1;
        tracing::warn!(
            source = %self.shared.source,
            repository = %self.repository.name,
            "{what} may have been missed ({why}); reading them again"
        );
    }

    /// A list of what there is came with holes: what is not on it may be there all the same.
    fn keeps(&mut self, what: &str) {
        let name = &self.repository.name;
        self.report.warnings.push(format!(
            "{what} of {name}: GitHub's list of them has holes, so none that is missing from it is \
             taken for deleted"
        ));
    }

    /// The server does not know the place to continue from: the pass starts at its beginning.
    /// What it read before is stored and is read again, which is slow and safe.
    fn starts_again(&self, what: &str, why: &dyn Display) {
        tracing::warn!(
            source = %self.shared.source,
            repository = %self.repository.name,
            error = %why,
            "{what} are read from the beginning"
        );
    }

    /// Whether any rule needs the repository.
    fn is_needed(&self) -> bool {
        self.repository.needs != RepositoryNeeds::default()
    }

    /// A feature is not there, or not for this token. If a rule needs it, that is a failure.
    fn refused(&mut self, feature: &str, needed: bool) {
        let text = format!(
            "{feature} of {}: not there, or not visible to this token",
            self.repository.name
        );
        if needed {
            self.refusal.get_or_insert(SourceError::Unauthorized(text));
        } else {
            self.report.warnings.push(text);
        }
    }

    /// Whether GitHub can have dated something like this. A date from before it existed is a
    /// mistake and says nothing about how far a list has been read.
    fn is_possible(&self, at: Instant) -> bool {
        const GITHUB_OPENED: i64 = 1_207_785_600;
        at.timestamp() >= GITHUB_OPENED
    }

    /// The repository was there a moment ago.
    fn gone(&self) -> SourceError {
        SourceError::NotFound(format!("repository {}", self.repository.name))
    }
}
