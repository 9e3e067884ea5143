//! Incident episodes (kpis.md 3.5 to 3.7).

#[cfg(test)]
mod properties;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::dates;
use super::index::IncidentKey;
use crate::domain::fact::{
    Incident, IncidentAlert, IncidentEvent, IncidentEventKind, IncidentNote, IncidentStatus,
};
use crate::domain::timeline::Shelf;
use crate::domain::{Instant, SourceName, Text, Timeline};
use crate::kpi::params::Rules;
use crate::kpi::{Params, parallel};

/// An incident, or its later life after a re-opening that came too late to be the same incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode<'a> {
    /// The source that saw it.
    pub source: &'a SourceName,
    /// The incident.
    pub incident: &'a Incident,
    /// 0 for the first episode.
    pub number: u32,
    /// Indices of the services whose incident service it is on.
    pub services: Vec<usize>,
    /// 1 to 5 by the priority's name; `None` where the priority is missing or not mapped.
    pub severity: Option<u8>,
    /// How often its priority was set again after it had been set first.
    pub severity_changes: u32,
    /// Explicit field, else first linked alert, else created; of a later episode, the re-opening.
    pub detected_at: Instant,
    /// Explicit mitigated field, else the final resolve; `None` while open at `as_of`.
    pub resolved_at: Option<Instant>,
    /// The first acknowledgement of this episode.
    pub acknowledged_at: Option<Instant>,
    /// When the fault began, by the incident's field. A later episode has none.
    pub fault_at: Option<Instant>,
    /// The explicit root-cause key, else that of the post-mortem, else the problem ticket that
    /// either names, else the category of the post-mortem with the service.
    pub cause: Option<String>,
    /// What the post-mortem found out.
    pub note: Option<&'a IncidentNote>,
    /// Closed by the tool's own timeout: noise.
    pub auto_resolved: bool,
    /// Merged into another incident.
    pub merged: bool,
    /// Commits and `deployment:ID`s that a field or note names as the cause. A later episode has
    /// only what notes of its own time name.
    pub names: BTreeSet<String>,
}

impl Episode<'_> {
    /// Whether it counts as an incident at all: neither merged away nor noise.
    pub fn counts(&self) -> bool {
        !self.merged && !self.auto_resolved
    }

    fn order(&self) -> (Instant, &SourceName, &str, u32) {
        (self.detected_at, self.source, &self.incident.id, self.number)
    }

    /// Whether it is a Sev1 or Sev2, or of unknown severity.
    pub fn may_be_major(&self) -> bool {
        self.severity.is_none_or(|it| it <= 2)
    }

    /// Whether it counts and is a Sev1 or Sev2.
    pub fn is_major(&self) -> bool {
        self.counts() && matches!(self.severity, Some(1 | 2))
    }
}

/// Finds every episode detected before `as_of`, by detection.
pub fn build<'a>(timeline: &'a Timeline, params: &'a Params, as_of: Instant) -> Vec<Episode<'a>> {
    let finder = Finder::of(timeline, params, as_of);
    let incidents: Vec<(&IncidentKey, &Arc<Incident>)> = timeline.incidents.iter().collect();
    let chunks: Vec<_> = incidents.chunks(CHUNK).collect();
    let found = parallel::map(chunks.len(), |at| {
        let first = chunks[at][0].0;
        let mut events = beside(&timeline.incident_events, first);
        let mut alerts = beside(&timeline.incident_alerts, first);
        let episodes = chunks[at].iter().flat_map(|(key, incident)| {
            finder.known(key, incident, events(key), alerts(key)).episodes()
        });
        episodes.collect::<Vec<_>>()
    });
    in_order(found.into_iter().flatten().collect())
}

