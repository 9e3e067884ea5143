//! Sources: one folder per vendor, and one outbound HTTP client for all of them.
//!
//! A source reads a vendor's API into facts. It never judges them and never reads a clock: the
//! time of a poll is handed in.

pub mod files;
pub mod github;
pub mod outbound;
pub mod pagerduty;
pub mod probe;
pub mod prometheus;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::{Instant, Kind, SourceName};
use crate::store::{SharedStore, StoreError};

/// Everything a poll needs from outside.
#[derive(Clone, Debug)]
pub struct PollContext {
    /// Where rows, cursors and validators are committed.
    pub store: SharedStore,
    /// When this poll started, for settle windows and slices; never used as a cursor.
    pub now: Instant,
    /// Told about each step of long work.
    pub progress: std::sync::Arc<dyn Progress>,
}

/// Hears how far long work has come.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// `done` steps of `stream` are done, of `total` if that is known.
    fn step(&self, source: &SourceName, stream: &str, done: u64, total: Option<u64>);
}

/// What a poll found, beside the rows that it committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollReport {
    /// Intervals in which something may have been missed; they are read again.
    pub gaps: u64,
    /// How many items of each kind could not be read, each already logged with its place.
    pub rejected: BTreeMap<Kind, u64>,
    /// Parts that could not be collected although the rest was (a feature switched off, a
    /// repository that is gone), for people.
    pub warnings: Vec<String>,
}

impl PollReport {
    /// Counts an item of `kind` that could not be read.
    pub fn reject(&mut self, kind: Kind) {
        *self.rejected.entry(kind).or_default() += 1;
    }

    /// Adds what another part of the same poll found.
    pub fn merge(&mut self, other: Self) {
        self.gaps += other.gaps;
        for (kind, count) in other.rejected {
            *self.rejected.entry(kind).or_default() += count;
        }
        self.warnings.extend(other.warnings);
    }
}

/// Why a poll failed. The collector branches on it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The token is wrong, expired or lacks a permission.
    #[error("not authorised: {0}")]
    Unauthorized(String),
    /// The vendor wants us to wait.
    #[error("rate limited until {until}")]
    RateLimited {
        /// When to ask again.
        until: Instant,
    },
    /// It is not there, or not for this token.
    #[error("not found: {0}")]
    NotFound(String),
    /// It may work later.
    #[error("{0}")]
    Transient(String),
    /// What is on this machine cannot be used. Looking again costs nothing.
    #[error("{0}")]
    Unusable(String),
    /// The answer is not what the vendor's API promises.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A vendor's API, read into facts.
#[async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// The configured name.
    fn name(&self) -> &SourceName;

    /// Reads everything that is new since the last poll, committing in steps, each of which leaves
    /// the store consistent: after an interruption the next poll continues. `Ok` means that
    /// everything the vendor had at `cx.now` is in the store.
    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError>;

    /// Compares what is stored with what the vendor still has, and removes what is gone. Asked for
    /// now and then.
    async fn reconcile(&self, cx: &PollContext) -> Result<PollReport, SourceError>;
}
