//! PagerDuty (REST v2) as a source of incidents.
//!
//! The account-wide log is the cursor: whatever happens to an incident leaves an entry there, so
//! every incident that it names is read again, resolved or not, however old. Lists by creation
//! only save requests; a list of what is open now and a look at what ended lately catch what the
//! log leaves out.

mod api;
mod cursor;
mod listing;
mod monitor;
mod normalise;
mod probe;
mod read;
mod reconcile;
mod settings;
mod sync;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;

pub use settings::{Region, Settings};

use super::outbound::{
    Dialect, Environment, Limits, Options, Outbound, OutboundError, ReferredToken,
};
use super::{PollContext, PollReport, Source, SourceError};
use crate::domain::{Fact, Instant, SourceName};
use crate::store::Batch;
use api::Api;
use cursor::{Details, Followed, Position};
use read::Reader;

/// Services change rarely: they are read when this time has passed.
const SERVICES_EVERY: TimeDelta = TimeDelta::hours(1);

/// A PagerDuty account.
#[derive(Debug)]
pub struct PagerDuty {
    name: SourceName,
    api: Api,
    history_start: Instant,
    details: Details,
}

impl PagerDuty {
    /// The account that `settings` describe, under the configured `name`.
    ///
    /// # Errors
    /// [`OutboundError::Unusable`] if the token cannot be had or the address cannot be used.
    pub fn new(
        name: SourceName,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Self, OutboundError> {
        let limits =
            Limits { allow_plain_http: settings.allow_insecure, ..Limits::of(Dialect::PagerDuty) };
        Self::with_limits(name, settings, limits, environment)
    }

    /// The same with other limits than the vendor's.
    ///
    /// # Errors
    /// As [`PagerDuty::new`].
    pub fn with_limits(
        name: SourceName,
        settings: &Settings,
        limits: Limits,
        environment: &Environment,
    ) -> Result<Self, OutboundError> {
        let auth = ReferredToken::new("Token token=", settings.token.clone())?;
        let options = Options {
            source: name.clone(),
            base: settings.base(),
            dialect: Dialect::PagerDuty,
            limits,
            auth: Arc::new(auth),
        };
        let http = Outbound::new(options, environment)?;
        let (alerts, custom_fields) = (settings.alerts, settings.custom_fields);
        Ok(Self {
            name,
            api: Api::new(http),
            history_start: settings.history_start.0,
            details: Details { alerts, custom_fields },
        })
    }

    async fn cursor<T: serde::de::DeserializeOwned>(
        &self,
        cx: &PollContext,
        stream: &str,
    ) -> Result<Option<T>, SourceError> {
        Ok(cursor::parse(cx.store.cursor(&self.name, stream).await?))
    }

    async fn position(&self, cx: &PollContext) -> Result<Position, SourceError> {
        let stored = self.cursor(cx, cursor::LOG).await?;
        Ok(Position::resumed(stored, self.history_start, self.details))
    }

    fn reader<'a>(&'a self, cx: &'a PollContext, position: &Position) -> Reader<'a> {
        Reader::new(&self.api, &self.name, cx, self.details, position.has_fields)
    }

    /// Reads the services if that is due.
    async fn services(&self, reader: &mut Reader<'_>) -> Result<(), SourceError> {
        let cx = reader.cx;
        let last: Option<Instant> = self.cursor(cx, cursor::SERVICES).await?;
        if last.is_some_and(|last| (last..last + SERVICES_EVERY).contains(&cx.now)) {
            return Ok(());
        }
        let services = self.api.services(&mut reader.report).await?;
        let facts = services.into_iter().map(normalise::service).map(Fact::IncidentService);
        let mut batch = Batch { facts: facts.collect(), ..Batch::default() };
        cursor::put(&mut batch, cursor::SERVICES, &cx.now);
        cx.store.commit(&self.name, batch).await?;
        Ok(())
    }

    /// Tells people if the plan has no priorities: then no incident has a severity.
    async fn priorities(&self, reader: &mut Reader<'_>) -> Result<(), SourceError> {
        if let Err(reason) = self.api.priorities().await? {
            reader.warn(format!(
                "the account has no priorities ({reason}), so its incidents have no severity"
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Source for PagerDuty {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        let mut position = self.position(cx).await?;
        let mut reader = self.reader(cx, &position);
        if position.through.is_none() {
            self.priorities(&mut reader).await?;
        }
        self.services(&mut reader).await?;
        reader.follow_log(&mut position).await?;
        let followed: Followed = self.cursor(cx, cursor::FOLLOWED).await?.unwrap_or_default();
        let follows = reader.follow_open(&followed).await?;
        if follows != followed {
            let mut batch = Batch::default();
            cursor::put(&mut batch, cursor::FOLLOWED, &follows);
            cx.store.commit(&self.name, batch).await?;
        }
        Ok(reader.report)
    }

    async fn reconcile(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        let position = self.position(cx).await?;
        let mut reader = self.reader(cx, &position);
        self.priorities(&mut reader).await?;
        reader.compare_services().await?;
        reader.compare_incidents(&position).await?;
        Ok(reader.report)
    }
}
