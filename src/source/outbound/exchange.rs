//! From a request to a complete answer: waits, attempts, redirects, renewal of the credential.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::IgnoredAny;
use url::Url;

use super::answer::{ends_early, next_link, where_it_fails};
use super::auth::digest;
use super::budget::{Budget, Permit, Wait};
use super::wire::{Broken, Received, Wire};
use super::{Environment, Limits, Options, OutboundError, Page, Request, origin};
use crate::domain::SourceName;
use crate::store::Validator;

/// Everything behind a client.
#[derive(Debug)]
pub(super) struct Core {
    options: Options,
    environment: Environment,
    wire: Wire,
    budget: Arc<Budget>,
    /// Minting has a budget of its own: it must not wait for the requests that wait for it.
    minting: Arc<Budget>,
}

/// A request with everything that decides how it goes out.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) method: Method,
    pub(super) request: &'a Request,
    pub(super) body: Option<Body>,
    pub(super) known: Option<&'a Validator>,
    pub(super) credential: Credential,
}

/// What a request sends.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) media_type: HeaderValue,
}

/// Whose credential a request carries.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// The client's own.
    Own,
    /// That with which a token is minted.
    Minting(HeaderValue),
}

/// What came of an order.
#[derive(Debug)]
pub(super) enum Outcome {
    Page(Box<Page>),
    NotModified(HeaderMap),
}

/// Lets an [`super::Authenticator`] ask the vendor for a token.
#[derive(Debug)]
pub struct Exchange<'a>(&'a Core);

impl Exchange<'_> {
    /// Sends `body` as JSON with `authorization` instead of the client's own credential.
    pub async fn post_json(
        &self,
        request: &Request,
        body: &(impl Serialize + Sync),
        mut authorization: HeaderValue,
    ) -> Result<Page, OutboundError> {
        authorization.set_sensitive(true);
        let order = Order {
            method: Method::POST,
            request,
            body: Some(self.0.encode(body)?),
            known: None,
            credential: Credential::Minting(authorization),
        };
        match Box::pin(self.0.perform(order)).await? {
            Outcome::Page(page) => Ok(*page),
            Outcome::NotModified(_) => Err(self.0.unasked_304(&Method::POST, request)),
        }
    }
}

/// How far one order has come.
struct Progress {
    url: Url,
    attempts: u32,
    redirects: u32,
    limit_hits: u32,
    renewed: bool,
    pauses: backon::ExponentialBackoff,
}

/// What to do after an attempt.
enum Step {
    Done(Outcome),
    Again,
    AgainAfter(Duration),
}

impl Core {
    pub(super) fn new(options: Options, environment: &Environment) -> Result<Self, OutboundError> {
        origin::check_base(&options.base, options.limits.allow_plain_http)?;
        let key = digest(&[options.auth.identity(), &origin::shown(&options.base)]);
        let budgets = &environment.budgets;
        Ok(Self {
            wire: Wire::new(options.limits.clone())?,
            minting: budgets.get(format!("{key} minting"), &options.limits),
            budget: budgets.get(key, &options.limits),
            environment: environment.clone(),
            options,
        })
    }

