//! Shares against ground truth: counts that were written down before, divided.

use super::{
    CHECKOUT, Story, counter, firing, generated, is, is_absent, tell, tell_with_all, that,
};

fn series(code: &str) -> String {
    format!("http_requests_total{{job=\"checkout\",code=\"{code}\"}}")
}

const PERIOD: &str = "slo:sli_error:ratio_rate30d";
const REMAINING: &str = "slo:period_error_budget_remaining:ratio";

/// 12,000 requests a minute in busy hours and 600 in the quiet ones between them, of which one in a
/// hundred fails in every third: an average of shares says that five thirds of the budget are gone, and 84.1 % of it are left.
#[test]
fn uneven_traffic_weighs_as_much_as_it_is() {
    // An hour has twelve steps of five minutes.
    let (busy, quiet) = (12_000.0 * 5.0, 600.0 * 5.0);
    let (mut good, mut bad) = (vec![(12, 0.0)], vec![(12, 0.0)]);
    for pair in 0..9 {
        let failed = if pair % 3 == 0 { quiet * 0.01 } else { 0.0 };
        good.extend([(12, busy), (12, quiet - failed)]);
        bad.extend([(12, 0.0), (12, failed)]);
    }
    let truth = 3.0 * 60.0 * 6.0 / (9.0 * 60.0 * 12_600.0);
    let end = format!("{}m", (12 + 9 * 24) * 5);
    let story = Story {
        every: "5m",
        series: vec![(series("200"), counter(&good)), (series("500"), counter(&bad))],
        holds: vec![
            (end.clone(), is(PERIOD, truth)),
            (end.clone(), is(REMAINING, 1.0 - truth / 0.001)),
            (end, that(&format!("{REMAINING} > bool 0.841"))),
        ],
    };
    tell(&generated(CHECKOUT, 30), &[story]);
}

/// An hour without traffic is 0 / 0, which is no number and spoils every sum that it is in.
#[test]
fn an_idle_hour_leaves_no_hole() {
    let good = counter(&[(10, 0.0), (120, 990.0), (60, 0.0), (60, 1000.0), (10, 0.0)]);
    let bad = counter(&[(10, 0.0), (120, 10.0), (130, 0.0)]);
    // 120 · 10 of 180 · 1000.
    let truth = 1_200.0 / 180_000.0;
    let story = Story {
        every: "1m",
        series: vec![(series("200"), good), (series("500"), bad)],
        holds: vec![
            ("160m".to_owned(), is_absent("slo:sli_error:ratio_rate5m")),
            ("160m".to_owned(), is(PERIOD, 0.01)),
            ("160m".to_owned(), that("slo:sli_coverage:ratio1d > bool 0.98")),
            ("255m".to_owned(), is(PERIOD, truth)),
            ("255m".to_owned(), is(REMAINING, 1.0 - truth / 0.001)),
            ("255m".to_owned(), is("slo:sli_error:ratio_rate6h", truth)),
            ("255m".to_owned(), firing("ticket", "SLOCoverageLow", false)),
        ],
    };
    tell(&generated(CHECKOUT, 30), &[story]);
}

/// A counter of errors begins with the first error.
#[test]
fn a_service_that_never_failed_has_all_its_budget() {
    let windows = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"];
    let mut holds: Vec<_> = windows
        .map(|window| ("60m".to_owned(), is(&format!("slo:sli_error:ratio_rate{window}"), 0.0)))
        .into();
    holds.push(("60m".to_owned(), is(REMAINING, 1.0)));
    holds.push(("60m".to_owned(), is("slo:current_burn_rate:ratio", 0.0)));
    let story =
        Story { every: "1m", series: vec![(series("200"), counter(&[(90, 1000.0)]))], holds };
    let good = "openslo/v1\nkind: SLO\nmetadata: {name: up}\nspec:\n  service: checkout\n  budgetingMethod: Occurrences\n  \
                timeWindow: [{duration: 30d, isRolling: true}]\n  objectives: [{target: 0.999}]\n  indicator:\n    spec:\n      \
                ratioMetric:\n        counter: true\n        \
                good: {metricSource: {spec: {query: 'http_requests_total{code!~\"5..\"}'}}}\n        \
                total: {metricSource: {spec: {query: http_requests_total}}}\n";
    tell(&generated(CHECKOUT, 30), std::slice::from_ref(&story));
    tell(&generated(&format!("apiVersion: {good}"), 30), &[story]);
}

