//! Deployments with their statuses, newest first.
//!
//! GitHub cannot list what changed, so whatever is younger than the settle window, or has no final
//! status yet, is read again; unless the overview shows that nothing moved.

mod normalise;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use normalise::{Node, Status};

use super::graphql::{
    Connection, DEPLOYMENT_STATES, DEPLOYMENT_STATUSES, DEPLOYMENTS, DEPLOYMENTS_BY_ID, NodeOf,
    NodesOf, Pager, QueryError, Reply, variables,
};
use super::{Visit, commits, cursor};
use crate::domain::fact::Deployment;
use crate::domain::{CommitId, Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Deployments a page, and statuses that come with each.
const PAGE: u32 = 100;
const STATUSES: u32 = 20;

/// A pass goes this far beyond what is known.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// How many deployments older than the settle window are followed until they have a final status.
/// Those that a vendor forgot would otherwise cost requests for ever; reconciling reads them all.
const MOST_FOLLOWED: usize = 200;

/// What is known about the deployments of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Since when deployments were wanted.
    since: Instant,
    /// The newest deployment that was seen.
    newest: Option<Newest>,
    /// Hash of what the overview showed when everything was read.
    overview: Option<String>,
    /// Old deployments without a final status.
    followed: Vec<Followed>,
    /// The environments whose commits are in the graph.
    environments: BTreeSet<String>,
    /// A first pass that was not finished.
    pass: Option<Pass>,
}

impl Cursor {
    fn follow(&mut self, followed: Followed) {
        self.followed.retain(|it| it.node != followed.node);
        self.followed.push(followed);
        self.followed.sort_by(|a, b| (b.created_at, &b.node).cmp(&(a.created_at, &a.node)));
        self.followed.truncate(MOST_FOLLOWED);
    }
}

/// The newest deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    id: u64,
    created_at: Instant,
}

/// A deployment without a final status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Followed {
    node: String,
    created_at: Instant,
    /// GitHub left its statuses out: it is not stored yet.
    #[serde(default)]
    unread: bool,
}

/// How far the first pass has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pass {
    newest: Option<Newest>,
    after: Option<String>,
}

#[derive(Deserialize)]
struct Deployments {
    /// Null where the feature is not there for this token.
    deployments: Option<Connection>,
}

/// What the overview shows of the newest deployments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Glimpse {
    /// Creation of the oldest one shown.
    oldest: Option<Instant>,
    /// All that there are are shown.
    complete: bool,
    /// Hash of ids and latest statuses.
    hash: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    id: String,
    database_id: Option<u64>,
    created_at: Instant,
    #[serde(default)]
    latest_status: Option<StateStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateStatus {
    state: String,
    created_at: Instant,
}

/// Reads the overview's list of deployments.
pub(super) fn glimpse(connection: &Connection) -> Glimpse {
    let mut hash = Sha256::new();
    let mut oldest = None;
    let mut shown = 0;
    for node in connection.items() {
        shown += 1;
        // The raw text would do, if it did not depend on how a server writes JSON.
        match serde_json::from_str::<State>(node.get()) {
            Ok(state) => {
                oldest = Some(state.created_at);
                let latest = state.latest_status.map(|it| (it.state, it.created_at));
                hash.update(format!("{} {:?} {latest:?}\n", state.id, state.database_id));
            }
            Err(_) => hash.update(node.get()),
        }
    }
    Glimpse {
        oldest,
        complete: connection.total_count.is_some_and(|total| total <= shown),
        hash: hex::encode(hash.finalize()),
    }
}

fn stream(visit: &Visit<'_>) -> String {
    format!("deployments:{}", visit.repository.native)
}

/// Reads what is new or may have changed, and brings the commits that went to the environments
/// that matter into the graph.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let since = visit.shared.history_start;
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let mut cursor = known.filter(|it| it.since <= since).unwrap_or_else(|| Cursor {
        since,
        newest: None,
        overview: None,
        followed: Vec::new(),
        environments: BTreeSet::new(),
        pass: Some(Pass::default()),
    });
    let Some(glimpse) = visit.repository.overview.deployments.clone() else {
        visit.refused("deployments", !visit.repository.needs.environments.is_empty());
        return Ok(());
    };
    let mut tips = BTreeSet::new();
    // A pass that starts now sees whatever the overview showed.
    let starts = cursor.pass.as_ref().is_some_and(|it| it.after.is_none());
    if cursor.pass.is_some() {
        first_pass(visit, &mut cursor).await?;
    }
    if !starts && may_have_moved(visit, &cursor, &glimpse) {
        read_again(visit, &mut cursor, &mut tips).await?;
    }
    follow(visit, &mut cursor).await?;
    cursor.overview = Some(glimpse.hash);
    graph(visit, &mut cursor, tips).await
}

