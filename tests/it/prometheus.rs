//! Prometheus, read from a fake store that keeps its limits, and from the real one.

mod awkward;
mod budget;
mod ledger;
mod real;
mod rules;
mod units;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use engkpi::clock::SystemClock;
use engkpi::domain::fact::LedgerDay;
use engkpi::domain::{Fact, Instant, Kind, SourceName};
use engkpi::kpi::ledger::Question;
use engkpi::source::outbound::{Budgets, Dialect, Environment, Limits};
use engkpi::source::prometheus::{Plan, Prometheus, Settings, Wanted};
use engkpi::source::{PollContext, PollReport, Progress, Source, SourceError};
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, SharedStore};
use engkpi::telemetry::Telemetry;
use engkpi_fakes::world::Metrics;
use engkpi_fakes::{Fakes, When, World};

/// The histogram of the endpoint `pay`.
const PAY: &str = "http_request_duration_seconds_bucket{path=\"/pay\"}";
const BOUNDS: [&str; 3] = ["0.1", "0.3", "+Inf"];

#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &SourceName, _: &str, _: u64, _: Option<u64>) {}
}

/// A metric store and what has been read of it.
struct Scene {
    fakes: Fakes,
    source: Prometheus,
    store: SharedStore,
    folder: tempfile::TempDir,
}

fn buckets(name: &str, selector: &str) -> Plan {
    let question = Question::Buckets { selector: selector.to_owned() };
    let ledger = question.ledger("endpoint", name);
    Plan { ledger, key: format!("endpoints.{name}"), question }
}

impl Scene {
    /// A store with the history that `story` tells, at the 10th of March 2026, half past noon.
    async fn of(story: impl FnOnce(&mut Metrics)) -> Self {
        let world = World::new("acme").at("2026-03-10 12:30").metrics(story);
        let fakes = Fakes::start(world).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engkpi.db");
        let store: SharedStore = Arc::new(SqliteStore::open(&file, Access::Write).await.unwrap());
        let source = source(&fakes, &folder, vec![buckets("pay", PAY)], "");
        Self { fakes, source, store, folder }
    }

    fn reconfigure(&mut self, plans: Vec<Plan>, more: &str) {
        self.source = source(&self.fakes, &self.folder, plans, more);
    }

    async fn try_poll(&self) -> Result<PollReport, SourceError> {
        let now = self.fakes.edit(|world| world.now.instant());
        let store = Arc::clone(&self.store);
        self.source.poll(&PollContext { store, now, progress: Arc::new(Quiet) }).await
    }

    async fn poll(&self) -> PollReport {
        self.try_poll().await.unwrap()
    }

    async fn poll_at(&self, now: impl When) -> PollReport {
        self.fakes.set_now(now);
        self.poll().await
    }

    async fn days(&self) -> Vec<LedgerDay> {
        let facts = self.store.facts(self.source.name(), Kind::LedgerDay, None).await.unwrap();
        facts
            .into_iter()
            .map(|it| if let Fact::LedgerDay(it) = it { it } else { panic!() })
            .collect()
    }

    /// Every hour that is known, one a line: when, slices with data, what was counted by bound.
    async fn hours(&self) -> String {
        let mut text = String::new();
        for day in self.days().await {
            for hour in &day.hours {
                let at = day.hour_starts_at(hour).format("%dT%H");
                let counts: Vec<String> = day
                    .columns(hour)
                    .iter()
                    .zip(&hour.values)
                    .map(|(column, value)| format!("{column}:{value}"))
                    .collect();
                text += &format!("{at} {}/12 {}\n", hour.covered, counts.join(" "));
            }
        }
        text
    }

    fn asked(&self) -> usize {
        self.fakes.prometheus.requests().len()
    }
}

fn source(fakes: &Fakes, folder: &tempfile::TempDir, plans: Vec<Plan>, more: &str) -> Prometheus {
    let wanted = Wanted { plans, alert_rules: more.contains("# with alert rules") };
    let file = folder.path().join("secret");
    std::fs::write(&file, "pass:word").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let more = more.replace("SECRET", &format!("{{ file = {file:?} }}"));
    let mut text = more.clone();
    if !more.contains("url =") {
        text += &format!("\nurl = {:?}", fakes.prometheus.url().as_str());
    } else {
        text = text.replace("FAKE", fakes.prometheus.url().as_str().trim_end_matches('/'));
    }
    if !more.contains("history_start") {
        text += "\nhistory_start = \"2026-03-01\"";
    }
    let settings: Settings = toml::from_str(&text).unwrap();
    assert_eq!(settings.check(), []);
    Prometheus::with_limits("prometheus".into(), &settings, wanted, limits(), &environment())
        .unwrap()
}

fn environment() -> Environment {
    Environment {
        clock: Arc::new(SystemClock),
        telemetry: Telemetry::new(),
        budgets: Budgets::default(),
    }
}

fn limits() -> Limits {
    Limits {
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        total_timeout: Duration::from_secs(30),
        ..Limits::of(Dialect::Prometheus)
    }
}

fn at(text: &str) -> Instant {
    text.instant()
}
