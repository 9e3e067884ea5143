//! Basic authentication against bcrypt hashes.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// Compared with when the user is unknown, so that a wrong name takes as long as a wrong password.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuAVC6bpgnXkZ9Bl0p1kk0cKh8hPaBvrK";

/// Knows who may read.
#[derive(Clone, Debug)]
pub(super) struct Users {
    hashes: Arc<BTreeMap<String, String>>,
    /// Digests of credentials that were right: bcrypt is slow on purpose, and a scrape comes every
    /// few seconds.
    known: Arc<RwLock<HashSet<[u8; 32]>>>,
    /// One comparison at a time, so that guessing cannot take the processors.
    turn: Arc<Semaphore>,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self { hashes: Arc::new(hashes), known: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    async fn admits(&self, user: String, password: Vec<u8>) -> bool {
        let digest = digest(&user, &password);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&digest);
        if known {
            return true;
        }
        let Ok(_turn) = self.turn.acquire().await else { return false };
        let hashes = Arc::clone(&self.hashes);
        let compared = tokio::task::spawn_blocking(move || {
            let hash = hashes.get(&user);
            let right = bcrypt::verify(&password, hash.map_or(NOBODY, String::as_str));
            hash.is_some() && right.unwrap_or(false)
        });
        let right = compared.await.unwrap_or(false);
        if right {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(digest);
        }
        right
    }
}

fn digest(user: &str, password: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(user.len().to_le_bytes());
    hasher.update(user);
    hasher.update(password);
    hasher.finalize().into()
}

/// Lets a request pass whose credentials are right.
pub(super) async fn require(State(users): State<Users>, request: Request, next: Next) -> Response {
    let admitted = match credentials(request.headers()) {
        Some((user, password)) => users.admits(user, password).await,
        None => false,
    };
    if admitted {
        return next.run(request).await;
    }
    let challenge = HeaderValue::from_static("Basic realm=\"engkpi\", charset=\"UTF-8\"");
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], "who are you?\n")
        .into_response()
}

fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}
