use serde::Serialize;

use crate::domain::SourceName;
use crate::kpi::ledger::Question;

/// Units of demand of a service that a metric store counts (kpis.md 3.13).
#[derive(Clone, Debug, Serialize)]
pub struct Demand {
    /// Its name in the configuration.
    pub name: String,
    /// Index of the service that meets it.
    pub service: usize,
    /// What is counted, in the singular and in lower case: the value of the label `per`.
    pub unit: String,
    /// The metric store with the counter.
    pub source: SourceName,
    /// PromQL selector of the counter.
    pub counter: String,
}

impl Demand {
    /// What its metric store is asked.
    pub fn question(&self) -> Question {
        Question::Counter { selector: self.counter.clone() }
    }

    /// The ledger with the answers.
    pub fn ledger(&self) -> String {
        self.question().ledger("units", &self.name)
    }
}
