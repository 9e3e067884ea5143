//! Pull requests, in the order of their last update.
//!
//! A pass reads from the newest update down to the last one that is known, with an overlap, and
//! commits page by page. While it runs, a pull request that changes moves to the top, so nothing
//! below shifts out of sight; the next pass finds it there.

mod completion;
mod normalise;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use completion::Incomplete;
use normalise::PullRequest;
pub(super) use normalise::{commit_id, reverted_commits};

use super::graphql::{
    Connection, NodeOf, NodesOf, PULL_REQUEST_NUMBERS, PULL_REQUESTS, PULL_REQUESTS_BY_ID, Pager,
    QueryError, Reply, variables,
};
use super::{Visit, cursor};
use crate::domain::fact::Change;
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// A pass goes this far beyond what is known: replicas may lag behind each other.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// Updates of the last minute may share their second with one that comes yet.
const SETTLES: TimeDelta = TimeDelta::minutes(1);

/// Pull requests a page: fewer where each brings its files.
const PAGE: u32 = 100;
const PAGE_WITH_FILES: u32 = 50;

/// What is known about the pull requests of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Everything updated up to then is in the store.
    through: Option<Instant>,
    /// The pull requests that were updated last, at `through`.
    newest: BTreeSet<u64>,
    /// `through` was long enough ago when it was read for nothing else to carry the same instant.
    settled: bool,
    /// Changed paths were collected.
    files: bool,
    /// Since when updates were wanted.
    since: Instant,
    /// A pass that was not finished.
    pass: Option<Pass>,
}

/// How far a pass has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pass {
    /// The newest update that it saw, and of what.
    top: Option<Instant>,
    newest: BTreeSet<u64>,
    /// Where its next page starts.
    after: Option<String>,
}

impl Pass {
    /// Takes a pull request in. A date from the future is no place to continue from.
    fn saw(&mut self, number: u64, updated_at: Instant, now: Instant) {
        if updated_at > now || self.top.is_some_and(|top| updated_at < top) {
            return;
        }
        if self.top != Some(updated_at) {
            self.top = Some(updated_at);
            self.newest.clear();
        }
        self.newest.insert(number);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequests {
    pull_requests: Connection,
}

/// What a page says about an item even if the rest of it cannot be read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    #[serde(default)]
    id: Option<String>,
    number: u64,
    updated_at: Instant,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("pulls:{}", visit.repository.native)
}

/// Reads what changed since the last pass.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if visit.repository.overview.hides_pulls {
        visit.refused("pull requests", visit.is_needed());
        return Ok(());
    }
    let files = visit.repository.needs.changed_paths;
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let since = visit.shared.history_start;
    // Paths or history that were not wanted before are collected by starting again.
    let mut cursor = known
        .filter(|it| (it.files || !files) && it.since <= since)
        .unwrap_or_else(|| Cursor { files, since, ..Cursor::default() });
    if cursor.pass.is_some() {
        descend(visit, &mut cursor, None).await?;
    }
    if !has_news(visit, &cursor) {
        return Ok(());
    }
    let before = cursor.clone();
    cursor.pass = Some(Pass::default());
    let seen = descend(visit, &mut cursor, None).await?;
    if !before.newest.is_subset(&seen) {
        visit.gap("pull requests", "the one that was updated last is not there any more");
        cursor.through = before.through;
        cursor.pass = Some(Pass::default());
        let from = before.through.map(|it| it - visit.shared.settle_window);
        descend(visit, &mut cursor, from).await?;
    }
    Ok(())
}

/// Whether the overview shows anything that the cursor does not know.
fn has_news(visit: &Visit<'_>, cursor: &Cursor) -> bool {
    let Some(newest) = &visit.repository.overview.newest_pull else { return false };
    newest.updated_at > visit.now
        || !cursor.settled
        || cursor.through != Some(newest.updated_at)
        || !cursor.newest.contains(&newest.number)
}

/// Continues the cursor's pass down to `floor`, or to what the cursor knows. Returns the numbers
/// that it saw.
async fn descend(
    visit: &mut Visit<'_>,
    cursor: &mut Cursor,
    floor: Option<Instant>,
) -> Result<BTreeSet<u64>, SourceError> {
    let start = visit.shared.history_start;
    let floor = floor.or(cursor.through).map_or(start, |it| it.max(start)) - OVERLAP;
    let files = cursor.files;
    let size = if files { PAGE_WITH_FILES } else { PAGE };
    let mut seen = BTreeSet::new();
    let mut pass = cursor.pass.take().unwrap_or_default();
    let mut pager = Pager::new(&visit.shared.graphql, PULL_REQUESTS, size, pass.after.clone());
    let asked = variables([("repository", json!(visit.repository.node)), ("files", json!(files))]);
    loop {
        let reply: Reply<NodeOf<PullRequests>> = match pager.ask(&asked).await {
            Err(error @ QueryError::StaleCursor { .. }) if pager.restart() => {
                visit.starts_again("pull requests", &error);
                (pass, seen) = Default::default();
                continue;
            }
            other => other?,
        };
        let Some(PullRequests { pull_requests: page }) = reply.data.node else {
            return Err(visit.gone());
        };
        let mut batch = Batch::default();
        let mut oldest = None;
        for node in page.items() {
            let marker: Option<Marker> = serde_json::from_str(node.get()).ok();
            if let Some(Marker { number, updated_at, .. }) = marker {
                seen.insert(number);
                pass.saw(number, updated_at, visit.now);
                if visit.is_possible(updated_at) {
                    oldest = Some(updated_at);
                }
                if updated_at < start {
                    continue;
                }
            }
            if let Some(change) = read(visit, node, reply.partial, files).await? {
                batch.facts.push(Fact::Change(change));
            }
        }
        let done = oldest.is_some_and(|it| it < floor) || !pager.follow(&page)?;
        pass.after = pager.after();
        if done {
            cursor.through = pass.top.or(cursor.through);
            cursor.newest = std::mem::take(&mut pass.newest);
            cursor.settled = cursor.through.is_none_or(|it| it + SETTLES <= visit.now);
        }
        cursor.pass = (!done).then(|| pass.clone());
        cursor::save(&mut batch, &stream(visit), cursor);
        visit.commit(batch).await?;
        if done {
            return Ok(seen);
        }
    }
}

