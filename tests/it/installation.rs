//! A whole installation without its shell: fakes of the vendors, real clients and sources, a
//! store, and evaluations of what was collected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Duration;
use engkpi::clock::ManualClock;
use engkpi::collect::{self, Collector, Scheduled, SyncError};
use engkpi::domain::{Extent, Fact, Instant, Kind, ServiceName, SourceName, TeamName};
use engkpi::evaluate::Evaluator;
use engkpi::kpi::evaluation::Plan;
use engkpi::kpi::params::{
    CalendarParams, Catalogue, DecisionEvent, DecisionRule, DeploymentRule, IncidentFields, Rules,
    Service, SourceParams, default_statuses,
};
use engkpi::kpi::{Need, Params};
use engkpi::output::exposition;
use engkpi::source::github::{self, GitHub, Needs};
use engkpi::source::outbound::{Budgets, Dialect, Environment, Limits};
use engkpi::source::pagerduty::{self, PagerDuty};
use engkpi::source::{PollContext, PollReport, Progress, Source, SourceError};
use engkpi::store::SharedStore;
use engkpi::telemetry::Telemetry;
use engkpi_fakes::{Fakes, GITHUB_TOKEN, PAGERDUTY_TOKEN, When, World};

use tokio_util::sync::CancellationToken;

use crate::store::memory::MemoryStore;

/// The daemon's parts on two fakes. Its clock is the world's.
pub(crate) struct Installation {
    pub(crate) fakes: Fakes,
    pub(crate) store: SharedStore,
    pub(crate) telemetry: Telemetry,
    pub(crate) params: Params,
    clock: Arc<ManualClock>,
    sources: Vec<Arc<dyn Source>>,
    _secrets: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Silent;

impl Progress for Silent {
    fn step(&self, _: &SourceName, _: &str, _: u64, _: Option<u64>) {}
}

/// When the sources of a story cover things from.
const HISTORY_START: &str = "2026-01-01T00:00:00Z";

impl Installation {
    /// One service `shop` in `acme/shop`, deployed to `production`, with incidents on `PSHOP` and
    /// records in `docs/adr`; both sources since the first of January 2026.
    pub(crate) async fn of(world: World) -> Self {
        Self::with(world, "", |_| {}).await
    }

    /// The same with more settings of the GitHub source and other parameters.
    pub(crate) async fn with(world: World, github: &str, change: impl FnOnce(&mut Params)) -> Self {
        let now = world.now.instant();
        let fakes = Fakes::start(world).await;
        let clock = Arc::new(ManualClock::at(now));
        let telemetry = Telemetry::new();
        let environment = Environment {
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            budgets: Budgets::default(),
        };
        let secrets = tempfile::tempdir().unwrap();
        let secret = |name: &str, value: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = secrets.path().join(name);
            std::fs::write(&path, value).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let mut params = params();
        change(&mut params);
        let settings: github::Settings = toml::from_str(&format!(
            "api_url = \"{}api/v3\"\ntoken = {{ file = {:?} }}\nhistory_start = \"2026-01-01\"\n\
             organisation = \"acme\"\n{github}",
            fakes.github.url(),
            secret("github", GITHUB_TOKEN)
        ))
        .unwrap();
        let needs = Needs::of(&params);
        let github = GitHub::with_limits(
            SourceName::new("github"),
            &settings,
            needs,
            limits(Dialect::GitHub),
            &environment,
        )
        .unwrap();
        let settings: pagerduty::Settings = toml::from_str(&format!(
            "api_url = \"{}\"\ntoken = {{ file = {:?} }}\nhistory_start = \"2026-01-01\"\n",
            fakes.pagerduty.url(),
            secret("pagerduty", PAGERDUTY_TOKEN)
        ))
        .unwrap();
        let pagerduty = PagerDuty::with_limits(
            SourceName::new("pagerduty"),
            &settings,
            limits(Dialect::PagerDuty),
            &environment,
        )
        .unwrap();
        Self {
            fakes,
            store: Arc::new(MemoryStore::default()),
            telemetry,
            params,
            clock,
            sources: vec![Arc::new(github), Arc::new(pagerduty)],
            _secrets: secrets,
        }
    }

    /// Moves the world's time and the daemon's.
    pub(crate) fn set_now(&self, now: impl When) {
        let now = now.instant();
        self.fakes.set_now(now);
        self.clock.set(now);
    }

