//! Decision records: what each commit of the default branch did to the Markdown files of a folder.
//!
//! GitHub's history of a folder names the commits that touched it, wherever they were made. What
//! counts is when a change reached the default branch: the commit itself, or the merge that brought
//! it. So every step is placed on the chain of first parents, and the trees of consecutive steps
//! are compared.

mod diff;
mod status;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use diff::{Edit, Tree};
use status::Words;

use super::graphql::{Connection, NodeOf, Pager, RECORD_HISTORY, Reply, variables};
use super::pulls::commit_id;
use super::{Visit, commits, cursor};
use crate::domain::fact::DecisionRevision;
use crate::domain::graph::{CommitGraph, KnownCommit};
use crate::domain::{CommitId, Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Commits a page: each brings the folder's whole list of files.
const PAGE: u32 = 50;

/// Texts that are asked for at a time.
const TEXTS: usize = 40;

/// What is known about a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// The tip of the default branch up to which revisions are known.
    head: CommitId,
    /// The records there.
    tree: Tree,
}

#[derive(Deserialize)]
struct Holder {
    object: Option<Tip>,
}

#[derive(Deserialize)]
struct Tip {
    history: Option<Connection<Node>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    oid: String,
    authored_date: Instant,
    committed_date: Instant,
    file: Option<Folder>,
}

#[derive(Debug, Deserialize)]
struct Folder {
    object: Option<Object>,
}

/// A tree with its entries, or a blob with its id.
#[derive(Debug, Deserialize)]
struct Object {
    #[serde(default)]
    oid: Option<String>,
    #[serde(default)]
    entries: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    object: Option<Object>,
}

/// A commit of the folder's history.
#[derive(Clone, Debug)]
struct Listed {
    id: CommitId,
    authored_at: Instant,
    committed_at: Instant,
    tree: Tree,
}

/// A step of the default branch that may have changed the folder.
#[derive(Debug, PartialEq)]
struct Step {
    commit: CommitId,
    authored_at: Instant,
    committed_at: Instant,
    /// A commit with the same folder, and the folder.
    source: CommitId,
    tree: Tree,
}

fn stream(visit: &Visit<'_>, folder: &str) -> String {
    format!("records:{}:{folder}", visit.repository.native)
}

/// Brings the revisions of every folder up to the tip that the graph knows.
pub(super) async fn poll(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    folders(visit, false).await
}

/// Reads the history of every folder anew, and removes what it does not have.
pub(super) async fn reconcile(visit: &mut Visit<'_>) -> Result<(), SourceError> {
    folders(visit, true).await
}

async fn folders(visit: &mut Visit<'_>, anew: bool) -> Result<(), SourceError> {
    let Some(head) = commits::cursor(visit).await?.head else { return Ok(()) };
    let mut graph = None;
    for folder in visit.repository.needs.decision_folders.clone() {
        let known: Option<Cursor> =
            cursor::load(visit.store, &visit.shared.source, &stream(visit, &folder)).await?;
        if !anew && known.as_ref().is_some_and(|it| it.head == head) {
            continue;
        }
        let graph = match &mut graph {
            Some(graph) => graph,
            empty => empty.insert(load_graph(visit).await?),
        };
        // A tip that the branch does not contain any more was pushed away.
        let known = known.filter(|it| !anew && graph.contains(&head, &it.head));
        update(visit, &folder, &head, known, graph).await?;
    }
    Ok(())
}

async fn load_graph(visit: &Visit<'_>) -> Result<CommitGraph, SourceError> {
    let id = visit.repository.fact.id.as_str();
    let mut graph = CommitGraph::default();
    for fact in visit.store.facts(&visit.shared.source, Kind::Commit, Some(id)).await? {
        if let Fact::Commit(commit) = fact {
            graph.insert(commit);
        }
    }
    Ok(graph)
}

