//! The parts of an evaluation, kept in sections: what lands is about a team, and what is said about
//! all others need not even be looked at to stay as it was.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Names, Part, Scope};
use crate::kpi::{ALL, Kpi};

/// Parts that change together, by KPI and then by scope.
pub type Section = [Arc<Part>];

/// How many services of a team make a section: what is made of a section costs little when one of
/// them changes, and sections are few enough that each costs little of its own.
const SERVICES: usize = 32;

/// The parts of an evaluation in sections: the organisation, each team, and then the services of
/// each team, up to 32 at a time.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    sections: Vec<Arc<Section>>,
    /// The section of each service.
    services: Arc<[usize]>,
}

impl Parts {
    /// `parts`, which are in order, of those who are called `names`.
    pub fn of(names: &Names, parts: impl IntoIterator<Item = Arc<Part>>) -> Self {
        let mut count = 1 + names.teams.len();
        let mut latest: HashMap<usize, (usize, usize)> = HashMap::new();
        let services = names.services.iter().map(|(_, team)| {
            let (section, members) = latest.entry(*team).or_insert((0, SERVICES));
            if *members == SERVICES {
                (*section, *members) = (count, 0);
                count += 1;
            }
            *members += 1;
            *section
        });
        let mut all = Self { sections: Vec::new(), services: services.collect() };
        let mut sections = vec![Vec::new(); count];
        for part in parts {
            sections[all.section(part.scope)].push(part);
        }
        all.sections = sections.into_iter().map(Arc::from).collect();
        all
    }

    /// The sections; which they are depends only on the names.
    pub fn sections(&self) -> &[Arc<Section>] {
        &self.sections
    }

    /// All parts, section by section.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.sections.iter().flat_map(|section| section.iter())
    }

    /// All parts, by KPI and then by scope.
    pub fn by_kpi(&self) -> Vec<&Part> {
        let mut parts: Vec<&Part> = self.iter().map(|it| &**it).collect();
        let rank = |kpi: &Kpi| ALL.iter().position(|it| it.id == kpi.id);
        parts.sort_by_cached_key(|part| (rank(part.kpi), part.scope));
        parts
    }

    /// The parts of a scope.
    pub fn of_scope(&self, scope: Scope) -> impl Iterator<Item = &Arc<Part>> {
        let section = self.sections.get(self.section(scope));
        let section = section.into_iter().flat_map(|it| it.iter());
        section.filter(move |part| part.scope == scope)
    }

    /// Puts `newer` in the places of those of the same KPI and scope.
    pub(super) fn replace(&mut self, newer: Vec<Arc<Part>>) {
        let mut by_section: BTreeMap<usize, HashMap<(&str, Scope), Arc<Part>>> = BTreeMap::new();
        for part in newer {
            let section = by_section.entry(self.section(part.scope)).or_default();
            section.insert((part.kpi.id, part.scope), part);
        }
        for (at, mut newer) in by_section {
            let parts = self.sections[at].iter().map(|part| {
                let newer = newer.remove(&(part.kpi.id, part.scope));
                newer.unwrap_or_else(|| Arc::clone(part))
            });
            self.sections[at] = parts.collect();
        }
    }

    fn section(&self, scope: Scope) -> usize {
        match scope {
            Scope::Org => 0,
            Scope::Team(team) => 1 + team,
            Scope::Service(service) => self.services[service],
        }
    }
}
