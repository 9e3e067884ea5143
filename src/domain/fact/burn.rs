use serde::{Deserialize, Serialize};

use crate::domain::Instant;

/// What short windows of one SLO held when its metric store was last asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// The ledger of the SLO: with another question it is another one.
    pub id: String,
    /// By the store's own time; every window ends there.
    pub at: Instant,
    /// One entry for each window in which there was anything.
    pub windows: Vec<BurnWindow>,
}

/// One short window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurnWindow {
    /// Its length: `5m` to `3d`.
    pub window: String,
    /// Bad events.
    pub bad: f64,
    /// All events.
    pub total: f64,
}
