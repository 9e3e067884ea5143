//! The README's one command: its configuration is valid, every KPI has something to show, and one
//! source that is down spoils no other.

#[path = "../sample/configuration.rs"]
mod configuration;
mod outage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::Duration;
use engkpi::clock::ManualClock;
use engkpi::collect::{Collector, Environment, Synced};
use engkpi::config::Config;
use engkpi::daemon::build_sources;
use engkpi::domain::Instant;
use engkpi::evaluate::Evaluator;
use engkpi::kpi;
use engkpi::kpi::evaluation::Evaluation;
use engkpi::output::exposition;
use engkpi::source::outbound;
use engkpi::store::{self, Access};
use engkpi::telemetry::Telemetry;
use engkpi_fakes::{Fakes, Now, When, World, sample};
use tokio_util::sync::CancellationToken;

use crate::installation::Silent;

/// The present of the sample organisation.
fn now() -> Instant {
    "2026-11-20 12:00".instant()
}

/// The sample organisation with its configuration in a folder of its own.
struct Site {
    fakes: Fakes,
    folder: tempfile::TempDir,
}

impl Site {
    async fn of(change: impl FnOnce(&mut World)) -> Self {
        let mut world = sample::organisation(now());
        world.now = Now::Frozen(now());
        change(&mut world);
        let fakes = Fakes::start(world).await;
        let folder = tempfile::tempdir().unwrap();
        configuration::write(folder.path(), &fakes, now(), "127.0.0.1:9780").unwrap();
        Self { fakes, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self, at: Instant) -> Config {
        let file = self.path().join("engkpi.toml");
        Config::load(&[file], [], at).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Reads every source at `at`, and tells how that went.
    async fn sync(&self, at: Instant) -> Vec<Synced> {
        self.fakes.set_now(at);
        let config = self.config(at);
        let (clock, telemetry) = (Arc::new(ManualClock::at(at)), Telemetry::new());
        let environment = outbound::Environment {
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            budgets: outbound::Budgets::default(),
        };
        let sources = build_sources(&config, &environment).unwrap();
        let store = store::open(&config.store, Access::Write).await.unwrap();
        let progress = Arc::new(Silent);
        let environment = Environment { store: Arc::clone(&store), clock, telemetry, progress };
        let synced = Collector::new(sources, environment).sync(CancellationToken::new()).await;
        store.close().await;
        synced
    }

    /// What is stored, evaluated at `at`.
    async fn evaluate(&self, at: Instant) -> Evaluation {
        let config = self.config(at);
        let store = store::open(&config.store, Access::Read).await.unwrap();
        let plan = config.evaluate.plan();
        let evaluator = Evaluator::new(Arc::clone(&store), Arc::new(config.params));
        evaluator.load().await.unwrap();
        let evaluation = evaluator.evaluate(plan, at).await.unwrap();
        store.close().await;
        evaluation
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kpi_of_the_sample_has_a_value() {
    let site = Site::of(|_| {}).await;
    assert_eq!(site.config(now()).params.catalogue.services.len(), sample::SERVICES.len());
    for synced in site.sync(now()).await {
        let report = synced.result.unwrap_or_else(|error| panic!("{}: {error}", synced.source));
        assert_eq!((report.gaps, report.rejected, report.warnings), Default::default());
    }
    let evaluation = site.evaluate(now()).await;
    let valued: BTreeSet<&str> = evaluation
        .readings()
        .filter(|it| it.window == it.kpi.default_window && it.reading.value.is_some())
        .map(|it| it.kpi.id)
        .collect();
    let all: BTreeSet<&str> = kpi::ALL.iter().map(|kpi| kpi.id).collect();
    assert_eq!(valued, all, "a KPI of the sample has no value in its own window");
    let recurrence = evaluation.readings().find(|it| {
        it.kpi.id == "incident_recurrence" && it.scope == kpi::Scope::Org && it.window == "90d"
    });
    let ratio = recurrence.and_then(|it| it.reading.value).expect("it has a value");
    assert!((0.02..0.6).contains(&ratio), "{ratio} of the incidents happened before: believable?");
    a_request_costs_what_was_billed_for_what_was_counted(&evaluation);
    let text = exposition::render(&evaluation, &exposition::Options::default()).text;
    no_label_is_there_twice(&String::from_utf8(text).expect("text"));
}

/// The last 29 whole days of the checkout, by the bill and by the metric store's counter, which are
/// both known without asking engkpi.
fn a_request_costs_what_was_billed_for_what_was_counted(evaluation: &Evaluation) {
    let files = sample::files::files(now());
    let bill = files.iter().find(|it| it.name == "costs.csv").unwrap();
    let days: Vec<String> =
        (1..=29).map(|back| (now() - Duration::days(back)).date_naive().to_string()).collect();
    let lines = bill.text.lines().filter(|it| it.contains("\"\"checkout\"\""));
    let billed = lines.filter_map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let day = fields[1].strip_suffix("T00:00:00Z")?;
        days.iter().any(|it| it == day).then(|| fields[3].parse::<f64>().unwrap())
    });
    let cost: f64 = billed.sum();
    // Requests a minute of the sample's checkout, see `sample::metrics`.
    let requests = (60.0 + 45.0 + 12.0 + 4.0) * 60.0 * 24.0 * 29.0;
    let ours = evaluation.readings().find(|it| {
        it.reading.family == "engkpi_unit_cost"
            && it.window == "30d"
            && matches!(it.scope, kpi::Scope::Service(_))
            && it.reading.value.is_some_and(|value| (value - cost / requests).abs() < 1e-12)
    });
    let ours = ours.unwrap_or_else(|| panic!("no service has {cost} / {requests}"));
    assert_eq!((ours.reading.n, ours.reading.coverage), (29, Some(1.0)));
}

/// Prometheus refuses a whole scrape for one such series.
fn no_label_is_there_twice(text: &str) {
    let mut series = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').map_or("", |(_, labels)| labels);
        let names: Vec<&str> =
            labels.split("\",").filter_map(|it| it.split_once("=\"")).map(|it| it.0).collect();
        let each: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(each.len(), names.len(), "{line}");
        series += 1;
    }
    assert!(series > 1000, "{series} series");
}
