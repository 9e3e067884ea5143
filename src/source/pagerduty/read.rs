//! Reading single incidents with everything that belongs to them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt};
use http::StatusCode;

use super::api::{Api, One};
use super::cursor::Details;
use super::{normalise, wire};
use crate::domain::fact::{Incident, IncidentEvent};
use crate::domain::{Fact, FactKey, Instant, Kind, SourceName};
use crate::source::{PollContext, PollReport, SourceError};
use crate::store::Batch;

/// Incidents whose facts are committed together.
const CHUNK: usize = 50;

/// Reads incidents and commits what it finds, each incident with its events and alerts in one
/// transaction: an event in the store means that its incident was read after it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) api: &'a Api,
    pub(super) source: &'a SourceName,
    pub(super) cx: &'a PollContext,
    pub(super) report: PollReport,
    wanted: Details,
    /// Whether the account had custom fields when it was last asked.
    had_fields: bool,
    /// Whether the account has custom fields; asked when it is first needed.
    has_fields: Option<bool>,
    /// The incidents in the store; loaded when it is first needed.
    stored: Option<BTreeSet<String>>,
    /// The incidents that this poll has read, and when those that have ended did.
    read: BTreeMap<String, Option<Instant>>,
}

/// An incident to read.
#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) id: String,
    /// It was in a list just now: only what the list leaves out is asked for.
    pub(super) listed: Option<wire::Incident>,
    /// What the log says that is new.
    pub(super) events: Vec<IncidentEvent>,
    /// If it was created before this instant, its own log is read: the account's begins here.
    pub(super) log_before: Option<Instant>,
}

