//! From settings to sources.

use std::sync::Arc;

use anyhow::Context;

use crate::collect::Scheduled;
use crate::config::{Config, SourceSettings};
use crate::domain::SourceName;
use crate::source::Source;
use crate::source::github::{GitHub, Needs};
use crate::source::outbound::Environment;
use crate::source::pagerduty::PagerDuty;

/// Builds every configured source, with its schedule.
///
/// # Errors
/// When one cannot be built, with its name.
pub fn build(config: &Config, environment: &Environment) -> anyhow::Result<Vec<Scheduled>> {
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
        };
        Ok(Scheduled {
            source,
            poll_every: poll_every.std(),
            reconcile_every: reconcile_every.std(),
        })
    };
    config.sources.iter().map(build).collect()
}
