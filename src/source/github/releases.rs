//! Releases, where a rule may take them for deployments.
//!
//! A release carries the date of its commit, so a new one may stand anywhere in the list. There
//! are few: when the overview shows that anything moved, or a draft waits, all are read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::graphql::{Connection, NodeOf, Pager, RELEASES, Reply, variables};
use super::pulls::commit_id;
use super::{Visit, commits, cursor};
use crate::domain::fact::Release;
use crate::domain::{CommitId, Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// What is known about the releases of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Hash of what the overview showed when all were read.
    overview: String,
    /// Some are not published yet.
    drafts: bool,
}

#[derive(Deserialize)]
struct Releases {
    /// Null where the feature is not there for this token.
    releases: Option<Connection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    database_id: u64,
    tag_name: String,
    #[serde(default)]
    tag_commit: Option<TagCommit>,
    #[serde(default)]
    is_draft: bool,
    #[serde(default)]
    is_prerelease: bool,
    created_at: Instant,
    #[serde(default)]
    published_at: Option<Instant>,
}

#[derive(Deserialize)]
struct TagCommit {
    oid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    database_id: u64,
}

/// Hash of what the overview shows of the newest releases.
pub(super) fn glimpse(connection: &Connection) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}\n", connection.total_count));
    for node in connection.items() {
        hash.update(node.get());
    }
    hex::encode(hash.finalize())
}

fn stream(visit: &Visit<'_>) -> String {
    format!("releases:{}", visit.repository.native)
}

/// Reads all releases if any may have moved.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    if !visit.repository.needs.releases {
        return Ok(());
    }
    let Some(overview) = visit.repository.overview.releases.clone() else {
        visit.refused("releases", true);
        return Ok(());
    };
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    if known.is_some_and(|it| it.overview == overview && !it.drafts) {
        return Ok(());
    }
    read(visit, overview).await
}

/// Reads all releases.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    match visit.repository.overview.releases.clone() {
        Some(overview) if visit.repository.needs.releases => read(visit, overview).await,
        _ => Ok(()),
    }
}

async fn read(visit: &mut Visit<'_>, overview: String) -> Result<(), SourceError> {
    let mut batch = Batch::default();
    let mut cursor = Cursor { overview, drafts: false };
    let mut tips: Vec<(Instant, CommitId)> = Vec::new();
    let mut present = BTreeSet::new();
    let mut listed = 0;
    let mut whole = true;
    let mut pager = Pager::new(&visit.shared.graphql, RELEASES, 100, None);
    let asked = variables([("repository", json!(visit.repository.node))]);
    loop {
        let reply: Reply<NodeOf<Releases>> = pager.ask(&asked).await?;
        whole &= reply.is_whole();
        let Some(it) = reply.data.node else { return Err(visit.gone()) };
        let Some(page) = it.releases else {
            visit.refused("releases", true);
            return Ok(());
        };
        whole &= !page.is_veiled();
        listed += page.nodes.len() as u64;
        for node in page.items() {
            match serde_json::from_str::<Marker>(node.get()) {
                Ok(marker) => _ = present.insert(marker.database_id.to_string()),
                Err(_) => whole = false,
            }
            let Some(release) = decode(visit, node) else { continue };
            let since = visit.shared.history_start;
            cursor.drafts |= release.draft;
            if !release.draft && release.published_at.unwrap_or(release.created_at) < since {
                continue;
            }
            if let Some(commit) = release.commit.clone().filter(|_| !release.draft) {
                tips.push((release.created_at, commit));
            }
            batch.facts.push(Fact::Release(release));
        }
        if !pager.follow(&page)? {
            whole &= page.total_count.is_none_or(|total| total == listed);
            break;
        }
    }
    if !whole {
        visit.keeps("releases");
    }
    let id = visit.repository.fact.id.as_str();
    for fact in visit.store.facts(&visit.shared.source, Kind::Release, Some(id)).await? {
        if whole && !present.contains(&fact.id()) {
            batch.removed.push(fact.key(&visit.shared.source));
        }
    }
    tips.sort_by(|a, b| b.cmp(a));
    let tips: Vec<_> = tips.into_iter().map(|(_, commit)| commit).collect();
    visit.commit(batch).await?;
    commits::extend(visit, &tips).await?;
    if !whole {
        // All are read again until the list has no holes.
        return Ok(());
    }
    let mut batch = Batch::default();
    cursor::save(&mut batch, &stream(visit), &cursor);
    visit.commit(batch).await
}

fn decode(visit: &mut Visit<'_>, node: &RawValue) -> Option<Release> {
    match serde_json::from_str::<Node>(node.get()) {
        Ok(node) => Some(Release {
            id: node.database_id.to_string().into(),
            repository: visit.repository.fact.id.clone(),
            tag: node.tag_name.into(),
            commit: node.tag_commit.and_then(|it| commit_id(&it.oid)),
            draft: node.is_draft,
            prerelease: node.is_prerelease,
            created_at: node.created_at,
            published_at: node.published_at,
        }),
        Err(error) => {
            let id = serde_json::from_str::<Marker>(node.get()).ok().map(|it| it.database_id);
            visit.reject(Kind::Release, id, &error);
            None
        }
    }
}
