//! A store in memory: the model that the real ones are compared with, and the store of tests in
//! which time stands still.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use engkpi::domain::{Fact, FactKey, Kind, SourceName};
use engkpi::store::{Applied, Batch, Delta, SourceState, Store, StoreError, Validator};

#[derive(Debug, Default)]
struct Content {
    /// What is known under a key, with its revision; `None` = removed.
    facts: BTreeMap<FactKey, (i64, Option<Fact>)>,
    revision: i64,
    cursors: BTreeMap<(SourceName, String), String>,
    validators: BTreeMap<(SourceName, String), Validator>,
    states: BTreeMap<SourceName, SourceState>,
    outage: Option<fn() -> StoreError>,
}

/// A store in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<Content>);

impl MemoryStore {
    /// From now on everything fails like this; `None` ends it.
    pub(crate) fn set_outage(&self, outage: Option<fn() -> StoreError>) {
        self.0.lock().unwrap().outage = outage;
    }

    fn content(&self) -> Result<std::sync::MutexGuard<'_, Content>, StoreError> {
        let content = self.0.lock().unwrap();
        content.outage.map_or(Ok(content), |outage| Err(outage()))
    }
}

impl Content {
    fn present(&self) -> impl Iterator<Item = (&FactKey, &Fact)> {
        self.facts.iter().filter_map(|(key, (_, fact))| Some((key, fact.as_ref()?)))
    }

    fn write(&mut self, key: FactKey, fact: Option<Fact>) {
        self.revision += 1;
        self.facts.insert(key, (self.revision, fact));
    }

    fn take_in(&mut self, source: &SourceName, fact: Fact, applied: &mut Applied) {
        let counts = applied.by_kind.entry(fact.kind()).or_default();
        let key = fact.key(source);
        if key.id.len() > 1024 || key.id.contains('\0') {
            counts.rejected += 1;
            return;
        }
        match self.facts.get(&key) {
            Some((_, Some(stored)))
                if stored.updated_at() > fact.updated_at() || *stored == fact =>
            {
                counts.unchanged += 1;
            }
            Some((_, Some(_))) => {
                counts.changed += 1;
                self.write(key, Some(fact));
            }
            Some((_, None)) | None => {
                counts.new += 1;
                self.write(key, Some(fact));
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, source: &SourceName, batch: Batch) -> Result<Applied, StoreError> {
        let mut content = self.content()?;
        let mut applied = Applied::default();
        let seen: Vec<FactKey> = batch.facts.iter().map(|fact| fact.key(source)).collect();
        for fact in batch.facts {
            content.take_in(source, fact, &mut applied);
        }
        for key in batch.removed {
            if !seen.contains(&key) && matches!(content.facts.get(&key), Some((_, Some(_)))) {
                applied.by_kind.entry(key.kind).or_default().removed += 1;
                content.write(key, None);
            }
        }
        for stream in batch.forgotten_cursors {
            content.cursors.remove(&(source.clone(), stream));
        }
        for (stream, value) in batch.cursors {
            content.cursors.insert((source.clone(), stream), value);
        }
        for validator in batch.validators {
            content.validators.insert((source.clone(), validator.key.clone()), validator);
        }
        Ok(applied)
    }

    async fn cursor(
        &self,
        source: &SourceName,
        stream: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(self.content()?.cursors.get(&(source.clone(), stream.to_owned())).cloned())
    }

    async fn validator(
        &self,
        source: &SourceName,
        key: &str,
    ) -> Result<Option<Validator>, StoreError> {
        Ok(self.content()?.validators.get(&(source.clone(), key.to_owned())).cloned())
    }

    async fn facts(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<Fact>, StoreError> {
        let content = self.content()?;
        let wanted = content.present().filter(|(key, fact)| {
            key.source == *source
                && key.kind == kind
                && parent.is_none_or(|parent| fact.parent() == Some(parent))
        });
        Ok(wanted.map(|(_, fact)| fact.clone()).collect())
    }

    async fn ids(
        &self,
        source: &SourceName,
        kind: Kind,
        parent: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        Ok(self.facts(source, kind, parent).await?.iter().map(Fact::id).collect())
    }

    async fn changes_since(
        &self,
        revision: i64,
        limit: usize,
    ) -> Result<(Vec<Delta>, i64), StoreError> {
        let content = self.content()?;
        let mut later: Vec<_> =
            content.facts.iter().filter(|(_, (written, _))| *written > revision).collect();
        later.sort_by_key(|(_, (written, _))| *written);
        later.truncate(limit);
        let reached = later.last().map_or(revision, |(_, (written, _))| *written);
        let delta = |(key, (_, fact)): (&FactKey, &(i64, Option<Fact>))| match fact {
            Some(fact) => Delta::Present(key.source.clone(), Box::new(fact.clone())),
            None => Delta::Removed(key.clone()),
        };
        Ok((later.into_iter().map(delta).collect(), reached))
    }

    async fn source_state(&self, source: &SourceName) -> Result<SourceState, StoreError> {
        Ok(self.content()?.states.get(source).cloned().unwrap_or_default())
    }

    async fn set_source_state(
        &self,
        source: &SourceName,
        state: &SourceState,
    ) -> Result<(), StoreError> {
        self.content()?.states.insert(source.clone(), state.clone());
        Ok(())
    }

    async fn counts(&self) -> Result<BTreeMap<Kind, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for (key, _) in self.content()?.present() {
            *counts.entry(key.kind).or_default() += 1;
        }
        Ok(counts)
    }

    async fn close(&self) {}
}