/// What was recorded with other labels, as by another generator, is the same SLO: the 30 days do
/// not begin anew, and the rule does not fail.
#[test]
fn a_changed_label_changes_no_number() {
    let recorded = |name: &str| {
        format!(
            "{name}{{sloth_id=\"checkout-requests-availability\",sloth_service=\"checkout\",\
             sloth_slo=\"requests-availability\",owner=\"before\"}}"
        )
    };
    // An hour with 100 and 5 by the second under other labels, then an hour with 1000 and 1 a minute.
    let story = Story {
        every: "1m",
        series: vec![
            (recorded("slo:sli_total:rate5m"), "100x59 stale".to_owned()),
            (recorded("slo:sli_error:rate5m"), "5x59 stale".to_owned()),
            (recorded("sloth_slo_info"), "1x59 stale".to_owned()),
            (series("200"), format!("_x70 {}", counter(&[(10, 0.0), (60, 999.0), (10, 0.0)]))),
            (series("500"), format!("_x70 {}", counter(&[(10, 0.0), (60, 1.0), (10, 0.0)]))),
        ],
        holds: vec![
            ("150m".to_owned(), is(PERIOD, 301.0 / 7000.0)),
            ("150m".to_owned(), is(REMAINING, 1.0 - 301.0 / 7.0)),
            ("150m".to_owned(), is("sloth_slo_info", 1.0)),
            ("135m".to_owned(), is("slo:sli_error:ratio_rate30m", 0.001)),
        ],
    };
    tell_with_all(&generated(CHECKOUT, 30), &[story]);
}

/// Nothing is allowed to be bad: nothing bad burns nothing, anything bad is infinitely fast.
#[test]
fn an_objective_of_all_has_no_budget_and_no_hole() {
    let rules = generated(&CHECKOUT.replace("objective: 99.9", "objective: 100"), 30);
    let good = (series("200"), counter(&[(90, 1000.0)]));
    let fine = Story {
        every: "1m",
        series: vec![good.clone(), (series("500"), counter(&[(90, 0.0)]))],
        holds: vec![
            ("60m".to_owned(), is("slo:period_burn_rate:ratio", 0.0)),
            ("60m".to_owned(), is(REMAINING, 1.0)),
            ("60m".to_owned(), firing("page", "CheckoutFails", false)),
        ],
    };
    let failed = Story {
        every: "1m",
        series: vec![good, (series("500"), counter(&[(30, 0.0), (1, 1.0), (59, 0.0)]))],
        holds: vec![
            ("60m".to_owned(), that(&format!("{REMAINING} == bool -Inf"))),
            ("32m".to_owned(), firing("page", "CheckoutFails", true)),
        ],
    };
    tell(&rules, &[fine, failed]);
}

/// Nobody knows how many events a share is of: every evaluation counts alike, and one without a
/// number does not count.
#[test]
fn a_ratio_that_is_no_number_for_a_while_leaves_no_hole() {
    let spec = "version: prometheus/v1\nservice: wifi\nslos:\n  - name: satisfaction\n    objective: 95\n    sli:\n      \
                raw: {error_ratio_query: '1 - sum(rate(happy_total[{{.window}}])) / sum(rate(asked_total[{{.window}}]))'}\n    \
                alerting: {name: Wifi}\n";
    let story = Story {
        every: "1m",
        series: vec![
            ("happy_total".to_owned(), counter(&[(60, 9.0), (60, 0.0), (60, 8.0)])),
            ("asked_total".to_owned(), counter(&[(60, 10.0), (60, 0.0), (60, 10.0)])),
        ],
        holds: vec![
            ("90m".to_owned(), is_absent("slo:sli_error:ratio_rate5m")),
            ("64m".to_owned(), is(PERIOD, 0.1)),
            ("180m".to_owned(), that(&format!("{PERIOD} > bool 0.14"))),
            ("180m".to_owned(), that(&format!("{PERIOD} < bool 0.16"))),
            ("180m".to_owned(), is("slo:sli_error:ratio_rate30m", 0.2)),
            // 0 / 0 is something to count from.
            ("180m".to_owned(), firing("ticket", "SLOCoverageLow", false)),
            ("180m".to_owned(), that("slo:sli_coverage:ratio1d > bool 0.98")),
        ],
    };
    tell(&generated(spec, 30), &[story]);
}

