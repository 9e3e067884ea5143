//! A repository with its deployments, workflow runs and releases.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::git::digest;
use super::{Commit, File, Issue, Pull, SecurityAlert};
use crate::time::{Instant, When};

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Stable through renames.
    pub id: u64,
    /// Its latest name, without the owner.
    pub name: String,
    /// Earlier names, with the instant at which each ended.
    pub former_names: Vec<(Instant, String)>,
    /// When it was created.
    pub created_at: Instant,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
    /// The default branch.
    pub default_branch: String,
    /// Read-only.
    pub archived: bool,
    /// A fork.
    pub fork: bool,
    /// Disabled by the vendor.
    pub disabled: bool,
    /// Whether GitHub Actions is switched on; off, its endpoints are 404.
    pub actions: bool,
    /// Whether issues are switched on.
    pub has_issues: bool,
    /// Tools whose alerts are switched on: `dependabot`, `code-scanning`, `secret-scanning`.
    pub alerting: BTreeSet<String>,
    /// Every commit by sha.
    pub commits: HashMap<String, Commit>,
    pub(crate) commit_order: HashMap<String, usize>,
    /// Where the default branch pointed: from when on, and to which commit.
    pub pushes: Vec<(Instant, String)>,
    /// Other long-lived branches: from when on, and to which commit (`None` = deleted).
    pub branches: BTreeMap<String, Vec<(Instant, Option<String>)>>,
    /// Tags: name, commit, since when.
    pub tags: Vec<(String, String, Instant)>,
    /// Pull requests.
    pub pulls: Vec<Pull>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// Workflow runs.
    pub runs: Vec<WorkflowRun>,
    /// Releases.
    pub releases: Vec<Release>,
    /// Issues.
    pub issues: Vec<Issue>,
    /// Alerts of security tools.
    pub alerts: Vec<SecurityAlert>,
    /// Custom properties: since when, the name, and the value (null = not set).
    pub properties: Vec<(Instant, String, Value)>,
}

/// A deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The vendor's id.
    pub id: u64,
    /// What is deployed.
    pub commit: String,
    /// The branch or tag named at creation.
    pub reference: String,
    /// Where to.
    pub environment: String,
    /// The vendor's task.
    pub task: String,
    /// Free text.
    pub description: Option<String>,
    /// A JSON object, or `{}`.
    pub payload: Value,
    /// Who asked for it.
    pub creator: String,
    /// When it was asked for.
    pub created_at: Instant,
    /// It may go away: the vendor never marks its kind inactive.
    pub transient: bool,
    /// Statuses as they were reported, ascending. The automatic `inactive` is added when served.
    pub statuses: Vec<DeploymentStatus>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// A status of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// `queued`, `in_progress`, `success`, `failure`, …
    pub state: String,
    /// When it was reported.
    pub at: Instant,
}

/// A workflow run.
#[derive(Clone, Debug)]
pub struct WorkflowRun {
    /// The vendor's id.
    pub id: u64,
    /// Its number in the workflow.
    pub number: u64,
    /// The workflow's name.
    pub workflow: String,
    /// What started it.
    pub event: String,
    /// The branch it runs for.
    pub branch: String,
    /// The commit it runs on.
    pub commit: String,
    /// When the first attempt was created.
    pub created_at: Instant,
    /// Its attempts; the second and later ones are re-runs.
    pub attempts: Vec<Attempt>,
    /// From then on the vendor does not know it any more.
    pub deleted_at: Option<Instant>,
}

/// One attempt of a run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it started.
    pub started_at: Instant,
    /// When it ended, and how.
    pub completed: Option<(Instant, String)>,
    /// Its jobs, which end with it: name and conclusion.
    pub jobs: Vec<(String, String)>,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The vendor's id.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// The commit that the tag points at.
    pub commit: String,
    /// Not published: only writers see it.
    pub draft: bool,
    /// Not ready for production.
    pub prerelease: bool,
    /// For the vendor this is the commit's date.
    pub created_at: Instant,
    /// When it was published.
    pub published_at: Option<Instant>,
}

