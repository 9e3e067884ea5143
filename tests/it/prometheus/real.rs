//! A real Prometheus, filled with known traffic.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant as Tick};

use chrono::{DurationRound, TimeDelta};
use engkpi::clock::{Clock, SystemClock};
use engkpi::domain::fact::Burn;
use engkpi::domain::{Instant, SourceName, Timeline};
use engkpi::kpi::Span;
use engkpi::kpi::ledger::{Ledger, Question, Sli};
use engkpi::source::prometheus::{Plan, Prometheus, Settings, Wanted};
use engkpi::source::{PollContext, PollReport, Source};
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Delta, SharedStore};

use super::{Quiet, buckets, environment, limits};

const SELECTOR: &str = "http_request_duration_seconds_bucket{path=\"/pay\"}";
const BOUNDS: [(&str, f64); 4] = [("0.1", 0.8), ("0.3", 0.95), ("1", 0.995), ("+Inf", 1.0)];
const HOURS: i64 = 30;
/// Hours meet where the last sample of the one is, so nothing is counted twice or not at all.
const EXACT: f64 = 1e-5;

/// Longest time that a server on a busy machine is waited for. What it is to know is of the last
/// five minutes.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// A server that ends with the test.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Requests that an instance got in a minute: day and night, and a burst each hour.
fn requests(minute: i64, instance: i64) -> f64 {
    let hour = minute / 60 % 24;
    let base = if (7..20).contains(&hour) { 600 } else { 40 };
    let burst = if minute % 60 == 17 * (instance + 1) { 300 } else { 0 };
    (base + burst + minute * 7 % 31) as f64
}

