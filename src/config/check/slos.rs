//! `[slos]`: the files that it names, and what they say.

use super::Checker;
use crate::config::path::KeyPath;
use crate::config::slo::{MaintenanceSettings, Specifications};
use crate::config::suggest;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let Some(settings) = &document.slos else { return };
    let path = KeyPath::root().key("slos");
    let window = settings.window().unwrap_or_else(|text| {
        let rule = format!("{text:?} is no window");
        let fix = "write a length such as 30d or 4w, or week, month, quarter or year";
        checker.value(&path.key("window"), rule, fix);
        None
    });
    let (specifications, missing) = Specifications::read(&settings.files, window);
    for (index, rule) in missing {
        checker.value(&path.key("files").index(index), rule, "mend the path");
    }
    checker.checked.problems.extend(specifications.problems);
    checker.checked.notices = specifications.notices;
    checker.checked.slos = specifications.found;
    checker.checked.alert_windows = specifications.windows;
    if !settings.files.is_empty() {
        super::endpoints::source(checker, &path, settings.source.as_deref());
    }
    maintenance(checker, &path.key("maintenance"), &settings.maintenance);
    let services = checker.names("services");
    for (name, service) in &settings.services {
        if !services.contains(service) && !checker.is_broken("services") {
            let known = services.iter().map(String::as_str);
            let fix = suggest::fix(service, known, "name a [services.NAME]");
            let rule = format!("there is no service {service:?}");
            checker.value(&path.key("services").key(name.as_str()), rule, fix);
        }
    }
}

fn maintenance(checker: &mut Checker<'_>, path: &KeyPath, all: &[MaintenanceSettings]) {
    for (index, it) in all.iter().enumerate() {
        let path = path.index(index);
        if it.end.0 <= it.start.0 {
            let rule = "is not after `start`";
            checker.value(&path.key("end"), rule, "write when the maintenance is over");
        }
        for (at, service) in it.services.iter().enumerate() {
            super::endpoints::service(checker, &path.key("services").index(at), service);
        }
    }
}
