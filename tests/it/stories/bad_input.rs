//! Bad input: each is told clearly, costs only what is bad, and makes no number wrong.

use engkpi::domain::{Fact, Kind};
use engkpi::source::SourceError;
use engkpi_fakes::{Fault, GITHUB_TOKEN, PAGERDUTY_TOKEN, World, world::Token};
use serde_json::json;

use super::world;
use crate::installation::Installation;

/// Three deployments and three incidents in March.
fn busy() -> World {
    let mut world = world();
    for n in 1..=3 {
        let day = format!("2026-03-{:02}", 10 + n);
        let shop = world.repository_mut("shop");
        let sha = shop.pull(n, format!("{day} 08:00").as_str(), |pull| {
            pull.squash(format!("{day} 09:00").as_str());
        });
        shop.deployed("production", &sha, format!("{day} 10:00").as_str());
        shop.run("Deploy", &sha, format!("{day} 09:30").as_str(), |run| {
            run.attempt(
                format!("{day} 09:30").as_str(),
                format!("{day} 09:40").as_str(),
                "success",
            );
        });
        let at = format!("{day} 11:00");
        world.pagerduty.incident(&format!("PINC{n}"), "PSHOP", at.as_str(), |incident| {
            incident.priority("P1").resolve(format!("{day} 12:00").as_str());
        });
    }
    world
}

const FREQUENCY: &str = "engkpi_deployment_frequency_per_day";
const INCIDENTS: &str = "engkpi_incident_frequency_incidents";
const MONTH: [(&str, &str); 1] = [("window", "30d")];

