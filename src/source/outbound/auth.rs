use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::time::Instant as Tick;

use super::{Exchange, OutboundError};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::secret::SecretRef;

/// Supplies the `Authorization` header of each request.
#[async_trait]
pub trait Authenticator: Send + Sync + fmt::Debug {
    /// Names the credential without revealing it, the same for its whole life: budgets and
    /// validators are kept under it.
    fn identity(&self) -> &str;

    /// The header for the next request; `None` where the vendor wants none. A minting
    /// authenticator asks the vendor through `exchange` when it has none that is fresh.
    async fn authorization(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<Option<HeaderValue>, OutboundError>;

    /// Hears that the vendor answered 401 to `refused`. True if the next
    /// [`Authenticator::authorization`] brings another header, so that asking once more makes
    /// sense.
    async fn refused(&self, refused: &HeaderValue) -> bool;
}

/// No credential at all, for servers that ask for none.
#[derive(Debug)]
pub struct Anonymous;

#[async_trait]
impl Authenticator for Anonymous {
    fn identity(&self) -> &str {
        "anonymous"
    }

    async fn authorization(&self, _: &Exchange<'_>) -> Result<Option<HeaderValue>, OutboundError> {
        Ok(None)
    }

    async fn refused(&self, _: &HeaderValue) -> bool {
        false
    }
}

/// How a secret becomes a header.
#[derive(Debug)]
enum Scheme {
    /// This, then the secret.
    Prefix(&'static str),
    /// `Basic`, with this user name (RFC 7617).
    Basic { user: String },
}

impl Scheme {
    fn header(&self, secret: &SecretString) -> Result<HeaderValue, OutboundError> {
        match self {
            Self::Prefix(prefix) => secret_header(prefix, secret),
            Self::Basic { user } => {
                let pair = format!("{user}:{}", secret.expose_secret());
                secret_header("Basic ", &SecretString::from(STANDARD.encode(pair)))
            }
        }
    }
}

/// How long a token from a file is used before the file is read again.
const READ_EVERY: Duration = Duration::from_secs(5);

/// A token or a password that configuration refers to. A file is read again every few seconds while there are
/// requests, and when the vendor refuses its token, so that a rotated one is used without a restart;
/// a process's environment never changes. Its identity stays that of the first token: what is known
/// about the account outlives a rotation.
pub struct ReferredToken {
    identity: String,
    scheme: Scheme,
    reference: SecretRef,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    header: HeaderValue,
    read: Tick,
    /// The last try to read it failed, and that was said.
    lost: bool,
}

impl ReferredToken {
    /// `Authorization: PREFIXtoken` with the token that `reference` leads to.
    ///
    /// # Errors
    /// [`OutboundError::Unusable`] if there is none now, or if it cannot be in a header.
    pub fn new(prefix: &'static str, reference: SecretRef) -> Result<Self, OutboundError> {
        Self::with_scheme(Scheme::Prefix(prefix), reference)
    }

    /// `Authorization: Basic …` of `user` with the password that `reference` leads to.
    ///
    /// # Errors
    /// As [`ReferredToken::new`].
    pub fn basic(user: impl Into<String>, reference: SecretRef) -> Result<Self, OutboundError> {
        Self::with_scheme(Scheme::Basic { user: user.into() }, reference)
    }

    fn with_scheme(scheme: Scheme, reference: SecretRef) -> Result<Self, OutboundError> {
        let token = resolved(&reference)?;
        let header = scheme.header(&token)?;
        let identity = digest(&["token", token.expose_secret()]);
        let current = Mutex::new(Current { header, read: Tick::now(), lost: false });
        Ok(Self { identity, scheme, reference, current })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the token again. One that cannot be had, perhaps because it is being replaced, leaves
    /// the last one in use: whether that is still good is for the vendor to say.
    fn read(&self, current: &mut Current) {
        current.read = Tick::now();
        match resolved(&self.reference).and_then(|token| self.scheme.header(&token)) {
            Ok(header) => (current.header, current.lost) = (header, false),
            Err(_) if current.lost => {}
            Err(error) => {
                current.lost = true;
                tracing::warn!("the last token stays in use: {error}");
            }
        }
    }
}

fn resolved(reference: &SecretRef) -> Result<SecretString, OutboundError> {
    reference.resolve().map_err(|error| OutboundError::Unusable(error.to_string()))
}

impl fmt::Debug for ReferredToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferredToken").field("reference", &self.reference).finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticator for ReferredToken {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn authorization(&self, _: &Exchange<'_>) -> Result<Option<HeaderValue>, OutboundError> {
        let mut current = self.current();
        if matches!(self.reference, SecretRef::File(_)) && current.read.elapsed() >= READ_EVERY {
            self.read(&mut current);
        }
        Ok(Some(current.header.clone()))
    }

