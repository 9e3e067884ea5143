//! Dashboards and the Prometheus configuration agree with what is exported.

use std::collections::BTreeSet;
use std::path::Path;

use engkpi::output::exposition;
use serde_json::Value;

use crate::promtool::promtool;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every query of every dashboard, with its variables filled in.
fn queries() -> Vec<String> {
    let folder = root().join("dashboards");
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(folder).expect("dashboards/ is there") {
        let path = entry.expect("dashboards/ is readable").path();
        let text = std::fs::read_to_string(&path).expect("a dashboard is readable");
        let dashboard: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} is no JSON: {error}", path.display()));
        find_queries(&dashboard, &mut queries);
    }
    assert!(queries.len() > 30, "the queries were not found");
    queries
}

fn find_queries(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(query)) = fields.get("expr") {
                let filled = [("$scope", "org"), ("$team", ".*"), ("$service", ".*")]
                    .iter()
                    .fold(query.clone(), |query, (name, value)| query.replace(name, value));
                queries.push(filled);
            }
            fields.values().for_each(|it| find_queries(it, queries));
        }
        Value::Array(items) => items.iter().for_each(|it| find_queries(it, queries)),
        _ => {}
    }
}

/// The metrics that a query names.
fn metrics(query: &str) -> BTreeSet<String> {
    query
        .split(|it: char| !it.is_alphanumeric() && it != '_')
        .filter(|word| word.starts_with("engkpi_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_exported_kpi_family_is_on_a_dashboard() {
    let shown: BTreeSet<String> = queries().iter().flat_map(|query| metrics(query)).collect();
    let missing: Vec<&str> = engkpi::kpi::ALL
        .iter()
        .flat_map(|kpi| kpi.families)
        .map(|family| family.name)
        .filter(|name| !shown.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}: add one to dashboards/");
}

#[test]
fn dashboards_query_only_what_is_exported() {
    let exported: BTreeSet<String> = exposition::family_names().into_iter().collect();
    let own: BTreeSet<String> = engkpi::telemetry::Telemetry::names();
    for query in queries() {
        for name in metrics(&query) {
            assert!(
                exported.contains(&name) || own.contains(&name),
                "`{name}` is not exported; a panel asks for it: {query}"
            );
        }
    }
}

#[test]
fn every_query_is_promql() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(number, query)| serde_json::json!({"record": format!("query:{number}"), "expr": query}))
        .collect();
    let file = serde_json::json!({"groups": [{"name": "dashboards", "rules": rules}]});
    let path = folder.path().join("rules.json");
    std::fs::write(&path, file.to_string()).expect("the folder is writable");
    promtool(folder.path(), &["check", "rules", path.to_str().expect("UTF-8")]);
}

#[test]
fn the_scrape_configuration_is_right() {
    let path = root().join("deploy/prometheus/prometheus.yml");
    let text = std::fs::read_to_string(&path).expect("deploy/prometheus/prometheus.yml is there");
    assert!(
        text.contains("honor_labels: true"),
        "without honor_labels the labels `service` and `team` are renamed by Prometheus"
    );
    promtool(root(), &["check", "config", path.to_str().expect("UTF-8")]);
}
