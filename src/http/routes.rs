//! The routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, TextEncoder};
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use super::State;
use super::metrics::Exposition;
use crate::kpi::evaluation::{Evaluation, Explanation, Scope};
use crate::kpi::window::Window;
use crate::kpi::{self, Kpi};
use crate::output::{json, page};

/// How long a request may take; an explanation of a large organisation is the slowest.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn router(state: State) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/style.css", get(style))
        .route("/kpis/{kpi}/explain", get(explain_page))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/api/v1/kpis", get(kpis))
        .route("/api/v1/kpis/{kpi}", get(one_kpi))
        .route("/api/v1/kpis/{kpi}/explain", get(explain_json))
        .with_state(state)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, DEADLINE))
        .layer(CatchPanicLayer::new())
        .layer(set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'"))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
}

fn set(name: header::HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// What went wrong with a request, as JSON for programs and readable for people.
enum Refusal {
    NotReady,
    NotFound(String),
    BadRequest(String),
    Busy,
    Failed(anyhow::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotReady => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not evaluated yet: the stored data is being loaded".to_owned(),
            ),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, what),
            Self::BadRequest(what) => (StatusCode::BAD_REQUEST, what),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "another explanation is being derived: try again in a moment".to_owned(),
            ),
            Self::Failed(error) => {
                tracing::error!("a request failed: {error:#}");
                (StatusCode::INTERNAL_SERVER_ERROR, "the evaluation failed: see the log".to_owned())
            }
        };
        (status, axum::Json(serde_json::json!({ "error": message }))).into_response()
    }
}

fn current(state: &State) -> Result<Arc<Exposition>, Refusal> {
    state.exposition.borrow().clone().ok_or(Refusal::NotReady)
}

async fn ready(Shared(state): Shared<State>) -> Result<&'static str, Refusal> {
    current(&state).map(|_| "ready\n")
}

/// The daemon's own series are there from the start; those of the KPIs once they were evaluated.
async fn metrics(Shared(state): Shared<State>, request: HeaderMap) -> Response {
    let mut own = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&state.telemetry.gather(), &mut own) {
        return Refusal::Failed(error.into()).into_response();
    }
    let exposition = state.exposition.borrow().clone();
    let content_type = [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)];
    match exposition {
        None => (content_type, own).into_response(),
        Some(exposition) if accepts_gzip(&request) => {
            let encoding = [(header::CONTENT_ENCODING, "gzip"), (header::VARY, "accept-encoding")];
            (content_type, encoding, Body::new(exposition.gzip(&own))).into_response()
        }
        Some(exposition) => (content_type, Body::new(exposition.plain(own))).into_response(),
    }
}

/// Whether the client asks for gzip and does not refuse it with `q=0`.
fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let weight = parts.find_map(|it| it.strip_prefix("q=")).map(str::parse::<f64>);
            gzip && !weight.is_some_and(|it| it.is_ok_and(|weight| weight == 0.0))
        })
}

async fn landing(Shared(state): Shared<State>) -> Response {
    let evaluation = state.exposition.borrow().as_ref().map(|it| Arc::clone(&it.evaluation));
    Html(page::landing(evaluation.as_deref())).into_response()
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE)
}

async fn kpis(Shared(state): Shared<State>) -> Result<Response, Refusal> {
    Ok(axum::Json(json::kpis(&current(&state)?.evaluation)).into_response())
}

async fn one_kpi(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let kpi = find(&id)?;
    Ok(axum::Json(json::kpi(&current(&state)?.evaluation, kpi)).into_response())
}

/// Which number to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    team: Option<String>,
    service: Option<String>,
    window: Option<String>,
}

async fn explain_json(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    explain(&state, &id, which, |it| axum::Json(json::explanation(&it)).into_response()).await
}

async fn explain_page(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Refusal> {
    explain(&state, &id, which, |it| Html(page::explanation(&it)).into_response()).await
}

/// Derives a number of the published evaluation again, with its items, and renders it.
async fn explain(
    state: &State,
    id: &str,
    which: Which,
    render: impl FnOnce(Explanation) -> Response + Send + 'static,
) -> Result<Response, Refusal> {
    let kpi = find(id)?;
    let published = current(state)?;
    let evaluator = state.evaluator.get().ok_or(Refusal::NotReady)?;
    let scope = scope(&published.evaluation, &which)?;
    let window = which.window.as_deref().unwrap_or(kpi.default_window);
    let window = Window::parse(window).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let turn = Arc::clone(&state.explaining).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let as_of = published.evaluation.as_of_part(kpi, scope);
    // The turn goes with the work, which nobody stops when the client goes away.
    let rendered = move |explanation| {
        let response = render(explanation);
        drop(turn);
        response
    };
    let explained = evaluator.explain((kpi, scope, window), as_of, rendered).await;
    explained.map_err(Refusal::Failed)
}

fn find(id: &str) -> Result<&'static Kpi, Refusal> {
    kpi::find(id).ok_or_else(|| {
        let known: Vec<&str> = kpi::ALL.iter().map(|kpi| kpi.id).collect();
        Refusal::NotFound(format!("no KPI has the id `{id}`; there are {}", known.join(", ")))
    })
}

fn scope(evaluation: &Evaluation, which: &Which) -> Result<Scope, Refusal> {
    evaluation
        .names
        .scope(which.team.as_deref(), which.service.as_deref())
        .map_err(Refusal::NotFound)
}