/// Without traffic a quantile is NaN, and a comparison calls that neither good nor bad.
#[test]
fn an_idle_hour_of_a_threshold_is_not_bad() {
    let spec = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: fast}\nspec:\n  service: checkout\n  \
                budgetingMethod: Occurrences\n  timeWindow: [{duration: 30d, isRolling: true}]\n  \
                objectives: [{op: lte, value: 0.5, target: 0.99}]\n  indicator:\n    spec:\n      thresholdMetric:\n        \
                metricSource: {spec: {query: 'sum(rate(slow_total[{{.window}}])) / sum(rate(all_total[{{.window}}])) # of it'}}\n";
    let story = Story {
        every: "1m",
        series: vec![
            ("slow_total".to_owned(), counter(&[(100, 1.0), (60, 0.0), (50, 1.0), (50, 9.0)])),
            ("all_total".to_owned(), counter(&[(100, 10.0), (60, 0.0), (100, 10.0)])),
        ],
        holds: vec![
            ("150m".to_owned(), is_absent("slo:sli_error:ratio_rate5m")),
            ("150m".to_owned(), is(PERIOD, 0.0)),
            ("150m".to_owned(), firing("page", "SLOErrorBudgetBurn", false)),
            ("206m".to_owned(), is("slo:sli_error:ratio_rate3d", 0.0)),
            // Of an hour 47 of 60 evaluations were bad, and none of the three before it.
            ("260m".to_owned(), that("slo:sli_error:ratio_rate1h > bool 0.75")),
            ("260m".to_owned(), that("slo:sli_error:ratio_rate6h < bool 0.3")),
        ],
    };
    tell(&generated(spec, 30), &[story]);
}

/// Errors are seen while nothing is counted: infinitely many of nothing.
#[test]
fn a_ratio_of_infinity_leaves_no_hole() {
    let spec = "version: prometheus/v1\nservice: wifi\nslos:\n  - name: refused\n    objective: 99\n    sli:\n      \
                raw: {error_ratio_query: 'sum(rate(refused_total[{{.window}}])) / sum(rate(asked_total[{{.window}}]))'}\n    \
                alerting: {name: Wifi}\n";
    let story = Story {
        every: "1m",
        series: vec![
            ("refused_total".to_owned(), counter(&[(90, 0.0), (1, 1.0), (90, 0.0)])),
            ("asked_total".to_owned(), counter(&[(60, 10.0), (60, 0.0), (60, 10.0)])),
        ],
        holds: vec![
            ("92m".to_owned(), is_absent("slo:sli_error:ratio_rate5m")),
            ("180m".to_owned(), is(PERIOD, 0.0)),
            ("180m".to_owned(), is("slo:period_error_budget_remaining:ratio", 1.0)),
            ("180m".to_owned(), firing("ticket", "SLOErrorBudgetExhausted", false)),
        ],
    };
    tell(&generated(spec, 30), &[story]);
}

/// A tenth fails all the time, and for a half of it nobody knows how many.
#[test]
fn events_of_which_nobody_knows_how_many_were_bad_are_not_counted() {
    let usual = "sum(rate(http_requests_total{job=\"checkout\",code=~\"5..\"}[{{.window}}]))";
    let spec = CHECKOUT.replace(usual, "sum(rate(refused_total[{{.window}}]))");
    assert_ne!(spec, CHECKOUT);
    let known = counter(&[(120, 100.0)]);
    let story = Story {
        every: "1m",
        series: vec![
            (series("200"), counter(&[(360, 1000.0)])),
            ("refused_total".to_owned(), format!("{known} NaN+0x118 24000+100x120")),
        ],
        holds: vec![
            ("200m".to_owned(), is_absent("slo:sli_total:rate5m")),
            ("360m".to_owned(), is(PERIOD, 0.1)),
            ("360m".to_owned(), that("slo:sli_coverage:ratio1d < bool 0.68")),
        ],
    };
    tell(&generated(&spec, 30), &[story]);
}

/// More good events than events, as two counters that are read one after the other may say: by little
/// it makes up for as much that is bad, and is never credit; by much it is not known what was bad.
#[test]
fn more_good_than_all_is_no_credit() {
    let spec = ratio("Occurrences", "{target: 0.99}", "good: GOOD", 30);
    let little = Story {
        every: "1m",
        series: vec![
            ("some_total".to_owned(), counter(&[(120, 1005.0), (120, 970.0)])),
            ("all_total".to_owned(), counter(&[(240, 1000.0)])),
        ],
        holds: vec![
            ("100m".to_owned(), is(PERIOD, 0.0)),
            ("100m".to_owned(), is("slo:sli_error:ratio_rate1h", 0.0)),
            ("200m".to_owned(), is("slo:sli_error:ratio_rate5m", 0.03)),
            ("240m".to_owned(), that(&format!("abs({PERIOD} - 0.0125) < bool 0.0005"))),
        ],
    };
    let much = Story {
        every: "1m",
        series: vec![
            ("some_total".to_owned(), counter(&[(120, 1030.0), (120, 970.0)])),
            ("all_total".to_owned(), counter(&[(240, 1000.0)])),
        ],
        holds: vec![
            ("100m".to_owned(), is_absent(PERIOD)),
            ("100m".to_owned(), is_absent("slo:sli_error:ratio_rate1h")),
            ("240m".to_owned(), that(&format!("abs({PERIOD} - 0.03) < bool 0.001"))),
        ],
    };
    tell(&generated(&spec, 30), &[little, much]);
}

