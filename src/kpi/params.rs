//! Parameters: everything that configuration decides about the numbers.
//!
//! These are plain values. `crate::config` reads and checks the files and builds them.

mod debt;
mod demand;
mod findings;
mod slo_window;
mod standards;

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use regex::Regex;
use serde::{Serialize, Serializer};

pub use debt::DebtRule;
pub use demand::Demand;
pub use findings::{FindingRule, FindingSeverity, Sla, default_severities, default_sla};
pub use slo_window::{Length, SloWindow};
pub use standards::{Boundary, Check, CheckRule, Standard, WORKFLOW_FILES};

use super::ledger::{Question, Sli};
use super::statistics::budget::Events;
use super::{Need, Span, Stat, TargetRule};
pub use crate::domain::Calendar as CalendarParams;
use crate::domain::fact::Deployment;
use crate::domain::{Extent, Instant, ServiceName, SourceName, TeamName};

/// Everything that decides how facts are judged. What it serialises to is what numbers depend on,
/// and nothing else: no address, no secret.
#[derive(Clone, Debug, Serialize)]
pub struct Params {
    /// Teams and services.
    pub catalogue: Catalogue,
    /// What counts as a bot, a hotfix, a Sev1, …
    pub rules: Rules,
    /// Standards that services are to adopt, by name.
    pub standards: Vec<Standard>,
    /// Critical API boundaries, by name.
    pub boundaries: Vec<Boundary>,
    /// Zone, holidays and fiscal year.
    pub calendar: CalendarParams,
    /// By KPI id; a KPI that is not here uses its defaults.
    pub kpis: BTreeMap<String, KpiParams>,
    /// The fixed interval that "improve by" targets compare with.
    pub baseline: Option<Span>,
    /// What each configured source covers.
    pub sources: Vec<SourceParams>,
    /// Surveys, of which sources read the answers.
    pub surveys: Vec<SurveyParams>,
    /// The endpoints whose latency is watched.
    pub endpoints: Vec<Endpoint>,
    /// Units of demand that metric stores count, by name.
    pub demand: Vec<Demand>,
    /// Service level objectives.
    pub slos: Vec<Slo>,
    /// Maintenance that is or was planned.
    pub maintenance: Vec<Maintenance>,
}

/// A pattern is what was written.
fn pattern<S: Serializer>(pattern: &Regex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(pattern.as_str())
}

/// A survey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurveyParams {
    /// The source that reads its answers.
    pub source: SourceName,
    /// Its name.
    pub name: String,
    /// The KPI that it feeds.
    pub kpi: &'static str,
    /// Its waves by name.
    pub waves: BTreeMap<String, WaveParams>,
}

/// One wave of a survey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaveParams {
    /// Nothing is shown of it before.
    pub closed_at: Instant,
    /// How many were asked in all.
    pub invited: Option<u64>,
    /// How many were asked of a team, by index.
    pub invited_by_team: BTreeMap<usize, u64>,
    /// How many were asked of a group of stakeholders, by its name in lower case.
    pub invited_by_group: BTreeMap<String, u64>,
}

/// Teams and services, in configured order. Indices into the two lists are used everywhere.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Catalogue {
    /// The teams.
    pub teams: Vec<TeamName>,
    /// The services.
    pub services: Vec<Service>,
}

impl Catalogue {
    /// The service that files and metrics call `name`. Case is ignored.
    pub fn service_called(&self, name: &str) -> Option<usize> {
        let is = |it: &str| it.eq_ignore_ascii_case(name.trim());
        let named = |it: &Service| is(it.name.as_str()) || it.aliases.iter().any(|it| is(it));
        self.services.iter().position(named)
    }

    /// The team that files call `name`. Case is ignored.
    pub fn team_called(&self, name: &str) -> Option<usize> {
        self.teams.iter().position(|it| it.as_str().eq_ignore_ascii_case(name.trim()))
    }
}

/// A service of the catalogue.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Index of the team that owns it.
    pub team: usize,
    /// `owner/name`.
    pub repository: String,
    /// Path globs inside the repository; empty = the whole repository.
    pub paths: Vec<String>,
    /// What is a production deployment of it.
    pub deployments: DeploymentRule,
    /// Ids of its services in the incident tool.
    pub incident_services: Vec<String>,
    /// What files and metrics call it beside its name.
    pub aliases: Vec<String>,
    /// 1 is the most important.
    pub tier: Option<u8>,
}

/// An endpoint whose latency is watched.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// Its name: the value of the label `endpoint`.
    pub name: String,
    /// Index of the service that it is of.
    pub service: usize,
    /// The metric store with its histogram.
    pub source: SourceName,
    /// PromQL selector of the histogram's buckets.
    pub buckets: String,
    /// How many seconds one of the units is in which the buckets' bounds are.
    pub scale: f64,
    /// How long a request may take, in seconds.
    pub budget: f64,
    /// Which quantile the budget is for.
    pub stat: Stat,
}

