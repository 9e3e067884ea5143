//! `[rules.findings]`: which findings of security tools are collected, and how soon they are to be
//! fixed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kpi::params::{FindingRule, FindingSeverity, Sla, default_severities, default_sla};
use crate::setting::Period;

/// Findings of security tools: `[rules.findings]`. Without this section none is collected from the
/// code host.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindingSettings {
    /// Which alerts of GitHub are read.
    pub tools: Vec<Tool>,
    /// How severe the findings of tools are that do not say so.
    pub severity: BTreeMap<String, Severity>,
    /// Within which time a finding is to be fixed.
    pub sla: SlaSettings,
    /// What single teams have instead: `[rules.findings.teams.NAME]`.
    pub teams: BTreeMap<String, SlaSettings>,
    /// What single services have instead: `[rules.findings.services.NAME]`.
    pub services: BTreeMap<String, SlaSettings>,
}

impl Default for FindingSettings {
    fn default() -> Self {
        Self {
            tools: Tool::ALL.to_vec(),
            severity: default_severities()
                .into_iter()
                .map(|(tool, it)| (tool, it.into()))
                .collect(),
            sla: SlaSettings::of(&default_sla()),
            teams: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }
}

/// Alerts of GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Dependencies with known vulnerabilities.
    Dependabot,
    /// Code scanning, by `CodeQL` or another tool that uploads its results.
    CodeScanning,
    /// Secrets in the code.
    SecretScanning,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Dependabot, Self::CodeScanning, Self::SecretScanning];

    fn as_str(self) -> &'static str {
        match self {
            Self::Dependabot => "dependabot",
            Self::CodeScanning => "code_scanning",
            Self::SecretScanning => "secret_scanning",
        }
    }
}

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
}

impl From<FindingSeverity> for Severity {
    fn from(severity: FindingSeverity) -> Self {
        match severity {
            FindingSeverity::Critical => Self::Critical,
            FindingSeverity::High => Self::High,
            FindingSeverity::Medium => Self::Medium,
            FindingSeverity::Low => Self::Low,
        }
    }
}

impl From<Severity> for FindingSeverity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::High => Self::High,
            Severity::Medium => Self::Medium,
            Severity::Low => Self::Low,
        }
    }
}

/// Within which time a finding is to be fixed, by its severity. What is absent is as above it: for
/// a service as for its team, for a team as for the organisation, and there without any time.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlaSettings {
    /// Of critical findings.
    pub critical: Option<Period>,
    /// Of high ones.
    pub high: Option<Period>,
    /// Of medium ones.
    pub medium: Option<Period>,
    /// Of low ones.
    pub low: Option<Period>,
}

impl SlaSettings {
    fn of(sla: &Sla) -> Self {
        let time = |severity| {
            let days = sla.get(&severity).and_then(|it| it.num_days().try_into().ok());
            days.map(|days: u32| Period::from_seconds(days * 86_400))
        };
        Self {
            critical: time(FindingSeverity::Critical),
            high: time(FindingSeverity::High),
            medium: time(FindingSeverity::Medium),
            low: time(FindingSeverity::Low),
        }
    }

    fn over(&self, above: &Sla) -> Sla {
        let own = [
            (FindingSeverity::Critical, self.critical),
            (FindingSeverity::High, self.high),
            (FindingSeverity::Medium, self.medium),
            (FindingSeverity::Low, self.low),
        ];
        let own = own.into_iter().filter_map(|(severity, time)| Some((severity, time?.chrono())));
        above.iter().map(|(severity, time)| (*severity, *time)).chain(own).collect()
    }
}

impl FindingSettings {
    /// The rule, with the profiles of teams and services by index. `teams` are the names of teams,
    /// `services` those of services with the index of their team.
    pub(super) fn rule(&self, teams: &[&str], services: &[(&str, usize)]) -> FindingRule {
        let organisation = self.sla.over(&Sla::new());
        let team_sla: BTreeMap<usize, Sla> = self
            .teams
            .iter()
            .filter_map(|(name, sla)| {
                let index = teams.iter().position(|it| it == name)?;
                Some((index, sla.over(&organisation)))
            })
            .collect();
        let service_sla = self
            .services
            .iter()
            .filter_map(|(name, sla)| {
                let index = services.iter().position(|(it, _)| it == name)?;
                let above = team_sla.get(&services[index].1).unwrap_or(&organisation);
                Some((index, sla.over(above)))
            })
            .collect();
        FindingRule {
            tools: self.tools.iter().map(|it| it.as_str().to_owned()).collect(),
            severity_by_tool: self
                .severity
                .iter()
                .map(|(tool, severity)| (tool.to_lowercase(), (*severity).into()))
                .collect(),
            sla: organisation,
            team_sla,
            service_sla,
        }
    }
}
