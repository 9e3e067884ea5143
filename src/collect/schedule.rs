//! How long to wait before a source is asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::source::SourceError;
use crate::store::StoreError;

use super::pass::PassError;

/// First pause after a failure; it doubles from one failure to the next.
const FIRST: Duration = Duration::from_secs(30);
/// Longest pause after failures that may pass, unless polls are further apart anyway.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// First pause after a failure of the store, which is ours and usually short.
const FIRST_OF_STORE: Duration = Duration::from_secs(5);
const LONGEST_OF_STORE: Duration = Duration::from_secs(5 * 60);
/// Shortest wait after a vendor wanted us to wait, whatever its clock says.
pub(super) const SHORTEST_LIMIT: Duration = Duration::from_secs(1);
/// Longest wait that a vendor may ask for at a time: after it, it is asked how long still.
pub(super) const LONGEST_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What a failure means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// It may work later.
    Passing,
    /// It will not work until somebody does something: a token, a permission, a repository.
    Lasting,
    /// The same, of something on this machine: looking again costs nothing.
    Local,
    /// The store cannot take anything.
    Store,
}

impl Setback {
    /// What `error` means. A rate limit is no setback.
    pub(super) fn of(error: &PassError) -> Option<Self> {
        match error {
            PassError::Panicked(_) => Some(Self::Passing),
            PassError::Source(error) => match error {
                SourceError::RateLimited { .. } => None,
                SourceError::Transient(_) | SourceError::Malformed(_) => Some(Self::Passing),
                SourceError::Unauthorized(_) | SourceError::NotFound(_) => Some(Self::Lasting),
                SourceError::Unusable(_) => Some(Self::Local),
                SourceError::Store(StoreError::Unavailable(_)) => Some(Self::Store),
                SourceError::Store(StoreError::Unusable(_)) => Some(Self::Lasting),
            },
        }
    }

    /// The pause after so many failures in a row (at least one), when polls are `every` apart.
    ///
    /// Where somebody has to act, the source is asked rarely, so that a vendor does not lock the
    /// account, and for ever, so that a new token is noticed without a restart.
    pub(super) fn pause(self, failures: u32, every: Duration) -> Duration {
        let doubled = |first: Duration| {
            first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        };
        match self {
            Self::Passing => doubled(FIRST).min(LONGEST.max(every)),
            Self::Lasting => LONGEST.max(every),
            Self::Local => every,
            Self::Store => doubled(FIRST_OF_STORE).min(LONGEST_OF_STORE),
        }
    }
}

/// The pause after a success that took `took`: polls start `every` apart, and after a long one
/// there is still a breath.
pub(super) fn rest(every: Duration, took: Duration) -> Duration {
    every.saturating_sub(took).max(every / 10)
}

/// Spreads what would otherwise fall together: the sources of one daemon, and the daemons of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Jitter(RandomState);

impl Jitter {
    /// Somewhere in `0..limit`, another place at every turn.
    pub(super) fn below(&self, limit: Duration, what: &str, turn: u64) -> Duration {
        let random = self.0.hash_one((what, turn)) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exactly a float's precision")]
        let fraction = random as f64 / (1_u64 << 53) as f64;
        limit.mul_f64(fraction)
    }

    /// `pause` up to a tenth longer: never shorter, because a vendor may have asked for it.
    pub(super) fn spread(&self, pause: Duration, what: &str, turn: u64) -> Duration {
        pause + self.below(pause / 10, what, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    #[test]
    fn what_may_pass_is_tried_again_soon_and_then_ever_more_rarely() {
        let pauses: Vec<u64> =
            (1..8).map(|failures| Setback::Passing.pause(failures, EVERY).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(Setback::Passing.pause(u32::MAX, EVERY), minutes(15));
        assert_eq!(Setback::Passing.pause(9, minutes(60)), minutes(60));
    }

    #[test]
    fn what_needs_somebody_is_tried_rarely_but_for_ever() {
        assert_eq!(Setback::Lasting.pause(1, EVERY), minutes(15));
        assert_eq!(Setback::Lasting.pause(1000, EVERY), minutes(15));
    }

    #[test]
    fn a_file_that_is_mended_is_noticed_at_the_next_poll() {
        assert_eq!(Setback::Local.pause(1000, EVERY), EVERY);
    }

    #[test]
    fn a_store_that_comes_back_does_not_wait_long() {
        let pauses: Vec<u64> =
            (1..9).map(|failures| Setback::Store.pause(failures, EVERY).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn polls_start_an_interval_apart_and_leave_a_breath() {
        assert_eq!(rest(EVERY, Duration::from_secs(100)), Duration::from_secs(200));
        assert_eq!(rest(EVERY, Duration::from_secs(4_000)), Duration::from_secs(30));
    }

    #[test]
    fn a_pause_is_spread_over_a_tenth_and_never_shortened() {
        let jitter = Jitter::default();
        let spread: Vec<Duration> =
            (0..100).map(|turn| jitter.spread(EVERY, "github", turn)).collect();
        assert!(spread.iter().all(|pause| (EVERY..=EVERY + EVERY / 10).contains(pause)));
        let shortest = spread.iter().min().unwrap();
        let longest = spread.iter().max().unwrap();
        assert!(*longest - *shortest > EVERY / 20, "{shortest:?} to {longest:?} is no spread");
    }
}
