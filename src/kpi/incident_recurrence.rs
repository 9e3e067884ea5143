//! How often the same thing breaks again (kpis.md 3.8).

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::incident_items::{may_be_major, of};
use super::statistics::{count, real};
use super::view::incidents::Episode;
use super::{
    Better, Exclusions, Family, Item, Kpi, Mark, Need, Outcome, PlacedBy, Reading, Slice,
    TargetRule, Unit, View,
};
use crate::domain::{Instant, SourceName};

const RATIO: &str = "engkpi_incident_recurrence_ratio";

/// An earlier incident with the same cause counts for so long.
const REACH_DAYS: i64 = 90;

const CAUSE: &str = "cause";
const RECURRED: &str = "recurred";

/// Severe incidents that happened before.
pub static KPI: Kpi = Kpi {
    id: "incident_recurrence",
    title: "Recurrence",
    definition: "Share of the incidents of severity 1 or 2 with a known cause that have an earlier one of severity 1 or 2 with \
        the same cause at most 90 days before, anywhere in the organisation. The cause is the root-cause field of the incident, \
        else the root cause of its post-mortem, else the problem ticket that either names, else the category of the post-mortem with the service; equal texts are the same cause, and no text is compared for likeness. Re-opened later than 24 h after its resolve an \
        incident is a new one with the same cause. Incidents without a known cause are left out, and so are those whose field \
        says `unknown`, `TBD`, `n/a`, `other` or the like; coverage is the share of those \
        with one.",
    unit: Unit::Ratio,
    better: Better::Lower,
    default_window: "90d",
    target: TargetRule::Value { target: 0.15, good: Some(0.1) },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: Some(0.6),
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: REACH_DAYS,
    needs: &[Need::Incidents],
    uses: &[Need::IncidentNotes],
    baseline_value: None,
    families: &[Family {
        name: RATIO,
        help: "Share of the severe incidents with a known cause that have an earlier one with the same cause.",
        dimensions: &[],
        distribution: false,
        now: false,
        needs: &[],
    }],
    assess,
    by_window: false,
    measure,
};

/// What makes two incidents have one cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause<'a> {
    /// The root-cause field.
    Named(&'a str),
    /// Nobody named it; it is the one that the incident had before it was re-opened.
    OfIncident(&'a SourceName, &'a str),
}

fn assess(view: &View<'_>) -> Vec<Item> {
    let mut earlier: BTreeMap<Cause<'_>, &Episode<'_>> = BTreeMap::new();
    let mut items = Vec::new();
    // What was detected at the same instant is not earlier.
    for episodes in view.incidents.chunk_by(|a, b| a.detected_at == b.detected_at) {
        for episode in episodes {
            items.push(item(view, episode, &earlier));
        }
        for episode in episodes.iter().filter(|it| it.is_major()) {
            for cause in causes(episode) {
                earlier.insert(cause, episode);
            }
        }
    }
    items
}

/// The causes that later incidents may share with this one.
fn causes<'a>(episode: &'a Episode<'_>) -> impl Iterator<Item = Cause<'a>> {
    let named = episode.cause.as_deref().map(Cause::Named);
    named.into_iter().chain([Cause::OfIncident(episode.source, &episode.incident.id)])
}

fn item(
    view: &View<'_>,
    episode: &Episode<'_>,
    earlier: &BTreeMap<Cause<'_>, &Episode<'_>>,
) -> Item {
    let mut item = of(view, episode);
    if item.outcome == Outcome::Open {
        item.outcome = Outcome::Counted;
    }
    if !episode.is_major() {
        if item.counted() {
            item.outcome = Outcome::Excluded("not_severe");
        }
        return item;
    }
    let same = causes(episode).filter_map(|cause| earlier.get(&cause));
    let within =
        |it: &&&Episode<'_>| episode.detected_at - it.detected_at <= TimeDelta::days(REACH_DAYS);
    let before = same.filter(within).max_by_key(|it| it.detected_at);
    match (&episode.cause, before) {
        (Some(cause), _) => item.marks.push(Mark::new(CAUSE, cause.clone())),
        (None, Some(_)) => {
            item.marks.push(Mark::new(CAUSE, "that of the incident before it was re-opened"));
        }
        (None, None) => item.outcome = Outcome::Excluded("no_cause"),
    }
    if let Some(before) = before {
        item.marks.push(Mark {
            name: RECURRED,
            value: days(before.detected_at, episode.detected_at).into(),
            evidence: Some(before.incident.id.clone()),
            at: Some(before.detected_at),
        });
        item.times.push(("before_detected_at", before.detected_at));
    }
    item
}

