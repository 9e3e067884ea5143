use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{Attributes, CommitId, Instant, RepositoryId, Text};

/// A deployment as the vendor recorded it, with its whole status history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The vendor's id, unique in the source.
    pub id: Text,
    /// The repository deployed from.
    pub repository: RepositoryId,
    /// The commit that was deployed.
    pub commit: CommitId,
    /// The environment deployed to.
    pub environment: Text,
    /// The vendor's task, usually `deploy`.
    pub task: Text,
    /// The free text given at creation, cut to 256 characters.
    pub description: Option<Text>,
    /// Top-level scalars of the payload as text (`{"service": "checkout", "rollback": true}`).
    #[serde(default)]
    pub payload: Attributes,
    /// When it was requested.
    pub created_at: Instant,
    /// The newest status, or the creation: its version.
    pub updated_at: Instant,
    /// Statuses in order. `inactive` is left out: the vendor adds it by itself to an older
    /// deployment when a newer one succeeds, and it says nothing about this one.
    pub statuses: Vec<DeploymentStatus>,
}

/// One status of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    /// What was reported.
    pub state: DeploymentState,
    /// When it was reported.
    pub at: Instant,
}

/// The states that matter, with the vendors' other words folded into `Pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DeploymentState {
    Pending,
    InProgress,
    Success,
    Failure,
    Error,
}

impl Deployment {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.repository.share(pool);
        pool.share(&mut self.environment);
        pool.share(&mut self.task);
        self.description.iter_mut().for_each(|it| pool.share(it));
        pool.share_attributes(&mut self.payload);
        self.statuses.shrink_to_fit();
    }
}
