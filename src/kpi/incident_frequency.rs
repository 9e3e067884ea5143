//! How often something serious breaks (kpis.md 3.5).

use super::incident_items::{SEVERITIES, may_be_major, of, severity, severity_changes};
use super::statistics::{count, real};
use super::{
    Better, Exclusions, Family, Item, Kpi, Need, Outcome, PlacedBy, Reading, Slice, TargetRule,
    Unit, View,
};

const INCIDENTS: &str = "engkpi_incident_frequency_incidents";
const BY_SEVERITY: &str = "engkpi_incident_frequency_incidents_by_severity";
const CHANGES: &str = "engkpi_incident_severity_changes";

/// Severe incidents per period.
pub static KPI: Kpi = Kpi {
    id: "incident_frequency",
    title: "Severe incidents",
    definition: "Incidents of severity 1 or 2 by the time they were detected. Severity is the final one, mapped from the \
        priority's name. Merged incidents and those that the tool closed by its timeout are left out. Re-opened within 24 h of \
        its resolve an incident is the same one; later it is a new one. The target compares the rate with that of the window \
        before, by the exact conditional rate ratio (Przyborowski and Wilenski 1940).",
    unit: Unit::Incidents,
    better: Better::Lower,
    default_window: "quarter",
    target: TargetRule::RateRatio { ratio: 1.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Incidents],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: INCIDENTS,
            help: "Incidents of severity 1 or 2 detected in the window.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: BY_SEVERITY,
            help: "Incidents of each severity detected in the window.",
            dimensions: &["severity"],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: CHANGES,
            help: "Changes of the severity of incidents detected in the window, after it was set first.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let items = view.incidents.iter().map(|episode| {
        let mut item = of(view, episode);
        // It is counted when it is detected, whether it is still open or not.
        if item.outcome == Outcome::Open {
            item.outcome = Outcome::Counted;
        }
        item
    });
    items.collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let detected: Vec<&Item> =
        items.iter().copied().filter(|it| slice.window.contains(it.started_at)).collect();
    let counted = |severities: std::ops::RangeInclusive<u8>| {
        let counted = detected.iter().filter(|it| it.counted());
        count(counted.filter_map(|it| severity(it)).filter(|it| severities.contains(it)).count())
    };
    let mut total = Reading::count(INCIDENTS, counted(1..=2));
    total.excluded = excluded(&detected);
    let open = items.iter().filter(|it| it.counted() && it.completed_at.is_none());
    total.open = Some(count(open.filter(|it| may_be_major(it)).count()));
    let by_severity = SEVERITIES.map(|severity| {
        Reading::count(BY_SEVERITY, counted(severity..=severity))
            .with("severity", severity.to_string())
    });
    let changes = detected.iter().filter(|it| it.counted()).map(|it| severity_changes(it)).sum();
    let changes = Reading::new(CHANGES, Some(real(changes)), changes);
    std::iter::once(total).chain(by_severity).chain([changes]).collect()
}

