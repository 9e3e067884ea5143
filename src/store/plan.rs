//! What a batch means for what is stored: decided here once, written by each backend.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::row::Row;
use super::{Applied, AppliedCounts};
use crate::domain::{Fact, FactKey, Kind, SourceName};

/// The facts of a batch, one row a key, by kind and id.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    rows: BTreeMap<Kind, BTreeMap<String, Row>>,
    pub(super) applied: Applied,
}

impl Delivery {
    /// Of several facts with one key the newest is left, of equally new ones the last. A fact that
    /// no backend can store is counted and logged, and the others are kept.
    pub(super) fn of(source: &SourceName, facts: &[Fact]) -> Self {
        let mut delivery = Self::default();
        for fact in facts {
            match Row::of(fact) {
                Ok(row) => delivery.take(row),
                Err(error) => {
                    delivery.counts(fact.kind()).rejected += 1;
                    let kind = fact.kind().as_str();
                    let id: String = fact.id().chars().take(80).collect();
                    tracing::warn!(%source, kind, id, "a fact is left out: {error}");
                }
            }
        }
        delivery
    }

    fn take(&mut self, row: Row) {
        let kind = row.kind;
        let of_kind = self.rows.entry(kind).or_default();
        match of_kind.get_mut(&row.id) {
            Some(earlier) => {
                if row.updated_at >= earlier.updated_at {
                    *earlier = row;
                }
                self.counts(kind).unchanged += 1;
            }
            None => {
                of_kind.insert(row.id.clone(), row);
            }
        }
    }

    fn counts(&mut self, kind: Kind) -> &mut AppliedCounts {
        self.applied.by_kind.entry(kind).or_default()
    }

    /// Which of the batch's removals stand: a fact that was delivered as well has been seen.
    pub(super) fn removals(&self, removed: Vec<FactKey>, source: &SourceName) -> BTreeSet<FactKey> {
        let seen = |key: &FactKey| {
            key.source == *source
                && self.rows.get(&key.kind).is_some_and(|rows| rows.contains_key(&key.id))
        };
        removed.into_iter().filter(|key| !seen(key)).collect()
    }

    /// The kinds that were delivered.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.rows.keys().copied().collect()
    }

    /// Hands out the rows of one kind in pieces of at most `size`.
    pub(super) fn chunks(&mut self, kind: Kind, size: usize) -> Vec<Vec<Row>> {
        let mut rows = self.rows.remove(&kind).unwrap_or_default().into_values();
        let mut chunks = Vec::new();
        loop {
            let chunk: Vec<Row> = rows.by_ref().take(size).collect();
            if chunk.is_empty() {
                return chunks;
            }
            chunks.push(chunk);
        }
    }

    /// Which of `rows`, all of one kind, must be written over what is `stored`.
    pub(super) fn changes(
        &mut self,
        rows: Vec<Row>,
        stored: &HashMap<String, (i64, String)>,
    ) -> Changes {
        let mut changes = Changes::default();
        for row in rows {
            let counts = self.counts(row.kind);
            match stored.get(&row.id) {
                None => {
                    counts.new += 1;
                    changes.new.push(row.id.clone());
                    changes.rows.push(row);
                }
                Some((updated_at, body)) if row.updated_at >= *updated_at && row.body != *body => {
                    counts.changed += 1;
                    changes.rows.push(row);
                }
                Some(_) => counts.unchanged += 1,
            }
        }
        changes
    }
}

