//! Series that a selector selects, and series that it does not.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::{self, MatchOp};
use regex::Regex;

use super::super::document::quoted;
use crate::kpi::promql::Query;

/// A selector of PromQL: a name and what its labels must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) name: String,
    matchers: Vec<Matcher>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Fits,
    FitsNot,
}

/// Labels of one series; one that is missing is empty.
type Labels = BTreeMap<String, String>;

/// Values that labels often have.
const USUAL: [&str; 8] = ["200", "500", "other", "404", "429", "503", "x", ""];

impl Matcher {
    /// Whether a value is matched. An expression that cannot be read matches nothing.
    fn matches(&self, value: &str) -> bool {
        let fits = || {
            let whole = Regex::new(&format!("^(?:{})$", self.value));
            whole.map(|it| it.is_match(value))
        };
        match self.operator {
            Operator::Is => self.value == value,
            Operator::IsNot => self.value != value,
            Operator::Fits => fits().unwrap_or(false),
            Operator::FitsNot => fits().is_ok_and(|fits| !fits),
        }
    }

    /// Values that may be matched, or not.
    fn examples(&self) -> Vec<String> {
        match self.operator {
            Operator::Is | Operator::IsNot => vec![self.value.clone()],
            Operator::Fits | Operator::FitsNot => {
                let unwrapped = self.value.replace(['(', ')'], "").replace("?:", "");
                unwrapped.split('|').map(example).collect()
            }
        }
    }
}

/// What a simple regular expression could match: every sign that stands for many becomes one.
fn example(expression: &str) -> String {
    let mut text = String::new();
    let mut signs = expression.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => match signs.next() {
                Some('d') => text.push('0'),
                Some('w') => text.push('x'),
                other => text.extend(other),
            },
            '.' => text.push(if matches!(signs.peek(), Some('+' | '*')) { 'x' } else { '0' }),
            '[' => {
                let class: String = signs.by_ref().take_while(|it| *it != ']').collect();
                text.extend(class.chars().next());
            }
            '+' | '*' | '?' | '^' | '$' => {}
            other => text.push(other),
        }
    }
    text
}

impl Selector {
    /// Reads `name{label="value", …}`; `None` for what is anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let query = Query::parse(text).ok()?;
        let selector = query.selector().filter(|it| it.offset.is_none() && it.at.is_none())?;
        let is_plain =
            |text: &str| text.chars().all(|it| it.is_ascii_alphanumeric() || "_:".contains(it));
        let name = selector.name.clone().filter(|it| is_plain(it))?;
        let matcher = |it: &label::Matcher| {
            let operator = match it.op {
                MatchOp::Equal => Operator::Is,
                MatchOp::NotEqual => Operator::IsNot,
                MatchOp::Re(_) => Operator::Fits,
                MatchOp::NotRe(_) => Operator::FitsNot,
            };
            let matcher = Matcher { label: it.name.clone(), operator, value: it.value.clone() };
            is_plain(&it.name).then_some(matcher)
        };
        let matchers = selector.matchers.matchers.iter().map(matcher).collect::<Option<_>>()?;
        Some(Self { name, matchers })
    }

    fn of<'a>(&'a self, label: &str) -> impl Iterator<Item = &'a Matcher> {
        let label = label.to_owned();
        self.matchers.iter().filter(move |it| it.label == label)
    }

    fn selects(&self, name: &str, labels: &Labels) -> bool {
        let value = |it: &Matcher| labels.get(&it.label).map_or("", String::as_str).to_owned();
        self.name == name && self.matchers.iter().all(|it| it.matches(&value(it)))
    }

    /// A series that it and all of `others` select, whatever their names are.
    fn series_with(&self, others: &[&Self]) -> Option<Labels> {
        let all: Vec<&Self> = others.iter().copied().chain([self]).collect();
        let labels: BTreeSet<&String> =
            all.iter().flat_map(|it| &it.matchers).map(|it| &it.label).collect();
        let chosen = labels.into_iter().map(|label| {
            let matched =
                |value: &str| all.iter().flat_map(|it| it.of(label)).all(|it| it.matches(value));
            Some((label.clone(), value(&all, label, matched)?))
        });
        chosen.collect()
    }

    /// A series that it selects and `other` does not, if there is one that is easily found.
    fn series_without(&self, other: &Self) -> Option<Labels> {
        let plain = self.series_with(&[])?;
        if self.name != other.name {
            return Some(plain);
        }
        other.matchers.iter().find_map(|refused| {
            let label = &refused.label;
            let other_value = value(&[self, other], label, |value| {
                self.of(label).all(|it| it.matches(value)) && !refused.matches(value)
            })?;
            let mut labels = plain.clone();
            labels.insert(label.clone(), other_value);
            Some(labels)
        })
    }

    /// A series of `some` and one of `all` such that each selector's events are known: whether the
    /// first is selected by both, and the second by `all` only.
    pub(super) fn apart(some: &Self, all: &Self) -> Option<(String, String, bool)> {
        let both = if some.name == all.name { some.series_with(&[all]) } else { None };
        let own = both.or_else(|| some.series_with(&[]))?;
        let rest = all.series_without(some)?;
        let shared = all.selects(&some.name, &own);
        Some((series(&some.name, &own), series(&all.name, &rest), shared))
    }
}

