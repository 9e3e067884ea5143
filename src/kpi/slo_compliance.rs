//! Which share of events, and of time, was good (kpis.md 3.3).

use super::error_budget::{CONSUMED, EXHAUSTION, PROJECTED, REMAINING, Stretch};
use super::ledger::Sli;
use super::ledger_items::{Subject, missing};
use super::params::{Slo, SloMethod};
use super::statistics::budget::Events;
use super::statistics::histogram::whole;
use super::{
    Aim, Better, Family, Item, Kpi, Need, Params, PlacedBy, Reading, Scope, Slice, State,
    TargetRule, Unit, View, error_budget,
};

const COMPLIANCE: &str = "engkpi_slo_compliance_ratio";
const COVERAGE: &str = "engkpi_slo_window_coverage_ratio";
const LOW_TRAFFIC: &str = "engkpi_slo_low_traffic";

/// Compliance with each objective.
pub static KPI: Kpi = Kpi {
    id: "slo_compliance",
    title: "SLO compliance",
    definition: "Of each service level objective, good events of all events (`events`), and slices of five minutes that \
        meet the objective of the slices with events (`slices`). Of a ratio that somebody else computed nobody knows the events: \
        instead of them there is the average of the slices (`ratios`). Windows are sums of complete hours, kept in a ledger: weighted \
        by traffic, never an average of ratios. What is counted may swing about nothing (a ratio about 1, or a total less what was \
        good of it, read one after the other): hours with slightly less than no bad events, by at most 1 % of all, make up for others \
        of the window, which never has less than none. What is bad in an hour beyond 1 % of its events is no swing, and nothing \
        makes up for it. Slices without events are in neither. The target is the objective, for the \
        method that the specification names. Below ten bad events allowed traffic is low and there is no status. Budget \
        remaining: 1 less the bad events divided by those allowed of the events so far. Of a running calendar window also, projected, \
        what is left of the budget that the whole window will have if traffic goes on as so far: it begins at 100 %. The \
        window `own` is that of each specification: what rolls, or the calendar's in its zone. Exhaustion: when its budget will be \
        gone if every hour is as the average of the last 24. Consumed \
        by what was going on: of each hour, the bad events above the share of the quiet hours of the day before (no more than is \
        allowed) are of a deployment that an incident of the service is linked to, else of another incident, else of a deployment \
        followed within 24 h by a change point (at least 10 bad events, or 3 slices, in an hour, and with 95 % confidence more \
        than twice the share of before, which is at least as high as it was below nothing in two hours of that day, by 10 events or \
        more; it lasts until that was not so for more than 2 h), else of planned maintenance; all others are unattributed. An hour with less than no bad events is taken off the other \
        hours of what it is of; where those are not enough, off all parts alike: they add up, and none is below zero. It burnt while this was going \
        on; what caused it nobody can say from this.",
    unit: Unit::Ratio,
    better: Better::Higher,
    default_window: "30d",
    target: TargetRule::Own { what: "each objective" },
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
        family(
            COMPLIANCE,
            "Share of good events, or of good slices, of an objective.",
            &["slo", "method"],
        ),
        family(
            REMAINING,
            "Share of the window's error budget that is left; negative if more was bad than allowed.",
            &["slo"],
        ),
        family(
            PROJECTED,
            "Share that is left of the budget that the whole calendar window will have if traffic goes on as so far.",
            &["slo"],
        ),
        family(
            CONSUMED,
            "Share of the window's error budget that burnt while this was going on; the causes add up to 1 less what remains.",
            &["slo", "cause"],
        ),
        family(
            EXHAUSTION,
            "Seconds until the budget of the SLO's own window is gone if every hour is as the average of the last 24; 0 if it is gone, absent if it will last.",
            &["slo"],
        ),
        family(
            COVERAGE,
            "Share of the slices of five minutes of the window's complete hours of which anything is known.",
            &["slo"],
        ),
        family(
            LOW_TRAFFIC,
            "1 if the window has so few events that fewer than ten may be bad.",
            &["slo"],
        ),
    ],
    assess,
    by_window: false,
    measure,
};

const fn family(
    name: &'static str,
    help: &'static str,
    dimensions: &'static [&'static str],
) -> Family {
    Family { name, help, dimensions, distribution: false, now: false, needs: &[] }
}

/// Each SLO of the scope has its objective.
fn aims(params: &Params, scope: Scope, _: TargetRule) -> Vec<Aim> {
    let aim = |slo: &Slo| Aim {
        dimensions: vec![("slo", slo.id.clone()), ("method", slo.method.as_str().to_owned())],
        rule: TargetRule::Value { target: slo.ratio, good: None },
    };
    of_scope(params, scope).map(aim).collect()
}

