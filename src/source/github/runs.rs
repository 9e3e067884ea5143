//! Workflow runs, newest first, over REST.
//!
//! The listing is read without filters: with one, GitHub shows no more than 1,000 runs. A run can
//! be started again for a month, so all younger ones are read at every poll, conditionally: a page
//! that did not change costs nothing.

mod normalise;
mod page;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use url::Url;

use normalise::Node;
use page::{Pass, Sheet};

use super::{Visit, cursor};
use crate::domain::fact::{RunAttempt, WorkflowRun};
use crate::domain::{Fact, Instant, Kind, Text};
use crate::source::SourceError;
use crate::source::outbound::{Answer, OutboundError, Request};
use crate::store::Batch;

/// A pass goes this far beyond what is known.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// What messages call them.
const FEATURE: &str = "workflow runs";

/// How many runs older than the settle window are followed until they end.
const MOST_FOLLOWED: usize = 5;

/// How many runs that are missing from the list are asked for when reconciling. The others stay
/// until the next time.
const MOST_ASKED: usize = 100;

/// How long a refusal is believed where no rule needs the runs: asking costs a request.
const REFUSAL_HOLDS: TimeDelta = TimeDelta::hours(6);

/// What is known about the runs of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Since when runs were wanted.
    since: Instant,
    /// The newest run that was seen.
    newest: Option<Newest>,
    /// Creation of the oldest run on each page with a validator, by its key: a page that did not
    /// change does not tell. An empty page has none.
    pages: BTreeMap<String, Option<Instant>>,
    /// Runs that have not ended.
    followed: Vec<Newest>,
    /// Workflows of which every attempt is collected.
    workflows: BTreeSet<String>,
    /// A first pass that was not finished.
    pass: Option<FirstPass>,
    /// When they were refused, if they were when they were last asked for.
    #[serde(default)]
    refused: Option<Instant>,
}

impl Cursor {
    fn is_refused(&self, now: Instant) -> bool {
        self.refused.is_some_and(|at| at <= now && now < at + REFUSAL_HOLDS)
    }
}

/// A run, and when it was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    id: u64,
    created_at: Instant,
}

/// How far the first pass has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FirstPass {
    newest: Option<Newest>,
    /// The page that was read last, and the last run of all that were read.
    page: Option<Url>,
    last: Option<Newest>,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("runs:{}", visit.repository.native)
}

fn listing(visit: &Visit<'_>) -> Request {
    visit.rest(&["actions", "runs"]).query("per_page", 100).query("exclude_pull_requests", "true")
}

/// Reads what is new or may have changed.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let since = visit.shared.history_start;
    let mut cursor = known.filter(|it| it.since <= since).unwrap_or_else(|| Cursor {
        since,
        newest: None,
        pages: BTreeMap::new(),
        followed: Vec::new(),
        workflows: visit.repository.needs.workflows.clone(),
        pass: Some(FirstPass::default()),
        refused: None,
    });
    let needed = !visit.repository.needs.workflows.is_empty();
    if !needed && cursor.is_refused(visit.now) {
        visit.refused(FEATURE, needed);
        return Ok(());
    }
    let before = cursor.clone();
    match read(visit, &mut cursor).await {
        // The token was good enough for the overview: it is this feature that is refused.
        Err(SourceError::NotFound(_) | SourceError::Unauthorized(_)) => {
            visit.refused(FEATURE, needed);
            // What was not stored must not be passed over: only what was saved with its rows counts.
            let stored: Option<Cursor> =
                cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
            let known = stored.filter(|it| it.since <= since).unwrap_or(before);
            save(visit, &Cursor { refused: Some(visit.now), ..known }, Batch::default()).await
        }
        other => other,
    }
}

async fn read(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    // A pass that starts now sees everything.
    let starts = cursor.pass.as_ref().is_some_and(|it| it.page.is_none());
    if cursor.pass.is_some() {
        first_pass(visit, cursor).await?;
    }
    if !starts {
        read_again(visit, cursor).await?;
        follow(visit, cursor).await?;
    }
    earlier_attempts(visit, cursor).await?;
    cursor.refused = None;
    save(visit, cursor, Batch::default()).await
}

async fn save(visit: &mut Visit<'_>, cursor: &Cursor, mut batch: Batch) -> Result<(), SourceError> {
    cursor::save(&mut batch, &stream(visit), cursor);
    visit.commit(batch).await
}

