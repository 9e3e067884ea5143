//! One item that cannot be read does not keep the others from being read.

use engkpi::domain::Kind;
use engkpi::store::Batch;
use engkpi_fakes::Fault;
use serde_json::{Value, json};

use super::*;

/// An answer that GitHub gives when a query takes too long.
fn gives_up() -> Fault {
    let words = "Something went wrong while executing your query.";
    Fault::status(200).body(json!({"errors": [{"message": words}]}))
}

fn with_paths() -> Needs {
    let mut needs = needs();
    needs.entry("acme/shop").changed_paths = true;
    needs
}

/// A pull request with more of everything than fits on its page, and a small one.
fn large_and_small() -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.pull(1, "2026-03-20 09:00", |pull| {
        for number in 0..120 {
            let at = at("2026-03-01 00:00") + chrono::Duration::minutes(number);
            pull.commit(at, "More", &[format!("src/file_{number}.rs").as_str()]);
            pull.label(&format!("label-{number:03}"));
        }
    });
    shop.pull(2, "2026-03-21 09:00", |_| {});
    world
}

#[tokio::test]
async fn a_comparison_that_github_refuses_leaves_the_commits_that_it_lists() {
    for status in [404, 403, 422, 500] {
        let mut world = world();
        let shop = world.repository_mut("shop");
        shop.pull(1, "2026-03-20 09:00", |pull| {
            for minute in 0..260 {
                let at = at("2026-03-01 00:00") + chrono::Duration::minutes(minute);
                pull.commit(at, "More", &["src/a.rs"]);
            }
        });
        shop.pull(2, "2026-03-21 09:00", |_| {});
        let site = Site::of(world).await;
        site.fakes.github.fault(Fault::status(status).on("/compare/").forever());
        let report = site.poll().await;
        let words = "pull request 1 of acme/shop: only its first 250 commits can be read";
        assert!(report.warnings.iter().any(|it| it.contains(words)), "{status}: {report:?}");
        assert_eq!(site.change(1).await.commits.len(), 250, "{status}");
        assert_eq!(site.count(Kind::Change).await, 2, "{status}: the page lives");
    }
}

#[tokio::test]
async fn the_rest_of_a_heavy_pull_request_comes_on_smaller_pages() {
    let site = Site::with(large_and_small(), with_paths(), "organisation = \"acme\"").await;
    site.fakes.github.fault(gives_up().on("PullRequestRest").above(25).forever());
    assert_eq!(site.poll().await.rejected, BTreeMap::new());
    let change = site.change(1).await;
    assert_eq!((change.commits.len(), change.labels.len()), (120, 120));
    assert_eq!(change.paths.unwrap().len(), 120);
    let asked = site.fakes.github.requests_to("PullRequestRest");
    let sizes: Vec<_> = asked.iter().map(|it| it.variables["first"].clone()).collect();
    assert_eq!(sizes[..3], [json!(100), json!(50), json!(25)]);
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_completed_is_rejected_and_the_page_lives() {
    for fault in [gives_up(), Fault::status(502), Fault::status(500)] {
        let site = Site::of(large_and_small()).await;
        site.fakes.github.fault(fault.on("PullRequestRest").forever());
        let report = site.poll().await;
        assert_eq!(report.rejected, BTreeMap::from([(Kind::Change, 1)]));
        let numbers: Vec<_> = site.changes().await.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [2]);
        // What was lost is found when reconciling.
        site.fakes.github.clear_faults();
        site.reconcile().await;
        assert_eq!(site.change(1).await.commits.len(), 120);
    }
}

#[tokio::test]
async fn a_network_that_breaks_is_no_reason_to_reject_a_pull_request() {
    let site = Site::of(large_and_small()).await;
    site.fakes.github.fault(Fault::reset().on("PullRequestRest").forever());
    site.try_poll().await.expect_err("the network is broken");
    assert_eq!(site.count(Kind::Change).await, 0);
}

#[tokio::test]
async fn paths_that_github_does_not_tell_are_unknown_and_not_none() {
    let site = Site::with(large_and_small(), with_paths(), "organisation = \"acme\"").await;
    let null = Fault::replace("/data/node/pullRequests/nodes/0/files", Value::Null);
    site.fakes.github.fault(null.on(" PullRequests").forever());
    site.poll().await;
    assert_eq!(site.change(2).await.paths, None);
    assert_eq!(site.change(1).await.paths.unwrap().len(), 120);
}

