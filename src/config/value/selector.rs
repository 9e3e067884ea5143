//! PromQL selectors: what stands in a query as it is written.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A PromQL selector without a range: `http_requests_total{job="shop",code=~"5.."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Selector(String);

impl Selector {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (Scanner { rest: text.trim() }).selector() {
            Ok(()) => Ok(Self(text.trim().to_owned())),
            Err((what, fix)) => Err(format!("{text:?} is not a selector: {what}; {fix}")),
        }
    }
}

/// What is wrong, and what to do about it.
type Refusal = (&'static str, &'static str);

const EXAMPLE: &str = "write for example http_requests_total{job=\"shop\"}";

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn selector(&mut self) -> Result<(), Refusal> {
        let name = self.take(|it| it.is_ascii_alphanumeric() || it == '_' || it == ':');
        let mut named = !name.is_empty();
        if name.starts_with(|it: char| it.is_ascii_digit()) {
            return Err(("a metric's name does not begin with a digit", EXAMPLE));
        }
        if self.eat("{") {
            named |= self.matchers()?;
        }
        match self.rest.trim_start().chars().next() {
            None if named => Ok(()),
            None => Err(("it selects everything", EXAMPLE)),
            Some('[') => Err(("it has a range", "leave the range out: each hour is asked for")),
            Some('(') => Err(("it is an expression", "name the series that are counted up")),
            Some(_) => Err(("something follows it", EXAMPLE)),
        }
    }

    /// Label matchers up to the closing brace. True if one of them asks for something.
    fn matchers(&mut self) -> Result<bool, Refusal> {
        let mut asks = false;
        loop {
            if self.eat("}") {
                return Ok(asks);
            }
            self.skip();
            let label = self.take(|it| it.is_ascii_alphanumeric() || it == '_');
            if label.is_empty() {
                return Err(("a label's name is missing", EXAMPLE));
            }
            let operator = ["=~", "!~", "!=", "="].into_iter().find(|it| self.eat(it));
            let Some(operator) = operator else {
                return Err(("a label has none of = != =~ !~", EXAMPLE));
            };
            asks |= self.quoted()? && matches!(operator, "=" | "=~");
            if !self.eat(",") && !self.rest.trim_start().starts_with('}') {
                return Err(("a } or a comma is missing", EXAMPLE));
            }
        }
    }

    /// A quoted text. True if there is anything in it.
    fn quoted(&mut self) -> Result<bool, Refusal> {
        self.skip();
        let mut chars = self.rest.char_indices();
        let Some((_, quote @ ('"' | '\'' | '`'))) = chars.next() else {
            return Err(("a label's value has no quotes", EXAMPLE));
        };
        while let Some((at, character)) = chars.next() {
            if character == '\\' && quote != '`' {
                chars.next();
            } else if character == quote {
                self.rest = &self.rest[at + 1..];
                return Ok(at > 1);
            }
        }
        Err(("a quote is not closed", EXAMPLE))
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|it| !wanted(it)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.to_owned()
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        self.skip();
        self.rest.strip_prefix(text).map(|rest| self.rest = rest).is_some()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<Cow<'_, str>> for Selector {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.0
    }
}

impl JsonSchema for Selector {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Selector".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A PromQL selector without a range: http_requests_total{job=\"shop\"}.",
            "minLength": 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_taken_as_they_are() {
        for text in [
            "http_requests_total",
            "job:http_requests:rate5m",
            "up{}",
            r#"x_bucket{job="a",code=~"5..", route!="/a{b}"}"#,
            r#"x{a="quote \" and } in it",}"#,
            r#"{__name__="x", job='a'}"#,
            "x{ a = `\\` }",
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn whatever_could_mean_something_else_in_a_query_is_refused() {
        for (text, what) in [
            ("", "it selects everything"),
            ("{}", "it selects everything"),
            (r#"{job!="a"}"#, "it selects everything"),
            (r#"{job=""}"#, "it selects everything"),
            ("x[5m]", "it has a range"),
            ("rate(x[5m])", "it is an expression"),
            ("x offset 5m", "something follows it"),
            ("x) or vector(1", "something follows it"),
            ("x{a=\"1\"} or y", "something follows it"),
            ("x{a=1}", "a label's value has no quotes"),
            ("x{a=\"1}", "a quote is not closed"),
            ("x{a\"1\"}", "a label has none of = != =~ !~"),
            ("x{a=\"1\" b=\"2\"}", "a } or a comma is missing"),
            ("x{=\"1\"}", "a label's name is missing"),
            ("5xx", "a metric's name does not begin with a digit"),
        ] {
            let message = text.parse::<Selector>().unwrap_err();
            assert!(message.contains(what), "{text:?}: {message}");
        }
    }
}
