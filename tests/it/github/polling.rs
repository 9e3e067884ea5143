//! Cold, warm, idle and interrupted polls.

use engkpi::domain::Kind;
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Batch};
use engkpi_fakes::Fault;
use serde_json::{Value, json};

use super::*;

/// Something of everything, told over three months.
fn lively() -> World {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    for name in ["shop", "ledger"] {
        world.add_repository(name, |it| {
            it.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
            for number in 1..=60_u32 {
                let opened =
                    at("2026-01-03 09:00") + chrono::Duration::hours(i64::from(number) * 34);
                let hours = |n| opened + chrono::Duration::hours(n);
                let merged = it.pull(u64::from(number), opened, |pull| {
                    if number % 5 == 0 {
                        pull.draft().ready(hours(2));
                    }
                    pull.commit(hours(-3), "One", &["src/a.rs"]);
                    pull.commit(hours(1), "Two", &["src/b.rs"]);
                    pull.review(hours(3), "bob").comment(hours(4), "bob");
                    match number % 7 {
                        0 => pull.close(hours(9)),
                        1 => pull.merge(hours(9)),
                        2 => pull.rebase(hours(9)),
                        _ => pull.squash(hours(9)),
                    };
                });
                if number % 7 == 0 {
                    continue;
                }
                it.deployment("production", &merged, hours(10), |deployment| {
                    deployment.status(hours(10), "queued").status(hours(11), "in_progress");
                    let end = if number % 9 == 0 { "failure" } else { "success" };
                    deployment.status(hours(12 + i64::from(number % 40) * 20), end);
                });
                it.run("Deploy", &merged, hours(10), |run| {
                    run.attempt(hours(10), hours(11), "failure");
                    if number % 4 == 0 {
                        run.attempt(hours(300), hours(301), "success");
                    }
                });
            }
        });
    }
    world.repository_mut("ledger").rename("2026-02-20 00:00", "books");
    world
}

fn both() -> Needs {
    let mut needs = needs();
    let books = needs.entry("acme/ledger");
    books.environments.insert("production".to_owned());
    needs
}

#[tokio::test]
async fn forty_polls_on_the_way_leave_what_one_cold_sync_finds_at_the_end() {
    let cold = Site::with(lively(), both(), "organisation = \"acme\"").await;
    cold.poll().await;
    let warm = Site::with(lively(), both(), "organisation = \"acme\"").await;
    let (start, end) = (at("2026-01-01 00:00"), at("2026-04-01 12:00"));
    for step in 1..=40 {
        warm.set_now(start + (end - start) * step / 40);
        warm.poll().await;
    }
    let differences = differences(&cold.everything().await, &warm.everything().await);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert_eq!(cold.count(Kind::Change).await, 120);
}

#[tokio::test]
async fn every_fault_on_the_way_only_costs_time() {
    let cold = Site::with(lively(), both(), "organisation = \"acme\"").await;
    cold.poll().await;
    let warm = Site::with(lively(), both(), "organisation = \"acme\"").await;
    let (start, end) = (at("2026-01-01 00:00"), at("2026-04-01 12:00"));
    for step in 1..=20 {
        warm.set_now(start + (end - start) * step / 20);
        let github = &warm.fakes.github;
        for (fault, on) in [
            (Fault::status(502), "PullRequests"),
            (Fault::truncate_at(300), "CommitHistory"),
            (Fault::reset(), " Deployments"),
            (Fault::html(), "PullRequests"),
            (Fault::gzip_bomb(30 << 20), "CommitHistory"),
            (Fault::shift(1), "/actions/runs?"),
            (Fault::duplicate_page(), "/actions/runs?"),
            (Fault::empty_page(), "/actions/runs?"),
            (Fault::loop_next(), "/actions/runs?"),
            (Fault::link_to("http://127.0.0.1:9/"), "/actions/runs?"),
            (Fault::redirect_to("http://127.0.0.1:9/"), "/actions/runs?"),
        ] {
            github.fault(fault.on(on).after(step as u64 % 4));
        }
        // It may fail; the next one goes on.
        let _ = warm.try_poll().await;
        github.clear_faults();
    }
    warm.poll().await;
    let differences = differences(&cold.everything().await, &warm.everything().await);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test]
