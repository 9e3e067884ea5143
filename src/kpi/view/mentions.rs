//! What incidents name as their cause, and where that may be.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::deployments::of_repository;
use super::incidents::Episode;
use crate::domain::graph::CommitGraph;
use crate::domain::timeline::{Shelf, Shelved};
use crate::domain::{CommitId, RepositoryId, SourceName, Timeline};

/// The text before the id where an incident names a deployment.
const DEPLOYMENT: &str = "deployment:";

/// The fewest digits that stand for a commit.
const ABBREVIATION: usize = 7;

/// What each episode that counts names. Where the tool closed an incident by its timeout and people
/// re-opened it later, the new episode is the one that counts, and what named the cause still does.
pub(super) fn of_episodes<'a>(episodes: &'a [Episode<'_>]) -> Vec<BTreeSet<&'a str>> {
    let mut passed_on: HashMap<(&SourceName, &str), BTreeSet<&str>> = HashMap::new();
    let named = episodes.iter().map(|episode| {
        let incident = (episode.source, episode.incident.id.as_str());
        let mut names = passed_on.remove(&incident).unwrap_or_default();
        names.extend(episode.names.iter().map(String::as_str));
        if episode.counts() {
            return names;
        }
        passed_on.insert(incident, names);
        BTreeSet::new()
    });
    named.collect()
}

/// Names of causes: of commits, in full or abbreviated, and of deployments.
#[derive(Debug, Default)]
pub(super) struct Mentions<'a> {
    /// By the vendor's id the whole name.
    deployments: HashMap<&'a str, &'a str>,
    commits: BTreeSet<&'a str>,
    lengths: BTreeSet<usize>,
    beginnings: Beginnings,
}

impl<'a> FromIterator<&'a str> for Mentions<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut mentions = Self::default();
        for name in names {
            if let Some(id) = name.strip_prefix(DEPLOYMENT) {
                mentions.deployments.insert(id, name);
            } else {
                mentions.commits.insert(name);
                mentions.lengths.insert(name.len());
                mentions.beginnings.insert(name);
            }
        }
        mentions
    }
}

impl<'a> Mentions<'a> {
    /// Whether any of them is of a commit.
    pub(super) fn any_commit(&self) -> bool {
        !self.commits.is_empty()
    }

    /// The name that means the deployment, run or release that its vendor calls `id`.
    pub(super) fn deployment(&self, id: &str) -> Option<&'a str> {
        self.deployments.get(id).copied()
    }

    /// The names that mean `commit`: its sha, or its beginning.
    pub(super) fn commit(&self, commit: &CommitId) -> impl Iterator<Item = &'a str> {
        // Of a million commits hardly any is named.
        let sha = self.beginnings.may_have(commit).then(|| commit.text());
        sha.into_iter().flat_map(move |sha| {
            let lengths = self.lengths.iter();
            let lengths = lengths.filter(move |it| **it >= ABBREVIATION.min(sha.len()));
            lengths.filter_map(move |length| self.commits.get(sha.get(..*length)?).copied())
        })
    }

    /// Those that mean anything that is known of a repository, be it deployed or not.
    pub(super) fn of_repository(
        &self,
        timeline: &Timeline,
        repository: &RepositoryId,
    ) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        if self.any_commit() {
            let graph = timeline.commits.get(repository).map(Arc::as_ref);
            let known = graph.into_iter().flat_map(CommitGraph::iter).map(|it| &it.id);
            let deployed = of_repository(&timeline.deployments, repository).map(|it| &it.commit);
            let run = of_repository(&timeline.runs, repository).map(|it| &it.commit);
            let released = of_repository(&timeline.releases, repository);
            let released = released.filter_map(|it| it.commit.as_ref());
            let changes = timeline.changes.get(repository).into_iter().flat_map(Shelf::iter);
            let changed = changes.flat_map(|it| it.commits.iter().chain(&it.merge_commit));
            let commits = known.chain(deployed).chain(run).chain(released).chain(changed);
            found.extend(commits.flat_map(|it| self.commit(it)));
        }
        if !self.deployments.is_empty() {
            let deployments = of_repository(&timeline.deployments, repository).map(Shelved::key);
            let runs = of_repository(&timeline.runs, repository).map(Shelved::key);
            let releases = of_repository(&timeline.releases, repository).map(Shelved::key);
            let ids = deployments.chain(runs).chain(releases);
            found.extend(ids.filter_map(|id| self.deployment(id)));
        }
        found
    }
}

/// The first four digits of the shas that are looked for.
#[derive(Debug, Default)]
struct Beginnings(Vec<bool>);

impl Beginnings {
    /// Text that is no beginning of a sha is none of its first digits either.
    fn insert(&mut self, name: &str) {
        if let Some(digits) = name.get(..4).and_then(|it| u16::from_str_radix(it, 16).ok()) {
            self.0.resize(1 << 16, false);
            self.0[usize::from(digits)] = true;
        }
    }

    fn may_have(&self, commit: &CommitId) -> bool {
        let digits = commit.beginning().map(usize::from);
        digits.is_none_or(|it| self.0.get(it).copied().unwrap_or(false))
    }
}
