//! Issues with one of the labels that a rule asks for, in the order of their last update.
//!
//! GitHub's list of issues of a repository has no pull requests in it. All issues are listed,
//! because one whose label was taken off still tells in its log that it had it; those that never
//! had such a label are not kept. Neither titles nor texts are asked for.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::graphql::{
    Connection, ISSUE_REST, ISSUES, NodeOf, PageSize, Pager, QueryError, Reply, Trail, variables,
};
use super::{Visit, cursor};
use crate::domain::fact::{ClosedAs, HiddenIssues, Issue, IssueEvent, IssueEventKind};
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Issues a page.
const PAGE: u32 = 100;

/// A pass goes this far beyond what is known: replicas may lag behind each other.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// Updates of the last minute may share their second with one that comes yet.
const SETTLES: TimeDelta = TimeDelta::minutes(1);

/// What is known about the issues of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// The labels that were asked for.
    labels: BTreeSet<String>,
    /// The last update that is in the store, and of which issue.
    newest: Option<Newest>,
    /// It was long enough ago when it was read.
    settled: bool,
    /// Where the next page of an unfinished pass starts, and the newest that the pass saw.
    pass: Option<Pass>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    number: u64,
    updated_at: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pass {
    top: Option<Newest>,
    after: Option<String>,
}

#[derive(Deserialize)]
struct Issues {
    issues: Option<Connection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    number: u64,
    updated_at: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    number: u64,
    created_at: Instant,
    updated_at: Instant,
    #[serde(default)]
    closed_at: Option<Instant>,
    #[serde(default)]
    state_reason: Option<String>,
    labels: Option<Connection<Label>>,
    timeline_items: Option<Connection<Event>>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "__typename")]
    kind: String,
    created_at: Instant,
    #[serde(default)]
    label: Option<Label>,
    #[serde(default)]
    state_reason: Option<String>,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("issues:{}", visit.repository.native)
}

/// Whether issues can be read at all. That they are hidden is stored: they are unknown then, and all
/// else is read on.
async fn is_readable(visit: &mut Visit<'_>) -> Result<bool, SourceError> {
    let (name, overview) = (&visit.repository.name, &visit.repository.overview);
    if visit.repository.needs.issue_labels.is_empty() {
        return Ok(false);
    }
    if overview.has_no_issues {
        visit.report.warnings.push(format!("issues of {name}: switched off"));
        return Ok(false);
    }
    let hidden = overview.hides_issues;
    if hidden {
        warn(visit);
    }
    let source = &visit.shared.source;
    let id = visit.repository.fact.id.as_str();
    let known = visit.store.facts(source, Kind::HiddenIssues, Some(id)).await?;
    let mut batch = Batch::default();
    match (hidden, known.first()) {
        (true, None) => batch.facts.push(hiding(visit)),
        (false, Some(fact)) => batch.removed.push(fact.key(source)),
        (true, Some(_)) | (false, None) => return Ok(!hidden),
    }
    visit.commit(batch).await?;
    Ok(!hidden)
}

fn warn(visit: &mut Visit<'_>) {
    let name = &visit.repository.name;
    visit.report.warnings.push(format!(
        "issues of {name}: hidden from this credential, so there is no debt_retirement of what they \
         belong to"
    ));
}

fn hiding(visit: &Visit<'_>) -> Fact {
    let repository = &visit.repository.fact;
    let (repository, since) = (repository.id.clone(), repository.created_at);
    Fact::HiddenIssues(HiddenIssues { repository, since })
}

/// Reads what changed since the last pass.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if !is_readable(visit).await? {
        return Ok(());
    }
    let labels = visit.repository.needs.issue_labels.clone();
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    // Issues with labels that were not wanted before are collected by starting again.
    let mut cursor = known
        .filter(|it| labels.is_subset(&it.labels))
        .unwrap_or_else(|| Cursor { labels, ..Cursor::default() });
    if cursor.pass.is_some() {
        let floor = floor(&cursor);
        descend(visit, &mut cursor, floor).await?;
    }
    if !has_news(visit, &cursor) {
        return Ok(());
    }
    let before = cursor.newest.clone();
    cursor.pass = Some(Pass::default());
    let floor = floor(&cursor);
    let seen = descend(visit, &mut cursor, floor).await?;
    if before.is_some_and(|it| !seen.numbers.contains(&it.number)) {
        visit.gap("issues", "the one that was updated last is not there any more");
        cursor.pass = Some(Pass::default());
        descend(visit, &mut cursor, None).await?;
    }
    Ok(())
}

