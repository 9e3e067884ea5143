use serde::{Deserialize, Serialize};

use crate::domain::{CommitId, Instant, RepositoryId};

/// A repository as its source last saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Stable through renames and transfers.
    pub id: RepositoryId,
    /// The present `owner/name`.
    pub name: String,
    /// Earlier `owner/name`s under which it was collected; configuration may still use them.
    #[serde(default)]
    pub former_names: Vec<String>,
    /// The default branch, absent in an empty repository.
    pub default_branch: Option<String>,
    /// The commit at the tip of the default branch.
    pub head: Option<CommitId>,
    /// Read-only upstream.
    #[serde(default)]
    pub archived: bool,
    /// When it was created upstream.
    pub created_at: Instant,
    /// The vendor's last change of the repository or its branches.
    pub updated_at: Instant,
}
