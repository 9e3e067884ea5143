//! What must hold of every incident, however wild its log.

use std::collections::BTreeMap;

use chrono::Duration;
use proptest::prelude::*;

use super::Episode;
use crate::domain::{Instant, Timeline};
use crate::kpi::testing::Story;
use crate::kpi::{Kpi, Reading, Slice, Span, Stat, WindowKind};
use crate::kpi::{incident_detection_time, incident_frequency, incident_recovery_time};

/// A log entry that says when something happened to one of three incidents. What is learned late
/// about earlier times (priorities, fields, notes) is left out.
fn entry() -> impl Strategy<Value = (i64, usize, &'static str)> {
    let verbs = prop_oneof![
        3 => Just("resolve by auto"),
        2 => Just("resolve by timeout"),
        2 => Just("reopen"),
        1 => Just("unack"),
        2 => Just("ack"),
        1 => Just("alert"),
        1 => Just("fold"),
    ];
    // Up to 40 hours after the entry before, so that re-openings fall on both sides of a day.
    (1..2400_i64, 0..3_usize, verbs)
}

/// The lines of a story with their times.
fn lines() -> impl Strategy<Value = Vec<(Instant, String)>> {
    prop::collection::vec(entry(), 1..25).prop_map(|entries| {
        let mut now: Instant = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut lines = Vec::new();
        let mut known = [false; 3];
        for (minutes, of, entry) in entries {
            now += Duration::minutes(minutes);
            if !std::mem::replace(&mut known[of], true) {
                lines.push((now, format!("incident i{of} P{}", of + 1)));
                now += Duration::minutes(7);
            }
            let (verb, how) = entry.split_once(' ').unwrap_or((entry, ""));
            lines.push((now, format!("{verb} i{of} {how}")));
        }
        lines
    })
}

/// The story of the lines before `as_of`.
fn told<'a>(lines: impl IntoIterator<Item = &'a (Instant, String)>, as_of: Instant) -> Story {
    let lines = lines.into_iter().map(|(at, line)| format!("{} {line}", at.format("%m-%dT%H:%M")));
    let mut story = Story::told(&lines.collect::<Vec<_>>().join("\n"));
    story.as_of = as_of;
    story
}

/// What the episodes say, without the summary of the incident itself.
fn said(story: &Story, timeline: &Timeline) -> String {
    let view = story.view(timeline);
    let said = view.incidents.iter().map(|it: &Episode<'_>| {
        let Episode { number, detected_at, resolved_at, acknowledged_at, .. } = it;
        let Episode { severity, auto_resolved, merged, .. } = it;
        let id = &it.incident.id;
        format!(
            "{id}/{number} {severity:?} {detected_at} {resolved_at:?} {acknowledged_at:?} \
             {auto_resolved} {merged}\n"
        )
    });
    said.collect()
}

fn readings(story: &Story, kpi: &Kpi, window: Span) -> Vec<Reading> {
    let timeline = story.timeline();
    let view = story.view(&timeline);
    let items = (kpi.assess)(&view);
    let items = story.items_of(&items, "org");
    let slice = Slice {
        scope: crate::kpi::Scope::Org,
        window,
        as_of: story.as_of,
        calendar: WindowKind::Rolling,
        view: &view,
    };
    (kpi.measure)(&items, &slice)
}

/// How many items each family is made of; of distributions, by completion.
fn counts(readings: &[Reading]) -> BTreeMap<(&'static str, String), u64> {
    let placed = readings.iter().filter(|it| matches!(it.stat, None | Some(Stat::Median)));
    placed.map(|it| ((it.family, format!("{:?}", it.dimensions)), it.n)).collect()
}

proptest! {
    #[test]
    fn the_order_of_arrival_and_duplicates_change_nothing(
        (story, shuffled) in lines().prop_flat_map(|lines| {
            let as_of = lines.last().unwrap().0 + Duration::minutes(1);
            let story = told(&lines, as_of);
            let twice = [story.facts.clone(), story.facts.clone()].concat();
            (Just(story), Just(twice).prop_shuffle())
        })
    ) {
        let mut timeline = Timeline::default();
        for (source, fact) in shuffled {
            timeline.apply(&source, fact);
        }
        prop_assert_eq!(said(&story, &timeline), said(&story, &story.timeline()));
    }

    #[test]
    fn hindsight_changes_nothing_that_had_happened(lines in lines(), cut in any::<prop::sample::Index>()) {
        let as_of = lines[cut.index(lines.len())].0;
        let at_the_time = told(lines.iter().filter(|(at, _)| *at < as_of), as_of);
        let later = told(&lines, as_of);
        prop_assert_eq!(
            said(&at_the_time, &at_the_time.timeline()),
            said(&later, &later.timeline())
        );
    }

    #[test]
    fn every_episode_lies_before_as_of_and_starts_after_the_one_before_ended(lines in lines()) {
        let as_of = lines.last().unwrap().0;
        let story = told(&lines, as_of);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        for it in &view.incidents {
            let times = [Some(it.detected_at), it.resolved_at, it.acknowledged_at];
            prop_assert!(times.into_iter().flatten().all(|at| at < as_of), "{it:#?}");
            prop_assert!(it.resolved_at.is_none_or(|at| it.detected_at <= at), "{it:#?}");
            let noise = it.auto_resolved || it.merged;
            prop_assert!(it.resolved_at.is_some() || !noise, "an open one is no noise: {it:#?}");
            if it.number > 0 {
                let earlier = view.incidents.iter().find(|earlier| {
                    earlier.incident.id == it.incident.id && earlier.number + 1 == it.number
                });
                let ended_at = earlier.unwrap().resolved_at.unwrap();
                prop_assert!(it.detected_at - ended_at > Duration::hours(24), "{it:#?}");
            }
        }
        prop_assert!(view.incidents.is_sorted_by_key(|it| it.detected_at));
    }

    #[test]
    fn an_item_is_in_exactly_one_of_the_windows_that_follow_each_other(
        lines in lines(), cut in any::<prop::sample::Index>()
    ) {
        let start = lines[0].0 - Duration::days(1);
        let end = lines.last().unwrap().0 + Duration::minutes(1);
        let story = told(&lines, end);
        let middle = lines[cut.index(lines.len())].0;
        let kpis = [&incident_frequency::KPI, &incident_recovery_time::KPI, &incident_detection_time::KPI];
        for kpi in kpis {
            let of = |start, end| counts(&readings(&story, kpi, Span { start, end }));
            let (whole, before, after) = (of(start, end), of(start, middle), of(middle, end));
            for (family, n) in whole {
                let now = kpi.families.iter().any(|it| it.name == family.0 && it.now);
                let sum = before[&family] + after[&family];
                prop_assert_eq!(if now { before[&family] } else { sum }, n, "{:?}", family);
            }
        }
    }
}
