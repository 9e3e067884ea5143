//! What queries of specifications have in common.

use std::sync::LazyLock;

use regex::Regex;

use super::Reader;
use super::spec::Text;
use crate::kpi::ledger::{WINDOW, is_rate};

/// sloth's own way to find a window in a query.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{ *\.window *\}\}").expect("the expression is a part of the program")
});

/// The query with its windows written as [`WINDOW`]; `None` if it names none.
pub(super) fn placeholder(query: &str) -> Option<String> {
    let replaced = PLACEHOLDER.replace_all(query.trim(), WINDOW);
    replaced.contains(WINDOW).then(|| replaced.into_owned())
}

fn counts_increase(query: &str) -> bool {
    query.contains("increase")
}

/// Two queries must not be the same, and must count in the same unit: `None` if they do not.
pub(super) fn compare(
    reader: &mut Reader<'_>,
    place: &Text,
    some: &str,
    total: &str,
) -> Option<()> {
    if some == total {
        reader.problem(place, "is the query for everything too", "tell the events apart");
        return None;
    }
    // A total that counts no increase, as `vector(1)`, has no unit.
    if is_rate(some) != is_rate(total) && (is_rate(total) || counts_increase(total)) {
        let rule = "one query counts events by the second, the other does not";
        reader.problem(place, rule, "use rate in both, or increase in both");
        return None;
    }
    Some(())
}
