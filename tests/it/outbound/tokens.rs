//! Credentials: where they go, when they are renewed, where they never show.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use engkpi::clock::{Clock, ManualClock};
use engkpi::secret::SecretRef;
use engkpi::source::SourceError;
use engkpi::source::outbound::{
    Dialect, Environment, Exchange, MintedToken, MintedTokens, Minter, Options, Outbound,
    OutboundError, ReferredToken, Request,
};
use http::HeaderValue;
use secrecy::SecretString;
use serde::Deserialize;

use super::server::{Server, answer, json};
use super::{CANARY, assert_silent, client, environment, fast, now};

/// A GitHub App in short: a key of its own buys tokens of an hour.
#[derive(Debug)]
struct App {
    minted: Arc<AtomicUsize>,
}

#[async_trait]
impl Minter for App {
    fn identity(&self) -> String {
        "app 1 installation 2".into()
    }

    async fn mint(&self, exchange: &Exchange<'_>) -> Result<MintedToken, OutboundError> {
        #[derive(Deserialize)]
        struct Reply {
            token: SecretString,
            expires_at: engkpi::domain::Instant,
        }
        self.minted.fetch_add(1, Ordering::SeqCst);
        let request = Request::to(["app", "installations", "2", "access_tokens"]);
        let key = HeaderValue::from_static("Bearer app-key");
        let page = exchange.post_json(&request, &serde_json::json!({}), key).await?;
        let reply: Reply = page.json()?;
        MintedToken::bearer(&reply.token, reply.expires_at)
    }
}

struct Setting {
    client: Outbound,
    clock: Arc<ManualClock>,
    minted: Arc<AtomicUsize>,
}

/// A client of `server` whose tokens are minted there.
fn app(server: &Server) -> Setting {
    let clock = Arc::new(ManualClock::at(now()));
    let minted = Arc::new(AtomicUsize::new(0));
    let shared: Arc<dyn Clock> = clock.clone();
    let minter = App { minted: Arc::clone(&minted) };
    let options = Options {
        source: "hostile".into(),
        base: server.base.clone(),
        dialect: Dialect::GitHub,
        limits: fast(Dialect::GitHub),
        auth: Arc::new(MintedTokens::new(minter, shared.clone())),
    };
    let environment = Environment { clock: shared, ..environment() };
    Setting { client: Outbound::new(options, &environment).unwrap(), clock, minted }
}

