//! Pull requests.

use std::collections::BTreeMap;

use super::{Commit, File, FileStatus, Repository};
use crate::time::{Instant, When};

/// A pull request. What it looks like at an instant follows from its dates.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Its number in the repository.
    pub number: u64,
    /// Its title when it was opened.
    pub title: String,
    /// Its text.
    pub body: String,
    /// A login, `[bot]` at its end for bots; `None` = the account is gone.
    pub author: Option<String>,
    /// When it was opened.
    pub created_at: Instant,
    /// It was opened as a draft.
    pub draft: bool,
    /// The branch it is meant for.
    pub base: String,
    /// The branch it comes from.
    pub head: String,
    /// The branch's own commits, oldest first.
    pub commits: Vec<String>,
    /// Labels that it was opened with.
    pub labels: Vec<String>,
    /// What happened to it, ascending.
    pub events: Vec<PullEvent>,
    /// Submitted reviews, ascending.
    pub reviews: Vec<Review>,
    /// Comments in the conversation: when and by whom.
    pub comments: Vec<(Instant, String)>,
    /// Comments in reviews: when and by whom.
    pub review_comments: Vec<(Instant, String)>,
    /// When it was merged.
    pub merged_at: Option<Instant>,
    /// The commit that the merge made on the base branch.
    pub merge_commit: Option<String>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// Something that happened to a pull request.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PullEvent {
    pub at: Instant,
    pub kind: PullEventKind,
}

/// What happened to a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the vendor's")]
pub enum PullEventKind {
    ReadyForReview,
    ConvertToDraft,
    Labeled(String),
    Unlabeled(String),
    Closed,
    Reopened,
    HeadRefForcePushed,
}

