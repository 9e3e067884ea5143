use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Instant, RepositoryId};

/// What a rule asked for of the tip of a repository's default branch. A fact without files says that
/// there are none; without the fact nobody has looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The repository.
    pub repository: RepositoryId,
    /// What was asked for: a path from the root; `*` in its last segment stands for any text.
    pub pattern: String,
    /// When the repository was created: contents have no date of their own, the delivery that came
    /// last holds.
    pub since: Instant,
    /// The files there, by path.
    pub files: BTreeMap<String, FileText>,
}

/// What is known of a file's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileText {
    /// The whole text.
    Text(String),
    /// No rule asks for it.
    NotRead,
    /// It is no text, or too large to be kept.
    Unreadable,
}

/// The custom properties of a repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Properties {
    /// The repository.
    pub repository: RepositoryId,
    /// When the repository was created: properties have no date of their own.
    pub since: Instant,
    /// Values by name. A property with several values has them all; one that is not set is absent.
    pub values: BTreeMap<String, Vec<String>>,
}
