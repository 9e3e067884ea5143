//! PagerDuty's REST API, version 2.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use serde_json::{Value, json};

use crate::server::{Call, Fake, Reply, SharedWorld, Vendor, lock};
use crate::time::{Instant, text};
use crate::world::{Incident, LogEntry, LogKind, PagerDuty, World};

/// Requests spent by one key in its present minute.
#[derive(Debug)]
struct Minute {
    used: u64,
    reset: Instant,
}

/// The vendor: what it remembers about its clients.
#[derive(Debug, Default)]
struct Api {
    minutes: Mutex<HashMap<String, Minute>>,
}

/// Starts a fake PagerDuty on a free loopback port.
pub async fn start(world: SharedWorld) -> Fake {
    Fake::start(world, Box::new(Api::default())).await
}

impl Vendor for Api {
    fn answer(&self, world: &World, call: &Call) -> Reply {
        match self.admitted(world, call) {
            Err(reply) => reply,
            Ok(headers) => {
                let view = View { account: &world.pagerduty, call };
                let mut reply = view.answer().unwrap_or_else(|reply| reply);
                reply.headers.extend(headers);
                (reply.cost, reply.resource) = (1, "pagerduty");
                reply
            }
        }
    }

    fn forget(&self) {
        lock(&self.minutes).clear();
    }
}

impl Api {
    /// Checks the key and the budget; gives the budget's headers.
    fn admitted(&self, world: &World, call: &Call) -> Result<Vec<(String, String)>, Reply> {
        let given = call.header("authorization").unwrap_or_default();
        let key = given.strip_prefix("Token token=").or_else(|| given.strip_prefix("Bearer "));
        let known = key.is_some_and(|key| world.access.pagerduty.iter().any(|known| known == key));
        let Some(key) = key.filter(|_| known) else {
            return Err(error(401, "Authentication failed", 2006, &[]));
        };
        let limit = call.settings.pagerduty_per_minute;
        let mut minutes = lock(&self.minutes);
        let fresh = || Minute { used: 0, reset: call.now + Duration::seconds(60) };
        let minute = minutes.entry(key.to_owned()).or_insert_with(fresh);
        if call.now >= minute.reset {
            *minute = fresh();
        }
        let over = minute.used >= limit;
        minute.used += 1;
        // Seconds from now, unlike GitHub's epoch seconds.
        let left = (minute.reset - call.now).num_seconds().max(1);
        let headers = vec![
            ("ratelimit-limit".to_owned(), limit.to_string()),
            ("ratelimit-remaining".to_owned(), limit.saturating_sub(minute.used).to_string()),
            ("ratelimit-reset".to_owned(), left.to_string()),
        ];
        if !over {
            return Ok(headers);
        }
        let body = json!({"error": {"message": "Rate Limit Exceeded", "code": 2020}});
        let mut reply = Reply::json(429, body);
        if call.settings.pagerduty_bare_429 {
            reply.body = None;
        } else {
            reply.headers = headers;
        }
        Err(reply)
    }
}

fn error(status: u16, message: &str, code: u64, details: &[&str]) -> Reply {
    let body = json!({"error": {"message": message, "code": code, "errors": details}});
    Reply::json(status, body)
}

fn invalid(code: u64, detail: &str) -> Reply {
    error(400, "Invalid Input Provided", code, &[detail])
}

fn not_found() -> Reply {
    error(404, "Not Found", 2100, &[])
}

/// One call, answered from the account.
struct View<'a> {
    account: &'a PagerDuty,
    call: &'a Call,
}

type Answer = Result<Reply, Reply>;