async fn update(
    visit: &mut Visit<'_>,
    folder: &str,
    head: &CommitId,
    known: Option<Cursor>,
    graph: &CommitGraph,
) -> Result<(), SourceError> {
    let old = known.as_ref().map(|it| &it.head);
    let down_to = old.and_then(|old| oldest_arrival(graph, old, head));
    let listed = history(visit, folder, head, down_to).await?;
    let steps = place(graph, head, old, listed);
    let before = known.as_ref().map(|it| it.tree.clone()).unwrap_or_default();
    let from = known.as_ref().map(|it| it.head.clone());
    let revisions = revisions(visit, &before, from.as_ref(), &steps).await?;
    let mut batch = Batch::default();
    if known.is_none() {
        remove_others(visit, folder, &revisions, &mut batch).await?;
    }
    batch.facts.extend(revisions.into_iter().map(Fact::DecisionRevision));
    let tree = steps.into_iter().next_back().map_or(before, |it| it.tree);
    cursor::save(&mut batch, &stream(visit, folder), &Cursor { head: head.clone(), tree });
    visit.commit(batch).await
}

/// The smallest date among the commits that arrived between two tips.
fn oldest_arrival(graph: &CommitGraph, old: &CommitId, head: &CommitId) -> Option<Instant> {
    let reached = graph.first_reached([graph.node(old), graph.node(head)]);
    let arrived = |commit: &&KnownCommit| {
        graph.node(&commit.id).is_some_and(|node| reached.by(node) == Some(1))
    };
    graph.iter().filter(arrived).map(|it| it.committed_at).min()
}

/// The history of the folder, newest first; down to the page whose commits are all older than
/// `down_to`.
async fn history(
    visit: &mut Visit<'_>,
    folder: &str,
    head: &CommitId,
    down_to: Option<Instant>,
) -> Result<Vec<Listed>, SourceError> {
    let mut listed = Vec::new();
    let mut pager = Pager::new(&visit.shared.graphql, RECORD_HISTORY, PAGE, None);
    let asked = variables([
        ("repository", json!(visit.repository.node)),
        ("commit", json!(head)),
        ("folder", json!(folder)),
    ]);
    loop {
        let reply: Reply<NodeOf<Holder>> = pager.ask(&asked).await?;
        let whole = reply.is_whole();
        let Some(holder) = reply.data.node else { return Err(visit.gone()) };
        let Some(page) = holder.object.and_then(|it| it.history) else { return Err(visit.gone()) };
        if !whole || page.is_veiled() {
            // A folder that could not be listed is not an empty one.
            return Err(SourceError::Transient(format!(
                "{}: the history of {folder} came with holes",
                visit.repository.name
            )));
        }
        let reaches = |it: Instant| page.items().any(|node| node.committed_date >= it);
        let more = down_to.is_none_or(reaches) && pager.follow(&page)?;
        for node in page.nodes.into_iter().flatten() {
            let Some(id) = commit_id(&node.oid) else {
                visit.reject(Kind::DecisionRevision, None, &"its commit is no commit id");
                continue;
            };
            listed.push(Listed {
                id,
                authored_at: node.authored_date,
                committed_at: node.committed_date,
                tree: records(folder, node.file.and_then(|it| it.object)),
            });
        }
        if !more {
            return Ok(listed);
        }
    }
}

/// The records in a folder: Markdown files that are not about the folder itself.
fn records(folder: &str, object: Option<Object>) -> Tree {
    let mut tree = Tree::new();
    let mut pending: Vec<(String, Option<Object>)> = vec![(folder.to_owned(), object)];
    while let Some((path, object)) = pending.pop() {
        let Some(object) = object else { continue };
        for entry in object.entries.into_iter().flatten() {
            pending.push((format!("{path}/{}", entry.name), entry.object));
        }
        if let Some(oid) = object.oid
            && is_record(&path)
        {
            tree.insert(path, oid);
        }
    }
    tree
}

fn is_record(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let words: Vec<_> = stem
        .split(['-', '_', '.', ' '])
        .filter(|it| !it.is_empty() && !it.bytes().all(|it| it.is_ascii_digit()))
        .collect();
    // `template.md`, `0000-adr-template.md`; but not `0012-use-a-template-engine.md`.
    let about_the_folder = match words[..] {
        ["template"] => true,
        [word] => word == stem && matches!(word, "readme" | "index" | "contributing" | "toc"),
        ["adr" | "madr" | "rfc" | "decision" | "record", "template"] => true,
        ["template", "adr" | "madr" | "rfc" | "decision" | "record"] => true,
        _ => false,
    };
    matches!(extension, "md" | "markdown") && !about_the_folder && !stem.starts_with(['_', '.'])
}

