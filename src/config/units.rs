//! `[units.NAME]`: demand that a metric store counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::Selector;

/// Units of demand that a metric store counts, for `unit_cost`: `[units.NAME]`. Of each UTC day the
/// sum of its 24 hours is kept; a day that a register of `units` has too is that of the register.
/// Several of the same service and unit are added up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitSettings {
    /// The service that meets the demand: the name of a `[services.NAME]`.
    pub service: String,
    /// What is counted, in the singular: it becomes the label `per`. Default: `request`.
    #[serde(default = "request")]
    pub unit: String,
    /// The Prometheus source that has the counter. Needed only where there are several.
    #[serde(default)]
    pub source: Option<String>,
    /// Selector of the counter: one that grows by one for each unit, such as `…_total`, or `…_count`
    /// of a histogram.
    pub counter: Selector,
}

fn request() -> String {
    "request".to_owned()
}

impl UnitSettings {
    /// The same unit as in a register, however it is capitalised.
    pub(super) fn unit(&self) -> String {
        self.unit.trim().to_lowercase()
    }
}
