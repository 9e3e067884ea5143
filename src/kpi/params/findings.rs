use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use serde::Serialize;

/// How severe a finding is, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FindingSeverity {
    Critical,
    High,
    Medium,
    Low,
}

impl FindingSeverity {
    /// Every severity, the most severe first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The value of the `severity` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// What a tool's word for it means; `moderate` is another word for medium.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        let word = if word == "moderate" { "medium" } else { word.as_str() };
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// Within which time findings of a severity are to be fixed. A severity that is not in it has no
/// time.
pub type Sla = BTreeMap<FindingSeverity, Duration>;

/// Within which time findings are to be fixed where nothing else is said.
pub fn default_sla() -> Sla {
    Sla::from([
        (FindingSeverity::Critical, Duration::days(7)),
        (FindingSeverity::High, Duration::days(30)),
    ])
}

/// How severe the findings of a tool are that never says it, where nothing else is said.
pub fn default_severities() -> BTreeMap<String, FindingSeverity> {
    BTreeMap::from([("secret_scanning".to_owned(), FindingSeverity::Critical)])
}

/// What holds without rules: nothing is read of the code host, and the findings of other sources are
/// to be fixed within the usual time.
impl Default for FindingRule {
    fn default() -> Self {
        Self {
            tools: BTreeSet::new(),
            severity_by_tool: default_severities(),
            sla: default_sla(),
            team_sla: BTreeMap::new(),
            service_sla: BTreeMap::new(),
        }
    }
}

/// Which findings are collected, and within which time they are to be fixed (kpis.md 3.16).
#[derive(Clone, Debug, Serialize)]
pub struct FindingRule {
    /// The code host's tools that are read.
    pub tools: BTreeSet<String>,
    /// How severe the findings of tools are that do not say so.
    pub severity_by_tool: BTreeMap<String, FindingSeverity>,
    /// The organisation's profile.
    pub sla: Sla,
    /// What single teams have instead, by index.
    pub team_sla: BTreeMap<usize, Sla>,
    /// What single services have instead, by index.
    pub service_sla: BTreeMap<usize, Sla>,
}
