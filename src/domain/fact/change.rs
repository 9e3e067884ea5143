use serde::{Deserialize, Serialize};

use crate::domain::text::Pool;
use crate::domain::{CommitId, Instant, RepositoryId, Text};

/// Who did something. Kept only to tell bots from people and an author from a reviewer; no series,
/// table or export is ever keyed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The vendor's login, without a `[bot]` suffix.
    pub login: Text,
    /// The vendor says that it is a bot (type `Bot`, or a `[bot]` login).
    #[serde(default)]
    pub bot: bool,
}

/// A change proposed for review: a pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Where it was proposed.
    pub repository: RepositoryId,
    /// Its number in the repository.
    pub number: u64,
    /// Absent when the account was deleted.
    pub author: Option<Actor>,
    /// When it was opened, draft or not.
    pub created_at: Instant,
    /// The vendor's last change of it: its version.
    pub updated_at: Instant,
    /// It was a draft at its creation.
    #[serde(default)]
    pub created_as_draft: bool,
    /// First time it was marked ready for review.
    pub ready_for_review_at: Option<Instant>,
    /// Merged into `base_branch`.
    pub merged_at: Option<Instant>,
    /// Closed, merged or not.
    pub closed_at: Option<Instant>,
    /// The commit on the base branch that the merge made. Only of merged changes.
    pub merge_commit: Option<CommitId>,
    /// The branch it came from.
    pub head_branch: Text,
    /// The branch it was meant for.
    pub base_branch: Text,
    /// The labels it carries now.
    #[serde(default)]
    pub labels: Box<[Text]>,
    /// The branch's own commits, as far as the vendor lists them.
    #[serde(default)]
    pub commits: Box<[CommitId]>,
    /// The smallest author date among the branch's commits.
    pub first_commit_at: Option<Instant>,
    /// Submitted reviews in order.
    #[serde(default)]
    pub reviews: Box<[Review]>,
    /// Comments of every kind that it received.
    #[serde(default)]
    pub comments: u64,
    /// What it touches. `None` where nothing needs it and so it was not collected.
    pub paths: Option<Box<[ChangedPath]>>,
    /// Commits that its branch commits say they revert (`This reverts commit X`).
    #[serde(default)]
    pub reverts_commits: Box<[CommitId]>,
    /// Changes that its body says it reverts (`Reverts owner/repo#N`).
    #[serde(default)]
    pub reverts_changes: Box<[PullReference]>,
}

/// A review that was submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Absent when the account was deleted.
    pub author: Option<Actor>,
    /// When it was submitted.
    pub submitted_at: Instant,
}

/// A path that a change touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPath {
    /// The path after the change.
    pub path: Text,
    /// What was done to it.
    pub change: PathChange,
}

/// What was done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PathChange {
    Added,
    Modified,
    Removed,
    Renamed,
}

/// `owner/name#number`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullReference {
    /// `owner/name` as written.
    pub repository: String,
    /// The number as written.
    pub number: u64,
}

impl Change {
    /// Shares texts through `pool` and lets go of unused room.
    pub(super) fn compact(&mut self, pool: &mut Pool) {
        self.repository.share(pool);
        pool.share(&mut self.base_branch);
        self.labels.iter_mut().for_each(|label| pool.share(label));
        let reviewers = self.reviews.iter_mut().filter_map(|it| it.author.as_mut());
        self.author.iter_mut().chain(reviewers).for_each(|it| pool.share(&mut it.login));
        for path in self.paths.iter_mut().flat_map(|it| it.iter_mut()) {
            pool.share(&mut path.path);
        }
    }
}
