use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{Attributes, Instant, Text};

/// A service as the incident tool knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentService {
    /// The vendor's id; the catalogue names it.
    pub id: Text,
    /// The vendor's name for it.
    pub name: Text,
    /// When it was set up.
    pub created_at: Instant,
}

/// An incident as the vendor last showed it. Its history is in [`IncidentEvent`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The vendor's id.
    pub id: Text,
    /// The number that people use.
    pub number: u64,
    /// The vendor's id of the service it is on.
    pub service: Option<Text>,
    /// When it was triggered.
    pub created_at: Instant,
    /// The vendor's last change of it: its version.
    pub updated_at: Instant,
    /// Its state at that time.
    pub status: IncidentStatus,
    /// When the vendor says it was last resolved.
    pub resolved_at: Option<Instant>,
    /// The name of its priority (`P1`, `SEV2`, …), never its urgency.
    pub priority: Option<Text>,
    /// It was merged into another incident and so never counts on its own.
    #[serde(default)]
    pub merged: bool,
    /// Custom fields by name, as text.
    #[serde(default)]
    pub fields: Attributes,
    /// The page that people open, if the vendor named one under https.
    pub url: Option<Text>,
}

/// The state of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum IncidentStatus {
    Triggered,
    Acknowledged,
    Resolved,
}

/// One entry of an incident's log. Entries never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// The vendor's id of the entry.
    pub id: Text,
    /// The incident's id.
    pub incident: Text,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: IncidentEventKind,
    /// How it came about (`auto`, `timeout`, `website`, …): a `timeout` resolve is the tool's own.
    pub channel: Option<Text>,
    /// Commits (40 hex digits, or at least 7 after the word commit) and `deployment:ID`s that a
    /// note mentions. The note's text is not kept.
    #[serde(default)]
    pub mentions: Vec<Text>,
}

/// What a log entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum IncidentEventKind {
    Trigger,
    Acknowledge,
    Unacknowledge,
    Resolve,
    Reopen,
    PriorityChange,
    FieldChange,
    Merge,
    Note,
    Other,
}

/// An alert linked to an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentAlert {
    /// The vendor's id.
    pub id: Text,
    /// The incident's id.
    pub incident: Text,
    /// When the monitor raised it.
    pub created_at: Instant,
    /// The name of the alerting rule of a metric store that raised it, if it is one and is told.
    #[serde(default)]
    pub rule: Option<Text>,
}

impl Incident {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.service.iter_mut().for_each(|it| pool.share(it));
        self.priority.iter_mut().for_each(|it| pool.share(it));
        pool.share_attributes(&mut self.fields);
    }
}

impl IncidentEvent {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        pool.share(&mut self.incident);
        self.channel.iter_mut().for_each(|it| pool.share(it));
        self.mentions.shrink_to_fit();
    }
}

impl IncidentAlert {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        pool.share(&mut self.incident);
        self.rule.iter_mut().for_each(|it| pool.share(it));
    }
}
