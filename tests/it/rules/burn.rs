//! When the alerts fire. Every minute was worked out by hand from the shares that the windows have:
//! after `k` minutes at a share of `e`, a window of `w` minutes has `k · e / w`, and one that is
//! longer than the six clean hours before has `k · e / (360 + k)`.

use super::{CHECKOUT, Story, counter, firing, generated, is, is_absent, tell, that};

/// Requests a minute.
const TRAFFIC: f64 = 10_000.0;
/// Minutes without traffic, and then with traffic and without errors.
const IDLE: u32 = 10;
const CLEAN: u32 = 360;

struct Shape {
    what: &'static str,
    /// Share of bad requests, and for how many minutes.
    bad: f64,
    minutes: u32,
    /// The minute after its begin in which it fires first; none if never.
    page: Option<u32>,
    ticket: Option<u32>,
}

/// Of 99.9 % over 30 days. Page above 0.0144 in 5m and 1h, or 0.006 in 30m and 6h; ticket above
/// 0.003 in 2h and 1d, or 0.001 in 6h and 3d. Shares are such that it makes no difference whether a
/// window holds 60 minutes or, without the sample at its begin, 59.
const SHAPES: [Shape; 8] = [
    // 1h: 1/60 > 0.0144. 3d: 1/361 > 0.001.
    Shape { what: "outage", bad: 1.0, minutes: 10, page: Some(1), ticket: Some(1) },
    // 1h: 0.2k/60 > 0.0144 from k > 4.3. 3d: 0.199k > 0.36 from k > 1.8.
    Shape {
        what: "a fifth for ten minutes",
        bad: 0.2,
        minutes: 10,
        page: Some(5),
        ticket: Some(2),
    },
    // 1h: 0.0467k/60 > 0.0144 from k > 18.5. 3d: 0.0457k > 0.36 from k > 7.9.
    Shape { what: "fast burn", bad: 0.0467, minutes: 60, page: Some(19), ticket: Some(8) },
    // The same, over one minute too early for 1h; 6h would need k > 46.
    Shape { what: "short burn", bad: 0.0467, minutes: 18, page: None, ticket: Some(8) },
    // 1h: 0.0197k/60 > 0.0144 from k > 43.9. 3d: 0.0187k > 0.36 from k > 19.3.
    Shape { what: "burn of 19.7", bad: 0.0197, minutes: 90, page: Some(44), ticket: Some(20) },
    // Below 14.4; 6h: 0.0101k/360 > 0.006 from k > 213.9. 3d: 0.0091k > 0.36 from k > 39.6.
    Shape { what: "burn of 10.1", bad: 0.0101, minutes: 240, page: Some(214), ticket: Some(40) },
    // Below 6, so never a page. 3d: 0.0023k > 0.36 from k > 156.5; 6h from k > 109.1.
    Shape { what: "slow burn", bad: 0.0033, minutes: 300, page: None, ticket: Some(157) },
    // Less than the budget allows.
    Shape { what: "within the budget", bad: 0.0009, minutes: 400, page: None, ticket: None },
];

fn story(shape: &Shape) -> Story {
    let begin = IDLE + CLEAN;
    let bad = TRAFFIC * shape.bad;
    let series = |code: &str| format!("http_requests_total{{job=\"checkout\",code=\"{code}\"}}");
    let after = 60;
    let mut holds = Vec::new();
    let at = |minute: u32| format!("{minute}m");
    for (severity, first) in [("page", shape.page), ("ticket", shape.ticket)] {
        match first {
            Some(first) => {
                let before = begin + first - 1;
                holds.push((at(before), firing(severity, "CheckoutFails", false)));
                holds.push((at(begin + first), firing(severity, "CheckoutFails", true)));
            }
            None => {
                for minute in (begin..begin + shape.minutes + after).step_by(7) {
                    holds.push((at(minute), firing(severity, "CheckoutFails", false)));
                }
            }
        }
    }
    // What was bad is all there is, once the last of it is in no window of five minutes any more.
    let end = shape.minutes + after;
    let ratio = f64::from(shape.minutes) * bad / (f64::from(CLEAN + end) * TRAFFIC);
    holds.push((at(begin + end + 10), is("slo:sli_error:ratio_rate30d", ratio)));
    Story {
        every: "1m",
        series: vec![
            (
                series("200"),
                counter(&[
                    (IDLE, 0.0),
                    (CLEAN, TRAFFIC),
                    (shape.minutes, TRAFFIC - bad),
                    (after, TRAFFIC),
                    (20, 0.0),
                ]),
            ),
            (series("500"), counter(&[(begin, 0.0), (shape.minutes, bad), (after + 20, 0.0)])),
        ],
        holds,
    }
}

#[test]
fn burn_alerts_fire_in_the_minute_that_was_worked_out_by_hand() {
    let names: std::collections::BTreeSet<_> = SHAPES.iter().map(|it| it.what).collect();
    assert_eq!(names.len(), SHAPES.len());
    let stories: Vec<Story> = SHAPES.iter().map(story).collect();
    tell(&generated(CHECKOUT, 30), &stories);
}

/// Of 28 days the factors are 13.44, 5.6, 2.8 and 14/15.
#[test]
fn a_budget_of_28_days_has_factors_of_its_own() {
    let shapes = [
        // 1h: 0.0465k/60 > 0.01344 from k > 17.3. 3d: 0.04557k > 0.336 from k > 7.4.
        Shape { what: "fast", bad: 0.0465, minutes: 60, page: Some(18), ticket: Some(8) },
        // 3d: 0.00247k > 0.336 from k > 136.2; 6h from k > 98.8.
        Shape { what: "slow", bad: 0.0034, minutes: 300, page: None, ticket: Some(137) },
    ];
    let mut stories: Vec<Story> = shapes.iter().map(story).collect();
    for (_, expr) in stories.iter_mut().flat_map(|it| &mut it.holds) {
        *expr = expr.replace("ratio_rate30d", "ratio_rate4w");
    }
    tell(&generated(CHECKOUT, 28), &stories);
}

