//! Looks at every source, side by side.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::clock::Clock;
use crate::config::{Config, SourceSettings};
use crate::domain::SourceName;
use crate::source::github::{GitHub, Needs};
use crate::source::outbound::{Budgets, Environment};
use crate::source::pagerduty::PagerDuty;
use crate::source::probe::Probe;
use crate::telemetry::Telemetry;

/// What a look at each source showed, or why there is none.
pub(super) type Looks<'a> = Vec<(&'a SourceName, Result<Probe, String>)>;

/// Looks at every configured source.
pub(super) async fn at_all(
    config: &Config,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<Looks<'_>, Failure> {
    let telemetry = Telemetry::new();
    let environment = Environment { clock, telemetry, budgets: Budgets::default() };
    let looks = config.sources.iter().map(|(name, settings)| {
        let environment = &environment;
        async move { (name, look(config, name, settings, environment).await) }
    });
    tokio::select! {
        looks = join_all(looks) => Ok(looks),
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted").into()),
    }
}

async fn look(
    config: &Config,
    name: &SourceName,
    settings: &SourceSettings,
    environment: &Environment,
) -> Result<Probe, String> {
    match settings {
        SourceSettings::GitHub(settings) => {
            let needs = Needs::of(&config.params);
            let probe = GitHub::probe(name.clone(), settings, needs, environment).await;
            probe.map_err(|error| error.to_string())
        }
        SourceSettings::PagerDuty(settings) => {
            let source = PagerDuty::new(name.clone(), settings, environment);
            let source = source.map_err(|error| error.to_string())?;
            source.probe().await.map_err(|error| error.to_string())
        }
    }
}
