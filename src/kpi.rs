//! The KPIs: written definitions as pure functions.
//!
//! A KPI is data plus two pure functions. [`Kpi::assess`] judges every item once (which deployments
//! count, which of them failed and by which rule, which are left out and why). [`Kpi::measure`]
//! turns the items of one scope and one window into readings. A number can therefore always be
//! derived again from the very items that `explain` lists.
//!
//! Nothing in here fails, waits, reads a clock or performs IO.

pub mod architecture_throughput;
pub mod attribution;
pub mod change_failure;
pub mod change_lead_time;
pub mod contract_coverage;
pub mod debt_retirement;
mod decision_items;
pub mod decision_time;
pub mod deployment_frequency;
mod deployment_items;
pub mod developer_experience;
pub mod distribution;
mod error_budget;
pub mod error_budget_burn;
pub mod evaluation;
pub mod facts;
pub mod finding_closure;
pub mod incident_detection_time;
pub mod incident_frequency;
mod incident_items;
pub mod incident_recovery_time;
pub mod incident_recurrence;
pub mod item;
pub mod ledger;
mod ledger_items;
pub mod link;
pub mod mentorship;
pub(crate) mod parallel;
pub mod params;
pub mod promql;
pub mod reading;
mod register_items;
pub mod request_latency;
pub mod slo_compliance;
pub mod stakeholder_satisfaction;
pub mod standard_adoption;
pub mod statistics;
pub mod status;
mod survey_items;
pub mod unit_cost;
pub mod view;
pub mod window;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenario;
#[cfg(test)]
pub(crate) mod testing;

use serde::Serialize;

pub use distribution::Distribution;
pub use evaluation::Scope;
pub use item::{Item, ItemId, Mark, Outcome, Placement};
pub use params::Params;
pub use reading::{Exclusions, Reading, Stat};
pub use status::State;
pub use view::View;
pub use window::{Cut, Span, Window, WindowKind};

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Better {
    Lower,
    Higher,
    /// Inside a band; above the band is fine and shown as such.
    Band,
}

/// The unit of a KPI's value, as HELP and documentation print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Seconds,
    /// Seconds of business time; 86,400 are one business day.
    BusinessSeconds,
    Ratio,
    Incidents,
    Decisions,
    PerDay,
    /// Things that are counted and have no better name.
    Items,
    /// Points of a survey's scale.
    Points,
    People,
    /// Units of the reading's currency per unit of demand.
    CostPerUnit,
}

/// What a KPI needs to be fed. Coverage and staleness are judged per need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Need {
    /// Production deployments (deployments, runs or releases by rule).
    Deployments,
    /// Merged pull requests and the commit graph.
    Changes,
    /// Incidents with their log.
    Incidents,
    /// Decision records.
    Decisions,
    /// What cloud and other resources cost per day.
    Costs,
    /// Units of demand per day.
    Units,
    /// Answers of developers to surveys.
    DeveloperSurveys,
    /// Answers of stakeholders to surveys.
    StakeholderSurveys,
    /// Escalations of stakeholders.
    Escalations,
    /// What helped people to grow.
    Mentorship,
    /// What post-mortems found out about incidents.
    IncidentNotes,
    /// Technical debt.
    Debt,
    /// Requests and how long they took.
    Requests,
    /// Service level objectives and their events.
    Objectives,
    /// How long alerting rules of a metric store take to fire.
    AlertRules,
    /// Findings of security tools.
    Findings,
    /// What standards check.
    Standards,
    /// Critical API boundaries and the runs that test them.
    Boundaries,
}

impl Need {
    /// Whether what was collected says how it was at any time. Of what stands in repositories only
    /// the latest is kept.
    pub fn has_history(self) -> bool {
        self != Self::Standards
    }

    /// Whether it is about people, who belong to teams and never to a service.
    pub fn is_about_people(self) -> bool {
        matches!(self, Self::DeveloperSurveys | Self::StakeholderSurveys | Self::Mentorship)
    }
}

/// Which of its two times puts an item into a window (kpis.md 1.2, 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedBy {
    /// A count by the event that starts an item.
    Start,
    /// The event that completes it.
    Completion,
    /// Durations by their completion, and the cohort of Kaplan-Meier by its start.
    Either,
}

/// A metric family that a KPI exports. The registry is the only place that names families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The full name, `engkpi_…`.
    pub name: &'static str,
    /// One sentence for HELP, with the unit.
    pub help: &'static str,
    /// The KPI's own dimensions beside scope, team, service, window, period and stat.
    pub dimensions: &'static [&'static str],
    /// Whether it has a `stat` label.
    pub distribution: bool,
    /// Whether a reading's value is about the present (`as_of`) whatever the window; such a family
    /// has no `window` label.
    pub now: bool,
    /// What this family needs beside what the KPI needs: while that is missing or stale only this
    /// family is absent.
    pub needs: &'static [Need],
}