async fn an_idle_cycle_of_forty_repositories_costs_at_most_ten_points() {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    for number in 0..40 {
        world.add_repository(&format!("repo-{number}"), |it| {
            let first = it.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
            let merged = it.pull(1, "2026-03-02 09:00", |pull| {
                pull.squash("2026-03-02 12:00");
            });
            it.deployed("production", &merged, "2026-03-25 13:00");
            it.run("Deploy", &first, "2026-03-25 12:05", |_| {});
        });
    }
    let mut needs = Needs::default();
    for number in 0..40 {
        let repository = needs.entry(&format!("acme/repo-{number}"));
        repository.environments.insert("production".to_owned());
    }
    let site = Site::with(world, needs, "organisation = \"acme\"").await;
    site.poll().await;
    let before = site.everything().await;
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 12:05");
    site.poll().await;
    let usage = site.fakes.github.usage();
    assert!(usage.points() <= 10, "{usage:?}");
    assert_eq!(usage.by_status.get("304"), Some(&40), "the runs of each did not change");
    assert_eq!(differences(&before, &site.everything().await), Vec::<String>::new());
}

/// A world in which every stream has several pages.
pub(super) fn long() -> World {
    let mut world = world();
    let shop = world.repository_mut("shop");
    for number in 1..=250_u32 {
        let opened = at("2026-01-03 00:00") + chrono::Duration::hours(i64::from(number) * 6);
        let merged = shop.pull(u64::from(number), opened, |pull| {
            pull.squash(opened + chrono::Duration::hours(2));
        });
        shop.deployed("production", &merged, opened + chrono::Duration::hours(3));
        let ran = opened + chrono::Duration::hours(3);
        shop.run("Test", &merged, ran, |run| {
            run.attempt(ran, ran, "success");
        });
    }
    world
}

/// What each stream's requests are known by.
const STREAMS: [&str; 4] = ["CommitHistory", "PullRequests", " Deployments", "/actions/runs?"];

