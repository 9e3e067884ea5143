//! What goes on while a pass is interrupted or runs.

use engkpi::domain::Kind;
use engkpi::domain::fact::DeploymentState;
use engkpi::store::Batch;
use engkpi_fakes::Fault;
use serde_json::{Value, json};

use super::*;

/// Four pages of runs, one a minute.
fn many_runs() -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for minute in 0..400 {
        let at = at("2026-02-03 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    world
}

/// A first pass over [`many_runs`] that broke off after its second page.
async fn after_two_pages_of_runs() -> Site {
    let site = Site::of(many_runs()).await;
    site.fakes.github.fault(Fault::status(500).on("/actions/runs?").after(2).times(8));
    site.try_poll().await.expect_err("the third page fails");
    site.fakes.github.clear_faults();
    site.fakes.github.clear_requests();
    assert_eq!(site.count(Kind::WorkflowRun).await, 200);
    site
}

/// How often the first page was asked for.
fn first_pages(site: &Site) -> usize {
    let asked = site.fakes.github.requests_to("/actions/runs?");
    asked.iter().filter(|it| it.parameter("page").is_none()).count()
}

#[tokio::test]
async fn runs_that_start_while_the_first_pass_is_interrupted_do_not_make_it_start_again() {
    for new in [1, 130] {
        let site = after_two_pages_of_runs().await;
        site.fakes.edit(|world| {
            let shop = world.repository_mut("shop");
            let sha = shop.pushes[0].1.clone();
            for minute in 0..new {
                let at = at("2026-04-01 12:01") + chrono::Duration::seconds(minute);
                shop.run("Test", &sha, at, |_| {});
            }
        });
        site.set_now("2026-04-01 12:30");
        let report = site.poll().await;
        assert_eq!(report.gaps, 0, "{new} new: nothing slipped past");
        assert_eq!(site.count(Kind::WorkflowRun).await, 400 + new as usize);
        assert_eq!(first_pages(&site), 1, "{new} new: for what is new, not for a new beginning");
    }
}

#[tokio::test]
async fn runs_that_are_deleted_while_the_first_pass_is_interrupted_make_it_start_again() {
    let site = after_two_pages_of_runs().await;
    site.fakes.edit(|world| {
        let gone = Some(at("2026-04-01 12:01"));
        let mut runs = world.repository_mut("shop").runs.iter_mut().collect::<Vec<_>>();
        runs.sort_by_key(|it| std::cmp::Reverse(it.created_at));
        // The last one that was read, and enough to let a page slip past.
        for run in runs.into_iter().skip(80).take(120) {
            run.deleted_at = gone;
        }
    });
    site.set_now("2026-04-01 12:30");
    let report = site.poll().await;
    assert_eq!(report.gaps, 1);
    let left = site.runs().await.iter().map(|it| it.created_at).min();
    assert_eq!(left, Some(at("2026-02-03 00:00")));
    assert_eq!(site.count(Kind::WorkflowRun).await, 400, "reconciling removes the deleted ones");
}

#[tokio::test]
async fn a_page_of_runs_that_is_none_any_more_is_read_up_to_from_the_beginning() {
    // The API has another address now; the listing has.
    for page in ["http://127.0.0.1:9/repositories/1001/actions/runs?page=2", "repositories/9/x"] {
        let site = after_two_pages_of_runs().await;
        let stored = site.store.cursor(&name(), "runs:1001").await.unwrap().unwrap();
        let mut cursor: Value = serde_json::from_str(&stored).unwrap();
        let page = site.fakes.github.url().join(page).unwrap();
        assert!(cursor["pass"]["page"].is_string(), "{cursor}");
        cursor["pass"]["page"] = json!(page);
        let cursors = vec![("runs:1001".to_owned(), cursor.to_string())];
        site.store.commit(&name(), Batch { cursors, ..Batch::default() }).await.unwrap();
        site.poll().await;
        assert_eq!(site.count(Kind::WorkflowRun).await, 400, "{page}");
    }
}

#[tokio::test]
async fn an_old_run_whose_earlier_attempt_is_refused_is_still_followed() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let old = shop.run("Deploy", &sha, "2026-02-01 09:00", |run| {
        run.running("2026-02-01 09:00");
    });
    // So many that it is not on the page that is read at every poll.
    for minute in 0..120 {
        let at = at("2026-02-02 09:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |run| {
            run.attempt(at, at, "success");
        });
    }
    let site = Site::of(world).await;
    site.poll().await;
    site.fakes.edit(|world| {
        let run = world.repository_mut("shop").run_mut(old);
        run.attempts[0].completed = Some((at("2026-04-01 12:30"), "failure".to_owned()));
        run.attempt("2026-04-01 13:00", "2026-04-01 13:10", "success");
    });
    site.set_now("2026-04-01 14:00");
    site.fakes.github.fault(Fault::status(403).on("/attempts/"));
    site.try_poll().await.expect_err("a rule needs the attempt");
    site.poll().await;
    let runs = site.runs().await;
    let run = runs.iter().find(|it| it.id == old.to_string()).unwrap();
    let attempts: Vec<_> = run.attempts.iter().map(|it| it.conclusion.as_deref()).collect();
    assert_eq!(attempts, [Some("failure"), Some("success")]);
}

#[tokio::test]
async fn a_deployment_whose_statuses_are_left_out_is_not_one_without_statuses() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let ids: Vec<_> = (20..24)
        .map(|day| shop.deployed("production", &sha, format!("2026-03-{day} 09:00").as_str()))
        .collect();
    let node = format!("DE_{}", ids[1]);
    let left_out = Fault::edit(move |body| {
        let data = &mut body["data"];
        let listed = data["node"]["deployments"]["nodes"].is_array();
        let place = if listed { "/node/deployments/nodes" } else { "/nodes" };
        let nodes = data.pointer_mut(place).unwrap().as_array_mut().unwrap();
        if let Some(it) = nodes.iter_mut().find(|it| it["id"] == node.as_str()) {
            it["statuses"] = Value::Null;
            body["errors"] = json!([{"message": "timeout"}]);
        }
    });
    let site = Site::of(world).await;
    site.fakes.github.fault(left_out.on(" Deployments").forever());
    let report = site.poll().await;
    assert_eq!(report.rejected, BTreeMap::from([(Kind::Deployment, 2)]), "listed and by its id");
    assert_eq!(site.deployments().await.len(), 3);
    site.fakes.github.clear_faults();
    site.poll().await;
    let deployments = site.deployments().await;
    assert_eq!(deployments.len(), 4, "it is read though the overview did not change");
    let succeeded =
        |it: &Deployment| it.statuses.iter().any(|it| it.state == DeploymentState::Success);
    assert!(deployments.iter().all(succeeded));
    site.fakes.github.clear_requests();
    site.poll().await;
    assert!(site.fakes.github.requests_to("Deployments").is_empty(), "once");
}
