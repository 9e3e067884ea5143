//! A look at a source without collecting anything: what its credential may do, and what is there.
//! For `engkpi check`, which compares it with the catalogue.

use std::collections::BTreeMap;

use crate::domain::Instant;
use crate::kpi::Need;

/// What a look at a source showed. A list that is `None` could not be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// What kind of credential it is, as far as the vendor tells. Never the credential itself, and
    /// never a person.
    pub credential: String,
    /// What the credential may do and need not, and other things that are not good.
    pub warnings: Vec<String>,
    /// What it cannot be asked for, and in whose words.
    pub lacks: Vec<Lack>,
    /// The repositories that rules name, by `owner/name` in lower case.
    pub repositories: BTreeMap<String, RepositoryProbe>,
    /// Repositories that are collected, `owner/name`.
    pub collected: Vec<String>,
    /// The incident tool's services: id and name.
    pub incident_services: Option<Vec<(String, String)>>,
    /// Names of the incident tool's priorities.
    pub priorities: Option<Vec<String>>,
    /// Names of the incident tool's custom fields.
    pub fields: Option<Vec<String>>,
    /// When the oldest item was made that was seen.
    pub oldest: Option<Instant>,
}

impl Probe {
    /// Takes note of an item's age.
    pub fn saw(&mut self, made_at: Option<Instant>) {
        self.oldest = self.oldest.into_iter().chain(made_at).min();
    }
}

/// Something that a source cannot feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Lack {
    /// What cannot be collected.
    pub need: Need,
    /// Of what, and why.
    pub why: String,
}

/// What a repository looks like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepositoryProbe {
    /// Its present name; `None` = it is not there, or not for this credential.
    pub name: Option<String>,
    /// Of the environments that rules name, those without any deployment.
    pub unknown_environments: Vec<String>,
    /// Environments of recent deployments.
    pub environments: Vec<String>,
    /// Names of its workflows.
    pub workflows: Option<Vec<String>>,
    /// Of the folders that rules name, those that are not there.
    pub unknown_folders: Vec<String>,
}