impl Repository {
    pub(super) fn new(id: u64, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            former_names: Vec::new(),
            created_at: "2020-01-01T00:00:00Z".instant(),
            deleted_at: None,
            default_branch: "main".to_owned(),
            archived: false,
            fork: false,
            disabled: false,
            actions: true,
            has_issues: true,
            alerting: ["dependabot", "code-scanning", "secret-scanning"].map(str::to_owned).into(),
            commits: HashMap::new(),
            commit_order: HashMap::new(),
            pushes: Vec::new(),
            branches: BTreeMap::new(),
            tags: Vec::new(),
            pulls: Vec::new(),
            deployments: Vec::new(),
            runs: Vec::new(),
            releases: Vec::new(),
            issues: Vec::new(),
            alerts: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// It has this name from `at` on.
    pub fn rename(&mut self, at: impl When, name: &str) -> &mut Self {
        let before = std::mem::replace(&mut self.name, name.to_owned());
        self.former_names.push((at.instant(), before));
        self
    }

    /// Its name at `now`.
    pub(crate) fn name_at(&self, now: Instant) -> &str {
        let former = self.former_names.iter().find(|(ended, _)| now < *ended);
        former.map_or(&self.name, |(_, name)| name)
    }

    /// Whether it once had this name, before `now`.
    pub(crate) fn was_named(&self, name: &str, now: Instant) -> bool {
        let mut former = self.former_names.iter().filter(|(ended, _)| *ended <= now);
        former.any(|(_, before)| before.eq_ignore_ascii_case(name))
    }

    /// Whether the vendor shows it at `now`.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }

    /// Adds a commit; an empty sha is filled in. Gives back the sha.
    pub fn add_commit(&mut self, mut commit: Commit) -> String {
        let order = self.commits.len();
        if commit.sha.is_empty() {
            commit.sha = digest((self.id, order, &commit.message, &commit.parents));
        }
        let sha = commit.sha.clone();
        self.commit_order.insert(sha.clone(), order);
        self.commits.insert(sha.clone(), commit);
        sha
    }

    /// A commit straight onto the default branch. Gives back its sha.
    pub fn push(&mut self, at: impl When, message: &str, paths: &[&str]) -> String {
        self.push_files(at, message, paths.iter().map(|&path| File::from(path)).collect())
    }

    /// A commit with these files straight onto the default branch. Gives back its sha.
    pub fn push_files(&mut self, at: impl When, message: &str, files: Vec<File>) -> String {
        let at = at.instant();
        let branch = self.default_branch.clone();
        let sha = self.add_commit(Commit {
            sha: String::new(),
            parents: self.tip(&branch, at).into_iter().collect(),
            author: "alice".to_owned(),
            authored_at: at,
            committed_at: at,
            pushed_at: at,
            message: message.to_owned(),
            files,
        });
        self.move_branch(&branch, at, &sha);
        sha
    }

    /// Where a branch points at `at`.
    pub(crate) fn tip(&self, branch: &str, at: Instant) -> Option<String> {
        if branch == self.default_branch {
            return self.head(at).map(str::to_owned);
        }
        let updates = self.branches.get(branch)?;
        updates.iter().rev().find(|(since, _)| *since <= at)?.1.clone()
    }

    /// A branch points at `sha` from `at` on, whatever it pointed at before.
    ///
    /// # Panics
    /// If an earlier call moved the same branch at a later time: the history would fork unseen.
    pub fn move_branch(&mut self, branch: &str, at: impl When, sha: &str) {
        let at = at.instant();
        let last = if branch == self.default_branch {
            self.pushes.push((at, sha.to_owned()));
            self.pushes.iter().rev().nth(1).map(|(at, _)| *at)
        } else {
            let updates = self.branches.entry(branch.to_owned()).or_default();
            updates.push((at, Some(sha.to_owned())));
            updates.iter().rev().nth(1).map(|(at, _)| *at)
        };
        assert!(
            last.is_none_or(|last| last <= at),
            "{branch} of {} moves at {at}, before its move at {last:?}: tell pushes in order of time",
            self.name
        );
    }

    /// A tag points at `sha` from `at` on.
    pub fn tag(&mut self, at: impl When, name: &str, sha: &str) -> &mut Self {
        self.tags.push((name.to_owned(), sha.to_owned(), at.instant()));
        self
    }

    /// Asks for a deployment of `commit` at `at`; `story` tells what became of it. Gives back its
    /// id.
    pub fn deployment(
        &mut self,
        environment: &str,
        commit: &str,
        at: impl When,
        story: impl FnOnce(&mut Deployment),
    ) -> u64 {
        let id = self.id * 100_000 + 1 + self.deployments.len() as u64;
        let mut deployment = Deployment {
            id,
            commit: commit.to_owned(),
            reference: self.default_branch.clone(),
            environment: environment.to_owned(),
            task: "deploy".to_owned(),
            description: None,
            payload: Value::Object(Map::new()),
            creator: "deployer[bot]".to_owned(),
            created_at: at.instant(),
            transient: false,
            statuses: Vec::new(),
            deleted_at: None,
        };
        story(&mut deployment);
        self.deployments.push(deployment);
        id
    }

    /// A deployment of `commit` that was asked for and succeeded at `at`. Gives back its id.
    pub fn deployed(&mut self, environment: &str, commit: &str, at: impl When) -> u64 {
        let at = at.instant();
        self.deployment(environment, commit, at, |deployment| {
            deployment.status(at, "success");
        })
    }

    /// The deployment with this id, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn deployment_mut(&mut self, id: u64) -> &mut Deployment {
        self.deployments
            .iter_mut()
            .find(|deployment| deployment.id == id)
            .unwrap_or_else(|| panic!("the repository has no deployment {id}"))
    }

