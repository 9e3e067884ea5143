use std::collections::BTreeSet;

use chrono::Duration;
use regex::Regex;
use serde::Serialize;

/// A standard that services are to adopt (kpis.md 3.15).
#[derive(Clone, Debug, Serialize)]
pub struct Standard {
    /// Its name, the value of the label `standard`.
    pub name: String,
    /// Only services of these tiers are in its scope; empty = all services.
    pub tiers: BTreeSet<u8>,
    /// Services, by index, that it does not concern.
    pub except: BTreeSet<usize>,
    /// What is checked.
    pub checks: Vec<Check>,
}

/// One thing that is checked.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What people call it.
    pub name: String,
    /// Without it a service has not adopted the standard.
    pub mandatory: bool,
    /// What must hold.
    pub rule: CheckRule,
}

/// What must hold of a service's repository, at the tip of its default branch.
#[derive(Clone, Debug, Serialize)]
pub enum CheckRule {
    /// There is such a file.
    File {
        /// A path from the root; `*` in the last segment stands for any text.
        path: String,
    },
    /// The text of such a file matches.
    Matches {
        /// A path from the root; `*` in the last segment stands for any text.
        path: String,
        /// Matches anywhere in the text.
        #[serde(serialize_with = "super::pattern")]
        pattern: Regex,
    },
    /// A workflow uses this action or reusable workflow.
    Uses {
        /// `owner/name`, `owner/name/path` or either with `@ref`. Without a ref any will do.
        action: String,
    },
    /// A custom property of the repository is set.
    Property {
        /// Its name.
        name: String,
        /// To one of these values; empty = to any.
        values: Vec<String>,
    },
}

/// The files that hold workflows.
pub const WORKFLOW_FILES: [&str; 2] = [".github/workflows/*.yml", ".github/workflows/*.yaml"];

/// A critical API boundary that is to have a contract or integration test (kpis.md 3.17).
#[derive(Clone, Debug, Serialize)]
pub struct Boundary {
    /// What people call it.
    pub name: String,
    /// The service that offers it, by index.
    pub service: Option<usize>,
    /// `owner/name` of the repository whose workflow tests it.
    pub repository: String,
    /// The workflow that tests it.
    pub workflow: String,
    /// The job of that workflow that tests it; `None` = the whole workflow.
    pub job: Option<String>,
    /// A passing run counts for so long.
    pub passes_for: Duration,
}
