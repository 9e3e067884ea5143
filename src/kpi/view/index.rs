//! Which incidents are on a service, what they name as their cause, and who knows what they name:
//! looked up once and kept from one landing to the next, since hardly any of it changes.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

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
    /// The incident service that each incident is on.
    on: Relation<IncidentKey, Text>,
    /// What incidents name as their cause, in whichever life.
    named: Relation<IncidentKey, Text>,
    /// Everything that was ever named.
    mentions: Mentions<Text>,
    /// The names that mean something which is known of a repository, be it deployed or not.
    known: Relation<RepositoryId, Text>,
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
            self.known.forget(repository);
            for name in self.mentions.of_repository(timeline, repository) {
                self.known.add(repository, name);
            }
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
            self.on.forget(key);
            self.named.forget(key);
            let Some(incident) = timeline.incidents.get(key) else { continue };
            if let Some(service) = &incident.service {
                self.on.add(key, service);
            }
            for name in incidents::named_by(incident, timeline.incident_events.get(key), rules) {
                self.named.add(key, &name);
                if self.mentions.insert(name.clone()) {
                    new.insert(name);
                }
            }
        }
        if new.is_empty() {
            return;
        }
        let new: Mentions<Text> = new.into_iter().collect();
        let repositories: Vec<&RepositoryId> = timeline.repositories.keys().collect();
        let known =
            parallel::map(repositories.len(), |at| new.of_repository(timeline, repositories[at]));
        for (repository, names) in repositories.into_iter().zip(known) {
            for name in names {
                self.known.add(repository, name);
            }
        }
    }

    /// The incident service that an incident is on.
    pub(super) fn service_of(&self, incident: &IncidentKey) -> Option<&Text> {
        self.on.of(incident).next()
    }

    /// The incidents on an incident service.
    pub(super) fn on_service(&self, service: &str) -> impl Iterator<Item = &IncidentKey> {
        self.on.by(service)
    }

    /// The incidents that name anything which is known of a repository.
    pub(super) fn naming(&self, repository: &RepositoryId) -> impl Iterator<Item = &IncidentKey> {
        self.known.of(repository).flat_map(|name| self.named.by(name))
    }

    /// The repositories that know anything which one of `incidents` names.
    pub(super) fn knowing(&self, incidents: &BTreeSet<IncidentKey>) -> HashSet<&RepositoryId> {
        let named: HashSet<&Text> = incidents.iter().flat_map(|it| self.named.of(it)).collect();
        named.into_iter().flat_map(|name| self.known.by(name)).collect()
    }
}

/// Which have to do with which names, to be looked up from either side.
#[derive(Debug)]
struct Relation<K, N> {
    of: HashMap<K, BTreeSet<N>>,
    by: HashMap<N, BTreeSet<K>>,
}

impl<K, N> Default for Relation<K, N> {
    fn default() -> Self {
        Self { of: HashMap::new(), by: HashMap::new() }
    }
}

impl<K: Clone + Hash + Ord, N: Clone + Hash + Ord> Relation<K, N> {
    fn add(&mut self, key: &K, name: &N) {
        self.of.entry(key.clone()).or_default().insert(name.clone());
        self.by.entry(name.clone()).or_default().insert(key.clone());
    }

    fn forget(&mut self, key: &K) {
        for name in self.of.remove(key).into_iter().flatten() {
            self.by.entry(name).or_default().remove(key);
        }
    }

    fn of(&self, key: &K) -> impl Iterator<Item = &N> {
        self.of.get(key).into_iter().flatten()
    }

    fn by<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> impl Iterator<Item = &K> + use<'_, Q, K, N>
    where
        N: Borrow<Q>,
    {
        self.by.get(name).into_iter().flatten()
    }
}
