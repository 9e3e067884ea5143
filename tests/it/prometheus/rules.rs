//! How long alerting rules take.

use engkpi::domain::{Fact, Kind};
use engkpi::kpi::Need;
use engkpi::source::Source as _;
use engkpi_fakes::Fault;
use expect_test::{Expect, expect};

use super::Scene;

/// A server with these rules (name, seconds of `for`, seconds between two evaluations), of which they
/// are wanted.
async fn server(rules: Option<&[(&str, f64, f64)]>) -> Scene {
    let mut scene = Scene::of(|_| {}).await;
    scene.reconfigure(Vec::new(), "# with alert rules");
    scene.has(rules);
    scene
}

impl Scene {
    fn has(&self, rules: Option<&[(&str, f64, f64)]>) {
        let owned = |it: &(&str, f64, f64)| (it.0.to_owned(), it.1, it.2);
        let rules = rules.map(|it| it.iter().map(owned).collect());
        self.fakes.edit(|world| world.metrics.rules = rules);
    }

    async fn knows(&self, rules: Expect) {
        let facts = self.store.facts(self.source.name(), Kind::AlertRule, None).await.unwrap();
        let mut lines: Vec<String> = facts
            .into_iter()
            .map(|fact| {
                let Fact::AlertRule(rule) = fact else { panic!("{fact:?}") };
                let since = rule.since.format("%dT%H:%M");
                format!("{} {since} {:?}\n", rule.name, rule.delay_seconds)
            })
            .collect();
        lines.sort();
        rules.assert_eq(&lines.concat());
    }
}

#[tokio::test]
async fn a_rule_is_noted_when_it_is_seen_first_and_when_it_takes_another_time() {
    let scene = server(Some(&[("Down", 0.0, 15.0), ("HighErrors", 300.0, 30.0)])).await;
    scene.poll_at("2026-03-10 10:00").await;
    scene.poll_at("2026-03-10 10:05").await;
    scene.has(Some(&[("HighErrors", 600.0, 30.0)]));
    scene.poll_at("2026-03-10 10:10").await;
    scene.has(Some(&[("Down", 0.0, 15.0), ("HighErrors", 600.0, 30.0)]));
    scene.poll_at("2026-03-10 10:15").await;
    scene
        .knows(expect![[r#"
            Down 10T10:00 Some(15)
            Down 10T10:10 None
            Down 10T10:15 Some(15)
            HighErrors 10T10:00 Some(330)
            HighErrors 10T10:10 Some(630)
        "#]])
        .await;
}

#[tokio::test]
async fn of_rules_with_one_name_and_different_times_nobody_knows_which_it_was() {
    let same = ("Same", 60.0, 30.0);
    let server = server(Some(&[("Slow", 300.0, 30.0), ("Slow", 600.0, 30.0), same, same])).await;
    server.poll_at("2026-03-10 10:00").await;
    server
        .knows(expect![[r#"
        Same 10T10:00 Some(90)
        Slow 10T10:00 None
    "#]])
        .await;
}

#[tokio::test]
async fn a_server_without_rules_has_none_and_nothing_is_wrong() {
    let scene = server(None).await;
    let report = scene.poll_at("2026-03-10 10:00").await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 0));
    scene.knows(expect![[""]]).await;
    let probe = scene.source.probe().await.unwrap();
    let lacks: Vec<_> = probe.lacks.into_iter().map(|it| (it.need, it.why)).collect();
    let why = "alerting rules: the server knows no rules".to_owned();
    assert_eq!(lacks, [(Need::AlertRules, why)]);
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_named_and_the_ledgers_go_on() {
    let scene = server(Some(&[("Down", 0.0, 15.0)])).await;
    scene.poll_at("2026-03-10 10:00").await;
    scene.has(Some(&[("Down", f64::NAN, 15.0)]));
    let report = scene.poll_at("2026-03-10 10:05").await;
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].starts_with("its alerting rules: "), "{}", report.warnings[0]);
    scene
        .knows(expect![[r#"
        Down 10T10:00 Some(15)
    "#]])
        .await;
}

#[tokio::test]
async fn who_may_not_see_rules_may_still_ask_for_numbers() {
    for status in [401, 403] {
        let scene = server(Some(&[("Down", 0.0, 15.0)])).await;
        scene.fakes.prometheus.fault(Fault::status(status).on("/rules").forever());
        let report = scene.poll_at("2026-03-10 10:00").await;
        assert_eq!((report.gaps, report.warnings.len()), (0, 1), "{status}");
    }
}

#[tokio::test]
async fn nobody_asks_for_rules_where_there_are_no_alerts() {
    let mut scene = Scene::of(|_| {}).await;
    scene.reconfigure(Vec::new(), "");
    scene.poll_at("2026-03-10 10:00").await;
    assert_eq!(scene.fakes.prometheus.requests_to("/rules").len(), 0);
}
