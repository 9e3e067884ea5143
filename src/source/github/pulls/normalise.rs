//! From GitHub's pull request to a [`Change`].

use std::sync::LazyLock;

use chrono::TimeDelta;
use regex::Regex;
use serde::Deserialize;

use crate::domain::fact::{Actor, Change, ChangedPath, PathChange, PullReference, Review};
use crate::domain::{CommitId, Instant, RepositoryId};
use crate::source::github::graphql::Connection;

/// Git's first release: no author date is older, whatever a clock said.
const FIRST_COMMIT_EVER: i64 = 1_112_832_000;

/// How far a commit's clock may run ahead of GitHub's.
const CLOCK_SKEW: TimeDelta = TimeDelta::hours(24);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequest {
    pub(super) id: String,
    pub(super) number: u64,
    created_at: Instant,
    pub(super) updated_at: Instant,
    merged_at: Option<Instant>,
    closed_at: Option<Instant>,
    #[serde(default)]
    is_draft: bool,
    #[serde(default)]
    body: Option<String>,
    head_ref_name: String,
    base_ref_name: String,
    #[serde(default)]
    pub(super) head_ref_oid: Option<String>,
    #[serde(default)]
    pub(super) base_ref_oid: Option<String>,
    #[serde(default)]
    total_comments_count: Option<u64>,
    author: Option<Author>,
    merge_commit: Option<Oid>,
    pub(super) labels: Option<Connection<Label>>,
    pub(super) commits: Connection<PullCommit>,
    pub(super) reviews: Option<Connection<PullReview>>,
    timeline_items: Connection<DraftEvent>,
    #[serde(default)]
    pub(super) files: Option<Connection<File>>,
}