/// The same of these incidents alone.
pub(super) fn build_of<'a, 'k>(
    timeline: &'a Timeline,
    params: &'a Params,
    as_of: Instant,
    incidents: impl Iterator<Item = &'k IncidentKey>,
) -> Vec<Episode<'a>> {
    let finder = Finder::of(timeline, params, as_of);
    let known = incidents.filter_map(|key| {
        let (key, incident) = timeline.incidents.get_key_value(key)?;
        let events = timeline.incident_events.get(key);
        Some(finder.known(key, incident, events, timeline.incident_alerts.get(key)))
    });
    in_order(known.flat_map(|it| it.episodes()).collect())
}

fn in_order(mut episodes: Vec<Episode<'_>>) -> Vec<Episode<'_>> {
    episodes.sort_by(|a, b| a.order().cmp(&b.order()));
    episodes
}

/// What an incident names as its cause, in whichever life.
pub(super) fn named_by(
    incident: &Incident,
    events: Option<&Shelf<IncidentEvent>>,
    rules: &Rules,
) -> BTreeSet<Text> {
    let field = field(incident, &rules.fields.caused_by).map(named_causes).unwrap_or_default();
    let noted = events.into_iter().flat_map(Shelf::iter).flat_map(|it| it.mentions.iter().cloned());
    field.into_iter().map(Text::from).chain(noted).collect()
}

/// What all incidents have in common.
struct Finder<'a> {
    notes: Notes<'a>,
    services: HashMap<&'a str, Vec<usize>>,
    no_events: Shelf<IncidentEvent>,
    no_alerts: Shelf<IncidentAlert>,
    params: &'a Params,
    as_of: Instant,
}

impl<'a> Finder<'a> {
    fn of(timeline: &'a Timeline, params: &'a Params, as_of: Instant) -> Self {
        Self {
            notes: Notes::of(timeline),
            services: services(params),
            no_events: Shelf::default(),
            no_alerts: Shelf::default(),
            params,
            as_of,
        }
    }

    fn known<'e>(
        &'e self,
        key: &'a IncidentKey,
        incident: &'a Incident,
        events: Option<&'e Shelf<IncidentEvent>>,
        alerts: Option<&'e Shelf<IncidentAlert>>,
    ) -> Known<'a, 'e> {
        Known {
            source: &key.0,
            incident,
            services: incident.service.as_deref().and_then(|it| self.services.get(it)),
            note: self.notes.about(incident),
            events: events.unwrap_or(&self.no_events),
            alerts: alerts.unwrap_or(&self.no_alerts),
            params: self.params,
            as_of: self.as_of,
        }
    }
}

/// How many incidents are looked at in one go.
const CHUNK: usize = 1_000;

/// Finds what has a key in `facts`, asked for from the `first` in the order of the keys: walking
/// beside is quicker than looking each up.
fn beside<'a, K: Ord, T>(facts: &'a BTreeMap<K, T>, first: &K) -> impl FnMut(&K) -> Option<&'a T> {
    let mut facts = facts.range(first..).peekable();
    move |key| {
        while facts.next_if(|(it, _)| *it < key).is_some() {}
        facts.peek().filter(|(it, _)| *it == key).map(|(_, it)| *it)
    }
}

/// The catalogue's services by incident service, ascending.
pub(super) fn services(params: &Params) -> HashMap<&str, Vec<usize>> {
    let mut services: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, service) in params.catalogue.services.iter().enumerate() {
        for of in &service.incident_services {
            let known = services.entry(of.as_str()).or_default();
            if known.last() != Some(&index) {
                known.push(index);
            }
        }
    }
    services
}

/// How an incident came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Resolved,
    TimedOut,
    Merged,
}

/// One life of an incident: from its start to the last resolve that was not soon taken back.
#[derive(Clone, Debug)]
struct Life {
    started_at: Instant,
    reopened_at: Option<Instant>,
    acknowledged_at: Option<Instant>,
    ended: Option<(Instant, Ending)>,
    priorities_set: u32,
}

impl Life {
    fn starting(at: Instant) -> Self {
        Self {
            started_at: at,
            reopened_at: None,
            acknowledged_at: None,
            ended: None,
            priorities_set: 0,
        }
    }
}

