//! Status: what can be said about a target, given how sure the number is (kpis.md 1.4, 1.5).

use super::statistics::{Bounds, Comparison, RateRatio};
use super::{Better, Reading};

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The whole interval is on the good side.
    Met,
    /// The value is on the good side, part of its interval is not.
    LikelyMet,
    /// The value is on the bad side, part of its interval is not.
    LikelyMissed,
    /// The whole interval is on the bad side.
    Missed,
    /// Too few items to say anything.
    Insufficient,
    /// There is nothing to compare with.
    NoTarget,
    /// Not collected, or not for the whole window.
    NoData,
    /// Collected, but too long ago.
    Stale,
}

impl State {
    /// Every state, best first.
    pub const ALL: [Self; 8] = [
        Self::Met,
        Self::LikelyMet,
        Self::LikelyMissed,
        Self::Missed,
        Self::Insufficient,
        Self::NoTarget,
        Self::NoData,
        Self::Stale,
    ];

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// The value of the `state` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::LikelyMet => "likely_met",
            Self::LikelyMissed => "likely_missed",
            Self::Missed => "missed",
            Self::Insufficient => "insufficient",
            Self::NoTarget => "no_target",
            Self::NoData => "no_data",
            Self::Stale => "stale",
        }
    }
}

/// A number with what is known about its error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number; infinite for a rate after a period without events.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Bounds,
    /// Where there is no value because a median was not reached: it exceeds this.
    pub beyond: Option<f64>,
    /// How many items it is made of.
    pub n: u64,
}

impl From<&Reading> for Estimate {
    fn from(reading: &Reading) -> Self {
        Self {
            value: reading.value,
            interval: Bounds { lower: reading.lower, upper: reading.upper },
            beyond: reading.beyond,
            n: reading.n,
        }
    }
}

impl From<&RateRatio> for Estimate {
    fn from(change: &RateRatio) -> Self {
        Self { value: change.ratio, interval: change.interval, beyond: None, n: change.n }
    }
}

impl From<&Comparison> for Estimate {
    fn from(comparison: &Comparison) -> Self {
        let Comparison { ratio, interval, n, .. } = *comparison;
        Self { value: Some(ratio), interval, beyond: None, n }
    }
}

/// Judges a number against `target`; of fewer than `min_n` items nothing is said. A band is
/// judged by [`band`], and counts as higher-is-better here.
///
/// A median that was not reached is on the bad side of every target below the time that was
/// followed; of a target beyond that nothing is known.
pub fn judge(estimate: &Estimate, target: f64, better: Better, min_n: u64) -> State {
    if estimate.n < min_n {
        return State::Insufficient;
    }
    let followed_past = estimate.beyond.filter(|beyond| *beyond >= target);
    let Some(value) = estimate.value.or(followed_past.map(|_| f64::INFINITY)) else {
        return State::Insufficient;
    };
    let Bounds { lower, upper } = estimate.interval;
    let (least, most) = (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY));
    match better {
        Better::Lower => verdict(value, most, least, target),
        Better::Higher | Better::Band => verdict(-value, -least, -most, -target),
    }
}

/// Judges a census, which has no sampling error: it meets the target or misses it. Where parts of
/// it are unknown, its interval is what it can still come to.
pub fn judge_census(census: &Estimate, target: f64, better: Better, min_n: u64) -> State {
    let Bounds { lower, upper } = census.interval;
    let exact = lower.is_none() && upper.is_none();
    let interval =
        if exact { Bounds { lower: census.value, upper: census.value } } else { census.interval };
    judge(&Estimate { interval, ..*census }, target, better, min_n)
}

/// The verdict where lower is better.
fn verdict(value: f64, worst: f64, best: f64, target: f64) -> State {
    if worst <= target {
        State::Met
    } else if value <= target {
        State::LikelyMet
    } else if best <= target {
        State::LikelyMissed
    } else {
        State::Missed
    }
}

/// Judges a count against a band that starts at `low`. Above the band is met too. A window that is
/// not `complete` has met it once `low` is reached and cannot miss it yet.
pub fn band(count: Option<f64>, low: f64, complete: bool) -> State {
    match count {
        Some(count) if count >= low => State::Met,
        Some(_) if complete => State::Missed,
        _ => State::Insufficient,
    }
}

