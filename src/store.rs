//! The store: the truth that everything else is a projection of.
//!
//! One trait, two backends. A batch (rows, removals, cursors and validators) is one transaction:
//! after a crash either all of it is there or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Fact, FactKey, Instant, Kind, SourceName};

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

/// What a batch did, per kind. Each delivered fact is counted once: as new, changed or unchanged
/// (the same again, or older than what is stored).
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
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;
