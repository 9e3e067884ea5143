//! What is counted may swing about nothing: a ratio about 1, or a total less what was good of it, where
//! the two are not read at the same time. What an hour has too little the next one has too much, so
//! windows say what was bad, and no hour's swing is credit.
//!
//! `tests/it/rules/truth.rs` tells Prometheus the first two stories.

use chrono::TimeDelta;
use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::kpi::ledger_items::{Subject, unfold};
use crate::kpi::testing::{Story, described, instant, told};
use crate::kpi::{Kpi, Scope, Window, error_budget_burn, slo_compliance};

/// An SLO, and its hours from the first of March on, one after the other and over again.
fn story(slo: &str, count: usize, hours: &[&str]) -> String {
    let mut story = format!("service web incidents PWEB\n{slo}\n");
    for (at, hour) in hours.iter().cycle().take(count).enumerate() {
        let at = instant("01T00:00") + TimeDelta::hours(i64::try_from(at).unwrap());
        story += &format!("{} hour up {hour}\n", told(at));
    }
    story
}

fn value(story: &Story, (kpi, slice): (&'static Kpi, &str), what: &str) -> f64 {
    let line = story.reading(kpi, slice, what);
    let value = line.strip_prefix(what).unwrap_or_else(|| panic!("no {what} in {line}"));
    value.trim_start().split(' ').next().unwrap().parse().unwrap()
}

/// Shares of -0.2 % and 0.216 %: on average 0.008 %, which is 8 % of a budget of 0.1 %. Hours that are
/// cut off at nothing say 108 %.
#[test]
fn of_a_ratio_that_swings_about_1_what_it_is_on_average_is_gone() {
    let hours = ["bad:-0.024 total:12 valid:12 met:12", "bad:0.02592 total:12 valid:12 met:0"];
    let slo = "slo up of web objective 0.999 ratios\nas_of 31T00:00";
    let story = Story::told(&story(slo, 720, &hours));
    expect![[r#"
        slo_compliance_ratio up ratios 0.9999 n=8640 coverage=1.00
        slo_compliance_ratio up slices 0.5 n=8640 numerator=4320 coverage=1.00
        error_budget_remaining_ratio up 0.92 n=8640 coverage=1.00
        error_budget_consumed_ratio up deployment 0 n=8640 coverage=1.00
        error_budget_consumed_ratio up incident 0 n=8640 coverage=1.00
        error_budget_consumed_ratio up maintenance 0 n=8640 coverage=1.00
        error_budget_consumed_ratio up unattributed 0.08 n=8640 coverage=1.00
        slo_window_coverage_ratio up 1 n=1 coverage=1.00
    "#]]
    .assert_eq(&story.readings(&slo_compliance::KPI, "org 01T00:00..31T00:00"));
    let burn = |window: &str| {
        let what = format!("error_budget_burn_ratio up {window}");
        value(&story, (&error_budget_burn::KPI, "org 30d"), &what)
    };
    assert_eq!((burn("7d"), burn("30d")), (0.08, 0.08));
}

/// 60,000 events an hour. For two hours 300 too many of them are said to be good, then 1,800 are bad: of
/// all 1.25 %. Hours that are cut off at nothing say 1.5 %.
#[test]
fn a_total_less_what_was_good_is_right_for_the_window() {
    let [few, many] = ["bad:-300 total:60000", "bad:1800 total:60000"];
    let hours = [few, few, many, many];
    let story = Story::told(&story("slo up of web objective 0.99", 4, &hours));
    let events = |slice: &str| {
        story.reading(
            &slo_compliance::KPI,
            &format!("org {slice}"),
            "slo_compliance_ratio up events",
        )
    };
    expect!["slo_compliance_ratio up events 0.9875 n=240000 numerator=237000 coverage=1.00"]
        .assert_eq(&events("01T00:00..01T04:00"));
    // Of what is only the half with too many good events there is no credit.
    expect!["slo_compliance_ratio up events 1 n=120000 numerator=120000 coverage=1.00"]
        .assert_eq(&events("01T00:00..01T02:00"));
    expect!["slo_compliance_ratio up events 0.97 n=120000 numerator=116400 coverage=1.00"]
        .assert_eq(&events("01T02:00..01T04:00"));
}

/// What the numbers of a story's SLO are made of, as it is explained.
fn explained(story: &Story) -> String {
    let timeline = story.timeline();
    let view = story.view(&timeline);
    let item = Subject::Slo(&story.params.slos[0]).item(&view).expect("hours");
    let cut = Window::parse("30d").unwrap().cut(story.as_of, &story.params.calendar);
    let items = unfold(&view, &item, &cut);
    items.iter().map(|it| described(it) + "\n").collect()
}

#[test]
fn where_no_hour_had_anything_bad_nothing_is_gone() {
    let hours =
        story("slo up of web objective 0.999\nas_of 03T00:00", 48, &["bad:-50 total:60000"]);
    let story = Story::told(&format!("{hours}01T10:00 incident i1 P2\n"));
    expect![[r#"
        slo_compliance_ratio up events 1 n=2880000 numerator=2880000 coverage=1.00
        slo_compliance_ratio up slices - n=0 another_slice_target=48 coverage=1.00
        error_budget_remaining_ratio up 1 n=2880000 coverage=1.00
        error_budget_consumed_ratio up deployment 0 n=2880000 coverage=1.00
        error_budget_consumed_ratio up incident 0 n=2880000 coverage=1.00
        error_budget_consumed_ratio up maintenance 0 n=2880000 coverage=1.00
        error_budget_consumed_ratio up unattributed 0 n=2880000 coverage=1.00
        slo_low_traffic up 0 n=1 coverage=1.00
        slo_window_coverage_ratio up 1 n=1 coverage=1.00
    "#]]
    .assert_eq(&story.readings(&slo_compliance::KPI, "org 01T00:00..03T00:00"));
    expect![[r#"
        up@2026-03-01 counted 02T00:00 bad events=-1200 events=1440000 good slices=0 of 0 hours with less bad than none=24 slices with data=288 of 288
        up@2026-03-02 counted 03T00:00 bad events=-1200 events=1440000 good slices=0 of 0 hours with less bad than none=24 slices with data=288 of 288
    "#]].assert_eq(&explained(&story));
}

#[test]
fn what_is_bad_in_one_hour_and_made_up_for_in_the_others() {
    let hours = story("slo up of web objective 0.99\nas_of 02T00:00", 24, &["bad:-50 total:60000"]);
    let story = Story::told(&format!(
        "{hours}01T10:00 hour up bad:4000 total:60000
         01T10:00 incident i1 P2
         01T11:00 resolve i1"
    ));
    let readings = story.reading(&slo_compliance::KPI, "org 01T00:00..02T00:00", "error_budget_");
    expect![[r#"
        error_budget_remaining_ratio up 0.7639 n=1440000 coverage=1.00
        error_budget_consumed_ratio up deployment 0 n=1440000 coverage=1.00
        error_budget_consumed_ratio up incident 0.2361 n=1440000 coverage=1.00
        error_budget_consumed_ratio up maintenance 0 n=1440000 coverage=1.00
        error_budget_consumed_ratio up unattributed 0 n=1440000 coverage=1.00"#]]
    .assert_eq(&readings);
    expect![[r#"
        up@2026-03-01 counted 02T00:00 bad events=2850 events=1440000 good slices=0 of 0 beyond 1 % of an hour=3400 hours with less bad than none=23 slices with data=288 of 288
        up: burnt while i1 counted 01T11:00 consumed=0.2361 share of the budget=23.61 % bad events=3400 other hours make up for=600 cause=incident rule=it was open confidence=high usual share of bad events=0.0000 %
    "#]].assert_eq(&explained(&story));
}

/// All the time 0.9 % too few are said to be bad, so that something is counted wrong; for six hours all
/// are. That is eight budgets, whatever the other hours say.
#[test]
fn no_outage_is_made_up_for() {
    let hours =
        story("slo up of web objective 0.999\nas_of 31T00:00", 720, &["bad:-540 total:60000"]);
    let story = Story::told(&format!(
        "{hours}20T10:00 hour up for 6 bad:60000 total:60000
         20T10:05 incident i1 P2
         30T10:00 resolve i1"
    ));
    let readings = story.readings(&slo_compliance::KPI, "org 01T00:00..31T00:00");
    expect![[r#"
        slo_compliance_ratio up events 0.9918 n=43200000 numerator=42843600 coverage=1.00
        slo_compliance_ratio up slices - n=0 another_slice_target=720 coverage=1.00
        error_budget_remaining_ratio up -7.25 n=43200000 coverage=1.00
        error_budget_consumed_ratio up deployment 0 n=43200000 coverage=1.00
        error_budget_consumed_ratio up incident 8.25 n=43200000 coverage=1.00
        error_budget_consumed_ratio up maintenance 0 n=43200000 coverage=1.00
        error_budget_consumed_ratio up unattributed 0 n=43200000 coverage=1.00
        slo_low_traffic up 0 n=1 coverage=1.00
        slo_window_coverage_ratio up 1 n=1 coverage=1.00
    "#]]
    .assert_eq(&readings);
    expect![[r#"
        error_budget_burn_ratio up 7d 0 n=10080000 coverage=1.00
        error_budget_burn_ratio up 30d 8.25 n=43200000 coverage=1.00
        error_budget_burn_sustained_seconds up 2 0s n=1"#]]
    .assert_eq(&story.reading(&error_budget_burn::KPI, "org 30d", "error_budget_burn"));
}

/// By more than a hundredth it is no swing: nobody knows what was bad.
#[test]
fn far_below_nothing_is_unknown() {
    let hours = ["bad:-600 total:60000", "bad:1200 total:60000", "bad:-601 total:60000"];
    let story = Story::told(&story("slo up of web objective 0.99", 3, &hours));
    let events = story.reading(
        &slo_compliance::KPI,
        "org 01T00:00..01T03:00",
        "slo_compliance_ratio up events",
    );
    expect!["slo_compliance_ratio up events 0.995 n=120000 numerator=119400 impossible_counts=1 coverage=1.00"].assert_eq(&events);
}

/// Hours that are cut off at nothing burn three times too fast.
#[test]
fn no_run_of_days_burns_because_of_swings() {
    let hours = ["bad:-5 total:1000", "bad:6 total:1000"];
    let story = Story::told(&story("slo up of web objective 0.999\nas_of 31T00:00", 720, &hours));
    let readings = story.reading(&error_budget_burn::KPI, "org 30d", "error_budget_burn");
    expect![[r#"
        error_budget_burn_ratio up 7d 0.5 n=168000 coverage=1.00
        error_budget_burn_ratio up 30d 0.5 n=720000 coverage=1.00
        error_budget_burn_sustained_seconds up 2 0s n=1"#]]
    .assert_eq(&readings);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_gone_is_what_all_hours_say_together(
        hours in prop::collection::vec((0_i32..3_000, -12_i32..=12, prop::bool::weighted(0.05)), 24..120),
        incidents in prop::collection::vec((0_i64..7_200, 1_i64..900), 0..4),
        (start, length) in (0_i64..5_000, 60_i64..5_000),
    ) {
        let mut text = "service web incidents PWEB\nslo up of web objective 0.99\n".to_owned();
        text += "as_of 06T00:00\n02-28T00:00 hour up for 24 bad:0 total:0\n";
        let begin = instant("01T00:00");
        let span = Span {
            start: begin + TimeDelta::minutes(start),
            end: begin + TimeDelta::minutes(start + length),
        };
        // In twentieths of a hundredth of all events, so that no hour is at the edge of what is possible.
        let (mut bad, mut sure, mut total, mut unknown) = (0, 0, 0, 0);
        for (at, (events, swing, outage)) in (0..).zip(&hours) {
            let begins = begin + TimeDelta::hours(at);
            let (events, swing) = (events * 2_000, if *outage { 401 } else { swing * 2 + 1 });
            text += &format!("{} hour up bad:{} total:{events}\n", told(begins), events / 2_000 * swing);
            if !span.contains(begins) {
            } else if swing < -20 && events > 0 {
                unknown += 1;
            } else {
                bad += i64::from(events / 2_000 * swing);
                sure += i64::from(events / 2_000 * (swing - 20).max(0));
                total += i64::from(events);
            }
        }
        for (n, (minute, length)) in incidents.iter().enumerate() {
            let at = |minute: i64| told(begin + TimeDelta::minutes(minute));
            text += &format!("{} incident i{n} P2\n{} resolve i{n}\n", at(*minute), at(minute + length));
        }
        #[expect(clippy::cast_precision_loss, reason = "some hours of some thousand events")]
        let (bad, total) = (bad.max(sure) as f64, total as f64);
        let gone = if total > 0.0 { Some(bad / total / 0.01) } else { None };

        let story = Story::told(&text);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let slo = &story.params.slos[0];
        let slice = Slice {
            window: span, as_of: story.as_of, calendar: WindowKind::Rolling, view: &view, scope: Scope::Org,
        };
        let item = Subject::Slo(slo).item(&view).unwrap();
        let readings = (slo_compliance::KPI.measure)(&[&item], &slice);
        let of = |family: &'static str| readings.iter().filter(move |it| it.family == family);
        let close = |it: f64, other: f64| (it - other).abs() <= 1e-9 * other.abs().max(1.0);
        let remaining = of(REMAINING).next().unwrap();
        prop_assert_eq!(remaining.value.is_some(), gone.is_some());
        prop_assert_eq!(remaining.excluded.iter().map(|(_, hours)| hours).sum::<u64>(), unknown);
        if let Some((left, gone)) = remaining.value.zip(gone) {
            prop_assert!(close(1.0 - left, gone), "{left} is left, and {gone} is gone");
            let parts: Vec<f64> = of(CONSUMED).filter_map(|it| it.value).collect();
            prop_assert!(parts.len() == 4 && parts.iter().all(|it| *it >= 0.0), "{parts:?}");
            prop_assert!(close(parts.iter().sum(), gone), "{parts:?} of {gone}");
        }
    }
}
