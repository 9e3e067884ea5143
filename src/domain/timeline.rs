//! The timeline: every fact that is known, by kind and identity.

mod beginnings;
mod shelf;

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;

use super::fact::{
    AlertRule, Boundary, Burn, Change, Contents, Cost, DebtItem, DecisionRevision, Deployment,
    Escalation, Finding, FindingFeed, HiddenIssues, Incident, IncidentAlert, IncidentEvent,
    IncidentNote, IncidentService, Issue, LedgerDay, Mentoring, Properties, Release, Repository,
    SurveyCell, Units, WorkflowJob, WorkflowRun,
};
use super::graph::CommitGraph;
use super::text::Pool;
use super::{CommitId, Fact, FactKey, Kind, RepositoryId, SourceName, Text};

pub use beginnings::Beginnings;
pub use shelf::{Shelf, Shelved};

/// All facts, independent of the order in which they arrived. Keys order everything, so that two
/// timelines with the same facts are walked the same way.
///
/// What there are hundreds of thousands of is kept by repository, so that what concerns a few of
/// them is quickly found.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Repositories by id.
    pub repositories: BTreeMap<RepositoryId, Repository>,
    /// Changes by repository and number.
    pub changes: BTreeMap<RepositoryId, Shelf<Change>>,
    /// Commit graphs by repository.
    pub commits: HashMap<RepositoryId, Arc<CommitGraph>>,
    /// Deployments by (repository, source) and id.
    pub deployments: BTreeMap<(RepositoryId, SourceName), Shelf<Deployment>>,
    /// Workflow runs by (repository, source) and id.
    pub runs: BTreeMap<(RepositoryId, SourceName), Shelf<WorkflowRun>>,
    /// Releases by (repository, source) and id.
    pub releases: BTreeMap<(RepositoryId, SourceName), Shelf<Release>>,
    /// Decision revisions by (repository, path, commit).
    pub revisions: BTreeMap<(RepositoryId, Text, CommitId), Arc<DecisionRevision>>,
    /// Incident services by (source, id).
    pub incident_services: BTreeMap<(SourceName, Text), IncidentService>,
    /// Incidents by (source, id).
    pub incidents: BTreeMap<(SourceName, Text), Arc<Incident>>,
    /// Log entries by (source, incident) and entry id.
    pub incident_events: BTreeMap<(SourceName, Text), Shelf<IncidentEvent>>,
    /// Alerts by (source, incident) and alert id.
    pub incident_alerts: BTreeMap<(SourceName, Text), Shelf<IncidentAlert>>,
    /// Issues by (repository, number).
    pub issues: BTreeMap<(RepositoryId, u64), Issue>,
    /// Repositories whose issues cannot be read.
    pub hidden_issues: BTreeMap<RepositoryId, HiddenIssues>,
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
    /// How long alerting rules take by (source, id).
    pub alert_rules: BTreeMap<(SourceName, String), AlertRule>,
    /// The incident that each alert is filed under.
    alert_incidents: HashMap<(SourceName, Text), Text>,
    /// By repository, once somebody asks; what goes away is among them until something lands.
    beginnings: HashMap<RepositoryId, OnceLock<Beginnings>>,
    homes: Homes,
    named: Names,
    pool: Pool,
}

impl Timeline {
    /// Takes a fact in, replacing what was known under its key.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    pub fn apply(&mut self, source: &SourceName, mut fact: Fact) {
        fact.compact(&mut self.pool);
        let mut source = source.clone();
        source.share(&mut self.pool);
        self.forget_beginnings(&fact);
        match fact {
            Fact::Repository(mut fact) => {
                fact.id.share(&mut self.pool);
                self.insert_repository(fact);
            }
            Fact::Change(fact) => {
                self.changes.entry(fact.repository.clone()).or_default().insert(fact);
            }
            Fact::Commit(fact) => {
                if let Some(graph) = self.commits.get_mut(&fact.repository) {
                    Arc::make_mut(graph).insert(fact);
                } else {
                    let mut repository = fact.repository.clone();
                    repository.share(&mut self.pool);
                    let graph = self.commits.entry(repository).or_default();
                    Arc::make_mut(graph).insert(fact);
                }
            }
            Fact::Deployment(fact) => {
                let of = (fact.repository.clone(), source);
                self.homes.settle(&mut self.deployments, of, fact);
            }
            Fact::WorkflowRun(fact) => {
                let of = (fact.repository.clone(), source);
                self.homes.settle(&mut self.runs, of, fact);
            }
            Fact::Release(fact) => {
                let of = (fact.repository.clone(), source);
                self.homes.settle(&mut self.releases, of, fact);
            }
            Fact::DecisionRevision(fact) => {
                let key = (fact.repository.clone(), fact.path.clone(), fact.commit.clone());
                self.revisions.insert(key, Arc::new(fact));
            }
            Fact::IncidentService(fact) => {
                self.incident_services.insert((source, fact.id.clone()), fact);
            }
            Fact::Incident(fact) => {
                self.incidents.insert((source, fact.id.clone()), Arc::new(fact));
            }
            Fact::IncidentEvent(fact) => {
                let of = (source, fact.incident.clone());
                self.incident_events.entry(of).or_default().insert(fact);
            }
            Fact::IncidentAlert(fact) => {
                // An alert can be moved to another incident.
                let key = (source.clone(), fact.id.clone());
                if let Some(before) = self.alert_incidents.insert(key, fact.incident.clone())
                    && before != fact.incident
                    && let Some(alerts) = self.incident_alerts.get_mut(&(source.clone(), before))
                {
                    alerts.remove(&fact.id);
                }
                let of = (source, fact.incident.clone());
                self.incident_alerts.entry(of).or_default().insert(fact);
            }
            Fact::HiddenIssues(fact) => {
                self.hidden_issues.insert(fact.repository.clone(), fact);
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
            Fact::AlertRule(fact) => {
                self.alert_rules.insert((source.clone(), fact.id.clone()), fact);
            }
            Fact::LedgerDay(fact) => {
                if let Some((ledger, day)) = LedgerDay::parse_id(&fact.id) {
                    let ledger = (source.clone(), ledger.to_owned());
                    self.ledgers.entry(ledger).or_default().insert(day, fact);
                }
            }
        }
    }

