//! How far a collection reaches.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Instant;

/// What a source is asked to collect: since when, and which parts. A pass that saw everything saw
/// everything of its extent, and says nothing about a wider one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Everything from here on.
    pub since: Instant,
    /// What is asked for, each part named by the source (`acme/shop: releases`).
    pub parts: BTreeSet<String>,
}

impl Extent {
    /// Whether everything in `other` is in this one too.
    pub fn covers(&self, other: &Self) -> bool {
        self.since <= other.since && other.parts.is_subset(&self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(day: u32, parts: &[&str]) -> Extent {
        let since = chrono::NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        Extent {
            since: since.and_hms_opt(0, 0, 0).unwrap().and_utc(),
            parts: parts.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn more_history_or_more_parts_are_not_covered_and_less_is() {
        let known = extent(5, &["shop", "ledger"]);
        assert!(known.covers(&known));
        assert!(known.covers(&extent(6, &["shop"])), "less");
        assert!(!known.covers(&extent(4, &["shop"])), "more history");
        assert!(!known.covers(&extent(5, &["shop", "search"])), "another repository");
    }
}
