use serde::{Deserialize, Serialize};

use crate::domain::{Instant, RepositoryId, ServiceName};

/// Something that a security tool found: an alert of the code host, or an entry of a scanner's
/// report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Unique within the source, the same for ever: the vendor's number, or a key of our own that
    /// does not change when lines move.
    pub id: String,
    /// Where it was found.
    pub place: FindingPlace,
    /// The tool: `dependabot`, `code_scanning`, `secret_scanning`, or a scanner's own name.
    pub tool: String,
    /// The tool's word for how severe it is (`critical`, `HIGH`, …); absent where it has none.
    pub severity: Option<String>,
    /// When it was detected first.
    pub detected_at: Instant,
    /// The newest thing that happened to it: its version.
    pub updated_at: Instant,
    /// What became of it, in order.
    #[serde(default)]
    pub events: Vec<FindingEvent>,
    /// The file of the repository that it is in, where it is in one.
    pub file: Option<String>,
    /// Its page below that of the repository (`security/dependabot/5`), where it has one.
    pub page: Option<String>,
}

/// Where a finding was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingPlace {
    /// A repository that its source knows.
    Repository(RepositoryId),
    /// A repository by its `owner/name`, as a report or its configuration names it.
    Named(String),
    /// A service, such as its image.
    Service(ServiceName),
}

impl FindingPlace {
    /// The id of the repository, where the source knows it.
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Repository(id) => Some(id.as_str()),
            Self::Named(_) | Self::Service(_) => None,
        }
    }
}

/// One thing that happened to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingEvent {
    /// When.
    pub at: Instant,
    /// What.
    pub event: FindingEventKind,
}

/// What can happen to a finding after it was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingEventKind {
    /// It is there no more.
    Fixed,
    /// Somebody decided that it will not be fixed, or is none.
    Dismissed,
    /// A rule of the tool decided so.
    AutoDismissed,
    /// It is there again, or counts again.
    Reopened,
}

/// Whether the findings of a tool in a place can be read at all. A tool that is switched off or
/// refused has unknown findings, not none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingFeed {
    /// Unique within the source.
    pub id: String,
    /// The place.
    pub place: FindingPlace,
    /// The tool.
    pub tool: String,
    /// All of its findings since `since` are here.
    pub readable: bool,
    /// Since when.
    pub since: Instant,
}