/// The slice of time and scope that a measurement is about.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Whose items are measured.
    pub scope: Scope,
    /// Half-open `[start, end)`. A running calendar window ends at `as_of`.
    pub window: Span,
    /// Nothing at or after it is known.
    pub as_of: crate::domain::Instant,
    /// Whether the window is a complete calendar month, a complete quarter, a running one, …
    pub calendar: WindowKind,
    /// The whole view, for what the items alone do not say (such as coverage or the calendar).
    pub view: &'a View<'a>,
}

/// How a KPI's status is decided (kpis.md 1.4 and 1.5). Defaults; configuration may override the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum TargetRule {
    /// The headline value against `target`, with an optional second line `good`.
    Value {
        /// Decides the status.
        target: f64,
        /// A second line on the chart.
        good: Option<f64>,
    },
    /// A count inside `[low, high]`, judged on the KPI's default window once that is complete.
    Band {
        /// Lowest count that meets it.
        low: f64,
        /// Above it is met and shown as above.
        high: f64,
    },
    /// The exact rate ratio of this window to the previous one, compared with `ratio`.
    RateRatio {
        /// 1 = not worse than before.
        ratio: f64,
    },
    /// The Hodges-Lehmann ratio to the configured baseline interval.
    Baseline {
        /// 0.2 = 20 % better than the baseline.
        improvement: f64,
        /// A second line on the chart.
        good: Option<f64>,
    },
    /// The difference to the configured baseline wave, in points of the survey's scale.
    Points {
        /// 1 = one point better than the baseline wave.
        improvement: f64,
        /// A second line on the chart.
        good: Option<f64>,
    },
    /// Each value has a target of its own, which belongs to the thing that it is about.
    Own {
        /// Which, for people: `the endpoint's budget`.
        what: &'static str,
    },
}

/// One value of a KPI that has a target of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Aim {
    /// The KPI's own dimensions of the value.
    pub dimensions: Vec<(&'static str, String)>,
    /// How its status is decided.
    pub rule: TargetRule,
}

/// From the parameters, a scope and the target that it has in general to the values that have
/// targets.
pub type Aims = fn(&Params, Scope, TargetRule) -> Vec<Aim>;

