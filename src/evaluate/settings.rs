use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kpi::evaluation::Plan;
use crate::kpi::window::Window;
use crate::setting::{Complaint, Period};

/// Windows that have moved by more are misleading.
const LONGEST: Period = Period::from_seconds(3600);

/// When and what to evaluate: `[evaluate]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Everything is evaluated again after this time even if nothing landed, because windows move.
    /// At most an hour.
    pub interval: Period,
    /// Windows that /metrics shows at service scope beside each KPI's default one, of each value that
    /// a target names.
    pub service_windows: Vec<String>,
    /// Show calendar history at service scope too, of each value that a target names: 21 periods,
    /// each with its n.
    pub service_history: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Period::from_seconds(60),
            service_windows: vec!["30d".to_owned()],
            service_history: false,
        }
    }
}

impl Settings {
    /// The longest time between two evaluations.
    pub fn interval(&self) -> Duration {
        self.interval.std()
    }

    /// What makes no sense although every value can be read.
    pub fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.interval > LONGEST {
            let rule = format!("{} is longer than an hour", self.interval);
            complaints.push(Complaint::new("interval", rule, "write 1h or less"));
        }
        for (index, window) in self.service_windows.iter().enumerate() {
            if Window::parse(window).is_ok_and(|it| Window::PUBLISHED.contains(&it)) {
                continue;
            }
            let published = Window::PUBLISHED.map(|it| it.to_string()).join(", ");
            complaints.push(Complaint::new(
                format!("service_windows.{index}"),
                format!("{window:?} is not a window of /metrics"),
                format!("write one of {published}"),
            ));
        }
        complaints
    }

    /// What /metrics shows. Windows that do not parse were refused by the configuration check.
    pub fn plan(&self) -> Plan {
        let windows = self.service_windows.iter().filter_map(|it| Window::parse(it).ok()).collect();
        Plan::published(windows, self.service_history)
    }
}
