//! GraphQL: queries, their errors, and pages that shrink when they are too heavy.

mod pager;

use http::{HeaderName, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::source::SourceError;
use crate::source::outbound::{Outbound, OutboundError, Request};

pub(super) use pager::{Pager, Trail};

/// The API version that everything in this source was written for.
pub(super) const API_VERSION: (HeaderName, &str) =
    (HeaderName::from_static("x-github-api-version"), "2022-11-28");

/// The media type that GitHub asks for.
pub(super) const MEDIA_TYPE: &str = "application/vnd.github+json";

/// A query with its name. The name tells requests apart in logs and fakes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    /// The operation's name.
    pub(super) operation: &'static str,
    /// The document.
    pub(super) text: &'static str,
}

macro_rules! query {
    ($name:ident = $operation:literal, $($file:literal),+) => {
        #[doc = concat!("The query `", $operation, "`.")]
        pub(super) const $name: Query = Query {
            operation: $operation,
            text: concat!($(include_str!(concat!("queries/", $file, ".graphql"))),+),
        };
    };
}

query!(
    ORGANIZATION_REPOSITORIES = "OrganizationRepositories",
    "organization_repositories",
    "repository_overview.fragment"
);
query!(
    REPOSITORIES_BY_ID = "RepositoriesById",
    "repositories_by_id",
    "repository_overview.fragment"
);
query!(
    REPOSITORY_BY_NAME = "RepositoryByName",
    "repository_by_name",
    "repository_overview.fragment"
);
query!(PULL_REQUESTS = "PullRequests", "pull_requests", "pull_request.fragment");
query!(PULL_REQUESTS_BY_ID = "PullRequestsById", "pull_requests_by_id", "pull_request.fragment");
query!(PULL_REQUEST_REST = "PullRequestRest", "pull_request_rest");
query!(PULL_REQUEST_NUMBERS = "PullRequestNumbers", "pull_request_numbers");
query!(COMMIT_HISTORY = "CommitHistory", "commit_history");
query!(DEPLOYMENTS = "Deployments", "deployments", "deployment.fragment");
query!(DEPLOYMENTS_BY_ID = "DeploymentsById", "deployments_by_id", "deployment.fragment");
query!(DEPLOYMENT_STATUSES = "DeploymentStatuses", "deployment_statuses");
query!(DEPLOYMENT_STATES = "DeploymentStates", "deployment_states");
query!(RELEASES = "Releases", "releases");
query!(ISSUES = "Issues", "issues");
query!(ISSUE_REST = "IssueRest", "issue_rest");
query!(RECORD_HISTORY = "RecordHistory", "record_history");
query!(CHECK_PULLS = "CheckPulls", "check_pulls");
query!(CHECK_ISSUES = "CheckIssues", "check_issues");
query!(CHECK_DEPLOYMENTS = "CheckDeployments", "check_deployments");
query!(CHECK_FOLDER = "CheckFolder", "check_folder");
query!(CHECK_ENVIRONMENT = "CheckEnvironment", "check_environment");

/// A page of a connection whose items are decoded one by one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<T = Box<RawValue>> {
    #[serde(default)]
    pub(super) total_count: Option<u64>,
    #[serde(default)]
    pub(super) page_info: PageInfo,
    #[serde(default = "Vec::new")]
    pub(super) nodes: Vec<Option<T>>,
}

impl<T> Connection<T> {
    /// The items that are there.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.nodes.iter().flatten()
    }

    /// Whether it has items that this token may not see: GitHub shows them as null.
    pub(super) fn is_veiled(&self) -> bool {
        self.nodes.iter().any(Option::is_none)
    }
}

/// Where a page ends.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    #[serde(default)]
    pub(super) has_next_page: bool,
    #[serde(default)]
    pub(super) end_cursor: Option<String>,
}

/// The answer `{ node: … }`.
#[derive(Debug, Deserialize)]
pub(super) struct NodeOf<T> {
    pub(super) node: Option<T>,
}

/// The answer `{ nodes: […] }`, in the order of the ids; what is gone is null.
#[derive(Debug, Deserialize)]
pub(super) struct NodesOf {
    pub(super) nodes: Vec<Option<Box<RawValue>>>,
}

