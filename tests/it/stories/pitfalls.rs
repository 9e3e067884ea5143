//! Awkward habits of the vendors that make numbers wrong when they are not known.

use engkpi::domain::{Fact, Kind};
use engkpi::kpi::params::DeploymentRule;
use engkpi::source::SourceError;
use engkpi_fakes::{GITHUB_TOKEN, When, world::Token};

use super::world;
use crate::installation::Installation;

#[tokio::test]
async fn pitfall_10_a_reset_is_an_instant_for_github_and_a_time_span_for_pagerduty() {
    let mut world = world();
    let at = "2026-03-10 09:00";
    world.pagerduty.incident("PINC1", "PSHOP", at, |incident| {
        incident.alert(at);
    });
    let installation = Installation::of(world).await;
    installation.fakes.github.settings(|settings| settings.graphql_limit = 1);
    installation.fakes.pagerduty.settings(|settings| settings.pagerduty_per_minute = 2);
    let now = "2026-04-01 12:00".instant();
    for (source, seconds) in [("github", 3600), ("pagerduty", 60)] {
        match installation.poll(source).await {
            Err(SourceError::RateLimited { until }) => {
                let wait = (until - now).num_seconds();
                assert!((seconds - 20..=seconds + 2).contains(&wait), "{source} waits {wait} s");
            }
            other => panic!("{source} should have been told to wait: {other:?}"),
        }
    }
    let asked = installation.fakes.github.requests().len();
    assert!(matches!(installation.poll("github").await, Err(SourceError::RateLimited { .. })));
    assert_eq!(installation.fakes.github.requests().len(), asked, "nobody asks inside a wait");
}

#[tokio::test]
async fn pitfall_11_a_long_history_is_asked_for_in_windows_that_pagerduty_allows() {
    let mut world = world().at("2026-11-20 12:00");
    for month in 1..=11 {
        let at = format!("2026-{month:02}-05 09:00");
        world.pagerduty.incident(&format!("PINC{month:02}"), "PSHOP", at.as_str(), |incident| {
            incident.priority("P1").resolve(at.instant() + chrono::Duration::hours(1));
        });
    }
    let installation = Installation::of(world).await;
    installation.sync().await;
    let refused = installation.fakes.pagerduty.requests().into_iter();
    let refused: Vec<_> = refused.filter(|request| request.status != 200).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(installation.store.counts().await.unwrap()[&Kind::Incident], 11);
    let labels = [("window", "year")];
    let year = installation.scrape().await.value("engkpi_incident_frequency_incidents", &labels);
    assert_eq!(year, Some(11.0), "without a window it would have been the last month's only");
}

