//! From what PagerDuty sends to facts. Pure: the same answers give the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use url::Url;

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
        id: found.id.0.clone(),
        number: found.incident_number.unwrap_or_default(),
        service: found.service.as_ref().map(|service| service.id.0.clone()),
        created_at: found.created_at,
        updated_at: changes.into_iter().flatten().max().unwrap_or(found.created_at),
        status,
        resolved_at,
        priority: found.priority.as_ref().and_then(name),
        merged: merged.is_some_and(|reason| reason.kind.starts_with("merge_resolve_reason")),
        fields,
        url: found.html_url.as_deref().and_then(page),
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
        id: entry.id.0.clone(),
        incident: entry.incident.id.0.clone(),
        at: entry.created_at,
        event: event_kind(entry),
        channel: entry.channel.as_ref().and_then(|channel| channel.kind.clone()),
        mentions: if kind_of(entry) == "annotate" { mentions(entry) } else { Vec::new() },
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
    let id = alert.id.0.clone();
    IncidentAlert { id, incident: incident.to_owned(), created_at: alert.created_at }
}

/// The fact of a service.
pub(super) fn service(service: wire::Service) -> IncidentService {
    let name = service.name.or(service.summary).unwrap_or_else(|| service.id.0.clone());
    IncidentService { id: service.id.0, name, created_at: service.created_at }
}
