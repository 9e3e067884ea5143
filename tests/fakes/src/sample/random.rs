//! Chance that follows from a seed.

use chrono::{Duration, NaiveDate};

use crate::time::Instant;

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// How many events happen where `mean` are expected.
    pub(crate) fn poisson(&mut self, mean: f64) -> usize {
        let floor = (-mean).exp();
        let (mut count, mut product) = (0, self.unit());
        while product > floor {
            count += 1;
            product *= self.unit();
        }
        count
    }

    /// A duration around `median`: log-normal, so that some are much longer.
    pub(crate) fn about(&mut self, median: Duration, spread: f64) -> Duration {
        let (a, b) = (self.unit().max(f64::MIN_POSITIVE), self.unit());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        let seconds = median.num_seconds() as f64 * (normal * spread).exp();
        Duration::seconds(seconds.max(1.0) as i64)
    }

    /// An instant in the working hours of a day.
    pub(crate) fn working_time(&mut self, day: NaiveDate) -> Instant {
        let seconds = 8 * 3600 + (self.unit() * 10.0 * 3600.0) as i64;
        day.and_time(chrono::NaiveTime::MIN).and_utc() + Duration::seconds(seconds)
    }
}
