//! Instants as tests write them, and the fakes' idea of the present.

use chrono::{DateTime, NaiveDateTime, Utc};

/// An instant, always UTC.
pub type Instant = DateTime<Utc>;

/// Something that names an instant: an [`Instant`], RFC 3339 text, or the shorter
/// `2026-03-01 09:00[:00]` that reads better in a story.
pub trait When {
    /// The instant that is meant.
    fn instant(self) -> Instant;
}

impl When for Instant {
    fn instant(self) -> Instant {
        self
    }
}

impl When for &str {
    /// # Panics
    /// If the text is no instant: a mistake in the test.
    fn instant(self) -> Instant {
        if let Ok(at) = DateTime::parse_from_rfc3339(self) {
            return at.with_timezone(&Utc);
        }
        ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(self, format).ok())
            .map_or_else(
                || panic!("{self:?} is no instant; write 2026-03-01T09:00:00Z or 2026-03-01 09:00"),
                |at| at.and_utc(),
            )
    }
}

impl When for &String {
    fn instant(self) -> Instant {
        self.as_str().instant()
    }
}

/// The text that both vendors use for instants: whole seconds, `Z`.
pub(crate) fn text(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The present of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// It stands still until a test moves it.
    Frozen(Instant),
    /// The machine's time.
    Wall,
}

impl Now {
    /// The instant that it is.
    pub fn instant(self) -> Instant {
        match self {
            Self::Frozen(at) => at,
            Self::Wall => wall(),
        }
    }
}

/// The machine's time.
#[expect(clippy::disallowed_methods, reason = "the fakes play the vendors, who read a real clock")]
pub fn wall() -> Instant {
    Utc::now()
}
