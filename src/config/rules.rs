//! `[rules]`: how facts are judged. A changed rule needs no new collection.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::debt::DebtSettings;
use super::findings::FindingSettings;
use crate::kpi::params::{DecisionEvent, DecisionRule, IncidentFields, StatusMeaning};
use crate::setting::Period;

/// Classification: `[rules]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RulesSettings {
    /// Logins that are bots, beside those that the vendor calls bots or whose login ends in
    /// `[bot]`. Case is ignored.
    pub bots: Vec<String>,
    /// Labels that make a pull request a hotfix. Case is ignored.
    pub hotfix_labels: Vec<String>,
    /// What the branches of hotfixes begin with.
    pub hotfix_branches: Vec<String>,
    /// Severity 1 to 5 by the NAME of an incident's priority, never its urgency. Case is ignored.
    pub severity: BTreeMap<String, u8>,
    /// Names of incident custom fields with a meaning.
    pub fields: FieldSettings,
    /// Where decision records are: `[rules.decisions."owner/name"]`.
    pub decisions: BTreeMap<String, DecisionSettings>,
    /// Which issues are technical debt.
    pub debt: Option<DebtSettings>,
    /// Which findings of security tools count.
    pub findings: Option<FindingSettings>,
    /// What the status words of decision records mean. Case is ignored.
    pub statuses: BTreeMap<String, Meaning>,
    /// This many records first seen in one commit are a bulk import, and in no statistic.
    #[schemars(range(min = 2))]
    pub bulk_import: usize,
    /// Successes of one commit within this time of the first are one deployment.
    pub rollout_window: Period,
    /// A revert fails what it reverts if it ships within this time.
    pub revert_window: Period,
    /// A rollback fails the deployment before it if it comes within this time.
    pub rollback_window: Period,
    /// Links an incident to the service's latest deployment within this time before it. Absent: off.
    pub proximity_window: Option<Period>,
    /// An incident that is opened again within this time of its end is the same one.
    pub reopen_window: Period,
}

impl Default for RulesSettings {
    fn default() -> Self {
        Self {
            bots: Vec::new(),
            hotfix_labels: vec!["hotfix".to_owned()],
            hotfix_branches: vec!["hotfix/".to_owned()],
            severity: BTreeMap::new(),
            fields: FieldSettings::default(),
            decisions: BTreeMap::new(),
            debt: None,
            findings: None,
            statuses: BTreeMap::new(),
            bulk_import: 4,
            rollout_window: Period::from_seconds(60 * 60),
            revert_window: Period::from_seconds(7 * 86_400),
            rollback_window: Period::from_seconds(86_400),
            proximity_window: None,
            reopen_window: Period::from_seconds(86_400),
        }
    }
}

/// Names of incident custom fields: `[rules.fields]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldSettings {
    /// When the fault began.
    pub fault_started_at: String,
    /// When it was noticed.
    pub detected_at: String,
    /// When the impact ended.
    pub mitigated_at: String,
    /// The root cause: equal texts are the same cause. `unknown`, `TBD`, `n/a`, `other` and the like
    /// name none.
    pub root_cause: String,
    /// The problem ticket that the incident belongs to, for example `PROB-12`: where no root cause is
    /// named, incidents of one ticket have the same cause.
    pub problem: String,
    /// What caused it: a commit, or `deployment:ID`.
    pub caused_by: String,
}

impl Default for FieldSettings {
    fn default() -> Self {
        Self {
            fault_started_at: "fault_started_at".to_owned(),
            detected_at: "detected_at".to_owned(),
            mitigated_at: "mitigated_at".to_owned(),
            root_cause: "root_cause".to_owned(),
            problem: "problem".to_owned(),
            caused_by: "caused_by".to_owned(),
        }
    }
}

impl FieldSettings {
    pub(super) fn names(&self) -> IncidentFields {
        IncidentFields {
            fault_started_at: self.fault_started_at.clone(),
            detected_at: self.detected_at.clone(),
            mitigated_at: self.mitigated_at.clone(),
            root_cause: self.root_cause.clone(),
            problem: self.problem.clone(),
            caused_by: self.caused_by.clone(),
        }
    }
}

/// Decision records of one repository: `[rules.decisions."owner/name"]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionSettings {
    /// Folders whose Markdown files are the records, for example `docs/adr`.
    pub folders: Vec<String>,
    /// What decides a record.
    #[serde(default)]
    pub decision_event: Event,
    /// Front-matter key with the day of the proposal.
    #[serde(default)]
    pub proposed_field: Option<String>,
    /// Front-matter key with the day of the decision.
    #[serde(default)]
    pub decided_field: Option<String>,
}

impl DecisionSettings {
    pub(super) fn rule(&self) -> DecisionRule {
        DecisionRule {
            folders: self.folders.clone(),
            event: match self.decision_event {
                Event::Auto => DecisionEvent::Auto,
                Event::Merge => DecisionEvent::Merge,
                Event::Status => DecisionEvent::Status,
            },
            proposed_field: self.proposed_field.clone(),
            decided_field: self.decided_field.clone(),
        }
    }
}

/// What decides a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The change of its status, else the merge of its pull request.
    #[default]
    Auto,
    /// The merge of its pull request.
    Merge,
    /// The change of its status.
    Status,
}

/// What a status word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// Not decided yet.
    Pending,
    /// Decided: yes.
    Accepted,
    /// Decided: no.
    Rejected,
    /// Was accepted once, and is no longer in force.
    Retired,
}

impl From<Meaning> for StatusMeaning {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Pending => Self::Pending,
            Meaning::Accepted => Self::Accepted,
            Meaning::Rejected => Self::Rejected,
            Meaning::Retired => Self::Retired,
        }
    }
}
