//! Facts: what a source saw happen, with every attribute that a rule may need later.
//!
//! Facts carry no judgement. Whether a deployment was a production deployment, a login is a bot or
//! an incident is a Sev1 is decided at evaluation from configuration, so a changed rule needs no
//! re-collection.

mod alert_rule;
mod burn;
mod change;
mod commit;
mod contents;
mod cost;
mod decision;
mod deployment;
mod finding;
mod incident;
mod issue;
mod job;
mod ledger;
mod register;
mod release;
mod repository;
mod run;
mod survey;

pub use alert_rule::AlertRule;
pub use burn::{Burn, BurnWindow};
pub use change::{Actor, Change, ChangedPath, PathChange, PullReference, Review};
pub use commit::Commit;
pub use contents::{Contents, FileText, Properties};
pub use cost::{Cost, Units};
pub use decision::{DecisionRevision, RevisionKind};
pub use deployment::{Deployment, DeploymentState, DeploymentStatus};
pub use finding::{Finding, FindingEvent, FindingEventKind, FindingFeed, FindingPlace};
pub use incident::{
    Incident, IncidentAlert, IncidentEvent, IncidentEventKind, IncidentService, IncidentStatus,
};
pub use issue::{ClosedAs, HiddenIssues, Issue, IssueEvent, IssueEventKind};
pub use job::WorkflowJob;
pub use ledger::{LedgerDay, LedgerHour};
pub use register::{Boundary, DebtItem, Escalation, IncidentNote, Mentoring};
pub use release::Release;
pub use repository::Repository;
pub use run::{RunAttempt, WorkflowRun};
pub use survey::SurveyCell;

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::text::Pool;
use super::{Instant, SourceName};

/// What kind of thing a fact is about. The text form is stored and exported: it is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at the fact of the same name")]
pub enum Kind {
    Repository,
    Change,
    Commit,
    Deployment,
    WorkflowRun,
    Release,
    DecisionRevision,
    IncidentService,
    Incident,
    IncidentEvent,
    IncidentAlert,
    Issue,
    HiddenIssues,
    Finding,
    FindingFeed,
    Contents,
    Properties,
    WorkflowJob,
    Cost,
    Units,
    SurveyCell,
    Mentoring,
    Escalation,
    Boundary,
    DebtItem,
    IncidentNote,
    LedgerDay,
    Burn,
    AlertRule,
}

impl Kind {
    /// Every kind, in the order in which lists show them.
    pub const ALL: [Self; 29] = [
        Self::Repository,
        Self::Change,
        Self::Commit,
        Self::Deployment,
        Self::WorkflowRun,
        Self::Release,
        Self::DecisionRevision,
        Self::IncidentService,
        Self::Incident,
        Self::IncidentEvent,
        Self::IncidentAlert,
        Self::Issue,
        Self::HiddenIssues,
        Self::Finding,
        Self::FindingFeed,
        Self::Contents,
        Self::Properties,
        Self::WorkflowJob,
        Self::Cost,
        Self::Units,
        Self::SurveyCell,
        Self::Mentoring,
        Self::Escalation,
        Self::Boundary,
        Self::DebtItem,
        Self::IncidentNote,
        Self::LedgerDay,
        Self::Burn,
        Self::AlertRule,
    ];

    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Change => "change",
            Self::Commit => "commit",
            Self::Deployment => "deployment",
            Self::WorkflowRun => "workflow_run",
            Self::Release => "release",
            Self::DecisionRevision => "decision_revision",
            Self::IncidentService => "incident_service",
            Self::Incident => "incident",
            Self::IncidentEvent => "incident_event",
            Self::IncidentAlert => "incident_alert",
            Self::Issue => "issue",
            Self::HiddenIssues => "hidden_issues",
            Self::Finding => "finding",
            Self::FindingFeed => "finding_feed",
            Self::Contents => "contents",
            Self::Properties => "properties",
            Self::WorkflowJob => "workflow_job",
            Self::Cost => "cost",
            Self::Units => "units",
            Self::SurveyCell => "survey_cell",
            Self::Mentoring => "mentoring",
            Self::Escalation => "escalation",
            Self::Boundary => "boundary",
            Self::DebtItem => "debt_item",
            Self::IncidentNote => "incident_note",
            Self::LedgerDay => "ledger_day",
            Self::Burn => "burn",
            Self::AlertRule => "alert_rule",
        }
    }

    /// The kind with this text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The identity of a fact: (source, kind, native id). Delivered twice, it is one fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// The configured source that saw it.
    pub source: SourceName,
    /// What it is.
    pub kind: Kind,
    /// The vendor's id, unique within (source, kind).
    pub id: String,
}

