//! From settings to sources.

use std::sync::Arc;

use anyhow::Context;

use super::StartError;
use crate::collect::Scheduled;
use crate::config::{Config, SourceSettings};
use crate::domain::SourceName;
use crate::kpi::params::SourceParams;
use crate::source::Source;
use crate::source::files::Files;
use crate::source::github::{GitHub, Needs};
use crate::source::outbound::Environment;
use crate::source::pagerduty::PagerDuty;
use crate::source::probe::Probe;
use crate::source::prometheus::{Prometheus, Wanted};

/// Builds every configured source, with its schedule.
///
/// # Errors
/// [`StartError::Unusable`] with every one that cannot be built.
pub fn build(config: &Config, environment: &Environment) -> Result<Vec<Scheduled>, StartError> {
    let build = |(name, settings): &(SourceName, SourceSettings)| -> anyhow::Result<Scheduled> {
        let context = || format!("source `{name}`");
        let (source, poll_every, reconcile_every): (Arc<dyn Source>, _, _) = match settings {
            SourceSettings::GitHub(settings) => {
                let needs = Needs::of(&config.params);
                let source = GitHub::new(name.clone(), settings, needs, environment);
                (
                    Arc::new(source.with_context(context)?),
                    settings.poll_every,
                    settings.reconcile_every,
                )
            }
            SourceSettings::PagerDuty(settings) => {
                let source = PagerDuty::new(name.clone(), settings, environment);
                (
                    Arc::new(source.with_context(context)?),
                    settings.poll_every,
                    settings.reconcile_every,
                )
            }
            SourceSettings::Files(settings) => (
                Arc::new(Files::new(name.clone(), settings)),
                settings.poll_every,
                settings.reconcile_every,
            ),
            SourceSettings::Prometheus(settings) => {
                let wanted = Wanted::of(&config.params, name);
                let source = Prometheus::new(name.clone(), settings, wanted, environment);
                // There is nothing to compare, so how often it is done costs nothing.
                (Arc::new(source.with_context(context)?), settings.poll_every, settings.stale_after)
            }
        };
        let params = config.params.sources.iter().find(|it| it.name == *name);
        Ok(Scheduled {
            source,
            extent: params.map(SourceParams::extent).unwrap_or_default(),
            poll_every: poll_every.std(),
            reconcile_every: reconcile_every.std(),
        })
    };
    let mut unusable = Vec::new();
    let built =
        config.sources.iter().map(build).filter_map(|built| {
            built.map_err(|error| unusable.push(format!("error: {error:#}"))).ok()
        });
    let built = built.collect();
    if unusable.is_empty() { Ok(built) } else { Err(StartError::Unusable(unusable)) }
}

/// Looks at one source, collecting nothing.
///
/// # Errors
/// When it cannot be built, or its credential is refused.
pub async fn probe(
    config: &Config,
    name: &SourceName,
    settings: &SourceSettings,
    environment: &Environment,
) -> anyhow::Result<Probe> {
    Ok(match settings {
        SourceSettings::GitHub(settings) => {
            let needs = Needs::of(&config.params);
            GitHub::probe(name.clone(), settings, needs, environment).await?
        }
        SourceSettings::PagerDuty(settings) => {
            PagerDuty::new(name.clone(), settings, environment)?.probe().await?
        }
        SourceSettings::Files(settings) => Files::new(name.clone(), settings).probe().await?,
        SourceSettings::Prometheus(settings) => {
            let wanted = Wanted::of(&config.params, name);
            Prometheus::new(name.clone(), settings, wanted, environment)?.probe().await?
        }
    })
}