/// One pull request with everything that did not fit on its page. One that cannot be read is
/// counted and named.
async fn read(
    visit: &mut Visit<'_>,
    node: &RawValue,
    partial: bool,
    files: bool,
) -> Result<Option<Change>, SourceError> {
    let mut pull: PullRequest = match serde_json::from_str(node.get()) {
        Ok(pull) => pull,
        Err(error) => {
            let number = serde_json::from_str::<Marker>(node.get()).ok().map(|it| it.number);
            visit.reject(Kind::Change, number, &error);
            return Ok(None);
        }
    };
    let completed = if partial && pull.has_holes(files) {
        Err(Incomplete::This("the server leaves parts of it out".to_owned()))
    } else {
        completion::complete(visit, &mut pull).await
    };
    match completed {
        Ok(()) => {
            let id = &visit.repository.fact.id;
            Ok(Some(pull.normalise(id, visit.now)))
        }
        Err(Incomplete::This(why)) => {
            visit.reject(Kind::Change, Some(pull.number), &why);
            Ok(None)
        }
        Err(Incomplete::All(error)) => Err(error),
    }
}

/// Compares the pull requests that are stored with those that GitHub has: what is missing or out
/// of date is read, what is gone is removed.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if visit.repository.overview.hides_pulls {
        return Ok(());
    }
    let (present, whole) = markers(visit).await?;
    let id = visit.repository.fact.id.clone();
    let stored = visit.store.facts(&visit.shared.source, Kind::Change, Some(id.as_str())).await?;
    let numbers: BTreeSet<u64> = present.iter().map(|it| it.number).collect();
    let mut batch = Batch::default();
    let mut known = BTreeMap::new();
    for fact in stored {
        let Fact::Change(change) = &fact else { continue };
        if numbers.contains(&change.number) {
            known.insert(change.number, change.updated_at);
        } else if whole {
            batch.removed.push(fact.key(&visit.shared.source));
        }
    }
    visit.commit(batch).await?;
    let is_missing = |it: &&Marker| {
        it.updated_at >= visit.shared.history_start
            && it.updated_at <= visit.now
            && known.get(&it.number) != Some(&it.updated_at)
    };
    let missing: Vec<_> = present
        .iter()
        .filter(is_missing)
        .filter_map(|it| Some((it.id.as_deref()?, it.number)))
        .collect();
    if !missing.is_empty() {
        visit.gap("pull requests", "some were missing or out of date");
    }
    for ids in missing.chunks(25) {
        read_again(visit, ids).await?;
    }
    Ok(())
}

/// The pull requests that GitHub lists, and whether those are all that there are.
async fn markers(visit: &mut Visit<'_>) -> Result<(Vec<Marker>, bool), SourceError> {
    let mut markers = Vec::new();
    let mut whole = true;
    let mut pager = Pager::new(&visit.shared.graphql, PULL_REQUEST_NUMBERS, 100, None);
    let asked = variables([("repository", json!(visit.repository.node))]);
    loop {
        let reply: Reply<NodeOf<PullRequests>> = pager.ask(&asked).await?;
        whole &= reply.is_whole();
        let Some(PullRequests { pull_requests: page }) = reply.data.node else {
            return Err(visit.gone());
        };
        for node in page.items() {
            match serde_json::from_str(node.get()) {
                Ok(marker) => markers.push(marker),
                Err(error) => visit.reject(Kind::Change, None, &error),
            }
        }
        if pager.follow(&page)? {
            continue;
        }
        // Null and illegible ones are missing from the count.
        whole &= page.total_count.is_none_or(|total| total == markers.len() as u64);
        if !whole {
            visit.keeps("pull requests");
        }
        return Ok((markers, whole));
    }
}

/// Reads these pull requests, each with its number, whatever the cursor says.
async fn read_again(visit: &mut Visit<'_>, wanted: &[(&str, u64)]) -> Result<(), SourceError> {
    let files = visit.repository.needs.changed_paths;
    let ids: Vec<_> = wanted.iter().map(|(id, _)| id).collect();
    let asked = json!({ "ids": ids, "files": files });
    let reply: Result<Reply<NodesOf>, QueryError> =
        visit.shared.graphql.ask(PULL_REQUESTS_BY_ID, asked).await;
    let reply = match reply {
        Err(error) if error.is_about_size() => {
            let [(_, number)] = wanted else {
                let (one, other) = wanted.split_at(wanted.len() / 2);
                Box::pin(read_again(visit, one)).await?;
                return Box::pin(read_again(visit, other)).await;
            };
            visit.reject(Kind::Change, Some(*number), &error);
            return Ok(());
        }
        other => other?,
    };
    let mut batch = Batch::default();
    for node in reply.data.nodes.iter().flatten() {
        if let Some(change) = read(visit, node, reply.partial, files).await? {
            batch.facts.push(Fact::Change(change));
        }
    }
    visit.commit(batch).await
}
