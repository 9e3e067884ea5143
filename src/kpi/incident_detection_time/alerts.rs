//! When a fault began by the alerting rule that told of it: the rule's condition holds for its `for`
//! and at most one interval of evaluation before the alert (kpis.md 3.7).

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::domain::fact::{AlertRule, IncidentAlert};
use crate::domain::{Instant, SourceName};
use crate::kpi::View;
use crate::kpi::view::dates;
use crate::kpi::view::incidents::Episode;

/// How a rule was from some time on.
type Versions<'v> = BTreeMap<Instant, &'v AlertRule>;

/// What is known of alerting rules.
pub(super) struct Alerts<'v> {
    view: &'v View<'v>,
    /// Of each rule by name what each metric store has said.
    rules: BTreeMap<&'v str, BTreeMap<&'v SourceName, Versions<'v>>>,
}

impl<'v> Alerts<'v> {
    pub(super) fn of(view: &'v View<'_>) -> Self {
        let mut rules: BTreeMap<&str, BTreeMap<&SourceName, Versions<'_>>> = BTreeMap::new();
        for ((source, _), rule) in &view.timeline.alert_rules {
            let versions = rules.entry(rule.name.as_str()).or_default().entry(source).or_default();
            versions.insert(rule.since, rule);
        }
        Self { view, rules }
    }

    /// When the fault of an incident began by its first alert, and the rule that raised that. An
    /// alert about what began after people had detected something says nothing.
    pub(super) fn fault(&self, episode: &Episode<'_>) -> Option<(Instant, String)> {
        let key = (episode.source.clone(), episode.incident.id.clone());
        let alerts =
            self.view.timeline.incident_alerts.get(&key).filter(|_| episode.number == 0)?;
        let alerts = alerts.iter().filter(|it| dates::is_possible(it.created_at, self.view.as_of));
        let first = alerts.min_by_key(|it| (it.created_at, &it.id))?;
        self.began(first).filter(|(at, _)| *at <= episode.detected_at)
    }

    fn began(&self, alert: &IncidentAlert) -> Option<(Instant, String)> {
        let rule = alert.rule.as_deref()?;
        let versions = self.rules.get(rule)?.values();
        let in_force = versions.filter_map(|it| in_force(it, alert.created_at));
        let mut delays = in_force.filter(|it| !it.gone).map(|it| it.delay_seconds);
        let delay = delays.next()??;
        // Nobody knows which of several stores it was.
        if delays.any(|it| it != Some(delay)) {
            return None;
        }
        let began = alert.created_at - TimeDelta::seconds(delay.into());
        Some((began, format!("{rule}, which takes {delay} s")))
    }
}

