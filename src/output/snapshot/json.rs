//! A snapshot as JSON, which is also how an earlier revision is read again.

use serde_json::Value;

use super::{FORMAT, Snapshot};

/// Why a file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No JSON, or something is missing in it.
    #[error("is no snapshot: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of another version of the program.
    #[error(
        "has format {0}, and this engkpi knows {FORMAT}: use the engkpi that wrote it, or a later one"
    )]
    Format(Value),
}

pub(super) fn render(snapshot: &Snapshot) -> String {
    let text = serde_json::to_string_pretty(snapshot);
    text.expect("keys are texts") + "\n"
}

/// Reads `snapshot.json`.
///
/// # Errors
/// When it is none, or one of a later version of engkpi.
pub fn read(text: &str) -> Result<Snapshot, Unreadable> {
    let value: Value = serde_json::from_str(text)?;
    match value.get("format") {
        Some(format) if *format != FORMAT => Err(Unreadable::Format(format.clone())),
        _ => Ok(serde_json::from_value(value)?),
    }
}
