//! How long it takes to recover: from incidents (MTTR), from failed deployments (DORA), and until
//! somebody takes an incident on (kpis.md 3.6).

use super::deployment_items;
use super::incident_items::{SEVERITIES, elapsed, may_be_major, of, severity};
use super::statistics::{count, real};
use super::view::incidents::Episode;
use super::{
    Better, Distribution, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Reading, Slice,
    Stat, TargetRule, Unit, View,
};
use crate::domain::Instant;

const RECOVERY_TIME: &str = "engkpi_incident_recovery_time_seconds";
const DEPLOYMENT_RECOVERY_TIME: &str = "engkpi_failed_deployment_recovery_time_seconds";
const ACKNOWLEDGE_TIME: &str = "engkpi_incident_acknowledge_time_seconds";
const OPEN: &str = "engkpi_incidents_open";
const OLDEST_OPEN: &str = "engkpi_incident_oldest_open_seconds";

const RECOVERY: &str = "recovery";
const DEPLOYMENT_RECOVERY: &str = "failed_deployment_recovery";
const ACKNOWLEDGE: &str = "acknowledge";
const ACKNOWLEDGED_AT: &str = "acknowledged_at";

/// Time to recover.
pub static KPI: Kpi = Kpi {
    id: "incident_recovery_time",
    title: "Time to recover (MTTR)",
    definition: "From the detection to the final resolve of incidents of severity 1 or 2, placed by the resolve. Detected is an \
        explicit field, else the first linked alert, else the incident's creation; resolved is an explicit mitigated field of a \
        resolved incident, else its resolve. An acknowledgement is no resolve, and after a re-opening the clock runs to the final \
        one. Open incidents are censored (Kaplan and Meier 1958), not dropped. The target compares with the baseline by the \
        Hodges-Lehmann ratio.",
    unit: Unit::Seconds,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Baseline { improvement: 0.2, good: Some(0.4) },
    target_stat: Some(Stat::Median),
    target_dimensions: &[],
    aims: None,
    min_n: 10,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Either,
    lookback_days: 0,
    needs: &[Need::Incidents],
    uses: &[],
    baseline_value: Some(RECOVERY),
    families: &[
        Family {
            name: RECOVERY_TIME,
            help: "Seconds from detection to resolve of incidents of severity 1 or 2.",
            dimensions: &[],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: DEPLOYMENT_RECOVERY_TIME,
            help: "Seconds from the finish of a failed deployment until it was recovered from (DORA).",
            dimensions: &[],
            distribution: true,
            now: false,
            needs: &[Need::Deployments],
        },
        Family {
            name: ACKNOWLEDGE_TIME,
            help: "Seconds from detection to the first acknowledgement of incidents of severity 1 or 2.",
            dimensions: &[],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: OPEN,
            help: "Incidents open now, by severity.",
            dimensions: &["severity"],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: OLDEST_OPEN,
            help: "Seconds since the detection of the oldest open incident of severity 1 or 2.",
            dimensions: &[],
            distribution: false,
            now: true,
            needs: &[],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let incidents = view.incidents.iter().filter_map(|episode| incident(view, episode));
    let verdicts = view.failures.verdicts.iter().enumerate();
    let failed = verdicts.filter(|(_, verdict)| !verdict.reasons.is_empty());
    let recoveries = failed.map(|(index, verdict)| {
        let mut item = deployment_items::of(view, index);
        item.completed_at = verdict.recovered_at;
        item.times.extend(verdict.recovered_at.map(|at| ("recovered_at", at)));
        for reason in &verdict.reasons {
            let evidence = Some(reason.evidence.clone());
            item.marks.push(Mark { evidence, ..Mark::new("failed", reason.reason) });
        }
        timed(item, DEPLOYMENT_RECOVERY, view.as_of)
    });
    incidents.chain(recoveries).collect()
}

fn incident(view: &View<'_>, episode: &Episode<'_>) -> Option<Item> {
    let mut item = of(view, episode);
    item.times.extend(episode.resolved_at.map(|at| ("resolved_at", at)));
    // Less severe ones are here only to be shown while they are open.
    if !episode.is_major() {
        return (episode.may_be_major() || item.outcome == Outcome::Open).then_some(item);
    }
    if let Some(at) = episode.acknowledged_at {
        item.times.push((ACKNOWLEDGED_AT, at));
        if let Ok(seconds) = elapsed(episode.detected_at, at) {
            item.values.push((ACKNOWLEDGE, seconds));
        }
    }
    Some(timed(item, RECOVERY, view.as_of))
}

/// The item with its duration, or with its age while it is open.
fn timed(mut item: Item, name: &'static str, as_of: Instant) -> Item {
    match elapsed(item.started_at, item.completed_at.unwrap_or(as_of)) {
        Ok(seconds) => {
            item.values.push((name, seconds));
            let open = item.completed_at.is_none();
            item.outcome = if open { Outcome::Open } else { Outcome::Counted };
        }
        Err(reason) => item.outcome = Outcome::Excluded(reason),
    }
    item
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let major: Vec<&Item> = items.iter().copied().filter(may_be_major).collect();
    let deployments: Vec<&Item> =
        items.iter().copied().filter(|item| matches!(item.id, ItemId::Deployment { .. })).collect();
    let mut readings = Distribution::of(&major, slice, RECOVERY).readings(RECOVERY_TIME);
    readings.extend(
        Distribution::of(&deployments, slice, DEPLOYMENT_RECOVERY)
            .readings(DEPLOYMENT_RECOVERY_TIME),
    );
    readings.extend(acknowledgements(&major, slice).readings(ACKNOWLEDGE_TIME));
    readings.extend(open(items));
    let oldest = major.iter().filter(|item| item.outcome == Outcome::Open);
    let age = oldest.filter_map(|item| item.value(RECOVERY)).reduce(f64::max);
    readings.push(Reading::plain(OLDEST_OPEN, age));
    readings
}

/// Placed by the acknowledgement. Who was never acknowledged has no such time; who is not yet, and
/// still open, is censored.
fn acknowledgements(major: &[&Item], slice: &Slice<'_>) -> Distribution {
    let mut distribution = Distribution::default();
    for item in major {
        let at = item.times.iter().find(|(name, _)| *name == ACKNOWLEDGED_AT).map(|(_, at)| *at);
        let ended_at = at.or(item.completed_at).unwrap_or(item.started_at);
        let mut exclude = |reason| {
            if slice.window.contains(ended_at) {
                distribution.exclude(reason);
            }
        };
        match (&item.outcome, at, item.value(ACKNOWLEDGE)) {
            (Outcome::Excluded(reason) | Outcome::Censored(reason), _, _) => exclude(reason),
            (_, Some(_), Some(seconds)) => {
                distribution.complete(slice.window, item.started_at, at, seconds);
            }
            (_, Some(_), None) => exclude("negative_duration"),
            (Outcome::Counted, None, _) => exclude("never_acknowledged"),
            (Outcome::Open, None, _) => {
                let age = (slice.as_of - item.started_at).as_seconds_f64();
                distribution.leave_open(slice.window, item.started_at, age);
            }
        }
    }
    distribution
}

fn open(items: &[&Item]) -> impl Iterator<Item = Reading> {
    SEVERITIES.map(|it| {
        let open =
            items.iter().filter(|item| item.outcome == Outcome::Open && severity(item) == Some(it));
        let open = count(open.count());
        Reading::new(OPEN, Some(real(open)), open).with("severity", it.to_string())
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, needle: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).reading(&KPI, slice, needle));
    }

    #[test]
    fn without_incidents_there_is_no_duration_and_nothing_open() {
        let story = Story::told("service web");
        expect![[r#"
            incident_recovery_time_seconds median - n=0
            incident_recovery_time_seconds p90 - n=0
            incident_recovery_time_seconds mean - n=0
            incident_recovery_time_seconds km_median - n=0
            failed_deployment_recovery_time_seconds median - n=0
            failed_deployment_recovery_time_seconds p90 - n=0
            failed_deployment_recovery_time_seconds mean - n=0
            failed_deployment_recovery_time_seconds km_median - n=0
            incident_acknowledge_time_seconds median - n=0
            incident_acknowledge_time_seconds p90 - n=0
            incident_acknowledge_time_seconds mean - n=0
            incident_acknowledge_time_seconds km_median - n=0
            incidents_open 1 0 n=0
            incidents_open 2 0 n=0
            incidents_open 3 0 n=0
            incidents_open 4 0 n=0
            incidents_open 5 0 n=0
            incident_oldest_open_seconds - n=0
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn recovery_runs_from_detection_to_the_final_resolve_of_severe_incidents() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:30 resolve i1
             06T10:00 incident i2 P2
             06T11:30 resolve i2
             06T10:00 incident i3 P3
             06T20:00 resolve i3",
            expect![[r#"
                incident_recovery_time_seconds median 1h n=2
                incident_recovery_time_seconds p90 1h24m [30m, -] n=2
                incident_recovery_time_seconds mean 1h n=2
                incident_recovery_time_seconds km_median 1h [30m, 1h30m] n=2"#]],
        );
    }

    #[test]
    fn a_recovery_is_placed_by_its_resolve() {
        check(
            "org 05T00:00..06T00:00",
            "incident_recovery_time_seconds ",
            "04T23:00 incident i1 P1
             05T00:00 resolve i1
             05T22:00 incident i2 P1
             05T23:59:59 resolve i2
             05T22:00 incident i3 P1
             06T00:00 resolve i3
             04T22:00 incident i4 P1
             04T23:59:59 resolve i4",
            expect![[r#"
                incident_recovery_time_seconds median 1h29m59s500ms n=2
                incident_recovery_time_seconds p90 1h53m59s100ms [1h, -] n=2
                incident_recovery_time_seconds mean 1h29m59s500ms n=2
                incident_recovery_time_seconds km_median 1h59m59s500ms [1h59m59s, 2h] n=2"#]],
        );
    }

    #[test]
    fn open_incidents_are_censored_and_only_acknowledged_ones_are_open() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             06T10:00 incident i2 P1
             06T13:00 resolve i2
             07T10:00 incident i3 P1
             07T10:05 ack i3
             2025-12-31T10:00 incident i4 P1",
            expect![[r#"
                incident_recovery_time_seconds median 2h n=2 open=2
                incident_recovery_time_seconds p90 2h48m [1h, -] n=2 open=2
                incident_recovery_time_seconds mean 2h n=2 open=2
                incident_recovery_time_seconds km_median 3h [1h, -] n=3 open=1"#]],
        );
    }

    #[test]
    fn a_median_that_half_of_the_incidents_have_not_reached_has_no_value() {
        check(
            "org 30d",
            "incident_recovery_time_seconds km_median",
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             06T10:00 incident i2 P1
             07T10:00 incident i3 P1",
            expect!["incident_recovery_time_seconds km_median - [1h, -] n=3 open=2"],
        );
    }

    #[test]
    fn an_incident_resolved_at_as_of_or_later_is_still_open() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "as_of 05T11:00
             05T10:00 incident i1 P1
             05T11:00 resolve i1",
            expect![[r#"
                incident_recovery_time_seconds median - n=0 open=1
                incident_recovery_time_seconds p90 - n=0 open=1
                incident_recovery_time_seconds mean - n=0 open=1
                incident_recovery_time_seconds km_median - n=1 open=1"#]],
        );
    }

    #[test]
    fn after_a_reopening_the_clock_runs_to_the_final_resolve() {
        check(
            "org 30d",
            "incident_recovery_time_seconds median",
            "05T10:00 incident i1 P1
             05T10:30 resolve i1
             06T10:30 reopen i1
             06T11:00 resolve i1",
            expect!["incident_recovery_time_seconds median 1d1h n=1"],
        );
    }

    #[test]
    fn reopened_after_more_than_a_day_it_is_another_recovery() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "05T10:00 incident i1 P1
             05T10:30 resolve i1
             06T10:30:01 reopen i1
             06T11:30:01 resolve i1",
            expect![[r#"
                incident_recovery_time_seconds median 45m n=2
                incident_recovery_time_seconds p90 57m [30m, -] n=2
                incident_recovery_time_seconds mean 45m n=2
                incident_recovery_time_seconds km_median 45m [30m, 1h] n=2"#]],
        );
    }

    #[test]
    fn a_mitigated_field_ends_the_incident_before_its_resolve() {
        check(
            "org 30d",
            "incident_recovery_time_seconds median",
            "05T10:00 incident i1 P1
             05T12:00 resolve i1
             06T09:00 field i1 mitigated_at 2026-03-05T10:20:00Z",
            expect!["incident_recovery_time_seconds median 20m n=1"],
        );
    }

    #[test]
    fn up_to_a_minute_backwards_is_nothing_and_more_is_left_out() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "05T10:00 incident i1 P1
             05T10:00 resolve i1
             06T09:00 field i1 detected_at 2026-03-05T10:01:00Z
             05T11:00 incident i2 P1
             05T11:00 resolve i2
             06T09:00 field i2 detected_at 2026-03-05T11:01:01Z",
            expect![[r#"
                incident_recovery_time_seconds median 0s n=1 negative_duration=1
                incident_recovery_time_seconds p90 0s n=1 negative_duration=1
                incident_recovery_time_seconds mean 0s n=1 negative_duration=1
                incident_recovery_time_seconds km_median 0s [0s, 0s] n=1 negative_duration=1"#]],
        );
    }

    #[test]
    fn merged_noise_and_unmapped_incidents_are_in_no_statistic() {
        check(
            "org 30d",
            "incident_recovery_time_seconds ",
            "05T10:00 incident i1 P1
             05T10:05 fold i1
             05T11:00 incident i2 P1
             05T15:00 resolve i2 by timeout
             05T12:00 incident i3 -
             05T12:30 resolve i3
             05T13:00 incident i4 P4
             05T13:30 resolve i4 by timeout",
            expect![[r#"
                incident_recovery_time_seconds median - n=0 auto_resolved=1 merged=1 no_severity=1
                incident_recovery_time_seconds p90 - n=0 auto_resolved=1 merged=1 no_severity=1
                incident_recovery_time_seconds mean - n=0 auto_resolved=1 merged=1 no_severity=1
                incident_recovery_time_seconds km_median - n=0 auto_resolved=1 merged=1 no_severity=1"#]],
        );
    }

    #[test]
    fn the_first_acknowledgement_counts_and_who_never_had_one_is_left_out() {
        check(
            "org 30d",
            "incident_acknowledge_time_seconds ",
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:10 ack i1
             05T10:30 resolve i1
             06T10:00 incident i2 P1
             06T10:30 resolve i2
             07T10:00 incident i3 P1
             07T10:06 ack i3
             30T10:00 incident i4 P1
             08T10:00 incident i5 P3
             08T11:00 ack i5",
            expect![[r#"
                incident_acknowledge_time_seconds median 4m n=2 open=1 never_acknowledged=1
                incident_acknowledge_time_seconds p90 5m36s [2m, -] n=2 open=1 never_acknowledged=1
                incident_acknowledge_time_seconds mean 4m n=2 open=1 never_acknowledged=1
                incident_acknowledge_time_seconds km_median 6m [2m, -] n=3 open=1 never_acknowledged=1"#]],
        );
    }

    #[test]
    fn an_acknowledgement_is_placed_by_itself() {
        check(
            "org 05T00:00..06T00:00",
            "incident_acknowledge_time_seconds median",
            "04T23:59 incident i1 P1
             05T00:00 ack i1
             06T10:00 resolve i1
             05T23:59 incident i2 P1
             06T00:00 ack i2",
            expect!["incident_acknowledge_time_seconds median 1m n=1"],
        );
    }

    #[test]
    fn a_failed_deployment_recovers_with_its_incident_else_with_its_repair() {
        let story = Story::told(
            "service web incidents PWEB
             01T10:00 commit web c0
             01T11:00 deploy web c0 id 1
             05T09:00 merge web#1
             05T10:00 deploy web c1 id 2
             05T10:20 incident i1 P2
             05T10:30 note i1 naming deployment:2
             05T12:00 resolve i1
             06T09:00 merge web#2
             06T10:00 deploy web c2 id 3
             06T10:45 deploy web c1 id 4 task rollback
             08T09:00 merge web#3
             08T10:00 deploy web c3 id 5
             08T10:20 incident i2 P4
             08T10:30 note i2 naming c3",
        );
        let readings =
            |slice| story.reading(&KPI, slice, "failed_deployment_recovery_time_seconds ");
        expect![[r#"
            failed_deployment_recovery_time_seconds median 1h22m30s n=2 open=1
            failed_deployment_recovery_time_seconds p90 1h52m30s [45m, -] n=2 open=1
            failed_deployment_recovery_time_seconds mean 1h22m30s n=2 open=1
            failed_deployment_recovery_time_seconds km_median 2h [45m, -] n=3 open=1"#]]
        .assert_eq(&readings("org 30d"));
        expect![[r#"
            failed_deployment_recovery_time_seconds median - n=0 open=1
            failed_deployment_recovery_time_seconds p90 - n=0 open=1
            failed_deployment_recovery_time_seconds mean - n=0 open=1
            failed_deployment_recovery_time_seconds km_median - n=1 open=1"#]]
        .assert_eq(&readings("org 08T00:00..09T00:00"));
        expect![[r#"
            web:2 counted 05T12:00 failed_deployment_recovery=2h environment=production commit=c1 failed=incident(i1)
            web:3 counted 06T10:45 failed_deployment_recovery=45m environment=production commit=c2 failed=rollback(4)
            web:5 open since 08T10:00 failed_deployment_recovery=23d14h environment=production commit=c3 failed=incident(i2)
            i1 counted 05T12:00 recovery=1h40m severity=2
            i2 open since 08T10:20 severity=4
        "#]]
        .assert_eq(&story.items(&KPI, "service web"));
    }

    #[test]
    fn open_incidents_are_listed_by_severity_with_the_age_of_the_oldest_severe_one() {
        let story = Story::told(
            "as_of 10T00:00
             01T00:00 incident i1 P3
             08T00:00 incident i2 P1
             07T00:00 incident i3 P2
             09T00:00 incident i4 P2
             09T01:00 ack i4
             09T00:00 incident i5 P1
             09T02:00 resolve i5
             09T00:00 incident i6 P1
             09T00:05 fold i6
             09T00:00 incident i7 -",
        );
        let open = |slice: &str| story.reading(&KPI, slice, "open ");
        expect![[r#"
            incidents_open 1 1 n=1
            incidents_open 2 2 n=2
            incidents_open 3 1 n=1
            incidents_open 4 0 n=0
            incidents_open 5 0 n=0"#]]
        .assert_eq(&open("org 30d"));
        let earlier = open("org 01T00:00..02T00:00");
        assert_eq!(earlier, open("org 30d"), "what is open now does not depend on the window");
        expect!["incident_oldest_open_seconds 3d n=1"].assert_eq(&story.reading(
            &KPI,
            "org 30d",
            "oldest_open",
        ));
    }

    #[test]
    fn an_incident_of_an_impossible_age_is_not_the_oldest() {
        let story = Story::told(
            "1970-01-01T00:00 incident i1 P1
             30T00:00 incident i2 P1",
        );
        expect!["incident_oldest_open_seconds 2d n=1"].assert_eq(&story.reading(
            &KPI,
            "org 30d",
            "oldest_open",
        ));
    }

    #[test]
    fn explain_shows_the_instants_behind_each_recovery() {
        let story = Story::told(
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:30 resolve i1
             06T10:00 incident i2 P2",
        );
        expect![[r#"
            i1 counted 05T10:30 acknowledge=2m recovery=30m severity=1
            i2 open since 06T10:00 recovery=25d14h severity=2
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