    pub(super) fn base(&self) -> &Url {
        &self.options.base
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    pub(super) fn source(&self) -> &SourceName {
        &self.options.source
    }

    pub(super) fn encode(&self, body: &impl Serialize) -> Result<Body, OutboundError> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            OutboundError::Unusable(format!("the body cannot be sent: {error}"))
        })?;
        let media_type = HeaderValue::from_static("application/json");
        Ok(Body { bytes: bytes.into(), media_type })
    }

    pub(super) fn encode_form(&self, fields: &[(&str, String)]) -> Body {
        let text =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        Body { bytes: text.into(), media_type }
    }

    pub(super) fn validator_key(&self, url: &Url, request: &Request) -> String {
        let accept = String::from_utf8_lossy(request.accept.as_bytes());
        digest(&["validator", self.options.auth.identity(), url.as_str(), &accept])
    }

    /// A stored validator is used only if all of it can be: a `next` that leaves the origin, or
    /// that is no address, would lose the pages after it.
    pub(super) fn is_usable(&self, known: &Validator) -> bool {
        let legal = |text: &String| HeaderValue::from_str(text).is_ok();
        let within = |next: &String| {
            Url::parse(next).is_ok_and(|next| origin::is_within(self.base(), &next))
        };
        (known.etag.is_some() || known.last_modified.is_some())
            && known.etag.iter().chain(&known.last_modified).all(legal)
            && known.next.iter().all(within)
    }

    /// The address of a request, checked.
    pub(super) fn address(&self, request: &Request) -> Result<Url, OutboundError> {
        let url = request.url(self.base())?;
        self.check(&url, || named(&Method::GET, &url))?;
        Ok(url)
    }

    /// An address that the answer to a request for `at` gave, checked.
    pub(super) fn resolve(
        &self,
        at: &Url,
        given: &str,
        method: &Method,
    ) -> Result<Url, OutboundError> {
        let mut url = at.join(given).map_err(|_| OutboundError::Malformed {
            request: named(method, at),
            reason: "the server points to something that is no address".into(),
        })?;
        url.set_fragment(None);
        self.check(&url, || named(method, at))?;
        Ok(url)
    }

    fn check(&self, url: &Url, request: impl Fn() -> String) -> Result<(), OutboundError> {
        if origin::is_within(self.base(), url) {
            return Ok(());
        }
        let telemetry = &self.environment.telemetry;
        telemetry.source_refused_urls_total.with_label_values(&[self.source().as_str()]).inc();
        Err(OutboundError::Refused { request: request(), to: origin::shown(url) })
    }

    pub(super) fn unasked_304(&self, method: &Method, request: &Request) -> OutboundError {
        let address = request.url(self.base());
        OutboundError::Malformed {
            request: address.map_or_else(|_| method.to_string(), |url| named(method, &url)),
            reason: "304 to a request that was not conditional".into(),
        }
    }

    /// Carries an order out: waits, sends, and sends again where that makes sense.
    pub(super) async fn perform(&self, order: Order<'_>) -> Result<Outcome, OutboundError> {
        let limits = self.limits();
        let mut progress = Progress {
            url: self.address(order.request)?,
            attempts: 0,
            redirects: 0,
            limit_hits: 0,
            renewed: false,
            pauses: ExponentialBuilder::new()
                .with_min_delay(limits.backoff_min)
                .with_max_delay(limits.backoff_max)
                .without_max_times()
                .with_jitter()
                .build(),
        };
        loop {
            let resource = self.options.dialect.resource(order.request.resource);
            let permit = self.admit(self.budget_of(&order), resource).await?;
            let authorization = self.authorization(&order).await?;
            let headers = headers(&order, authorization.as_ref());
            let (method, url) = (order.method.clone(), progress.url.clone());
            let body = order.body.as_ref().map(|body| body.bytes.clone());
            let attempt = self.wire.attempt(method, url, headers, body).await;
            self.count(&attempt);
            match self.judge(&order, &mut progress, attempt, permit, authorization.as_ref()).await?
            {
                Step::Done(outcome) => return Ok(outcome),
                Step::Again => {}
                Step::AgainAfter(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    fn budget_of(&self, order: &Order<'_>) -> &Budget {
        match order.credential {
            Credential::Own => &self.budget,
            Credential::Minting(_) => &self.minting,
        }
    }

    /// Waits until a request may be sent; a wait that is too long to sleep is an error.
    async fn admit(
        &self,
        budget: &Budget,
        resource: &'static str,
    ) -> Result<Permit, OutboundError> {
        loop {
            let Wait { whole, asked } = match budget.admit(resource).await {
                Ok(permit) => return Ok(permit),
                Err(wait) => wait,
            };
            if whole > self.limits().max_sleep {
                return Err(self.rate_limited(whole));
            }
            self.environment
                .telemetry
                .source_rate_limit_wait_seconds_total
                .with_label_values(&[self.source().as_str()])
                .inc_by(asked.as_secs_f64());
            tokio::time::sleep(whole).await;
        }
    }

    fn rate_limited(&self, wait: Duration) -> OutboundError {
        let wait = chrono::TimeDelta::from_std(wait).unwrap_or(chrono::TimeDelta::hours(1));
        OutboundError::RateLimited { until: self.environment.clock.now() + wait }
    }

    async fn authorization(&self, order: &Order<'_>) -> Result<Option<HeaderValue>, OutboundError> {
        match &order.credential {
            Credential::Own => self.options.auth.authorization(&Exchange(self)).await,
            Credential::Minting(header) => Ok(Some(header.clone())),
        }
    }

    fn count(&self, attempt: &Result<Received, Broken>) {
        let code = match attempt {
            Ok(received) => received.status.as_str().to_owned(),
            Err(Broken::Transient { status: Some(status), .. }) => status.as_str().to_owned(),
            Err(Broken::Transient { status: None, .. } | Broken::TooLarge) => "error".to_owned(),
        };
        let telemetry = &self.environment.telemetry;
        telemetry.source_requests_total.with_label_values(&[self.source().as_str(), &code]).inc();
    }

    /// Decides what an attempt amounts to.
    async fn judge(
        &self,
        order: &Order<'_>,
        progress: &mut Progress,
        attempt: Result<Received, Broken>,
        permit: Permit,
        authorization: Option<&HeaderValue>,
    ) -> Result<Step, OutboundError> {
        let request = named(&order.method, &progress.url);
        let received = match attempt {
            Ok(received) => received,
            Err(Broken::TooLarge) => {
                let reason = format!("the body exceeds {} bytes", self.limits().max_body);
                return Err(OutboundError::Malformed { request, reason });
            }
            Err(Broken::Transient { status, reason }) => {
                return self.retry(order, progress, status, reason);
            }
        };
        let resource = self.options.dialect.resource(order.request.resource);
        if let Some(wait) = self.learn(order, resource, &received, &permit) {
            progress.limit_hits += 1;
            let more = progress.limit_hits < self.limits().limit_hits;
            return if more { Ok(Step::Again) } else { Err(self.rate_limited(wait)) };
        }
        drop(permit);
        match received.status {
            StatusCode::OK | StatusCode::CREATED => self.accept(order, progress, received),
            StatusCode::NOT_MODIFIED => Ok(Step::Done(Outcome::NotModified(received.headers))),
            StatusCode::UNAUTHORIZED
                if matches!(order.credential, Credential::Own) && !progress.renewed =>
            {
                progress.renewed = true;
                if let Some(refused) = authorization
                    && self.options.auth.refused(refused).await
                {
                    return Ok(Step::Again);
                }
                Err(refusal(request, &received, authorization))
            }
            status if status.is_redirection() => {
                self.redirect(order, progress, &received, authorization)
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                let reason = refusal(String::new(), &received, authorization).to_string();
                self.retry(order, progress, Some(status), reason.trim_start_matches(": ").into())
            }
            _ => Err(refusal(request, &received, authorization)),
        }
    }

    /// Hands the budget what an answer says about limits.
    fn learn(
        &self,
        order: &Order<'_>,
        resource: &'static str,
        received: &Received,
        permit: &Permit,
    ) -> Option<Duration> {
        let notice = self.options.dialect.read(
            resource,
            received.status,
            &received.headers,
            &received.body,
            self.environment.clock.now(),
        );
        if let Some(told) = &notice.budget {
            self.environment
                .telemetry
                .source_rate_limit_remaining
                .with_label_values(&[self.source().as_str(), told.resource.unwrap_or("other")])
                .set(told.requests as f64);
        }
        self.budget_of(order).settle(permit, resource, &notice, self.limits())
    }

    fn accept(
        &self,
        order: &Order<'_>,
        progress: &mut Progress,
        received: Received,
    ) -> Result<Step, OutboundError> {
        let request = named(&order.method, &progress.url);
        // A body that was cut off may end without any error on the wire.
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&received.body) {
            let reason = where_it_fails(&error);
            if ends_early(&received.body, &error) {
                return self.retry(order, progress, Some(received.status), reason);
            }
            return Err(OutboundError::Malformed { request, reason });
        }
        let next = next_link(&received.headers)
            .map(|next| self.resolve(&progress.url, &next, &order.method))
            .transpose()?;
        let validator = (order.method == Method::GET && received.status == StatusCode::OK)
            .then(|| self.validator(order, &received.headers, next.as_ref()))
            .transpose()?
            .flatten();
        Ok(Step::Done(Outcome::Page(Box::new(Page {
            body: received.body,
            next,
            validator,
            headers: received.headers,
            request,
        }))))
    }

    fn validator(
        &self,
        order: &Order<'_>,
        headers: &HeaderMap,
        next: Option<&Url>,
    ) -> Result<Option<Validator>, OutboundError> {
        /// Longer ones are not worth their place in the store.
        const LONGEST: usize = 512;
        let text = |name| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= LONGEST).then(|| text.to_owned())
        };
        let (etag, last_modified) = (text(header::ETAG), text(header::LAST_MODIFIED));
        if etag.is_none() && last_modified.is_none() {
            return Ok(None);
        }
        let key = self.validator_key(&self.address(order.request)?, order.request);
        Ok(Some(Validator { key, etag, last_modified, next: next.map(Url::to_string) }))
    }

    /// Follows a redirect within the origin. Those that would turn a POST into a GET are refusals.
    fn redirect(
        &self,
        order: &Order<'_>,
        progress: &mut Progress,
        received: &Received,
        authorization: Option<&HeaderValue>,
    ) -> Result<Step, OutboundError> {
        let request = named(&order.method, &progress.url);
        let followed = match received.status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => order.method == Method::GET,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => false,
        };
        let location = received.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|_| followed) else {
            return Err(refusal(request, received, authorization));
        };
        progress.url = self.resolve(&progress.url, location, &order.method)?;
        progress.redirects += 1;
        if progress.redirects > self.limits().max_redirects {
            let reason = format!("more than {} redirects", self.limits().max_redirects);
            return Err(OutboundError::Malformed { request, reason });
        }
        Ok(Step::Again)
    }

    fn retry(
        &self,
        order: &Order<'_>,
        progress: &mut Progress,
        status: Option<StatusCode>,
        reason: String,
    ) -> Result<Step, OutboundError> {
        let request = named(&order.method, &progress.url);
        progress.attempts += 1;
        if progress.attempts >= order.request.attempts.unwrap_or(self.limits().attempts) {
            return Err(OutboundError::Transient { request, status, reason });
        }
        tracing::debug!(source = %self.source(), request, reason, "asking again");
        Ok(Step::AgainAfter(progress.pauses.next().unwrap_or(self.limits().backoff_max)))
    }
}

