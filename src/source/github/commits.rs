//! The commit graph: the default branch, and what is deployed from other branches.
//!
//! The history of a commit never changes, so a walk starts at a fixed commit and its pages cannot
//! shift. It ends when every parent is known, or well before the history that is wanted.

use std::collections::{BTreeSet, HashSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::graphql::{COMMIT_HISTORY, Connection, NodeOf, Pager, QueryError, Reply, variables};
use super::pulls::{commit_id, reverted_commits};
use super::{Visit, cursor};
use crate::domain::fact::Commit;
use crate::domain::{CommitId, Fact, Instant, Kind, SourceName};
use crate::source::SourceError;
use crate::store::{Batch, Store};

/// Commits a page.
const PAGE: u32 = 100;

/// The graph reaches this far before the history that is wanted: committer clocks differ.
const MARGIN: TimeDelta = TimeDelta::days(30);

/// Git's first release. An older committer date is a broken clock and says nothing about age.
const FIRST_COMMIT_EVER: i64 = 1_112_832_000;

/// Commits that GitHub does not have any more, remembered so that they are not asked for again.
const MOST_UNREACHABLE: usize = 1_000;

/// What is known about the graph of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The tip of the default branch up to which the graph is complete.
    pub(super) head: Option<CommitId>,
    /// Since when the history was wanted.
    since: Option<Instant>,
    /// A walk that was not finished.
    walk: Option<Walk>,
    /// Deployed commits that GitHub does not know.
    unreachable: BTreeSet<CommitId>,
    /// The tip of the default branch down from which a commit could not be read. Reconciling goes
    /// all the way down again; until then the graph is not known to be complete.
    #[serde(default)]
    hole: Option<CommitId>,
}

impl Cursor {
    /// A walk came to its end. A hole that an earlier one met is only mended by one that goes all
    /// the way down.
    fn arrive(&mut self, walk: &Walk, broken: bool) {
        if broken || (self.hole.is_some() && !walk.deeper) {
            self.hole = Some(walk.tip.clone());
        } else {
            (self.head, self.hole) = (Some(walk.tip.clone()), None);
        }
    }
}

/// A walk down the history of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Walk {
    tip: CommitId,
    /// Where its next page starts.
    after: Option<String>,
    /// It goes past what is known: more history is wanted than before.
    deeper: bool,
    /// A commit on the way could not be read.
    #[serde(default)]
    holed: bool,
}

#[derive(Deserialize)]
struct Holder {
    object: Option<Tip>,
}

#[derive(Deserialize)]
struct Tip {
    /// Absent where the object is no commit.
    history: Option<Connection>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    oid: String,
    authored_date: Instant,
    committed_date: Instant,
    #[serde(default)]
    message: String,
    parents: Connection<Parent>,
}

#[derive(Debug, Deserialize)]
struct Parent {
    oid: String,
}

impl Node {
    fn normalise(self, visit: &Visit<'_>) -> Option<Commit> {
        Some(Commit {
            repository: visit.repository.fact.id.clone(),
            id: commit_id(&self.oid)?,
            parents: self.parents.items().filter_map(|it| commit_id(&it.oid)).collect(),
            authored_at: self.authored_date,
            committed_at: self.committed_date,
            reverts: reverted_commits(&self.message),
        })
    }
}

/// Decides which commits of a history belong to the graph, whatever pages they come in: those that
/// are young enough, and the parents of such.
#[derive(Debug)]
struct Frontier {
    known: HashSet<CommitId>,
    wanted: HashSet<CommitId>,
    cut: Instant,
    /// How many commits came since the last one that is young.
    old_in_a_row: u32,
    /// One that may be young could not be read.
    holed: bool,
    /// One could not be read that is old, unless a young one follows.
    doubtful: bool,
}

impl Frontier {
    fn new(known: HashSet<CommitId>, tip: &CommitId, cut: Instant) -> Self {
        let wanted =
            if known.contains(tip) { HashSet::new() } else { HashSet::from([tip.clone()]) };
        Self { known, wanted, cut, old_in_a_row: 0, holed: false, doubtful: false }
    }

    fn is_closed(&self) -> bool {
        self.wanted.is_empty()
    }

    fn is_young(&self, commit: &Commit) -> bool {
        commit.committed_at >= self.cut || commit.committed_at.timestamp() < FIRST_COMMIT_EVER
    }