/// Places commits of the folder's history on the default branch, oldest first. What is reachable
/// from `old` was placed before.
fn place(
    graph: &CommitGraph,
    head: &CommitId,
    old: Option<&CommitId>,
    listed: Vec<Listed>,
) -> Vec<Step> {
    let placed = graph.first_reached([old.and_then(|it| graph.node(it))]);
    let mut chain = Vec::new();
    let mut next = graph.get(head);
    while let Some(commit) = next {
        if graph.node(&commit.id).is_some_and(|it| placed.by(it).is_some()) {
            break;
        }
        chain.push(commit);
        next = graph.first_parent(&commit.id);
    }
    chain.reverse();
    let tips = [old].into_iter().chain(chain.iter().map(|it| Some(&it.id)));
    let arrival = graph.first_reached(tips.map(|it| it.and_then(|it| graph.node(it))));
    // The history is newest first: of several commits that arrive together the first is the last
    // word, unless the one that brings them is listed itself.
    let mut arrived: BTreeMap<usize, &Listed> = BTreeMap::new();
    let mut steps = Vec::new();
    for it in &listed {
        match graph.node(&it.id).filter(|_| graph.get(&it.id).is_some()) {
            Some(node) => {
                let Some(step) = arrival.by(node).filter(|step| *step > 0) else { continue };
                if chain[step - 1].id == it.id {
                    arrived.insert(step, it);
                } else {
                    arrived.entry(step).or_insert(it);
                }
            }
            // Older than the graph: nobody can say how it got there.
            None if old.is_none() => steps.push(Step {
                commit: it.id.clone(),
                authored_at: it.authored_at,
                committed_at: it.committed_at,
                source: it.id.clone(),
                tree: it.tree.clone(),
            }),
            None => {}
        }
    }
    steps.reverse();
    steps.extend(arrived.into_iter().map(|(step, it)| Step {
        commit: chain[step - 1].id.clone(),
        authored_at: chain[step - 1].authored_at,
        committed_at: chain[step - 1].committed_at,
        source: it.id.clone(),
        tree: it.tree.clone(),
    }));
    steps
}

/// The revisions that the steps made, starting from the folder as it was at `from`.
async fn revisions(
    visit: &mut Visit<'_>,
    before: &Tree,
    from: Option<&CommitId>,
    steps: &[Step],
) -> Result<Vec<DecisionRevision>, SourceError> {
    let wanted = wanted_texts(before, from, steps);
    let texts = read_texts(visit, wanted).await?;
    let mut words: BTreeMap<String, Words> = BTreeMap::new();
    let mut revisions = Vec::new();
    let mut before = before;
    for step in steps {
        for Edit { path, blob, kind } in diff::diff(before, &step.tree, &texts) {
            let Words { status, front_matter } = match blob {
                Some(blob) => words
                    .entry(blob.clone())
                    .or_insert_with(|| {
                        texts.get(&blob).map(|it| status::read(it)).unwrap_or_default()
                    })
                    .clone(),
                None => Words::default(),
            };
            revisions.push(DecisionRevision {
                repository: visit.repository.fact.id.clone(),
                path: path.into(),
                commit: step.commit.clone(),
                authored_at: step.authored_at,
                committed_at: step.committed_at,
                revision: kind,
                status: status.map(Into::into),
                front_matter: front_matter.into(),
            });
        }
        before = &step.tree;
    }
    Ok(revisions)
}

