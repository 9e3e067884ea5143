use serde::{Deserialize, Serialize};

use crate::domain::{Instant, RepositoryId};

/// An issue with what became of its labels and of itself. Neither its title nor its text is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Where it was opened.
    pub repository: RepositoryId,
    /// Its number in the repository.
    pub number: u64,
    /// When it was opened.
    pub created_at: Instant,
    /// The vendor's last change of it: its version.
    pub updated_at: Instant,
    /// When it was closed, if it is closed now.
    pub closed_at: Option<Instant>,
    /// Why it was closed, if it is closed now.
    pub closed_as: Option<ClosedAs>,
    /// The labels it carries now.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Its log in order: labels, closings and re-openings.
    #[serde(default)]
    pub events: Vec<IssueEvent>,
}

/// Why an issue was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedAs {
    /// It was done. The vendor's word for issues that were closed without saying why, too.
    Completed,
    /// Not planned, a duplicate, or whatever else is not done.
    NotPlanned,
}

/// One entry of an issue's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueEvent {
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub event: IssueEventKind,
}

/// What a log entry of an issue records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueEventKind {
    /// It got this label.
    Labeled(String),
    /// It lost this label.
    Unlabeled(String),
    /// It was closed.
    Closed(ClosedAs),
    /// It was opened again.
    Reopened,
}

/// The issues of a repository are hidden from the credential: what became of them is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenIssues {
    /// The repository.
    pub repository: RepositoryId,
    /// When the repository was made: any of its issues may be unknown.
    pub since: Instant,
}