/// A value of `label` for which `wanted` holds.
fn value(selectors: &[&Selector], label: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let examples = selectors.iter().flat_map(|it| it.of(label)).flat_map(Matcher::examples);
    let mut candidates = examples.chain(USUAL.map(str::to_owned));
    candidates.find(|it| wanted(it))
}

fn series(name: &str, labels: &Labels) -> String {
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    let labels = labels.map(|(label, value)| format!("{label}={}", quoted(value)));
    format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(some: &str, all: &str) -> Option<(String, String, bool)> {
        Selector::apart(&Selector::parse(some).unwrap(), &Selector::parse(all).unwrap())
    }

    fn told(some: &str, all: &str) -> (String, String, bool) {
        apart(some, all).unwrap_or_else(|| panic!("{some} of {all}"))
    }

    #[test]
    fn bad_events_and_the_others_have_series_of_their_own() {
        let own = |a: &str, b: &str, shared| (a.to_owned(), b.to_owned(), shared);
        assert_eq!(
            told(r#"r{job="web",code=~"(5..|429)"}"#, r#"r{job="web"}"#),
            own(r#"r{code="500",job="web"}"#, r#"r{code="200",job="web"}"#, true)
        );
        assert_eq!(
            told(r#"r{code!~"5.."}"#, "r"),
            own(r#"r{code="200"}"#, r#"r{code="500"}"#, true)
        );
        assert_eq!(told("errors", "requests"), own("errors{}", "requests{}", false));
        assert_eq!(
            told(r#"d_bucket{le="0.4",verb!="WATCH"}"#, r#"d_count{verb!="WATCH"}"#),
            own(r#"d_bucket{le="0.4",verb="200"}"#, r#"d_count{verb="200"}"#, false)
        );
        assert_eq!(
            told(r#"d_bucket{le="0.4"}"#, r#"d_bucket{le="+Inf"}"#),
            own(r#"d_bucket{le="0.4"}"#, r#"d_bucket{le="+Inf"}"#, false)
        );
        assert_eq!(
            told(r#"r{path=~"/api/.+",ok='no'}"#, r#"r{path=~"/api/.+"}"#),
            own(r#"r{ok="no",path="/api/x"}"#, r#"r{ok="200",path="/api/x"}"#, true)
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_not() {
        assert_eq!(apart("r", "r"), None, "they are the same");
        assert_eq!(apart(r#"r{a=~"x{3}y{2}"}"#, "r"), None, "no example was found");
        for text in [
            "",
            "5x",
            "a + b",
            "r{a}",
            "r{a=b}",
            "r{a=\"b\"",
            "r{a=\"b\"} offset 5m",
            "(r)",
            "{\"r.s\"}",
        ] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }
}