/// The blobs whose text is needed, each with an expression that names it.
fn wanted_texts(
    before: &Tree,
    from: Option<&CommitId>,
    steps: &[Step],
) -> BTreeMap<String, String> {
    let mut wanted = BTreeMap::new();
    let mut before = before;
    let mut from = from;
    for step in steps {
        let at = |commit: &CommitId, path: &str| format!("{commit}:{path}");
        for edit in diff::diff(before, &step.tree, &HashMap::new()) {
            if let Some(blob) = edit.blob {
                wanted.entry(blob).or_insert_with(|| at(&step.source, &edit.path));
            }
        }
        let (gone, _) = diff::unmatched(before, &step.tree);
        if let Some(from) = from {
            for path in gone {
                wanted.entry(before[&path].clone()).or_insert_with(|| at(from, &path));
            }
        }
        before = &step.tree;
        from = Some(&step.source);
    }
    wanted
}

#[derive(Deserialize)]
struct Blob {
    #[serde(default)]
    text: Option<String>,
}

/// The texts of blobs. One that is binary or too large has none.
async fn read_texts(
    visit: &Visit<'_>,
    wanted: BTreeMap<String, String>,
) -> Result<HashMap<String, String>, SourceError> {
    let mut texts = HashMap::new();
    let wanted: Vec<_> = wanted.into_iter().collect();
    for wanted in wanted.chunks(TEXTS) {
        let mut asked = Map::new();
        asked.insert("repository".into(), json!(visit.repository.node));
        for (index, (_, expression)) in wanted.iter().enumerate() {
            asked.insert(format!("text{index}"), json!(expression));
        }
        let reply: Reply<NodeOf<BTreeMap<String, Option<Blob>>>> = visit
            .shared
            .graphql
            .ask_with("RecordTexts", &texts_query(wanted.len()), Value::Object(asked))
            .await?;
        let Some(mut blobs) = reply.data.node else { return Err(visit.gone()) };
        for (index, (oid, _)) in wanted.iter().enumerate() {
            let blob = blobs.remove(&format!("text{index}")).flatten();
            if let Some(text) = blob.and_then(|it| it.text) {
                texts.insert(oid.clone(), text);
            }
        }
    }
    Ok(texts)
}

/// The query of `record_texts.graphql` with this many aliases.
fn texts_query(texts: usize) -> String {
    const ONE: &str = include_str!("queries/record_texts.graphql");
    const VARIABLE: &str = "$text0: String!";
    const FIELD: &str = "text0: object(expression: $text0) {\n        ...RecordText\n      }";
    let (mut variables, mut fields) = (String::new(), String::new());
    for index in 0..texts {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(variables, "{separator}$text{index}: String!");
        let _ = write!(
            fields,
            "text{index}: object(expression: $text{index}) {{ ...RecordText }}\n      "
        );
    }
    ONE.replace(VARIABLE, &variables).replace(FIELD, fields.trim_end())
}