    /// Moves the daemon's time alone: its clock is wrong.
    pub(crate) fn set_own_clock(&self, now: impl When) {
        self.clock.set(now.instant());
    }

    fn now(&self) -> Instant {
        use engkpi::clock::Clock as _;
        self.clock.now()
    }

    /// Polls one source once and tells its failure as it is; nothing is waited for or repeated.
    pub(crate) async fn poll(&self, source: &str) -> Result<PollReport, SourceError> {
        let source = self.sources.iter().find(|it| it.name().as_str() == source).unwrap();
        let cx = PollContext {
            store: Arc::clone(&self.store),
            now: self.now(),
            progress: Arc::new(Silent),
        };
        source.poll(&cx).await
    }

    /// One complete pass of one source as the collector makes it, with its metrics.
    pub(crate) async fn collect(&self, source: &str) -> Result<PollReport, SyncError> {
        let source = self.sources.iter().find(|it| it.name().as_str() == source).unwrap();
        let scheduled = Scheduled {
            source: Arc::clone(source),
            extent: self.extent(source.name()),
            poll_every: std::time::Duration::from_secs(300),
            reconcile_every: std::time::Duration::from_secs(7 * 86_400),
        };
        let collector = Collector::new(vec![scheduled], self.environment());
        let synced = collector.sync(CancellationToken::new()).await;
        synced.into_iter().next().unwrap().result
    }

    /// One complete pass of both sources; each must succeed.
    pub(crate) async fn sync(&self) {
        for source in ["github", "pagerduty"] {
            if let Err(error) = self.collect(source).await {
                panic!("{source} could not be read: {error}");
            }
        }
    }

    /// Polls on schedule, as the daemon does, until both sources have been asked once.
    pub(crate) async fn run_once(&self) {
        let scheduled = |source: &Arc<dyn Source>| Scheduled {
            source: Arc::clone(source),
            extent: self.extent(source.name()),
            poll_every: std::time::Duration::from_secs(300),
            reconcile_every: std::time::Duration::from_secs(7 * 86_400),
        };
        let environment = self.environment();
        let collector = Collector::new(self.sources.iter().map(scheduled).collect(), environment);
        let stop = CancellationToken::new();
        let asked =
            |source| self.own("engkpi_source_poll_duration_seconds_count", &[("source", source)]);
        let both_asked = async {
            while ["github", "pagerduty"].into_iter().any(|it| asked(it).is_none_or(|it| it < 1.0))
            {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            stop.cancel();
        };
        tokio::join!(collector.run(stop.clone(), std::time::Duration::from_secs(5)), both_asked);
    }

    /// What a source is asked for now.
    fn extent(&self, source: &SourceName) -> Extent {
        let params = self.params.sources.iter().find(|it| it.name == *source);
        params.expect("both sources are configured").extent()
    }

    fn environment(&self) -> collect::Environment {
        collect::Environment {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            telemetry: self.telemetry.clone(),
            progress: Arc::new(Silent),
        }
    }

    /// A metric of the collector itself.
    pub(crate) fn own(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let families = self.telemetry.gather();
        let text = prometheus::TextEncoder::new().encode_to_string(&families).unwrap();
        Scrape::parse(&text).value(family, labels)
    }

    /// What the store has of one kind.
    pub(crate) async fn facts(&self, source: &str, kind: Kind) -> Vec<Fact> {
        self.store.facts(&SourceName::new(source), kind, None).await.unwrap()
    }

    /// What /metrics would show of the KPIs now.
    pub(crate) async fn scrape(&self) -> Scrape {
        let evaluator = Evaluator::new(Arc::clone(&self.store), Arc::new(self.params.clone()));
        evaluator.load().await.unwrap();
        let plan = Plan::published(Vec::new(), false);
        let evaluation = evaluator.evaluate(plan, self.now()).await.unwrap();
        let rendered = exposition::render(&evaluation, &exposition::Options::default());
        Scrape::parse(std::str::from_utf8(&rendered.text).unwrap())
    }
}

/// The vendor's limits, except that a wait is reported instead of slept and that pauses are short.
fn limits(dialect: Dialect) -> Limits {
    Limits {
        max_sleep: std::time::Duration::ZERO,
        min_wait: std::time::Duration::from_millis(5),
        unannounced_wait: std::time::Duration::from_millis(5),
        backoff_min: std::time::Duration::from_millis(1),
        backoff_max: std::time::Duration::from_millis(5),
        total_timeout: std::time::Duration::from_secs(60),
        pace: None,
        ..Limits::of(dialect)
    }
}

/// What a scrape would see.
#[derive(Debug)]
pub(crate) struct Scrape(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(lines.map(Sample::parse).collect())
    }

