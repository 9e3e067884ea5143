//! What other tools got wrong, each with a test of its own.

use engkpi::domain::{Fact, Kind};
use engkpi_fakes::{When, World};

use super::world;
use crate::installation::Installation;

const HOUR: f64 = 3600.0;

/// A world in which one step after the other is merged and deployed, each an hour after the other.
fn shipped(steps: &[(&str, &str)]) -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let first = shop.pushes[0].1.clone();
    shop.deployed("production", &first, "2025-12-01 10:00");
    for (number, (merged, deployed)) in (1..).zip(steps) {
        let opened = merged.instant() - chrono::Duration::hours(3);
        let sha = shop.pull(number, opened, |pull| {
            pull.squash(*merged);
        });
        shop.deployed("production", &sha, *deployed);
    }
    world
}

#[tokio::test]
async fn every_list_is_read_beyond_its_first_page() {
    let mut world = world();
    for n in 0..105 {
        world.add_repository(&format!("empty-{n:03}"), |_| {});
        world.pagerduty.service(&format!("PX{n:03}"), &format!("Other {n}"));
    }
    let start = "2026-01-02 00:00".instant();
    let at = |minute: i64| start + chrono::Duration::minutes(minute);
    for n in 0..130 {
        let number = n as u64 + 1;
        let shop = world.repository_mut("shop");
        let sha = shop.pull(number, at(10 * n), |pull| {
            // The first one is long in every direction.
            for extra in 0..if n == 0 { 120 } else { 1 } {
                let path = format!("src/{extra}.rs");
                pull.commit(at(10 * n) - chrono::Duration::days(1), "Work", &[&path]);
                pull.label(&format!("label-{extra}")).review(at(10 * n + 1), "bob");
            }
            pull.squash(at(10 * n + 5));
        });
        shop.deployment("production", &sha, at(10 * n + 6), |deployment| {
            for minute in 0..if n == 0 { 120 } else { 1 } {
                deployment.status(at(10 * n + 6 + minute), "in_progress");
            }
            deployment.status(at(10 * n + 200), "success");
        });
        shop.run("Test", &sha, at(10 * n + 5), |run| {
            run.attempt(at(10 * n + 5), at(10 * n + 7), "success");
        });
        let id = format!("PINC{n:03}");
        world.pagerduty.incident(&id, "PSHOP", at(10 * n), |incident| {
            incident.acknowledge(at(10 * n + 1)).resolve(at(10 * n + 2));
        });
    }
    let installation = Installation::of(world).await;
    installation.sync().await;

    let counts = installation.store.counts().await.unwrap();
    assert_eq!(counts[&Kind::Repository], 106);
    assert_eq!(counts[&Kind::Change], 130);
    assert_eq!(counts[&Kind::Commit], 131, "the first push and a squash for each change");
    assert_eq!(counts[&Kind::Deployment], 130);
    assert_eq!(counts[&Kind::WorkflowRun], 130);
    assert_eq!(counts[&Kind::IncidentService], 106);
    assert_eq!(counts[&Kind::Incident], 130);
    assert_eq!(counts[&Kind::IncidentEvent], 390);
    let changes = installation.facts("github", Kind::Change).await;
    let Some(Fact::Change(long)) =
        changes.iter().find(|it| matches!(it, Fact::Change(it) if it.number == 1))
    else {
        panic!("change 1 is missing")
    };
    assert_eq!((long.commits.len(), long.labels.len(), long.reviews.len()), (120, 120, 120));
    assert_eq!(long.paths.as_ref().map(|it| it.len()), Some(120));
    let deployments = installation.facts("github", Kind::Deployment).await;
    let most = deployments.iter().filter_map(|it| match it {
        Fact::Deployment(it) => Some(it.statuses.len()),
        _ => None,
    });
    assert_eq!(most.max(), Some(121), "inactive is left out");
}

