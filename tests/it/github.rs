//! The GitHub source against the fake GitHub.

pub(crate) mod access;
mod graph;
mod interrupted;
mod items;
mod listings;
mod pitfalls;
mod polling;
mod quality;
mod reconciling;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engkpi::clock::ManualClock;
use engkpi::domain::fact::{Change, Deployment, WorkflowRun};
use engkpi::domain::{Fact, Instant, Kind, SourceName};
use engkpi::source::github::{GitHub, Needs, Settings};
use engkpi::source::outbound::{Budgets, Dialect, Environment, Limits};
use engkpi::source::{PollContext, PollReport, Progress, Source, SourceError};
use engkpi::store::{SharedStore, Store};
use engkpi::telemetry::Telemetry;
use engkpi_fakes::{Fakes, GITHUB_TOKEN, When, World};

use crate::store::memory::MemoryStore;

#[derive(Debug)]
struct Silent;

impl Progress for Silent {
    fn step(&self, _: &SourceName, _: &str, _: u64, _: Option<u64>) {}
}

/// A source on a fake GitHub that is `acme`, collected since the first of January 2026.
struct Site {
    fakes: Fakes,
    store: SharedStore,
    source: GitHub,
    clock: Arc<ManualClock>,
    _secrets: tempfile::TempDir,
}

/// Limits that make no test wait.
fn limits() -> Limits {
    Limits {
        attempts: 3,
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        max_sleep: Duration::ZERO,
        pace: None,
        ..Limits::of(Dialect::GitHub)
    }
}

fn name() -> SourceName {
    SourceName::new("github")
}

/// Needs of `acme/shop`: a service that is deployed to `production` and by the workflow `Deploy`.
fn needs() -> Needs {
    let mut needs = Needs::default();
    let shop = needs.entry("acme/shop");
    shop.environments.insert("production".to_owned());
    shop.workflows.insert("Deploy".to_owned());
    needs
}

impl Site {
    async fn of(world: World) -> Self {
        Self::with(world, needs(), "organisation = \"acme\"").await
    }

    async fn with(world: World, needs: Needs, settings: &str) -> Self {
        let now = world.now.instant();
        let fakes = Fakes::start(world).await;
        Self::on(fakes, now, needs, settings)
    }

    /// A fresh source with an empty store on fakes that run.
    fn on(fakes: Fakes, now: Instant, needs: Needs, settings: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let secrets = tempfile::tempdir().unwrap();
        let token = secrets.path().join("token");
        std::fs::write(&token, GITHUB_TOKEN).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        let credentials = if settings.contains("app =") {
            String::new()
        } else {
            format!("token = {{ file = {token:?} }}\n")
        };
        let settings: Settings = toml::from_str(&format!(
            "api_url = \"{}\"\nhistory_start = \"2026-01-01\"\n{credentials}{settings}",
            fakes.github.url()
        ))
        .unwrap();
        assert_eq!(settings.check(), []);
        let clock = Arc::new(ManualClock::at(now));
        let environment = Environment {
            clock: clock.clone(),
            telemetry: Telemetry::new(),
            budgets: Budgets::default(),
        };
        let source = GitHub::with_limits(name(), &settings, needs, limits(), &environment).unwrap();
        Self { fakes, store: Arc::new(MemoryStore::default()), source, clock, _secrets: secrets }
    }

    fn context(&self) -> PollContext {
        use engkpi::clock::Clock as _;
        let store = Arc::clone(&self.store);
        PollContext { store, now: self.clock.now(), progress: Arc::new(Silent) }
    }

    fn set_now(&self, now: impl When) {
        let now = now.instant();
        self.fakes.set_now(now);
        self.clock.set(now);
    }

    /// Polls; the poll must succeed.
    async fn poll(&self) -> PollReport {
        self.try_poll().await.unwrap_or_else(|error| panic!("the poll failed: {error}"))
    }

    async fn try_poll(&self) -> Result<PollReport, SourceError> {
        self.source.poll(&self.context()).await
    }

    async fn reconcile(&self) -> PollReport {
        let reconciled = self.source.reconcile(&self.context()).await;
        reconciled.unwrap_or_else(|error| panic!("reconciling failed: {error}"))
    }

    /// Everything that is stored, by key, as text.
    async fn everything(&self) -> BTreeMap<String, String> {
        everything(&*self.store).await
    }

    async fn facts(&self, kind: Kind) -> Vec<Fact> {
        self.store.facts(&name(), kind, None).await.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        let facts = self.facts(Kind::Change).await.into_iter();
        facts.filter_map(|it| if let Fact::Change(it) = it { Some(it) } else { None }).collect()
    }

    async fn change(&self, number: u64) -> Change {
        let found = self.changes().await.into_iter().find(|it| it.number == number);
        found.unwrap_or_else(|| panic!("pull request {number} is not stored"))
    }

    async fn deployments(&self) -> Vec<Deployment> {
        let facts = self.facts(Kind::Deployment).await.into_iter();
        facts.filter_map(|it| if let Fact::Deployment(it) = it { Some(it) } else { None }).collect()
    }

    async fn runs(&self) -> Vec<WorkflowRun> {
        let facts = self.facts(Kind::WorkflowRun).await.into_iter();
        facts
            .filter_map(|it| if let Fact::WorkflowRun(it) = it { Some(it) } else { None })
            .collect()
    }

    async fn count(&self, kind: Kind) -> usize {
        self.store.ids(&name(), kind, None).await.unwrap().len()
    }
}

async fn everything(store: &dyn Store) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for kind in Kind::ALL {
        for fact in store.facts(&name(), kind, None).await.unwrap() {
            let text = serde_json::to_string(&fact).unwrap();
            all.insert(format!("{} {}", kind.as_str(), fact.id()), text);
        }
    }
    all
}

/// What differs between two contents, for people.
fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    keys.into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| format!("{key}\n  {:?}\n  {:?}", one.get(key), other.get(key)))
        .collect()
}

fn at(text: &str) -> Instant {
    text.instant()
}

/// A shop with one commit, at noon of the first of April 2026.
fn world() -> World {
    World::new("acme").at("2026-04-01 12:00").repository("shop", |shop| {
        shop.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
    })
}
