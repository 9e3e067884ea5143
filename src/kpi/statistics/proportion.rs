//! Proportions (kpis.md 2.3).

use super::{Z, real};

/// Wilson's score interval (1927) of `k` out of `n`, without continuity correction; `k <= n`.
/// None when `n` is 0.
pub fn wilson(k: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let size = real(n);
    let share = real(k) / size;
    let z2 = Z * Z;
    let scale = 1.0 + z2 / size;
    let centre = (share + z2 / (2.0 * size)) / scale;
    let half = Z / scale * (share * (1.0 - share) / size + z2 / (4.0 * size * size)).sqrt();
    // Rounding must not push the share itself out of its interval.
    Some(((centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0)))
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
        failures: u64,
        n: u64,
        wilson_low: f64,
        wilson_high: f64,
    }

    #[test]
    fn intervals_are_those_of_statsmodels() {
        let file: Vectors = parse(include_str!("../../../tests/vectors/wilson.json"));
        assert!(file.cases.len() > 15, "the vectors are all there");
        for case in file.cases {
            let what = format!("{} of {}", case.failures, case.n);
            let (lower, upper) = wilson(case.failures, case.n).unwrap();
            assert_close(&what, lower, case.wilson_low, file.tolerance);
            assert_close(&what, upper, case.wilson_high, file.tolerance);
        }
    }

    #[test]
    fn without_failures_a_target_is_met_from_the_documented_n_on() {
        #[derive(Deserialize)]
        struct MinN {
            wilson_zero_failures: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            target: f64,
            min_n_zero_failures_for_confident_met: u64,
        }
        let file: MinN = parse(include_str!("../../../tests/vectors/min_n.json"));
        for row in file.wilson_zero_failures {
            let met = |n: &u64| wilson(0, *n).is_some_and(|(_, upper)| upper <= row.target);
            assert_eq!((1..200).find(met), Some(row.min_n_zero_failures_for_confident_met));
        }
    }

    #[test]
    fn nothing_out_of_nothing_has_no_interval() {
        assert_eq!(wilson(0, 0), None);
    }

    proptest! {
        #[test]
        fn intervals_are_shares_around_the_share(n in 1..100_000_u64, part in 0.0..=1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test data")]
            let k = (real(n) * part) as u64;
            let (lower, upper) = wilson(k, n).unwrap();
            let share = real(k) / real(n);
            prop_assert!(0.0 <= lower && lower <= share && share <= upper && upper <= 1.0);
            if k < n {
                let (more_lower, more_upper) = wilson(k + 1, n).unwrap();
                prop_assert!(lower <= more_lower && upper <= more_upper);
            }
        }
    }
}
