//! Comparing what is stored with what the vendor still has.

use std::collections::{BTreeMap, BTreeSet};

use super::api::Window;
use super::cursor::Position;
use super::normalise;
use super::read::{Job, Reader};
use super::sync::LONGEST;
use crate::domain::{Fact, Instant, Kind};
use crate::source::SourceError;
use crate::store::Batch;

/// Up to so many incidents may be gone without a question.
const FEW: usize = 10;

/// Creation and version of incidents by id.
type Versions = BTreeMap<String, (Instant, Instant)>;

impl Reader<'_> {
    /// Lists every incident since the start of history and compares it with the store: what
    /// differs is read again, what is gone is removed.
    pub(super) async fn compare_incidents(
        &mut self,
        position: &Position,
    ) -> Result<(), SourceError> {
        let (Some(start), Some(through)) = (position.from, position.through) else {
            // The first poll has not come far enough.
            return Ok(());
        };
        let mut stored = self.versions().await?;
        let mut differing = Vec::new();
        let mut since = start;
        while since < self.cx.now {
            let until = self.cx.now.min(since + LONGEST);
            for incident in self.created(Window { since, until }).await? {
                let id = incident.id.0.clone();
                let version = normalise::incident(&incident, BTreeMap::new()).updated_at;
                let known = stored.remove(&id).map(|(_, version)| version);
                let alerts = self.alert_count(&id).await?;
                if known.is_none_or(|known| known < version)
                    || (self.wants_alerts() && differs(incident.alert_count(), alerts))
                {
                    if version < through {
                        self.report.gaps += 1;
                    }
                    differing.push(id);
                }
            }
            since = until;
        }
        self.read_again(differing).await?;
        let (earlier, missing) = stored.into_iter().partition(|(_, (created, _))| *created < start);
        self.remove_gone(earlier, missing).await
    }

    /// When the stored incidents were created, and their versions.
    async fn versions(&self) -> Result<Versions, SourceError> {
        let facts = self.cx.store.facts(self.source, Kind::Incident, None).await?;
        let incidents = facts.into_iter().filter_map(|fact| match fact {
            Fact::Incident(it) => Some((it.id.to_string(), (it.created_at, it.updated_at))),
            _ => None,
        });
        Ok(incidents.collect())
    }

    async fn alert_count(&self, incident: &str) -> Result<usize, SourceError> {
        if !self.wants_alerts() {
            return Ok(0);
        }
        let ids = self.cx.store.ids(self.source, Kind::IncidentAlert, Some(incident)).await?;
        Ok(ids.len())
    }

    /// Reads incidents with their own logs.
    async fn read_again(&mut self, ids: Vec<String>) -> Result<(), SourceError> {
        let mut jobs = Vec::new();
        for id in ids {
            let log = self.api.log_of(&id, &mut self.report).await?;
            let about = log.iter().filter(|entry| normalise::is_about_the_incident(entry));
            let events = about.map(normalise::event).collect();
            jobs.push(Job { id, events, ..Job::default() });
        }
        self.read_all(jobs).await
    }

    /// Asks for incidents that no list shows, be it that they are from before the start of history;
    /// those that are not there are removed. If a large part of all is missing, the token has
    /// probably lost sight of it, and it is kept.
    async fn remove_gone(
        &mut self,
        earlier: Versions,
        missing: Versions,
    ) -> Result<(), SourceError> {
        let all = self.cx.store.ids(self.source, Kind::Incident, None).await?.len();
        if missing.len() > FEW.max(all / 10) {
            self.warn(format!(
                "{} of {all} stored incidents are not shown any more; they are kept, as the token \
                 may have lost sight of them",
                missing.len()
            ));
            return Ok(());
        }
        let ids = earlier.into_keys().chain(missing.into_keys());
        self.read_all(ids.map(|id| Job { id, ..Job::default() }).collect()).await
    }

    /// Takes in the services that there are and removes the others.
    pub(super) async fn compare_services(&mut self) -> Result<(), SourceError> {
        let services = self.api.services(&mut self.report).await?;
        let shown: BTreeSet<String> = services.iter().map(|it| it.id.0.clone()).collect();
        let stored = self.cx.store.ids(self.source, Kind::IncidentService, None).await?;
        let gone = stored.into_iter().filter(|id| !shown.contains(id));
        let batch = Batch {
            removed: gone.map(|id| self.key(Kind::IncidentService, id)).collect(),
            facts: services
                .into_iter()
                .map(normalise::service)
                .map(Fact::IncidentService)
                .collect(),
            ..Batch::default()
        };
        self.cx.store.commit(self.source, batch).await?;
        Ok(())
    }
}

/// Whether the vendor has another number of alerts than the store.
fn differs(counted: Option<usize>, stored: usize) -> bool {
    counted.is_some_and(|counted| counted.min(super::api::MOST_ALERTS) != stored)
}
