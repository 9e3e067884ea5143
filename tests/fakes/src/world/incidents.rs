//! The PagerDuty account of a world.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{Instant, When};

/// A PagerDuty account. Lists are in the order in which the vendor shows them where that matters.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    /// The account's name in browser links.
    pub subdomain: String,
    /// Services.
    pub services: Vec<Service>,
    /// Teams.
    pub teams: Vec<Team>,
    /// Priorities, most severe first.
    pub priorities: Vec<Priority>,
    /// Names of the custom fields that the account has set up.
    pub fields: Vec<String>,
    /// Abilities outside the plan: what needs them answers 402.
    pub missing_abilities: BTreeSet<String>,
    /// Incidents, in order of creation.
    pub incidents: Vec<Incident>,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// For example `PSHOP01`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Ids of its teams.
    pub teams: Vec<String>,
    /// When it was set up.
    pub created_at: Instant,
}

/// A team.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Team {
    pub id: String,
    pub name: String,
}

/// A priority of the account.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Priority {
    pub id: String,
    pub name: String,
}

/// An incident. What it looks like at an instant follows from its log.
#[derive(Clone, Debug)]
pub struct Incident {
    /// For example `PINC001`.
    pub id: String,
    /// The number that people use.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Id of its service.
    pub service: String,
    /// When it was triggered.
    pub created_at: Instant,
    /// `high` or `low`; says nothing about severity.
    pub urgency: String,
    /// What happened, ascending.
    pub log: Vec<LogEntry>,
    /// Alerts that belong to it.
    pub alerts: Vec<Alert>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// One entry of an incident's log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// The vendor's id.
    pub id: String,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub kind: LogKind,
    /// How it came about: `website`, `api`, `auto`, `timeout`, …
    pub channel: String,
}

/// What a log entry records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the vendor's")]
pub enum LogKind {
    Trigger,
    Acknowledge,
    Unacknowledge,
    Escalate,
    Assign,
    Notify,
    Annotate(String),
    Snooze,
    Urgency(String),
    Priority(Option<String>),
    Field { name: String, value: String },
    Resolve,
    Reopen,
    Merge { into: String },
}

/// An alert of an incident.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The vendor's id.
    pub id: String,
    /// When the monitor raised it.
    pub created_at: Instant,
    /// When the monitor saw it end.
    pub resolved_at: Option<Instant>,
    /// `critical`, `error`, `warning` or `info`.
    pub severity: String,
    /// The rule of Prometheus that raised it, as Alertmanager tells it.
    pub rule: Option<String>,
}

/// An incident as it looks at an instant.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) status: &'static str,
    pub(crate) priority: Option<String>,
    pub(crate) urgency: String,
    pub(crate) resolved_at: Option<Instant>,
    pub(crate) merged_into: Option<String>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) acknowledged_at: Option<Instant>,
    pub(crate) updated_at: Instant,
    pub(crate) status_at: Instant,
}

impl PagerDuty {
    /// An account with the abilities of every plan and nothing in it.
    pub fn new() -> Self {
        Self {
            subdomain: "acme".to_owned(),
            services: Vec::new(),
            teams: Vec::new(),
            priorities: Vec::new(),
            fields: Vec::new(),
            missing_abilities: BTreeSet::new(),
            incidents: Vec::new(),
        }
    }

    /// Adds a service, set up before everything else in the story.
    pub fn service(&mut self, id: &str, name: &str) -> &mut Self {
        self.service_of(id, name, &[])
    }

    /// Adds a service that belongs to teams.
    pub fn service_of(&mut self, id: &str, name: &str, teams: &[&str]) -> &mut Self {
        self.services.push(Service {
            id: id.to_owned(),
            name: name.to_owned(),
            teams: teams.iter().map(|&team| team.to_owned()).collect(),
            created_at: "2020-01-01T00:00:00Z".instant(),
        });
        self
    }

    /// Adds a team.
    pub fn team(&mut self, id: &str, name: &str) -> &mut Self {
        self.teams.push(Team { id: id.to_owned(), name: name.to_owned() });
        self
    }

    /// Sets up priorities, most severe first: `&["P1", "P2"]`.
    pub fn priorities(&mut self, names: &[&str]) -> &mut Self {
        self.priorities = names
            .iter()
            .enumerate()
            .map(|(n, &name)| Priority { id: format!("PPRIO{n:02}"), name: name.to_owned() })
            .collect();
        self
    }

    /// Sets up custom fields.
    pub fn fields(&mut self, names: &[&str]) -> &mut Self {
        self.fields = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Leaves an ability out of the plan: `priorities`, `teams`, `urgencies`.
    pub fn without_ability(&mut self, ability: &str) -> &mut Self {
        self.missing_abilities.insert(ability.to_owned());
        self
    }

    /// Adds an incident that was triggered at `at`; `story` tells what happened to it.
    pub fn incident(
        &mut self,
        id: &str,
        service: &str,
        at: impl When,
        story: impl FnOnce(&mut Incident),
    ) -> &mut Self {
        let number = 1 + self.incidents.iter().map(|incident| incident.number).max().unwrap_or(0);
        let mut incident = Incident::triggered(id, number, service, at.instant());
        story(&mut incident);
        self.incidents.push(incident);
        self.incidents.sort_by_key(|incident| (incident.created_at, incident.number));
        self
    }

    /// The incident with this id, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn incident_mut(&mut self, id: &str) -> &mut Incident {
        self.incidents
            .iter_mut()
            .find(|incident| incident.id == id)
            .unwrap_or_else(|| panic!("the world has no incident {id}"))
    }
}

