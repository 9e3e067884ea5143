//! The timeline: every fact that is known, by kind and identity.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::fact::{
    Boundary, Burn, Change, Contents, Cost, DebtItem, DecisionRevision, Deployment, Escalation,
    Finding, FindingFeed, Incident, IncidentAlert, IncidentEvent, IncidentNote, IncidentService,
    Issue, LedgerDay, Mentoring, Properties, Release, Repository, SurveyCell, Units, WorkflowJob,
    WorkflowRun,
};
use super::graph::CommitGraph;
use super::{CommitId, Fact, FactKey, Kind, RepositoryId, SourceName};

/// All facts, independent of the order in which they arrived. Keys order everything, so that two
/// timelines with the same facts are walked the same way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Repositories by id.
    pub repositories: BTreeMap<RepositoryId, Repository>,
    /// Changes by (repository, number).
    pub changes: BTreeMap<(RepositoryId, u64), Change>,
    /// Commit graphs by repository.
    pub commits: HashMap<RepositoryId, CommitGraph>,
    /// Deployments by (source, id).
    pub deployments: BTreeMap<(SourceName, String), Deployment>,
    /// Workflow runs by (source, id).
    pub runs: BTreeMap<(SourceName, String), WorkflowRun>,
    /// Releases by (source, id).
    pub releases: BTreeMap<(SourceName, String), Release>,
    /// Decision revisions by (repository, path, commit).
    pub revisions: BTreeMap<(RepositoryId, String, CommitId), DecisionRevision>,
    /// Incident services by (source, id).
    pub incident_services: BTreeMap<(SourceName, String), IncidentService>,
    /// Incidents by (source, id).
    pub incidents: BTreeMap<(SourceName, String), Incident>,
    /// Log entries by (source, incident) and entry id.
    pub incident_events: BTreeMap<(SourceName, String), BTreeMap<String, IncidentEvent>>,
    /// Alerts by (source, incident) and alert id.
    pub incident_alerts: BTreeMap<(SourceName, String), BTreeMap<String, IncidentAlert>>,
    /// The incident that each alert is filed under.
    alert_incidents: HashMap<(SourceName, String), String>,
    /// Issues by (repository, number).
    pub issues: BTreeMap<(RepositoryId, u64), Issue>,
    /// Findings by (source, id).
    pub findings: BTreeMap<(SourceName, String), Finding>,
    /// Whether findings can be read, by (source, id).
    pub finding_feeds: BTreeMap<(SourceName, String), FindingFeed>,
    /// Contents by (repository, pattern).
    pub contents: BTreeMap<(RepositoryId, String), Contents>,
    /// Custom properties by repository.
    pub properties: BTreeMap<RepositoryId, Properties>,
    /// Jobs by (source, id).
    pub jobs: BTreeMap<(SourceName, String), WorkflowJob>,
    /// Costs per day and tag by (source, id).
    pub costs: BTreeMap<(SourceName, String), Cost>,
    /// Units of demand per day by (source, id).
    pub units: BTreeMap<(SourceName, String), Units>,
    /// Cells of surveys by (source, id).
    pub survey_cells: BTreeMap<(SourceName, String), SurveyCell>,
    /// Entries of mentorship registers by (source, id).
    pub mentoring: BTreeMap<(SourceName, String), Mentoring>,
    /// Escalations by (source, id).
    pub escalations: BTreeMap<(SourceName, String), Escalation>,
    /// Registered API boundaries by (source, id).
    pub boundaries: BTreeMap<(SourceName, String), Boundary>,
    /// Registered technical debt by (source, id).
    pub debt_items: BTreeMap<(SourceName, String), DebtItem>,
    /// What post-mortems found out by (source, id).
    pub incident_notes: BTreeMap<(SourceName, String), IncidentNote>,
    /// Ledgers by (source, ledger) and day.
    pub ledgers: BTreeMap<(SourceName, String), BTreeMap<NaiveDate, LedgerDay>>,
    /// Short windows of SLOs by (source, ledger).
    pub burns: BTreeMap<(SourceName, String), Burn>,
}

