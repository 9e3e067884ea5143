//! Which deployments failed, by which rule, and when they recovered (kpis.md 3.9, 3.6).

mod links;
mod reverts;

use std::collections::HashSet;
use std::ops::Range;

use chrono::Duration;

use super::changes::{ServiceChange, Shipping};
use super::deployments::ServiceDeployment;
use super::incidents::Episode;
use super::lineage::Lineage;
use super::ownership::Ownership;
use super::reach::Reach;
use crate::domain::{CommitId, Instant, Text, Timeline};
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
    /// Why it failed, in the order of the rules; empty = it did not.
    pub reasons: Vec<Failure>,
    /// It rolled an earlier one back.
    pub is_rollback: bool,
    /// It was made to repair: a rollback, the deployment that comes forward again after one, or one
    /// that carries a hotfix or the revert of something that was live.
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
    pub evidence: Text,
}

/// The rules by which a deployment fails, in the order of kpis.md 3.9.
pub const REASONS: [&str; 5] = ["incident", "rollback", "revert", "hotfix", "proximity"];

/// Judges every deployment of the view.
pub fn build(evidence: &Evidence<'_>) -> Failures {
    let mut verdicts = vec![Verdict::default(); evidence.deployments.len()];
    let mut findings = Vec::new();
    evidence.find_rollbacks(&mut verdicts, &mut findings);
    evidence.find_hotfixes(&mut verdicts, &mut findings);
    reverts::find(evidence, &mut verdicts, &mut findings);
    let linked = links::find(evidence, &verdicts, &mut findings);
    sentence(&mut verdicts, findings);
    Failures { verdicts, linked }
}

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The facts.
    pub timeline: &'a Timeline,
    /// The rules.
    pub params: &'a Params,
    /// Nothing at or after it is known.
    pub as_of: Instant,
    /// The deployments of the view, by service and then finish.
    pub deployments: &'a [ServiceDeployment<'a>],
    /// The changes of the view, by service and then by key.
    pub changes: &'a [ServiceChange<'a>],
    /// The episodes of the view.
    pub incidents: &'a [Episode<'a>],
    /// Which services each repository has.
    pub ownership: &'a Ownership<'a>,
    /// The lineage of `deployments`.
    pub lineage: &'a Lineage<'a>,
    /// Whose `deployments` and `changes` these are; `None` = everybody's.
    pub reach: Option<&'a Reach>,
}

/// A deployment that failed by one rule.
#[derive(Clone, Debug)]
struct Finding {
    deployment: usize,
    failure: Failure,
    recovery: Recovery,
}

/// How a failure ended.
#[derive(Clone, Copy, Debug)]
enum Recovery {
    /// The incident was resolved then, or is still open.
    Resolved(Option<Instant>),
    /// Something that repairs it succeeded then.
    Repaired(Instant),
}

