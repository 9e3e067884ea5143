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

/// Attempts that may wait for their comparison; more are turned away.
const MAX_WAITING: usize = 16;

/// Knows who may read.
#[derive(Clone, Debug)]
pub(super) struct Users {
    hashes: Arc<BTreeMap<String, String>>,
    /// Digests of credentials that were right: bcrypt is slow on purpose, and a scrape comes every
    /// few seconds.
    known: Arc<RwLock<HashSet<[u8; 32]>>>,
    /// One comparison at a time, so that guessing cannot take the processors.
    turn: Arc<Semaphore>,
    /// Places to wait for it, that of the one whose turn it is included.
    places: Arc<Semaphore>,
}

/// Too many attempts wait already.
#[derive(Debug)]
struct Crowded;

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self {
            hashes: Arc::new(hashes),
            known: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }

    async fn admits(&self, user: String, password: Vec<u8>) -> Result<bool, Crowded> {
        let digest = digest(&user, &password);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&digest);
        if known {
            return Ok(true);
        }
        let _place = self.places.try_acquire().map_err(|_| Crowded)?;
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Ok(false) };
        let hashes = Arc::clone(&self.hashes);
        let compared = tokio::task::spawn_blocking(move || {
            // Nobody stops the comparison when the client goes away: the turn ends with it.
            let _turn = turn;
            let hash = hashes.get(&user);
            let right = bcrypt::verify(&password, hash.map_or(NOBODY, String::as_str));
            hash.is_some() && right.unwrap_or(false)
        });
        let right = compared.await.unwrap_or(false);
        if right {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(digest);
        }
        Ok(right)
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
        None => Ok(false),
    };
    match admitted {
        Ok(true) => return next.run(request).await,
        Ok(false) => {}
        Err(Crowded) => {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many try to log in\n").into_response();
        }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(20);

    fn users() -> Users {
        // Cheap on purpose.
        let hash = bcrypt::hash("secret", 4).unwrap();
        Users::new(BTreeMap::from([("scraper".to_owned(), hash)]))
    }

    /// Tries to log in and gives up after a moment, as a client that goes away.
    async fn given_up(users: &Users) {
        let attempt = users.admits("scraper".to_owned(), b"guess".to_vec());
        assert!(tokio::time::timeout(A_MOMENT, attempt).await.is_err(), "it waits");
    }

    /// Runs `test` while the only thread for long work is busy, until the sender is dropped.
    fn while_busy(test: impl AsyncFnOnce(mpsc::Sender<()>)) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (busy, until) = mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || until.recv());
            test(busy).await;
        });
    }

    #[test]
    fn a_comparison_keeps_its_turn_when_the_client_goes_away() {
        while_busy(async |busy| {
            let users = users();
            given_up(&users).await;
            assert_eq!(users.turn.available_permits(), 0, "it is still to be compared");
            drop(busy);
            let right = users.admits("scraper".to_owned(), b"secret".to_vec()).await;
            assert!(right.unwrap(), "and then it is the next one's turn");
        });
    }

    #[test]
    fn who_comes_when_too_many_wait_is_turned_away() {
        while_busy(async |busy| {
            let users = users();
            let waiting: Vec<_> = (0..MAX_WAITING)
                .map(|_| {
                    let users = users.clone();
                    tokio::spawn(async move {
                        users.admits("scraper".to_owned(), b"secret".to_vec()).await.unwrap()
                    })
                })
                .collect();
            tokio::time::sleep(A_MOMENT).await;
            let next = users.admits("scraper".to_owned(), b"guess".to_vec());
            let next = tokio::time::timeout(A_MOMENT, next).await.expect("nobody waits in vain");
            assert!(next.is_err());
            drop(busy);
            for attempt in waiting {
                assert!(attempt.await.unwrap());
            }
            assert!(users.admits("scraper".to_owned(), b"secret".to_vec()).await.unwrap());
            assert_eq!(users.places.available_permits(), MAX_WAITING);
        });
    }
}
