//! What happens to incidents.
//!
//! ```text
//! 05T10:00 incident i1 P2 on PWEB              # triggered; `-` = without a priority
//! 05T09:58 alert i1                            # a monitor raised an alert that belongs to it
//! 05T09:58 alert i1 of HighErrors              # and it is Prometheus, by this rule
//! 05T10:02 ack i1
//! 05T10:20 unack i1
//! 05T10:30 resolve i1 by timeout               # or auto, website, ...
//! 05T11:00 reopen i1
//! 05T11:10 fold i1                             # merged into another incident
//! 06T10:00 priority i1 P3
//! 06T10:00 field i1 root_cause db-pool         # `~` stands for a space
//! 06T10:00 note i1 naming c12,deployment:7
//! 06T10:00 summary i1 resolved 05T11:00 merged # the vendor's summary without a log entry
//! ```
//! `on` defaults to PWEB.

use super::{Line, Story};
use crate::domain::fact::{
    Incident, IncidentAlert, IncidentEvent, IncidentEventKind, IncidentStatus,
};
use crate::domain::{Attributes, Fact, Instant};

const SOURCE: &str = "pagerduty";

/// Takes in an event. False = the verb is none of these.
#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    match verb {
        "incident" => trigger(story, at, line),
        "alert" => alert(story, at, line),
        "ack" => log(story, at, IncidentEventKind::Acknowledge, line),
        "unack" => log(story, at, IncidentEventKind::Unacknowledge, line),
        "resolve" => log(story, at, IncidentEventKind::Resolve, line),
        "reopen" => log(story, at, IncidentEventKind::Reopen, line),
        "fold" => log(story, at, IncidentEventKind::Merge, line),
        "priority" => log(story, at, IncidentEventKind::PriorityChange, line),
        "field" => log(story, at, IncidentEventKind::FieldChange, line),
        "note" => log(story, at, IncidentEventKind::Note, line),
        "summary" => summary(story, line),
        _ => return false,
    }
    true
}

#[track_caller]
fn trigger(story: &mut Story, at: Instant, line: &mut Line) {
    let id = line.next("an incident");
    let priority = line.next("a priority, or `-` for none");
    let incident = Incident {
        id: id.clone().into(),
        number: 1,
        service: Some(line.after("on").unwrap_or_else(|| "PWEB".to_owned()).into()),
        created_at: at,
        updated_at: at,
        status: IncidentStatus::Triggered,
        resolved_at: None,
        priority: (priority != "-").then_some(priority.into()),
        merged: false,
        fields: Attributes::default(),
        url: None,
    };
    story.learn(SOURCE, Fact::Incident(incident));
    write(story, at, &id, IncidentEventKind::Trigger, None, Vec::new());
}

#[track_caller]
fn alert(story: &mut Story, at: Instant, line: &mut Line) {
    let alert = IncidentAlert {
        id: format!("a{}", story.facts.len()).into(),
        incident: line.next("an incident").into(),
        created_at: at,
        rule: line.after("of").map(Into::into),
    };
    story.learn(SOURCE, Fact::IncidentAlert(alert));
}

fn write(
    story: &mut Story,
    at: Instant,
    incident: &str,
    event: IncidentEventKind,
    channel: Option<String>,
    mentions: Vec<String>,
) {
    let event = IncidentEvent {
        id: format!("e{:04}", story.facts.len()).into(),
        incident: incident.into(),
        at,
        event,
        channel: channel.map(Into::into),
        mentions: mentions.into_iter().map(Into::into).collect(),
    };
    story.learn(SOURCE, Fact::IncidentEvent(event));
}

/// Writes a log entry and brings the vendor's summary of the incident up to date.
#[track_caller]
fn log(story: &mut Story, at: Instant, event: IncidentEventKind, line: &mut Line) {
    let id = line.next("an incident");
    let channel = line.after("by");
    let mentions = line.list("naming");
    let incident = incident(story, &id);
    incident.updated_at = at;
    match event {
        IncidentEventKind::Acknowledge => incident.status = IncidentStatus::Acknowledged,
        IncidentEventKind::Unacknowledge | IncidentEventKind::Reopen => {
            incident.status = IncidentStatus::Triggered;
            incident.resolved_at = None;
        }
        IncidentEventKind::Resolve | IncidentEventKind::Merge => {
            incident.status = IncidentStatus::Resolved;
            incident.resolved_at = Some(at);
            incident.merged = event == IncidentEventKind::Merge;
        }
        IncidentEventKind::PriorityChange => {
            let priority = line.next("a priority, or `-` for none");
            incident.priority = (priority != "-").then_some(priority.into());
        }
        IncidentEventKind::FieldChange => {
            let (name, value) = (line.next("a field"), line.next("its value"));
            incident.fields.insert(name, value.replace('~', " "));
        }
        _ => {}
    }
    write(story, at, &id, event, channel, mentions);
}

#[track_caller]
fn summary(story: &mut Story, line: &mut Line) {
    let id = line.next("an incident");
    let (resolved_at, merged) = (line.time("resolved"), line.flag("merged"));
    let incident = incident(story, &id);
    incident.status = IncidentStatus::Resolved;
    incident.resolved_at = resolved_at;
    incident.merged = merged;
}

#[track_caller]
fn incident<'a>(story: &'a mut Story, id: &str) -> &'a mut Incident {
    let facts = story.facts.iter_mut().rev();
    let mut incidents = facts.filter_map(|(_, fact)| match fact {
        Fact::Incident(incident) => Some(incident),
        _ => None,
    });
    incidents.find(|it| it.id == id).unwrap_or_else(|| panic!("no incident {id:?} was told of"))
}
