//! Production deployments per service (kpis.md 1.8).

use crate::domain::{CommitId, Instant, RepositoryId, Timeline};
use crate::kpi::Params;

/// One production deployment of one service: the first success of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDeployment<'a> {
    /// Index of the service in the catalogue.
    pub service: usize,
    /// Its repository.
    pub repository: &'a RepositoryId,
    /// The vendor's id of the deployment, run or release that succeeded first.
    pub native: String,
    /// Vendor ids of everything that this rollout joined, the first success included.
    pub members: Vec<String>,
    /// What was deployed, where the vendor says.
    pub commit: Option<CommitId>,
    /// The environment of the first success; the workflow or tag for other rules.
    pub environment: String,
    /// The FIRST `success`.
    pub finished_at: Instant,
    /// Flagged as a rollback by whoever made it.
    pub flagged_rollback: bool,
}

/// Finds the production deployments of every service before `as_of`, by service and then finish.
pub fn build<'a>(
    _timeline: &'a Timeline,
    _params: &'a Params,
    _as_of: Instant,
) -> Vec<ServiceDeployment<'a>> {
    Vec::new()
}
