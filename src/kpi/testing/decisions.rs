//! What happens to decision records.
//!
//! ```text
//! 05T10:00 propose web#12 adds docs/adr/1.md touches a/b.rs with b1,b2 draft ready 06T09:00 comments 3
//! 08T10:00 land web#12 as c12                  # merges what was proposed; `squash` commit c12
//! 08T10:00 close web#12                        # without a merge
//! 08T10:00 record web c12 docs/adr/1.md Accepted
//!          from docs/adr/0.md | gone | anew    # renamed, removed, added again
//!          written 07T10:00 front date=2026-03-01,author=guild
//! ```
//! A record's status is `-` where it has none, and `~` stands for a space in it. The first time a
//! path is told of it is added, later it is modified.

use std::collections::BTreeMap;

use super::{Line, Story, delivery, scene};
use crate::domain::fact::{Change, ChangedPath, DecisionRevision, PathChange, RevisionKind};
use crate::domain::{CommitId, Fact, Instant};
use crate::kpi::params::{DecisionEvent, DecisionRule};

/// Takes in an event. False = the verb is none of these.
#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    match verb {
        "propose" => propose(story, at, line),
        "land" => land(story, at, line),
        "close" => {
            let change = change(story, line);
            change.closed_at = Some(at);
            change.updated_at = at;
        }
        "record" => record(story, at, line),
        _ => return false,
    }
    true
}

/// Says where a repository has its records.
#[track_caller]
pub(super) fn rule(story: &mut Story, line: &mut Line) {
    let full = scene::know_repository(story, &line.next("a repository"));
    let event = match line.after("event").as_deref() {
        None | Some("auto") => DecisionEvent::Auto,
        Some("merge") => DecisionEvent::Merge,
        Some("status") => DecisionEvent::Status,
        Some(other) => panic!("{other:?} is no decision event"),
    };
    let rule = DecisionRule {
        event,
        proposed_field: line.after("proposed_field"),
        decided_field: line.after("decided_field"),
        folders: line.next("folders").split(',').map(str::to_owned).collect(),
    };
    story.params.rules.decisions.insert(full, rule);
}

#[track_caller]
fn propose(story: &mut Story, at: Instant, line: &mut Line) {
    let (name, number) = delivery::pull(&line.next("a pull request"));
    scene::know_repository(story, &name);
    let paths = |change: PathChange, paths: Vec<String>| {
        paths.into_iter().map(move |path| ChangedPath { path: path.into(), change })
    };
    let added = paths(PathChange::Added, line.list("adds"));
    let touched = paths(PathChange::Modified, line.list("touches"));
    let change = Change {
        repository: Story::repository(&name).0,
        number,
        author: None,
        created_at: at,
        updated_at: at,
        created_as_draft: line.flag("draft"),
        ready_for_review_at: line.time("ready"),
        merged_at: None,
        closed_at: None,
        merge_commit: None,
        head_branch: format!("topic-{number}").into(),
        base_branch: line.after("into").unwrap_or_else(|| "main".to_owned()).into(),
        labels: Box::default(),
        commits: line.list("with").into_iter().map(CommitId::new).collect(),
        first_commit_at: None,
        reviews: Box::default(),
        comments: line.after("comments").map_or(0, |it| it.parse().expect("a number of comments")),
        paths: Some(added.chain(touched).collect()),
        reverts_commits: Box::default(),
        reverts_changes: Box::default(),
    };
    story.learn("github", Fact::Change(change));
}

#[track_caller]
fn land(story: &mut Story, at: Instant, line: &mut Line) {
    let commit = line.after("as");
    let change = change(story, line);
    change.updated_at = at;
    change.merged_at = Some(at);
    change.closed_at = Some(at);
    change.merge_commit = commit.map(CommitId::new);
}

#[track_caller]
fn change<'a>(story: &'a mut Story, line: &mut Line) -> &'a mut Change {
    let (name, number) = delivery::pull(&line.next("a pull request"));
    let repository = Story::repository(&name).0;
    let mut changes = story.facts.iter_mut().filter_map(|(_, fact)| match fact {
        Fact::Change(change) => Some(change),
        _ => None,
    });
    let found = changes.find(|it| it.repository == repository && it.number == number);
    found.unwrap_or_else(|| panic!("nobody proposed {name}#{number}"))
}

#[track_caller]
fn record(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    scene::know_repository(story, &name);
    let repository = Story::repository(&name).0;
    let commit = CommitId::new(line.next("a commit"));
    let path = line.next("a path");
    let known = story.facts.iter().any(|(_, fact)| match fact {
        Fact::DecisionRevision(it) => it.repository == repository && it.path == path,
        _ => false,
    });
    let revision = match line.after("from") {
        Some(old) => RevisionKind::RenamedFrom(old.into()),
        None if line.flag("gone") => RevisionKind::Removed,
        None if line.flag("anew") || !known => RevisionKind::Added,
        None => RevisionKind::Modified,
    };
    let front_matter: BTreeMap<String, String> = line
        .list("front")
        .iter()
        .filter_map(|it| it.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.replace('~', " ")))
        .collect();
    let authored_at = line.time("written").unwrap_or(at);
    let status = line.next("a status, or `-` for none").replace('~', " ");
    let revision = DecisionRevision {
        repository,
        path: path.into(),
        commit,
        authored_at,
        committed_at: at,
        revision,
        status: (status != "-").then_some(status.into()),
        front_matter: front_matter.into(),
    };
    story.learn("github", Fact::DecisionRevision(revision));
}
