//! The only place that reads the wall clock.

use std::sync::Mutex;

use crate::domain::Instant;

/// Tells the time. Made in `main` and passed down.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads wall time")]
    fn now(&self) -> Instant {
        chrono::Utc::now()
    }
}

/// A clock that stands still until it is moved: for tests and for replaying the past.
#[derive(Debug)]
pub struct ManualClock(Mutex<Instant>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Instant) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it to `now`.
    pub fn set(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
