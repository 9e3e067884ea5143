//! `engkpi sync`: one complete pass over every source.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Failure, configured, logging, runtime};
use crate::clock::{Clock, SystemClock};
use crate::collect::{self, Collector, LogProgress, Synced, TerminalProgress};
use crate::daemon;
use crate::source::{Progress, outbound};
use crate::store::{self, Access};
use crate::telemetry::Telemetry;

/// Poll every source to its end once, then exit. Can be interrupted: the next one continues.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: configured::Configured,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = self.config.read(clock.as_ref())?;
        daemon::check_referred(&config, None)?;
        let synced = runtime::run(async |stop| {
            let telemetry = Telemetry::new();
            let environment = outbound::Environment {
                clock: Arc::clone(&clock),
                telemetry: telemetry.clone(),
                budgets: outbound::Budgets::default(),
            };
            let sources = daemon::build_sources(&config, &environment)?;
            let store =
                store::open(&config.store, Access::Write).await.map_err(anyhow::Error::from)?;
            let environment =
                collect::Environment { store, clock, telemetry, progress: progress() };
            Ok(Collector::new(sources, environment).sync(stop).await)
        })?;
        verdict(&synced)
    }
}

/// Bars where somebody is looking, log lines elsewhere.
fn progress() -> Arc<dyn Progress> {
    if std::io::stderr().is_terminal() {
        let bars = TerminalProgress::default();
        logging::above(bars.log_lines());
        Arc::new(bars)
    } else {
        Arc::new(LogProgress::default())
    }
}

/// Tells how each source fared; one that failed fails the command.
fn verdict(synced: &[Synced]) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for Synced { source, result, took } in synced {
        match result {
            // The collector has told the report's warnings already.
            Ok(_) => tracing::info!("{source}: complete after {:.1} s", took.as_secs_f64()),
            Err(error) => failed.push(format!("{source}: {error}")),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(anyhow!("not everything was collected; the next sync continues\n{}", failed.join("\n"))
        .into())
}
