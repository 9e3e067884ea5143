//! The snapshot of a quarter: what every KPI said of it, for the record and for a review.
//!
//! A snapshot is a pure function of the facts, the rules, the quarter and `as_of`. Nothing in it is
//! of the machine, the clock or the program that made it, so two that are equal are equal byte for
//! byte. Keys of its JSON and columns of its CSV are a public contract: docs/snapshots.md.

mod changes;
mod csv;
mod hashes;
mod held;
mod html;
mod json;
mod markdown;
mod missing;
mod read;
mod review;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use std::hash::Hash;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

pub use changes::Changes;
pub use json::{Unreadable, read};

use super::human;
use crate::domain::{Instant, Timeline};
use crate::kpi::evaluation::Freshness;
use crate::kpi::window::Period;
use crate::kpi::{self, Params, Span};

/// The version of what is written.
const FORMAT: u32 = 1;

/// What every KPI said of a quarter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version of this very shape.
    format: u32,
    /// For example `2026-Q3`.
    pub quarter: String,
    /// Its first instant, and the first one after it.
    start: Instant,
    end: Instant,
    /// The zone in which it was cut.
    zone: String,
    /// The quarter that it is compared with.
    previous_quarter: String,
    /// Nothing that happened at or after it is in the numbers.
    pub as_of: Instant,
    /// Whether what is learned later may still change it without anything being corrected.
    pub provisional: bool,
    /// Why, in words.
    pub provisional_because: Vec<String>,
    /// 1 for the first, 2 for the first correction.
    pub revision: u32,
    /// What it corrects, if it is no first revision.
    pub changes: Option<Changes>,
    /// The version of the written definitions.
    definition: String,
    /// The hash of everything configured that a number depends on.
    configuration: String,
    /// The hash of every item behind the numbers.
    input: String,
    /// The same by KPI.
    inputs: BTreeMap<String, String>,
    sources: Vec<Source>,
    /// By KPI the waves of surveys that its numbers are of.
    waves: BTreeMap<String, BTreeSet<String>>,
    /// The KPIs whose numbers of a wave stay those of the revision before, because the difference
    /// would tell what single people answered.
    held: BTreeSet<String>,
    /// The KPIs of which the organisation has no verdict, and why.
    missing: Vec<Missing>,
    /// The values, by KPI and then by scope.
    readings: Vec<Number>,
}

/// A source, as far as it decides about the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    name: String,
    history_start: Instant,
    state: Reached,
}

/// How far a source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reached {
    /// Up to `as_of`.
    Complete,
    /// Not that far, but it is not stale.
    Behind,
    /// Too long ago: its KPIs have no values.
    Stale,
    /// It was never read to its end.
    Never,
}

/// A KPI without a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Missing {
    kpi: String,
    labels: BTreeMap<String, String>,
    status: String,
    why: String,
}

/// One value with everything that must be known about it. What is undefined is `None`, never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Number {
    kpi: String,
    family: String,
    scope: String,
    team: Option<String>,
    service: Option<String>,
    /// `quarter:2026-Q3`; `now` and `wave` are as of `as_of`.
    window: String,
    /// The KPI's own dimensions.
    labels: BTreeMap<String, String>,
    stat: Option<String>,
    value: Option<f64>,
    n: Option<u64>,
    numerator: Option<u64>,
    open: Option<u64>,
    excluded: BTreeMap<String, u64>,
    coverage: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    /// What an unreached median exceeds.
    beyond: Option<f64>,
    /// Only with the value that the KPI's target names, as all that follows up to `good`.
    status: Option<String>,
    target: Option<f64>,
    good: Option<f64>,
    target_in_words: Option<String>,
    baseline_ratio: Option<f64>,
    provisional: Option<bool>,
    /// The same number of the quarter before, and that divided into this one (counts per day).
    previous_value: Option<f64>,
    previous_n: Option<u64>,
    previous_ratio: Option<f64>,
    /// How the value was collected when the snapshot was made: of what it is made no history is kept.
    as_collected: bool,
}

impl Number {
    /// Whether a target is about it.
    fn is_headline(&self) -> bool {
        self.status.is_some()
    }

    /// What it is a number of. No two numbers of a snapshot are of the same.
    fn place(&self) -> impl Ord + Hash + '_ {
        (
            (&self.kpi, &self.family, &self.scope, &self.team, &self.service),
            (&self.window, &self.labels, &self.stat),
        )
    }
}

/// What to make a snapshot of.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The quarter.
    pub quarter: Period,
    /// When it is looked at; from [`settled`] on it is as if it were looked at then.
    pub now: Instant,
}

/// The snapshot as the first revision, and everything that goes into its files.
pub fn take(timeline: &Timeline, params: &Params, freshness: &Freshness, asked: Asked) -> Snapshot {
    read::snapshot((timeline, params), freshness, asked)
}

/// When nothing that is usually learned late is still to come: the end of the quarter, and the
/// longest time that attribution takes.
pub fn settled(quarter: Period, params: &Params) -> Instant {
    let by_kpi = kpi::ALL.iter().map(|kpi| TimeDelta::days(kpi.provisional_days));
    let rules = &params.rules;
    let by_rule = [rules.revert_window, rules.rollback_window];
    let by_debt = rules.debt.iter().map(|it| it.reopen_window);
    let lag = by_kpi.chain(by_rule).chain(by_debt).max().unwrap_or_default();
    quarter.whole(&params.calendar).end + lag
}

impl Snapshot {
    /// The same as the revision after `earlier`, which holds what changed since; `None` where it says
    /// the same.
    #[must_use]
    pub fn correcting(self, earlier: &Self) -> Option<Self> {
        let this = held::held(self, earlier);
        let changes = changes::between(earlier, &this)?;
        Some(Self { revision: earlier.revision + 1, changes: Some(changes), ..this })
    }

    /// Every file of it by name.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("snapshot.json", json::render(self)),
            ("snapshot.csv", csv::render(self)),
            ("snapshot.md", markdown::render(self)),
            ("snapshot.html", html::render(self)),
        ]
    }

    /// Why it is another revision, in words, and how many numbers differ.
    pub fn corrected(&self) -> Option<(&[String], usize)> {
        self.changes.as_ref().map(|it| (it.because(), it.len()))
    }

    /// From when to when the quarter is.
    fn span(&self) -> Span {
        Span { start: self.start, end: self.end }
    }

    /// The same for people, in its own zone: `2026-07-01 to 2026-09-30, Europe/Berlin`.
    fn days(&self) -> String {
        let Span { start, end } = self.span();
        let zone: chrono_tz::Tz = self.zone.parse().unwrap_or_default();
        let day = |at: Instant| at.with_timezone(&zone).format("%Y-%m-%d");
        format!("{} to {}, {zone}", day(start), day(end - TimeDelta::seconds(1)))
    }

    /// When it was looked at, for people.
    fn looked_at(&self) -> String {
        human::instant(self.as_of)
    }
}
