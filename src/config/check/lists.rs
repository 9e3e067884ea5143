//! What holds of every text and every list: nothing empty, nothing twice.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Checker;
use crate::config::path::KeyPath;

pub(super) fn check(checker: &mut Checker<'_>) {
    let tree = checker.layers.tree().clone();
    walk(checker, &KeyPath::root(), &tree);
}

fn walk(checker: &mut Checker<'_>, path: &KeyPath, value: &Json) {
    match value {
        Json::String(text) if text.trim().is_empty() => {
            checker.value(path, "is an empty text", "write something or remove the key");
        }
        Json::Object(table) => {
            for (key, value) in table {
                walk(checker, &path.key(key.as_str()), value);
            }
        }
        Json::Array(list) => {
            let mut seen = BTreeSet::new();
            for (index, element) in list.iter().enumerate() {
                let path = path.index(index);
                if !element.is_object() && !seen.insert(element.to_string()) {
                    checker.value(
                        &path,
                        format!("{element} is in the list twice"),
                        "remove one of them",
                    );
                }
                walk(checker, &path, element);
            }
        }
        _ => {}
    }
}
