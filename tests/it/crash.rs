//! What a process that ends at the worst moment leaves behind, and what one that cannot write does.
//!
//! The real binary reads the fakes and is killed with SIGKILL in the middle, again and again.
//! Whatever it had committed is whole and stays, and the next start goes on from there.

mod daemon;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use engkpi::domain::{Fact, FactKey};
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Delta, Store, StoreError};
use engkpi_fakes::world::File;
use engkpi_fakes::{Fakes, GITHUB_TOKEN, PAGERDUTY_TOKEN, When, World};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Kills that must have hit a sync at work.
const KILLS: usize = 50;
/// Repositories that are read at the same time.
const ON_THEIR_WAY: usize = 3;
/// Worlds that are read side by side.
const LANES: usize = 4;

/// An organisation of a few hundred facts of every kind, whose time stands still.
fn world() -> World {
    let start = "2026-01-05 08:00".instant();
    let after = |hours: i64| start + TimeDelta::hours(hours);
    let mut world = World::new("acme").at("2026-04-01 00:00");
    for name in ["shop", "search", "ledger", "basket", "mobile", "identity", "media", "docs"] {
        world.add_repository(name, |repository| {
            let record = "# Use queues\n\nStatus: accepted\n";
            let files = vec![File::added("docs/adr/0001-queues.md", record)];
            repository.push_files(after(0), "Record the first decision", files);
            for number in 1..=30_i64 {
                let day = number * 48;
                let merged = repository.pull(number.unsigned_abs(), after(day), |pull| {
                    pull.commit(after(day - 2), "Change it", &["src/lib.rs"]);
                    pull.review(after(day + 2), "bob").squash(after(day + 3));
                });
                if number % 2 == 0 {
                    repository.deployed("production", &merged, after(day + 5));
                    repository.run("CI", &merged, after(day + 4), |run| {
                        run.attempt(after(day + 4), after(day + 5), "success");
                    });
                }
            }
        });
    }
    world.pagerduty(|account| {
        account.service("PSHOP", "Shop").priorities(&["P1", "P2"]).fields(&["root_cause"]);
        for number in 1..=60_i64 {
            let hour = number * 32;
            account.incident(&format!("Q{number}"), "PSHOP", after(hour), |incident| {
                incident.priority("P1").alert(after(hour)).acknowledge(after(hour + 1));
                incident.field(after(hour + 1), "root_cause", "dns").resolve(after(hour + 2));
            });
        }
    })
}

/// A directory with a configuration and a store, and the fakes that it is filled from.
struct Site {
    directory: TempDir,
    fakes: Fakes,
}

impl Site {
    async fn new(latency: Duration) -> Self {
        let fakes = Fakes::start(world()).await;
        // Many small steps: many moments at which a kill may come.
        fakes.github.settings(|settings| {
            (settings.latency, settings.max_per_page) = (latency, 5);
            (settings.core_limit, settings.graphql_limit) = (1_000_000, 1_000_000);
        });
        fakes.pagerduty.settings(|settings| {
            (settings.latency, settings.pagerduty_per_minute) = (latency, 1_000_000);
        });
        let site = Self { directory: tempfile::tempdir().unwrap(), fakes };
        site.configure("engkpi.db");
        site
    }

    /// Writes the configuration, with the store at `store`.
    fn configure(&self, store: &str) {
        let text = format!(
            r#"
            [store]
            sqlite = "{store}"
            [sources.github]
            type = "github"
            api_url = "{github}"
            token = {{ env = "GITHUB_TOKEN" }}
            organisation = "acme"
            history_start = 2026-01-01
            poll_every = "1s"
            [sources.pagerduty]
            type = "pagerduty"
            api_url = "{pagerduty}"
            token = {{ env = "PAGERDUTY_TOKEN" }}
            history_start = 2026-01-01
            poll_every = "1s"
            [teams.commerce]
            [services.shop]
            team = "commerce"
            repository = "acme/shop"
            pagerduty = ["PSHOP"]
            [services.search]
            team = "commerce"
            repository = "acme/search"
            deployments = {{ workflow = ["CI"] }}
            [rules.decisions."acme/shop"]
            folders = ["docs/adr"]
            "#,
            github = self.fakes.github.url(),
            pagerduty = self.fakes.pagerduty.url(),
        );
        std::fs::write(self.directory.path().join("engkpi.toml"), text).unwrap();
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("engkpi.db")
    }

    /// Starts `engkpi` with these arguments and the configuration.
    fn start(&self, arguments: &[&str]) -> Child {
        self.start_with(arguments, Stdio::piped())
    }

