//! What standards look at: files at the tip of the default branch.
//!
//! Folders are listed and texts are read by the tip's commit, so that all of it is of one state.
//! While the tip stays and nothing else is asked for, nothing is requested.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use regex::Regex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::graphql::{NodeOf, Reply};
use super::{Visit, cursor};
use crate::domain::fact::{Contents, FileText};
use crate::domain::{CommitId, Fact, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Longer texts are not kept: what rules look at is written by people.
const LONGEST_TEXT: u64 = 128 * 1024;

/// Folders or texts that are asked for at a time.
const AT_ONCE: usize = 40;

/// Files of one pattern whose texts are read.
const MOST_TEXTS: usize = 100;

const FOLDER: &str = "fragment Asked on Tree { entries { name type object { \
                      ... on Blob { byteSize isBinary } } } }";
const TEXT: &str = "fragment Asked on Blob { text isTruncated }";

/// What is known about the contents of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// The tip that was looked at.
    head: Option<CommitId>,
    /// What was asked for, and whether texts were.
    wanted: BTreeMap<String, bool>,
}

#[derive(Debug, Deserialize)]
struct Folder {
    #[serde(default)]
    entries: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    #[serde(default, rename = "object")]
    blob: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    #[serde(default)]
    byte_size: Option<u64>,
    #[serde(default)]
    is_binary: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    is_truncated: Option<bool>,
}

fn stream(visit: &Visit<'_>) -> String {
    format!("contents:{}", visit.repository.native)
}

/// Looks again if the tip moved or something else is asked for.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let wanted = visit.repository.needs.contents.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    if visit.repository.overview.hides_commits {
        // Whatever was seen before may have changed since.
        visit.refused("contents", false);
        return forget(visit, &BTreeMap::new(), Batch::default()).await;
    }
    let head = visit.repository.overview.head.clone();
    let known: Option<Cursor> =
        cursor::load(visit.store, &visit.shared.source, &stream(visit)).await?;
    let now = Cursor { head, wanted };
    if known.as_ref() == Some(&now) {
        return Ok(());
    }
    look(visit, now).await
}

/// Looks again whatever is known.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    let wanted = visit.repository.needs.contents.clone();
    if wanted.is_empty() || visit.repository.overview.hides_commits {
        return Ok(());
    }
    let head = visit.repository.overview.head.clone();
    look(visit, Cursor { head, wanted }).await
}

async fn look(visit: &mut Visit<'_>, cursor: Cursor) -> Result<(), SourceError> {
    let mut found = match &cursor.head {
        Some(head) => list(visit, head, &cursor.wanted).await?,
        None => cursor.wanted.keys().map(|it| (it.clone(), BTreeMap::new())).collect(),
    };
    if let Some(head) = &cursor.head {
        read(visit, head, &cursor.wanted, &mut found).await?;
    }
    let repository = &visit.repository.fact;
    let contents = found.into_iter().map(|(pattern, files)| {
        let (repository, since) = (repository.id.clone(), repository.created_at);
        Fact::Contents(Contents { repository, pattern, since, files })
    });
    let mut batch = Batch { facts: contents.collect(), ..Batch::default() };
    cursor::save(&mut batch, &stream(visit), &cursor);
    forget(visit, &cursor.wanted, batch).await
}

/// Commits `batch` and removes what is stored of patterns that are not `wanted`.
async fn forget(
    visit: &Visit<'_>,
    wanted: &BTreeMap<String, bool>,
    mut batch: Batch,
) -> Result<(), SourceError> {
    let (source, id) = (&visit.shared.source, visit.repository.fact.id.as_str());
    for fact in visit.store.facts(source, Kind::Contents, Some(id)).await? {
        if let Fact::Contents(it) = &fact
            && !wanted.contains_key(&it.pattern)
        {
            batch.removed.push(fact.key(source));
        }
    }
    if wanted.is_empty() {
        batch.forgotten_cursors.push(stream(visit));
    }
    visit.commit(batch).await
}

/// The files of every pattern: those that could be read as text are not read yet.
async fn list(
    visit: &mut Visit<'_>,
    head: &CommitId,
    wanted: &BTreeMap<String, bool>,
) -> Result<BTreeMap<String, BTreeMap<String, FileText>>, SourceError> {
    let folders: BTreeSet<String> = wanted.keys().map(|it| folder_of(it).to_owned()).collect();
    let folders: Vec<String> = folders.into_iter().collect();
    let listed: BTreeMap<String, Folder> =
        objects(visit, "ContentFolders", FOLDER, head, &folders).await?;
    let mut found = BTreeMap::new();
    for pattern in wanted.keys() {
        let folder = folder_of(pattern);
        let name = pattern.get(folder.len()..).unwrap_or_default().trim_start_matches('/');
        let name = glob(name);
        let entries = listed.get(folder).and_then(|it| it.entries.as_ref());
        let files = entries.into_iter().flatten().filter(|it| name.is_match(&it.name)).map(|it| {
            let path =
                if folder.is_empty() { it.name.clone() } else { format!("{folder}/{}", it.name) };
            (path, kind(it))
        });
        found.insert(pattern.clone(), files.collect());
    }
    Ok(found)
}