/// The samples of two instances from `start` on, one of which is restarted half-way.
fn samples(start: Instant, minutes: i64) -> String {
    let mut text = String::from("# TYPE http_request_duration_seconds histogram\n");
    for instance in 0..2 {
        for (bound, share) in BOUNDS {
            let mut count = 0.0;
            for minute in 0..=minutes {
                count += requests(minute, instance) * share;
                if instance == 1 && minute == minutes / 2 {
                    count = requests(minute, instance) * share;
                }
                let at = start.timestamp() + minute * 60 + 13 + instance * 20;
                writeln!(
                    text,
                    "http_request_duration_seconds_bucket{{path=\"/pay\",instance=\"{instance}\",le=\"{bound}\"}} {count} {at}"
                )
                .unwrap();
            }
        }
    }
    text.push_str("# TYPE http_requests counter\n");
    for instance in 0..2 {
        for code in ["200", "500"] {
            let mut count = 0.0;
            for minute in 0..=minutes {
                let failed = errors(minute, instance);
                count += if code == "500" { failed } else { requests(minute, instance) - failed };
                let at = start.timestamp() + minute * 60 + 13 + instance * 20;
                writeln!(
                    text,
                    "http_requests_total{{instance=\"{instance}\",code=\"{code}\"}} {count} {at}"
                )
                .unwrap();
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

/// Requests that failed: some in each quiet hour, none in busy ones.
fn errors(minute: i64, instance: i64) -> f64 {
    if (7..20).contains(&(minute / 60 % 24)) { 0.0 } else { (minute % 7 + instance) as f64 / 2.0 }
}

/// Errors of all requests, as sloth's users write it.
fn objective() -> Plan {
    let question = Question::Events {
        sli: Sli::Bad {
            bad: "sum(rate(http_requests_total{code=~\"5..\"}[{{.window}}]))".to_owned(),
            total: "sum(rate(http_requests_total[{{.window}}]))".to_owned(),
        },
        slice_allowed: "0.001".to_owned(),
        by_slices: false,
    };
    let ledger = question.ledger("slo", "web-errors");
    Plan { ledger, key: "SLO web-errors".to_owned(), question }
}

/// Starts it on the samples in `folder`, by its `configuration`. None where it is not installed and
/// need not be.
pub(super) fn start(
    folder: &Path,
    samples: &str,
    configuration: &str,
) -> Option<(Server, url::Url)> {
    let installed = |tool: &str| {
        Command::new(tool).arg("--version").output().is_ok_and(|it| it.status.success())
    };
    if !installed("prometheus") || !installed("promtool") {
        assert!(
            std::env::var_os("ENGKPI_REQUIRE_TOOLS").is_none(),
            "prometheus and promtool are required here and cannot be run"
        );
        eprintln!("SKIPPED: prometheus is not installed, so it was not asked");
        return None;
    }
    let (input, data) = (folder.join("samples.txt"), folder.join("data"));
    std::fs::write(&input, samples).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=1500h"])
        .args([&input, &data])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(folder.join("prometheus.yml"), configuration).unwrap();
    let log = folder.join("prometheus.log");
    // It looks for files by patterns, which the names of folders above may look like.
    let child = Command::new("prometheus")
        .current_dir(folder)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .args(["--web.listen-address=127.0.0.1:0", "--web.route-prefix=/metrics/store"])
        .arg("--storage.tsdb.retention.time=60d")
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let server = Server(child);
    let address = address(&log);
    Some((server, format!("http://{address}/metrics/store").parse().unwrap()))
}

/// Where a server listens that chose its port itself, as its log says.
fn address(log: &Path) -> String {
    let started = Tick::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let mut lines = text.lines().filter(|line| line.contains("msg=\"Listening on\""));
        if let Some((_, address)) = lines.next().and_then(|line| line.split_once("address=")) {
            return address.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "it does not listen: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the first poll of a server with a past made of it.
struct Asked {
    start_at: Instant,
    /// The last hour that is over.
    end: Instant,
    source: SourceName,
    report: PollReport,
    timeline: Timeline,
}

impl Asked {
    /// Of a server that has had so many hours of samples; none where it is not installed.
    async fn of(
        hours: i64,
        samples: impl FnOnce(Instant) -> String,
        plans: Vec<Plan>,
    ) -> Option<Self> {
        let end = SystemClock.now().duration_trunc(TimeDelta::hours(1)).unwrap();
        let start_at = end - TimeDelta::hours(hours);
        let folder = tempfile::tempdir().unwrap();
        let (_server, url) = start(folder.path(), &samples(start_at), "global: {}\n")?;
        let settings = format!("url = \"{url}\"\nhistory_start = \"{}\"", start_at.date_naive());
        let settings: Settings = toml::from_str(&settings).unwrap();
        let source = Prometheus::with_limits(
            "prometheus".into(),
            &settings,
            Wanted { plans, alert_rules: false },
            limits(),
            &environment(),
        )
        .unwrap();
        let file = folder.path().join("engkpi.db");
        let store: SharedStore = Arc::new(SqliteStore::open(&file, Access::Write).await.unwrap());
        // A minute after the hour at the earliest, so that its last hour is read.
        let now = end + TimeDelta::minutes(1);
        let cx = PollContext { store: Arc::clone(&store), now, progress: Arc::new(Quiet) };
        let report = poll(&source, &cx).await;
        let timeline = timeline(&store).await;
        Some(Self { start_at, end, source: source.name().clone(), report, timeline })
    }

    fn ledger(&self, name: &str) -> Ledger<'_> {
        Ledger::of(&self.timeline, &self.source, name, self.end)
    }

    fn burn(&self, ledger: &str) -> &Burn {
        &self.timeline.burns[&(self.source.clone(), ledger.to_owned())]
    }

    #[track_caller]
    fn lacks_nothing(&self) {
        assert_eq!((self.report.gaps, &self.report.warnings), (0, &Vec::new()));
    }
}

/// Asks until the server has replayed what it has.
async fn poll(source: &Prometheus, cx: &PollContext) -> PollReport {
    let deadline = Tick::now() + PATIENCE;
    loop {
        match source.poll(cx).await {
            Ok(report) => return report,
            Err(error) if Tick::now() > deadline => panic!("the server does not answer: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn timeline(store: &SharedStore) -> Timeline {
    let mut timeline = Timeline::default();
    let (deltas, _) = store.changes_since(0, 10_000).await.unwrap();
    for delta in deltas {
        if let Delta::Present(source, fact) = delta {
            timeline.apply(&source, *fact);
        }
    }
    timeline
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_gives_the_numbers_that_are_true() {
    let plans = vec![buckets("pay", SELECTOR), objective()];
    let [pay, slo] = [0, 1].map(|at: usize| plans[at].ledger.clone());
    let past = |start_at| samples(start_at, HOURS * 60);
    let Some(asked) = Asked::of(HOURS, past, plans).await else { return };
    asked.lacks_nothing();
    let (ledger, end) = (asked.ledger(&pay), asked.end);
    // The first sample of a counter counts nothing, so the first minute is unknown to everybody.
    let span = Span { start: asked.start_at + TimeDelta::hours(1), end };
    let counted = ledger.histogram(span, 1.0).unwrap();
    let truth: f64 = (60..HOURS * 60).map(|minute| requests(minute, 0) + requests(minute, 1)).sum();
    let off = (counted.total() - truth).abs() / truth;
    assert!(off < EXACT, "{} of {truth} requests, {:.3} % off", counted.total(), off * 100.0);
    // Every bucket is off by the same share, so the quantiles are true.
    for (q, expected) in [(0.8, 0.1), (0.95, 0.3), (0.99, 0.3 + 0.7 * 0.04 / 0.045)] {
        let value = counted.quantile(q).unwrap();
        assert!((value - expected).abs() < 0.002, "q{q}: {value}, and it is {expected}");
    }
    assert!((counted.within(0.3) / counted.total() - 0.95).abs() < 1e-4);
    assert!(ledger.coverage(span).unwrap() > 0.99);
    assert_eq!(ledger.starts_at(), Some(asked.start_at));

    let events = asked.ledger(&slo).events(span, "0.001");
    let failed: f64 = (60..HOURS * 60).map(|minute| errors(minute, 0) + errors(minute, 1)).sum();
    for (what, counted, truth) in [("bad", events.bad, failed), ("all", events.total, truth)] {
        let off = (counted - truth).abs() / truth;
        assert!(off < EXACT, "{what}: {counted} of {truth}, {:.3} % off", off * 100.0);
    }
    let ratio = events.error_ratio().unwrap();
    let off = (ratio / (failed / truth) - 1.0).abs();
    assert!(off < EXACT, "the error ratio is {:.3} % off", off * 100.0);
    assert!(events.contradictory == 0 && events.met > 0.0 && events.met < events.valid);

    let burn = asked.burn(&slo);
    let day = burn.windows.iter().find(|it| it.window == "1d").unwrap();
    assert!((day.bad / day.total / ratio - 1.0).abs() < 0.5, "{day:?}");
    assert_eq!(burn.windows.len(), 7, "one query asks for every window");
}

/// What is asked of the present spoils no hour that is complete.
#[tokio::test(flavor = "multi_thread")]
async fn short_windows_that_cannot_be_asked_spoil_no_ledger() {
    let mut plan = objective();
    let Question::Events { by_slices, slice_allowed, .. } = &mut plan.question else {
        unreachable!()
    };
    // Only the question for short windows has it, and Prometheus cannot read it.
    (*by_slices, *slice_allowed) = (true, "0.001 nonsense".to_owned());
    let ledger = plan.ledger.clone();
    let past = |start_at| samples(start_at, HOURS * 60);
    let Some(asked) = Asked::of(HOURS, past, vec![plan]).await else { return };
    assert_eq!(asked.report.gaps, 1);
    let words = "SLO web-errors: its short windows: ";
    let warnings = &asked.report.warnings;
    assert!(warnings[0].starts_with(words), "{warnings:?}");
    let all = Span { start: asked.start_at, end: asked.end };
    assert_eq!(asked.ledger(&ledger).hours(all).count() as i64, HOURS);
}

/// Requests of a service with busy days, quiet nights and an hour without any; errors come in
/// bursts of one minute, wherever they fall.
fn traffic(minute: i64) -> (f64, f64) {
    let requests = match minute / 60 % 24 {
        3 => 0.0,
        7..20 => 900.0,
        _ => 45.0,
    };
    let burst = minute * 7919 % 1009 < 3;
    (requests, if burst { requests * 0.4 } else { 0.0 })
}

/// What is odd about the series of a month.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Oddity {
    Nothing,
    /// Nothing fails, so there is no series of failures.
    NeverFailed,
    /// From the middle on its series have another label.
    Relabelled,
}

/// The samples of thirty days, every `seconds` and 17 s after the minute, with a restart.
fn month(start: Instant, seconds: i64, oddity: Oddity) -> String {
    let mut text = String::from("# TYPE http_requests counter\n");
    let all: &[&str] = if oddity == Oddity::NeverFailed { &["200"] } else { &["200", "500"] };
    let parts = 60 / seconds;
    let (last, middle) = (30 * 1440 * parts, 15 * 1440 * parts);
    for &code in all {
        let mut count = 0.0;
        for step in 0..=last {
            let (requests, failed) = traffic(step / parts);
            // A minute's events come with its first sample.
            if step % parts == 0 {
                count += if code == "500" { failed } else { requests - failed };
            }
            if step == 20_000 * parts {
                count = if code == "500" { failed } else { requests - failed };
            }
            let at = start.timestamp() + step * seconds + 17 % seconds;
            let renamed = oddity == Oddity::Relabelled && step >= middle;
            let pod = if renamed { ",pod=\"b\"" } else { "" };
            writeln!(text, "http_requests_total{{code=\"{code}\"{pod}}} {count} {at}").unwrap();
        }
    }
    text.push_str("# EOF\n");
    text
}

/// A budget of slices, and one of the average of slices, of the same events.
#[tokio::test(flavor = "multi_thread")]
async fn slices_of_short_windows_are_those_of_the_ledger() {
    let objective = objective();
    let Question::Events { sli, .. } = &objective.question else { unreachable!() };
    // In each slice of the eleven quiet hours of a day more fail, and none in busy ones.
    let allowed = "0.01".to_owned();
    let plan = |name: &str, sli: Sli, by_slices: bool| {
        let question = Question::Events { sli, slice_allowed: allowed.clone(), by_slices };
        Plan { ledger: question.ledger("slo", name), key: name.to_owned(), question }
    };
    let share = Sli::Ratio { bad: sli.share(), there: None };
    let plans = vec![plan("slices", sli.clone(), true), plan("ratios", share, false)];
    let ledgers: Vec<String> = plans.iter().map(|it| it.ledger.clone()).collect();
    let past = |start_at| samples(start_at, HOURS * 60);
    let Some(asked) = Asked::of(HOURS, past, plans).await else { return };
    asked.lacks_nothing();
    let [slices, ratios] = [0, 1].map(|at: usize| asked.ledger(&ledgers[at]));
    let end = asked.end;
    let day = Span { start: end - TimeDelta::days(1), end };
    let sliced = slices.events(day, &allowed).by_slices();
    // A sample comes some seconds after the minute that it is of.
    let near = |bad: f64| (bad - 11.0 * 12.0).abs() <= 4.0;
    assert!(sliced.total == 288.0 && near(sliced.bad), "{sliced:?}");
    // Each slice of a ratio is one event, and its share is that of the slice.
    let averaged = ratios.events(day, &allowed);
    assert!(averaged.total == 288.0 && near(averaged.by_slices().bad), "{averaged:?}");
    let events = slices.events(day, &allowed);
    let (average, weighted) = (averaged.error_ratio().unwrap(), events.error_ratio().unwrap());
    assert!(average > 2.0 * weighted, "quiet hours count alike: {average} and {weighted}");

    let burn = asked.burn(&ledgers[0]);
    let known = |name: &str| burn.windows.iter().find(|it| it.window == name).unwrap();
    // They end now and not with the last hour, and a window may have both its ends.
    let of_day = known("1d");
    assert!((of_day.total - sliced.total).abs() <= 2.0, "{of_day:?} of {sliced:?}");
    assert!((of_day.bad - sliced.bad).abs() <= 16.0, "{of_day:?} of {sliced:?}");
    assert!(known("1h").total >= 11.0 && known("1h").total <= 13.0, "{:?}", known("1h"));
    assert_eq!(burn.windows.len(), 7, "one query asks for every window");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_days_add_up_to_what_was_counted() {
    for (seconds, oddity) in [
        (60, Oddity::Nothing),
        (30, Oddity::Nothing),
        (60, Oddity::NeverFailed),
        (60, Oddity::Relabelled),
    ] {
        let plan = objective();
        let slo = plan.ledger.clone();
        let past = |start_at| month(start_at, seconds, oddity);
        let Some(asked) = Asked::of(30 * 24, past, vec![plan]).await else { return };
        asked.lacks_nothing();
        let span = Span { start: asked.start_at + TimeDelta::hours(1), end: asked.end };
        let events = asked.ledger(&slo).events(span, "0.001");
        let (all, failed) =
            (60..30 * 1440).map(traffic).fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        // What did not fail was not counted either.
        let never = oddity == Oddity::NeverFailed;
        let (all, failed) = if never { (all - failed, 0.0) } else { (all, failed) };
        // The first sample of a series that is new counts nothing.
        let exact = if oddity == Oddity::Relabelled { 2e-3 } else { EXACT };
        for (what, counted, truth) in [("bad", events.bad, failed), ("all", events.total, all)] {
            let off = (counted - truth).abs() / truth.max(1.0);
            assert!(
                off < exact,
                "{what}, every {seconds} s, {oddity:?}: {counted} of {truth}, {:.4} % off",
                off * 100.0
            );
        }
    }
}
