//! A look at what a token can see, for `engkpi check`. Each permission is tried by a request of its
//! own, because one that is missing spoils the whole answer to a query.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::app::App;
use super::graphql::{
    API_VERSION, CHECK_DEPLOYMENTS, CHECK_ENVIRONMENT, CHECK_FOLDER, CHECK_ISSUES, CHECK_PULLS,
    Connection, MEDIA_TYPE, Query, QueryError, variables,
};
use super::name::FullName;
use super::{BuildError, GitHub, Needs, RepositoryNeeds, SIDE_BY_SIDE, Settings, Shared, alerts};
use crate::domain::{Instant, SourceName};
use crate::kpi::Need;
use crate::source::SourceError;
use crate::source::outbound::{
    Answer, Authenticator, Dialect, Environment, Exchange, Limits, Options, Outbound,
    OutboundError, Request,
};
use crate::source::probe::{Lack, Probe, RepositoryProbe};

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No client can be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The first question already failed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What a permission is wanted for, by what rules need of a repository.
type Wants = fn(&RepositoryNeeds) -> bool;

/// Permissions that the source needs, as Apps and people call them, what for, and when. All of them
/// to read.
const PERMISSIONS: [(&str, &str, Need, Wants); 12] = [
    ("contents", "Contents", Need::Changes, |_| true),
    ("pull_requests", "Pull requests", Need::Changes, |_| true),
    ("deployments", "Deployments", Need::Deployments, |it| !it.environments.is_empty()),
    ("actions", "Actions", Need::Deployments, |it| it.deploys),
    ("actions", "Actions", Need::Boundaries, |it| it.tests),
    ("issues", "Issues", Need::Debt, |it| !it.issue_labels.is_empty()),
    ("vulnerability_alerts", "Dependabot alerts", Need::Findings, |it| reads(it, "dependabot")),
    ("security_events", "Code scanning alerts", Need::Findings, |it| reads(it, "code_scanning")),
    ("secret_scanning_alerts", "Secret scanning alerts", Need::Findings, |it| {
        reads(it, "secret_scanning")
    }),
    ("contents", "Contents", Need::Standards, |it| !it.contents.is_empty()),
    ("repository_custom_properties", "Custom properties", Need::Standards, |it| it.properties),
    ("metadata", "Metadata", Need::Changes, |_| true),
];

fn reads(needs: &RepositoryNeeds, tool: &str) -> bool {
    needs.finding_tools.contains(tool)
}

/// What a credential need not go beyond: those that every organisation needs, and those that rules
/// ask for.
fn enough(named: &BTreeMap<String, RepositoryNeeds>) -> String {
    let usual = ["Contents", "Pull requests", "Deployments", "Actions", "Metadata"];
    let mut names: Vec<&str> = Vec::new();
    for (_, name, _, wants) in PERMISSIONS {
        let wanted = usual.contains(&name) || named.values().any(wants);
        if wanted && !names.contains(&name) {
            names.push(name);
        }
    }
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}

/// Scopes of classic tokens that read only.
const READING_SCOPES: [&str; 8] = [
    "read:org",
    "read:user",
    "user:email",
    "read:project",
    "read:packages",
    "read:repo_hook",
    "read:enterprise",
    "repo:status",
];

impl GitHub {
    /// Looks at everything that configuration names, collecting nothing.
    ///
    /// # Errors
    /// When no client can be made, or the credential itself is refused.
    pub async fn probe(
        name: SourceName,
        settings: &Settings,
        needs: Needs,
        environment: &Environment,
    ) -> Result<Probe, ProbeError> {
        let named: BTreeMap<String, RepositoryNeeds> =
            needs.repositories().map(|it| (it.to_owned(), needs.of_names([it]))).collect();
        let source = Self::new(name.clone(), settings, needs, environment)?;
        let mut probe = Probe::default();
        match &settings.app {
            Some(app) => {
                let app = App::new(app.clone());
                let permissions =
                    installation(app, name, settings, environment, &mut probe).await?;
                missing(&permissions, &named, &mut probe);
            }
            None => source.shared.token(&enough(&named), &mut probe).await?,
        }
        source.shared.listing(&mut probe).await?;
        let looks = named.into_iter().map(|(name, needs)| source.shared.look(name, needs));
        let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
        while let Some(look) = looks.next().await {
            probe.saw(look.oldest);
            probe.lacks.extend(look.lacks);
            probe.warnings.extend(look.warnings);
            probe.repositories.insert(look.key, look.repository);
        }
        probe.lacks.sort_by(|a, b| (a.need, &a.why).cmp(&(b.need, &b.why)));
        probe.lacks.dedup();
        probe.warnings.sort();
        Ok(probe)
    }
}

