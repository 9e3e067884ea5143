//! `engkpi slo`: how every SLO stands.

use std::convert;

use clap::ValueEnum;

use super::evaluate::{open, text};
use super::which::{Moment, width};
use super::{Failure, configured, print, print_text, runtime};
use crate::clock::{Clock, SystemClock};
use crate::kpi::evaluation::{Names, Plan, Scope};
use crate::kpi::window::Window;
use crate::kpi::{error_budget_burn, slo_compliance};
use crate::output::slos;

/// List every SLO with its objective, compliance, budget and burn, and while what its budget burnt.
/// From the store alone.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: configured::Configured,
    /// Only the SLOs of this team.
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Only the SLOs of this service.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Window, for example `90d` or `quarter:2026-Q3`; default that of each SLO's specification.
    #[arg(long, value_name = "WINDOW", default_value_t = Window::Own)]
    window: Window,
    /// As of this instant (RFC 3339) or the start of this UTC day; default now.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Moment>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Table,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        let clock = SystemClock;
        let config = self.config.read(&clock)?;
        let as_of = self.as_of.map_or_else(|| clock.now(), |it| it.0);
        let of = (self.team.as_deref(), self.service.as_deref());
        Names::of(&config.params)
            .scope(of.0, of.1)
            .map_err(|error| Failure::Usage(format!("error: {error}")))?;
        let what = (&slo_compliance::KPI, Scope::Org, self.window);
        let burning = Plan::of_org(&error_budget_burn::KPI, Window::Now);
        let (compliance, burn) = runtime::run(async |_| {
            let evaluator = open(config).await?;
            let compliance = evaluator.explain(what, as_of, convert::identity).await?;
            Ok((compliance, evaluator.evaluate(burning, as_of).await?))
        })?;
        let body = slos::slos(&compliance, &burn, of);
        match self.format {
            Format::Json => print(&format!("{}\n", text(&body)?)),
            Format::Table => print_text(&slos::table(&body, width())),
        }
    }
}
