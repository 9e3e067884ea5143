//! What the daemon serves, asked over a real socket.

mod listener;
mod turns;

use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use engkpi::domain::{Instant, SourceName};
use engkpi::evaluate::{Evaluator, Settings};
use engkpi::http::{self, Deadlines, Exposition, State, WebConfig};
use engkpi::kpi::params::{
    CalendarParams, Catalogue, IncidentFields, Params, Rules, SourceParams, default_statuses,
};
use engkpi::kpi::{Need, Window};
use engkpi::output::exposition;
use engkpi::store::{Access, SharedStore, SourceState, sqlite::SqliteStore};
use engkpi::telemetry::Telemetry;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A server over an empty store, evaluated once if `evaluated`.
struct Server {
    base: String,
    stop: CancellationToken,
    explaining: Arc<Semaphore>,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn now() -> Instant {
    "2026-04-01T00:00:00Z".parse().expect("an instant")
}

pub(crate) fn params() -> Params {
    Params {
        catalogue: Catalogue::default(),
        rules: Rules {
            bots: [].into(),
            hotfix_labels: [].into(),
            hotfix_branches: Vec::new(),
            severity_by_priority: [].into(),
            fields: IncidentFields {
                fault_started_at: String::new(),
                detected_at: String::new(),
                mitigated_at: String::new(),
                root_cause: String::new(),
                problem: String::new(),
                caused_by: String::new(),
            },
            decisions: [].into(),
            debt: None,
            findings: None,
            statuses: default_statuses(),
            rollout_window: chrono::Duration::minutes(60),
            revert_window: chrono::Duration::days(7),
            rollback_window: chrono::Duration::hours(24),
            proximity_window: None,
            reopen_window: chrono::Duration::hours(24),
            bulk_import: 4,
        },
        standards: Vec::new(),
        boundaries: Vec::new(),
        calendar: CalendarParams::default(),
        kpis: [].into(),
        endpoints: Vec::new(),
        demand: Vec::new(),
        slos: Vec::new(),
        maintenance: Vec::new(),
        baseline: None,
        sources: vec![SourceParams {
            name: SourceName::from("pagerduty"),
            feeds: vec![Need::Incidents],
            history_start: "2024-01-01T00:00:00Z".parse().expect("an instant"),
            parts: [].into(),
            stale_after: chrono::Duration::hours(1),
            web_base: "https://acme.pagerduty.com".parse().expect("a URL"),
        }],
        surveys: Vec::new(),
    }
}

async fn serve(evaluated: bool, web: WebConfig) -> Server {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("engkpi.db");
    let store: SharedStore =
        Arc::new(SqliteStore::open(&path, Access::Write).await.expect("a fresh store opens"));
    let fresh = SourceState {
        last_success: Some(now()),
        data_through: Some(now()),
        extent: Some(params().sources[0].extent()),
        ..SourceState::default()
    };
    store.set_source_state(&SourceName::from("pagerduty"), &fresh).await.expect("it is recorded");
    let evaluator = Arc::new(Evaluator::new(store, Arc::new(params())));
    let telemetry = Telemetry::new();
    let (sender, exposition) = watch::channel(None);
    if evaluated {
        evaluator.load().await.expect("the store is there");
        let plan = Settings::default().plan();
        let evaluation = evaluator.evaluate(plan, now()).await.expect("it evaluates");
        let options = exposition::Options::default();
        let rendered = Exposition::of(Arc::new(evaluation), &options, &telemetry, None);
        sender.send_replace(Some(Arc::new(rendered)));
    }
    let evaluator = Arc::new(OnceLock::from(evaluator));
    let explaining = Arc::new(Semaphore::new(1));
    let state = State { exposition, evaluator, telemetry, explaining: Arc::clone(&explaining) };
    let bound = http::bind(([127, 0, 0, 1], 0).into()).await.expect("loopback has a free port");
    let (base, stop) = (format!("http://{}", bound.address), CancellationToken::new());
    let (router, token) = (http::router(state, &web), stop.clone());
    tokio::spawn(async move {
        bound.serve(router, &web, Deadlines::default(), token).await;
        drop(sender);
    });
    Server { base, stop, explaining, _folder: folder }
}

impl Server {
    async fn get(&self, path: &str) -> reqwest::Response {
        self.request(path, &[]).await
    }

    async fn request(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let client = reqwest::Client::builder().no_gzip().no_proxy().build().expect("a client");
        let mut request = client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the server answers")
    }
}

/// The lines that do not change from one scrape to the next.
fn steady(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains("process_")).collect()
}

