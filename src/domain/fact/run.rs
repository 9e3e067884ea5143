use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{CommitId, Instant, RepositoryId, Text};

/// A run of a CI workflow. By configuration it may stand for a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRun {
    /// The vendor's id, unique in the source.
    pub id: Text,
    /// The repository it ran in.
    pub repository: RepositoryId,
    /// The workflow's name, or its file where the vendor gives none.
    pub workflow: Text,
    /// What started it (`push`, `pull_request`, `schedule`, …).
    pub event: Text,
    /// The branch it ran for.
    pub branch: Option<Text>,
    /// The commit it ran on.
    pub commit: CommitId,
    /// When the first attempt was created.
    pub created_at: Instant,
    /// The vendor's last change of it: its version.
    pub updated_at: Instant,
    /// The attempts that are known, by number. Earlier ones of a re-run are there only where a
    /// rule needs them.
    pub attempts: Vec<RunAttempt>,
}

impl WorkflowRun {
    /// Whether it ran for `branch` itself. A run for a pull request carries the name of the branch
    /// that this comes from, and a fork's branch may have the same name.
    pub fn is_of(&self, branch: Option<&str>) -> bool {
        self.branch.is_some()
            && self.branch.as_deref() == branch
            && !self.event.starts_with("pull_request")
    }
}

/// One attempt of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunAttempt {
    /// 1 for the first.
    pub number: u64,
    /// When it started.
    pub started_at: Instant,
    /// When it ended; absent while it runs.
    pub completed_at: Option<Instant>,
    /// The vendor's word (`success`, `failure`, `cancelled`, …); absent while it runs.
    pub conclusion: Option<Text>,
}

impl WorkflowRun {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.repository.share(pool);
        pool.share(&mut self.workflow);
        pool.share(&mut self.event);
        self.branch.iter_mut().for_each(|it| pool.share(it));
        let conclusions = self.attempts.iter_mut().filter_map(|it| it.conclusion.as_mut());
        conclusions.for_each(|it| pool.share(it));
        self.attempts.shrink_to_fit();
    }
}