/// Of 100,000 that are asked 100,200 are happy in one hour and 99,784 in the next: on average 0.008 %
/// are not, which is 8 % of a budget of 0.1 %. Hours that are cut off at nothing say 108 %.
#[test]
fn of_a_ratio_that_swings_about_1_what_it_is_on_average_is_gone() {
    let spec = "version: prometheus/v1\nservice: wifi\nslos:\n  - name: satisfaction\n    objective: 99.9\n    sli:\n      \
                raw: {error_ratio_query: '1 - sum(rate(happy_total[{{.window}}])) / sum(rate(asked_total[{{.window}}]))'}\n    \
                alerting: {name: Wifi}\n";
    let happy: Vec<(u32, f64)> =
        [100_200.0, 99_784.0].into_iter().cycle().take(48).map(|it| (60, it)).collect();
    let burn = "slo:period_burn_rate:ratio";
    let story = Story {
        every: "1m",
        series: vec![
            ("happy_total".to_owned(), counter(&happy)),
            ("asked_total".to_owned(), counter(&[(2_880, 100_000.0)])),
        ],
        holds: vec![
            ("55m".to_owned(), is(REMAINING, 1.0)),
            ("2880m".to_owned(), that(&format!("abs({burn} - 0.08) < bool 0.01"))),
        ],
    };
    tell(&generated(spec, 30), &[story]);
}

/// Two busy hours without failures, and two quiet ones in which a half fails: every slice counts alike,
/// in the day as in the whole window.
#[test]
fn a_budget_of_averages_has_the_same_burn_in_every_window() {
    let spec = ratio("RatioTimeslices", "{target: 0.9}", "bad: BAD", 30);
    let story = Story {
        every: "1m",
        series: vec![
            ("some_total".to_owned(), counter(&[(120, 0.0), (120, 1.0)])),
            ("all_total".to_owned(), counter(&[(120, 1000.0), (120, 2.0)])),
        ],
        holds: vec![
            ("240m".to_owned(), that(&format!("abs({PERIOD} - 0.25) < bool 0.02"))),
            ("240m".to_owned(), that("abs(slo:sli_error:ratio_rate1d - 0.25) < bool 0.02")),
            ("240m".to_owned(), that("abs(slo:daily_burn_rate:ratio - 2.5) < bool 0.2")),
        ],
    };
    tell(&generated(&spec, 30), &[story]);
}

/// Of an idle service with a threshold, or with an average of shares, something is known: that it idles.
#[test]
fn an_idle_service_is_not_unknown() {
    let quantile = "(sum(rate(slow_total[5m])) / sum(rate(all_total[5m])))";
    let threshold = format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: idle}}\nspec:\n  service: checkout\n  \
         budgetingMethod: Occurrences\n  timeWindow: [{{duration: 30d, isRolling: true}}]\n  \
         objectives: [{{op: lte, value: 0.5, target: 0.99}}]\n  indicator: {{spec: {{thresholdMetric: {{metricSource: {{spec: {{query: {quantile:?}}}}}}}}}}}\n"
    );
    let average = ratio("RatioTimeslices", "{target: 0.9}", "bad: BAD", 30);
    for spec in [threshold, average] {
        let story = Story {
            every: "5m",
            series: ["some_total", "slow_total", "all_total"]
                .map(|it| (it.to_owned(), counter(&[(96, 10.0), (192, 0.0)])))
                .into(),
            holds: vec![
                ("1440m".to_owned(), firing("ticket", "SLOCoverageLow", false)),
                ("1440m".to_owned(), that("slo:sli_coverage:ratio1d > bool 0.98")),
            ],
        };
        tell(&generated(&spec, 30), &[story]);
    }
}

