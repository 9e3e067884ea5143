//! The commit graph of one repository: answers ancestry, never time order.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher as _;
use std::ops::Deref;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::fact::Commit;
use super::{CommitId, Instant};

/// The commits of one repository and how they hang together.
///
/// The graph may be shallow: a parent that is not in it ends the walk there. Commits are numbered
/// as they are first named, so that walks over tens of thousands of them compare no text.
#[derive(Clone, Debug, Default)]
pub struct CommitGraph {
    /// The numbers by sha. The shas are in the entries, where they are needed anyway: a map from
    /// them would hold each a second time.
    numbers: HashTable<Node>,
    hashing: DefaultHashBuilder,
    entries: Vec<Entry>,
}

/// A commit's number in one graph. It means nothing in another graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

/// What is known under one number.
#[derive(Clone, Debug)]
struct Entry {
    commit: Vertex,
    parents: Parents,
}

#[derive(Clone, Debug)]
enum Vertex {
    /// Only a child has named it yet.
    Named(CommitId),
    Known(KnownCommit),
}

impl Entry {
    fn named(id: CommitId) -> Self {
        Self { commit: Vertex::Named(id), parents: Parents::default() }
    }

    fn id(&self) -> &CommitId {
        match &self.commit {
            Vertex::Named(id) => id,
            Vertex::Known(commit) => &commit.id,
        }
    }

    fn known(&self) -> Option<&KnownCommit> {
        match &self.commit {
            Vertex::Named(_) => None,
            Vertex::Known(commit) => Some(commit),
        }
    }
}

/// The parents of a commit, of which there are hardly ever more than two.
#[derive(Clone, Debug)]
enum Parents {
    /// At most two; places that are free come last and hold [`Node::NONE`].
    Few([Node; 2]),
    Many(Box<[Node]>),
}

impl Default for Parents {
    fn default() -> Self {
        Self::Few([Node::NONE; 2])
    }
}

impl Deref for Parents {
    type Target = [Node];

    fn deref(&self) -> &[Node] {
        match self {
            Self::Few(few) => {
                let free = few.iter().position(|it| *it == Node::NONE);
                &few[..free.unwrap_or(few.len())]
            }
            Self::Many(many) => many,
        }
    }
}

impl FromIterator<Node> for Parents {
    fn from_iter<I: IntoIterator<Item = Node>>(nodes: I) -> Self {
        let nodes: Vec<Node> = nodes.into_iter().collect();
        match nodes[..] {
            [] => Self::default(),
            [one] => Self::Few([one, Node::NONE]),
            [one, other] => Self::Few([one, other]),
            _ => Self::Many(nodes.into()),
        }
    }
}

/// What rules ask about a commit of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownCommit {
    /// Its sha.
    pub id: CommitId,
    /// The author date.
    pub authored_at: Instant,
    /// The committer date.
    pub committed_at: Instant,
    /// Commits that its message says it reverts.
    pub reverts: Box<[CommitId]>,
}

impl Node {
    /// No commit has this number.
    const NONE: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl CommitGraph {
    /// Adds a commit; adding it again changes nothing.
    pub fn insert(&mut self, commit: Commit) {
        let parents = commit.parents.iter().map(|parent| self.number(parent)).collect();
        let node = self.number(&commit.id);
        let Commit { id, authored_at, committed_at, reverts, .. } = commit;
        let commit = KnownCommit { id, authored_at, committed_at, reverts: reverts.into() };
        self.entries[node.index()] = Entry { commit: Vertex::Known(commit), parents };
    }

    fn number(&mut self, id: &CommitId) -> Node {
        if let Some(node) = self.node(id) {
            return node;
        }
        let next = u32::try_from(self.entries.len()).ok().map(Node).filter(|it| *it != Node::NONE);
        let node = next.expect("a repository has fewer than 2^32 - 1 commits");
        // A thousand graphs with room for twice as many commits are too much.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(1 + self.entries.len() / 8);
        }
        self.entries.push(Entry::named(id.clone()));
        let Self { numbers, hashing, entries } = self;
        let hash = |node: &Node| hashing.hash_one(entries[node.index()].id());
        numbers.insert_unique(hash(&node), node, hash);
        node
    }

    /// Takes a commit out.
    pub fn remove(&mut self, id: &CommitId) {
        if let Some(node) = self.node(id) {
            self.entries[node.index()] = Entry::named(id.clone());
        }
    }

    /// The commit with this sha.
    pub fn get(&self, id: &CommitId) -> Option<&KnownCommit> {
        self.node(id).and_then(|node| self.entries[node.index()].known())
    }

    /// The first parent of the commit with this sha, where it is known.
    pub fn first_parent(&self, id: &CommitId) -> Option<&KnownCommit> {
        let parent = self.entries[self.node(id)?.index()].parents.first()?;
        self.entries[parent.index()].known()
    }

    /// The number of the commit with this sha. It has one too where it is only known as a parent.
    pub fn node(&self, id: &CommitId) -> Option<Node> {
        let is_it = |node: &Node| self.entries[node.index()].id() == id;
        self.numbers.find(self.hashing.hash_one(id), is_it).copied()
    }