/// What post-mortems found out, by what they call the incident.
struct Notes<'a> {
    by_name: HashMap<&'a str, &'a IncidentNote>,
    /// How many incidents have a number: two tools may count alike.
    numbers: HashMap<u64, u32>,
}

impl<'a> Notes<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let numbered = (!timeline.incident_notes.is_empty()).then(|| timeline.incidents.values());
        for incident in numbered.into_iter().flatten() {
            *numbers.entry(incident.number).or_default() += 1;
        }
        let notes = timeline.incident_notes.values();
        Self { by_name: notes.map(|it| (it.incident.as_str(), it)).collect(), numbers }
    }

    fn about(&self, incident: &Incident) -> Option<&'a IncidentNote> {
        if self.by_name.is_empty() {
            return None;
        }
        let by_number = || {
            let only = self.numbers.get(&incident.number) == Some(&1);
            only.then(|| self.by_name.get(incident.number.to_string().as_str())).flatten()
        };
        self.by_name.get(incident.id.as_str()).or_else(by_number).copied()
    }
}

/// What is known of one incident, and the rules.
struct Known<'a, 'e> {
    source: &'a SourceName,
    incident: &'a Incident,
    /// Those whose incident service it is on.
    services: Option<&'e Vec<usize>>,
    note: Option<&'a IncidentNote>,
    events: &'e Shelf<IncidentEvent>,
    alerts: &'e Shelf<IncidentAlert>,
    params: &'a Params,
    as_of: Instant,
}