impl Endpoint {
    /// What its metric store is asked.
    pub fn question(&self) -> Question {
        Question::Buckets { selector: self.buckets.clone() }
    }

    /// The ledger with the answers.
    pub fn ledger(&self) -> String {
        self.question().ledger("endpoint", &self.name)
    }
}

/// A service level objective.
#[derive(Clone, Debug, Serialize)]
pub struct Slo {
    /// `SERVICE-NAME`, unique: the value of the label `slo`.
    pub id: String,
    /// Index of the service that it is of; `None` = it is nobody's in the catalogue.
    pub service: Option<usize>,
    /// The metric store that is asked.
    pub source: SourceName,
    /// Which share of events (or of slices) must be good, as the decimal that was written.
    pub objective: String,
    /// The same as a number.
    pub ratio: f64,
    /// Which share may be bad: 1 less the objective, by decimal arithmetic.
    pub allowed: f64,
    /// Which share of the events of one slice may be bad in a good slice.
    pub slice_allowed: f64,
    /// What the objective is about.
    pub method: SloMethod,
    /// How events are told apart.
    pub sli: Sli,
    /// The window that the specification names, for people: `30d`, `1Q`.
    pub window: String,
    /// The same window.
    pub own: SloWindow,
}

/// What an objective is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SloMethod {
    /// Good events of all events.
    Events,
    /// Good slices of all slices with events.
    Slices,
    /// The average of the slices' shares of good events, of which nobody knows how many they are of.
    Ratios,
}

impl SloMethod {
    /// The value of the label `method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Slices => "slices",
            Self::Ratios => "ratios",
        }
    }
}

/// A stretch of time in which maintenance is planned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Maintenance {
    /// What people call it.
    pub name: String,
    /// Indices of the services that it is of; empty = of all.
    pub services: Vec<usize>,
    /// From when to when.
    pub span: Span,
}

impl Slo {
    /// What its budget is spent on: events, slices, or shares of slices.
    pub fn budgeted(&self, events: &Events) -> Events {
        match self.method {
            SloMethod::Slices => events.by_slices(),
            // Of ratios each slice was counted as one event.
            SloMethod::Events | SloMethod::Ratios => *events,
        }
    }

    /// Whether `events` are not all that its budget is of.
    pub fn is_unjudged(&self, events: &Events) -> bool {
        self.method == SloMethod::Slices && events.unjudged > 0
    }

    /// Whether it is about so few events that ten bad ones would be more than allowed.
    pub fn is_low_traffic(&self, events: &Events) -> bool {
        self.method == SloMethod::Events && events.is_low_traffic(self.allowed)
    }

    /// What its metric store is asked.
    pub fn question(&self) -> Question {
        Question::Events {
            sli: self.sli.clone(),
            slice_allowed: self.slice_allowed.to_string(),
            by_slices: self.method == SloMethod::Slices,
        }
    }

    /// The ledger with the answers.
    pub fn ledger(&self) -> String {
        self.question().ledger("slo", &self.id)
    }
}

/// What is a production deployment of a service.
#[derive(Clone, Debug, Serialize)]
pub enum DeploymentRule {
    /// The vendor's deployments into one of these environments.
    Deployments {
        /// Production environments; several are regions or waves of one rollout.
        environments: Vec<String>,
        /// Only deployments of this task.
        task: Option<String>,
        /// Only deployments whose payload has this key with this value.
        payload: Option<(String, String)>,
    },
    /// Successful runs of these workflows on the default branch.
    Workflow {
        /// Names of workflows.
        names: Vec<String>,
    },
    /// Published releases (no drafts, no pre-releases) whose tag matches.
    Releases {
        /// Matches the tag.
        #[serde(serialize_with = "pattern")]
        tag: Regex,
    },
}

impl DeploymentRule {
    /// Whether the vendor's `deployment` is of the service, in whatever environment. Never where
    /// runs or releases stand for deployments.
    pub fn selects(&self, deployment: &Deployment) -> bool {
        match self {
            Self::Deployments { task, payload, .. } => {
                task.as_ref().is_none_or(|task| deployment.task == *task)
                    && payload.as_ref().is_none_or(|(key, value)| {
                        deployment.payload.get(key).is_some_and(|it| it == value)
                    })
            }
            Self::Workflow { .. } | Self::Releases { .. } => false,
        }
    }
}