/// What is no number of bad events is not recorded, and what has no total is no share.
#[test]
fn bad_events_that_are_no_number_or_have_no_total_spoil_no_sum() {
    let usual = "sum(rate(http_requests_total{job=\"checkout\",code=~\"5..\"}[{{.window}}]))";
    let odd = "sum(rate(refused_total[{{.window}}])) * max(known)";
    let story = Story {
        every: "1m",
        series: vec![
            (series("200"), format!("{} stale", counter(&[(40, 1000.0), (20, 0.0)]))),
            ("refused_total".to_owned(), counter(&[(120, 10.0)])),
            ("known".to_owned(), format!("1x40 {} 1x60", ["NaN"; 20].join(" "))),
        ],
        holds: vec![
            ("40m".to_owned(), is(PERIOD, 0.01)),
            // Of nothing nothing is bad.
            ("50m".to_owned(), is("slo:sli_error:rate5m", 0.0)),
            ("120m".to_owned(), that(&format!("{PERIOD} > bool 0.009"))),
            ("120m".to_owned(), that(&format!("{PERIOD} <= bool 0.01"))),
        ],
    };
    let spec = CHECKOUT.replace(usual, odd);
    assert_ne!(spec, CHECKOUT);
    tell(&generated(&spec, 30), &[story]);
}

/// An `OpenSLO` specification; `part` says what `some_total` of `all_total` is: `good: GOOD` or `bad: BAD`.
fn ratio(method: &str, objective: &str, part: &str, days: u32) -> String {
    let query = |name: &str| {
        format!("{{metricSource: {{spec: {{query: 'sum(rate({name}_total[{{{{.window}}}}]))'}}}}}}")
    };
    let part = part.replace("GOOD", &query("some")).replace("BAD", &query("some"));
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: ratio}}\nspec:\n  service: checkout\n  \
         budgetingMethod: {method}\n  timeWindow: [{{duration: {days}d, isRolling: true}}]\n  \
         objectives: [{objective}]\n  indicator:\n    spec:\n      ratioMetric:\n        {part}\n        total: {}\n",
        query("all")
    )
}

/// A budget of slices: three of ten slices of five minutes were worse than one in ten.
#[test]
fn a_budget_of_slices_counts_slices() {
    let spec = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: slices}\nspec:\n  service: checkout\n  \
                budgetingMethod: Timeslices\n  timeWindow: [{duration: 28d, isRolling: true}]\n  \
                objectives: [{target: 0.5, timeSliceTarget: 0.9}]\n  indicator:\n    spec:\n      ratioMetric:\n        \
                bad: {metricSource: {spec: {query: 'sum(increase(bad_total[{{.window}}]))'}}}\n        \
                total: {metricSource: {spec: {query: 'sum(increase(all_total[{{.window}}]))'}}}\n";
    let story = Story {
        every: "5m",
        series: vec![
            ("bad_total".to_owned(), counter(&[(2, 50.0), (4, 5.0), (1, 900.0), (3, 0.0)])),
            ("all_total".to_owned(), counter(&[(6, 100.0), (1, 1000.0), (3, 100.0)])),
        ],
        holds: vec![
            ("50m".to_owned(), is("slo:sli_error:ratio_rate4w", 0.3)),
            ("50m".to_owned(), is("slo:period_error_budget_remaining:ratio", 0.4)),
            ("50m".to_owned(), is("slo:sli_error:ratio_rate2h", 0.3)),
            ("50m".to_owned(), is("slo:sli_error:ratio_rate5m", 0.0)),
            ("10m".to_owned(), is("slo:current_burn_rate:ratio", 2.0)),
        ],
    };
    tell(&generated(spec, 30), &[story]);
}

/// Where nothing is there to count from, nobody knows anything.
#[test]
fn a_service_whose_series_have_gone_is_not_fine_but_unknown() {
    let (steps, gone) = (24 * 12, 6 * 12);
    let story = Story {
        every: "5m",
        series: vec![
            (series("200"), format!("{} stale", counter(&[(steps, 1000.0)]))),
            (series("500"), format!("{} stale", counter(&[(steps, 0.0)]))),
        ],
        holds: vec![
            (format!("{}m", steps * 5), firing("ticket", "SLOCoverageLow", false)),
            (format!("{}m", (steps + gone) * 5), firing("ticket", "SLOCoverageLow", true)),
            (format!("{}m", (steps + gone) * 5), is_absent("slo:sli_error:ratio_rate1h")),
            (format!("{}m", (steps + gone) * 5), firing("page", "CheckoutFails", false)),
        ],
    };
    tell(&generated(CHECKOUT, 30), &[story]);
}
