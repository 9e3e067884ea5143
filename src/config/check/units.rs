//! `[units]`: names, services, metric stores that are there, and counters that count units.

use super::Checker;
use super::endpoints::{service, source};
use crate::config::path::KeyPath;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let root = KeyPath::root().key("units");
    for (name, settings) in &document.units {
        let path = root.key(name.as_str());
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            checker.key(&path, "cannot be a name", "use 1 to 100 printable characters");
        }
        service(checker, &path.key("service"), &settings.service);
        source(checker, &path, settings.source.as_deref());
        let unit = settings.unit();
        if unit.chars().count() > 40 || unit.chars().any(char::is_control) {
            let fix = "write for example \"request\": it becomes a label";
            checker.value(&path.key("unit"), "is no short name", fix);
        }
        let metric = settings.counter.as_str().split('{').next().unwrap_or_default();
        if metric.ends_with("_bucket") {
            let fix = "name the histogram's series that ends in _count";
            checker.value(&path.key("counter"), "counts each unit once for each bucket", fix);
        } else if metric.ends_with("_sum") {
            let fix = "name the series that ends in _count or _total";
            checker.value(&path.key("counter"), "adds up something else than units", fix);
        }
    }
}
