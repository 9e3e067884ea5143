//! Quantiles and shares of a histogram of which only cumulative buckets are known (kpis.md 3.12).
//!
//! The quantile is Prometheus's `histogram_quantile`. Its interval says what the buckets cannot: the
//! order statistics that bound the quantile (2.2) lie somewhere between two bounds.

use super::{Bounds, Z, wilson};

/// Cumulative counts by upper bound. The last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// A histogram of `(upper bound, cumulative count)` in any order. `None` without an infinite
    /// bound, which alone knows the total, or with a number that is none.
    ///
    /// Counts that fall from one bound to the next, as extrapolated ones may by a little, are
    /// raised to the one before.
    pub fn new(mut buckets: Vec<(f64, f64)>) -> Option<Self> {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let whole = buckets.last().is_some_and(|last| last.0 == f64::INFINITY);
        let numbers = buckets.iter().all(|(bound, count)| !bound.is_nan() && count.is_finite());
        if !whole || !numbers {
            return None;
        }
        let mut highest = 0.0;
        for (_, count) in &mut buckets {
            highest = f64::max(highest, *count);
            *count = highest;
        }
        Some(Self(buckets))
    }

    /// How many observations there are.
    pub fn total(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The quantile `q`, `0 < q < 1`, interpolated within its bucket as `histogram_quantile` does.
    /// Beyond the last finite bound it is that bound. None without observations, or without a finite
    /// bound.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        let finite = self.0.len().checked_sub(2)?;
        if total <= 0.0 {
            return None;
        }
        let rank = q * total;
        let at = self.bucket_of(rank);
        if at > finite {
            return Some(self.0[finite].0);
        }
        let (end, count) = self.0[at];
        let (start, before) = self.below(at);
        if end <= 0.0 || count <= before {
            return Some(end);
        }
        Some(start + (end - start) * ((rank - before) / (count - before)))
    }

    /// Whether the quantile `q` lies beyond the last finite bound.
    pub fn is_beyond(&self, q: f64) -> bool {
        self.total() > 0.0 && self.0[self.bucket_of(q * self.total())].0 == f64::INFINITY
    }

    /// The 95 % interval of quantile `q`: from the lower bound of the bucket that holds the lower
    /// order statistic to the upper bound of the one that holds the upper. The upper end is missing
    /// where that is beyond the last finite bound, or where there are too few observations.
    pub fn quantile_interval(&self, q: f64) -> Bounds {
        let total = self.total();
        if total <= 0.0 {
            return Bounds::default();
        }
        // The binomial of the ranks, by its normal limit: histograms count thousands.
        let spread = Z * (total * q * (1.0 - q)).sqrt();
        let lower = self.below(self.bucket_of((q * total - spread).max(0.0))).0;
        let upper = q * total + spread;
        let end = self.0[self.bucket_of(upper)].0;
        let upper = (upper <= total && end.is_finite()).then_some(end);
        Bounds { lower: Some(lower), upper }
    }

    /// How many observations are at most `limit`: exact at a bound, interpolated between two. Beyond
    /// the last finite bound only those at most that bound are known to be.
    pub fn within(&self, limit: f64) -> f64 {
        let at = self.0.partition_point(|(bound, _)| *bound < limit);
        let Some(&(end, count)) = self.0.get(at) else { return self.total() };
        let (start, before) = self.below(at);
        if end == limit {
            count
        } else if end.is_infinite() {
            before
        } else {
            before + (count - before) * ((limit - start) / (end - start)).clamp(0.0, 1.0)
        }
    }

    /// The 95 % interval of the share of observations at most `limit`: Wilson's, of the fewest and
    /// of the most that the buckets allow.
    pub fn share_interval(&self, limit: f64) -> Option<(f64, f64)> {
        let at = self.0.partition_point(|(bound, _)| *bound < limit);
        let &(end, most) = self.0.get(at)?;
        let least = if end == limit { most } else { self.below(at).1 };
        let total = whole(self.total());
        let (lower, _) = wilson(whole(least).min(total), total)?;
        let (_, upper) = wilson(whole(most).min(total), total)?;
        Some((lower, upper))
    }

    /// The upper bounds with their cumulative counts, in order.
    pub fn buckets(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// The first bucket whose cumulative count reaches `rank`, else the last.
    fn bucket_of(&self, rank: f64) -> usize {
        let at = self.0.partition_point(|(_, count)| *count < rank);
        at.min(self.0.len().saturating_sub(1))
    }

    /// Bound and count below a bucket. The first finite one starts at zero.
    fn below(&self, at: usize) -> (f64, f64) {
        match at.checked_sub(1).and_then(|before| self.0.get(before)) {
            Some(&(bound, count)) => (bound, count),
            None => (0.0, 0.0),
        }
    }
}

