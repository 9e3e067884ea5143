//! Alerting rules: how long each takes from when its condition holds to the alert.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Prometheus;
use super::api::Api;
use crate::domain::fact::AlertRule;
use crate::domain::{Fact, Instant};
use crate::source::{PollContext, SourceError};
use crate::store::Batch;

/// The cursor: what was seen last.
const CURSOR: &str = "alert_rules";
/// Names of one server that are looked at, at most.
const MOST: usize = 20_000;
/// What is longer is no name of a rule, and no key of a fact.
const LONGEST: usize = 200;
/// A rule that takes longer is none that detects anything.
const SLOWEST: f64 = 7.0 * 86_400.0;

/// Seconds that the rules of a name take; `None` where they take different times.
type Delays = BTreeMap<String, Option<u32>>;

/// `data` of a list of rules.
#[derive(Debug, Deserialize)]
pub(super) struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    /// Seconds between two evaluations.
    interval: f64,
    rules: Option<Vec<Rule>>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    /// The seconds of `for`.
    #[serde(default)]
    duration: f64,
}

impl Prometheus {
    /// Notes what alerting rules take, where that is otherwise than it was seen last, and which are
    /// gone. What is known of before is kept: alerts of then name it.
    pub(super) async fn alert_rules(
        &self,
        cx: &PollContext,
        now: Instant,
    ) -> Result<(), SourceError> {
        let Some(seen) = seen(&self.api).await? else { return Ok(()) };
        let stored = cx.store.cursor(&self.name, CURSOR).await?;
        let known: Delays =
            stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let mut batch = Batch::default();
        for (name, delay) in &seen {
            if known.get(name) != Some(delay) {
                batch.facts.push(Fact::AlertRule(AlertRule::seen(name.clone(), now, *delay)));
            }
        }
        let gone = known.into_keys().filter(|it| !seen.contains_key(it));
        batch.facts.extend(gone.map(|it| Fact::AlertRule(AlertRule::gone(it, now))));
        if batch.facts.is_empty() {
            return Ok(());
        }
        if let Ok(text) = serde_json::to_string(&seen) {
            batch.cursors.push((CURSOR.to_owned(), text));
        }
        cx.store.commit(&self.name, batch).await?;
        Ok(())
    }
}

/// What the server has; `None` if it has no rules at all, as a store that leaves them to others.
pub(super) async fn seen(api: &Api) -> Result<Option<Delays>, SourceError> {
    let Some(found) = api.rules().await? else { return Ok(None) };
    let mut seen = Delays::new();
    for group in found.groups {
        let rules = group.rules.unwrap_or_default().into_iter();
        for rule in rules.filter(|it| it.kind == "alerting" && it.name.len() <= LONGEST) {
            let delay = seconds(rule.duration + group.interval);
            if seen.len() < MOST || seen.contains_key(&rule.name) {
                let known = seen.entry(rule.name).or_insert(delay);
                if *known != delay {
                    *known = None;
                }
            }
        }
    }
    Ok(Some(seen))
}

/// Whole seconds, never none: what is found at once takes one evaluation.
fn seconds(delay: f64) -> Option<u32> {
    (0.0..SLOWEST).contains(&delay).then(|| (delay.ceil() as u32).max(1))
}
