use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{Attributes, CommitId, Instant, RepositoryId, Text};

/// What one commit on the default branch did to one decision record (a Markdown file in a
/// configured folder).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRevision {
    /// Where the record lives.
    pub repository: RepositoryId,
    /// The record's path after the commit.
    pub path: Text,
    /// The commit.
    pub commit: CommitId,
    /// Its author date.
    pub authored_at: Instant,
    /// Its committer date.
    pub committed_at: Instant,
    /// What the commit did.
    pub revision: RevisionKind,
    /// The status as the record words it: front matter `status:`, else the first line under a
    /// `Status` heading, else a `Status:` line. Not interpreted.
    pub status: Option<Text>,
    /// The scalars of the front matter.
    #[serde(default)]
    pub front_matter: Attributes,
}

/// What a commit did to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevisionKind {
    /// The path appeared.
    Added,
    /// The text changed.
    Modified,
    /// The record moved here.
    RenamedFrom(Text),
    /// The record is gone.
    Removed,
}

impl DecisionRevision {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.repository.share(pool);
        pool.share(&mut self.path);
        self.status.iter_mut().for_each(|status| pool.share(status));
        pool.share_attributes(&mut self.front_matter);
    }
}
