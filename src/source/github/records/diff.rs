//! What one step did to the records of a folder: the difference of two trees.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::fact::RevisionKind;

/// A folder at one commit: record path to blob id.
pub(super) type Tree = BTreeMap<String, String>;

/// Two texts that share at least this part of their lines are one record that moved, as git has it.
const SIMILAR: f64 = 0.5;

/// More pairs than this are not compared: it is an import or a clean-up.
const MOST_PAIRS: usize = 400;

/// What happened to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) path: String,
    /// Its blob; absent when it is gone.
    pub(super) blob: Option<String>,
    pub(super) kind: RevisionKind,
}

/// The paths that vanished and those that appeared without being the same text: renames with
/// changes are among them.
pub(super) fn unmatched(before: &Tree, after: &Tree) -> (Vec<String>, Vec<String>) {
    let (_, gone, new) = exact_renames(before, after);
    if gone.is_empty() || new.is_empty() || gone.len() * new.len() > MOST_PAIRS {
        return (Vec::new(), Vec::new());
    }
    (gone, new)
}

/// What turned `before` into `after`. `texts` has the texts of the [`unmatched`] blobs.
pub(super) fn diff(before: &Tree, after: &Tree, texts: &HashMap<String, String>) -> Vec<Edit> {
    let (mut renames, gone, new) = exact_renames(before, after);
    renames.extend(similar(before, after, &gone, &new, texts));
    let moved: BTreeSet<&String> = renames.values().collect();
    let mut edits = Vec::new();
    for (path, blob) in after {
        let kind = match (before.get(path), renames.get(path)) {
            (Some(old), _) if old == blob => continue,
            (Some(_), _) => RevisionKind::Modified,
            (None, Some(from)) => RevisionKind::RenamedFrom(from.clone().into()),
            (None, None) => RevisionKind::Added,
        };
        edits.push(Edit { path: path.clone(), blob: Some(blob.clone()), kind });
    }
    for path in before.keys().filter(|it| !after.contains_key(*it) && !moved.contains(it)) {
        edits.push(Edit { path: path.clone(), blob: None, kind: RevisionKind::Removed });
    }
    edits
}

/// New path to old path of what moved unchanged; the old paths and the new ones that are left.
fn exact_renames(
    before: &Tree,
    after: &Tree,
) -> (BTreeMap<String, String>, Vec<String>, Vec<String>) {
    let mut gone: Vec<_> = before.keys().filter(|it| !after.contains_key(*it)).cloned().collect();
    let mut new: Vec<_> = after.keys().filter(|it| !before.contains_key(*it)).cloned().collect();
    let mut renames = BTreeMap::new();
    new.retain(|path| {
        let mut same = gone.iter().enumerate().filter(|(_, old)| before[*old] == after[path]);
        let first = same.next();
        let best = first
            .into_iter()
            .chain(same)
            .max_by_key(|(index, old)| (file_name(old) == file_name(path), usize::MAX - index));
        let Some((index, _)) = best else { return true };
        renames.insert(path.clone(), gone.remove(index));
        false
    });
    (renames, gone, new)
}

fn similar(
    before: &Tree,
    after: &Tree,
    gone: &[String],
    new: &[String],
    texts: &HashMap<String, String>,
) -> BTreeMap<String, String> {
    let mut pairs = Vec::new();
    if gone.len() * new.len() <= MOST_PAIRS {
        for old in gone {
            for path in new {
                let text = |tree: &Tree, path: &String| texts.get(&tree[path]);
                if let Some((one, other)) = text(before, old).zip(text(after, path)) {
                    let score = similarity(one, other);
                    if score >= SIMILAR {
                        pairs.push((score, path, old));
                    }
                }
            }
        }
    }
    // The most similar first; ties by name, so that the result does not depend on chance.
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let mut renames = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (_, path, old) in pairs {
        if !renames.contains_key(path) && taken.insert(old) {
            renames.insert(path.clone(), old.clone());
        }
    }
    renames
}

