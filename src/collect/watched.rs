//! The store as sources see it: what they commit is counted and announced, and that it fails is
//! said once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::{Fact, Kind, SourceName};
use crate::store::{Applied, Batch, Delta, SharedStore, SourceState, Store, StoreError, Validator};
use crate::telemetry::Telemetry;

/// A full disk lets small writes through: what fails again this soon after it was told is the same
/// trouble.
const SAME_TROUBLE: Duration = Duration::from_secs(60);

/// That the store fails, told once however many sources meet it and however it comes and goes.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Telling>);

#[derive(Debug, Default)]
struct Telling {
    /// The present trouble was told.
    told: bool,
    last: Option<Instant>,
}

impl Trouble {
    fn met(&self, error: &StoreError) {
        let mut telling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = telling.last.is_none_or(|last| last.elapsed() > SAME_TROUBLE);
        if is_new && !telling.told {
            *telling = Telling { told: true, last: Some(Instant::now()) };
            tracing::error!("collecting waits until this ends: {error}");
        }
    }

    fn ended(&self) {
        let mut telling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut telling.told) {
            tracing::info!("the store works again");
        }
    }
}

/// The store as one source sees it.
#[derive(Debug)]
pub(super) struct WatchedStore {
    inner: SharedStore,
    telemetry: Telemetry,
    landed: Arc<watch::Sender<u64>>,
    /// Shared by all sources.
    trouble: Arc<Trouble>,
    /// How many commits changed something.
    moves: AtomicU64,
}

impl WatchedStore {
    pub(super) fn new(
        inner: SharedStore,
        telemetry: Telemetry,
        landed: Arc<watch::Sender<u64>>,
        trouble: Arc<Trouble>,
    ) -> Self {
        Self { inner, telemetry, landed, trouble, moves: AtomicU64::new(0) }
    }

    /// How many commits changed something so far: whether work comes nearer to its end.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    /// However many sources meet a failure, it is logged when it begins and, by the first write
    /// that succeeds, when it ends: a full disk can still be read.
    fn wrote<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_ok() {
            self.trouble.ended();
        }
        self.read(result)
    }

    fn read<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.telemetry.store_errors_total.inc();
            self.trouble.met(error);
        }
        result
    }

    fn announce(&self) {
        self.landed.send_modify(|ticks| *ticks += 1);
    }

    fn count(&self, source: &SourceName, applied: &Applied) {
        let items = &self.telemetry.source_items_total;
        let mut moved = false;
        for (kind, counts) in &applied.by_kind {
            let results = [
                ("new", counts.new),
                ("changed", counts.changed),
                ("unchanged", counts.unchanged),
                ("rejected", counts.rejected),
                ("removed", counts.removed),
            ];
            for (result, count) in results {
                if count > 0 {
                    let labels = [source.as_str(), kind.as_str(), result];
                    items.with_label_values(&labels).inc_by(count);
                }
            }
            moved |= counts.new + counts.changed + counts.removed > 0;
        }
        if moved {
            self.moves.fetch_add(1, Ordering::Relaxed);
            self.announce();
        }
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn commit(&self, source: &SourceName, batch: Batch) -> Result<Applied, StoreError> {
        let applied = self.wrote(self.inner.commit(source, batch).await)?;
        self.count(source, &applied);
        Ok(applied)
    }

    async fn cursor(
        &self,
        source: &SourceName,
        stream: &str,
    ) -> Result<Option<String>, StoreError> {
        self.read(self.inner.cursor(source, stream).await)
    }

    async fn validator(
        &self,
        source: &SourceName,
        key: &str,
    ) -> Result<Option<Validator>, StoreError> {
        self.read(self.inner.validator(source, key).await)
    }

    async fn facts(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<Fact>, StoreError> {
        self.read(self.inner.facts(source, kind, parent).await)
    }

    async fn ids(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.read(self.inner.ids(source, kind, parent).await)
    }

    async fn changes_since(
        &self,
        revision: i64,
        limit: usize,
    ) -> Result<(Vec<Delta>, i64), StoreError> {
        self.read(self.inner.changes_since(revision, limit).await)
    }

    async fn source_state(&self, source: &SourceName) -> Result<SourceState, StoreError> {
        self.read(self.inner.source_state(source).await)
    }

    async fn set_source_state(
        &self,
        source: &SourceName,
        state: &SourceState,
    ) -> Result<(), StoreError> {
        self.wrote(self.inner.set_source_state(source, state).await)?;
        self.announce();
        Ok(())
    }

    async fn counts(&self) -> Result<BTreeMap<Kind, u64>, StoreError> {
        self.read(self.inner.counts().await)
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
