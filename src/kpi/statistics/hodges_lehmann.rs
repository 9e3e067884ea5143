//! Durations against a baseline (kpis.md 2.5).

use statrs::function::erf::erfc;

use super::quantile::Sample;
use super::{Bounds, Z, count, real};

/// How the durations of now compare with those of a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The typical factor between now and then: the Hodges-Lehmann estimate on logarithms.
    pub ratio: f64,
    /// Its 95 % interval, from the ranks of Mann and Whitney; open when the samples are too small.
    pub interval: Bounds,
    /// The chance that a random item now is shorter than a random one of the baseline.
    pub probability_shorter: f64,
    /// Two-sided Mann-Whitney p: normal approximation with corrections for ties and continuity.
    pub p: f64,
    /// The smaller of the two sample sizes.
    pub n: u64,
}

/// The logarithms of durations, in order: what a baseline is kept as while many windows are compared
/// with it.
#[derive(Clone, Debug)]
pub struct Logarithms(Sample);

impl Logarithms {
    /// Those of durations in seconds. One second is added to each, because they may be 0.
    pub fn of(durations: &[f64]) -> Self {
        Self::of_positive(durations.iter().map(|it| it + 1.0))
    }

    fn of_positive(values: impl Iterator<Item = f64>) -> Self {
        Self(Sample::new(values.map(f64::ln).collect()))
    }
}

/// Compares the durations of now, in seconds, with those of a baseline. None when a sample is empty.
pub fn compare_durations(baseline: &Logarithms, current: &[f64]) -> Option<Comparison> {
    compare(baseline, &Logarithms::of(current))
}

/// Compares positive numbers, such as unit costs, as they are. None when a sample is empty.
pub fn compare_positive(baseline: &[f64], current: &[f64]) -> Option<Comparison> {
    let logarithms = |values: &[f64]| Logarithms::of_positive(values.iter().copied());
    compare(&logarithms(baseline), &logarithms(current))
}

fn compare(Logarithms(then): &Logarithms, Logarithms(now): &Logarithms) -> Option<Comparison> {
    let (n, m) = (then.n(), now.n());
    if n == 0 || m == 0 {
        return None;
    }
    let differences = Differences { from: then.values(), to: now.values() };
    let pairs = n * m;
    let ratio =
        f64::midpoint(differences.at_rank(pairs.div_ceil(2)), differences.at_rank(pairs / 2 + 1));
    let wins =
        real(differences.below(0.0)) + real(differences.up_to(0.0) - differences.below(0.0)) / 2.0;
    Some(Comparison {
        ratio: ratio.exp(),
        interval: differences.interval(),
        probability_shorter: wins / real(pairs),
        p: mann_whitney_p(wins, then, now),
        n: n.min(m),
    })
}

/// All `to[j] - from[i]` of two ascending slices, in order but never written down: 5,000 items
/// against 5,000 are 25 million differences.
struct Differences<'a> {
    from: &'a [f64],
    to: &'a [f64],
}

