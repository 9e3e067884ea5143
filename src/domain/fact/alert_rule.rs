use serde::{Deserialize, Serialize};

use crate::domain::Instant;

/// How long the alerting rules of one name take to fire, as a metric store had them from some time
/// on until they were seen to be otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRule {
    /// `NAME@SINCE`, the time in seconds since the epoch.
    pub id: String,
    /// The name: the label `alertname` of its alerts.
    pub name: String,
    /// When it was first seen so.
    pub since: Instant,
    /// From when its condition begins to hold to the alert, in seconds: its `for` and one interval
    /// of its evaluation. `None` where rules of this name take different times.
    pub delay_seconds: Option<u32>,
    /// Whether there is no such rule any more.
    #[serde(default)]
    pub gone: bool,
}

impl AlertRule {
    /// What was seen of the rules called `name`.
    pub fn seen(name: String, since: Instant, delay_seconds: Option<u32>) -> Self {
        let id = format!("{name}@{}", since.timestamp());
        Self { id, name, since, delay_seconds, gone: false }
    }

    /// That no rule is called `name` any more.
    pub fn gone(name: String, since: Instant) -> Self {
        Self { gone: true, ..Self::seen(name, since, None) }
    }
}
