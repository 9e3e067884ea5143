//! When a commit came to the default branch, and with which pull request.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration};

use super::super::dates;
use crate::domain::fact::{Change, DecisionRevision, PathChange, Repository, RevisionKind};
use crate::domain::graph::{CommitGraph, FirstReached, KnownCommit};
use crate::domain::timeline::Shelf;
use crate::domain::{CommitId, Instant, RepositoryId, Timeline};

/// How one revision came to the default branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    /// When it was there: the merge, else the commit on the default branch that brought it.
    pub(super) at: Instant,
    /// The pull request that it came with.
    pub(super) change: Option<&'a Change>,
    /// The commit on the default branch that brought it. Revisions of the same one arrived
    /// together: of what a branch went through before, nothing was ever on the default branch.
    pub(super) with: &'a CommitId,
    /// Its place among those that arrived together.
    pub(super) place: usize,
}

/// A pull request that was merged this far from the commit that adds the same path brought it.
const SAME_ADDITION: Duration = Duration::hours(24);

/// A rebased commit is made at most this long before the merge that it is a part of…
const REBASED_BEFORE: Duration = Duration::minutes(10);

/// … and, by another clock, this long after it.
const REBASED_AFTER: Duration = Duration::seconds(60);

/// The ways to the default branch of one repository.
pub(super) struct Arrivals<'a> {
    by_merge: HashMap<&'a CommitId, &'a Change>,
    by_branch: HashMap<&'a CommitId, (usize, &'a Change)>,
    by_path: HashMap<&'a str, Vec<(PathChange, &'a Change)>>,
    trunk: OnceCell<Option<Trunk<'a>>>,
    graph: Option<&'a CommitGraph>,
    repository: &'a Repository,
}

impl<'a> Arrivals<'a> {
    /// The ways that matter to `revisions`.
    pub(super) fn of(
        timeline: &'a Timeline,
        repository: &'a Repository,
        revisions: &[&'a DecisionRevision],
    ) -> Self {
        let commits: HashSet<&CommitId> = revisions.iter().map(|it| &it.commit).collect();
        let paths: HashSet<&str> = revisions.iter().map(|it| it.path.as_str()).collect();
        let mut arrivals = Self {
            by_merge: HashMap::new(),
            by_branch: HashMap::new(),
            by_path: HashMap::new(),
            trunk: OnceCell::new(),
            graph: timeline.commits.get(&repository.id).map(Arc::as_ref),
            repository,
        };
        let mut changes: Vec<&Change> = changes(timeline, &repository.id).collect();
        // A commit can be in several pull requests: the first merge brought it.
        changes.sort_by_key(|it| (it.merged_at.is_none(), it.merged_at, it.number));
        for change in changes {
            let merge = change.merge_commit.as_ref().filter(|it| commits.contains(it));
            let places = change.commits.iter().enumerate();
            let branch: Vec<_> = places.filter(|(_, it)| commits.contains(it)).collect();
            let touched = change.paths.iter().flatten();
            let touched: Vec<_> = touched.filter(|it| paths.contains(it.path.as_str())).collect();
            let matters = merge.is_some() || !branch.is_empty() || !touched.is_empty();
            if !matters || !arrivals.reaches_default_branch(change) {
                continue;
            }
            if let Some(merge) = merge {
                arrivals.by_merge.entry(merge).or_insert(change);
            }
            for (place, commit) in branch {
                arrivals.by_branch.entry(commit).or_insert((place, change));
            }
            for path in touched {
                arrivals.by_path.entry(&path.path).or_default().push((path.change, change));
            }
        }
        arrivals
    }

    /// How `revision` came to the default branch; `None` where its dates are impossible.
    pub(super) fn arrival(&self, revision: &'a DecisionRevision) -> Option<Arrival<'a>> {
        let commit = &revision.commit;
        let merged = |change: &'a Change, place| {
            let at = change.merged_at?;
            let with = change.merge_commit.as_ref().unwrap_or(commit);
            Some(Arrival { at, change: Some(change), with, place })
        };
        if let Some(change) = self.by_merge.get(commit) {
            return merged(change, usize::MAX);
        }
        let branch = self.by_branch.get(commit).copied();
        let proposed = branch.or_else(|| self.nearest(revision).map(|change| (0, change)));
        if let Some(arrival) = proposed.and_then(|(place, change)| merged(change, place)) {
            return Some(arrival);
        }
        let brought_by = self.trunk().and_then(|trunk| trunk.brought(commit));
        let (with, committed_at) =
            brought_by.map_or((commit, revision.committed_at), |it| (&it.id, it.committed_at));
        let possible = |at: &Instant| dates::is_possible(*at, DateTime::<chrono::Utc>::MAX_UTC);
        let at = [committed_at, revision.authored_at].into_iter().find(possible)?;
        Some(Arrival { at, change: proposed.map(|(_, change)| change), with, place: 0 })
    }

    /// A pull request that adds the same path and had not ended long before it was committed, or a
    /// merged one that this may be a rebased commit of.
    fn nearest(&self, revision: &DecisionRevision) -> Option<&'a Change> {
        let touching = self.by_path.get(revision.path.as_str())?.iter();
        let adds = revision.revision == RevisionKind::Added;
        let candidates = touching.filter_map(|(kind, change)| {
            let until = |end: Instant| end - revision.committed_at;
            let belongs = match change.merged_at.map(until) {
                Some(until_merge) if adds => until_merge.abs() <= SAME_ADDITION,
                Some(until_merge) => (-REBASED_AFTER..=REBASED_BEFORE).contains(&until_merge),
                // Brought by hand: it may be closed much later, or never.
                None => adds && change.closed_at.is_none_or(|at| until(at) >= -SAME_ADDITION),
            };
            let proposed_first = change.created_at <= revision.committed_at + REBASED_AFTER;
            let is_same = !adds || *kind == PathChange::Added;
            let rank = (change.merged_at.is_none(), change.number);
            (belongs && proposed_first && is_same).then_some((rank, *change))
        });
        candidates.min_by_key(|(rank, _)| *rank).map(|(_, change)| change)
    }

