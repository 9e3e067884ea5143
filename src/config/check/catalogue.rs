//! `[teams]` and `[services]`: names, owners, paths, deployments.

use std::collections::BTreeMap;

use super::{Checker, sources};
use crate::config::catalogue::{DeploymentSettings, ServiceSettings};
use crate::config::path::KeyPath;
use crate::config::suggest;

pub(super) fn check(checker: &mut Checker<'_>) {
    for section in ["teams", "services"] {
        names(checker, section);
    }
    let document = checker.document;
    let root = KeyPath::root().key("services");
    for (name, service) in &document.services {
        let path = root.key(name.as_str());
        owner(checker, &path, service);
        repository(checker, &path, service);
        deployments(checker, &path.key("deployments"), &service.deployments);
        pagerduty(checker, &path.key("pagerduty"), service);
        if let Some(tier) = service.tier
            && !(1..=5).contains(&tier)
        {
            let fix = "write 1 for the most important to 5 for the least";
            checker.value(&path.key("tier"), format!("{tier} is not a tier"), fix);
        }
    }
    paths(checker);
}

fn names(checker: &mut Checker<'_>, section: &str) {
    let root = KeyPath::root().key(section);
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for name in checker.names(section) {
        let path = root.key(name.as_str());
        if name.is_empty()
            || name.trim() != name
            || name.chars().count() > 100
            || name.chars().any(char::is_control)
        {
            let fix =
                "use 1 to 100 printable characters without spaces around them: it becomes a label";
            checker.key(&path, "cannot be a name", fix);
        }
        if let Some(other) = seen.insert(name.to_lowercase(), name.clone()) {
            let fix = "rename or remove one of them";
            checker.key(&path, format!("differs from {other:?} only in capitals"), fix);
        }
    }
}

fn owner(checker: &mut Checker<'_>, path: &KeyPath, service: &ServiceSettings) {
    let teams = checker.names("teams");
    if !teams.contains(&service.team) && !checker.is_broken("teams") {
        let team = &service.team;
        let otherwise = format!("add [teams.{}]", KeyPath::root().key(team.as_str()));
        let fix = suggest::fix(team, teams.iter().map(String::as_str), &otherwise);
        checker.value(&path.key("team"), format!("there is no team {team:?}"), fix);
    }
}

fn repository(checker: &mut Checker<'_>, path: &KeyPath, service: &ServiceSettings) {
    let repository = service.repository.as_str();
    if !sources::reads(checker, repository) {
        let known = sources::repositories(checker);
        let otherwise = "add it to `repositories` of a GitHub source";
        let fix = suggest::fix(repository, known.iter().map(String::as_str), otherwise);
        let rule = format!("no source reads the repository {repository:?}");
        checker.value(&path.key("repository"), rule, fix);
    }
}

fn deployments(checker: &mut Checker<'_>, path: &KeyPath, settings: &DeploymentSettings) {
    let kinds = settings.kinds();
    if let [first, second, ..] = kinds.as_slice() {
        let fix = "keep one: what counts as a production deployment has one rule";
        checker.value(&path.key(*second), format!("excludes {first}"), fix);
    }
    let other = kinds.iter().find(|it| **it != "environments").copied();
    for (key, given) in [("task", settings.task.is_some()), ("payload", settings.payload.is_some())]
    {
        if let Some(other) = other.filter(|_| given && !kinds.contains(&"environments")) {
            let rule = format!("is for deployments to environments, and there is {other}");
            checker.value(&path.key(key), rule, "remove one of them");
        }
    }
    for (key, list) in [("environments", &settings.environments), ("workflow", &settings.workflow)]
    {
        if list.as_ref().is_some_and(Vec::is_empty) {
            let fix = "name at least one: an empty list matches no deployment";
            checker.value(&path.key(key), "is an empty list", fix);
        }
    }
    if let Some(payload) = &settings.payload
        && payload.len() != 1
    {
        let rule = format!("has {} keys", payload.len());
        checker.value(
            &path.key("payload"),
            rule,
            "write one: payload = { service = \"checkout\" }",
        );
    }
}

fn pagerduty(checker: &mut Checker<'_>, path: &KeyPath, service: &ServiceSettings) {
    if service.pagerduty.is_empty() {
        return;
    }
    if !sources::has(checker, "pagerduty") && !checker.is_broken("sources") {
        let fix = "add [sources.pagerduty] with type = \"pagerduty\", or remove the ids";
        checker.value(path, "names PagerDuty services, and no source reads PagerDuty", fix);
    }
    for (index, id) in service.pagerduty.iter().enumerate() {
        if !id.trim().is_empty()
            && !id.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
        {
            let fix = "write the last part of https://….pagerduty.com/service-directory/ID, such as \"PABC123\"";
            checker.value(
                &path.index(index),
                format!("{id:?} is not the id of a PagerDuty service"),
                fix,
            );
        }
    }
}

/// The same glob of one repository in two services: a tie that only one of them can win.
fn paths(checker: &mut Checker<'_>) {
    let document = checker.document;
    let mut claimed: BTreeMap<(String, String), &str> = BTreeMap::new();
    for (name, service) in &document.services {
        for (index, glob) in service.paths.iter().enumerate() {
            let claim = (service.repository.as_str().to_lowercase(), glob.to_string());
            match claimed.get(&claim) {
                Some(other) if *other != name => {
                    let path = KeyPath::root()
                        .key("services")
                        .key(name.as_str())
                        .key("paths")
                        .index(index);
                    let fix = "give each path to one service";
                    checker.value(
                        &path,
                        format!("{:?} belongs to the service {other:?} already", claim.1),
                        fix,
                    );
                }
                _ => {
                    claimed.insert(claim, name);
                }
            }
        }
    }
}