/// Whether anything within reach may differ from what is stored.
fn may_have_moved(visit: &Visit<'_>, cursor: &Cursor, glimpse: &Glimpse) -> bool {
    let settled = visit.now - visit.shared.settle_window;
    let reaches = glimpse.complete || glimpse.oldest.is_some_and(|oldest| oldest < settled);
    !reaches || cursor.overview.as_ref() != Some(&glimpse.hash)
}

/// Everything since the start of the history, page by page.
async fn first_pass(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    let Some(mut pass) = cursor.pass.take() else { return Ok(()) };
    let start = visit.shared.history_start;
    let mut pager = Pager::new(&visit.shared.graphql, DEPLOYMENTS, PAGE, pass.after.clone());
    loop {
        let page = match page(visit, &mut pager).await {
            Err(error @ QueryError::StaleCursor { .. }) if pager.restart() => {
                visit.starts_again("deployments", &error);
                pass = Pass::default();
                continue;
            }
            other => other?,
        };
        let mut batch = Batch::default();
        let read = take_page(visit, &page, cursor, &mut batch).await?;
        pass.newest = pass.newest.or(read.newest);
        let done = read.oldest.is_some_and(|it| it < start) || !pager.follow(&page)?;
        pass.after = pager.after();
        if done {
            cursor.newest = pass.newest.clone();
        }
        cursor.pass = (!done).then(|| pass.clone());
        cursor::save(&mut batch, &stream(visit), cursor);
        visit.commit(batch).await?;
        if done {
            return Ok(());
        }
    }
}

/// Everything down to what is both known and settled.
async fn read_again(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    tips: &mut BTreeSet<CommitId>,
) -> Result<(), SourceError> {
    let known = cursor.newest.clone();
    let read = down_to_the_floor(visit, cursor, tips).await?;
    let read = if known.as_ref().is_none_or(|it| read.ids.contains(&it.id)) {
        read
    } else {
        // It was deleted, or a page went missing.
        visit.gap("deployments", "the newest one known is not there any more");
        down_to_the_floor(visit, cursor, tips).await?
    };
    cursor.newest = read.newest.or(known);
    Ok(())
}

async fn down_to_the_floor(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    tips: &mut BTreeSet<CommitId>,
) -> Result<Read, SourceError> {
    let settled = visit.now - visit.shared.settle_window;
    let floor = cursor.newest.as_ref().map_or(settled, |it| it.created_at.min(settled)) - OVERLAP;
    let floor = floor.max(visit.shared.history_start);
    let mut pager = Pager::new(&visit.shared.graphql, DEPLOYMENTS, PAGE, None);
    let mut all = Read::default();
    loop {
        let page = page(visit, &mut pager).await?;
        let mut batch = Batch::default();
        let read = take_page(visit, &page, cursor, &mut batch).await?;
        for fact in &batch.facts {
            if let Fact::Deployment(it) = fact
                && visit.repository.needs.environments.contains(it.environment.as_str())
            {
                tips.insert(it.commit.clone());
            }
        }
        visit.commit(batch).await?;
        all.newest = all.newest.or(read.newest);
        all.ids.extend(read.ids);
        if read.oldest.is_some_and(|it| it < floor) || !pager.follow(&page)? {
            return Ok(all);
        }
    }
}

/// What a page showed.
#[derive(Default)]
struct Read {
    newest: Option<Newest>,
    oldest: Option<Instant>,
    ids: BTreeSet<u64>,
}

async fn page(visit: &Visit<'_>, pager: &mut Pager<'_>) -> Result<Connection, QueryError> {
    let asked =
        variables([("repository", json!(visit.repository.node)), ("statuses", json!(STATUSES))]);
    let reply: Reply<NodeOf<Deployments>> = pager.ask(&asked).await?;
    let operation = DEPLOYMENTS.operation;
    let message = format!("repository {}", visit.repository.name);
    let Some(it) = reply.data.node else { return Err(QueryError::NotFound { operation, message }) };
    it.deployments.ok_or(QueryError::Forbidden { operation, message })
}

async fn take_page(
    visit: &mut Visit<'_>,
    page: &Connection,
    cursor: &mut Cursor,
    batch: &mut Batch,
) -> Result<Read, SourceError> {
    let mut read = Read::default();
    for node in page.items() {
        let decoded = decode(visit, node);
        let Ok(State { database_id, created_at, .. }) = serde_json::from_str(node.get()) else {
            continue;
        };
        if visit.is_possible(created_at) {
            read.oldest = Some(created_at);
        }
        read.ids.extend(database_id);
        // A date from the future is no place to continue from.
        if created_at <= visit.now && read.newest.is_none() {
            read.newest = database_id.map(|id| Newest { id, created_at });
        }
        if let Some(node) = decoded
            && created_at >= visit.shared.history_start
        {
            take(visit, node, cursor, batch).await?;
        }
    }
    Ok(read)
}

