//! One attempt: a request out, a bounded answer in.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::{Limits, OutboundError};

/// Bodies of refusals are read no further than this: enough for the vendor's message.
const REFUSAL_BODY: usize = 64 << 10;

/// The connection pool of one origin.
#[derive(Debug)]
pub(super) struct Wire {
    http: reqwest::Client,
    limits: Limits,
}

/// An answer that came to its end.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why no answer came to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It may go better next time.
    Transient { status: Option<StatusCode>, reason: String },
    /// It was too large to read.
    TooLarge,
}

impl Wire {
    pub(super) fn new(limits: Limits) -> Result<Self, OutboundError> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("engkpi/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(limits.connect_timeout)
            .read_timeout(limits.read_timeout)
            .build()
            .map_err(|error| {
                let why = chain(&error.without_url());
                OutboundError::Unusable(format!(
                    "no TLS client can be built on this machine: {why}"
                ))
            })?;
        Ok(Self { http, limits })
    }

    /// Sends and reads to the end, within the total deadline and the body's bound.
    pub(super) async fn attempt(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Received, Broken> {
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        tokio::time::timeout(self.limits.total_timeout, self.exchange(request))
            .await
            .unwrap_or_else(|_| {
                let reason = format!("no complete answer within {:?}", self.limits.total_timeout);
                Err(Broken::Transient { status: None, reason })
            })
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Received, Broken> {
        let response = request.send().await.map_err(|error| broken(None, error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = if status.is_success() {
            read(response, self.limits.max_body).await?.ok_or(Broken::TooLarge)?
        } else {
            // A refusal counts even if its body is broken or endless.
            read(response, REFUSAL_BODY).await.ok().flatten().unwrap_or_default()
        };
        Ok(Received { status, headers, body })
    }
}

/// The decompressed body, or nothing if it is larger than `bound`.
async fn read(response: reqwest::Response, bound: usize) -> Result<Option<Bytes>, Broken> {
    let status = response.status();
    let mut body = BytesMut::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| broken(Some(status), error))?;
        if body.len() + piece.len() > bound {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

fn broken(status: Option<StatusCode>, error: reqwest::Error) -> Broken {
    // The address, whose query may hold anything, stays out of the message.
    Broken::Transient { status, reason: chain(&error.without_url()) }
}

/// The message of an error with those of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