/// What reading one incident brought.
#[derive(Debug, Default)]
struct Harvest {
    id: String,
    facts: Vec<Fact>,
    removed: Vec<FactKey>,
    resolved_at: Option<Instant>,
    gone: bool,
    read: bool,
    report: PollReport,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        api: &'a Api,
        source: &'a SourceName,
        cx: &'a PollContext,
        wanted: Details,
        had_fields: bool,
    ) -> Self {
        Self {
            api,
            source,
            cx,
            report: PollReport::default(),
            wanted,
            had_fields,
            has_fields: None,
            stored: None,
            read: BTreeMap::new(),
        }
    }

    /// Whether this poll has read the incident: what happened up to its start is known.
    pub(super) fn has_read(&self, id: &str) -> bool {
        self.read.contains_key(id)
    }

    /// What this poll has read, and when those that have ended did.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, Option<Instant>)> {
        self.read.iter().map(|(id, ended)| (id.as_str(), *ended))
    }

    /// Whether alerts are collected.
    pub(super) fn wants_alerts(&self) -> bool {
        self.wanted.alerts
    }

    /// Whether the account has custom fields, as far as it was asked.
    pub(super) fn has_fields(&self) -> bool {
        self.has_fields.unwrap_or(self.had_fields)
    }

    /// Whether the store knows the incident.
    pub(super) async fn is_stored(&mut self, id: &str) -> Result<bool, SourceError> {
        let stored = match self.stored.take() {
            Some(stored) => stored,
            None => {
                let ids = self.cx.store.ids(self.source, Kind::Incident, None).await?;
                ids.into_iter().collect()
            }
        };
        Ok(self.stored.insert(stored).contains(id))
    }

    /// Tells people something once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.report.warnings.contains(&warning) {
            self.report.warnings.push(warning);
        }
    }

    /// Reads all `jobs`, a few at a time, and commits them in chunks.
    pub(super) async fn read_all(&mut self, mut jobs: Vec<Job>) -> Result<(), SourceError> {
        jobs.sort_by_cached_key(|job| {
            (job.listed.as_ref().map(|listed| listed.created_at), job.id.clone())
        });
        while !jobs.is_empty() {
            let chunk: Vec<Job> = jobs.drain(..CHUNK.min(jobs.len())).collect();
            self.read_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn read_chunk(&mut self, jobs: Vec<Job>) -> Result<(), SourceError> {
        let fields = self.fields_are_wanted().await?;
        let mut calls = Vec::new();
        for job in jobs {
            let stored = self.is_stored(&job.id).await?;
            calls.push((job, stored));
        }
        let this = &*self;
        let harvests: Vec<Harvest> = futures_util::stream::iter(calls)
            .map(|(job, stored)| this.harvest(job, stored, fields))
            .buffered(this.api.concurrency())
            .try_collect()
            .await?;
        let mut harvests = harvests;
        let mut batch = Batch::default();
        for harvest in &mut harvests {
            batch.facts.append(&mut harvest.facts);
            batch.removed.append(&mut harvest.removed);
        }
        self.cx.store.commit(self.source, batch).await?;
        for harvest in harvests {
            self.take_in(harvest);
        }
        let done = self.read.len() as u64;
        self.cx.progress.step(self.source, "incidents", done, None);
        Ok(())
    }

    /// Remembers what has been committed.
    fn take_in(&mut self, harvest: Harvest) {
        if let Some(stored) = &mut self.stored {
            if harvest.gone {
                stored.remove(&harvest.id);
            } else if harvest.read {
                stored.insert(harvest.id.clone());
            }
        }
        let PollReport { gaps, rejected, warnings } = harvest.report;
        self.report.merge(PollReport { gaps, rejected, warnings: Vec::new() });
        warnings.into_iter().for_each(|warning| self.warn(warning));
        self.read.insert(harvest.id, harvest.resolved_at);
    }

    async fn fields_are_wanted(&mut self) -> Result<bool, SourceError> {
        if !self.wanted.custom_fields {
            return Ok(false);
        }
        if let Some(known) = self.has_fields {
            return Ok(known);
        }
        let has = match self.api.has_fields().await? {
            Ok(has) => has,
            // What was collected before would be overwritten with nothing.
            Err(reason) if self.had_fields => return Err(SourceError::Unauthorized(reason)),
            Err(reason) => {
                self.warn(format!(
                    "custom fields are not collected ({reason}); set custom_fields = false if \
                     that is meant to be"
                ));
                false
            }
        };
        self.has_fields = Some(has);
        Ok(has)
    }

    /// Reads one incident. In this order, so that whatever happens meanwhile shows up in a later
    /// entry of the account's log: its own log if needed, itself, its fields, its alerts.
    async fn harvest(&self, job: Job, stored: bool, fields: bool) -> Result<Harvest, SourceError> {
        let mut harvest = Harvest { id: job.id.clone(), ..Harvest::default() };
        let mut events = job.events;
        let mut listed = job.listed;
        if listed.is_none() {
            match self.api.incident(&job.id, fields).await? {
                One::Found(found) => listed = Some(*found),
                One::Gone => {
                    self.remove(&mut harvest, stored).await?;
                    return Ok(harvest);
                }
                One::Unreadable => {
                    tracing::warn!(incident = job.id, "an incident cannot be read, left out");
                    harvest.report.reject(Kind::Incident);
                    // What the account's log said of it is true all the same.
                    if stored {
                        harvest.facts.extend(events.into_iter().map(Fact::IncidentEvent));
                    }
                    return Ok(harvest);
                }
            }
        }
        let Some(mut incident) = listed else { return Ok(harvest) };
        if !stored && job.log_before.is_some_and(|start| incident.created_at < start) {
            let log = self.api.log_of(&job.id, &mut harvest.report).await?;
            let about = log.iter().filter(|entry| normalise::is_about_the_incident(entry));
            events.extend(about.map(normalise::event));
            if let One::Found(found) = self.api.incident(&job.id, fields).await? {
                incident = *found;
            }
        }
        let fact = self.with_fields(&incident, fields).await?;
        (harvest.read, harvest.resolved_at) = (true, fact.resolved_at);
        harvest.facts.push(Fact::Incident(fact));
        events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        events.dedup_by(|a, b| a.id == b.id);
        harvest.facts.extend(events.into_iter().map(Fact::IncidentEvent));
        if self.wanted.alerts {
            self.with_alerts(&incident, stored, &mut harvest).await?;
        }
        Ok(harvest)
    }

    async fn with_fields(
        &self,
        incident: &wire::Incident,
        wanted: bool,
    ) -> Result<Incident, SourceError> {
        let fields = match &incident.custom_fields {
            _ if !wanted => BTreeMap::new(),
            Some(values) => normalise::fields(values),
            None => match self.api.field_values(&incident.id.0).await {
                Ok(fields) => fields,
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => BTreeMap::new(),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(normalise::incident(incident, fields))
    }

    /// Reads the alerts if the vendor has others than the store.
    async fn with_alerts(
        &self,
        incident: &wire::Incident,
        stored: bool,
        harvest: &mut Harvest,
    ) -> Result<(), SourceError> {
        let id = incident.id.0.as_str();
        let known = match stored {
            true => self.cx.store.ids(self.source, Kind::IncidentAlert, Some(id)).await?,
            false => Vec::new(),
        };
        let count = incident.alert_count();
        if count == Some(known.len()) {
            return Ok(());
        }
        let alerts = match count {
            Some(0) => Vec::new(),
            _ => self.api.alerts(id, &mut harvest.report).await?,
        };
        let shown: BTreeSet<&str> = alerts.iter().map(|alert| alert.id.0.as_str()).collect();
        let gone = known.into_iter().filter(|known| !shown.contains(known.as_str()));
        harvest.removed.extend(gone.map(|alert| self.key(Kind::IncidentAlert, alert)));
        let facts = alerts.iter().map(|alert| Fact::IncidentAlert(normalise::alert(alert, id)));
        harvest.facts.extend(facts);
        Ok(())
    }

    /// Everything of an incident that is gone.
    async fn remove(&self, harvest: &mut Harvest, stored: bool) -> Result<(), SourceError> {
        harvest.gone = true;
        if !stored {
            return Ok(());
        }
        for kind in [Kind::IncidentEvent, Kind::IncidentAlert] {
            let ids = self.cx.store.ids(self.source, kind, Some(&harvest.id)).await?;
            harvest.removed.extend(ids.into_iter().map(|id| self.key(kind, id)));
        }
        harvest.removed.push(self.key(Kind::Incident, harvest.id.clone()));
        Ok(())
    }

    pub(super) fn key(&self, kind: Kind, id: String) -> FactKey {
        FactKey { source: self.source.clone(), kind, id }
    }
}
