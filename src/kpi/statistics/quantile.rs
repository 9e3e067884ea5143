//! Quantiles of a sample and their distribution-free intervals (kpis.md 2.1, 2.2).

use statrs::function::beta::beta_reg;

use super::{Bounds, TAIL, Z, count, real};

/// A sample in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts the values, which must be numbers.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    /// The values in ascending order.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many values there are.
    pub fn n(&self) -> u64 {
        count(self.0.len())
    }

    /// The arithmetic mean; none of an empty sample.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / real(self.n()))
    }

    /// The quantile `q` in `[0, 1]` by linear interpolation, type 7 of Hyndman and Fan (1996), the
    /// default of R and numpy. None of an empty sample.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let position = real(count(last)) * q;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a position within the sample is a small non-negative number"
        )]
        let below = (position.floor() as usize).min(last);
        let above = (below + 1).min(last);
        let share = position - real(count(below));
        Some(self.0[below] + share * (self.0[above] - self.0[below]))
    }

    /// The interval of quantile `q` by order statistics. An end is missing when the sample is too
    /// small to have it: both are there from 6 values on for the median, from 36 for `q` = 0.9.
    pub fn quantile_interval(&self, q: f64) -> Bounds {
        let ranks = Ranks::of(q, self.n());
        let at =
            |rank: u64| self.0[usize::try_from(rank - 1).expect("a rank is within the sample")];
        Bounds { lower: ranks.lower.map(at), upper: ranks.upper.map(at) }
    }
}

/// One-based ranks of the order statistics that bound a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ranks {
    lower: Option<u64>,
    upper: Option<u64>,
}

impl Ranks {
    /// The largest `r` with `P(B <= r - 1) <= 0.025` and the smallest `s` with
    /// `P(B <= s - 1) >= 0.975`, where `B` is binomial (n, q): David and Nagaraja, Order Statistics.
    fn of(q: f64, n: u64) -> Self {
        let below = |rank: u64| binomial_cdf(rank - 1, n, q);
        // Where they are as far as the normal distribution says: next to the truth, so that few
        // probabilities are asked for. There are tens of thousands of intervals.
        let (mean, spread) = (real(n) * q, Z * (real(n) * q * (1.0 - q)).sqrt());
        let first_above = partition(n, mean - spread, |rank| below(rank) <= TAIL);
        let upper = partition(n, mean + spread, |rank| below(rank) < 1.0 - TAIL);
        Self {
            lower: (first_above > 1).then(|| first_above - 1),
            upper: (upper <= n).then_some(upper),
        }
    }
}

/// The first rank of `1..=n` for which `holds` is false, else `n + 1`; looked for from `guess` on in
/// growing steps. `holds` must be true first and false after.
fn partition(n: u64, guess: f64, holds: impl Fn(u64) -> bool) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is no rank is no good guess, and nothing worse"
    )]
    let mut guess = guess.round() as u64;
    let (mut low, mut high, mut step) = (1, n + 1, 1);
    while low < high {
        let rank = if (low..high).contains(&guess) { guess } else { low + (high - low) / 2 };
        if holds(rank) {
            low = rank + 1;
            guess = rank + step;
        } else {
            high = rank;
            guess = rank.saturating_sub(step);
        }
        step *= 2;
    }
    low
}

/// `P(B <= k)` of a binomial (n, p), for `p` strictly between 0 and 1.
fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n { 1.0 } else { beta_reg(real(n - k), real(k + 1), 1.0 - p) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::vectors::{assert_close, parse};
    use super::*;

    #[derive(Deserialize)]
    struct Quantiles {
        tolerance: f64,
        cases: Vec<QuantileCase>,
    }

    #[derive(Deserialize)]
    struct QuantileCase {
        values: Vec<f64>,
        mean: f64,
        #[serde(rename = "q0.25")]
        q25: f64,
        #[serde(rename = "q0.5")]
        q50: f64,
        #[serde(rename = "q0.75")]
        q75: f64,
        #[serde(rename = "q0.9")]
        q90: f64,
        #[serde(rename = "q0.95")]
        q95: f64,
        #[serde(rename = "q0.99")]
        q99: f64,
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let file: Quantiles = parse(include_str!("../../../tests/vectors/percentiles_type7.json"));
        assert!(file.cases.len() > 10, "the vectors are all there");
        for case in file.cases {
            let sample = Sample::new(case.values.clone());
            let expected = [
                (0.25, case.q25),
                (0.5, case.q50),
                (0.75, case.q75),
                (0.9, case.q90),
                (0.95, case.q95),
                (0.99, case.q99),
            ];
            for (q, value) in expected {
                let ours = sample.quantile(q).unwrap();
                assert_close(&format!("q{q} of {:?}", case.values), ours, value, file.tolerance);
            }
            assert_close("mean", sample.mean().unwrap(), case.mean, file.tolerance);
        }
    }

    #[derive(Deserialize)]
    struct RankVectors {
        cases: Vec<RankCase>,
    }

    #[derive(Deserialize)]
    struct RankCase {
        q: f64,
        n: u64,
        lower_rank: Option<u64>,
        upper_rank: Option<u64>,
    }

    #[test]
    fn quantile_intervals_have_the_binomial_ranks() {
        let file: RankVectors =
            parse(include_str!("../../../tests/vectors/quantile_ci_ranks.json"));
        assert!(file.cases.len() > 80, "the vectors are all there");
        for RankCase { q, n, lower_rank, upper_rank } in file.cases {
            let expected = Ranks { lower: lower_rank, upper: upper_rank };
            assert_eq!(Ranks::of(q, n), expected, "q {q}, n {n}");
        }
    }

    #[test]
    fn the_first_n_with_a_finite_interval_is_the_documented_one() {
        #[derive(Deserialize)]
        struct MinN {
            quantile_first_n_two_sided: std::collections::BTreeMap<String, u64>,
        }
        let file: MinN = parse(include_str!("../../../tests/vectors/min_n.json"));
        assert_eq!(file.quantile_first_n_two_sided.len(), 4);
        for (q, first) in file.quantile_first_n_two_sided {
            let q: f64 = q.parse().unwrap();
            let finite = |n| {
                let ranks = Ranks::of(q, n);
                ranks.lower.is_some() && ranks.upper.is_some()
            };
            assert_eq!((1..=500).find(|n| finite(*n)), Some(first), "quantile {q}");
        }
    }

    #[test]
    fn an_empty_sample_has_no_values() {
        let sample = Sample::new(Vec::new());
        assert_eq!(sample.quantile(0.5), None);
        assert_eq!(sample.mean(), None);
        assert_eq!(sample.quantile_interval(0.5), Bounds::default());
    }

    proptest! {
        #[test]
        fn quantiles_grow_with_q_and_lie_in_their_intervals(
            values in proptest::collection::vec(0.0..1e7_f64, 1..300),
            low in 0.01..0.99_f64,
            high in 0.01..0.99_f64,
        ) {
            let sample = Sample::new(values);
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(sample.quantile(low) <= sample.quantile(high));
            let value = sample.quantile(high).unwrap();
            let bounds = sample.quantile_interval(high);
            prop_assert!(bounds.lower.is_none_or(|lower| lower <= value));
            prop_assert!(bounds.upper.is_none_or(|upper| value <= upper));
        }
    }

    proptest! {
        #[test]
        fn the_first_rank_that_is_refused_is_found_whatever_is_guessed(
            n in 0..2000_u64, refused in 1..2001_u64, guess in -10.0..3000.0_f64,
        ) {
            let refused = refused.min(n + 1);
            prop_assert_eq!(partition(n, guess, |rank| rank < refused), refused);
        }
    }
}
