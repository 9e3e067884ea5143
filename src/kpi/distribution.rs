//! The readings that every KPI about durations has: median, p90, mean and Kaplan-Meier median,
//! each with its n, its interval and what is still open.
//!
//! ```ignore
//! // Everything a KPI file has to say about its statistics:
//! Distribution::of(items, slice, "recovery").readings("engkpi_incident_recovery_time_seconds")
//! ```

use super::item::{Item, Outcome};
use super::reading::{Exclusions, Reading, Stat};
use super::statistics::{Bounds, KaplanMeier, Sample, Subject, count};
use super::{Slice, Span};
use crate::domain::Instant;

/// The durations of one family in one slice, in the family's unit.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    completed: Vec<f64>,
    cohort: Vec<Subject>,
    open: u64,
    excluded: Exclusions,
    coverage: Option<f64>,
}

impl Distribution {
    /// The distribution of the number called `name` among `items`:
    ///
    /// - counted items that completed in the window make up median, p90 and mean;
    /// - counted and open items that started in it are the cohort of `km_median` (an open item's
    ///   number is its age at `as_of`);
    /// - open items count as open, whatever the window;
    /// - items that ended in another way are in the cohort too, censored when they ended;
    /// - excluded items that the window would have held count by their reason.
    ///
    /// An item without the number is in none of these except the last.
    pub fn of(items: &[&Item], slice: &Slice<'_>, name: &str) -> Self {
        let mut distribution = Self::default();
        for item in items {
            match (&item.outcome, item.value(name)) {
                (Outcome::Excluded(reason), _) => {
                    let placed = item.completed_at.unwrap_or(item.started_at);
                    if slice.window.contains(placed) {
                        distribution.exclude(reason);
                    }
                }
                (Outcome::Counted, Some(value)) => {
                    let span = slice.window;
                    distribution.complete(span, item.started_at, item.completed_at, value);
                }
                (Outcome::Open, Some(age)) => {
                    distribution.leave_open(slice.window, item.started_at, age);
                }
                (Outcome::Censored(_), Some(age)) => {
                    distribution.censor(slice.window, item.started_at, age);
                }
                (Outcome::Counted | Outcome::Open | Outcome::Censored(_), None) => {}
            }
        }
        distribution
    }

    /// Takes in something that completed: into the sample if it completed in the window, into the
    /// cohort if it started in it.
    pub fn complete(
        &mut self,
        window: Span,
        started_at: Instant,
        completed_at: Option<Instant>,
        duration: f64,
    ) {
        if completed_at.is_some_and(|at| window.contains(at)) {
            self.completed.push(duration);
        }
        if window.contains(started_at) {
            self.cohort.push(Subject { duration, completed: true });
        }
    }

    /// Takes in something that is still open, `age` old at `as_of`.
    pub fn leave_open(&mut self, window: Span, started_at: Instant, age: f64) {
        self.open += 1;
        self.censor(window, started_at, age);
    }

    /// Takes in something that is known not to have completed until it was `age` old.
    pub fn censor(&mut self, window: Span, started_at: Instant, age: f64) {
        if window.contains(started_at) {
            self.cohort.push(Subject { duration: age, completed: false });
        }
    }

    /// Counts an item of the window that is left out of every statistic.
    pub fn exclude(&mut self, reason: &'static str) {
        self.excluded.add(reason, 1);
    }

    /// States which share of the relevant items carries what the definition needs.
    #[must_use]
    pub fn with_coverage(mut self, coverage: Option<f64>) -> Self {
        self.coverage = coverage;
        self
    }

    /// How many items completed in the window.
    pub fn n(&self) -> u64 {
        count(self.completed.len())
    }

    /// Median, p90, mean and Kaplan-Meier median of `family`.
    pub fn readings(self, family: &'static str) -> Vec<Reading> {
        let km_median = self.km_median(family);
        let mut readings = self.completed_readings(family);
        readings.push(km_median);
        readings
    }

