//! However a history is collected, the same facts are there at the end.

use chrono::Duration;
use engkpi::domain::{Fact, Instant, Kind};
use engkpi::kpi::params::DeploymentRule;
use engkpi_fakes::{Fault, Now, When, sample};
use regex::Regex;

use crate::installation::Installation;

const END: &str = "2026-11-20 12:00";
const STEPS: i32 = 20;

/// A monorepo, a service that a workflow deploys, and one that is released.
const REPOSITORIES: [&str; 3] = ["shop", "billing", "build-agent"];

/// Part of the sample organisation as it is at `END`.
async fn installation() -> Installation {
    let mut world = sample::organisation(END.instant());
    world.now = Now::Frozen(END.instant());
    world.repositories.retain(|it| REPOSITORIES.contains(&it.name.as_str()));
    Installation::with(world, "", |params| {
        let mut billing = params.catalogue.services[0].clone();
        billing.name = "billing".into();
        billing.repository = "acme/billing".to_owned();
        billing.deployments =
            DeploymentRule::Workflow { names: vec!["Deploy to production".to_owned()] };
        let mut agent = billing.clone();
        agent.name = "build-agent".into();
        agent.repository = "acme/build-agent".to_owned();
        agent.deployments = DeploymentRule::Releases { tag: Regex::new("^v").unwrap() };
        params.catalogue.services.extend([billing, agent]);
    })
    .await
}

/// The steps of the way: the last one is the end.
fn steps() -> impl Iterator<Item = (i32, Instant)> {
    (0..STEPS).map(|step| (step, END.instant() - Duration::hours(35) * (STEPS - 1 - step)))
}

/// Every fact that `installation` has, by source and kind.
async fn everything(installation: &Installation) -> Vec<(Kind, Vec<Fact>)> {
    let mut found = Vec::new();
    for source in ["github", "pagerduty"] {
        for kind in Kind::ALL {
            found.push((kind, installation.facts(source, kind).await));
        }
    }
    found
}

/// Says which facts differ, not all that are the same.
#[track_caller]
fn assert_same(told: &str, expected: &[(Kind, Vec<Fact>)], found: &[(Kind, Vec<Fact>)]) {
    for ((kind, expected), (_, found)) in expected.iter().zip(found) {
        let missing: Vec<_> = expected.iter().filter(|it| !found.contains(it)).take(3).collect();
        let extra: Vec<_> = found.iter().filter(|it| !expected.contains(it)).take(3).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{told}: {} differ. A cold pass has, among others\n{missing:#?}\nand this has\n{extra:#?}",
            kind.as_str()
        );
    }
}

/// One fault of every kind, in turn.
fn fault(step: i32) -> Fault {
    let fault = match step % 14 {
        0 => Fault::status(502),
        1 => Fault::truncate_at(500),
        2 => Fault::reset(),
        3 => Fault::html(),
        4 => Fault::secondary_limit(403, Some(0)),
        5 => Fault::secondary_limit(429, None),
        6 => Fault::shift(1),
        7 => Fault::duplicate_page(),
        8 => Fault::empty_page(),
        9 => Fault::loop_next(),
        10 => Fault::gzip_bomb(64 << 20),
        11 => Fault::redirect_to("http://127.0.0.1:9/elsewhere"),
        12 => Fault::link_to("http://127.0.0.1:9/elsewhere"),
        _ => Fault::status(500),
    };
    fault.after(u64::try_from(step / 14).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_polls_on_the_way_leave_what_one_pass_at_the_end_does() {
    let cold = installation().await;
    cold.sync().await;
    let stepwise = installation().await;
    for (_, now) in steps() {
        stepwise.set_now(now);
        stepwise.sync().await;
    }
    assert_same("many polls", &everything(&cold).await, &everything(&stepwise).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_on_the_way_change_nothing_at_the_end() {
    let cold = installation().await;
    cold.sync().await;
    let troubled = installation().await;
    let fakes = [&troubled.fakes.github, &troubled.fakes.pagerduty];
    let mut failed = 0;
    for (step, now) in steps() {
        troubled.set_now(now);
        for fake in fakes {
            fake.fault(fault(step));
        }
        for source in ["github", "pagerduty"] {
            // Where it fails, the next poll goes on.
            failed += u32::from(troubled.poll(source).await.is_err());
        }
        for fake in fakes {
            fake.clear_faults();
        }
        // Longer than any wait that a fault asks for.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let hit = fakes.iter().flat_map(|fake| fake.requests()).filter(|it| it.faulted).count();
    assert!(hit >= STEPS as usize && failed > 5, "{hit} faults hit, {failed} polls failed");
    troubled.sync().await;
    assert_same("many faults", &everything(&cold).await, &everything(&troubled).await);
}