#[tokio::test]
async fn a_scrape_is_the_same_plain_and_compressed() {
    let server = serve(true, WebConfig::default()).await;
    let plain = server.get("/metrics").await;
    assert_eq!(plain.headers()["content-type"], "text/plain; version=0.0.4");
    let plain = plain.text().await.expect("a body");
    let packed = server.request("/metrics", &[("accept-encoding", "br;q=1, gzip;q=0.5")]).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.expect("a body");
    let mut unpacked = String::new();
    let mut decoder = flate2::read::GzDecoder::new(packed.as_ref());
    decoder.read_to_string(&mut unpacked).expect("one gzip member with a right checksum");
    assert_eq!(steady(&plain), steady(&unpacked));
    assert!(plain.contains("engkpi_build_info"), "the daemon's own series follow:\n{plain}");
    assert!(
        plain.contains(r#"engkpi_incident_frequency_incidents{"#),
        "full coverage without an incident is a zero, not an absence:\n{plain}"
    );
}

#[tokio::test]
async fn before_the_first_evaluation_it_is_alive_and_not_ready() {
    let server = serve(false, WebConfig::default()).await;
    assert_eq!(server.get("/-/healthy").await.status(), 200);
    assert_eq!(server.get("/-/ready").await.status(), 503);
    assert_eq!(server.get("/api/v1/kpis").await.status(), 503);
    assert_eq!(server.get("/").await.status(), 200, "the page says that data is being loaded");
    let metrics = server.get("/metrics").await.text().await.expect("a body");
    assert!(metrics.contains("engkpi_build_info") && !metrics.contains("engkpi_kpi_status"));
}

#[tokio::test]
async fn a_wrong_question_is_told_what_is_right() {
    let server = serve(true, WebConfig::default()).await;
    let unknown = server.get("/api/v1/kpis/velocity").await;
    assert_eq!(unknown.status(), 404);
    let message = unknown.text().await.expect("a body");
    assert!(message.contains("incident_frequency"), "it names the KPIs that there are: {message}");
    let window = server.get("/api/v1/kpis/incident_frequency/explain?window=fortnight").await;
    assert_eq!(window.status(), 400);
    let team = server.get("/api/v1/kpis/incident_frequency/explain?team=nobody").await;
    assert_eq!(team.status(), 404);
    let typo = server.get("/api/v1/kpis/incident_frequency/explain?windows=30d").await;
    assert_eq!(typo.status(), 400);
    assert_eq!(server.get("/etc/passwd").await.status(), 404);
}

#[tokio::test]
async fn every_kpi_can_be_asked_and_explained_as_json_and_as_page() {
    let server = serve(true, WebConfig::default()).await;
    for kpi in engkpi::kpi::ALL {
        for path in [
            format!("/api/v1/kpis/{}", kpi.id),
            format!("/api/v1/kpis/{}/explain", kpi.id),
            format!("/kpis/{}/explain?window=previous_quarter", kpi.id),
        ] {
            let answer = server.get(&path).await;
            assert_eq!(answer.status(), 200, "{path}");
            let body = answer.text().await.expect("a body");
            assert!(body.contains(kpi.id) || body.contains(kpi.title), "{path}: {body}");
        }
        assert!(Window::parse(kpi.default_window).is_ok(), "{}", kpi.id);
    }
}

#[tokio::test]
async fn pages_forbid_scripts_and_foreign_content() {
    let server = serve(true, WebConfig::default()).await;
    let answer = server.get("/").await;
    let policy = &answer.headers()["content-security-policy"];
    assert_eq!(policy, "default-src 'none'; style-src 'self'");
    let page = answer.text().await.expect("a body");
    assert!(!page.contains("<script") && !page.contains("style=\""), "{page}");
    assert_eq!(server.get("/style.css").await.headers()["content-type"], "text/css; charset=utf-8");
}

fn web_config(text: &str) -> anyhow::Result<WebConfig> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("web.yml");
    std::fs::write(&path, text)?;
    WebConfig::load(&path)
}

#[tokio::test]
async fn with_users_configured_nothing_is_told_to_strangers() {
    // The hash of `secret`, cheap on purpose.
    let hash = bcrypt::hash("secret", 4).expect("bcrypt");
    let web = web_config(&format!(
        "basic_auth_users:\n  scraper: '{hash}'\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    ))
    .expect("it is right");
    let server = serve(true, web).await;
    for path in ["/", "/metrics", "/-/healthy", "/api/v1/kpis"] {
        let stranger = server.get(path).await;
        assert_eq!(stranger.status(), 401, "{path}");
        assert_eq!(stranger.headers()["x-frame-options"], "deny");
    }
    let basic = |user: &str, password: &str| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        format!("Basic {text}")
    };
    for (user, password, status) in [
        ("scraper", "secret", 200),
        ("scraper", "secret", 200),
        ("scraper", "wrong", 401),
        ("nobody", "secret", 401),
    ] {
        let credentials = basic(user, password);
        let answer = server.request("/metrics", &[("authorization", &credentials)]).await;
        assert_eq!(answer.status(), status, "{user}:{password}");
    }
}

#[test]
fn a_wrong_web_configuration_is_refused_by_name() {
    for (text, needle) in [
        ("basic_auth_users:\n  a: plain\n", "basic_auth_users.a"),
        ("tls_config:\n  cert_file: a\n", "tls_config"),
        ("tls_server_config:\n  cert_file: missing.pem\n  key_file: k.pem\n", "cert_file"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  cipher_suites: [X]\n",
            "cipher_suites",
        ),
        ("http_server_config:\n  headers:\n    Set-Cookie: a\n", "set-cookie"),
    ] {
        let error = format!("{:#}", web_config(text).expect_err(text)).to_lowercase();
        assert!(error.contains(needle), "{text}\n{error}");
        assert!(!error.contains("plain"), "no hash and no password in a message: {error}");
    }
    assert!(web_config("").is_ok(), "an empty file asks for nothing");
}
