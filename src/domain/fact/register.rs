use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::start_of;
use crate::domain::Instant;

/// Something that helped a person to grow, from a register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mentoring {
    /// Unique within the source.
    pub id: String,
    /// The register.
    pub file: String,
    /// The day of it.
    pub day: NaiveDate,
    /// Tells people apart and nothing else: a hash, never a name.
    pub person: String,
    /// The team of the person, as the register names it.
    pub team: Option<String>,
    /// What it was: `promotion`, `certificate`, `pairing`, …
    pub what: Option<String>,
    /// Where it can be looked up.
    pub evidence: Option<String>,
}

/// A stakeholder's escalation, from a register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Unique within the source.
    pub id: String,
    /// The register.
    pub file: String,
    /// The day of it.
    pub day: NaiveDate,
    /// Whom it is about, as the register names the team.
    pub team: Option<String>,
    /// The same for a service.
    pub service: Option<String>,
    /// The group of stakeholders that it came from.
    pub group: Option<String>,
    /// Where it can be looked up.
    pub link: Option<String>,
}

/// A critical API boundary that should have a contract or integration test, from a register.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boundary {
    /// Unique within the source.
    pub id: String,
    /// The register.
    pub file: String,
    /// What people call it.
    pub name: String,
    /// The service that offers it, as the register names it.
    pub service: Option<String>,
    /// `owner/name` of the repository whose tests cover it.
    pub repository: Option<String>,
    /// The workflow, or the job in one, that tests it.
    pub test: Option<String>,
    /// The first day on which it counts.
    pub since: Option<NaiveDate>,
    /// The first day on which it counts no longer.
    pub until: Option<NaiveDate>,
}

/// A technical debt that is kept in a register instead of an issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DebtItem {
    /// Unique within the source.
    pub id: String,
    /// The register.
    pub file: String,
    /// The service that has it, as the register names it.
    pub service: Option<String>,
    /// The team that has it, as the register names it.
    pub team: Option<String>,
    /// When it was agreed on.
    pub opened_on: NaiveDate,
    /// When it was closed.
    pub closed_on: Option<NaiveDate>,
    /// Whether it was closed as completed, and not given up.
    pub completed: bool,
    /// Whether it is a major one.
    pub major: bool,
    /// Where it can be looked up.
    pub link: Option<String>,
}

/// What a post-mortem found out about an incident of an incident tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentNote {
    /// Unique within the source.
    pub id: String,
    /// The register.
    pub file: String,
    /// The incident's id or number in the incident tool.
    pub incident: String,
    /// When the fault began.
    pub fault_at: Option<Instant>,
    /// The root cause: equal texts are the same cause.
    pub root_cause: Option<String>,
    /// The problem ticket that it belongs to.
    #[serde(default)]
    pub problem: Option<String>,
    /// The category of the cause.
    pub category: Option<String>,
    /// What customers felt of it.
    pub customer_impact: Option<String>,
    /// Where it can be looked up.
    pub link: Option<String>,
}

impl Mentoring {
    /// The start of its day.
    pub fn at(&self) -> Instant {
        start_of(self.day)
    }
}

impl Escalation {
    /// The start of its day.
    pub fn at(&self) -> Instant {
        start_of(self.day)
    }
}