/// The burn of the trailing day, `(hours, burn)` one after the other; without events there is none.
fn lasting(phases: &[(u32, Option<f64>)], holds: &[(u32, bool)]) -> Story {
    let values = phases.iter().map(|(hours, burn)| match burn {
        Some(burn) => format!("{burn}x{}", hours - 1),
        None => format!("stale _x{}", hours - 1),
    });
    let series = "slo:daily_burn_rate:ratio{sloth_id=\"checkout-requests-availability\",sloth_service=\"checkout\",\
                  sloth_slo=\"requests-availability\"}";
    let fires = |expected| firing("ticket", "SLOErrorBudgetBurnSustained", expected);
    Story {
        every: "1h",
        series: vec![(series.to_owned(), format!("_ {}", values.collect::<Vec<_>>().join(" ")))],
        holds: holds.iter().map(|(at, expected)| (format!("{at}h"), fires(*expected))).collect(),
    }
}

/// A week has 168 hours, and it takes more.
#[test]
fn a_burn_above_two_for_more_than_a_week_is_seen() {
    let fast = lasting(&[(190, Some(2.5))], &[(168, false), (169, true), (190, true)]);
    let below = lasting(&[(190, Some(2.0))], &[(169, false), (190, false)]);
    // A window that begins on the hour has the hour before, too.
    let broken = lasting(
        &[(120, Some(2.5)), (24, Some(1.0)), (190, Some(2.5))],
        &[(204, false), (144 + 168, false), (144 + 170, true)],
    );
    tell(&generated(CHECKOUT, 30), &[fast, below, broken]);
}

/// 120 hours of a working week, a weekend, and the next one; and the half of each day.
#[test]
fn hours_without_events_neither_break_the_week_nor_count() {
    let busy = Some(2.5);
    let week = [(120, busy), (48, None), (60, busy)];
    let weekend = lasting(&week, &[(216, false), (217, true)]);
    let days: Vec<_> = (0..16).flat_map(|_| [(12, busy), (12, None)]).collect();
    let nights = lasting(&days, &[(14 * 24, false), (14 * 24 + 1, true)]);
    tell(&generated(CHECKOUT, 30), &[weekend, nights]);
}

/// Two thousandths and a half of the requests fail in six hours out of eight.
#[test]
fn the_burn_of_the_day_is_there_while_there_are_events() {
    let series = |code: &str| format!("http_requests_total{{job=\"checkout\",code=\"{code}\"}}");
    let bad = TRAFFIC * 0.0025;
    let story = Story {
        every: "1m",
        series: vec![
            (series("200"), counter(&[(360, TRAFFIC - bad), (120, 0.0)])),
            (series("500"), counter(&[(360, bad), (120, 0.0)])),
        ],
        holds: vec![
            ("360m".to_owned(), is("slo:daily_burn_rate:ratio", 2.5)),
            ("418m".to_owned(), is("slo:daily_burn_rate:ratio", 2.5)),
            // The hour that ends now had none, but for what was recorded late.
            ("422m".to_owned(), is_absent("slo:daily_burn_rate:ratio")),
        ],
    };
    tell(&generated(CHECKOUT, 30), &[story]);
}

/// Of a day a thousandth may be bad: 1.44 minutes' worth of requests.
#[test]
fn a_budget_is_exhausted_when_that_of_the_whole_window_is_gone() {
    let series = |code: &str| format!("http_requests_total{{job=\"checkout\",code=\"{code}\"}}");
    let exhausted = |expected| firing("ticket", "SLOErrorBudgetExhausted", expected);
    let story = |clean: u32, holds: &[(u32, bool)]| Story {
        every: "1m",
        series: vec![
            (series("200"), counter(&[(clean, TRAFFIC), (3, TRAFFIC / 2.0), (60, TRAFFIC)])),
            (series("500"), counter(&[(clean, 0.0), (3, TRAFFIC / 2.0), (60, 0.0)])),
        ],
        holds: holds.iter().map(|(at, fires)| (format!("{at}m"), exhausted(*fires))).collect(),
    };
    // What is recorded each minute is of five: of three halves 1.4 are in the sum after six minutes
    // and 1.5 after seven, whether the server has seen the day or only its last hour.
    let known = story(1500, &[(1506, false), (1507, true)]);
    let young = story(60, &[(65, false), (67, true)]);
    tell(&generated(CHECKOUT, 1), &[known, young]);
}

/// A quarter of a minute's worth is no budget of a day, though it is nearly four times that of an hour.
#[test]
fn a_young_server_does_not_say_that_the_budget_of_the_window_is_gone() {
    let series = |code: &str| format!("http_requests_total{{job=\"checkout\",code=\"{code}\"}}");
    let story = Story {
        every: "1m",
        series: vec![
            (series("200"), counter(&[(60, TRAFFIC), (1, TRAFFIC * 0.75), (30, TRAFFIC)])),
            (series("500"), counter(&[(60, 0.0), (1, TRAFFIC * 0.25), (30, 0.0)])),
        ],
        holds: vec![
            ("67m".to_owned(), that("slo:period_error_budget_remaining:ratio < bool -2.5")),
            ("67m".to_owned(), firing("ticket", "SLOErrorBudgetExhausted", false)),
        ],
    };
    tell(&generated(CHECKOUT, 1), &[story]);
}
