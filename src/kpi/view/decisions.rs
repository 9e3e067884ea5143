//! Decision records: when each was proposed and decided, and how (kpis.md 3.1, 3.2).

use crate::domain::{Instant, RepositoryId, Timeline};
use crate::kpi::{Params, Placement};

/// A decision record, from a file on the default branch or from a pull request that proposes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its repository.
    pub repository: RepositoryId,
    /// Its present path (the last one, if it is gone).
    pub path: String,
    /// Services and teams it belongs to.
    pub placement: Placement,
    /// When it was put up for a decision, where that can be said.
    pub proposed_at: Option<Instant>,
    /// Which rule gave `proposed_at`.
    pub proposed_by: &'static str,
    /// When it was decided; `None` while pending.
    pub decided_at: Option<Instant>,
    /// Which rule gave `decided_at`.
    pub decided_by: &'static str,
    /// How it was decided.
    pub decision: Decision,
    /// First seen together with so many others that it was a bulk import.
    pub bulk_import: bool,
    /// The pull request that proposed it.
    pub proposed_in: Option<u64>,
    /// Comments that the pull request received.
    pub comments: Option<u64>,
    /// How many teams own services that the proposing pull request touches.
    pub teams_touched: usize,
}

/// How a record stands at `as_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Decision {
    Pending,
    Accepted,
    Rejected,
    /// Arrived on the default branch without a status that says anything, or was removed while pending.
    Unknown,
}

/// Finds every record proposed or decided before `as_of`.
pub fn build(_timeline: &Timeline, _params: &Params, _as_of: Instant) -> Vec<Record> {
    Vec::new()
}
