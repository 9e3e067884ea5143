//! What is asked: what time it is, how a query went over a range, and which rules there are.

use chrono::{DateTime, TimeDelta};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

use super::rules::Groups;
use super::wire::{Envelope, Matrix, Scalar, Series};
use crate::domain::Instant;
use crate::source::SourceError;
use crate::source::outbound::{Outbound, OutboundError, Page, Request};

/// Prometheus's HTTP API, version 1, for queries.
#[derive(Debug)]
pub(super) struct Api {
    http: Outbound,
    tenant: Option<HeaderValue>,
}

/// The times of a range query, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Instant,
    pub(super) end: Instant,
    pub(super) step: TimeDelta,
}

/// Why a query has no answer to use.
#[derive(Debug)]
pub(super) enum QueryError {
    /// The server could not do so much at once; over a shorter range it may.
    TooMuch(SourceError),
    /// It will not go better.
    Failed(SourceError),
}

impl QueryError {
    pub(super) fn into_source(self) -> SourceError {
        match self {
            Self::TooMuch(error) | Self::Failed(error) => error,
        }
    }
}

/// What a range query showed.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) series: Vec<Series>,
    /// Points that were no count.
    pub(super) odd: u64,
}

impl Answered {
    /// Of what only grows: a point below nothing is no count.
    pub(super) fn growing(mut self) -> Self {
        for series in &mut self.series {
            let before = series.points.len();
            series.points.retain(|_, value| *value >= 0.0);
            self.odd += (before - series.points.len()) as u64;
        }
        self
    }
}

impl Api {
    pub(super) fn new(http: Outbound, tenant: Option<HeaderValue>) -> Self {
        Self { http, tenant }
    }

    /// How many requests may be under way at a time.
    pub(super) fn concurrency(&self) -> usize {
        self.http.limits().max_in_flight
    }

    /// The server's own time.
    pub(super) async fn now(&self) -> Result<Instant, SourceError> {
        let page = self.post("query", &[("query", "time()".to_owned())]).await?;
        let scalar: Scalar = whole(&page)?;
        let millis = scalar.result.1.parse::<f64>().ok().filter(|it| it.abs() < 1e11);
        millis
            .and_then(|seconds| DateTime::from_timestamp_millis((seconds * 1000.0) as i64))
            .ok_or_else(|| page.unexpected("the server's time is no time").into())
    }

    /// The values of `query` over a range, by the label `key`.
    pub(super) async fn range(
        &self,
        query: &str,
        range: Range,
        key: &str,
    ) -> Result<Answered, QueryError> {
        let seconds = |at: Instant| at.timestamp().to_string();
        let fields = [
            ("query", query.to_owned()),
            ("start", seconds(range.start)),
            ("end", seconds(range.end)),
            ("step", range.step.num_seconds().to_string()),
            // Thanos and VictoriaMetrics rather fail than leave something out unsaid.
            ("partial_response", "false".to_owned()),
            ("deny_partial_response", "1".to_owned()),
        ];
        let page = self.post("query_range", &fields).await.map_err(of_query)?;
        answered(&page, key)
    }

    /// The values of `query` at `at`, by the label `key`.
    pub(super) async fn instant(
        &self,
        query: &str,
        at: Instant,
        key: &str,
    ) -> Result<Answered, QueryError> {
        let fields = [
            ("query", query.to_owned()),
            ("time", at.timestamp().to_string()),
            ("partial_response", "false".to_owned()),
            ("deny_partial_response", "1".to_owned()),
        ];
        let page = self.post("query", &fields).await.map_err(of_query)?;
        answered(&page, key)
    }

    /// The alerting rules. `None` from a server that knows no such question: a store may leave rules
    /// to another program.
    pub(super) async fn rules(&self) -> Result<Option<Groups>, SourceError> {
        let request = self.request("rules").query("type", "alert").query("exclude_alerts", "true");
        match self.http.get(&request).await {
            Ok(page) => whole(&page).map(Some),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn post(&self, what: &str, fields: &[(&str, String)]) -> Result<Page, OutboundError> {
        self.http.post_form(&self.request(what), fields).await
    }

    fn request(&self, what: &str) -> Request {
        let mut request = Request::to(["api", "v1", what]).attempts(3);
        if let Some(tenant) = &self.tenant {
            let name = HeaderName::from_static("x-scope-orgid");
            request = request.header_value(name, tenant.clone());
        }
        request
    }
}

/// Whether the server does not know what was asked of it.
fn is_unknown(error: &OutboundError) -> bool {
    matches!(
        error.status(),
        Some(
            StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_IMPLEMENTED
        )
    )
}

fn answered(page: &Page, key: &str) -> Result<Answered, QueryError> {
    let matrix: Matrix = whole(page).map_err(QueryError::Failed)?;
    match matrix.series(key) {
        Ok((series, odd)) => Ok(Answered { series, odd }),
        Err(unusable) => Err(QueryError::Failed(page.unexpected(unusable.words()).into())),
    }
}

/// Whether less may be answered where this failed: 422 is too many samples (or a query that can
/// never work), 503 and 504 a query that took too long, 413 and a body beyond the bound too much.
fn of_query(error: OutboundError) -> QueryError {
    let too_much = match &error {
        OutboundError::Malformed { .. } => true,
        other => matches!(
            other.status(),
            Some(
                StatusCode::UNPROCESSABLE_ENTITY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
                    | StatusCode::PAYLOAD_TOO_LARGE
            )
        ),
    };
    let error = error.into();
    if too_much { QueryError::TooMuch(error) } else { QueryError::Failed(error) }
}

/// The data of an answer from which nothing is missing. One that says that it is not whole would
/// make numbers too small, so it is no answer.
fn whole<T: DeserializeOwned>(page: &Page) -> Result<T, SourceError> {
    let envelope: Envelope<T> = page.json()?;
    if envelope.status != "success" {
        return Err(page.unexpected("its status is not success").into());
    }
    // Since 3.0 Prometheus also comments on a query this way; then nothing is missing.
    let mut missing = envelope.warnings.iter().filter(|it| !it.starts_with("PromQL "));
    if let Some(first) = missing.next() {
        let words: String =
            first.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        return Err(SourceError::Transient(format!("answered only in part: {words}")));
    }
    if envelope.is_partial {
        return Err(SourceError::Transient("answered only in part".to_owned()));
    }
    envelope.data.ok_or_else(|| page.unexpected("it has no data").into())
}