    /// Whether a whole page of commits in a row is old, however they came.
    fn is_past_the_cut(&self) -> bool {
        self.old_in_a_row >= PAGE
    }

    /// Whether something is missing because it could not be read.
    fn is_broken(&self) -> bool {
        self.holed && !self.is_closed()
    }

    /// A commit could not be read.
    fn lacks_one(&mut self) {
        self.holed |= self.old_in_a_row == 0;
        self.doubtful = true;
    }

    /// Whether the commit is to be taken in.
    fn take(&mut self, commit: &Commit) -> bool {
        let young = self.is_young(commit);
        self.holed |= young && self.doubtful;
        self.old_in_a_row = if young { 0 } else { self.old_in_a_row + 1 };
        let wanted = self.wanted.remove(&commit.id);
        if !(young || wanted) || self.known.contains(&commit.id) {
            return false;
        }
        self.known.insert(commit.id.clone());
        if young {
            let parents = commit.parents.iter().filter(|it| !self.known.contains(*it));
            self.wanted.extend(parents.cloned());
        }
        true
    }
}

fn stream(native: u64) -> String {
    format!("commits:{native}")
}

/// The tip of the default branch up to which the graph of a repository is complete.
pub(super) async fn head_of(
    store: &dyn Store,
    source: &SourceName,
    native: u64,
) -> Result<Option<CommitId>, SourceError> {
    let known: Option<Cursor> = cursor::load(store, source, &stream(native)).await?;
    Ok(known.and_then(|it| it.head))
}

/// What is known about the graph.
pub(super) async fn cursor(visit: &Visit<'_>) -> Result<Cursor, SourceError> {
    let known =
        cursor::load(visit.store, &visit.shared.source, &stream(visit.repository.native)).await?;
    Ok(known.unwrap_or_default())
}

/// The ids of the commits in the graph.
async fn known(visit: &Visit<'_>) -> Result<HashSet<CommitId>, SourceError> {
    let id = visit.repository.fact.id.as_str();
    let ids = visit.store.ids(&visit.shared.source, Kind::Commit, Some(id)).await?;
    let shas = ids.iter().filter_map(|it| Some(CommitId::new(it.rsplit_once('@')?.1)));
    Ok(shas.collect())
}

/// Brings the graph of the default branch up to date.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if visit.repository.overview.hides_commits {
        visit.refused("commits", visit.is_needed());
        return Ok(());
    }
    let mut cursor = cursor(visit).await?;
    // A walk that cannot be finished leaves commits whose ancestors are missing.
    let broken = cursor.walk.is_some() && !default_branch(visit, &mut cursor).await?;
    let Some(head) = visit.repository.overview.head.clone() else { return Ok(()) };
    let start = visit.shared.history_start;
    let deeper = broken || cursor.since.is_some_and(|since| since > start);
    let walked = [&cursor.head, &cursor.hole].contains(&&Some(head.clone()));
    if !walked || deeper {
        cursor.since = Some(cursor.since.map_or(start, |since| since.min(start)));
        cursor.walk = Some(Walk { tip: head, after: None, deeper, holed: false });
        default_branch(visit, &mut cursor).await?;
    }
    if cursor.hole.is_some() {
        let name = &visit.repository.name;
        visit.report.warnings.push(format!(
            "commits of {name}: some cannot be read; they are asked for again when reconciling"
        ));
    }
    Ok(())
}

