use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::KPI;
use crate::kpi::testing::Story;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check(slice: &str, story: &str, readings: Expect) {
    readings.assert_eq(&Story::told(story).readings(&KPI, slice));
}

#[test]
fn without_costs_there_is_nothing() {
    check("org 30d", "service web", expect![[""]]);
}

#[test]
fn it_is_the_ratio_of_the_sums_and_not_the_mean_of_ratios() {
    check(
        "service web 30d",
        "service web
         05T00:00 cost web 10 EUR
         05T00:00 units web request 100
         06T00:00 cost web 10 EUR
         06T00:00 units web request 900",
        expect![[r#"
            unit_cost request EUR 0.02 n=2 coverage=1.00
        "#]],
    );
}

#[test]
fn only_days_of_which_both_are_known_count() {
    check(
        "org 30d",
        "service web
         05T00:00 cost web 10 EUR
         05T00:00 units web request 100
         06T00:00 cost web 1000 EUR
         07T00:00 units web request 100000",
        expect![[r#"
            unit_cost request EUR 0.1 n=1 no_cost=1 no_units=1 coverage=0.33
            unit_cost_unallocated_ratio EUR 0 n=2
        "#]],
    );
}

#[test]
fn only_complete_days_count() {
    let story = |as_of: &str| {
        Story::told(&format!(
            "service web
             05T00:00 cost web 10 EUR
             05T00:00 units web request 100
             06T00:00 cost web 1 EUR
             06T00:00 units web request 50
             as_of {as_of}"
        ))
        .readings(&KPI, "service web 30d")
    };
    expect![[r#"
        unit_cost request EUR 0.1 n=1 coverage=1.00
    "#]]
    .assert_eq(&story("06T23:59:59"));
    expect![[r#"
        unit_cost request EUR 0.0733 n=2 coverage=1.00
    "#]]
    .assert_eq(&story("07T00:00"));
}

#[test]
fn a_day_is_in_the_window_that_holds_its_start() {
    check(
        "service web 05T00:00..06T00:00",
        "service web
         04T00:00 cost web 1 EUR
         04T00:00 units web request 1
         05T00:00 cost web 10 EUR
         05T00:00 units web request 100
         06T00:00 cost web 1 EUR
         06T00:00 units web request 1",
        expect![[r#"
            unit_cost request EUR 0.1 n=1 coverage=1.00
        "#]],
    );
}

#[test]
fn more_than_one_currency_is_an_error_and_has_no_value() {
    let story = Story::told(
        "service web
         service pay
         05T00:00 cost web 10 EUR
         05T00:00 units web request 100
         05T00:00 cost pay 10 USD
         05T00:00 units pay request 100
         06T00:00 cost pay 10 USD
         06T00:00 cost pay 1 EUR
         06T00:00 units pay request 100",
    );
    expect![[r#"
        unit_cost request mixed - n=0 mixed_currencies=3 coverage=0.67
    "#]]
    .assert_eq(&story.readings(&KPI, "org 30d"));
    expect![[r#"
        unit_cost request EUR 0.1 n=1 coverage=1.00
    "#]]
    .assert_eq(&story.readings(&KPI, "service web 30d"));
    expect![[r#"
        unit_cost request mixed - n=0 mixed_currencies=2 coverage=0.50
    "#]]
    .assert_eq(&story.readings(&KPI, "service pay 30d"));
    expect![[r#"
        unit_cost request USD 0.1 n=1 coverage=1.00
    "#]]
    .assert_eq(&story.readings(&KPI, "service pay 05T00:00..06T00:00"));
}

#[test]
fn every_unit_of_demand_has_its_own_cost() {
    check(
        "org 30d",
        "service web
         05T00:00 cost web 10 EUR
         05T00:00 units web request 100
         05T00:00 units web customer 4",
        expect![[r#"
            unit_cost customer EUR 2.5 n=1 coverage=1.00
            unit_cost request EUR 0.1 n=1 coverage=1.00
            unit_cost_unallocated_ratio EUR 0 n=1
        "#]],
    );
}

#[test]
fn cost_of_no_known_service_is_unallocated() {
    let story = Story::told(
        "service web
         05T00:00 cost web 60 EUR
         05T00:00 units web request 100
         05T00:00 units web customer 4
         05T00:00 cost - 30 EUR
         05T00:00 cost unheard-of 10 EUR",
    );
    expect![[r#"
        unit_cost customer EUR 15 n=1 coverage=1.00
        unit_cost request EUR 0.6 n=1 coverage=1.00
        unit_cost_unallocated_ratio EUR 0.4 n=2
    "#]]
    .assert_eq(&story.readings(&KPI, "org 30d"));
    expect![[r#"
        - 2026-03-05 excluded unallocated cost=40 currency=EUR
        web 2026-03-05 customer counted 05T00:00 cost=60 units=4 currency=EUR per=customer
        web 2026-03-05 request counted 05T00:00 cost=60 units=100 currency=EUR per=request
    "#]]
    .assert_eq(&story.items(&KPI, "org"));
    expect![[r#"
        web 2026-03-05 customer counted 05T00:00 cost=60 units=4 currency=EUR per=customer
        web 2026-03-05 request counted 05T00:00 cost=60 units=100 currency=EUR per=request
    "#]]
    .assert_eq(&story.items(&KPI, "service web"));
}

#[test]
fn a_tag_may_be_an_alias_and_capitals_make_no_difference() {
    check(
        "service web 30d",
        "service web aliases shop-prod
         05T00:00 cost SHOP-prod 10 EUR
         05T00:00 cost Web 5 EUR
         05T00:00 units WEB request 100",
        expect![[r#"
            unit_cost request EUR 0.15 n=1 coverage=1.00
        "#]],
    );
}

#[test]
fn corrections_lower_a_cost() {
    check(
        "service web 30d",
        "service web aliases web-corrections
         05T00:00 cost web 10 EUR
         05T00:00 cost web-corrections -4 EUR
         05T00:00 units web request 100",
        expect![[r#"
            unit_cost request EUR 0.06 n=1 coverage=1.00
        "#]],
    );
}

#[test]
fn where_corrections_outweigh_what_was_allocated_there_is_no_share() {
    check(
        "org 30d",
        "service web
         05T00:00 cost web -10 EUR
         05T00:00 units web request 100
         05T00:00 cost - 30 EUR",
        expect![[r#"
            unit_cost request EUR -0.1 n=1 coverage=1.00
            unit_cost_unallocated_ratio EUR - n=2
        "#]],
    );
}

#[test]
fn days_without_demand_have_no_cost_of_a_unit() {
    check(
        "service web 30d",
        "service web
         05T00:00 cost web 10 EUR
         05T00:00 units web request 0",
        expect![[r#"
            unit_cost request EUR - n=1 coverage=1.00
        "#]],
    );
}

#[test]
fn the_daily_costs_are_compared_with_those_of_the_baseline() {
    let change = |factor: f64, currency: &str| {
        let mut story = "service web\nbaseline 01-01T00:00 02-01T00:00\n".to_owned();
        for day in 1..=28 {
            let then = 100.0 + f64::from(day);
            let now = then * factor;
            writeln!(story, "01-{day:02}T00:00 cost web {then} EUR").unwrap();
            writeln!(story, "01-{day:02}T00:00 units web request 1000000").unwrap();
            writeln!(story, "{day:02}T00:00 cost web {now} {currency}").unwrap();
            writeln!(story, "{day:02}T00:00 units web request 1000000").unwrap();
        }
        // Of a day that a correction made negative there is no ratio to any other.
        writeln!(story, "29T00:00 cost web -5 {currency}").unwrap();
        writeln!(story, "29T00:00 units web request 1000000").unwrap();
        let story = Story::told(&story);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let items = (KPI.assess)(&view);
        let slice = crate::kpi::Slice {
            scope: crate::kpi::Scope::Org,
            window: crate::kpi::Span {
                start: crate::kpi::testing::instant("01T00:00"),
                end: story.as_of,
            },
            as_of: story.as_of,
            calendar: crate::kpi::WindowKind::Rolling,
            view: &view,
        };
        let items: Vec<_> = items.iter().collect();
        (KPI.measure)(&items, &slice).remove(0).change
    };
    let cheaper = change(0.8, "EUR").expect("both are known");
    assert!(
        (cheaper.value.unwrap() - 0.8).abs() < 1e-9,
        "{cheaper:?}: not 0.8001, as with 1 added"
    );
    assert_eq!(cheaper.n, 28);
    assert!(change(0.8, "USD").is_none(), "another currency is another yardstick");
}
