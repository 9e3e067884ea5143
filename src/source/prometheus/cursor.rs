//! How far a ledger has been read. Stored as JSON, by ledger.

use serde::{Deserialize, Serialize};

use crate::domain::Instant;
use crate::store::Batch;

/// How far one ledger has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// From where on it was asked for.
    pub(super) from: Instant,
    /// Every hour before it has been asked for when it was complete by the server's own time.
    pub(super) through: Instant,
    /// The start of the first hour in which there was anything: where the retention began, or the
    /// metric.
    pub(super) first: Option<Instant>,
}

impl Position {
    /// Where a poll that wants history from `start` goes on: at the beginning if more is wanted
    /// than before.
    pub(super) fn resumed(stored: Option<&str>, start: Instant) -> Self {
        let beginning = Self { from: start, through: start, first: None };
        let stored = stored.and_then(|text| serde_json::from_str::<Self>(text).ok());
        match stored {
            Some(stored) if stored.from <= start => stored,
            _ => beginning,
        }
    }

    /// Adds it to a batch.
    pub(super) fn put(&self, batch: &mut Batch, ledger: &str) {
        if let Ok(text) = serde_json::to_string(self) {
            batch.cursors.push((ledger.to_owned(), text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_unless_earlier_history_is_wanted() {
        let at = |text: &str| -> Instant { text.parse().unwrap() };
        let start = at("2026-01-01T00:00:00Z");
        let position = Position {
            from: start,
            through: at("2026-02-01T00:00:00Z"),
            first: Some(at("2026-01-20T05:00:00Z")),
        };
        let mut batch = Batch::default();
        position.put(&mut batch, "ledger");
        let text = batch.cursors[0].1.as_str();
        assert_eq!(Position::resumed(Some(text), start), position);
        assert_eq!(Position::resumed(Some(text), at("2026-01-10T00:00:00Z")), position);
        let earlier = at("2025-01-01T00:00:00Z");
        let beginning = Position { from: earlier, through: earlier, first: None };
        assert_eq!(Position::resumed(Some(text), earlier), beginning);
        assert_eq!(Position::resumed(Some("not a cursor"), earlier), beginning);
        assert_eq!(Position::resumed(None, earlier), beginning);
    }
}