/// Whether what is stored is what one undisturbed sync of [`long`] stores.
async fn assert_whole(site: &Site) {
    let whole = Site::of(long()).await;
    whole.poll().await;
    let differences = differences(&whole.everything().await, &site.everything().await);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// A cold sync of [`long`] in which the second page of every stream fails for good.
async fn interrupted() -> Site {
    let site = Site::of(long()).await;
    for stream in STREAMS {
        site.fakes.github.fault(Fault::status(500).on(stream).after(1).times(8));
    }
    site.try_poll().await.expect_err("every stream breaks off");
    site.fakes.github.clear_faults();
    site.fakes.github.clear_requests();
    site
}

#[tokio::test]
async fn an_interrupted_cold_sync_goes_on_where_it_was() {
    let whole = Site::of(long()).await;
    whole.poll().await;
    let cost = whole.fakes.github.requests().len();

    let site = interrupted().await;
    assert!(site.count(Kind::Change).await >= 100, "what was read is kept");
    site.poll().await;
    let asked = site.fakes.github.requests().len();
    let usage = site.fakes.github.usage();
    assert!(asked < cost, "{asked} requests to finish, {cost} for all: {usage:?}");
    assert_whole(&site).await;
}

#[tokio::test]
async fn a_place_to_continue_from_that_github_refuses_is_read_up_to_from_the_beginning() {
    let site = interrupted().await;
    let mut batch = Batch::default();
    let facts = site.facts(Kind::Repository).await;
    let [Fact::Repository(repository)] = &facts[..] else { panic!("{facts:?}") };
    let (_, native) = repository.id.as_str().rsplit_once('/').unwrap();
    let passes =
        [("pulls", "/pass/after"), ("commits", "/walk/after"), ("deployments", "/pass/after")];
    for (stream, pass) in passes {
        let stream = format!("{stream}:{native}");
        let cursor = site.store.cursor(&name(), &stream).await.unwrap();
        let mut cursor: Value = serde_json::from_str(&cursor.expect(&stream)).unwrap();
        let after = cursor.pointer_mut(pass).expect("a pass that was interrupted");
        assert!(after.is_string(), "{stream}: {after}");
        *after = json!("of another time");
        batch.cursors.push((stream, cursor.to_string()));
    }
    site.store.commit(&name(), batch).await.unwrap();
    site.poll().await;
    assert_whole(&site).await;
}

#[tokio::test]
async fn runs_that_are_refused_and_that_nobody_needs_are_not_asked_for_at_every_poll() {
    let mut world = world();
    let sha = world.repository_mut("shop").pushes[0].1.clone();
    world.repository_mut("shop").run("Test", &sha, "2026-03-20 09:00", |_| {});
    let site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    site.fakes.github.fault(Fault::status(403).on("/actions/runs?").forever());
    for time in ["12:00", "12:05", "12:10"] {
        site.set_now(format!("2026-04-01 {time}").as_str());
        let report = site.poll().await;
        assert!(report.warnings.iter().any(|it| it.contains("workflow runs")), "{report:?}");
    }
    assert_eq!(site.fakes.github.requests_to("/actions/runs?").len(), 1);
    site.fakes.github.clear_faults();
    site.set_now("2026-04-01 18:30");
    assert_eq!(site.poll().await.warnings, Vec::<String>::new());
    assert_eq!(site.runs().await.len(), 1, "they are asked for again some hours later");
}

#[tokio::test]
async fn a_date_in_the_future_does_not_move_the_cursor_there() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.pull(1, "2026-03-01 09:00", |_| {});
    shop.pull(2, "2026-03-02 09:00", |_| {});
    let site = Site::of(world).await;
    let future = json!("2099-12-31T23:59:59Z");
    let places =
        ["/data/node/pullRequests/nodes/0/updatedAt", "/data/node/deployments/nodes/0/createdAt"];
    for place in places {
        site.fakes.github.fault(Fault::replace(place, future.clone()).on("node").forever());
        site.fakes.github.fault(Fault::replace(place, future.clone()).on("PullRequests").forever());
    }
    site.poll().await;
    assert_eq!(site.change(2).await.updated_at, at("2026-03-02 09:00"), "no version from 2099");
    site.fakes.github.clear_faults();
    site.fakes.edit(|world| {
        world.repository_mut("shop").continue_pull(1, |pull| {
            pull.squash("2026-04-01 13:00");
        });
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert!(site.change(1).await.merged_at.is_some());
}

#[tokio::test]
async fn what_github_lost_without_a_trace_is_read_when_reconciling() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for number in 1..=3 {
        shop.pull(number, "2026-03-01 09:00", |_| {});
    }
    let deployments: Vec<_> = (1..=3)
        .map(|day| {
            shop.deployed("production", &sha, format!("2026-01-0{} 10:00", day + 2).as_str())
        })
        .collect();
    let runs: Vec<_> = (1..=3)
        .map(|day| shop.run("Test", &sha, format!("2026-01-0{} 11:00", day + 2).as_str(), |_| {}))
        .collect();
    let site = Site::of(world).await;
    site.poll().await;
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        let gone = Some(at("2026-04-01 13:00"));
        shop.pull_mut(2).deleted_at = gone;
        shop.deployment_mut(deployments[1]).deleted_at = gone;
        shop.run_mut(runs[1]).deleted_at = gone;
    });
    site.set_now("2026-04-01 14:00");
    site.reconcile().await;
    let numbers: Vec<_> = site.changes().await.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(site.deployments().await.len(), 2);
    assert_eq!(site.runs().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_that_are_compared_side_by_side_do_not_block_each_other() {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    for number in 0..24 {
        world.add_repository(&format!("repo-{number}"), |it| {
            for day in 1..=5 {
                let sha = it.push(format!("2026-01-0{day} 09:00").as_str(), "Work", &["a"]);
                it.deployed("production", &sha, format!("2026-01-0{day} 10:00").as_str());
            }
        });
    }
    let mut site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("engkpi.db"), Access::Write).await.unwrap();
    site.store = Arc::new(store);
    site.poll().await;
    for _ in 0..5 {
        let round = tokio::time::timeout(Duration::from_secs(30), site.reconcile());
        round.await.expect("visits wait for a connection that one of them holds");
    }
}

#[tokio::test]
async fn a_rename_changes_nothing_but_the_name_and_the_old_one_still_works() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.pull(1, "2026-03-01 09:00", |_| {});
    shop.rename("2026-03-15 00:00", "store");
    let site = Site::with(world, needs(), "repositories = [\"acme/shop\"]").await;
    site.set_now("2026-03-10 00:00");
    site.poll().await;
    let before = site.change(1).await;
    site.set_now("2026-04-01 12:00");
    assert_eq!(site.poll().await, PollReport::default());
    assert_eq!(site.change(1).await, before);
    let repositories = site.facts(Kind::Repository).await;
    let [Fact::Repository(repository)] = &repositories[..] else { panic!("{repositories:?}") };
    assert_eq!(repository.name, "acme/store");
    assert_eq!(repository.former_names, ["acme/shop"]);
    assert_eq!(repository.head.as_ref().unwrap().text().len(), 40);
}

