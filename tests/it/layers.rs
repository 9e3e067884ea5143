//! The shape of the code: layers point strictly downward, and each kind of work has one place.

use std::path::{Path, PathBuf};

/// Lowest first. A layer may use those before it, never those after it.
const LAYERS: [&str; 17] = [
    "domain",
    "kpi",
    "output",
    "clock",
    "telemetry",
    "secret",
    "setting",
    "store",
    "source",
    "collect",
    "evaluate",
    "http",
    "config",
    "daemon",
    "cli",
    "lib",
    "main",
];

/// Words that may appear only below these paths (relative to `src`).
const ONLY_IN: [(&str, &[&str], &str); 6] = [
    (
        "octocrab",
        &["source/github", "source/outbound", "main.rs", "cli"],
        "GitHub types stay in its source",
    ),
    ("sqlx", &["store", "cli/logging.rs"], "SQL stays in the store"),
    (
        "reqwest",
        &["source/outbound", "source/outbound.rs", "cli/logging.rs"],
        "every request goes through the outbound client",
    ),
    ("Utc::now", &["clock.rs"], "wall time is read in one file: take a Clock or an `as_of`"),
    ("SystemTime::now", &["clock.rs"], "wall time is read in one file: take a Clock or an `as_of`"),
    ("std::env::var", &["secret.rs", "config", "cli"], "the environment is configuration"),
];

/// What the pure layers never touch.
const IMPURE: [&str; 7] =
    ["tokio::", "std::fs", "std::net", "std::env", "reqwest", "sqlx", "async fn"];

struct Line {
    place: String,
    path: String,
    layer: String,
    text: String,
}

/// Every line of production code: comments and unit tests left out.
fn code() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found below {}", root.display());
    let mut lines = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        let layer = path.split(['/', '.']).next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(&file).expect("sources are readable");
        let production = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in production.lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                lines.push(Line {
                    place: format!("src/{path}:{}", number + 1),
                    path: path.clone(),
                    layer: layer.clone(),
                    text: line.to_owned(),
                });
            }
        }
    }
    lines
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|it| *it == layer)
}

#[test]
fn no_layer_uses_one_above_it() {
    let mut wrong = Vec::new();
    for line in code() {
        let here = rank(&line.layer).unwrap_or_else(|| {
            panic!("{}: `{}` is no layer: put it in LAYERS", line.place, line.layer)
        });
        for used in line.text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            if rank(&used).is_some_and(|there| there > here) {
                wrong.push(format!(
                    "{}: `{}` is below `{used}` and may not use it",
                    line.place, line.layer
                ));
            }
        }
        if line.text.contains("super::super::super") {
            wrong.push(format!("{}: say `crate::…` instead of climbing with `super`", line.place));
        }
    }
    assert!(wrong.is_empty(), "layers point strictly downward:\n{}", wrong.join("\n"));
}

#[test]
fn each_kind_of_work_has_one_place() {
    let mut wrong = Vec::new();
    for line in code() {
        for (word, places, why) in ONLY_IN {
            if line.text.contains(word) && !places.iter().any(|it| line.path.starts_with(it)) {
                wrong.push(format!("{}: `{word}` does not belong here: {why}", line.place));
            }
        }
    }
    assert!(wrong.is_empty(), "work out of its place:\n{}", wrong.join("\n"));
}

#[test]
fn the_pure_layers_stay_pure() {
    let mut wrong = Vec::new();
    for line in code() {
        if matches!(line.layer.as_str(), "domain" | "kpi" | "output") {
            for word in IMPURE {
                if line.text.contains(word) {
                    wrong.push(format!("{}: `{word}` in a layer without IO", line.place));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "domain, kpi and output perform no IO:\n{}", wrong.join("\n"));
}
