//! What happens to code: commits, merges, deployments, runs and releases.
//!
//! ```text
//! 05T10:00 commit web c1 on c0,b7 reverts b7    # `on` defaults to the tip of the default branch
//! 05T10:00 commit web b7 on c0 aside            # on another branch: the tip does not move
//! 05T10:00 merge web#12 as c12 on c11 with b1,b2 by alice opened 04T09:00 written 03T08:00
//!          branch hotfix/x into main labels hotfix,bug touches a/b.rs,c.rs
//!          reviewed 04T10:00=bob,04T11:00=carol reverts web#11,c9
//!          known                                # its merge commit was told of before
//! 05T11:00 deploy web c12 to prod-us id 7 task rollback saying rollback payload rollback=true
//!          finished 05T11:20 | failed | stuck   # then 05T12:00=success,06T00:00=failure
//! 05T11:00 run web Deploy c12 id 8 branch main event push finished 05T11:10 conclusion failure
//!          rerun 05T12:00=success
//! 05T11:00 release web v1.2 c12 id 9 draft prerelease
//! ```
//! `web` is the repository acme/web. A merge makes a squash commit called `c` and the number.

use chrono::Duration;

use super::{Line, Story, instant, scene};
use crate::domain::fact::{
    Actor, Change, ChangedPath, Commit, Deployment, DeploymentState, DeploymentStatus, PathChange,
    PullReference, Release, Review, RunAttempt, WorkflowRun,
};
use crate::domain::{CommitId, Fact, Instant};

/// Takes in an event. False = the verb is none of these.
#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    match verb {
        "commit" => {
            let repository = line.next("a repository");
            let id = line.next("a commit");
            commit(story, at, &repository, &id, line);
        }
        "merge" => merge(story, at, line),
        "deploy" => deploy(story, at, line),
        "run" => run(story, at, line),
        "release" => release(story, at, line),
        _ => return false,
    }
    true
}

fn ids(names: Vec<String>) -> Vec<CommitId> {
    names.into_iter().map(CommitId::new).collect()
}

fn actor(login: &str) -> Actor {
    let bot = login.ends_with("[bot]");
    Actor { login: login.trim_end_matches("[bot]").into(), bot }
}

#[track_caller]
fn commit(story: &mut Story, at: Instant, repository: &str, id: &str, line: &mut Line) {
    scene::know_repository(story, repository);
    let id = CommitId::from(id);
    let mut parents = ids(line.list("on"));
    if parents.is_empty() {
        parents.extend(story.tips.get(repository).cloned());
    }
    let reverts = ids(line.list("reverts"));
    if !line.flag("aside") {
        story.tips.insert(repository.to_owned(), id.clone());
    }
    let (repository, _) = Story::repository(repository);
    let commit = Commit { repository, id, parents, authored_at: at, committed_at: at, reverts };
    story.learn("github", Fact::Commit(commit));
}

/// Reverts that name a pull request go to the body's references, others to the branch's commits.
fn reverts(line: &mut Line) -> (Vec<PullReference>, Vec<CommitId>) {
    let (changes, commits): (Vec<_>, Vec<_>) =
        line.list("reverts").into_iter().partition(|it| it.contains('#'));
    let changes = changes.iter().map(|it| {
        let (name, number) = pull(it);
        PullReference { repository: format!("acme/{name}"), number }
    });
    (changes.collect(), ids(commits))
}

#[track_caller]
pub(super) fn pull(text: &str) -> (String, u64) {
    let (name, number) = text.split_once('#').expect("a pull request is REPOSITORY#NUMBER");
    (name.to_owned(), number.parse().expect("a pull request has a number"))
}

#[track_caller]
fn reviews(line: &mut Line) -> Vec<Review> {
    let reviews = line.list("reviewed");
    reviews
        .iter()
        .map(|it| {
            let (at, by) = it.split_once('=').expect("a review is TIME=LOGIN");
            let author = (by != "ghost").then(|| actor(by));
            Review { author, submitted_at: instant(at) }
        })
        .collect()
}

