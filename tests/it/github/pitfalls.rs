//! The pitfalls of GitHub's API, one test each.

use engkpi::domain::Kind;
use engkpi::domain::fact::DeploymentState;
use engkpi::source::SourceError;
use engkpi_fakes::world::Token;
use engkpi_fakes::{Fault, GITHUB_TOKEN};
use serde_json::json;

use super::*;

#[tokio::test]
async fn pitfall_01_the_api_version_is_pinned_and_the_merge_commit_does_not_depend_on_it() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let merge = shop.pull(1, "2026-03-02 09:00", |pull| {
        pull.squash("2026-03-02 12:00");
    });
    shop.run("Deploy", &merge, "2026-03-02 12:05", |_| {});
    let site = Site::of(world).await;
    site.poll().await;
    for request in site.fakes.github.requests() {
        let version = request.headers.get("x-github-api-version").map(String::as_str);
        assert_eq!(version, Some("2022-11-28"), "{}", request.target());
    }
    assert_eq!(*site.change(1).await.merge_commit.unwrap().text(), *merge);
    assert!(
        site.fakes.github.requests_to("/pulls").is_empty(),
        "REST pull requests lose merge_commit_sha in the next version"
    );
}

#[tokio::test]
async fn pitfall_02_links_that_point_at_the_repository_s_number_are_followed() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..250 {
        let at = at("2026-03-03 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    let site = Site::of(world).await;
    site.poll().await;
    assert_eq!(site.count(Kind::WorkflowRun).await, 250);
    let by_number = site.fakes.github.requests_to("GET /repositories/1001/actions/runs");
    assert_eq!(by_number.len(), 2, "the second and the third page are where the links point");
}

#[tokio::test]
async fn pitfall_04_more_runs_than_a_filtered_list_shows_are_all_read() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..1_234 {
        let at = at("2026-03-03 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    let site = Site::of(world).await;
    site.poll().await;
    assert_eq!(site.count(Kind::WorkflowRun).await, 1_234);
    for request in site.fakes.github.requests_to("/actions/runs?") {
        for filter in ["actor", "branch", "created", "event", "head_sha", "status"] {
            assert_eq!(request.parameter(filter), None, "with a filter the list ends at 1,000");
        }
    }
}

#[tokio::test]
async fn pitfall_05_a_good_deployment_that_became_inactive_still_succeeded() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let old = shop.deployed("production", &sha, "2026-02-01 09:00");
    shop.deployed("production", &sha, "2026-03-20 09:00");
    let site = Site::of(world).await;
    site.poll().await;
    let deployments = site.deployments().await;
    let old = deployments.iter().find(|it| it.id == old.to_string()).unwrap();
    let states: Vec<_> = old.statuses.iter().map(|it| (it.state, it.at)).collect();
    assert_eq!(states, [(DeploymentState::Success, at("2026-02-01 09:00"))]);
    assert_eq!(
        site.fakes.github.requests_to(" Deployments").len(),
        1,
        "no request for each status"
    );
}

#[tokio::test]
async fn pitfall_06_an_old_pull_request_that_is_merged_now_is_seen_and_issues_are_not() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=120 {
        let at = at("2026-02-01 00:00") + chrono::Duration::hours(number);
        shop.pull(u64::try_from(number).unwrap(), at, |_| {});
    }
    let site = Site::of(world).await;
    site.poll().await;
    assert_eq!(site.count(Kind::Change).await, 120, "open ones too");
    site.fakes.github.clear_requests();
    site.fakes.edit(|world| {
        world.repository_mut("shop").continue_pull(3, |pull| {
            pull.squash("2026-04-01 13:00");
        });
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.change(3).await.merged_at, Some(at("2026-04-01 13:00")));
    assert_eq!(site.fakes.github.requests_to("PullRequests").len(), 1, "one page is enough");
    assert!(site.fakes.github.requests_to("issues").is_empty());
}

#[tokio::test]
async fn pitfall_07_the_commits_beyond_the_250th_are_found_and_with_them_the_first() {
    let mut world = world();
    world.repository_mut("shop").pull(1, "2026-03-20 09:00", |pull| {
        for minute in 0..260 {
            let at = at("2026-03-01 00:00") + chrono::Duration::minutes(minute);
            pull.commit(at, "More", &["src/a.rs"]);
        }
        // Written long before, and taken onto the branch last.
        pull.commit("2026-02-01 00:00", "Old", &["src/a.rs"]).merge("2026-03-21 09:00");
    });
    let site = Site::of(world).await;
    site.poll().await;
    let change = site.change(1).await;
    assert_eq!(change.commits.len(), 261);
    assert_eq!(change.first_commit_at, Some(at("2026-02-01 00:00")));
}

#[tokio::test]
async fn pitfall_08_a_secondary_limit_is_kept_and_a_missing_permission_is_not_taken_for_one() {
    for status in [403, 429] {
        for retry_after in [Some(90), None] {
            let site = Site::of(world()).await;
            site.fakes.github.fault(Fault::secondary_limit(status, retry_after).on("/graphql"));
            let error = site.try_poll().await.expect_err("GitHub asks for a pause");
            let SourceError::RateLimited { until } = error else {
                panic!("{status} {retry_after:?}: {error}")
            };
            let wait = until - at("2026-04-01 12:00");
            assert!(wait >= chrono::Duration::seconds(59), "{status} {retry_after:?}: {wait}");
            assert_eq!(site.fakes.github.requests().len(), 1, "nothing is sent inside the wait");
        }
    }
    let token = Token::full(GITHUB_TOKEN).without("actions");
    let mut world = world().github_token(token);
    world.repository_mut("shop").pull(1, "2026-03-01 09:00", |_| {});
    let site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    let report = site.poll().await;
    assert_eq!(
        report.warnings,
        ["workflow runs of acme/shop: not there, or not visible to this token"]
    );
    assert_eq!(site.count(Kind::Change).await, 1, "the rest is read without any pause");
}

#[tokio::test]
async fn pitfall_09_graphql_tells_failures_in_a_200_and_smaller_pages_get_through() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=30 {
        let at = at("2026-02-01 00:00") + chrono::Duration::hours(number);
        shop.pull(u64::try_from(number).unwrap(), at, |_| {});
    }
    let site = Site::of(world).await;
    let words = "Something went wrong while executing your query.";
    let gives_up = Fault::status(200).body(json!({"errors": [{"message": words}]}));
    site.fakes.github.fault(gives_up.on("PullRequests").times(1));
    site.fakes.github.fault(Fault::status(502).on("PullRequests").times(2));
    site.poll().await;
    assert_eq!(site.count(Kind::Change).await, 30);
    let asked: Vec<_> = site.fakes.github.requests_to("PullRequests");
    let sizes: Vec<_> = asked.iter().map(|it| it.variables["first"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [100, 50, 50, 25, 25], "halved after each failure, and the page after it");
}

#[tokio::test]
async fn pitfall_09_an_answer_with_holes_is_not_taken_for_the_whole() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.pull(1, "2026-03-01 09:00", |pull| {
        pull.review("2026-03-01 10:00", "bob");
    });
    shop.pull(2, "2026-03-02 09:00", |pull| {
        pull.review("2026-03-02 10:00", "bob");
    });
    let site = Site::of(world).await;
    let holes = Fault::edit(|body| {
        body["errors"] = json!([{"message": "timeout"}]);
        body["data"]["node"]["pullRequests"]["nodes"][0]["reviews"] = json!(null);
    });
    site.fakes.github.fault(holes.on("PullRequests").times(1));
    site.poll().await;
    for number in [1, 2] {
        assert_eq!(site.change(number).await.reviews.len(), 1, "of {number}");
    }
}
