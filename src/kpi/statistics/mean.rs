//! Means of small samples, such as the answers to a survey, and the difference of two of them.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Bounds, TAIL, count, real};

/// From so many values on a mean has an interval.
const ENOUGH: usize = 10;

/// The 95 % interval of a mean by Student's t; none of fewer than ten values.
pub fn mean_interval(values: &[f64]) -> Bounds {
    let Some(moments) = Moments::of(values).filter(|_| values.len() >= ENOUGH) else {
        return Bounds::default();
    };
    let error = (moments.variance / moments.n).sqrt();
    moments.around(moments.mean, error, moments.n - 1.0)
}

/// How much larger the mean of `now` is than that of `then`, with its 95 % interval by Welch's t
/// where both have at least ten values. None of an empty sample.
pub fn mean_difference(then: &[f64], now: &[f64]) -> Option<(f64, Bounds)> {
    let (before, after) = (Moments::of(then)?, Moments::of(now)?);
    let difference = after.mean - before.mean;
    if then.len() < ENOUGH || now.len() < ENOUGH {
        return Some((difference, Bounds::default()));
    }
    let (a, b) = (before.variance / before.n, after.variance / after.n);
    let error = (a + b).sqrt();
    // Welch and Satterthwaite. Without any spread there is no error, whatever the freedom.
    let freedom = (a + b).powi(2) / (a * a / (before.n - 1.0) + b * b / (after.n - 1.0));
    let freedom = if freedom.is_finite() { freedom } else { before.n + after.n - 2.0 };
    Some((difference, after.around(difference, error, freedom)))
}

struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Option<Self> {
        let n = real(count(values.len()));
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
        let variance = if values.len() > 1 { squares / (n - 1.0) } else { 0.0 };
        (!values.is_empty()).then_some(Self { n, mean, variance })
    }

    fn around(&self, middle: f64, error: f64, freedom: f64) -> Bounds {
        match StudentsT::new(0.0, 1.0, freedom) {
            Ok(t) => {
                let reach = t.inverse_cdf(1.0 - TAIL) * error;
                Bounds::both(middle - reach, middle + reach)
            }
            Err(_) => Bounds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors::assert_close;
    use super::*;

    const THEN: [f64; 10] = [3.0, 2.0, 4.0, 3.0, 3.0, 2.0, 5.0, 3.0, 2.0, 3.0];
    const NOW: [f64; 12] = [4.0, 4.0, 5.0, 3.0, 4.0, 5.0, 4.0, 3.0, 5.0, 4.0, 4.0, 2.0];

    #[test]
    fn an_interval_is_students() {
        // mean 3, s = sqrt(8/9), t(9) = 2.2621571627
        let bounds = mean_interval(&THEN);
        let reach = 2.262_157_162_7 * (8.0_f64 / 9.0 / 10.0).sqrt();
        assert_close("lower", bounds.lower.unwrap(), 3.0 - reach, 1e-9);
        assert_close("upper", bounds.upper.unwrap(), 3.0 + reach, 1e-9);
        assert_eq!(mean_interval(&THEN[..9]), Bounds::default());
    }

    #[test]
    fn a_difference_is_welchs() {
        let (difference, bounds) = mean_difference(&THEN, &NOW).unwrap();
        let mean = 47.0 / 12.0;
        assert_close("difference", difference, mean - 3.0, 1e-12);
        let spread: f64 = NOW.iter().map(|it| (it - mean).powi(2)).sum();
        let (a, b) = (8.0 / 9.0 / 10.0, spread / 11.0 / 12.0);
        let freedom = (a + b).powi(2) / (a * a / 9.0 + b * b / 11.0);
        let t = StudentsT::new(0.0, 1.0, freedom).unwrap();
        let reach = t.inverse_cdf(0.975) * f64::sqrt(a + b);
        assert_close("lower", bounds.lower.unwrap(), difference - reach, 1e-9);
        assert_close("upper", bounds.upper.unwrap(), difference + reach, 1e-9);
    }

    #[test]
    fn few_answers_have_a_difference_and_no_interval() {
        assert_eq!(mean_difference(&[3.0; 9], &NOW).unwrap().1, Bounds::default());
        assert_eq!(mean_difference(&[], &NOW), None);
    }

    #[test]
    fn answers_that_are_all_the_same_have_no_error() {
        let (difference, bounds) = mean_difference(&[3.0; 10], &[4.0; 10]).unwrap();
        assert_eq!((difference, bounds), (1.0, Bounds::both(1.0, 1.0)));
    }
}
