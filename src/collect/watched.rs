//! The store as sources see it: what they commit is counted and announced, and that it fails is
//! said once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::{Fact, Kind, SourceName};
use crate::store::{Applied, Batch, Delta, SharedStore, SourceState, Store, StoreError, Validator};
use crate::telemetry::Telemetry;

/// The store as one source sees it.
#[derive(Debug)]
pub(super) struct WatchedStore {
    inner: SharedStore,
    telemetry: Telemetry,
    landed: Arc<watch::Sender<u64>>,
    /// Shared by all sources.
    failing: Arc<AtomicBool>,
    /// How many commits changed something.
    moves: AtomicU64,
}

impl WatchedStore {
    pub(super) fn new(
        inner: SharedStore,
        telemetry: Telemetry,
        landed: Arc<watch::Sender<u64>>,
        failing: Arc<AtomicBool>,
    ) -> Self {
        Self { inner, telemetry, landed, failing, moves: AtomicU64::new(0) }
    }

    /// How many commits changed something so far: whether work comes nearer to its end.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    /// However many sources meet a failure, it is logged when it begins and, by the first write
    /// that succeeds, when it ends: a full disk can still be read.
    fn wrote<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_ok() && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the store works again");
        }
        self.read(result)
    }

    fn read<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.telemetry.store_errors_total.inc();
            if !self.failing.swap(true, Ordering::Relaxed) {
                tracing::error!("collecting waits until this ends: {error}");
            }
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
