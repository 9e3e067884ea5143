//! Which repositories a view looks at: all, or those that something which just landed can concern.

use std::collections::BTreeSet;

use super::incidents::Episode;
use super::ownership::Ownership;
use crate::domain::{Fact, RepositoryId, SourceName, Text, Timeline};
use crate::kpi::{Kpi, Need, Params};

/// What landed since some evaluation, as far as it says whose numbers it may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landed {
    repositories: BTreeSet<RepositoryId>,
    incidents: BTreeSet<(SourceName, Text)>,
    needs: BTreeSet<Need>,
    /// Something landed that may change anybody's numbers.
    anything: bool,
}

impl Landed {
    /// Notes a fact that is about to be taken into `timeline`.
    pub fn note(&mut self, timeline: &Timeline, source: &SourceName, fact: &Fact) {
        if self.anything {
            return;
        }
        // Objectives, because of what was going on while their budgets burnt.
        let needs: &[Need] = match fact {
            Fact::Deployment(_) | Fact::Release(_) => &[Need::Deployments, Need::Objectives],
            Fact::WorkflowRun(_) | Fact::WorkflowJob(_) => {
                &[Need::Deployments, Need::Objectives, Need::Boundaries]
            }
            Fact::Change(_) | Fact::Commit(_) | Fact::DecisionRevision(_) => {
                &[Need::Deployments, Need::Objectives, Need::Changes, Need::Decisions]
            }
            Fact::Incident(_) | Fact::IncidentEvent(_) | Fact::IncidentAlert(_) => {
                &[Need::Incidents, Need::Objectives]
            }
            // A push moves the head; a name says whose repository it is.
            Fact::Repository(fact) => match timeline.repositories.get(&fact.id) {
                Some(known)
                    if known.name == fact.name
                        && known.former_names == fact.former_names
                        && known.default_branch == fact.default_branch =>
                {
                    &[Need::Changes]
                }
                _ => &[],
            },
            _ => &[],
        };
        self.anything |= needs.is_empty();
        self.needs.extend(needs);
        match fact {
            Fact::Incident(it) => self.incident(source, &it.id),
            Fact::IncidentEvent(it) => self.incident(source, &it.incident),
            Fact::IncidentAlert(it) => self.incident(source, &it.incident),
            _ => {}
        }
        self.repositories.extend(repository(fact).cloned());
    }

    /// Notes that a fact is gone, or something else that may change anybody's numbers.
    pub fn note_anything(&mut self) {
        self.anything = true;
    }

    /// Whether it may change a KPI.
    pub fn concerns(&self, kpi: &Kpi) -> bool {
        let of_families = kpi.families.iter().flat_map(|family| family.needs);
        let mut needs = kpi.needs.iter().chain(kpi.uses).chain(of_families);
        needs.any(|need| self.needs.contains(need))
    }

    fn incident(&mut self, source: &SourceName, id: &Text) {
        self.incidents.insert((source.clone(), id.clone()));
    }
}

fn repository(fact: &Fact) -> Option<&RepositoryId> {
    match fact {
        Fact::Repository(it) => Some(&it.id),
        Fact::Change(it) => Some(&it.repository),
        Fact::Commit(it) => Some(&it.repository),
        Fact::Deployment(it) => Some(&it.repository),
        Fact::WorkflowRun(it) => Some(&it.repository),
        Fact::WorkflowJob(it) => Some(&it.repository),
        Fact::Release(it) => Some(&it.repository),
        Fact::DecisionRevision(it) => Some(&it.repository),
        _ => None,
    }
}

/// The teams whose own things landed, and what their numbers are made of.
///
/// Of other teams, and of the organisation, something may have changed too: a view of the reach
/// says nothing about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The teams, by index in the catalogue.
    pub teams: BTreeSet<usize>,
    /// Their services.
    pub services: BTreeSet<usize>,
    /// Their repositories, and those of services that share an incident with theirs: whose fault it
    /// was is decided among all of them.
    pub repositories: BTreeSet<RepositoryId>,
}

impl Reach {
    /// Whom `landed` is about; `None` where that cannot be said, or where it is nobody.
    pub(super) fn of(
        landed: &Landed,
        timeline: &Timeline,
        params: &Params,
        ownership: &Ownership<'_>,
        incidents: &[Episode<'_>],
    ) -> Option<Self> {
        if landed.anything {
            return None;
        }
        let catalogue = &params.catalogue.services;
        let owners = landed.repositories.iter().flat_map(|it| ownership.repository(it)).copied();
        let is_landed = |it: &&Episode<'_>| {
            landed.incidents.contains(&(it.source.clone(), it.incident.id.clone()))
        };
        let hit = incidents.iter().filter(is_landed).flat_map(|it| it.services.iter().copied());
        let teams: BTreeSet<usize> = owners.chain(hit).map(|it| catalogue[it].team).collect();
        let services: BTreeSet<usize> =
            (0..catalogue.len()).filter(|it| teams.contains(&catalogue[*it].team)).collect();
        let shared = incidents.iter().filter(|it| concerns(it, &services));
        let looked_at = shared.flat_map(|it| &it.services).chain(&services);
        let known = |it: &usize| timeline.repository_named(&catalogue[*it].repository);
        let repositories = looked_at.filter_map(known).map(|it| it.id.clone()).collect();
        (!teams.is_empty()).then_some(Self { teams, services, repositories })
    }

    /// Whether an incident is on a service of the teams.
    pub fn has(&self, episode: &Episode<'_>) -> bool {
        concerns(episode, &self.services)
    }
}

fn concerns(episode: &Episode<'_>, services: &BTreeSet<usize>) -> bool {
    episode.services.iter().any(|it| services.contains(it))
}
