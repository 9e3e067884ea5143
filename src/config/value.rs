//! Values that refuse what makes no sense while they are parsed. Messages are "rule; fix".

mod selector;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

pub use selector::Selector;

use super::suggest;
use crate::setting::Period;

/// Gives a text value its serde and schema implementations: it is written as it was read.
macro_rules! text_value {
    ($name:ident, $description:literal, $key:literal: $value:literal) => {
        impl TryFrom<Cow<'_, str>> for $name {
            type Error = String;

            fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description, $key: $value })
            }
        }
    };
}

/// A repository as people write it: `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct RepositoryName(String);

impl RepositoryName {
    /// `owner/name` as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name the same repository: vendors ignore case.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl FromStr for RepositoryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            !part.is_empty()
                && !matches!(part, "." | "..")
                && part.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
        };
        match text.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) => Ok(Self(text.to_owned())),
            _ => Err(format!("{text:?} is not a repository; write \"owner/name\"")),
        }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(RepositoryName, "A repository: owner/name.", "pattern": "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$");

/// Which paths of a repository: `*` is any text within a segment, `**` any text at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Glob(String);

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |rule: &str, fix: &str| Err(format!("{text:?} {rule}; {fix}"));
        if text.starts_with('/') || text.starts_with("./") {
            return refused(
                "is not below the repository's root",
                "write it without the leading / or ./",
            );
        }
        if text.split('/').any(|it| matches!(it, "." | "..")) {
            return refused("has a segment . or ..", "write the path as the repository shows it");
        }
        if text.contains('\\') {
            return refused("has a backslash", "separate segments with /");
        }
        if text.contains("***") {
            return refused(
                "has three stars in a row",
                "write * within a segment or ** for any text",
            );
        }
        if text.contains(['?', '{', '}']) {
            return refused(
                "uses ? or {}",
                "only * and ** are special; write one glob for each case",
            );
        }
        if text.ends_with('/') {
            return refused("ends in / and so matches no file", "write ** after it");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(
    Glob,
    "Paths of a repository: * is any text within a segment, ** any text at all.",
    "pattern": "^[^/?{}\\\\].*[^/]$|^[^/?{}\\\\]$"
);

/// A regular expression, without look-around and back-references.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Pattern(pub regex::Regex);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        regex::Regex::new(text).map(Self).map_err(|error| {
            let error = error.to_string();
            // The last line says what is wrong; those before it draw where.
            let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!(
                "{text:?} is not a regular expression: {what}; see https://docs.rs/regex/#syntax"
            )
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

text_value!(Pattern, "A regular expression (https://docs.rs/regex/#syntax).", "format": "regex");

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Zone(pub chrono_tz::Tz);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_unknown| {
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|it| it.name());
            let fix = match suggest::closest(text, zones) {
                Some(zone) => format!("did you mean \"{zone}\"?"),
                None => "write for example \"Europe/Berlin\"".to_owned(),
            };
            format!("{text:?} is not a time zone of the IANA database; {fix}")
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

text_value!(Zone, "A time zone of the IANA database, for example Europe/Berlin.", "pattern": "^[A-Za-z0-9_+/-]+$");

/// A day of the calendar: `2026-12-25`, quoted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Day(pub NaiveDate);

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_no_day| format!("{text:?} is not a day; write it like 2026-12-25"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

text_value!(Day, "A day: 2026-12-25.", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");

/// A number in a KPI's unit, or a length of time for a KPI that is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// In the KPI's unit.
    Number(f64),
    /// For KPIs in seconds. Of business time, `10d` are ten business days.
    Time(Period),
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a length of time")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
        if value.is_finite() && value >= 0.0 {
            Ok(Amount::Number(value))
        } else {
            Err(E::custom("must be 0 or more; write for example 0.1"))
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "targets are far below 2^53")]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "targets are far below 2^53")]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Amount, E> {
        value.parse().map(Amount::Time).map_err(|error: String| {
            let rule = error.split("; ").next().unwrap_or_default();
            E::custom(format_args!("{rule}; write a number without quotes, or for example \"15m\""))
        })
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number in the KPI's unit, or a length of time for a KPI that is one.",
            "anyOf": [{ "type": "number", "minimum": 0 }, Period::json_schema(generator)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_below_the_root_and_know_stars_only() {
        for text in ["services/checkout/**", "*.toml", "app/[slug]/page.tsx", "docs", "**"] {
            assert!(text.parse::<Glob>().is_ok(), "{text:?} is fine");
        }
        for text in ["/services", "./a", "a/../b", "a\\b", "a/***", "a/{b,c}", "a?", "services/"] {
            assert!(text.parse::<Glob>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_repository_is_owner_and_name() {
        assert!("acme/shop.api".parse::<RepositoryName>().unwrap().is("Acme/Shop.API"));
        for text in [
            "shop",
            "acme/",
            "/shop",
            "acme/shop/x",
            "acme/..",
            "acme/a b",
            "https://github.com/a/b",
        ] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn an_unknown_zone_is_compared_with_the_known_ones() {
        let message = "Europe/Berln".parse::<Zone>().unwrap_err();
        assert_eq!(
            message,
            "\"Europe/Berln\" is not a time zone of the IANA database; did you mean \"Europe/Berlin\"?"
        );
    }

    #[test]
    fn a_broken_pattern_says_what_is_broken() {
        assert_eq!(
            "^v(".parse::<Pattern>().unwrap_err(),
            "\"^v(\" is not a regular expression: unclosed group; see https://docs.rs/regex/#syntax"
        );
    }
}
