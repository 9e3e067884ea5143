use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::kpi::evaluation::Plan;
use crate::kpi::window::Window;

/// When and what to evaluate: `[evaluate]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seconds after which everything is evaluated again even if nothing landed, because windows
    /// move. Whole seconds, 1 to 3600. Default 60.
    pub interval_seconds: u64,
    /// Windows that /metrics shows at service scope beside each KPI's default one. Default `["30d"]`.
    pub service_windows: Vec<String>,
    /// Show calendar history at service scope too. Default false: it is 21 series a value.
    pub service_history: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval_seconds: 60,
            service_windows: vec!["30d".to_owned()],
            service_history: false,
        }
    }
}

impl Settings {
    /// The longest time between two evaluations.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.clamp(1, 3600))
    }

    /// What /metrics shows. Windows that do not parse were refused by the configuration check.
    pub fn plan(&self) -> Plan {
        let windows = self.service_windows.iter().filter_map(|it| Window::parse(it).ok()).collect();
        Plan::published(windows, self.service_history)
    }
}