impl Differences<'_> {
    /// How many pairs satisfy `holds`, which must be true for small differences and false for
    /// large ones. One walk along the staircase, O(n + m).
    fn count(&self, holds: impl Fn(f64) -> bool) -> u64 {
        let mut reached = 0;
        let mut total = 0;
        for from in self.from {
            while self.to.get(reached).is_some_and(|to| holds(to - from)) {
                reached += 1;
            }
            total += count(reached);
        }
        total
    }

    fn up_to(&self, limit: f64) -> u64 {
        self.count(|difference| difference <= limit)
    }

    fn below(&self, limit: f64) -> u64 {
        self.count(|difference| difference < limit)
    }

    /// The difference of this one-based rank: the smallest number that so many differences do not
    /// exceed. The differences are enclosed, by turns where they should be if they were spread
    /// evenly and by halving the ordered bit patterns, until few are left to look at.
    fn at_rank(&self, rank: u64) -> f64 {
        let few = count(self.from.len() + self.to.len());
        let least = self.to[0] - self.from[self.from.len() - 1];
        let most = self.to[self.to.len() - 1] - self.from[0];
        // Up to `low` there are `below` differences, fewer than the rank; up to `high` enough. Both
        // are ordinals, and both zeros are one value: two below the least is less than it.
        let (mut low, mut below) = (ordinal(least) - 2, 0);
        let mut high = ordinal(most);
        let mut up_to = count(self.from.len()) * count(self.to.len());
        for turn in 0.. {
            if up_to - below <= few || high - low <= 1 {
                break;
            }
            let (from, to) = (from_ordinal(low), from_ordinal(high));
            let share = (real(rank - below) - 0.5) / real(up_to - below);
            let guess = ordinal(from + (to - from) * share);
            let guessed = turn % 3 < 2 && low < guess && guess < high;
            let middle = if guessed { guess } else { low + (high - low) / 2 };
            let reached = self.up_to(from_ordinal(middle));
            if reached >= rank {
                (high, up_to) = (middle, reached);
            } else {
                (low, below) = (middle, reached);
            }
        }
        if high - low <= 1 {
            return from_ordinal(high) + 0.0;
        }
        self.between(from_ordinal(low), from_ordinal(high), rank - below)
    }

    /// Of the differences above `low` and up to `high` the one of this one-based rank.
    fn between(&self, low: f64, high: f64, rank: u64) -> f64 {
        let mut inside = Vec::new();
        let (mut first, mut last) = (0, 0);
        for from in self.from {
            while self.to.get(first).is_some_and(|to| to - from <= low) {
                first += 1;
            }
            while self.to.get(last).is_some_and(|to| to - from <= high) {
                last += 1;
            }
            inside.extend(self.to[first..last].iter().map(|to| to - from));
        }
        let at = usize::try_from(rank - 1).expect("no more differences than fit into memory");
        let (_, found, _) = inside.select_nth_unstable_by(at, f64::total_cmp);
        *found + 0.0
    }

    /// The interval of the median difference as a factor (Hollander and Wolfe, section 4.3).
    fn interval(&self) -> Bounds {
        let (n, m) = (real(count(self.from.len())), real(count(self.to.len())));
        let pairs = n * m;
        let rank = (pairs / 2.0 - Z * (pairs * (n + m + 1.0) / 12.0).sqrt() + 0.5).floor();
        if rank < 1.0 {
            return Bounds::default();
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among the pairs is a positive number far below 2^53"
        )]
        let rank = rank as u64;
        let last = count(self.from.len()) * count(self.to.len());
        Bounds::both(self.at_rank(rank).exp(), self.at_rank(last + 1 - rank).exp())
    }
}