    /// What is known of how commits begin is to be made again where `fact` may name another.
    fn forget_beginnings(&mut self, fact: &Fact) {
        let repository = match fact {
            Fact::Change(it) => &it.repository,
            Fact::Commit(it) => &it.repository,
            Fact::Deployment(it) => &it.repository,
            Fact::WorkflowRun(it) => &it.repository,
            Fact::Release(it) => &it.repository,
            _ => return,
        };
        match self.beginnings.get_mut(repository) {
            Some(beginnings) => *beginnings = OnceLock::new(),
            None => {
                let mut repository = repository.clone();
                repository.share(&mut self.pool);
                self.beginnings.insert(repository, OnceLock::new());
            }
        }
    }

    /// Takes a fact out that is gone upstream. Unknown keys change nothing.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of fact")]
    pub fn remove(&mut self, key: &FactKey) {
        let by_id = (key.source.clone(), Text::from(&key.id));
        let named = (key.source.clone(), key.id.clone());
        match key.kind {
            Kind::Repository => {
                self.remove_repository(&RepositoryId::new(key.id.as_str()));
            }
            Kind::Change => {
                if let Some((repository, number)) = key.id.rsplit_once('#')
                    && let Ok(number) = number.parse()
                    && let Some(changes) = self.changes.get_mut(&RepositoryId::new(repository))
                {
                    changes.remove(&number);
                    self.changes.retain(|_, changes| !changes.is_empty());
                }
            }
            Kind::Commit => {
                if let Some((repository, commit)) = key.id.rsplit_once('@')
                    && let Some(graph) = self.commits.get_mut(&RepositoryId::new(repository))
                {
                    Arc::make_mut(graph).remove(&CommitId::new(commit));
                }
            }
            Kind::Deployment => {
                remove_by_id(&mut self.deployments, &key.id, |(_, it)| *it == key.source)
            }
            Kind::WorkflowRun => remove_by_id(&mut self.runs, &key.id, |(_, it)| *it == key.source),
            Kind::Release => remove_by_id(&mut self.releases, &key.id, |(_, it)| *it == key.source),
            Kind::DecisionRevision => {
                if let Some((repository, rest)) = key.id.split_once('@')
                    && let Some((commit, path)) = rest.split_once(':')
                {
                    let key =
                        (RepositoryId::new(repository), Text::from(path), CommitId::new(commit));
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
                remove_by_id(&mut self.incident_events, &key.id, |(it, _)| *it == key.source)
            }
            Kind::IncidentAlert => {
                if let Some(incident) = self.alert_incidents.remove(&by_id)
                    && let Some(alerts) =
                        self.incident_alerts.get_mut(&(key.source.clone(), incident))
                {
                    alerts.remove(key.id.as_str());
                }
            }
            Kind::HiddenIssues => {
                self.hidden_issues.remove(&RepositoryId::new(key.id.as_str()));
            }
            Kind::Issue => {
                if let Some((repository, number)) = key.id.rsplit_once('#')
                    && let Ok(number) = number.parse()
                {
                    self.issues.remove(&(RepositoryId::new(repository), number));
                }
            }
            Kind::Finding => {
                self.findings.remove(&named);
            }
            Kind::FindingFeed => {
                self.finding_feeds.remove(&named);
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
                self.jobs.remove(&named);
            }
            Kind::Cost => {
                self.costs.remove(&named);
            }
            Kind::Units => {
                self.units.remove(&named);
            }
            Kind::SurveyCell => {
                self.survey_cells.remove(&named);
            }
            Kind::Mentoring => {
                self.mentoring.remove(&named);
            }
            Kind::Escalation => {
                self.escalations.remove(&named);
            }
            Kind::Boundary => {
                self.boundaries.remove(&named);
            }
            Kind::DebtItem => {
                self.debt_items.remove(&named);
            }
            Kind::IncidentNote => {
                self.incident_notes.remove(&named);
            }
            Kind::Burn => {
                self.burns.remove(&named);
            }
            Kind::AlertRule => {
                self.alert_rules.remove(&named);
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

    /// Whether a run that `source` calls `id` was ever taken in.
    pub fn has_had_run(&self, source: &SourceName, id: &str) -> bool {
        self.homes.0.contains(&Homes::mark::<WorkflowRun>(source, id))
    }

    /// The repository that has, or once had, this `owner/name`. A present name goes first; of two
    /// that have it the younger one does: the other was deleted or moved out of sight.
    pub fn repository_named(&self, name: &str) -> Option<&Repository> {
        let name = name.to_ascii_lowercase();
        let known = |id: &RepositoryId| self.repositories.get(id);
        let present = self.named.present.get(&name).into_iter().flatten().filter_map(known);
        let former = || self.named.former.get(&name).and_then(|ids| known(ids.first()?));
        present.max_by_key(|it| it.created_at).or_else(former)
    }

    fn insert_repository(&mut self, repository: Repository) {
        self.remove_repository(&repository.id.clone());
        self.named.add(&repository);
        self.repositories.insert(repository.id.clone(), repository);
    }

    fn remove_repository(&mut self, id: &RepositoryId) {
        if let Some(repository) = self.repositories.remove(id) {
            self.named.forget(&repository);
        }
    }
}

/// Which repositories have, or once had, an `owner/name`, in lower case.
#[derive(Debug, Default)]
struct Names {
    present: HashMap<String, BTreeSet<RepositoryId>>,
    former: HashMap<String, BTreeSet<RepositoryId>>,
}

impl Names {
    fn add(&mut self, repository: &Repository) {
        let id = || repository.id.clone();
        self.present.entry(repository.name.to_ascii_lowercase()).or_default().insert(id());
        for name in &repository.former_names {
            self.former.entry(name.to_ascii_lowercase()).or_default().insert(id());
        }
    }

    fn forget(&mut self, repository: &Repository) {
        let forget = |names: &mut HashMap<String, BTreeSet<RepositoryId>>, name: &str| {
            if let Some(ids) = names.get_mut(&name.to_ascii_lowercase()) {
                ids.remove(&repository.id);
            }
        };
        forget(&mut self.present, &repository.name);
        repository.former_names.iter().for_each(|name| forget(&mut self.former, name));
    }
}

/// Takes out what `source` calls `id`, whatever it belongs to.
fn remove_by_id<K: Ord + Clone, T: Shelved<Key = str>>(
    facts: &mut BTreeMap<K, Shelf<T>>,
    id: &str,
    is_source: impl Fn(&K) -> bool,
) {
    let has_it = |(key, of): &(&K, &Shelf<T>)| is_source(key) && of.get(id).is_some();
    if let Some(home) = facts.iter().find(has_it).map(|(key, _)| key.clone())
        && let Some(of) = facts.get_mut(&home)
    {
        of.remove(id);
        if of.is_empty() {
            facts.remove(&home);
        }
    }
}

/// Which ids were ever seen, so that only one that comes back is looked for in other repositories:
/// a repository can get the name of another, and a vendor's id names one thing wherever it is.
#[derive(Debug, Default)]
struct Homes(HashSet<u64>);

impl Homes {
    fn mark<T: 'static>(source: &SourceName, id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (TypeId::of::<T>(), source, id).hash(&mut hasher);
        hasher.finish()
    }

    /// Puts a fact into its repository, and takes it out of the one that it was in before.
    fn settle<T: Shelved<Key = str> + 'static>(
        &mut self,
        facts: &mut BTreeMap<(RepositoryId, SourceName), Shelf<T>>,
        home: (RepositoryId, SourceName),
        fact: T,
    ) {
        let id = fact.key();
        let is_new = self.0.insert(Self::mark::<T>(&home.1, id));
        let is_at_home = |of: &Shelf<T>| of.get(id).is_some();
        if !is_new && !facts.get(&home).is_some_and(is_at_home) {
            remove_by_id(facts, id, |(_, source)| *source == home.1);
        }
        facts.entry(home).or_default().insert(fact);
    }
}

/// Equal facts make equal timelines.
impl PartialEq for Timeline {
    fn eq(&self, other: &Self) -> bool {
        let Self { repositories, changes, commits, deployments, runs, releases, .. } = self;
        let Self { revisions, incident_services, incidents, incident_events, .. } = self;
        *repositories == other.repositories
            && *changes == other.changes
            && *commits == other.commits
            && *deployments == other.deployments
            && *runs == other.runs
            && *releases == other.releases
            && *revisions == other.revisions
            && *incident_services == other.incident_services
            && *incidents == other.incidents
            && *incident_events == other.incident_events
            && self.incident_alerts == other.incident_alerts
    }
}
