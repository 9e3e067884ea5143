//! What `engkpi check` has to say, as text and as JSON.

use std::fmt;

use serde::Serialize;

use crate::config::{Config, Problem};
use crate::kpi::{self, Kpi, Need};

/// What there is to say about a configuration.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// What is wrong with it. With any of these nothing else is said.
    pub(super) problems: Vec<Problem>,
    teams: usize,
    services: usize,
    pub(super) sources: Vec<SourceReport>,
    pub(super) kpis: Vec<KpiReport>,
    /// What a look at the world showed.
    pub(super) findings: Vec<Finding>,
}

/// What there is to say about a source.
#[derive(Debug, Serialize)]
pub(super) struct SourceReport {
    pub(super) name: String,
    /// Ids of the KPIs that it takes part in.
    feeds: Vec<&'static str>,
    /// What kind of credential it has; absent without a look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential: Option<String>,
    /// It could not be looked at: it would feed them if it could.
    refused: bool,
}

/// Whether a KPI can be computed.
#[derive(Debug, Serialize)]
pub(super) struct KpiReport {
    id: &'static str,
    /// Sources that it needs or uses.
    sources: Vec<String>,
    /// What no source brings.
    pub(super) missing: Vec<String>,
}

/// Something that a look at the world showed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What it is about: a key of the configuration.
    pub(super) key: String,
    pub(super) rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) fix: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Numbers would be missing or wrong.
    Error,
    /// It works, and could be better.
    Warning,
    /// Good to know.
    Note,
}

impl Report {
    pub(super) fn refused(problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::default() }
    }

    pub(super) fn of(config: &Config) -> Self {
        let catalogue = &config.params.catalogue;
        let kpis: Vec<KpiReport> = kpi::ALL.iter().map(|kpi| KpiReport::of(kpi, config)).collect();
        let sources = config.sources.iter().map(|(name, _)| SourceReport {
            name: name.to_string(),
            feeds: kpis
                .iter()
                .filter(|kpi| kpi.sources.iter().any(|it| it == name.as_str()))
                .map(|kpi| kpi.id)
                .collect(),
            credential: None,
            refused: false,
        });
        let mut report = Self {
            teams: catalogue.teams.len(),
            services: catalogue.services.len(),
            sources: sources.collect(),
            kpis,
            ..Self::default()
        };
        let objectives = config.objectives.notices(&config.objectives.options(None));
        for notice in config.notices.iter().chain(&objectives) {
            report.find(Level::Warning, notice.place.to_string(), &notice.rule, "");
        }
        report
    }

    /// Takes a finding in.
    pub(super) fn find(
        &mut self,
        level: Level,
        key: impl Into<String>,
        rule: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let finding = Finding { level, key: key.into(), rule: rule.into(), fix: fix.into() };
        self.findings.push(finding);
    }

    /// Notes that a source could not be looked at.
    pub(super) fn refused_source(&mut self, name: &str, why: &str, fix: &str) {
        for source in self.sources.iter_mut().filter(|it| it.name == name) {
            source.refused = true;
        }
        self.find(Level::Error, format!("sources.{name}"), why, fix);
    }

    /// How many findings mean that numbers would be missing or wrong.
    pub(super) fn errors(&self) -> usize {
        self.findings.iter().filter(|it| it.level == Level::Error).count()
    }
}

impl KpiReport {
    fn of(kpi: &Kpi, config: &Config) -> Self {
        let sources = &config.params.sources;
        let feeds = |need: &Need| sources.iter().any(|it| it.feeds.contains(need));
        let wanted = || kpi.needs.iter().chain(kpi.uses);
        let missing = kpi.needs.iter().filter(|need| !feeds(need));
        Self {
            id: kpi.id,
            sources: sources
                .iter()
                .filter(|source| wanted().any(|need| source.feeds.contains(need)))
                .map(|source| source.name.to_string())
                .collect(),
            missing: missing.map(|it| missing_source(*it).to_owned()).collect(),
        }
    }

    /// Whether the KPI cannot be computed without `need`.
    pub(super) fn needs(&self, need: Need) -> bool {
        kpi::find(self.id).is_some_and(|kpi| kpi.needs.contains(&need))
    }

    pub(super) fn id(&self) -> &'static str {
        self.id
    }
}

/// What brings a need that nothing brings.
fn missing_source(need: Need) -> &'static str {
    match need {
        Need::Deployments => "no source brings deployments: add a GitHub source",
        Need::Changes => "no source brings changes: add a GitHub source",
        Need::Incidents => "no source brings incidents: add a PagerDuty source",
        Need::Objectives => {
            "nobody says what the objectives are: add [slos] and a Prometheus source"
        }
        Need::AlertRules => {
            "no metric store says how long alerting rules take: add a Prometheus source"
        }
        Need::Requests => "nobody says what requests there are: add a Prometheus source",
        Need::Decisions => "nobody says where decision records are: add [rules.decisions]",
        Need::Costs => "no source brings costs: add `costs` to a source of files",
        Need::Units => {
            "no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store"
        }
        Need::DeveloperSurveys => "no source brings surveys of developers: add one of files",
        Need::StakeholderSurveys => "no source brings surveys of stakeholders: add one of files",
        Need::Escalations => "no source brings escalations: add `escalations` to a source of files",
        Need::Mentorship => "no source brings mentorship: add `mentorship` to a source of files",
        Need::IncidentNotes => {
            "no source brings post-mortems: add `incidents` to a source of files"
        }
        Need::Debt => {
            "nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files"
        }
        Need::Findings => "nobody says which findings count: add [rules.findings]",
        Need::Standards => "nobody says what services are to adopt: add [standards.NAME]",
        Need::Boundaries => {
            "nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files"
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            write!(f, "source {}", source.name)?;
            if let Some(credential) = &source.credential {
                write!(f, " ({credential})")?;
            }
            match source.feeds.as_slice() {
                [] => writeln!(f, " feeds no KPI")?,
                feeds if source.refused => writeln!(f, " would feed {}", feeds.join(", "))?,
                feeds => writeln!(f, " feeds {}", feeds.join(", "))?,
            }
        }
        for kpi in &self.kpis {
            for missing in &kpi.missing {
                writeln!(f, "no data for {}: {missing}", kpi.id)?;
            }
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        write!(f, "{level}: {}: {}", self.key, self.rule)?;
        if !self.fix.is_empty() {
            write!(f, "\n    fix: {}", self.fix)?;
        }
        Ok(())
    }
}