/// An answer, perhaps with holes.
#[derive(Debug)]
pub(super) struct Reply<T> {
    pub(super) data: T,
    /// Something that was asked for could not be answered and is null.
    pub(super) partial: bool,
    /// What the server says about parts that this token may not see, which are null.
    pub(super) refused: Vec<String>,
}

impl<T> Reply<T> {
    /// Whether nothing is left out that it was asked for.
    pub(super) fn is_whole(&self) -> bool {
        !self.partial && self.refused.is_empty()
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// No answer came.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The server gave up on it: a smaller page may do.
    #[error("{operation}: the server could not answer ({message})")]
    TooHeavy { operation: &'static str, message: String },
    /// The thing asked for is not there, or not for this token.
    #[error("{operation}: not found ({message})")]
    NotFound { operation: &'static str, message: String },
    /// The place to continue from is not one that the server knows (any more).
    #[error("{operation}: the page to continue from is refused ({message})")]
    StaleCursor { operation: &'static str, message: String },
    /// The token lacks a permission.
    #[error("{operation}: not authorised ({message})")]
    Forbidden { operation: &'static str, message: String },
    /// The answer has another shape than the schema promises.
    #[error("{operation}: {message}")]
    Malformed { operation: &'static str, message: String },
}

impl QueryError {
    /// Whether a smaller page may get an answer.
    pub(super) fn is_about_size(&self) -> bool {
        match self {
            Self::TooHeavy { .. } => true,
            // Without a status it is the network, which does not mind how long a page is.
            Self::Outbound(OutboundError::Transient { status, .. }) => {
                matches!(*status, Some(StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT))
            }
            // The only bound that a smaller page mends.
            Self::Outbound(OutboundError::Malformed { reason, .. }) => reason.contains("exceeds"),
            _ => false,
        }
    }
}

impl QueryError {
    /// Whether the answer to another question may be better: it is neither the network nor the
    /// token.
    pub(super) fn is_about_the_item(&self) -> bool {
        match self {
            Self::Outbound(error) => concerns_what_is_asked(error),
            Self::Forbidden { .. } => false,
            _ => true,
        }
    }
}

/// Whether a server refuses or fails what it is asked, and may answer another question.
pub(super) fn concerns_what_is_asked(error: &OutboundError) -> bool {
    match error {
        OutboundError::Status { status, .. } => *status != StatusCode::UNAUTHORIZED,
        // 503 is an outage, and no status is the network.
        OutboundError::Transient { status, .. } => {
            status.is_some_and(|it| it != StatusCode::SERVICE_UNAVAILABLE)
        }
        OutboundError::Malformed { .. } | OutboundError::Refused { .. } => true,
        _ => false,
    }
}

impl From<QueryError> for SourceError {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::Outbound(error) => error.into(),
            QueryError::TooHeavy { .. } | QueryError::StaleCursor { .. } => Self::Transient(text),
            QueryError::NotFound { .. } => Self::NotFound(text),
            QueryError::Forbidden { .. } => Self::Unauthorized(text),
            QueryError::Malformed { .. } => Self::Malformed(text),
        }
    }
}

/// How many items a page asks for. It is halved when the server cannot answer, and doubled again
/// after some answers: what was too heavy is often a single item.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    now: u32,
    most: u32,
    answers: u32,
}

impl PageSize {
    /// Answers in a row after which a larger page is tried.
    const CALM: u32 = 8;

    /// Pages of this many items to begin with.
    pub(super) fn of(items: u32) -> Self {
        let most = items.clamp(1, 100);
        Self { now: most, most, answers: 0 }
    }

    /// The present size.
    pub(super) fn get(self) -> u32 {
        self.now
    }

    fn halve(&mut self) -> bool {
        let smaller = self.now > 1;
        (self.now, self.answers) = ((self.now / 2).max(1), 0);
        smaller
    }

    fn answered(&mut self) {
        self.answers += 1;
        if self.answers >= Self::CALM && self.now < self.most {
            (self.now, self.answers) = ((self.now * 2).min(self.most), 0);
        }
    }
}

/// GraphQL over the one client.
#[derive(Clone, Debug)]
pub(super) struct GraphQl {
    outbound: Outbound,
    request: Request,
}

#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    /// Names what a query breaks: this server's schema is another one.
    #[serde(default)]
    code: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    query: &'a str,
    #[serde(rename = "operationName")]
    operation: &'a str,
    variables: &'a Value,
}

impl GraphQl {
    /// GraphQL of the server whose REST API `outbound` talks to.
    pub(super) fn new(outbound: Outbound) -> Self {
        let enterprise = outbound.base().path().trim_end_matches('/').ends_with("/api/v3");
        let request = if enterprise {
            Request::at_origin(["api", "graphql"])
        } else {
            Request::to(["graphql"])
        };
        let (name, version) = API_VERSION;
        let request = request.accept(MEDIA_TYPE).header(name, version).resource("graphql");
        Self { outbound, request }
    }

    /// A trail through a listing of `query`.
    pub(super) fn trail(&self, query: Query) -> Trail {
        Trail::new(query.operation, self.outbound.limits().max_pages)
    }

    /// Asks for a thing that is all there or not there.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        query: Query,
        variables: Value,
    ) -> Result<Reply<T>, QueryError> {
        self.send(query.operation, query.text, &variables, None, false).await
    }

    /// Asks with a document made for the occasion.
    pub(super) async fn ask_with<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        text: &str,
        variables: Value,
    ) -> Result<Reply<T>, QueryError> {
        self.send(operation, text, &variables, None, false).await
    }

