//! Missing is not zero (kpis.md 1.3): which windows the sources cover, and whether they are fresh.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::domain::{Instant, SourceName};
use crate::kpi::params::SourceParams;
use crate::kpi::status::State;
use crate::kpi::{Family, Kpi, Need, Params, Reading};

/// When each source last saw everything, and up to when. A source that never did is not in it.
pub type Freshness = BTreeMap<SourceName, SourceFreshness>;

/// How fresh one source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFreshness {
    /// Start of the last pass that saw everything.
    pub last_success: Instant,
    /// Everything that happened before it is in the store.
    pub data_through: Instant,
}

/// How a source looks at `as_of`, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceHealth {
    /// Its configured name.
    pub name: SourceName,
    /// Complete from here on.
    pub history_start: Instant,
    /// How fresh it is; `None` = it never saw everything.
    pub freshness: Option<SourceFreshness>,
    /// Without news for longer than `stale_after`.
    pub stale: bool,
}

pub(super) fn health(params: &Params, freshness: &Freshness, as_of: Instant) -> Vec<SourceHealth> {
    params
        .sources
        .iter()
        .map(|source| SourceHealth {
            name: source.name.clone(),
            history_start: source.history_start,
            freshness: freshness.get(&source.name).copied(),
            stale: is_stale(source, freshness, as_of),
        })
        .collect()
}

/// A source that never completed a pass is not stale but empty: see [`Availability`].
fn is_stale(source: &SourceParams, freshness: &Freshness, as_of: Instant) -> bool {
    freshness.get(&source.name).is_some_and(|it| as_of - it.data_through > source.stale_after)
}

/// What one KPI can be computed from.
pub(super) struct Availability<'a> {
    kpi: &'static Kpi,
    params: &'a Params,
    freshness: &'a Freshness,
    as_of: Instant,
}

impl<'a> Availability<'a> {
    pub(super) fn of(
        kpi: &'static Kpi,
        params: &'a Params,
        freshness: &'a Freshness,
        as_of: Instant,
    ) -> Self {
        Self { kpi, params, freshness, as_of }
    }

    /// Why the KPI cannot be computed for a window that starts at `start`; `None` = it can.
    pub(super) fn kpi(&self, start: Instant) -> Option<State> {
        let start = start - TimeDelta::days(self.kpi.lookback_days);
        let needed = self.kpi.needs.iter().map(|need| self.need(*need, start, true));
        let used = self.kpi.uses.iter().map(|need| self.need(*need, start, false));
        worst(needed.chain(used))
    }

    /// The same for one family with needs of its own.
    pub(super) fn family(&self, family: &Family, start: Instant) -> Option<State> {
        worst(family.needs.iter().map(|need| self.need(*need, start, true)))
    }

    /// The same for one reading with needs of its own, which nobody has to collect.
    pub(super) fn reading(&self, reading: &Reading, start: Instant) -> Option<State> {
        worst(reading.uses.iter().map(|need| self.need(*need, start, false)))
    }

    fn need(&self, need: Need, start: Instant, required: bool) -> Option<State> {
        let mut feeding =
            self.params.sources.iter().filter(|source| source.feeds.contains(&need)).peekable();
        if feeding.peek().is_none() {
            return required.then_some(State::NoData);
        }
        // What rules take is only the last way to know when a fault began, and it is kept.
        if need == Need::AlertRules {
            return None;
        }
        // Days of which nobody knows the units are left out one by one: a metric store may count on
        // from where a register ends.
        let takes_over = need == Need::Units;
        // Faults of before the first SLO are found out in other ways.
        let is_found_out = need == Need::Objectives && !required;
        let earliest = feeding.clone().map(|source| source.history_start).min();
        worst(feeding.map(|source| {
            let from = earliest.filter(|_| takes_over).unwrap_or(source.history_start);
            if !self.freshness.contains_key(&source.name) || (start < from && !is_found_out) {
                Some(State::NoData)
            } else if is_stale(source, self.freshness, self.as_of) {
                Some(State::Stale)
            } else {
                None
            }
        }))
    }
}

/// `no_data` before `stale` before available.
fn worst(states: impl Iterator<Item = Option<State>>) -> Option<State> {
    states.flatten().reduce(|a, b| if a == State::NoData { a } else { b })
}