/// Takes the cursor's walk to its end, page by page. False if its tip is not there any more.
async fn default_branch(visit: &mut Visit<'_>, cursor: &mut Cursor) -> Result<bool, SourceError> {
    let Some(mut walk) = cursor.walk.take() else { return Ok(true) };
    let mut frontier = frontier(visit, &walk).await?;
    frontier.holed = walk.holed;
    let mut pager = history(visit, walk.after.clone());
    let mut done = frontier.is_closed();
    while !done {
        let page = match page(visit, &walk.tip, &mut pager).await {
            Err(error @ QueryError::StaleCursor { .. }) if pager.restart() => {
                visit.starts_again("commits", &error);
                // What was stored since is known without all its ancestors.
                (walk.after, walk.deeper, walk.holed) = (None, true, false);
                frontier = self::frontier(visit, &walk).await?;
                continue;
            }
            other => other?,
        };
        let Some(page) = page else {
            // Rewritten since the overview, or not for this token. The next poll knows.
            visit.refused("commits", visit.is_needed());
            return Ok(false);
        };
        let mut batch = Batch::default();
        take_page(visit, &page, &mut frontier, &mut batch);
        let end = frontier.is_closed() || frontier.is_past_the_cut();
        done = end || !pager.follow(&page)?;
        walk.after = pager.after();
        walk.holed = frontier.holed;
        if done && !end && !frontier.holed {
            tracing::warn!(
                repository = %visit.repository.name, parents = frontier.wanted.len(),
                "the history ends although some parents were not seen"
            );
        }
        if done {
            if frontier.is_broken() {
                visit.gap("commits", "some could not be read");
            }
            cursor.arrive(&walk, frontier.is_broken());
        }
        cursor.walk = (!done).then(|| walk.clone());
        cursor::save(&mut batch, &stream(visit.repository.native), cursor);
        visit.commit(batch).await?;
    }
    if ![&cursor.head, &cursor.hole].contains(&&Some(walk.tip.clone())) {
        cursor.arrive(&walk, false);
        let mut batch = Batch::default();
        cursor::save(&mut batch, &stream(visit.repository.native), cursor);
        visit.commit(batch).await?;
    }
    Ok(true)
}

/// The frontier at the start of a walk, or where it was interrupted.
async fn frontier(visit: &Visit<'_>, walk: &Walk) -> Result<Frontier, SourceError> {
    let cut = visit.shared.history_start - MARGIN;
    let known =
        if walk.deeper && walk.after.is_none() { HashSet::new() } else { known(visit).await? };
    let mut frontier = Frontier::new(known, &walk.tip, cut);
    if walk.after.is_none() {
        // A tip that is known with all its ancestors needs no walk.
        return Ok(frontier);
    }
    let id = visit.repository.fact.id.as_str();
    let facts = visit.store.facts(&visit.shared.source, Kind::Commit, Some(id)).await?;
    for fact in &facts {
        if let Fact::Commit(commit) = fact
            && frontier.is_young(commit)
        {
            let missing = commit.parents.iter().filter(|it| !frontier.known.contains(*it));
            frontier.wanted.extend(missing.cloned().collect::<Vec<_>>());
        }
    }
    Ok(frontier)
}

/// The pages of the history of a commit.
fn history<'a>(visit: &Visit<'a>, after: Option<String>) -> Pager<'a> {
    Pager::new(&visit.shared.graphql, COMMIT_HISTORY, PAGE, after)
}

async fn page(
    visit: &Visit<'_>,
    tip: &CommitId,
    pager: &mut Pager<'_>,
) -> Result<Option<Connection>, QueryError> {
    let asked = variables([("repository", json!(visit.repository.node)), ("commit", json!(tip))]);
    let reply: Reply<NodeOf<Holder>> = pager.ask(&asked).await?;
    let Some(holder) = reply.data.node else {
        return Err(QueryError::NotFound {
            operation: COMMIT_HISTORY.operation,
            message: format!("repository {}", visit.repository.name),
        });
    };
    Ok(holder.object.and_then(|it| it.history))
}

/// Takes a page in.
fn take_page(visit: &mut Visit<'_>, page: &Connection, frontier: &mut Frontier, batch: &mut Batch) {
    for node in &page.nodes {
        match decode(visit, node.as_deref()) {
            Ok(commit) => {
                if frontier.take(&commit) {
                    batch.facts.push(Fact::Commit(commit));
                }
            }
            Err(why) => {
                visit.reject(Kind::Commit, None, &why);
                frontier.lacks_one();
            }
        }
    }
}

fn decode(visit: &Visit<'_>, node: Option<&RawValue>) -> Result<Commit, String> {
    let node = node.ok_or("the server leaves it out")?;
    let node: Node = serde_json::from_str(node.get()).map_err(|error| error.to_string())?;
    if node.parents.is_veiled() {
        return Err("the server leaves its parents out".to_owned());
    }
    node.normalise(visit).ok_or_else(|| "its id is no commit id".to_owned())
}

