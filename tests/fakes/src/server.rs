//! The wire: one fake on one loopback port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request as HttpRequest, State as AxumState};
use axum::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::connection::{FakeListener, Kill};
use crate::fault::{Action, Fault, Faults};
use crate::log::{Credential, Request, Usage};
use crate::time::Instant;
use crate::world::World;

/// A world that fakes and tests share.
pub type SharedWorld = Arc<RwLock<World>>;

/// What tests may want to change about the vendors' behaviour.
#[derive(Clone, Debug)]
pub struct Settings {
    /// GitHub REST requests an hour.
    pub core_limit: u64,
    /// GraphQL points an hour.
    pub graphql_limit: u64,
    /// What GitHub answers when a primary limit is used up: 403 or 429.
    pub rate_limit_status: u16,
    /// PagerDuty requests a minute.
    pub pagerduty_per_minute: u64,
    /// PagerDuty's 429 comes without headers and without a body.
    pub pagerduty_bare_429: bool,
    /// `Link` points at `/repositories/{id}/…` as the vendor's does, not at the request's path.
    pub links_by_id: bool,
    /// GitHub's silent cap of `per_page`.
    pub max_per_page: usize,
    /// A GraphQL connection that the token may not see is refused as a whole, which makes its
    /// repository null, instead of having only null nodes.
    pub refuses_connections: bool,
    /// Most workflow runs that a filtered list reaches.
    pub runs_cap: usize,
    /// Most commits of a pull request.
    pub pull_commits_cap: usize,
    /// Highest `offset + limit` of PagerDuty.
    pub pagerduty_max_offset: u64,
    /// Longest window of PagerDuty, in days.
    pub pagerduty_max_days: i64,
    /// Time that every answer takes on top.
    pub latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            core_limit: 5000,
            graphql_limit: 5000,
            rate_limit_status: 403,
            pagerduty_per_minute: 960,
            pagerduty_bare_429: false,
            links_by_id: true,
            max_per_page: 100,
            refuses_connections: false,
            runs_cap: 1000,
            pull_commits_cap: 250,
            pagerduty_max_offset: 10_000,
            pagerduty_max_days: 184,
            latency: Duration::ZERO,
        }
    }
}

/// A request on its way to a vendor.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Below the API's base.
    pub(crate) path: String,
    /// Of the address, then of a form.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// Base of the API's own links.
    pub(crate) base: String,
    pub(crate) now: Instant,
    pub(crate) settings: Settings,
}

impl Call {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of an array parameter, written with brackets.
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        let bracketed = self.query.iter().filter(|(key, _)| key.strip_suffix("[]") == Some(name));
        bracketed.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The path's segments, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        let trimmed = self.path.trim_matches('/');
        trimmed.split('/').filter(|part| !part.is_empty()).map(decode).collect()
    }
}

fn decode(part: &str) -> String {
    let joined = format!("x={}", part.replace('+', "%2B"));
    url::form_urlencoded::parse(joined.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// An answer before it is put on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) cost: u64,
    pub(crate) resource: &'static str,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body), cost: 0, resource: "none" }
    }

    pub(crate) fn set_header(&mut self, name: &str, value: String) {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value));
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_header(name, value.into());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.body.as_ref().map_or_else(Vec::new, |body| body.to_string().into_bytes())
    }
}

/// One vendor's API.
pub(crate) trait Vendor: Send + Sync + 'static {
    /// Answers one call from the world.
    fn answer(&self, world: &World, call: &Call) -> Reply;

    /// Forgets used-up budgets.
    fn forget(&self);
}

struct State {
    world: SharedWorld,
    vendor: Box<dyn Vendor>,
    settings: Mutex<Settings>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Request>>,
}

/// Longest log that is kept; a sample that runs for weeks must not grow.
const LOG_LIMIT: usize = 200_000;

/// A running fake. It stops when it is dropped.
pub struct Fake {
    state: Arc<State>,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    pub(crate) async fn start(world: SharedWorld, vendor: Box<dyn Vendor>) -> Self {
        let listener = FakeListener::bind().await;
        let address = listener.address();
        let state = Arc::new(State {
            world,
            vendor,
            settings: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&state));
        let service = router.into_make_service_with_connect_info::<Kill>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                panic!("the fake's listener failed: {error}");
            }
        });
        Self { state, address, task }
    }

    /// Where it listens, for example `http://127.0.0.1:41234/`.
    ///
    /// # Panics
    /// Never: a socket address makes a valid URL.
    pub fn url(&self) -> url::Url {
        url::Url::parse(&format!("http://{}/", self.address)).expect("an address makes a URL")
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.state.settings));
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        lock(&self.state.faults).rules.push(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        *lock(&self.state.faults) = Faults::default();
    }

    /// Everything that it was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.log).clone()
    }

    /// The requests whose `METHOD /path?query Operation` contains `text`.
    pub fn requests_to(&self, text: &str) -> Vec<Request> {
        let log = lock(&self.state.log);
        log.iter().filter(|request| request.target().contains(text)).cloned().collect()
    }

    /// Forgets what it was asked.
    pub fn clear_requests(&self) {
        lock(&self.state.log).clear();
    }

    /// Sums over what it was asked.
    pub fn usage(&self) -> Usage {
        Usage::of(&lock(&self.state.log))
    }

    /// What was spent of all its budgets since [`Fake::clear_requests`].
    pub fn quota_used(&self) -> u64 {
        self.usage().points()
    }

    /// Gives every token a full budget again.
    pub fn refill(&self) {
        self.state.vendor.forget();
    }
}

