//! How long a fault goes unnoticed (kpis.md 3.7).

mod alerts;
mod slices;

use super::incident_items::{elapsed, may_be_major, of};
use super::statistics::{count, real};
use super::view::incidents::Episode;
use super::{
    Better, Distribution, Family, Item, Kpi, Mark, Need, Outcome, PlacedBy, Reading, Slice, Stat,
    TargetRule, Unit, View,
};
use crate::domain::Instant;
use alerts::Alerts;
use slices::Slices;

const DETECTION_TIME: &str = "engkpi_incident_detection_time_seconds";
const KNOWN_BY_SOURCE: &str = "engkpi_incident_detection_known_by_source";

const DETECTION: &str = "detection";
const FAULT_SOURCE: &str = "fault_source";
const NO_FAULT_TIME: &str = "no_fault_time";

/// The incident's own field.
const FIELD: &str = "field";
/// The post-mortem.
const POST_MORTEM: &str = "post_mortem";
/// The slices of an SLO of the service.
const SLI: &str = "sli";
/// The finish of the deployment that caused it.
pub(super) const DEPLOYMENT: &str = "deployment";
/// The alert and how long its rule takes.
const ALERT_RULE: &str = "alert_rule";
const FAULT_SOURCES: [&str; 5] = [FIELD, POST_MORTEM, SLI, DEPLOYMENT, ALERT_RULE];

