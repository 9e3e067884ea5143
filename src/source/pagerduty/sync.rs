//! One poll: the account-wide log from where it was read to, every incident that it names, and
//! those that have to be followed although it does not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::api::Window;
use super::cursor::{self, Entry, Followed, Position};
use super::normalise;
use super::read::{Job, Reader};
use super::wire::{Incident, LogEntry};
use crate::domain::fact::IncidentEvent;
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Longest interval asked for at once. The vendor allows six months, of 181 days at least.
pub(super) const LONGEST: TimeDelta = TimeDelta::days(90);
/// The log is asked for again from this long before the newest entry seen: entries may come late
/// and out of order.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// Where the newest entry is not seen again, the log is read again from this long before it.
const SUSPECT: TimeDelta = TimeDelta::days(7);
/// An interval that ended this long ago is complete, even by a clock that is somewhat wrong.
const PAST: TimeDelta = TimeDelta::days(1);
/// Up to so many incidents are asked for one by one; more of them in lists.
const ONE_BY_ONE: usize = 5;
/// Incidents that ended are looked at once more after this time.
const SETTLE: TimeDelta = TimeDelta::hours(1);

/// What an interval of the log says.
#[derive(Debug)]
struct Log {
    window: Window,
    /// By incident, without what says nothing about it.
    events: BTreeMap<String, Vec<IncidentEvent>>,
    newest: Option<Entry>,
    /// All ids, to recognise the newest of the time before.
    ids: BTreeSet<String>,
}

impl Log {
    fn of(window: Window, entries: &[LogEntry]) -> Self {
        let mut events: BTreeMap<String, Vec<IncidentEvent>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| normalise::is_about_the_incident(entry)) {
            let event = normalise::event(entry);
            events.entry(event.incident.to_string()).or_default().push(event);
        }
        // An entry with an impossible date must not move the cursor to where nothing follows.
        let inside = entries
            .iter()
            .filter(|entry| (window.since..=window.until).contains(&entry.created_at));
        let newest = inside
            .map(|entry| Entry { id: entry.id.0.clone(), at: entry.created_at })
            .max_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let ids = entries.iter().map(|entry| entry.id.0.clone()).collect();
        Self { window, events, newest, ids }
    }
}