/// A shop that was read, and that is gone, hidden from the token or disabled since.
async fn after_losing_the_shop(needs: Needs, how: &str) -> Site {
    let mut world = world();
    world.repository_mut("shop").pull(1, "2026-03-01 09:00", |_| {});
    world.add_repository("tools", |it| {
        it.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
    });
    let site = Site::with(world, needs, "organisation = \"acme\"").await;
    site.poll().await;
    site.fakes.edit(|world| match how {
        "gone" => world.repository_mut("shop").deleted_at = Some(at("2026-04-01 13:00")),
        "hidden" => {
            let token = &mut world.access.github[0];
            token.repositories = Some(["tools".to_owned()].into());
        }
        _ => world.repository_mut("shop").disabled = true,
    });
    site.fakes.edit(|world| {
        world.repository_mut("tools").pull(1, "2026-04-01 13:00", |_| {});
    });
    site.set_now("2026-04-01 14:00");
    site
}

#[tokio::test]
async fn a_repository_that_a_service_needs_and_that_is_gone_is_no_repository_without_deployments() {
    for how in ["gone", "hidden", "disabled"] {
        let site = after_losing_the_shop(needs(), how).await;
        let error = site.try_poll().await.expect_err(how);
        assert!(matches!(&error, SourceError::NotFound(it) if it.contains("acme/shop")), "{error}");
        assert_eq!(site.count(Kind::Change).await, 2, "{how}: history stays, the others are read");
        site.source.reconcile(&site.context()).await.expect_err(how);
        assert_eq!(site.count(Kind::Change).await, 2, "{how}: nothing is removed");
    }
}

#[tokio::test]
async fn a_repository_that_nobody_needs_and_that_is_gone_keeps_its_history() {
    for how in ["gone", "hidden", "disabled"] {
        let site = after_losing_the_shop(Needs::default(), how).await;
        site.poll().await;
        let warnings = site.reconcile().await.warnings;
        assert!(warnings.iter().any(|it| it.contains("acme/shop")), "{how}: {warnings:?}");
        assert_eq!(site.count(Kind::Change).await, 2, "{how}");
    }
}

#[tokio::test]
async fn an_empty_and_an_archived_repository_are_read_once() {
    let world = World::new("acme").at("2026-04-01 12:00").repository("empty", |_| {}).repository(
        "old",
        |old| {
            old.push("2026-01-02 09:00", "Initial commit", &["README.md"]);
            old.archived = true;
        },
    );
    let site = Site::with(world, Needs::default(), "organisation = \"acme\"").await;
    assert_eq!(site.poll().await, PollReport::default());
    assert_eq!(site.count(Kind::Repository).await, 2);
    assert_eq!(site.count(Kind::Commit).await, 1);
    site.fakes.github.clear_requests();
    site.poll().await;
    assert_eq!(site.fakes.github.quota_used(), 1, "{:?}", site.fakes.github.usage());
}

#[tokio::test]
async fn whatever_does_not_fit_on_a_page_of_a_pull_request_is_read_too() {
    let mut world = world();
    let mut wanted = needs();
    wanted.entry("acme/shop").changed_paths = true;
    world.repository_mut("shop").pull(1, "2026-03-20 09:00", |pull| {
        for number in 0..120 {
            let at = at("2026-03-01 00:00") + chrono::Duration::minutes(number);
            let path = format!("src/file_{number}.rs");
            pull.commit(at, "More", &[path.as_str()]);
            pull.label(&format!("label-{number:03}"));
            pull.review(at + chrono::Duration::days(20), "bob");
        }
    });
    let site = Site::with(world, wanted, "organisation = \"acme\"").await;
    site.poll().await;
    let change = site.change(1).await;
    assert_eq!(change.commits.len(), 120);
    assert_eq!(change.labels.len(), 120);
    assert_eq!(change.reviews.len(), 120);
    assert_eq!(change.paths.unwrap().len(), 120);
    assert_eq!(site.fakes.github.requests_to("PullRequestRest").len(), 1);
}

#[tokio::test]
async fn commits_deployed_from_another_branch_are_in_the_graph() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let first = shop.pushes[0].1.clone();
    let mut tip = first.clone();
    for day in 10..13 {
        tip = shop.add_commit(engkpi_fakes::world::Commit {
            sha: String::new(),
            parents: vec![tip],
            author: "alice".to_owned(),
            authored_at: at(&format!("2026-03-{day} 09:00")),
            committed_at: at(&format!("2026-03-{day} 09:00")),
            pushed_at: at(&format!("2026-03-{day} 09:00")),
            message: "Hotfix".to_owned(),
            files: Vec::new(),
        });
    }
    shop.move_branch("release/1", "2026-03-12 10:00", &tip);
    shop.deployed("production", &tip, "2026-03-12 11:00");
    let preview = shop.pull(9, "2026-03-20 09:00", |_| {});
    shop.deployed("preview", &preview, "2026-03-20 10:00");
    let site = Site::of(world).await;
    site.poll().await;
    assert_eq!(site.count(Kind::Commit).await, 4, "the branch's three, and not the preview's");
}

