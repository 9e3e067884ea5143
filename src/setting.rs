//! What settings are made of: values that refuse what makes no sense while they are parsed, and
//! [`Complaint`]s for what only several values together show.
//!
//! Every module owns its `Settings`. It gives them a `check` that returns complaints with keys
//! relative to its own section; `config` knows where that section is and adds file and line.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveTime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::Instant;

/// A rule that settings break, as their owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Key below the section, for example `app.private_key`; empty = the section itself.
    pub key: String,
    /// What is wrong, for example `is longer than stale_after (1h)`.
    pub rule: String,
    /// What to do about it.
    pub fix: String,
}

impl Complaint {
    /// `key` breaks `rule`, and `fix` mends it.
    pub fn new(key: impl Into<String>, rule: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into(), fix: fix.into() }
    }
}

/// A length of time: `45s`, `15m`, `6h`, `30d`, `2w`, `1h30m`. Never zero. A day has 86,400 s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Period {
    seconds: u32,
}

/// Units from the longest to the shortest, with their seconds.
const UNITS: [(char, u32); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Longest period accepted: a hundred years.
const LONGEST: u32 = 36_525 * 86_400;

impl Period {
    /// A period of whole seconds, at least one and at most a hundred years; others are brought there.
    pub const fn from_seconds(seconds: u32) -> Self {
        match seconds {
            0 => Self { seconds: 1 },
            LONGEST.. => Self { seconds: LONGEST },
            seconds => Self { seconds },
        }
    }

    /// Its seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// For timers and deadlines.
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds as u64)
    }

    /// For arithmetic with instants.
    pub fn chrono(self) -> chrono::Duration {
        chrono::Duration::seconds(i64::from(self.seconds))
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is not a length of time; write for example \"15m\", \"6h\" or \"30d\""
            )
        };
        let mut rest = text;
        let mut seconds: u32 = 0;
        let mut shorter_than = u32::MAX;
        while !rest.is_empty() {
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let number: u32 = number.parse().map_err(|_not_a_number| refused())?;
            let mut tail = tail.chars();
            let unit = tail.next().ok_or_else(refused)?;
            let (_, length) = UNITS.into_iter().find(|(it, _)| *it == unit).ok_or_else(refused)?;
            if length >= shorter_than {
                return Err(refused());
            }
            shorter_than = length;
            seconds = number
                .checked_mul(length)
                .and_then(|part| seconds.checked_add(part))
                .filter(|sum| *sum <= LONGEST)
                .ok_or_else(|| format!("{text:?} is longer than a hundred years"))?;
            rest = tail.as_str();
        }
        match (seconds, text) {
            (0, "") => Err(refused()),
            (0, _) => Err(format!(
                "a length of time must be longer than zero, not {text:?}; write for example \"15m\""
            )),
            (seconds, _) => Ok(Self { seconds }),
        }
    }
}

impl TryFrom<Cow<'_, str>> for Period {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.seconds;
        // Without weeks: 7d is easier to compare with 30d than 1w is.
        for (unit, length) in UNITS.into_iter().skip(1) {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: 45s, 15m, 6h, 30d, 2w, 1h30m.",
            "pattern": "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
            "minLength": 2,
        })
    }
}

/// An instant as people write it: a date (`2025-01-01` = its first moment in UTC) or a date with
/// time and offset (`2025-01-01T09:00:00+02:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Moment(pub Instant);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self(date.and_time(NaiveTime::MIN).and_utc()));
        }
        chrono::DateTime::parse_from_rfc3339(text).map(|instant| Self(instant.to_utc())).map_err(
            |_not_an_instant| {
                format!(
                    "{text:?} is neither a date nor a time with its offset; write for example \
                     \"2025-01-01\" or \"2025-01-01T09:00:00Z\""
                )
            },
        )
    }
}

impl TryFrom<Cow<'_, str>> for Moment {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A date (2025-01-01, in UTC) or a time with its offset (2025-01-01T09:00:00Z).",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?$",
        })
    }
}

/// What speaks against sending credentials to `url`, the value of `key`: anything but http(s), parts
/// that a base address cannot have, and plain http to another machine unless that is allowed.
pub fn check_base_url(key: &str, url: &Url, allow_insecure: bool) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut complain = |rule: &str, fix: &str| complaints.push(Complaint::new(key, rule, fix));
    if !matches!(url.scheme(), "http" | "https") {
        complain(
            "is neither https nor http",
            "write an address such as \"https://api.example.com\"",
        );
    } else if url.scheme() == "http" && !allow_insecure && !is_loopback(url) {
        complain(
            "would send tokens over plain http",
            "use https, or set allow_insecure = true if something else protects the way there",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        complain(
            "contains a user name or password",
            "remove it; secrets are given by reference only",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        complain("has a query or a fragment", "remove everything from `?` or `#` on");
    }
    complaints
}

/// Whether `url` names this very machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_read_and_written_the_way_people_say_it() {
        for (text, seconds, written) in [
            ("45s", 45, "45s"),
            ("15m", 900, "15m"),
            ("90m", 5_400, "1h30m"),
            ("1h30m", 5_400, "1h30m"),
            ("6h", 21_600, "6h"),
            ("30d", 2_592_000, "30d"),
            ("2w", 1_209_600, "14d"),
            ("10d", 864_000, "10d"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(
                (period.seconds(), period.to_string().as_str()),
                (seconds, written),
                "{text}"
            );
        }
    }

    #[test]
    fn a_period_without_unit_with_an_odd_one_or_of_no_length_is_refused() {
        for text in [
            "",
            "15",
            "m",
            "15 m",
            "-5m",
            "1.5h",
            "5M",
            "5m1h",
            "5m5m",
            "0s",
            "0h0m",
            "5μ",
            "99999999w",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_moment_is_a_date_or_a_time_with_its_offset() {
        let midnight: Moment = "2025-01-01".parse().unwrap();
        assert_eq!(String::from(midnight), "2025-01-01T00:00:00Z");
        let morning: Moment = "2025-01-01T09:00:00+02:00".parse().unwrap();
        assert_eq!(String::from(morning), "2025-01-01T07:00:00Z");
        for text in ["yesterday", "2025-02-30", "2025-01-01T09:00:00", "01/02/2025"] {
            assert!(text.parse::<Moment>().is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_or_on_request_only() {
        let rules = |url: &str, allow| {
            let url = Url::parse(url).unwrap();
            check_base_url("base_url", &url, allow)
                .into_iter()
                .map(|it| it.rule)
                .collect::<Vec<_>>()
        };
        for url in [
            "https://api.github.com",
            "http://127.0.0.1:8080",
            "http://[::1]/",
            "http://localhost/api",
        ] {
            assert!(rules(url, false).is_empty(), "{url} is fine");
        }
        assert_eq!(
            rules("http://ghes.example.com/api/v3", false),
            ["would send tokens over plain http"]
        );
        assert!(rules("http://ghes.example.com/api/v3", true).is_empty());
        assert_eq!(rules("ftp://example.com", true), ["is neither https nor http"]);
        assert_eq!(rules("https://me:pw@example.com", false), ["contains a user name or password"]);
        assert_eq!(rules("https://example.com/?a=1#b", false), ["has a query or a fragment"]);
    }
}
