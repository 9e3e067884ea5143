//! Alerts about the KPIs and their sources.

use std::collections::BTreeSet;

use engkpi::config::Config;
use engkpi::kpi::{ALL, State, TargetRule};
use engkpi::output::exposition;
use engkpi::output::rules::{self, Rule};
use engkpi::telemetry::Telemetry;

use super::{Story, check, tell};

/// The rules of the small configuration: GitHub and PagerDuty.
fn example() -> Vec<rules::Group> {
    let text = include_str!("../../../config/example.toml").to_owned();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let texts = [("engkpi.toml".to_owned(), text)];
    let config = Config::parse(&texts, std::iter::empty(), now);
    rules::kpis(&config.unwrap_or_else(|problems| panic!("{problems}")).params)
}

fn alerts() -> Vec<(String, String)> {
    let rules = example().into_iter().flat_map(|group| group.rules);
    let alerts = rules.map(|rule| match rule {
        Rule::Alert { alert, expr, .. } => (alert, expr),
        Rule::Record { record, .. } => panic!("{record} is recorded"),
    });
    alerts.collect()
}

#[test]
fn every_kpi_that_can_be_fed_and_missed_has_an_alert_in_its_own_window() {
    let alerts = alerts();
    let of = |id: &str| {
        let mut all = alerts.iter().map(|(_, expr)| expr);
        all.find(|it| it.contains(&format!("kpi=\"{id}\""))).cloned()
    };
    for kpi in ALL {
        let running = ["month", "quarter", "year"].contains(&kpi.default_window);
        let band = matches!(kpi.target, TargetRule::Band { .. }) && running;
        let fed = kpi.needs.iter().all(|need| {
            use engkpi::kpi::Need;
            matches!(need, Need::Deployments | Need::Changes | Need::Incidents | Need::Decisions)
        });
        match of(kpi.id) {
            Some(expr) => {
                assert!(fed && !band, "{}: no alert of it can ever fire", kpi.id);
                assert!(expr.contains(&format!("window=\"{}\"", kpi.default_window)), "{expr}");
                assert!(expr.contains(State::Missed.as_str()), "{expr}");
            }
            None => assert!(!fed || band, "{} has no alert", kpi.id),
        }
    }
    assert!(of("change_failure").is_some() && of("slo_compliance").is_none());
}

#[test]
fn alerts_ask_for_what_is_exported() {
    let known: BTreeSet<String> =
        exposition::family_names().into_iter().chain(Telemetry::names()).collect();
    let mut asked = 0;
    for (_, expr) in alerts() {
        let words = expr.split(|it: char| !it.is_alphanumeric() && it != '_');
        for word in words.filter(|it| it.starts_with("engkpi_")) {
            asked += 1;
            assert!(known.contains(word), "{word} is not exported: {expr}");
        }
    }
    assert!(asked > 10);
}

#[test]
fn they_fire_for_what_is_missed_stale_or_lost_and_for_nothing_else() {
    let status = |state: &str, scope: &str| {
        format!(
            "engkpi_kpi_status{{kpi=\"change_failure\",scope=\"{scope}\",window=\"90d\",state=\"{state}\"}}"
        )
    };
    let firing = |alert: &str, expected: bool| {
        let alerts = format!("count(ALERTS{{alertstate=\"firing\", alertname=\"{alert}\"}})");
        if expected { alerts } else { format!("vector(1) unless {alerts}") }
    };
    let at = |minute: u32, alert: &str, expected| (format!("{minute}m"), firing(alert, expected));
    let source = |metric: &str, name: &str| format!("engkpi_source_{metric}{{source=\"{name}\"}}");
    let story = Story {
        every: "1m",
        series: vec![
            ("engkpi_build_info{version=\"1\"}".to_owned(), "1x300 stale".to_owned()),
            // Met for an hour and a half, then missed.
            (status("met", "org"), "1x89 stale".to_owned()),
            (status("missed", "org"), "_x90 1x200 stale".to_owned()),
            (status("missed", "service"), "1x300".to_owned()),
            (source("up", "github"), "1x300".to_owned()),
            (source("up", "pagerduty"), "1x120 0x180".to_owned()),
            // Seconds of the last success: github's is always now, pagerduty's stops after 2 h.
            (source("last_success_timestamp_seconds", "github"), "0+60x300".to_owned()),
            (source("last_success_timestamp_seconds", "pagerduty"), "0+60x120 7200x180".to_owned()),
            (source("gap_suspected_total", "github"), "_x100 1x200".to_owned()),
        ],
        holds: vec![
            at(89, "EngkpiKpiMissed", false),
            at(149, "EngkpiKpiMissed", false),
            at(150, "EngkpiKpiMissed", true),
            at(180, "EngkpiSourceStale", false),
            at(181, "EngkpiSourceStale", true),
            at(180, "EngkpiSourceFailing", false),
            at(181, "EngkpiSourceFailing", true),
            at(99, "EngkpiSourceGapSuspected", false),
            at(100, "EngkpiSourceGapSuspected", true),
            at(165, "EngkpiSourceGapSuspected", false),
            at(300, "EngkpiDown", false),
            at(320, "EngkpiDown", true),
        ],
    };
    let rules = rules::render(&example());
    check(&rules);
    tell(&rules, &[story]);
}
