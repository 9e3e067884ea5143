//! A snapshot as CSV (RFC 4180): one number a row.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Number, Snapshot};

const HEADER: [&str; 31] = [
    "quarter",
    "revision",
    "as_of",
    "kpi",
    "family",
    "scope",
    "team",
    "service",
    "window",
    "labels",
    "stat",
    "value",
    "n",
    "numerator",
    "open",
    "excluded",
    "coverage",
    "lower",
    "upper",
    "beyond",
    "status",
    "target",
    "good",
    "target_in_words",
    "baseline_ratio",
    "provisional",
    "previous_quarter",
    "previous_value",
    "previous_n",
    "previous_ratio",
    "as_collected",
];

pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    let written = csv.write_record(HEADER).and_then(|()| {
        snapshot.readings.iter().try_for_each(|number| csv.write_record(row(snapshot, number)))
    });
    written.expect("every row has a cell for each column, and memory takes all of them");
    let bytes = csv.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("cells are text")
}

fn row(snapshot: &Snapshot, number: &Number) -> [String; HEADER.len()] {
    let optional = |it: &Option<String>| it.as_deref().map_or_else(String::new, text);
    [
        text(&snapshot.quarter),
        snapshot.revision.to_string(),
        snapshot.as_of.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        text(&number.kpi),
        text(&number.family),
        text(&number.scope),
        optional(&number.team),
        optional(&number.service),
        text(&number.window),
        text(&pairs(&number.labels)),
        optional(&number.stat),
        plain(number.value),
        plain(number.n),
        plain(number.numerator),
        plain(number.open),
        text(&pairs(&number.excluded)),
        plain(number.coverage),
        plain(number.lower),
        plain(number.upper),
        plain(number.beyond),
        optional(&number.status),
        plain(number.target),
        plain(number.good),
        optional(&number.target_in_words),
        plain(number.baseline_ratio),
        plain(number.provisional),
        text(&snapshot.previous_quarter),
        plain(number.previous_value),
        plain(number.previous_n),
        plain(number.previous_ratio),
        number.as_collected.to_string(),
    ]
}

/// A number is a number, whatever it begins with; what is undefined is nothing.
fn plain(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |it| it.to_string())
}

/// A text that no spreadsheet takes for a formula.
fn text(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// `name=value; name=value`.
fn pairs(pairs: &BTreeMap<String, impl Display>) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_a_formula_and_none_is_changed_otherwise(name in "(?s)['=+@\t\r\n-]?.{0,12}") {
            let cell = text(&name);
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
            prop_assert!(cell == name || cell.strip_prefix('\'') == Some(name.as_str()));
        }
    }

    #[test]
    fn a_negative_number_is_a_number() {
        assert_eq!(plain(Some(-0.5)), "-0.5");
        assert_eq!(plain(None::<f64>), "");
    }
}