impl View<'_> {
    fn answer(&self) -> Answer {
        let segments = self.call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if self.call.method != "GET" {
            return Err(not_found());
        }
        match parts.as_slice() {
            ["abilities"] => Ok(Reply::json(200, json!({"abilities": self.abilities()}))),
            ["priorities"] => {
                self.need("priorities")?;
                self.list("priorities", &self.account.priorities, |it| {
                    self.priority(&it.name, true).unwrap_or(Value::Null)
                })
            }
            ["teams"] => {
                self.need("teams")?;
                self.list("teams", &self.account.teams, |it| self.team(&it.id, false))
            }
            ["services"] => {
                let services =
                    self.account.services.iter().filter(|it| it.created_at <= self.now());
                let mut services: Vec<_> = services.collect();
                services.sort_by(|a, b| a.name.cmp(&b.name));
                self.list("services", &services, |it| self.service(&it.id))
            }
            ["services", id] if self.account.services.iter().any(|it| it.id == *id) => {
                Ok(Reply::json(200, json!({"service": self.service(id)})))
            }
            ["incidents", "custom_fields"] => {
                Ok(Reply::json(200, json!({"fields": self.fields()})))
            }
            ["incidents"] => self.incidents(),
            ["log_entries"] => self.log_entries(),
            ["incidents", id, rest @ ..] => self.one_incident(self.incident_by(id)?, rest),
            _ => Err(not_found()),
        }
    }

    fn one_incident(&self, incident: &Incident, rest: &[&str]) -> Answer {
        match rest {
            [] => {
                let mut body = self.incident(incident);
                if self.includes("custom_fields") {
                    body["custom_fields"] = self.field_values(incident);
                }
                Ok(Reply::json(200, json!({"incident": body})))
            }
            ["log_entries"] => {
                let (since, until) = self.window(Duration::days(36_500))?;
                let log = incident.log.iter().rev().filter(|it| since <= it.at && it.at <= until);
                let entries: Vec<_> = log.filter(|entry| self.shown(entry)).collect();
                self.list("log_entries", &entries, |entry| self.log_entry(incident, entry))
            }
            ["alerts"] => {
                let alerts = incident.alerts.iter().filter(|it| it.created_at <= self.now());
                let alerts: Vec<_> = alerts.collect();
                self.list("alerts", &alerts, |alert| {
                    let over = alert.resolved_at.filter(|at| *at <= self.now());
                    let details = alert.rule.as_ref().map_or_else(
                        || json!({}),
                        |rule| {
                            let labels = format!("Labels:\n - alertname = {rule}\n - job = web\n");
                            json!({"firing": labels, "num_firing": "1"})
                        },
                    );
                    json!({
                        "id": alert.id, "type": "alert", "summary": incident.title,
                        "created_at": text(alert.created_at),
                        "status": if over.is_some() { "resolved" } else { "triggered" },
                        "resolved_at": over.map(text), "alert_key": alert.id.to_lowercase(),
                        "service": self.reference("service", &incident.service),
                        "body": {"type": "alert_body", "contexts": [], "details": details},
                        "incident": self.incident_reference(incident), "suppressed": false,
                        "severity": alert.severity, "integration": null,
                    })
                })
            }
            ["custom_fields", "values"] => {
                Ok(Reply::json(200, json!({"custom_fields": self.field_values(incident)})))
            }
            ["notes"] => {
                let log = incident.log.iter().filter(|entry| entry.at <= self.now());
                let notes = log.filter_map(|entry| match &entry.kind {
                    LogKind::Annotate(content) => Some(json!({
                        "id": format!("N{}", entry.id), "content": content,
                        "created_at": text(entry.at), "channel": {"summary": "website"},
                        "user": {"id": "PUSER01", "type": "user_reference", "summary": "Someone"},
                    })),
                    _ => None,
                });
                Ok(Reply::json(200, json!({"notes": notes.collect::<Vec<_>>()})))
            }
            _ => Err(not_found()),
        }
    }

    fn now(&self) -> Instant {
        self.call.now
    }

    fn includes(&self, what: &str) -> bool {
        self.call.many("include").contains(&what)
    }

    fn abilities(&self) -> Vec<&'static str> {
        let all = ["teams", "priorities", "urgencies", "service_support_hours"];
        all.into_iter().filter(|it| !self.account.missing_abilities.contains(*it)).collect()
    }

    fn need(&self, ability: &str) -> Result<(), Reply> {
        if self.account.missing_abilities.contains(ability) {
            let detail = format!("The account does not have the {ability} ability.");
            return Err(error(402, "Payment Required", 2012, &[&detail]));
        }
        Ok(())
    }

    fn incident_by(&self, id: &str) -> Result<&Incident, Reply> {
        let mut incidents = self.account.incidents.iter();
        incidents.find(|it| it.id == id && it.visible(self.now())).ok_or_else(not_found)
    }

    /// `since` and `until`, the last `default` long if they are not given.
    fn window(&self, default: Duration) -> Result<(Instant, Instant), Reply> {
        let read = |name: &str| match self.call.get(name).filter(|given| !given.is_empty()) {
            None => Ok(None),
            Some(given) => instant(given)
                .map(Some)
                .ok_or_else(|| invalid(2001, &format!("{name}: {given} is not a date"))),
        };
        let until = read("until")?.unwrap_or(self.now());
        let since = read("since")?.unwrap_or(until - default);
        Ok((since, until))
    }

    /// A window of incidents or of the account's log: a month unless given, at most six.
    fn account_window(&self) -> Result<(Instant, Instant), Reply> {
        let (since, until) = self.window(Duration::days(31))?;
        if until - since > Duration::days(self.call.settings.pagerduty_max_days) {
            return Err(invalid(2004, "The date range must be less than 6 months."));
        }
        Ok((since, until))
    }

    fn incidents(&self) -> Answer {
        let now = self.now();
        let mut found: Vec<&Incident> =
            self.account.incidents.iter().filter(|it| it.visible(now)).collect();
        if self.call.get("date_range") != Some("all") {
            let (since, until) = self.account_window()?;
            // The vendor's `until` is exclusive, but what happens right now is shown.
            found.retain(|it| {
                since <= it.created_at
                    && (it.created_at < until || (it.created_at == until && until == now))
            });
        }
        let statuses = self.allowed("statuses", &["triggered", "acknowledged", "resolved"])?;
        let urgencies = self.allowed("urgencies", &["high", "low"])?;
        let (services, teams) = (self.call.many("service_ids"), self.call.many("team_ids"));
        found.retain(|it| {
            let state = it.state(now);
            let of_team = |team: &&str| {
                let service = self.account.services.iter().find(|known| known.id == it.service);
                service.is_some_and(|service| service.teams.iter().any(|known| known == team))
            };
            (services.is_empty() || services.contains(&it.service.as_str()))
                && (teams.is_empty() || teams.iter().any(of_team))
                && (statuses.is_empty() || statuses.contains(&state.status))
                && (urgencies.is_empty() || urgencies.contains(&state.urgency.as_str()))
        });
        self.sort(&mut found)?;
        self.list("incidents", &found, |incident| self.incident(incident))
    }

    fn sort(&self, found: &mut [&Incident]) -> Result<(), Reply> {
        let order = self.call.get("sort_by").unwrap_or("created_at:asc");
        for part in order.split(',').rev() {
            let (name, direction) = part.split_once(':').unwrap_or((part, "asc"));
            match name {
                "created_at" => found.sort_by_key(|it| (it.created_at, it.number)),
                "incident_number" => found.sort_by_key(|it| it.number),
                "resolved_at" => found.sort_by_key(|it| it.state(self.now()).resolved_at),
                _ => return Err(invalid(2001, &format!("Cannot sort by {name}"))),
            }
            if direction == "desc" {
                found.reverse();
            }
        }
        Ok(())
    }

    fn allowed(&self, name: &str, known: &[&str]) -> Result<Vec<&str>, Reply> {
        let given = self.call.many(name);
        match given.iter().find(|value| !known.contains(value)) {
            Some(value) => Err(invalid(2001, &format!("{name}: {value} is not allowed"))),
            None => Ok(given),
        }
    }

    fn log_entries(&self) -> Answer {
        let (since, until) = self.account_window()?;
        let until = until.min(self.now());
        let mut found: Vec<(&Incident, &LogEntry)> = Vec::new();
        for incident in self.account.incidents.iter().filter(|it| it.visible(self.now())) {
            let log = incident.log.iter().filter(|it| since <= it.at && it.at <= until);
            found.extend(log.filter(|it| self.shown(it)).map(|entry| (incident, entry)));
        }
        found.sort_by(|a, b| (b.1.at, &b.1.id).cmp(&(a.1.at, &a.1.id)));
        self.list("log_entries", &found, |(incident, entry)| self.log_entry(incident, entry))
    }

    /// Whether `is_overview` lets the entry through.
    fn shown(&self, entry: &LogEntry) -> bool {
        let minor = matches!(entry.kind, LogKind::Notify | LogKind::Field { .. });
        entry.at <= self.now() && !(minor && self.call.get("is_overview") == Some("true"))
    }

    /// Classic pagination: `total` only when asked for, the window limited.
    fn list<T>(&self, key: &str, items: &[T], view: impl Fn(&T) -> Value) -> Answer {
        let number = |name: &str, default: u64| match self.call.get(name) {
            None | Some("") => Ok(default),
            Some(given) => {
                given.parse().map_err(|_| invalid(2001, &format!("{name} must be a number")))
            }
        };
        let (limit, offset) = (number("limit", 25)?, number("offset", 0)?);
        let most = self.call.settings.pagerduty_max_offset;
        if offset + limit > most {
            return Err(invalid(2001, &format!("Offset + limit must be at most {most}.")));
        }
        let limit = limit.clamp(1, 100);
        let page = items.iter().skip(usize_of(offset)).take(usize_of(limit));
        let total = (self.call.get("total") == Some("true")).then_some(items.len());
        let body = json!({
            key: page.map(view).collect::<Vec<_>>(), "limit": limit, "offset": offset,
            "more": usize_of(offset + limit) < items.len(), "total": total,
        });
        Ok(Reply::json(200, body))
    }

    fn page(&self, folder: &str, id: &str) -> String {
        format!("https://{}.pagerduty.example/{folder}/{id}", self.account.subdomain)
    }

    fn reference(&self, kind: &str, id: &str) -> Value {
        let known = match kind {
            "service" => self.account.services.iter().find(|it| it.id == id).map(|it| &it.name),
            "team" => self.account.teams.iter().find(|it| it.id == id).map(|it| &it.name),
            _ => None,
        };
        let folder = format!("{kind}s");
        json!({
            "id": id, "type": format!("{kind}_reference"),
            "summary": known.map_or(id, String::as_str),
            "self": format!("{}/{folder}/{id}", self.call.base),
            "html_url": self.page(&folder, id),
        })
    }

    fn incident_reference(&self, incident: &Incident) -> Value {
        json!({
            "id": incident.id, "type": "incident_reference",
            "summary": format!("[#{}] {}", incident.number, incident.title),
            "self": format!("{}/incidents/{}", self.call.base, incident.id),
            "html_url": self.page("incidents", &incident.id),
        })
    }

    fn priority(&self, name: &str, whole: bool) -> Option<Value> {
        let priority = self.account.priorities.iter().find(|it| it.name == name)?;
        let mut view = json!({
            "id": priority.id, "type": "priority_reference", "summary": priority.name,
            "self": format!("{}/priorities/{}", self.call.base, priority.id), "html_url": null,
        });
        if whole {
            view["type"] = json!("priority");
            view["name"] = json!(priority.name);
            view["description"] = json!("");
        }
        Some(view)
    }

    fn team(&self, id: &str, reference: bool) -> Value {
        let mut view = self.reference("team", id);
        if !reference {
            view["type"] = json!("team");
            view["name"] = view["summary"].clone();
            view["description"] = Value::Null;
        }
        view
    }

    fn service(&self, id: &str) -> Value {
        let mut view = self.reference("service", id);
        let Some(service) = self.account.services.iter().find(|it| it.id == id) else {
            return view;
        };
        let incidents = self.account.incidents.iter();
        let last = incidents.filter(|it| it.service == id && it.created_at <= self.now());
        let more = json!({
            "type": "service", "name": service.name, "description": null,
            "auto_resolve_timeout": 14400, "acknowledgement_timeout": 1800,
            "created_at": text(service.created_at), "status": "active",
            "last_incident_timestamp": last.map(|it| it.created_at).max().map(text),
            "escalation_policy": policy(), "alert_creation": "create_alerts_and_incidents",
            "teams": service.teams.iter().map(|it| self.team(it, true)).collect::<Vec<_>>(),
            "integrations": [], "addons": [], "support_hours": null, "scheduled_actions": [],
            "incident_urgency_rule": {"type": "constant", "urgency": "high"},
        });
        merge(&mut view, more);
        view
    }

    fn incident(&self, incident: &Incident) -> Value {
        let state = incident.state(self.now());
        let into = state.merged_into.as_deref();
        let into = into.and_then(|id| self.account.incidents.iter().find(|it| it.id == id));
        let service = if self.includes("services") {
            self.service(&incident.service)
        } else {
            self.reference("service", &incident.service)
        };
        let alerts = incident.alerts.iter().filter(|it| it.created_at <= self.now());
        let (open, over): (Vec<_>, Vec<_>) =
            alerts.partition(|it| it.resolved_at.is_none_or(|at| at > self.now()));
        let acknowledged = state.acknowledged_at.map(|at| {
            json!({"at": text(at), "acknowledger": {"id": "PUSER01", "type": "user_reference",
                "summary": "Someone"}})
        });
        let priority = state.priority.as_deref();
        let mut view = self.incident_reference(incident);
        merge(
            &mut view,
            json!({
                "type": "incident", "incident_number": incident.number, "title": incident.title,
                "created_at": text(incident.created_at), "updated_at": text(state.updated_at),
                "status": state.status, "incident_key": incident.id.to_lowercase(),
                "service": service, "assigned_via": "escalation_policy", "assignments": [],
                "last_status_change_at": text(state.status_at),
                "resolved_at": state.resolved_at.map(text),
                "alert_counts": {"all": open.len() + over.len(), "triggered": open.len(),
                    "resolved": over.len()},
                "is_mergeable": true, "incident_type": {"name": "incident_default"},
                "escalation_policy": policy(), "teams": [], "pending_actions": [],
                "acknowledgements": acknowledged.into_iter().collect::<Vec<_>>(),
                "alert_grouping": null,
                "last_status_change_by": self.reference("service", &incident.service),
                "priority": priority.and_then(|it| self.priority(it, self.includes("priorities"))),
                "resolve_reason": into.map(|it| json!({"type": "merge_resolve_reason",
                    "incident": self.incident_reference(it)})),
                "conference_bridge": null, "incidents_responders": [], "responder_requests": [],
                "urgency": state.urgency,
            }),
        );
        view
    }

    fn log_entry(&self, incident: &Incident, entry: &LogEntry) -> Value {
        let mut view = json!({
            "id": entry.id, "type": format!("{}_log_entry", log_type(&entry.kind)),
            "summary": summary(&entry.kind),
            "self": format!("{}/log_entries/{}?incident_id={}", self.call.base, entry.id,
                incident.id),
            "html_url": self.page("incidents", &format!("{}/log_entries/{}", incident.id, entry.id)),
            "created_at": text(entry.at), "channel": {"type": entry.channel},
            "agent": self.reference("service", &incident.service),
            "service": self.reference("service", &incident.service),
            "incident": if self.includes("incidents") { self.incident(incident) }
                else { self.incident_reference(incident) },
            "teams": [], "contexts": [],
        });
        match &entry.kind {
            LogKind::Trigger => view["event_details"] = json!({"description": incident.title}),
            // The vendor puts a note's text into its channel.
            LogKind::Annotate(note) => {
                view["channel"] = json!({"type": "note", "summary": note});
                view["note"] = json!(note);
            }
            LogKind::Field { name, value } => {
                view["changeset"] = json!([format!("Updated {name} to {value}")]);
            }
            _ => {}
        }
        view
    }

    fn fields(&self) -> Vec<Value> {
        let names = self.account.fields.iter().enumerate();
        let view = |(n, name): (usize, &String)| {
            json!({
                "id": format!("PFLD{n:03}"), "type": "field", "name": name, "display_name": name,
                "data_type": "string", "field_type": "single_value", "enabled": true,
                "summary": name, "created_at": "2024-01-01T00:00:00Z",
                "updated_at": "2024-01-01T00:00:00Z",
            })
        };
        names.map(view).collect()
    }

    fn field_values(&self, incident: &Incident) -> Value {
        let values = incident.state(self.now()).fields;
        let mut names = self.account.fields.clone();
        names.extend(values.keys().filter(|name| !self.account.fields.contains(name)).cloned());
        let view = |(n, name): (usize, &String)| {
            json!({
                "id": format!("PFLD{n:03}"), "type": "field_value", "name": name,
                "display_name": name, "description": "", "data_type": "string",
                "field_type": "single_value", "value": values.get(name),
            })
        };
        Value::Array(names.iter().enumerate().map(view).collect())
    }
}

