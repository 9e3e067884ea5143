use serde::{Deserialize, Serialize};

use crate::domain::{Instant, RepositoryId};

/// A job of a workflow run that has ended, of its latest attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowJob {
    /// The vendor's id, unique in the source.
    pub id: String,
    /// The repository it ran in.
    pub repository: RepositoryId,
    /// The vendor's id of its run.
    pub run: String,
    /// Its name.
    pub name: String,
    /// When it started.
    pub started_at: Instant,
    /// When it ended.
    pub completed_at: Instant,
    /// The vendor's word (`success`, `failure`, `skipped`, …).
    pub conclusion: String,
}