    /// Starts a workflow run on the default branch at `at`; `story` tells its attempts. Gives
    /// back its id.
    pub fn run(
        &mut self,
        workflow: &str,
        commit: &str,
        at: impl When,
        story: impl FnOnce(&mut WorkflowRun),
    ) -> u64 {
        let number = 1 + self.runs.iter().filter(|run| run.workflow == workflow).count() as u64;
        let mut run = WorkflowRun {
            id: self.id * 1_000_000 + 1 + self.runs.len() as u64,
            number,
            workflow: workflow.to_owned(),
            event: "push".to_owned(),
            branch: self.default_branch.clone(),
            commit: commit.to_owned(),
            created_at: at.instant(),
            attempts: Vec::new(),
            deleted_at: None,
        };
        story(&mut run);
        let id = run.id;
        self.runs.push(run);
        id
    }

    /// The run with this id, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn run_mut(&mut self, id: u64) -> &mut WorkflowRun {
        self.runs
            .iter_mut()
            .find(|run| run.id == id)
            .unwrap_or_else(|| panic!("the repository has no run {id}"))
    }

    /// Publishes a release of `commit` at `at`; `story` may make it a draft or a pre-release.
    pub fn release(
        &mut self,
        tag: &str,
        commit: &str,
        at: impl When,
        story: impl FnOnce(&mut Release),
    ) -> u64 {
        let at = at.instant();
        let created = self.commits.get(commit).map_or(at, |commit| commit.committed_at);
        let mut release = Release {
            id: self.id * 10_000 + 1 + self.releases.len() as u64,
            tag: tag.to_owned(),
            commit: commit.to_owned(),
            draft: false,
            prerelease: false,
            created_at: created,
            published_at: Some(at),
        };
        story(&mut release);
        let id = release.id;
        self.tag(at, tag, commit);
        self.releases.push(release);
        id
    }

    /// The statuses of `deployment` at `now`, with the `inactive` that the vendor adds by itself
    /// when a newer deployment of the same environment succeeds.
    pub(crate) fn statuses(&self, deployment: &Deployment, now: Instant) -> Vec<DeploymentStatus> {
        let visible = |status: &&DeploymentStatus| status.at <= now;
        let mut statuses: Vec<_> = deployment.statuses.iter().filter(visible).cloned().collect();
        let Some(success) = deployment.first("success").filter(|at| *at <= now) else {
            return statuses;
        };
        let newer = self
            .deployments
            .iter()
            .filter(|other| other.environment == deployment.environment)
            .filter(|other| (other.created_at, other.id) > (deployment.created_at, deployment.id))
            .filter_map(|other| other.first("success"))
            .filter(|at| *at <= now && success <= *at)
            .min();
        if let Some(at) = newer.filter(|_| !deployment.transient) {
            statuses.push(DeploymentStatus { state: "inactive".to_owned(), at });
            statuses.sort_by_key(|status| status.at);
        }
        statuses
    }

    /// The newest instant at which anything in it changed, as far as `now` shows.
    pub(crate) fn updated_at(&self, now: Instant) -> Instant {
        let renamed = self.former_names.iter().map(|(at, _)| *at);
        let changed = renamed.chain(std::iter::once(self.pushed_at(now)));
        changed.filter(|at| *at <= now).fold(self.created_at, Instant::max)
    }

    /// The newest push at `now`.
    pub(crate) fn pushed_at(&self, now: Instant) -> Instant {
        let pushes = self.commits.values().map(|commit| commit.pushed_at);
        pushes.filter(|at| *at <= now).max().unwrap_or(self.created_at)
    }
}