/// The SLOs of a scope. Those of no service are the organisation's.
pub(super) fn of_scope(params: &Params, scope: Scope) -> impl Iterator<Item = &Slo> {
    let team = |service: usize| params.catalogue.services[service].team;
    params.slos.iter().filter(move |slo| match scope {
        Scope::Org => true,
        Scope::Team(it) => slo.service.map(team) == Some(it),
        Scope::Service(it) => slo.service == Some(it),
    })
}

pub(super) fn assess(view: &View<'_>) -> Vec<Item> {
    let slos = view.params.slos.iter().map(Subject::Slo);
    slos.map(|slo| slo.item(view).unwrap_or_else(|| slo.unknown(view))).collect()
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
    let stretch = Stretch::of(slo, slice);
    let slice = &Slice { window: stretch.window, ..*slice };
    let missing = missing(slice, &slo.source, &ledger);
    let events = match missing {
        Some(_) => Events::default(),
        None => ledger.events(slice.window, &slo.slice_allowed.to_string()),
    };
    // A precomputed ratio knows no events.
    let first = match slo.sli {
        Sli::Ratio { .. } => SloMethod::Ratios,
        Sli::Bad { .. } | Sli::Good { .. } => SloMethod::Events,
    };
    let low = first == SloMethod::Events && events.is_low_traffic(slo.allowed);
    let mut readings = vec![
        compliance(slo, first, &events, low),
        compliance(slo, SloMethod::Slices, &events.by_slices(), false),
    ];
    readings.extend(error_budget::readings(slo, slice, &stretch, &ledger, &events));
    if missing.is_none() && events.total > 0.0 && first == SloMethod::Events {
        let flag = Reading::plain(LOW_TRAFFIC, Some(f64::from(u8::from(low))));
        readings.push(flag.with("slo", slo.id.as_str()));
    }
    let coverage = ledger.coverage(slice.window);
    if let Some(share) = coverage {
        let reading = Reading::plain(COVERAGE, Some(share));
        readings.push(reading.with("slo", slo.id.as_str()));
    }
    // A part of the window is from the time of another objective of its slices.
    let unjudged = slo.is_unjudged(&events).then_some(State::NoData);
    for reading in &mut readings {
        reading.coverage = coverage;
        let of_budget = [REMAINING, PROJECTED, EXHAUSTION, CONSUMED].contains(&reading.family);
        let of_slices = (of_budget && slo.method == SloMethod::Slices)
            || reading.has("method", SloMethod::Slices.as_str());
        reading.verdict = missing.or(unjudged.filter(|_| of_slices)).or(reading.verdict);
        let unjudged = if of_slices { events.unjudged } else { 0 };
        let hours =
            [("impossible_counts", events.contradictory), ("another_slice_target", unjudged)];
        reading.excluded = hours.into_iter().filter(|(_, hours)| *hours > 0).collect();
    }
    readings
}

