//! `[slos]`: the files that it names, and what they say.

use super::Checker;
use crate::config::path::KeyPath;
use crate::config::slo::Specifications;
use crate::config::suggest;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let Some(settings) = &document.slos else { return };
    let path = KeyPath::root().key("slos");
    let (specifications, missing) = Specifications::read(&settings.files);
    for (index, rule) in missing {
        checker.value(&path.key("files").index(index), rule, "mend the path");
    }
    checker.checked.problems.extend(specifications.problems);
    checker.checked.notices = specifications.notices;
    checker.checked.slos = specifications.found;
    if !settings.files.is_empty() {
        super::endpoints::source(checker, &path, settings.source.as_deref());
    }
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