/// Everything since the start of the history, page by page.
async fn first_pass(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    let mut first = cursor.pass.clone().unwrap_or_default();
    let start = match &first.page {
        Some(page) => visit.dressed(Request::follow(page.clone())),
        None => listing(visit),
    };
    let resumed = first.page.is_some();
    let (mut pass, mut next) = match begin(visit, start).await {
        // The page is not there any more, or is none of the address that is configured now.
        Err(error @ (SourceError::NotFound(_) | SourceError::Malformed(_))) if resumed => {
            visit.starts_again(FEATURE, &error);
            cursor.pass = Some(FirstPass::default());
            return Box::pin(first_pass(visit, cursor)).await;
        }
        other => other?,
    };
    // Where it was interrupted, the last run must show up again: there, or further down if others
    // were started meanwhile. Else runs were deleted and others slipped past.
    let mut expected = first.last.clone();
    let settled = visit.now - visit.shared.settle_window;
    while let Some(sheet) = next {
        let done = !sheet.more || sheet.oldest.is_some_and(|it| it < cursor.since);
        expected = expected.filter(|it| !pass.saw(it.id));
        if let Some(last) = &expected
            && (done || sheet.oldest.is_some_and(|it| it < last.created_at))
        {
            visit.gap(FEATURE, "they moved while the first pass was interrupted");
            cursor.pass = Some(FirstPass::default());
            return Box::pin(first_pass(visit, cursor)).await;
        }
        let runs = sheet.runs.unwrap_or_default();
        let mut batch = Batch::default();
        // Later polls read the first page, and those with young runs. What moved since the pass
        // began must not be passed over as unchanged by the first of them.
        let young = || runs.iter().any(|it| it.created_at >= settled);
        let read_again = !resumed && (first.page.is_none() || young());
        if let Some(validator) = sheet.validator.filter(|_| read_again) {
            cursor.pages.insert(sheet.key, sheet.oldest);
            batch.validators.push(validator);
        }
        first.newest = first.newest.or_else(|| newest(visit, &runs));
        if expected.is_some() {
            first.page = Some(sheet.url);
        } else if let Some(last) = oldest(visit, &runs) {
            (first.page, first.last) = (Some(sheet.url), Some(last));
        }
        take(visit, cursor, &runs, &mut batch).await?;
        cursor.pass = (!done).then(|| first.clone());
        if done {
            cursor.newest.clone_from(&first.newest);
        }
        save(visit, cursor, batch).await?;
        if done {
            break;
        }
        next = pass.next(visit, None).await?;
    }
    cursor.pass = None;
    Ok(())
}

/// A pass with its first page.
async fn begin(
    visit: &mut Visit<'_>,
    first: Request,
) -> Result<(Pass, Option<Sheet>), SourceError> {
    let mut pass = Pass::new(visit, first)?;
    let sheet = pass.next(visit, None).await?;
    Ok((pass, sheet))
}

/// The newest run on a page. A date from the future is no place to continue from.
fn newest(visit: &Visit<'_>, runs: &[Node]) -> Option<Newest> {
    let run = runs.iter().filter(|it| it.created_at <= visit.now).max_by_key(|it| it.created_at)?;
    Some(Newest { id: run.id, created_at: run.created_at })
}

/// The last run on a page whose date says where it stands.
fn oldest(visit: &Visit<'_>, runs: &[Node]) -> Option<Newest> {
    let is_dated = |it: &&Node| visit.is_possible(it.created_at) && it.created_at <= visit.now;
    let run = runs.iter().rfind(is_dated)?;
    Some(Newest { id: run.id, created_at: run.created_at })
}

/// Everything down to what is both known and settled.
async fn read_again(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    if !down_to_the_floor(visit, cursor, true).await? {
        // It was deleted, or a page went missing.
        visit.gap(FEATURE, "the newest one known is not there any more");
        down_to_the_floor(visit, cursor, false).await?;
    }
    Ok(())
}