fn decode(visit: &mut Visit<'_>, node: &RawValue) -> Option<Node> {
    match serde_json::from_str(node.get()) {
        Ok(node) => Some(node),
        Err(error) => {
            let id = serde_json::from_str::<State>(node.get()).ok().and_then(|it| it.database_id);
            visit.reject(Kind::Deployment, id, &error);
            None
        }
    }
}

/// Takes one deployment in, with all of its statuses.
async fn take(
    visit: &mut Visit<'_>,
    mut node: Node,
    cursor: &mut Cursor,
    batch: &mut Batch,
) -> Result<(), SourceError> {
    let unread = !complete(visit, &mut node).await?;
    let followed = Followed { node: node.id.clone(), created_at: node.created_at, unread };
    let id = node.database_id;
    if unread {
        visit.reject(Kind::Deployment, Some(id), &"the server leaves its statuses out");
        cursor.follow(followed);
        return Ok(());
    }
    let Some((deployment, is_final)) = node.normalise(&visit.repository.fact.id, visit.now) else {
        visit.reject(Kind::Deployment, Some(id), &"its commit is no commit id");
        return Ok(());
    };
    if is_final {
        cursor.followed.retain(|it| it.node != followed.node);
    } else {
        cursor.follow(followed);
    }
    batch.facts.push(Fact::Deployment(deployment));
    Ok(())
}

#[derive(Deserialize)]
struct Statuses {
    statuses: Option<Connection<Status>>,
}

/// Reads the statuses that did not fit on the page. False if the server leaves some out.
async fn complete(visit: &Visit<'_>, node: &mut Node) -> Result<bool, SourceError> {
    let mut trail = visit.shared.graphql.trail(DEPLOYMENT_STATUSES);
    while let Some(statuses) = &mut node.statuses
        && let Some(after) = trail.next(statuses)?
    {
        let asked = json!({ "id": node.id, "after": after });
        let reply: Reply<NodeOf<Statuses>> =
            visit.shared.graphql.ask(DEPLOYMENT_STATUSES, asked).await?;
        let Some(more) = reply.data.node.and_then(|it| it.statuses) else { return Ok(false) };
        statuses.nodes.extend(more.nodes);
        statuses.page_info = more.page_info;
    }
    Ok(node.statuses.as_ref().is_some_and(|it| !it.is_veiled()))
}