/// What has to be written.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New and changed rows in the order of their ids.
    pub(super) rows: Vec<Row>,
    /// The ids of the new ones: they may have been removed before.
    pub(super) new: Vec<String>,
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::domain::fact::{Incident, IncidentStatus};

    fn incident(id: &str, updated: i64, number: u64) -> Fact {
        let at = |seconds| Utc.timestamp_opt(seconds, 0).unwrap();
        Fact::Incident(Incident {
            id: id.into(),
            number,
            service: None,
            created_at: at(0),
            updated_at: at(updated),
            status: IncidentStatus::Triggered,
            resolved_at: None,
            priority: None,
            merged: false,
            fields: crate::domain::Attributes::default(),
            url: None,
        })
    }

    fn delivered(facts: &[Fact]) -> Vec<Row> {
        let mut delivery = Delivery::of(&"pd".into(), facts);
        delivery.chunks(Kind::Incident, 10).into_iter().flatten().collect()
    }

    fn stored(fact: &Fact) -> HashMap<String, (i64, String)> {
        let row = Row::of(fact).unwrap();
        HashMap::from([(row.id, (row.updated_at, row.body))])
    }

    fn written(facts: &[Fact], stored: &HashMap<String, (i64, String)>) -> (usize, AppliedCounts) {
        let mut delivery = Delivery::of(&"pd".into(), facts);
        let rows = delivery.chunks(Kind::Incident, 10).into_iter().flatten().collect();
        let changes = delivery.changes(rows, stored);
        (changes.rows.len(), delivery.applied.by_kind[&Kind::Incident])
    }

    #[test]
    fn within_a_batch_the_newest_version_wins_in_any_order() {
        let (old, new) = (incident("A", 1, 1), incident("A", 2, 1));
        let newest = vec![Row::of(&new).unwrap()];
        assert_eq!(delivered(&[old.clone(), new.clone()]), newest);
        assert_eq!(delivered(&[new, old]), newest);
    }

    #[test]
    fn of_equally_new_versions_the_later_delivery_wins() {
        let (first, second) = (incident("A", 1, 1), incident("A", 1, 2));
        assert_eq!(delivered(&[first, second.clone()]), vec![Row::of(&second).unwrap()]);
    }

    #[test]
    fn what_is_older_than_the_stored_version_changes_nothing() {
        let counts = AppliedCounts { unchanged: 1, ..AppliedCounts::default() };
        assert_eq!(written(&[incident("A", 1, 9)], &stored(&incident("A", 2, 1))), (0, counts));
    }

    #[test]
    fn the_same_again_is_unchanged_and_not_written() {
        let counts = AppliedCounts { unchanged: 1, ..AppliedCounts::default() };
        assert_eq!(written(&[incident("A", 2, 1)], &stored(&incident("A", 2, 1))), (0, counts));
    }

    #[test]
    fn an_equally_new_version_with_another_text_is_a_change() {
        let counts = AppliedCounts { changed: 1, ..AppliedCounts::default() };
        assert_eq!(written(&[incident("A", 2, 7)], &stored(&incident("A", 2, 1))), (1, counts));
    }

    #[test]
    fn every_delivered_fact_is_counted_once() {
        let batch = [incident("A", 1, 1), incident("A", 2, 1), incident("B", 1, 2)];
        let counts = AppliedCounts { new: 2, unchanged: 1, ..AppliedCounts::default() };
        assert_eq!(written(&batch, &HashMap::new()), (2, counts));
    }

    #[test]
    fn a_fact_that_cannot_be_stored_costs_only_itself() {
        let batch = [incident("A\0", 1, 1), incident("B", 1, 2)];
        let counts = AppliedCounts { new: 1, rejected: 1, ..AppliedCounts::default() };
        assert_eq!(written(&batch, &HashMap::new()), (1, counts));
    }

    #[test]
    fn a_fact_that_was_delivered_is_not_removed_by_the_same_batch() {
        let source = SourceName::from("pd");
        let delivery = Delivery::of(&source, &[incident("A", 1, 1)]);
        let key =
            |id: &str| FactKey { source: source.clone(), kind: Kind::Incident, id: id.to_owned() };
        let standing = delivery.removals(vec![key("A"), key("B")], &source);
        assert_eq!(standing, BTreeSet::from([key("B")]));
    }

    #[test]
    fn pieces_hold_every_row_once() {
        let facts: Vec<Fact> = (0..7).map(|n| incident(&n.to_string(), 1, n)).collect();
        let mut delivery = Delivery::of(&"pd".into(), &facts);
        let sizes: Vec<usize> = delivery.chunks(Kind::Incident, 3).iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 1]);
    }
}
