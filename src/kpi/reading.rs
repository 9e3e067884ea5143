//! Readings: what a measurement says, with its n and its interval.

use serde::{Serialize, Serializer};

use super::Need;
use super::statistics::{Bounds, count_interval, real, wilson};
use super::status::{Estimate, State};

/// Which statistic of a distribution a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stat {
    Median,
    P90,
    Mean,
    KmMedian,
    P95,
    P99,
}

impl Stat {
    /// The value of the `stat` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P90 => "p90",
            Self::Mean => "mean",
            Self::KmMedian => "km_median",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// The smallest n of which something can be said (kpis.md section 2).
    pub fn min_n(self) -> u64 {
        match self {
            Self::Median | Self::KmMedian | Self::Mean => 5,
            Self::P90 => 10,
            Self::P95 => 20,
            Self::P99 => 100,
        }
    }
}

/// Items left out of a measurement, by reason. There are hardly ever two reasons, and hundreds of
/// thousands of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions(Vec<(&'static str, u64)>);

impl Exclusions {
    /// Counts `items` more that are left out for `reason`.
    pub fn add(&mut self, reason: &'static str, items: u64) {
        match self.0.binary_search_by_key(&reason, |(it, _)| it) {
            Ok(at) => self.0[at].1 += items,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (reason, items));
            }
        }
    }

    /// How many are left out for `reason`, if it left out any.
    pub fn get(&self, reason: &str) -> Option<u64> {
        let at = self.0.binary_search_by(|(it, _)| (*it).cmp(reason)).ok()?;
        Some(self.0[at].1)
    }

    /// Every reason with the number of items, by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(&'static str, u64)> for Exclusions {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(counts: I) -> Self {
        let mut exclusions = Self::default();
        counts.into_iter().for_each(|(reason, items)| exclusions.add(reason, items));
        exclusions
    }
}

impl Serialize for Exclusions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

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
    /// Where a median was not reached: the longest time that was followed, which it exceeds.
    pub beyond: Option<f64>,
    /// How the value changed since the baseline, where that is not told by one number per item:
    /// the ratio that a baseline target judges, or the difference that one in points judges.
    pub change: Option<Box<Estimate>>,
    /// What the target asks for beside the value; the status is no better than this.
    pub condition: Option<State>,
    /// The state, where this very reading decides it: what it is made of does not cover the window
    /// or is stale, or its number is known to be more than it says.
    pub verdict: Option<State>,
    /// Whether the target is about this reading, where the KPI's `target_stat` does not say it for
    /// all of them.
    pub aimed_at: Option<bool>,
    /// What it is not known without, where that is collected at all: the reading is absent while
    /// that does not cover the window or is stale.
    pub uses: &'static [Need],
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
            excluded: Exclusions::default(),
            coverage: None,
            lower: None,
            upper: None,
            beyond: None,
            change: None,
            condition: None,
            verdict: None,
            aimed_at: None,
            uses: &[],
        }
    }

    /// `numerator` out of `n`, with Wilson's interval; undefined when `n` is 0.
    pub fn ratio(family: &'static str, numerator: u64, n: u64) -> Self {
        let value = (n > 0).then(|| real(numerator) / real(n));
        let mut reading = Self::new(family, value, n).interval(wilson(numerator, n));
        reading.numerator = Some(numerator);
        reading
    }

    /// A census: `numerator` out of `n` without sampling error, so without an interval.
    pub fn census(family: &'static str, numerator: u64, n: u64) -> Self {
        let mut reading = Self::ratio(family, numerator, n);
        (reading.lower, reading.upper) = (None, None);
        reading
    }

    /// A count of events, with its exact Poisson interval; n is the count itself.
    pub fn count(family: &'static str, events: u64) -> Self {
        Self::new(family, Some(real(events)), events).interval(Some(count_interval(events)))
    }

    /// Events per day, with the exact Poisson interval; n is the number of events. Undefined in a
    /// window that has no length yet.
    pub fn per_day(family: &'static str, events: u64, days: f64) -> Self {
        if days <= 0.0 {
            return Self::new(family, None, events);
        }
        let (lower, upper) = count_interval(events);
        Self::new(family, Some(real(events) / days), events)
            .interval(Some((lower / days, upper / days)))
    }

    /// A number that is neither a sample nor a count with an error, such as an age.
    pub fn plain(family: &'static str, value: Option<f64>) -> Self {
        Self::new(family, value, u64::from(value.is_some()))
    }

    /// Whether it has `value` in one of the KPI's own dimensions.
    pub fn has(&self, dimension: &str, value: &str) -> bool {
        self.dimensions.iter().any(|(name, is)| *name == dimension && is == value)
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

    /// The same with a 95 % interval of which an end may be missing.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        (self.lower, self.upper) = (bounds.lower, bounds.upper);
        self
    }
}