/// Reads the newest runs. False if the newest one that was known is not among them.
async fn down_to_the_floor(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    conditionally: bool,
) -> Result<bool, SourceError> {
    let settled = visit.now - visit.shared.settle_window;
    let known = cursor.newest.clone();
    let floor = known.as_ref().map_or(settled, |it| it.created_at.min(settled)) - OVERLAP;
    let floor = floor.max(visit.shared.history_start);
    let before = std::mem::take(&mut cursor.pages);
    let mut pass = Pass::new(visit, listing(visit))?;
    let mut newest_now = None;
    let mut untouched = false;
    let mut first = true;
    while let Some(sheet) = pass.next(visit, conditionally.then_some(&before)).await? {
        let mut batch = Batch::default();
        if sheet.validator.is_some() || sheet.runs.is_none() {
            cursor.pages.insert(sheet.key, sheet.oldest);
        }
        batch.validators.extend(sheet.validator);
        match &sheet.runs {
            Some(runs) => {
                newest_now = newest_now.or_else(|| newest(visit, runs));
                take(visit, cursor, runs, &mut batch).await?;
            }
            None => untouched |= first,
        }
        first = false;
        let done = !sheet.more || sheet.oldest.is_some_and(|it| it < floor);
        if done && newest_now.is_some() {
            cursor.newest.clone_from(&newest_now);
        }
        if sheet.runs.is_some() || done {
            // The validators of the pages are only worth something together with their rows.
            save(visit, cursor, batch).await?;
        }
        if done {
            break;
        }
    }
    Ok(untouched || known.is_none_or(|it| pass.saw(it.id)))
}

/// Takes runs in, with the attempts that a rule may ask for.
async fn take(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    runs: &[Node],
    batch: &mut Batch,
) -> Result<(), SourceError> {
    let mut stored = None;
    for run in runs.iter().filter(|it| it.created_at >= visit.shared.history_start) {
        cursor.followed.retain(|it| it.id != run.id);
        if !run.has_ended() {
            cursor.followed.push(Newest { id: run.id, created_at: run.created_at });
        }
        let attempts = if run.attempts() > 1 && every_attempt_counts(visit, run) {
            if stored.is_none() {
                stored = Some(stored_runs(visit).await?);
            }
            let known = stored.as_ref().and_then(|it| it.get(run.id.to_string().as_str()));
            attempts_before(visit, run, known).await?
        } else {
            Vec::new()
        };
        match run.normalise(&visit.repository.fact.id, attempts, visit.now) {
            Some(run) => batch.facts.push(Fact::WorkflowRun(run)),
            None => visit.reject(Kind::WorkflowRun, Some(run.id), &"its commit is no commit id"),
        }
    }
    // The newest ones are listed anyway; of the old ones some are followed.
    cursor.followed.sort_by_key(|it| std::cmp::Reverse((it.created_at, it.id)));
    Ok(())
}

/// Whether a rule may ask for the first attempt that succeeded.
fn every_attempt_counts(visit: &Visit<'_>, run: &Node) -> bool {
    visit.repository.needs.workflows.contains(run.workflow())
        && run.head_branch == visit.repository.fact.default_branch
}

async fn stored_runs(visit: &Visit<'_>) -> Result<BTreeMap<Text, WorkflowRun>, SourceError> {
    let id = visit.repository.fact.id.as_str();
    let facts = visit.store.facts(&visit.shared.source, Kind::WorkflowRun, Some(id)).await?;
    let runs = facts.into_iter().filter_map(|fact| match fact {
        Fact::WorkflowRun(run) => Some((run.id.clone(), run)),
        _ => None,
    });
    Ok(runs.collect())
}

