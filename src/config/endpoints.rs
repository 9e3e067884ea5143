//! `[endpoints.NAME]`: what is watched for its latency.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::value::Selector;
use crate::kpi::Stat;

/// An endpoint: `[endpoints.NAME]`. Its name becomes the label `endpoint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// The service that it is of: the name of a `[services.NAME]`.
    pub service: String,
    /// The Prometheus source that has its histogram. Needed only where there are several.
    #[serde(default)]
    pub source: Option<String>,
    /// Selector of the histogram's buckets: series with a label `le` whose name ends in `_bucket`.
    pub buckets: Selector,
    /// The unit of the buckets' bounds: `seconds` (the default) or `milliseconds`.
    #[serde(default)]
    pub unit: LatencyUnit,
    /// How long a request may take. At best one of the buckets' bounds: then the share within it is
    /// exact.
    pub budget: Latency,
    /// Which quantile must be within the budget: `p95` (the default) or `p99`.
    #[serde(default)]
    pub quantile: Quantile,
}

/// The unit of a histogram's bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LatencyUnit {
    /// As Prometheus recommends.
    #[default]
    Seconds,
    /// As some libraries do.
    Milliseconds,
}

impl LatencyUnit {
    /// Its length in seconds.
    pub(super) fn seconds(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 0.001,
        }
    }
}

/// Which quantile a budget is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quantile {
    /// 95 of 100 requests are as fast.
    #[default]
    P95,
    /// 99 of 100 requests are as fast.
    P99,
}

impl Quantile {
    pub(super) fn stat(self) -> Stat {
        match self {
            Self::P95 => Stat::P95,
            Self::P99 => Stat::P99,
        }
    }
}

/// How long a request may take: `250ms`, `1.5s`, `2m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Latency {
    text: String,
    seconds: f64,
}

impl Latency {
    /// In seconds, more than zero.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("{text:?} is not a latency; write for example \"250ms\" or \"1.5s\"");
        let unit = text.find(|it: char| it.is_ascii_alphabetic()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(unit);
        let divisor = match unit {
            "ms" => 1000.0,
            "s" => 1.0,
            "m" => 1.0 / 60.0,
            _ => return Err(refused()),
        };
        let plain = number.chars().all(|it| it.is_ascii_digit() || it == '.');
        let number: f64 = number.parse().map_err(|_not_a_number| refused())?;
        // Divided, not multiplied: 300/1000 is the same number as the bound 0.3.
        let seconds = number / divisor;
        if plain && seconds > 0.0 && seconds <= 86_400.0 {
            Ok(Self { text: text.to_owned(), seconds })
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<Cow<'_, str>> for Latency {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.text
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Latency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Latency".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "How long a request may take: 250ms, 1.5s, 2m.",
            "pattern": "^[0-9]+([.][0-9]+)?(ms|s|m)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_the_very_number_that_a_bound_is() {
        for (text, seconds) in
            [("300ms", 0.3), ("250ms", 0.25), ("1.5s", 1.5), ("5ms", 0.005), ("2m", 120.0)]
        {
            assert_eq!(text.parse::<Latency>().unwrap().seconds(), seconds, "{text}");
        }
        for text in ["", "300", "0ms", "-1s", "1e3ms", "300 ms", "2h", "2d", "ms", "1.s.2"] {
            assert!(text.parse::<Latency>().is_err(), "{text:?} must be refused");
        }
    }
}
