//! Decision records and their history.

use engkpi::domain::Kind;
use engkpi::domain::fact::{DecisionRevision, RevisionKind};
use engkpi_fakes::world::File;

use super::*;

fn with_records() -> Needs {
    let mut needs = needs();
    let shop = needs.entry("acme/shop");
    shop.changed_paths = true;
    shop.decision_folders.insert("docs/adr".to_owned());
    needs
}

fn record(status: &str) -> String {
    format!("# Use it\n\n## Status\n\n{status}\n\n## Context\n\nWe have needed it for long.\n")
}

impl Site {
    async fn revisions(&self) -> Vec<DecisionRevision> {
        let facts = self.facts(Kind::DecisionRevision).await.into_iter();
        let mut revisions: Vec<_> = facts
            .filter_map(|it| if let Fact::DecisionRevision(it) = it { Some(it) } else { None })
            .collect();
        revisions.sort_by(|a, b| (a.committed_at, &a.path).cmp(&(b.committed_at, &b.path)));
        revisions
    }

    /// `what path status @ day` of every revision in order.
    async fn story(&self) -> Vec<String> {
        let line = |it: DecisionRevision| {
            let what = match &it.revision {
                RevisionKind::Added => "+".to_owned(),
                RevisionKind::Modified => "~".to_owned(),
                RevisionKind::Removed => "-".to_owned(),
                RevisionKind::RenamedFrom(from) => format!("{from} > "),
            };
            let (path, status) = (it.path, it.status.unwrap_or_default());
            format!("{} {what}{path} {status}", it.committed_at.format("%m-%d %H:%M"))
        };
        self.revisions().await.into_iter().map(line).collect()
    }
}

const ONE: &str = "docs/adr/0001-use-it.md";

#[tokio::test]
async fn a_record_s_life_is_told_commit_by_commit() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.push_files(
        "2026-02-01 09:00",
        "Propose",
        vec![
            File::added(ONE, &record("Proposed")),
            File::added("docs/adr/README.md", "# Decisions\n\nStatus: accepted\n"),
            File::added("docs/adr/picture.png", "..."),
        ],
    );
    shop.push("2026-02-02 09:00", "Something else", &["src/a.rs"]);
    shop.push_files("2026-02-03 09:00", "Accept", vec![File::modified(ONE, &record("Accepted"))]);
    shop.push_files(
        "2026-02-04 09:00",
        "Move",
        vec![File::renamed(ONE, "docs/adr/core/0001-use-it.md", None)],
    );
    let moved = "docs/adr/core/0001-use-it.md";
    shop.push_files(
        "2026-02-05 09:00",
        "Rename and retire",
        vec![File::renamed(moved, ONE, Some(&record("Superseded by 2")))],
    );
    shop.push_files("2026-02-06 09:00", "Drop", vec![File::removed(ONE)]);
    let expected = [
        format!("02-01 09:00 +{ONE} Proposed"),
        format!("02-03 09:00 ~{ONE} Accepted"),
        format!("02-04 09:00 {ONE} > {moved} Accepted"),
        format!("02-05 09:00 {moved} > {ONE} Superseded by 2"),
        format!("02-06 09:00 -{ONE} "),
    ];
    let cold = Site::with(world.clone(), with_records(), "organisation = \"acme\"").await;
    cold.poll().await;
    assert_eq!(cold.story().await, expected);

    let warm = Site::with(world, with_records(), "organisation = \"acme\"").await;
    for day in 1..=7 {
        warm.set_now(format!("2026-02-0{day} 12:00").as_str());
        warm.poll().await;
    }
    assert_eq!(warm.story().await, expected, "step by step it is the same story");
}

#[tokio::test]
async fn a_record_arrives_with_its_merge_however_it_is_merged() {
    for how in ["merge", "squash", "rebase"] {
        let mut world = world();
        let merged = world.repository_mut("shop").pull(1, "2026-02-10 09:00", |pull| {
            pull.commit_files(
                "2026-02-08 09:00",
                "Propose",
                vec![File::added(ONE, &record("Proposed"))],
            );
            pull.commit_files(
                "2026-02-09 09:00",
                "Accept",
                vec![File::modified(ONE, &record("Accepted"))],
            );
            match how {
                "merge" => pull.merge("2026-02-20 09:00"),
                "squash" => pull.squash("2026-02-20 09:00"),
                _ => pull.rebase("2026-02-20 09:00"),
            };
        });
        let site = Site::with(world, with_records(), "organisation = \"acme\"").await;
        site.poll().await;
        let story = site.story().await;
        let last = site.revisions().await.pop().unwrap();
        assert_eq!(*last.commit.text(), merged, "{how}");
        if how == "rebase" {
            let expected =
                [format!("02-20 09:00 +{ONE} Proposed"), format!("02-20 09:00 ~{ONE} Accepted")];
            assert_eq!(story.len(), 2, "{story:?}");
            assert!(expected.iter().all(|it| story.contains(it)), "{story:?}");
        } else {
            assert_eq!(
                story,
                [format!("02-20 09:00 +{ONE} Accepted")],
                "{how}: it arrives decided"
            );
        }
        let paths = site.change(1).await.paths.unwrap();
        assert_eq!(paths[0].path, ONE, "the pull request that proposed it can be found");
    }
}

#[tokio::test]
async fn a_branch_that_is_pushed_away_takes_its_revisions_with_it() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    let first = shop.pushes[0].1.clone();
    shop.push_files("2026-02-01 09:00", "Propose", vec![File::added(ONE, &record("Proposed"))]);
    let site = Site::with(world, with_records(), "organisation = \"acme\"").await;
    site.poll().await;
    assert_eq!(site.story().await.len(), 1);
    site.fakes.edit(|world| {
        let shop = world.repository_mut("shop");
        shop.move_branch("main", "2026-04-01 13:00", &first);
        shop.push_files("2026-04-01 13:30", "Again", vec![File::added(ONE, &record("Draft"))]);
    });
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert_eq!(site.story().await, [format!("04-01 13:30 +{ONE} Draft")]);
}

#[tokio::test]
async fn nothing_is_asked_for_records_while_the_branch_stands_still() {
    let mut world = world();
    let shop = world.repository_mut("shop");
    shop.push_files("2026-02-01 09:00", "Propose", vec![File::added(ONE, &record("Proposed"))]);
    let site = Site::with(world, with_records(), "organisation = \"acme\"").await;
    site.poll().await;
    site.fakes.github.clear_requests();
    site.set_now("2026-04-01 14:00");
    site.poll().await;
    assert!(site.fakes.github.requests_to("Record").is_empty());
}
