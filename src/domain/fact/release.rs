use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{CommitId, Instant, RepositoryId, Text};

/// A published release. By configuration it may stand for a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The vendor's id, unique in the source.
    pub id: Text,
    /// The repository released.
    pub repository: RepositoryId,
    /// The tag.
    pub tag: Text,
    /// The commit that the tag points at, where the vendor says.
    pub commit: Option<CommitId>,
    /// Not published yet.
    #[serde(default)]
    pub draft: bool,
    /// Marked as not ready for production.
    #[serde(default)]
    pub prerelease: bool,
    /// When it was created. For the vendor this may be the commit's date.
    pub created_at: Instant,
    /// When it was published.
    pub published_at: Option<Instant>,
}

impl Release {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.repository.share(pool);
    }
}
