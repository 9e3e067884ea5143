//! How a vendor talks about its limits.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::domain::Instant;

/// Whose conventions for rate limits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `x-ratelimit-*` by resource with the reset as epoch seconds; a limit is 403 or 429; GraphQL
    /// tells it in a 200.
    GitHub,
    /// `ratelimit-*` with the reset as seconds from now; a limit is 429, perhaps bare.
    PagerDuty,
    /// No budgets; a gateway or a multi-tenant store may answer 429, perhaps with `retry-after`.
    Prometheus,
}

/// What an answer says about limits.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notice {
    /// What is left of the budget, and until when it counts.
    pub(super) budget: Option<Remaining>,
    /// The answer is a refusal because of a limit.
    pub(super) limited: Option<Limited>,
    /// The vendor is down and says for how long (`Retry-After` of a 5xx).
    pub(super) pause: Option<Duration>,
}

/// A budget as the vendor last told it.
#[derive(Debug, PartialEq)]
pub(super) struct Remaining {
    /// The vendor's name for it, if it is one that we know.
    pub(super) resource: Option<&'static str>,
    pub(super) requests: u64,
    /// Unknown where the vendor's word for it cannot be read.
    pub(super) resets_in: Option<Duration>,
}

/// A refusal because of a limit.
#[derive(Debug, PartialEq)]
pub(super) enum Limited {
    /// One budget is used up.
    Resource(Duration),
    /// Everything with this token has to wait.
    Token(Duration),
    /// Everything with this token has to wait, and the vendor does not say for how long.
    Unannounced,
}

/// GitHub's names of budgets. Others are not repeated: no text of an answer becomes a label.
const RESOURCES: [&str; 9] = [
    "core",
    "graphql",
    "search",
    "code_search",
    "code_scanning_autofix",
    "code_scanning_upload",
    "dependency_snapshots",
    "integration_manifest",
    "source_import",
];

impl Dialect {
    /// The budget that a request counts against before any answer names one.
    pub(super) fn resource(self, requested: &'static str) -> &'static str {
        match self {
            Self::GitHub => requested,
            Self::PagerDuty | Self::Prometheus => "requests",
        }
    }

    /// Reads an answer to a request that counts against `resource`. `body` is needed for refusals
    /// and for GraphQL; `now` is our clock, used only where the answer has no `Date`.
    pub(super) fn read(
        self,
        resource: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Instant,
    ) -> Notice {
        let server_now = text(headers, header::DATE.as_str()).and_then(http_date).unwrap_or(now);
        let retry_after = text(headers, header::RETRY_AFTER.as_str())
            .map(|value| seconds(value).or_else(|| until(http_date(value)?, server_now)));
        let budget = self.remaining(headers, server_now);
        let limited = match self {
            Self::GitHub if status == StatusCode::OK => (resource == "graphql"
                && graphql_says_limited(body))
            .then(|| used_up(budget.as_ref()).unwrap_or(Limited::Unannounced)),
            Self::GitHub => github_limit(status, retry_after, budget.as_ref(), body),
            Self::PagerDuty | Self::Prometheus => bare_limit(status, retry_after, budget.as_ref()),
        };
        let pause = retry_after.flatten().filter(|_| status.is_server_error());
        Notice { budget, limited, pause }
    }

    fn remaining(self, headers: &HeaderMap, server_now: Instant) -> Option<Remaining> {
        match self {
            Self::GitHub => {
                let requests = text(headers, "x-ratelimit-remaining")?.trim().parse().ok()?;
                // Both are whole seconds, so the true instant may be up to a second later.
                let resets_in = text(headers, "x-ratelimit-reset")
                    .and_then(|text| text.trim().parse::<f64>().ok())
                    .filter(|reset| reset.is_finite())
                    .map(|reset| reset - server_now.timestamp() as f64 + 1.0)
                    .and_then(|seconds| duration(seconds.max(0.0)));
                let name = text(headers, "x-ratelimit-resource").unwrap_or("core");
                Some(Remaining {
                    resource: RESOURCES.into_iter().find(|known| *known == name),
                    requests,
                    resets_in,
                })
            }
            Self::PagerDuty => Some(Remaining {
                resource: Some("requests"),
                requests: text(headers, "ratelimit-remaining")?.trim().parse().ok()?,
                resets_in: text(headers, "ratelimit-reset").and_then(seconds),
            }),
            Self::Prometheus => None,
        }
    }
}

/// GitHub's order of waiting: `retry-after`, else the reset of a used-up budget, else at least a
/// minute. A 403 that is none of these is a missing permission.
fn github_limit(
    status: StatusCode,
    retry_after: Option<Option<Duration>>,
    budget: Option<&Remaining>,
    body: &[u8],
) -> Option<Limited> {
    let hinted = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => says_secondary(body),
        _ => return None,
    };
    match retry_after {
        Some(announced) => Some(announced.map_or(Limited::Unannounced, Limited::Token)),
        None => used_up(budget).or(hinted.then_some(Limited::Unannounced)),
    }
}