/// The part of their lines that two texts share, weighed by length.
fn similarity(one: &str, other: &str) -> f64 {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for line in one.lines() {
        *lines.entry(line).or_default() += 1;
    }
    let mut shared = 0;
    for line in other.lines() {
        if let Some(count) = lines.get_mut(line).filter(|it| **it > 0) {
            *count -= 1;
            shared += line.len() + 1;
        }
    }
    let longest = one.len().max(other.len());
    if longest == 0 { 1.0 } else { (shared as f64 / longest as f64).min(1.0) }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &str)]) -> Tree {
        entries.iter().map(|(path, blob)| ((*path).to_owned(), (*blob).to_owned())).collect()
    }

    fn edits(
        before: &[(&str, &str)],
        after: &[(&str, &str)],
        texts: &[(&str, &str)],
    ) -> Vec<String> {
        let texts = texts.iter().map(|(blob, text)| ((*blob).to_owned(), (*text).to_owned()));
        diff(&tree(before), &tree(after), &texts.collect())
            .into_iter()
            .map(|it| match it.kind {
                RevisionKind::Added => format!("+{}", it.path),
                RevisionKind::Modified => format!("~{}", it.path),
                RevisionKind::Removed => format!("-{}", it.path),
                RevisionKind::RenamedFrom(from) => format!("{from}>{}", it.path),
            })
            .collect()
    }

    #[test]
    fn records_appear_change_and_vanish() {
        assert_eq!(
            edits(
                &[("1.md", "a"), ("2.md", "b"), ("3.md", "c")],
                &[("1.md", "a"), ("2.md", "B"), ("4.md", "d")],
                &[]
            ),
            ["~2.md", "+4.md", "-3.md"]
        );
        assert!(edits(&[("1.md", "a")], &[("1.md", "a")], &[]).is_empty());
    }

    #[test]
    fn a_record_that_moves_unchanged_is_renamed() {
        assert_eq!(
            edits(
                &[("adr/1.md", "a"), ("adr/2.md", "b")],
                &[("docs/1.md", "a"), ("docs/2.md", "b")],
                &[]
            ),
            ["adr/1.md>docs/1.md", "adr/2.md>docs/2.md"]
        );
    }

    #[test]
    fn of_equal_texts_the_one_with_the_same_name_moved() {
        assert_eq!(
            edits(&[("a/1.md", "t"), ("a/2.md", "t")], &[("b/2.md", "t")], &[]),
            ["a/2.md>b/2.md", "-a/1.md"]
        );
    }

    #[test]
    fn a_record_that_moves_with_a_small_change_is_renamed() {
        let old = "# Use it\n\n## Status\n\nproposed\n\n## Context\n\nWe need it.\n";
        let new = old.replace("proposed", "accepted");
        let texts =
            [("o", old), ("n", new.as_str()), ("x", "Something else entirely, and long enough.\n")];
        assert_eq!(
            edits(&[("1.md", "o")], &[("0001-use-it.md", "n")], &texts),
            ["1.md>0001-use-it.md"]
        );
        assert_eq!(edits(&[("1.md", "o")], &[("2.md", "x")], &texts), ["+2.md", "-1.md"]);
        assert_eq!(edits(&[("1.md", "o")], &[("2.md", "n")], &[]), ["+2.md", "-1.md"]);
    }

    #[test]
    fn only_what_an_exact_match_leaves_needs_its_text() {
        let before = tree(&[("1.md", "a"), ("2.md", "b")]);
        let after = tree(&[("3.md", "a"), ("4.md", "c")]);
        assert_eq!(unmatched(&before, &after), (vec!["2.md".to_owned()], vec!["4.md".to_owned()]));
        assert_eq!(unmatched(&before, &tree(&[("1.md", "a")])), (vec![], vec![]));
    }
}
