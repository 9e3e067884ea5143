//! Compares what was seen with what the configuration says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::look::Looks;
use super::report::{Level, Report};
use crate::config::{Config, SourceSettings, suggest};
use crate::domain::SourceName;
use crate::kpi::params::{DeploymentRule, Service};
use crate::source::probe::{Probe, RepositoryProbe};

/// Adds to `report` what `looks` showed.
pub(super) fn with(config: &Config, looks: &Looks<'_>, report: &mut Report) {
    for ((name, look), (_, settings)) in looks.iter().zip(&config.sources) {
        let key = format!("sources.{name}");
        match look {
            Ok(probe) => {
                source(&key, name, probe, settings, report);
            }
            Err(error) => {
                let fix = match settings {
                    SourceSettings::GitHub(_)
                    | SourceSettings::Files(_)
                    | SourceSettings::Prometheus(_) => "",
                    SourceSettings::PagerDuty(_) => {
                        "mind the region: a key of the other one is refused alike"
                    }
                };
                report.refused_source(name.as_str(), &format!("{error:#}"), fix);
            }
        }
    }
    let seen = Seen::of(config, looks);
    for service in &config.params.catalogue.services {
        seen.repository_of(service, report);
        seen.incident_services_of(service, report);
    }
    seen.decisions(config, report);
    seen.boundaries(config, report);
    seen.unclaimed(config, report);
    seen.incident_rules(config, report);
    report.findings.sort_by(|a, b| (a.level, &a.key, &a.rule).cmp(&(b.level, &b.key, &b.rule)));
}

/// What one source's own credential and history show.
fn source(
    key: &str,
    name: &SourceName,
    probe: &Probe,
    settings: &SourceSettings,
    report: &mut Report,
) {
    for source in report.sources.iter_mut().filter(|it| it.name == name.as_str()) {
        source.credential = Some(probe.credential.clone());
    }
    for warning in &probe.warnings {
        report.find(Level::Warning, key, warning, "");
    }
    for lack in &probe.lacks {
        let cannot = report.kpis.iter().filter(|kpi| kpi.needs(lack.need)).map(|kpi| kpi.id());
        let cannot = cannot.collect::<Vec<_>>().join(", ");
        let fix = format!("let the credential read it, or there is no true {cannot}");
        report.find(Level::Error, key, &lack.why, fix);
    }
    let configured = settings.history_start().0;
    if let Some(oldest) = probe.oldest
        && (oldest - configured).abs() > TimeDelta::days(1)
    {
        let rule = format!(
            "is {}, and the oldest item that was seen is of {}",
            configured.date_naive(),
            oldest.date_naive()
        );
        let fix = format!("history_start = {} covers everything there is", oldest.date_naive());
        report.find(Level::Note, format!("{key}.history_start"), rule, fix);
    }
}

/// Everything that was seen, of all sources together.
struct Seen<'a> {
    repositories: BTreeMap<&'a str, &'a RepositoryProbe>,
    collected: BTreeSet<&'a str>,
    /// Every GitHub source could be looked at.
    all_repositories: bool,
    /// `None` if no PagerDuty source could be looked at.
    incident_services: Option<BTreeMap<&'a str, &'a str>>,
    priorities: Option<BTreeSet<&'a str>>,
    fields: Option<BTreeSet<&'a str>>,
    /// Every PagerDuty source could be looked at.
    all_incidents: bool,
}

impl<'a> Seen<'a> {
    fn of(config: &Config, looks: &'a Looks<'_>) -> Self {
        let mut seen = Self {
            repositories: BTreeMap::new(),
            collected: BTreeSet::new(),
            all_repositories: true,
            incident_services: None,
            priorities: None,
            fields: None,
            all_incidents: true,
        };
        for ((_, look), (_, settings)) in looks.iter().zip(&config.sources) {
            match (look, settings) {
                (Ok(probe), _) => seen.add(probe),
                (Err(_), SourceSettings::GitHub(_)) => seen.all_repositories = false,
                (Err(_), SourceSettings::PagerDuty(_)) => seen.all_incidents = false,
                (Err(_), SourceSettings::Files(_) | SourceSettings::Prometheus(_)) => {}
            }
        }
        seen
    }

