use std::collections::BTreeSet;

use chrono::Duration;
use serde::Serialize;

/// Which issues are major technical debt, and when such an issue is retired (kpis.md 3.14).
#[derive(Clone, Debug, Serialize)]
pub struct DebtRule {
    /// One of these labels makes an issue debt. Compared without case.
    pub labels: BTreeSet<String>,
    /// One of these labels beside it makes the debt a major one. Compared without case.
    pub major_labels: BTreeSet<String>,
    /// It must have been labelled for so long when it is closed.
    pub labelled_for: Duration,
    /// Re-opened within this time of its closing it was not retired.
    pub reopen_window: Duration,
}