impl Default for PagerDuty {
    fn default() -> Self {
        Self::new()
    }
}

impl Incident {
    fn triggered(id: &str, number: u64, service: &str, at: Instant) -> Self {
        let mut incident = Self {
            id: id.to_owned(),
            number,
            title: format!("Incident {number}"),
            service: service.to_owned(),
            created_at: at,
            urgency: "high".to_owned(),
            log: Vec::new(),
            alerts: Vec::new(),
            deleted_at: None,
        };
        incident.entry(at, LogKind::Trigger, "auto");
        incident
    }

    /// Adds any log entry. Entries are kept in order of time.
    pub fn entry(&mut self, at: impl When, kind: LogKind, channel: &str) -> &mut Self {
        let id = format!("R{}{:04}", self.id, self.log.len());
        self.log.push(LogEntry { id, at: at.instant(), kind, channel: channel.to_owned() });
        self.log.sort_by_key(|entry| entry.at);
        self
    }

    /// Names it.
    pub fn title(&mut self, title: &str) -> &mut Self {
        title.clone_into(&mut self.title);
        self
    }

    /// Gives it this priority from its start.
    pub fn priority(&mut self, name: &str) -> &mut Self {
        self.priority_at(self.created_at, name)
    }

    /// Changes its priority.
    pub fn priority_at(&mut self, at: impl When, name: &str) -> &mut Self {
        self.entry(at, LogKind::Priority(Some(name.to_owned())), "website")
    }

    /// Changes its urgency from the start.
    pub fn urgency(&mut self, urgency: &str) -> &mut Self {
        urgency.clone_into(&mut self.urgency);
        self
    }

    /// A person acknowledges it.
    pub fn acknowledge(&mut self, at: impl When) -> &mut Self {
        self.entry(at, LogKind::Acknowledge, "website")
    }

    /// A person resolves it.
    pub fn resolve(&mut self, at: impl When) -> &mut Self {
        self.entry(at, LogKind::Resolve, "website")
    }

    /// The monitoring tool sees the fault end.
    pub fn recover(&mut self, at: impl When) -> &mut Self {
        self.entry(at, LogKind::Resolve, "auto")
    }

    /// The vendor's own timeout resolves it.
    pub fn time_out(&mut self, at: impl When) -> &mut Self {
        self.entry(at, LogKind::Resolve, "timeout")
    }

    /// A person opens it again.
    pub fn reopen(&mut self, at: impl When) -> &mut Self {
        self.entry(at, LogKind::Reopen, "website")
    }

    /// It becomes part of another incident.
    pub fn merge_into(&mut self, at: impl When, into: &str) -> &mut Self {
        self.entry(at, LogKind::Merge { into: into.to_owned() }, "website")
    }

    /// Somebody fills a custom field.
    pub fn field(&mut self, at: impl When, name: &str, value: &str) -> &mut Self {
        let kind = LogKind::Field { name: name.to_owned(), value: value.to_owned() };
        self.entry(at, kind, "website")
    }

    /// Somebody writes a note.
    pub fn note(&mut self, at: impl When, text: &str) -> &mut Self {
        self.entry(at, LogKind::Annotate(text.to_owned()), "website")
    }

    /// A monitor's alert is linked to it.
    pub fn alert(&mut self, at: impl When) -> &mut Self {
        let id = format!("{}A{:02}", self.id, self.alerts.len());
        self.alerts.push(Alert {
            id,
            created_at: at.instant(),
            resolved_at: None,
            severity: "critical".to_owned(),
            rule: None,
        });
        self
    }

    /// An alert that a rule of Prometheus raised is linked to it.
    pub fn alert_of(&mut self, at: impl When, rule: &str) -> &mut Self {
        self.alert(at);
        if let Some(alert) = self.alerts.last_mut() {
            alert.rule = Some(rule.to_owned());
        }
        self
    }

    /// Whether the vendor shows it at `now`.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }

    /// What it looks like at `now`.
    pub(crate) fn state(&self, now: Instant) -> State {
        let mut state = State {
            status: "triggered",
            priority: None,
            urgency: self.urgency.clone(),
            resolved_at: None,
            merged_into: None,
            fields: BTreeMap::new(),
            acknowledged_at: None,
            updated_at: self.created_at,
            status_at: self.created_at,
        };
        for entry in self.log.iter().take_while(|entry| entry.at <= now) {
            state.apply(entry);
        }
        state
    }
}

impl State {
    fn apply(&mut self, entry: &LogEntry) {
        if entry.kind != LogKind::Notify {
            self.updated_at = entry.at;
        }
        match &entry.kind {
            LogKind::Acknowledge => {
                self.become_at("acknowledged", entry.at);
                self.acknowledged_at = Some(entry.at);
            }
            LogKind::Unacknowledge | LogKind::Reopen => {
                self.become_at("triggered", entry.at);
                (self.resolved_at, self.merged_into, self.acknowledged_at) = (None, None, None);
            }
            LogKind::Resolve | LogKind::Merge { .. } => {
                self.become_at("resolved", entry.at);
                self.resolved_at = Some(entry.at);
                self.acknowledged_at = None;
                if let LogKind::Merge { into } = &entry.kind {
                    self.merged_into = Some(into.clone());
                }
            }
            LogKind::Priority(to) => self.priority.clone_from(to),
            LogKind::Urgency(to) => self.urgency.clone_from(to),
            LogKind::Field { name, value } => {
                self.fields.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }

    fn become_at(&mut self, status: &'static str, at: Instant) {
        (self.status, self.status_at) = (status, at);
    }
}
