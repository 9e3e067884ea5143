//! Which incidents are on a service, what they name as their cause, and who knows what they name:
//! looked up once and kept from one landing to the next, since hardly any of it changes.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::incidents;
use super::mentions::Mentions;
use super::reach::Landed;
use crate::domain::{RepositoryId, SourceName, Text, Timeline};
use crate::kpi::parallel;
use crate::kpi::params::Rules;

/// What an incident is found by.
pub type IncidentKey = (SourceName, Text);

/// What incidents have to do with services and repositories, as far as a timeline says.
#[derive(Debug, Default)]
pub struct Index {
    /// The incidents on each incident service.
    on_service: HashMap<Text, BTreeSet<IncidentKey>>,
    /// The incident service that each is on.
    service_of: HashMap<IncidentKey, Text>,
    /// The incidents that name something as their cause, in whichever life.
    naming: HashMap<Text, BTreeSet<IncidentKey>>,
    /// What each of them names.
    names_of: HashMap<IncidentKey, BTreeSet<Text>>,
    /// Everything that was ever named.
    mentions: Mentions<Text>,
    /// The names that mean something which is known of a repository, be it deployed or not.
    known_of: HashMap<RepositoryId, BTreeSet<Text>>,
    /// The same by name.
    knowing: HashMap<Text, BTreeSet<RepositoryId>>,
}

impl Index {
    /// The index of everything in `timeline`.
    pub fn of(timeline: &Timeline, rules: &Rules) -> Self {
        let mut index = Self::default();
        index.read_incidents(timeline, rules, timeline.incidents.keys());
        index
    }

    /// Takes in what `landed` in `timeline` since.
    pub(super) fn update(&mut self, timeline: &Timeline, rules: &Rules, landed: &Landed) {
        if landed.may_be_anything() {
            *self = Self::of(timeline, rules);
            return;
        }
        // Before the incidents: what they name newly is looked for in all repositories.
        for repository in landed.repositories() {
            self.forget_repository(repository);
            let known = self.mentions.of_repository(timeline, repository);
            let known = known.into_iter().cloned().collect();
            self.know(repository, known);
        }
        self.read_incidents(timeline, rules, landed.incidents());
    }

    fn read_incidents<'i>(
        &mut self,
        timeline: &Timeline,
        rules: &Rules,
        incidents: impl Iterator<Item = &'i IncidentKey>,
    ) {
        let mut new = BTreeSet::new();
        for key in incidents {
            self.forget_incident(key);
            let Some(incident) = timeline.incidents.get(key) else { continue };
            if let Some(service) = &incident.service {
                self.on_service.entry(service.clone()).or_default().insert(key.clone());
                self.service_of.insert(key.clone(), service.clone());
            }
            let names = incidents::named_by(incident, timeline.incident_events.get(key), rules);
            for name in &names {
                self.naming.entry(name.clone()).or_default().insert(key.clone());
                if self.mentions.insert(name.clone()) {
                    new.insert(name.clone());
                }
            }
            if !names.is_empty() {
                self.names_of.insert(key.clone(), names);
            }
        }
        if new.is_empty() {
            return;
        }
        let new: Mentions<Text> = new.into_iter().collect();
        let repositories: Vec<&RepositoryId> = timeline.repositories.keys().collect();
        let known = parallel::map(repositories.len(), |at| {
            let known = new.of_repository(timeline, repositories[at]);
            known.into_iter().cloned().collect::<BTreeSet<Text>>()
        });
        for (repository, known) in repositories.into_iter().zip(known) {
            self.know(repository, known);
        }
    }

    fn forget_incident(&mut self, key: &IncidentKey) {
        if let Some(service) = self.service_of.remove(key) {
            self.on_service.entry(service).or_default().remove(key);
        }
        for name in self.names_of.remove(key).into_iter().flatten() {
            self.naming.entry(name).or_default().remove(key);
        }
    }

    fn know(&mut self, repository: &RepositoryId, names: BTreeSet<Text>) {
        for name in &names {
            self.knowing.entry(name.clone()).or_default().insert(repository.clone());
        }
        if !names.is_empty() {
            self.known_of.entry(repository.clone()).or_default().extend(names);
        }
    }

    fn forget_repository(&mut self, repository: &RepositoryId) {
        for name in self.known_of.remove(repository).into_iter().flatten() {
            self.knowing.entry(name).or_default().remove(repository);
        }
    }

    /// The incident service that an incident is on.
    pub(super) fn service_of(&self, incident: &IncidentKey) -> Option<&Text> {
        self.service_of.get(incident)
    }

    /// The incidents on an incident service.
    pub(super) fn on_service(&self, service: &str) -> impl Iterator<Item = &IncidentKey> {
        self.on_service.get(service).into_iter().flatten()
    }

    /// The incidents that name anything which is known of a repository.
    pub(super) fn naming(&self, repository: &RepositoryId) -> impl Iterator<Item = &IncidentKey> {
        let known = self.known_of.get(repository).into_iter().flatten();
        known.filter_map(|name| self.naming.get(name)).flatten()
    }

    /// The repositories that know anything which one of `incidents` names.
    pub(super) fn knowing(&self, incidents: &BTreeSet<IncidentKey>) -> HashSet<&RepositoryId> {
        let named = incidents.iter().filter_map(|it| self.names_of.get(it)).flatten();
        let named: HashSet<&Text> = named.collect();
        named.into_iter().filter_map(|name| self.knowing.get(name)).flatten().collect()
    }
}
