//! `[endpoints]`: names, services and metric stores that are there.

use super::Checker;
use crate::config::path::KeyPath;
use crate::config::{SourceSettings, suggest};

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let root = KeyPath::root().key("endpoints");
    for name in checker.names("endpoints") {
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            let fix = "use 1 to 100 printable characters: it becomes a label";
            checker.key(&root.key(name), "cannot be the name of an endpoint", fix);
        }
    }
    for (name, endpoint) in &document.endpoints {
        let path = root.key(name.as_str());
        service(checker, &path.key("service"), &endpoint.service);
        source(checker, &path, endpoint.source.as_deref());
        let buckets = endpoint.buckets.as_str();
        if buckets.contains("le=") || buckets.contains("le!=") {
            let fix = "leave `le` out: all buckets are needed";
            checker.value(&path.key("buckets"), "picks single buckets", fix);
        } else if buckets.split('{').next().is_some_and(|it| {
            it.ends_with("_count") || it.ends_with("_sum") || it.ends_with("_total")
        }) {
            let fix = "name the histogram's series that end in _bucket";
            checker.value(&path.key("buckets"), "names a series without buckets", fix);
        }
    }
}

/// Notes that there is no service of this name.
pub(super) fn service(checker: &mut Checker<'_>, path: &KeyPath, name: &String) {
    let services = checker.names("services");
    if !services.contains(name) && !checker.is_broken("services") {
        let otherwise = format!("add [services.{}]", KeyPath::root().key(name.as_str()));
        let fix = suggest::fix(name, services.iter().map(String::as_str), &otherwise);
        checker.value(path, format!("there is no service {name:?}"), fix);
    }
}

/// Of several metric stores, which one it is; of one, nobody needs to say it.
pub(super) fn source(checker: &mut Checker<'_>, path: &KeyPath, named: Option<&str>) {
    let sources = &checker.document.sources;
    let stores = sources.iter().filter(|(_, it)| matches!(it, SourceSettings::Prometheus(_)));
    let stores: Vec<&str> = stores.map(|(name, _)| name.as_str()).collect();
    let broken = checker.broken.iter().any(|it| KeyPath::root().key("sources").holds(it));
    if broken {
        return;
    }
    match (named, stores.as_slice()) {
        (_, []) => {
            let fix = "add [sources.prometheus] with type = \"prometheus\"";
            checker.key(path, "needs a metric store, and there is none", fix);
        }
        (Some(name), stores) if !stores.contains(&name) => {
            let fix = suggest::fix(name, stores.iter().copied(), "name a Prometheus source");
            let rule = format!("there is no Prometheus source {name:?}");
            checker.value(&path.key("source"), rule, fix);
        }
        (None, stores @ [_, _, ..]) => {
            let fix = format!("add `source = …`: {}", suggest::list(stores));
            checker.key(&path.key("source"), "is missing: there are several metric stores", fix);
        }
        _ => {}
    }
}