async fn serve(
    AxumState(state): AxumState<Arc<State>>,
    ConnectInfo(kill): ConnectInfo<Kill>,
    request: HttpRequest,
) -> Response<Body> {
    let received = std::time::Instant::now();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 * 1024 * 1024).await.unwrap_or_default();
    let full = parts.uri.path();
    if let Some(control) = full.strip_prefix("/__fake/") {
        return control_answer(&state, control);
    }
    let (path, prefix) = split_prefix(full);
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let settings = lock(&state.settings).clone();
    let mut fields: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let media_type = parts.headers.get("content-type").map(HeaderValue::as_bytes);
    if media_type == Some(b"application/x-www-form-urlencoded") {
        fields.extend(url::form_urlencoded::parse(&body).into_owned());
    }
    let call = Call {
        method: parts.method.to_string(),
        path: path.to_owned(),
        query: fields,
        base: format!("http://{host}{prefix}"),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        now: read(&state.world).now.instant(),
        settings,
    };
    if !call.settings.latency.is_zero() {
        tokio::time::sleep(call.settings.latency).await;
    }
    let mut entry = entry_of(&call, received);
    let action = lock(&state.faults).find(&entry);
    entry.faulted = action.is_some();
    if let Some(Action::Delay(time)) = &action {
        tokio::time::sleep(*time).await;
    }
    let url = format!("http://{host}{}", parts.uri);
    let reply = spoiled_answer(&state, &call, action.as_ref(), &url);
    let bytes = reply.bytes();
    (entry.status, entry.cost, entry.resource) = (reply.status, reply.cost, reply.resource);
    entry.bytes = bytes.len();
    if matches!(action, Some(Action::Reset)) {
        entry.status = 0;
        kill.kill();
    }
    write(&state, entry);
    on_the_wire(&reply, bytes, action)
}

fn read(world: &SharedWorld) -> std::sync::RwLockReadGuard<'_, World> {
    world.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(state: &State, entry: Request) {
    let mut log = lock(&state.log);
    if log.len() >= LOG_LIMIT {
        log.drain(..LOG_LIMIT / 2);
    }
    log.push(entry);
}

/// Enterprise servers serve REST below `/api/v3` and GraphQL at `/api/graphql`.
fn split_prefix(path: &str) -> (&str, &'static str) {
    if path == "/api/graphql" {
        return ("/graphql", "/api/v3");
    }
    match path.strip_prefix("/api/v3") {
        Some("") => ("/", "/api/v3"),
        Some(rest) if rest.starts_with('/') => (rest, "/api/v3"),
        _ => (path, ""),
    }
}

fn entry_of(call: &Call, received: std::time::Instant) -> Request {
    let authorised = call.headers.contains_key("authorization");
    let headers = call.headers.iter().filter(|(name, _)| name.as_str() != "authorization");
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        method: call.method.clone(),
        path: call.path.clone(),
        query: call.query.clone(),
        operation: crate::graphql::operation_name(&call.path, &call.body),
        variables: call.body.get("variables").cloned().unwrap_or(Value::Null),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        credential: if authorised { Credential::Present } else { Credential::Absent },
        status: 0,
        cost: 0,
        resource: "none",
        bytes: 0,
        received,
        faulted: false,
    }
}

fn spoiled_answer(state: &State, call: &Call, action: Option<&Action>, url: &str) -> Reply {
    if let Some(Action::Answer { status, headers, body }) = action {
        let mut reply = Reply::json(*status, body.clone());
        reply.headers.clone_from(headers);
        return reply;
    }
    let mut reply = state.vendor.answer(&read(&state.world), call);
    let mut faults = lock(&state.faults);
    match action {
        Some(action) => {
            let variables = call.body.get("variables").and_then(Value::as_object);
            let mut texts = variables.into_iter().flatten().filter_map(|(_, value)| value.as_str());
            let cursor = texts.find(|text| crate::graphql::position(text).is_some());
            faults.change(action, &mut reply, &call.path, url, cursor);
        }
        None => faults.remember(&call.path, &mut reply),
    }
    reply
}

fn on_the_wire(reply: &Reply, bytes: Vec<u8>, action: Option<Action>) -> Response<Body> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    let response = match action {
        Some(Action::Raw { status, content_type, body }) => {
            builder.status(status).header("content-type", content_type).body(Body::from(body))
        }
        Some(Action::GzipBomb(size)) => builder
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(Body::from(crate::connection::gzip_bomb(size))),
        Some(Action::Truncate(at)) => builder
            .header("content-type", "application/json; charset=utf-8")
            .header("content-length", bytes.len())
            .body(cut(bytes, at)),
        _ if bytes.is_empty() => builder.body(Body::empty()),
        _ => builder
            .header("content-type", "application/json; charset=utf-8")
            .body(Body::from(bytes)),
    };
    response.unwrap_or_else(|error| panic!("a fault makes no valid answer: {error}"))
}

/// The first `at` bytes; the connection breaks after them.
fn cut(mut bytes: Vec<u8>, at: usize) -> Body {
    bytes.truncate(at);
    let parts = stream::unfold(Some(bytes), |bytes| async {
        match bytes {
            Some(bytes) => Some((Ok(Bytes::from(bytes)), None)),
            None => {
                // Lets what there is reach the client before the connection is dropped.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(std::io::Error::other("cut by a fault")), None))
            }
        }
    });
    Body::from_stream(parts)
}

/// Control for a parent process: `stats` and `clear`. Not logged.
fn control_answer(state: &State, control: &str) -> Response<Body> {
    let body = match control {
        "stats" => json!(Usage::of(&lock(&state.log))),
        "clear" => {
            lock(&state.log).clear();
            json!({})
        }
        _ => json!({"error": "unknown control"}),
    };
    Response::new(Body::from(body.to_string()))
}
