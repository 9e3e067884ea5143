//! What monitors tell PagerDuty: which alerting rule of Prometheus raised an alert, by the details
//! that Alertmanager sends.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is longer is no name of a rule.
const LONGEST: usize = 200;

/// The rule that raised an alert with this body: its detail `alertname`, else that of all alerts in
/// `firing`, which Alertmanager sends by default: a list as JSON, in older versions as text. `None`
/// where there are several, as nobody knows which was first, and where the body cannot be read.
pub(super) fn rule(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    // Those of version 2 of the events API, then those of version 1.
    let details = [body.pointer("/cef_details/details"), body.get("details")];
    let names = details.into_iter().flatten().map(names).find(|it| !it.is_empty())?;
    let mut names = names.into_iter();
    let name = names.next().filter(|it| it.len() <= LONGEST)?;
    names.next().is_none().then_some(name)
}

fn names(details: &Value) -> BTreeSet<String> {
    if let Some(name) = details.get("alertname").and_then(Value::as_str) {
        return some(name).into_iter().collect();
    }
    match details.get("firing") {
        Some(Value::Array(alerts)) => of_alerts(alerts),
        Some(Value::String(text)) => match serde_json::from_str::<Vec<Value>>(text) {
            Ok(alerts) => of_alerts(&alerts),
            Err(_) => of_text(text),
        },
        _ => BTreeSet::new(),
    }
}

fn of_alerts(alerts: &[Value]) -> BTreeSet<String> {
    let names = alerts.iter().filter_map(|it| it.pointer("/labels/alertname")?.as_str());
    names.filter_map(some).collect()
}

/// Labels stand one a line: ` - alertname = HighErrors`.
fn of_text(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alertname = "));
    names.filter_map(some).collect()
}

fn some(name: &str) -> Option<String> {
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(details: Value, name: Option<&str>) {
        let both = [json!({"cef_details": {"details": details}}), json!({"details": details})];
        for body in both {
            assert_eq!(rule(&body.to_string()).as_deref(), name, "{body}");
        }
    }

    #[test]
    fn alertmanager_tells_the_labels_as_text_or_as_json() {
        let text = "Labels:\n - alertname = HighErrors\n - job = web\nAnnotations:\n - summary = x\nSource: http://p/\n";
        check(json!({"firing": text, "num_firing": "1"}), Some("HighErrors"));
        check(json!({"firing": format!("{text}{text}")}), Some("HighErrors"));
        let alerts =
            json!([{"status": "firing", "labels": {"alertname": "HighErrors", "job": "web"}}]);
        check(json!({"firing": alerts.to_string()}), Some("HighErrors"));
        check(json!({"firing": alerts}), Some("HighErrors"));
        check(json!({"alertname": " HighErrors ", "firing": ""}), Some("HighErrors"));
    }

    #[test]
    fn of_several_rules_and_of_other_monitors_none_is_known() {
        let two = " - alertname = HighErrors\n - job = web\n - alertname = Down\n";
        check(json!({"firing": two}), None);
        for other in [
            json!(null),
            json!("alertname = HighErrors"),
            json!({}),
            json!({"firing": 7}),
            json!({"firing": ""}),
            json!({"firing": "[{\"labels\": {\"alertname\": 7}}, {}, 3]"}),
            json!({"alertname": ""}),
            json!({"alertname": "x".repeat(201)}),
        ] {
            check(other, None);
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for odd in ["null", "{\"firing\": 1e999}", "\"\\ud83d\"", deep.as_str()] {
            assert_eq!(rule(odd), None, "{odd}");
        }
    }
}
