//! The commit graph where GitHub leaves something out of a history.

use engkpi::domain::Kind;
use engkpi_fakes::Fault;
use serde_json::{Value, json};

use super::*;

/// 150 commits, one an hour.
fn long_history() -> World {
    let mut world = world();
    for hour in 1..150 {
        let at = at("2026-02-01 00:00") + chrono::Duration::hours(hour);
        world.repository_mut("shop").push(at, "More", &["src/a.rs"]);
    }
    world
}

/// The commit is null, and GitHub says that it gave up on it.
fn leaves_out(sha: &str) -> Fault {
    on_commit(sha, |node| {
        *node = Value::Null;
        Some(json!([{"message": "timeout"}]))
    })
}

/// The commit is there, and nobody can read it.
fn spoils(sha: &str) -> Fault {
    on_commit(sha, |node| {
        node["committedDate"] = json!("yesterday");
        None
    })
}

fn on_commit(sha: &str, edit: fn(&mut Value) -> Option<Value>) -> Fault {
    let sha = sha.to_owned();
    let fault = Fault::edit(move |body| {
        let nodes = body["data"]["node"]["object"]["history"]["nodes"].as_array_mut().unwrap();
        let errors = nodes.iter_mut().find(|it| it["oid"] == sha.as_str()).and_then(edit);
        if let Some(errors) = errors {
            body["errors"] = errors;
        }
    });
    fault.on("CommitHistory").forever()
}

/// The tip that the repository's fact names.
async fn head(site: &Site) -> Option<String> {
    let facts = site.facts(Kind::Repository).await;
    let [Fact::Repository(repository)] = &facts[..] else { panic!("{facts:?}") };
    repository.head.as_ref().map(ToString::to_string)
}

#[tokio::test]
async fn a_hole_in_the_graph_is_told_costs_little_and_is_mended_when_reconciling() {
    for fault in [leaves_out, spoils] {
        let site = Site::of(long_history()).await;
        let lost = site.fakes.edit(|world| world.repository_mut("shop").pushes[50].1.clone());
        site.fakes.github.fault(fault(&lost));
        let report = site.poll().await;
        assert_eq!((report.gaps, report.rejected.get(&Kind::Commit)), (1, Some(&1)));
        assert_eq!(site.count(Kind::Commit).await, 149);
        assert_eq!(head(&site).await, None, "the graph is complete up to no tip");

        site.fakes.github.clear_requests();
        let report = site.poll().await;
        assert_eq!(report.gaps, 0, "counted once");
        assert!(report.warnings.iter().any(|it| it.contains("commits of acme/shop")), "{report:?}");
        assert!(site.fakes.github.requests_to("CommitHistory").is_empty(), "not at every poll");

        let tip = site.fakes.edit(|world| {
            world.repository_mut("shop").push("2026-04-01 13:00", "New", &["src/a.rs"])
        });
        site.set_now("2026-04-01 14:00");
        site.poll().await;
        assert_eq!(site.fakes.github.requests_to("CommitHistory").len(), 1, "what is new is read");
        assert_eq!(head(&site).await, None, "and does not mend what is old");

        site.fakes.github.clear_faults();
        site.reconcile().await;
        assert_eq!(site.count(Kind::Commit).await, 151);
        assert_eq!(head(&site).await, Some(tip));
        site.fakes.github.clear_requests();
        assert_eq!(site.poll().await, PollReport::default());
        assert!(site.fakes.github.requests_to("CommitHistory").is_empty());
    }
}

#[tokio::test]
async fn deployed_commits_with_a_hole_below_them_are_read_when_reconciling() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let mut tip = shop.pushes[0].1.clone();
    let mut middle = String::new();
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
        if day == 11 {
            middle.clone_from(&tip);
        }
    }
    shop.move_branch("release/1", "2026-03-12 10:00", &tip);
    shop.deployed("production", &tip, "2026-03-12 11:00");
    let site = Site::of(world).await;
    site.fakes.github.fault(leaves_out(&middle));
    assert_eq!(site.poll().await.gaps, 1);
    assert_eq!(site.count(Kind::Commit).await, 1, "none without all its ancestors");
    site.fakes.github.clear_faults();
    site.reconcile().await;
    assert_eq!(site.count(Kind::Commit).await, 4);
}

#[tokio::test]
async fn an_old_commit_on_a_page_of_one_does_not_end_the_walk_before_its_siblings() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let first = shop.pushes[0].1.clone();
    let mut commit = |date: &str, parents: Vec<String>| {
        shop.add_commit(engkpi_fakes::world::Commit {
            sha: String::new(),
            parents,
            author: "alice".to_owned(),
            authored_at: at(date),
            committed_at: at(date),
            pushed_at: at("2026-03-03 09:00"),
            message: "More".to_owned(),
            files: Vec::new(),
        })
    };
    let old: Vec<_> = ["2019-01-01 09:00", "2019-01-02 09:00", "2019-01-03 09:00"]
        .into_iter()
        .map(|date| commit(date, vec![first.clone()]))
        .collect();
    let merge = commit("2026-03-03 09:00", old.clone());
    shop.move_branch("main", "2026-03-03 10:00", &merge);
    let site = Site::of(world).await;
    let gives_up = Fault::status(200).body(json!({"errors": [{"message": "too much"}]}));
    site.fakes.github.fault(gives_up.on("CommitHistory").above(1).forever());
    site.poll().await;
    let stored: Vec<_> = site
        .facts(Kind::Commit)
        .await
        .into_iter()
        .filter_map(|it| if let Fact::Commit(it) = it { Some(it.id.to_string()) } else { None })
        .collect();
    assert!(old.iter().all(|it| stored.contains(it)), "every parent of {merge}: {stored:?}");
}