    fn start_with(&self, arguments: &[&str], stderr: Stdio) -> Child {
        Command::new(env!("CARGO_BIN_EXE_engkpi"))
            .args(arguments)
            .args(["--config", "engkpi.toml"])
            .current_dir(self.directory.path())
            .env_clear()
            .env("GITHUB_TOKEN", GITHUB_TOKEN)
            .env("PAGERDUTY_TOKEN", PAGERDUTY_TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// One sync to its end.
    async fn sync(&self) {
        let output = self.start(&["sync"]).wait_with_output().await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", output.status);
    }

    /// How many requests GitHub has served.
    fn asked_github(&self) -> usize {
        self.fakes.github.requests().len()
    }

    /// How many requests have been served.
    fn asked(&self) -> usize {
        self.asked_github() + self.fakes.pagerduty.requests().len()
    }
}

/// Everything in the store at `path`, as a reader beside or after a daemon sees it.
async fn content(path: &Path) -> BTreeMap<FactKey, Fact> {
    let store = match SqliteStore::open(path, Access::Read).await {
        Ok(store) => store,
        Err(StoreError::Unusable(text)) if text.contains("there is nothing in") => {
            return BTreeMap::new();
        }
        Err(error) => panic!("a kill must not spoil the store: {error}"),
    };
    let (changes, _) = store.changes_since(0, 1_000_000).await.unwrap();
    let count = changes.len();
    let known: BTreeMap<FactKey, Fact> = changes
        .into_iter()
        .filter_map(|change| match change {
            Delta::Present(source, fact) => Some((fact.key(&source), *fact)),
            Delta::Removed(_) => None,
        })
        .collect();
    assert_eq!(known.len(), count, "every fact once, and none removed");
    store.close().await;
    known
}

/// What an undisturbed sync of the world leaves and costs.
struct Undisturbed {
    content: BTreeMap<FactKey, Fact>,
    took: Duration,
    /// Requests to GitHub, cold and when there is nothing new.
    cold: usize,
    idle: usize,
}

impl Undisturbed {
    async fn measure(latency: Duration) -> Self {
        let site = Site::new(latency).await;
        let started = Instant::now();
        site.sync().await;
        let (took, cold) = (started.elapsed(), site.asked_github());
        let content = content(&site.database()).await;
        site.sync().await;
        Self { content, took, cold, idle: site.asked_github() - cold }
    }
}

/// What an undisturbed sync leaves.
async fn undisturbed_content() -> BTreeMap<FactKey, Fact> {
    Undisturbed::measure(Duration::ZERO).await.content
}

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    /// Somewhere in `0.0..1.0`.
    fn roll(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// What became of a lane.
#[derive(Debug, Default)]
struct Toll {
    /// Kills that hit a sync at work.
    kills: usize,
    /// Syncs that were started.
    started: usize,
    /// Worlds that were read to their end.
    worlds: usize,
    /// Requests to GitHub.
    asked: usize,
}

/// Kills syncs until enough kills have hit one at work, then lets the last one finish. Every world
/// that was read to its end must be the undisturbed one.
async fn lane(seed: u64, latency: Duration, undisturbed: &Undisturbed) -> Toll {
    let mut dice = Dice(seed);
    let mut toll = Toll::default();
    while toll.kills < KILLS.div_ceil(LANES) {
        let site = Site::new(latency).await;
        let mut known = BTreeMap::new();
        while toll.kills < KILLS.div_ceil(LANES) {
            let before = site.asked();
            toll.started += 1;
            let mut sync = site.start(&["sync"]);
            let patience = undisturbed.took.mul_f64(dice.roll());
            if let Ok(ended) = tokio::time::timeout(patience, sync.wait()).await {
                assert!(ended.unwrap().success(), "seed {seed}: a sync after a kill failed");
                break;
            }
            sync.kill().await.unwrap();
            let killed = was_killed(sync.wait().await.unwrap());
            toll.kills += usize::from(killed && site.asked() > before);
            let now = content(&site.database()).await;
            for key in known.keys() {
                assert!(now.contains_key(key), "seed {seed}: {key:?} was committed and is lost");
            }
            for key in now.keys() {
                let is_real = undisturbed.content.contains_key(key);
                assert!(is_real, "seed {seed}: {key:?} was never there");
            }
            known = now;
        }
        toll.started += 1;
        site.sync().await;
        toll.worlds += 1;
        toll.asked += site.asked_github();
        assert_eq!(content(&site.database()).await, undisturbed.content, "seed {seed}");
    }
    toll
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_inside_a_sync_lose_nothing_and_the_next_start_goes_on() {
    let latency = Duration::from_millis(10);
    let undisturbed = Undisturbed::measure(latency).await;
    let facts = undisturbed.content.len();
    assert!(facts > 1_000, "{facts} facts are too few to be killed among");
    let lanes = (0..LANES as u64).map(|seed| lane(seed, latency, &undisturbed));
    let tolls = futures_util::future::join_all(lanes).await;
    let sum = |part: fn(&Toll) -> usize| tolls.iter().map(part).sum::<usize>();
    let (kills, started) = (sum(|it| it.kills), sum(|it| it.started));
    let (worlds, asked) = (sum(|it| it.worlds), sum(|it| it.asked));
    let Undisturbed { cold, idle, .. } = undisturbed;
    eprintln!(
        "{kills} kills in {started} starts for {worlds} worlds of {facts} facts: \
         {asked} requests to GitHub ({cold} for a cold pass, {idle} for an idle one)"
    );
    assert!(kills >= KILLS);
    // Every start looks around like an idle one, and a kill costs at most the pages on their way.
    let allowed = worlds * cold + started * (idle + ON_THEIR_WAY);
    assert!(asked <= allowed, "{asked} requests, where going on takes at most {allowed}");
}
