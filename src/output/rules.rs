//! SLOs and KPIs as recording and alerting rules of Prometheus.
//!
//! Series have the names and labels of sloth's, so that its dashboards show them. What differs is
//! how they are computed: shares are sums of bad events divided by sums of all events and never
//! averages of shares, an hour without events leaves no hole, and a service that never failed has
//! series too. Labels that people invent are on `sloth_slo_info` and on alerts only: everywhere
//! else a changed label would be a second series beside the old one for as long as a period.
//! [`Slo::unit_tests`] are stories by which `promtool` finds that all of this is so.

mod alerts;
mod document;
mod kpis;
mod kubernetes;
mod recordings;
mod unit;
mod windows;

use std::collections::BTreeMap;

use crate::domain::Decimal;
use crate::kpi::ledger::Sli;

pub use document::{Group, Rule, label_name, render};
pub use kpis::kpis;
pub use kubernetes::{Kubernetes, objects};
pub use windows::{AlertWindows, Length, Pair};

/// An SLO as its specification has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// `SERVICE-NAME`.
    pub id: String,
    /// The service, as the specification calls it.
    pub service: String,
    /// Its own name.
    pub name: String,
    /// The format that it is specified in: `prometheus/v1`.
    pub format: &'static str,
    /// Which share must be good.
    pub objective: Decimal,
    /// The share of bad events that a good slice may have, where the budget is one of slices and
    /// not of events.
    pub slice: Option<Decimal>,
    /// How events are told apart.
    pub sli: Sli,
    /// The length of its rolling window, where the specification has one.
    pub period: Option<Length>,
    /// What people want to know about it.
    pub labels: BTreeMap<String, String>,
    /// How it alerts.
    pub alerting: Alerting,
}

/// How an SLO alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    /// The name of its burn alerts; empty for the usual one.
    pub name: String,
    /// Of all its alerts.
    pub labels: BTreeMap<String, String>,
    /// Of all its alerts.
    pub annotations: BTreeMap<String, String>,
    /// What somebody is woken for.
    pub page: Alert,
    /// What somebody looks at within a day.
    pub ticket: Alert,
}

/// One of the two alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// Whether there is none.
    pub disable: bool,
    /// Of this one.
    pub labels: BTreeMap<String, String>,
    /// Of this one.
    pub annotations: BTreeMap<String, String>,
}

/// What rules are made by beside the specifications.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The window of SLOs that name none, or a calendar's: 30 days unless it says otherwise.
    pub period: Length,
    /// Windows of burn alerts for SLOs with a period of this length, instead of the usual ones.
    pub windows: Vec<AlertWindows>,
}

impl Options {
    /// The window of `slo` for Prometheus.
    pub fn period(&self, slo: &Slo) -> Length {
        slo.period.unwrap_or(self.period)
    }

    /// Burn alerts are about a month whatever the window is: a quarter's budget is otherwise burnt
    /// for days before anybody hears of it.
    fn windows(&self, period: Length) -> AlertWindows {
        let own = self.windows.iter().find(|it| it.period == period);
        own.cloned().unwrap_or_else(|| AlertWindows::usual(period))
    }
}

impl Slo {
    /// Its rules: what is recorded of its events, what that means, and when to alert.
    pub fn groups(&self, options: &Options) -> Vec<Group> {
        let period = options.period(self);
        let windows = options.windows(period);
        let mut groups =
            vec![recordings::events(self, &windows, period), recordings::meaning(self, period)];
        groups.extend(alerts::of(self, &windows, period));
        groups
    }

    /// The alerts that can never fire because all events bad burn slower, for people. The rules
    /// leave them out.
    pub fn never(&self, options: &Options) -> Vec<String> {
        alerts::never(self, &options.windows(options.period(self)))
    }

    /// What may be bad.
    fn budget(&self) -> Decimal {
        self.objective.rest().unwrap_or(Decimal::new(0, 0))
    }

    /// The labels of all its series.
    fn ids(&self) -> BTreeMap<String, String> {
        [("sloth_id", &self.id), ("sloth_service", &self.service), ("sloth_slo", &self.name)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into()
    }

    /// One of its series.
    fn series(&self, name: &str) -> String {
        self.labelled(name, &[])
    }

    /// The same with more labels.
    fn labelled(&self, name: &str, more: &[(&str, &str)]) -> String {
        let ids = [
            ("sloth_id", self.id.as_str()),
            ("sloth_service", &self.service),
            ("sloth_slo", &self.name),
        ];
        let labels = ids.iter().chain(more);
        let labels = labels.map(|(label, value)| format!("{label}={}", document::quoted(value)));
        format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(", "))
    }
}
