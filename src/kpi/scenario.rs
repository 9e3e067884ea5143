//! One small golden scenario that crosses most rules at once: regions, a rollback, a failed
//! pipeline, staging, window edges, a bot, an unshipped change, an open and a re-opened incident.
//! `tests/vectors/scenario.json` holds what happened and every value that must come out.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::statistics::vectors::{assert_close, parse};
use super::statistics::{count, real};
use super::testing::Story;
use super::{Item, ItemId, Kpi, Reading, Slice, Span, Stat, View, WindowKind};
use super::{change_failure, change_lead_time, deployment_frequency};
use super::{
    incident_detection_time, incident_frequency, incident_recovery_time, incident_recurrence,
};
use crate::domain::Instant;

#[derive(Deserialize)]
struct Scenario {
    deploys: Vec<Deploy>,
    prs: Vec<Pull>,
    incidents: Vec<Incident>,
    reopen: BTreeMap<String, Vec<(Instant, Instant)>>,
    expected: Expected,
}

/// id, service, environment, region, sha, started, finished, result
#[derive(Deserialize)]
struct Deploy(String, String, String, String, String, Instant, Instant, String);

/// id, service, sha, merged at, author, bot
#[derive(Deserialize)]
struct Pull(String, String, String, Instant, String, bool);

/// id, service, severity, fault, detected, resolved, cause, deployment
#[derive(Deserialize)]
struct Incident(
    String,
    String,
    u8,
    Option<Instant>,
    Instant,
    Option<Instant>,
    String,
    Option<String>,
);

#[derive(Deserialize)]
struct Expected {
    deployments: Vec<String>,
    deployment_count: u64,
    deploys_per_day: f64,
    lead_seconds: BTreeMap<String, f64>,
    lead_median_s: f64,
    lead_p90_s: f64,
    lead_not_deployed: Vec<String>,
    lead_bot_excluded: Vec<String>,
    failed: Vec<String>,
    cfr: f64,
    cfr_wilson: [f64; 2],
    rollback_deployments: Vec<String>,
    rework_deployments: Vec<String>,
    rework_rate: f64,
    failed_deployment_recovery_s: BTreeMap<String, f64>,
    sev12: Vec<String>,
    sev12_count: u64,
    sev12_ci: [f64; 2],
    recovery_s_resolved_in_window: BTreeMap<String, f64>,
    mttr_mean_s: f64,
    mttr_median_s: f64,
    mttr_p90_s: f64,
    open_age_s: BTreeMap<String, f64>,
    mttr_km_median_mid_s: f64,
    detect_s: BTreeMap<String, f64>,
    mttd_median_s: f64,
    mttd_mean_s: f64,
    mttd_coverage: f64,
    mttd_within_10min: f64,
    recurrent: Vec<String>,
    recurrence_den: Vec<String>,
    recurrence_rate: f64,
    cause_coverage: f64,
}

fn scenario() -> Scenario {
    parse(include_str!("../../tests/vectors/scenario.json"))
}

/// Two services that go to two regions. Every commit stands on the one before it in its repository,
/// and pull request `p7` is the seventh.
fn story(scenario: &Scenario) -> Story {
    let at = |at: Instant| at.format("%Y-%m-%dT%H:%M:%S").to_string();
    let mut text = "
        service api to production-eu,production-us incidents PAPI
        service web to production-eu,production-us incidents PWEB
        as_of 2024-07-01T00:00
        2024-01-01T00:00 commit api a1\n 2024-01-01T00:00 commit api a2
        2024-01-01T00:00 commit api a3\n 2024-01-01T00:00 commit api a4
        2024-01-01T00:00 commit web w0\n 2024-01-01T00:00 commit web w9
        2024-01-01T00:00 commit web w1"
        .to_owned();
    for Pull(id, service, sha, merged, author, bot) in &scenario.prs {
        assert_eq!(*bot, author.ends_with("[bot]"), "{id}: the login says who is a bot");
        let number = id.trim_start_matches('p');
        let merged = at(*merged);
        text += &format!("\n{merged} merge {service}#{number} as {sha} by {author} known");
    }
    for Deploy(id, service, environment, region, sha, started, finished, result) in
        &scenario.deploys
    {
        let (started, finished) = (at(*started), at(*finished));
        let failed = if result == "success" { "" } else { " failed" };
        text += &format!(
            "\n{started} deploy {service} {sha} id {id} to {environment}-{region} finished {finished}{failed}"
        );
    }
    for Incident(id, service, severity, fault, detected, resolved, cause, deployment) in
        &scenario.incidents
    {
        let detected = at(*detected);
        let service = service.to_uppercase();
        text += &format!("\n{detected} incident {id} P{severity} on P{service}");
        text += &format!("\n{detected} field {id} root_cause {cause}");
        if let Some(fault) = fault {
            text += &format!("\n{detected} field {id} fault_started_at {}Z", at(*fault));
        }
        if let Some(deployment) = deployment {
            text += &format!("\n{detected} field {id} caused_by deployment:{deployment}");
        }
        for (resolved, reopened) in scenario.reopen.get(id).into_iter().flatten() {
            text += &format!("\n{} resolve {id}\n{} reopen {id}", at(*resolved), at(*reopened));
        }
        if let Some(resolved) = resolved {
            text += &format!("\n{} resolve {id}", at(*resolved));
        }
    }
    Story::told(&text)
}