/// Compliance by one method. There is no sampling error: every event was counted.
fn compliance(slo: &Slo, method: SloMethod, counted: &Events, low: bool) -> Reading {
    let value = counted.error_ratio().map(|ratio| 1.0 - ratio);
    let mut reading = Reading::new(COMPLIANCE, value, whole(counted.total))
        .with("slo", slo.id.as_str())
        .with("method", method.as_str());
    // Shares that are added up are no number of anything.
    let counts = value.filter(|_| method != SloMethod::Ratios);
    reading.numerator = counts.map(|_| whole(counted.total - counted.net()));
    reading.verdict = Some(match (value, low) {
        (None, _) | (_, true) => State::Insufficient,
        _ if counted.meets(slo.allowed) => State::Met,
        _ => State::Missed,
    });
    reading
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::kpi::testing::{Story, instant};
    use crate::kpi::{Span, Window, WindowKind};

    const UP: &str = "service web\nslo up of web objective 0.999\n";

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(&format!("{UP}{story}")).readings(&KPI, slice));
    }

    #[test]
    fn uneven_traffic_is_weighed() {
        // Ten nights of 1 % errors at a twentieth of the day's traffic: the average of the hours'
        // ratios would have spent the budget five times.
        let mut story = String::new();
        for day in 1..=30 {
            let bad = if day <= 10 { 360 } else { 0 };
            story += &format!(
                "{day:02}T00:00 hour up for 12 bad:{bad} total:36000 valid:12 met:{}\n",
                if bad > 0 { 0 } else { 12 }
            );
            story += &format!("{day:02}T12:00 hour up for 12 bad:0 total:720000 valid:12 met:12\n");
        }
        check(
            "org 01T00:00..31T00:00",
            &story,
            expect![[r#"
                slo_compliance_ratio up events 0.9998 n=272160000 numerator=272116800 coverage=1.00
                slo_compliance_ratio up slices 0.8333 n=8640 numerator=7200 coverage=1.00
                error_budget_remaining_ratio up 0.8413 n=272160000 coverage=1.00
                error_budget_consumed_ratio up deployment 0 n=272160000 coverage=1.00
                error_budget_consumed_ratio up maintenance 0 n=272160000 coverage=1.00
                error_budget_consumed_ratio up unattributed 0.1587 n=272160000 coverage=1.00
                slo_low_traffic up 0 n=1 coverage=1.00
                slo_window_coverage_ratio up 1 n=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn an_idle_hour_is_in_no_ratio() {
        check(
            "org 05T10:00..05T13:00",
            "05T10:00 hour up bad:10 total:20000 valid:12 met:10
             05T11:00 hour up bad:0 total:0 valid:0 met:0
             05T12:00 hour up bad:0 total:20000 valid:12 met:12",
            expect![[r#"
                slo_compliance_ratio up events 0.9998 n=40000 numerator=39990 coverage=1.00
                slo_compliance_ratio up slices 0.9167 n=24 numerator=22 coverage=1.00
                error_budget_remaining_ratio up 0.75 n=40000 coverage=1.00
                error_budget_consumed_ratio up deployment 0 n=40000 coverage=1.00
                error_budget_consumed_ratio up maintenance 0 n=40000 coverage=1.00
                error_budget_consumed_ratio up unattributed 0.25 n=40000 coverage=1.00
                slo_low_traffic up 0 n=1 coverage=1.00
                slo_window_coverage_ratio up 1 n=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn hours_without_data_lower_the_coverage() {
        check(
            "org 05T10:00..05T12:00",
            "05T10:00 hour up covered 6 bad:0 total:20000 valid:6 met:6\n05T11:00 hour up",
            expect![[r#"
                slo_compliance_ratio up events 1 n=20000 numerator=20000 coverage=0.25
                slo_compliance_ratio up slices 1 n=6 numerator=6 coverage=0.25
                error_budget_remaining_ratio up 1 n=20000 coverage=0.25
                error_budget_consumed_ratio up deployment 0 n=20000 coverage=0.25
                error_budget_consumed_ratio up maintenance 0 n=20000 coverage=0.25
                error_budget_consumed_ratio up unattributed 0 n=20000 coverage=0.25
                slo_low_traffic up 0 n=1 coverage=0.25
                slo_window_coverage_ratio up 0.25 n=1 coverage=0.25
            "#]],
        );
    }

    #[test]
    fn exactly_what_is_allowed_meets_the_objective() {
        for (bad, state) in [(20.0, State::Met), (20.001, State::Missed)] {
            let events = Events { bad, total: 20_000.0, ..Events::default() };
            let story = Story::told(UP);
            let reading = compliance(&story.params.slos[0], SloMethod::Events, &events, false);
            assert_eq!(reading.verdict, Some(state), "{bad}");
        }
    }

    #[test]
    fn little_traffic_is_shown_and_not_judged() {
        let story = Story::told(&format!("{UP}05T10:00 hour up bad:1 total:9000 valid:12 met:11"));
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let window = Span { start: instant("05T10:00"), end: instant("05T11:00") };
        let as_of = instant("05T11:00");
        let slice =
            Slice { window, as_of, calendar: WindowKind::Rolling, view: &view, scope: Scope::Org };
        let readings = of(&story.params.slos[0], &slice);
        assert_eq!(readings[0].verdict, Some(State::Insufficient));
        assert!(readings[0].value.is_some());
        assert!(readings.iter().any(|it| it.family == LOW_TRAFFIC && it.value == Some(1.0)));
    }

    #[test]
    fn more_bad_than_there_was_is_left_out_and_counted() {
        check(
            "org 05T10:00..05T12:00",
            "05T10:00 hour up bad:30000 total:20000 valid:12 met:0
             05T11:00 hour up bad:20001 total:20000 valid:12 met:0",
            expect![[r#"
                slo_compliance_ratio up events 0 n=20000 numerator=0 impossible_counts=1 coverage=1.00
                slo_compliance_ratio up slices 0 n=12 numerator=0 impossible_counts=1 coverage=1.00
                error_budget_remaining_ratio up -999 n=20000 impossible_counts=1 coverage=1.00
                error_budget_consumed_ratio up deployment 0 n=20000 impossible_counts=1 coverage=1.00
                error_budget_consumed_ratio up maintenance 0 n=20000 impossible_counts=1 coverage=1.00
                error_budget_consumed_ratio up unattributed 1000 n=20000 impossible_counts=1 coverage=1.00
                slo_low_traffic up 0 n=1 impossible_counts=1 coverage=1.00
                slo_window_coverage_ratio up 1 n=1 impossible_counts=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn of_a_ratio_there_is_the_average_of_the_slices() {
        let story = "service web\nslo up of web objective 0.9 ratios
             as_of 02T00:00
             01T00:00 hour up for 24 bad:0.6 total:12 valid:12 met:10";
        expect![[r#"
            slo_compliance_ratio up ratios 0.95 n=288 coverage=1.00
            slo_compliance_ratio up slices 0.8333 n=288 numerator=240 coverage=1.00
            error_budget_remaining_ratio up 0.5 n=288 coverage=1.00
            error_budget_consumed_ratio up deployment 0 n=288 coverage=1.00
            error_budget_consumed_ratio up maintenance 0 n=288 coverage=1.00
            error_budget_consumed_ratio up unattributed 0.5 n=288 coverage=1.00
            slo_window_coverage_ratio up 1 n=1 coverage=1.00
        "#]]
        .assert_eq(&Story::told(story).readings(&KPI, "org 01T00:00..02T00:00"));
    }

    #[test]
    fn slices_of_another_objective_are_unknown() {
        let story = "05T10:00 hour up bad:0 total:20000 valid:12 met<=0.01:12
             05T11:00 hour up bad:40 total:20000 valid:12 met:6";
        check(
            "org 05T10:00..05T12:00",
            story,
            expect![[r#"
                slo_compliance_ratio up events 0.999 n=40000 numerator=39960 coverage=1.00
                slo_compliance_ratio up slices 0.5 n=12 numerator=6 another_slice_target=1 coverage=1.00
                error_budget_remaining_ratio up 0 n=40000 coverage=1.00
                error_budget_consumed_ratio up deployment 0 n=40000 coverage=1.00
                error_budget_consumed_ratio up maintenance 0 n=40000 coverage=1.00
                error_budget_consumed_ratio up unattributed 1 n=40000 coverage=1.00
                slo_low_traffic up 0 n=1 coverage=1.00
                slo_window_coverage_ratio up 1 n=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn a_budget_of_slices_is_unknown_while_some_were_judged_by_another_target() {
        let story = "service web
            slo up of web objective 0.999 slices
            05T10:00 hour up bad:0 total:20000 valid:12 met<=0.01:12
            05T11:00 hour up bad:40 total:20000 valid:12 met:6";
        expect![[r#"
            slo_compliance_ratio up events 0.999 n=40000 numerator=39960 coverage=1.00
            slo_compliance_ratio up slices 0.5 n=12 numerator=6 another_slice_target=1 coverage=1.00
            error_budget_remaining_ratio up - n=0 another_slice_target=1 coverage=1.00
            slo_low_traffic up 0 n=1 coverage=1.00
            slo_window_coverage_ratio up 1 n=1 coverage=1.00
        "#]]
        .assert_eq(&Story::told(story).readings(&KPI, "org 05T10:00..05T12:00"));
    }

    #[test]
    fn a_window_that_begins_before_the_ledger_has_no_value() {
        let hours = "05T10:00 hour up for 4 bad:1 total:20000 valid:12 met:12";
        check(
            "org 05T09:00..05T13:00",
            hours,
            expect![[r#"
                slo_compliance_ratio up events - n=0 coverage=0.75
                slo_compliance_ratio up slices - n=0 coverage=0.75
                error_budget_remaining_ratio up - n=0 coverage=0.75
                slo_window_coverage_ratio up 0.75 n=1 coverage=0.75
            "#]],
        );
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known() {
        let story = "as_of 05T11:30
             05T10:00 hour up bad:0 total:20000 valid:12 met:12
             05T11:00 hour up bad:20000 total:20000 valid:12 met:0";
        check(
            "org 05T10:00..05T12:00",
            story,
            expect![[r#"
                slo_compliance_ratio up events 1 n=20000 numerator=20000 coverage=1.00
                slo_compliance_ratio up slices 1 n=12 numerator=12 coverage=1.00
                error_budget_remaining_ratio up 1 n=20000 coverage=1.00
                error_budget_consumed_ratio up deployment 0 n=20000 coverage=1.00
                error_budget_consumed_ratio up maintenance 0 n=20000 coverage=1.00
                error_budget_consumed_ratio up unattributed 0 n=20000 coverage=1.00
                slo_low_traffic up 0 n=1 coverage=1.00
                slo_window_coverage_ratio up 1 n=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn a_running_calendar_window_has_the_budget_so_far_and_that_of_the_whole() {
        let story = Story::told(&format!(
            "{UP}as_of 11T00:00
             02-01T00:00 hour up for 912 bad:3 total:1000 valid:12 met:12"
        ));
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let budgets = |name: &str| {
            let cut = Window::parse(name).unwrap().cut(story.as_of, &story.params.calendar);
            let slice = Slice {
                window: cut.span,
                as_of: story.as_of,
                calendar: cut.kind,
                view: &view,
                scope: Scope::Org,
            };
            let readings = of(&story.params.slos[0], &slice);
            let value = |family: &str| {
                readings.iter().find(|it| it.family == family).and_then(|it| it.value)
            };
            (value(REMAINING), value(PROJECTED))
        };
        // Three times too fast: after 10 of 31 days nearly the whole month's budget is gone.
        let (so_far, whole) = budgets("month");
        assert!((so_far.unwrap() + 2.0).abs() < 1e-9);
        assert!((whole.unwrap() - (1.0 - 3.0 * 10.0 / 31.0)).abs() < 1e-9);
        assert_eq!(budgets("30d").1, None, "a rolling window is never over");
        assert_eq!(budgets("month:2026-02").1, None, "and neither is what is over");
    }

    #[test]
    fn at_the_edge_of_a_month_the_budget_begins_at_100_percent() {
        let story = Story::told(&format!(
            "{UP}as_of 01T01:00
             02-20T00:00 hour up for 217 bad:9 total:1000 valid:12 met:12"
        ));
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let cut = Window::parse("month").unwrap().cut(story.as_of, &story.params.calendar);
        let slice = Slice {
            window: cut.span,
            as_of: story.as_of,
            calendar: cut.kind,
            view: &view,
            scope: Scope::Org,
        };
        let readings = of(&story.params.slos[0], &slice);
        let whole = readings.iter().find(|it| it.family == PROJECTED).unwrap().value.unwrap();
        assert!((whole - (1.0 - 9.0 / (31.0 * 24.0))).abs() < 1e-9, "{whole}");
    }

    #[test]
    fn every_scope_has_its_own() {
        let story = Story::told(
            "service web team shop
             service api team core
             slo up of web objective 0.99
             slo fast of api objective 0.9 slices
             slo nobodys objective 0.9
             05T10:00 hour up bad:1 total:20000 valid:12 met:12
             05T10:00 hour fast bad:1 total:20000 valid:12 met:12
             05T10:00 hour nobodys bad:1 total:20000 valid:12 met:12",
        );
        let slos = |scope: &str| {
            let readings = story.readings(&KPI, &format!("{scope} 05T10:00..05T11:00"));
            let lines = readings.lines().filter(|it| it.contains(" events "));
            lines.map(|it| it.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(slos("org"), ["fast", "nobodys", "up"]);
        assert_eq!(slos("team shop"), ["up"]);
        assert_eq!(slos("service api"), ["fast"]);
    }

    proptest! {
        #[test]
        fn a_calendar_and_a_rolling_window_of_the_same_time_agree(
            hours in prop::collection::vec((-20_i32..50, 1_i32..5_000), 72),
        ) {
            let mut story = UP.to_owned() + "as_of 04T00:00\n";
            for (hour, (bad, total)) in hours.iter().enumerate() {
                let (day, hour, bad) = (1 + hour / 24, hour % 24, bad.min(total));
                story += &format!("{day:02}T{hour:02}:00 hour up bad:{bad} total:{total} valid:12 met:6\n");
            }
            let story = Story::told(&story);
            let timeline = story.timeline();
            let view = story.view(&timeline);
            let span = Span { start: instant("01T00:00"), end: instant("04T00:00") };
            let [month, rolling] = [WindowKind::Month { complete: false }, WindowKind::Rolling].map(|calendar| {
                let slice = Slice { window: span, as_of: story.as_of, calendar, view: &view, scope: Scope::Org };
                of(&story.params.slos[0], &slice)
            });
            for reading in &rolling {
                prop_assert!(month.contains(reading));
                if reading.family == COMPLIANCE {
                    prop_assert!((0.0..=1.0).contains(&reading.value.unwrap()));
                }
            }
        }
    }
}
