//! While what a budget burnt.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::kpi::ledger_items::Subject;
use crate::kpi::testing::{Story, described, instant};

/// A day of quiet before each story: 10 in 100,000 are bad every hour, of 100 that may be.
const WEB: &str = "service web incidents PWEB
    slo up of web objective 0.999
    as_of 10T00:00
    01T00:00 hour up for 216 bad:10 total:100000 valid:12 met:12
    ";

/// What burnt in the first nine days of March, and while what.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check(story: &str, items: Expect) {
    items.assert_eq(&burnt(&Story::told(&format!("{WEB}{story}"))));
}

fn burnt(story: &Story) -> String {
    let timeline = story.timeline();
    let view = story.view(&timeline);
    let slo = &story.params.slos[0];
    let window = Span { start: instant("01T00:00"), end: instant("10T00:00") };
    let events = Subject::Slo(slo).ledger(&view).events(window, &slo.slice_allowed.to_string());
    let lines = items(slo, &view, window, &slo.budgeted(&events)).into_iter().map(|item| {
        let values: f64 = item.values.iter().map(|(_, value)| value).sum();
        assert!(values >= 0.0);
        format!("{}\n", described(&item))
    });
    lines.collect()
}

#[test]
fn what_is_usual_is_of_nobody() {
    check(
        "05T10:30 deploy web c1 id 7",
        expect![[r#"
        up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
    "#]],
    );
}

#[test]
fn an_incident_burns_what_is_above_the_usual() {
    check(
        "05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T10:05 incident i1 P2
         05T11:30 resolve i1",
        expect![[r#"
            up: burnt while i1 counted 05T12:00 consumed=0.463 share of the budget=46.30 % bad events=10000 cause=incident rule=it was open confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn an_incident_began_with_the_unbroken_run_of_burning_hours_before_its_detection() {
    check(
        "05T07:00 hour up bad:5010 total:100000 valid:12 met:0
         05T09:00 hour up for 3 bad:5010 total:100000 valid:12 met:0
         05T11:05 incident i1 P2
         05T11:30 resolve i1",
        expect![[r#"
            up: burnt while i1 counted 05T12:00 consumed=0.6819 share of the budget=68.19 % bad events=14730 cause=incident rule=it was open confidence=medium usual share of bad events=0.1000 %
            up: unattributed counted 10T00:00 consumed=0.344 share of the budget=34.40 % bad events=7430 cause=unattributed
        "#]],
    );
}

#[test]
fn an_incident_began_when_its_field_says() {
    check(
        "05T09:00 hour up for 3 bad:5010 total:100000 valid:12 met:0
         05T11:05 incident i1 P2
         06T09:00 field i1 fault_started_at 2026-03-05T10:40:00Z
         05T11:30 resolve i1",
        expect![[r#"
            up: burnt while i1 counted 05T12:00 consumed=0.4546 share of the budget=45.46 % bad events=9820 cause=incident rule=it was open confidence=high usual share of bad events=0.1000 %
            up: unattributed counted 10T00:00 consumed=0.3398 share of the budget=33.98 % bad events=7340 cause=unattributed
        "#]],
    );
}

#[test]
fn an_incident_that_is_linked_to_a_deployment_is_the_deployments() {
    check(
        "05T10:30 deploy web c1 id 7
         05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T11:05 incident i1 P2
         05T11:20 note i1 naming deployment:7
         05T11:30 resolve i1",
        expect![[r#"
            up: burnt while web:7 counted 05T12:00 consumed=0.463 share of the budget=46.30 % bad events=10000 cause=deployment rule=an incident is linked to it(i1) confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_link_by_proximity_is_less_sure() {
    check(
        "rule proximity 60
         05T10:30 deploy web c1 id 7
         05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T11:05 incident i1 P2
         05T11:30 resolve i1",
        expect![[r#"
            up: burnt while web:7 counted 05T12:00 consumed=0.463 share of the budget=46.30 % bad events=10000 cause=deployment rule=an incident is linked to it(i1) confidence=medium usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn incidents_of_other_services_and_noise_burn_nothing() {
    check(
        "service api incidents PAPI
         05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T10:05 incident i1 P2 on PAPI
         05T10:05 incident i2 P2
         05T12:05 resolve i2 by timeout",
        expect![[r#"
            up: unattributed counted 10T00:00 consumed=0.563 share of the budget=56.30 % bad events=12160 cause=unattributed
        "#]],
    );
}

#[test]
fn an_open_incident_burns_until_now() {
    check(
        "09T20:00 hour up for 4 bad:5010 total:100000 valid:12 met:0
         09T20:05 incident i1 P2",
        expect![[r#"
            up: burnt while i1 counted 10T00:00 consumed=0.9259 share of the budget=92.59 % bad events=20000 cause=incident rule=it was open confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn of_incidents_in_one_hour_the_one_that_had_most_of_it() {
    check(
        "05T10:00 hour up bad:5010 total:100000 valid:12 met:0
         05T10:00 incident i1 P2
         05T10:15 resolve i1
         05T10:20 incident i2 P2
         05T10:55 resolve i2",
        expect![[r#"
            up: burnt while i2 counted 05T11:00 consumed=0.2315 share of the budget=23.15 % bad events=5000 cause=incident rule=it was open confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_deployment_burns_what_rose_after_it() {
    check(
        "05T10:20 deploy web c1 id 7
         05T10:00 hour up bad:2010 total:100000 valid:12 met:0
         05T11:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T13:00 hour up bad:11 total:100000 valid:12 met:12",
        expect![[r#"
            up: burnt while web:7 counted 05T13:00 consumed=0.5556 share of the budget=55.56 % bad events=12000 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2161 cause=unattributed
        "#]],
    );
}

#[test]
fn a_rise_long_after_a_deployment_is_less_sure_and_after_a_day_none() {
    check(
        "04T10:20 deploy web c1 id 7
         04T20:00 hour up bad:60 total:100000 valid:12 met:12
         06T10:20 deploy web c2 id 8
         07T11:00 hour up bad:5010 total:100000 valid:12 met:0",
        expect![[r#"
            up: burnt while web:7 counted 04T21:00 consumed=0.0023 share of the budget=0.23 % bad events=50 cause=deployment rule=the share of bad events rose after it confidence=low usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.3315 share of the budget=33.15 % bad events=7160 cause=unattributed
        "#]],
    );
}

#[test]
fn what_rises_again_after_more_than_two_hours_is_of_nobody() {
    check(
        "05T10:20 deploy web c1 id 7
         05T11:00 hour up bad:5010 total:100000 valid:12 met:0
         05T14:00 hour up bad:5010 total:100000 valid:12 met:0
         05T18:00 hour up bad:5010 total:100000 valid:12 met:0",
        expect![[r#"
            up: burnt while web:7 counted 05T15:00 consumed=0.463 share of the budget=46.30 % bad events=10000 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.3315 share of the budget=33.15 % bad events=7160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_small_rise_at_once_is_fairly_sure() {
    check(
        "05T10:20 deploy web c1 id 7
         05T11:00 hour up bad:60 total:100000 valid:12 met:12",
        expect![[r#"
            up: burnt while web:7 counted 05T12:00 consumed=0.0023 share of the budget=0.23 % bad events=50 cause=deployment rule=the share of bad events rose after it confidence=medium usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_few_bad_events_more_are_no_change() {
    check(
        "05T10:20 deploy web c1 id 7
         05T11:00 hour up bad:19 total:100000 valid:12 met:12
         06T10:20 deploy web c2 id 8
         06T11:00 hour up bad:9 total:100 valid:12 met:0",
        expect![[r#"
            up: unattributed counted 10T00:00 consumed=0.1008 share of the budget=10.08 % bad events=2168 cause=unattributed
        "#]],
    );
}

#[test]
fn the_deployment_that_repairs_is_not_the_one_that_broke() {
    check(
        "05T10:20 deploy web c1 id 7
         05T11:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T13:00 hour up bad:2510 total:100000 valid:12 met:6
         05T13:30 deploy web c2 id 8",
        expect![[r#"
            up: burnt while web:7 counted 05T14:00 consumed=0.5787 share of the budget=57.87 % bad events=12500 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_repair_without_an_earlier_deployment_did_not_break_either() {
    check(
        "05T10:00 hour up bad:5010 total:100000 valid:12 met:0
         05T10:50 deploy web c2 id 8",
        expect![[r#"
            up: unattributed counted 10T00:00 consumed=0.3315 share of the budget=33.15 % bad events=7160 cause=unattributed
        "#]],
    );
}

#[test]
fn two_deployments_in_the_hour_of_the_rise_make_it_unsure() {
    check(
        "05T10:10 deploy web c1 id 7
         05T10:25 deploy web c2 id 8
         05T10:00 hour up for 2 bad:5010 total:100000 valid:12 met:0",
        expect![[r#"
            up: burnt while web:7 counted 05T12:00 consumed=0.463 share of the budget=46.30 % bad events=10000 cause=deployment rule=the share of bad events rose after it confidence=low usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn a_second_rise_is_of_the_second_deployment() {
    check(
        "05T10:10 deploy web c1 id 7
         05T10:00 hour up for 5 bad:510 total:100000 valid:12 met:0
         05T13:10 deploy web c2 id 8
         05T14:00 hour up for 2 bad:50010 total:100000 valid:12 met:0",
        expect![[r#"
            up: burnt while web:7 counted 05T14:00 consumed=0.0926 share of the budget=9.26 % bad events=2000 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
            up: burnt while web:8 counted 05T16:00 consumed=4.6238 share of the budget=462.38 % bad events=99875 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0725 %
            up: unattributed counted 10T00:00 consumed=0.1058 share of the budget=10.58 % bad events=2285 cause=unattributed
        "#]],
    );
}

#[test]
fn maintenance_burns_what_no_deployment_does() {
    check(
        "maintenance move from 05T12:00 to 05T14:00 of web
         maintenance all from 06T12:00 to 06T13:00
         05T10:20 deploy web c1 id 7
         05T11:00 hour up for 2 bad:5010 total:100000 valid:12 met:0
         05T13:00 hour up bad:510 total:100000 valid:12 met:0
         06T12:00 hour up bad:510 total:100000 valid:12 met:0",
        expect![[r#"
            up: burnt while web:7 counted 05T14:00 consumed=0.4861 share of the budget=48.61 % bad events=10500 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
            up: burnt while all counted 06T13:00 consumed=0.0231 share of the budget=2.31 % bad events=500 cause=maintenance rule=it was planned confidence=high usual share of bad events=0.0100 %
            up: unattributed counted 10T00:00 consumed=0.1 share of the budget=10.00 % bad events=2160 cause=unattributed
        "#]],
    );
}

#[test]
fn without_a_day_before_it_is_usual_what_is_allowed() {
    let story = Story::told(
        "service web incidents PWEB
         slo up of web objective 0.999
         as_of 10T00:00
         05T10:00 hour up for 2 bad:5000 total:100000 valid:12 met:0
         05T09:50 deploy web c1 id 7
         05T10:05 incident i1 P2
         05T10:55 resolve i1",
    );
    expect![[r#"
        up: burnt while i1 counted 05T11:00 consumed=24.5 share of the budget=2450.00 % bad events=4900 cause=incident rule=it was open confidence=high usual share of bad events=0.1000 %
        up: unattributed counted 10T00:00 consumed=25.5 share of the budget=2550.00 % bad events=5100 cause=unattributed
    "#]].assert_eq(&burnt(&story));
}

#[test]
fn a_budget_of_slices_burns_by_slices() {
    let story = Story::told(
        "service web incidents PWEB
         slo up of web objective 0.9 slices
         as_of 10T00:00
         04T00:00 hour up for 72 bad:0 total:1000 valid:12 met:12
         05T10:20 deploy web c1 id 7
         05T11:00 hour up for 2 bad:900 total:1000 valid:12 met:2",
    );
    expect![[r#"
        up: burnt while web:7 counted 05T13:00 consumed=0.2315 share of the budget=23.15 % bad slices=20 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0000 %
    "#]].assert_eq(&burnt(&story));
}

/// A fifth of each slice is bad: two and a half shares of an hour, and twelve bad slices.
#[test]
fn a_ratio_rises_with_its_bad_slices() {
    let story = Story::told(
        "service web
         slo up of web objective 0.99 ratios
         as_of 06T00:00
         04T00:00 hour up for 48 bad:0.01 total:12 valid:12 met:12
         05T10:10 deploy web c1 id 7
         05T11:00 hour up for 13 bad:2.4 total:12 valid:12 met:0",
    );
    expect![[r#"
        up: burnt while web:7 counted 06T00:00 consumed=5.3941 share of the budget=539.41 % bad shares of slices=31.07 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0833 %
        up: unattributed counted 10T00:00 consumed=0.0833 share of the budget=8.33 % bad shares of slices=0.48 cause=unattributed
    "#]].assert_eq(&burnt(&story));
}

#[test]
fn the_budget_of_nobodys_service_is_all_unattributed() {
    let story = Story::told(
        "service web incidents PWEB
         slo up objective 0.999
         as_of 10T00:00
         05T10:00 hour up bad:5000 total:100000 valid:12 met:0
         05T10:05 incident i1 P2",
    );
    expect![[r#"
        up: unattributed counted 10T00:00 consumed=50 share of the budget=5000.00 % bad events=5000 cause=unattributed
    "#]].assert_eq(&burnt(&story));
}

/// Hours that swing by some 200 in 100,000 about 10, for nine days.
fn swinging() -> String {
    let mut story = WEB.to_owned();
    let swings = [-200, -150, -100, -50, 50, 100, 150, 280];
    for (hour, bad) in (0..216).zip(swings.into_iter().cycle()) {
        let at = crate::kpi::testing::told(instant("01T00:00") + chrono::TimeDelta::hours(hour));
        story += &format!("{at} hour up bad:{bad} total:100000 valid:12 met:12\n    ");
    }
    story
}

#[test]
fn nobody_is_blamed_for_a_swing() {
    let mut deployments = String::new();
    for day in 2..=9 {
        deployments += &format!("{day:02}T10:20 deploy web c{day} id {day}\n");
    }
    let story = Story::told(&format!(
        "{}maintenance move from 07T00:00 to 08T00:00\n05T10:00 incident i1 P2\n06T20:00 resolve i1\n{deployments}",
        swinging()
    ));
    expect![[r#"
        up: burnt while i1 counted 06T20:00 consumed=0.0005 share of the budget=0.05 % bad events=10 cause=incident rule=it was open confidence=high usual share of bad events=0.0100 %
        up: unattributed counted 10T00:00 consumed=0.0995 share of the budget=9.95 % bad events=2150 cause=unattributed
    "#]].assert_eq(&burnt(&story));
}

#[test]
fn what_rises_above_every_swing_is_of_its_deployment() {
    let story = Story::told(&format!(
        "{}05T10:20 deploy web c1 id 7
        05T11:00 hour up bad:5010 total:100000 valid:12 met:0
        06T10:20 deploy web c2 id 8
        06T11:00 hour up bad:399 total:100000 valid:12 met:0",
        swinging()
    ));
    expect![[r#"
        up: burnt while web:7 counted 05T12:00 consumed=0.2315 share of the budget=23.15 % bad events=5000 cause=deployment rule=the share of bad events rose after it confidence=high usual share of bad events=0.0100 %
        up: unattributed counted 10T00:00 consumed=0.1236 share of the budget=12.36 % bad events=2669 cause=unattributed
    "#]].assert_eq(&burnt(&story));
}

/// Of a hundred events at night one too few is bad, and one hour of the day is said to have had 900 too
/// few: neither says that what is counted swings by so much.
#[test]
fn a_few_events_too_few_and_a_single_hour_are_no_swing() {
    let broken = |before: &str| {
        let story = format!(
            "{WEB}{before} valid:12 met:12
            05T10:20 deploy web c1 id 7
            05T11:00 hour up for 13 bad:1500 total:100000 valid:12 met:0"
        );
        burnt(&Story::told(&story)).lines().next().unwrap_or_default().to_owned()
    };
    for before in
        ["05T00:00 hour up for 6 bad:-1 total:100", "05T03:00 hour up bad:-900 total:100000"]
    {
        let first = broken(before);
        assert!(first.starts_with("up: burnt while web:7"), "{before}: {first}");
    }
    let first = broken("05T03:00 hour up for 2 bad:-900 total:100000");
    assert!(first.starts_with("up: unattributed"), "{first}");
}

#[test]
fn what_no_hour_of_its_own_makes_up_for_is_taken_off_all_parts_alike() {
    let story = Story::told(&format!(
        "{}05T10:00 hour up bad:6000 total:100000 valid:12 met:0
        05T10:05 incident i1 P2
        05T10:55 resolve i1
        06T10:00 hour up for 2 bad:9000 total:100000 valid:12 met:0
        06T10:05 incident i2 P2
        06T12:55 resolve i2",
        WEB.replace("bad:10", "bad:-50")
    ));
    expect![[r#"
        up: burnt while i1 counted 05T11:00 consumed=0.2315 share of the budget=23.15 % bad events=5000 other hours make up for=1000 cause=incident rule=it was open confidence=high usual share of bad events=0.0000 %
        up: burnt while i2 counted 06T13:00 consumed=0.7407 share of the budget=74.07 % bad events=16000 other hours make up for=1950 cause=incident rule=it was open confidence=high usual share of bad events=0.0000 %
    "#]].assert_eq(&burnt(&story));
}

/// Bad events or slices of each hour, incidents and deployments by their minutes since the 1st.
fn world() -> impl Strategy<Value = String> {
    let minute = || 0_i64..(5 * 24 * 60);
    let hours = prop::collection::vec((-300_i32..400, 0_u32..=12, prop::bool::weighted(0.2)), 120);
    let method = prop::sample::select(vec!["", "slices", "ratios"]);
    let incidents =
        prop::collection::vec((minute(), 1_i64..600, prop::option::of(0_usize..6)), 0..5);
    let deployments = prop::collection::vec(minute(), 0..6);
    let maintenance = prop::collection::vec((minute(), 1_i64..600), 0..3);
    (hours, method, incidents, deployments, maintenance).prop_map(
        |(hours, method, incidents, deployments, planned)| {
            let at = |minute: i64| {
                crate::kpi::testing::told(instant("01T00:00") + chrono::TimeDelta::minutes(minute))
            };
            let mut story = format!(
                "service web incidents PWEB
                slo up of web objective 0.999 {method}
                as_of 06T00:00
                rule proximity 30\n"
            );
            for (hour, (bad, met, outage)) in (0..).zip(&hours) {
                let bad = if *outage { bad.abs() * 100 } else { *bad };
                let counted = match method {
                    "ratios" => format!("bad:{} total:12", f64::from(bad) * 12.0 / 100_000.0),
                    _ => format!("bad:{bad} total:100000"),
                };
                story += &format!("{} hour up {counted} valid:12 met:{met}\n", at(hour * 60));
            }
            for (n, minute) in deployments.iter().enumerate() {
                story += &format!("{} deploy web d{n} id {n}\n", at(*minute));
            }
            for (n, (minute, length)) in planned.iter().enumerate() {
                story +=
                    &format!("maintenance m{n} from {} to {}\n", at(*minute), at(minute + length));
            }
            for (n, (minute, length, names)) in incidents.iter().enumerate() {
                story += &format!("{} incident i{n} P2\n", at(*minute));
                if let Some(deployment) = names {
                    story +=
                        &format!("{} note i{n} naming deployment:{deployment}\n", at(minute + 1));
                }
                story += &format!("{} resolve i{n}\n", at(minute + length));
            }
            story
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_parts_are_the_whole(story in world(), start in 0_i64..96, length in 1_i64..96) {
        let story = Story::told(&story);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let slo = &story.params.slos[0];
        let start = instant("01T00:00") + chrono::TimeDelta::hours(start);
        let window = Span { start, end: start + chrono::TimeDelta::hours(length) };
        let ledger = Subject::Slo(slo).ledger(&view);
        let counted = slo.budgeted(&ledger.events(window, &slo.slice_allowed.to_string()));
        let parts = view.burnt(slo).unwrap().by_cause(window, counted.net());
        let sum: f64 = parts.iter().map(|(_, part)| part).sum();
        let bad = counted.net();
        prop_assert!((sum - bad).abs() <= 1e-9 * bad.max(1.0), "{parts:?} of {bad}");
        prop_assert!(parts.iter().all(|(_, part)| *part >= 0.0), "{parts:?}");
        let consumed: f64 = items(slo, &view, window, &counted)
            .iter()
            .flat_map(|item| &item.values)
            .map(|(_, value)| value)
            .sum();
        let burn = counted.burn(slo.allowed).unwrap_or_default();
        prop_assert!((consumed - burn).abs() <= 1e-9 * burn.max(1.0), "{consumed} is not {burn}");
    }
}