#[tokio::test]
async fn a_wrong_token_is_named_and_spoils_only_its_source() {
    for wrong in ["github", "pagerduty"] {
        let world = match wrong {
            "github" => busy().github_token(Token::full("another-token")),
            _ => busy().pagerduty_token("another-key"),
        };
        let installation = Installation::of(world).await;
        let error = installation.poll(wrong).await.expect_err("the token is wrong");
        assert!(matches!(&error, SourceError::Unauthorized(_)), "{error:?}");
        let told = error.to_string();
        assert!(!told.contains(GITHUB_TOKEN) && !told.contains(PAGERDUTY_TOKEN), "{told}");
        installation.run_once().await;
        for source in ["github", "pagerduty"] {
            let up = installation.own("engkpi_source_up", &[("source", source)]);
            assert_eq!(up, Some(if source == wrong { 0.0 } else { 1.0 }), "{source}");
        }
        let refused = [("source", wrong), ("code", "401")];
        assert!(installation.own("engkpi_source_requests_total", &refused) >= Some(1.0));
        // Unknown is not zero.
        let scrape = installation.scrape().await;
        let of_github = (wrong != "github").then_some(3.0 / 30.0);
        let of_pagerduty = (wrong != "pagerduty").then_some(3.0);
        assert_eq!(scrape.value(FREQUENCY, &MONTH), of_github);
        assert_eq!(scrape.value(INCIDENTS, &MONTH), of_pagerduty);
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_works_again_without_a_restart() {
    let installation = Installation::of(busy().github_token(Token::full("another-token"))).await;
    installation.poll("github").await.expect_err("the token is wrong");
    let good = Token::full(GITHUB_TOKEN);
    installation.fakes.edit(|world| world.access.github = vec![good]);
    installation.collect("github").await.unwrap();
    assert_eq!(installation.scrape().await.value(FREQUENCY, &MONTH), Some(3.0 / 30.0));
}

#[tokio::test]
async fn a_missing_scope_is_named_and_costs_only_what_it_is_for() {
    let token = Token::full(GITHUB_TOKEN).without("actions");
    let installation = Installation::of(busy().github_token(token)).await;
    let report = installation.collect("github").await.unwrap();
    let told = report.warnings.join("\n").to_lowercase();
    assert!(told.contains("acme/shop") && told.contains("run"), "{told}");
    assert_eq!(installation.own("engkpi_source_warnings", &[("source", "github")]), Some(1.0));
    let counts = installation.store.counts().await.unwrap();
    assert_eq!((counts[&Kind::Change], counts[&Kind::Deployment]), (3, 3));
    assert_eq!(counts.get(&Kind::WorkflowRun).copied().unwrap_or_default(), 0);

    for (permission, word) in [("pull_requests", "pull requests"), ("contents", "commits")] {
        let token = Token::full(GITHUB_TOKEN).without(permission);
        let installation = Installation::of(busy().github_token(token)).await;
        let error = installation.poll("github").await.expect_err("a rule needs it");
        assert!(matches!(&error, SourceError::Unauthorized(_)), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("acme/shop") && told.contains(word), "{told}");
        let counts = installation.store.counts().await.unwrap();
        assert_eq!(counts[&Kind::Deployment], 3, "the rest is read");
    }
}

#[tokio::test]
async fn an_unknown_repository_is_named_and_the_others_are_read() {
    let settings = "repositories = [\"acme/nonesuch\", \"elsewhere/thing\"]\n";
    let installation = Installation::with(busy(), settings, |_| {}).await;
    let report = installation.collect("github").await.unwrap();
    for name in ["acme/nonesuch", "elsewhere/thing"] {
        assert!(
            report.warnings.iter().any(|warning| warning.contains(name)),
            "{name} is not named: {:?}",
            report.warnings
        );
    }
    assert_eq!(installation.own("engkpi_source_warnings", &[("source", "github")]), Some(2.0));
    assert_eq!(installation.scrape().await.value(FREQUENCY, &MONTH), Some(3.0 / 30.0));
}

#[tokio::test]
async fn a_service_in_an_unknown_repository_has_no_value() {
    let installation = Installation::with(busy(), "", |params| {
        let mut misspelt = params.catalogue.services[0].clone();
        misspelt.name = "shopp".into();
        misspelt.repository = "acme/shopp".to_owned();
        params.catalogue.services.push(misspelt);
    })
    .await;
    let report = installation.collect("github").await.unwrap();
    assert!(report.warnings.iter().any(|it| it.contains("acme/shopp")), "{:?}", report.warnings);
    let scrape = installation.scrape().await;
    let of = |service| {
        let labels = [("scope", "service"), ("service", service), ("window", "30d")];
        scrape.value(FREQUENCY, &labels)
    };
    assert_eq!(of("shop"), Some(3.0 / 30.0));
    assert_eq!(of("shopp"), None, "nobody knows how often it is deployed: that is not 0 a day");
    assert_eq!(scrape.value(FREQUENCY, &MONTH), Some(3.0 / 30.0), "the organisation goes on");
}

#[tokio::test]
async fn a_malformed_run_is_counted_and_the_page_lives() {
    let installation = Installation::of(busy()).await;
    installation.fakes.github.fault(Fault::malformed_item(1).on("/actions/runs").forever());
    let report = installation.collect("github").await.unwrap();
    assert_eq!(report.rejected.get(&Kind::WorkflowRun), Some(&1));
    let labels = [("source", "github"), ("kind", "workflow_run"), ("result", "rejected")];
    assert_eq!(installation.own("engkpi_source_items_total", &labels), Some(1.0));
    assert_eq!(installation.facts("github", Kind::WorkflowRun).await.len(), 2);
}

#[tokio::test]
async fn a_malformed_pull_request_is_counted_and_the_page_lives() {
    let installation = Installation::of(busy()).await;
    installation.fakes.github.fault(Fault::malformed_item(0).on("PullRequests").forever());
    let report = installation.collect("github").await.unwrap();
    assert_eq!(report.rejected.get(&Kind::Change), Some(&1));
    assert_eq!(installation.facts("github", Kind::Change).await.len(), 2);
}

#[tokio::test]
async fn a_malformed_deployment_is_counted_and_the_page_lives() {
    let installation = Installation::of(busy()).await;
    let fault = Fault::malformed_item(0).on(" Deployments").forever();
    installation.fakes.github.fault(fault);
    let report = installation.collect("github").await.unwrap();
    assert_eq!(report.rejected.get(&Kind::Deployment), Some(&1));
    assert_eq!(installation.facts("github", Kind::Deployment).await.len(), 2);
}

#[tokio::test]
async fn malformed_incidents_and_log_entries_are_counted_and_the_page_lives() {
    let installation = Installation::of(busy()).await;
    installation.fakes.pagerduty.fault(Fault::malformed_item(0).on("GET /log_entries").forever());
    let report = installation.collect("pagerduty").await.unwrap();
    assert!(report.rejected[&Kind::IncidentEvent] >= 1, "{report:?}");
    assert_eq!(installation.scrape().await.value(INCIDENTS, &MONTH), Some(3.0));

    // Many at once are read from a list.
    let mut many = busy();
    for n in 4..=12 {
        let at = format!("2026-03-14 {:02}:00", n);
        many.pagerduty.incident(&format!("PINC{n}"), "PSHOP", at.as_str(), |incident| {
            incident.priority("P1");
        });
    }
    let installation = Installation::of(many).await;
    installation.fakes.pagerduty.fault(Fault::malformed_item(0).on("GET /incidents?").forever());
    let report = installation.collect("pagerduty").await.unwrap();
    assert!(report.rejected[&Kind::Incident] >= 1, "{report:?}");
    let incidents = installation.facts("pagerduty", Kind::Incident).await;
    assert_eq!(incidents.len(), 12, "what the list garbles is read by itself");
    assert_eq!(installation.scrape().await.value(INCIDENTS, &MONTH), Some(12.0));
}

#[tokio::test]
async fn a_page_of_html_is_malformed_and_changes_nothing() {
    let installation = Installation::of(busy()).await;
    installation.sync().await;
    let before = installation.store.counts().await.unwrap();
    for fake in [&installation.fakes.github, &installation.fakes.pagerduty] {
        fake.fault(Fault::html().forever());
    }
    installation.set_now("2026-04-01 12:10");
    for source in ["github", "pagerduty"] {
        let error = installation.poll(source).await.expect_err("this is a login page");
        assert!(matches!(&error, SourceError::Malformed(_)), "{source}: {error:?}");
        assert!(!error.to_string().contains("sign in"), "no text of an answer is told: {error}");
    }
    assert_eq!(installation.store.counts().await.unwrap(), before);
    let scrape = installation.scrape().await;
    assert_eq!(scrape.value(FREQUENCY, &MONTH), Some(3.0 / 30.0), "the last values stay");
}

#[tokio::test]
async fn our_clock_behind_the_vendor_s_loses_nothing() {
    let installation = Installation::of(busy()).await;
    installation.set_now("2026-03-13 11:30");
    // Only ours goes back, by two hours: the newest deployment and incident lie in its future.
    installation.set_own_clock("2026-03-13 09:30");
    installation.sync().await;
    let scrape = installation.scrape().await;
    assert_eq!(scrape.value(INCIDENTS, &MONTH), Some(2.0), "it has not happened by our clock");
    installation.set_now("2026-04-01 12:00");
    installation.sync().await;
    let scrape = installation.scrape().await;
    assert_eq!(scrape.value(INCIDENTS, &MONTH), Some(3.0));
    assert_eq!(scrape.value(FREQUENCY, &MONTH), Some(3.0 / 30.0));
}

#[tokio::test]
async fn our_clock_ahead_of_the_vendor_s_loses_nothing() {
    let installation = Installation::of(busy()).await;
    installation.set_now("2026-03-12 12:30");
    installation.set_own_clock("2026-03-20 00:00");
    installation.sync().await;
    installation.set_now("2026-04-01 12:00");
    installation.sync().await;
    let scrape = installation.scrape().await;
    assert_eq!(scrape.value(INCIDENTS, &MONTH), Some(3.0), "no cursor follows our clock");
    assert_eq!(scrape.value(FREQUENCY, &MONTH), Some(3.0 / 30.0));
}

#[tokio::test]
async fn impossible_dates_make_no_number_wrong() {
    for year in ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z"] {
        let installation = Installation::of(busy()).await;
        let nodes = "/data/node/deployments/nodes/0";
        let faults = [
            Fault::replace("/workflow_runs/0/created_at", json!(year)).on("/actions/runs"),
            Fault::replace(&format!("{nodes}/statuses/nodes/0/createdAt"), json!(year))
                .on(" Deployments"),
            Fault::replace("/data/node/pullRequests/nodes/0/createdAt", json!(year))
                .on("PullRequests"),
        ];
        for fault in faults {
            installation.fakes.github.fault(fault.forever());
        }
        let fault = Fault::replace("/incidents/0/created_at", json!(year)).on("GET /incidents?");
        installation.fakes.pagerduty.fault(fault.forever());
        installation.sync().await;
        let scrape = installation.scrape().await;
        let frequency = scrape.value(FREQUENCY, &MONTH);
        assert_eq!(frequency, Some(2.0 / 30.0), "{year}: the other two are counted");
        for family in ["engkpi_change_lead_time_seconds", "engkpi_incident_recovery_time_seconds"] {
            for series in scrape.family(family) {
                let value: f64 = series.rsplit_once(' ').unwrap().1.parse().unwrap();
                assert!((0.0..86_400.0).contains(&value), "{year}: {family} {series}");
            }
        }
        let changes = installation.facts("github", Kind::Change).await;
        assert!(changes.iter().filter(|it| matches!(it, Fact::Change(_))).count() >= 2);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_commits_no_part_of_a_page() {
    let installation = Installation::of(busy()).await;
    let everything = Installation::of(busy()).await;
    everything.sync().await;
    installation.fakes.github.fault(Fault::truncate_at(700).on(" PullRequests").times(1));
    installation.fakes.github.fault(Fault::reset().on(" Deployments").times(1));
    installation.fakes.pagerduty.fault(Fault::truncate_at(300).on("GET /incidents?").times(1));
    installation.fakes.pagerduty.fault(Fault::status(502).on("GET /log_entries").times(1));
    // Either the request is repeated, or the poll fails and the next one goes on.
    for source in ["github", "pagerduty"] {
        let _ = installation.poll(source).await;
        installation.collect(source).await.unwrap();
    }
    assert_eq!(
        installation.store.counts().await.unwrap(),
        everything.store.counts().await.unwrap()
    );
    assert_eq!(installation.scrape().await.value(FREQUENCY, &MONTH), Some(3.0 / 30.0));
}
