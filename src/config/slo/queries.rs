//! What queries of specifications have in common.

use std::sync::LazyLock;

use regex::Regex;

use super::Reader;
use super::spec::Text;
use crate::kpi::ledger::WINDOW;
use crate::kpi::promql::{self, Query, counts_increase, is_rate};

/// sloth's own way to find a window in a query.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{ *\.window *\}\}").expect("the expression is a part of the program")
});

/// A query, which is PromQL.
pub(super) struct Written {
    /// As it was written, with its windows as [`WINDOW`].
    pub(super) text: String,
    query: Query,
}

impl Written {
    /// Whether it names its window.
    pub(super) fn names_window(&self) -> bool {
        self.query.names_window()
    }

    /// What a counter's growth over the window is, if it is the selector of one.
    pub(super) fn increase(&self) -> Option<Self> {
        let text = format!("sum(increase({}))", promql::over_window(&self.text)?);
        let query = Query::parse(&text).ok()?;
        Some(Self { text, query })
    }
}

/// Takes a query apart; `None` if it is no PromQL or answers no numbers, which is said.
pub(super) fn read(reader: &mut Reader<'_>, query: &Text) -> Option<Written> {
    taken_apart(reader, query, PLACEHOLDER.replace_all(query.value.trim(), WINDOW).into_owned())
}

/// The same in a format in which `[window]` names a window, too.
pub(super) fn read_openslo(reader: &mut Reader<'_>, query: &Text) -> Option<Written> {
    let text = PLACEHOLDER.replace_all(query.value.trim(), WINDOW);
    taken_apart(reader, query, promql::replace_in_code(&text, "[window]", &format!("[{WINDOW}]")))
}

fn taken_apart(reader: &mut Reader<'_>, place: &Text, text: String) -> Option<Written> {
    let query = match Query::parse(&text) {
        Ok(query) => query,
        Err(error) => {
            let fix = "mend the query: write PromQL, without extensions of other stores";
            reader.problem(place, format!("is no PromQL: {error}"), fix);
            return None;
        }
    };
    if let Some(answer) = query.other_answer() {
        let rule = format!("is a query for {answer}, not for a number of each series");
        let fix = "write for example sum(increase(errors[{{.window}}]))";
        reader.problem(place, rule, fix);
        return None;
    }
    Some(Written { text, query })
}

/// Two queries must not be the same, and must count in the same unit: `None` if they do not.
pub(super) fn compare(
    reader: &mut Reader<'_>,
    place: &Text,
    some: &Written,
    total: &Written,
) -> Option<()> {
    if some.query == total.query {
        reader.problem(place, "is the query for everything too", "tell the events apart");
        return None;
    }
    let (some, total) = (&some.text, &total.text);
    // A total that counts no increase, as `vector(1)`, has no unit.
    if is_rate(some) != is_rate(total) && (is_rate(total) || counts_increase(total)) {
        let rule = "one query counts events by the second, the other does not";
        reader.problem(place, rule, "use rate in both, or increase in both");
        return None;
    }
    Some(())
}