/// One KPI: data plus two pure functions.
pub struct Kpi {
    /// The stable id, for example `change_failure`.
    pub id: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// The definition in a few sentences, with its source; printed in HELP, docs and explain.
    pub definition: &'static str,
    /// The unit of the headline value.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// The window that the status is shown for, for example `90d`.
    pub default_window: &'static str,
    /// The default target.
    pub target: TargetRule,
    /// The stat that the target names; `None` where the KPI has a single value.
    pub target_stat: Option<Stat>,
    /// The dimension values (for example `stage=merge_to_deploy`) that the target names.
    pub target_dimensions: &'static [(&'static str, &'static str)],
    /// Where the target holds for several of the KPI's values, such as one for each severity: which
    /// values, and the target of each, from the parameters and the target that a scope has in
    /// general. `None` where it is about the one value of `target_dimensions`.
    pub aims: Option<Aims>,
    /// Smallest n with a status.
    pub min_n: u64,
    /// Smallest coverage with a status, where the definition asks for one.
    pub min_coverage: Option<f64>,
    /// How long after a window's end late knowledge may still change it, in days.
    pub provisional_days: i64,
    /// Which items a window has.
    pub placed_by: PlacedBy,
    /// How long before the window's start the sources must cover too, in days: where items are
    /// compared with earlier ones.
    pub lookback_days: i64,
    /// What must be collected to compute it. Without a source for one of these there is no data.
    pub needs: &'static [Need],
    /// What sharpens it. Without a source for one of these it is computed all the same; where one
    /// is configured, its coverage and freshness count like those of `needs`.
    pub uses: &'static [Need],
    /// The name in [`Item::values`] of the number that a baseline target compares (of counted
    /// items, placed by `completed_at`), unless `measure` compares it itself and says so in
    /// [`Reading::change`]. `None` where the target is no baseline target.
    pub baseline_value: Option<&'static str>,
    /// The KPI's own family first, then the secondary ones.
    pub families: &'static [Family],
    /// Judges every item that exists at `as_of`. Called once per evaluation.
    pub assess: fn(&View<'_>) -> Vec<Item>,
    /// Whether a window is measured from the items that concern it: those that are open and those
    /// with an instant in it (families about the present are measured from all items). Otherwise
    /// each window is measured from all items of the scope, which takes longer.
    pub by_window: bool,
    /// Measures one slice of the items. The items are those of one scope, each at most once, in
    /// the order of their ids; see `by_window` for which.
    ///
    /// For the families about the present ([`Family::now`]) they are all items of the scope. For
    /// the others they are those that the window concerns, and no other item may matter: those
    /// that are open or have no `completed_at`, and those whose instants (`started_at`, `completed_at`, `times`, times of
    /// marks) do not all lie before or all after the window.
    pub measure: fn(&[&Item], &Slice<'_>) -> Vec<Reading>,
}

impl Kpi {
    /// Whether it is about what is there now, whatever the window. All of it is counted then, so
    /// there is no sampling error.
    pub fn is_about_now(&self) -> bool {
        self.families.first().is_some_and(|own| own.now)
    }

    /// The window that its status is shown for.
    pub fn own_window(&self) -> Option<Window> {
        Window::parse(self.default_window).ok()
    }

    /// Whether the objectives that it is about have windows of their own.
    pub fn has_own_windows(&self) -> bool {
        self.needs.contains(&Need::Objectives) && !self.is_about_now()
    }

    /// Whether it is about a state, which no stretch of time has: what is there now, or the last
    /// wave of a survey.
    pub fn is_about_a_state(&self) -> bool {
        self.own_window().is_some_and(Window::is_state)
    }

    /// Whether its target leaves dimensions open: it holds for each of their values then.
    pub fn is_open(&self) -> bool {
        let own = self.families.first().map_or(0, |own| own.dimensions.len());
        self.aims.is_none() && own > self.target_dimensions.len()
    }

    /// Whether `reading` is of the KPI's own family and the stat that its target names.
    pub fn is_headline(&self, reading: &Reading) -> bool {
        self.families.first().is_some_and(|own| own.name == reading.family)
            && reading.aimed_at.unwrap_or(reading.stat == self.target_stat)
    }

    /// Whether the target may be about `reading`.
    pub fn names(&self, reading: &Reading) -> bool {
        let named = self.target_dimensions.iter();
        self.is_headline(reading)
            && (self.aims.is_some()
                || named.into_iter().all(|(name, value)| reading.has(name, value)))
    }
}

impl PartialEq for Kpi {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl std::fmt::Debug for Kpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kpi").field(&self.id).finish()
    }
}

/// Every KPI, in the order in which people read them.
pub static ALL: &[&Kpi] = &[
    &architecture_throughput::KPI,
    &decision_time::KPI,
    &incident_frequency::KPI,
    &incident_recovery_time::KPI,
    &incident_detection_time::KPI,
    &incident_recurrence::KPI,
    &change_failure::KPI,
    &deployment_frequency::KPI,
    &change_lead_time::KPI,
    &unit_cost::KPI,
    &debt_retirement::KPI,
    &standard_adoption::KPI,
    &finding_closure::KPI,
    &contract_coverage::KPI,
    &developer_experience::KPI,
    &stakeholder_satisfaction::KPI,
    &mentorship::KPI,
    &request_latency::KPI,
    &slo_compliance::KPI,
    &error_budget_burn::KPI,
];

/// The KPI with this id.
pub fn find(id: &str) -> Option<&'static Kpi> {
    ALL.iter().copied().find(|kpi| kpi.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_registry_is_consistent() {
        let mut names = BTreeSet::new();
        for kpi in ALL {
            let id = kpi.id;
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/kpi/").to_owned() + id + ".rs";
            assert!(std::path::Path::new(&file).exists(), "`{id}` belongs into src/kpi/{id}.rs");
            assert!(Window::parse(kpi.default_window).is_ok(), "{id}: `{}`", kpi.default_window);
            let own = kpi.families.first().unwrap_or_else(|| panic!("{id} exports no family"));
            let mut words = own.name.strip_prefix("engkpi_").unwrap_or_default().split('_');
            // `retirement` is counted in what is `retired`.
            let named = id
                .split('_')
                .all(|word| words.any(|it| it.starts_with(&word[..word.len().min(5)])));
            assert!(
                named,
                "{}: the KPI's own family has the words of `{id}` in its name",
                own.name
            );
            assert!(!kpi.needs.is_empty(), "{id} must say what it needs");
            assert_eq!(
                matches!(kpi.target, TargetRule::Baseline { .. }),
                kpi.baseline_value.is_some(),
                "{id}: a baseline target compares a named duration, and nothing else does"
            );
            assert_eq!(own.distribution, kpi.target_stat.is_some(), "{id}: name the target's stat");
            for family in kpi.families {
                assert!(names.insert(family.name), "{} is exported twice", family.name);
            }
        }
    }
}
