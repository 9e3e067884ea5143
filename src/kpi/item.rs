//! Items: the things that a number is made of, each with the rule that put it there.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use super::params::Catalogue;
use super::{Exclusions, Span};
use crate::domain::{Instant, RepositoryId, SourceName, Text};

/// One thing that a KPI counted, timed, left out or is still waiting for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is. Items with equal ids are one thing seen in several services: a scope that holds
    /// several of them keeps the one that completed first (kpis.md 1.9).
    pub id: ItemId,
    /// Which services and teams it belongs to. The organisation has every item.
    pub placement: Placement,
    /// When it began: places it in the cohort of Kaplan-Meier and in counts by start.
    pub started_at: Instant,
    /// When it completed: places durations. `None` while open at `as_of`.
    pub completed_at: Option<Instant>,
    /// Counted, left out with a reason, or open.
    pub outcome: Outcome,
    /// Named numbers of this item in the KPI's unit, for example one per stage.
    pub values: Vec<(&'static str, f64)>,
    /// The rules that classified it, for example `failed: revert` with the id of the reverting change.
    pub marks: Vec<Mark>,
    /// Named instants that the values were derived from, for people who check a number.
    pub times: Vec<(&'static str, Instant)>,
}

/// The identity of an item and where people can look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ItemId {
    /// A pull request.
    Change {
        /// Its repository.
        repository: RepositoryId,
        /// Its number.
        number: u64,
    },
    /// A deployment of one service.
    Deployment {
        /// The service deployed, because one upstream deployment may be several of ours.
        service: crate::domain::ServiceName,
        /// Its repository.
        repository: RepositoryId,
        /// The vendor's id of the deployment, run or release whose success came first.
        native: Text,
    },
    /// An incident, or its later episode after a re-opening.
    Incident {
        /// The source.
        source: SourceName,
        /// The vendor's id.
        native: Text,
        /// 0 for the first episode; re-opened later than 24 h makes another.
        episode: u32,
    },
    /// Answers to a survey that are shown together. There are few, and their names would make the
    /// ids of hundreds of thousands of deployments three times as large.
    Answers(Box<Answers>),
    /// An entry of a register, or a day of one.
    Entry {
        /// The source.
        source: SourceName,
        /// Its id there.
        native: String,
    },
    /// What a service cost and served on one day; without a service, what nobody is known to have
    /// caused.
    CostDay {
        /// The service.
        service: Option<crate::domain::ServiceName>,
        /// The unit of demand; empty where there was none.
        unit: String,
        /// The day.
        day: chrono::NaiveDate,
    },
    /// An issue, or its later life after a re-opening.
    Issue {
        /// Its repository.
        repository: RepositoryId,
        /// Its number.
        number: u64,
        /// 0 for the first life; re-opened late makes another.
        life: u32,
    },
    /// A finding of a security tool.
    Finding {
        /// The source.
        source: SourceName,
        /// Its id in the source.
        native: String,
    },
    /// Whether the findings of a tool can be read in a place.
    FindingFeed {
        /// The source.
        source: SourceName,
        /// Its id in the source.
        native: String,
    },
    /// A service that is to adopt a standard.
    Adoption {
        /// The standard.
        standard: String,
        /// The service.
        service: crate::domain::ServiceName,
    },
    /// A critical API boundary.
    Boundary {
        /// Its name.
        name: String,
    },
    /// A decision record under its first path.
    Decision {
        /// Its repository.
        repository: RepositoryId,
        /// Its present path.
        path: Text,
    },
    /// A ledger, or what it says about one day.
    Ledger {
        /// What kind of thing it is kept for.
        of: LedgerOf,
        /// The source.
        source: SourceName,
        /// What it is for: the name of the endpoint, the id of the SLO.
        name: String,
        /// The day; `None` = all of it.
        day: Option<chrono::NaiveDate>,
    },
    /// What burnt of an error budget while something was going on.
    Burnt {
        /// The SLO.
        slo: String,
        /// What was going on; `None` = nothing that is known.
        during: Option<Box<Self>>,
    },
    /// Planned maintenance.
    Maintenance {
        /// What people call it.
        name: String,
    },
}

/// What a ledger is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum LedgerOf {
    /// The latency of an endpoint.
    Endpoint,
    /// The events of an SLO.
    Slo,
}

/// Which services and teams an item belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Indices into [`super::params::Catalogue::services`].
    pub services: Few,
    /// Indices into [`super::params::Catalogue::teams`]. Holds the teams of `services`, and a team
    /// that owns every service of the item's repository.
    pub teams: Few,
}

/// Indices, of which there is mostly one. Reads like a slice.
#[derive(Clone, PartialEq, Eq)]
pub struct Few(Indices);

#[derive(Clone, PartialEq, Eq)]
enum Indices {
    /// Exactly one, which takes no room elsewhere.
    One([usize; 1]),
    /// None, or more than one.
    Others(Box<[usize]>),
}

impl Deref for Few {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        match &self.0 {
            Indices::One(one) => one,
            Indices::Others(others) => others,
        }
    }
}

