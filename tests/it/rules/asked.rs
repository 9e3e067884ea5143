//! The rules that a story asks for. The others make no difference to it, and most of the time that
//! promtool takes.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

/// Which of the groups of rules a story is told with.
pub(super) type Choice = fn(&Value, &Value) -> Value;

/// Those rules whose names occur in what `story` asks, or in what such a rule asks.
pub(super) fn needed(rules: &Value, story: &Value) -> Value {
    let asked = story["promql_expr_test"].as_array().unwrap();
    let mut names: BTreeSet<&str> = asked.iter().flat_map(|it| words(&it["expr"])).collect();
    let all = || rules["groups"].as_array().unwrap().iter().flat_map(of);
    loop {
        let known = names.len();
        let found: Vec<&Value> = all().filter(|rule| names.contains(name(rule))).collect();
        assert!(!found.is_empty(), "{story} asks for no rule");
        names.extend(found.into_iter().flat_map(|rule| words(&rule["expr"])));
        if names.len() == known {
            break;
        }
    }
    let mut chosen = rules.clone();
    let groups = chosen["groups"].as_array_mut().unwrap();
    for group in &mut *groups {
        group["rules"].as_array_mut().unwrap().retain(|rule| names.contains(name(rule)));
    }
    groups.retain(|group| !of(group).is_empty());
    chosen
}

/// Writes a file of rules and one of tests for each story, with the time between two evaluations,
/// and gives the names of the latter.
pub(super) fn write(
    folder: &Path,
    rules: &Value,
    stories: impl Iterator<Item = (String, Value)>,
    choose: Choice,
) -> Vec<String> {
    let mut files = Vec::new();
    for (number, (every, story)) in stories.enumerate() {
        let chosen = choose(rules, &story);
        let groups: Vec<&Value> =
            chosen["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
        let rules_file = format!("{number}.rules.yml");
        let tests = json!({
            "rule_files": [rules_file],
            "evaluation_interval": every,
            "group_eval_order": groups,
            "tests": [story],
        });
        std::fs::write(folder.join(rules_file), chosen.to_string()).unwrap();
        let file = format!("{number}.test.yml");
        std::fs::write(folder.join(&file), tests.to_string()).unwrap();
        files.push(file);
    }
    files
}

fn of(group: &Value) -> &Vec<Value> {
    group["rules"].as_array().unwrap()
}

fn name(rule: &Value) -> &str {
    rule["record"].as_str().or(rule["alert"].as_str()).unwrap()
}

/// What may be a name in an expression.
fn words(expr: &Value) -> impl Iterator<Item = &str> {
    let is_of_name = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    expr.as_str().unwrap().split(move |it| !is_of_name(it))
}
