//! From what PagerDuty sends to facts. Pure: the same answers give the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use url::Url;

use super::monitor;
use super::wire::{self, Channel, FieldValue, LogEntry, Status};
use crate::domain::fact::{
    Incident, IncidentAlert, IncidentEvent, IncidentEventKind, IncidentService, IncidentStatus,
};

/// The fact of an incident with these custom fields.
pub(super) fn incident(found: &wire::Incident, fields: BTreeMap<String, String>) -> Incident {
    let status = match found.status {
        Status::Triggered => IncidentStatus::Triggered,
        Status::Acknowledged => IncidentStatus::Acknowledged,
        Status::Resolved => IncidentStatus::Resolved,
    };
    let resolved = status == IncidentStatus::Resolved;
    let resolved_at = found.resolved_at.or(found.last_status_change_at).filter(|_| resolved);
    let changes = [found.updated_at, found.last_status_change_at, resolved_at];
    let merged = found.resolve_reason.as_ref();
    Incident {
        id: found.id.0.clone().into(),
        number: found.incident_number.unwrap_or_default(),
        service: found.service.as_ref().map(|service| service.id.0.clone()).map(Into::into),
        created_at: found.created_at,
        updated_at: changes.into_iter().flatten().max().unwrap_or(found.created_at),
        status,
        resolved_at,
        priority: found.priority.as_ref().and_then(name).map(Into::into),
        merged: merged.is_some_and(|reason| reason.kind.starts_with("merge_resolve_reason")),
        fields: fields.into(),
        url: found.html_url.as_deref().and_then(page).map(Into::into),
    }
}

/// The name of a priority: its own, or that of a reference to it.
fn name(named: &wire::Named) -> Option<String> {
    let name = named.name.as_ref().or(named.summary.as_ref())?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A page for people: https only.
fn page(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https" && url.has_host())?;
    Some(url.to_string())
}

/// Custom fields as text by name. Those without a value are left out, lists are joined by commas.
pub(super) fn fields(values: &[serde_json::Value]) -> BTreeMap<String, String> {
    let values = values.iter().filter_map(|value| {
        let field: FieldValue = serde::Deserialize::deserialize(value).ok()?;
        Some((field.name, text(&field.value)?))
    });
    values.collect()
}

fn text(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(text).collect();
            (!texts.is_empty()).then(|| texts.join(","))
        }
    }
}

/// Whether an entry says something about the incident itself. That somebody was notified does
/// not: it is not kept.
pub(super) fn is_about_the_incident(entry: &LogEntry) -> bool {
    kind_of(entry) != "notify"
}

/// The fact of a log entry.
pub(super) fn event(entry: &LogEntry) -> IncidentEvent {
    IncidentEvent {
        id: entry.id.0.clone().into(),
        incident: entry.incident.id.0.clone().into(),
        at: entry.created_at,
        event: event_kind(entry),
        channel: entry.channel.as_ref().and_then(|channel| channel.kind.clone()).map(Into::into),
        mentions: if kind_of(entry) == "annotate" {
            mentions(entry).into_iter().map(Into::into).collect()
        } else {
            Vec::new()
        },
    }
}

fn kind_of(entry: &LogEntry) -> &str {
    entry.kind.trim_end_matches("_reference").trim_end_matches("_log_entry")
}

/// What an entry records.
///
/// A merge is not read from the log: it says so on both incidents, while `resolve_reason` is on
/// the one that was merged away.
fn event_kind(entry: &LogEntry) -> IncidentEventKind {
    match kind_of(entry) {
        "trigger" => IncidentEventKind::Trigger,
        "acknowledge" => IncidentEventKind::Acknowledge,
        "unacknowledge" => IncidentEventKind::Unacknowledge,
        "resolve" => IncidentEventKind::Resolve,
        "reopen" => IncidentEventKind::Reopen,
        "priority_change" => IncidentEventKind::PriorityChange,
        "field_value_change" if is_about_priority(entry) => IncidentEventKind::PriorityChange,
        "field_value_change" | "custom_field_value_change" => IncidentEventKind::FieldChange,
        "annotate" => IncidentEventKind::Note,
        _ => IncidentEventKind::Other,
    }
}

fn is_about_priority(entry: &LogEntry) -> bool {
    let changed = entry.channel.as_ref().and_then(|channel| channel.changeset.as_ref());
    match changed.and_then(|changeset| changeset.application_fields.as_ref()) {
        Some(fields) => fields.iter().any(|field| field.name.as_deref() == Some("priority")),
        None => {
            entry.summary.as_deref().is_some_and(|text| text.to_lowercase().contains("priority"))
        }
    }
}

