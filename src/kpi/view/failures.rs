//! Which deployments failed, by which rule, and when they recovered (kpis.md 3.9, 3.6).

use super::changes::ServiceChange;
use super::deployments::ServiceDeployment;
use super::incidents::Episode;
use crate::domain::{Instant, Timeline};
use crate::kpi::Params;

/// The verdicts about deployments and the links between incidents and deployments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures {
    /// One verdict per deployment of the view, same index.
    pub verdicts: Vec<Verdict>,
    /// For each episode of the view, same index: the deployment that it is linked to.
    pub linked: Vec<Option<usize>>,
}

/// What is known about one deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Why it failed; empty = it did not.
    pub reasons: Vec<Failure>,
    /// It rolled an earlier one back.
    pub is_rollback: bool,
    /// It was made to repair (a rollback, or carries a revert or a hotfix): rework.
    pub is_rework: bool,
    /// When it was recovered from: the last linked incident resolved, else the repair's success.
    pub recovered_at: Option<Instant>,
}

/// One rule by which a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `incident`, `rollback`, `revert`, `hotfix` or `proximity`.
    pub reason: &'static str,
    /// What shows it: an incident, a deployment, a change or a commit.
    pub evidence: String,
}

/// Judges every deployment of the view.
pub fn build(
    _timeline: &Timeline,
    _params: &Params,
    deployments: &[ServiceDeployment<'_>],
    _changes: &[ServiceChange<'_>],
    incidents: &[Episode<'_>],
) -> Failures {
    Failures {
        verdicts: vec![Verdict::default(); deployments.len()],
        linked: vec![None; incidents.len()],
    }
}