/// One KPI of the scenario at org scope in its window, the second quarter of 2024.
struct Outcome {
    items: Vec<Item>,
    readings: Vec<Reading>,
}

impl Outcome {
    fn of(kpi: &Kpi) -> Self {
        let story = story(&scenario());
        let timeline = story.timeline();
        let view: View<'_> = story.view(&timeline);
        let mut items = (kpi.assess)(&view);
        items.sort_by(|a, b| a.id.cmp(&b.id));
        let start = "2024-04-01T00:00:00Z".parse().expect("an instant");
        let slice = Slice {
            scope: crate::kpi::Scope::Org,
            window: Span { start, end: story.as_of },
            as_of: story.as_of,
            calendar: WindowKind::Quarter { complete: true },
            view: &view,
        };
        let readings = (kpi.measure)(&items.iter().collect::<Vec<_>>(), &slice);
        Self { items, readings }
    }

    #[track_caller]
    fn reading(&self, family: &str, stat: Option<Stat>) -> &Reading {
        let stage =
            |it: &Reading| it.dimensions.iter().all(|(_, value)| value == "merge_to_deploy");
        let mut found = self.readings.iter();
        found
            .find(|it| it.family == family && it.stat == stat && stage(it))
            .unwrap_or_else(|| panic!("no reading of {family} {stat:?}"))
    }

    #[track_caller]
    fn assert(&self, family: &str, stat: Option<Stat>, expected: f64) {
        let value = self.reading(family, stat).value.expect("a defined value");
        assert_close(&format!("{family} {stat:?}"), value, expected, 1e-9);
    }

    /// The scenario's names of the items that pass `filter`, sorted.
    fn names(&self, filter: impl Fn(&Item) -> bool) -> Vec<String> {
        let mut names: Vec<String> =
            self.items.iter().filter(|item| filter(item)).map(name).collect();
        names.sort();
        names
    }

    /// The named value of every counted item that has it.
    fn values(&self, name_of_value: &str) -> BTreeMap<String, f64> {
        let counted = self.items.iter().filter(|item| item.counted());
        counted.filter_map(|item| Some((name(item), item.value(name_of_value)?))).collect()
    }
}

fn name(item: &Item) -> String {
    match &item.id {
        ItemId::Change { number, .. } => format!("p{number}"),
        ItemId::Deployment { native, .. } | ItemId::Incident { native, .. } => native.to_string(),
        other => format!("{other:?}"),
    }
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

#[test]
fn deployments() {
    let Expected { deployments, deployment_count, deploys_per_day, .. } = scenario().expected;
    let outcome = Outcome::of(&deployment_frequency::KPI);
    assert_eq!(outcome.names(|_| true), sorted(&deployments));
    let family = "engkpi_deployment_frequency_per_day";
    assert_eq!(outcome.reading(family, None).n, deployment_count);
    outcome.assert(family, None, deploys_per_day);
}

#[test]
fn lead_time() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&change_lead_time::KPI);
    assert_eq!(outcome.values("merge_to_deploy"), expected.lead_seconds);
    let open = outcome.names(|item| item.outcome == super::Outcome::Open);
    assert_eq!(open, expected.lead_not_deployed);
    let bots = outcome.names(|item| item.outcome == super::Outcome::Excluded("bot"));
    assert_eq!(bots, expected.lead_bot_excluded);
    let family = "engkpi_change_lead_time_seconds";
    outcome.assert(family, Some(Stat::Median), expected.lead_median_s);
    outcome.assert(family, Some(Stat::P90), expected.lead_p90_s);
}