/// Adds commits that are deployed but on no path of the default branch, with their ancestors.
/// `tips` are newest first, so that one walk often brings several.
pub(super) async fn extend(visit: &mut Visit<'_>, tips: &[CommitId]) -> Result<(), SourceError> {
    if tips.is_empty() {
        return Ok(());
    }
    let mut cursor = cursor(visit).await?;
    let mut known = known(visit).await?;
    let cut = visit.shared.history_start - MARGIN;
    for tip in tips {
        if known.contains(tip) || cursor.unreachable.contains(tip) {
            continue;
        }
        let mut frontier = Frontier::new(std::mem::take(&mut known), tip, cut);
        let mut pager = history(visit, None);
        // In one batch: a commit that is stored has its ancestors stored.
        let mut batch = Batch::default();
        loop {
            let Some(page) = page(visit, tip, &mut pager).await? else {
                if cursor.unreachable.len() < MOST_UNREACHABLE {
                    cursor.unreachable.insert(tip.clone());
                }
                cursor::save(&mut batch, &stream(visit.repository.native), &cursor);
                break;
            };
            take_page(visit, &page, &mut frontier, &mut batch);
            if frontier.is_closed() || frontier.is_past_the_cut() || !pager.follow(&page)? {
                break;
            }
        }
        if frontier.is_broken() {
            // Reconciling asks for it again.
            visit.gap("deployed commits", "some could not be read");
            known = self::known(visit).await?;
            continue;
        }
        visit.commit(batch).await?;
        known = frontier.known;
    }
    Ok(())
}

/// Asks again for deployed commits that GitHub did not know, and for all if one could not be read.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let mut cursor = cursor(visit).await?;
    if cursor.hole.is_some()
        && let Some(tip) = visit.repository.overview.head.clone()
    {
        cursor.walk = Some(Walk { tip, after: None, deeper: true, holed: false });
        default_branch(visit, &mut cursor).await?;
        visit.name_head().await?;
    }
    let again: Vec<_> = std::mem::take(&mut cursor.unreachable).into_iter().collect();
    if again.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::default();
    cursor::save(&mut batch, &stream(visit.repository.native), &cursor);
    visit.commit(batch).await?;
    extend(visit, &again).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepositoryId;

    fn id(name: char) -> CommitId {
        CommitId::new(name.to_string().repeat(40))
    }

    fn commit(name: char, parents: &str, date: &str) -> Commit {
        let at = format!("{date}T00:00:00Z").parse().unwrap();
        Commit {
            repository: RepositoryId::new("github/1"),
            id: id(name),
            parents: parents.chars().map(id).collect(),
            authored_at: at,
            committed_at: at,
            reverts: Vec::new(),
        }
    }

    fn taken(known: &str, tip: char, history: &[Commit]) -> (String, bool) {
        let cut = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut frontier = Frontier::new(known.chars().map(id).collect(), &id(tip), cut);
        let mut names = String::new();
        for commit in history {
            if frontier.is_closed() {
                break;
            }
            if frontier.take(commit) {
                names.push_str(&commit.id.text()[..1]);
            }
        }
        (names, frontier.is_closed())
    }

    #[test]
    fn a_walk_ends_when_every_parent_is_known() {
        let history = [
            commit('d', "cb", "2026-03-04"),
            commit('c', "a", "2026-03-03"),
            commit('b', "a", "2026-03-02"),
            commit('a', "0", "2026-03-01"),
        ];
        assert_eq!(taken("ba0", 'd', &history), ("dc".to_owned(), true));
        assert_eq!(taken("dcba0", 'd', &history), (String::new(), true));
    }

    #[test]
    fn the_graph_ends_with_the_parents_of_what_is_young_enough() {
        let history = [
            commit('c', "b", "2026-01-02"),
            commit('b', "a", "2025-12-01"),
            commit('a', "0", "2025-11-01"),
        ];
        assert_eq!(taken("", 'c', &history), ("cb".to_owned(), true));
    }

    #[test]
    fn a_commit_with_a_broken_clock_does_not_cut_the_graph() {
        let history = [
            commit('d', "c", "2026-03-04"),
            commit('c', "b", "1970-01-01"),
            commit('b', "a", "2026-03-02"),
            commit('a', "0", "2025-01-01"),
        ];
        assert_eq!(taken("", 'd', &history), ("dcba".to_owned(), true));
    }

    #[test]
    fn an_old_commit_that_is_merged_late_comes_with_its_merge() {
        let history = [
            commit('d', "cb", "2026-03-04"),
            commit('c', "a", "2026-03-03"),
            commit('b', "0", "2024-01-01"),
        ];
        assert_eq!(taken("a", 'd', &history), ("dcb".to_owned(), true));
    }
}