impl Timeline {
    /// Takes a fact in, replacing what was known under its key.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    pub fn apply(&mut self, source: &SourceName, fact: Fact) {
        match fact {
            Fact::Repository(fact) => {
                self.repositories.insert(fact.id.clone(), fact);
            }
            Fact::Change(fact) => {
                self.changes.insert((fact.repository.clone(), fact.number), fact);
            }
            Fact::Commit(fact) => {
                self.commits.entry(fact.repository.clone()).or_default().insert(fact);
            }
            Fact::Deployment(fact) => {
                self.deployments.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::WorkflowRun(fact) => {
                self.runs.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Release(fact) => {
                self.releases.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::DecisionRevision(fact) => {
                let key = (fact.repository.clone(), fact.path.clone(), fact.commit.clone());
                self.revisions.insert(key, fact);
            }
            Fact::IncidentService(fact) => {
                self.incident_services.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Incident(fact) => {
                self.incidents.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::IncidentEvent(fact) => {
                let incident = (source.clone(), fact.incident.clone());
                self.incident_events.entry(incident).or_default().insert(fact.id.clone(), fact);
            }
            Fact::IncidentAlert(fact) => {
                let incident = (source.clone(), fact.incident.clone());
                // An alert can be moved to another incident.
                let key = (source.clone(), fact.id.clone());
                if let Some(before) = self.alert_incidents.insert(key, fact.incident.clone())
                    && before != fact.incident
                    && let Some(alerts) = self.incident_alerts.get_mut(&(source.clone(), before))
                {
                    alerts.remove(&fact.id);
                }
                self.incident_alerts.entry(incident).or_default().insert(fact.id.clone(), fact);
            }
            Fact::Issue(fact) => {
                self.issues.insert((fact.repository.clone(), fact.number), fact);
            }
            Fact::Finding(fact) => {
                self.findings.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::FindingFeed(fact) => {
                self.finding_feeds.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Contents(fact) => {
                self.contents.insert((fact.repository.clone(), fact.pattern.clone()), fact);
            }
            Fact::Properties(fact) => {
                self.properties.insert(fact.repository.clone(), fact);
            }
            Fact::WorkflowJob(fact) => {
                self.jobs.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Cost(fact) => {
                self.costs.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Units(fact) => {
                self.units.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::SurveyCell(fact) => {
                self.survey_cells.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Mentoring(fact) => {
                self.mentoring.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Escalation(fact) => {
                self.escalations.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Boundary(fact) => {
                self.boundaries.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::DebtItem(fact) => {
                self.debt_items.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::IncidentNote(fact) => {
                self.incident_notes.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::Burn(fact) => {
                self.burns.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::LedgerDay(fact) => {
                if let Some((ledger, day)) = LedgerDay::parse_id(&fact.id) {
                    let ledger = (source.clone(), ledger.to_owned());
                    self.ledgers.entry(ledger).or_default().insert(day, fact);
                }
            }
        }
    }

    /// Takes a fact out that is gone upstream. Unknown keys change nothing.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    pub fn remove(&mut self, key: &FactKey) {
        let by_id = (key.source.clone(), key.id.clone());
        match key.kind {
            Kind::Repository => {
                self.repositories.remove(&RepositoryId::new(key.id.as_str()));
            }
            Kind::Change => {
                if let Some((repository, number)) = key.id.rsplit_once('#')
                    && let Ok(number) = number.parse()
                {
                    self.changes.remove(&(RepositoryId::new(repository), number));
                }
            }
            Kind::Commit => {
                if let Some((repository, commit)) = key.id.rsplit_once('@')
                    && let Some(graph) = self.commits.get_mut(&RepositoryId::new(repository))
                {
                    graph.remove(&CommitId::new(commit));
                }
            }
            Kind::Deployment => {
                self.deployments.remove(&by_id);
            }
            Kind::WorkflowRun => {
                self.runs.remove(&by_id);
            }
            Kind::Release => {
                self.releases.remove(&by_id);
            }
            Kind::DecisionRevision => {
                if let Some((repository, rest)) = key.id.split_once('@')
                    && let Some((commit, path)) = rest.split_once(':')
                {
                    let key =
                        (RepositoryId::new(repository), path.to_owned(), CommitId::new(commit));
                    self.revisions.remove(&key);
                }
            }
            Kind::IncidentService => {
                self.incident_services.remove(&by_id);
            }
            Kind::Incident => {
                self.incidents.remove(&by_id);
            }
            Kind::IncidentEvent => {
                for events in self.incident_events.values_mut() {
                    events.remove(&key.id);
                }
            }
            Kind::IncidentAlert => {
                if let Some(incident) = self.alert_incidents.remove(&by_id)
                    && let Some(alerts) =
                        self.incident_alerts.get_mut(&(key.source.clone(), incident))
                {
                    alerts.remove(&key.id);
                }
            }
            Kind::Issue => {
                if let Some((repository, number)) = key.id.rsplit_once('#')
                    && let Ok(number) = number.parse()
                {
                    self.issues.remove(&(RepositoryId::new(repository), number));
                }
            }
            Kind::Finding => {
                self.findings.remove(&by_id);
            }
            Kind::FindingFeed => {
                self.finding_feeds.remove(&by_id);
            }
            Kind::Contents => {
                if let Some((repository, pattern)) = key.id.split_once(':') {
                    self.contents.remove(&(RepositoryId::new(repository), pattern.to_owned()));
                }
            }
            Kind::Properties => {
                self.properties.remove(&RepositoryId::new(key.id.as_str()));
            }
            Kind::WorkflowJob => {
                self.jobs.remove(&by_id);
            }
            Kind::Cost => {
                self.costs.remove(&by_id);
            }
            Kind::Units => {
                self.units.remove(&by_id);
            }
            Kind::SurveyCell => {
                self.survey_cells.remove(&by_id);
            }
            Kind::Mentoring => {
                self.mentoring.remove(&by_id);
            }
            Kind::Escalation => {
                self.escalations.remove(&by_id);
            }
            Kind::Boundary => {
                self.boundaries.remove(&by_id);
            }
            Kind::DebtItem => {
                self.debt_items.remove(&by_id);
            }
            Kind::IncidentNote => {
                self.incident_notes.remove(&by_id);
            }
            Kind::Burn => {
                self.burns.remove(&by_id);
            }
            Kind::LedgerDay => {
                if let Some((ledger, day)) = LedgerDay::parse_id(&key.id)
                    && let Some(days) =
                        self.ledgers.get_mut(&(key.source.clone(), ledger.to_owned()))
                {
                    days.remove(&day);
                }
            }
        }
    }

    /// The repository that has, or once had, this `owner/name`. A present name goes first; of two
    /// that have it the younger one does: the other was deleted or moved out of sight.
    pub fn repository_named(&self, name: &str) -> Option<&Repository> {
        let named = self.repositories.values().filter(|it| it.name.eq_ignore_ascii_case(name));
        let present = named.max_by_key(|it| it.created_at);
        present.or_else(|| {
            self.repositories
                .values()
                .find(|it| it.former_names.iter().any(|former| former.eq_ignore_ascii_case(name)))
        })
    }
}
