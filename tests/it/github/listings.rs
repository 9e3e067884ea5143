//! Lists: beyond their first page, without an end, and with places that are refused.

use std::time::Duration;

use engkpi::domain::Kind;
use engkpi_fakes::Fault;
use engkpi_fakes::world::File;
use serde_json::json;

use super::polling::long;
use super::*;

/// Every listing that is read through GraphQL, and where its page information is.
const LISTINGS: [(&str, &str); 6] = [
    ("OrganizationRepositories", "/data/organization/repositories/pageInfo"),
    (" PullRequests", "/data/node/pullRequests/pageInfo"),
    ("CommitHistory", "/data/node/object/history/pageInfo"),
    (" Deployments", "/data/node/deployments/pageInfo"),
    ("Releases", "/data/node/releases/pageInfo"),
    ("RecordHistory", "/data/node/object/history/pageInfo"),
];

/// Something in every listing, and needs that ask for it.
async fn full() -> Site {
    let mut world = long();
    let shop = world.repository_mut("shop");
    let sha = shop.push_files(
        "2026-03-30 09:00",
        "Decide",
        vec![File::added("docs/adr/0001-it.md", "# It\n\n## Status\n\nAccepted\n")],
    );
    shop.release("v1", &sha, "2026-03-30 10:00", |_| {});
    let mut needs = needs();
    let shop = needs.entry("acme/shop");
    shop.releases = true;
    shop.decision_folders.insert("docs/adr".to_owned());
    Site::with(world, needs, "organisation = \"acme\"").await
}

/// What the poll fails with; it must come to an end.
async fn failure(site: &Site, why: &str) -> String {
    let poll = tokio::time::timeout(Duration::from_secs(30), site.try_poll()).await;
    poll.unwrap_or_else(|_| panic!("{why}: it never ends")).expect_err(why).to_string()
}

#[tokio::test]
async fn a_listing_that_comes_round_again_is_an_error_in_every_stream() {
    for (listing, _) in LISTINGS {
        let site = full().await;
        site.fakes.github.fault(Fault::loop_next().on(listing).forever());
        let error = failure(&site, listing).await;
        assert!(error.contains("already read"), "{listing}: {error}");
    }
}

#[tokio::test]
async fn a_page_that_follows_nowhere_is_an_error_and_not_the_end() {
    for (listing, place) in LISTINGS {
        let site = full().await;
        let nowhere = json!({"hasNextPage": true, "endCursor": null});
        site.fakes.github.fault(Fault::replace(place, nowhere).on(listing).forever());
        let error = failure(&site, listing).await;
        assert!(error.contains("does not say where"), "{listing}: {error}");
    }
}

#[tokio::test]
async fn a_broken_network_does_not_make_pages_smaller() {
    let site = Site::of(long()).await;
    site.fakes.github.fault(Fault::reset().on(" PullRequests").times(3));
    site.poll().await;
    for request in site.fakes.github.requests_to(" PullRequests") {
        assert_eq!(request.variables["first"], json!(100));
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_place_is_asked_from_the_beginning_once() {
    let refusal = json!({"errors": [
        {"type": "INVALID_CURSOR_ARGUMENTS", "message": "`x` does not appear to be a valid cursor."}
    ]});
    for listing in [" PullRequests", "CommitHistory", " Deployments"] {
        let site = Site::of(long()).await;
        let refuses = Fault::status(200).body(refusal.clone());
        site.fakes.github.fault(refuses.on(listing).naming("\"after\":").forever());
        let error = failure(&site, listing).await;
        assert!(error.contains("refused"), "{listing}: {error}");
        let asked = site.fakes.github.requests_to(listing).len();
        assert!(
            asked <= 6,
            "{listing}: twice two pages, and commits once for deployments: {asked}"
        );
    }
}

#[tokio::test]
async fn every_list_is_read_beyond_its_first_page() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 0..130_u32 {
        let at = at("2026-02-01 00:00") + chrono::Duration::hours(i64::from(number));
        let path = format!("docs/adr/{number:04}-it.md");
        let text = format!("# Number {number}\n\n## Status\n\nAccepted\n");
        let sha = shop.push_files(at, "Decide", vec![File::added(&path, &text)]);
        shop.release(&format!("v{number}"), &sha, at, |_| {});
    }
    let mut needs = needs();
    let shop = needs.entry("acme/shop");
    shop.releases = true;
    shop.decision_folders.insert("docs/adr".to_owned());
    let site = Site::with(world, needs, "organisation = \"acme\"").await;
    site.poll().await;
    assert_eq!(site.count(Kind::Release).await, 130);
    assert_eq!(site.count(Kind::DecisionRevision).await, 130);
    for fact in site.facts(Kind::DecisionRevision).await {
        let Fact::DecisionRevision(it) = fact else { continue };
        assert_eq!(it.status.as_deref(), Some("Accepted"), "{}: its text was read", it.path);
    }
    let github = &site.fakes.github;
    assert_eq!(github.requests_to("Releases").len(), 2);
    assert_eq!(github.requests_to("RecordHistory").len(), 3);
    assert_eq!(github.requests_to("RecordTexts").len(), 4);
}

#[tokio::test]
async fn a_deployment_with_more_statuses_than_fit_is_read_whole() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let start = at("2026-03-20 09:00");
    shop.deployment("production", &sha, start, |deployment| {
        for minute in 0..150 {
            deployment.status(start + chrono::Duration::minutes(minute), "in_progress");
        }
        deployment.status(start + chrono::Duration::minutes(150), "success");
    });
    let site = Site::of(world).await;
    site.poll().await;
    assert_eq!(site.deployments().await[0].statuses.len(), 151);
    assert_eq!(site.fakes.github.requests_to("DeploymentStatuses").len(), 2);
}

#[tokio::test]
async fn reconciling_reads_every_list_to_its_end_too() {
    let site = Site::of(long()).await;
    site.poll().await;
    let before = site.everything().await;
    site.fakes.github.clear_requests();
    let report = site.reconcile().await;
    assert_eq!(report.gaps, 0);
    assert_eq!(differences(&before, &site.everything().await), Vec::<String>::new());
    let github = &site.fakes.github;
    assert_eq!(github.requests_to("PullRequestNumbers").len(), 3);
    assert_eq!(github.requests_to("DeploymentStates").len(), 3);
}
