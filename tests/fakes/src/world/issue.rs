//! Issues of a repository, and alerts of security tools.

use super::Repository;
use crate::time::{Instant, When};

/// An issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Its number, shared with pull requests.
    pub number: u64,
    /// When it was opened.
    pub created_at: Instant,
    /// What happened to it, ascending.
    pub events: Vec<IssueEvent>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// One thing that happened to an issue.
#[derive(Clone, Debug)]
pub struct IssueEvent {
    /// When.
    pub at: Instant,
    /// What.
    pub kind: IssueEventKind,
}

/// What can happen to an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum IssueEventKind {
    Labeled(String),
    Unlabeled(String),
    /// With the vendor's reason: `COMPLETED`, `NOT_PLANNED`, `DUPLICATE`.
    Closed(&'static str),
    Reopened,
}

impl Issue {
    fn happens(&mut self, at: impl When, kind: IssueEventKind) -> &mut Self {
        self.events.push(IssueEvent { at: at.instant(), kind });
        self.events.sort_by_key(|event| event.at);
        self
    }

    /// It gets a label.
    pub fn label(&mut self, at: impl When, label: &str) -> &mut Self {
        self.happens(at, IssueEventKind::Labeled(label.to_owned()))
    }

    /// It loses a label.
    pub fn unlabel(&mut self, at: impl When, label: &str) -> &mut Self {
        self.happens(at, IssueEventKind::Unlabeled(label.to_owned()))
    }

    /// It is closed as completed.
    pub fn close(&mut self, at: impl When) -> &mut Self {
        self.happens(at, IssueEventKind::Closed("COMPLETED"))
    }

    /// It is closed for this reason.
    pub fn close_as(&mut self, at: impl When, reason: &'static str) -> &mut Self {
        self.happens(at, IssueEventKind::Closed(reason))
    }

    /// It is opened again.
    pub fn reopen(&mut self, at: impl When) -> &mut Self {
        self.happens(at, IssueEventKind::Reopened)
    }

    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }

    fn known(&self, now: Instant) -> impl DoubleEndedIterator<Item = &IssueEvent> {
        self.events.iter().filter(move |event| event.at <= now)
    }

    pub(crate) fn updated_at(&self, now: Instant) -> Instant {
        self.known(now).map(|event| event.at).fold(self.created_at, Instant::max)
    }

    /// When it was closed and why, if it is closed at `now`.
    pub(crate) fn closed(&self, now: Instant) -> Option<(Instant, &'static str)> {
        let last = self.known(now).rev().find_map(|event| match event.kind {
            IssueEventKind::Closed(reason) => Some(Some((event.at, reason))),
            IssueEventKind::Reopened => Some(None),
            _ => None,
        });
        last.flatten()
    }

    pub(crate) fn labels(&self, now: Instant) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for event in self.known(now) {
            match &event.kind {
                IssueEventKind::Labeled(label) => labels.push(label.clone()),
                IssueEventKind::Unlabeled(label) => labels.retain(|it| it != label),
                _ => {}
            }
        }
        labels
    }
}

/// An alert of a security tool.
#[derive(Clone, Debug)]
pub struct SecurityAlert {
    /// The tool: `dependabot`, `code-scanning` or `secret-scanning`.
    pub tool: &'static str,
    /// Its number below the tool.
    pub number: u64,
    /// `critical` to `low`; a secret has none.
    pub severity: Option<&'static str>,
    /// The file that it is in.
    pub path: String,
    /// When it was raised.
    pub created_at: Instant,
    /// What became of it, ascending.
    pub events: Vec<SecurityAlertEvent>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// The state of an alert from then on.
#[derive(Clone, Debug)]
pub struct SecurityAlertEvent {
    /// When.
    pub at: Instant,
    /// `open`, `fixed`, `dismissed`, `auto_dismissed`; of a secret, its resolution.
    pub state: &'static str,
}

impl SecurityAlert {
    /// It has this state from `at` on.
    pub fn becomes(&mut self, at: impl When, state: &'static str) -> &mut Self {
        self.events.push(SecurityAlertEvent { at: at.instant(), state });
        self.events.sort_by_key(|event| event.at);
        self
    }

    /// It is fixed.
    pub fn fix(&mut self, at: impl When) -> &mut Self {
        self.becomes(at, "fixed")
    }

    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }

    /// Its state at `now`, and since when.
    pub(crate) fn state(&self, now: Instant) -> (&'static str, Instant) {
        let last = self.events.iter().rev().find(|event| event.at <= now);
        last.map_or(("open", self.created_at), |event| (event.state, event.at))
    }
}

impl Repository {
    /// Opens an issue with these labels; `story` tells what became of it.
    pub fn issue(
        &mut self,
        number: u64,
        at: impl When,
        labels: &[&str],
        story: impl FnOnce(&mut Issue),
    ) -> &mut Self {
        let at = at.instant();
        let mut issue = Issue { number, created_at: at, events: Vec::new(), deleted_at: None };
        for label in labels {
            issue.label(at, label);
        }
        story(&mut issue);
        self.issues.push(issue);
        self
    }

    /// The issue with this number, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn issue_mut(&mut self, number: u64) -> &mut Issue {
        let mut issues = self.issues.iter_mut();
        issues
            .find(|issue| issue.number == number)
            .unwrap_or_else(|| panic!("the repository has no issue {number}"))
    }

    /// Raises an alert; `story` tells what became of it.
    pub fn alert(
        &mut self,
        tool: &'static str,
        severity: Option<&'static str>,
        at: impl When,
        story: impl FnOnce(&mut SecurityAlert),
    ) -> u64 {
        let number = 1 + self.alerts.iter().filter(|alert| alert.tool == tool).count() as u64;
        let mut alert = SecurityAlert {
            tool,
            number,
            severity,
            path: "package-lock.json".to_owned(),
            created_at: at.instant(),
            events: Vec::new(),
            deleted_at: None,
        };
        story(&mut alert);
        self.alerts.push(alert);
        number
    }

    /// The alert of a tool with this number, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn alert_mut(&mut self, tool: &str, number: u64) -> &mut SecurityAlert {
        let mut alerts = self.alerts.iter_mut();
        alerts
            .find(|alert| alert.tool == tool && alert.number == number)
            .unwrap_or_else(|| panic!("the repository has no {tool} alert {number}"))
    }

    /// A custom property has this value from `at` on.
    pub fn property(
        &mut self,
        at: impl When,
        name: &str,
        value: impl Into<serde_json::Value>,
    ) -> &mut Self {
        self.properties.push((at.instant(), name.to_owned(), value.into()));
        self
    }
}
