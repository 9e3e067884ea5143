//! What does not fit on a page of pull requests.

use serde::Deserialize;
use serde_json::json;

use super::normalise::{File, Label, PullCommit, PullRequest, PullReview, commit_id};
use crate::domain::Instant;
use crate::source::SourceError;
use crate::source::github::Visit;
use crate::source::github::graphql::{
    Connection, NodeOf, PULL_REQUEST_REST, PageSize, QueryError, Reply, Trail,
    concerns_what_is_asked, variables,
};
use crate::source::outbound::{Answer, OutboundError};

/// GitHub lists no more commits of a pull request than this.
const MOST_LISTED_COMMITS: u64 = 250;

/// Items of each connection a page.
const PAGE: u32 = 100;

/// The rest of the connections of a pull request.
#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    labels: Option<Connection<Label>>,
    #[serde(default)]
    commits: Option<Connection<PullCommit>>,
    #[serde(default)]
    reviews: Option<Connection<PullReview>>,
    #[serde(default)]
    files: Option<Connection<File>>,
}

/// Why a pull request is not complete.
pub(super) enum Incomplete {
    /// It is about this one; others may do.
    This(String),
    /// Nothing else will go better.
    All(SourceError),
}

impl From<QueryError> for Incomplete {
    fn from(error: QueryError) -> Self {
        if error.is_about_the_item() {
            Self::This(error.to_string())
        } else {
            Self::All(error.into())
        }
    }
}

/// Reads everything that did not fit on the page. What is unknown in the end is `None` where that
/// can be told.
pub(super) async fn complete(
    visit: &mut Visit<'_>,
    pull: &mut PullRequest,
) -> Result<(), Incomplete> {
    let mut by_listing = pull.commits.total_count.unwrap_or_default() < MOST_LISTED_COMMITS;
    if !by_listing {
        by_listing = !all_commits(visit, pull).await.map_err(Incomplete::All)?;
    }
    let graphql = &visit.shared.graphql;
    let mut size = PageSize::of(PAGE);
    let trail = || graphql.trail(PULL_REQUEST_REST);
    let mut trails = (trail(), trail(), trail(), trail());
    let mut labels = after(&mut trails.0, pull.labels.as_ref())?;
    let mut commits = after(&mut trails.1, by_listing.then_some(&pull.commits))?;
    let mut reviews = after(&mut trails.2, pull.reviews.as_ref())?;
    let mut files = after(&mut trails.3, pull.files.as_ref())?;
    while [&labels, &commits, &reviews, &files].iter().any(|it| it.is_some()) {
        let asked = variables([
            ("id", json!(pull.id)),
            ("moreLabels", json!(labels.is_some())),
            ("labels", json!(labels)),
            ("moreCommits", json!(commits.is_some())),
            ("commits", json!(commits)),
            ("moreReviews", json!(reviews.is_some())),
            ("reviews", json!(reviews)),
            ("moreFiles", json!(files.is_some())),
            ("files", json!(files)),
        ]);
        let reply: Reply<NodeOf<Rest>> = graphql.page(PULL_REQUEST_REST, &mut size, &asked).await?;
        let Some(rest) = reply.data.node else {
            return Err(Incomplete::This("it is not there any more".to_owned()));
        };
        if reply.partial {
            return Err(Incomplete::This("the server leaves parts of it out".to_owned()));
        }
        if files.is_some() && rest.files.is_none() {
            // Which paths it touches is unknown; everything else is not.
            (pull.files, files) = (None, None);
        }
        labels = extend(&mut trails.0, labels, pull.labels.as_mut(), rest.labels)?;
        commits = extend(&mut trails.1, commits, Some(&mut pull.commits), rest.commits)?;
        reviews = extend(&mut trails.2, reviews, pull.reviews.as_mut(), rest.reviews)?;
        files = extend(&mut trails.3, files, pull.files.as_mut(), rest.files)?;
    }
    Ok(())
}

fn after<T>(
    trail: &mut Trail,
    connection: Option<&Connection<T>>,
) -> Result<Option<String>, QueryError> {
    connection.map_or(Ok(None), |it| trail.next(it))
}

/// Adds the next page to a connection. Where the page after it starts, if there is one.
fn extend<T>(
    trail: &mut Trail,
    asked: Option<String>,
    connection: Option<&mut Connection<T>>,
    more: Option<Connection<T>>,
) -> Result<Option<String>, Incomplete> {
    if asked.is_none() {
        return Ok(None);
    }
    let (Some(connection), Some(more)) = (connection, more) else {
        return Err(Incomplete::This("the server leaves parts of it out".to_owned()));
    };
    let next = trail.next(&more)?;
    connection.nodes.extend(more.nodes);
    Ok(next)
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    commits: Vec<Compared>,
}

#[derive(Deserialize)]
struct Compared {
    sha: String,
    commit: ComparedCommit,
}

#[derive(Deserialize)]
struct ComparedCommit {
    author: ComparedAuthor,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct ComparedAuthor {
    date: Instant,
}

/// The commits of a pull request that has more than GitHub lists, from the comparison of its two
/// ends. False if GitHub cannot compare them: then the listed ones have to do.
async fn all_commits(visit: &mut Visit<'_>, pull: &mut PullRequest) -> Result<bool, SourceError> {
    match compared(visit, pull).await {
        Ok(Some(all)) if all.len() >= pull.commits.nodes.len() => {
            let page_info = Default::default();
            pull.commits = Connection { total_count: None, page_info, nodes: all };
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(error) if concerns_what_is_asked(&error) => {
            visit.report.warnings.push(format!(
                "pull request {} of {}: only its first {MOST_LISTED_COMMITS} commits can be read \
                 ({error})",
                pull.number, visit.repository.name
            ));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The commits between the two ends of a pull request; nothing if it does not tell its ends.
async fn compared(
    visit: &Visit<'_>,
    pull: &PullRequest,
) -> Result<Option<Vec<Option<PullCommit>>>, OutboundError> {
    let end = |oid: &Option<String>| oid.as_deref().and_then(commit_id);
    let (Some(base), Some(head)) = (end(&pull.base_ref_oid), end(&pull.head_ref_oid)) else {
        return Ok(None);
    };
    let range = format!("{base}...{head}");
    let request = visit.rest(&["compare", &range]).query("per_page", 100);
    let mut pages = visit.shared.outbound.pages(request)?;
    let mut all = Vec::new();
    while let Some(Answer::Fresh(page)) = pages.next(None).await? {
        let comparison: Comparison = page.json()?;
        all.extend(
            comparison
                .commits
                .into_iter()
                .map(|it| Some(PullCommit::new(it.sha, it.commit.author.date, it.commit.message))),
        );
    }
    Ok(Some(all))
}
