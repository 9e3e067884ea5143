//! The one outbound HTTP client, under every source.
//!
//! This is the security boundary. A token goes to the configured origin (scheme, host and port)
//! and nowhere else: redirects are followed by hand and only within it, and every address that a
//! server gives us is checked before it is used. Answers are bounded in time and size, waits that
//! a vendor asks for are kept by all tasks that share the token, and no error or log line holds a
//! token or a query string.

mod answer;
mod auth;
mod budget;
mod dialect;
mod error;
mod exchange;
mod limits;
mod origin;
mod pages;
mod request;
mod wire;

use std::sync::Arc;

use http::{HeaderMap, Method};
use serde::Serialize;
use url::Url;

pub use answer::{Answer, Page};
pub use auth::{Anonymous, Authenticator, MintedToken, MintedTokens, Minter, ReferredToken};
pub use budget::Budgets;
pub use dialect::Dialect;
pub use error::OutboundError;
pub use exchange::Exchange;
pub use limits::{Limits, Pace};
pub use pages::Pages;
pub use request::Request;

use crate::clock::Clock;
use crate::domain::SourceName;
use crate::store::{Store, Validator};
use crate::telemetry::Telemetry;
use exchange::{Core, Credential, Order, Outcome};

/// Whom a client talks to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configured source: the label of its metrics, the owner of its validators.
    pub source: SourceName,
    /// The base URL; requests stay within its origin. https, except on loopback.
    pub base: Url,
    /// The vendor's conventions.
    pub dialect: Dialect,
    /// How long, how much and how often.
    pub limits: Limits,
    /// Supplies the `Authorization` header.
    pub auth: Arc<dyn Authenticator>,
}

/// What all clients of the process share.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Tells when a limit ends.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub telemetry: Telemetry,
    /// The budgets of all tokens.
    pub budgets: Budgets,
}

/// A client of one origin with one credential. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Outbound(Arc<Core>);

impl Outbound {
    /// A client.
    ///
    /// # Errors
    /// [`OutboundError::Unusable`] if the base is not https (plain http is for loopback), has
    /// userinfo, a query or a fragment, or if no TLS client can be built here.
    pub fn new(options: Options, environment: &Environment) -> Result<Self, OutboundError> {
        Ok(Self(Arc::new(Core::new(options, environment)?)))
    }

    /// The base URL.
    pub fn base(&self) -> &Url {
        self.0.base()
    }

    /// The limits that it keeps.
    pub fn limits(&self) -> &Limits {
        self.0.limits()
    }

    /// Asks once, unconditionally.
    pub async fn get(&self, request: &Request) -> Result<Page, OutboundError> {
        match self.0.perform(self.order(Method::GET, request)).await? {
            Outcome::Page(page) => Ok(*page),
            Outcome::NotModified(_) => Err(self.0.unasked_304(&Method::GET, request)),
        }
    }

    /// Asks for what changed since the validator that `store` has for this request, if it has one.
    pub async fn get_if_changed(
        &self,
        request: &Request,
        store: &dyn Store,
    ) -> Result<Answer, OutboundError> {
        let key = self.validator_key(request)?;
        let known = store.validator(self.0.source(), &key).await?;
        let known = known.filter(|known| self.0.is_usable(known));
        let order = Order { known: known.as_ref(), ..self.order(Method::GET, request) };
        match self.0.perform(order).await? {
            Outcome::Page(page) => Ok(Answer::Fresh(page)),
            Outcome::NotModified(headers) => {
                let Some(known) = known else {
                    return Err(self.0.unasked_304(&Method::GET, request));
                };
                Ok(Answer::NotModified { next: self.next_of_304(request, &headers, &known)? })
            }
        }
    }

    /// Sends `body` as JSON. Only for requests that change nothing (GraphQL queries, analytics):
    /// like a GET, it is sent again after a failure.
    pub async fn post_json(
        &self,
        request: &Request,
        body: &(impl Serialize + Sync),
    ) -> Result<Page, OutboundError> {
        let body = self.0.encode(body)?;
        let order = Order { body: Some(body), ..self.order(Method::POST, request) };
        match self.0.perform(order).await? {
            Outcome::Page(page) => Ok(*page),
            Outcome::NotModified(_) => Err(self.0.unasked_304(&Method::POST, request)),
        }
    }

    /// Sends `fields` as a form. Only for requests that change nothing, such as queries that may be
    /// too long for an address: like a GET, it is sent again after a failure.
    pub async fn post_form(
        &self,
        request: &Request,
        fields: &[(&str, String)],
    ) -> Result<Page, OutboundError> {
        let body = self.0.encode_form(fields);
        let order = Order { body: Some(body), ..self.order(Method::POST, request) };
        match self.0.perform(order).await? {
            Outcome::Page(page) => Ok(*page),
            Outcome::NotModified(_) => Err(self.0.unasked_304(&Method::POST, request)),
        }
    }

    /// The pages of the listing that starts with `first`.
    pub fn pages(&self, first: Request) -> Result<Pages, OutboundError> {
        Pages::new(self.clone(), first)
    }

    /// The key under which a validator of this request is stored: a hash of the credential's
    /// identity, the address and the media type.
    pub fn validator_key(&self, request: &Request) -> Result<String, OutboundError> {
        Ok(self.0.validator_key(&self.address(request)?, request))
    }

    fn address(&self, request: &Request) -> Result<Url, OutboundError> {
        self.0.address(request)
    }

    fn order<'a>(&'a self, method: Method, request: &'a Request) -> Order<'a> {
        Order { method, request, body: None, known: None, credential: Credential::Own }
    }

    /// A 304 may leave its `Link` out: then that of the stored answer holds.
    fn next_of_304(
        &self,
        request: &Request,
        headers: &HeaderMap,
        known: &Validator,
    ) -> Result<Option<Url>, OutboundError> {
        let at = self.address(request)?;
        match answer::next_link(headers).or_else(|| known.next.clone()) {
            Some(next) => self.0.resolve(&at, &next, &Method::GET).map(Some),
            None => Ok(None),
        }
    }
}
