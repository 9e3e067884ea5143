//! The commit graph of a repository, with the files that each commit touched.

use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Repository;
use crate::time::Instant;

/// A commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// 40 hex digits.
    pub sha: String,
    /// First parent first.
    pub parents: Vec<String>,
    /// A login, `[bot]` at its end for bots.
    pub author: String,
    /// Freely chosen by its author.
    pub authored_at: Instant,
    /// Set by git.
    pub committed_at: Instant,
    /// When the vendor got it: it is visible from then on.
    pub pushed_at: Instant,
    /// The whole message.
    pub message: String,
    /// The difference to the first parent.
    pub files: Vec<File>,
}

/// What a commit did to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path after the commit.
    pub path: String,
    /// What was done.
    pub status: FileStatus,
    /// The text after the commit; `None` = some text that nobody will read.
    pub content: Option<String>,
}

/// What was done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileStatus {
    Added,
    Modified,
    Removed,
    RenamedFrom(String),
}

impl File {
    /// A new file.
    pub fn added(path: &str, content: &str) -> Self {
        Self::new(path, FileStatus::Added, Some(content))
    }

    /// A changed file.
    pub fn modified(path: &str, content: &str) -> Self {
        Self::new(path, FileStatus::Modified, Some(content))
    }

    /// A changed file whose text nobody will read.
    pub fn touched(path: &str) -> Self {
        Self::new(path, FileStatus::Modified, None)
    }

    /// A file that is gone.
    pub fn removed(path: &str) -> Self {
        Self::new(path, FileStatus::Removed, None)
    }

    /// A file that moved; without `content` it keeps its text.
    pub fn renamed(from: &str, path: &str, content: Option<&str>) -> Self {
        Self::new(path, FileStatus::RenamedFrom(from.to_owned()), content)
    }

    fn new(path: &str, status: FileStatus, content: Option<&str>) -> Self {
        Self { path: path.to_owned(), status, content: content.map(str::to_owned) }
    }
}

impl From<&str> for File {
    fn from(path: &str) -> Self {
        Self::touched(path)
    }
}

/// 40 hex digits that follow from `seed`.
pub(crate) fn digest(seed: impl Hash) -> String {
    let part = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        (salt, &seed).hash(&mut hasher);
        hasher.finish()
    };
    let mut text = format!("{:016x}{:016x}{:016x}", part(1), part(2), part(3));
    text.truncate(40);
    text
}

/// The text of a file as of some commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) text: String,
}

impl Blob {
    /// The vendor's id of the text.
    pub(crate) fn oid(&self) -> String {
        digest(("blob", &self.text))
    }
}

impl Repository {
    /// The tip of the default branch at `now`.
    pub(crate) fn head(&self, now: Instant) -> Option<&str> {
        self.pushes.iter().rev().find(|(at, _)| *at <= now).map(|(_, sha)| sha.as_str())
    }

    /// The commit that `expression` (a sha, a branch, a tag or `HEAD`) names at `now`.
    pub(crate) fn resolve(&self, expression: &str, now: Instant) -> Option<&Commit> {
        let short = expression.trim_start_matches("refs/");
        let short = short.trim_start_matches("heads/").trim_start_matches("tags/");
        let sha = if short == "HEAD" || short == self.default_branch {
            self.head(now)?
        } else if let Some(updates) = self.branches.get(short) {
            updates.iter().rev().find(|(at, _)| *at <= now)?.1.as_deref()?
        } else if let Some((_, sha, _)) =
            self.tags.iter().find(|(name, _, at)| name == short && *at <= now)
        {
            sha
        } else {
            expression
        };
        self.commits.get(sha).filter(|commit| commit.pushed_at <= now)
    }

    /// Commits reachable from `head`, newest first, as `git log` orders them.
    pub(crate) fn log(&self, head: &str) -> Vec<&Commit> {
        self.walk(head, |_| true)
    }

    /// Commits reachable from `head` that changed something below `root`, with git's default
    /// history simplification; renames are not followed.
    pub(crate) fn path_log(&self, head: &str, root: &str) -> Vec<&Commit> {
        let mut found = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut heap = BinaryHeap::new();
        self.visit(head, &mut seen, &mut heap);
        while let Some((_, _, sha)) = heap.pop() {
            let commit = &self.commits[sha];
            let parents: Vec<&str> = self.known_parents(commit);
            let same: Vec<&str> = if parents.len() == 1 {
                let touched = commit.files.iter().any(|file| file.touches(root));
                if touched { Vec::new() } else { parents.clone() }
            } else {
                let here = self.below(sha, root);
                parents.iter().copied().filter(|parent| self.below(parent, root) == here).collect()
            };
            let follow = if let Some(&first) = same.first() {
                vec![first]
            } else {
                if !parents.is_empty() || commit.files.iter().any(|file| file.touches(root)) {
                    found.push(commit);
                }
                parents
            };
            for parent in follow {
                self.visit(parent, &mut seen, &mut heap);
            }
        }
        found
    }

