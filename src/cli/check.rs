//! `engkpi check`: everything that is wrong with a configuration, at once.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use super::configured::Configured;
use super::{Failure, print};
use crate::clock::SystemClock;
use crate::config::{Config, Problem};
use crate::kpi::{self, Need};

/// Check the configuration: every problem at once, and which KPI each source can feed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configured: Configured,
    /// Ask nobody: look at the configuration only.
    #[arg(long)]
    offline: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Text,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self.configured.read(&SystemClock) {
            Ok(config) => print(&self.rendered(&Report::of(&config))),
            Err(problems) => {
                let text = match self.format {
                    Format::Text => format!("{problems}\n"),
                    Format::Json => self.rendered(&Report::refused(problems.0)),
                };
                print(&text)?;
                Err(Failure::Reported)
            }
        }
    }

    fn rendered(&self, report: &Report) -> String {
        match self.format {
            Format::Json => format!("{:#}\n", serde_json::json!(report)),
            Format::Text => report.to_string(),
        }
    }
}

/// What there is to say about a configuration.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// What is wrong with it. With any of these nothing else is said.
    problems: Vec<Problem>,
    /// How many teams and services it names.
    teams: usize,
    services: usize,
    sources: Vec<SourceReport>,
    kpis: Vec<KpiReport>,
}

/// What there is to say about a source.
#[derive(Debug, Serialize)]
struct SourceReport {
    name: String,
    /// Ids of the KPIs that it takes part in.
    feeds: Vec<&'static str>,
}

/// Whether a KPI can be computed.
#[derive(Debug, Serialize)]
struct KpiReport {
    id: &'static str,
    /// Sources that it needs or uses.
    sources: Vec<String>,
    /// What no source brings.
    missing: Vec<&'static str>,
}

impl Report {
    fn refused(problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::default() }
    }

    fn of(config: &Config) -> Self {
        let catalogue = &config.params.catalogue;
        let kpis: Vec<KpiReport> = kpi::ALL.iter().map(|kpi| KpiReport::of(kpi, config)).collect();
        let sources = config.sources.iter().map(|(name, _)| SourceReport {
            name: name.to_string(),
            feeds: kpis
                .iter()
                .filter(|kpi| kpi.sources.iter().any(|it| it == name.as_str()))
                .map(|kpi| kpi.id)
                .collect(),
        });
        Self {
            problems: Vec::new(),
            teams: catalogue.teams.len(),
            services: catalogue.services.len(),
            sources: sources.collect(),
            kpis,
        }
    }
}

impl KpiReport {
    fn of(kpi: &kpi::Kpi, config: &Config) -> Self {
        let sources = &config.params.sources;
        let feeds = |need: &Need| sources.iter().any(|it| it.feeds.contains(need));
        let wanted = || kpi.needs.iter().chain(kpi.uses);
        Self {
            id: kpi.id,
            sources: sources
                .iter()
                .filter(|source| wanted().any(|need| source.feeds.contains(need)))
                .map(|source| source.name.to_string())
                .collect(),
            missing: kpi
                .needs
                .iter()
                .filter(|need| !feeds(need))
                .map(|it| described(*it))
                .collect(),
        }
    }
}

/// What a need is, and what brings it.
fn described(need: Need) -> &'static str {
    match need {
        Need::Deployments => "deployments: add a GitHub source",
        Need::Changes => "changes: add a GitHub source",
        Need::Incidents => "incidents: add a PagerDuty source",
        Need::Decisions => "decision records: say where they are in [rules.decisions]",
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = |count: usize, noun: &str| {
            format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
        };
        writeln!(
            f,
            "The configuration is fine: {}, {}, {}.",
            plural(self.sources.len(), "source"),
            plural(self.teams, "team"),
            plural(self.services, "service"),
        )?;
        for source in &self.sources {
            let mut line = format!("source {}", source.name);
            match source.feeds.as_slice() {
                [] => line.push_str(" feeds no KPI"),
                feeds => write!(line, " feeds {}", feeds.join(", "))?,
            }
            writeln!(f, "{line}")?;
        }
        for kpi in &self.kpis {
            for missing in &kpi.missing {
                writeln!(f, "no data for {}: no source brings {missing}", kpi.id)?;
            }
        }
        Ok(())
    }
}