    async fn refused(&self, refused: &HeaderValue) -> bool {
        let mut current = self.current();
        self.read(&mut current);
        current.header != *refused
    }
}

/// Knows how to ask a vendor for a short-lived token, for example as a GitHub App.
#[async_trait]
pub trait Minter: Send + Sync + fmt::Debug {
    /// Names the account that tokens are minted for (`app 1 installation 2`): stable, no secret.
    fn identity(&self) -> String;

    /// Asks for a token, presenting credentials of its own.
    async fn mint(&self, exchange: &Exchange<'_>) -> Result<MintedToken, OutboundError>;
}

/// A token that expires.
pub struct MintedToken {
    /// The `Authorization` header that carries it.
    pub authorization: HeaderValue,
    /// When the vendor stops accepting it.
    pub expires_at: Instant,
}

impl MintedToken {
    /// A token that goes out as `Authorization: Bearer TOKEN`. Its length is not checked: GitHub's
    /// grow.
    pub fn bearer(token: &SecretString, expires_at: Instant) -> Result<Self, OutboundError> {
        Ok(Self { authorization: secret_header("Bearer ", token)?, expires_at })
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A token is renewed this long before it expires, so that none expires on the way.
const RENEW_BEFORE: chrono::TimeDelta = chrono::TimeDelta::seconds(120);

/// Tokens that are minted when needed: before the first request, shortly before the last one
/// expires, and once more when the vendor refuses one early.
#[derive(Debug)]
pub struct MintedTokens<M> {
    identity: String,
    minter: M,
    current: tokio::sync::Mutex<Option<MintedToken>>,
    clock: std::sync::Arc<dyn Clock>,
}

impl<M: Minter> MintedTokens<M> {
    /// Tokens by `minter`, fresh by `clock`.
    pub fn new(minter: M, clock: std::sync::Arc<dyn Clock>) -> Self {
        let identity = digest(&["minted", &minter.identity()]);
        Self { identity, minter, current: tokio::sync::Mutex::new(None), clock }
    }
}

#[async_trait]
impl<M: Minter> Authenticator for MintedTokens<M> {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn authorization(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<Option<HeaderValue>, OutboundError> {
        // Held while minting: whoever waits for it finds the fresh token.
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        if let Some(token) = current.as_ref().filter(|token| token.expires_at - RENEW_BEFORE > now)
        {
            return Ok(Some(token.authorization.clone()));
        }
        let mut token = self.minter.mint(exchange).await?;
        token.authorization.set_sensitive(true);
        Ok(Some(current.insert(token).authorization.clone()))
    }

    async fn refused(&self, refused: &HeaderValue) -> bool {
        let mut current = self.current.lock().await;
        // Another task may have renewed it meanwhile: its token is kept.
        if current.as_ref().is_some_and(|token| token.authorization == *refused) {
            *current = None;
        }
        true
    }
}

/// `PREFIXtoken` as a header that no Debug output shows.
pub(super) fn secret_header(
    prefix: &str,
    token: &SecretString,
) -> Result<HeaderValue, OutboundError> {
    if token.expose_secret().is_empty() {
        return Err(OutboundError::Unusable("the token is empty".into()));
    }
    let mut header =
        HeaderValue::from_str(&format!("{prefix}{}", token.expose_secret())).map_err(|_| {
            OutboundError::Unusable(
                "the token has characters that no header may have, perhaps a line break".into(),
            )
        })?;
    header.set_sensitive(true);
    Ok(header)
}

/// A hash that tells sequences of texts apart and reveals none of them.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
