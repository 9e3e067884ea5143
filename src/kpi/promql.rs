//! Queries in PromQL, in which [`WINDOW`] stands for a length of time.
//!
//! Everything that depends on what a query says is asked of its syntax tree: words in its texts and
//! comments say nothing.

use std::convert::Infallible;
use std::panic::catch_unwind;
use std::sync::LazyLock;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, AggregateExpr, Expr, VectorSelector, token};
use promql_parser::util::{ExprVisitor, walk_expr};
use regex::{Captures, Regex};

use super::ledger::WINDOW;

/// The longest query that is read.
const LONGEST: usize = 100_000;

/// How many brackets and operators a query may have: each may be another level of its tree, whose
/// depth costs stack.
const MOST_LEVELS: usize = 1_000;

/// What is no code: a comment, or a text in quotes.
static NO_CODE: LazyLock<Regex> =
    LazyLock::new(|| expression(r#"(?s)#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`"#));

/// What may begin another level of the tree.
static LEVEL: LazyLock<Regex> =
    LazyLock::new(|| expression(r"[-+*/%^<>!=(]|(?i:\b(?:and|or|unless|atan2)\b)"));

/// What stands for one sign in a regular expression: an escaped sign, or a class.
static ONE_SIGN: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?s)\\.|\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\]"));

/// A repetition of a repetition, which Go's regular expressions do not know.
static REPEATED_TWICE: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??(?:[*+]|\{\d+(?:,\d*)?\})"));

/// A name before a bracket, which is a call.
static CALL: LazyLock<Regex> = LazyLock::new(|| expression(r"([\w:]+)\s*\("));

fn expression(text: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "expressions are a part of the program")]
    Regex::new(text).expect("it is an expression")
}

/// A query that was taken apart. Two are equal if they say the same, however they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Over five minutes.
    tree: Expr,
    names_window: bool,
}

impl Query {
    /// Takes a query apart.
    ///
    /// # Errors
    /// Why it is no PromQL.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        if LEVEL.find_iter(&code(text)).count() > MOST_LEVELS {
            return Err(format!("has more than {MOST_LEVELS} brackets and operators"));
        }
        let tree = tree(text, "5m")?;
        let names_window = text.contains(WINDOW) && tree != self::tree(text, "7m")?;
        Ok(Self { tree, names_window })
    }

    /// Whether what it says depends on [`WINDOW`].
    pub fn names_window(&self) -> bool {
        self.names_window
    }

    /// What it answers instead of a number for each of some series; `None` if that is it.
    pub fn other_answer(&self) -> Option<&'static str> {
        match self.tree.value_type() {
            ValueType::Vector => None,
            ValueType::Scalar => Some("one number without a series"),
            ValueType::Matrix => Some("ranges of numbers"),
            ValueType::String => Some("a text"),
        }
    }

    /// Whether it is `sum(…)` and nothing else, which is one number as it is.
    pub fn is_sum(&self) -> bool {
        matches!(
            &self.tree,
            Expr::Aggregate(AggregateExpr { op, modifier: None, .. }) if op.id() == token::T_SUM
        )
    }

    /// The selector that it is, if it is one.
    pub fn selector(&self) -> Option<&VectorSelector> {
        match &self.tree {
            Expr::VectorSelector(selector) => Some(selector),
            _ => None,
        }
    }
}

/// A selector with [`WINDOW`] as its range, which stands before its offset. As it is written, if a
/// range can be put at its end. `None` for what is no plain selector.
pub fn over_window(text: &str) -> Option<String> {
    let query = Query::parse(text).ok()?;
    let selector = query.selector()?;
    let says_the_same = |text: &str| {
        let query = Query::parse(text);
        matches!(query, Ok(Query { tree: Expr::MatrixSelector(it), .. }) if it.vs == *selector)
    };
    let as_written = format!("{text}[{WINDOW}]");
    if says_the_same(&as_written) {
        return Some(as_written);
    }
    let bare = VectorSelector { offset: None, at: None, ..selector.clone() }.to_string();
    let whole = selector.to_string();
    let with_range = format!("{bare}[{WINDOW}]{}", whole.strip_prefix(&bare)?);
    says_the_same(&with_range).then_some(with_range)
}

/// Whether a query that is PromQL counts events by the second. It is asked for each hour, and in
/// PromQL a name before a bracket is a call: no tree is needed.
pub fn is_rate(query: &str) -> bool {
    calls(query, &["rate", "irate"]) && !counts_increase(query)
}

/// Whether a query that is PromQL counts events over its window.
pub fn counts_increase(query: &str) -> bool {
    calls(query, &["increase"])
}

fn calls(query: &str, names: &[&str]) -> bool {
    CALL.captures_iter(&code(query)).any(|it| names.contains(&&it[1]))
}

/// The query with `old` replaced by `new`, but not in texts and comments.
pub fn replace_in_code(query: &str, old: &str, new: &str) -> String {
    let mut replaced = String::with_capacity(query.len());
    let mut end = 0;
    for found in NO_CODE.find_iter(query) {
        replaced += &query[end..found.start()].replace(old, new);
        replaced += found.as_str();
        end = found.end();
    }
    replaced + &query[end..].replace(old, new)
}