/// Time to detect.
pub static KPI: Kpi = Kpi {
    id: "incident_detection_time",
    title: "Time to detect (MTTD)",
    definition: "From the fault to the detection of incidents of severity 1 or 2, placed by the detection. The fault began when \
        the incident's field says, else the post-mortem, else with the first bad slice (of five minutes, of an SLO of the service) \
        of the last run of bad slices, at most two others between them, that holds the detection or ended at most 24 h before it, \
        else when the deployment linked as its cause finished, else the `for` and one interval of evaluation before the first \
        alert, where that names an alerting rule of Prometheus and the rules of that name take the same time (as they were \
        seen last before it, or first of all). Incidents of which nobody knows when \
        the fault began are left out and lower the coverage; below half of them known there is no status. An alert's own time is \
        never used for both ends.",
    unit: Unit::Seconds,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Value { target: 600.0, good: Some(300.0) },
    target_stat: Some(Stat::Median),
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: Some(0.5),
    provisional_days: 14,
    placed_by: PlacedBy::Completion,
    lookback_days: 0,
    needs: &[Need::Incidents],
    uses: &[Need::Deployments, Need::IncidentNotes, Need::Objectives, Need::AlertRules],
    baseline_value: None,
    families: &[
        Family {
            name: DETECTION_TIME,
            help: "Seconds from the fault to the detection of incidents of severity 1 or 2.",
            dimensions: &[],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: KNOWN_BY_SOURCE,
            help: "Incidents of severity 1 or 2 detected in the window whose fault time is known, by where it is known from.",
            dimensions: &[FAULT_SOURCE],
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
    let (slices, alerts) = (Slices::of(view), Alerts::of(view));
    let episodes = view.incidents.iter().enumerate();
    let major = episodes.filter(|(_, episode)| episode.may_be_major());
    major.map(|(index, episode)| item(view, (&slices, &alerts), index, episode)).collect()
}

fn item(
    view: &View<'_>,
    (slices, alerts): (&Slices<'_>, &Alerts<'_>),
    index: usize,
    episode: &Episode<'_>,
) -> Item {
    let mut item = of(view, episode);
    item.completed_at = Some(episode.detected_at);
    if !episode.is_major() {
        // Of unknown severity: left out, and shown as such.
        return item;
    }
    let said = said(view, episode).map(|(at, source)| (at, source, None));
    let counted = || slices.fault(episode).map(|(at, slo)| (at, SLI, Some(slo.into())));
    let linked = || linked(view, index).map(|(at, source)| (at, source, None));
    let alerted = || alerts.fault(episode).map(|(at, rule)| (at, ALERT_RULE, Some(rule.into())));
    let found = said.or_else(counted).or_else(linked).or_else(alerted);
    let Some((fault_at, source, evidence)) = found else {
        item.outcome = Outcome::Excluded(NO_FAULT_TIME);
        return item;
    };
    item.times.push(("fault_at", fault_at));
    item.marks.push(Mark { evidence, ..Mark::new(FAULT_SOURCE, source) });
    match elapsed(fault_at, episode.detected_at) {
        Ok(seconds) => {
            item.started_at = fault_at;
            item.values.push((DETECTION, seconds));
            item.outcome = Outcome::Counted;
        }
        Err(reason) => item.outcome = Outcome::Excluded(reason),
    }
    item
}

/// When the fault began, and how that is known, without asking what was counted, which is what
/// budgets are made of, nor how long alerts take.
pub(super) fn fault(
    view: &View<'_>,
    index: usize,
    episode: &Episode<'_>,
) -> Option<(Instant, &'static str)> {
    said(view, episode).or_else(|| linked(view, index))
}

/// When people say that it began.
fn said(view: &View<'_>, episode: &Episode<'_>) -> Option<(Instant, &'static str)> {
    let field = episode.fault_at.map(|at| (at, FIELD));
    field.or_else(|| {
        let note = episode.note.filter(|_| episode.number == 0)?;
        Some((note.fault_at.filter(|at| *at < view.as_of)?, POST_MORTEM))
    })
}

/// When what caused it was deployed.
fn linked(view: &View<'_>, index: usize) -> Option<(Instant, &'static str)> {
    let deployment = view.failures.linked.get(index).copied().flatten()?;
    Some((view.deployments[deployment].finished_at, DEPLOYMENT))
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let major: Vec<&Item> = items.iter().copied().filter(may_be_major).collect();
    let detected =
        major.iter().filter(|it| it.completed_at.is_some_and(|at| slice.window.contains(at)));
    let relevant: Vec<&&Item> = detected.filter(|it| is_relevant(it)).collect();
    let known: Vec<&&Item> = relevant.iter().copied().filter(|it| it.counted()).collect();
    let coverage =
        (!relevant.is_empty()).then(|| real(count(known.len())) / real(count(relevant.len())));
    let mut readings = Distribution::of(&major, slice, DETECTION)
        .with_coverage(coverage)
        .completed_readings(DETECTION_TIME);
    let is_fed = |source: &&str| match *source {
        DEPLOYMENT => !slice.view.lacks(Need::Deployments),
        SLI => !slice.view.params.slos.is_empty(),
        ALERT_RULE => !slice.view.lacks(Need::AlertRules),
        _ => true,
    };
    let sources = FAULT_SOURCES.into_iter().filter(is_fed);
    readings.extend(sources.map(|source| {
        let from = known.iter().filter_map(|it| it.mark(FAULT_SOURCE));
        let known = count(from.filter(|mark| mark.value == source).count());
        Reading::new(KNOWN_BY_SOURCE, Some(real(known)), known).with(FAULT_SOURCE, source)
    }));
    readings
}

/// Whether an incident is one whose fault time the definition asks for.
fn is_relevant(item: &Item) -> bool {
    match item.outcome {
        Outcome::Excluded(reason) => matches!(reason, NO_FAULT_TIME | "negative_duration"),
        Outcome::Counted | Outcome::Open | Outcome::Censored(_) => true,
    }
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
    fn without_incidents_there_is_neither_a_time_nor_a_coverage() {
        check(
            "org 30d",
            "service web",
            expect![[r#"
                incident_detection_time_seconds median - n=0
                incident_detection_time_seconds p90 - n=0
                incident_detection_time_seconds mean - n=0
                incident_detection_known_by_source field 0 n=0
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn detection_runs_from_the_fault_of_the_incidents_field() {
        check(
            "org 30d",
            "05T10:04 incident i1 P1
             06T09:00 field i1 fault_started_at 2026-03-05T10:00:00Z
             06T10:10 incident i2 P2
             06T11:00 resolve i2
             07T09:00 field i2 fault_started_at 2026-03-06T10:00:00Z
             07T10:00 incident i3 P1
             07T10:00 alert i3
             08T10:04 incident i4 P3
             09T09:00 field i4 fault_started_at 2026-03-08T09:00:00Z",
            expect![[r#"
                incident_detection_time_seconds median 7m n=2 no_fault_time=1 coverage=0.67
                incident_detection_time_seconds p90 9m24s [4m, -] n=2 no_fault_time=1 coverage=0.67
                incident_detection_time_seconds mean 7m n=2 no_fault_time=1 coverage=0.67
                incident_detection_known_by_source field 2 n=2
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn a_detection_is_placed_by_itself_not_by_the_fault() {
        check(
            "org 05T00:00..06T00:00",
            "05T00:00 incident i1 P1
             06T09:00 field i1 fault_started_at 2026-03-04T23:00:00Z
             06T00:00 incident i2 P1
             06T09:00 field i2 fault_started_at 2026-03-05T23:00:00Z
             05T10:00 incident i3 P1
             06T10:00 incident i4 P1",
            expect![[r#"
                incident_detection_time_seconds median 1h n=1 no_fault_time=1 coverage=0.50
                incident_detection_time_seconds p90 1h n=1 no_fault_time=1 coverage=0.50
                incident_detection_time_seconds mean 1h n=1 no_fault_time=1 coverage=0.50
                incident_detection_known_by_source field 1 n=1
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn a_fault_after_its_detection_is_left_out_beyond_a_minute() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             06T09:00 field i1 fault_started_at 2026-03-05T10:01:00Z
             05T11:00 incident i2 P1
             06T09:00 field i2 fault_started_at 2026-03-05T11:01:01Z",
            expect![[r#"
                incident_detection_time_seconds median 0s n=1 negative_duration=1 coverage=0.50
                incident_detection_time_seconds p90 0s n=1 negative_duration=1 coverage=0.50
                incident_detection_time_seconds mean 0s n=1 negative_duration=1 coverage=0.50
                incident_detection_known_by_source field 1 n=1
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn an_impossible_fault_time_is_no_fault_time() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             06T09:00 field i1 fault_started_at 1970-01-01T00:00:00Z
             05T11:00 incident i2 P1
             06T09:00 field i2 fault_started_at 2099-01-01T00:00:00Z",
            expect![[r#"
                incident_detection_time_seconds median - n=0 no_fault_time=2 coverage=0.00
                incident_detection_time_seconds p90 - n=0 no_fault_time=2 coverage=0.00
                incident_detection_time_seconds mean - n=0 no_fault_time=2 coverage=0.00
                incident_detection_known_by_source field 0 n=0
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn merged_noise_and_unmapped_incidents_do_not_lower_the_coverage() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             06T09:00 field i1 fault_started_at 2026-03-05T09:00:00Z
             05T11:00 incident i2 P1
             05T11:05 fold i2
             05T12:00 incident i3 P1
             05T16:00 resolve i3 by timeout
             05T13:00 incident i4 -",
            expect![[r#"
                incident_detection_time_seconds median 1h n=1 auto_resolved=1 merged=1 no_severity=1 coverage=1.00
                incident_detection_time_seconds p90 1h n=1 auto_resolved=1 merged=1 no_severity=1 coverage=1.00
                incident_detection_time_seconds mean 1h n=1 auto_resolved=1 merged=1 no_severity=1 coverage=1.00
                incident_detection_known_by_source field 1 n=1
                incident_detection_known_by_source post_mortem 0 n=0
                incident_detection_known_by_source deployment 0 n=0
                incident_detection_known_by_source alert_rule 0 n=0
            "#]],
        );
    }

    #[test]
    fn else_the_fault_began_when_the_linked_deployment_finished() {
        let story = Story::told(
            "service web incidents PWEB
             05T09:00 merge web#1
             05T10:00 deploy web c1 id 2 finished 05T10:05
             05T10:20 incident i1 P2
             05T10:30 note i1 naming deployment:2
             05T10:40 incident i2 P1
             05T10:50 field i2 fault_started_at 2026-03-05T10:30:00Z
             05T10:50 field i2 caused_by c1
             05T10:50 incident i3 P1",
        );
        expect![[r#"
            i1 counted 05T10:20 detection=15m severity=2 fault_source=deployment
            i2 counted 05T10:40 detection=10m severity=1 fault_source=field
            i3 excluded no_fault_time severity=1
        "#]]
        .assert_eq(&story.items(&KPI, "service web"));
        expect![[r#"
            incident_detection_known_by_source field 1 n=1
            incident_detection_known_by_source post_mortem 0 n=0
            incident_detection_known_by_source deployment 1 n=1
            incident_detection_known_by_source alert_rule 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "known_by_source"));
    }

    #[test]
    fn a_later_episode_has_no_fault_time_of_its_own() {
        let story = Story::told(
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             10T10:00 reopen i1
             11T09:00 field i1 fault_started_at 2026-03-05T09:50:00Z",
        );
        expect![[r#"
            i1 counted 05T10:00 detection=10m severity=1 fault_source=field
            i1/1 excluded no_fault_time severity=1
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn else_the_post_mortem_knows_when_the_fault_began() {
        let story = Story::told(
            "service web incidents PWEB
             05T10:20 incident i1 P1
             05T11:20 incident i2 P1
             06T09:00 field i2 fault_started_at 2026-03-05T11:00:00Z
             07T00:00 learnt i1 fault 05T10:00 impact everybody
             07T00:00 learnt i2 fault 05T11:10
             05T12:20 incident i3 P1
             05T13:00 resolve i3
             10T10:00 reopen i3
             07T00:00 learnt i3 fault 05T12:00
             07T00:00 learnt unheard-of fault 05T12:00",
        );
        expect![[r#"
            i1 counted 05T10:20 detection=20m severity=1 customer_impact=everybody fault_source=post_mortem
            i2 counted 05T11:20 detection=20m severity=1 fault_source=field
            i3 counted 05T12:20 detection=20m severity=1 fault_source=post_mortem
            i3/1 excluded no_fault_time severity=1
        "#]].assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            incident_detection_known_by_source field 1 n=1
            incident_detection_known_by_source post_mortem 2 n=2
            incident_detection_known_by_source deployment 0 n=0
            incident_detection_known_by_source alert_rule 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "known_by_source"));
    }
}
