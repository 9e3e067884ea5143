//! What engkpi is built from: the licences and the bans of deny.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn deny() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(table: &toml::Table, section: &str, key: &str) -> Vec<toml::Value> {
    table[section][key].as_array().unwrap().clone()
}

/// Every crate that is linked into the binary or builds it, with its licence.
fn crates() -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-e", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(package, licence)| {
            let name = package.split(' ').next().unwrap_or_default();
            (name.to_owned(), licence.trim_end_matches(" (*)").to_owned())
        })
        .collect()
}

/// Whether the SPDX `expression` can be met with `allowed` licences.
fn met(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    // Older manifests say `/` for OR.
    let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
    let mut depth = 0_i32;
    for operator in [" AND ", " OR "] {
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, character) in expression.char_indices() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ if depth == 0 && expression[at..].starts_with(operator) && at >= start => {
                    parts.push(&expression[start..at]);
                    start = at + operator.len();
                }
                _ => {}
            }
        }
        if !parts.is_empty() {
            parts.push(&expression[start..]);
            let mut met = parts.into_iter().map(|part| met(part, allowed));
            return if operator == " AND " { met.all(|it| it) } else { met.any(|it| it) };
        }
    }
    match expression.trim().strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        Some(inner) => met(inner, allowed),
        None => allowed.contains(expression.trim()),
    }
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let deny = deny();
    let allowed = list(&deny, "licenses", "allow");
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let crates = crates();
    assert!(crates.len() > 100, "the tree was not read: {crates:?}");
    let wrong: Vec<_> = crates.iter().filter(|(_, licence)| !met(licence, &allowed)).collect();
    assert!(wrong.is_empty(), "not allowed by deny.toml: {wrong:?}");
}

#[test]
fn no_crate_is_one_that_deny_toml_bans() {
    let crates = crates();
    for ban in list(&deny(), "bans", "deny") {
        let name = ban["crate"].as_str().unwrap();
        let reason = ban["reason"].as_str().unwrap();
        assert!(
            !crates.contains_key(name),
            "{name} is banned ({reason}); see `cargo tree -i {name}` and switch off the feature that brings it"
        );
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("ISC AND (GPL-3.0 OR LGPL-3.0)", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(met(expression, &allowed), expected, "{expression}");
    }
}
