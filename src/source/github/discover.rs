//! Which repositories there are, and where each of them stands: one overview instead of many
//! questions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::deployments::{self, Glimpse};
use super::graphql::{
    Connection, NodesOf, ORGANIZATION_REPOSITORIES, Pager, QueryError, REPOSITORIES_BY_ID,
    REPOSITORY_BY_NAME, Reply, variables,
};
use super::name::FullName;
use super::needs::RepositoryNeeds;
use super::pulls::commit_id;
use super::{Shared, commits, cursor, releases};
use crate::domain::fact::Repository;
use crate::domain::{CommitId, Fact, Instant, Kind, RepositoryId};
use crate::source::{PollContext, PollReport, SourceError};
use crate::store::Batch;

/// Repositories a page of the overview. Each brings its newest deployments.
const PAGE: u32 = 25;

/// Deployments of each repository in the overview: enough to see whether any of the settle window
/// moved, for most repositories.
const DEPLOYMENTS: u32 = 100;

const STREAM: &str = "repositories";

/// Nobody can tell a deletion from a permission that was taken away.
const NOT_THERE: &str = "not there, or not visible to this token";

/// A repository that is collected.
#[derive(Clone, Debug)]
pub(super) struct Collected {
    /// The fact as the overview shows it.
    pub(super) fact: Repository,
    /// GitHub's number of it, the same for ever.
    pub(super) native: u64,
    /// GitHub's node id of it.
    pub(super) node: String,
    /// Its present name.
    pub(super) name: FullName,
    /// What the rules need of it.
    pub(super) needs: RepositoryNeeds,
    /// Where it stands.
    pub(super) overview: Overview,
}

/// Where a repository stands.
#[derive(Clone, Debug)]
pub(super) struct Overview {
    /// Tip of the default branch; absent in an empty repository.
    pub(super) head: Option<CommitId>,
    /// It has commits that this token may not see.
    pub(super) hides_commits: bool,
    /// The pull request that was updated last.
    pub(super) newest_pull: Option<NewestPull>,
    /// It has pull requests that this token may not see.
    pub(super) hides_pulls: bool,
    /// The issue that was updated last, where a rule needs issues.
    pub(super) newest_issue: Option<NewestPull>,
    /// It has issues that this token may not see.
    pub(super) hides_issues: bool,
    /// Issues are switched off.
    pub(super) has_no_issues: bool,
    /// `None` where this token may not see deployments, or there is no such feature.
    pub(super) deployments: Option<Glimpse>,
    /// Hash of the newest releases; `None` likewise.
    pub(super) releases: Option<String>,
}

/// The pull request or the issue that was updated last.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewestPull {
    pub(super) number: u64,
    pub(super) updated_at: Instant,
}

#[derive(Deserialize)]
struct Organization {
    organization: Option<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    repositories: Connection,
}

#[derive(Deserialize)]
struct ByName {
    repository: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    database_id: u64,
    name_with_owner: String,
    #[serde(default)]
    is_archived: bool,
    #[serde(default)]
    is_fork: bool,
    #[serde(default)]
    is_disabled: bool,
    created_at: Instant,
    #[serde(default)]
    updated_at: Option<Instant>,
    #[serde(default)]
    pushed_at: Option<Instant>,
    #[serde(default)]
    is_empty: Option<bool>,
    #[serde(default)]
    default_branch_ref: Option<Branch>,
    #[serde(default)]
    pull_requests: Option<Connection<NewestPull>>,
    #[serde(default)]
    has_issues_enabled: Option<bool>,
    #[serde(default)]
    issues: Option<Connection<NewestPull>>,
    #[serde(default)]
    deployments: Option<Connection>,
    #[serde(default)]
    releases: Option<Connection>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    oid: String,
}

/// What is known about names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// The repository that each configured name (lower case) stands for, by its number.
    names: BTreeMap<String, u64>,
    /// The node id of each.
    nodes: BTreeMap<u64, String>,
}

