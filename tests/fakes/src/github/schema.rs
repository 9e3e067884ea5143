//! GraphQL: what the fields of the vendor's objects are.

use serde_json::{Value, json};

use super::gate::Caller;
use super::sees;
use crate::graphql::{Arguments, Failure, Resolved, Schema};
use crate::server::Call;
use crate::time::{Instant, text};
use crate::world::{
    Commit, Deployment, DeploymentStatus, File, FileStatus, Issue, IssueEvent, IssueEventKind,
    Pull, PullEventKind, Release, Repository, Review, World,
};

/// The budget as a query tells it.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub(super) cost: u64,
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: String,
    pub(super) nodes: u64,
}

/// One query's view of the world.
pub(super) struct View<'w> {
    pub(super) world: &'w World,
    pub(super) call: &'w Call,
    pub(super) caller: &'w Caller,
    pub(super) rate: Rate,
}

/// An object of the vendor's schema.
#[derive(Clone)]
pub(super) enum Item<'w> {
    Query,
    RateLimit,
    Organization,
    Repository(&'w Repository),
    Ref {
        repository: &'w Repository,
        name: String,
        tag: bool,
    },
    Commit(&'w Repository, &'w Commit),
    Tree {
        repository: &'w Repository,
        sha: &'w str,
        folder: String,
    },
    TreeEntry {
        repository: &'w Repository,
        sha: &'w str,
        path: String,
        oid: Option<String>,
    },
    Blob {
        oid: String,
        text: Option<String>,
    },
    Signature {
        login: &'w str,
        at: Instant,
    },
    Pull(&'w Repository, &'w Pull),
    PullCommit(&'w Repository, &'w Commit),
    PullFile(File),
    Review(&'w Review),
    Issue(&'w Repository, &'w Issue),
    Event {
        kind: &'static str,
        at: Instant,
        label: Option<String>,
        /// Why an issue was closed.
        reason: Option<&'static str>,
    },
    Comment {
        at: Instant,
        login: &'w str,
    },
    Label(String),
    Actor(&'w str),
    Deployment(&'w Repository, &'w Deployment),
    Status(DeploymentStatus),
    Release(&'w Repository, &'w Release),
    /// Something that the token may not see.
    Forbidden,
}

type Field<'w> = Option<Result<Resolved<Item<'w>>, Failure>>;

fn scalar<'w>(value: impl Into<Value>) -> Field<'w> {
    Some(Ok(Resolved::Value(value.into())))
}

fn when<'w>(at: Instant) -> Field<'w> {
    scalar(text(at))
}

fn maybe<'w>(at: Option<Instant>) -> Field<'w> {
    scalar(at.map(text))
}

fn object<'w>(item: Item<'w>) -> Field<'w> {
    Some(Ok(Resolved::Node(Some(item))))
}

fn optional<'w>(item: Option<Item<'w>>) -> Field<'w> {
    Some(Ok(Resolved::Node(item)))
}

fn list<'w>(items: Vec<Item<'w>>) -> Field<'w> {
    Some(Ok(Resolved::connection(items)))
}

fn not_found(message: String) -> Failure {
    Failure { kind: "NOT_FOUND", message, spoils_parent: false }
}

impl<'w> Schema for View<'w> {
    type Node = Item<'w>;

