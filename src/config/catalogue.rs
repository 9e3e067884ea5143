//! `[teams.NAME]` and `[services.NAME]`: who owns what, and what a production deployment of it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Glob, Pattern, RepositoryName};
use crate::kpi::params::DeploymentRule;

/// A team: `[teams.NAME]`. The name is all there is to say; services name their team.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamSettings {}

/// A service: `[services.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// The team that owns it: the name of a `[teams.NAME]`.
    pub team: String,
    /// The repository that holds its code: `owner/name`.
    pub repository: RepositoryName,
    /// Which paths of the repository are its own. Empty: everything that no other service claims.
    /// The longest matching glob wins.
    #[serde(default)]
    pub paths: Vec<Glob>,
    /// What is a production deployment of it. By default the deployments to the environment
    /// `production`.
    #[serde(default)]
    pub deployments: DeploymentSettings,
    /// Ids of its services in PagerDuty: the last part of their address.
    #[serde(default)]
    pub pagerduty: Vec<String>,
    /// What cost tags and registers call it, beside its name. Case is ignored.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How important it is: 1 is the most, 5 the least.
    #[serde(default)]
    #[schemars(range(min = 1, max = 5))]
    pub tier: Option<u8>,
}

/// What is a production deployment: exactly one of `environments`, `workflow` and `releases`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeploymentSettings {
    /// Deployments to one of these environments. Several are regions or waves of one rollout.
    pub environments: Option<Vec<String>>,
    /// With `environments`: only deployments of this task.
    pub task: Option<String>,
    /// With `environments`: only deployments whose payload has this key with this value, for
    /// example `{ service = "checkout" }`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub payload: Option<BTreeMap<String, String>>,
    /// Successful runs of the workflows with these names on the default branch.
    pub workflow: Option<Vec<String>>,
    /// Published releases whose tag matches this regular expression.
    pub releases: Option<Pattern>,
}

impl DeploymentSettings {
    /// The kinds that are given, by the name of their key.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        [
            ("environments", self.environments.is_some()),
            ("workflow", self.workflow.is_some()),
            ("releases", self.releases.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect()
    }

    /// The rule that they state, once they are known to state one.
    pub(super) fn rule(&self) -> DeploymentRule {
        if let Some(names) = &self.workflow {
            return DeploymentRule::Workflow { names: names.clone() };
        }
        if let Some(Pattern(tag)) = &self.releases {
            return DeploymentRule::Releases { tag: tag.clone() };
        }
        let payload = self.payload.iter().flatten().next();
        DeploymentRule::Deployments {
            environments: self
                .environments
                .clone()
                .unwrap_or_else(|| vec!["production".to_owned()]),
            task: self.task.clone(),
            payload: payload.map(|(key, value)| (key.clone(), value.clone())),
        }
    }
}
