//! Looks at every source, side by side.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::probe_source;
use crate::domain::SourceName;
use crate::source::outbound::{Budgets, Environment};
use crate::source::probe::Probe;
use crate::telemetry::Telemetry;

/// What a look at each source showed, or why there is none.
pub(super) type Looks<'a> = Vec<(&'a SourceName, anyhow::Result<Probe>)>;

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
        async move { (name, probe_source(config, name, settings, environment).await) }
    });
    tokio::select! {
        looks = join_all(looks) => Ok(looks),
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted").into()),
    }
}