/// A query without comments, and with nothing in its texts.
fn code(query: &str) -> String {
    let rest = |it: &Captures<'_>| if it[0].starts_with('#') { " " } else { "\"\"" };
    NO_CODE.replace_all(query, rest).into_owned()
}

fn tree(text: &str, window: &str) -> Result<Expr, String> {
    let text = escaped(&text.replace(WINDOW, window));
    // It gives up on lengths of more than 2^64 seconds.
    let tree = catch_unwind(|| parser::parse(&text))
        .map_err(|_| "has a number that is too big".to_owned())??;
    let mut found = Ok(());
    each(&tree, |it| {
        let selector = match it {
            Expr::VectorSelector(it) => it,
            Expr::MatrixSelector(it) => &it.vs,
            _ => return,
        };
        if found.is_ok() {
            found = strict(selector);
        }
    });
    found.map(|()| tree)
}

/// What the parser lets pass and Prometheus does not.
fn strict(selector: &VectorSelector) -> Result<(), String> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err("`or` between matchers is no PromQL".to_owned());
    }
    let is_repeated = |it: &&Matcher| {
        let is_expression = matches!(it.op, MatchOp::Re(_) | MatchOp::NotRe(_));
        is_expression && REPEATED_TWICE.is_match(&ONE_SIGN.replace_all(&it.value, "x"))
    };
    match selector.matchers.matchers.iter().find(is_repeated) {
        None => Ok(()),
        Some(it) => Err(format!("illegal regex for {}: a repetition is repeated", it.value)),
    }
}

/// The query with the usual quotes instead of backquotes, in which the parser would take
/// backslashes for escapes.
fn escaped(query: &str) -> String {
    let quoted = |it: &Captures<'_>| match it[0].strip_prefix('`') {
        Some(raw) => {
            let raw = raw.trim_end_matches('`').replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"", raw.replace('\n', "\\n"))
        }
        None => it[0].to_owned(),
    };
    NO_CODE.replace_all(query, quoted).into_owned()
}

/// Looks at every part of a tree.
fn each(tree: &Expr, look: impl FnMut(&Expr)) {
    let Ok(_) = walk_expr(&mut Each(look), tree);
}

struct Each<F>(F);

impl<F: FnMut(&Expr)> ExprVisitor for Each<F> {
    type Error = Infallible;

