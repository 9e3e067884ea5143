//! `[rules]`: severities, status words, decision records.

use std::collections::BTreeMap;

use super::{Checker, sources};
use crate::config::path::KeyPath;
use crate::config::suggest;
use crate::config::value::RepositoryName;

pub(super) fn check(checker: &mut Checker<'_>) {
    let Some(rules) = &checker.document.rules else { return };
    let root = KeyPath::root().key("rules");
    for (name, severity) in &rules.severity {
        if !(1..=5).contains(severity) {
            let path = root.key("severity").key(name.as_str());
            let fix = "write 1 for the most severe to 5 for the least";
            checker.value(&path, format!("{severity} is not a severity"), fix);
        }
    }
    same_but_for_case(checker, &root.key("severity"), rules.severity.keys());
    same_but_for_case(checker, &root.key("statuses"), rules.statuses.keys());
    if rules.bulk_import < 2 {
        let fix = "write 2 or more: with 1 every record would be a bulk import";
        checker.value(&root.key("bulk_import"), format!("{} is too few", rules.bulk_import), fix);
    }
    fields(checker, &root.key("fields"));
    decisions(checker, &root.key("decisions"));
}

/// Two keys of one layer that are the same name; of two layers the later one wins.
fn same_but_for_case<'k>(
    checker: &mut Checker<'_>,
    root: &KeyPath,
    keys: impl Iterator<Item = &'k String>,
) {
    let mut seen: BTreeMap<(String, usize), &str> = BTreeMap::new();
    for key in keys {
        let path = root.key(key.as_str());
        let rank = checker.layers.rank(&path);
        if let Some(other) = seen.insert((key.to_lowercase(), rank), key) {
            checker.key(
                &path,
                format!("is the same as {other:?}: case is ignored"),
                "keep one of them",
            );
        }
    }
}

/// One field cannot mean two things.
fn fields(checker: &mut Checker<'_>, root: &KeyPath) {
    let Some(rules) = &checker.document.rules else { return };
    let names = rules.fields.names();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (key, name) in [
        ("fault_started_at", names.fault_started_at),
        ("detected_at", names.detected_at),
        ("mitigated_at", names.mitigated_at),
        ("root_cause", names.root_cause),
        ("problem", names.problem),
        ("caused_by", names.caused_by),
    ] {
        if let Some(other) = seen.insert(name.clone(), key) {
            let rule = format!("names the field {name:?}, as {other} does");
            checker.value(&root.key(key), rule, "name a field of its own");
        }
    }
}

fn decisions(checker: &mut Checker<'_>, root: &KeyPath) {
    let Some(rules) = &checker.document.rules else { return };
    for (repository, settings) in &rules.decisions {
        let path = root.key(repository.as_str());
        if repository.parse::<RepositoryName>().is_err() {
            let fix = "write [rules.decisions.\"owner/name\"]";
            checker.key(&path, format!("{repository:?} is not a repository"), fix);
            continue;
        }
        if !sources::reads(checker, repository) {
            let known = sources::repositories(checker);
            let otherwise = "add it to `repositories` of a GitHub source";
            let fix = suggest::fix(repository, known.iter().map(String::as_str), otherwise);
            checker.key(&path, format!("no source reads the repository {repository:?}"), fix);
        }
        if settings.folders.is_empty() {
            let fix = "name at least one, for example \"docs/adr\"";
            checker.value(&path.key("folders"), "is an empty list", fix);
        }
        for (index, folder) in settings.folders.iter().enumerate() {
            let odd = folder.starts_with('/')
                || folder.contains(['*', '\\'])
                || folder.split('/').any(|it| matches!(it, "." | ".."));
            if odd {
                let fix = "write a path from the repository's root, for example \"docs/adr\"";
                let path = path.key("folders").index(index);
                checker.value(&path, format!("{folder:?} is not a folder of a repository"), fix);
            }
        }
    }
}
