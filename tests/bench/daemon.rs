//! The real binary, run and watched.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use engkpi_fakes::{Fakes, GITHUB_TOKEN, PAGERDUTY_TOKEN, Request, Usage};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::world::{self, Size, WITH_RECORDS, repository_name};

/// Why there are no figures.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

/// A folder with a configuration, its secrets and its store.
pub(crate) struct Installation {
    folder: TempDir,
    configuration: PathBuf,
    listen: String,
}

/// What one `engkpi sync` cost.
pub(crate) struct Pass {
    pub(crate) github: Usage,
    pub(crate) pagerduty: Usage,
    pub(crate) github_seconds: f64,
    pub(crate) pagerduty_seconds: f64,
    pub(crate) peak_mib: f64,
}

impl Installation {
    pub(crate) fn new(
        fakes: &Fakes,
        size: Size,
        now: engkpi_fakes::Instant,
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        // Free now; nobody else on this machine is likely to take it before the daemon does.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let configuration = folder.path().join("engkpi.toml");
        let start = (now - chrono::Duration::days(362)).date_naive();
        // About 20,000 series, whatever the size.
        let windows = if size.repositories < 10 {
            "service_history = true\n\
             service_windows = [\"7d\", \"30d\", \"90d\", \"month\", \"quarter\", \"year\"]\n"
        } else {
            "service_windows = [\"30d\"]\n"
        };
        let mut text = format!(
            "[store]\nsqlite = {:?}\n[web]\nlisten_address = {listen:?}\n\
             [evaluate]\ninterval = \"10s\"\n{windows}\
             [sources.github]\ntype = \"github\"\napi_url = \"{}api/v3\"\norganisation = \"acme\"\n\
             token = {{ env = \"BENCH_GITHUB\" }}\nhistory_start = {start}\npoll_every = \"20s\"\n\
             [sources.pagerduty]\ntype = \"pagerduty\"\napi_url = \"{}\"\n\
             token = {{ env = \"BENCH_PAGERDUTY\" }}\nhistory_start = {start}\npoll_every = \"20s\"\n",
            folder.path().join("engkpi.db"),
            fakes.github.url(),
            fakes.pagerduty.url(),
        );
        for team in 0..10 {
            let _ = writeln!(text, "[teams.team-{team}]");
        }
        for n in 0..size.repositories {
            let name = repository_name(n);
            let _ = writeln!(
                text,
                "[services.{name}]\nteam = \"team-{}\"\nrepository = \"acme/{name}\"\n\
                 pagerduty = [\"PSVC{n:03}\"]",
                n % 10
            );
        }
        for n in 0..WITH_RECORDS.min(size.repositories) {
            let name = repository_name(n);
            let _ = writeln!(text, "[rules.decisions.\"acme/{name}\"]\nfolders = [\"docs/adr\"]");
        }
        fs::write(&configuration, text)?;
        Ok(Self { folder, configuration, listen })
    }

    fn command(&self, name: &str) -> Result<Command, Failure> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_engkpi"));
        command
            .arg(name)
            .arg("--config")
            .arg(&self.configuration)
            .env("BENCH_GITHUB", GITHUB_TOKEN)
            .env("BENCH_PAGERDUTY", PAGERDUTY_TOKEN)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn failed(&self, what: &str) -> Failure {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(20).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Failure(format!("{what}; its last words:\n{}", last.join("\n")))
    }

    /// One complete pass over both sources.
    pub(crate) async fn sync(&self, fakes: &Fakes) -> Result<Pass, Failure> {
        fakes.github.clear_requests();
        fakes.pagerduty.clear_requests();
        let started = Instant::now();
        let mut child = self.command("sync")?.spawn()?;
        let mut peak = 0.0_f64;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            peak = peak.max(peak_mib(&child).unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        if !status.success() {
            return Err(self.failed(&format!("engkpi sync ended with {status}")));
        }
        let seconds = |requests: &[Request]| {
            requests.last().map_or(0.0, |last| (last.received - started).as_secs_f64())
        };
        Ok(Pass {
            github: fakes.github.usage(),
            pagerduty: fakes.pagerduty.usage(),
            github_seconds: seconds(&fakes.github.requests()),
            pagerduty_seconds: seconds(&fakes.pagerduty.requests()),
            peak_mib: peak,
        })
    }

    /// Scrapes the running daemon while a twentieth more of everything is collected.
    pub(crate) async fn scrapes_during_news(
        &self,
        fakes: &Fakes,
        size: Size,
    ) -> Result<String, Failure> {
        let mut child = self.command("run")?.spawn()?;
        let client = reqwest::Client::builder().no_gzip().build()?;
        let ready = format!("http://{}/-/ready", self.listen);
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            if client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            if child.try_wait()?.is_some() || Instant::now() > patience {
                return Err(self.failed("engkpi run does not become ready"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        fakes.edit(|world| world::add_news(world, size));
        let before = fakes.github.usage().requests;
        let (mut times, mut series, mut bytes) = (Vec::new(), 0, 0);
        // Two polling intervals: the news is read inside.
        let end = Instant::now() + Duration::from_secs(40);
        while Instant::now() < end {
            let began = Instant::now();
            let answer = client.get(format!("http://{}/metrics", self.listen)).send().await?;
            let body = answer.bytes().await?;
            times.push(began.elapsed());
            if times.len() % 100 == 1 {
                let lines = body.split(|byte| *byte == b'\n');
                series = lines.filter(|line| !line.is_empty() && line[0] != b'#').count();
                bytes = body.len();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let collected = fakes.github.usage().requests - before;
        let peak = peak_mib(&child).unwrap_or_default();
        child.kill().await?;
        times.sort();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        Ok(format!(
            "  {} scrapes of {series} series ({:.1} MiB) during {collected} GitHub requests\n\
             \x20   median {:.1} ms, p99 {:.1} ms (goal 10), longest {:.1} ms\n\
             \x20   memory of the daemon with evaluations {peak:.0} MiB at most\n",
            times.len(),
            bytes as f64 / f64::from(1 << 20),
            at(0.5),
            at(0.99),
            at(1.0),
        ))
    }
}

/// The largest resident set that a process had so far.
fn peak_mib(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}
