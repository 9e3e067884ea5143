use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::kpi::Params;
use crate::kpi::params::{CheckRule, DeploymentRule, WORKFLOW_FILES};

/// What the rules need beyond what every repository gives, by repository. It decides what is worth
/// extra requests, never what a fact means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    repositories: BTreeMap<String, RepositoryNeeds>,
}

/// What the rules need of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryNeeds {
    /// The paths that pull requests touch: where services share the repository, or where it has
    /// decision records.
    pub changed_paths: bool,
    /// Environments whose deployed commits must be in the graph, on whatever branch they are.
    pub environments: BTreeSet<String>,
    /// Workflows whose runs may stand for deployments or test something: every attempt of them
    /// counts.
    pub workflows: BTreeSet<String>,
    /// Runs stand for deployments of a service.
    pub deploys: bool,
    /// Runs or jobs test something.
    pub tests: bool,
    /// Of the workflows, the ones of which jobs count, and for how long after they ended.
    pub jobs: BTreeMap<String, TimeDelta>,
    /// Releases may stand for deployments.
    pub releases: bool,
    /// Folders with decision records, without slashes around them.
    pub decision_folders: BTreeSet<String>,
    /// Labels, in lower case: issues that have or had one of them are kept.
    pub issue_labels: BTreeSet<String>,
    /// Tools whose alerts are read: `dependabot`, `code_scanning`, `secret_scanning`.
    pub finding_tools: BTreeSet<String>,
    /// Paths (`*` in the last segment is any text) whose files a rule looks at, and whether it
    /// looks at their text.
    pub contents: BTreeMap<String, bool>,
    /// Custom properties of the repository.
    pub properties: bool,
}

impl Needs {
    /// What the services and the decision rules need.
    pub fn of(params: &Params) -> Self {
        let mut needs = Self::default();
        let services = &params.catalogue.services;
        for service in services {
            let shared =
                services.iter().filter(|it| it.repository == service.repository).count() > 1;
            let needs = needs.entry(&service.repository);
            needs.changed_paths |= shared || !service.paths.is_empty();
            match &service.deployments {
                DeploymentRule::Deployments { environments, .. } => {
                    needs.environments.extend(environments.iter().cloned());
                }
                DeploymentRule::Workflow { names } => {
                    needs.workflows.extend(names.iter().cloned());
                    needs.deploys = true;
                }
                DeploymentRule::Releases { .. } => needs.releases = true,
            }
        }
        for (repository, rule) in &params.rules.decisions {
            let needs = needs.entry(repository);
            needs.changed_paths = true;
            let folders = rule.folders.iter().map(|folder| folder.trim_matches('/').to_owned());
            needs.decision_folders.extend(folders);
        }
        needs.of_standards(params);
        for boundary in &params.boundaries {
            let needs = needs.entry(&boundary.repository);
            needs.workflows.insert(boundary.workflow.clone());
            needs.tests = true;
            if boundary.job.is_some() {
                let longest = needs.jobs.entry(boundary.workflow.clone()).or_default();
                *longest = (*longest).max(boundary.passes_for);
            }
        }
        needs
    }

    /// What is needed, part by part.
    pub(super) fn parts(&self) -> BTreeSet<String> {
        let mut parts = BTreeSet::new();
        for (repository, needs) in &self.repositories {
            let mut add = |what: &str, name: &str| {
                parts.insert(format!("{repository}: {what}{name}"));
            };
            add("history", "");
            if needs.changed_paths {
                add("changed paths", "");
            }
            if needs.releases {
                add("releases", "");
            }
            needs.environments.iter().for_each(|it| add("environment ", it));
            needs.workflows.iter().for_each(|it| add("workflow ", it));
            needs.decision_folders.iter().for_each(|it| add("decisions in ", it));
            needs.issue_labels.iter().for_each(|it| add("issues labelled ", it));
            needs.jobs.keys().for_each(|it| add("jobs of ", it));
        }
        parts
    }

    /// What the services' repositories are checked for.
    fn of_standards(&mut self, params: &Params) {
        for service in &params.catalogue.services {
            let needs = self.entry(&service.repository);
            if let Some(debt) = &params.rules.debt {
                needs.issue_labels.extend(debt.labels.iter().cloned());
            }
            if let Some(findings) = &params.rules.findings {
                needs.finding_tools.extend(findings.tools.iter().cloned());
            }
            for check in params.standards.iter().flat_map(|it| &it.checks) {
                let mut look = |path: &str, text: bool| {
                    *needs.contents.entry(path.to_owned()).or_default() |= text;
                };
                match &check.rule {
                    CheckRule::File { path } => look(path, false),
                    CheckRule::Matches { path, .. } => look(path, true),
                    CheckRule::Uses { .. } => WORKFLOW_FILES.iter().for_each(|it| look(it, true)),
                    CheckRule::Property { .. } => needs.properties = true,
                }
            }
        }
    }

    /// Whether issues of any repository are needed.
    pub(super) fn issues(&self) -> bool {
        self.repositories.values().any(|it| !it.issue_labels.is_empty())
    }

    /// Needs of the repository `owner/name`, to be filled in.
    pub fn entry(&mut self, repository: &str) -> &mut RepositoryNeeds {
        self.repositories.entry(repository.to_ascii_lowercase()).or_default()
    }

    /// The repositories that have needs, `owner/name` in lower case.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(String::as_str)
    }

    /// The needs of a repository that configuration may know under any of `names` (lower case).
    pub(super) fn of_names<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> RepositoryNeeds {
        let mut all = RepositoryNeeds::default();
        for needs in names.into_iter().filter_map(|name| self.repositories.get(name)) {
            all.changed_paths |= needs.changed_paths;
            all.releases |= needs.releases;
            all.environments.extend(needs.environments.iter().cloned());
            all.workflows.extend(needs.workflows.iter().cloned());
            all.decision_folders.extend(needs.decision_folders.iter().cloned());
            all.issue_labels.extend(needs.issue_labels.iter().cloned());
            all.finding_tools.extend(needs.finding_tools.iter().cloned());
            for (path, text) in &needs.contents {
                *all.contents.entry(path.clone()).or_default() |= text;
            }
            for (workflow, time) in &needs.jobs {
                let longest = all.jobs.entry(workflow.clone()).or_default();
                *longest = (*longest).max(*time);
            }
            all.properties |= needs.properties;
            all.deploys |= needs.deploys;
            all.tests |= needs.tests;
        }
        all
    }
}