fn used_up(budget: Option<&Remaining>) -> Option<Limited> {
    budget
        .filter(|budget| budget.requests == 0)
        .map(|budget| budget.resets_in.map_or(Limited::Unannounced, Limited::Resource))
}

fn bare_limit(
    status: StatusCode,
    retry_after: Option<Option<Duration>>,
    budget: Option<&Remaining>,
) -> Option<Limited> {
    (status == StatusCode::TOO_MANY_REQUESTS).then(|| {
        let announced = retry_after.flatten().or_else(|| budget?.resets_in);
        announced.map_or(Limited::Unannounced, Limited::Token)
    })
}

/// Whether a 403 is a secondary limit, recognised as go-github does, or by its words.
fn says_secondary(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        #[serde(default)]
        documentation_url: String,
    }
    serde_json::from_slice::<Refusal>(body).is_ok_and(|refusal| {
        let message = refusal.message.to_ascii_lowercase();
        refusal.documentation_url.ends_with("secondary-rate-limits")
            || refusal.documentation_url.ends_with("#abuse-rate-limits")
            || message.contains("secondary rate limit")
            || message.contains("abuse detection")
    })
}

/// Whether a GraphQL answer says, with status 200, that a limit was met.
fn graphql_says_limited(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        errors: Vec<Problem>,
    }
    #[derive(Deserialize)]
    struct Problem {
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        message: Option<String>,
    }
    if body.trim_ascii_start().first() != Some(&b'{') {
        return false;
    }
    serde_json::from_slice::<Envelope>(body).is_ok_and(|envelope| {
        envelope.errors.iter().any(|error| {
            error.kind.as_deref() == Some("RATE_LIMITED")
                || error
                    .message
                    .as_deref()
                    .is_some_and(|text| text.to_ascii_lowercase().contains("secondary rate limit"))
        })
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A non-negative number of seconds; anything else (`-1`, `soon`) says nothing.
fn seconds(text: &str) -> Option<Duration> {
    duration(text.trim().parse().ok()?)
}

fn duration(seconds: f64) -> Option<Duration> {
    // Bounded far above any wait that is allowed, so that no later sum overflows.
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e9)))
}

fn http_date(text: &str) -> Option<Instant> {
    Some(chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?.to_utc())
}

