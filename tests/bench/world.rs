//! The world that the benchmark collects.

use chrono::Duration;
use engkpi_fakes::world::{File, Repository};
use engkpi_fakes::{Instant, World};

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) repositories: u64,
    pub(crate) pulls: u64,
    pub(crate) deployments: u64,
    pub(crate) runs: u64,
    pub(crate) records: u64,
    pub(crate) incidents: u64,
}

impl Size {
    /// A year of an organisation.
    pub(crate) const FULL: Self = Self {
        repositories: 40,
        pulls: 5_000,
        deployments: 4_000,
        runs: 8_000,
        records: 50,
        incidents: 1_000,
    };

    /// A tenth of it, for a quick look.
    pub(crate) const SHORT: Self = Self {
        repositories: 4,
        pulls: 500,
        deployments: 400,
        runs: 800,
        records: 10,
        incidents: 100,
    };
}

/// Environments, incident services and repositories are named alike.
pub(crate) fn repository_name(n: u64) -> String {
    format!("service-{n:02}")
}

/// How many of the repositories have decision records.
pub(crate) const WITH_RECORDS: u64 = 5;

/// A year that ends at `now`.
pub(crate) fn world(size: Size, now: Instant) -> World {
    let start = now - Duration::days(360);
    let mut world = World::new("acme");
    for n in 0..size.repositories {
        let each = Size {
            pulls: size.pulls / size.repositories,
            deployments: size.deployments / size.repositories,
            runs: size.runs / size.repositories,
            records: if n < WITH_RECORDS { size.records / WITH_RECORDS } else { 0 },
            ..size
        };
        world.add_repository(&repository_name(n), |repository| fill(repository, each, start));
    }
    let account = &mut world.pagerduty;
    account.priorities(&["P1", "P2", "P3", "P4", "P5"]).fields(&["root_cause"]);
    for n in 0..size.repositories {
        account.service(&format!("PSVC{n:03}"), &repository_name(n));
    }
    for n in 0..size.incidents {
        let at = start + every(size.incidents) * n as i32;
        let service = format!("PSVC{:03}", n % size.repositories);
        account.incident(&format!("PINC{n:05}"), &service, at, |incident| {
            incident.priority(&format!("P{}", 1 + n % 5)).alert(at - Duration::seconds(30));
            incident.acknowledge(at + Duration::minutes(3)).note(at + Duration::minutes(9), "Hm");
            incident.resolve(at + Duration::minutes(40));
            if n % 3 == 0 {
                incident.field(at + Duration::hours(20), "root_cause", "slow-query");
            }
        });
    }
    world
}

/// The step that spreads `count` things over the year, leaving its last day quiet.
fn every(count: u64) -> Duration {
    Duration::days(358) / i32::try_from(count.max(1)).unwrap_or(i32::MAX)
}

fn fill(repository: &mut Repository, size: Size, start: Instant) {
    repository.created_at = start - Duration::days(100);
    let first =
        repository.push(start - Duration::days(1), "Initial commit", &["README.md", "src/a.rs"]);
    records(repository, size.records, start - Duration::hours(20));
    let mut merged = vec![first];
    for n in 0..size.pulls {
        let at = start + every(size.pulls) * n as i32;
        merged.push(repository.pull(n + 1, at, |pull| {
            // Two and three commits in turn: 2.5 on average.
            for commit in 0..2 + n % 2 {
                let authored = at - Duration::hours(9) + Duration::hours(commit as i64);
                pull.commit(authored, &format!("Change {n}.{commit}"), &["src/a.rs", "src/b.rs"]);
            }
            pull.review(at + Duration::hours(2), "bob").comment(at + Duration::hours(2), "bob");
            pull.squash(at + Duration::hours(3));
        }));
    }
    let of_step =
        |n: u64, count: u64| merged[(n * (merged.len() as u64 - 1) / count) as usize + 1].clone();
    for n in 0..size.deployments {
        let at = start + every(size.deployments) * n as i32 + Duration::hours(5);
        repository.deployment("production", &of_step(n, size.deployments), at, |deployment| {
            // The vendor adds the fourth, `inactive`, when the next one succeeds.
            deployment.status(at, "queued").status(at + Duration::minutes(1), "in_progress");
            deployment.status(at + Duration::minutes(6), "success");
        });
    }
    for n in 0..size.runs {
        let at = start + every(size.runs) * n as i32 + Duration::hours(4);
        repository.run("Test", &of_step(n, size.runs), at, |run| {
            let end = at + Duration::minutes(7);
            run.attempt(at, end, if n % 10 == 0 { "failure" } else { "success" });
            if n % 10 == 0 {
                run.attempt(end + Duration::minutes(3), end + Duration::minutes(9), "success");
            }
        });
    }
}

/// Records are proposed and then accepted, each by commits of its own.
fn records(repository: &mut Repository, count: u64, at: Instant) {
    let text = |status: &str| format!("---\nstatus: {status}\n---\n\n# A decision\n");
    for n in 0..count {
        let path = format!("docs/adr/{:04}-decision.md", n + 1);
        let at = at + Duration::minutes(20 * n as i64);
        let proposed = vec![File::added(&path, &text("proposed"))];
        repository.push_files(at, "Propose a decision", proposed);
        let accepted = vec![File::modified(&path, &text("accepted"))];
        repository.push_files(at + Duration::minutes(10), "Accept it", accepted);
    }
}

/// A twentieth more of everything, from just now.
pub(crate) fn add_news(world: &mut World, size: Size) {
    let now = world.now.instant();
    for repository in &mut world.repositories {
        let first = 1 + repository.pulls.len() as u64;
        for n in 0..size.pulls / size.repositories / 20 + 1 {
            let sha = repository.pull(first + n, now - Duration::hours(2), |pull| {
                pull.squash(now);
            });
            repository.deployed("production", &sha, now);
        }
    }
}