/// Asks as the App what its installation may do.
async fn installation(
    app: App,
    source: SourceName,
    settings: &Settings,
    environment: &Environment,
    probe: &mut Probe,
) -> Result<BTreeMap<String, String>, ProbeError> {
    #[derive(Deserialize)]
    struct Installation {
        #[serde(default)]
        permissions: BTreeMap<String, String>,
        #[serde(default)]
        suspended_at: Option<Instant>,
    }
    let id = settings.app.as_ref().map_or(0, |it| it.installation_id).to_string();
    let options = Options {
        source,
        base: settings.api_url.clone(),
        dialect: Dialect::GitHub,
        limits: Limits { allow_plain_http: settings.allow_insecure, ..Limits::of(Dialect::GitHub) },
        auth: Arc::new(AsApp(app)),
    };
    let outbound = Outbound::new(options, environment).map_err(BuildError::from)?;
    let page = outbound.get(&request(["app", "installations", &id])).await;
    let found: Installation = page.and_then(|page| page.json()).map_err(SourceError::from)?;
    probe.credential = format!("installation {id} of a GitHub App");
    if found.suspended_at.is_some() {
        probe.warnings.push("the installation is suspended".to_owned());
    }
    let writing: Vec<&str> = found
        .permissions
        .iter()
        .filter(|(_, level)| level.as_str() != "read")
        .map(|(name, _)| name.as_str())
        .collect();
    if !writing.is_empty() {
        probe.warnings.push(format!("the App may write {}; engkpi only reads", writing.join(", ")));
    }
    Ok(found.permissions)
}

/// Notes the permissions that rules need and an App has not.
fn missing(
    permissions: &BTreeMap<String, String>,
    named: &BTreeMap<String, RepositoryNeeds>,
    probe: &mut Probe,
) {
    for (permission, _, need, wants) in PERMISSIONS {
        let used = permission == "metadata" || named.values().any(wants);
        if used && !permissions.contains_key(permission) {
            let why = format!("the App has no permission \"{permission}: read\"");
            probe.lacks.push(Lack { need, why });
        }
    }
}

/// Presents the App itself instead of one of its installations.
struct AsApp(App);

impl fmt::Debug for AsApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsApp")
    }
}

#[async_trait]
impl Authenticator for AsApp {
    fn identity(&self) -> &str {
        "app"
    }

    async fn authorization(&self, _: &Exchange<'_>) -> Result<Option<HeaderValue>, OutboundError> {
        self.0.proof().map(Some)
    }

    async fn refused(&self, _: &HeaderValue) -> bool {
        false
    }
}

fn request<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Request {
    let (name, version) = API_VERSION;
    Request::to(segments).accept(MEDIA_TYPE).header(name, version)
}

/// What was seen of one repository.
#[derive(Debug, Default)]
struct Look {
    key: String,
    repository: RepositoryProbe,
    oldest: Option<Instant>,
    lacks: Vec<Lack>,
    warnings: Vec<String>,
}

/// How a question about one repository ended.
enum Seen<T> {
    Yes(T),
    /// It is not there.
    No,
    /// The credential may not see it.
    Forbidden(String),
    /// Nobody can tell.
    Failed(String),
}

