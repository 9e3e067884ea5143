//! `[rules.debt]`: which issues are technical debt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kpi::params::DebtRule;
use crate::setting::Period;

/// Issues that are major technical debt: `[rules.debt]`. Without this section no issue is collected.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DebtSettings {
    /// One of these labels makes an issue debt. Case is ignored.
    pub labels: Vec<String>,
    /// One of these labels beside it makes the debt a major one. Case is ignored.
    pub major_labels: Vec<String>,
    /// An issue is retired if it had both labels for so long when it was closed as completed.
    pub labelled_for: Period,
    /// Opened again within this time it was not retired.
    pub reopen_window: Period,
}

impl Default for DebtSettings {
    fn default() -> Self {
        Self {
            labels: ["tech-debt", "technical-debt", "debt"].map(str::to_owned).to_vec(),
            major_labels: vec!["major".to_owned()],
            labelled_for: Period::from_seconds(7 * 86_400),
            reopen_window: Period::from_seconds(30 * 86_400),
        }
    }
}

impl DebtSettings {
    pub(super) fn rule(&self) -> DebtRule {
        let lower = |list: &[String]| list.iter().map(|it| it.to_lowercase()).collect();
        DebtRule {
            labels: lower(&self.labels),
            major_labels: lower(&self.major_labels),
            labelled_for: self.labelled_for.chrono(),
            reopen_window: self.reopen_window.chrono(),
        }
    }
}