#[tokio::test]
async fn acknowledged_is_not_resolved() {
    let mut world = world();
    world.pagerduty.incident("PINC1", "PSHOP", "2026-04-01 09:00", |incident| {
        incident.priority("P1").acknowledge("2026-04-01 09:05");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let recovery = "engkpi_incident_recovery_time_seconds";
    assert_eq!(scrape.value(recovery, &[("window", "90d"), ("stat", "median")]), None);
    assert_eq!(scrape.value("engkpi_incidents_open", &[("severity", "1")]), Some(1.0));

    installation.fakes.edit(|world| {
        world.pagerduty.incident_mut("PINC1").resolve("2026-04-01 13:00");
    });
    installation.set_now("2026-04-01 14:00");
    installation.sync().await;
    let scrape = installation.scrape().await;
    let labels = [("window", "90d"), ("stat", "median")];
    assert_eq!(scrape.value(recovery, &labels), Some(4.0 * HOUR));
    assert_eq!(scrape.value("engkpi_incidents_open", &[("severity", "1")]).unwrap_or(0.0), 0.0);
}

#[tokio::test]
async fn pages_of_pagerduty_are_as_long_as_they_may_be() {
    let mut world = world();
    let start = "2026-03-02 00:00".instant();
    for n in 0..150 {
        let at = start + chrono::Duration::minutes(n);
        world.pagerduty.incident(&format!("PINC{n:03}"), "PSHOP", at, |incident| {
            incident.resolve(at + chrono::Duration::minutes(3));
        });
    }
    let installation = Installation::of(world).await;
    installation.sync().await;
    let listings: Vec<_> = ["/incidents?", "/log_entries?", "/services?"]
        .iter()
        .flat_map(|list| installation.fakes.pagerduty.requests_to(list))
        .collect();
    assert!(listings.iter().any(|it| it.parameter("offset") == Some("100")), "{listings:#?}");
    for request in listings {
        assert_eq!(request.parameter("limit"), Some("100"), "{}", request.target());
        assert_eq!(request.status, 200, "{}", request.target());
    }
    assert_eq!(installation.store.counts().await.unwrap()[&Kind::Incident], 150);
}

#[tokio::test]
async fn more_than_the_offset_allows_is_cut_into_windows() {
    let mut world = world();
    let start = "2026-03-02 00:00".instant();
    for n in 0..2_600 {
        let at = start + chrono::Duration::minutes(n);
        world.pagerduty.incident(&format!("PINC{n:04}"), "PSHOP", at, |incident| {
            incident.acknowledge(at + chrono::Duration::minutes(1));
            incident.note(at + chrono::Duration::minutes(2), "Looking");
            incident.resolve(at + chrono::Duration::minutes(3));
        });
    }
    world.pagerduty.fields.clear();
    let installation = Installation::of(world).await;
    installation.collect("pagerduty").await.unwrap();
    let refused: Vec<_> = installation.fakes.pagerduty.requests();
    let refused: Vec<_> = refused.iter().filter(|it| it.status == 400).collect();
    assert!(refused.is_empty(), "the ceiling is known beforehand: {refused:#?}");
    let counts = installation.store.counts().await.unwrap();
    assert_eq!(counts[&Kind::Incident], 2_600);
    assert_eq!(counts[&Kind::IncidentEvent], 10_400);
}

#[tokio::test]
async fn never_acknowledged_incidents_are_not_in_the_time_to_acknowledge() {
    let mut world = world();
    let account = &mut world.pagerduty;
    account.incident("PINC1", "PSHOP", "2026-03-10 09:00", |incident| {
        incident.priority("P1").acknowledge("2026-03-10 09:10").resolve("2026-03-10 10:00");
    });
    account.incident("PINC2", "PSHOP", "2026-03-12 09:00", |incident| {
        incident.priority("P1").resolve("2026-03-12 19:00");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let labels = [("window", "90d"), ("stat", "mean")];
    let acknowledged = scrape.value("engkpi_incident_acknowledge_time_seconds", &labels);
    assert_eq!(acknowledged, Some(600.0), "neither 0 nor the ten hours of the other");
    let recovered = scrape.value("engkpi_incident_recovery_time_seconds", &labels);
    assert_eq!(recovered, Some(5.5 * HOUR), "both recovered");
}

#[tokio::test]
async fn pull_requests_are_not_issues() {
    let installation = Installation::of(shipped(&[("2026-03-10 09:00", "2026-03-10 10:00")])).await;
    installation.sync().await;
    let requests = installation.fakes.github.requests();
    let asked_for_issues = requests
        .iter()
        .filter(|request| request.path.contains("/issues") || request.path.starts_with("/search"));
    assert_eq!(asked_for_issues.count(), 0, "their list has pull requests in it");
    assert_eq!(installation.store.counts().await.unwrap()[&Kind::Change], 1);
}

#[tokio::test]
async fn the_change_failure_rate_is_never_above_one() {
    let mut world = shipped(&[("2026-03-10 09:00", "2026-03-10 10:00")]);
    let shop = world.repository_mut("shop");
    let broken = shop.pulls[0].merge_commit.clone().unwrap();
    // Everything that can fail a deployment happens to the same one.
    shop.pull(2, "2026-03-10 10:30", |pull| {
        pull.branch("revert-1-change-1").body("Reverts acme/shop#1").label("hotfix");
        let message = format!("Revert\n\nThis reverts commit {broken}.");
        pull.squash_with("2026-03-10 10:40", &message);
    });
    let fixed = shop.pulls[1].merge_commit.clone().unwrap();
    shop.deployed("production", &fixed, "2026-03-10 10:50");
    for n in 1..=5 {
        world.pagerduty.incident(&format!("PINC{n}"), "PSHOP", "2026-03-10 10:05", |incident| {
            incident.priority("P1").resolve("2026-03-10 11:00");
            incident.field("2026-03-10 12:00", "caused_by", &broken);
        });
    }
    let installation = Installation::of(world).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let failed = scrape.value("engkpi_change_failure_ratio", &[("window", "90d")]);
    assert_eq!(failed, Some(0.5), "one of two deployments failed, by however many rules");
    for series in scrape.family("engkpi_change_failure_ratio") {
        let value: f64 = series.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!((0.0..=1.0).contains(&value), "{series}");
    }
}

#[tokio::test]
async fn the_median_of_an_even_number_lies_between_the_middle_two() {
    let steps =
        [("2026-03-10 09:00", "2026-03-10 10:00"), ("2026-03-11 09:00", "2026-03-11 11:00")];
    let installation = Installation::of(shipped(&steps)).await;
    installation.sync().await;
    let labels = [("window", "90d"), ("stat", "median"), ("stage", "merge_to_deploy")];
    let median = installation.scrape().await.value("engkpi_change_lead_time_seconds", &labels);
    assert_eq!(median, Some(1.5 * HOUR));
}

#[tokio::test]
async fn a_change_merged_after_a_deployment_is_not_shipped_by_it() {
    // The second one is merged while the first one's deployment is still on its way.
    let mut world = shipped(&[("2026-03-10 09:00", "2026-03-10 10:00")]);
    let shop = world.repository_mut("shop");
    let id = shop.deployments[1].id;
    let late = shop.deployment_mut(id);
    late.statuses.clear();
    late.status("2026-03-10 10:00", "in_progress").status("2026-03-10 11:00", "success");
    let second = shop.pull(2, "2026-03-10 10:20", |pull| {
        pull.squash("2026-03-10 10:30");
    });
    shop.deployed("production", &second, "2026-03-10 12:00");
    // The third one's deployment succeeded, so its clock says, before the merge.
    let third = shop.pull(3, "2026-03-11 08:00", |pull| {
        pull.squash("2026-03-11 09:00");
    });
    shop.deployed("production", &third, "2026-03-11 08:50");
    let installation = Installation::of(world).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let stage = [("window", "90d"), ("stage", "merge_to_deploy"), ("stat", "mean")];
    let mean = scrape.value("engkpi_change_lead_time_seconds", &stage);
    assert_eq!(mean, Some((2.0 + 1.5) / 2.0 * HOUR), "by the commit, not by the time");
    let excluded = scrape.value(
        "engkpi_kpi_excluded_items",
        &[
            ("kpi", "change_lead_time"),
            ("window", "90d"),
            ("reason", "negative_duration"),
            ("stage", "merge_to_deploy"),
        ],
    );
    assert_eq!(excluded, Some(1.0), "{:#?}", scrape.family("engkpi_kpi_excluded_items"));
}

#[tokio::test]
async fn a_frequency_keeps_its_fraction() {
    let installation = Installation::of(shipped(&[("2026-03-10 09:00", "2026-03-10 10:00")])).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let daily = scrape.value("engkpi_deployment_frequency_per_day", &[("window", "30d")]);
    assert_eq!(daily, Some(1.0 / 30.0), "one in thirty days, not none a day");
}