impl<T> From<Result<T, SourceError>> for Seen<T> {
    fn from(result: Result<T, SourceError>) -> Self {
        match result {
            Ok(it) => Self::Yes(it),
            Err(SourceError::NotFound(_)) => Self::No,
            Err(SourceError::Unauthorized(why)) => Self::Forbidden(why),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

#[derive(Deserialize)]
struct RepositoryOf<T> {
    repository: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pulls {
    name_with_owner: String,
    pull_requests: Connection<Made>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    created_at: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issues {
    #[serde(default)]
    has_issues_enabled: Option<bool>,
    #[serde(default)]
    issues: Option<Connection<Made>>,
}

#[derive(Deserialize)]
struct Deployments {
    recent: Connection<Deployed>,
    oldest: Connection<Made>,
}

#[derive(Deserialize)]
struct Deployed {
    #[serde(default)]
    environment: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    deployments: Connection<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Folder {
    #[serde(default)]
    is_empty: Option<bool>,
    #[serde(default)]
    default_branch_ref: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    object: Option<serde::de::IgnoredAny>,
}

/// For queries that need no more than the repository.
const NOTHING_MORE: (&str, serde_json::Value) = ("", serde_json::Value::Null);

/// How GitHub says in a query that a permission is missing.
const VEILED: &str = "they are there, and hidden from this credential";

impl Shared {
    /// What the vendor tells about the token itself.
    async fn token(&self, enough: &str, probe: &mut Probe) -> Result<(), SourceError> {
        let page = match self.outbound.get(&request(["user"])).await {
            Ok(page) => page,
            // An installation's token, as workflows have, is nobody's.
            Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => {
                "an installation's token".clone_into(&mut probe.credential);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let expiry = page.header("github-authentication-token-expiration");
        let expiry = expiry.map(|it| format!(", expires on {}", shortened(it))).unwrap_or_default();
        let Some(scopes) = page.header("x-oauth-scopes") else {
            probe.credential = format!("a fine-grained token{expiry}");
            return Ok(());
        };
        let scopes: BTreeSet<&str> =
            scopes.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
        let listed = scopes.iter().copied().collect::<Vec<_>>().join(", ");
        probe.credential = match listed.as_str() {
            "" => format!("a classic token without scopes{expiry}"),
            scopes => format!("a classic token with the scopes {}{expiry}", shortened(scopes)),
        };
        let writing: Vec<&str> =
            scopes.into_iter().filter(|it| !READING_SCOPES.contains(it)).collect();
        if !writing.is_empty() {
            probe.warnings.push(format!(
                "the token may also write ({}); a fine-grained token or a GitHub App that may only \
                 read {enough} is enough",
                shortened(&writing.join(", "))
            ));
        }
        Ok(())
    }

    /// The names of the repositories that are collected.
    async fn listing(&self, probe: &mut Probe) -> Result<(), SourceError> {
        #[derive(Deserialize)]
        struct Listed {
            full_name: String,
            #[serde(default)]
            archived: bool,
            #[serde(default)]
            fork: bool,
        }
        let mut names: BTreeSet<String> =
            self.repositories.iter().map(ToString::to_string).collect();
        if let Some(organisation) = &self.organisation {
            let first = request(["orgs", organisation, "repos"]).query("per_page", 100);
            for page in self.pages::<Vec<Listed>>(first).await? {
                for listed in page {
                    let name = FullName::parse(&listed.full_name);
                    let name =
                        name.filter(|it| self.selection.takes(it, listed.archived, listed.fork));
                    names.extend(name.map(|it| it.to_string()));
                }
            }
        }
        probe.collected = names.into_iter().collect();
        Ok(())
    }

    /// Every page of a listing.
    async fn pages<T: serde::de::DeserializeOwned>(
        &self,
        first: Request,
    ) -> Result<Vec<T>, OutboundError> {
        let mut pages = self.outbound.pages(first)?;
        let mut found = Vec::new();
        while let Some(answer) = pages.next(None).await? {
            if let Answer::Fresh(page) = answer {
                found.push(page.json()?);
            }
        }
        Ok(found)
    }

    /// Looks at one repository that rules name.
    async fn look(&self, key: String, needs: RepositoryNeeds) -> Look {
        let mut look = Look { key: key.clone(), ..Look::default() };
        let Some(name) = FullName::parse(&key) else { return look };
        self.pulls(&name, &mut look).await;
        if look.repository.name.is_none() {
            return look;
        }
        if !needs.environments.is_empty() {
            self.environments(&name, &needs.environments, &mut look).await;
        }
        if !needs.workflows.is_empty() {
            self.workflows(&name, &needs, &mut look).await;
        }
        for folder in &needs.decision_folders {
            self.folder(&name, folder, &mut look).await;
        }
        if !needs.issue_labels.is_empty() {
            self.issues(&name, &mut look).await;
        }
        for (tool, words) in alerts::listings(&needs.finding_tools) {
            let segments = [tool, "alerts"];
            self.listed(&name, &segments, (Need::Findings, words), &mut look).await;
        }
        if !needs.contents.is_empty() {
            self.tree(&name, &mut look).await;
        }
        if needs.properties {
            let about = (Need::Standards, "custom properties");
            self.listed(&name, &["properties", "values"], about, &mut look).await;
        }
        look
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        query: Query,
        name: &FullName,
        more: (&str, serde_json::Value),
    ) -> Seen<T> {
        let asked = variables([("owner", json!(name.owner())), ("name", json!(name.name())), more]);
        match self.graphql.ask::<RepositoryOf<T>>(query, asked).await {
            Ok(reply) => reply.data.repository.map_or(Seen::No, Seen::Yes),
            Err(QueryError::NotFound { .. }) => Seen::No,
            Err(error) => Err(SourceError::from(error)).into(),
        }
    }

    async fn pulls(&self, name: &FullName, look: &mut Look) {
        match self.ask::<Pulls>(CHECK_PULLS, name, NOTHING_MORE).await {
            Seen::Yes(found) => {
                if found.pull_requests.is_veiled() {
                    look.lack(Need::Changes, name, "pull requests", VEILED);
                }
                look.oldest = oldest(look.oldest, &found.pull_requests);
                look.repository.name = Some(found.name_with_owner);
            }
            Seen::No => {}
            Seen::Forbidden(why) => {
                // It is there, or nothing would be forbidden.
                look.repository.name = Some(name.to_string());
                look.lack(Need::Changes, name, "pull requests", &why);
            }
            Seen::Failed(why) => {
                look.repository.name = Some(name.to_string());
                look.failed(name, "pull requests", &why);
            }
        }
    }

    async fn environments(&self, name: &FullName, wanted: &BTreeSet<String>, look: &mut Look) {
        let found: Deployments = match self.ask(CHECK_DEPLOYMENTS, name, NOTHING_MORE).await {
            Seen::Yes(found) => found,
            Seen::No => return,
            Seen::Forbidden(why) => {
                return look.lack(Need::Deployments, name, "deployments", &why);
            }
            Seen::Failed(why) => return look.failed(name, "deployments", &why),
        };
        if found.recent.is_veiled() {
            return look.lack(Need::Deployments, name, "deployments", VEILED);
        }
        look.oldest = oldest(look.oldest, &found.oldest);
        let recent: BTreeSet<String> =
            found.recent.items().filter_map(|it| it.environment.clone()).collect();
        for environment in wanted.difference(&recent) {
            // It may be too quiet to be among the recent ones.
            let asked = ("environments", json!([environment]));
            match self.ask::<Counted>(CHECK_ENVIRONMENT, name, asked).await {
                Seen::Yes(found) if found.deployments.total_count == Some(0) => {
                    look.repository.unknown_environments.push(environment.clone());
                }
                Seen::Yes(_) | Seen::No => {}
                Seen::Forbidden(why) | Seen::Failed(why) => look.failed(name, "deployments", &why),
            }
        }
        look.repository.environments = recent.into_iter().collect();
    }

    async fn issues(&self, name: &FullName, look: &mut Look) {
        match self.ask::<Issues>(CHECK_ISSUES, name, NOTHING_MORE).await {
            Seen::Yes(Issues { has_issues_enabled: Some(false), .. }) => {
                look.warnings.push(format!("issues of {name}: switched off"));
            }
            Seen::Yes(Issues { issues: Some(issues), .. }) if !issues.is_veiled() => {
                look.oldest = oldest(look.oldest, &issues);
            }
            Seen::Yes(_) => look.lack(Need::Debt, name, "issues", VEILED),
            Seen::No => {}
            Seen::Forbidden(why) => look.lack(Need::Debt, name, "issues", &why),
            Seen::Failed(why) => look.failed(name, "issues", &why),
        }
    }

    /// Looks whether a list of a feature can be had. One that is switched off has unknown content,
    /// and no permission would change that.
    async fn listed(
        &self,
        name: &FullName,
        path: &[&str],
        (need, words): (Need, &str),
        look: &mut Look,
    ) {
        let segments = ["repos", name.owner(), name.name()].into_iter().chain(path.iter().copied());
        let page = self.outbound.get(&request(segments).query("per_page", 1)).await;
        let off = |why: &str| format!("{words} of {name}: switched off or not there ({why})");
        match page.map_err(SourceError::from).into() {
            Seen::Yes(_) => {}
            Seen::No => look.warnings.push(off("404 Not Found")),
            Seen::Forbidden(why) if why.contains("disabled") => look.warnings.push(off(&why)),
            Seen::Forbidden(why) => look.lack(need, name, words, &why),
            Seen::Failed(why) => look.failed(name, words, &why),
        }
    }

    /// Looks whether files can be read.
    async fn tree(&self, name: &FullName, look: &mut Look) {
        match self.ask::<Folder>(CHECK_FOLDER, name, ("expression", json!("HEAD:"))).await {
            Seen::Yes(Folder { default_branch_ref: None, is_empty: Some(false), .. }) => {
                look.lack(Need::Standards, name, "contents", VEILED);
            }
            Seen::Yes(_) | Seen::No => {}
            Seen::Forbidden(why) => look.lack(Need::Standards, name, "contents", &why),
            Seen::Failed(why) => look.failed(name, "contents", &why),
        }
    }

    async fn workflows(&self, name: &FullName, needs: &RepositoryNeeds, look: &mut Look) {
        #[derive(Deserialize)]
        struct Page {
            workflows: Vec<Workflow>,
        }
        #[derive(Deserialize)]
        struct Workflow {
            name: String,
        }
        let first = request(["repos", name.owner(), name.name(), "actions", "workflows"]);
        let pages = self.pages::<Page>(first.query("per_page", 100)).await;
        match pages.map_err(SourceError::from).into() {
            Seen::Yes(pages) => {
                let names = pages.into_iter().flat_map(|it| it.workflows).map(|it| it.name);
                look.repository.workflows = Some(names.collect());
            }
            Seen::No => look.lack_runs(needs, name, "Actions are switched off"),
            Seen::Forbidden(why) => look.lack_runs(needs, name, &why),
            Seen::Failed(why) => look.failed(name, "workflows", &why),
        }
    }

    async fn folder(&self, name: &FullName, folder: &str, look: &mut Look) {
        let asked = ("expression", json!(format!("HEAD:{folder}")));
        match self.ask::<Folder>(CHECK_FOLDER, name, asked).await {
            // Without the permission there is a branch that cannot be seen.
            Seen::Yes(Folder { default_branch_ref: None, is_empty: Some(false), .. }) => {
                look.lack(Need::Decisions, name, "contents", VEILED);
            }
            Seen::Yes(Folder { object: None, .. }) => {
                look.repository.unknown_folders.push(folder.to_owned());
            }
            Seen::Yes(_) | Seen::No => {}
            Seen::Forbidden(why) => look.lack(Need::Decisions, name, "contents", &why),
            Seen::Failed(why) => look.failed(name, "contents", &why),
        }
    }
}

impl Look {
    fn lack(&mut self, need: Need, name: &FullName, what: &str, why: &str) {
        self.lacks.push(Lack { need, why: format!("{what} of {name}: {why}") });
    }

    /// Runs cannot be read, whatever they are for.
    fn lack_runs(&mut self, needs: &RepositoryNeeds, name: &FullName, why: &str) {
        let wanted = [(needs.deploys, Need::Deployments), (needs.tests, Need::Boundaries)];
        for (_, need) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
            self.lack(need, name, "workflows", why);
        }
    }

    fn failed(&mut self, name: &FullName, what: &str, why: &str) {
        self.warnings.push(format!("{what} of {name} could not be looked at: {why}"));
    }
}

fn oldest(so_far: Option<Instant>, made: &Connection<Made>) -> Option<Instant> {
    so_far.into_iter().chain(made.items().map(|it| it.created_at)).min()
}

/// Text of a server on one line, cut to what a line bears.
fn shortened(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(200).collect()
}