/// Mints `canary_…_N`, each for an hour from `now`, and lets only the tokens of `accepted` in.
async fn vendor(accepted: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let minted = AtomicUsize::new(0);
    Server::start(move |seen| {
        let authorization = seen.header("authorization").unwrap();
        if seen.target.ends_with("access_tokens") {
            assert_eq!(authorization, "Bearer app-key", "tokens are bought with the key only");
            let number = minted.fetch_add(1, Ordering::SeqCst);
            let expires = now() + chrono::TimeDelta::hours(number as i64 + 1);
            let body =
                format!("{{\"token\":\"{CANARY}_{number}\",\"expires_at\":\"{expires:?}\"}}");
            return answer(201, &[], body.as_bytes());
        }
        let number = authorization.rsplit('_').next().unwrap().parse().unwrap();
        if accepted(number) {
            json("{}")
        } else {
            answer(401, &[], b"{\"message\":\"Bad credentials\"}")
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_minted_once_for_all_tasks_and_renewed_before_it_expires() {
    let server = vendor(|_| true).await;
    let setting = app(&server);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = setting.client.clone();
        tasks.spawn(async move { client.get(&Request::to(["x"])).await.map(drop) });
    }
    tasks.join_all().await.into_iter().for_each(Result::unwrap);
    assert_eq!(setting.minted.load(Ordering::SeqCst), 1);
    setting.clock.set(now() + chrono::TimeDelta::minutes(57));
    setting.client.get(&Request::to(["x"])).await.unwrap();
    assert_eq!(setting.minted.load(Ordering::SeqCst), 1, "three minutes are left");
    setting.clock.set(now() + chrono::TimeDelta::minutes(59));
    setting.client.get(&Request::to(["x"])).await.unwrap();
    assert_eq!(setting.minted.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_early_is_minted_once_more_and_no_oftener() {
    let server = vendor(|number| number > 0).await;
    let setting = app(&server);
    setting.client.get(&Request::to(["x"])).await.unwrap();
    assert_eq!(setting.minted.load(Ordering::SeqCst), 2);

    let server = vendor(|_| false).await;
    let setting = app(&server);
    let error = setting.client.get(&Request::to(["x"])).await.unwrap_err();
    assert_eq!(setting.minted.load(Ordering::SeqCst), 2, "once, and once more");
    assert_eq!(error.to_string(), "GET /x: 401 Unauthorized (Bad credentials)");
    assert!(matches!(SourceError::from(error), SourceError::Unauthorized(_)));
}

#[tokio::test]
async fn a_refusal_to_mint_is_the_requests_error() {
    let server = Server::always(answer(401, &[], b"{\"message\":\"no such key\"}")).await;
    let error = app(&server).client.get(&Request::to(["x"])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /app/installations/2/access_tokens: 401 Unauthorized (no such key)"
    );
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_tried_once() {
    let server = Server::always(answer(401, &[], b"{\"error\":{\"message\":\"wrong\"}}")).await;
    let error = client(&server.base).get(&Request::to(["x"])).await.unwrap_err();
    assert_eq!(error.to_string(), "GET /x: 401 Unauthorized (wrong)");
    assert_eq!(server.requests(), 1);
}

/// A token in a file of its own.
pub(super) struct TokenFile(tempfile::TempDir);

impl TokenFile {
    pub(super) fn of(token: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(token);
        file
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.0.path().join("token")
    }

    fn write(&self, token: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(), token).unwrap();
        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A client of `server` with it.
    fn client(&self, server: &Server) -> Outbound {
        let token = ReferredToken::new("Token token=", SecretRef::File(self.path())).unwrap();
        let options = Options {
            source: "hostile".into(),
            base: server.base.clone(),
            dialect: Dialect::PagerDuty,
            limits: fast(Dialect::PagerDuty),
            auth: Arc::new(token),
        };
        Outbound::new(options, &environment()).unwrap()
    }
}

#[tokio::test]
async fn a_rotated_token_is_read_again_when_the_old_one_is_refused() {
    let file = TokenFile::of("old\n");
    let server = Server::start(|seen| match seen.header("authorization") {
        Some("Token token=new") => json("{}"),
        _ => answer(401, &[], b"{}"),
    })
    .await;
    let client = file.client(&server);
    client.get(&Request::to(["x"])).await.unwrap_err();
    assert_eq!(server.requests(), 1, "the same token is not tried twice");
    file.write("new\n");
    client.get(&Request::to(["x"])).await.unwrap();
    assert_eq!(server.requests(), 3, "the old one once more, then the new one");
}

#[tokio::test]
async fn a_rotated_token_is_used_soon_even_if_the_old_one_is_good_still() {
    let file = TokenFile::of("first");
    let server = Server::always(json("{}")).await;
    let client = file.client(&server);
    let key = client.validator_key(&Request::to(["x"])).unwrap();
    let used = async || {
        client.get(&Request::to(["x"])).await.unwrap();
        server.seen().last().unwrap().header("authorization").unwrap().to_owned()
    };
    let later = async || {
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(6)).await;
        tokio::time::resume();
    };
    assert_eq!(used().await, "Token token=first");
    file.write("second");
    assert_eq!(used().await, "Token token=first", "not every request reads the file");
    later().await;
    assert_eq!(used().await, "Token token=second");
    std::fs::remove_file(file.path()).unwrap();
    later().await;
    assert_eq!(used().await, "Token token=second", "a file that is being replaced stops nothing");
    file.write("third");
    later().await;
    assert_eq!(used().await, "Token token=third");
    assert_eq!(client.validator_key(&Request::to(["x"])).unwrap(), key, "what is known is kept");
}

#[tokio::test]
async fn a_server_that_echoes_the_token_does_not_get_it_into_an_error() {
    for status in [400, 401, 403, 404, 422, 500] {
        let server = Server::start(move |seen| {
            let echo = format!("{{\"message\":\"{}\"}}", seen.header("authorization").unwrap());
            answer(status, &[], echo.as_bytes())
        })
        .await;
        let error = client(&server.base).get(&Request::to(["x"])).await.unwrap_err();
        assert_silent(&error);
        assert_silent(&SourceError::from(error));
    }
}

#[tokio::test]
async fn no_debug_output_shows_a_token() {
    let server = vendor(|_| true).await;
    let setting = app(&server);
    setting.client.get(&Request::to(["x"])).await.unwrap();
    let minted = MintedToken::bearer(&SecretString::from(CANARY), now()).unwrap();
    for shown in [
        format!("{:?}", client(&server.base)),
        format!("{:?}", setting.client),
        format!("{:?} {minted:?}", super::token(CANARY)),
    ] {
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn a_token_with_a_line_break_is_refused_without_being_shown() {
    for bad in [format!("{CANARY}\n"), format!("{CANARY}\r\nx: y"), String::new()] {
        let error = MintedToken::bearer(&SecretString::from(bad), now()).unwrap_err();
        assert_silent(&error);
    }
}