/// Numbers `0..2^64` in the order of the floats. Both zeros have the one that 0.0 has.
fn ordinal(value: f64) -> u64 {
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn from_ordinal(ordinal: u64) -> f64 {
    f64::from_bits(if ordinal >> 63 == 1 { ordinal & !(1 << 63) } else { !ordinal })
}

/// The two-sided p of `wins` = the pairs in which the baseline is larger, ties counted half.
fn mann_whitney_p(wins: f64, then: &Sample, now: &Sample) -> f64 {
    let (n, m) = (real(then.n()), real(now.n()));
    let all = Sample::new(then.values().iter().chain(now.values()).copied().collect());
    let ties = all.values().chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|same| {
        let size = real(count(same.len()));
        size * size * size - size
    });
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties.sum::<f64>() / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((wins - n * m / 2.0).abs() - 0.5).max(0.0);
    erfc(distance / variance.sqrt() / std::f64::consts::SQRT_2).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::vectors::{assert_close, assert_same, parse};
    use super::*;

    fn compared(then: &[f64], now: &[f64]) -> Option<Comparison> {
        compare_durations(&Logarithms::of(then), now)
    }

    /// Without the second that durations get.
    fn compare_positive(then: Vec<f64>, now: Vec<f64>) -> Comparison {
        let logarithms = |values: Vec<f64>| Logarithms::of_positive(values.into_iter());
        compare(&logarithms(then), &logarithms(now)).unwrap()
    }

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        baseline: Vec<f64>,
        current: Vec<f64>,
        p_two_sided: f64,
        prob_current_shorter: f64,
        hl_ratio: f64,
        hl_low: Option<f64>,
        hl_high: Option<f64>,
    }

    #[test]
    fn comparisons_are_those_of_scipy() {
        let file: Vectors = parse(include_str!("../../../tests/vectors/mann_whitney_hl.json"));
        assert!(file.cases.len() > 5, "the vectors are all there");
        for (number, case) in file.cases.into_iter().enumerate() {
            let what = format!("case {number}");
            let ours = compare_positive(case.baseline, case.current);
            assert_close(&what, ours.ratio, case.hl_ratio, file.tolerance);
            assert_same(&what, ours.interval.lower, case.hl_low, file.tolerance);
            assert_same(&what, ours.interval.upper, case.hl_high, file.tolerance);
            assert_close(
                &what,
                ours.probability_shorter,
                case.prob_current_shorter,
                file.tolerance,
            );
            assert_close(&what, ours.p, case.p_two_sided, file.tolerance);
        }
    }

    #[test]
    fn a_second_is_added_so_that_zero_durations_compare() {
        let comparison = compared(&[0.0, 9.0], &[0.0, 9.0]).unwrap();
        assert_close("ratio", comparison.ratio, 1.0, 1e-12);
        let halved = compared(&[1.0; 12], &[0.0; 12]).unwrap();
        assert_close("2 s to 1 s", halved.ratio, 0.5, 1e-12);
        assert_eq!(compared(&[], &[1.0]), None);
    }

    #[test]
    fn five_thousand_against_five_thousand_need_no_table_of_pairs() {
        let spread = |scale: f64| (1..=5_000).map(|it| f64::from(it) * scale).collect::<Vec<_>>();
        let comparison = compare_positive(spread(10.0), spread(7.0));
        assert_close("ratio", comparison.ratio, 0.7, 1e-9);
        let (lower, upper) = (comparison.interval.lower, comparison.interval.upper);
        assert!(lower.is_some_and(|it| it > 0.65) && upper.is_some_and(|it| it < 0.75));
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_the_sorted_table(
            from in proptest::collection::vec(-9_i32..9, 1..40),
            to in proptest::collection::vec(-9_i32..9, 1..40),
            skew in 1..4_i32,
        ) {
            // With a skew of more than one most of them lie close together and some far away.
            let skewed = |it: &i32| f64::from(*it).powi(2 * skew - 1) * 1.1;
            let sorted = |values: &[i32]| Sample::new(values.iter().map(skewed).collect());
            let (from, to) = (sorted(&from), sorted(&to));
            let all = from.values().iter().flat_map(|from| to.values().iter().map(move |to| to - from));
            let table = Sample::new(all.collect());
            let differences = Differences { from: from.values(), to: to.values() };
            for (index, expected) in table.values().iter().enumerate() {
                let ours = differences.at_rank(count(index) + 1);
                prop_assert!(ours.total_cmp(&(expected + 0.0)).is_eq(), "{ours} is not {expected}");
            }
        }

        #[test]
        fn swapping_the_samples_inverts_the_ratio(
            then in proptest::collection::vec(0.0..1e6_f64, 1..40),
            now in proptest::collection::vec(0.0..1e6_f64, 1..40),
        ) {
            let forth = compared(&then, &now).unwrap();
            let back = compared(&now, &then).unwrap();
            prop_assert!((forth.ratio * back.ratio - 1.0).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&forth.probability_shorter));
            prop_assert!((0.0..=1.0).contains(&forth.p));
            let interval = forth.interval;
            prop_assert!(interval.lower.is_none_or(|lower| lower <= forth.ratio));
            prop_assert!(interval.upper.is_none_or(|upper| forth.ratio <= upper));
        }
    }
}