/// From `now` to `then`; zero if it has passed.
fn until(then: Instant, now: Instant) -> Option<Duration> {
    Some((then - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve seconds past the full minute, by our clock; answers with a `Date` say otherwise.
    const NOW: &str = "2026-11-22T10:00:12Z";

    fn read(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> Notice {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        dialect.read("core", status, &headers, body.as_bytes(), NOW.parse().unwrap())
    }

    fn limited(dialect: Dialect, status: u16, headers: &[(&str, &str)]) -> Option<Limited> {
        read(dialect, status, headers, "").limited
    }

    #[test]
    fn a_metric_store_has_no_budget_and_may_say_429() {
        let ours = [("x-ratelimit-remaining", "0"), ("ratelimit-remaining", "0")];
        assert_eq!(read(Dialect::Prometheus, 200, &ours, "").budget, None);
        assert_eq!(limited(Dialect::Prometheus, 403, &ours), None);
        assert_eq!(limited(Dialect::Prometheus, 429, &[]), Some(Limited::Unannounced));
        assert_eq!(
            limited(Dialect::Prometheus, 429, &[("retry-after", "3")]),
            Some(Limited::Token(Duration::from_secs(3)))
        );
    }

    #[test]
    fn retry_after_is_read_in_every_form_a_server_may_give_it() {
        let token = |seconds| Some(Limited::Token(Duration::from_secs(seconds)));
        for (given, read) in [
            ("0", token(0)),
            ("7", token(7)),
            (" 7 ", token(7)),
            ("1000000000000", token(1_000_000_000)),
            ("1e12", token(1_000_000_000)),
            ("99999999999999999999999999", token(1_000_000_000)),
            ("Sun, 22 Nov 2026 10:01:12 GMT", token(60)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", token(0)),
            ("-1", Some(Limited::Unannounced)),
            ("soon", Some(Limited::Unannounced)),
            ("inf", Some(Limited::Unannounced)),
            ("NaN", Some(Limited::Unannounced)),
            ("", Some(Limited::Unannounced)),
        ] {
            for status in [403, 429] {
                let found = limited(Dialect::GitHub, status, &[("retry-after", given)]);
                assert_eq!(found, read, "GitHub {status} with Retry-After: {given}");
            }
            let found = limited(Dialect::PagerDuty, 429, &[("retry-after", given)]);
            assert_eq!(found, read, "PagerDuty 429 with Retry-After: {given}");
        }
    }

    #[test]
    fn githubs_reset_is_an_epoch_and_pagerdutys_counts_from_now() {
        let reset = NOW.parse::<Instant>().unwrap().timestamp() + 90;
        let github = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset.to_string())];
        assert_eq!(
            limited(Dialect::GitHub, 403, &github),
            Some(Limited::Resource(Duration::from_secs(91))),
            "whole seconds: the true instant may be one later"
        );
        let pagerduty = [("ratelimit-remaining", "0"), ("ratelimit-reset", "90")];
        assert_eq!(
            limited(Dialect::PagerDuty, 429, &pagerduty),
            Some(Limited::Token(Duration::from_secs(90)))
        );
    }

    #[test]
    fn an_epoch_is_compared_with_the_servers_date_so_our_clock_may_be_wrong() {
        let headers = [
            ("date", "Sun, 22 Nov 2026 12:00:00 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795348810"),
        ];
        assert_eq!(
            limited(Dialect::GitHub, 429, &headers),
            Some(Limited::Resource(Duration::from_secs(11)))
        );
    }

    #[test]
    fn absurd_resets_are_bounded_or_say_nothing() {
        for (reset, read) in [
            ("0", Some(Limited::Resource(Duration::ZERO))),
            ("-1", Some(Limited::Resource(Duration::ZERO))),
            ("1e12", Some(Limited::Resource(Duration::from_secs(1_000_000_000)))),
            ("tomorrow", Some(Limited::Unannounced)),
            ("inf", Some(Limited::Unannounced)),
        ] {
            let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
            assert_eq!(limited(Dialect::GitHub, 429, &headers), read, "reset {reset}");
        }
    }

    #[test]
    fn pitfall_8_a_plain_403_is_a_missing_permission_and_no_limit() {
        let body = r#"{"message":"Resource not accessible by integration",
                       "documentation_url":"https://docs.github.com/rest"}"#;
        let plenty = [("x-ratelimit-remaining", "4321"), ("x-ratelimit-reset", "1795341702")];
        assert_eq!(read(Dialect::GitHub, 403, &plenty, body).limited, None);
        assert_eq!(limited(Dialect::PagerDuty, 403, &[("ratelimit-remaining", "0")]), None);
    }

    #[test]
    fn pitfall_8_a_secondary_limit_is_recognised_by_its_words_where_no_header_tells() {
        for body in [
            r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#,
            r#"{"message":"x","documentation_url":"https://docs.github.com/…#secondary-rate-limits"}"#,
            r#"{"message":"x","documentation_url":"https://developer.github.com/v3/#abuse-rate-limits"}"#,
        ] {
            let found = read(Dialect::GitHub, 403, &[], body).limited;
            assert_eq!(found, Some(Limited::Unannounced), "{body}");
        }
        assert_eq!(limited(Dialect::GitHub, 429, &[]), Some(Limited::Unannounced));
    }

    #[test]
    fn pitfall_9_graphql_tells_its_limit_in_a_200() {
        let read = |resource, body: &str| {
            let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795341641")];
            let headers =
                reset.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers = HeaderMap::from_iter(headers);
            let now = NOW.parse().unwrap();
            Dialect::GitHub.read(resource, StatusCode::OK, &headers, body.as_bytes(), now).limited
        };
        let refused =
            r#"{"data":null,"errors":[{"type":"RATE_LIMITED","message":"API rate limit"}]}"#;
        assert_eq!(
            read("graphql", refused),
            Some(Limited::Resource(Duration::from_secs(30))),
            "the budget is used up until its reset"
        );
        assert_eq!(read("core", refused), None, "REST bodies may say what they like");
        let partial = r#"{"data":{},"errors":[{"type":"NOT_FOUND","message":"gone"}]}"#;
        assert_eq!(read("graphql", partial), None);
    }

    #[test]
    fn a_5xx_may_name_a_pause() {
        for dialect in [Dialect::GitHub, Dialect::PagerDuty] {
            let notice = read(dialect, 503, &[("retry-after", "5")], "");
            assert_eq!((notice.pause, notice.limited), (Some(Duration::from_secs(5)), None));
        }
    }

    #[test]
    fn names_of_budgets_are_ours() {
        let told = |name| {
            let headers = [
                ("x-ratelimit-remaining", "9"),
                ("x-ratelimit-reset", "1795341641"),
                ("x-ratelimit-resource", name),
            ];
            read(Dialect::GitHub, 200, &headers, "").budget.unwrap().resource
        };
        assert_eq!(told("search"), Some("search"));
        assert_eq!(told("{evil=\"label\"}"), None);
    }
}
