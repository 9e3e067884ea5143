use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Instant;

/// A service as the incident tool knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentService {
    /// The vendor's id; the catalogue names it.
    pub id: String,
    /// The vendor's name for it.
    pub name: String,
    /// When it was set up.
    pub created_at: Instant,
}

/// An incident as the vendor last showed it. Its history is in [`IncidentEvent`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The vendor's id.
    pub id: String,
    /// The number that people use.
    pub number: u64,
    /// The vendor's id of the service it is on.
    pub service: Option<String>,
    /// When it was triggered.
    pub created_at: Instant,
    /// The vendor's last change of it: its version.
    pub updated_at: Instant,
    /// Its state at that time.
    pub status: IncidentStatus,
    /// When the vendor says it was last resolved.
    pub resolved_at: Option<Instant>,
    /// The name of its priority (`P1`, `SEV2`, …), never its urgency.
    pub priority: Option<String>,
    /// It was merged into another incident and so never counts on its own.
    #[serde(default)]
    pub merged: bool,
    /// Custom fields by name, as text.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The page that people open, if the vendor named one under https.
    pub url: Option<String>,
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
    pub id: String,
    /// The incident's id.
    pub incident: String,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: IncidentEventKind,
    /// How it came about (`auto`, `timeout`, `website`, …): a `timeout` resolve is the tool's own.
    pub channel: Option<String>,
    /// Commits (40 hex digits, or at least 7 after the word commit) and `deployment:ID`s that a
    /// note mentions. The note's text is not kept.
    #[serde(default)]
    pub mentions: Vec<String>,
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
    pub id: String,
    /// The incident's id.
    pub incident: String,
    /// When the monitor raised it.
    pub created_at: Instant,
}