#[test]
fn change_failure() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&change_failure::KPI);
    let marked = |mark: &'static str| outcome.names(move |item| item.mark(mark).is_some());
    assert_eq!(marked("failed"), expected.failed);
    assert_eq!(marked("rollback"), expected.rollback_deployments);
    assert_eq!(marked("rework"), expected.rework_deployments);
    let family = "engkpi_change_failure_ratio";
    outcome.assert(family, None, expected.cfr);
    let reading = outcome.reading(family, None);
    let interval = [reading.lower, reading.upper].map(|end| end.expect("Wilson's interval"));
    for (ours, theirs) in interval.into_iter().zip(expected.cfr_wilson) {
        assert_close("the interval of the change failure rate", ours, theirs, 1e-9);
    }
    outcome.assert("engkpi_rework_ratio", None, expected.rework_rate);
}

#[test]
fn recovery_from_failed_deployments() {
    let outcome = Outcome::of(&incident_recovery_time::KPI);
    let recovered = outcome.values("failed_deployment_recovery");
    assert_eq!(recovered, scenario().expected.failed_deployment_recovery_s);
}

#[test]
fn severe_incidents() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&incident_frequency::KPI);
    let start: Instant = "2024-04-01T00:00:00Z".parse().expect("an instant");
    let severe = |item: &Item| {
        item.started_at >= start && item.mark("severity").is_some_and(|it| it.value.as_ref() < "3")
    };
    assert_eq!(outcome.names(severe), expected.sev12);
    let reading = outcome.reading("engkpi_incident_frequency_incidents", None);
    assert_eq!(reading.n, expected.sev12_count);
    let interval = [reading.lower, reading.upper].map(|end| end.expect("Garwood's interval"));
    for (ours, theirs) in interval.into_iter().zip(expected.sev12_ci) {
        assert_close("the interval of the incident count", ours, theirs, 1e-9);
    }
}

#[test]
fn recovery_from_incidents() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&incident_recovery_time::KPI);
    let mut recovered = outcome.values("recovery");
    recovered.remove("i0").expect("i0 was resolved before the window");
    assert_eq!(recovered, expected.recovery_s_resolved_in_window);
    let open = outcome.items.iter().filter(|item| item.outcome == super::Outcome::Open);
    let ages = open.filter_map(|item| Some((name(item), item.value("recovery")?)));
    assert_eq!(ages.collect::<BTreeMap<_, _>>(), expected.open_age_s);
    let family = "engkpi_incident_recovery_time_seconds";
    outcome.assert(family, Some(Stat::Mean), expected.mttr_mean_s);
    outcome.assert(family, Some(Stat::Median), expected.mttr_median_s);
    outcome.assert(family, Some(Stat::P90), expected.mttr_p90_s);
    outcome.assert(family, Some(Stat::KmMedian), expected.mttr_km_median_mid_s);
}

#[test]
fn detection_of_incidents() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&incident_detection_time::KPI);
    let mut detected = outcome.values("detection");
    detected.remove("i0").expect("i0 was detected before the window");
    assert_eq!(detected, expected.detect_s);
    let family = "engkpi_incident_detection_time_seconds";
    outcome.assert(family, Some(Stat::Median), expected.mttd_median_s);
    outcome.assert(family, Some(Stat::Mean), expected.mttd_mean_s);
    let coverage = outcome.reading(family, Some(Stat::Median)).coverage.expect("a coverage");
    assert_close("the coverage of detection", coverage, expected.mttd_coverage, 1e-9);
    let within = detected.values().filter(|seconds| **seconds <= 600.0).count();
    let within = real(count(within)) / real(count(detected.len()));
    assert_close("those detected within 10 min", within, expected.mttd_within_10min, 1e-9);
}

#[test]
fn recurrence_of_incidents() {
    let expected = scenario().expected;
    let outcome = Outcome::of(&incident_recurrence::KPI);
    let start: Instant = "2024-04-01T00:00:00Z".parse().expect("an instant");
    let known = |item: &Item| item.started_at >= start && item.counted();
    assert_eq!(outcome.names(known), sorted(&expected.recurrence_den));
    let recurred = |item: &Item| known(item) && item.mark("recurred").is_some();
    assert_eq!(outcome.names(recurred), sorted(&expected.recurrent));
    let family = "engkpi_incident_recurrence_ratio";
    outcome.assert(family, None, expected.recurrence_rate);
    let coverage = outcome.reading(family, None).coverage.expect("a coverage");
    assert_close("the coverage of causes", coverage, expected.cause_coverage, 1e-9);
}
