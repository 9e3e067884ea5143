//! What the KPIs about decision records have in common.

use super::view::decisions::{Decision, Record};
use super::{Item, ItemId, Mark, Outcome};

/// The mark that says how a record was decided.
pub(super) const OUTCOME: &str = "outcome";
pub(super) const ACCEPTED: &str = "accepted";
pub(super) const REJECTED: &str = "rejected";

/// The mark with the number of teams whose services the proposal touches.
pub(super) const TEAMS: &str = "teams";

/// An item for a record from its proposal to its decision, without values. Bulk imports are left
/// out, and records of which nobody can say how they stand.
pub(super) fn of(record: &Record) -> Item {
    let mut item = Item {
        id: ItemId::Decision {
            repository: record.repository.clone(),
            path: record.path.clone().into(),
        },
        placement: record.placement.clone(),
        started_at: record.proposed_at.unwrap_or(record.seen_at),
        completed_at: record.decided_at,
        outcome: outcome(record),
        values: Vec::new(),
        marks: marks(record),
        times: Vec::new(),
    };
    item.times.extend(record.proposed_at.map(|at| ("proposed_at", at)));
    item.times.extend(record.decided_at.map(|at| ("decided_at", at)));
    item
}

fn outcome(record: &Record) -> Outcome {
    if record.bulk_import {
        return Outcome::Excluded("bulk_import");
    }
    match record.decision {
        Decision::Pending => Outcome::Open,
        Decision::Accepted | Decision::Rejected => Outcome::Counted,
        Decision::Unknown => Outcome::Excluded("unknown_outcome"),
    }
}

fn marks(record: &Record) -> Vec<super::Mark> {
    let mut marks = Vec::new();
    match record.decision {
        Decision::Accepted => marks.push(Mark::new(OUTCOME, ACCEPTED)),
        Decision::Rejected => marks.push(Mark::new(OUTCOME, REJECTED)),
        Decision::Pending | Decision::Unknown => {}
    }
    let mut proposed_by = Mark::new("proposed_by", record.proposed_by);
    proposed_by.evidence = record.proposed_in.map(|number| format!("#{number}").into());
    marks.push(proposed_by);
    marks.push(Mark::new("decided_by", record.decided_by));
    if let Some(comments) = record.comments {
        marks.push(Mark::new("comments", comments.to_string()));
    }
    if record.teams_touched > 0 {
        marks.push(Mark::new(TEAMS, record.teams_touched.to_string()));
    }
    marks
}
