//! When a fault began by what the SLOs of the service counted: the first bad slice of the last run of
//! bad slices that holds the detection or ended at most a day before it (kpis.md 3.7).

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::domain::Instant;
use crate::domain::fact::LedgerDay;
use crate::kpi::ledger::{Hour, Ledger, missed};
use crate::kpi::view::incidents::Episode;
use crate::kpi::{Span, View};

/// A run that ended longer before the detection was another fault.
const REACH: TimeDelta = TimeDelta::hours(24);
/// The length of a slice.
const SLICE: TimeDelta = TimeDelta::minutes(60 / LedgerDay::SLICES as i64);
/// So many slices that are not bad do not end a run.
const GAP: i32 = 2;

/// The SLOs of each service.
pub(super) struct Slices<'v> {
    of_service: HashMap<usize, Vec<Watched<'v>>>,
}

/// One SLO.
struct Watched<'v> {
    id: &'v str,
    ledger: Ledger<'v>,
    /// The column with the bad slices of an hour.
    column: String,
}

/// Bad slices that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: Instant,
    end: Instant,
}

impl<'v> Slices<'v> {
    pub(super) fn of(view: &'v View<'_>) -> Self {
        let mut of_service: HashMap<usize, Vec<Watched<'v>>> = HashMap::new();
        for slo in &view.params.slos {
            if let Some(service) = slo.service {
                let ledger = Ledger::of(view.timeline, &slo.source, &slo.ledger(), view.as_of);
                let column = missed(&slo.slice_allowed.to_string());
                of_service.entry(service).or_default().push(Watched {
                    id: &slo.id,
                    ledger,
                    column,
                });
            }
        }
        Self { of_service }
    }

    /// When the fault of an incident began, and the SLO that shows it: of several that of the run
    /// that reaches closest to the detection, then of the one that began first.
    pub(super) fn fault(&self, episode: &Episode<'_>) -> Option<(Instant, &'v str)> {
        let at = episode.detected_at;
        let watched = episode.services.iter().filter_map(|it| self.of_service.get(it)).flatten();
        let runs = watched.filter_map(|it| Some((it.run_before(at)?, it.id)));
        let near = runs.filter(|(run, _)| at - run.end <= REACH);
        let first =
            near.min_by_key(|(run, id)| ((at - run.end).max(TimeDelta::zero()), run.start, *id));
        first.map(|(run, id)| (run.start, id))
    }
}