/// How a rule was at `at`: as it was last seen before, else as it was seen first, because rules are
/// older than the first look at them.
fn in_force<'v>(versions: &Versions<'v>, at: Instant) -> Option<&'v AlertRule> {
    let before = versions.range(..=at).next_back();
    before.or_else(|| versions.iter().next()).map(|(_, rule)| *rule)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::KPI;
    use crate::kpi::testing::Story;

    /// Two rules that were first seen on the first of March, and what else happened.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, items: Expect) {
        let story = Story::told(&format!(
            "service web incidents PWEB
             01T00:00 rule HighErrors takes 330
             01T00:00 rule Down takes 60
             {story}"
        ));
        items.assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn else_the_fault_began_as_long_before_the_alert_as_its_rule_takes() {
        check(
            "05T10:05:30 alert i1 of HighErrors
             05T10:06 incident i1 P1",
            expect![[r#"
                i1 counted 05T10:05:30 detection=5m30s severity=1 fault_source=alert_rule(HighErrors, which takes 330 s)
            "#]],
        );
    }

    #[test]
    fn everything_else_that_is_known_goes_before() {
        check(
            "05T09:00 merge web#1
             05T10:00 deploy web c1 id 2 finished 05T10:01
             05T10:05:30 alert i1 of HighErrors
             05T10:06 incident i1 P1
             05T10:30 note i1 naming deployment:2
             06T10:05:30 alert i2 of HighErrors
             06T10:06 incident i2 P1
             06T10:30 field i2 fault_started_at 2026-03-06T10:00:00Z",
            expect![[r#"
                i1 counted 05T10:05:30 detection=4m30s severity=1 fault_source=deployment
                i2 counted 06T10:05:30 detection=5m30s severity=1 fault_source=field
            "#]],
        );
    }

    #[test]
    fn only_the_first_alert_tells() {
        check(
            "05T10:00 alert i1
             05T10:00:30 alert i1 of HighErrors
             05T10:01 incident i1 P1
             06T10:00 alert i2 of Down
             06T10:00:30 alert i2 of HighErrors
             06T10:01 incident i2 P1
             07T10:00 alert i3 of Gone
             07T10:01 incident i3 P1",
            expect![[r#"
                i1 excluded no_fault_time severity=1
                i2 counted 06T10:00 detection=1m severity=1 fault_source=alert_rule(Down, which takes 60 s)
                i3 excluded no_fault_time severity=1
            "#]],
        );
    }

    #[test]
    fn an_alert_about_what_began_after_people_had_seen_something_tells_nothing() {
        check(
            "05T10:00 incident i1 P1
             05T10:06 alert i1 of HighErrors
             06T10:00 incident i2 P1
             06T10:05:30 alert i2 of HighErrors",
            expect![[r#"
                i1 excluded no_fault_time severity=1
                i2 counted 06T10:00 detection=0s severity=1 fault_source=alert_rule(HighErrors, which takes 330 s)
            "#]],
        );
    }

    #[test]
    fn a_rule_takes_what_it_took_when_it_fired() {
        check(
            "03T00:00 rule HighErrors takes 630
             05T00:00 rule HighErrors takes 30
             02T10:00 alert i1 of HighErrors
             02T10:00 incident i1 P1
             03T00:00 alert i2 of HighErrors
             03T00:00 incident i2 P1
             06T10:00 alert i3 of HighErrors
             06T10:00 incident i3 P1
             as_of 07T00:00",
            expect![[r#"
                i1 counted 02T10:00 detection=5m30s severity=1 fault_source=alert_rule(HighErrors, which takes 330 s)
                i2 counted 03T00:00 detection=10m30s severity=1 fault_source=alert_rule(HighErrors, which takes 630 s)
                i3 counted 06T10:00 detection=30s severity=1 fault_source=alert_rule(HighErrors, which takes 30 s)
            "#]],
        );
        check(
            "02-10T10:00 alert i1 of HighErrors
             02-10T10:00 incident i1 P1",
            expect![[r#"
                i1 counted 2026-02-10T10:00 detection=5m30s severity=1 fault_source=alert_rule(HighErrors, which takes 330 s)
            "#]],
        );
    }

    #[test]
    fn rules_of_one_name_that_take_different_times_tell_nothing() {
        check(
            "01T00:00 rule Slow takes ?
             01T00:00 rule Down takes 90 in mimir
             01T00:00 rule HighErrors takes 330 in mimir
             05T10:00 alert i1 of Slow
             05T10:00 incident i1 P1
             06T00:00 rule Down gone in mimir
             07T11:00 alert i4 of Down
             07T11:00 incident i4 P1
             05T11:00 alert i2 of Down
             05T11:00 incident i2 P1
             05T12:00 alert i3 of HighErrors
             05T12:00 incident i3 P1",
            expect![[r#"
                i1 excluded no_fault_time severity=1
                i2 excluded no_fault_time severity=1
                i3 counted 05T12:00 detection=5m30s severity=1 fault_source=alert_rule(HighErrors, which takes 330 s)
                i4 counted 07T11:00 detection=1m severity=1 fault_source=alert_rule(Down, which takes 60 s)
            "#]],
        );
    }

    #[test]
    fn an_incident_that_was_opened_again_was_not_detected_by_its_first_alert() {
        check(
            "05T10:00 alert i1 of Down
             05T10:00 incident i1 P1
             05T10:30 resolve i1
             08T10:00 reopen i1",
            expect![[r#"
                i1 counted 05T10:00 detection=1m severity=1 fault_source=alert_rule(Down, which takes 60 s)
                i1/1 excluded no_fault_time severity=1
            "#]],
        );
    }
}
