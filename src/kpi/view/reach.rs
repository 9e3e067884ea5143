//! Which repositories a view looks at: all, or those that something which just landed can concern.

use std::collections::BTreeSet;

use super::incidents::{self, Episode};
use super::index::{IncidentKey, Index};
use super::ownership::Ownership;
use crate::domain::{Fact, RepositoryId, SourceName, Text, Timeline};
use crate::kpi::{Kpi, Need, Params};

/// What landed since some evaluation, as far as it says whose numbers it may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landed {
    repositories: BTreeSet<RepositoryId>,
    incidents: BTreeSet<IncidentKey>,
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

    /// Whether something is among it that may change anybody's numbers.
    pub(super) fn may_be_anything(&self) -> bool {
        self.anything
    }

    /// Whether anything that landed is about `need`.
    pub(super) fn is_about(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// Whether it may change a KPI.
    pub fn concerns(&self, kpi: &Kpi) -> bool {
        let of_families = kpi.families.iter().flat_map(|family| family.needs);
        let mut needs = kpi.needs.iter().chain(kpi.uses).chain(of_families);
        needs.any(|need| self.needs.contains(need))
    }

    /// The teams, by index in the catalogue, that own a service in a repository of which something
    /// landed.
    pub(super) fn owners(&self, params: &Params, ownership: &Ownership<'_>) -> BTreeSet<usize> {
        let owners = self.repositories.iter().flat_map(|it| ownership.repository(it));
        owners.map(|it| params.catalogue.services[*it].team).collect()
    }

    /// The repositories of which something landed.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &RepositoryId> {
        self.repositories.iter()
    }

    /// The incidents of which something landed.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &IncidentKey> {
        self.incidents.iter()
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
    /// The incidents that are on their services, or that name as their cause something which is
    /// known of one of their repositories.
    incidents: BTreeSet<IncidentKey>,
    /// Their repositories, and those among whose deployments it is decided whose fault these
    /// incidents were: of services that share one with theirs, and all that have anything which one
    /// of them names.
    pub repositories: BTreeSet<RepositoryId>,
}

impl Reach {
    /// Whom `landed` is about, which `index` has taken in; `None` where that cannot be said, or
    /// where it is nobody.
    pub(super) fn of(
        landed: &Landed,
        timeline: &Timeline,
        params: &Params,
        ownership: &Ownership<'_>,
        index: &Index,
    ) -> Option<Self> {
        if landed.anything {
            return None;
        }
        let catalogue = &params.catalogue.services;
        let by_incident_service = incidents::services(params);
        let on = |service: &str| by_incident_service.get(service).into_iter().flatten();
        let mut teams = landed.owners(params, ownership);
        let hit =
            landed.incidents.iter().filter_map(|it| index.service_of(it)).flat_map(|it| on(it));
        teams.extend(hit.map(|it| catalogue[*it].team));
        if teams.is_empty() {
            return None;
        }
        let services: BTreeSet<usize> =
            (0..catalogue.len()).filter(|it| teams.contains(&catalogue[*it].team)).collect();
        let known = |it: &usize| timeline.repository_named(&catalogue[*it].repository);
        let mut repositories: BTreeSet<RepositoryId> =
            services.iter().filter_map(known).map(|it| it.id.clone()).collect();
        let mut incidents: BTreeSet<IncidentKey> =
            repositories.iter().flat_map(|it| index.naming(it)).cloned().collect();

        let incident_services = services.iter().flat_map(|it| &catalogue[*it].incident_services);
        for service in incident_services.collect::<BTreeSet<&String>>() {
            let mut theirs = index.on_service(service).peekable();
            if theirs.peek().is_some() {
                repositories.extend(on(service).filter_map(known).map(|it| it.id.clone()));
            }
            incidents.extend(theirs.cloned());
        }
        let named = index.knowing(&incidents).into_iter();
        repositories.extend(named.filter(|it| !ownership.repository(it).is_empty()).cloned());
        Some(Self { teams, services, incidents, repositories })
    }

    /// The incidents that concern it.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &IncidentKey> {
        self.incidents.iter()
    }

    /// Whether an episode is of one of them.
    pub(super) fn has(&self, episode: &Episode<'_>) -> bool {
        self.incidents.contains(&(episode.source.clone(), episode.incident.id.clone()))
    }
}
