//! `cargo bench --bench objectives [-- --short]`: what it costs to keep a thousand SLOs: requests,
//! seconds and memory of a first pass, of one without a new hour, and of an evaluation.
//!
//! Both engkpi and Prometheus are the real binaries, in processes of their own. Without a
//! `prometheus` and a `promtool` on the machine there is nothing to measure, and it says so.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use chrono::{DurationRound, TimeDelta};
use engkpi::config::Config;
use engkpi::domain::fact::{LedgerDay, LedgerHour};
use engkpi::domain::{Fact, Timeline};
use engkpi::kpi::evaluation::{Plan, SourceFreshness, evaluate};
use engkpi::kpi::ledger::met;
use engkpi::kpi::window::Window;
use engkpi::output::exposition;
use engkpi_fakes::{Fakes, GITHUB_TOKEN, World, time};
use tempfile::TempDir;

/// SLOs of one service.
const EACH: usize = 10;

/// Why there are no figures.
#[derive(Debug)]
struct Failure(String);

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

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]
fn main() -> ExitCode {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    // `cargo bench` passes --bench; whoever runs it otherwise only wants to know that it works.
    let short = asked("--short") || !asked("--bench");
    let (slos, hours, days) = if short { (20, 3, 10) } else { (1_000, 6, 365) };
    for tool in ["prometheus", "promtool"] {
        let output = Command::new(tool).arg("--version").output();
        if !output.is_ok_and(|it| it.status.success()) {
            println!("SKIPPED: {tool} is not installed, so there is nothing to ask");
            return ExitCode::SUCCESS;
        }
    }
    match measure(slos, hours, days) {
        Ok(report) => {
            println!("{slos} SLOs, {hours} h of traffic each minute\n{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(slos: usize, hours: i64, days: i64) -> Result<String, Failure> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), slos, hours)?;
    // All services are in one repository, which is deployed.
    let now = time::wall();
    let world = World::new("acme").at(now).repository("platform", |platform| {
        let commit = platform.push(now - TimeDelta::hours(hours), "Begin", &["a"]);
        platform.deployed("production", &commit, now - TimeDelta::hours(hours - 1));
    });
    let runtime = tokio::runtime::Runtime::new()?;
    let fakes = runtime.block_on(Fakes::start(world));
    let site = Site::new(folder, (&server, &fakes), slos, hours)?;
    let mut report = String::new();
    for what in ["first pass, every hour", "pass without a new hour"] {
        let before = server.requests()?;
        let run = site.run(&["sync"], Stdio::null())?;
        let requests = server.requests()? - before;
        let each = requests as f64 / slos as f64;
        let _ = writeln!(
            report,
            "  {what:<26} {requests} requests, {each:.2} per SLO, {:.1} s (goal 60), {:.0} MiB at most",
            run.seconds, run.peak_mib,
        );
    }
    let out = site.folder.path().join("metrics.txt");
    let run =
        site.run(&["evaluate", "--format", "prometheus"], Stdio::from(File::create(&out)?))?;
    let text = fs::read_to_string(&out)?;
    let series = text.lines().filter(|it| !it.starts_with('#') && !it.is_empty()).count();
    let _ = writeln!(
        report,
        "  {:<26} {series} series, {:.1} s with loading, {:.0} MiB at most",
        "complete evaluation", run.seconds, run.peak_mib,
    );
    report += &evaluated(&site, days)?;
    let known = text.lines().filter(|it| {
        it.starts_with("engkpi_slo_window_coverage_ratio{")
            && it.contains("window=\"own\"")
            && it.contains("scope=\"org\"")
    });
    let known = known.count();
    if known != slos {
        return Err(Failure(format!("{known} of {slos} SLOs have a ledger: {report}")));
    }
    Ok(report)
}

/// What /metrics costs when the ledgers are `days` long.
fn evaluated(site: &Site, days: i64) -> Result<String, Failure> {
    let variables = [("BENCH_GITHUB".into(), GITHUB_TOKEN.into())];
    let config = Config::load(std::slice::from_ref(&site.configuration), variables, time::wall());
    let params = config.map_err(|problems| Failure(problems.to_string()))?.params;
    let today = time::wall().date_naive();
    let mut timeline = Timeline::default();
    for (number, slo) in params.slos.iter().enumerate() {
        let columns = ["bad", "total", "valid", &met(&slo.slice_allowed.to_string())];
        for back in 1..=days {
            // One hour a week is bad.
            let bad =
                |hour: u8| if back % 7 == 0 && hour == 12 { 600.0 } else { (number % 3) as f64 };
            let hour = |hour: u8| LedgerHour {
                hour,
                covered: 12,
                layout: 0,
                values: vec![bad(hour), 60_000.0, 12.0, 12.0],
            };
            let day = LedgerDay {
                id: LedgerDay::id_of(&slo.ledger(), today - TimeDelta::days(back)),
                layouts: vec![columns.iter().map(|it| (*it).to_owned()).collect()],
                hours: (0..24).map(hour).collect(),
            };
            timeline.apply(&slo.source, Fact::LedgerDay(day));
        }
    }
    let as_of = today.and_time(chrono::NaiveTime::MIN).and_utc();
    let fresh = SourceFreshness { last_success: as_of, data_through: as_of };
    let mut params = params;
    for source in &mut params.sources {
        source.history_start = as_of - TimeDelta::days(days);
    }
    let freshness = params.sources.iter().map(|it| (it.name.clone(), fresh)).collect();
    let plan = Plan::published(vec![Window::parse("30d").expect("30d is a window")], false);
    let began = Instant::now();
    let evaluation = evaluate(&timeline, &params, &freshness, &plan, as_of);
    let measured = began.elapsed().as_secs_f64();
    let rendered = exposition::render(&evaluation, &exposition::Options::default());
    Ok(format!(
        "  {:<26} {} series for /metrics, {measured:.1} s, of ledgers of {days} days\n",
        "evaluation", rendered.series,
    ))
}

/// A Prometheus with traffic.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Server {
    fn start(folder: &Path, slos: usize, hours: i64) -> Result<Self, Failure> {
        let (input, data) = (folder.join("samples.txt"), folder.join("data"));
        samples(&input, slos, hours)?;
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&input, &data])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(Failure("promtool cannot write the samples".to_owned()));
        }
        let config = folder.join("prometheus.yml");
        fs::write(&config, "global: {}\n")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { process, port };
        let patience = Instant::now() + Duration::from_secs(60);
        while server.page("/-/ready").is_err() {
            if Instant::now() > patience {
                return Err(Failure("prometheus does not become ready".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    /// One of its pages.
    fn page(&self, path: &str) -> Result<String, Failure> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = runtime.block_on(async {
            let answer = reqwest::get(url).await?.error_for_status()?;
            answer.text().await
        });
        body.map_err(|error| Failure(error.to_string()))
    }

    /// How many queries it has answered.
    fn requests(&self) -> Result<u64, Failure> {
        let page = self.page("/metrics")?;
        let counts = page.lines().filter(|it| {
            it.starts_with("prometheus_http_requests_total{") && it.contains("/api/v1/query")
        });
        let count = |line: &str| line.rsplit_once(' ')?.1.parse::<f64>().ok();
        Ok(counts.filter_map(count).sum::<f64>() as u64)
    }
}

/// Good and bad requests of every SLO, each minute until now.
fn samples(path: &Path, slos: usize, hours: i64) -> Result<(), Failure> {
    let end = time::wall().duration_trunc(TimeDelta::minutes(1)).unwrap_or_else(|_| time::wall());
    let start = end - TimeDelta::hours(hours);
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "# TYPE http_requests counter")?;
    for slo in 0..slos {
        for (code, each) in [("200", 1_000), ("500", slo % 3)] {
            for minute in 0..=hours * 60 {
                let at = start.timestamp() + minute * 60;
                let count = each as i64 * minute;
                writeln!(out, "http_requests_total{{slo=\"{slo}\",code=\"{code}\"}} {count} {at}")?;
            }
        }
    }
    writeln!(out, "# EOF")?;
    out.flush()?;
    Ok(())
}

/// A folder with a configuration and a store.
struct Site {
    folder: TempDir,
    configuration: PathBuf,
}

/// The SLOs of a service: four of five are of events in sloth's format, the others budgets of slices
/// in `OpenSLO`'s.
fn specification(service: usize, slos: std::ops::Range<usize>) -> String {
    let mut of_events = format!("version: prometheus/v1\nservice: s{service}\nslos:\n");
    let mut of_slices = String::new();
    for slo in slos {
        let bad = format!(
            "sum(rate(http_requests_total{{slo=\"{slo}\",code=\"500\"}}[{{{{.window}}}}]))"
        );
        let total = format!("sum(rate(http_requests_total{{slo=\"{slo}\"}}[{{{{.window}}}}]))");
        let _ = match slo % 5 {
            4 => write!(
                of_slices,
                "---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: slo-{slo}}}\nspec:\n\
                 \x20 service: s{service}\n  budgetingMethod: Timeslices\n\
                 \x20 timeWindow: [{{duration: 30d, isRolling: true}}]\n\
                 \x20 objectives: [{{target: 0.99, timeSliceTarget: 0.999}}]\n  indicator:\n    spec:\n      ratioMetric:\n\
                 \x20       bad: {{metricSource: {{spec: {{query: '{bad}'}}}}}}\n\
                 \x20       total: {{metricSource: {{spec: {{query: '{total}'}}}}}}\n"
            ),
            _ => write!(
                of_events,
                "  - name: slo-{slo}\n    objective: 99.9\n    sli:\n      events:\n\
                 \x20       error_query: {bad}\n        total_query: {total}\n\
                 \x20   alerting: {{name: Burn}}\n"
            ),
        };
    }
    of_events + &of_slices
}

/// What one run of engkpi cost.
struct Run {
    seconds: f64,
    peak_mib: f64,
}

impl Site {
    fn new(
        folder: TempDir,
        (server, fakes): (&Server, &Fakes),
        slos: usize,
        hours: i64,
    ) -> Result<Self, Failure> {
        let start = (time::wall() - TimeDelta::hours(hours)).date_naive();
        let mut text = format!(
            "[store]\nsqlite = \"engkpi.db\"\n[sources.prometheus]\ntype = \"prometheus\"\n\
             url = \"http://127.0.0.1:{}\"\nhistory_start = {start}\n[slos]\nfiles = [{:?}]\n\
             [sources.github]\ntype = \"github\"\napi_url = \"{}\"\norganisation = \"acme\"\n\
             token = {{ env = \"BENCH_GITHUB\" }}\nhistory_start = {start}\n[teams.all]\n",
            server.port,
            folder.path().join("slos/**"),
            fakes.github.url(),
        );
        let specifications = folder.path().join("slos");
        fs::create_dir(&specifications)?;
        for service in 0..slos.div_ceil(EACH) {
            let _ = writeln!(
                text,
                "[services.s{service}]\nteam = \"all\"\nrepository = \"acme/platform\""
            );
            let slos = service * EACH..((service + 1) * EACH).min(slos);
            let spec = specification(service, slos);
            fs::write(specifications.join(format!("s{service}.yaml")), spec)?;
        }
        let configuration = folder.path().join("engkpi.toml");
        fs::write(&configuration, text)?;
        Ok(Self { folder, configuration })
    }

    fn run(&self, arguments: &[&str], stdout: Stdio) -> Result<Run, Failure> {
        let log = self.folder.path().join("log");
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_engkpi"))
            .args(arguments)
            .arg("--config")
            .arg(&self.configuration)
            .current_dir(self.folder.path())
            .env("BENCH_GITHUB", GITHUB_TOKEN)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut peak_mib = 0.0_f64;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            peak_mib = peak_mib.max(resident_mib(&child).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(10));
        };
        if !status.success() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(Failure(format!("engkpi {arguments:?} ended with {status}: {said}")));
        }
        Ok(Run { seconds: started.elapsed().as_secs_f64(), peak_mib })
    }
}

/// The largest resident set that a process had so far.
fn resident_mib(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}