#[track_caller]
fn merge(story: &mut Story, at: Instant, line: &mut Line) {
    let (name, number) = pull(&line.next("a pull request"));
    let (reverts_changes, reverts_commits) = reverts(line);
    let merge_commit = line.after("as").unwrap_or_else(|| format!("c{number}"));
    let commits = ids(line.list("with"));
    let opened = line.time("opened").unwrap_or(at - Duration::hours(1));
    let author = line.after("by").unwrap_or_else(|| "alice".to_owned());
    let touched = line.list("touches");
    let change = Change {
        repository: Story::repository(&name).0,
        number,
        author: (author != "ghost").then(|| actor(&author)),
        created_at: opened,
        updated_at: at,
        created_as_draft: false,
        ready_for_review_at: None,
        merged_at: Some(at),
        closed_at: Some(at),
        merge_commit: Some(CommitId::from(merge_commit.as_str())),
        head_branch: line.after("branch").unwrap_or_else(|| format!("topic-{number}")).into(),
        base_branch: line.after("into").unwrap_or_else(|| "main".to_owned()).into(),
        labels: line.list("labels").into_iter().map(Into::into).collect(),
        commits: commits.into(),
        first_commit_at: line.time("written"),
        reviews: reviews(line).into(),
        comments: 0,
        paths: (!touched.is_empty()).then(|| touched.into_iter().map(touch).collect()),
        reverts_commits: reverts_commits.into(),
        reverts_changes: reverts_changes.into(),
    };
    story.learn("github", Fact::Change(change));
    if !line.flag("known") {
        commit(story, at, &name, &merge_commit, line);
    }
}

fn touch(path: String) -> ChangedPath {
    ChangedPath { path: path.into(), change: PathChange::Modified }
}

fn native(story: &Story, line: &mut Line) -> String {
    line.after("id").unwrap_or_else(|| format!("d{}", story.facts.len()))
}

#[track_caller]
fn deploy(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    let commit = CommitId::new(line.next("a commit"));
    let id = native(story, line);
    let finished = line.time("finished").unwrap_or(at);
    let state =
        if line.flag("failed") { DeploymentState::Failure } else { DeploymentState::Success };
    let status = |state, at| DeploymentStatus { state, at };
    let mut statuses = if line.flag("stuck") {
        vec![status(DeploymentState::InProgress, at)]
    } else {
        vec![status(DeploymentState::InProgress, at), status(state, finished)]
    };
    statuses.extend(line.list("then").iter().map(|later| {
        let (at, state) = later.split_once('=').expect("a later status is TIME=STATE");
        match state {
            "success" => status(DeploymentState::Success, instant(at)),
            "failure" => status(DeploymentState::Failure, instant(at)),
            other => panic!("{other:?} is no state of stories"),
        }
    }));
    let payload = line.list("payload");
    let payload = payload.iter().map(|it| {
        let (key, value) = it.split_once('=').expect("a payload is key=value");
        (key.to_owned(), value.to_owned())
    });
    let deployment = Deployment {
        id: id.into(),
        repository: Story::repository(&name).0,
        commit,
        environment: line.after("to").unwrap_or_else(|| "production".to_owned()).into(),
        task: line.after("task").unwrap_or_else(|| "deploy".to_owned()).into(),
        description: line.after("saying").map(Into::into),
        payload: payload.collect(),
        created_at: at,
        updated_at: finished,
        statuses,
    };
    story.learn("github", Fact::Deployment(deployment));
}

#[track_caller]
fn run(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    let workflow = line.next("a workflow");
    let commit = CommitId::new(line.next("a commit"));
    let id = native(story, line);
    let conclusion = line.after("conclusion").unwrap_or_else(|| "success".to_owned());
    let finished = line.time("finished").unwrap_or(at);
    let mut attempts = vec![RunAttempt {
        number: 1,
        started_at: at,
        completed_at: Some(finished),
        conclusion: Some(conclusion.into()),
    }];
    for rerun in line.list("rerun") {
        let (at, conclusion) = rerun.split_once('=').expect("a re-run is TIME=CONCLUSION");
        attempts.push(RunAttempt {
            number: attempts.last().map_or(1, |last| last.number + 1),
            started_at: instant(at),
            completed_at: Some(instant(at)),
            conclusion: Some(conclusion.into()),
        });
    }
    let run = WorkflowRun {
        id: id.into(),
        repository: Story::repository(&name).0,
        workflow: workflow.into(),
        event: line.after("event").unwrap_or_else(|| "push".to_owned()).into(),
        branch: Some(line.after("branch").unwrap_or_else(|| "main".to_owned()).into()),
        commit,
        created_at: at,
        updated_at: attempts.iter().filter_map(|it| it.completed_at).max().unwrap_or(at),
        attempts,
    };
    story.learn("github", Fact::WorkflowRun(run));
}

#[track_caller]
fn release(story: &mut Story, at: Instant, line: &mut Line) {
    let name = line.next("a repository");
    let tag = line.next("a tag");
    let commit = line.next("a commit, or `?` where the vendor does not say");
    let release = Release {
        id: native(story, line).into(),
        repository: Story::repository(&name).0,
        tag: tag.into(),
        commit: (commit != "?").then(|| CommitId::new(commit)),
        draft: line.flag("draft"),
        prerelease: line.flag("prerelease"),
        created_at: at,
        published_at: Some(at),
    };
    story.learn("github", Fact::Release(release));
}
