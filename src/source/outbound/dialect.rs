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
    pub(super) resets_in: Duration,
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
            Self::PagerDuty => "requests",
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
            Self::PagerDuty => pagerduty_limit(status, retry_after, budget.as_ref()),
        };
        let pause = retry_after.flatten().filter(|_| status.is_server_error());
        Notice { budget, limited, pause }
    }

    fn remaining(self, headers: &HeaderMap, server_now: Instant) -> Option<Remaining> {
        match self {
            Self::GitHub => {
                let requests = text(headers, "x-ratelimit-remaining")?.trim().parse().ok()?;
                let reset = text(headers, "x-ratelimit-reset")?.trim().parse::<f64>().ok()?;
                // Both are whole seconds, so the true instant may be up to a second later.
                let resets_in = reset - server_now.timestamp() as f64 + 1.0;
                let name = text(headers, "x-ratelimit-resource").unwrap_or("core");
                Some(Remaining {
                    resource: RESOURCES.into_iter().find(|known| *known == name),
                    requests,
                    resets_in: duration(resets_in.max(0.0))?,
                })
            }
            Self::PagerDuty => Some(Remaining {
                resource: Some("requests"),
                requests: text(headers, "ratelimit-remaining")?.trim().parse().ok()?,
                resets_in: seconds(text(headers, "ratelimit-reset")?)?,
            }),
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
    budget.filter(|budget| budget.requests == 0).map(|budget| Limited::Resource(budget.resets_in))
}

fn pagerduty_limit(
    status: StatusCode,
    retry_after: Option<Option<Duration>>,
    budget: Option<&Remaining>,
) -> Option<Limited> {
    (status == StatusCode::TOO_MANY_REQUESTS).then(|| {
        let announced = retry_after.flatten().or_else(|| budget.map(|budget| budget.resets_in));
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