fn floor(cursor: &Cursor) -> Option<Instant> {
    cursor.newest.as_ref().map(|it| it.updated_at - OVERLAP)
}

/// Whether the overview shows anything that the cursor does not know.
fn has_news(visit: &Visit<'_>, cursor: &Cursor) -> bool {
    let Some(shown) = &visit.repository.overview.newest_issue else { return false };
    let same = |it: &Newest| (it.number, it.updated_at) == (shown.number, shown.updated_at);
    shown.updated_at > visit.now || !cursor.settled || !cursor.newest.as_ref().is_some_and(same)
}

/// What a pass saw.
#[derive(Debug, Default)]
struct Seen {
    numbers: BTreeSet<u64>,
    /// Something was left out: what is not among the numbers may be there.
    holes: bool,
}

/// Continues the cursor's pass down to `floor`.
async fn descend(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    floor: Option<Instant>,
) -> Result<Seen, SourceError> {
    let mut seen = Seen::default();
    let mut pass = cursor.pass.take().unwrap_or_default();
    let mut pager = Pager::new(&visit.shared.graphql, ISSUES, PAGE, pass.after.clone());
    let asked = variables([("repository", json!(visit.repository.node))]);
    loop {
        let reply: Reply<NodeOf<Issues>> = match pager.ask(&asked).await {
            Err(error @ QueryError::StaleCursor { .. }) if pager.restart() => {
                visit.starts_again("issues", &error);
                (pass, seen) = Default::default();
                continue;
            }
            other => other?,
        };
        let Some(Issues { issues }) = reply.data.node else { return Err(visit.gone()) };
        let Some(page) = issues else {
            warn(visit);
            let batch = Batch { facts: vec![hiding(visit)], ..Batch::default() };
            visit.commit(batch).await?;
            return Ok(Seen { holes: true, ..seen });
        };
        seen.holes |= reply.partial || page.is_veiled();
        let mut batch = Batch::default();
        let mut oldest = None;
        for node in page.items() {
            match serde_json::from_str(node.get()) {
                Ok(Marker { number, updated_at }) => {
                    seen.numbers.insert(number);
                    // A date from the future is no place to continue from.
                    let newer = pass.top.as_ref().is_none_or(|it| it.updated_at < updated_at);
                    if updated_at <= visit.now && newer {
                        pass.top = Some(Newest { number, updated_at });
                    }
                    if visit.is_possible(updated_at) {
                        oldest = Some(updated_at);
                    }
                }
                Err(_) => seen.holes = true,
            }
            if let Some(issue) = read(visit, node, reply.partial).await?
                && concerns(&issue, &cursor.labels)
            {
                batch.facts.push(Fact::Issue(issue));
            }
        }
        let reached = oldest.is_some_and(|oldest| floor.is_some_and(|floor| oldest < floor));
        let done = reached || !pager.follow(&page)?;
        pass.after = pager.after();
        if done {
            cursor.newest = pass.top.take().or(cursor.newest.take());
            let newest = cursor.newest.as_ref();
            cursor.settled = newest.is_none_or(|it| it.updated_at + SETTLES <= visit.now);
        }
        cursor.pass = (!done).then(|| pass.clone());
        cursor::save(&mut batch, &stream(visit), cursor);
        visit.commit(batch).await?;
        if done {
            return Ok(seen);
        }
    }
}

/// Whether it has or had one of the labels.
fn concerns(issue: &Issue, labels: &BTreeSet<String>) -> bool {
    let logged = issue.events.iter().filter_map(|it| match &it.event {
        IssueEventKind::Labeled(label) => Some(label),
        _ => None,
    });
    issue.labels.iter().chain(logged).any(|it| labels.contains(&it.to_lowercase()))
}

