//! The commit graph of one repository: answers ancestry, never time order.

use std::collections::{HashMap, HashSet};

use super::CommitId;
use super::fact::Commit;

/// The commits of one repository and how they hang together.
///
/// The graph may be shallow: a parent that is not in it ends the walk there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitGraph {
    commits: HashMap<CommitId, Commit>,
}

impl CommitGraph {
    /// Adds a commit; adding it again changes nothing.
    pub fn insert(&mut self, commit: Commit) {
        self.commits.insert(commit.id.clone(), commit);
    }

    /// Takes a commit out.
    pub fn remove(&mut self, id: &CommitId) {
        self.commits.remove(id);
    }

    /// The commit with this sha.
    pub fn get(&self, id: &CommitId) -> Option<&Commit> {
        self.commits.get(id)
    }

    /// Every commit, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Commit> {
        self.commits.values()
    }

    /// `tip` and all its ancestors that `seen` does not hold yet, which are added to it. A walk
    /// stops where it meets something seen, so walking tip after tip costs each commit once.
    pub fn newly_reachable(&self, tip: &CommitId, seen: &mut HashSet<CommitId>) -> Vec<CommitId> {
        let mut found = Vec::new();
        let mut pending = vec![tip.clone()];
        while let Some(id) = pending.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            if let Some(commit) = self.commits.get(&id) {
                pending.extend(commit.parents.iter().cloned());
            }
            found.push(id);
        }
        found
    }

    /// Whether `ancestor` is `tip` or is reachable from it.
    pub fn contains(&self, tip: &CommitId, ancestor: &CommitId) -> bool {
        let mut seen = HashSet::new();
        let mut pending = vec![tip];
        while let Some(id) = pending.pop() {
            if id == ancestor {
                return true;
            }
            if seen.insert(id)
                && let Some(commit) = self.commits.get(id)
            {
                pending.extend(commit.parents.iter());
            }
        }
        false
    }
}
