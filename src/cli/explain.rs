//! `engkpi explain`: the items behind a number.

use std::convert;

use clap::ValueEnum;

use super::evaluate::{open, text};
use super::which::{Moment, kpi, width};
use super::{Failure, configured, print, print_text, runtime};
use crate::clock::{Clock, SystemClock};
use crate::kpi::Kpi;
use crate::kpi::evaluation::Names;
use crate::kpi::window::Window;
use crate::output::{json, table};

/// List every item behind a number, with the rule that counted it or left it out.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The KPI, for example `change_failure`.
    #[arg(value_name = "KPI", value_parser = kpi)]
    kpi: &'static Kpi,
    #[command(flatten)]
    config: configured::Configured,
    /// Whose number: `org`, or with a name `team` or `service`. Implied by --team and --service.
    #[arg(long, value_enum)]
    scope: Option<ScopeName>,
    /// This team's number.
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// This service's number.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Window, for example `90d` or `quarter:2026-Q3`; default the KPI's own.
    #[arg(long, value_name = "WINDOW")]
    window: Option<Window>,
    /// As of this instant (RFC 3339) or the start of this UTC day; default now.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Moment>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    Org,
    Team,
    Service,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Table,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.check_scope()?;
        let clock = SystemClock;
        let config = self.config.read(&clock)?;
        let as_of = self.as_of.map_or_else(|| clock.now(), |it| it.0);
        let names = Names::of(&config.params);
        let scope = names
            .scope(self.team.as_deref(), self.service.as_deref())
            .map_err(|error| Failure::Usage(format!("error: {error}")))?;
        let window = match self.window {
            Some(window) => window,
            None => Window::parse(self.kpi.default_window).map_err(anyhow::Error::from)?,
        };
        let explanation = runtime::run(async |_| {
            let evaluator = open(config).await?;
            Ok(evaluator.explain((self.kpi, scope, window), as_of, convert::identity).await?)
        })?;
        match self.format {
            Format::Json => print(&format!("{}\n", text(&json::explanation(&explanation))?)),
            Format::Table => print_text(&table::explanation(&explanation, width())),
        }
    }

    fn check_scope(&self) -> Result<(), Failure> {
        let wrong = match self.scope {
            Some(ScopeName::Org) if self.team.is_some() || self.service.is_some() => {
                "--scope org contradicts --team and --service"
            }
            Some(ScopeName::Team) if self.team.is_none() => "--scope team needs --team NAME",
            Some(ScopeName::Service) if self.service.is_none() => {
                "--scope service needs --service NAME"
            }
            _ => return Ok(()),
        };
        Err(Failure::Usage(format!("error: {wrong}")))
    }
}