/// What a search found.
pub(super) struct Discovery {
    /// The repositories that are collected.
    pub(super) collected: Vec<Collected>,
    /// A rule needs a repository that was collected before and cannot be collected now.
    pub(super) missing: Option<SourceError>,
}

/// Finds every repository that is to be collected and stores what the overview shows.
pub(super) async fn discover(
    shared: &Shared,
    cx: &PollContext,
    report: &mut PollReport,
) -> Result<Discovery, SourceError> {
    let store = &*cx.store;
    let cursor: Option<Cursor> = cursor::load(store, &shared.source, STREAM).await?;
    let mut search = Search {
        shared,
        report,
        found: BTreeMap::new(),
        listed: BTreeSet::new(),
        cursor: cursor.unwrap_or_default(),
        lacking: Vec::new(),
    };
    search.organisation().await?;
    search.by_id().await?;
    search.by_name().await?;
    let found = std::mem::take(&mut search.found);
    let mut collected = Vec::new();
    let mut batch = Batch::default();
    for (native, node) in found {
        if let Some(repository) = search.collect(native, node) {
            // The tip that the fact names is one that the graph has.
            let head = commits::head_of(store, &shared.source, native).await?;
            let fact = Repository { head, ..repository.fact.clone() };
            batch.facts.push(Fact::Repository(fact));
            collected.push(repository);
        }
    }
    let Search { cursor, lacking, .. } = search;
    let missing = missing(shared, cx, lacking, report).await?;
    cursor::save(&mut batch, STREAM, &cursor);
    shared.commit(cx, batch).await?;
    Ok(Discovery { collected, missing })
}

/// A search for repositories.
struct Search<'a> {
    shared: &'a Shared,
    report: &'a mut PollReport,
    found: BTreeMap<u64, Node>,
    /// The numbers of those that the organisation lists.
    listed: BTreeSet<u64>,
    cursor: Cursor,
    /// Repositories that cannot be collected: their names, and why.
    lacking: Vec<(BTreeSet<String>, String)>,
}

