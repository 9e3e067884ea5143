use serde::{Deserialize, Serialize};

use crate::domain::{CommitId, Instant, RepositoryId};

/// A commit that is reachable from a default branch or from a deployed commit: a node of the graph
/// that answers "is this commit in that deployment?".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The repository whose graph it belongs to.
    pub repository: RepositoryId,
    /// Its sha.
    pub id: CommitId,
    /// Its parents, first parent first.
    pub parents: Vec<CommitId>,
    /// The author date. Freely set by its author: never used as an order.
    pub authored_at: Instant,
    /// The committer date.
    pub committed_at: Instant,
    /// Commits that its message says it reverts (`This reverts commit X`).
    #[serde(default)]
    pub reverts: Vec<CommitId>,
}
