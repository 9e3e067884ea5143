//! What incidents name as their cause, and where that may be.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::incidents::Episode;
use crate::domain::timeline::{Beginnings, Shelved};
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
#[derive(Debug)]
pub(super) struct Mentions<N> {
    /// By the vendor's id the whole name.
    deployments: HashMap<String, N>,
    commits: BTreeSet<N>,
    lengths: BTreeSet<usize>,
    /// What the first eight digits of the shas may be.
    digits: Vec<RangeInclusive<u32>>,
    quick: Quick,
}

impl<N> Default for Mentions<N> {
    fn default() -> Self {
        Self {
            deployments: HashMap::new(),
            commits: BTreeSet::new(),
            lengths: BTreeSet::new(),
            digits: Vec::new(),
            quick: Quick::default(),
        }
    }
}

impl<N: Borrow<str> + Ord> FromIterator<N> for Mentions<N> {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let mut mentions = Self::default();
        for name in names {
            mentions.insert(name);
        }
        mentions
    }
}

impl<N: Borrow<str> + Ord> Mentions<N> {
    /// Whether it was not among them before.
    pub(super) fn insert(&mut self, name: N) -> bool {
        let text = name.borrow();
        if let Some(id) = text.strip_prefix(DEPLOYMENT) {
            return self.deployments.insert(id.to_owned(), name).is_none();
        }
        if self.commits.contains(text) {
            return false;
        }
        self.lengths.insert(text.len());
        self.digits.extend(digits(text));
        self.quick.insert(text);
        self.commits.insert(name)
    }

    /// Whether any of them is of a commit.
    pub(super) fn any_commit(&self) -> bool {
        !self.commits.is_empty()
    }

    /// The name that means the deployment, run or release that its vendor calls `id`.
    pub(super) fn deployment(&self, id: &str) -> Option<&N> {
        self.deployments.get(id)
    }

    /// The names that mean `commit`: its sha, or its beginning.
    pub(super) fn commit(&self, commit: &CommitId) -> impl Iterator<Item = &N> {
        // Of a million commits hardly any is named.
        let sha = self.quick.may_have(commit).then(|| commit.text());
        sha.into_iter().flat_map(move |sha| {
            let lengths = self.lengths.iter();
            let lengths = lengths.filter(move |it| **it >= ABBREVIATION.min(sha.len()));
            lengths.filter_map(move |length| self.commits.get(sha.get(..*length)?))
        })
    }

    /// Whether any of them may mean one of the commits that begin so.
    fn may_be_among(&self, beginnings: &Beginnings) -> bool {
        self.digits.iter().any(|it| beginnings.may_have(it))
            || (beginnings.has_others() && self.any_commit())
    }

    /// Those that mean anything that is known of a repository, be it deployed or not.
    pub(super) fn of_repository(
        &self,
        timeline: &Timeline,
        repository: &RepositoryId,
    ) -> BTreeSet<&N> {
        let mut found = BTreeSet::new();
        if timeline.beginnings(repository).is_some_and(|it| self.may_be_among(it)) {
            let commits = timeline.commits_named(repository);
            found.extend(commits.flat_map(|it| self.commit(it)));
        }
        if !self.deployments.is_empty() {
            let deployments =
                Timeline::of_repository(&timeline.deployments, repository).map(Shelved::key);
            let runs = Timeline::of_repository(&timeline.runs, repository).map(Shelved::key);
            let releases =
                Timeline::of_repository(&timeline.releases, repository).map(Shelved::key);
            let ids = deployments.chain(runs).chain(releases);
            found.extend(ids.filter_map(|id| self.deployment(id)));
        }
        found
    }
}

/// What the first eight digits of a sha may be that `name` means; `None` where it means none.
fn digits(name: &str) -> Option<RangeInclusive<u32>> {
    let value = |digits: &str| u32::from_str_radix(digits, 16).ok();
    match name.get(..8) {
        Some(eight) => value(eight).map(|it| it..=it),
        None => value(name.get(..ABBREVIATION)?).map(|it| it << 4..=it << 4 | 0xf),
    }
}

/// The first four digits of the shas that are looked for.
#[derive(Debug, Default)]
struct Quick(Vec<bool>);

impl Quick {
    /// Text that is no beginning of a sha is none of its first digits either.
    fn insert(&mut self, name: &str) {
        if let Some(digits) = name.get(..4).and_then(|it| u16::from_str_radix(it, 16).ok()) {
            self.0.resize(1 << 16, false);
            self.0[usize::from(digits)] = true;
        }
    }

    fn may_have(&self, commit: &CommitId) -> bool {
        let digits = commit.beginning().and_then(|it| usize::try_from(it >> 16).ok());
        digits.is_none_or(|it| self.0.get(it).copied().unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fact::Commit;
    use crate::domain::{Fact, Instant};

    const SHA: &str = "deadbeef00000000000000000000000000000000";

    fn land(timeline: &mut Timeline, commit: &str) -> RepositoryId {
        let repository = RepositoryId::from("github/1");
        let commit = Commit {
            repository: repository.clone(),
            id: CommitId::new(commit),
            parents: Vec::new(),
            authored_at: Instant::UNIX_EPOCH,
            committed_at: Instant::UNIX_EPOCH,
            reverts: Vec::new(),
        };
        timeline.apply(&SourceName::from("github"), Fact::Commit(commit));
        repository
    }

    #[test]
    fn a_commit_is_meant_by_seven_digits_and_by_any_more_but_by_no_others() {
        let mut timeline = Timeline::default();
        let repository = land(&mut timeline, SHA);
        for (name, is_meant) in [
            ("deadbe", false),
            ("deadbee", true),
            ("deadbeef", true),
            ("deadbeef0", true),
            (SHA, true),
            ("deadbef", false),
            ("deadbeee", false),
            ("deadbeef1", false),
            ("deadbeé", false),
        ] {
            let mentions = Mentions::from_iter([name]);
            let found = mentions.of_repository(&timeline, &repository);
            assert_eq!(!found.is_empty(), is_meant, "{name}");
        }
    }

    #[test]
    fn what_lands_after_somebody_asked_is_found_too() {
        let mut timeline = Timeline::default();
        let mentions = Mentions::from_iter([SHA, "c1"]);
        let repository = land(&mut timeline, &"0".repeat(40));
        assert!(mentions.of_repository(&timeline, &repository).is_empty());
        land(&mut timeline, SHA);
        assert_eq!(mentions.of_repository(&timeline, &repository), BTreeSet::from([&SHA]));
        land(&mut timeline, "c1");
        assert_eq!(mentions.of_repository(&timeline, &repository), BTreeSet::from([&SHA, &"c1"]));
    }
}