    fn type_name(&self, node: &Item<'w>) -> &'static str {
        match node {
            Item::Query => "Query",
            Item::RateLimit => "RateLimit",
            Item::Organization => "Organization",
            Item::Repository(_) => "Repository",
            Item::Ref { .. } => "Ref",
            Item::Commit(..) => "Commit",
            Item::Tree { .. } => "Tree",
            Item::TreeEntry { .. } => "TreeEntry",
            Item::Blob { .. } => "Blob",
            Item::Signature { .. } => "GitActor",
            Item::Pull(..) => "PullRequest",
            Item::PullCommit(..) => "PullRequestCommit",
            Item::PullFile(_) => "PullRequestChangedFile",
            Item::Review(_) => "PullRequestReview",
            Item::Issue(..) => "Issue",
            Item::Event { kind, .. } => kind,
            Item::Comment { .. } => "IssueComment",
            Item::Label(_) => "Label",
            Item::Actor(login) if login.ends_with("[bot]") => "Bot",
            Item::Actor(_) => "User",
            Item::Deployment(..) => "Deployment",
            Item::Status(_) => "DeploymentStatus",
            Item::Release(..) => "Release",
            Item::Forbidden => "Forbidden",
        }
    }

    fn refused(&self, node: &Item<'w>) -> Option<Failure> {
        matches!(node, Item::Forbidden).then(|| self.refusal(false))
    }

    fn field(&self, node: &Item<'w>, name: &str, arguments: &Arguments) -> Field<'w> {
        match node {
            Item::Query => self.query(name, arguments),
            Item::RateLimit => self.rate_limit(name),
            Item::Organization => self.organization(name, arguments),
            Item::Repository(it) => self.repository(it, name, arguments),
            Item::Ref { repository, name: branch, tag } => {
                self.reference(repository, branch, *tag, name)
            }
            Item::Commit(repository, it) => self.commit(repository, it, name, arguments),
            Item::Tree { repository, sha, folder } => self.tree(repository, sha, folder, name),
            Item::TreeEntry { repository, sha, path, oid } => {
                self.entry(repository, sha, path, oid.as_deref(), name)
            }
            Item::Blob { oid, text } => match name {
                "oid" => scalar(oid.as_str()),
                "text" => scalar(text.as_deref()),
                "byteSize" => scalar(text.as_ref().map_or(0, String::len)),
                "isBinary" | "isTruncated" => scalar(false),
                _ => None,
            },
            Item::Signature { login, at } => match name {
                "name" => scalar(*login),
                "date" => when(*at),
                "user" => optional((!login.ends_with("[bot]")).then_some(Item::Actor(login))),
                _ => None,
            },
            Item::Pull(repository, it) => self.pull(repository, it, name, arguments),
            Item::PullCommit(repository, commit) => match name {
                "commit" => object(Item::Commit(repository, commit)),
                _ => None,
            },
            Item::PullFile(file) => match name {
                "path" => scalar(file.path.as_str()),
                "additions" | "deletions" => scalar(1),
                "changeType" => scalar(match &file.status {
                    FileStatus::Added => "ADDED",
                    FileStatus::Modified => "MODIFIED",
                    FileStatus::Removed => "DELETED",
                    FileStatus::RenamedFrom(_) => "RENAMED",
                }),
                _ => None,
            },
            Item::Review(it) => match name {
                "submittedAt" | "createdAt" | "updatedAt" => when(it.at),
                "state" => scalar(it.state.as_str()),
                "author" => optional(it.author.as_deref().map(Item::Actor)),
                _ => None,
            },
            Item::Issue(repository, it) => self.issue(repository, it, name, arguments),
            Item::Event { at, label, reason, .. } => match name {
                "createdAt" => when(*at),
                "stateReason" => scalar(*reason),
                "label" => optional(label.clone().map(Item::Label)),
                _ => None,
            },
            Item::Comment { at, login } => match name {
                "createdAt" => when(*at),
                "author" => object(Item::Actor(login)),
                _ => None,
            },
            Item::Label(label) => match name {
                "name" => scalar(label.as_str()),
                _ => None,
            },
            // GraphQL shows a bot's login without the suffix.
            Item::Actor(login) => match name {
                "login" => scalar(login.trim_end_matches("[bot]")),
                _ => None,
            },
            Item::Deployment(repository, it) => self.deployment(repository, it, name),
            Item::Status(it) => match name {
                "state" => scalar(it.state.to_uppercase()),
                "createdAt" | "updatedAt" => when(it.at),
                _ => None,
            },
            Item::Release(repository, it) => self.release(repository, it, name),
            Item::Forbidden => None,
        }
    }
}

impl<'w> View<'w> {
    fn now(&self) -> Instant {
        self.call.now
    }

    fn visible(&self) -> impl Iterator<Item = &'w Repository> {
        let token = self.caller.token.as_ref();
        let now = self.now();
        self.world.repositories.iter().filter(move |it| it.visible(now) && sees(token, it))
    }

    fn query(&self, name: &str, arguments: &Arguments) -> Field<'w> {
        match name {
            "rateLimit" => object(Item::RateLimit),
            "viewer" => object(Item::Actor("reader")),
            "organization" => {
                let login = arguments.text("login").unwrap_or_default();
                if login.eq_ignore_ascii_case(&self.world.organisation) {
                    return object(Item::Organization);
                }
                Some(Err(not_found(format!(
                    "Could not resolve to an Organization with the login of '{login}'."
                ))))
            }
            "repository" => Some(self.by_name(arguments)),
            "node" => {
                let id = arguments.text("id").unwrap_or_default();
                Some(self.by_id(id).map(|item| Resolved::Node(Some(item))))
            }
            "nodes" => {
                let ids = arguments.texts("ids").into_iter();
                Some(Ok(Resolved::List(ids.map(|id| self.by_id(id)).collect())))
            }
            _ => None,
        }
    }