/// Method and path, for messages: never the query.
fn named(method: &Method, url: &Url) -> String {
    format!("{method} {}", url.path())
}

fn headers(order: &Order<'_>, authorization: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &order.request.headers {
        headers.insert(name, value.clone());
    }
    headers.insert(header::ACCEPT, order.request.accept.clone());
    if let Some(authorization) = authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    if let Some(body) = &order.body {
        headers.insert(header::CONTENT_TYPE, body.media_type.clone());
    }
    if let Some(known) = order.known {
        let conditions = [
            (header::IF_NONE_MATCH, &known.etag),
            (header::IF_MODIFIED_SINCE, &known.last_modified),
        ];
        for (name, value) in conditions {
            if let Some(value) = value
                && let Ok(value) = HeaderValue::from_str(value)
            {
                headers.insert(name, value);
            }
        }
    }
    headers
}

/// A refusal with the vendor's words, if it used any: shortened, on one line, without the token.
fn refusal(
    request: String,
    received: &Received,
    authorization: Option<&HeaderValue>,
) -> OutboundError {
    OutboundError::Status {
        status: received.status,
        request,
        message: message(&received.body, authorization),
    }
}

fn message(body: &[u8], authorization: Option<&HeaderValue>) -> String {
    const LONGEST: usize = 200;
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) else { return String::new() };
    let error = body.get("error");
    let words = body.get("message").or_else(|| error?.get("message")).or(error);
    let mut words = words.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    if let Some(authorization) = authorization {
        let secret = String::from_utf8_lossy(authorization.as_bytes());
        let secret = secret.split_once(' ').map_or(&*secret, |(_, token)| token);
        words = words.replace(secret.strip_prefix("token=").unwrap_or(secret), "***");
    }
    let line = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST).collect()
}