    fn pre_visit(&mut self, tree: &Expr) -> Result<bool, Infallible> {
        (self.0)(tree);
        // Nobody else walks into parameters.
        if let Expr::Aggregate(AggregateExpr { param: Some(param), .. }) = tree {
            walk_expr(self, param)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_window_is_named_where_another_one_is_another_query() {
        for text in [
            "sum(rate(e[{{.window}}]))",
            "avg_over_time((up == 0)[{{.window}}:1m])",
            "topk(scalar(count_over_time(e[{{.window}}])), e)",
            "sum(rate(e[{{.window}}])) # not [5m]",
            "job:errors:ratio_rate{{.window}}",
            "job:errors:ratio_rate{window=\"{{.window}}\"}",
        ] {
            assert!(query(text).names_window(), "{text}");
        }
        for text in ["sum(rate(e[5m]))", "sum(rate(e[5m])) # or [{{.window}}]", "e"] {
            assert!(!query(text).names_window(), "{text}");
        }
    }

    #[test]
    fn what_is_no_promql_is_refused() {
        for (text, error) in [
            ("sum(rate(e[{{.window}}])", "unclosed left parenthesis"),
            ("sum(rate(e[{{.window}}])) + {{.nope}}", "unexpected left brace '{' inside braces"),
            ("rate(e)", "expected type matrix in call to function 'rate', got vector"),
            ("e{a=\"1\" or b=\"2\"}", "`or` between matchers is no PromQL"),
            ("rate(e[5m]) keep_metric_names", "invalid promql query"),
            ("", "no expression found in input"),
            ("e{a=~\"5.**\"}", "illegal regex for 5.**: a repetition is repeated"),
            ("e{a!~\"x{2}+\"}", "illegal regex for x{2}+: a repetition is repeated"),
            ("e{a=~\"(\"}", "illegal regex for ("),
            ("rate(e[1e300])", "has a number that is too big"),
            ("e offset -1e300", "has a number that is too big"),
        ] {
            assert_eq!(Query::parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn texts_in_any_quotes_are_read() {
        for text in [
            r#"e{path=~`/api/\d+/"x"`}"#,
            r#"e{path="\\d # no comment"}"#,
            r#"e{a='it\'s "so"', b=`#`}"#,
            "e{a=\"\\u00fc\"}",
            r#"{"http.requests", "a.b"="c"}"#,
            r#"e{a=~"[*+]+\\++.*?[]*]{2}?/{id}+x"}"#,
            r#"e{a="**"}"#,
        ] {
            assert!(query(text).selector().is_some(), "{text}");
        }
        assert_eq!(query("e{a=~`\\d`}"), query("e{a=~\"\\\\d\"}"));
    }

    #[test]
    fn queries_are_equal_if_they_say_the_same() {
        assert_eq!(query("sum( rate(e[{{.window}}]) ) # e"), query("sum(rate(e[{{.window}}]))"));
        assert_ne!(query("sum(rate(e[{{.window}}]))"), query("sum(rate(e[5m]))"));
    }

    #[test]
    fn what_a_query_answers() {
        assert_eq!(query("vector(1)").other_answer(), None);
        assert_eq!(query("scalar(e)").other_answer(), Some("one number without a series"));
        assert_eq!(query("e[5m]").other_answer(), Some("ranges of numbers"));
        assert_eq!(query("\"e\"").other_answer(), Some("a text"));
    }

    #[test]
    fn a_sum_is_one_number_already() {
        for text in
            ["sum(rate(x[5m]))", "sum (\n rate(x{a=\")\"}[5m])\n)", "sum(x) # all", "sum(a # )\n)"]
        {
            assert!(query(text).is_sum(), "{text}");
        }
        for text in [
            "rate(x[5m])",
            "sum(a) + sum(b)",
            "sum by (x) (a)",
            "sum(a) by (x)",
            "sum_over_time(x[5m])",
            "(sum(a))",
            "count(a)",
            "sum",
        ] {
            assert!(!query(text).is_sum(), "{text}");
        }
    }

    #[test]
    fn a_selector_gets_a_range_before_its_offset() {
        for (text, written) in [
            ("e", "e[{{.window}}]"),
            (r#"e{ code =~ "(5..|[45]29)" }"#, r#"e{ code =~ "(5..|[45]29)" }[{{.window}}]"#),
            ("# all\ne", "# all\ne[{{.window}}]"),
            ("e # failed", "e[{{.window}}]"),
            ("e{a=~`\\d`} # failed", r#"e{a=~"\\d"}[{{.window}}]"#),
            ("e offset 1m", "e[{{.window}}] offset 1m"),
            ("e{a='b'} offset -1h # x", r#"e{a="b"}[{{.window}}] offset -1h"#),
            ("e @ end() offset 90s", "e[{{.window}}] @ end() offset 1m30s"),
        ] {
            assert_eq!(over_window(text).as_deref(), Some(written), "{text}");
        }
        for text in ["e1 + e2", "e[5m]", "rate(e[5m])", "sum(e)", "(e)", "e)", "5", ""] {
            assert_eq!(over_window(text), None, "{text}");
        }
    }

    #[test]
    fn words_in_texts_and_comments_say_nothing() {
        for (text, is) in [
            ("sum(rate(x[5m]))", true),
            ("sum by (rate) (irate\n(x[5m]))", true),
            ("sum # so\n(rate # much\n (x[5m]))", true),
            ("sum(rate(x{a=\"increase(b)\"}[5m])) # no increase(x)", true),
            ("sum(increase(x[5m]))", false),
            ("sum(increase(rate[5m]))", false),
            ("sum(increase(x{a='rate(b)'}[5m])) # no rate(x)", false),
            ("sum(increase(x[5m])) / sum(rate(x[5m]))", false),
            ("count_over_time(job:rate[5m])", false),
            ("sum by (rate) (x)", false),
        ] {
            assert!(Query::parse(text).is_ok(), "{text}");
            assert_eq!(is_rate(text), is, "{text}");
        }
        assert!(!counts_increase("vector(1) # increase(x)"));
        assert_eq!(
            replace_in_code("a[window] # [window]\n+ b{c=\"[window]\"}[window]", "[window]", "[1]"),
            "a[1] # [window]\n+ b{c=\"[window]\"}[1]"
        );
    }

    /// Trees of any depth would end the program.
    #[test]
    fn a_query_cannot_exhaust_the_stack() {
        let bracketed = |deep: usize| format!("{}e{}", "(".repeat(deep), ")".repeat(deep));
        let chained = |long: usize, by: &str| vec!["e"; long].join(by);
        for text in [
            bracketed(MOST_LEVELS),
            chained(MOST_LEVELS + 1, "+"),
            chained(MOST_LEVELS + 1, "^"),
            chained(MOST_LEVELS + 1, " or "),
            format!("{}e", "-".repeat(MOST_LEVELS)),
            format!("{}e{}", "abs(".repeat(MOST_LEVELS), ")".repeat(MOST_LEVELS)),
        ] {
            assert_eq!(query(&text), query(&text).clone());
        }
        for text in [
            bracketed(10_000),
            "(".repeat(10_000),
            chained(40_000, "+"),
            chained(10_000, " unless "),
            format!("{}e", "-".repeat(10_000)),
        ] {
            assert_eq!(
                Query::parse(&text).unwrap_err(),
                "has more than 1000 brackets and operators"
            );
        }
        assert_eq!(
            Query::parse(&"e".repeat(100_001)).unwrap_err(),
            "is longer than 100000 characters"
        );
        assert!(Query::parse(&"[".repeat(50_000)).is_err());
        assert!(Query::parse(&"{".repeat(50_000)).is_err());
        assert!(Query::parse(&"\"".repeat(50_000)).is_err());
    }
}
