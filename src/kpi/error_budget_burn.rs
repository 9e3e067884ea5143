//! How fast error budgets burn now (kpis.md 3.4).

use std::collections::VecDeque;

use chrono::TimeDelta;

use super::ledger::{Ledger, SHORT};
use super::ledger_items::{Subject, missing};
use super::params::{Params, Slo};
use super::slo_compliance::{assess, of_scope};
use super::statistics::budget::Events;
use super::statistics::histogram::whole;
use super::{
    Aim, Better, Family, Item, Kpi, Need, PlacedBy, Reading, Scope, Slice, Span, State, TargetRule,
    Unit,
};
use crate::domain::Instant;

const BURN: &str = "engkpi_error_budget_burn_ratio";
const OBJECTIVE: &str = "engkpi_slo_objective_ratio";
const SUSTAINED: &str = "engkpi_error_budget_burn_sustained_seconds";

/// A burn above this is too fast.
const FAST: f64 = 2.0;
/// So long above it and the objective is missed.
const WEEK: TimeDelta = TimeDelta::days(7);
/// What short windows held is not shown when it is older than this.
const RECENT: TimeDelta = TimeDelta::minutes(30);
/// The sustained burn looks no further back.
const HORIZON: TimeDelta = TimeDelta::days(366);

/// Burn of each objective's budget.
pub static KPI: Kpi = Kpi {
    id: "error_budget_burn",
    title: "Error budget burn",
    definition: "The share of bad events, or of bad slices where the objective is about slices, divided by the share that the \
        objective allows: at 1 the budget lasts exactly for its window. Windows up to 3d are asked of the metric store as they are, 7d and 30d are sums of the ledger's hours. Sustained \
        is the length of the present unbroken run of hours whose trailing 24 h burnt faster than 2; hours without events neither \
        break it nor count. Missed when that is longer than a week, likely missed when only the last 7d burnt faster than 2.",
    unit: Unit::Ratio,
    better: Better::Lower,
    default_window: "now",
    target: TargetRule::Own { what: "no burn above 2 for longer than a week" },
    target_stat: None,
    target_dimensions: &[],
    aims: Some(aims),
    min_n: 1,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Objectives],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: BURN,
            help: "How many times faster than allowed an error budget burnt in the last so long.",
            dimensions: &["slo", "window"],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: SUSTAINED,
            help: "Length of the present unbroken run of hours whose trailing 24 h burnt faster than the threshold.",
            dimensions: &["slo", "threshold"],
            distribution: false,
            now: true,
            needs: &[],
        },
        Family {
            name: OBJECTIVE,
            help: "Which share of events, or of slices, has to be good.",
            dimensions: &["slo"],
            distribution: false,
            now: true,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

/// Each SLO of the scope, by its last seven days.
fn aims(params: &Params, scope: Scope, _: TargetRule) -> Vec<Aim> {
    let aim = |slo: &Slo| Aim {
        dimensions: vec![("slo", slo.id.clone()), ("window", "7d".to_owned())],
        rule: TargetRule::Value { target: FAST, good: None },
    };
    of_scope(params, scope).map(aim).collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let subjects = items.iter().filter_map(|item| Subject::of(slice.view.params, &item.id));
    subjects
        .flat_map(|subject| match subject {
            Subject::Slo(slo) => of(slo, slice),
            Subject::Endpoint(_) => Vec::new(),
        })
        .collect()
}

fn of(slo: &Slo, slice: &Slice<'_>) -> Vec<Reading> {
    let ledger = Subject::Slo(slo).ledger(slice.view);
    let mut readings = short(slo, slice);
    let objective = Reading::plain(OBJECTIVE, Some(slo.ratio));
    readings.push(objective.with("slo", slo.id.as_str()));
    let sustained = sustained(slo, &ledger, slice.as_of);
    for (name, days) in [("7d", 7), ("30d", 30)] {
        let window = Span { start: slice.as_of - TimeDelta::days(days), end: slice.as_of };
        let missing = missing(&Slice { window, ..*slice }, &slo.source, &ledger);
        let events = match missing {
            Some(_) => Events::default(),
            None => ledger.events(window, &slo.slice_allowed.to_string()),
        };
        let unjudged = slo.is_unjudged(&events);
        let budgeted = if unjudged { Events::default() } else { slo.budgeted(&events) };
        let mut reading = burn(slo, name, &budgeted);
        reading.coverage = ledger.coverage(window);
        let fast = reading.value.is_some_and(|it| it > FAST);
        reading.verdict = missing.or(Some(match reading.value {
            None if unjudged => State::NoData,
            None => State::Insufficient,
            Some(_) if slo.is_low_traffic(&events) => State::Insufficient,
            Some(_) if sustained.is_some_and(|it| it > WEEK) => State::Missed,
            Some(_) if fast => State::LikelyMissed,
            Some(_) => State::Met,
        }));
        readings.push(reading);
    }
    if let Some(run) = sustained {
        let reading = Reading::plain(SUSTAINED, Some(run.as_seconds_f64()));
        readings.push(reading.with("slo", slo.id.as_str()).with("threshold", "2"));
    }
    readings
}

/// What the metric store said about short windows just before `as_of`.
fn short(slo: &Slo, slice: &Slice<'_>) -> Vec<Reading> {
    let key = (slo.source.clone(), slo.ledger());
    let burns = slice.view.timeline.burns.get(&key);
    let recent = |at: Instant| at < slice.as_of && slice.as_of - at <= RECENT;
    let Some(known) = burns.filter(|it| recent(it.at)) else { return Vec::new() };
    let reading = |(name, _): (&'static str, f64)| {
        let found = known.windows.iter().find(|it| it.window == name)?;
        let events = Events { bad: found.bad, total: found.total, ..Events::default() };
        Some(burn(slo, name, &events))
    };
    SHORT.into_iter().filter_map(reading).collect()
}

fn burn(slo: &Slo, window: &str, events: &Events) -> Reading {
    Reading::new(BURN, events.burn(slo.allowed), whole(events.total))
        .with("slo", slo.id.as_str())
        .with("window", window)
}

/// The present unbroken run of hours, going back, at the end of which the trailing 24 h burnt faster
/// than [`FAST`]. None where nothing is known of the last day.
fn sustained(slo: &Slo, ledger: &Ledger<'_>, as_of: Instant) -> Option<TimeDelta> {
    let hour = TimeDelta::hours(1);
    let day = TimeDelta::hours(24);
    let (starts_at, mut end) = (ledger.starts_at()?, ledger.ends_at()?);
    let span = Span { start: (as_of - HORIZON).max(starts_at), end: as_of };
    let slices = slo.slice_allowed.to_string();
    let budgeted = |span: Span| slo.budgeted(&ledger.events(span, &slices));
    // Most budgets do not burn: then nothing before the last day matters.
    let last = budgeted(Span { start: end - day, end });
    let latest = budgeted(Span { start: end - hour, end });
    let slow = last.burn(slo.allowed).is_some_and(|burn| burn <= FAST);
    if slow && latest.total > 0.0 && end - day >= starts_at {
        return Some(TimeDelta::zero());
    }
    let mut hours: VecDeque<(Instant, Events)> = ledger
        .hours(span)
        .map(|it| (it.starts_at, budgeted(Span { start: it.starts_at, end: it.starts_at + hour })))
        .collect();
    let mut run = TimeDelta::zero();
    let mut known = false;
    // Before a whole day is known nobody can say what its trailing 24 h were.
    while end - day >= span.start {
        while hours.back().is_some_and(|(at, _)| *at >= end) {
            hours.pop_back();
        }
        let trailing = hours.iter().rev().take_while(|(at, _)| *at >= end - day);
        let mut sum = Events::default();
        trailing.for_each(|(_, it)| sum.add(it));
        // An hour without events neither breaks the run nor counts.
        let idle = hours.back().is_none_or(|(at, it)| *at < end - hour || it.total <= 0.0);
        if let Some(burn) = sum.burn(slo.allowed).filter(|_| !idle) {
            known = true;
            if burn <= FAST {
                break;
            }
            run += hour;
        }
        end -= hour;
    }
    known.then_some(run)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::kpi::testing::Story;

    const UP: &str = "service web\nslo up of web objective 0.999\nas_of 31T00:00\n";

    #[track_caller]
    fn check(story: &str, readings: Expect) {
        said(&format!("{UP}{story}"), readings);
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn said(story: &str, readings: Expect) {
        let story = Story::told(story);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let slice = Slice {
            window: Span { start: story.as_of, end: story.as_of },
            as_of: story.as_of,
            calendar: crate::kpi::WindowKind::Rolling,
            view: &view,
            scope: Scope::Org,
        };
        let mut text = String::new();
        for reading in of(&story.params.slos[0], &slice) {
            let labels: Vec<&str> = reading.dimensions.iter().map(|(_, it)| it.as_str()).collect();
            let state = reading.verdict.map_or("", State::as_str);
            let value = reading.value.map(|it| (it * 10_000.0).round() / 10_000.0);
            text += &format!("{} {value:?} {state}\n", labels.join(" "));
        }
        readings.assert_eq(&text);
    }

    #[test]
    fn short_windows_are_those_of_the_metric_store() {
        check(
            "01T00:00 hour up for 720 bad:0 total:1000 valid:12 met:12
             30T23:58 burn up 5m:144/10000 1h:0/120000 3d:0/0",
            expect![[r#"
                up 5m Some(14.4) 
                up 1h Some(0.0) 
                up 3d None 
                up Some(0.999) 
                up 7d Some(0.0) met
                up 30d Some(0.0) met
                up 2 Some(0.0) 
            "#]],
        );
    }

    #[test]
    fn what_was_said_long_ago_or_later_is_not_shown() {
        let hours = "01T00:00 hour up for 720 bad:0 total:1000 valid:12 met:12\n";
        check(
            &format!("{hours}30T23:29 burn up 5m:144/10000"),
            expect![[r#"
                up Some(0.999) 
                up 7d Some(0.0) met
                up 30d Some(0.0) met
                up 2 Some(0.0) 
            "#]],
        );
        check(
            &format!("{hours}31T00:00 burn up 5m:144/10000"),
            expect![[r#"
                up Some(0.999) 
                up 7d Some(0.0) met
                up 30d Some(0.0) met
                up 2 Some(0.0) 
            "#]],
        );
    }

    #[test]
    fn a_week_above_two_is_missed_and_less_is_likely() {
        let fast_for = |from: &str, hours: u32| {
            format!(
                "01T00:00 hour up for 720 bad:0 total:1000 valid:12 met:12
                 {from} hour up for {hours} bad:10 total:1000 valid:12 met:0"
            )
        };
        check(
            &fast_for("23T00:00", 192),
            expect![[r#"
                up Some(0.999) 
                up 7d Some(10.0) missed
                up 30d Some(2.6667) missed
                up 2 Some(676800.0) 
            "#]],
        );
        check(
            &fast_for("24T00:00", 168),
            expect![[r#"
                up Some(0.999) 
                up 7d Some(10.0) likely_missed
                up 30d Some(2.3333) likely_missed
                up 2 Some(590400.0) 
            "#]],
        );
        check(
            &fast_for("29T00:00", 48),
            expect![[r#"
                up Some(0.999) 
                up 7d Some(2.8571) likely_missed
                up 30d Some(0.6667) met
                up 2 Some(158400.0) 
            "#]],
        );
    }

    /// A fifth of the slices is bad, twice what is allowed, and in each of them nearly everything:
    /// of the events that is a thousand times what a good slice allows.
    #[test]
    fn a_budget_of_slices_burns_by_slices() {
        let slices = "service web\nslo up of web objective 0.9 slices\nas_of 31T00:00\n";
        let text = "01T00:00 hour up for 720 bad:900 total:1000 valid:10 met:8
             30T23:58 burn up 5m:1/1 1h:3/12";
        let readings = expect![[r#"
            up 5m Some(10.0) 
            up 1h Some(2.5) 
            up Some(0.9) 
            up 7d Some(2.0) met
            up 30d Some(2.0) met
            up 2 Some(0.0) 
        "#]];
        said(&format!("{slices}{text}"), readings);
    }

    #[test]
    fn of_a_ratio_the_average_burns() {
        let ratios = "service web\nslo up of web objective 0.9 ratios\nas_of 31T00:00\n";
        let text = "01T00:00 hour up for 720 bad:0.6 total:12 valid:12 met:12
             30T23:58 burn up 5m:0.05/1 1h:0.3/1";
        let readings = expect![[r#"
            up 5m Some(0.5) 
            up 1h Some(3.0) 
            up Some(0.9) 
            up 7d Some(0.5) met
            up 30d Some(0.5) met
            up 2 Some(0.0) 
        "#]];
        said(&format!("{ratios}{text}"), readings);
    }

    #[test]
    fn hours_without_events_neither_break_the_run_nor_count() {
        check(
            "01T00:00 hour up for 672 bad:0 total:1000 valid:12 met:12
             29T00:00 hour up for 24 bad:3 total:1000 valid:12 met:0
             30T00:00 hour up for 12 bad:0 total:0 valid:0 met:0
             30T12:00 hour up for 12 bad:3 total:1000 valid:12 met:0",
            expect![[r#"
                up Some(0.999) 
                up 7d Some(0.6923) met
                up 30d Some(0.1525) met
                up 2 Some(72000.0) 
            "#]],
        );
    }

    #[test]
    fn a_run_ends_with_the_first_day_that_was_slow_enough() {
        check(
            "01T00:00 hour up for 648 bad:9 total:1000 valid:12 met:12
             28T00:00 hour up for 24 bad:0 total:1000 valid:12 met:0
             29T00:00 hour up for 48 bad:3 total:1000 valid:12 met:0",
            expect![[r#"
                up Some(0.999) 
                up 7d Some(6.0) likely_missed
                up 30d Some(8.3) likely_missed
                up 2 Some(115200.0) 
            "#]],
        );
    }

    #[test]
    fn a_young_ledger_knows_no_week() {
        check(
            "29T00:00 hour up for 48 bad:3 total:1000 valid:12 met:0",
            expect![[r#"
                up Some(0.999) 
                up 7d None no_data
                up 30d None no_data
                up 2 Some(90000.0) 
            "#]],
        );
    }
}
