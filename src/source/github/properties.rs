//! Custom properties of repositories, asked for conditionally.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Visit, cursor};
use crate::domain::fact::Properties;
use crate::domain::{Fact, FactKey, Instant, Kind};
use crate::source::SourceError;
use crate::source::outbound::{Answer, Page};
use crate::store::Batch;

/// How long a refusal is believed: asking costs a request.
const REFUSAL_HOLDS: TimeDelta = TimeDelta::hours(6);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// When they were refused, if they were when they were last asked for.
    refused: Option<Instant>,
}

#[derive(Deserialize)]
struct Property {
    property_name: String,
    /// A text, a list of texts, or null where it is not set.
    #[serde(default)]
    value: Value,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("properties:{}", visit.repository.native)
}

/// Reads them again if they changed.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if !visit.repository.needs.properties {
        return Ok(());
    }
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let refused = known.and_then(|it| it.refused);
    if refused.is_some_and(|at| at <= visit.now && visit.now < at + REFUSAL_HOLDS) {
        visit.refused("custom properties", false);
        return Ok(());
    }
    let request = visit.rest(&["properties", "values"]);
    // After a refusal nothing is stored that a 304 could stand for.
    let answer = match refused {
        None => visit.shared.outbound.get_if_changed(&request, visit.store).await,
        Some(_) => visit.shared.outbound.get(&request).await.map(|it| Answer::Fresh(Box::new(it))),
    };
    match answer.map_err(SourceError::from) {
        Ok(Answer::NotModified { .. }) => Ok(()),
        Ok(Answer::Fresh(page)) => take(visit, &page).await,
        Err(SourceError::NotFound(_) | SourceError::Unauthorized(_)) => refuse(visit).await,
        Err(error) => Err(error),
    }
}

async fn take(visit: &mut Visit<'_>, page: &Page) -> Result<(), SourceError> {
    let properties: Vec<Property> = page.json()?;
    let texts = |value: Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(list) => {
                list.into_iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    };
    let values: BTreeMap<String, Vec<String>> = properties
        .into_iter()
        .map(|it| (it.property_name, texts(it.value)))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let repository = &visit.repository.fact;
    let fact =
        Properties { repository: repository.id.clone(), since: repository.created_at, values };
    let mut batch = Batch { facts: vec![Fact::Properties(fact)], ..Batch::default() };
    batch.validators.extend(page.validator.clone());
    cursor::save(&mut batch, &stream(visit), &Cursor::default());
    visit.commit(batch).await
}

/// What is refused is unknown: whatever was seen before may have changed since.
async fn refuse(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    visit.refused("custom properties", false);
    let key = FactKey {
        source: visit.shared.source.clone(),
        kind: Kind::Properties,
        id: visit.repository.fact.id.to_string(),
    };
    let mut batch = Batch { removed: vec![key], ..Batch::default() };
    cursor::save(&mut batch, &stream(visit), &Cursor { refused: Some(visit.now) });
    visit.commit(batch).await
}
