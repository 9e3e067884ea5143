//! A look at a metric store, for `engkpi check`.

use chrono::TimeDelta;

use super::api::Range;
use super::hours::{HOUR, hour_of};
use super::{Prometheus, rules};
use crate::kpi::Need;
use crate::kpi::ledger::{PART, Question};
use crate::source::SourceError;
use crate::source::probe::{Lack, Probe};

impl Prometheus {
    /// Looks whether the store answers and has something for every question, collecting nothing.
    ///
    /// # Errors
    /// When the credential is refused, or the store does not answer.
    pub async fn probe(&self) -> Result<Probe, SourceError> {
        let now = self.api.now().await?;
        let mut probe = Probe { credential: self.credential.to_owned(), ..Probe::default() };
        let end = hour_of(now);
        let hour = TimeDelta::seconds(HOUR);
        let day = Range { start: end - TimeDelta::days(1), end, step: hour };
        for plan in &self.wanted.plans {
            let (need, selector, label, query) = match &plan.question {
                Question::Buckets { selector } => {
                    let query = format!("count by (le) ({selector})");
                    (Need::Requests, selector.clone(), "le", query)
                }
                Question::Counter { selector } => {
                    (Need::Units, selector.clone(), "", format!("count({selector})"))
                }
                Question::Events { sli, .. } => {
                    let query = sli.query("1h");
                    (Need::Objectives, "its queries".to_owned(), PART, query)
                }
            };
            let why = match self.api.range(&query, day, label).await {
                Err(error) => error.into_source().to_string(),
                Ok(found) if found.series.is_empty() => {
                    format!("nothing matched {selector} within the last day")
                }
                Ok(found) if label == "le" && !found.series.iter().any(|it| it.key == "+Inf") => {
                    format!("{selector} has no bucket with le=\"+Inf\"")
                }
                Ok(_) => continue,
            };
            probe.lacks.push(Lack { need, why: format!("{}: {why}", plan.key) });
        }
        if self.wanted.alert_rules {
            let why = match rules::seen(&self.api).await {
                Ok(Some(_)) => None,
                Ok(None) => Some("the server knows no rules".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            let lack = |why| Lack { need: Need::AlertRules, why: format!("alerting rules: {why}") };
            probe.lacks.extend(why.map(lack));
        }
        Ok(probe)
    }
}