impl<'a> Known<'a, '_> {
    fn episodes(&self) -> Vec<Episode<'a>> {
        if self.incident.created_at >= self.as_of {
            return Vec::new();
        }
        let lives = self.lives();
        let next_starts = lives.iter().skip(1).map(|it| Some(it.started_at)).chain([None]);
        let spans = lives.iter().zip(next_starts).zip(0..);
        spans.map(|((life, next_start), number)| self.episode(life, next_start, number)).collect()
    }

    /// The incident's lives by its log. Without a possible start there is none.
    fn lives(&self) -> Vec<Life> {
        let log = self.log();
        let triggered = log.iter().find(|it| it.event == IncidentEventKind::Trigger);
        let Some(start) = [Some(self.incident.created_at), triggered.map(|it| it.at)]
            .into_iter()
            .flatten()
            .find(|at| dates::is_possible(*at, self.as_of))
        else {
            return Vec::new();
        };
        let mut earlier = Vec::new();
        let mut life = Life::starting(start);
        for event in log {
            if let Some(next) = self.live_on(&mut life, event) {
                earlier.push(std::mem::replace(&mut life, next));
            }
        }
        self.end_by_summary(&mut life, earlier.is_empty());
        earlier.push(life);
        earlier
    }

    /// What happened before `as_of`, in order. In the same second an end comes after what it ends.
    fn log(&self) -> Vec<&IncidentEvent> {
        let rank = |event: &IncidentEvent| match event.event {
            IncidentEventKind::Trigger => 0,
            IncidentEventKind::Resolve => 2,
            IncidentEventKind::Merge => 3,
            IncidentEventKind::Reopen => 4,
            _ => 1,
        };
        let log = self.events.iter();
        let mut log: Vec<&IncidentEvent> = log.filter(|it| it.at < self.as_of).collect();
        log.sort_by_key(|it| (it.at, rank(it), &it.id));
        log
    }

    /// Takes one log entry into a life. Returns the next life if the entry begins one.
    fn live_on(&self, life: &mut Life, event: &IncidentEvent) -> Option<Life> {
        match event.event {
            IncidentEventKind::Resolve if life.ended.is_none() => {
                let timed_out =
                    event.channel.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("timeout"));
                let ending = if timed_out { Ending::TimedOut } else { Ending::Resolved };
                life.ended = Some((event.at, ending));
            }
            // What has been resolved can be merged afterwards; it ended when it was resolved.
            IncidentEventKind::Merge => {
                let (at, _) = *life.ended.get_or_insert((event.at, Ending::Merged));
                life.ended = Some((at, Ending::Merged));
            }
            IncidentEventKind::Acknowledge => {
                life.acknowledged_at.get_or_insert(event.at);
            }
            // Some tools log a re-opening as the end of an acknowledgement.
            IncidentEventKind::Reopen | IncidentEventKind::Unacknowledge => {
                let (ended_at, _) = life.ended?;
                if event.at - ended_at > self.params.rules.reopen_window {
                    return Some(Life::starting(event.at));
                }
                life.ended = None;
                life.reopened_at = Some(event.at);
            }
            IncidentEventKind::PriorityChange => life.priorities_set += 1,
            _ => {}
        }
        None
    }

    /// Where the log leaves out the end, the vendor's summary of the incident says it.
    fn end_by_summary(&self, life: &mut Life, first: bool) {
        if life.ended.is_none()
            && self.incident.status == IncidentStatus::Resolved
            && let Some(at) = self.incident.resolved_at
            && dates::is_possible(at, self.as_of)
            && life.reopened_at.is_none_or(|reopened_at| reopened_at <= at)
            // After a re-opening it may still tell the end of the life before.
            && (first || life.started_at <= at)
        {
            life.ended = Some((at, Ending::Resolved));
        }
        let merge_logged = self.events.iter().any(|it| it.event == IncidentEventKind::Merge);
        if self.incident.merged
            && !merge_logged
            && let Some((at, _)) = life.ended
        {
            life.ended = Some((at, Ending::Merged));
        }
    }

    fn episode(&self, life: &Life, next_start: Option<Instant>, number: u32) -> Episode<'a> {
        let first = number == 0;
        let rules = &self.params.rules;
        let detected_at = if first { self.detected_at(life) } else { life.started_at };
        let ending = life.ended.map(|(_, ending)| ending);
        Episode {
            source: self.source,
            incident: self.incident,
            number,
            services: self.services().to_vec(),
            severity: severity(self.incident, rules),
            severity_changes: life.priorities_set.saturating_sub(u32::from(first)),
            detected_at,
            resolved_at: self.resolved_at(life, detected_at),
            acknowledged_at: life.acknowledged_at,
            fault_at: self.field_instant(&rules.fields.fault_started_at).filter(|_| first),
            cause: self.cause(),
            note: self.note,
            auto_resolved: ending == Some(Ending::TimedOut),
            merged: ending == Some(Ending::Merged),
            names: self.names(life, next_start, first),
        }
    }

    fn cause(&self) -> Option<String> {
        let fields = &self.params.rules.fields;
        let note = self.note;
        // The incident's own word goes before that of its post-mortem.
        let either = |field: &str, noted: Option<&'a str>| {
            let field = self.field(field).filter(names_something);
            field.or_else(|| noted.filter(names_something))
        };
        let root = either(&fields.root_cause, note.and_then(|it| it.root_cause.as_deref()));
        let problem = || {
            let ticket = either(&fields.problem, note.and_then(|it| it.problem.as_deref()))?;
            Some(format!("problem {ticket}"))
        };
        root.map(str::to_owned).or_else(problem).or_else(|| {
            let services = &self.params.catalogue.services;
            let names: Vec<&str> =
                self.services().iter().map(|it| services[*it].name.as_str()).collect();
            let category = note?.category.as_deref().filter(names_something)?;
            // Of no known service a category is too wide to be a cause.
            (!names.is_empty()).then(|| format!("{category} in {}", names.join(", ")))
        })
    }

    fn services(&self) -> &[usize] {
        self.services.map_or(&[], Vec::as_slice)
    }

    /// An alert that joined an incident which people had opened before did not detect it.
    fn detected_at(&self, life: &Life) -> Instant {
        self.field_instant(&self.params.rules.fields.detected_at).unwrap_or_else(|| {
            let alerts = self.alerts.iter().map(|it| it.created_at);
            let first_alert = alerts.filter(|at| dates::is_possible(*at, self.as_of)).min();
            first_alert.map_or(life.started_at, |at| at.min(life.started_at))
        })
    }

    /// A mitigation counts between the start and the resolve of a resolved incident. One before a
    /// re-opening did not hold: the clock runs on.
    fn resolved_at(&self, life: &Life, detected_at: Instant) -> Option<Instant> {
        let (resolved_at, _) = life.ended?;
        let holds_from = life.reopened_at.map_or(detected_at, |at| at.max(detected_at));
        let mitigated_at = self.field_instant(&self.params.rules.fields.mitigated_at);
        let holds = mitigated_at.filter(|at| (holds_from..=resolved_at).contains(at));
        Some(holds.unwrap_or(resolved_at))
    }

    /// What is named as the cause. A note belongs to the life that it was written in or after.
    fn names(&self, life: &Life, next_start: Option<Instant>, first: bool) -> BTreeSet<String> {
        let field = self.field(&self.params.rules.fields.caused_by).filter(|_| first);
        let noted = self.events.iter().filter(|it| {
            (first || it.at >= life.started_at) && next_start.is_none_or(|next| it.at < next)
        });
        let noted = noted.flat_map(|it| it.mentions.iter().map(ToString::to_string));
        field.map(named_causes).unwrap_or_default().into_iter().chain(noted).collect()
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        field(self.incident, name)
    }

    fn field_instant(&self, name: &str) -> Option<Instant> {
        self.field(name).and_then(|text| dates::instant(text, self.as_of))
    }
}