#[tokio::test]
async fn a_null_instead_of_the_rest_is_not_asked_for_again_and_again() {
    for (connection, rejected) in [("labels", 1), ("commits", 1), ("files", 0)] {
        let site = Site::with(large_and_small(), with_paths(), "organisation = \"acme\"").await;
        let null = Fault::replace(&format!("/data/node/{connection}"), Value::Null);
        site.fakes.github.fault(null.on("PullRequestRest").forever());
        let poll = tokio::time::timeout(Duration::from_secs(30), site.poll());
        let report = poll.await.unwrap_or_else(|_| panic!("{connection}: it never ends"));
        let expected = if rejected > 0 { Some(&1) } else { None };
        assert_eq!(report.rejected.get(&Kind::Change), expected, "{connection}");
        if connection == "files" {
            let change = site.change(1).await;
            assert_eq!((change.paths, change.labels.len()), (None, 120));
        }
    }
}

#[tokio::test]
async fn one_item_that_is_too_heavy_is_rejected_when_reconciling_and_the_others_are_read() {
    for fault in [gives_up(), Fault::status(502)] {
        let mut world = world();
        let shop = world.repository_mut("shop");
        let sha = shop.pushes[0].1.clone();
        for number in 1..=7 {
            shop.pull(number, "2026-03-20 09:00", |_| {});
        }
        let deployments: Vec<_> =
            (1..=7).map(|_| shop.deployed("production", &sha, "2026-03-20 10:00")).collect();
        let site = Site::of(world).await;
        site.poll().await;
        let mut batch = Batch::default();
        for kind in [Kind::Change, Kind::Deployment] {
            let facts = site.facts(kind).await.into_iter();
            batch.removed.extend(facts.map(|it| it.key(&name())));
        }
        site.store.commit(&name(), batch).await.unwrap();
        let heavy = format!("\"DE_{}\"", deployments[4]);
        site.fakes.github.fault(fault.clone().on("PullRequestsById").naming("_3\"").forever());
        site.fakes.github.fault(fault.on("DeploymentsById").naming(&heavy).forever());
        let report = site.reconcile().await;
        let one_of_each = BTreeMap::from([(Kind::Change, 1), (Kind::Deployment, 1)]);
        assert_eq!(report.rejected, one_of_each);
        assert_eq!(site.count(Kind::Change).await, 6);
        assert_eq!(site.count(Kind::Deployment).await, 6);
    }
}

#[tokio::test]
async fn a_hole_that_stays_on_a_page_of_one_costs_that_one_pull_request() {
    let mut world = world();
    for number in 1..=30 {
        let at = at("2026-03-01 09:00") + chrono::Duration::hours(number);
        world.repository_mut("shop").pull(u64::try_from(number).unwrap(), at, |pull| {
            pull.review(at + chrono::Duration::minutes(5), "bob");
        });
    }
    let site = Site::of(world).await;
    let hole = Fault::edit(|body| {
        let nodes = body["data"]["node"]["pullRequests"]["nodes"].as_array_mut().unwrap();
        if let Some(it) = nodes.iter_mut().find(|it| it["number"] == 20) {
            it["reviews"] = Value::Null;
            body["errors"] = json!([{"message": "timeout"}]);
        }
    });
    site.fakes.github.fault(hole.on(" PullRequests").forever());
    let report = site.poll().await;
    assert_eq!(report.rejected, BTreeMap::from([(Kind::Change, 1)]));
    let changes = site.changes().await;
    assert_eq!(changes.len(), 29);
    assert!(changes.iter().all(|it| it.number != 20 && it.reviews.len() == 1));
    let asked = site.fakes.github.requests_to(" PullRequests");
    let last = asked.last().unwrap().variables["first"].as_u64().unwrap();
    assert!(last > 1, "pages grow again behind it");
    site.fakes.github.clear_faults();
    site.reconcile().await;
    assert_eq!(site.change(20).await.reviews.len(), 1);
}