    /// Every commit, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &KnownCommit> {
        self.entries.iter().filter_map(Entry::known)
    }

    /// Every commit with its parents, by sha.
    fn edges(&self) -> BTreeMap<&CommitId, (&KnownCommit, Vec<&CommitId>)> {
        let name = |parent: &Node| self.entries[parent.index()].id();
        let known = self.entries.iter().filter_map(|it| Some((it.known()?, &it.parents)));
        let named = known
            .map(|(commit, parents)| (&commit.id, (commit, parents.iter().map(name).collect())));
        named.collect()
    }

    /// Walks from one tip after the other and notes for each commit the first tip that reaches it.
    /// A walk stops where it meets a commit that was reached before, so all walks together visit
    /// each commit once. `None` reaches nothing.
    pub fn first_reached(&self, tips: impl IntoIterator<Item = Option<Node>>) -> FirstReached {
        let mut by = vec![NEVER; self.entries.len()];
        let mut pending = Vec::new();
        for (tip, number) in tips.into_iter().zip(0..NEVER) {
            pending.extend(tip);
            while let Some(node) = pending.pop() {
                let reached = &mut by[node.index()];
                if *reached == NEVER {
                    *reached = number;
                    pending.extend(&*self.entries[node.index()].parents);
                }
            }
        }
        FirstReached { by }
    }

    /// Whether `ancestor` is `tip` or is reachable from it.
    pub fn contains(&self, tip: &CommitId, ancestor: &CommitId) -> bool {
        let (Some(tip), Some(ancestor)) = (self.node(tip), self.node(ancestor)) else {
            return false;
        };
        let mut seen = vec![false; self.entries.len()];
        // Breadth first: what people ask about is mostly near the tip.
        let mut pending = VecDeque::from([tip]);
        while let Some(node) = pending.pop_front() {
            if node == ancestor {
                return true;
            }
            if !std::mem::replace(&mut seen[node.index()], true) {
                pending.extend(&*self.entries[node.index()].parents);
            }
        }
        false
    }
}

/// Two graphs are equal when they hold the same commits, however these are numbered.
impl PartialEq for CommitGraph {
    fn eq(&self, other: &Self) -> bool {
        self.edges() == other.edges()
    }
}

/// No tip reaches it.
const NEVER: u32 = u32::MAX;

/// For each commit of a graph, which of several tips reached it first.
#[derive(Clone, Debug)]
pub struct FirstReached {
    by: Vec<u32>,
}

impl FirstReached {
    /// The position of the first tip that reaches `node`.
    pub fn by(&self, node: Node) -> Option<usize> {
        let reached = self.by[node.index()];
        (reached != NEVER).then_some(reached as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Instant, RepositoryId};

    fn commit(id: &str, parents: &[&str]) -> Commit {
        Commit {
            repository: RepositoryId::from("github/1"),
            id: CommitId::from(id),
            parents: parents.iter().map(|it| CommitId::from(*it)).collect(),
            authored_at: Instant::UNIX_EPOCH,
            committed_at: Instant::UNIX_EPOCH,
            reverts: Vec::new(),
        }
    }

    /// a - b - d, a - c - d: a merge of two lines.
    fn diamond() -> CommitGraph {
        let mut graph = CommitGraph::default();
        for (id, parents) in
            [("a", &[][..]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"]), ("x", &["gone"])]
        {
            graph.insert(commit(id, parents));
        }
        graph
    }

    fn id(id: &str) -> CommitId {
        CommitId::from(id)
    }

    #[test]
    fn a_merge_contains_both_of_its_lines_and_nothing_contains_its_child() {
        let graph = diamond();
        for ancestor in ["a", "b", "c", "d"] {
            assert!(graph.contains(&id("d"), &id(ancestor)), "d contains {ancestor}");
        }
        assert!(!graph.contains(&id("b"), &id("c")), "b and c are on different lines");
        assert!(!graph.contains(&id("a"), &id("b")), "a is the older one");
    }

    #[test]
    fn each_commit_belongs_to_the_first_tip_that_reaches_it() {
        let graph = diamond();
        let tips = ["b", "unknown", "d", "a"].map(|it| graph.node(&id(it)));
        let reached = graph.first_reached(tips);
        let by = |it| graph.node(&id(it)).and_then(|node| reached.by(node));
        assert_eq!(
            [by("a"), by("b"), by("c"), by("d"), by("x")],
            [Some(0), Some(0), Some(2), Some(2), None]
        );
    }

    #[test]
    fn a_parent_that_is_not_known_is_reached_and_ends_the_walk() {
        let graph = diamond();
        assert!(graph.get(&id("gone")).is_none());
        assert!(graph.contains(&id("x"), &id("gone")));
        assert!(!graph.contains(&id("gone"), &id("a")));
    }

    #[test]
    fn a_commit_takes_no_more_room_than_it_must() {
        assert_eq!((size_of::<KnownCommit>(), size_of::<Entry>()), (64, 80));
    }

    #[test]
    fn the_order_of_arrival_and_what_was_removed_leave_no_trace() {
        let mut other = CommitGraph::default();
        for (id, parents) in
            [("d", &["b", "c"][..]), ("x", &["gone"]), ("c", &["a"]), ("a", &[]), ("b", &["a"])]
        {
            other.insert(commit(id, parents));
        }
        other.insert(commit("e", &["d"]));
        assert_ne!(other, diamond());
        other.remove(&id("e"));
        assert_eq!(other, diamond());
    }
}