impl Evidence<'_> {
    /// The positions of the deployments of each service that has any.
    fn services(&self) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        self.deployments.chunk_by(|a, b| a.service == b.service).map(move |own| {
            let range = start..start + own.len();
            start = range.end;
            range
        })
    }

    /// The changes of one service.
    fn changes_of(&self, service: usize) -> &[ServiceChange<'_>] {
        let start = self.changes.partition_point(|it| it.service < service);
        let end = self.changes.partition_point(|it| it.service <= service);
        &self.changes[start..end]
    }

    /// Rule (b): the next deployment of the service is a rollback and came soon enough.
    fn find_rollbacks(&self, verdicts: &mut [Verdict], findings: &mut Vec<Finding>) {
        for range in self.services() {
            let mut live = HashSet::new();
            for at in range.clone() {
                let own = &self.deployments[at];
                let before = (at > range.start).then(|| &self.deployments[at - 1]);
                let back = before.is_some_and(|before| self.goes_back(before, own, &live));
                verdicts[at].is_rollback = own.flagged_rollback || back;
                let after_rollback = before.is_some() && verdicts[at - 1].is_rollback;
                verdicts[at].is_rework = verdicts[at].is_rollback || after_rollback;
                if let Some(before) = before {
                    let window = self.params.rules.rollback_window;
                    if verdicts[at].is_rollback && own.finished_at - before.finished_at <= window {
                        findings.push(Finding {
                            deployment: at - 1,
                            failure: failure("rollback", own.native.clone()),
                            recovery: Recovery::Repaired(own.finished_at),
                        });
                    }
                    live.extend(before.commit);
                }
            }
        }
    }

    /// Whether `own` returns to a commit that had been live before `before` and that `before`
    /// contains. An older commit that never was live is a build that finished out of order.
    fn goes_back(
        &self,
        before: &ServiceDeployment<'_>,
        own: &ServiceDeployment<'_>,
        live: &HashSet<&CommitId>,
    ) -> bool {
        let (Some(from), Some(to)) = (before.commit, own.commit) else {
            return false;
        };
        let graph = self.timeline.commits.get(own.repository);
        from != to && live.contains(to) && graph.is_some_and(|graph| graph.contains(from, to))
    }

    /// Rule (d): the next deployment carries a hotfix.
    fn find_hotfixes(&self, verdicts: &mut [Verdict], findings: &mut Vec<Finding>) {
        for hotfix in self.changes.iter().filter(|change| change.hotfix) {
            let Shipping::Shipped(at) = hotfix.shipping else {
                continue;
            };
            verdicts[at].is_rework = true;
            let own = &self.deployments[at];
            if at > 0 && self.deployments[at - 1].service == own.service {
                findings.push(Finding {
                    deployment: at - 1,
                    failure: failure("hotfix", self.change_name(hotfix).into()),
                    recovery: Recovery::Repaired(own.finished_at),
                });
            }
        }
    }

    /// `owner/name#number`.
    fn change_name(&self, change: &ServiceChange<'_>) -> String {
        let repository = self.timeline.repositories.get(&change.change.repository);
        let name = repository.map_or(change.change.repository.as_str(), |it| it.name.as_str());
        format!("{name}#{}", change.change.number)
    }

    fn took(&self, from: usize, to: usize) -> Duration {
        self.deployments[to].finished_at - self.deployments[from].finished_at
    }
}

fn failure(reason: &'static str, evidence: Text) -> Failure {
    Failure { reason, evidence }
}

/// Turns findings into verdicts. A rollback is never itself failed.
fn sentence(verdicts: &mut [Verdict], mut findings: Vec<Finding>) {
    let rank = |reason| REASONS.iter().position(|it| *it == reason);
    findings.sort_by(|a, b| {
        let order = |it: &Finding| (it.deployment, rank(it.failure.reason));
        order(a).cmp(&order(b)).then_with(|| a.failure.evidence.cmp(&b.failure.evidence))
    });
    for findings in findings.chunk_by(|a, b| a.deployment == b.deployment) {
        let verdict = &mut verdicts[findings[0].deployment];
        if !verdict.is_rollback {
            verdict.reasons = findings.iter().map(|finding| finding.failure.clone()).collect();
            verdict.reasons.dedup();
            verdict.recovered_at = recovered_at(findings);
        }
    }
}

/// When the last linked incident was resolved, else the first repair's success.
fn recovered_at(findings: &[Finding]) -> Option<Instant> {
    let resolutions = findings.iter().filter_map(|finding| match finding.recovery {
        Recovery::Resolved(at) => Some(at),
        Recovery::Repaired(_) => None,
    });
    let last = resolutions.reduce(|a, b| Some(a?.max(b?)));
    last.unwrap_or_else(|| {
        let repairs = findings.iter().filter_map(|finding| match finding.recovery {
            Recovery::Repaired(at) => Some(at),
            Recovery::Resolved(_) => None,
        });
        repairs.min()
    })
}

#[cfg(test)]
mod tests;