    /// The one value of `family` at org scope that has at least these labels; `None` if there is
    /// no series.
    #[track_caller]
    pub(crate) fn value(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let given = |name: &str| labels.iter().any(|(known, _)| *known == name);
        let found: Vec<&Sample> = self
            .0
            .iter()
            .filter(|sample| sample.name == family)
            .filter(|sample| given("scope") || sample.label("scope").is_none_or(|it| it == "org"))
            .filter(|sample| labels.iter().all(|(name, value)| sample.label(name) == Some(*value)))
            .collect();
        assert!(found.len() < 2, "{family}{labels:?} names several series: {found:#?}");
        found.first().map(|sample| sample.value)
    }

    /// Every series of one family.
    pub(crate) fn family(&self, family: &str) -> Vec<String> {
        let found = self.0.iter().filter(|sample| sample.name == family);
        found.map(|sample| format!("{:?} {}", sample.labels, sample.value)).collect()
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a sample line has a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",");
        let labels = labels.filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").expect("a label has a value");
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        Self {
            name: name.to_owned(),
            labels: labels.collect(),
            value: value.parse().expect("a sample is a number"),
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

fn catalogue() -> Catalogue {
    Catalogue {
        teams: vec![TeamName::new("web")],
        services: vec![Service {
            name: ServiceName::new("shop"),
            team: 0,
            repository: "acme/shop".to_owned(),
            paths: Vec::new(),
            deployments: DeploymentRule::Deployments {
                environments: vec!["production".to_owned()],
                task: None,
                payload: None,
            },
            incident_services: vec!["PSHOP".to_owned()],
            aliases: Vec::new(),
            tier: None,
        }],
    }
}

fn params() -> Params {
    let needs = |needs: &[Need]| needs.to_vec();
    let source = |name: &str, feeds: Vec<Need>, web: &str| SourceParams {
        name: SourceName::new(name),
        feeds,
        history_start: HISTORY_START.instant(),
        parts: BTreeSet::new(),
        stale_after: Duration::hours(1),
        web_base: url::Url::parse(web).unwrap(),
    };
    Params {
        catalogue: catalogue(),
        rules: Rules {
            bots: BTreeSet::new(),
            hotfix_labels: BTreeSet::from(["hotfix".to_owned()]),
            hotfix_branches: vec!["hotfix/".to_owned()],
            severity_by_priority: (1..=5).map(|n| (format!("P{n}"), n)).collect(),
            fields: IncidentFields {
                fault_started_at: "fault_started_at".to_owned(),
                detected_at: "detected_at".to_owned(),
                mitigated_at: "mitigated_at".to_owned(),
                root_cause: "root_cause".to_owned(),
                problem: "problem".to_owned(),
                caused_by: "caused_by".to_owned(),
            },
            decisions: BTreeMap::from([(
                "acme/shop".to_owned(),
                DecisionRule {
                    folders: vec!["docs/adr".to_owned()],
                    event: DecisionEvent::Auto,
                    proposed_field: None,
                    decided_field: None,
                },
            )]),
            debt: None,
            findings: None,
            statuses: default_statuses(),
            rollout_window: Duration::minutes(60),
            revert_window: Duration::days(7),
            rollback_window: Duration::hours(24),
            proximity_window: None,
            reopen_window: Duration::hours(24),
            bulk_import: 4,
        },
        standards: Vec::new(),
        boundaries: Vec::new(),
        calendar: CalendarParams {
            zone: chrono_tz::UTC,
            holidays: BTreeSet::new(),
            fiscal_year_start_month: 1,
        },
        kpis: BTreeMap::new(),
        endpoints: Vec::new(),
        demand: Vec::new(),
        slos: Vec::new(),
        maintenance: Vec::new(),
        baseline: None,
        sources: vec![
            source(
                "github",
                needs(&[Need::Deployments, Need::Changes, Need::Decisions]),
                "https://github.example",
            ),
            source("pagerduty", needs(&[Need::Incidents]), "https://acme.pagerduty.example"),
        ],
        surveys: Vec::new(),
    }
}