/// The causes that a note names: commits and `deployment:ID`s, in order. The text is not kept.
fn mentions(entry: &LogEntry) -> Vec<String> {
    #[expect(clippy::expect_used, reason = "the pattern is a constant, covered by a test")]
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?ix)
            \b deployment: (?<deployment> [A-Za-z0-9_.-]* [A-Za-z0-9] )
            | \b commits? [^0-9A-Za-z\n]{1,3} (?<short> [0-9a-f]{7,40} ) \b
            | \b (?<full> [0-9a-f]{40} ) \b";
        Regex::new(pattern).expect("the pattern is valid")
    });
    let noted = entry.channel.as_ref();
    let texts = [
        entry.note.as_deref(),
        noted.and_then(|channel: &Channel| channel.summary.as_deref()),
        noted.and_then(|channel| channel.content.as_deref()),
    ];
    let mut found = BTreeSet::new();
    for text in texts.into_iter().flatten() {
        for named in NAMED.captures_iter(text) {
            found.insert(match named.name("deployment") {
                Some(id) => format!("deployment:{}", id.as_str()),
                None => named
                    .name("short")
                    .or_else(|| named.name("full"))
                    .map_or_else(String::new, |id| id.as_str().to_ascii_lowercase()),
            });
        }
    }
    found.into_iter().collect()
}

/// The fact of an alert of `incident`.
pub(super) fn alert(alert: &wire::Alert, incident: &str) -> IncidentAlert {
    IncidentAlert {
        id: alert.id.0.clone().into(),
        incident: incident.into(),
        created_at: alert.created_at,
        rule: alert.body.as_ref().and_then(|it| monitor::rule(it.get())).map(Into::into),
    }
}