    /// Asks for a page, and for a smaller one each time the server cannot answer. A page of one
    /// item that is still too much comes with holes.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        query: Query,
        size: &mut PageSize,
        variables: &Value,
    ) -> Result<Reply<T>, QueryError> {
        let mut patient = false;
        loop {
            let mut variables = variables.clone();
            if let Value::Object(variables) = &mut variables {
                variables.insert("first".into(), json!(size.get()));
            }
            // A page that is too heavy fails again: two attempts tell.
            let last_try = size.get() == 1;
            let attempts = if last_try || patient { None } else { Some(2) };
            let sent = self.send(query.operation, query.text, &variables, attempts, last_try).await;
            match sent {
                Err(error) if error.is_about_size() && size.halve() => {
                    tracing::debug!(%error, size = size.get(), "asking for a smaller page");
                }
                Err(QueryError::Outbound(OutboundError::Transient { .. })) if !patient => {
                    patient = true;
                }
                Ok(reply) => {
                    size.answered();
                    return Ok(reply);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        text: &str,
        variables: &Value,
        attempts: Option<u32>,
        with_holes: bool,
    ) -> Result<Reply<T>, QueryError> {
        let request = match attempts {
            Some(attempts) => self.request.clone().attempts(attempts),
            None => self.request.clone(),
        };
        let body = Body { query: text, operation, variables };
        let page = self.outbound.post_json(&request, &body).await?;
        // Errors first: with them `data` may have any shape.
        let Envelope { data, errors } = page.json::<Envelope<Box<RawValue>>>()?;
        let reading = Reading::of(&errors);
        reading.refuse(operation, data.is_some(), with_holes)?;
        let malformed = |error: serde_json::Error| QueryError::Malformed {
            operation,
            message: format!(
                "the answer has another shape than expected (column {})",
                error.column()
            ),
        };
        let data = data.as_deref().map_or("null", RawValue::get);
        let data = match serde_json::from_str(data) {
            Ok(data) => data,
            // A hole where nothing may be missing.
            Err(_) if reading.failed.is_some() => {
                return Err(QueryError::TooHeavy {
                    operation,
                    message: reading.failed.unwrap_or_default(),
                });
            }
            Err(_) if !reading.forbidden.is_empty() => {
                return Err(QueryError::Forbidden {
                    operation,
                    message: reading.forbidden.join("; "),
                });
            }
            Err(error) => return Err(malformed(error)),
        };
        Ok(Reply { data, partial: reading.failed.is_some(), refused: reading.forbidden })
    }
}

/// The errors of an answer, by what they mean for us.
#[derive(Default)]
struct Reading {
    missing: Option<String>,
    forbidden: Vec<String>,
    failed: Option<String>,
    stale: Option<String>,
    invalid: Option<String>,
}

impl Reading {
    fn of(errors: &[Problem]) -> Self {
        let mut reading = Self::default();
        for error in errors {
            let message = shortened(error.message.as_deref().unwrap_or_default());
            let invalid = error.extensions.as_ref().is_some_and(|it| it.code.is_some());
            match error.kind.as_deref() {
                None if invalid => reading.invalid = Some(message),
                Some("NOT_FOUND") => reading.missing = Some(message),
                Some("INVALID_CURSOR_ARGUMENTS") => reading.stale = Some(message),
                Some("FORBIDDEN" | "INSUFFICIENT_SCOPES" | "SAML") => {
                    reading.forbidden.push(message)
                }
                _ => reading.failed = Some(message),
            }
        }
        reading
    }

    /// The error that the answer amounts to, unless what it has can be used.
    fn refuse(
        &self,
        operation: &'static str,
        has_data: bool,
        with_holes: bool,
    ) -> Result<(), QueryError> {
        if let Some(message) = &self.invalid {
            return Err(QueryError::Malformed {
                operation,
                message: format!("the server refuses the query ({message})"),
            });
        }
        if let Some(message) = &self.stale {
            return Err(QueryError::StaleCursor { operation, message: message.clone() });
        }
        if let Some(message) = &self.failed
            && !(has_data && with_holes)
        {
            return Err(QueryError::TooHeavy { operation, message: message.clone() });
        }
        if has_data {
            return Ok(());
        }
        if !self.forbidden.is_empty() {
            return Err(QueryError::Forbidden { operation, message: self.forbidden.join("; ") });
        }
        match &self.missing {
            Some(message) => Err(QueryError::NotFound { operation, message: message.clone() }),
            None => Ok(()),
        }
    }
}

/// A message of the server on one line, cut to what a log line bears.
fn shortened(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// `{name: value, …}` without the nulls.
pub(super) fn variables<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(kinds: &[Option<&str>]) -> Vec<Problem> {
        let problem = |kind: &Option<&str>| Problem {
            kind: kind.map(str::to_owned),
            message: Some("words".to_owned()),
            extensions: None,
        };
        kinds.iter().map(problem).collect()
    }

    fn verdict(kinds: &[Option<&str>], has_data: bool, with_holes: bool) -> &'static str {
        match Reading::of(&problems(kinds)).refuse("Op", has_data, with_holes) {
            Ok(()) => "used",
            Err(QueryError::TooHeavy { .. }) => "smaller",
            Err(QueryError::NotFound { .. }) => "missing",
            Err(QueryError::Forbidden { .. }) => "forbidden",
            Err(QueryError::StaleCursor { .. }) => "start again",
            Err(_) => "other",
        }
    }

    #[test]
    fn an_answer_with_errors_is_used_only_where_the_holes_are_understood() {
        for (kinds, has_data, with_holes, expected) in [
            (&[][..], true, false, "used"),
            (&[Some("NOT_FOUND")], true, false, "used"),
            (&[Some("NOT_FOUND")], false, false, "missing"),
            (&[Some("FORBIDDEN")], true, false, "used"),
            (&[Some("FORBIDDEN"), Some("NOT_FOUND")], false, false, "forbidden"),
            (&[None], true, false, "smaller"),
            (&[None], true, true, "used"),
            (&[None], false, true, "smaller"),
            (&[Some("RESOURCE_LIMITS_EXCEEDED")], true, false, "smaller"),
            (&[Some("INVALID_CURSOR_ARGUMENTS")], true, true, "start again"),
            (&[Some("MAX_NODE_LIMIT_EXCEEDED"), Some("NOT_FOUND")], false, false, "smaller"),
        ] {
            assert_eq!(verdict(kinds, has_data, with_holes), expected, "{kinds:?} {has_data}");
        }
    }

    #[test]
    fn pages_shrink_to_one_item_and_no_further() {
        let mut size = PageSize::of(50);
        let mut sizes = vec![size.get()];
        while size.halve() {
            sizes.push(size.get());
        }
        assert_eq!(sizes, [50, 25, 12, 6, 3, 1]);
    }

    #[test]
    fn pages_grow_again_when_the_server_keeps_answering() {
        let mut size = PageSize::of(50);
        while size.get() > 6 {
            size.halve();
        }
        let mut sizes = Vec::new();
        for _ in 0..4 * PageSize::CALM {
            sizes.push(size.get());
            size.answered();
        }
        sizes.dedup();
        assert_eq!(sizes, [6, 12, 24, 48]);
        size.answered();
        (0..PageSize::CALM).for_each(|_| size.answered());
        assert_eq!(size.get(), 50, "and no further than they began");
    }
}