/// Reads those again that could not be read, or are older than the settle window and had no final
/// status.
async fn follow(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<(), SourceError> {
    let settled = visit.now - visit.shared.settle_window;
    let wanted = cursor.followed.iter().filter(|it| it.unread || it.created_at < settled);
    let ids: Vec<_> = wanted.map(|it| it.node.clone()).collect();
    for ids in ids.chunks(100) {
        by_id(visit, ids, cursor).await?;
    }
    Ok(())
}

async fn by_id(
    visit: &mut Visit<'_>,
    ids: &[String],
    cursor: &mut Cursor,
) -> Result<(), SourceError> {
    let asked = json!({ "ids": ids, "statuses": STATUSES });
    let reply: Result<Reply<NodesOf>, QueryError> =
        visit.shared.graphql.ask(DEPLOYMENTS_BY_ID, asked).await;
    let reply = match reply {
        Err(error) if error.is_about_size() => {
            let [id] = ids else {
                let (one, other) = ids.split_at(ids.len() / 2);
                Box::pin(by_id(visit, one, cursor)).await?;
                return Box::pin(by_id(visit, other, cursor)).await;
            };
            visit.reject(Kind::Deployment, None, &format!("{id}: {error}"));
            return Ok(());
        }
        other => other?,
    };
    let mut batch = Batch::default();
    for (id, node) in ids.iter().zip(&reply.data.nodes) {
        match node {
            Some(node) => {
                if let Some(node) = decode(visit, node) {
                    take(visit, node, cursor, &mut batch).await?;
                }
            }
            // Gone: reconciling removes it.
            None => cursor.followed.retain(|it| it.node != *id),
        }
    }
    visit.commit(batch).await
}

/// Brings deployed commits into the graph and saves the cursor.
async fn graph(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    tips: BTreeSet<CommitId>,
) -> Result<(), SourceError> {
    let wanted = &visit.repository.needs.environments;
    let tips = if cursor.environments == *wanted {
        tips.into_iter().collect()
    } else {
        deployed(visit).await?
    };
    commits::extend(visit, &tips).await?;
    cursor.environments = visit.repository.needs.environments.clone();
    let mut batch = Batch::default();
    cursor::save(&mut batch, &stream(visit), cursor);
    visit.commit(batch).await
}

/// Every commit that went to an environment that matters, newest first.
async fn deployed(visit: &Visit<'_>) -> Result<Vec<CommitId>, SourceError> {
    let mut deployments: Vec<_> = stored(visit).await?;
    deployments.retain(|it| visit.repository.needs.environments.contains(it.environment.as_str()));
    deployments.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let mut seen = BTreeSet::new();
    deployments.retain(|it| seen.insert(it.commit.clone()));
    Ok(deployments.into_iter().map(|it| it.commit).collect())
}

async fn stored(visit: &Visit<'_>) -> Result<Vec<Deployment>, SourceError> {
    let id = visit.repository.fact.id.as_str();
    let facts = visit.store.facts(&visit.shared.source, Kind::Deployment, Some(id)).await?;
    let deployments = facts.into_iter().filter_map(|fact| match fact {
        Fact::Deployment(deployment) => Some(deployment),
        _ => None,
    });
    Ok(deployments.collect())
}

/// Compares the deployments that are stored with those that GitHub has.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let Some(mut cursor) = known.filter(|it| it.pass.is_none()) else { return Ok(()) };
    if visit.repository.overview.deployments.is_none() {
        return Ok(());
    }
    let Some((present, whole)) = states(visit).await? else { return Ok(()) };
    let ids: BTreeSet<String> =
        present.iter().filter_map(|it| Some(it.database_id?.to_string())).collect();
    let mut batch = Batch::default();
    let mut open = BTreeSet::new();
    let mut known = BTreeSet::new();
    for deployment in stored(visit).await? {
        if ids.contains(deployment.id.as_str()) {
            if !normalise::has_ended(&deployment) {
                open.insert(deployment.id.to_string());
            }
            known.insert(deployment.id.to_string());
        } else if whole && deployment.created_at >= visit.shared.history_start {
            batch.removed.push(Fact::Deployment(deployment).key(&visit.shared.source));
        }
    }
    visit.commit(batch).await?;
    let is_known = |it: &State, set: &BTreeSet<String>| {
        it.database_id.is_some_and(|id| set.contains(&id.to_string()))
    };
    if present.iter().any(|it| !is_known(it, &known) && it.created_at <= visit.now) {
        visit.gap("deployments", "some were missing");
    }
    let again: Vec<_> = present
        .iter()
        .filter(|it| !is_known(it, &known) || is_known(it, &open))
        .map(|it| it.id.clone())
        .collect();
    for ids in again.chunks(100) {
        by_id(visit, ids, &mut cursor).await?;
    }
    let tips = deployed(visit).await?.into_iter().collect();
    graph(visit, &mut cursor, tips).await
}

/// The deployments that GitHub lists since the start of the history, and whether those are all
/// that there are; `None` without the feature.
async fn states(visit: &mut Visit<'_>) -> Result<Option<(Vec<State>, bool)>, SourceError> {
    let mut states = Vec::new();
    let mut listed = 0;
    let mut whole = true;
    let mut pager = Pager::new(&visit.shared.graphql, DEPLOYMENT_STATES, PAGE, None);
    let asked = variables([("repository", json!(visit.repository.node))]);
    loop {
        let reply: Reply<NodeOf<Deployments>> = pager.ask(&asked).await?;
        whole &= reply.is_whole();
        let Some(it) = reply.data.node else { return Err(visit.gone()) };
        let Some(page) = it.deployments else { return Ok(None) };
        whole &= !page.is_veiled();
        listed += page.nodes.len() as u64;
        let mut oldest = None;
        for node in page.items() {
            let state: State = match serde_json::from_str(node.get()) {
                Ok(state) => state,
                Err(error) => {
                    whole = false;
                    visit.reject(Kind::Deployment, None, &error);
                    continue;
                }
            };
            if visit.is_possible(state.created_at) {
                oldest = Some(state.created_at);
            }
            if state.created_at >= visit.shared.history_start {
                states.push(state);
            }
        }
        let start = visit.shared.history_start;
        let cut = oldest.is_some_and(|it| it < start);
        if cut || !pager.follow(&page)? {
            whole &= cut || page.total_count.is_none_or(|total| total == listed);
            if !whole {
                visit.keeps("deployments");
            }
            return Ok(Some((states, whole)));
        }
    }
}