impl Watched<'_> {
    /// The last run that began before `at`; none where nobody knows when it began, because the
    /// ledger did not exist yet.
    fn run_before(&self, at: Instant) -> Option<Run> {
        let first = self.ledger.starts_at()?;
        let span = Span { start: first, end: at };
        let hours = self.ledger.hours(span).rev();
        let mut bad = hours.flat_map(|hour| self.bad(&hour)).filter(|start| *start < at);
        let last = bad.next()?;
        let mut run = Run { start: last, end: last + SLICE };
        for start in bad {
            if run.start - start > SLICE * (GAP + 1) {
                break;
            }
            run.start = start;
        }
        (run.start - first > SLICE * GAP).then_some(run)
    }

    /// The starts of the bad slices of an hour, the last first.
    fn bad(&self, hour: &Hour<'_>) -> Vec<Instant> {
        let bits = hour.value(&self.column).map_or(0, |it| it as u32);
        let slices = (0..i32::from(LedgerDay::SLICES)).rev().filter(|slice| bits >> slice & 1 == 1);
        slices.map(|slice| hour.starts_at + SLICE * slice).collect()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::KPI;
    use crate::kpi::evaluation::{self, Freshness, Plan, SourceFreshness};
    use crate::kpi::testing::{Story, instant, source};
    use crate::kpi::{Need, Scope, State, Window};

    /// An SLO that was fine from the first of March on, and what else happened.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, items: Expect) {
        let story = Story::told(&format!(
            "service web incidents PWEB
             slo up of web objective 0.99
             01T00:00 hour up for 312 bad:0 total:100
             {story}"
        ));
        items.assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn the_fault_began_with_the_first_bad_slice_of_the_run_that_holds_the_detection() {
        check(
            "05T10:00 hour up missed 3,4,5,6,7,8,9,10,11 bad:50 total:100
             05T11:00 hour up missed 0,1,2 bad:50 total:100
             05T10:32 incident i1 P1",
            expect![[r#"
                i1 counted 05T10:32 detection=17m severity=1 fault_source=sli(up)
            "#]],
        );
    }

    #[test]
    fn two_good_slices_do_not_end_a_run_and_three_do() {
        check(
            "05T10:00 hour up missed 2,5 bad:50 total:100
             05T11:00 hour up missed 0 bad:50 total:100
             05T10:32 incident i1 P1
             06T10:00 hour up missed 1,5,8,11 bad:50 total:100
             06T11:00 hour up missed 2,5 bad:50 total:100
             06T11:29 incident i2 P1",
            expect![[r#"
                i1 counted 05T10:32 detection=22m severity=1 fault_source=sli(up)
                i2 counted 06T11:29 detection=1h4m severity=1 fault_source=sli(up)
            "#]],
        );
    }

    #[test]
    fn a_run_may_have_ended_a_day_before_and_no_longer() {
        check(
            "05T10:00 hour up missed 0,1 bad:50 total:100
             06T10:10 incident i1 P1
             06T10:10:01 incident i2 P1",
            expect![[r#"
                i1 counted 06T10:10 detection=1d10m severity=1 fault_source=sli(up)
                i2 excluded no_fault_time severity=1
            "#]],
        );
    }

    #[test]
    fn what_became_bad_after_the_detection_did_not_cause_it() {
        check(
            "05T10:00 hour up missed 6,7 bad:50 total:100
             05T10:30 incident i1 P1
             05T10:30:01 incident i2 P1",
            expect![[r#"
                i1 excluded no_fault_time severity=1
                i2 counted 05T10:30:01 detection=1s severity=1 fault_source=sli(up)
            "#]],
        );
    }

    #[test]
    fn a_fault_that_lasts_longer_than_the_reach_began_when_it_began() {
        let hours: String = (0..30)
            .map(|hour| {
                let (day, hour) = (5 + (10 + hour) / 24, (10 + hour) % 24);
                let all = "0,1,2,3,4,5,6,7,8,9,10,11";
                format!("{day:02}T{hour:02}:00 hour up missed {all} bad:50 total:100\n")
            })
            .collect();
        check(
            &format!("{hours}06T15:30 incident i1 P1"),
            expect![[r#"
                i1 counted 06T15:30 detection=1d5h30m severity=1 fault_source=sli(up)
            "#]],
        );
    }

    #[test]
    fn what_people_say_goes_first_and_a_deployment_last() {
        check(
            "05T09:00 merge web#1
             05T10:00 deploy web c1 id 2 finished 05T10:00
             05T10:00 hour up missed 2,3 bad:50 total:100
             05T10:20 incident i1 P1
             05T10:20 field i1 caused_by deployment:2
             05T10:20 incident i2 P1
             05T10:20 field i2 fault_started_at 2026-03-05T10:05:00Z
             05T10:20 incident i3 P1
             06T00:00 learnt i3 fault 05T10:19
             08T10:20 incident i4 P1
             08T10:20 field i4 caused_by deployment:2",
            expect![[r#"
                i1 counted 05T10:20 detection=10m severity=1 fault_source=sli(up)
                i2 counted 05T10:20 detection=15m severity=1 fault_source=field
                i3 counted 05T10:20 detection=1m severity=1 fault_source=post_mortem
                i4 counted 08T10:20 detection=3d20m severity=1 fault_source=deployment
            "#]],
        );
    }

    #[test]
    fn of_several_objectives_the_run_closest_to_the_detection_and_then_the_longest_counts() {
        check(
            "slo fast of web objective 0.9
             01T00:00 hour fast for 312 bad:0 total:100
             05T10:00 hour up missed 4,5,6 bad:50 total:100
             05T10:00 hour fast missed 2,3,4,5,6 bad:50 total:100
             05T10:32 incident i1 P1
             06T10:00 hour up missed 0,1 bad:50 total:100
             06T10:00 hour fast missed 4,5 bad:50 total:100
             06T10:40 incident i2 P1",
            expect![[r#"
                i1 counted 05T10:32 detection=22m severity=1 fault_source=sli(fast)
                i2 counted 06T10:40 detection=20m severity=1 fault_source=sli(fast)
            "#]],
        );
    }

    #[test]
    fn slices_of_other_services_and_of_another_objective_say_nothing() {
        check(
            "service pay incidents PPAY
             05T10:00 hour up bad:50 total:100 missed>0.1:15
             05T10:20 incident i1 P1
             06T10:00 hour up missed 2 bad:50 total:100
             06T10:20 incident i2 P1 on PPAY",
            expect![[r#"
                i1 excluded no_fault_time severity=1
                i2 excluded no_fault_time severity=1
            "#]],
        );
    }

    #[test]
    fn a_fault_that_was_there_when_the_ledger_began_has_no_known_beginning() {
        let of = |first: &str| {
            Story::told(&format!(
                "service web incidents PWEB
                 slo up of web objective 0.99
                 05T10:00 hour up missed {first},4,5,6 bad:50 total:100
                 05T10:32 incident i1 P1"
            ))
            .items(&KPI, "org")
        };
        expect![[r#"
            i1 excluded no_fault_time severity=1
        "#]]
        .assert_eq(&of("2"));
        expect![[r#"
            i1 counted 05T10:32 detection=17m severity=1 fault_source=sli(up)
        "#]]
        .assert_eq(&of("3"));
    }

    #[test]
    fn an_hour_that_was_not_over_at_as_of_is_not_known() {
        let of = |as_of: &str| {
            Story::told(&format!(
                "service web incidents PWEB
                 slo up of web objective 0.99
                 01T00:00 hour up for 106 bad:0 total:100
                 05T10:00 hour up missed 4,5,6 bad:50 total:100
                 05T10:32 incident i1 P1
                 as_of {as_of}"
            ))
            .items(&KPI, "org")
        };
        expect![[r#"
            i1 excluded no_fault_time severity=1
        "#]]
        .assert_eq(&of("05T10:59:59"));
        expect![[r#"
            i1 counted 05T10:32 detection=12m severity=1 fault_source=sli(up)
        "#]]
        .assert_eq(&of("05T11:00"));
    }

    #[test]
    fn a_young_metric_store_takes_no_window_away_and_a_stale_one_does() {
        let told = "service web incidents PWEB
             slo up of web objective 0.99
             01T00:00 hour up for 312 bad:0 total:100
             05T10:00 hour up missed 4,5,6 bad:50 total:100
             05T10:32 incident i1 P1";
        let state = |stale: bool| {
            let mut story = Story::told(told);
            story.params.sources = vec![
                source("pagerduty", &[Need::Incidents], instant("2025-01-01T00:00")),
                source("prometheus", &[Need::Objectives], instant("01T00:00")),
            ];
            let fresh = |hours| {
                let at = story.as_of - chrono::Duration::hours(hours);
                SourceFreshness { last_success: at, data_through: at }
            };
            let freshness = Freshness::from([
                ("pagerduty".into(), fresh(0)),
                ("prometheus".into(), fresh(if stale { 2 } else { 0 })),
            ]);
            let window = Window::parse("90d").unwrap();
            let plan = Plan {
                kpis: vec![&KPI],
                windows: vec![window],
                history: false,
                ..Plan::published(vec![window], false)
            };
            let timeline = story.timeline();
            let found =
                evaluation::evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
            let mut of_org = found.statuses().filter(|it| it.scope == Scope::Org);
            of_org.next().unwrap().state
        };
        assert_eq!(state(false), State::Insufficient, "one incident is too few, and known");
        assert_eq!(state(true), State::Stale);
    }

    #[test]
    fn the_counts_say_that_slices_showed_it() {
        let story = Story::told(
            "service web incidents PWEB
             slo up of web objective 0.99
             01T00:00 hour up for 312 bad:0 total:100
             05T10:00 hour up missed 4,5,6 bad:50 total:100
             05T10:32 incident i1 P1",
        );
        expect![[r#"
            incident_detection_known_by_source field 0 n=0
            incident_detection_known_by_source post_mortem 0 n=0
            incident_detection_known_by_source sli 1 n=1
            incident_detection_known_by_source deployment 0 n=0
            incident_detection_known_by_source alert_rule 0 n=0"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "known_by_source"));
    }
}