impl Default for Few {
    fn default() -> Self {
        Self(Indices::Others(Box::default()))
    }
}

impl FromIterator<usize> for Few {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut indices = indices.into_iter();
        match (indices.next(), indices.next()) {
            (None, _) => Self::default(),
            (Some(one), None) => Self(Indices::One([one])),
            (Some(one), Some(two)) => {
                Self(Indices::Others([one, two].into_iter().chain(indices).collect()))
            }
        }
    }
}

impl fmt::Debug for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Which answers to a survey.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Answers {
    /// The source.
    pub source: SourceName,
    /// The survey.
    pub survey: String,
    /// Its wave.
    pub wave: String,
    /// What was asked about.
    pub dimension: String,
    /// Which group answered.
    pub group: String,
    /// The team; `None` = everybody of no team that is shown.
    pub team: Option<crate::domain::TeamName>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the statistics.
    Counted,
    /// It is in no statistic, for this reason (`negative_duration`, `bulk_import`, …).
    Excluded(&'static str),
    /// It has not completed at `as_of`: censored, never dropped.
    Open,
    /// It ended in another way, for this reason: censored then, and no longer open.
    Censored(&'static str),
}

/// A rule that classified an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it says, for example `failed`, `severity`, `fault_source`, `rework`.
    pub name: &'static str,
    /// With which value or by which rule, for example `revert`, `2`, `field`.
    pub value: Words,
    /// The evidence, for example the id of the incident or change that made it so.
    pub evidence: Option<Text>,
    /// When it came true, where that is not the item's own time: a later wave of a rollout reached
    /// its environment.
    pub at: Option<Instant>,
}

/// What a mark says, in our own words or in those of others. Reads like a `&str`.
#[derive(Clone)]
pub struct Words(Whose);

#[derive(Clone)]
enum Whose {
    Ours(&'static str),
    Others(Text),
}

impl Deref for Words {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Whose::Ours(words) => words,
            Whose::Others(text) => text,
        }
    }
}

impl AsRef<str> for Words {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&'static str> for Words {
    fn from(words: &'static str) -> Self {
        Self(Whose::Ours(words))
    }
}

impl From<Text> for Words {
    fn from(text: Text) -> Self {
        Self(Whose::Others(text))
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Text::from(text).into()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Words {}

impl PartialEq<str> for Words {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Words {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl Placement {
    /// What touches these services, and so belongs to them and to their teams.
    pub fn of_services(catalogue: &Catalogue, services: impl IntoIterator<Item = usize>) -> Self {
        let services: BTreeSet<usize> = services.into_iter().collect();
        let teams: BTreeSet<usize> =
            services.iter().map(|&service| catalogue.services[service].team).collect();
        Self { services: services.into_iter().collect(), teams: teams.into_iter().collect() }
    }

    /// What concerns a repository as a whole, such as a decision record: it belongs to a service or
    /// a team only if that owns every one of the repository's services (kpis.md 1.9).
    pub fn of_whole_repository(
        catalogue: &Catalogue,
        services: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut placement = Self::of_services(catalogue, services);
        for several in [&mut placement.services, &mut placement.teams] {
            if several.len() > 1 {
                *several = Few::default();
            }
        }
        placement
    }
}

impl Mark {
    /// A mark without evidence and time.
    pub fn new(name: &'static str, value: impl Into<Words>) -> Self {
        Self { name, value: value.into(), evidence: None, at: None }
    }
}

impl Item {
    /// The named number, if the item has it.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(it, _)| *it == name).map(|(_, value)| *value)
    }

    /// The first mark of this name.
    pub fn mark(&self, name: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.name == name)
    }

    /// Whether it is in the statistics.
    pub fn counted(&self) -> bool {
        self.outcome == Outcome::Counted
    }
}

/// How many items the window would have held are left out, by reason.
pub(super) fn exclusions(items: &[&Item], window: Span) -> Exclusions {
    let mut exclusions = Exclusions::default();
    for item in items {
        if let Outcome::Excluded(reason) = item.outcome
            && window.contains(item.completed_at.unwrap_or(item.started_at))
        {
            exclusions.add(reason, 1);
        }
    }
    exclusions
}

/// Seconds from `start` to `end`. Clocks differ: up to a minute backwards is nothing, more is a
/// reason to leave the item out (kpis.md 1.1).
pub(crate) fn elapsed(start: Instant, end: Instant) -> Result<f64, &'static str> {
    let seconds = (end - start).as_seconds_f64();
    if seconds < -60.0 { Err("negative_duration") } else { Ok(seconds.max(0.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hundreds of thousands are held at a time.
    #[test]
    fn an_item_takes_no_more_room_than_it_must() {
        assert_eq!((size_of::<Mark>(), size_of::<Placement>(), size_of::<ItemId>()), (56, 32, 40));
        assert_eq!(size_of::<Item>(), 192);
    }

    #[test]
    fn indices_are_what_they_were_collected_from() {
        for indices in [&[][..], &[7], &[3, 1, 4]] {
            assert_eq!(*indices.iter().copied().collect::<Few>(), *indices);
        }
    }
}
