//! Counts and the change between two of them (kpis.md 2.4).

use statrs::function::beta::beta_reg;
use statrs::function::gamma::gamma_lr;

use super::{Bounds, TAIL, real, solve_increasing};

/// The exact interval of a Poisson count (Garwood 1936).
pub fn count_interval(count: u64) -> (f64, f64) {
    // P(X >= k) of a Poisson with mean m is the lower regularised gamma function P(k, m).
    let at_least = |k: u64, level: f64| {
        let far = 2.0 * real(k) + 40.0;
        solve_increasing(0.0, far, level, |mean| gamma_lr(real(k), mean))
    };
    let lower = if count == 0 { 0.0 } else { at_least(count, TAIL) };
    (lower, at_least(count + 1, 1.0 - TAIL))
}

/// A rate divided by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRatio {
    /// The ratio; infinite after a period without events, none if neither period has any.
    pub ratio: Option<f64>,
    /// Its exact 95 % interval.
    pub interval: Bounds,
    /// Events in the two periods together.
    pub n: u64,
}

/// Events and the days in which they were counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// How many events.
    pub events: u64,
    /// Days observed; more than 0.
    pub days: f64,
}

/// The ratio of the rate now to the rate before. The interval is the exact one conditional on the
/// total (Przyborowski and Wilenski 1940): of all events the share that fell into the present
/// period is binomial, and its Clopper-Pearson limits are mapped to rates.
pub fn rate_ratio(current: Exposure, previous: Exposure) -> RateRatio {
    let (k, n) = (current.events, current.events + previous.events);
    if n == 0 {
        return RateRatio { ratio: None, interval: Bounds::default(), n };
    }
    let scale = previous.days / current.days;
    let odds = |share: f64| share / (1.0 - share) * scale;
    let (lower, upper) = clopper_pearson(k, n);
    let ratio =
        if previous.events == 0 { f64::INFINITY } else { real(k) / real(previous.events) * scale };
    let upper = (previous.events > 0).then(|| odds(upper));
    RateRatio { ratio: Some(ratio), interval: Bounds { lower: Some(odds(lower)), upper }, n }
}

/// The exact interval of a binomial share; `0 < n` and `k <= n`.
fn clopper_pearson(k: u64, n: u64) -> (f64, f64) {
    // P(B >= k) of a binomial (n, p) is the regularised beta function I_p(k, n - k + 1).
    let at_least = |k: u64, level: f64| {
        solve_increasing(0.0, 1.0, level, |share| beta_reg(real(k), real(n - k + 1), share))
    };
    let lower = if k == 0 { 0.0 } else { at_least(k, TAIL) };
    let upper = if k == n { 1.0 } else { at_least(k + 1, 1.0 - TAIL) };
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::vectors::{assert_close, assert_same, parse};
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<CountCase>,
        rate_ratio: Vec<RatioCase>,
    }

    #[derive(Deserialize)]
    struct CountCase {
        count: u64,
        exposure_days: f64,
        count_low: f64,
        count_high: f64,
        rate_low_per_30d: f64,
        rate_high_per_30d: f64,
    }

    #[derive(Deserialize)]
    struct RatioCase {
        prev_count: u64,
        prev_days: f64,
        cur_count: u64,
        cur_days: f64,
        rate_ratio: Option<f64>,
        low: Option<f64>,
        high: Option<f64>,
    }

    fn vectors() -> Vectors {
        parse(include_str!("../../../tests/vectors/poisson.json"))
    }

    #[test]
    fn count_intervals_are_exact() {
        let file = vectors();
        assert!(file.cases.len() > 8, "the vectors are all there");
        for case in file.cases {
            let what = format!("{} events", case.count);
            let (lower, upper) = count_interval(case.count);
            assert_close(&what, lower, case.count_low, file.tolerance);
            assert_close(&what, upper, case.count_high, file.tolerance);
            let rate = Bounds::both(lower, upper).scaled(30.0 / case.exposure_days);
            assert_same(&what, rate.lower, Some(case.rate_low_per_30d), file.tolerance);
            assert_same(&what, rate.upper, Some(case.rate_high_per_30d), file.tolerance);
        }
    }

    #[test]
    fn rate_ratios_have_the_conditional_interval() {
        let file = vectors();
        assert!(file.rate_ratio.len() > 8, "the vectors are all there");
        for case in file.rate_ratio {
            let what = format!("{} after {}", case.cur_count, case.prev_count);
            let ours = rate_ratio(
                Exposure { events: case.cur_count, days: case.cur_days },
                Exposure { events: case.prev_count, days: case.prev_days },
            );
            let finite = ours.ratio.filter(|ratio| ratio.is_finite());
            assert_same(&what, finite, case.rate_ratio, file.tolerance);
            assert_same(&what, ours.interval.lower, case.low, file.tolerance);
            assert_same(&what, ours.interval.upper, case.high, file.tolerance);
        }
    }

    #[test]
    fn events_after_a_period_without_any_are_infinitely_more() {
        let before = Exposure { events: 0, days: 91.0 };
        let now = Exposure { events: 3, days: 92.0 };
        assert_eq!(rate_ratio(now, before).ratio, Some(f64::INFINITY));
    }

    proptest! {
        #[test]
        fn intervals_contain_the_count_and_grow_with_it(count in 0..20_000_u64) {
            let (lower, upper) = count_interval(count);
            prop_assert!(0.0 <= lower && lower <= real(count) && real(count) <= upper);
            let (more_lower, more_upper) = count_interval(count + 1);
            prop_assert!(lower < more_lower && upper < more_upper);
        }

        #[test]
        fn intervals_contain_the_ratio_and_grow_with_it(
            now in 0..3_000_u64, before in 0..3_000_u64, days in 1.0..400.0_f64,
        ) {
            let previous = Exposure { events: before, days: 90.0 };
            let ours = rate_ratio(Exposure { events: now, days }, previous);
            let more = rate_ratio(Exposure { events: now + 1, days }, previous);
            if let Some(ratio) = ours.ratio {
                prop_assert!(ours.interval.lower.unwrap() <= ratio);
                prop_assert!(ours.interval.upper.is_none_or(|upper| ratio <= upper));
                prop_assert!(ours.interval.lower < more.interval.lower);
            }
        }
    }
}