impl Reader<'_> {
    /// Reads the log from `position` to the start of this poll, and every incident that it names.
    pub(super) async fn follow_log(&mut self, position: &mut Position) -> Result<(), SourceError> {
        let start = position.from.unwrap_or(self.cx.now);
        let mut since = position.through.map_or(start, |through| (through - OVERLAP).max(start));
        // Our clock may be behind the newest entry.
        let end = self.cx.now.max(position.through.unwrap_or(start));
        while since < end {
            let longest = Window { since, until: end.min(since + LONGEST) };
            let mut log = self.log(longest).await?;
            if let Some(lost) = position.newest.as_ref().filter(|newest| newest.at >= since)
                && !log.ids.contains(&lost.id)
            {
                tracing::warn!(
                    source = %self.source,
                    "the newest log entry of the last poll is not shown again; reading further back"
                );
                self.report.gaps += 1;
                position.newest = None;
                since = (since - SUSPECT).max(start);
                let until = log.window.until.min(since + LONGEST);
                log = self.log(Window { since, until }).await?;
            }
            let until = log.window.until;
            self.read_named(log, position).await?;
            since = until;
        }
        if std::mem::take(&mut position.anew) {
            let mut batch = Batch::default();
            cursor::put(&mut batch, cursor::LOG, position);
            self.cx.store.commit(self.source, batch).await?;
        }
        Ok(())
    }

    /// The log of an interval, or of its beginning where it has too many entries.
    async fn log(&mut self, mut window: Window) -> Result<Log, SourceError> {
        loop {
            if let Some(entries) = self.api.log(window, &mut self.report).await? {
                return Ok(Log::of(window, &entries));
            }
            window.until = half(window)?;
        }
    }

    /// Reads the incidents of which the log says something new, and moves `position`.
    async fn read_named(&mut self, log: Log, position: &mut Position) -> Result<(), SourceError> {
        let Log { window, events, newest, .. } = log;
        let mut batch = Batch::default();
        let mut named = BTreeMap::new();
        for (incident, events) in events {
            let known = match position.anew && !self.has_read(&incident) {
                true => BTreeSet::new(),
                false => self.known_events(&incident).await?,
            };
            let new: Vec<_> =
                events.into_iter().filter(|it| !known.contains(it.id.as_str())).collect();
            if new.is_empty() {
                continue;
            }
            // Read after this poll began, so after everything that its log says.
            if self.has_read(&incident) {
                batch.facts.extend(new.into_iter().map(Fact::IncidentEvent));
            } else {
                named.insert(incident, new);
            }
        }
        let jobs = self.jobs(window, named).await?;
        self.read_all(jobs).await?;
        if window.until + PAST <= self.cx.now {
            position.through = Some(window.until);
        } else if let Some(newest) = &newest {
            position.through = position.through.max(Some(newest.at));
        }
        position.newest = newest.or(position.newest.take());
        position.has_fields = self.has_fields();
        cursor::put(&mut batch, cursor::LOG, position);
        self.cx.store.commit(self.source, batch).await?;
        Ok(())
    }

    async fn known_events(&self, incident: &str) -> Result<BTreeSet<String>, SourceError> {
        let ids = self.cx.store.ids(self.source, Kind::IncidentEvent, Some(incident)).await?;
        Ok(ids.into_iter().collect())
    }

    /// What to read: the named incidents, from a list of the interval's where that is cheaper, and
    /// those of that list which the store has never seen.
    async fn jobs(
        &mut self,
        window: Window,
        mut named: BTreeMap<String, Vec<IncidentEvent>>,
    ) -> Result<Vec<Job>, SourceError> {
        let log_before = Some(window.since);
        let mut jobs = Vec::new();
        if named.len() > ONE_BY_ONE {
            for incident in self.created(window).await? {
                let id = incident.id.0.clone();
                let events = named.remove(&id);
                if events.is_none() && (self.has_read(&id) || self.is_stored(&id).await?) {
                    continue;
                }
                let log_before = match events {
                    Some(_) => log_before,
                    None => Some(self.cx.now),
                };
                let events = events.unwrap_or_default();
                jobs.push(Job { id, listed: Some(incident), events, log_before });
            }
        }
        jobs.extend(named.into_iter().map(|(id, events)| Job {
            id,
            listed: None,
            events,
            log_before,
        }));
        Ok(jobs)
    }

    /// The incidents that were created in an interval.
    pub(super) async fn created(&mut self, window: Window) -> Result<Vec<Incident>, SourceError> {
        let mut found: BTreeMap<String, Incident> = BTreeMap::new();
        let mut rest = vec![window];
        while let Some(window) = rest.pop() {
            match self.api.created(window, &mut self.report).await? {
                Some(incidents) => {
                    found.extend(incidents.into_iter().map(|it| (it.id.0.clone(), it)));
                }
                None => {
                    let middle = half(window)?;
                    rest.push(Window { since: middle, ..window });
                    rest.push(Window { until: middle, ..window });
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// Looks at the open incidents, however old, at those that were open the last time, and once
    /// more at those that ended a while ago.
    pub(super) async fn follow_open(
        &mut self,
        followed: &Followed,
    ) -> Result<Followed, SourceError> {
        let Some(open) = self.api.open(&mut self.report).await? else {
            self.warn("more than 10,000 incidents are open: they are not followed".into());
            self.report.gaps += 1;
            return Ok(followed.clone());
        };
        let fingerprints: BTreeMap<String, String> =
            open.iter().map(|incident| (incident.id.0.clone(), incident.fingerprint())).collect();
        let now = self.cx.now;
        let changed =
            fingerprints.iter().filter(|(id, looks)| followed.open.get(*id) != Some(looks));
        let mut due: BTreeSet<String> = changed.map(|(id, _)| id.clone()).collect();
        // They ended without the log's naming them.
        let lost = followed.open.keys().filter(|id| !fingerprints.contains_key(*id));
        let lost: Vec<String> = lost.filter(|id| !self.has_read(id)).cloned().collect();
        if !lost.is_empty() {
            self.report.gaps += 1;
        }
        due.extend(lost);
        let settled = followed.settling.iter().filter(|(_, at)| **at <= now);
        due.extend(settled.map(|(id, _)| id.clone()));
        let due = due.into_iter().filter(|id| !self.has_read(id));
        let jobs = due.map(|id| Job { id, log_before: Some(now), ..Job::default() }).collect();
        self.read_all(jobs).await?;
        Ok(Followed { open: fingerprints, settling: self.settling(followed) })
    }

    /// Which incidents to look at once more, and when.
    fn settling(&self, followed: &Followed) -> BTreeMap<String, Instant> {
        let now = self.cx.now;
        let waiting = followed.settling.iter().filter(|(_, at)| **at > now);
        let mut settling: BTreeMap<String, Instant> =
            waiting.map(|(id, at)| (id.clone(), *at)).collect();
        for (id, ended) in self.outcomes() {
            match ended.map(|ended| ended + SETTLE).filter(|due| *due > now) {
                Some(due) if due <= now + SETTLE => settling.insert(id.to_owned(), due),
                _ => settling.remove(id),
            };
        }
        settling
    }
}

/// The middle of an interval, in whole seconds.
fn half(window: Window) -> Result<Instant, SourceError> {
    let seconds = (window.until - window.since).num_seconds() / 2;
    if seconds == 0 {
        let what = format!("more than 10,000 items at {}", window.since);
        return Err(SourceError::Malformed(what));
    }
    Ok(window.since + TimeDelta::seconds(seconds))
}
