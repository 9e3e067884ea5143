//! The store: the truth that everything else is a projection of.
//!
//! One trait, two backends. A batch (rows, removals, cursors and validators) is one transaction:
//! after a crash either all of it is there or nothing.

mod lock;
mod migrations;
mod plan;
pub mod postgres;
mod row;
mod sql;
pub mod sqlite;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::domain::{Extent, Fact, FactKey, Instant, Kind, SourceName};
use crate::secret::SecretRef;
use crate::setting::Complaint;

/// Longest pause between tries to open a store.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where facts are kept: by default in the SQLite file `engkpi.db` of the working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Path of the SQLite file, created if it is missing. Keep it on a local disk. Exclusive with
    /// `postgres`.
    #[serde(default)]
    pub sqlite: Option<PathBuf>,
    /// Where the address of a PostgreSQL database is, `postgres://user:password@host/database`.
    /// Exclusive with `sqlite`.
    #[serde(default)]
    pub postgres: Option<SecretRef>,
}

impl Settings {
    /// What only several values together show to be wrong.
    pub fn check(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.sqlite.is_some() && self.postgres.is_some() {
            complaints.push(Complaint::new(
                "sqlite",
                "is given together with postgres",
                "keep one of the two: facts are stored in one place",
            ));
        }
        if self.sqlite.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            complaints.push(Complaint::new(
                "sqlite",
                "is empty",
                "write the path of a file, for example \"/var/lib/engkpi/engkpi.db\"",
            ));
        }
        if self.sqlite.as_ref().is_some_and(|path| path.to_string_lossy().contains("://")) {
            complaints.push(Complaint::new(
                "sqlite",
                "is an address, not the path of a file",
                "write a path; an address of PostgreSQL belongs into a secret: postgres = { env = … }",
            ));
        }
        complaints
    }
}

/// Opens the store that `settings` name.
///
/// # Errors
/// [`StoreError::Unusable`] if somebody has to help, [`StoreError::Unavailable`] if it may work
/// later.
pub async fn open(settings: &Settings, access: Access) -> Result<SharedStore, StoreError> {
    if let Some(address) = &settings.postgres {
        let address = address
            .resolve()
            .map_err(|error| StoreError::Unusable(format!("`store.postgres`: {error}")))?;
        let store = postgres::PostgresStore::open(address.expose_secret(), access).await?;
        return Ok(Arc::new(store));
    }
    let path = settings.sqlite.clone().unwrap_or_else(|| PathBuf::from("engkpi.db"));
    Ok(Arc::new(sqlite::SqliteStore::open(&path, access).await?))
}

/// Opens the store for writing, and waits for it as long as it may still come: a daemon that ended
/// because of a full disk or an absent server would only be started over and over.
///
/// # Errors
/// [`StoreError::Unusable`] if somebody has to help.
pub async fn open_patiently(settings: &Settings) -> Result<SharedStore, StoreError> {
    let mut pause = Duration::from_secs(1);
    loop {
        let error = match open(settings, Access::Write).await {
            Err(error @ StoreError::Unavailable(_)) => error,
            opened_or_unusable => return opened_or_unusable,
        };
        tracing::error!("trying again in {} s: {error}", pause.as_secs());
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a source found in one step. Committed as one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Facts to take in. Under one key the newest `updated_at` wins; of equal ones, the one that
    /// was delivered last.
    pub facts: Vec<Fact>,
    /// Facts that are gone upstream. One that is in `facts` too has been seen, so it stays.
    pub removed: Vec<FactKey>,
    /// Cursors to set, by stream.
    pub cursors: Vec<(String, String)>,
    /// Cursors to forget, by stream.
    pub forgotten_cursors: Vec<String>,
    /// Validators of complete 200 answers to GETs whose rows are in this batch.
    pub validators: Vec<Validator>,
}

/// What makes a later request conditional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Hash of token identity, URL and Accept. Never contains the token.
    pub key: String,
    /// The `ETag`.
    pub etag: Option<String>,
    /// The `Last-Modified`.
    pub last_modified: Option<String>,
    /// The `next` link of that answer: a 304 may omit it.
    pub next: Option<String>,
}