/// Classification rules.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// Logins treated as bots beside those the vendor calls bots. Compared without case.
    pub bots: BTreeSet<String>,
    /// Labels that make a change a hotfix. Compared without case.
    pub hotfix_labels: BTreeSet<String>,
    /// Branch prefixes that make a change a hotfix.
    pub hotfix_branches: Vec<String>,
    /// Severity 1 to 5 by priority NAME. Compared without case.
    pub severity_by_priority: BTreeMap<String, u8>,
    /// Names of incident custom fields with a meaning.
    pub fields: IncidentFields,
    /// Decision records by `owner/name`.
    pub decisions: BTreeMap<String, DecisionRule>,
    /// Which issues are technical debt; `None` = none are collected.
    pub debt: Option<DebtRule>,
    /// Which findings of security tools count; `None` = none are collected.
    pub findings: Option<FindingRule>,
    /// Meaning of a record's status word, lower case.
    pub statuses: BTreeMap<String, StatusMeaning>,
    /// Successes of one commit within this time of the first are one deployment.
    pub rollout_window: Duration,
    /// A revert fails what it reverts if it ships within this time of its finish.
    pub revert_window: Duration,
    /// A rollback fails the deployment before it if it comes within this time of its finish.
    pub rollback_window: Duration,
    /// Links an incident to the latest deployment within this time before it; `None` = off.
    pub proximity_window: Option<Duration>,
    /// Re-opened within this time of the resolve is the same incident.
    pub reopen_window: Duration,
    /// This many records first seen in one commit are a bulk import.
    pub bulk_import: usize,
}

/// Names of incident custom fields with a meaning.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentFields {
    /// When the fault began.
    pub fault_started_at: String,
    /// When it was noticed.
    pub detected_at: String,
    /// When the impact ended.
    pub mitigated_at: String,
    /// The root-cause key.
    pub root_cause: String,
    /// The problem ticket that it belongs to.
    pub problem: String,
    /// A commit, or `deployment:ID`.
    pub caused_by: String,
}

/// How the decision records of a repository are read.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionRule {
    /// Folders with the records.
    pub folders: Vec<String>,
    /// What decides a record.
    pub event: DecisionEvent,
    /// Front-matter key with the proposal date.
    pub proposed_field: Option<String>,
    /// Front-matter key with the decision date.
    pub decided_field: Option<String>,
}

/// What decides a record (kpis.md 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the configuration")]
pub enum DecisionEvent {
    Auto,
    Merge,
    Status,
}

/// What a status word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum StatusMeaning {
    /// Not decided yet.
    Pending,
    /// Decided: yes.
    Accepted,
    /// Decided: no.
    Rejected,
    /// Was accepted once and is no longer in force.
    Retired,
}

/// The meaning of the status words that the common templates use (kpis.md 3.2), lower case.
pub fn default_statuses() -> BTreeMap<String, StatusMeaning> {
    let table = [
        (
            StatusMeaning::Pending,
            &[
                "proposed",
                "draft",
                "pending",
                "review",
                "in review",
                "under review",
                "needs revision",
                "deferred",
            ][..],
        ),
        (
            StatusMeaning::Accepted,
            &["accepted", "approved", "decided", "adopted", "provisional", "implemented", "final"],
        ),
        (StatusMeaning::Rejected, &["rejected", "declined", "withdrawn"]),
        (
            StatusMeaning::Retired,
            &[
                "superseded",
                "replaced",
                "deprecated",
                "obsolete",
                "partly superseded",
                "partially superseded",
            ],
        ),
    ];
    let words = table
        .into_iter()
        .flat_map(|(meaning, words)| words.iter().map(move |word| ((*word).to_owned(), meaning)));
    words.collect()
}

/// What configuration changes about one KPI.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KpiParams {
    /// Replaces the default target.
    pub target: Option<TargetRule>,
    /// Replaces the default smallest n.
    pub min_n: Option<u64>,
    /// The wave of a survey that a target in points compares with.
    pub baseline_wave: Option<String>,
    /// Targets of single teams, by index.
    pub team_targets: BTreeMap<usize, TargetRule>,
    /// Targets of single services, by index.
    pub service_targets: BTreeMap<usize, TargetRule>,
}

/// What a configured source covers, for "missing is not zero".
#[derive(Clone, Debug, Serialize)]
pub struct SourceParams {
    /// Its name.
    pub name: SourceName,
    /// What it feeds.
    pub feeds: Vec<Need>,
    /// Complete from here on.
    pub history_start: Instant,
    /// What it is asked for: see [`Extent::parts`].
    pub parts: BTreeSet<String>,
    /// Without a success for longer than this it is stale.
    pub stale_after: Duration,
    /// The web address that links to items are built from, for example `https://github.com`.
    #[serde(skip)]
    pub web_base: url::Url,
}

impl SourceParams {
    /// What the source is asked to collect. A pass counts only if it saw all of it.
    pub fn extent(&self) -> Extent {
        Extent { since: self.history_start, parts: self.parts.clone() }
    }
}
