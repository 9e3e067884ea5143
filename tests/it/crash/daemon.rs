//! A daemon whose store cannot be written: it says so once, serves on, and recovers by itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::{Site, content};
use crate::installation::Scrape;
use crate::store::disk::SmallDisk;

/// Longest time that a daemon on a busy machine is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// `engkpi run` on a port of its own, with its log in a file.
struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(site: &Site) -> Self {
        Self::start_with(site, &[])
    }

    fn start_with(site: &Site, arguments: &[&str]) -> Self {
        let log = site.directory.path().join("log");
        let stderr = Stdio::from(File::create(&log).unwrap());
        let arguments = [&["run", "--web.listen-address", "127.0.0.1:0"], arguments].concat();
        Self { process: site.start_with(&arguments, stderr), log }
    }

    /// Log lines that contain all of `words`.
    fn told(&self, words: &[&str]) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let told = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        told.map(str::to_owned).collect()
    }

    /// A connection to it; `None` before it listens.
    async fn connect(&self) -> Option<TcpStream> {
        let line = self.told(&["serving on http://"]).pop()?;
        let address = line.rsplit_once("http://").unwrap().1.to_owned();
        Some(TcpStream::connect(address).await.unwrap())
    }

    /// Status and body of an answer; `None` before it listens.
    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut connection = self.connect().await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("chunked"), "the body is taken as it is: {head}");
        let status = head.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
        Some((status.parse().unwrap(), body.to_owned()))
    }

    /// What it shows now; `None` before it listens.
    async fn scrape(&self) -> Option<Scrape> {
        let (status, body) = self.get("/metrics").await?;
        assert_eq!(status, 200, "{body}");
        Some(Scrape::parse(&body))
    }

    /// Waits until what it shows is as `expected`.
    async fn shows(&mut self, what: &str, expected: impl Fn(&Scrape) -> bool) {
        let started = Instant::now();
        loop {
            if let Some(ended) = self.process.try_wait().unwrap() {
                panic!("the daemon ended ({ended}) before {what}: {:?}", self.told(&[]));
            }
            if self.scrape().await.is_some_and(|scrape| expected(&scrape)) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "not {what} in time: {:?}", self.told(&[]));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn stop(mut self) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let ended = self.process.wait().await.unwrap();
        assert!(ended.success(), "{ended}: {:?}", self.told(&[]));
    }
}

fn is_up(scrape: &Scrape, source: &str) -> bool {
    scrape.value("engkpi_source_up", &[("source", source)]) == Some(1.0)
}

fn both_are_up(scrape: &Scrape) -> bool {
    is_up(scrape, "github") && is_up(scrape, "pagerduty")
}

fn last_success(scrape: &Scrape) -> Option<f64> {
    let family = "engkpi_source_last_success_timestamp_seconds";
    scrape.value(family, &[("source", "github")])
}

fn store_errors(scrape: &Scrape) -> f64 {
    scrape.value("engkpi_store_errors_total", &[]).unwrap_or_default()
}

/// Both wait most of the time, so they wait together.
#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_daemon_from_writing_is_told_once_and_it_goes_on_when_it_can() {
    tokio::join!(
        a_full_disk_is_told_once_and_the_daemon_goes_on_when_there_is_room(),
        a_locked_database_is_told_once_and_the_daemon_goes_on_when_it_is_free(),
    );
}

async fn a_full_disk_is_told_once_and_the_daemon_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("64m") else { return };
    let site = Site::new(Duration::ZERO).await;
    let path = disk.path().join("engkpi.db");
    site.configure(path.to_str().unwrap());
    // Enough to start with, not enough for all of it.
    disk.fill(400 << 10);
    let mut daemon = Daemon::start(&site);
    daemon.shows("an error of the store", |scrape| store_errors(scrape) > 1.0).await;
    daemon.shows("that GitHub is not read", |scrape| !is_up(scrape, "github")).await;
    let errors = daemon.told(&["ERROR", "the disk is full"]);
    assert_eq!(errors.len(), 1, "{errors:?}");

    // An end that nobody asked for does not lead to one start after the other either.
    daemon.process.kill().await.unwrap();
    disk.fill(0);
    let mut daemon = Daemon::start(&site);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let ended = daemon.process.try_wait().unwrap();
    assert!(ended.is_none(), "{ended:?}: {:?}", daemon.told(&[]));

    disk.make_room();
    daemon.shows("both sources", both_are_up).await;
    assert_eq!(content(&path).await, super::undisturbed_content().await);
    daemon.stop().await;
}