impl Deployment {
    /// Reports a status.
    pub fn status(&mut self, at: impl When, state: &str) -> &mut Self {
        self.statuses.push(DeploymentStatus { state: state.to_owned(), at: at.instant() });
        self.statuses.sort_by_key(|status| status.at);
        self
    }

    /// Describes it.
    pub fn described(&mut self, text: &str) -> &mut Self {
        self.description = Some(text.to_owned());
        self
    }

    fn first(&self, state: &str) -> Option<Instant> {
        self.statuses.iter().find(|status| status.state == state).map(|status| status.at)
    }

    /// Whether the vendor shows it at `now`.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }
}

impl WorkflowRun {
    /// An attempt that ran from `start` to `end`.
    pub fn attempt(&mut self, start: impl When, end: impl When, conclusion: &str) -> &mut Self {
        let completed = Some((end.instant(), conclusion.to_owned()));
        self.attempts.push(Attempt { started_at: start.instant(), completed, jobs: Vec::new() });
        self
    }

    /// An attempt that is still running.
    pub fn running(&mut self, start: impl When) -> &mut Self {
        let jobs = Vec::new();
        self.attempts.push(Attempt { started_at: start.instant(), completed: None, jobs });
        self
    }

    /// A job of the attempt that was told of last.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn job(&mut self, name: &str, conclusion: &str) -> &mut Self {
        let attempt = self.attempts.last_mut().unwrap_or_else(|| panic!("no attempt has a job"));
        attempt.jobs.push((name.to_owned(), conclusion.to_owned()));
        self
    }

    /// Whether the vendor shows it at `now`.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.created_at <= now && self.deleted_at.is_none_or(|gone| now < gone)
    }

    /// The attempts that have started at `now`.
    pub(crate) fn started(&self, now: Instant) -> usize {
        self.attempts.iter().filter(|attempt| attempt.started_at <= now).count()
    }
}

impl Release {
    /// It is not published.
    pub fn draft(&mut self) -> &mut Self {
        (self.draft, self.published_at) = (true, None);
        self
    }

    /// It is not ready for production.
    pub fn prerelease(&mut self) -> &mut Self {
        self.prerelease = true;
        self
    }

    /// When it becomes visible: drafts are shown to nobody but writers.
    pub(crate) fn visible(&self, now: Instant) -> bool {
        self.published_at.is_some_and(|at| at <= now)
    }
}