/// A count of events to the nearest whole one; extrapolated counts have fractions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are at least 0, and the cast saturates"
)]
pub fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INF: f64 = f64::INFINITY;

    fn histogram(buckets: &[(f64, f64)]) -> Histogram {
        Histogram::new(buckets.to_vec()).unwrap()
    }

    /// 1,000 observations: 900 up to 0.1, 60 more up to 0.3, 35 up to 1, 5 beyond.
    fn requests() -> Histogram {
        histogram(&[(0.1, 900.0), (0.3, 960.0), (1.0, 995.0), (INF, 1000.0)])
    }

    #[test]
    fn the_quantile_is_interpolated_within_its_bucket() {
        let all = requests();
        assert_eq!(all.quantile(0.45), Some(0.05));
        assert_eq!(all.quantile(0.9), Some(0.1));
        assert!((all.quantile(0.95).unwrap() - (0.1 + 0.2 * 50.0 / 60.0)).abs() < 1e-12);
        assert!((all.quantile(0.99).unwrap() - (0.3 + 0.7 * 30.0 / 35.0)).abs() < 1e-12);
    }

    #[test]
    fn beyond_the_last_finite_bound_it_is_that_bound_with_no_upper_end() {
        let slow = histogram(&[(0.1, 10.0), (1.0, 20.0), (INF, 1000.0)]);
        assert_eq!(slow.quantile(0.95), Some(1.0));
        assert!(slow.is_beyond(0.95) && !slow.is_beyond(0.01));
        assert_eq!(slow.quantile_interval(0.95), Bounds { lower: Some(1.0), upper: None });
    }

    #[test]
    fn without_observations_there_is_no_quantile() {
        let idle = histogram(&[(0.1, 0.0), (INF, 0.0)]);
        assert_eq!(idle.quantile(0.95), None);
        assert_eq!(idle.share_interval(0.1), None);
        assert_eq!(histogram(&[(INF, 5.0)]).quantile(0.5), None, "no bound says where they are");
    }

    #[test]
    fn without_an_infinite_bound_nobody_knows_the_total() {
        assert_eq!(Histogram::new(vec![(0.1, 5.0)]), None);
        assert_eq!(Histogram::new(vec![]), None);
        assert_eq!(Histogram::new(vec![(0.1, f64::NAN), (INF, 5.0)]), None);
    }

    #[test]
    fn counts_that_fall_are_raised() {
        let odd = histogram(&[(0.1, 10.1), (0.3, 10.0), (INF, 10.0)]);
        assert_eq!(odd.buckets(), [(0.1, 10.1), (0.3, 10.1), (INF, 10.1)]);
    }

    #[test]
    fn the_interval_spans_the_buckets_of_its_order_statistics() {
        let bounds = requests().quantile_interval(0.95);
        assert_eq!(bounds, Bounds::both(0.1, 1.0), "963.5 of 1,000 is beyond 0.3");
        assert_eq!(requests().quantile_interval(0.5), Bounds::both(0.0, 0.1));
        let few = histogram(&[(0.1, 20.0), (INF, 20.0)]);
        assert_eq!(few.quantile_interval(0.99).upper, None, "too few for an upper end");
    }

    #[test]
    fn the_share_within_a_limit_is_exact_at_a_bound() {
        let all = requests();
        assert_eq!(all.within(0.3), 960.0);
        assert_eq!(all.within(0.2), 930.0);
        assert_eq!(all.within(5.0), 995.0, "nobody knows how many of the rest");
        let (lower, upper) = all.share_interval(0.3).unwrap();
        assert!(lower < 0.96 && 0.96 < upper && upper - lower < 0.03);
        let (lower, upper) = all.share_interval(0.2).unwrap();
        assert!(lower < 0.90 && upper > 0.96, "anything that the buckets allow");
    }

    proptest! {
        #[test]
        fn the_value_lies_in_its_interval_and_a_share_in_its(
            steps in prop::collection::vec(0_u32..5_000, 2..12),
            q in 0.01_f64..0.999,
            limit in 0.0_f64..15.0,
        ) {
            let mut sum = 0.0;
            let mut buckets = Vec::new();
            for (n, step) in steps.iter().enumerate() {
                sum += f64::from(*step);
                let last = n + 1 == steps.len();
                buckets.push((if last { INF } else { n as f64 + 1.0 }, sum));
            }
            let all = Histogram::new(buckets).unwrap();
            if let Some(value) = all.quantile(q) {
                let bounds = all.quantile_interval(q);
                prop_assert!(bounds.lower.unwrap() <= value);
                prop_assert!(bounds.upper.is_none_or(|upper| value <= upper));
                let share = all.within(limit) / all.total();
                let (lower, upper) = all.share_interval(limit).unwrap();
                prop_assert!((0.0..=1.0).contains(&share));
                prop_assert!(lower <= share + 1e-12 && share <= upper + 1e-12);
            } else {
                prop_assert!(all.total() == 0.0);
            }
        }

        #[test]
        fn adding_up_first_is_not_averaging_after(a in 1_u32..1_000, b in 1_u32..1_000) {
            // A fast and a slow instance: the quantile of both is that of all their requests.
            let (a, b) = (f64::from(a), f64::from(b));
            let both = histogram(&[(0.1, a), (1.0, a + b), (INF, a + b)]);
            let median = both.quantile(0.5).unwrap();
            prop_assert_eq!(median <= 0.1, a >= b);
        }
    }
}
