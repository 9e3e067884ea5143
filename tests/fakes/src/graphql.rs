//! A small GraphQL executor: fields, aliases, arguments, variables, fragments, `@include` and
//! `@skip`, and connections. A [`Schema`] tells it what the fields are.

mod cost;
mod execute;
mod parse;

use serde_json::Value;

pub(crate) use cost::measure;
pub(crate) use execute::{Arguments, Failure, Refusal, Resolved, Schema, execute};
pub(crate) use parse::{Operation, parse};

/// The name of the operation that a request to `path` asks for.
pub(crate) fn operation_name(path: &str, body: &Value) -> Option<String> {
    if path != "/graphql" {
        return None;
    }
    let named = body.get("operationName").and_then(Value::as_str).map(str::to_owned);
    named.or_else(|| {
        let document = parse(body.get("query")?.as_str()?).ok()?;
        document.operations.first()?.name.clone()
    })
}

/// An opaque cursor that stands after `position` items.
pub(crate) fn cursor(position: usize) -> String {
    format!("Y3Vyc29yOnYyOp{position:08x}")
}

/// The position of a cursor.
pub(crate) fn position(cursor: &str) -> Option<usize> {
    usize::from_str_radix(cursor.strip_prefix("Y3Vyc29yOnYyOp")?, 16).ok()
}
