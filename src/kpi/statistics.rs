//! The statistics behind every number (kpis.md section 2).
//!
//! All intervals are two-sided at 95 % and exact where an exact one exists, because most samples
//! here are small. Nothing is random, so the same facts always give the same digits.

pub mod budget;
pub mod histogram;
pub mod hodges_lehmann;
pub mod kaplan_meier;
pub mod mean;
pub mod poisson;
pub mod proportion;
pub mod quantile;
pub mod xmr;

pub use histogram::Histogram;
pub use hodges_lehmann::{Comparison, Logarithms, compare_durations};
pub use kaplan_meier::{KaplanMeier, Subject};
pub use mean::{mean_difference, mean_interval};
pub use poisson::{RateRatio, count_interval, rate_ratio};
pub use proportion::wilson;
pub use quantile::Sample;
pub use xmr::Xmr;

/// The probability left out at each end of an interval.
const TAIL: f64 = 0.025;

/// The standard normal quantile of 1 - [`TAIL`].
const Z: f64 = 1.959_963_984_540_054;

/// A 95 % interval; an end that the data cannot bound is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The lower end.
    pub lower: Option<f64>,
    /// The upper end.
    pub upper: Option<f64>,
}

impl Bounds {
    /// An interval with both ends.
    pub fn both(lower: f64, upper: f64) -> Self {
        Self { lower: Some(lower), upper: Some(upper) }
    }

    /// The same interval in another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { lower: self.lower.map(|it| it * factor), upper: self.upper.map(|it| it * factor) }
    }
}

/// The point in `[low, high]` where the increasing `function` reaches `level`, to the last bit
/// that halving can find.
fn solve_increasing(mut low: f64, mut high: f64, level: f64, function: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if function(middle) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// A count as a real number. Counts of items stay far below 2^53, where this is exact.
#[expect(clippy::cast_precision_loss, reason = "counts of items stay far below 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The size of a collection as a count.
pub(crate) fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod vectors {
    //! Reference values computed with numpy, scipy, statsmodels and lifelines.

    use serde::de::DeserializeOwned;

    /// Parses a file of `tests/vectors`.
    pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> T {
        serde_json::from_str(text).expect("tests/vectors holds JSON of the shape the test names")
    }

    /// Fails unless the two agree within `tolerance`, relative to their size above 1.
    #[track_caller]
    pub(crate) fn assert_close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
        assert!(
            (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0),
            "{what}: we say {ours}, the reference says {theirs}"
        );
    }

    /// The same for values that may be undefined: both are or neither is.
    #[track_caller]
    pub(crate) fn assert_same(what: &str, ours: Option<f64>, theirs: Option<f64>, tolerance: f64) {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => assert_close(what, ours, theirs, tolerance),
            (None, None) => {}
            _ => panic!("{what}: we say {ours:?}, the reference says {theirs:?}"),
        }
    }
}