impl Search<'_> {
    /// The organisation's repositories.
    async fn organisation(&mut self) -> Result<(), SourceError> {
        let Some(organisation) = &self.shared.organisation else { return Ok(()) };
        let mut pager = Pager::new(&self.shared.graphql, ORGANIZATION_REPOSITORIES, PAGE, None);
        let asked = variables([
            ("organization", json!(organisation)),
            ("deployments", json!(DEPLOYMENTS)),
            ("issues", json!(self.shared.needs.issues())),
        ]);
        loop {
            let reply: Reply<Organization> = pager.ask(&asked).await?;
            let Some(Listing { repositories: page }) = reply.data.organization else {
                return Err(SourceError::NotFound(format!(
                    "the organisation {organisation}, or it is not visible to this token"
                )));
            };
            let hidden = page.nodes.iter().filter(|it| it.is_none()).count();
            if hidden > 0 {
                self.report.warnings.push(format!(
                    "{hidden} repositories of {organisation} are hidden from this token: {}",
                    reply.refused.first().map_or("no reason given", String::as_str)
                ));
            }
            for node in page.items() {
                let Some(node) = self.decode(node) else { continue };
                self.listed.insert(node.database_id);
                let Some(name) = FullName::parse(&node.name_with_owner) else {
                    self.report.reject(Kind::Repository);
                    tracing::warn!(
                        number = node.database_id,
                        "a repository has an impossible name"
                    );
                    continue;
                };
                // Under its present name it needs no further question.
                if self.explicit_names().any(|it| it == name.key()) {
                    self.cursor.names.insert(name.key(), node.database_id);
                }
                let forks = node.is_fork;
                if self.shared.selection.takes(&name, node.is_archived, forks) {
                    self.found.insert(node.database_id, node);
                }
            }
            if !pager.follow(&page)? {
                return Ok(());
            }
        }
    }

    /// Names that configuration uses: those that are listed, and those of services and decision
    /// rules in the organisation.
    fn explicit_names(&self) -> impl Iterator<Item = String> + '_ {
        let organisation = self.shared.organisation.as_deref();
        let in_organisation = move |name: &&str| {
            let owner = name.split('/').next().unwrap_or_default();
            organisation.is_some_and(|it| it.eq_ignore_ascii_case(owner))
        };
        let needed = self.shared.needs.repositories().filter(in_organisation);
        let listed = self.shared.repositories.iter().map(FullName::key);
        listed.chain(needed.map(str::to_owned))
    }

    /// Repositories that a name led to before: still the same ones, whatever they are called now.
    async fn by_id(&mut self) -> Result<(), SourceError> {
        let names: BTreeSet<String> = self.explicit_names().collect();
        self.cursor.names.retain(|name, _| names.contains(name));
        let known: Vec<u64> = self.cursor.names.values().copied().collect();
        let wanted: BTreeMap<u64, String> = known
            .into_iter()
            .filter(|it| !self.listed.contains(it))
            .filter_map(|it| Some((it, self.cursor.nodes.get(&it)?.clone())))
            .collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        for wanted in wanted.chunks(PAGE as usize) {
            let ids: Vec<_> = wanted.iter().map(|(_, node)| node).collect();
            let asked = json!({
                "ids": ids, "deployments": DEPLOYMENTS, "issues": self.shared.needs.issues(),
            });
            let reply: Reply<NodesOf> = self.shared.graphql.ask(REPOSITORIES_BY_ID, asked).await?;
            for ((native, _), node) in wanted.iter().zip(&reply.data.nodes) {
                match node.as_deref().and_then(|it| self.decode(it)) {
                    Some(node) => {
                        self.found.insert(*native, node);
                    }
                    None => self.cursor.names.retain(|_, it| it != native),
                }
            }
        }
        Ok(())
    }

    /// Names that nothing is known about yet. GitHub follows a former name to its repository.
    async fn by_name(&mut self) -> Result<(), SourceError> {
        let names: BTreeSet<String> = self.explicit_names().collect();
        for key in names {
            if self.cursor.names.contains_key(&key) {
                continue;
            }
            let Some(name) = FullName::parse(&key) else { continue };
            let asked = json!({
                "owner": name.owner(), "name": name.name(), "deployments": DEPLOYMENTS,
                "issues": self.shared.needs.issues(),
            });
            let reply: Result<Reply<ByName>, QueryError> =
                self.shared.graphql.ask(REPOSITORY_BY_NAME, asked).await;
            let node = match reply {
                Ok(reply) => reply.data.repository,
                Err(QueryError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            match node.as_deref().and_then(|it| self.decode(it)) {
                Some(node) => {
                    self.cursor.names.insert(key, node.database_id);
                    if !self.listed.contains(&node.database_id) {
                        self.found.insert(node.database_id, node);
                    }
                }
                None => self.lacks(&BTreeSet::from([key]), &name, NOT_THERE),
            }
        }
        Ok(())
    }

    /// A repository cannot be collected.
    fn lacks(&mut self, names: &BTreeSet<String>, name: &FullName, why: &str) {
        let text = format!("repository {name}: {why}");
        self.lacking.push((names.clone(), text));
    }

    fn decode(&mut self, node: &RawValue) -> Option<Node> {
        match serde_json::from_str::<Node>(node.get()) {
            Ok(node) => {
                self.cursor.nodes.insert(node.database_id, node.id.clone());
                Some(node)
            }
            Err(error) => {
                self.report.reject(Kind::Repository);
                tracing::warn!(source = %self.shared.source, %error, "a repository cannot be read");
                None
            }
        }
    }
}

impl Search<'_> {
    fn collect(&mut self, native: u64, node: Node) -> Option<Collected> {
        let names = self.cursor.names.iter().filter(|(_, it)| **it == native);
        let mut names: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
        let Some(name) = FullName::parse(&node.name_with_owner) else {
            self.report.reject(Kind::Repository);
            return None;
        };
        names.insert(name.key());
        if node.is_disabled {
            self.lacks(&names, &name, "disabled by GitHub");
            return None;
        }
        Some(collected(self.shared, node, name, names))
    }
}