fn policy() -> Value {
    json!({"id": "PESC001", "type": "escalation_policy_reference", "summary": "Default"})
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn log_type(kind: &LogKind) -> &'static str {
    match kind {
        LogKind::Trigger => "trigger",
        LogKind::Acknowledge => "acknowledge",
        // A re-opening has no type of its own.
        LogKind::Unacknowledge | LogKind::Reopen => "unacknowledge",
        LogKind::Escalate => "escalate",
        LogKind::Assign => "assign",
        LogKind::Notify => "notify",
        LogKind::Annotate(_) => "annotate",
        LogKind::Snooze => "snooze",
        LogKind::Urgency(_) => "urgency_change",
        LogKind::Priority(_) => "field_value_change",
        LogKind::Field { .. } => "custom_field_value_change",
        LogKind::Resolve | LogKind::Merge { .. } => "resolve",
    }
}

fn summary(kind: &LogKind) -> String {
    match kind {
        LogKind::Priority(to) => {
            format!("Priority changed to {}", to.as_deref().unwrap_or("none"))
        }
        LogKind::Field { name, value } => format!("Updated {name} to {value}"),
        LogKind::Reopen => "Reopened by Someone".to_owned(),
        LogKind::Merge { into } => format!("Resolved: merged into {into}"),
        other => format!("{} by Someone", log_type(other)),
    }
}

/// An ISO 8601 parameter; without an offset it is read in the account's zone, here UTC.
fn instant(given: &str) -> Option<Instant> {
    let zoned = DateTime::parse_from_rfc3339(&given.replace(' ', "+"));
    let zoned = zoned.map(|at| at.with_timezone(&Utc)).ok();
    zoned.or_else(|| {
        let plain = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"];
        let day = || format!("{given}T00:00:00");
        plain
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(given, format).ok())
            .or_else(|| NaiveDateTime::parse_from_str(&day(), plain[0]).ok())
            .map(|at| at.and_utc())
    })
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