async fn a_locked_database_is_told_once_and_the_daemon_goes_on_when_it_is_free() {
    let site = Site::new(Duration::ZERO).await;
    let mut daemon = Daemon::start(&site);
    daemon.shows("both sources", both_are_up).await;
    let mut other = locked(&site.database(), "IMMEDIATE").await;
    daemon.shows("an error of the store", |scrape| store_errors(scrape) > 0.0).await;
    let errors = daemon.told(&["ERROR", "is locked by another process"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    daemon.shows("that it cannot write", |scrape| !both_are_up(scrape)).await;

    let before = last_success(&daemon.scrape().await.unwrap());
    other.execute("ROLLBACK").await.unwrap();
    daemon
        .shows("both sources again", |scrape| both_are_up(scrape) && last_success(scrape) > before)
        .await;
    daemon.stop().await;
}

async fn locked(path: &Path, how: &str) -> sqlx::sqlite::SqliteConnection {
    let database = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut other = database.connect().await.unwrap();
    let begin = sqlx::AssertSqlSafe(format!("BEGIN {how}"));
    other.execute(begin).await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_store_is_not_there_yet_is_alive_and_not_ready() {
    let site = Site::new(Duration::ZERO).await;
    let mut other = locked(&site.database(), "EXCLUSIVE").await;
    let mut daemon = Daemon::start(&site);
    daemon.shows("its own series", |scrape| !scrape.family("engkpi_build_info").is_empty()).await;
    assert_eq!(daemon.get("/-/healthy").await.unwrap().0, 200);
    assert_eq!(daemon.get("/-/ready").await.unwrap().0, 503);
    assert_eq!(daemon.get("/api/v1/kpis/change_failure/explain").await.unwrap().0, 503);
    other.execute("ROLLBACK").await.unwrap();
    daemon.shows("both sources", both_are_up).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_its_store_can_be_stopped() {
    let site = Site::new(Duration::ZERO).await;
    let _other = locked(&site.database(), "EXCLUSIVE").await;
    let mut daemon = Daemon::start(&site);
    daemon.shows("its own series", |scrape| !scrape.family("engkpi_build_info").is_empty()).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_file_ends_with_the_reason() {
    let site = Site::new(Duration::ZERO).await;
    let mut daemon = Daemon::start(&site);
    daemon.shows("both sources", both_are_up).await;
    let second = site.start(&["sync"]).wait_with_output().await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr);
    let holder = format!("is in use by another engkpi, process {}", daemon.process.id().unwrap());
    assert!(told.contains(&holder), "{told}");
    let evaluated = site.start(&["evaluate", "--format", "json"]).wait_with_output().await.unwrap();
    assert!(evaluated.status.success(), "evaluating works beside it: {evaluated:?}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_read_do_not_keep_the_daemon_from_ending_well() {
    let site = Site::new(Duration::ZERO).await;
    let mut daemon = Daemon::start(&site);
    daemon.shows("both sources", both_are_up).await;
    // More questions and answers than the kernel keeps for somebody who does not read.
    let mut greedy = daemon.connect().await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(5_000);
    let a_while = Duration::from_secs(1);
    while tokio::time::timeout(a_while, greedy.write_all(requests.as_bytes())).await.is_ok() {}
    let silent = daemon.connect().await.unwrap();
    // It would say so if not everything ended in time.
    daemon.stop().await;
    drop((greedy, silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_still_compared_does_not_keep_the_daemon_from_ending() {
    let site = Site::new(Duration::ZERO).await;
    // At the highest cost a comparison takes hours.
    let hash = "$2b$31$abcdefghijklmnopqrstuuAVC6bpgnXkZ9Bl0p1kk0cKh8hPaBvrK";
    let web = site.directory.path().join("web.yml");
    std::fs::write(&web, format!("basic_auth_users:\n  a: '{hash}'\n")).unwrap();
    let daemon = Daemon::start_with(&site, &["--web.config.file", "web.yml"]);
    let started = Instant::now();
    let mut client = loop {
        assert!(started.elapsed() < PATIENCE, "{:?}", daemon.told(&[]));
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(client) = daemon.connect().await {
            break client;
        }
    };
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YTpi\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(1), client.read_u8()).await;
    assert!(answer.is_err(), "it is being compared");
    tokio::time::timeout(PATIENCE, daemon.stop()).await.expect("it does not wait for that");
}