/// What becomes of repositories that cannot be collected. One that was collected before and that a
/// rule needs is a failure: its KPIs would fade as if nothing happened there any more. One that
/// never was has no values anyway.
async fn missing(
    shared: &Shared,
    cx: &PollContext,
    lacking: Vec<(BTreeSet<String>, String)>,
    report: &mut PollReport,
) -> Result<Option<SourceError>, SourceError> {
    let mut missing = None;
    if lacking.is_empty() {
        return Ok(missing);
    }
    let mut before = BTreeSet::new();
    for fact in cx.store.facts(&shared.source, Kind::Repository, None).await? {
        if let Fact::Repository(it) = fact {
            before.insert(it.name.to_lowercase());
            before.extend(it.former_names.into_iter().map(|it| it.to_lowercase()));
        }
    }
    for (names, text) in lacking {
        let faded = |it: &str| names.contains(it) && before.contains(it);
        if missing.is_none() && shared.needs.repositories().any(faded) {
            missing = Some(SourceError::NotFound(format!(
                "{text}; a rule needs it: give the token access, or take it out of the configuration"
            )));
        } else {
            report.warnings.push(text);
        }
    }
    Ok(missing)
}

fn collected(shared: &Shared, node: Node, name: FullName, names: BTreeSet<String>) -> Collected {
    let key = name.key();
    let branch = node.default_branch_ref;
    let head = branch.as_ref().and_then(|it| commit_id(&it.target.as_ref()?.oid));
    let changed = [node.updated_at, node.pushed_at].into_iter().flatten();
    let fact = Repository {
        id: RepositoryId::of(&shared.source, node.database_id),
        name: name.to_string(),
        former_names: names.iter().filter(|it| **it != key).cloned().collect(),
        default_branch: branch.map(|it| it.name),
        head: head.clone(),
        archived: node.is_archived,
        created_at: node.created_at,
        updated_at: changed.fold(node.created_at, Instant::max),
    };
    let hides_pulls = node.pull_requests.as_ref().is_none_or(Connection::is_veiled);
    let newest_pull = node.pull_requests.and_then(|it| it.nodes.into_iter().flatten().next());
    let hides_issues = node.issues.as_ref().is_none_or(Connection::is_veiled);
    let newest_issue = node.issues.and_then(|it| it.nodes.into_iter().flatten().next());
    let deployments = node.deployments.as_ref().filter(|it| !it.is_veiled());
    let releases = node.releases.as_ref().filter(|it| !it.is_veiled());
    Collected {
        native: node.database_id,
        node: node.id,
        needs: shared.needs.of_names(names.iter().map(String::as_str)),
        name,
        overview: Overview {
            hides_commits: head.is_none() && node.is_empty == Some(false),
            head,
            newest_pull,
            hides_pulls,
            newest_issue,
            hides_issues,
            has_no_issues: node.has_issues_enabled == Some(false),
            deployments: deployments.map(deployments::glimpse),
            releases: releases.map(releases::glimpse),
        },
        fact,
    }
}

/// Warns of repositories that are stored and that GitHub does not show any more. Their history
/// stays: losing a permission looks the same as a deletion and must not rewrite the past.
pub(super) async fn reconcile(
    shared: &Shared,
    cx: &PollContext,
    collected: &[Collected],
    report: &mut PollReport,
) -> Result<(), SourceError> {
    let present: BTreeSet<_> = collected.iter().map(|it| &it.fact.id).collect();
    for fact in cx.store.facts(&shared.source, Kind::Repository, None).await? {
        if let Fact::Repository(it) = fact
            && !present.contains(&it.id)
        {
            report.warnings.push(format!(
                "repository {}: not collected any more (gone, not visible to this token, or left \
                 out by configuration); its history stays",
                it.name
            ));
        }
    }
    Ok(())
}
