//! Reconciling removes what is gone, and nothing else.

use std::collections::BTreeSet;

use engkpi::domain::Kind;
use engkpi_fakes::Fault;
use serde_json::{Value, json};

use super::*;

/// Lists of identities, with the kind of what they name.
const LISTS: [(&str, Kind); 3] = [
    ("PullRequestNumbers", Kind::Change),
    ("DeploymentStates", Kind::Deployment),
    ("Releases", Kind::Release),
];

/// Four of everything.
async fn four_of_each() -> Site {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for number in 1..=4_u32 {
        let at = at("2026-03-20 09:00") + chrono::Duration::hours(i64::from(number));
        shop.pull(u64::from(number), at, |_| {});
        shop.deployed("production", &sha, at);
        shop.release(&format!("v{number}"), &sha, at, |_| {});
    }
    let mut needs = needs();
    needs.entry("acme/shop").releases = true;
    let site = Site::with(world, needs, "organisation = \"acme\"").await;
    site.poll().await;
    site
}

/// The items of the list that an answer is about.
fn nodes(body: &mut Value) -> &mut Vec<Value> {
    let lists = body["data"]["node"].as_object_mut().unwrap();
    lists.values_mut().next().unwrap()["nodes"].as_array_mut().unwrap()
}

/// The second item is null, and the answer may say why.
fn null_because(errors: Value) -> Fault {
    Fault::edit(move |body| {
        let nodes = nodes(body);
        let place = nodes.len().min(2) - 1;
        nodes[place] = Value::Null;
        if !errors.is_null() {
            body["errors"] = errors.clone();
        }
    })
}

#[tokio::test]
async fn nothing_is_taken_for_deleted_where_a_list_has_holes() {
    let faults = [
        ("null", null_because(Value::Null)),
        ("given up on", null_because(json!([{"message": "timeout"}]))),
        ("refused", null_because(json!([{"type": "FORBIDDEN", "message": "not for you"}]))),
        ("illegible", Fault::malformed_item(1)),
        ("empty", Fault::empty_page()),
    ];
    for (list, kind) in LISTS {
        for (how, fault) in &faults {
            let site = four_of_each().await;
            site.fakes.github.fault(fault.clone().on(list).forever());
            let report = site.reconcile().await;
            assert_eq!(site.count(kind).await, 4, "{list} {how}");
            let warned = report.warnings.iter().any(|it| it.contains("has holes"));
            assert!(warned, "{list} {how}: {report:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_taken_for_deleted_where_the_token_may_not_look_any_more() {
    for permission in ["pull_requests", "deployments", "contents"] {
        let site = four_of_each().await;
        let before = site.everything().await.into_keys().collect::<Vec<_>>();
        site.fakes.edit(|world| world.access.github[0].denied.insert(permission.to_owned()));
        let error = site.source.reconcile(&site.context()).await.expect_err(permission);
        assert!(matches!(error, SourceError::Unauthorized(_)), "{permission}: {error}");
        let after = site.everything().await.into_keys().collect::<Vec<_>>();
        assert_eq!(before, after, "{permission}");
    }
}

#[tokio::test]
async fn a_list_of_releases_with_holes_is_read_again_until_it_has_none() {
    let site = four_of_each().await;
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        let sha = shop.pushes[0].1.clone();
        shop.release("v5", &sha, "2026-04-01 13:00", |_| {});
    });
    site.set_now("2026-04-01 14:00");
    // The newest one is the first of the list.
    let null = Fault::replace("/data/node/releases/nodes/0", Value::Null);
    site.fakes.github.fault(null.on("Releases"));
    site.poll().await;
    assert_eq!(site.count(Kind::Release).await, 4);
    site.poll().await;
    assert_eq!(site.count(Kind::Release).await, 5, "though the overview did not change");
}

/// 250 runs that are stored.
async fn with_runs() -> Site {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..250 {
        let at = at("2026-03-03 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    let site = Site::of(world).await;
    site.poll().await;
    site
}

#[tokio::test]
async fn runs_that_slip_past_while_others_are_deleted_are_not_taken_for_deleted() {
    let site = with_runs().await;
    let slips = Fault::edit(|body| {
        // What was at the top of the second page is now on the first, which was read before.
        body["workflow_runs"].as_array_mut().unwrap().drain(..3);
    });
    // The poll before reads them too.
    site.fakes.github.fault(slips.on("page=2").after(1));
    site.reconcile().await;
    assert_eq!(site.count(Kind::WorkflowRun).await, 250);
    let asked = site.fakes.github.requests_to("/actions/runs/");
    assert_eq!(asked.len(), 3, "each that is missing from the list is asked for by its number");
}

#[tokio::test]
async fn runs_that_are_gone_are_removed_however_far_down_they_were() {
    let site = with_runs().await;
    site.fakes.edit(|world| {
        for run in world.repository_mut("shop").runs.iter_mut().skip(10).take(7) {
            run.deleted_at = Some(at("2026-04-01 13:00"));
        }
    });
    site.set_now("2026-04-01 14:00");
    site.reconcile().await;
    assert_eq!(site.count(Kind::WorkflowRun).await, 243);
}

#[tokio::test]
async fn a_reconciliation_that_is_interrupted_goes_on_with_the_repositories_that_are_left() {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    for number in 0..5 {
        world.add_repository(&format!("repo-{number}"), |it| {
            let sha = it.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
            it.pull(1, "2026-03-02 09:00", |_| {});
            it.run("Test", &sha, "2026-03-25 12:05", |_| {});
        });
    }
    let site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    site.poll().await;
    let compared = |site: &Site| {
        let asked = site.fakes.github.requests_to("PullRequestNumbers");
        let asked: BTreeSet<_> =
            asked.iter().map(|it| it.variables["repository"].to_string()).collect();
        site.fakes.github.clear_requests();
        asked.len()
    };
    let fault = Fault::status(500).on("PullRequestNumbers").naming("\"R_1003\"").forever();
    site.fakes.github.fault(fault);
    site.source.reconcile(&site.context()).await.expect_err("one fails");
    assert_eq!(compared(&site), 5);
    site.source.reconcile(&site.context()).await.expect_err("it fails again");
    assert_eq!(compared(&site), 1, "the others were compared in this round");
    site.fakes.github.clear_faults();
    site.reconcile().await;
    assert_eq!(compared(&site), 1);
    site.reconcile().await;
    assert_eq!(compared(&site), 5, "and the next round begins anew");
}

#[tokio::test]
async fn runs_that_no_rule_asks_for_are_not_compared() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    shop.run("Test", &sha, "2026-01-05 12:05", |_| {});
    let site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    site.poll().await;
    site.fakes.github.clear_requests();
    site.reconcile().await;
    let asked = site.fakes.github.requests_to("/actions/runs?");
    assert_eq!(asked.len(), 1, "the poll before asks for what is new");
}