/// How long after the earlier one, in days.
fn days(from: Instant, to: Instant) -> String {
    format!("after {:.1} d", (to - from).as_seconds_f64() / 86_400.0)
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let detected: Vec<&Item> = items
        .iter()
        .copied()
        .filter(|it| slice.window.contains(it.started_at) && may_be_major(it))
        .collect();
    let known: Vec<&&Item> = detected.iter().filter(|it| it.counted()).collect();
    let recurred = known.iter().filter(|it| it.mark(RECURRED).is_some()).count();
    let mut excluded = Exclusions::default();
    for item in &detected {
        if let Outcome::Excluded(reason) = item.outcome {
            excluded.add(reason, 1);
        }
    }
    let unknown = excluded.get("no_cause").unwrap_or_default();
    let all = count(known.len()) + unknown;
    let mut reading = Reading::ratio(RATIO, count(recurred), count(known.len()));
    reading.coverage = (all > 0).then(|| real(count(known.len())) / real(all));
    reading.excluded = excluded;
    vec![reading]
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
    fn without_incidents_there_is_no_ratio() {
        check(
            "org 90d",
            "service web",
            expect![[r#"
            incident_recurrence_ratio - n=0 numerator=0
        "#]],
        );
    }

    #[test]
    fn the_first_of_a_chain_never_counts_and_three_in_a_row_are_two() {
        check(
            "org 90d",
            "01-10T10:00 incident i1 P1
             01-10T10:00 field i1 root_cause db-pool
             02-10T10:00 incident i2 P2
             02-10T10:00 field i2 root_cause db-pool
             03-10T10:00 incident i3 P1
             03-10T10:00 field i3 root_cause db-pool
             03-11T10:00 incident i4 P1
             03-11T10:00 field i4 root_cause dns",
            expect![[r#"
                incident_recurrence_ratio 0.5 [0.15, 0.85] n=4 numerator=2 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn ninety_days_are_within_reach_and_a_second_more_is_not() {
        let story = |second: &str| {
            format!(
                "01-01T10:00 incident i1 P1
                 01-01T10:00 field i1 root_cause db-pool
                 04-01T10:00:{second} incident i2 P1
                 04-01T10:00:{second} field i2 root_cause db-pool
                 as_of 04-02T00:00"
            )
        };
        let of = |second: &str| Story::told(&story(second)).readings(&KPI, "org 30d");
        expect![[r#"
            incident_recurrence_ratio 1 [0.2065, 1] n=1 numerator=1 coverage=1.00
        "#]]
        .assert_eq(&of("00"));
        expect![[r#"
            incident_recurrence_ratio 0 [0, 0.7935] n=1 numerator=0 coverage=1.00
        "#]]
        .assert_eq(&of("01"));
    }

    #[test]
    fn two_at_the_same_instant_are_no_recurrence_of_each_other() {
        check(
            "org 30d",
            "05T10:00 incident i1 P1
             05T10:00 field i1 root_cause db-pool
             05T10:00 incident i2 P1
             05T10:00 field i2 root_cause db-pool",
            expect![[r#"
                incident_recurrence_ratio 0 [0, 0.6576] n=2 numerator=0 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end_and_earlier_ones_lie_anywhere_before() {
        check(
            "org 05T00:00..06T00:00",
            "01T10:00 incident i0 P1
             01T10:00 field i0 root_cause dns
             04T23:59:59 incident i1 P1
             04T23:59:59 field i1 root_cause dns
             05T00:00 incident i2 P1
             05T00:00 field i2 root_cause dns
             05T23:59:59 incident i3 P1
             05T23:59:59 field i3 root_cause config
             06T00:00 incident i4 P1
             06T00:00 field i4 root_cause dns",
            expect![[r#"
                incident_recurrence_ratio 0.5 [0.0945, 0.9055] n=2 numerator=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn earlier_ones_are_looked_for_in_the_whole_organisation() {
        let story = Story::told(
            "service web team shop incidents PWEB
             service pay team money incidents PPAY
             05T10:00 incident i1 P1 on PPAY
             05T10:00 field i1 root_cause dns
             06T10:00 incident i2 P1
             06T10:00 field i2 root_cause dns",
        );
        expect![[r#"
            incident_recurrence_ratio 1 [0.2065, 1] n=1 numerator=1 coverage=1.00
        "#]]
        .assert_eq(&story.readings(&KPI, "team shop 30d"));
        expect![[r#"
            incident_recurrence_ratio 0 [0, 0.7935] n=1 numerator=0 coverage=1.00
        "#]]
        .assert_eq(&story.readings(&KPI, "service pay 30d"));
    }

    #[test]
    fn unknown_causes_noise_and_lesser_incidents_are_left_out() {
        check(
            "org 30d",
            "01T10:00 incident i1 P3
             01T10:00 field i1 root_cause dns
             02T10:00 incident i2 P1
             02T10:00 field i2 root_cause dns
             02T10:10 fold i2
             03T10:00 incident i3 P1
             03T10:00 field i3 root_cause dns
             03T12:00 resolve i3 by timeout
             04T10:00 incident i4 P1
             05T10:00 incident i5 -
             05T10:00 field i5 root_cause dns
             06T10:00 incident i6 P2
             06T10:00 field i6 root_cause dns",
            expect![[r#"
                incident_recurrence_ratio 0 [0, 0.7935] n=1 numerator=0 auto_resolved=1 merged=1 no_cause=1 no_severity=1 coverage=0.50
            "#]],
        );
    }

    #[test]
    fn a_field_that_says_that_the_cause_is_unknown_names_none() {
        check(
            "org 30d",
            "service web incidents PWEB
             01T10:00 incident i1 P1
             01T10:00 field i1 root_cause Unknown
             02T10:00 incident i2 P1
             02T10:00 field i2 root_cause unknown
             03T10:00 incident i3 P1
             03T10:00 field i3 root_cause n/a
             03T10:00 learnt i3 cause TBD category dns
             04T10:00 incident i4 P1
             04T10:00 field i4 root_cause ?
             04T10:00 learnt i4 cause dns
             05T10:00 incident i5 P1
             05T10:00 learnt i5 category none",
            expect![[r#"
                incident_recurrence_ratio 0 [0, 0.6576] n=2 numerator=0 no_cause=2 coverage=0.50
            "#]],
        );
    }

    #[test]
    fn likeness_of_texts_is_no_same_cause() {
        check(
            "org 30d",
            "01T10:00 incident i1 P1
             01T10:00 field i1 root_cause db-pool
             02T10:00 incident i2 P1
             02T10:00 field i2 root_cause db-pools",
            expect![[r#"
                incident_recurrence_ratio 0 [0, 0.7935] n=1 numerator=0 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn re_opened_later_it_is_the_same_cause_again_named_or_not() {
        check(
            "org 30d",
            "01T10:00 incident i1 P1
             01T11:00 resolve i1
             03T11:00 reopen i1
             03T12:00 resolve i1
             05T10:00 incident i2 P1
             05T10:00 field i2 root_cause dns
             05T11:00 resolve i2
             08T11:00 reopen i2
             10T10:00 incident i3 P1
             10T10:00 field i3 root_cause dns
             10T11:00 resolve i3
             11T10:00 reopen i3",
            expect![[r#"
                incident_recurrence_ratio 0.75 [0.3006, 0.9544] n=4 numerator=3 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known() {
        check(
            "org 30d",
            "as_of 10T00:00
             09T23:59:59 incident i1 P1
             09T23:59:59 field i1 root_cause dns
             10T00:00 incident i2 P1
             10T00:00 field i2 root_cause dns",
            expect![[r#"
                incident_recurrence_ratio 0 [0, 0.7935] n=1 numerator=0 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn explain_names_the_incident_before() {
        let story = Story::told(
            "01T10:00 incident i1 P1
             01T10:00 field i1 root_cause dns
             08T22:00 incident i2 P2
             08T22:00 field i2 root_cause dns
             09T10:00 incident i3 P1
             09T10:00 incident i4 P4",
        );
        expect![[r#"
            i1 counted severity=1 cause=dns
            i2 counted severity=2 cause=dns recurred=after 7.5 d(i1)
            i3 excluded no_cause severity=1
            i4 excluded not_severe severity=4
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn a_post_mortem_names_the_cause_that_the_incident_does_not() {
        let story = Story::told(
            "service web incidents PWEB
             service pay incidents PPAY
             01T10:00 incident i1 P1
             02T10:00 incident i2 P1
             02T10:00 field i2 root_cause dns
             03T10:00 incident i3 P1
             04T10:00 incident i4 P1
             05T10:00 incident i5 P1 on PPAY
             06T00:00 learnt i1 cause dns
             06T00:00 learnt i2 cause config
             06T00:00 learnt i3 category network
             06T00:00 learnt i4 category network
             06T00:00 learnt i5 category network",
        );
        expect![[r#"
            i1 counted severity=1 cause=dns
            i2 counted severity=1 cause=dns recurred=after 1.0 d(i1)
            i3 counted severity=1 cause=network in web
            i4 counted severity=1 cause=network in web recurred=after 1.0 d(i3)
            i5 counted severity=1 cause=network in pay
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn incidents_of_one_problem_ticket_have_one_cause_unless_a_root_cause_is_named() {
        let story = Story::told(
            "service web incidents PWEB
             01T10:00 incident i1 P1
             01T11:00 field i1 problem PROB-12
             02T10:00 incident i2 P1
             02T11:00 learnt i2 problem PROB-12 category network
             03T10:00 incident i3 P1
             03T11:00 field i3 problem PROB-12
             03T11:00 learnt i3 cause dns problem PROB-12
             04T10:00 incident i4 P1
             04T11:00 field i4 problem PROB-7
             04T11:00 learnt i4 problem PROB-12
             05T10:00 incident i5 P1
             05T11:00 field i5 problem n/a
             05T11:00 learnt i5 category network
             06T10:00 incident i6 P1
             06T11:00 field i6 root_cause PROB-12
             07T10:00 incident i7 P1
             07T11:00 field i7 problem PROB-12",
        );
        expect![[r#"
            i1 counted severity=1 cause=problem PROB-12
            i2 counted severity=1 cause=problem PROB-12 recurred=after 1.0 d(i1)
            i3 counted severity=1 cause=dns
            i4 counted severity=1 cause=problem PROB-7
            i5 counted severity=1 cause=network in web
            i6 counted severity=1 cause=PROB-12
            i7 counted severity=1 cause=problem PROB-12 recurred=after 5.0 d(i2)
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }
}
