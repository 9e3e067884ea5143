//! Readings: what a measurement says, with its n and its interval.

use std::collections::BTreeMap;

/// Which statistic of a distribution a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stat {
    Median,
    P90,
    Mean,
    KmMedian,
}

impl Stat {
    /// The value of the `stat` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P90 => "p90",
            Self::Mean => "mean",
            Self::KmMedian => "km_median",
        }
    }
}

/// Items left out of a measurement, by reason.
pub type Exclusions = BTreeMap<&'static str, u64>;

/// One value of one family in one scope and window.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The family's full name; one of the KPI's [`super::Family`]s.
    pub family: &'static str,
    /// The KPI's own dimensions, for example `("stage", "merge_to_deploy")`.
    pub dimensions: Vec<(&'static str, String)>,
    /// Which statistic, where the family is a distribution.
    pub stat: Option<Stat>,
    /// Undefined values have none and make no series.
    pub value: Option<f64>,
    /// How many items it is made of (the denominator of a ratio).
    pub n: u64,
    /// The numerator, where the family is a ratio.
    pub numerator: Option<u64>,
    /// Items open at `as_of` in the scope; for `km_median` the censored items of the cohort.
    pub open: Option<u64>,
    /// Items left out, by reason.
    pub excluded: Exclusions,
    /// Share of the relevant items that carry what the definition needs.
    pub coverage: Option<f64>,
    /// Lower end of the 95 % interval.
    pub lower: Option<f64>,
    /// Upper end of the 95 % interval.
    pub upper: Option<f64>,
}

impl Reading {
    /// A reading of `family` with `value` from `n` items and nothing else known.
    pub fn new(family: &'static str, value: Option<f64>, n: u64) -> Self {
        Self {
            family,
            dimensions: Vec::new(),
            stat: None,
            value,
            n,
            numerator: None,
            open: None,
            excluded: Exclusions::new(),
            coverage: None,
            lower: None,
            upper: None,
        }
    }

    /// The same with one of the KPI's own dimensions.
    #[must_use]
    pub fn with(mut self, dimension: &'static str, value: impl Into<String>) -> Self {
        self.dimensions.push((dimension, value.into()));
        self
    }

    /// The same as this statistic of a distribution.
    #[must_use]
    pub fn stat(mut self, stat: Stat) -> Self {
        self.stat = Some(stat);
        self
    }

    /// The same with a 95 % interval.
    #[must_use]
    pub fn interval(mut self, interval: Option<(f64, f64)>) -> Self {
        self.lower = interval.map(|(lower, _)| lower);
        self.upper = interval.map(|(_, upper)| upper);
        self
    }
}