/// One fact. Each variant has a struct of the same name with the attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum Fact {
    Repository(Repository),
    Change(Change),
    Commit(Commit),
    Deployment(Deployment),
    WorkflowRun(WorkflowRun),
    Release(Release),
    DecisionRevision(DecisionRevision),
    IncidentService(IncidentService),
    Incident(Incident),
    IncidentEvent(IncidentEvent),
    IncidentAlert(IncidentAlert),
    Issue(Issue),
    HiddenIssues(HiddenIssues),
    Finding(Finding),
    FindingFeed(FindingFeed),
    Contents(Contents),
    Properties(Properties),
    WorkflowJob(WorkflowJob),
    Cost(Cost),
    Units(Units),
    SurveyCell(SurveyCell),
    Mentoring(Mentoring),
    Escalation(Escalation),
    Boundary(Boundary),
    DebtItem(DebtItem),
    IncidentNote(IncidentNote),
    LedgerDay(LedgerDay),
    Burn(Burn),
    AlertRule(AlertRule),
}

impl Fact {
    /// What kind of fact this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Repository(_) => Kind::Repository,
            Self::Change(_) => Kind::Change,
            Self::Commit(_) => Kind::Commit,
            Self::Deployment(_) => Kind::Deployment,
            Self::WorkflowRun(_) => Kind::WorkflowRun,
            Self::Release(_) => Kind::Release,
            Self::DecisionRevision(_) => Kind::DecisionRevision,
            Self::IncidentService(_) => Kind::IncidentService,
            Self::Incident(_) => Kind::Incident,
            Self::IncidentEvent(_) => Kind::IncidentEvent,
            Self::IncidentAlert(_) => Kind::IncidentAlert,
            Self::Issue(_) => Kind::Issue,
            Self::HiddenIssues(_) => Kind::HiddenIssues,
            Self::Finding(_) => Kind::Finding,
            Self::FindingFeed(_) => Kind::FindingFeed,
            Self::Contents(_) => Kind::Contents,
            Self::Properties(_) => Kind::Properties,
            Self::WorkflowJob(_) => Kind::WorkflowJob,
            Self::Cost(_) => Kind::Cost,
            Self::Units(_) => Kind::Units,
            Self::SurveyCell(_) => Kind::SurveyCell,
            Self::Mentoring(_) => Kind::Mentoring,
            Self::Escalation(_) => Kind::Escalation,
            Self::Boundary(_) => Kind::Boundary,
            Self::DebtItem(_) => Kind::DebtItem,
            Self::IncidentNote(_) => Kind::IncidentNote,
            Self::LedgerDay(_) => Kind::LedgerDay,
            Self::Burn(_) => Kind::Burn,
            Self::AlertRule(_) => Kind::AlertRule,
        }
    }

    /// Lets texts that other facts have too point at one copy in `pool`, and lets go of unused
    /// room: what many facts do before they are held for long.
    pub fn compact(&mut self, pool: &mut Pool) {
        match self {
            Self::Change(fact) => fact.compact(pool),
            Self::Deployment(fact) => fact.compact(pool),
            Self::WorkflowRun(fact) => fact.compact(pool),
            Self::Release(fact) => fact.compact(pool),
            Self::DecisionRevision(fact) => fact.compact(pool),
            Self::Incident(fact) => fact.compact(pool),
            Self::IncidentEvent(fact) => fact.compact(pool),
            Self::IncidentAlert(fact) => fact.compact(pool),
            // Few, or taken apart by the graph that holds them.
            _ => {}
        }
    }

    /// The native id, unique within (source, kind).
    pub fn id(&self) -> String {
        match self {
            Self::Repository(fact) => fact.id.to_string(),
            Self::Change(fact) => format!("{}#{}", fact.repository, fact.number),
            Self::Commit(fact) => format!("{}@{}", fact.repository, fact.id),
            Self::Deployment(fact) => fact.id.to_string(),
            Self::WorkflowRun(fact) => fact.id.to_string(),
            Self::Release(fact) => fact.id.to_string(),
            Self::DecisionRevision(fact) => {
                format!("{}@{}:{}", fact.repository, fact.commit, fact.path)
            }
            Self::IncidentService(fact) => fact.id.to_string(),
            Self::Incident(fact) => fact.id.to_string(),
            Self::IncidentEvent(fact) => fact.id.to_string(),
            Self::IncidentAlert(fact) => fact.id.to_string(),
            Self::Issue(fact) => format!("{}#{}", fact.repository, fact.number),
            Self::HiddenIssues(fact) => fact.repository.to_string(),
            Self::Finding(fact) => fact.id.clone(),
            Self::FindingFeed(fact) => fact.id.clone(),
            Self::Contents(fact) => format!("{}:{}", fact.repository, fact.pattern),
            Self::Properties(fact) => fact.repository.to_string(),
            Self::WorkflowJob(fact) => fact.id.clone(),
            Self::Cost(fact) => fact.id.clone(),
            Self::Units(fact) => fact.id.clone(),
            Self::SurveyCell(fact) => fact.id.clone(),
            Self::Mentoring(fact) => fact.id.clone(),
            Self::Escalation(fact) => fact.id.clone(),
            Self::Boundary(fact) => fact.id.clone(),
            Self::DebtItem(fact) => fact.id.clone(),
            Self::IncidentNote(fact) => fact.id.clone(),
            Self::LedgerDay(fact) => fact.id.clone(),
            Self::Burn(fact) => fact.id.clone(),
            Self::AlertRule(fact) => fact.id.clone(),
        }
    }

    /// The key of this fact when `source` delivers it.
    pub fn key(&self, source: &SourceName) -> FactKey {
        FactKey { source: source.clone(), kind: self.kind(), id: self.id() }
    }

    /// What the fact belongs to: its repository's or its incident's id, or its file. Reconciliation
    /// compares the ids below one parent with what the vendor still has. Of a ledger its month.
    pub fn parent(&self) -> Option<&str> {
        match self {
            Self::Repository(_) | Self::IncidentService(_) | Self::Incident(_) => None,
            Self::Change(fact) => Some(fact.repository.as_str()),
            Self::Commit(fact) => Some(fact.repository.as_str()),
            Self::Deployment(fact) => Some(fact.repository.as_str()),
            Self::WorkflowRun(fact) => Some(fact.repository.as_str()),
            Self::Release(fact) => Some(fact.repository.as_str()),
            Self::DecisionRevision(fact) => Some(fact.repository.as_str()),
            Self::IncidentEvent(fact) => Some(&fact.incident),
            Self::IncidentAlert(fact) => Some(&fact.incident),
            Self::Issue(fact) => Some(fact.repository.as_str()),
            Self::HiddenIssues(fact) => Some(fact.repository.as_str()),
            Self::Finding(fact) => fact.place.repository(),
            Self::FindingFeed(fact) => fact.place.repository(),
            Self::Contents(fact) => Some(fact.repository.as_str()),
            Self::Properties(fact) => Some(fact.repository.as_str()),
            Self::WorkflowJob(fact) => Some(fact.repository.as_str()),
            Self::Cost(fact) => Some(&fact.file),
            Self::Units(fact) => fact.file.as_deref(),
            Self::SurveyCell(fact) => Some(&fact.file),
            Self::Mentoring(fact) => Some(&fact.file),
            Self::Escalation(fact) => Some(&fact.file),
            Self::Boundary(fact) => Some(&fact.file),
            Self::DebtItem(fact) => Some(&fact.file),
            Self::IncidentNote(fact) => Some(&fact.file),
            Self::LedgerDay(fact) => Some(fact.month()),
            Self::Burn(_) | Self::AlertRule(_) => None,
        }
    }

    /// When the thing began: created, authored, triggered.
    pub fn occurred_at(&self) -> Instant {
        match self {
            Self::Repository(fact) => fact.created_at,
            Self::Change(fact) => fact.created_at,
            Self::Commit(fact) => fact.committed_at,
            Self::Deployment(fact) => fact.created_at,
            Self::WorkflowRun(fact) => fact.created_at,
            Self::Release(fact) => fact.created_at,
            Self::DecisionRevision(fact) => fact.committed_at,
            Self::IncidentService(fact) => fact.created_at,
            Self::Incident(fact) => fact.created_at,
            Self::IncidentEvent(fact) => fact.at,
            Self::IncidentAlert(fact) => fact.created_at,
            Self::Issue(fact) => fact.created_at,
            Self::HiddenIssues(fact) => fact.since,
            Self::Finding(fact) => fact.detected_at,
            Self::FindingFeed(fact) => fact.since,
            Self::Contents(fact) => fact.since,
            Self::Properties(fact) => fact.since,
            Self::WorkflowJob(fact) => fact.started_at,
            Self::Cost(fact) => fact.at(),
            Self::Units(fact) => fact.at(),
            Self::SurveyCell(fact) => fact.closed_at,
            Self::Mentoring(fact) => fact.at(),
            Self::Escalation(fact) => fact.at(),
            // What a register says holds from its own dates on; the fact itself has none.
            Self::Boundary(_) | Self::IncidentNote(_) => Instant::UNIX_EPOCH,
            Self::DebtItem(fact) => start_of(fact.opened_on),
            Self::LedgerDay(fact) => fact.starts_at(),
            Self::Burn(fact) => fact.at,
            Self::AlertRule(fact) => fact.since,
        }
    }

    /// The version: of two deliveries of one fact the later `updated_at` wins, and of two equal
    /// ones the delivery that came last. Facts that cannot change use the instant they happened.
    pub fn updated_at(&self) -> Instant {
        match self {
            Self::Repository(fact) => fact.updated_at,
            Self::Change(fact) => fact.updated_at,
            Self::Deployment(fact) => fact.updated_at,
            Self::WorkflowRun(fact) => fact.updated_at,
            Self::Incident(fact) => fact.updated_at,
            // It has no date of its last change, and that of its creation is its commit's, which
            // goes back when the tag is moved: the last delivery wins.
            Self::Release(_) => Instant::UNIX_EPOCH,
            Self::Issue(fact) => fact.updated_at,
            Self::Finding(fact) => fact.updated_at,
            // What a file says now holds, whatever it said before.
            Self::SurveyCell(_) | Self::Mentoring(_) | Self::Escalation(_) | Self::DebtItem(_) => {
                Instant::UNIX_EPOCH
            }
            Self::LedgerDay(fact) => fact.ends_at(),
            _ => self.occurred_at(),
        }
    }
}

/// The first instant of a UTC day.
fn start_of(day: NaiveDate) -> Instant {
    day.and_time(NaiveTime::MIN).and_utc()
}
