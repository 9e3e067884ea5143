//! `[standards]`, `[boundaries]` and `[rules.findings]`: known services, teams and repositories.

use super::{Checker, sources};
use crate::config::path::KeyPath;
use crate::config::suggest;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let root = KeyPath::root().key("standards");
    for (name, standard) in &document.standards {
        let path = root.key(name.as_str());
        label(checker, &path, name);
        checker.complain(&path, standard.check());
        for (index, service) in standard.except.iter().enumerate() {
            known(checker, &path.key("except").index(index), "services", service, false);
        }
    }
    let root = KeyPath::root().key("boundaries");
    for (name, boundary) in &document.boundaries {
        let path = root.key(name.as_str());
        if let Some(service) = &boundary.service {
            known(checker, &path.key("service"), "services", service, false);
        }
        match &boundary.repository {
            Some(repository) if !sources::reads(checker, repository.as_str()) => {
                let names = sources::repositories(checker);
                let otherwise = "add it to `repositories` of a GitHub source";
                let fix =
                    suggest::fix(repository.as_str(), names.iter().map(String::as_str), otherwise);
                let rule = format!("no source reads the repository {:?}", repository.as_str());
                checker.value(&path.key("repository"), rule, fix);
            }
            // What was written and cannot be read is complained about already.
            None if boundary.service.is_none()
                && !["service", "repository"]
                    .iter()
                    .any(|key| checker.broken.contains(&path.key(*key))) =>
            {
                let fix = "name the service that offers it, or the repository that tests it";
                checker.key(&path, "says neither which service nor which repository", fix);
            }
            _ => {}
        }
    }
    let Some(findings) = document.rules.as_ref().and_then(|it| it.findings.as_ref()) else {
        return;
    };
    let root = KeyPath::root().key("rules").key("findings");
    for (section, names) in [
        ("teams", findings.teams.keys().collect::<Vec<_>>()),
        ("services", findings.services.keys().collect()),
    ] {
        for name in names {
            known(checker, &root.key(section).key(name.as_str()), section, name, true);
        }
    }
    if findings.tools.is_empty() {
        let fix = "name at least one, or remove [rules.findings]";
        checker.value(&root.key("tools"), "is an empty list", fix);
    }
}

/// A name that becomes a label.
fn label(checker: &mut Checker<'_>, path: &KeyPath, name: &str) {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        let fix = "use 1 to 100 printable characters: it becomes a label";
        checker.key(path, "cannot be a name", fix);
    }
}

/// Notes that there is no team or service of this name.
fn known(checker: &mut Checker<'_>, path: &KeyPath, section: &str, name: &str, is_key: bool) {
    let names = checker.names(section);
    if names.iter().any(|it| it == name) || checker.is_broken(section) {
        return;
    }
    let rule = format!("there is no {} {name:?}", section.trim_end_matches('s'));
    let fix = suggest::fix(name, names.iter().map(String::as_str), "remove it");
    if is_key {
        checker.key(path, rule, fix);
    } else {
        checker.value(path, rule, fix);
    }
}
