//! Merged changes per service, and the deployment that first shipped each (kpis.md 1.8, 3.11).

use super::deployments::ServiceDeployment;
use crate::domain::fact::Change;
use crate::domain::{Instant, Timeline};
use crate::kpi::Params;

/// A merged change as seen by one service that it touches.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceChange<'a> {
    /// The pull request.
    pub change: &'a Change,
    /// Index of the service in the catalogue.
    pub service: usize,
    /// Its author is a bot by the vendor's word or the configured list.
    pub bot: bool,
    /// Carries a hotfix label or came from a hotfix branch.
    pub hotfix: bool,
    /// What became of it.
    pub shipping: Shipping,
}

/// What became of a merged change in one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shipping {
    /// First contained in this deployment (index into the view's deployments).
    Shipped(usize),
    /// Not contained in any deployment yet.
    Unshipped,
    /// Merged before the first deployment that is known: nobody can say when it shipped.
    BeforeFirstDeployment,
    /// The service has no successful production deployment before `as_of`.
    NoDeploymentSource,
}

/// Finds every merged change of every service before `as_of`.
pub fn build<'a>(
    _timeline: &'a Timeline,
    _params: &'a Params,
    _as_of: Instant,
    _deployments: &[ServiceDeployment<'a>],
) -> Vec<ServiceChange<'a>> {
    Vec::new()
}
