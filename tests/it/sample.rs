//! The README's one command: its configuration is valid, and every KPI has something to show.

#[path = "../sample/configuration.rs"]
mod configuration;

use std::collections::BTreeSet;
use std::sync::Arc;

use engkpi::clock::ManualClock;
use engkpi::collect::{Collector, Environment};
use engkpi::config::Config;
use engkpi::daemon::build_sources;
use engkpi::evaluate::Evaluator;
use engkpi::kpi::{self, Need};
use engkpi::source::outbound;
use engkpi::store::{self, Access};
use engkpi::telemetry::Telemetry;
use engkpi_fakes::{Fakes, Now, When, sample};
use tokio_util::sync::CancellationToken;

use crate::installation::Silent;

#[tokio::test(flavor = "multi_thread")]
async fn every_kpi_of_the_sample_has_a_value() {
    let now = "2026-11-20 12:00".instant();
    let mut world = sample::organisation(now);
    world.now = Now::Frozen(now);
    let fakes = Fakes::start(world).await;
    let folder = tempfile::tempdir().unwrap();
    let file = configuration::write(folder.path(), &fakes, now, "127.0.0.1:9780").unwrap();
    let config = Config::load(&[file], [], now).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.params.catalogue.services.len(), sample::SERVICES.len());

    let (clock, telemetry) = (Arc::new(ManualClock::at(now)), Telemetry::new());
    let environment = outbound::Environment {
        clock: clock.clone(),
        telemetry: telemetry.clone(),
        budgets: outbound::Budgets::default(),
    };
    let sources = build_sources(&config, &environment).unwrap();
    let store = store::open(&config.store, Access::Write).await.unwrap();
    let progress = Arc::new(Silent);
    let environment = Environment { store: Arc::clone(&store), clock, telemetry, progress };
    for synced in Collector::new(sources, environment).sync(CancellationToken::new()).await {
        let report = synced.result.unwrap_or_else(|error| panic!("{}: {error}", synced.source));
        assert_eq!((report.gaps, report.rejected, report.warnings), Default::default());
    }
    let plan = config.evaluate.plan();
    let evaluator = Evaluator::new(store, Arc::new(config.params));
    evaluator.load().await.unwrap();
    let evaluation = evaluator.evaluate(plan, now).await.unwrap();
    let valued: BTreeSet<&str> = evaluation
        .readings()
        .filter(|it| it.window == it.kpi.default_window && it.reading.value.is_some())
        .map(|it| it.kpi.id)
        .collect();
    // The sample organisation has no metric store.
    let of_metrics = |kpi: &&&kpi::Kpi| {
        kpi.needs.iter().any(|need| matches!(need, Need::Requests | Need::Objectives))
    };
    let fed = kpi::ALL.iter().filter(|kpi| !of_metrics(kpi));
    let fed: BTreeSet<&str> = fed.map(|kpi| kpi.id).collect();
    assert_eq!(valued, fed, "a KPI of the sample has no value in its own window");
}