/// Removes stored revisions of the folder that the history does not have.
async fn remove_others(
    visit: &Visit<'_>,
    folder: &str,
    revisions: &[DecisionRevision],
    batch: &mut Batch,
) -> Result<(), SourceError> {
    let source = &visit.shared.source;
    let id = visit.repository.fact.id.as_str();
    let present: BTreeSet<_> = revisions.iter().map(|it| (&it.commit, &it.path)).collect();
    for fact in visit.store.facts(source, Kind::DecisionRevision, Some(id)).await? {
        let Fact::DecisionRevision(it) = &fact else { continue };
        let inside = it.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        if inside && !present.contains(&(&it.commit, &it.path)) {
            batch.removed.push(fact.key(source));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepositoryId;
    use crate::domain::fact::Commit;

    fn id(name: char) -> CommitId {
        CommitId::new(name.to_string().repeat(40))
    }

    fn graph(commits: &[(char, &str)]) -> CommitGraph {
        let mut graph = CommitGraph::default();
        for (index, (name, parents)) in commits.iter().enumerate() {
            let at =
                chrono::DateTime::from_timestamp(1_770_000_000 + index as i64 * 60, 0).unwrap();
            graph.insert(Commit {
                repository: RepositoryId::new("github/1"),
                id: id(*name),
                parents: parents.chars().map(id).collect(),
                authored_at: at,
                committed_at: at,
                reverts: Vec::new(),
            });
        }
        graph
    }

    /// Listed commits, newest first; the tree of each has one record whose blob is the name.
    fn listed(names: &str) -> Vec<Listed> {
        let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let one = |name: char| Listed {
            id: id(name),
            authored_at: at,
            committed_at: at,
            tree: Tree::from([("docs/adr/1.md".to_owned(), name.to_string())]),
        };
        names.chars().map(one).collect()
    }

    fn placed(graph: &CommitGraph, head: char, old: Option<char>, names: &str) -> Vec<String> {
        let step = |it: Step| format!("{}={}", &it.commit.text()[..1], it.tree["docs/adr/1.md"]);
        let steps = place(graph, &id(head), old.map(id).as_ref(), listed(names));
        steps.into_iter().map(step).collect()
    }

    #[test]
    fn on_a_linear_history_every_commit_is_its_own_step() {
        let graph = graph(&[('a', ""), ('b', "a"), ('c', "b")]);
        assert_eq!(placed(&graph, 'c', None, "cba"), ["a=a", "b=b", "c=c"]);
        assert_eq!(placed(&graph, 'c', Some('a'), "cba"), ["b=b", "c=c"]);
    }

    #[test]
    fn what_a_branch_did_arrives_with_its_merge() {
        // a - - - m - n
        //  \- b - c /
        let graph = graph(&[('a', ""), ('b', "a"), ('c', "b"), ('d', "ac"), ('e', "d")]);
        assert_eq!(placed(&graph, 'e', None, "ecba"), ["a=a", "d=c", "e=e"]);
    }

    #[test]
    fn a_merge_that_is_listed_itself_has_the_last_word() {
        let graph = graph(&[('a', ""), ('b', "a"), ('c', "a"), ('d', "cb")]);
        assert_eq!(placed(&graph, 'd', None, "dcba"), ["a=a", "c=c", "d=d"]);
    }

    #[test]
    fn commits_older_than_the_graph_stand_for_themselves() {
        let graph = graph(&[('b', "a"), ('c', "b")]);
        assert_eq!(placed(&graph, 'c', None, "cyx"), ["x=x", "y=y", "c=c"]);
    }

    #[test]
    fn records_are_markdown_files_that_are_not_about_the_folder() {
        for (path, expected) in [
            ("docs/adr/0001-use-it.md", true),
            ("docs/adr/team/0001-use-it.markdown", true),
            ("docs/adr/0012-use-a-template-engine.md", true),
            ("docs/adr/0003-index.md", true),
            ("docs/adr/0000-template.md", false),
            ("docs/adr/README.md", false),
            ("docs/adr/index.md", false),
            ("docs/adr/template.md", false),
            ("docs/adr/0000-adr-template.md", false),
            ("docs/adr/_draft.md", false),
            ("docs/adr/picture.png", false),
            ("docs/adr/0001", false),
        ] {
            assert_eq!(is_record(path), expected, "{path}");
        }
    }

    #[test]
    fn a_folder_is_read_with_its_folders() {
        let object: Object = serde_json::from_value(json!({"entries": [
            {"name": "0001-a.md", "type": "blob", "object": {"oid": "o1"}},
            {"name": "README.md", "type": "blob", "object": {"oid": "o2"}},
            {"name": "link", "type": "commit", "object": null},
            {"name": "team", "type": "tree", "object": {"entries": [
                {"name": "0002-b.md", "type": "blob", "object": {"oid": "o3"}},
            ]}},
        ]}))
        .unwrap();
        let tree = records("docs/adr", Some(object));
        let entries: Vec<_> = tree.iter().map(|(path, oid)| format!("{path}={oid}")).collect();
        assert_eq!(entries, ["docs/adr/0001-a.md=o1", "docs/adr/team/0002-b.md=o3"]);
        assert!(records("docs/adr", None).is_empty());
    }

    #[test]
    fn the_query_for_texts_has_as_many_aliases_as_texts() {
        let query = texts_query(3);
        assert!(
            query.contains("($repository: ID!, $text0: String!, $text1: String!, $text2: String!)")
        );
        assert_eq!(query.matches("{ ...RecordText }").count(), 3);
        assert_eq!(query.matches("fragment RecordText").count(), 1);
    }
}