/// What a field says, unless it is empty.
fn field<'a>(incident: &'a Incident, name: &str) -> Option<&'a str> {
    let fields = &incident.fields;
    let value = fields.get(name).or_else(|| {
        fields.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    });
    value.map(|it| it.trim()).filter(|it| !it.is_empty())
}

/// The severity that the rules give to the incident's final priority.
fn severity(incident: &Incident, rules: &Rules) -> Option<u8> {
    let priority = incident.priority.as_deref()?.trim();
    let mut mapped = rules.severity_by_priority.iter();
    mapped.find(|(name, _)| name.trim().eq_ignore_ascii_case(priority)).map(|(_, it)| *it)
}

/// What people write into a field that they may not leave empty. Two incidents whose cause nobody
/// knows do not have the same one.
const NO_CAUSES: [&str; 12] = [
    "unknown",
    "not known",
    "unclear",
    "undetermined",
    "to be determined",
    "tbd",
    "todo",
    "pending",
    "none",
    "n/a",
    "na",
    "other",
];

/// Whether a text names a cause: it has letters or digits, and does not say that there is none.
fn names_something(text: &&str) -> bool {
    let text = text.trim();
    text.contains(char::is_alphanumeric)
        && !NO_CAUSES.iter().any(|it| it.eq_ignore_ascii_case(text))
}

/// The commits and `deployment:ID`s in a field that names a cause: bare, in a list or in links.
fn named_causes(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    words.filter_map(named_cause).collect()
}

