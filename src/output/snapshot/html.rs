//! A snapshot as a page that stands alone: no script, no other file, readable on paper.

use minijinja::context;
use minijinja::value::{Serde, Value};

use super::Snapshot;
use super::review::Review;
use crate::output::page::{STYLE, render as rendered};

/// What of the style is for this page alone, and for paper.
const ALSO: &str = include_str!("../templates/snapshot.css");

pub(super) fn render(snapshot: &Snapshot) -> String {
    let review = Value::from(Serde(Review::of(snapshot)));
    let style = Value::from_safe_string(format!("{STYLE}{ALSO}"));
    rendered("snapshot.html", context! { review, style })
}
