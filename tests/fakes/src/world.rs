//! The ground truth of an organisation. Both fakes answer from it, as it is at its `now`.
//!
//! State is never written down: a pull request that is merged later is open, an incident that is
//! resolved later is triggered, a later commit is not there. So a test moves time and nothing else.

mod git;
mod incidents;
mod issue;
mod metrics;
mod pull;
mod repository;

use std::collections::BTreeSet;

pub(crate) use git::digest;
pub use git::{Commit, File, FileStatus};
pub use incidents::{Alert, Incident, LogEntry, LogKind, PagerDuty, Priority, Service, Team};
pub use issue::{Issue, IssueEvent, IssueEventKind, SecurityAlert, SecurityAlertEvent};
pub use metrics::{Metrics, Series, Traffic};
pub use pull::{Pull, PullEvent, PullEventKind, PullStory, Review};
pub use repository::{Attempt, Deployment, DeploymentStatus, Release, Repository, WorkflowRun};

use crate::time::{Instant, Now, When};

/// The token that sees everything on the GitHub side unless a world says otherwise.
pub const GITHUB_TOKEN: &str = "fake-github-token";
/// The token that sees everything on the PagerDuty side unless a world says otherwise.
pub const PAGERDUTY_TOKEN: &str = "fake-pagerduty-token";

/// An organisation with everything that the vendors know about it.
#[derive(Clone, Debug)]
pub struct World {
    /// The organisation's login on GitHub.
    pub organisation: String,
    /// Its numeric id.
    pub organisation_id: u64,
    /// The present. Later records are not visible.
    pub now: Now,
    /// Repositories, in order of their ids.
    pub repositories: Vec<Repository>,
    /// The PagerDuty account.
    pub pagerduty: PagerDuty,
    /// The metric store.
    pub metrics: Metrics,
    /// Who may ask.
    pub access: Access,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub struct Access {
    /// GitHub tokens.
    pub github: Vec<Token>,
    /// PagerDuty keys.
    pub pagerduty: Vec<String>,
    /// The App's id.
    pub app: u64,
    /// The App's installation.
    pub installation: u64,
    /// How long an installation token lives, in seconds.
    pub installation_token_seconds: i64,
}

/// A GitHub token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its text.
    pub value: String,
    /// Names of the only repositories that it sees; `None` = all.
    pub repositories: Option<BTreeSet<String>>,
    /// Permissions that it lacks: `contents`, `pull_requests`, `deployments`, `actions`, …
    pub denied: BTreeSet<String>,
    /// Unknown from then on.
    pub expires_at: Option<Instant>,
}

impl Token {
    /// A token that sees everything.
    pub fn full(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            repositories: None,
            denied: BTreeSet::new(),
            expires_at: None,
        }
    }

    /// Takes a permission away.
    #[must_use]
    pub fn without(mut self, permission: &str) -> Self {
        self.denied.insert(permission.to_owned());
        self
    }

    /// Lets it see only these repositories.
    #[must_use]
    pub fn only(mut self, repositories: &[&str]) -> Self {
        self.repositories = Some(repositories.iter().map(|&name| name.to_owned()).collect());
        self
    }
}

impl World {
    /// An empty organisation in the present of the machine.
    pub fn new(organisation: &str) -> Self {
        Self {
            organisation: organisation.to_owned(),
            organisation_id: 7001,
            now: Now::Wall,
            repositories: Vec::new(),
            pagerduty: PagerDuty::new(),
            metrics: Metrics::new(),
            access: Access {
                github: vec![Token::full(GITHUB_TOKEN)],
                pagerduty: vec![PAGERDUTY_TOKEN.to_owned()],
                app: 1,
                installation: 1,
                installation_token_seconds: 3600,
            },
        }
    }

    /// Stops time at `at`.
    #[must_use]
    pub fn at(mut self, at: impl When) -> Self {
        self.now = Now::Frozen(at.instant());
        self
    }

    /// Adds a repository and tells its story.
    #[must_use]
    pub fn repository(mut self, name: &str, story: impl FnOnce(&mut Repository)) -> Self {
        self.add_repository(name, story);
        self
    }

    /// Adds a repository to a world that is being changed.
    pub fn add_repository(
        &mut self,
        name: &str,
        story: impl FnOnce(&mut Repository),
    ) -> &mut Repository {
        let id = 1001 + self.repositories.len() as u64;
        let mut repository = Repository::new(id, name);
        story(&mut repository);
        self.repositories.push(repository);
        let last = self.repositories.len() - 1;
        &mut self.repositories[last]
    }

    /// Tells the story of the PagerDuty account.
    #[must_use]
    pub fn pagerduty(mut self, story: impl FnOnce(&mut PagerDuty)) -> Self {
        story(&mut self.pagerduty);
        self
    }

    /// Tells the story of the metric store.
    #[must_use]
    pub fn metrics(mut self, story: impl FnOnce(&mut Metrics)) -> Self {
        story(&mut self.metrics);
        self
    }

    /// Replaces the GitHub tokens by this one.
    #[must_use]
    pub fn github_token(mut self, token: Token) -> Self {
        self.access.github = vec![token];
        self
    }

    /// Replaces the PagerDuty keys by this one.
    #[must_use]
    pub fn pagerduty_token(mut self, token: &str) -> Self {
        self.access.pagerduty = vec![token.to_owned()];
        self
    }

    /// The repository that was added under this name, to continue its story.
    ///
    /// # Panics
    /// If there is none: a mistake in the test.
    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        self.repositories
            .iter_mut()
            .find(|repository| repository.name == name)
            .unwrap_or_else(|| panic!("the world has no repository {name}"))
    }
}
