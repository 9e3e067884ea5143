//! What a fake was asked.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request that arrived. The token itself is not kept.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Below the API's base (`/api/v3` is taken off).
    pub path: String,
    /// Decoded parameters in order.
    pub query: Vec<(String, String)>,
    /// The name of the GraphQL operation.
    pub operation: Option<String>,
    /// The variables of the GraphQL operation.
    pub variables: Value,
    /// Headers by lower-case name, without `authorization`.
    pub headers: BTreeMap<String, String>,
    /// What it carried as proof of identity.
    pub credential: Credential,
    /// The status of the answer; 0 where the connection was reset.
    pub status: u16,
    /// What it cost: requests on REST and PagerDuty, points in GraphQL.
    pub cost: u64,
    /// The budget that paid: `core`, `graphql`, `pagerduty`.
    pub resource: &'static str,
    /// Length of the answer's body.
    pub bytes: usize,
    /// When it arrived, on the machine's monotonic clock.
    pub received: std::time::Instant,
    /// Whether a fault hit it.
    pub faulted: bool,
}

/// What a request carried as proof of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No `authorization` header.
    Absent,
    /// A header, whatever is in it.
    Present,
}

impl Request {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Path and query as one line, for messages of tests.
    pub fn target(&self) -> String {
        let query: Vec<_> =
            self.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let operation = self.operation.as_deref().unwrap_or_default();
        format!("{} {}?{} {operation}", self.method, self.path, query.join("&"))
    }
}

/// Sums over a log.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Requests that arrived.
    pub requests: u64,
    /// What they cost, by budget.
    pub quota: BTreeMap<String, u64>,
    /// Requests by status.
    pub by_status: BTreeMap<String, u64>,
    /// Requests by path with numbers and names taken out, or by GraphQL operation.
    pub by_endpoint: BTreeMap<String, u64>,
    /// Bytes of bodies sent.
    pub bytes: u64,
}

impl Usage {
    pub(crate) fn of(log: &[Request]) -> Self {
        let mut usage = Self::default();
        for request in log {
            usage.requests += 1;
            usage.bytes += request.bytes as u64;
            *usage.quota.entry(request.resource.to_owned()).or_default() += request.cost;
            *usage.by_status.entry(request.status.to_string()).or_default() += 1;
            *usage.by_endpoint.entry(endpoint(request)).or_default() += 1;
        }
        usage
    }

    /// What was spent of all budgets together.
    pub fn points(&self) -> u64 {
        self.quota.values().sum()
    }
}

fn endpoint(request: &Request) -> String {
    if let Some(operation) = &request.operation {
        return format!("GraphQL {operation}");
    }
    let parts: Vec<&str> = request.path.split('/').collect();
    let is_id = |part: &str| {
        part.len() >= 7 && part.bytes().any(|byte| byte.is_ascii_digit())
            || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut shown: Vec<&str> =
        parts.iter().map(|&part| if is_id(part) { "{}" } else { part }).collect();
    match parts.get(1) {
        Some(&"repos") if shown.len() > 3 => (shown[2], shown[3]) = ("{}", "{}"),
        Some(&("incidents" | "orgs")) if shown.len() > 2 && shown[2] != "custom_fields" => {
            shown[2] = "{}";
        }
        _ => {}
    }
    format!("{} {}", request.method, shown.join("/"))
}