/// One issue with everything that did not fit on its page. One that cannot be read is counted and
/// named.
async fn read(
    visit: &mut Visit<'_>,
    node: &RawValue,
    partial: bool,
) -> Result<Option<Issue>, SourceError> {
    let mut node: Node = match serde_json::from_str(node.get()) {
        Ok(node) => node,
        Err(error) => {
            let number = serde_json::from_str::<Marker>(node.get()).ok().map(|it| it.number);
            visit.reject(Kind::Issue, number, &error);
            return Ok(None);
        }
    };
    if partial && (node.labels.is_none() || node.timeline_items.is_none()) {
        visit.reject(Kind::Issue, Some(node.number), &"the server leaves parts of it out");
        return Ok(None);
    }
    match complete(visit, &mut node).await {
        Ok(()) => Ok(Some(normalise(visit, node))),
        Err(error) if error.is_about_the_item() => {
            visit.reject(Kind::Issue, Some(node.number), &error);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rest {
    #[serde(default)]
    labels: Option<Connection<Label>>,
    #[serde(default)]
    timeline_items: Option<Connection<Event>>,
}

/// Reads what did not fit on the page.
async fn complete(visit: &Visit<'_>, node: &mut Node) -> Result<(), QueryError> {
    let graphql = &visit.shared.graphql;
    let mut trails = (graphql.trail(ISSUE_REST), graphql.trail(ISSUE_REST));
    let mut size = PageSize::of(100);
    let mut labels = node.labels.as_ref().map_or(Ok(None), |it| trails.0.next(it))?;
    let mut log = node.timeline_items.as_ref().map_or(Ok(None), |it| trails.1.next(it))?;
    while labels.is_some() || log.is_some() {
        let asked = variables([
            ("id", json!(node.id)),
            ("moreLabels", json!(labels.is_some())),
            ("labels", json!(labels)),
            ("moreLog", json!(log.is_some())),
            ("log", json!(log)),
        ]);
        let reply: Reply<NodeOf<Rest>> = graphql.page(ISSUE_REST, &mut size, &asked).await?;
        let rest = reply.data.node.filter(|_| !reply.partial);
        let Some(Rest { labels: more_labels, timeline_items }) = rest else {
            let message = "the rest of an issue is not there".to_owned();
            return Err(QueryError::NotFound { operation: ISSUE_REST.operation, message });
        };
        labels = extend(&mut trails.0, node.labels.as_mut(), more_labels)?;
        log = extend(&mut trails.1, node.timeline_items.as_mut(), timeline_items)?;
    }
    Ok(())
}

/// Adds the next page to a connection. Where the page after it starts, if there is one.
fn extend<T>(
    trail: &mut Trail,
    connection: Option<&mut Connection<T>>,
    more: Option<Connection<T>>,
) -> Result<Option<String>, QueryError> {
    let (Some(connection), Some(more)) = (connection, more) else { return Ok(None) };
    let next = trail.next(&more)?;
    connection.nodes.extend(more.nodes);
    Ok(next)
}

fn normalise(visit: &Visit<'_>, node: Node) -> Issue {
    let labels = node.labels.into_iter().flat_map(|it| it.nodes).flatten().map(|it| it.name);
    let log = node.timeline_items.into_iter().flat_map(|it| it.nodes).flatten();
    // One from the future would win over every later correction.
    let updated_at = if node.updated_at > visit.now + TimeDelta::hours(24) {
        node.created_at
    } else {
        node.updated_at
    };
    Issue {
        repository: visit.repository.fact.id.clone(),
        number: node.number,
        created_at: node.created_at,
        updated_at,
        closed_at: node.closed_at,
        closed_as: node.closed_at.map(|_| closed_as(node.state_reason.as_deref())),
        labels: labels.collect(),
        events: log.filter_map(event).collect(),
    }
}

/// Issues that were closed before there were reasons have none; GitHub shows them as completed.
fn closed_as(reason: Option<&str>) -> ClosedAs {
    match reason {
        None | Some("COMPLETED" | "REOPENED") => ClosedAs::Completed,
        Some(_) => ClosedAs::NotPlanned,
    }
}

fn event(event: Event) -> Option<IssueEvent> {
    let label = event.label.map(|it| it.name);
    let kind = match event.kind.as_str() {
        "LabeledEvent" => IssueEventKind::Labeled(label?),
        "UnlabeledEvent" => IssueEventKind::Unlabeled(label?),
        "ClosedEvent" => IssueEventKind::Closed(closed_as(event.state_reason.as_deref())),
        "ReopenedEvent" => IssueEventKind::Reopened,
        _ => return None,
    };
    Some(IssueEvent { at: event.created_at, event: kind })
}

/// Reads every issue anew, and removes what GitHub does not have any more.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if !is_readable(visit).await? {
        return Ok(());
    }
    let labels = visit.repository.needs.issue_labels.clone();
    let mut cursor = Cursor { labels, ..Cursor::default() };
    let seen = descend(visit, &mut cursor, None).await?;
    // What could not be seen may be there.
    if seen.holes {
        return Ok(());
    }
    let id = visit.repository.fact.id.as_str();
    let mut batch = Batch::default();
    for fact in visit.store.facts(&visit.shared.source, Kind::Issue, Some(id)).await? {
        if let Fact::Issue(issue) = &fact
            && !seen.numbers.contains(&issue.number)
        {
            batch.removed.push(fact.key(&visit.shared.source));
        }
    }
    visit.commit(batch).await
}