#[derive(Debug, Deserialize)]
struct Author {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Oid {
    pub(super) oid: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Label {
    name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullCommit {
    pub(super) commit: CommitNode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitNode {
    pub(super) oid: String,
    pub(super) authored_date: Instant,
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullReview {
    submitted_at: Option<Instant>,
    author: Option<Author>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DraftEvent {
    #[serde(rename = "__typename")]
    kind: String,
    created_at: Option<Instant>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    path: String,
    change_type: String,
}

impl PullCommit {
    /// A commit that another listing showed.
    pub(super) fn new(oid: String, authored_date: Instant, message: String) -> Self {
        Self { commit: CommitNode { oid, authored_date, message } }
    }
}

impl PullRequest {
    /// Whether something that every pull request has is missing: the server could not answer.
    pub(super) fn has_holes(&self, with_files: bool) -> bool {
        fn hole<T>(connection: Option<&Connection<T>>) -> bool {
            connection.is_none_or(Connection::is_veiled)
        }
        hole(self.labels.as_ref())
            || hole(Some(&self.commits))
            || hole(self.reviews.as_ref())
            || hole(Some(&self.timeline_items))
            || (with_files && hole(self.files.as_ref()))
    }

    /// The fact. All pages of its connections are in it. Files that are not there are unknown.
    pub(super) fn normalise(self, repository: &RepositoryId, now: Instant) -> Change {
        let events = self.timeline_items.nodes.iter().flatten();
        let mut events: Vec<_> =
            events.filter_map(|it| Some((it.created_at?, it.kind.as_str()))).collect();
        events.sort_by_key(|(at, _)| *at);
        let ready = events.iter().find(|(_, kind)| *kind == "ReadyForReviewEvent");
        let created_as_draft = match events.first() {
            Some((_, kind)) => *kind == "ReadyForReviewEvent",
            None => self.is_draft,
        };
        let reviews = reviews(self.reviews);
        let commits = || self.commits.nodes.iter().flatten().map(|it| &it.commit);
        let merged_at = self.merged_at;
        let updated_at = version(self.updated_at, now, || {
            let reviewed = reviews.iter().map(|it| it.submitted_at);
            let dates = [merged_at, self.closed_at].into_iter().flatten().chain(reviewed);
            dates.fold(self.created_at, Instant::max)
        });
        Change {
            repository: repository.clone(),
            number: self.number,
            author: self.author.map(actor),
            created_at: self.created_at,
            updated_at,
            created_as_draft,
            ready_for_review_at: ready.map(|(at, _)| *at),
            merged_at,
            closed_at: self.closed_at,
            merge_commit: self
                .merge_commit
                .filter(|_| merged_at.is_some())
                .and_then(|it| commit_id(&it.oid)),
            head_branch: self.head_ref_name.into(),
            base_branch: self.base_ref_name.into(),
            labels: names(self.labels).into_iter().map(Into::into).collect(),
            first_commit_at: commits()
                .map(|it| it.authored_date)
                .filter(|at| is_plausible(*at, updated_at))
                .min(),
            reverts_commits: distinct(commits().flat_map(|it| reverted_commits(&it.message)))
                .into(),
            commits: commits().filter_map(|it| commit_id(&it.oid)).collect(),
            reviews: reviews.into(),
            comments: self.total_comments_count.unwrap_or_default(),
            paths: self.files.map(|it| paths(it).into()),
            reverts_changes: reverted_changes(self.body.as_deref().unwrap_or_default()).into(),
        }
    }
}

/// Whether a commit of a pull request can have been written then: not before git, and not after
/// the pull request was last touched.
fn is_plausible(at: Instant, updated_at: Instant) -> bool {
    at.timestamp() >= FIRST_COMMIT_EVER && at <= updated_at + CLOCK_SKEW
}

/// The version of a fact. One from the future would win over every later correction, so the
/// newest instant inside stands in for it.
fn version(updated_at: Instant, now: Instant, inside: impl FnOnce() -> Instant) -> Instant {
    if updated_at <= now + CLOCK_SKEW { updated_at } else { inside() }
}

fn actor(author: Author) -> Actor {
    let login = author.login.strip_suffix("[bot]");
    Actor {
        bot: author.kind == "Bot" || login.is_some(),
        login: login.unwrap_or(&author.login).into(),
    }
}

fn reviews(connection: Option<Connection<PullReview>>) -> Vec<Review> {
    let nodes = connection.map(|it| it.nodes).unwrap_or_default();
    let submitted = nodes.into_iter().flatten().filter_map(|review| {
        // One that is pending has no such time, and only its author sees it.
        let submitted_at = review.submitted_at?;
        Some(Review { author: review.author.map(actor), submitted_at })
    });
    let mut reviews: Vec<_> = submitted.collect();
    reviews.sort_by_key(|it| it.submitted_at);
    reviews
}

fn names(labels: Option<Connection<Label>>) -> Vec<String> {
    let nodes = labels.map(|it| it.nodes).unwrap_or_default();
    let mut names: Vec<_> = nodes.into_iter().flatten().map(|it| it.name).collect();
    names.sort();
    names
}

fn paths(files: Connection<File>) -> Vec<ChangedPath> {
    files
        .nodes
        .into_iter()
        .flatten()
        .map(|file| ChangedPath {
            path: file.path.into(),
            change: match file.change_type.as_str() {
                "ADDED" | "COPIED" => PathChange::Added,
                "DELETED" => PathChange::Removed,
                "RENAMED" => PathChange::Renamed,
                _ => PathChange::Modified,
            },
        })
        .collect()
}

/// A full commit id: 40 hex digits, or 64 where repositories use SHA-256.
pub(in crate::source::github) fn commit_id(text: &str) -> Option<CommitId> {
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|it| it.is_ascii_hexdigit());
    is_id.then(|| CommitId::new(text.to_ascii_lowercase()))
}

/// The commits of which a message says `This reverts commit X`.
pub(in crate::source::github) fn reverted_commits(message: &str) -> Vec<CommitId> {
    static REVERTS: LazyLock<Regex> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a constant expression, used by tests")]
        Regex::new(r"(?i-u:\bthis reverts commit\s+([0-9a-f]{40,64})\b)").expect("it is valid")
    });
    let found = REVERTS.captures_iter(message).filter_map(|it| commit_id(&it[1]));
    distinct(found)
}

/// The changes of which a body says `Reverts owner/name#N`.
fn reverted_changes(body: &str) -> Vec<PullReference> {
    static REVERTS: LazyLock<Regex> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "a constant expression, used by tests")]
        Regex::new(r"(?i-u:\breverts\s+([a-z0-9._-]+/[a-z0-9._-]+)#([0-9]{1,12})\b)")
            .expect("it is valid")
    });
    let found = REVERTS.captures_iter(body).filter_map(|it| {
        Some(PullReference { repository: it[1].to_owned(), number: it[2].parse().ok()? })
    });
    distinct(found)
}

fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for item in items {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-22T00:00:00Z";

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn payload() -> Value {
        json!({
            "id": "PR_1", "number": 7, "createdAt": "2026-03-01T09:00:00Z",
            "updatedAt": "2026-03-03T09:00:00Z", "mergedAt": "2026-03-03T09:00:00Z",
            "closedAt": "2026-03-03T09:00:00Z", "isDraft": false, "body": null,
            "headRefName": "topic", "baseRefName": "main", "totalCommentsCount": 3,
            "author": {"__typename": "User", "login": "ana"},
            "mergeCommit": {"oid": "a".repeat(40)},
            "labels": {"nodes": [{"name": "hotfix"}]},
            "commits": {"totalCount": 1, "nodes": [{"commit": {"oid": "b".repeat(40),
                "authoredDate": "2026-02-28T09:00:00Z", "message": "Fix it"}}]},
            "reviews": {"nodes": []}, "timelineItems": {"nodes": []},
        })
    }

    fn change(edit: impl FnOnce(&mut Value)) -> Change {
        let mut payload = payload();
        edit(&mut payload);
        let pull: PullRequest = serde_json::from_value(payload).unwrap();
        pull.normalise(&RepositoryId::new("github/1"), at(NOW))
    }

    #[test]
    fn a_merged_pull_request_carries_everything_that_a_rule_asks_for() {
        let change = change(|_| {});
        assert_eq!(change.merged_at, Some(at("2026-03-03T09:00:00Z")));
        assert_eq!(change.merge_commit, Some(CommitId::new("a".repeat(40))));
        assert_eq!(change.first_commit_at, Some(at("2026-02-28T09:00:00Z")));
        assert_eq!(*change.labels, ["hotfix"]);
        assert_eq!(change.comments, 3);
        assert_eq!(change.paths, None, "nobody asked for paths");
    }

    #[test]
    fn the_first_of_its_draft_events_tells_what_it_was_created_as() {
        let event = |kind, at| json!({"__typename": kind, "createdAt": at});
        let ready = event("ReadyForReviewEvent", "2026-03-02T09:00:00Z");
        let draft = event("ConvertToDraftEvent", "2026-03-01T10:00:00Z");
        let with = |is_draft: bool, events: Vec<Value>| {
            let it = change(|it| {
                it["isDraft"] = json!(is_draft);
                it["timelineItems"]["nodes"] = json!(events);
            });
            (it.created_as_draft, it.ready_for_review_at)
        };
        let ready_at = Some(at("2026-03-02T09:00:00Z"));
        assert_eq!(with(false, vec![]), (false, None));
        assert_eq!(with(true, vec![]), (true, None));
        assert_eq!(with(false, vec![ready.clone()]), (true, ready_at));
        assert_eq!(with(false, vec![ready, draft.clone()]), (false, ready_at));
        assert_eq!(with(true, vec![draft]), (false, None));
    }

    #[test]
    fn an_open_pull_request_has_no_merge_commit_whatever_github_shows() {
        let it = change(|it| {
            it["mergedAt"] = Value::Null;
            it["closedAt"] = Value::Null;
        });
        assert_eq!(it.merge_commit, None, "it is a test merge that is on no branch");
    }

    #[test]
    fn bots_are_recognised_and_written_alike_whichever_api_shows_them() {
        for (author, login, bot) in [
            (json!({"__typename": "Bot", "login": "dependabot"}), "dependabot", true),
            (json!({"__typename": "User", "login": "sonar[bot]"}), "sonar", true),
            (json!({"__typename": "EnterpriseUserAccount", "login": "ana"}), "ana", false),
        ] {
            let it = change(|it| it["author"] = author).author.unwrap();
            assert_eq!((it.login.as_str(), it.bot), (login, bot));
        }
        assert_eq!(change(|it| it["author"] = Value::Null).author, None, "a deleted account");
    }

    #[test]
    fn reviews_are_those_submitted_in_their_order() {
        let it = change(|it| {
            it["reviews"]["nodes"] = json!([
                {"submittedAt": "2026-03-02T12:00:00Z", "author": null},
                {"submittedAt": null, "author": {"__typename": "User", "login": "ben"}},
                {"submittedAt": "2026-03-01T12:00:00Z", "author": {"__typename": "Bot", "login": "sonar"}},
            ]);
        });
        let seen: Vec<_> =
            it.reviews.iter().map(|it| it.author.as_ref().map(|it| &*it.login)).collect();
        assert_eq!(seen, [Some("sonar"), None]);
    }

    #[test]
    fn impossible_author_dates_do_not_become_the_first_commit() {
        let dated = |dates: &[&str]| {
            let commit = |date: &&str| json!({"commit": {"oid": "b".repeat(40), "authoredDate": date, "message": ""}});
            let commits: Vec<_> = dates.iter().map(commit).collect();
            change(|it| it["commits"]["nodes"] = json!(commits)).first_commit_at
        };
        let good = "2026-02-28T09:00:00Z";
        assert_eq!(dated(&["1970-01-01T00:00:00Z", good, "2099-01-01T00:00:00Z"]), Some(at(good)));
        assert_eq!(dated(&["1970-01-01T00:00:00Z"]), None);
    }

    #[test]
    fn a_version_from_the_future_gives_way_to_the_newest_date_inside() {
        let it = change(|it| it["updatedAt"] = json!("2099-01-01T00:00:00Z"));
        assert_eq!(it.updated_at, at("2026-03-03T09:00:00Z"));
    }

    #[test]
    fn reverts_are_read_from_messages_and_bodies() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let it = change(|it| {
            it["body"] =
                json!("Reverts acme/shop#12\n\nNot reverts #13, and reverts acme/shop#12 once.");
            it["commits"]["nodes"][0]["commit"]["message"] = json!(format!(
                "Revert \"x\"\n\nThis reverts commit {one}.\nthis reverts commit {two}, \
                               reversing changes. This reverts commit abc1234."
            ));
        });
        assert_eq!(*it.reverts_commits, [CommitId::new(one), CommitId::new(two)]);
        assert_eq!(
            *it.reverts_changes,
            [PullReference { repository: "acme/shop".to_owned(), number: 12 }]
        );
    }

    #[test]
    fn changed_paths_say_what_was_done() {
        let it = change(|it| {
            it["files"] = json!({"nodes": [
                {"path": "docs/adr/1.md", "changeType": "ADDED"},
                {"path": "a", "changeType": "DELETED"},
                {"path": "b", "changeType": "RENAMED"},
                {"path": "c", "changeType": "CHANGED"},
            ]});
        });
        let changes: Vec<_> = it.paths.unwrap().into_iter().map(|it| it.change).collect();
        assert_eq!(
            changes,
            [PathChange::Added, PathChange::Removed, PathChange::Renamed, PathChange::Modified]
        );
    }
}
