//! A metric store with Prometheus's HTTP API as a source of ledgers.
//!
//! Long windows cannot be asked of a metric store that keeps a fortnight. So each complete hour is
//! asked for once, read again a few times while samples may still come late, and kept for good.
//! What a first poll can still see is read back to `history_start`.

mod api;
mod cursor;
mod hours;
mod probe;
mod read;
mod rules;
mod settings;
mod spacing;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use http::HeaderValue;

pub use read::Plan;
pub use settings::Settings;

use super::outbound::{
    Anonymous, Authenticator, Dialect, Environment, Limits, Options, Outbound, OutboundError,
    ReferredToken,
};
use super::{PollContext, PollReport, Source, SourceError};
use crate::domain::{Instant, SourceName};
use crate::kpi::{Need, Params};
use api::Api;
use read::Reader;

/// An hour is asked for this long after its end at the earliest, so that its last samples are there.
const SETTLE: TimeDelta = TimeDelta::minutes(1);

/// A metric store.
#[derive(Debug)]
pub struct Prometheus {
    name: SourceName,
    api: Api,
    /// What kind of credential it has, for people.
    credential: &'static str,
    wanted: Wanted,
    history_start: Instant,
    reread: TimeDelta,
}

/// What is wanted of a metric store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The ledgers to keep.
    pub plans: Vec<Plan>,
    /// Whether alerting rules are asked for: where there are alerts that they may have raised.
    pub alert_rules: bool,
}

impl Wanted {
    /// What `params` want of the source `source`.
    pub fn of(params: &Params, source: &SourceName) -> Self {
        let mut feeding = params.sources.iter().filter(|it| it.name == *source);
        let alert_rules = feeding.any(|it| it.feeds.contains(&Need::AlertRules));
        Self { plans: Plan::all(params, source), alert_rules }
    }
}

impl Plan {
    /// What the endpoints and services of `params` want kept of the source `source`.
    fn all(params: &Params, source: &SourceName) -> Vec<Self> {
        let endpoints = params.endpoints.iter().filter(|it| it.source == *source);
        let endpoints = endpoints.map(|it| Self {
            ledger: it.ledger(),
            key: format!("endpoints.{}", it.name),
            question: it.question(),
        });
        let slos = params.slos.iter().filter(|it| it.source == *source).map(|it| Self {
            ledger: it.ledger(),
            key: format!("SLO {}", it.id),
            question: it.question(),
        });
        let demand = params.demand.iter().filter(|it| it.source == *source).map(|it| Self {
            ledger: it.ledger(),
            key: format!("units.{}", it.name),
            question: it.question(),
        });
        endpoints.chain(demand).chain(slos).collect()
    }
}

impl Prometheus {
    /// The store that `settings` describe, under the configured `name`, and what is `wanted` of it.
    ///
    /// # Errors
    /// [`OutboundError::Unusable`] if the credential cannot be had or the address cannot be used.
    pub fn new(
        name: SourceName,
        settings: &Settings,
        wanted: Wanted,
        environment: &Environment,
    ) -> Result<Self, OutboundError> {
        let allow_plain_http = settings.allow_insecure || !settings.has_secret();
        let limits = Limits { allow_plain_http, ..Limits::of(Dialect::Prometheus) };
        Self::with_limits(name, settings, wanted, limits, environment)
    }

    /// The same with other limits than usual.
    ///
    /// # Errors
    /// As [`Prometheus::new`].
    pub fn with_limits(
        name: SourceName,
        settings: &Settings,
        wanted: Wanted,
        limits: Limits,
        environment: &Environment,
    ) -> Result<Self, OutboundError> {
        let options = Options {
            source: name.clone(),
            base: settings.url.clone(),
            dialect: Dialect::Prometheus,
            limits,
            auth: authenticator(settings)?,
        };
        let tenant = settings.tenant.as_deref().map(HeaderValue::from_str).transpose();
        let tenant = tenant.map_err(|_not_a_header| {
            OutboundError::Unusable("the tenant cannot be sent in a header".to_owned())
        })?;
        Ok(Self {
            name,
            api: Api::new(Outbound::new(options, environment)?, tenant),
            credential: match (&settings.token, &settings.password) {
                (Some(_), _) => "a bearer token",
                (None, Some(_)) => "a user and a password",
                (None, None) => "no credential",
            },
            wanted,
            history_start: settings.history_start.0,
            reread: settings.reread.chrono(),
        })
    }

    /// Reads every ledger. One whose question the server refuses spoils no other.
    async fn read(&self, reader: &Reader<'_>) -> Result<PollReport, SourceError> {
        let asked: Vec<_> = self.wanted.plans.iter().map(|plan| read_one(reader, plan)).collect();
        let mut results = stream::iter(asked).buffered(self.api.concurrency());
        let mut report = PollReport::default();
        let mut failed: Option<SourceError> = None;
        let mut read = 0_usize;
        while let Some((plan, result)) = results.next().await {
            match result {
                Ok(found) => {
                    read += 1;
                    report.merge(found);
                }
                Err(error) if of_everything(&error) => return Err(error),
                Err(error) => {
                    report.warnings.push(format!("{}: {error}", plan.key));
                    report.gaps += 1;
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) if read == 0 => Err(error),
            _ => Ok(report),
        }
    }
}

async fn read_one<'a>(
    reader: &Reader<'_>,
    plan: &'a Plan,
) -> (&'a Plan, Result<PollReport, SourceError>) {
    let mut read = reader.read(plan).await;
    if let Ok(report) = &mut read
        && let Err(error) = reader.burn(plan).await
    {
        if of_everything(&error) {
            return (plan, Err(error));
        }
        // What was read of complete hours is good without it.
        report.warnings.push(format!("{}: its short windows: {error}", plan.key));
        report.gaps += 1;
    }
    (plan, read)
}

/// Whether an error is about the source and not about one question.
fn of_everything(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::Unauthorized(_) | SourceError::RateLimited { .. } | SourceError::Store(_)
    )
}

fn authenticator(settings: &Settings) -> Result<Arc<dyn Authenticator>, OutboundError> {
    Ok(match (&settings.token, &settings.user, &settings.password) {
        (Some(token), ..) => Arc::new(ReferredToken::new("Bearer ", token.clone())?),
        (None, Some(user), Some(password)) => {
            Arc::new(ReferredToken::basic(user.as_str(), password.clone())?)
        }
        _ => Arc::new(Anonymous),
    })
}

#[async_trait]
impl Source for Prometheus {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        // A server whose clock is behind has not seen what is complete by ours.
        let now = self.api.now().await?.min(cx.now);
        let reader = Reader {
            api: &self.api,
            source: &self.name,
            cx,
            start: self.history_start,
            now,
            end: hours::hour_of(now - SETTLE),
            reread: self.reread,
        };
        let mut report = self.read(&reader).await?;
        if self.wanted.alert_rules
            && let Err(error) = self.alert_rules(cx, now).await
        {
            if matches!(error, SourceError::Store(_)) {
                return Err(error);
            }
            // Who may ask for numbers may not be allowed to see rules: they are as they were seen last.
            report.warnings.push(format!("its alerting rules: {error}"));
        }
        Ok(report)
    }

    /// Nothing to compare: a metric store takes back nothing but what has left its retention.
    async fn reconcile(&self, _: &PollContext) -> Result<PollReport, SourceError> {
        Ok(PollReport::default())
    }
}