    /// Median, p90 and mean of `family`, for durations that nothing open belongs to.
    pub fn completed_readings(self, family: &'static str) -> Vec<Reading> {
        let sample = Sample::new(self.completed);
        let reading = |stat, value, bounds: Bounds| {
            let mut reading = Reading::new(family, value, sample.n()).stat(stat).bounds(bounds);
            reading.open = Some(self.open);
            reading.excluded = self.excluded.clone();
            reading.coverage = self.coverage;
            reading
        };
        let quantile = |stat, q| reading(stat, sample.quantile(q), sample.quantile_interval(q));
        vec![
            quantile(Stat::Median, 0.5),
            quantile(Stat::P90, 0.9),
            reading(Stat::Mean, sample.mean(), Bounds::default()),
        ]
    }

    /// The Kaplan-Meier median of `family`: n is the size of the cohort, open its censored items.
    pub fn km_median(&self, family: &'static str) -> Reading {
        let curve = KaplanMeier::fit(self.cohort.clone());
        let median = curve.median();
        let mut reading = Reading::new(family, median, count(self.cohort.len()))
            .stat(Stat::KmMedian)
            .bounds(curve.median_interval());
        reading.open = Some(count(self.cohort.iter().filter(|it| !it.completed).count()));
        reading.excluded = self.excluded.clone();
        reading.coverage = self.coverage;
        reading.beyond = if median.is_none() { curve.followed() } else { None };
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "engkpi_test_seconds";

    fn day(day: u32) -> Instant {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    /// The second week of March: the 8th to the 14th.
    fn week() -> Span {
        Span { start: day(8), end: day(15) }
    }

    fn reading(readings: &[Reading], stat: Stat) -> Reading {
        readings.iter().find(|it| it.stat == Some(stat)).unwrap().clone()
    }

    #[test]
    fn what_completed_in_the_window_is_the_sample_and_what_started_in_it_the_cohort() {
        let mut distribution = Distribution::default();
        distribution.complete(week(), day(7), Some(day(9)), 2.0);
        distribution.complete(week(), day(8), Some(day(12)), 4.0);
        distribution.complete(week(), day(14), Some(day(15)), 1.0);
        distribution.leave_open(week(), day(10), 30.0);
        distribution.leave_open(week(), day(2), 38.0);
        let readings = distribution.readings(FAMILY);

        let median = reading(&readings, Stat::Median);
        assert_eq!((median.value, median.n), (Some(3.0), 2), "2 and 4 completed in the week");
        assert_eq!(median.open, Some(2), "whatever is open counts, whenever it started");
        assert_eq!(reading(&readings, Stat::Mean).value, Some(3.0));

        let km_median = reading(&readings, Stat::KmMedian);
        assert_eq!(km_median.n, 3, "4, 1 and an open one started in the week");
        assert_eq!(km_median.open, Some(1), "one of them is censored");
        assert_eq!(km_median.value, Some(4.0));
    }

    #[test]
    fn a_median_that_was_not_reached_says_how_long_was_followed() {
        let mut distribution = Distribution::default();
        for _ in 0..3 {
            distribution.leave_open(week(), day(8), 20.0);
        }
        let km_median = reading(&distribution.readings(FAMILY), Stat::KmMedian);
        assert_eq!((km_median.value, km_median.upper), (None, None));
        assert_eq!(km_median.beyond, Some(20.0));
    }

    #[test]
    fn what_is_left_out_is_counted_by_reason_and_in_no_statistic() {
        let mut distribution = Distribution::default();
        distribution.exclude("negative_duration");
        distribution.exclude("negative_duration");
        distribution.exclude("bulk_import");
        let readings = distribution.with_coverage(Some(0.5)).readings(FAMILY);
        for it in &readings {
            assert_eq!((it.value, it.n), (None, 0), "{it:?}");
            assert_eq!(it.excluded.get("negative_duration"), Some(2));
            assert_eq!(it.excluded.get("bulk_import"), Some(1));
            assert_eq!(it.coverage, Some(0.5));
        }
    }

    #[test]
    fn the_interval_comes_with_six_items() {
        let of = |n: u32| {
            let mut distribution = Distribution::default();
            for duration in 1..=n {
                distribution.complete(week(), day(8), Some(day(9)), f64::from(duration));
            }
            reading(&distribution.completed_readings(FAMILY), Stat::Median)
        };
        assert_eq!((of(5).lower, of(5).upper), (None, None));
        assert_eq!((of(6).lower, of(6).upper), (Some(1.0), Some(6.0)));
    }
}