    fn by_name(&self, arguments: &Arguments) -> Result<Resolved<Item<'w>>, Failure> {
        let owner = arguments.text("owner").unwrap_or_default();
        let name = arguments.text("name").unwrap_or_default();
        let follow = arguments.get("followRenames") != Some(&json!(false));
        let of_us = owner.eq_ignore_ascii_case(&self.world.organisation);
        let present = |it: &&Repository| it.name_at(self.now()).eq_ignore_ascii_case(name);
        let found = self
            .visible()
            .find(present)
            .or_else(|| self.visible().find(|it| follow && it.was_named(name, self.now())));
        match found.filter(|_| of_us) {
            Some(found) => Ok(Resolved::Node(Some(Item::Repository(found)))),
            None => Err(not_found(format!(
                "Could not resolve to a Repository with the name '{owner}/{name}'."
            ))),
        }
    }

    fn by_id(&self, id: &str) -> Result<Item<'w>, Failure> {
        let (kind, rest) = id.split_once('_').unwrap_or_default();
        let found = match kind {
            "R" => self.visible().find(|it| it.id.to_string() == rest).map(Item::Repository),
            "PR" => rest.split_once('_').and_then(|(repository, number)| {
                let repository = self.visible().find(|it| it.id.to_string() == repository)?;
                let mut pulls = repository.pulls.iter().filter(|it| it.visible(self.now()));
                let pull = pulls.find(|it| it.number.to_string() == number)?;
                Some(Item::Pull(repository, pull))
            }),
            "I" => rest.split_once('_').and_then(|(repository, number)| {
                let repository = self.visible().find(|it| it.id.to_string() == repository)?;
                let mut issues = repository.issues.iter().filter(|it| it.visible(self.now()));
                let issue = issues.find(|it| it.number.to_string() == number)?;
                Some(Item::Issue(repository, issue))
            }),
            "DE" => self.visible().find_map(|repository| {
                let mut all = repository.deployments.iter().filter(|it| it.visible(self.now()));
                let deployment = all.find(|it| it.id.to_string() == rest)?;
                Some(Item::Deployment(repository, deployment))
            }),
            _ => None,
        };
        let message = || format!("Could not resolve to a node with the global id of '{id}'");
        found.ok_or_else(|| not_found(message()))
    }

    fn rate_limit(&self, name: &str) -> Field<'w> {
        match name {
            "cost" => scalar(self.rate.cost),
            "limit" => scalar(self.rate.limit),
            "remaining" => scalar(self.rate.remaining),
            "used" => scalar(self.rate.limit - self.rate.remaining),
            "resetAt" => scalar(self.rate.reset.as_str()),
            "nodeCount" => scalar(self.rate.nodes),
            _ => None,
        }
    }

    fn organization(&self, name: &str, arguments: &Arguments) -> Field<'w> {
        match name {
            "id" => scalar(format!("O_{}", self.world.organisation_id)),
            "databaseId" => scalar(self.world.organisation_id),
            "login" | "name" => scalar(self.world.organisation.as_str()),
            "repositories" => {
                let mut all: Vec<_> = self.visible().collect();
                if let Some(archived) = arguments.get("isArchived").and_then(Value::as_bool) {
                    all.retain(|it| it.archived == archived);
                }
                let now = self.now();
                sort(&mut all, arguments, |it, order| match order {
                    "NAME" => (Instant::MIN_UTC, it.name_at(now).to_owned(), it.id),
                    "PUSHED_AT" => (it.pushed_at(now), String::new(), it.id),
                    "UPDATED_AT" => (it.updated_at(now), String::new(), it.id),
                    _ => (it.created_at, String::new(), it.id),
                });
                list(all.into_iter().map(Item::Repository).collect())
            }
            _ => None,
        }
    }

    /// A connection that needs a permission. Without it every node is null and told in the
    /// errors, while the rest of the connection is given; or, by setting, the connection is
    /// refused, and since that may not be null there is no repository either.
    fn guarded(&self, permission: &str, items: impl FnOnce() -> Vec<Item<'w>>) -> Field<'w> {
        if self.caller.may(permission) {
            return list(items());
        }
        if self.call.settings.refuses_connections {
            return Some(Err(self.refusal(true)));
        }
        list(items().into_iter().map(|_| Item::Forbidden).collect())
    }

    fn refusal(&self, spoils_parent: bool) -> Failure {
        let who = if self.caller.installation { "integration" } else { "personal access token" };
        let message = format!("Resource not accessible by {who}");
        Failure { kind: "FORBIDDEN", message, spoils_parent }
    }

    fn repository(&self, it: &'w Repository, name: &str, arguments: &Arguments) -> Field<'w> {
        let now = self.now();
        let full = || format!("{}/{}", self.world.organisation, it.name_at(now));
        match name {
            "id" => scalar(format!("R_{}", it.id)),
            "databaseId" => scalar(it.id),
            "name" => scalar(it.name_at(now)),
            "nameWithOwner" => scalar(full()),
            "url" => scalar(format!("https://github.example/{}", full())),
            "owner" => object(Item::Organization),
            "isArchived" => scalar(it.archived),
            "isFork" => scalar(it.fork),
            "isDisabled" => scalar(it.disabled),
            "isPrivate" => scalar(true),
            "isEmpty" => scalar(it.head(now).is_none()),
            "createdAt" => when(it.created_at),
            "updatedAt" => when(it.updated_at(now)),
            "pushedAt" => when(it.pushed_at(now)),
            "defaultBranchRef" if !self.caller.may("contents") => Some(Err(self.refusal(false))),
            "defaultBranchRef" => optional(it.head(now).map(|_| Item::Ref {
                repository: it,
                name: it.default_branch.clone(),
                tag: false,
            })),
            "ref" => {
                let given = arguments.text("qualifiedName").unwrap_or_default();
                let tag = given.starts_with("refs/tags/");
                let short = given.trim_start_matches("refs/");
                let short = short.trim_start_matches("heads/").trim_start_matches("tags/");
                let found = it.resolve(given, now).map(|_| Item::Ref {
                    repository: it,
                    name: short.to_owned(),
                    tag,
                });
                optional(found)
            }
            "object" => optional(self.git_object(it, arguments)),
            "pullRequests" => self.guarded("pull_requests", || self.pulls(it, arguments)),
            "pullRequest" => {
                let number = arguments.get("number").and_then(Value::as_u64);
                let mut pulls = it.pulls.iter().filter(|pull| pull.visible(now));
                match pulls.find(|pull| Some(pull.number) == number) {
                    Some(pull) => object(Item::Pull(it, pull)),
                    None => Some(Err(not_found("Could not resolve to a PullRequest.".into()))),
                }
            }
            "deployments" => self.guarded("deployments", || {
                let wanted = arguments.texts("environments");
                let all = it.deployments.iter().filter(|one| one.visible(now));
                let mut all: Vec<_> = all
                    .filter(|one| wanted.is_empty() || wanted.contains(&one.environment.as_str()))
                    .collect();
                sort(&mut all, arguments, |one, _| (one.created_at, one.id));
                all.into_iter().map(|one| Item::Deployment(it, one)).collect()
            }),
            "hasIssuesEnabled" => scalar(it.has_issues),
            "issues" => self.guarded("issues", || {
                let shown = it.issues.iter().filter(|one| it.has_issues && one.visible(now));
                let mut all: Vec<_> = shown.collect();
                sort(&mut all, arguments, |one, order| match order {
                    "UPDATED_AT" => (one.updated_at(now), one.number),
                    _ => (one.created_at, one.number),
                });
                all.into_iter().map(|one| Item::Issue(it, one)).collect()
            }),
            "releases" => self.guarded("contents", || {
                let mut all: Vec<_> = it.releases.iter().filter(|one| one.visible(now)).collect();
                sort(&mut all, arguments, |one, _| (one.created_at, one.id));
                all.into_iter().map(|one| Item::Release(it, one)).collect()
            }),
            _ => None,
        }
    }

    fn pulls(&self, it: &'w Repository, arguments: &Arguments) -> Vec<Item<'w>> {
        let now = self.now();
        let states = arguments.texts("states");
        let base = arguments.text("baseRefName");
        let all = it.pulls.iter().filter(|pull| pull.visible(now));
        let all = all.filter(|pull| base.is_none_or(|base| pull.base == base));
        let mut all: Vec<_> = all.map(|pull| (pull, it.pull_state(pull, now))).collect();
        all.retain(|(_, state)| states.is_empty() || states.contains(&state.word()));
        sort(&mut all, arguments, |(pull, state), order| match order {
            "UPDATED_AT" => (state.updated_at, pull.number),
            _ => (pull.created_at, pull.number),
        });
        all.into_iter().map(|(pull, _)| Item::Pull(it, pull)).collect()
    }

    /// `object(oid:)` and `object(expression: "COMMIT[:PATH]")`.
    fn git_object(&self, it: &'w Repository, arguments: &Arguments) -> Option<Item<'w>> {
        if !self.caller.may("contents") {
            return None;
        }
        let given = arguments.text("oid").or_else(|| arguments.text("expression"))?;
        let (reference, path) = given
            .split_once(':')
            .map_or((given, None), |(reference, path)| (reference, Some(path)));
        let commit = it.resolve(reference, self.now())?;
        match path {
            None => Some(Item::Commit(it, commit)),
            Some(path) => self.at_path(it, &commit.sha, path.trim_matches('/')),
        }
    }

    fn at_path(&self, it: &'w Repository, sha: &'w str, path: &str) -> Option<Item<'w>> {
        if let Some(blob) = it.blob(sha, path) {
            return Some(Item::Blob { oid: blob.oid(), text: Some(blob.text) });
        }
        let inside = !it.below(sha, path).is_empty();
        inside.then(|| Item::Tree { repository: it, sha, folder: path.to_owned() })
    }

    fn reference(&self, it: &'w Repository, branch: &str, tag: bool, name: &str) -> Field<'w> {
        match name {
            "id" => scalar(format!("REF_{}_{branch}", it.id)),
            "name" => scalar(branch),
            "prefix" => scalar(if tag { "refs/tags/" } else { "refs/heads/" }),
            "target" => {
                let commit = it.resolve(branch, self.now());
                optional(commit.map(|commit| Item::Commit(it, commit)))
            }
            _ => None,
        }
    }

    fn commit(
        &self,
        it: &'w Repository,
        commit: &'w Commit,
        name: &str,
        arguments: &Arguments,
    ) -> Field<'w> {
        let commits = |all: Vec<&'w Commit>| {
            list(all.into_iter().map(|commit| Item::Commit(it, commit)).collect())
        };
        match name {
            "id" => scalar(format!("C_{}_{}", it.id, commit.sha)),
            "oid" => scalar(commit.sha.as_str()),
            "message" => scalar(commit.message.as_str()),
            "messageHeadline" => scalar(commit.message.lines().next().unwrap_or_default()),
            "authoredDate" => when(commit.authored_at),
            "committedDate" => when(commit.committed_at),
            "author" => object(Item::Signature { login: &commit.author, at: commit.authored_at }),
            "parents" => {
                let known = commit.parents.iter().filter_map(|sha| it.commits.get(sha));
                commits(known.collect())
            }
            "history" => {
                let log = match arguments.text("path").map(|path| path.trim_matches('/')) {
                    Some(path) => it.path_log(&commit.sha, path),
                    None => it.log(&commit.sha),
                };
                let edge = |name: &str| arguments.text(name).map(crate::time::When::instant);
                let (since, until) = (edge("since"), edge("until"));
                let inside = |one: &&Commit| {
                    since.is_none_or(|since| since <= one.committed_at)
                        && until.is_none_or(|until| one.committed_at <= until)
                };
                commits(log.into_iter().filter(inside).collect())
            }
            "file" => {
                let path = arguments.text("path").unwrap_or_default().trim_matches('/');
                optional(self.at_path(it, &commit.sha, path).map(|found| Item::TreeEntry {
                    repository: it,
                    sha: &commit.sha,
                    path: path.to_owned(),
                    oid: match found {
                        Item::Blob { oid, .. } => Some(oid),
                        _ => None,
                    },
                }))
            }
            "tree" => {
                object(Item::Tree { repository: it, sha: &commit.sha, folder: String::new() })
            }
            "associatedPullRequests" => {
                let of = |pull: &&Pull| {
                    pull.visible(self.now())
                        && (pull.merge_commit.as_ref() == Some(&commit.sha)
                            || pull.commits.contains(&commit.sha))
                };
                list(it.pulls.iter().filter(of).map(|pull| Item::Pull(it, pull)).collect())
            }
            _ => None,
        }
    }

    fn tree(&self, it: &'w Repository, sha: &'w str, folder: &str, name: &str) -> Field<'w> {
        match name {
            "oid" => scalar(crate::world::digest(("tree", sha, folder))),
            "entries" => {
                let below = it.below(sha, folder);
                let prefix = if folder.is_empty() { 0 } else { folder.len() + 1 };
                let mut entries: Vec<Result<Item<'w>, Failure>> = Vec::new();
                let mut last = String::new();
                for (path, oid) in below {
                    let child = path[prefix..].split('/').next().unwrap_or_default();
                    if child == last {
                        continue;
                    }
                    child.clone_into(&mut last);
                    let path_of_child = path[..prefix + child.len()].to_owned();
                    let oid = (path_of_child == path).then_some(oid);
                    entries.push(Ok(Item::TreeEntry {
                        repository: it,
                        sha,
                        path: path_of_child,
                        oid,
                    }));
                }
                Some(Ok(Resolved::List(entries)))
            }
            _ => None,
        }
    }

    fn entry(
        &self,
        it: &'w Repository,
        sha: &'w str,
        path: &str,
        oid: Option<&str>,
        name: &str,
    ) -> Field<'w> {
        match name {
            "name" => scalar(path.rsplit('/').next().unwrap_or_default()),
            "path" => scalar(path),
            "type" => scalar(if oid.is_some() { "blob" } else { "tree" }),
            "oid" => scalar(oid.map_or_else(|| crate::world::digest((sha, path)), str::to_owned)),
            "object" => object(match oid {
                Some(oid) => {
                    let text = it.blob(sha, path).map(|blob| blob.text);
                    Item::Blob { oid: oid.to_owned(), text }
                }
                None => Item::Tree { repository: it, sha, folder: path.to_owned() },
            }),
            _ => None,
        }
    }

    fn pull(
        &self,
        it: &'w Repository,
        pull: &'w Pull,
        name: &str,
        arguments: &Arguments,
    ) -> Field<'w> {
        let now = self.now();
        let state = || it.pull_state(pull, now);
        let commits = || it.pull_commits(pull, now);
        match name {
            "id" => scalar(format!("PR_{}_{}", it.id, pull.number)),
            "databaseId" => scalar(it.id * 1_000_000 + pull.number),
            "number" => scalar(pull.number),
            "title" => scalar(pull.title.as_str()),
            "body" | "bodyText" => scalar(pull.body.as_str()),
            "state" => scalar(state().word()),
            "merged" => scalar(state().merged),
            "closed" => scalar(!state().open),
            "isDraft" => scalar(state().draft),
            "createdAt" => when(pull.created_at),
            "updatedAt" => when(state().updated_at),
            "closedAt" => maybe(state().closed_at),
            "mergedAt" => maybe(pull.merged_at.filter(|at| *at <= now)),
            "mergeCommit" => {
                let merged = state().merged.then_some(()).and(pull.merge_commit.as_ref());
                let commit = merged.and_then(|sha| it.commits.get(sha));
                optional(commit.map(|commit| Item::Commit(it, commit)))
            }
            "author" => optional(pull.author.as_deref().map(Item::Actor)),
            "baseRefName" => scalar(pull.base.as_str()),
            "headRefName" => scalar(pull.head.as_str()),
            "headRefOid" => scalar(commits().last().map(|commit| commit.sha.clone())),
            "baseRefOid" => {
                let first = commits().first().and_then(|commit| commit.parents.first().cloned());
                scalar(first.or_else(|| it.tip(&pull.base, pull.created_at)))
            }
            "totalCommentsCount" => {
                let all = pull.comments.iter().chain(&pull.review_comments);
                scalar(all.filter(|(at, _)| *at <= now).count())
            }
            "repository" | "headRepository" => object(Item::Repository(it)),
            "labels" => list(state().labels.into_iter().map(Item::Label).collect()),
            "commits" => {
                let cap = self.call.settings.pull_commits_cap;
                let shown = commits().into_iter().take(cap);
                list(shown.map(|commit| Item::PullCommit(it, commit)).collect())
            }
            "files" => list(it.pull_files(pull, now).into_iter().map(Item::PullFile).collect()),
            "reviews" => {
                let shown = pull.reviews.iter().filter(|review| review.at <= now);
                list(shown.map(Item::Review).collect())
            }
            "comments" => {
                let shown = pull.comments.iter().filter(|(at, _)| *at <= now);
                list(shown.map(|(at, login)| Item::Comment { at: *at, login }).collect())
            }
            "timelineItems" => list(self.timeline(pull, arguments)),
            _ => None,
        }
    }

    fn issue(
        &self,
        it: &'w Repository,
        issue: &'w Issue,
        name: &str,
        arguments: &Arguments,
    ) -> Field<'w> {
        let now = self.now();
        let closed = issue.closed(now);
        match name {
            "id" => scalar(format!("I_{}_{}", it.id, issue.number)),
            "number" => scalar(issue.number),
            "createdAt" => when(issue.created_at),
            "updatedAt" => when(issue.updated_at(now)),
            "closedAt" => maybe(closed.map(|(at, _)| at)),
            "state" => scalar(if closed.is_some() { "CLOSED" } else { "OPEN" }),
            "stateReason" => scalar(closed.map(|(_, reason)| reason)),
            "labels" => list(issue.labels(now).into_iter().map(Item::Label).collect()),
            "timelineItems" => {
                let wanted = arguments.texts("itemTypes");
                let known = issue.events.iter().filter(|event| event.at <= now);
                let item = |event: &IssueEvent| {
                    let (word, kind, label, reason) = match &event.kind {
                        IssueEventKind::Labeled(it) => {
                            ("LABELED_EVENT", "LabeledEvent", Some(it.clone()), None)
                        }
                        IssueEventKind::Unlabeled(it) => {
                            ("UNLABELED_EVENT", "UnlabeledEvent", Some(it.clone()), None)
                        }
                        IssueEventKind::Closed(reason) => {
                            ("CLOSED_EVENT", "ClosedEvent", None, Some(*reason))
                        }
                        IssueEventKind::Reopened => ("REOPENED_EVENT", "ReopenedEvent", None, None),
                    };
                    let shown = wanted.is_empty() || wanted.contains(&word);
                    shown.then_some(Item::Event { kind, at: event.at, label, reason })
                };
                list(known.filter_map(item).collect())
            }
            _ => None,
        }
    }

    fn timeline(&self, pull: &'w Pull, arguments: &Arguments) -> Vec<Item<'w>> {
        let now = self.now();
        let wanted = arguments.texts("itemTypes");
        let mut found: Vec<(Instant, &str, Item<'w>)> = Vec::new();
        for event in &pull.events {
            let (word, kind, label) = match &event.kind {
                PullEventKind::ReadyForReview => {
                    ("READY_FOR_REVIEW_EVENT", "ReadyForReviewEvent", None)
                }
                PullEventKind::ConvertToDraft => {
                    ("CONVERT_TO_DRAFT_EVENT", "ConvertToDraftEvent", None)
                }
                PullEventKind::Labeled(it) => ("LABELED_EVENT", "LabeledEvent", Some(it.clone())),
                PullEventKind::Unlabeled(it) => {
                    ("UNLABELED_EVENT", "UnlabeledEvent", Some(it.clone()))
                }
                PullEventKind::Closed => ("CLOSED_EVENT", "ClosedEvent", None),
                PullEventKind::Reopened => ("REOPENED_EVENT", "ReopenedEvent", None),
                PullEventKind::HeadRefForcePushed => {
                    ("HEAD_REF_FORCE_PUSHED_EVENT", "HeadRefForcePushedEvent", None)
                }
            };
            found.push((event.at, word, Item::Event { kind, at: event.at, label, reason: None }));
        }
        if let Some(at) = pull.merged_at {
            found.push((
                at,
                "MERGED_EVENT",
                Item::Event { kind: "MergedEvent", at, label: None, reason: None },
            ));
        }
        let reviews = pull.reviews.iter();
        found.extend(reviews.map(|it| (it.at, "PULL_REQUEST_REVIEW", Item::Review(it))));
        found.retain(|(at, word, _)| *at <= now && (wanted.is_empty() || wanted.contains(word)));
        found.sort_by_key(|(at, ..)| *at);
        found.into_iter().map(|(.., item)| item).collect()
    }

    fn deployment(&self, it: &'w Repository, one: &'w Deployment, name: &str) -> Field<'w> {
        // The vendor lists the newest first.
        let statuses = || {
            let mut all = it.statuses(one, self.now());
            all.reverse();
            all
        };
        match name {
            "id" => scalar(format!("DE_{}", one.id)),
            "databaseId" => scalar(one.id),
            "commitOid" => scalar(one.commit.as_str()),
            "commit" => {
                let commit = it.commits.get(&one.commit);
                optional(commit.map(|commit| Item::Commit(it, commit)))
            }
            "environment" | "originalEnvironment" | "latestEnvironment" => {
                scalar(one.environment.as_str())
            }
            "task" => scalar(one.task.as_str()),
            "description" => scalar(one.description.as_deref()),
            // The vendor gives the JSON as a text in a text.
            "payload" => {
                let filled = one.payload.as_object().is_some_and(|it| !it.is_empty());
                scalar(filled.then(|| json!(one.payload.to_string()).to_string()))
            }
            "creator" => object(Item::Actor(&one.creator)),
            "createdAt" => when(one.created_at),
            "updatedAt" => when(statuses().first().map_or(one.created_at, |status| status.at)),
            "state" => scalar(match statuses().first().map(|status| status.state.clone()) {
                None => "PENDING".to_owned(),
                Some(state) if state == "success" => "ACTIVE".to_owned(),
                Some(state) => state.to_uppercase(),
            }),
            "latestStatus" => optional(statuses().into_iter().next().map(Item::Status)),
            "statuses" => list(statuses().into_iter().map(Item::Status).collect()),
            "ref" => {
                let found = it.resolve(&one.reference, self.now());
                let name = one.reference.clone();
                optional(found.map(|_| Item::Ref { repository: it, name, tag: false }))
            }
            _ => None,
        }
    }

    fn release(&self, it: &'w Repository, one: &'w Release, name: &str) -> Field<'w> {
        match name {
            "id" => scalar(format!("RE_{}", one.id)),
            "databaseId" => scalar(one.id),
            "tagName" | "name" => scalar(one.tag.as_str()),
            "isDraft" => scalar(one.draft),
            "isPrerelease" => scalar(one.prerelease),
            "createdAt" => when(one.created_at),
            "publishedAt" | "updatedAt" => maybe(one.published_at),
            "tagCommit" => {
                let commit = it.commits.get(&one.commit);
                optional(commit.map(|commit| Item::Commit(it, commit)))
            }
            _ => None,
        }
    }
}

/// Sorts as `orderBy: {field, direction}` says; ascending unless it says otherwise.
fn sort<T, K: Ord>(items: &mut [T], arguments: &Arguments, key: impl Fn(&T, &str) -> K) {
    let order = arguments.get("orderBy");
    let part = |name: &str| order.and_then(|order| order.get(name)).and_then(Value::as_str);
    let by = part("field").unwrap_or("CREATED_AT");
    items.sort_by_key(|item| key(item, by));
    if part("direction") == Some("DESC") {
        items.reverse();
    }
}