    fn add(&mut self, probe: &'a Probe) {
        for (name, repository) in &probe.repositories {
            let known = self.repositories.entry(name).or_insert(repository);
            if known.name.is_none() {
                *known = repository;
            }
        }
        self.collected.extend(probe.collected.iter().map(String::as_str));
        let pairs = |it: &'a (String, String)| (it.0.as_str(), it.1.as_str());
        if let Some(services) = &probe.incident_services {
            self.incident_services.get_or_insert_default().extend(services.iter().map(pairs));
        }
        for (all, found) in
            [(&mut self.priorities, &probe.priorities), (&mut self.fields, &probe.fields)]
        {
            if let Some(found) = found {
                all.get_or_insert_default().extend(found.iter().map(String::as_str));
            }
        }
    }

    /// The repository under `name`, if it was seen; says so if it is not there.
    fn repository(
        &self,
        name: &str,
        key: &str,
        report: &mut Report,
    ) -> Option<&'a RepositoryProbe> {
        let probe = self.repositories.get(name.to_lowercase().as_str()).copied();
        match probe.map(|it| (it, it.name.as_deref())) {
            Some((probe, Some(present))) => {
                if !present.eq_ignore_ascii_case(name) {
                    let rule = format!("{name} is called {present} now");
                    report.find(Level::Warning, key, rule, format!("write \"{present}\""));
                }
                Some(probe)
            }
            _ if !self.all_repositories => None,
            _ => {
                let otherwise = "mend the name, or let the credential see it";
                let fix = suggest::closest(name, self.collected.iter().copied())
                    .map_or(otherwise.to_owned(), |it| format!("did you mean \"{it}\"?"));
                let rule = format!("{name} is not there, or not for this credential");
                report.find(Level::Error, key, rule, fix);
                None
            }
        }
    }

    fn repository_of(&self, service: &Service, report: &mut Report) {
        let key = format!("services.{}", service.name);
        let Some(probe) =
            self.repository(&service.repository, &format!("{key}.repository"), report)
        else {
            return;
        };
        let repository = &service.repository;
        match &service.deployments {
            DeploymentRule::Deployments { environments, .. } => {
                let known = probe.environments.iter().map(String::as_str);
                for environment in environments {
                    if probe.unknown_environments.contains(environment) {
                        let rule =
                            format!("nothing was ever deployed to {environment:?} of {repository}");
                        let fix = suggest::fix(environment, known.clone(), "name its environments");
                        report.find(
                            Level::Error,
                            format!("{key}.deployments.environments"),
                            rule,
                            fix,
                        );
                    }
                }
            }
            DeploymentRule::Workflow { names } => {
                let Some(workflows) = &probe.workflows else { return };
                for name in names.iter().filter(|name| !workflows.contains(name)) {
                    let rule = format!("{repository} has no workflow {name:?}");
                    let known = workflows.iter().map(String::as_str);
                    let fix = suggest::fix(name, known, "name one of its workflows");
                    report.find(Level::Error, format!("{key}.deployments.workflow"), rule, fix);
                }
            }
            DeploymentRule::Releases { .. } => {}
        }
    }

    fn incident_services_of(&self, service: &Service, report: &mut Report) {
        let Some(known) = self.incident_services.as_ref().filter(|_| self.all_incidents) else {
            return;
        };
        for id in service.incident_services.iter().filter(|id| !known.contains_key(id.as_str())) {
            let by_name = suggest::closest(service.name.as_str(), known.values().copied());
            let found = by_name.and_then(|name| known.iter().find(|(_, it)| **it == name));
            let fix = found.map_or("mend the id".to_owned(), |(id, name)| {
                format!("did you mean \"{id}\" ({name})?")
            });
            let key = format!("services.{}.pagerduty", service.name);
            report.find(Level::Error, key, format!("there is no PagerDuty service {id:?}"), fix);
        }
    }

    fn decisions(&self, config: &Config, report: &mut Report) {
        for name in config.params.rules.decisions.keys() {
            let key = format!("rules.decisions.\"{name}\"");
            let Some(probe) = self.repository(name, &key, report) else { continue };
            for folder in &probe.unknown_folders {
                let rule = format!("{name} has no folder {folder:?} on its default branch");
                report.find(Level::Error, format!("{key}.folders"), rule, "mend the path");
            }
        }
    }

    /// Workflows that are to test boundaries.
    fn boundaries(&self, config: &Config, report: &mut Report) {
        for boundary in &config.params.boundaries {
            let key = format!("boundaries.{}", boundary.name);
            let repository = &boundary.repository;
            let Some(probe) = self.repository(repository, &format!("{key}.repository"), report)
            else {
                continue;
            };
            let Some(workflows) = &probe.workflows else { continue };
            if !workflows.contains(&boundary.workflow) {
                let rule = format!("{repository} has no workflow {:?}", boundary.workflow);
                let known = workflows.iter().map(String::as_str);
                let fix = suggest::fix(&boundary.workflow, known, "name one of its workflows");
                report.find(Level::Error, format!("{key}.workflow"), rule, fix);
            }
        }
    }

    /// What is collected and belongs to no service counts for the organisation only.
    fn unclaimed(&self, config: &Config, report: &mut Report) {
        let services = &config.params.catalogue.services;
        let claimed: BTreeSet<String> =
            services.iter().map(|it| it.repository.to_lowercase()).collect();
        let decisions: BTreeSet<String> =
            config.params.rules.decisions.keys().map(|it| it.to_lowercase()).collect();
        let free: Vec<&str> = self
            .collected
            .iter()
            .copied()
            .filter(|it| {
                let name = it.to_lowercase();
                !claimed.contains(&name) && !decisions.contains(&name)
            })
            .collect();
        note(report, "services", "no service has the repositories", &free);
        let ids: BTreeSet<&str> =
            services.iter().flat_map(|it| &it.incident_services).map(String::as_str).collect();
        let free: Vec<String> = self
            .incident_services
            .iter()
            .flatten()
            .filter(|(id, _)| !ids.contains(*id))
            .map(|(id, name)| format!("{id} ({name})"))
            .collect();
        let free: Vec<&str> = free.iter().map(String::as_str).collect();
        note(report, "services", "no service has the PagerDuty services", &free);
    }

    /// Priorities and custom fields that rules count on.
    fn incident_rules(&self, config: &Config, report: &mut Report) {
        let Some(_) = &self.incident_services else { return };
        let rules = &config.params.rules;
        let mapped: BTreeSet<String> =
            rules.severity_by_priority.keys().map(|it| it.to_lowercase()).collect();
        match &self.priorities {
            Some(priorities) => {
                for name in priorities.iter().filter(|it| !mapped.contains(&it.to_lowercase())) {
                    let rule = format!(
                        "says nothing about the priority {name:?}: its incidents have no severity"
                    );
                    report.find(
                        Level::Warning,
                        "rules.severity",
                        rule,
                        format!("add {name:?} = 1 to 5"),
                    );
                }
            }
            None => {
                let rule = "the account has no priorities, so no incident has a severity";
                let fix = "switch incident priorities on in PagerDuty";
                report.find(Level::Warning, "rules.severity", rule, fix);
            }
        }
        let Some(fields) = &self.fields else { return };
        let names = &rules.fields;
        for (key, name, what) in [
            ("fault_started_at", &names.fault_started_at, "when faults began"),
            ("root_cause", &names.root_cause, "root causes"),
        ] {
            if !fields.contains(name.as_str()) {
                let rule = format!("the account has no custom field {name:?}: {what} stay unknown");
                report.find(Level::Note, format!("rules.fields.{key}"), rule, "");
            }
        }
    }
}

fn note(report: &mut Report, key: &str, rule: &str, names: &[&str]) {
    if !names.is_empty() {
        let rule = format!("{rule} {}: they count for the organisation only", suggest::list(names));
        report.find(Level::Note, key, rule, "");
    }
}
