//! `[standards.NAME]` and `[boundaries.NAME]`: what services are to adopt, and which API boundaries
//! are to be tested.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Pattern, RepositoryName};
use crate::kpi::params::{Boundary, Check, CheckRule, Standard};
use crate::setting::{Complaint, Period};

/// A standard that services are to adopt: `[standards.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandardSettings {
    /// Only services of these tiers are in its scope. Empty: all services.
    #[serde(default)]
    pub tiers: Vec<u8>,
    /// Services that it does not concern.
    #[serde(default)]
    pub except: Vec<String>,
    /// What is checked at the tip of the default branch: at least one that is not optional.
    #[serde(default)]
    pub checks: Vec<CheckSettings>,
}

/// One check: exactly one of `file`, `uses` and `property`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSettings {
    /// What people call it. By default what is checked.
    pub name: Option<String>,
    /// There is such a file: a path from the repository's root, `*` in its last segment stands for
    /// any text.
    pub file: Option<String>,
    /// With `file`: the text of one such file matches this regular expression.
    pub matches: Option<Pattern>,
    /// A workflow uses this action or reusable workflow: `owner/name`, `owner/name/path`, or either
    /// with `@ref`. Without a ref any will do.
    pub uses: Option<String>,
    /// The repository has this custom property.
    pub property: Option<String>,
    /// With `property`: it has one of these values. Empty: any.
    pub values: Vec<String>,
    /// It is shown, and a service that fails it has adopted the standard all the same.
    pub optional: bool,
}

impl StandardSettings {
    /// What is wrong with the checks; the keys are below the section.
    pub(super) fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.checks.iter().all(|it| it.optional) {
            let rule = if self.checks.is_empty() { "names nothing" } else { "are all optional" };
            let fix = "add one that a service must pass, for example { file = \"CODEOWNERS\" }";
            complaints.push(Complaint::new("checks", rule, fix));
        }
        for (index, check) in self.checks.iter().enumerate() {
            complaints.extend(check.check().into_iter().map(|it| Complaint {
                key: format!(
                    "checks.{index}{}{}",
                    if it.key.is_empty() { "" } else { "." },
                    it.key
                ),
                ..it
            }));
        }
        for (index, tier) in self.tiers.iter().enumerate() {
            if !(1..=5).contains(tier) {
                let fix = "write 1 for the most important to 5 for the least";
                let rule = format!("{tier} is not a tier");
                complaints.push(Complaint::new(format!("tiers.{index}"), rule, fix));
            }
        }
        complaints
    }

    /// The standard; `position` finds services.
    pub(super) fn rule(&self, name: &str, position: &dyn Fn(&str) -> Option<usize>) -> Standard {
        Standard {
            name: name.to_owned(),
            tiers: self.tiers.iter().copied().collect(),
            except: self.except.iter().filter_map(|it| position(it)).collect(),
            checks: self.checks.iter().filter_map(CheckSettings::rule).collect(),
        }
    }
}

impl CheckSettings {
    fn kinds(&self) -> Vec<&'static str> {
        [
            ("file", self.file.is_some()),
            ("uses", self.uses.is_some()),
            ("property", self.property.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect()
    }

    fn check(&self) -> Vec<Complaint> {
        match self.kinds().as_slice() {
            [_] => {}
            [] => {
                let fix = "write one of file, uses and property";
                return vec![Complaint::new("", "checks nothing", fix)];
            }
            [first, second, ..] => {
                let fix = "write two checks: both must hold";
                return vec![Complaint::new(*second, format!("excludes {first}"), fix)];
            }
        }
        let mut complaints = Vec::new();
        if self.matches.is_some() && self.file.is_none() {
            complaints.push(Complaint::new(
                "matches",
                "is for a file only",
                "add file, or remove it",
            ));
        }
        if !self.values.is_empty() && self.property.is_none() {
            let fix = "add property, or remove it";
            complaints.push(Complaint::new("values", "are for a property only", fix));
        }
        if let Some(file) = &self.file
            && !is_path(file)
        {
            let rule = format!("{file:?} is not a path of a repository");
            let fix = "write it from the root, with * in the last segment only";
            complaints.push(Complaint::new("file", rule, fix));
        }
        if let Some(action) = &self.uses
            && action.split('@').next().is_none_or(|it| it.split('/').count() < 2)
        {
            let rule = format!("{action:?} is not an action or a reusable workflow");
            complaints.push(Complaint::new(
                "uses",
                rule,
                "write \"owner/name\" or \"owner/name/path\"",
            ));
        }
        complaints
    }

    fn rule(&self) -> Option<Check> {
        let (rule, name) = match self {
            Self { file: Some(path), matches: Some(Pattern(pattern)), .. } => (
                CheckRule::Matches { path: path.clone(), pattern: pattern.clone() },
                format!("{path} matches {pattern}"),
            ),
            Self { file: Some(path), .. } => (CheckRule::File { path: path.clone() }, path.clone()),
            Self { uses: Some(action), .. } => {
                (CheckRule::Uses { action: action.clone() }, format!("uses {action}"))
            }
            Self { property: Some(property), values, .. } => (
                CheckRule::Property { name: property.clone(), values: values.clone() },
                format!("property {property}"),
            ),
            _ => return None,
        };
        Some(Check { name: self.name.clone().unwrap_or(name), mandatory: !self.optional, rule })
    }
}

/// Whether it can be a path of a repository with stars in its last segment only.
fn is_path(text: &str) -> bool {
    let folder = text.rsplit_once('/').map_or("", |(folder, _)| folder);
    text.split('/').all(|it| !matches!(it, "" | "." | ".."))
        && !text.contains(['\\', ':'])
        && !folder.contains('*')
}

/// A critical API boundary that is to have a contract or integration test: `[boundaries.NAME]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoundarySettings {
    /// The service that offers it.
    #[serde(default)]
    pub service: Option<String>,
    /// The repository whose workflow tests it: `owner/name`. By default that of the service.
    #[serde(default)]
    pub repository: Option<RepositoryName>,
    /// The name of the workflow that tests it. Its runs on the default branch count.
    pub workflow: String,
    /// The job of that workflow that tests it. By default the whole workflow must pass.
    #[serde(default)]
    pub job: Option<String>,
    /// A passing run counts for so long.
    #[serde(default = "thirty_days")]
    pub passes_for: Period,
}

fn thirty_days() -> Period {
    Period::from_seconds(30 * 86_400)
}

impl BoundarySettings {
    /// The boundary; `services` are the names and repositories of services.
    pub(super) fn rule(&self, name: &str, services: &[(&str, &str)]) -> Option<Boundary> {
        let named = self.service.as_deref();
        let service = named.and_then(|name| services.iter().position(|(it, _)| *it == name));
        let own = self.repository.as_ref().map(RepositoryName::as_str);
        Some(Boundary {
            name: name.to_owned(),
            service,
            repository: own.or_else(|| service.map(|it| services[it].1))?.to_owned(),
            workflow: self.workflow.clone(),
            job: self.job.clone(),
            passes_for: self.passes_for.chrono(),
        })
    }
}