#[tokio::test]
async fn pitfall_12_arrays_go_to_pagerduty_with_brackets() {
    let mut world = world();
    world.pagerduty.incident("PINC1", "PSHOP", "2026-03-10 09:00", |incident| {
        incident.priority("P1");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    installation.set_now("2026-04-01 12:10");
    installation.sync().await;
    let requests = installation.fakes.pagerduty.requests();
    let arrays = ["statuses", "service_ids", "team_ids", "urgencies", "include"];
    for request in &requests {
        for (name, _) in &request.query {
            assert!(!arrays.contains(&name.as_str()), "{} is ignored", request.target());
        }
    }
    let filtered = |request: &&engkpi_fakes::Request| {
        request.query.iter().any(|(name, _)| name == "statuses[]")
    };
    assert!(requests.iter().any(|it| filtered(&it)), "open incidents are asked for by status");
}

#[tokio::test]
async fn pitfall_13_every_instant_that_is_sent_has_a_zone() {
    let mut world = world();
    world.pagerduty.incident("PINC1", "PSHOP", "2026-03-10 09:00", |incident| {
        incident.resolve("2026-03-10 10:00");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    installation.set_now("2026-04-02 12:00");
    installation.sync().await;
    let mut seen = 0;
    for request in installation.fakes.pagerduty.requests() {
        for name in ["since", "until"] {
            if let Some(value) = request.parameter(name) {
                seen += 1;
                let zoned = chrono::DateTime::parse_from_rfc3339(value);
                assert!(zoned.is_ok(), "{name}={value} is read in the account's zone");
            }
        }
    }
    assert!(seen > 2, "windows are asked for");
}

#[tokio::test]
async fn pitfall_14_merged_incidents_do_not_count_and_reopened_ones_resolve_once() {
    let mut world = world();
    let account = &mut world.pagerduty;
    account.incident("PINC1", "PSHOP", "2026-03-10 09:00", |incident| {
        incident.priority("P1").resolve("2026-03-10 10:00");
        incident.reopen("2026-03-10 11:00").resolve("2026-03-10 13:00");
    });
    account.incident("PINC2", "PSHOP", "2026-03-10 09:01", |incident| {
        incident.priority("P1").merge_into("2026-03-10 09:10", "PINC1");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    let scrape = installation.scrape().await;
    let counted = scrape.value("engkpi_incident_frequency_incidents", &[("window", "30d")]);
    assert_eq!(counted, Some(1.0), "the child is part of the other one");
    let labels = [("window", "90d"), ("stat", "mean")];
    let recovery = scrape.value("engkpi_incident_recovery_time_seconds", &labels);
    assert_eq!(recovery, Some(4.0 * 3600.0), "to the final resolution, once");
}

#[tokio::test]
async fn pitfall_15_an_old_incident_that_ends_now_is_noticed() {
    let mut world = world().at("2026-01-10 12:00");
    world.pagerduty.incident("PINC1", "PSHOP", "2026-01-05 09:00", |incident| {
        incident.priority("P1").resolve("2026-03-31 09:00");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    // Nothing is asked for a long time, then one poll.
    installation.set_now("2026-04-01 12:00");
    installation.sync().await;
    let labels = [("window", "90d"), ("stat", "median")];
    let recovery =
        installation.scrape().await.value("engkpi_incident_recovery_time_seconds", &labels);
    assert_eq!(recovery, Some(85.0 * 86_400.0), "created long before any recent window");
}

#[tokio::test]
async fn pitfall_15_a_field_filled_after_the_end_is_noticed() {
    let mut world = world().at("2026-03-10 12:00");
    world.pagerduty.incident("PINC1", "PSHOP", "2026-03-10 09:10", |incident| {
        incident.priority("P1").resolve("2026-03-10 10:00");
        incident.field("2026-03-20 10:00", "fault_started_at", "2026-03-10T09:00:00Z");
    });
    let installation = Installation::of(world).await;
    installation.sync().await;
    installation.set_now("2026-04-01 12:00");
    installation.sync().await;
    let labels = [("window", "90d"), ("stat", "median")];
    let detection =
        installation.scrape().await.value("engkpi_incident_detection_time_seconds", &labels);
    assert_eq!(detection, Some(600.0), "post-mortems come days later");
}

#[tokio::test]
async fn pitfall_20_actions_switched_off_is_unknown_and_not_zero() {
    let mut off = world();
    let shop = off.repository_mut("shop");
    shop.actions = false;
    let first = shop.pushes[0].1.clone();
    shop.deployed("production", &first, "2026-03-10 09:00");
    let frequency = "engkpi_deployment_frequency_per_day";

    let unneeded = Installation::of(off.clone()).await;
    let report = unneeded.collect("github").await.unwrap();
    assert!(
        report.warnings.iter().any(|it| it.contains("acme/shop") && it.contains("run")),
        "{:?}",
        report.warnings
    );
    let scrape = unneeded.scrape().await;
    assert_eq!(scrape.value(frequency, &[("window", "30d")]), Some(1.0 / 30.0));

    let needed = Installation::with(off, "", |params| {
        let rule = DeploymentRule::Workflow { names: vec!["Deploy".to_owned()] };
        params.catalogue.services[0].deployments = rule;
    })
    .await;
    let error = needed.poll("github").await.expect_err("a rule needs the runs");
    assert!(error.to_string().contains("acme/shop"), "{error}");
    let scrape = needed.scrape().await;
    assert_eq!(scrape.value(frequency, &[("window", "30d")]), None, "unknown is not zero");
}

#[tokio::test]
async fn pitfall_20_deployments_that_the_token_may_not_see_are_unknown_and_not_zero() {
    for refuses_connections in [false, true] {
        let mut hidden = world().github_token(Token::full(GITHUB_TOKEN).without("deployments"));
        let shop = hidden.repository_mut("shop");
        let first = shop.pushes[0].1.clone();
        shop.deployed("production", &first, "2026-03-10 09:00");
        let installation = Installation::of(hidden).await;
        let github = &installation.fakes.github;
        github.settings(|settings| settings.refuses_connections = refuses_connections);
        // In the second form GitHub hides the whole repository: that is a warning.
        let told = match installation.collect("github").await {
            Ok(report) if refuses_connections => report.warnings.join("\n"),
            Ok(_) => panic!("a rule needs the deployments"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains("acme/shop"), "{told}");
        let scrape = installation.scrape().await;
        let labels = [("window", "30d")];
        assert_eq!(scrape.value("engkpi_deployment_frequency_per_day", &labels), None);
        assert_eq!(scrape.value("engkpi_change_failure_ratio", &labels), None);
    }
}

#[tokio::test]
async fn pitfall_20_a_plan_without_priorities_is_no_failure() {
    let mut plain = world();
    plain.pagerduty.priorities.clear();
    plain.pagerduty.without_ability("priorities");
    plain.pagerduty.incident("PINC1", "PSHOP", "2026-03-10 09:00", |incident| {
        incident.resolve("2026-03-10 10:00");
    });
    let installation = Installation::of(plain).await;
    let report = installation.collect("pagerduty").await.unwrap();
    assert!(
        report.warnings.iter().any(|it| it.contains("priorit")),
        "that no severity can be known is said: {:?}",
        report.warnings
    );
    let incidents = installation.facts("pagerduty", Kind::Incident).await;
    assert!(matches!(&incidents[..], [Fact::Incident(it)] if it.priority.is_none()));
}
