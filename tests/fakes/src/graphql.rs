//! A small GraphQL executor.

use serde_json::Value;

/// The name of the operation that a request to `path` asks for.
pub(crate) fn operation_name(path: &str, body: &Value) -> Option<String> {
    if path != "/graphql" {
        return None;
    }
    let named = body.get("operationName").and_then(Value::as_str).map(str::to_owned);
    named.or_else(|| {
        let query = body.get("query")?.as_str()?.trim_start().strip_prefix("query")?;
        let name: String = query.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
        Some(name)
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
