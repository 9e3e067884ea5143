//! Incident episodes (kpis.md 3.5 to 3.7).

use std::collections::BTreeSet;

use crate::domain::fact::Incident;
use crate::domain::{Instant, SourceName, Timeline};
use crate::kpi::Params;

/// An incident, or its later life after a re-opening that came too late to be the same incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode<'a> {
    /// The source that saw it.
    pub source: &'a SourceName,
    /// The incident.
    pub incident: &'a Incident,
    /// 0 for the first episode.
    pub number: u32,
    /// Indices of the services whose incident service it is on.
    pub services: Vec<usize>,
    /// 1 to 5 by the priority's name; `None` where the priority is missing or not mapped.
    pub severity: Option<u8>,
    /// How often its priority changed.
    pub severity_changes: u32,
    /// Explicit field, else first linked alert, else created; of a later episode, the re-opening.
    pub detected_at: Instant,
    /// Explicit mitigated field, else the final resolve; `None` while open at `as_of`.
    pub resolved_at: Option<Instant>,
    /// The first acknowledgement of this episode.
    pub acknowledged_at: Option<Instant>,
    /// When the fault began, by the incident's field. A later episode has none.
    pub fault_at: Option<Instant>,
    /// The explicit root-cause key.
    pub cause: Option<String>,
    /// Closed by the tool's own timeout: noise.
    pub auto_resolved: bool,
    /// Merged into another incident.
    pub merged: bool,
    /// Commits and `deployment:ID`s that a field or note names as the cause.
    pub names: BTreeSet<String>,
}

impl Episode<'_> {
    /// Whether it counts as an incident at all: neither merged away nor noise.
    pub fn counts(&self) -> bool {
        !self.merged && !self.auto_resolved
    }

    /// Whether it counts and is a Sev1 or Sev2.
    pub fn is_major(&self) -> bool {
        self.counts() && matches!(self.severity, Some(1 | 2))
    }
}

/// Finds every episode detected before `as_of`, by detection.
pub fn build<'a>(
    _timeline: &'a Timeline,
    _params: &'a Params,
    _as_of: Instant,
) -> Vec<Episode<'a>> {
    Vec::new()
}
