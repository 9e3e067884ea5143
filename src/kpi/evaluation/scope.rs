//! Scopes: the organisation, its teams, its services; always from the items themselves.

use crate::kpi::params::Catalogue;
use crate::kpi::{Item, Outcome};

/// Whose number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole organisation.
    Org,
    /// A team, by index in the catalogue.
    Team(usize),
    /// A service, by index in the catalogue.
    Service(usize),
}

impl Scope {
    /// Every scope of a catalogue.
    pub fn all(catalogue: &Catalogue) -> impl Iterator<Item = Self> + use<> {
        std::iter::once(Self::Org)
            .chain((0..catalogue.teams.len()).map(Self::Team))
            .chain((0..catalogue.services.len()).map(Self::Service))
    }

    /// The value of the `scope` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Team(_) => "team",
            Self::Service(_) => "service",
        }
    }
}

/// The items of every scope, each once per scope.
pub(super) struct Partition<'a> {
    org: Vec<&'a Item>,
    teams: Vec<Vec<&'a Item>>,
    services: Vec<Vec<&'a Item>>,
}

impl<'a> Partition<'a> {
    pub(super) fn of(items: &'a [Item], catalogue: &Catalogue) -> Self {
        let mut sorted: Vec<&Item> = items.iter().collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| rank(a).cmp(&rank(b))));
        let mut partition = Self {
            org: Vec::new(),
            teams: vec![Vec::new(); catalogue.teams.len()],
            services: vec![Vec::new(); catalogue.services.len()],
        };
        for item in sorted {
            push_once(&mut partition.org, item);
            for &team in item.placement.teams.iter() {
                push_once(&mut partition.teams[team], item);
            }
            for &service in item.placement.services.iter() {
                push_once(&mut partition.services[service], item);
            }
        }
        partition
    }

    pub(super) fn scope(&self, scope: Scope) -> Vec<&'a Item> {
        match scope {
            Scope::Org => self.org.clone(),
            Scope::Team(team) => self.teams[team].clone(),
            Scope::Service(service) => self.services[service].clone(),
        }
    }
}

/// Of one thing seen in several services, the one that completed first stands for it; one that is
/// still open stands before one that was left out (kpis.md 1.9).
fn rank(item: &Item) -> (u8, Option<crate::domain::Instant>) {
    match item.outcome {
        Outcome::Counted => (0, item.completed_at),
        Outcome::Open => (1, None),
        Outcome::Censored(_) => (2, item.completed_at),
        Outcome::Excluded(_) => (3, item.completed_at),
    }
}

fn push_once<'a>(items: &mut Vec<&'a Item>, item: &'a Item) {
    if items.last().is_none_or(|last| last.id != item.id) {
        items.push(item);
    }
}