/// The attempts before the latest one: those that are stored are over, the others are asked for.
async fn attempts_before(
    visit: &mut Visit<'_>,
    run: &Node,
    known: Option<&WorkflowRun>,
) -> Result<Vec<RunAttempt>, SourceError> {
    let mut attempts = Vec::new();
    for number in 1..run.attempts() {
        let stored = known.and_then(|it| it.attempts.iter().find(|it| it.number == number));
        if let Some(stored) = stored.filter(|it| it.completed_at.is_some()) {
            attempts.push(stored.clone());
            continue;
        }
        let (id, number) = (run.id.to_string(), number.to_string());
        let request = visit
            .rest(&["actions", "runs", &id, "attempts", &number])
            .query("exclude_pull_requests", "true");
        match visit.shared.outbound.get(&request).await {
            Ok(page) => match page.json::<Node>() {
                Ok(attempt) => attempts.push(attempt.attempt()),
                Err(error) => visit.reject(Kind::WorkflowRun, Some(run.id), &error),
            },
            Err(OutboundError::Status { status, .. }) if matches!(status.as_u16(), 404 | 410) => {
                tracing::debug!(run = id, attempt = number, "the attempt is not kept any more");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(attempts)
}

/// Reads those again that are older than the settle window and had not ended.
async fn follow(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    let settled = visit.now - visit.shared.settle_window;
    let old = cursor.followed.iter().filter(|it| it.created_at < settled);
    let ids: Vec<_> = old.map(|it| it.id).take(MOST_FOLLOWED).collect();
    let mut batch = Batch::default();
    for id in ids {
        let request = visit
            .rest(&["actions", "runs", &id.to_string()])
            .query("exclude_pull_requests", "true");
        match visit.shared.outbound.get_if_changed(&request, visit.store).await {
            Ok(Answer::NotModified { .. }) => {}
            Ok(Answer::Fresh(page)) => match page.json::<Node>() {
                Ok(run) => {
                    take(visit, cursor, &[run], &mut batch).await?;
                    batch.validators.extend(page.validator);
                }
                Err(error) => visit.reject(Kind::WorkflowRun, Some(id), &error),
            },
            Err(OutboundError::Status { status, .. }) if matches!(status.as_u16(), 404 | 410) => {
                cursor.followed.retain(|it| it.id != id);
            }
            Err(error) => return Err(error.into()),
        }
    }
    visit.commit(batch).await
}

/// Reads the earlier attempts of runs that were collected before a rule asked for them.
async fn earlier_attempts(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    let wanted = visit.repository.needs.workflows.clone();
    if wanted.is_subset(&cursor.workflows) {
        return Ok(());
    }
    let mut batch = Batch::default();
    let default_branch = visit.repository.fact.default_branch.clone();
    for (id, mut run) in stored_runs(visit).await? {
        let first = run.attempts.first().map_or(1, |it| it.number);
        let new = wanted.contains(run.workflow.as_str())
            && !cursor.workflows.contains(run.workflow.as_str());
        if first == 1 || !new || run.branch.as_deref() != default_branch.as_deref() {
            continue;
        }
        let Some(node) = one(visit, &id).await? else { continue };
        let known = run.clone();
        let before = attempts_before(visit, &node, Some(&known)).await?;
        if let Some(whole) = node.normalise(&visit.repository.fact.id, before, visit.now) {
            run = whole;
            batch.facts.push(Fact::WorkflowRun(run));
        }
    }
    cursor.workflows = wanted;
    save(visit, cursor, batch).await
}

/// Compares the runs that are stored with those that GitHub has. Those that are older than the
/// oldest one that GitHub still lists were not deleted: GitHub keeps runs for a limited time.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if visit.repository.needs.workflows.is_empty() {
        // No rule looks at them, and there may be very many.
        return Ok(());
    }
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let Some(mut cursor) = known.filter(|it| it.pass.is_none()) else { return Ok(()) };
    let mut oldest: Option<Instant> = None;
    let mut pass = Pass::new(visit, listing(visit))?;
    loop {
        let sheet = match pass.next(visit, None).await {
            Ok(Some(sheet)) => sheet,
            Ok(None) => break,
            Err(SourceError::NotFound(_) | SourceError::Unauthorized(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let runs = sheet.runs.unwrap_or_default();
        oldest = sheet.oldest.or(oldest);
        let mut batch = Batch::default();
        take(visit, &mut cursor, &runs, &mut batch).await?;
        visit.commit(batch).await?;
        if !sheet.more || sheet.oldest.is_some_and(|it| it < visit.shared.history_start) {
            break;
        }
    }
    let mut missing = stored_runs(visit).await?;
    missing.retain(|id, run| {
        let listed = oldest.is_some_and(|oldest| run.created_at >= oldest);
        listed && !id.parse().is_ok_and(|id| pass.saw(id))
    });
    let mut batch = Batch::default();
    for (id, run) in missing.into_iter().take(MOST_ASKED) {
        // Runs that are deleted while the list is read shift others out of sight.
        match one(visit, &id).await? {
            Some(there) => take(visit, &mut cursor, &[there], &mut batch).await?,
            None => {
                cursor.followed.retain(|it| it.id.to_string() != id);
                batch.removed.push(Fact::WorkflowRun(run).key(&visit.shared.source));
            }
        }
    }
    save(visit, &cursor, batch).await
}

/// One run as it is now; nothing if GitHub does not have it any more.
async fn one(visit: &Visit<'_>, id: &str) -> Result<Option<Node>, SourceError> {
    let request = visit.rest(&["actions", "runs", id]).query("exclude_pull_requests", "true");
    match visit.shared.outbound.get(&request).await {
        Ok(page) => Ok(Some(page.json()?)),
        Err(OutboundError::Status { status, .. }) if matches!(status.as_u16(), 404 | 410) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