/// A submitted review.
#[derive(Clone, Debug)]
pub struct Review {
    /// When it was submitted.
    pub at: Instant,
    /// A login; `None` = the account is gone.
    pub author: Option<String>,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`.
    pub state: String,
}

/// A pull request as it looks at an instant.
#[derive(Clone, Debug)]
pub(crate) struct PullState {
    pub(crate) open: bool,
    pub(crate) merged: bool,
    pub(crate) draft: bool,
    pub(crate) closed_at: Option<Instant>,
    pub(crate) labels: Vec<String>,
    pub(crate) updated_at: Instant,
}

impl PullState {
    /// The state as GraphQL words it.
    pub(crate) fn word(&self) -> &'static str {
        if self.merged {
            "MERGED"
        } else if self.open {
            "OPEN"
        } else {
            "CLOSED"
        }
    }
}

/// Tells the story of one pull request.
#[derive(Debug)]
pub struct PullStory<'a> {
    repository: &'a mut Repository,
    /// The pull request so far.
    pub pull: Pull,
}

impl Repository {
    /// Opens pull request `number` at `at`; `story` tells the rest. Without a commit of its own it
    /// gets one, authored when it was opened. Gives back the merge commit, or the branch's head
    /// if it was not merged.
    pub fn pull(
        &mut self,
        number: u64,
        at: impl When,
        story: impl FnOnce(&mut PullStory<'_>),
    ) -> String {
        let pull = Pull {
            number,
            title: format!("Change {number}"),
            body: String::new(),
            author: Some("alice".to_owned()),
            created_at: at.instant(),
            draft: false,
            base: self.default_branch.clone(),
            head: format!("change-{number}"),
            commits: Vec::new(),
            labels: Vec::new(),
            events: Vec::new(),
            reviews: Vec::new(),
            comments: Vec::new(),
            review_comments: Vec::new(),
            merged_at: None,
            merge_commit: None,
            deleted_at: None,
        };
        let mut telling = PullStory { repository: self, pull };
        story(&mut telling);
        telling.ensure_commit();
        let pull = telling.pull;
        let last = pull.merge_commit.clone().or_else(|| pull.commits.last().cloned());
        self.pulls.push(pull);
        last.unwrap_or_default()
    }

    /// The pull request with this number, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn pull_mut(&mut self, number: u64) -> &mut Pull {
        self.pulls
            .iter_mut()
            .find(|pull| pull.number == number)
            .unwrap_or_else(|| panic!("the repository has no pull request {number}"))
    }

    /// Continues the story of a pull request that is already there.
    pub fn continue_pull(&mut self, number: u64, story: impl FnOnce(&mut PullStory<'_>)) {
        let place = self.pulls.iter().position(|pull| pull.number == number);
        let place = place.unwrap_or_else(|| panic!("the repository has no pull request {number}"));
        let pull = self.pulls.remove(place);
        let mut telling = PullStory { repository: self, pull };
        story(&mut telling);
        let pull = telling.pull;
        self.pulls.insert(place, pull);
    }

    /// The branch's own commits that the vendor has at `now`.
    pub(crate) fn pull_commits(&self, pull: &Pull, now: Instant) -> Vec<&Commit> {
        let known = pull.commits.iter().filter_map(|sha| self.commits.get(sha));
        known.filter(|commit| commit.pushed_at <= now).collect()
    }

    /// What it touches, one entry a path, in the order of the paths.
    pub(crate) fn pull_files(&self, pull: &Pull, now: Instant) -> Vec<File> {
        let mut files: BTreeMap<String, File> = BTreeMap::new();
        for commit in self.pull_commits(pull, now) {
            if commit.parents.len() > 1 {
                continue;
            }
            for file in &commit.files {
                let mut file = file.clone();
                let was_added =
                    files.get(&file.path).is_some_and(|it| it.status == FileStatus::Added);
                if was_added && file.status == FileStatus::Modified {
                    file.status = FileStatus::Added;
                }
                files.insert(file.path.clone(), file);
            }
        }
        files.into_values().collect()
    }

    /// What it looks like at `now`.
    pub(crate) fn pull_state(&self, pull: &Pull, now: Instant) -> PullState {
        let mut state = PullState {
            open: true,
            merged: false,
            draft: pull.draft,
            closed_at: None,
            labels: pull.labels.clone(),
            updated_at: pull.created_at,
        };
        for event in pull.events.iter().filter(|event| event.at <= now) {
            state.apply(event);
        }
        if let Some(at) = pull.merged_at.filter(|at| *at <= now) {
            (state.open, state.merged, state.closed_at) = (false, true, Some(at));
        }
        let commits = pull.commits.iter().filter_map(|sha| self.commits.get(sha));
        let touched = (pull.reviews.iter().map(|review| review.at))
            .chain(pull.comments.iter().chain(&pull.review_comments).map(|(at, _)| *at))
            .chain(commits.map(|commit| commit.pushed_at))
            .chain(pull.events.iter().map(|event| event.at))
            .chain(pull.merged_at)
            .filter(|at| *at <= now);
        state.updated_at = touched.fold(state.updated_at, Instant::max);
        state
    }
}

impl PullState {
    fn apply(&mut self, event: &PullEvent) {
        match &event.kind {
            PullEventKind::ReadyForReview => self.draft = false,
            PullEventKind::ConvertToDraft => self.draft = true,
            PullEventKind::Labeled(name) if !self.labels.contains(name) => {
                self.labels.push(name.clone());
            }
            PullEventKind::Unlabeled(name) => self.labels.retain(|label| label != name),
            PullEventKind::Closed => (self.open, self.closed_at) = (false, Some(event.at)),
            PullEventKind::Reopened => (self.open, self.closed_at) = (true, None),
            PullEventKind::Labeled(_) | PullEventKind::HeadRefForcePushed => {}
        }
    }
}

impl Pull {
    /// Whether the vendor shows it at `now`.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }
}

impl PullStory<'_> {
    /// Names it.
    pub fn title(&mut self, title: &str) -> &mut Self {
        title.clone_into(&mut self.pull.title);
        self
    }

    /// Its text.
    pub fn body(&mut self, body: &str) -> &mut Self {
        body.clone_into(&mut self.pull.body);
        self
    }

    /// Who opened it; `[bot]` at the end makes it a bot.
    pub fn author(&mut self, login: &str) -> &mut Self {
        self.pull.author = Some(login.to_owned());
        self
    }

    /// The account of its author is gone.
    pub fn ghost(&mut self) -> &mut Self {
        self.pull.author = None;
        self
    }

    /// The branch it comes from.
    pub fn branch(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.pull.head);
        self
    }

    /// The branch it is meant for.
    pub fn base(&mut self, name: &str) -> &mut Self {
        name.clone_into(&mut self.pull.base);
        self
    }

    /// It was opened as a draft.
    pub fn draft(&mut self) -> &mut Self {
        self.pull.draft = true;
        self
    }

    /// It was opened with this label.
    pub fn label(&mut self, name: &str) -> &mut Self {
        self.pull.labels.push(name.to_owned());
        self
    }

    /// Something happens to it.
    pub fn event(&mut self, at: impl When, kind: PullEventKind) -> &mut Self {
        self.pull.events.push(PullEvent { at: at.instant(), kind });
        self.pull.events.sort_by_key(|event| event.at);
        self
    }

    /// It is marked ready for review.
    pub fn ready(&mut self, at: impl When) -> &mut Self {
        self.event(at, PullEventKind::ReadyForReview)
    }

    /// It gets a label.
    pub fn labelled(&mut self, at: impl When, name: &str) -> &mut Self {
        self.event(at, PullEventKind::Labeled(name.to_owned()))
    }

    /// It is closed without being merged.
    pub fn close(&mut self, at: impl When) -> &mut Self {
        self.event(at, PullEventKind::Closed)
    }

    /// It is opened again.
    pub fn reopen(&mut self, at: impl When) -> &mut Self {
        self.event(at, PullEventKind::Reopened)
    }

    /// Somebody approves it.
    pub fn review(&mut self, at: impl When, login: &str) -> &mut Self {
        let review =
            Review { at: at.instant(), author: Some(login.to_owned()), state: "APPROVED".into() };
        self.pull.reviews.push(review);
        self.pull.reviews.sort_by_key(|review| review.at);
        self
    }

    /// Somebody comments on it.
    pub fn comment(&mut self, at: impl When, login: &str) -> &mut Self {
        self.pull.comments.push((at.instant(), login.to_owned()));
        self
    }

    /// A commit is made on its branch. It reaches the vendor when it is made, or with the opening.
    pub fn commit(&mut self, at: impl When, message: &str, paths: &[&str]) -> &mut Self {
        let files = paths.iter().map(|&path| File::from(path)).collect();
        self.commit_files(at, message, files)
    }

    /// A commit with these files is made on its branch.
    pub fn commit_files(&mut self, at: impl When, message: &str, files: Vec<File>) -> &mut Self {
        let at = at.instant();
        let parent = match self.pull.commits.last() {
            Some(last) => Some(last.clone()),
            None => self.repository.tip(&self.pull.base, at.max(self.pull.created_at)),
        };
        let author = self.pull.author.clone().unwrap_or_else(|| "ghost".to_owned());
        let sha = self.repository.add_commit(Commit {
            sha: String::new(),
            parents: parent.into_iter().collect(),
            author,
            authored_at: at,
            committed_at: at,
            pushed_at: at,
            message: message.to_owned(),
            files,
        });
        self.pull.commits.push(sha);
        self
    }

    fn ensure_commit(&mut self) {
        if self.pull.commits.is_empty() {
            let path = format!("src/change_{}.rs", self.pull.number);
            let (at, title) = (self.pull.created_at, self.pull.title.clone());
            self.commit(at, &title, &[&path]);
        }
    }

    fn all_files(&self) -> Vec<File> {
        self.repository.pull_files(&self.pull, Instant::MAX_UTC)
    }

    /// It is merged as one new commit.
    pub fn squash(&mut self, at: impl When) -> &mut Self {
        self.ensure_commit();
        let message = format!("{} (#{})", self.pull.title, self.pull.number);
        self.land(at.instant(), message, false)
    }

    /// It is squash-merged with this commit message.
    pub fn squash_with(&mut self, at: impl When, message: &str) -> &mut Self {
        self.ensure_commit();
        self.land(at.instant(), message.to_owned(), false)
    }

    /// It is merged with a merge commit.
    pub fn merge(&mut self, at: impl When) -> &mut Self {
        self.ensure_commit();
        let message = format!("Merge pull request #{} from {}", self.pull.number, self.pull.head);
        self.land(at.instant(), message, true)
    }

    /// Its commits are copied onto the base branch one by one.
    pub fn rebase(&mut self, at: impl When) -> &mut Self {
        self.ensure_commit();
        let at = at.instant();
        let mut tip = self.repository.tip(&self.pull.base, at);
        for sha in self.pull.commits.clone() {
            let original = self.repository.commits[&sha].clone();
            let copy = Commit {
                sha: String::new(),
                parents: tip.into_iter().collect(),
                committed_at: at,
                pushed_at: at,
                ..original
            };
            tip = Some(self.repository.add_commit(copy));
        }
        self.finish(at, tip.unwrap_or_default())
    }

    fn land(&mut self, at: Instant, message: String, keep_branch: bool) -> &mut Self {
        let mut parents: Vec<String> =
            self.repository.tip(&self.pull.base, at).into_iter().collect();
        if keep_branch {
            parents.extend(self.pull.commits.last().cloned());
        }
        let commit = Commit {
            sha: String::new(),
            parents,
            author: self.pull.author.clone().unwrap_or_else(|| "ghost".to_owned()),
            authored_at: at,
            committed_at: at,
            pushed_at: at,
            message,
            files: self.all_files(),
        };
        let sha = self.repository.add_commit(commit);
        self.finish(at, sha)
    }

    fn finish(&mut self, at: Instant, sha: String) -> &mut Self {
        let base = self.pull.base.clone();
        self.repository.move_branch(&base, at, &sha);
        self.pull.merged_at = Some(at);
        self.pull.merge_commit = Some(sha);
        self
    }
}
