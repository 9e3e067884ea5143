//! Signal or noise: an individuals chart with the limits of its moving range (kpis.md 2.8; Shewhart
//! 1931, Wheeler 1993).

use super::{count, real};

/// Three times the standard deviation that an average moving range of two stands for: 3 / 1.128.
const LIMITS: f64 = 2.66;

/// What the values of periods that follow each other usually are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Xmr {
    /// Their mean.
    pub mean: f64,
    /// Below it is a signal. Nothing that is counted or measured here falls below zero.
    pub lower: f64,
    /// Above it is a signal.
    pub upper: f64,
}

impl Xmr {
    /// Of fewer periods nothing is said.
    pub const LEAST: usize = 8;

    /// The limits of values in the order of their periods. `None` of fewer than two.
    pub fn of(values: &[f64]) -> Option<Self> {
        let moves: Vec<f64> = values.windows(2).map(|it| (it[1] - it[0]).abs()).collect();
        let mean = mean(values)?;
        let spread = LIMITS * self::mean(&moves)?;
        Some(Self { mean, lower: (mean - spread).max(0.0), upper: mean + spread })
    }

    /// Whether a value is more than noise.
    pub fn is_signal(&self, value: f64) -> bool {
        value < self.lower || self.upper < value
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / real(count(values.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::vectors::{assert_close, parse};
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        values: Vec<f64>,
        mean: f64,
        upper: f64,
        lower: f64,
        signals: Vec<usize>,
    }

    #[test]
    fn limits_and_signals_are_those_of_the_vectors() {
        let file: Vectors = parse(include_str!("../../../tests/vectors/xmr.json"));
        assert_eq!(file.cases.len(), 3, "the vectors are all there");
        for case in file.cases {
            let what = format!("{:?}", case.values);
            let ours = Xmr::of(&case.values).unwrap();
            assert_close(&what, ours.mean, case.mean, file.tolerance);
            assert_close(&what, ours.lower, case.lower, file.tolerance);
            assert_close(&what, ours.upper, case.upper, file.tolerance);
            let signals = case.values.iter().enumerate().filter(|(_, it)| ours.is_signal(**it));
            assert_eq!(signals.map(|(at, _)| at).collect::<Vec<_>>(), case.signals, "{what}");
        }
    }

    #[test]
    fn one_value_does_not_move() {
        assert_eq!(Xmr::of(&[]), None);
        assert_eq!(Xmr::of(&[5.0]), None);
    }

    proptest! {
        #[test]
        fn the_mean_lies_between_limits_that_are_not_negative(
            values in proptest::collection::vec(0.0..1e6_f64, 2..40),
        ) {
            let ours = Xmr::of(&values).unwrap();
            prop_assert!(0.0 <= ours.lower && ours.lower <= ours.mean && ours.mean <= ours.upper);
            prop_assert!(!ours.is_signal(ours.mean));
        }
    }
}
