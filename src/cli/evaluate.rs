//! `engkpi evaluate`: the KPIs from the store alone.

use std::sync::Arc;

use clap::ValueEnum;

use super::which::{Moment, kpi, width};
use super::{Failure, configured, print, print_text, runtime};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::Instant;
use crate::evaluate::Evaluator;
use crate::kpi::evaluation::{Evaluation, Plan};
use crate::kpi::window::Window;
use crate::kpi::{self, Kpi};
use crate::output::{exposition, json, table};
use crate::store::{self, Access};

/// Evaluate the KPIs from the store alone: nothing is asked upstream.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: configured::Configured,
    /// Evaluate as of this instant (RFC 3339) or the start of this UTC day; default now. What
    /// happened at or after it is not known.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Moment>,
    /// Window, for example `90d`, `month:2026-09` or `quarter:2026-Q3`; may be repeated. Default:
    /// what /metrics shows.
    #[arg(long = "window", value_name = "WINDOW")]
    windows: Vec<Window>,
    /// Only this KPI; may be repeated.
    #[arg(long = "kpi", value_name = "ID", value_parser = kpi)]
    kpis: Vec<&'static Kpi>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Table,
    Prometheus,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        let clock = SystemClock;
        let config = self.config.read(&clock)?;
        let as_of = self.as_of.map_or_else(|| clock.now(), |it| it.0);
        let plan = self.plan(&config);
        let evaluation = runtime::run(async |_| evaluate(config, plan, as_of).await)?;
        match self.format {
            Format::Json => print(&format!("{}\n", text(&json::evaluation(&evaluation))?)),
            Format::Table => print_text(&table::evaluation(&evaluation, width())),
            Format::Prometheus => {
                let rendered = exposition::render(&evaluation, &exposition::Options::complete());
                print(&String::from_utf8_lossy(&rendered.text))
            }
        }
    }

    /// What was asked for; without a window, what /metrics shows.
    fn plan(&self, config: &Config) -> Plan {
        let published = config.evaluate.plan();
        let asked =
            |kpi: &&&Kpi| self.kpis.is_empty() || self.kpis.iter().any(|it| it.id == kpi.id);
        let kpis = kpi::ALL.iter().filter(asked).copied().collect();
        if self.windows.is_empty() {
            return Plan { kpis, ..published };
        }
        Plan {
            kpis,
            windows: self.windows.clone(),
            service_windows: self.windows.clone(),
            service_defaults: false,
            history: false,
            service_history: false,
            scope: None,
        }
    }
}

async fn evaluate(config: Config, plan: Plan, as_of: Instant) -> Result<Evaluation, Failure> {
    let evaluator = open(config).await?;
    Ok(evaluator.evaluate(plan, as_of).await?)
}

/// Opens the store beside a running daemon and loads what is in it.
pub(super) async fn open(config: Config) -> Result<Evaluator, Failure> {
    let store = store::open(&config.store, Access::Read).await.map_err(anyhow::Error::from)?;
    let evaluator = Evaluator::new(store, Arc::new(config.params));
    evaluator.load().await.map_err(anyhow::Error::from)?;
    Ok(evaluator)
}

/// A body as indented JSON.
pub(super) fn text(body: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(body).map_err(|error| Failure::Failed(error.into()))
}