#[tokio::test]
async fn every_attempt_of_a_deploying_workflow_is_collected_and_of_no_other() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    for workflow in ["Deploy", "Test"] {
        shop.run(workflow, &sha, "2026-03-20 09:00", |run| {
            run.attempt("2026-03-20 09:00", "2026-03-20 09:10", "failure");
            run.attempt("2026-03-20 10:00", "2026-03-20 10:10", "success");
            run.attempt("2026-03-20 11:00", "2026-03-20 11:10", "success");
        });
    }
    let site = Site::of(world).await;
    site.poll().await;
    let attempts = |runs: &[WorkflowRun], name: &str| -> Vec<u64> {
        let run = runs.iter().find(|it| it.workflow == name).unwrap();
        run.attempts.iter().map(|it| it.number).collect()
    };
    let runs = site.runs().await;
    assert_eq!(attempts(&runs, "Deploy"), [1, 2, 3]);
    assert_eq!(attempts(&runs, "Test"), [3]);
    assert_eq!(site.fakes.github.requests_to("/attempts/").len(), 2);
    // What is over is not asked for again when the page changes.
    site.fakes.edit(|world| {
        world.repository_mut("shop").run("Test", &sha, "2026-04-01 13:00", |_| {});
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.fakes.github.requests_to("/attempts/").len(), 2);
    assert_eq!(attempts(&site.runs().await, "Deploy"), [1, 2, 3]);
}

#[tokio::test]
async fn a_run_that_is_started_again_weeks_later_is_seen() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let old = shop.run("Test", &sha, "2026-03-05 09:00", |run| {
        run.attempt("2026-03-05 09:00", "2026-03-05 09:10", "failure");
    });
    for minute in 0..150 {
        let at = at("2026-03-06 00:00") + chrono::Duration::minutes(minute);
        shop.run("Test", &sha, at, |_| {});
    }
    let site = Site::of(world).await;
    site.poll().await;
    site.fakes.edit(|world| {
        world.repository_mut("shop").run_mut(old).attempt(
            "2026-04-01 13:00",
            "2026-04-01 13:10",
            "success",
        );
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    let runs = site.runs().await;
    let run = runs.iter().find(|it| it.id == old.to_string()).unwrap();
    assert_eq!(run.attempts.last().unwrap().conclusion.as_deref(), Some("success"));
}

#[tokio::test]
async fn a_deployment_that_hangs_for_months_is_followed_to_its_end() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let sha = shop.pushes[0].1.clone();
    let id = shop.deployment("production", &sha, "2026-01-10 09:00", |deployment| {
        deployment.status("2026-01-10 09:00", "waiting").status("2026-04-01 13:00", "success");
    });
    let site = Site::of(world).await;
    site.poll().await;
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    let deployments = site.deployments().await;
    let it = deployments.iter().find(|it| it.id == id.to_string()).unwrap();
    assert_eq!(it.statuses.len(), 2, "{it:?}");
    site.fakes.github.clear_requests();
    site.poll().await;
    assert!(site.fakes.github.requests_to("DeploymentsById").is_empty(), "it has ended");
}

#[tokio::test]
async fn releases_are_read_where_a_rule_asks_for_them_and_new_ones_of_old_commits_are_seen() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let old = shop.pushes[0].1.clone();
    let new = shop.push("2026-03-10 09:00", "More", &["src/a.rs"]);
    shop.release("v2.0", &new, "2026-03-11 09:00", |_| {});
    world.add_repository("tools", |tools| {
        let sha = tools.push("2026-01-05 09:00", "Initial commit", &["README.md"]);
        tools.release("v9", &sha, "2026-03-01 09:00", |_| {});
    });
    let mut wanted = Needs::default();
    wanted.entry("acme/shop").releases = true;
    let site = Site::with(world, wanted, "organisation = \"acme\"").await;
    site.poll().await;
    assert_eq!(site.count(Kind::Release).await, 1);
    site.fakes.edit(|world| {
        world.repository_mut("shop").release("v1.1", &old, "2026-04-01 13:00", |_| {});
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    let tags: Vec<_> = site
        .facts(Kind::Release)
        .await
        .into_iter()
        .map(|it| if let Fact::Release(it) = it { it.tag } else { String::new().into() })
        .collect();
    assert_eq!(tags, ["v2.0", "v1.1"]);
}
