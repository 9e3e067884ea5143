//! Which commits the facts of a repository name, as far as their first digits say.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Shelf, Timeline};
use crate::domain::graph::CommitGraph;
use crate::domain::{CommitId, RepositoryId, SourceName};

/// The first eight digits of every commit that the facts of a repository name, ascending: of a
/// thousand repositories most need not be looked at to say that they do not know a commit.
#[derive(Debug, Default)]
pub struct Beginnings {
    shas: Box<[u32]>,
    /// Some of them are called otherwise than by forty digits.
    others: bool,
}

impl Beginnings {
    pub(super) fn of<'a>(commits: impl Iterator<Item = &'a CommitId>) -> Self {
        let mut others = false;
        let mut shas: Vec<u32> = commits
            .filter_map(|commit| {
                let beginning = commit.beginning();
                others |= beginning.is_none();
                beginning
            })
            .collect();
        shas.sort_unstable();
        shas.dedup();
        Self { shas: shas.into(), others }
    }

    /// Whether a commit may be among them of which the first eight digits are in `digits`.
    pub fn may_have(&self, digits: &RangeInclusive<u32>) -> bool {
        let at = self.shas.partition_point(|it| it < digits.start());
        self.shas.get(at).is_some_and(|it| it <= digits.end())
    }

    /// Whether any is called otherwise than by forty digits.
    pub fn has_others(&self) -> bool {
        self.others
    }
}

impl Timeline {
    /// Every commit that a fact of `repository` names, be it deployed or not.
    pub fn commits_named(&self, repository: &RepositoryId) -> impl Iterator<Item = &CommitId> {
        let graph = self.commits.get(repository).map(Arc::as_ref);
        let known = graph.into_iter().flat_map(CommitGraph::iter).map(|it| &it.id);
        let deployed = Self::of_repository(&self.deployments, repository).map(|it| &it.commit);
        let run = Self::of_repository(&self.runs, repository).map(|it| &it.commit);
        let released = Self::of_repository(&self.releases, repository);
        let released = released.filter_map(|it| it.commit.as_ref());
        let changes = self.changes.get(repository).into_iter().flat_map(Shelf::iter);
        let changed = changes.flat_map(|it| it.commits.iter().chain(&it.merge_commit));
        known.chain(deployed).chain(run).chain(released).chain(changed)
    }

    /// The facts of one repository, whichever source saw them.
    pub fn of_repository<'a, T>(
        facts: &'a std::collections::BTreeMap<(RepositoryId, SourceName), Shelf<T>>,
        repository: &RepositoryId,
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let repository = repository.clone();
        let own = facts.range((repository.clone(), SourceName::from(""))..);
        let own = own.take_while(move |((of, _), _)| *of == repository);
        own.flat_map(|(_, facts)| facts.iter())
    }

    /// How the commits begin that the facts of `repository` name; made when somebody asks, and kept
    /// until something lands there. `None` where nothing is known of it.
    pub fn beginnings(&self, repository: &RepositoryId) -> Option<&Beginnings> {
        let beginnings = self.beginnings.get(repository)?;
        Some(beginnings.get_or_init(|| Beginnings::of(self.commits_named(repository))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_found_by_its_beginning() {
        let commits = ["deadbeef", "00000001", "deadbeef", "ffffffff"]
            .map(|it| CommitId::new(format!("{it}{}", "0".repeat(32))));
        let beginnings = Beginnings::of(commits.iter());
        assert_eq!(*beginnings.shas, [1, 0xdead_beef, 0xffff_ffff]);
        assert!(!beginnings.has_others());
        assert!(beginnings.may_have(&(0xdead_beef..=0xdead_beef)));
        assert!(beginnings.may_have(&(0xdead_bee0..=0xdead_beef)), "by seven digits");
        assert!(!beginnings.may_have(&(2..=0xdead_beee)));
        assert!(!Beginnings::default().may_have(&(0..=u32::MAX)));
        assert!(Beginnings::of([&CommitId::new("c1")].into_iter()).has_others());
    }
}
