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
    /// Of an SLO the share of events that may be bad in a good slice: with another one its slices
    /// are judged anew, as far as the store still has them.
    #[serde(default)]
    pub(super) slice_allowed: Option<String>,
}

impl Position {
    /// Where a poll that wants history from `start` goes on: at the beginning if more is wanted
    /// than before, or slices are judged otherwise.
    pub(super) fn resumed(
        stored: Option<&str>,
        start: Instant,
        slice_allowed: Option<&str>,
    ) -> Self {
        let slice_allowed = slice_allowed.map(str::to_owned);
        let beginning = Self { from: start, through: start, first: None, slice_allowed };
        let stored = stored.and_then(|text| serde_json::from_str::<Self>(text).ok());
        match stored {
            Some(stored)
                if stored.from <= start && stored.slice_allowed == beginning.slice_allowed =>
            {
                stored
            }
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
    fn reading_goes_on_unless_earlier_history_or_another_judgement_is_wanted() {
        let at = |text: &str| -> Instant { text.parse().unwrap() };
        let start = at("2026-01-01T00:00:00Z");
        let position = Position {
            from: start,
            through: at("2026-02-01T00:00:00Z"),
            first: Some(at("2026-01-20T05:00:00Z")),
            slice_allowed: Some("0.01".to_owned()),
        };
        let resumed = |stored, start| Position::resumed(stored, start, Some("0.01"));
        let mut batch = Batch::default();
        position.put(&mut batch, "ledger");
        let text = batch.cursors[0].1.as_str();
        assert_eq!(resumed(Some(text), start), position);
        assert_eq!(resumed(Some(text), at("2026-01-10T00:00:00Z")), position);
        let earlier = at("2025-01-01T00:00:00Z");
        let beginning = Position {
            from: earlier,
            through: earlier,
            first: None,
            slice_allowed: Some("0.01".to_owned()),
        };
        assert_eq!(resumed(Some(text), earlier), beginning);
        assert_eq!(resumed(Some("not a cursor"), earlier), beginning);
        assert_eq!(resumed(None, earlier), beginning);
        let otherwise = Position::resumed(Some(text), start, Some("0.05"));
        assert_eq!((otherwise.from, otherwise.through), (start, start));
    }
}
