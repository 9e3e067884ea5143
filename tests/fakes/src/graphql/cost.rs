//! What a query costs by the vendor's rule: every connection multiplies by its page size.

use serde_json::{Map, Value};

use super::execute::{Refusal, included};
use super::parse::{Document, Field, Selection};

/// How much a query asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measure {
    /// Requests to connections that the vendor would need.
    pub(crate) requests: u64,
    /// Nodes that it may give at most.
    pub(crate) nodes: u64,
}

impl Measure {
    /// Points: a hundredth of the requests, at least one.
    pub(crate) fn points(self) -> u64 {
        ((self.requests + 50) / 100).max(1)
    }
}

/// Measures a selection before anything is executed.
pub(crate) fn measure(
    document: &Document,
    selection: &[Selection],
    variables: &Map<String, Value>,
) -> Result<Measure, Refusal> {
    let mut measure = Measure::default();
    walk(document, selection, variables, 1, &mut measure)?;
    Ok(measure)
}

fn walk(
    document: &Document,
    selection: &[Selection],
    variables: &Map<String, Value>,
    times: u64,
    measure: &mut Measure,
) -> Result<(), Refusal> {
    for selected in selection {
        match selected {
            Selection::Inline { directives, selection, .. } if included(directives, variables) => {
                walk(document, selection, variables, times, measure)?;
            }
            Selection::Spread { name, directives } if included(directives, variables) => {
                let fragment = document.fragments.get(name).ok_or_else(|| {
                    Refusal::new("", format!("Fragment {name} was used, but not defined"))
                })?;
                walk(document, &fragment.selection, variables, times, measure)?;
            }
            Selection::Field(field) if included(&field.directives, variables) => {
                let times = match page_size(field, variables)? {
                    Some(size) => {
                        measure.requests += times;
                        measure.nodes += times * size;
                        times * size
                    }
                    None => times * ids(field, variables),
                };
                walk(document, &field.selection, variables, times, measure)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// How many objects `nodes(ids:)` asks for; one for every other field.
fn ids(field: &Field, variables: &Map<String, Value>) -> u64 {
    let ids = field.arguments.iter().find(|(name, _)| name == "ids");
    let count = ids.and_then(|(_, value)| value.value(variables).as_array().map(Vec::len));
    count.map_or(1, |count| count as u64)
}

/// The page size of a connection, which is a field with `first` or `last`.
fn page_size(field: &Field, variables: &Map<String, Value>) -> Result<Option<u64>, Refusal> {
    let mut sizes = field.arguments.iter().filter(|(name, _)| name == "first" || name == "last");
    let Some(size) = sizes.find_map(|(_, value)| value.value(variables).as_i64()) else {
        return Ok(None);
    };
    match u64::try_from(size) {
        Ok(size) if size <= 100 => Ok(Some(size)),
        Ok(size) => Err(Refusal::new(
            "EXCESSIVE_PAGINATION",
            format!(
                "Requesting {size} records on the `{}` connection exceeds the `first` limit of 100 records.",
                field.name
            ),
        )),
        Err(_) => Err(Refusal::new(
            "INVALID_PAGINATION_BOUNDARIES",
            format!("`first` on the `{}` connection cannot be less than zero.", field.name),
        )),
    }
}