/// What a batch did, per kind. Each delivered fact is counted once: as new, changed, unchanged (the
/// same again, or older than what is stored) or rejected (an id that no backend can store).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Counts by kind.
    pub by_kind: BTreeMap<Kind, AppliedCounts>,
}

/// What a batch did to one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AppliedCounts {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub removed: u64,
}

/// How a source fared, kept across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Start of the last pass that saw everything.
    pub last_success: Option<Instant>,
    /// Everything that happened before it is in the store.
    pub data_through: Option<Instant>,
    /// Start of the last complete comparison of what is stored with what the vendor still has.
    pub last_reconciled: Option<Instant>,
    /// What the last pass that saw everything was asked for.
    pub extent: Option<Extent>,
}

/// A fact as stored, or the key of one that was removed.
#[derive(Clone, Debug)]
pub enum Delta {
    /// Taken in or changed.
    Present(SourceName, Box<Fact>),
    /// Removed.
    Removed(FactKey),
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later: locked, disk full, connection lost.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It will not work without somebody's help: corrupt, foreign, newer schema, already in use.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To fill it: by the daemon or `sync`, one at a time.
    Write,
    /// To look into it, beside a daemon that may be writing.
    Read,
}

/// The store. Every backend passes the same conformance suite.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Commits `batch` of `source` as one transaction.
    async fn commit(&self, source: &SourceName, batch: Batch) -> Result<Applied, StoreError>;

    /// The cursor of one stream.
    async fn cursor(&self, source: &SourceName, stream: &str)
    -> Result<Option<String>, StoreError>;

    /// The validator under `key`.
    async fn validator(
        &self,
        source: &SourceName,
        key: &str,
    ) -> Result<Option<Validator>, StoreError>;

    /// The stored facts of one kind, below `parent` if given, in the order of their ids.
    async fn facts(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<Fact>, StoreError>;

    /// The ids of one kind, below `parent` if given.
    async fn ids(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<String>, StoreError>;

    /// What changed after `revision`, at most `limit` of it in order, with the revision that it
    /// brings the reader to. Starting from 0 and asking until nothing comes yields everything.
    async fn changes_since(
        &self,
        revision: i64,
        limit: usize,
    ) -> Result<(Vec<Delta>, i64), StoreError>;

    /// How a source fared.
    async fn source_state(&self, source: &SourceName) -> Result<SourceState, StoreError>;

    /// Records how a source fared.
    async fn set_source_state(
        &self,
        source: &SourceName,
        state: &SourceState,
    ) -> Result<(), StoreError>;

    /// How many facts of each kind are stored.
    async fn counts(&self) -> Result<BTreeMap<Kind, u64>, StoreError>;

    /// Lets go of files and connections. Nothing is lost without it.
    async fn close(&self);
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(toml: &str) -> Vec<String> {
        let settings: Settings = toml::from_str(toml).unwrap();
        settings.check().into_iter().map(|it| format!("{} {}", it.key, it.rule)).collect()
    }

    #[test]
    fn facts_are_kept_in_one_place() {
        assert!(rules("").is_empty());
        assert!(rules("sqlite = \"/var/lib/engkpi/engkpi.db\"").is_empty());
        assert!(rules("postgres = { env = \"ENGKPI_DATABASE\" }").is_empty());
        assert_eq!(
            rules("sqlite = \"a.db\"\npostgres = { env = \"ENGKPI_DATABASE\" }"),
            ["sqlite is given together with postgres"]
        );
        assert_eq!(rules("sqlite = \"\""), ["sqlite is empty"]);
    }

    #[test]
    fn the_address_of_a_database_is_never_written_in_the_settings() {
        let error =
            toml::from_str::<Settings>("postgres = \"postgres://me:canary@db/kpi\"").unwrap_err();
        assert!(!error.message().contains("canary"), "{error}");
    }
}