fn excluded(items: &[&Item]) -> Exclusions {
    let mut exclusions = Exclusions::default();
    for item in items.iter().copied().filter(may_be_major) {
        if let Outcome::Excluded(reason) = item.outcome {
            exclusions.add(reason, 1);
        }
    }
    exclusions
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, slice));
    }

    #[test]
    fn without_incidents_the_counts_are_zero() {
        check(
            "org 30d",
            "service web",
            expect![[r#"
                incident_frequency_incidents 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 1 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 2 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn severe_incidents_are_counted_by_detection_open_or_not() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             06T10:00 incident i2 P2
             07T10:00 incident i3 P3
             08T10:00 incident i4 P5
             09T10:00 incident i5 P4",
            expect![[r#"
                incident_frequency_incidents 2 [0.2422, 7.2247] n=2 open=1
                incident_frequency_incidents_by_severity 1 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 2 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 3 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 4 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 5 1 [0.0253, 5.5716] n=1
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end() {
        check(
            "org 05T00:00..06T00:00",
            "04T23:59:59 incident i1 P1
             05T00:00 incident i2 P1
             05T23:59:59 incident i3 P2
             06T00:00 incident i4 P1",
            expect![[r#"
                incident_frequency_incidents 2 [0.2422, 7.2247] n=2 open=4
                incident_frequency_incidents_by_severity 1 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 2 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn an_incident_is_in_the_window_of_its_detection_not_of_its_record() {
        check(
            "org 05T00:00..06T00:00",
            "06T00:02 incident i1 P1
             05T23:58 alert i1
             06T00:03 incident i2 P1
             07T10:00 field i2 detected_at 2026-03-05T23:50:00Z",
            expect![[r#"
                incident_frequency_incidents 2 [0.2422, 7.2247] n=2 open=2
                incident_frequency_incidents_by_severity 1 2 [0.2422, 7.2247] n=2
                incident_frequency_incidents_by_severity 2 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn the_final_severity_counts() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             06T10:00 priority i1 P3
             05T10:00 incident i2 P4
             09T10:00 priority i2 P2",
            expect![[r#"
                incident_frequency_incidents 1 [0.0253, 5.5716] n=1 open=1
                incident_frequency_incidents_by_severity 1 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 2 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 3 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn merged_incidents_and_noise_are_left_out_and_shown() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             05T10:05 fold i1
             05T11:00 incident i2 P1
             05T15:00 resolve i2 by timeout
             05T12:00 incident i3 P1
             05T12:30 resolve i3 by auto
             05T13:00 incident i4 P4
             05T13:30 resolve i4 by timeout
             05T14:00 incident i5 -
             05T14:00 incident i6 urgent",
            expect![[r#"
                incident_frequency_incidents 1 [0.0253, 5.5716] n=1 auto_resolved=1 merged=1 no_severity=2
                incident_frequency_incidents_by_severity 1 1 [0.0253, 5.5716] n=1
                incident_frequency_incidents_by_severity 2 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn reopened_within_a_day_it_counts_once_and_later_twice() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             06T11:00 reopen i1
             06T12:00 resolve i1
             10T10:00 incident i2 P1
             10T11:00 resolve i2
             11T11:00:01 reopen i2",
            expect![[r#"
                incident_frequency_incidents 3 [0.6187, 8.7673] n=3 open=1
                incident_frequency_incidents_by_severity 1 3 [0.6187, 8.7673] n=3
                incident_frequency_incidents_by_severity 2 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn every_scope_counts_its_own_and_the_organisation_each_once() {
        let story = Story::told(
            "service web team shop incidents PWEB
             service api team shop incidents PWEB
             service pay team money incidents PPAY
             05T10:00 incident i1 P1
             06T10:00 incident i2 P2 on PPAY
             07T10:00 incident i3 P1 on PNOBODY",
        );
        let total = |scope: &str| story.reading(&KPI, &format!("{scope} 30d"), "incidents ");
        for (scope, reading) in [
            ("org", expect!["incident_frequency_incidents 3 [0.6187, 8.7673] n=3 open=3"]),
            ("team shop", expect!["incident_frequency_incidents 1 [0.0253, 5.5716] n=1 open=1"]),
            ("team money", expect!["incident_frequency_incidents 1 [0.0253, 5.5716] n=1 open=1"]),
            ("service web", expect!["incident_frequency_incidents 1 [0.0253, 5.5716] n=1 open=1"]),
            ("service pay", expect!["incident_frequency_incidents 1 [0.0253, 5.5716] n=1 open=1"]),
        ] {
            reading.assert_eq(&total(scope));
        }
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known() {
        check(
            "org 30d",
            "as_of 10T00:00
             09T23:59:59 incident i1 P1
             10T00:00 incident i2 P1
             09T10:00 incident i3 P1
             10T09:00 fold i3",
            expect![[r#"
                incident_frequency_incidents 2 [0.2422, 7.2247] n=2 open=2
                incident_frequency_incidents_by_severity 1 2 [0.2422, 7.2247] n=2
                incident_frequency_incidents_by_severity 2 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 3 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 4 0 [0, 3.6889] n=0
                incident_frequency_incidents_by_severity 5 0 [0, 3.6889] n=0
                incident_severity_changes 0 n=0
            "#]],
        );
    }

    #[test]
    fn explain_shows_each_incident_with_its_severity() {
        let story = Story::told(
            "05T10:00 incident i1 P3
             05T10:01 priority i1 P3
             06T10:00 priority i1 P1
             07T10:00 incident i2 -
             08T10:00 incident i3 P2
             08T10:05 fold i3",
        );
        expect![[r#"
            i1 counted severity=1 severity_changes=1
            i2 excluded no_severity
            i3 excluded merged severity=2
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
