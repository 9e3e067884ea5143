use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::start_of;
use crate::domain::Instant;

/// What one day cost under one tag, as a cost export has it: the sum of the effective cost of
/// usage. A tag is what the export says, not yet a service of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Unique within the source.
    pub id: String,
    /// The file that says so.
    pub file: String,
    /// The UTC day.
    pub day: NaiveDate,
    /// The value of the tag that names a service; `None` = not tagged.
    pub tag: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// In units of the currency; corrections can make it negative.
    pub amount: f64,
}

/// How many units of demand a service met on one day: requests, active customers, transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Unique within the source.
    pub id: String,
    /// The file that says so, where it was one.
    #[serde(default)]
    pub file: Option<String>,
    /// The UTC day.
    pub day: NaiveDate,
    /// The service as the source calls it.
    pub service: String,
    /// What is counted, in the singular: `request`, `customer`.
    pub unit: String,
    /// How many.
    pub count: f64,
}

impl Cost {
    /// The start of its day.
    pub fn at(&self) -> Instant {
        start_of(self.day)
    }
}

impl Units {
    /// The start of its day.
    pub fn at(&self) -> Instant {
        start_of(self.day)
    }
}
