//! PagerDuty, read from a fake account that keeps the vendor's limits and awkward habits.

mod awkward;
mod history;
mod incremental;
mod requests;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use engkpi::clock::SystemClock;
use engkpi::domain::fact::{Incident, IncidentEvent, IncidentEventKind};
use engkpi::domain::{Fact, Instant, Kind, SourceName};
use engkpi::source::outbound::{Budgets, Dialect, Environment, Limits};
use engkpi::source::pagerduty::{PagerDuty, Settings};
use engkpi::source::{PollContext, PollReport, Progress, Source, SourceError};
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, SharedStore};
use engkpi::telemetry::Telemetry;
use engkpi_fakes::world::PagerDuty as Account;
use engkpi_fakes::{Fakes, PAGERDUTY_TOKEN, When, World};

const START: &str = "2026-01-01";

#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &SourceName, _: &str, _: u64, _: Option<u64>) {}
}

/// A fake account and what has been read of it.
struct Scene {
    fakes: Fakes,
    source: PagerDuty,
    store: SharedStore,
    folder: tempfile::TempDir,
}

impl Scene {
    /// An account with two services, priorities and custom fields, continued by `story`. Time
    /// stands at the 1st of April 2026.
    async fn of(story: impl FnOnce(&mut Account)) -> Self {
        let world = World::new("acme").at("2026-04-01 00:00").pagerduty(|account| {
            account.service("PSHOP", "Shop").service("PSEARCH", "Search");
            account.priorities(&["P1", "P2", "P3"]).fields(&["root_cause", "caused_by"]);
            story(account);
        });
        let fakes = Fakes::start(world).await;
        // Time stands still, and with it the vendor's minute.
        fakes.pagerduty.settings(|settings| settings.pagerduty_per_minute = 1_000_000);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("engkpi.db");
        let store: SharedStore = Arc::new(SqliteStore::open(&file, Access::Write).await.unwrap());
        let source = source(&fakes, &folder, PAGERDUTY_TOKEN, START, "");
        Self { fakes, source, store, folder }
    }

    /// Reads with other settings from now on.
    fn reconfigure(&mut self, start: &str, more: &str) {
        self.source = source(&self.fakes, &self.folder, PAGERDUTY_TOKEN, start, more);
    }

    fn context(&self) -> PollContext {
        let now = self.fakes.edit(|world| world.now.instant());
        PollContext { store: Arc::clone(&self.store), now, progress: Arc::new(Quiet) }
    }

    async fn try_poll(&self) -> Result<PollReport, SourceError> {
        self.source.poll(&self.context()).await
    }

    async fn poll(&self) -> PollReport {
        self.try_poll().await.unwrap()
    }

    async fn poll_at(&self, now: impl When) -> PollReport {
        self.fakes.set_now(now);
        self.poll().await
    }

    async fn reconcile(&self) -> PollReport {
        self.source.reconcile(&self.context()).await.unwrap()
    }

    /// All facts as text, in a fixed order.
    async fn facts(&self) -> String {
        let mut text = String::new();
        for kind in Kind::ALL {
            for fact in self.store.facts(self.source.name(), kind, None).await.unwrap() {
                text += &serde_json::to_string(&fact).unwrap();
                text.push('\n');
            }
        }
        text
    }

    async fn kind(&self, kind: Kind, parent: Option<&str>) -> Vec<Fact> {
        self.store.facts(self.source.name(), kind, parent).await.unwrap()
    }

    async fn incidents(&self) -> Vec<Incident> {
        let facts = self.kind(Kind::Incident, None).await.into_iter();
        facts.map(|fact| if let Fact::Incident(it) = fact { it } else { panic!() }).collect()
    }

    async fn incident(&self, id: &str) -> Incident {
        let found = self.incidents().await.into_iter().find(|it| it.id == id);
        found.unwrap_or_else(|| panic!("incident {id} is not in the store"))
    }

    async fn events(&self, incident: &str) -> Vec<IncidentEvent> {
        let facts = self.kind(Kind::IncidentEvent, Some(incident)).await.into_iter();
        let events = facts.map(|it| if let Fact::IncidentEvent(it) = it { it } else { panic!() });
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|it| it.at);
        events
    }

    async fn event_kinds(&self, incident: &str) -> Vec<IncidentEventKind> {
        self.events(incident).await.into_iter().map(|it| it.event).collect()
    }

    fn asked(&self) -> usize {
        self.fakes.pagerduty.requests().len()
    }
}

fn source(
    fakes: &Fakes,
    folder: &tempfile::TempDir,
    token: &str,
    start: &str,
    more: &str,
) -> PagerDuty {
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings: Settings = toml::from_str(&format!(
        "token = {{ file = {file:?} }}\nhistory_start = {start:?}\napi_url = {:?}\n{more}",
        fakes.pagerduty.url().as_str()
    ))
    .unwrap();
    let environment = Environment {
        clock: Arc::new(SystemClock),
        telemetry: Telemetry::new(),
        budgets: Budgets::default(),
    };
    let limits = Limits {
        pace: None,
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        total_timeout: Duration::from_secs(60),
        ..Limits::of(Dialect::PagerDuty)
    };
    PagerDuty::with_limits("pagerduty".into(), &settings, limits, &environment).unwrap()
}

fn at(text: &str) -> Instant {
    text.instant()
}