fn folder_of(pattern: &str) -> &str {
    pattern.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What is known of an entry before its text is read. A folder has no size.
fn kind(entry: &Entry) -> FileText {
    let blob = entry.blob.as_ref();
    let text = blob.is_some_and(|it| {
        it.is_binary != Some(true) && it.byte_size.is_some_and(|size| size <= LONGEST_TEXT)
    });
    if text { FileText::NotRead } else { FileText::Unreadable }
}

/// `*` stands for any text; all else for itself.
fn glob(name: &str) -> Regex {
    let parts: Vec<String> = name.split('*').map(regex::escape).collect();
    #[expect(clippy::expect_used, reason = "escaped texts with `.*` between them")]
    Regex::new(&format!("^{}$", parts.join(".*"))).expect("a glob is a regular expression")
}

/// Reads the texts that rules ask for.
async fn read(
    visit: &mut Visit<'_>,
    head: &CommitId,
    wanted: &BTreeMap<String, bool>,
    found: &mut BTreeMap<String, BTreeMap<String, FileText>>,
) -> Result<(), SourceError> {
    let asked: BTreeSet<String> = found
        .iter()
        .filter(|(pattern, _)| wanted.get(*pattern) == Some(&true))
        .flat_map(|(_, files)| {
            let readable = files.iter().filter(|(_, text)| **text == FileText::NotRead);
            readable.map(|(path, _)| path.clone()).take(MOST_TEXTS)
        })
        .collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let blobs: BTreeMap<String, Blob> = objects(visit, "ContentTexts", TEXT, head, &asked).await?;
    for (pattern, files) in found {
        if wanted.get(pattern) != Some(&true) {
            continue;
        }
        for (path, file) in files {
            if let Some(blob) = blobs.get(path) {
                *file = match &blob.text {
                    Some(text) if blob.is_truncated != Some(true) => FileText::Text(text.clone()),
                    _ => FileText::Unreadable,
                };
            }
        }
    }
    Ok(())
}

/// The objects at `paths` of a commit, by path; those that are not there are left out.
async fn objects<T: DeserializeOwned>(
    visit: &Visit<'_>,
    operation: &'static str,
    fragment: &str,
    head: &CommitId,
    paths: &[String],
) -> Result<BTreeMap<String, T>, SourceError> {
    let mut found = BTreeMap::new();
    for paths in paths.chunks(AT_ONCE) {
        let mut asked = Map::new();
        asked.insert("repository".into(), json!(visit.repository.node));
        for (index, path) in paths.iter().enumerate() {
            asked.insert(format!("at{index}"), json!(format!("{head}:{path}")));
        }
        let query = query(operation, fragment, paths.len());
        let reply: Reply<NodeOf<BTreeMap<String, Option<T>>>> =
            visit.shared.graphql.ask_with(operation, &query, Value::Object(asked)).await?;
        if reply.partial || !reply.refused.is_empty() {
            // What could not be read is not absent.
            let name = &visit.repository.name;
            return Err(SourceError::Transient(format!("the contents of {name} came with holes")));
        }
        let Some(mut objects) = reply.data.node else { return Err(visit.gone()) };
        for (index, path) in paths.iter().enumerate() {
            let object = objects.remove(&format!("at{index}")).flatten();
            found.extend(object.map(|it| (path.clone(), it)));
        }
    }
    Ok(found)
}

/// A query for `count` objects of the shape of `fragment`.
fn query(operation: &str, fragment: &str, count: usize) -> String {
    let (mut variables, mut fields) = (String::new(), String::new());
    for index in 0..count {
        // Writing to a text cannot fail.
        let _ = write!(variables, ", $at{index}: String!");
        let _ = write!(fields, " at{index}: object(expression: $at{index}) {{ ...Asked }}");
    }
    format!(
        "query {operation}($repository: ID!{variables}) {{ rateLimit {{ cost remaining resetAt }} \
         node(id: $repository) {{ ... on Repository {{{fields} }} }} }} {fragment}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_of_one_name() {
        for (pattern, name, matches) in [
            ("*.yml", "ci.yml", true),
            ("*.yml", "ciXyml", false),
            ("LICENSE*", "LICENSE", true),
            ("LICENSE*", "MY-LICENSE", false),
            ("CODEOWNERS", "CODEOWNERS", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(glob(pattern).is_match(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_text_is_not_asked_for() {
        let entry = |byte_size, is_binary| Entry {
            name: "x".to_owned(),
            blob: Some(Size { byte_size, is_binary }),
        };
        assert_eq!(kind(&entry(Some(10), Some(false))), FileText::NotRead);
        assert_eq!(kind(&entry(Some(LONGEST_TEXT + 1), Some(false))), FileText::Unreadable);
        assert_eq!(kind(&entry(Some(10), Some(true))), FileText::Unreadable);
        assert_eq!(kind(&entry(None, None)), FileText::Unreadable, "a folder");
    }
}