    /// Whether a change is one into the default branch, whatever that was called then. A change
    /// from there into a release branch names the same commits, and brought nothing.
    fn reaches_default_branch(&self, change: &Change) -> bool {
        self.repository.default_branch.as_ref().is_none_or(|it| *it == change.base_branch)
            || change.merge_commit.as_ref().is_some_and(|merge| {
                let brought_by = self.trunk().and_then(|trunk| trunk.brought(merge));
                brought_by.is_some_and(|it| it.id == *merge)
            })
    }

    fn trunk(&self) -> Option<&Trunk<'a>> {
        let trunk = || Trunk::of(self.graph?, self.repository.head.as_ref()?);
        self.trunk.get_or_init(trunk).as_ref()
    }
}

/// Every pull request of a repository.
pub(super) fn changes<'a>(
    timeline: &'a Timeline,
    repository: &RepositoryId,
) -> impl Iterator<Item = &'a Change> {
    timeline.changes.get(repository).into_iter().flat_map(Shelf::iter)
}

/// The default branch, by first parents.
struct Trunk<'a> {
    graph: &'a CommitGraph,
    /// Oldest first.
    commits: Vec<&'a KnownCommit>,
    reached: FirstReached,
}

impl<'a> Trunk<'a> {
    fn of(graph: &'a CommitGraph, head: &CommitId) -> Option<Self> {
        let first_parent = |commit: &&KnownCommit| graph.first_parent(&commit.id);
        // No graph of ours is longer than its commits, whatever a server says.
        let most = graph.iter().count();
        let mut commits: Vec<&KnownCommit> =
            std::iter::successors(graph.get(head), first_parent).take(most).collect();
        commits.reverse();
        let reached = graph.first_reached(commits.iter().map(|it| graph.node(&it.id)));
        Some(Self { graph, commits, reached })
    }

    /// The commit of the default branch that brought `commit` there.
    fn brought(&self, commit: &CommitId) -> Option<&'a KnownCommit> {
        let position = self.reached.by(self.graph.node(commit)?)?;
        self.commits.get(position).copied()
    }
}
