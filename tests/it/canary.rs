//! Tokens that nobody may ever see: not in logs at the most verbose level, not in the database, not
//! on any page, not in an error, not in the list of processes.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use engkpi_fakes::world::Token;
use engkpi_fakes::{Fakes, Fault};
use tempfile::TempDir;
use tokio::process::Command;

use crate::check::{CATALOGUE, world};

const CANARIES: [&str; 2] = ["ghp_5ecr3tC4n4ryT0k3nN0b0dyM4y5ee", "pd_c4n4ryN0b0dyM4y5ee"];

/// A directory with a configuration, for fakes that let only the canaries in, or do not.
struct Site {
    directory: TempDir,
    fakes: Fakes,
}

impl Site {
    async fn new(canaries_are_good: bool) -> Self {
        let mut world = world();
        if canaries_are_good {
            world = world.github_token(Token::full(CANARIES[0])).pagerduty_token(CANARIES[1]);
        }
        let fakes = Fakes::start(world).await;
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, CANARIES[1]).unwrap();
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&token, owner_only).unwrap();
        let config = format!(
            r#"
[store]
sqlite = "engkpi.db"
[sources.github]
type = "github"
api_url = "{}"
token = {{ env = "GITHUB_TOKEN" }}
organisation = "acme"
history_start = 2024-03-05
[sources.pagerduty]
type = "pagerduty"
api_url = "{}"
token = {{ file = "./token" }}
history_start = 2025-01-01
{CATALOGUE}"#,
            fakes.github.url(),
            fakes.pagerduty.url()
        );
        std::fs::write(directory.path().join("engkpi.toml"), config).unwrap();
        Self { directory, fakes }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engkpi"));
        command
            .args(arguments)
            .args(["--config", "engkpi.toml", "--log", "trace"])
            .current_dir(self.directory.path())
            .env_clear()
            .env("GITHUB_TOKEN", CANARIES[0])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end; nothing that it says may hold a canary.
    async fn says_nothing(&self, arguments: &[&str], exit: i32) {
        let output = self.command(arguments).output().await.unwrap();
        let (out, told) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {told}");
        silent(&format!("stdout of {arguments:?}"), out);
        silent(&format!("stderr of {arguments:?}"), told.as_bytes());
    }

    /// No file but the secret itself holds a canary.
    fn nothing_is_written(&self) {
        let mut folders = vec![self.directory.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("token") {
                    silent(&path.display().to_string(), &std::fs::read(&path).unwrap());
                }
            }
        }
    }
}

#[track_caller]
fn silent(what: &str, bytes: &[u8]) {
    for canary in CANARIES {
        let found = bytes.windows(canary.len()).position(|it| it == canary.as_bytes());
        let around =
            found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(80)..at]).into_owned());
        assert_eq!(around, None, "{what} shows a token, after these words");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_and_the_commands_on_what_it_stored_show_no_token() {
    let site = Site::new(true).await;
    // What goes wrong is told at length.
    for fault in [Fault::reset(), Fault::status(502), Fault::html(), Fault::truncate_at(40)] {
        site.fakes.github.fault(fault.clone().on("PullRequests"));
        site.fakes.pagerduty.fault(fault.on("/incidents"));
    }
    site.fakes.github.fault(Fault::redirect_to("http://127.0.0.1:9/").on("/actions/runs"));
    let _ = site.command(&["sync"]).output().await.unwrap();
    site.fakes.github.clear_faults();
    site.fakes.pagerduty.clear_faults();
    site.says_nothing(&["sync"], 0).await;
    site.nothing_is_written();
    site.says_nothing(&["evaluate"], 0).await;
    site.says_nothing(&["explain", "change_failure"], 0).await;
    site.says_nothing(&["snapshot"], 0).await;
    assert!(site.directory.path().join("snapshots").exists(), "there is one");
    site.nothing_is_written();
    assert!(
        !site.fakes.github.requests().is_empty() && !site.fakes.pagerduty.requests().is_empty(),
        "the canaries were used"
    );
    for request in site.fakes.github.requests().iter().chain(&site.fakes.pagerduty.requests()) {
        silent("a request", format!("{} {:?}", request.path, request.query).as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_refuses_the_token_does_not_make_us_show_it() {
    let site = Site::new(false).await;
    site.says_nothing(&["sync"], 1).await;
    site.nothing_is_written();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_shows_no_token() {
    let site = Site::new(true).await;
    let log = site.directory.path().join("log");
    let mut daemon = site
        .command(&["run", "--web.listen-address", "127.0.0.1:0"])
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let address = address(&log).await;
    let id = daemon.id().unwrap();
    silent("the list of processes", &std::fs::read(format!("/proc/{id}/cmdline")).unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{address}{path}")).send().await.unwrap();
        answer.bytes().await.unwrap()
    };
    let started = Instant::now();
    let collected = |body: &[u8]| {
        let text = String::from_utf8_lossy(body);
        text.matches("engkpi_source_up{source=").count() == 2
            && text.contains("engkpi_deployment_frequency_per_day")
    };
    while !collected(&get("/metrics").await) {
        assert!(started.elapsed() < Duration::from_secs(120), "nothing is collected: {log:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in
        ["/", "/metrics", "/api/v1/kpis", "/api/v1/kpis/change_failure/explain", "/api/v1/kpis/x"]
    {
        let body = get(path).await;
        assert!(!body.is_empty(), "{path} says something");
        silent(path, &body);
    }
    let killed = std::process::Command::new("kill").arg(id.to_string()).status().unwrap();
    assert!(killed.success());
    let output = daemon.wait().await.unwrap();
    assert!(output.success(), "{output}");
    assert!(std::fs::metadata(&log).unwrap().len() > 1000, "the most verbose level says a lot");
    site.nothing_is_written();
}

/// Where the daemon listens, from its log.
async fn address(log: &Path) -> String {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once("serving on "));
        if let Some((_, address)) = lines.next() {
            return address.trim().to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(120), "does not listen: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