/// The fact of a service.
pub(super) fn service(service: wire::Service) -> IncidentService {
    let name = service.name.or(service.summary).unwrap_or_else(|| service.id.0.clone());
    IncidentService { id: service.id.0.into(), name: name.into(), created_at: service.created_at }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An incident with everything, as the vendor documents it.
    fn whole() -> Value {
        json!({
            "id": "Q3YON8WNWTZMRQ", "type": "incident", "incident_number": 4,
            "title": "Crash reported", "created_at": "2026-11-03T06:23:06.000000Z",
            "updated_at": "2026-11-03T09:02:36Z", "status": "resolved",
            "last_status_change_at": "2026-11-03T09:02:30Z",
            "resolved_at": "2026-11-03T09:02:30Z", "urgency": "high",
            "service": {"id": "PIKL83L", "type": "service_reference", "summary": "Shop"},
            "priority": {"id": "PPRIO01", "type": "priority", "summary": "P1", "name": "P1"},
            "resolve_reason": null, "alert_counts": {"all": 2, "triggered": 0, "resolved": 2},
            "html_url": "https://acme.pagerduty.com/incidents/Q3YON8WNWTZMRQ",
            "custom_fields": [
                {"name": "root_cause", "value": "cache"}, {"name": "customers", "value": 7},
                {"name": "regions", "value": ["eu", "us"]}, {"name": "empty", "value": null},
            ],
        })
    }

    fn at(text: &str) -> crate::domain::Instant {
        text.parse().unwrap()
    }

    fn read(value: &Value) -> Option<Incident> {
        let found: wire::Incident = serde_json::from_value(value.clone()).ok()?;
        let values = fields(found.custom_fields.as_deref().unwrap_or_default());
        Some(incident(&found, values))
    }

    fn changed(name: &str, to: Value) -> Option<Incident> {
        let mut value = whole();
        value[name] = to;
        read(&value)
    }

    #[test]
    fn every_field_but_the_needed_ones_may_be_missing_null_or_something_else() {
        let needed = ["id", "created_at", "status"];
        for name in whole().as_object().unwrap().keys() {
            let mut without = whole();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&without).is_none(), needed.contains(&name.as_str()), "no {name}");
            for wrong in
                [json!(null), json!(-1.5), json!("x y"), json!(""), json!([[]]), json!({"a": 1})]
            {
                let lost = changed(name, wrong.clone()).is_none();
                assert_eq!(lost, needed.contains(&name.as_str()), "{name} = {wrong}");
            }
        }
    }

    #[test]
    fn custom_fields_become_text() {
        let fields = read(&whole()).unwrap().fields;
        let expected = [("customers", "7"), ("regions", "eu,us"), ("root_cause", "cache")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, BTreeMap::from(expected).into());
    }

    #[test]
    fn an_older_answer_without_update_and_resolve_times_is_dated_by_its_status() {
        let mut older = whole();
        for name in ["updated_at", "resolved_at"] {
            older.as_object_mut().unwrap().remove(name);
        }
        let incident = read(&older).unwrap();
        assert_eq!(incident.resolved_at, Some(at("2026-11-03T09:02:30Z")));
        assert_eq!(incident.updated_at, at("2026-11-03T09:02:30Z"));
        older["status"] = json!("acknowledged");
        assert_eq!(read(&older).unwrap().resolved_at, None, "acknowledged is not resolved");
    }

    #[test]
    fn a_time_without_zone_is_not_a_time() {
        assert!(changed("created_at", json!("2026-11-03T06:23:06")).is_none());
        let zoned = changed("created_at", json!("2026-11-03T06:23:06-05:00")).unwrap();
        assert_eq!(zoned.created_at, at("2026-11-03T11:23:06Z"));
    }

    #[test]
    fn a_priority_has_its_name_even_as_a_reference() {
        let named = |priority| changed("priority", priority).unwrap().priority;
        assert_eq!(named(json!({"id": "P", "summary": " SEV2 "})).as_deref(), Some("SEV2"));
        assert_eq!(named(json!({"id": "P", "name": "", "summary": null})), None);
    }

    #[test]
    fn only_pages_under_https_are_kept() {
        let page = |url: &str| changed("html_url", json!(url)).unwrap().url;
        assert!(page("https://acme.pagerduty.com/incidents/P1").is_some());
        for bad in ["http://acme.pagerduty.com/", "javascript:alert(1)", "//x", "https://"] {
            assert_eq!(page(bad), None, "{bad}");
        }
    }

    fn entry(kind: &str, more: Value) -> LogEntry {
        let mut value = json!({
            "id": "R1", "type": kind, "created_at": "2026-11-03T06:23:06Z",
            "incident": {"id": "PINC1", "type": "incident_reference"},
        });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_kind_of_an_entry_is_the_vendors() {
        use IncidentEventKind::{FieldChange, Other, PriorityChange, Reopen, Resolve};
        let of = |kind, more| event(&entry(kind, more)).event;
        assert_eq!(of("resolve_log_entry", json!({})), Resolve);
        assert_eq!(of("resolve_log_entry_reference", json!({})), Resolve);
        assert_eq!(of("reopen_log_entry", json!({})), Reopen);
        assert_eq!(of("escalate_log_entry", json!({})), Other);
        assert_eq!(of("merge_log_entry", json!({})), Other, "it stands on both incidents");
        assert_eq!(of("custom_field_value_change_log_entry", json!({})), FieldChange);
        let changed = |name| {
            let fields =
                json!({"channel": {"changeset": {"application_fields": [{"name": name}]}}});
            of("field_value_change_log_entry", fields)
        };
        assert_eq!((changed("priority"), changed("service")), (PriorityChange, FieldChange));
        let summary = json!({"summary": "Priority changed to P1"});
        assert_eq!(of("field_value_change_log_entry", summary), PriorityChange);
        assert!(!is_about_the_incident(&entry("notify_log_entry", json!({}))));
    }

    #[test]
    fn a_note_is_read_wherever_the_vendor_puts_it() {
        let named = |more| event(&entry("annotate_log_entry", more)).mentions;
        assert_eq!(named(json!({"note": "see commit: 0a1b2c3"})), ["0a1b2c3"]);
        let channel = json!({"channel": {"type": "note", "summary": "deployment:12-b, done"}});
        assert_eq!(named(channel), ["deployment:12-b"]);
        let url = "https://github.com/acme/shop/commit/0A1B2C3D4E5F60718293a4b5c6d7e8f901234567";
        let sha = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
        assert_eq!(named(json!({"note": url})), [sha]);
        for nothing in ["commitment 1234567", "deadbeef", "commit abc123", "deployment: 7", ""] {
            assert!(named(json!({"note": nothing})).is_empty(), "{nothing}");
        }
        let other = event(&entry("resolve_log_entry", json!({"note": "commit 0a1b2c3"})));
        assert!(other.mentions.is_empty(), "only notes are read");
    }
}