/// Judges the change since the baseline: `improvement` 0.2 asks for 20 % less where lower is
/// better, for 20 % more where higher is. Without a baseline there is no target.
pub fn baseline(
    comparison: Option<&Estimate>,
    improvement: f64,
    better: Better,
    min_n: u64,
) -> State {
    let target = match better {
        Better::Lower => 1.0 - improvement,
        Better::Higher | Better::Band => 1.0 + improvement,
    };
    comparison.map_or(State::NoTarget, |it| judge(it, target, better, min_n))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::statistics::poisson::{Exposure, rate_ratio};
    use super::super::statistics::{KaplanMeier, Logarithms, Subject, compare_durations};
    use super::*;

    fn estimate(value: f64, lower: f64, upper: f64) -> Estimate {
        let interval = Bounds::both(lower, upper);
        Estimate { value: Some(value), interval, beyond: None, n: 100 }
    }

    #[test]
    fn lower_is_better() {
        let state =
            |value, lower, upper| judge(&estimate(value, lower, upper), 10.0, Better::Lower, 5);
        assert_eq!(state(8.0, 6.0, 10.0), State::Met);
        assert_eq!(state(8.0, 6.0, 11.0), State::LikelyMet);
        assert_eq!(state(10.0, 6.0, 11.0), State::LikelyMet);
        assert_eq!(state(11.0, 10.0, 14.0), State::LikelyMissed);
        assert_eq!(state(12.0, 10.5, 14.0), State::Missed);
    }

    #[test]
    fn higher_is_better() {
        let state =
            |value, lower, upper| judge(&estimate(value, lower, upper), 10.0, Better::Higher, 5);
        assert_eq!(state(12.0, 10.0, 14.0), State::Met);
        assert_eq!(state(12.0, 9.0, 14.0), State::LikelyMet);
        assert_eq!(state(9.0, 8.0, 10.0), State::LikelyMissed);
        assert_eq!(state(8.0, 7.0, 9.0), State::Missed);
    }

    #[test]
    fn too_few_items_say_nothing() {
        let few = Estimate { n: 4, ..estimate(1.0, 0.5, 2.0) };
        assert_eq!(judge(&few, 10.0, Better::Lower, 5), State::Insufficient);
        let none = Estimate { value: None, n: 0, ..estimate(0.0, 0.0, 0.0) };
        assert_eq!(judge(&none, 10.0, Better::Lower, 0), State::Insufficient);
    }

    #[test]
    fn without_an_interval_nothing_is_certain() {
        let bare = |value| Estimate {
            value: Some(value),
            interval: Bounds::default(),
            beyond: None,
            n: 5,
        };
        assert_eq!(judge(&bare(9.0), 10.0, Better::Lower, 5), State::LikelyMet);
        assert_eq!(judge(&bare(11.0), 10.0, Better::Lower, 5), State::LikelyMissed);
    }

    #[test]
    fn a_median_that_was_not_reached_misses_what_lies_within_the_time_followed() {
        let reading = |open_for: f64| {
            let open = (0..9).map(|_| Subject { duration: open_for, completed: false });
            let done = (0..3).map(|it| Subject { duration: f64::from(it) + 20.0, completed: true });
            let curve = KaplanMeier::fit(open.chain(done).collect());
            assert_eq!(curve.median(), None, "the story needs a median that is not reached");
            Estimate {
                value: None,
                interval: curve.median_interval(),
                beyond: curve.followed(),
                n: 12,
            }
        };
        assert_eq!(judge(&reading(90.0), 10.0, Better::Lower, 5), State::Missed);
        assert_eq!(judge(&reading(90.0), 60.0, Better::Lower, 5), State::LikelyMissed);
        assert_eq!(judge(&reading(90.0), 100.0, Better::Lower, 5), State::Insufficient);
    }

    #[test]
    fn a_census_is_met_or_missed() {
        let census =
            |value: Option<f64>, interval| Estimate { value, interval, beyond: None, n: 3 };
        let state = |value, better| judge_census(&census(value, Bounds::default()), 0.7, better, 1);
        assert_eq!(state(Some(0.7), Better::Higher), State::Met);
        assert_eq!(state(Some(0.69), Better::Higher), State::Missed);
        assert_eq!(state(Some(0.71), Better::Lower), State::Missed);
        assert_eq!(state(None, Better::Higher), State::Insufficient);
    }

    #[test]
    fn a_census_with_unknown_parts_is_judged_by_what_it_can_still_come_to() {
        let state = |value, lower, upper| {
            judge_census(&estimate(value, lower, upper), 0.7, Better::Higher, 1)
        };
        assert_eq!(state(0.9, 0.8, 1.0), State::Met);
        assert_eq!(state(0.8, 0.5, 0.9), State::LikelyMet);
        assert_eq!(state(0.6, 0.5, 0.9), State::LikelyMissed);
        assert_eq!(state(0.6, 0.5, 0.65), State::Missed);
    }

    #[test]
    fn a_band_is_judged_once_its_window_is_complete() {
        assert_eq!(band(Some(4.0), 4.0, true), State::Met);
        assert_eq!(band(Some(11.0), 4.0, true), State::Met, "above the band is met");
        assert_eq!(band(Some(3.0), 4.0, true), State::Missed);
        assert_eq!(band(Some(3.0), 4.0, false), State::Insufficient);
        assert_eq!(band(Some(4.0), 4.0, false), State::Met);
        assert_eq!(band(None, 4.0, true), State::Insufficient);
    }

    #[test]
    fn fewer_incidents_than_before_need_enough_of_them() {
        let state = |now, before| {
            let exposure = |events| Exposure { events, days: 91.0 };
            let change = rate_ratio(exposure(now), exposure(before));
            judge(&(&change).into(), 1.0, Better::Lower, 5)
        };
        assert_eq!(state(0, 3), State::Insufficient);
        assert_eq!(state(4, 12), State::LikelyMet);
        assert_eq!(state(4, 20), State::Met);
        assert_eq!(state(7, 5), State::LikelyMissed);
        assert_eq!(state(7, 0), State::Missed, "infinitely more");
    }

    #[test]
    fn an_improvement_is_judged_by_the_ratio_to_the_baseline() {
        let hours = |factor: f64| (1..40).map(move |it| f64::from(it) * 3600.0 * factor);
        let state = |factor: f64| {
            let then: Vec<f64> = hours(1.0).collect();
            let now: Vec<f64> = hours(factor).collect();
            let change = compare_durations(&Logarithms::of(&then), &now);
            baseline(change.as_ref().map(Estimate::from).as_ref(), 0.2, Better::Lower, 10)
        };
        assert_eq!(state(0.3), State::Met);
        assert_eq!(state(0.7), State::LikelyMet);
        assert_eq!(state(0.9), State::LikelyMissed);
        assert_eq!(state(2.0), State::Missed);
        assert_eq!(baseline(None, 0.2, Better::Lower, 10), State::NoTarget);
        let few = compare_durations(&Logarithms::of(&[1.0; 9]), &[1.0; 50]);
        let few = few.as_ref().map(Estimate::from);
        assert_eq!(baseline(few.as_ref(), 0.2, Better::Lower, 10), State::Insufficient);
    }

    proptest! {
        #[test]
        fn a_better_number_never_has_a_worse_state(
            value in -100.0..100.0_f64, below in 0.0..50.0_f64, above in 0.0..50.0_f64,
            target in -100.0..100.0_f64, worse_by in 0.0..100.0_f64,
        ) {
            let at = |value: f64| estimate(value, value - below, value + above);
            let lower = |value| judge(&at(value), target, Better::Lower, 5);
            prop_assert!(lower(value) <= lower(value + worse_by));
            let higher = |value| judge(&at(value), target, Better::Higher, 5);
            prop_assert!(higher(value) <= higher(value - worse_by));
        }

        #[test]
        fn both_directions_mirror_each_other(
            value in -100.0..100.0_f64, below in 0.0..50.0_f64, above in 0.0..50.0_f64,
            target in -100.0..100.0_f64,
        ) {
            let forward = estimate(value, value - below, value + above);
            let mirrored = estimate(-value, -value - above, -value + below);
            prop_assert_eq!(
                judge(&forward, target, Better::Lower, 5),
                judge(&mirrored, -target, Better::Higher, 5)
            );
        }
    }
}