    fn walk<'a>(&'a self, head: &str, keep: impl Fn(&Commit) -> bool) -> Vec<&'a Commit> {
        let mut found = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut heap = BinaryHeap::new();
        self.visit(head, &mut seen, &mut heap);
        while let Some((_, _, sha)) = heap.pop() {
            let commit = &self.commits[sha];
            if keep(commit) {
                found.push(commit);
            }
            for parent in self.known_parents(commit) {
                self.visit(parent, &mut seen, &mut heap);
            }
        }
        found
    }

    fn visit<'a>(
        &'a self,
        sha: &str,
        seen: &mut HashSet<&'a str>,
        heap: &mut BinaryHeap<(Instant, usize, &'a str)>,
    ) {
        if let Some((sha, commit)) = self.commits.get_key_value(sha)
            && seen.insert(sha)
        {
            let order = self.commit_order.get(sha).copied().unwrap_or_default();
            heap.push((commit.committed_at, order, sha));
        }
    }

    fn known_parents<'a>(&'a self, commit: &Commit) -> Vec<&'a str> {
        let known = |sha: &String| self.commits.get_key_value(sha).map(|(sha, _)| sha.as_str());
        commit.parents.iter().filter_map(known).collect()
    }

    /// The text of `path` as of `sha`.
    pub(crate) fn blob(&self, sha: &str, path: &str) -> Option<Blob> {
        let mut path = path.to_owned();
        let mut next = Some(sha);
        while let Some(commit) = next.and_then(|sha| self.commits.get(sha)) {
            if let Some(file) = commit.files.iter().find(|file| file.path == path) {
                match (&file.status, &file.content) {
                    (FileStatus::Removed, _) => return None,
                    (FileStatus::RenamedFrom(from), None) => path.clone_from(from),
                    (_, content) => {
                        let text = content.clone();
                        let text = text.unwrap_or_else(|| format!("{path} as of {}\n", commit.sha));
                        return Some(Blob { text });
                    }
                }
            } else if commit.files.iter().any(|file| file.moves_away(&path)) {
                return None;
            }
            next = commit.parents.first().map(String::as_str);
        }
        None
    }

    /// The paths that exist below `root` as of `sha`, with their blobs' ids.
    pub(crate) fn below(&self, sha: &str, root: &str) -> BTreeMap<String, String> {
        let mut chain = Vec::new();
        let mut next = Some(sha);
        while let Some(commit) = next.and_then(|sha| self.commits.get(sha)) {
            chain.push(commit);
            next = commit.parents.first().map(String::as_str);
        }
        // Where the text of each path is from; ids are worked out of those that are left.
        let mut origins: BTreeMap<&str, Option<(&File, &Commit)>> = BTreeMap::new();
        for &commit in chain.iter().rev() {
            for file in &commit.files {
                let origin = match &file.status {
                    FileStatus::Removed => {
                        origins.remove(file.path.as_str());
                        continue;
                    }
                    FileStatus::RenamedFrom(from) => {
                        let before = origins.remove(from.as_str()).flatten();
                        if file.content.is_some() { Some((file, commit)) } else { before }
                    }
                    _ => Some((file, commit)),
                };
                origins.insert(&file.path, origin);
            }
        }
        let id = |(file, commit): (&File, &Commit)| match &file.content {
            Some(text) => digest(("blob", text)),
            None => digest(("blob", format!("{} as of {}\n", file.path, commit.sha))),
        };
        let here = origins.into_iter().filter(|(path, _)| is_below(path, root));
        here.map(|(path, origin)| (path.to_owned(), origin.map_or_else(String::new, id))).collect()
    }
}

impl File {
    fn touches(&self, root: &str) -> bool {
        is_below(&self.path, root)
            || matches!(&self.status, FileStatus::RenamedFrom(from) if is_below(from, root))
    }

    fn moves_away(&self, path: &str) -> bool {
        matches!(&self.status, FileStatus::RenamedFrom(from) if from == path)
    }
}

/// Whether `path` is `root` or lies below it; everything lies below "".
pub(crate) fn is_below(path: &str, root: &str) -> bool {
    let root = root.trim_matches('/');
    root.is_empty()
        || path == root
        || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}
