use std::collections::{BTreeMap, BTreeSet};

use crate::kpi::Params;
use crate::kpi::params::DeploymentRule;

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
    /// Workflows whose runs may stand for deployments: every attempt of them counts.
    pub workflows: BTreeSet<String>,
    /// Releases may stand for deployments.
    pub releases: bool,
    /// Folders with decision records, without slashes around them.
    pub decision_folders: BTreeSet<String>,
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
                DeploymentRule::Workflow { names } => needs.workflows.extend(names.iter().cloned()),
                DeploymentRule::Releases { .. } => needs.releases = true,
            }
        }
        for (repository, rule) in &params.rules.decisions {
            let needs = needs.entry(repository);
            needs.changed_paths = true;
            let folders = rule.folders.iter().map(|folder| folder.trim_matches('/').to_owned());
            needs.decision_folders.extend(folders);
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
        }
        parts
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
        }
        all
    }
}