fn named_cause(word: &str) -> Option<String> {
    let prefix = "deployment:";
    if let (Some(kind), Some(id)) = (word.get(..prefix.len()), word.get(prefix.len()..))
        && kind.eq_ignore_ascii_case(prefix)
    {
        return (!id.is_empty()).then(|| format!("{prefix}{id}"));
    }
    let commit = word.rsplit(['/', '@', ':']).next()?;
    let is_commit =
        (7..=40).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| commit.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Episode;
    use crate::kpi::testing::{Story, told};

    /// What the episodes of a story amount to, one a line.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, episodes: Expect) {
        let story = Story::told(story);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        episodes.assert_eq(&view.incidents.iter().map(line).collect::<String>());
    }

    fn line(it: &Episode<'_>) -> String {
        let mut text = it.incident.id.to_string();
        if it.number > 0 {
            text += &format!("/{}", it.number);
        }
        text += &it.severity.map_or_else(|| " sev?".to_owned(), |it| format!(" sev{it}"));
        text += &format!(" {}..", told(it.detected_at));
        text += &it.resolved_at.map(told).unwrap_or_default();
        let times = [("ack", it.acknowledged_at), ("fault", it.fault_at)];
        for (name, at) in times {
            text += &at.map(|at| format!(" {name}={}", told(at))).unwrap_or_default();
        }
        if it.severity_changes > 0 {
            text += &format!(" changes={}", it.severity_changes);
        }
        text += &it.cause.as_ref().map(|it| format!(" cause={it}")).unwrap_or_default();
        if !it.names.is_empty() {
            let names: Vec<&str> = it.names.iter().map(String::as_str).collect();
            text += &format!(" names={}", names.join("+"));
        }
        for (flag, set) in [("noise", it.auto_resolved), ("merged", it.merged)] {
            if set {
                text += &format!(" {flag}");
            }
        }
        text + "\n"
    }

    #[test]
    fn an_incident_runs_from_its_detection_to_its_resolve() {
        check(
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:05 ack i1
             05T10:30 resolve i1 by website",
            expect![[r#"
                i1 sev1 05T10:00..05T10:30 ack=05T10:02
            "#]],
        );
    }

    #[test]
    fn an_incident_resolved_at_as_of_or_later_is_open() {
        check(
            "as_of 06T00:00
             05T10:00 incident i1 P1
             05T10:00 incident i2 P1
             06T00:00 ack i1
             06T00:00 resolve i1
             05T23:59:59 resolve i2
             06T00:00 incident i3 P1",
            expect![[r#"
                i1 sev1 05T10:00..
                i2 sev1 05T10:00..05T23:59:59
            "#]],
        );
    }

    #[test]
    fn an_acknowledged_incident_is_not_resolved() {
        check(
            "05T10:00 incident i1 P1
             05T10:02 ack i1",
            expect![[r#"
                i1 sev1 05T10:00.. ack=05T10:02
            "#]],
        );
    }

    #[test]
    fn severity_is_the_final_priority_by_name_without_case() {
        check(
            "05T10:00 incident i1 p2
             05T10:01 priority i1 P1
             06T10:00 priority i1 P3
             07T10:00 priority i1 p4
             05T10:00 incident i2 SEV-1
             05T10:00 incident i3 -",
            expect![[r#"
                i1 sev4 05T10:00.. changes=2
                i2 sev? 05T10:00..
                i3 sev? 05T10:00..
            "#]],
        );
    }

    #[test]
    fn the_first_alert_detects_unless_people_opened_the_incident_before() {
        check(
            "05T10:00 incident i1 P1
             05T09:58 alert i1
             05T09:59 alert i1
             05T10:00 incident i2 P1
             05T10:07 alert i2
             05T10:00 incident i3 P1
             05T09:58 alert i3
             06T10:00 field i3 detected_at 2026-03-05T09:50:00Z",
            expect![[r#"
                i3 sev1 05T09:50..
                i1 sev1 05T09:58..
                i2 sev1 05T10:00..
            "#]],
        );
    }

    #[test]
    fn closed_by_the_timeout_is_noise_and_a_recovered_monitor_is_not() {
        check(
            "05T10:00 incident i1 P1
             05T14:00 resolve i1 by timeout
             05T11:00 incident i2 P1
             05T11:30 resolve i2 by auto",
            expect![[r#"
                i1 sev1 05T10:00..05T14:00 noise
                i2 sev1 05T11:00..05T11:30
            "#]],
        );
    }

    #[test]
    fn whether_it_was_noise_is_decided_by_the_final_resolve() {
        check(
            "05T10:00 incident i1 P1
             05T14:00 resolve i1 by timeout
             05T15:00 reopen i1
             05T16:00 resolve i1 by website
             05T11:00 incident i2 P1
             05T11:30 resolve i2 by website
             05T11:40 reopen i2
             05T15:40 resolve i2 by timeout",
            expect![[r#"
                i1 sev1 05T10:00..05T16:00
                i2 sev1 05T11:00..05T15:40 noise
            "#]],
        );
    }

    #[test]
    fn reopened_within_a_day_it_is_the_same_incident_and_the_clock_runs_on() {
        check(
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:30 resolve i1
             06T10:30 reopen i1
             06T10:40 ack i1
             06T11:00 resolve i1
             05T12:00 incident i2 P1
             05T12:30 resolve i2
             05T12:40 reopen i2",
            expect![[r#"
                i1 sev1 05T10:00..06T11:00 ack=05T10:02
                i2 sev1 05T12:00..
            "#]],
        );
    }

    #[test]
    fn reopened_later_it_is_a_new_incident_with_the_same_cause() {
        check(
            "05T10:00 incident i1 P2
             05T09:55 alert i1
             05T10:01 priority i1 P2
             05T10:02 ack i1
             05T10:30 resolve i1
             06T10:30:01 reopen i1
             06T10:40 ack i1
             06T10:50 priority i1 P1
             06T11:00 note i1 naming deployment:9
             06T11:30 resolve i1
             08T11:30 reopen i1
             09T09:00 field i1 fault_started_at 2026-03-05T09:00:00Z
             09T09:00 field i1 detected_at 2026-03-05T09:30:00Z
             09T09:00 field i1 root_cause db-pool
             09T09:00 field i1 caused_by deployment:7",
            expect![[r#"
                i1 sev1 05T09:30..05T10:30 ack=05T10:02 fault=05T09:00 cause=db-pool names=deployment:7
                i1/1 sev1 06T10:30:01..06T11:30 ack=06T10:40 changes=1 cause=db-pool names=deployment:9
                i1/2 sev1 08T11:30.. cause=db-pool
            "#]],
        );
    }

    #[test]
    fn a_tool_that_logs_a_reopening_as_the_end_of_an_acknowledgement_is_understood() {
        check(
            "05T10:00 incident i1 P1
             05T10:02 ack i1
             05T10:12 unack i1
             05T10:30 resolve i1
             05T11:30 unack i1
             05T12:00 resolve i1",
            expect![[r#"
                i1 sev1 05T10:00..05T12:00 ack=05T10:02
            "#]],
        );
    }

    #[test]
    fn what_is_resolved_cannot_be_resolved_again() {
        check(
            "05T10:00 incident i1 P1
             05T10:30 resolve i1
             05T18:00 resolve i1",
            expect![[r#"
                i1 sev1 05T10:00..05T10:30
            "#]],
        );
    }

    #[test]
    fn merged_into_another_it_is_no_incident_of_its_own() {
        check(
            "05T10:00 incident i1 P1
             05T10:05 fold i1
             05T11:00 incident i2 P1
             05T11:30 resolve i2
             05T12:00 fold i2
             05T13:00 incident i3 P1
             05T14:00 incident i4 P1
             05T14:00 summary i4 resolved 05T14:05 merged",
            expect![[r#"
                i1 sev1 05T10:00..05T10:05 merged
                i2 sev1 05T11:00..05T11:30 merged
                i3 sev1 05T13:00..
                i4 sev1 05T14:00..05T14:05 merged
            "#]],
        );
    }

    #[test]
    fn merged_at_as_of_or_later_it_is_still_open() {
        check(
            "as_of 05T10:05
             05T10:00 incident i1 P1
             05T10:05 fold i1",
            expect![[r#"
                i1 sev1 05T10:00..
            "#]],
        );
    }

    #[test]
    fn a_mitigation_counts_between_the_start_and_the_resolve_of_a_resolved_incident() {
        check(
            "05T10:00 incident i1 P1
             05T11:00 resolve i1
             06T09:00 field i1 mitigated_at 2026-03-05T10:20:00Z
             05T10:00 incident i2 P1
             05T11:00 resolve i2
             06T09:00 field i2 mitigated_at 2026-03-05T11:00:01Z
             05T10:00 incident i3 P1
             05T11:00 resolve i3
             06T09:00 field i3 mitigated_at 2026-03-05T09:59:59Z
             05T10:00 incident i4 P1
             06T09:00 field i4 mitigated_at 2026-03-05T10:20:00Z
             05T10:00 incident i5 P1
             05T11:00 resolve i5
             05T12:00 reopen i5
             05T13:00 resolve i5
             06T09:00 field i5 mitigated_at 2026-03-05T10:20:00Z
             05T10:00 incident i6 P1
             05T11:00 resolve i6
             05T12:00 reopen i6
             05T13:00 resolve i6
             06T09:00 field i6 mitigated_at 2026-03-05T12:20:00Z",
            expect![[r#"
                i1 sev1 05T10:00..05T10:20
                i2 sev1 05T10:00..05T11:00
                i3 sev1 05T10:00..05T11:00
                i4 sev1 05T10:00..
                i5 sev1 05T10:00..05T13:00
                i6 sev1 05T10:00..05T12:20
            "#]],
        );
    }

    #[test]
    fn impossible_dates_are_ignored_and_the_next_rule_holds() {
        check(
            "05T10:00 incident i1 P1
             05T09:58 alert i1
             1970-01-01T00:00 alert i1
             05T11:00 resolve i1
             06T09:00 field i1 fault_started_at 1970-01-01T00:00:00Z
             06T09:00 field i1 detected_at 2099-01-01T00:00:00Z
             06T09:00 field i1 mitigated_at yesterday
             1970-01-01T00:00 incident i2 P1
             05T12:00 ack i2",
            expect![[r#"
                i1 sev1 05T09:58..05T11:00
            "#]],
        );
    }

    #[test]
    fn fields_are_found_by_name_without_case_and_dates_however_they_are_written() {
        check(
            "05T10:00 incident i1 P1
             06T09:00 field i1 Fault_Started_At 2026-03-05~10:50~+0100
             06T09:00 field i1 root_cause ~~
             06T09:00 field i1 caused_by https://git.example/acme/web/commit/ABCDEF1,~Deployment:7",
            expect![[r#"
                i1 sev1 05T10:00.. fault=05T09:50 names=abcdef1+deployment:7
            "#]],
        );
    }

    #[test]
    fn what_was_learned_late_about_earlier_times_is_used() {
        check(
            "as_of 06T00:00
             05T10:00 incident i1 P3
             05T11:00 resolve i1
             09T10:00 priority i1 P1
             09T10:00 field i1 fault_started_at 2026-03-05T09:00:00Z
             09T10:00 note i1 naming c12",
            expect![[r#"
                i1 sev1 05T10:00..05T11:00 fault=05T09:00 names=c12
            "#]],
        );
    }

    #[test]
    fn where_the_log_leaves_out_the_end_the_summary_says_it() {
        check(
            "05T10:00 incident i1 P1
             06T00:00 summary i1 resolved 05T10:30
             05T11:00 incident i2 P1
             05T11:10 resolve i2
             05T11:20 reopen i2
             06T00:00 summary i2 resolved 05T11:10
             05T12:00 incident i3 P1
             06T00:00 summary i3 resolved 04-01T00:00
             05T13:00 incident i4 P1
             06T00:00 summary i4 resolved 05T13:05 merged
             05T14:00 incident i5 P1
             05T14:30 resolve i5
             07T14:00 reopen i5
             07T15:00 summary i5 resolved 05T14:30",
            expect![[r#"
                i1 sev1 05T10:00..05T10:30
                i2 sev1 05T11:00..
                i3 sev1 05T12:00..
                i4 sev1 05T13:00..05T13:05 merged
                i5 sev1 05T14:00..05T14:30
                i5/1 sev1 07T14:00..
            "#]],
        );
    }

    #[test]
    fn it_belongs_to_every_service_that_its_incident_service_stands_for() {
        let story = Story::told(
            "service web incidents PWEB,PEDGE
             service api incidents PWEB
             service shop incidents PSHOP
             05T10:00 incident i1 P1
             05T11:00 incident i2 P1 on PEDGE
             05T12:00 incident i3 P1 on PNOBODY",
        );
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let services: Vec<&[usize]> = view.incidents.iter().map(|it| &*it.services).collect();
        assert_eq!(services, [&[0, 1][..], &[0], &[]]);
    }
}
