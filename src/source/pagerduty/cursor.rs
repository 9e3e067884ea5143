//! How far the account has been read. Stored as JSON, by stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::Instant;
use crate::store::Batch;

/// How far the account-wide log has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Where reading began: the configured start of history at that time.
    pub(super) from: Option<Instant>,
    /// Everything before it has been read: the newest entry that the vendor showed, or the end of
    /// a window that is long past. Never our own clock.
    pub(super) through: Option<Instant>,
    /// The newest entry that the vendor showed. It has to be seen again by the next poll.
    pub(super) newest: Option<Entry>,
    /// What was collected of each incident.
    pub(super) details: Details,
    /// Whether the account had custom fields.
    #[serde(default)]
    pub(super) has_fields: bool,
    /// More is collected of each incident than before: until the log has been read to its end,
    /// incidents are read again although the store knows all that their logs say.
    #[serde(default)]
    pub(super) anew: bool,
}

/// A log entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) at: Instant,
}

/// What is collected of each incident beside itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) alerts: bool,
    pub(super) custom_fields: bool,
}

impl Details {
    /// Whether everything in `wanted` is in here.
    fn covers(self, wanted: Self) -> bool {
        (self.alerts || !wanted.alerts) && (self.custom_fields || !wanted.custom_fields)
    }
}

impl Position {
    /// Where a poll that wants history from `start` with these details has to go on: at the
    /// beginning if so far less was wanted.
    pub(super) fn resumed(stored: Option<Self>, start: Instant, wanted: Details) -> Self {
        let beginning = Self { from: Some(start), details: wanted, ..Self::default() };
        let Some(stored) = stored else { return beginning };
        let (has_fields, more) = (stored.has_fields, !stored.details.covers(wanted));
        if more || stored.from.is_none_or(|from| start < from) {
            return Self { has_fields, anew: stored.anew || more, ..beginning };
        }
        Self { details: wanted, ..stored }
    }
}

/// The incidents that are followed although nothing in the log names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Followed {
    /// How the open ones looked, by id.
    pub(super) open: BTreeMap<String, String>,
    /// Those that ended just now, by id, and when to look at them once more: an alert may still
    /// join them.
    pub(super) settling: BTreeMap<String, Instant>,
}

/// Names of streams.
pub(super) const LOG: &str = "log";
pub(super) const FOLLOWED: &str = "followed";
pub(super) const SERVICES: &str = "services";

/// Reads a cursor. One that cannot be read is none: everything is read again, which is safe.
pub(super) fn parse<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    serde_json::from_str(&text?).ok()
}

/// Adds a cursor to a batch.
pub(super) fn put<T: Serialize>(batch: &mut Batch, stream: &str, cursor: &T) {
    if let Ok(text) = serde_json::to_string(cursor) {
        batch.cursors.push((stream.to_owned(), text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn reading_goes_on_unless_more_is_wanted_than_was_read() {
        let all = Details { alerts: true, custom_fields: true };
        let read = Position {
            from: Some(at("2025-01-01T00:00:00Z")),
            through: Some(at("2026-01-01T00:00:00Z")),
            newest: None,
            details: Details { alerts: true, custom_fields: false },
            has_fields: true,
            anew: false,
        };
        let resumed =
            |start: &str, wanted| Position::resumed(Some(read.clone()), at(start), wanted);
        let goes_on = |start: &str, wanted| resumed(start, wanted).through.is_some();
        assert!(goes_on("2025-01-01T00:00:00Z", Details { alerts: true, ..Details::default() }));
        assert!(goes_on("2025-06-01T00:00:00Z", Details::default()), "less is wanted");
        assert!(!goes_on("2024-01-01T00:00:00Z", Details::default()), "earlier history is wanted");
        assert!(!goes_on("2025-01-01T00:00:00Z", all), "custom fields are wanted");
        assert!(resumed("2025-01-01T00:00:00Z", all).anew, "what is known is read again");
        assert!(!resumed("2024-01-01T00:00:00Z", Details::default()).anew);
        assert!(Position::resumed(None, at("2025-01-01T00:00:00Z"), all).through.is_none());
    }

    #[test]
    fn a_cursor_that_cannot_be_read_is_none() {
        assert_eq!(parse::<Position>(Some("2026-01-01".into())), None);
        assert_eq!(parse::<Followed>(None), None);
    }
}
