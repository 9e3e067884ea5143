//! What both backends say in the same words.
//!
//! The two drivers share no types, so the shared part is a macro: it implements [`super::Store`]
//! for a backend that brings what differs.
//!
//! - `readers(&self) -> &Pool`, `writable(&self)`, `begin(&self) -> Transaction` and
//!   `disconnect(&self)`;
//! - `run(&self, future)`, which bounds a piece of work and explains its errors;
//! - `LOCK_REVISION`, `ROWS`, and the statements over many rows: `stored`, `restored`, `upsert`.

macro_rules! implement_store {
    ($store:ty, $connection:ty) => {
        #[async_trait]
        impl Store for $store {
            async fn commit(
                &self,
                source: &SourceName,
                batch: Batch,
            ) -> Result<Applied, StoreError> {
                self.writable()?;
                let delivery = Delivery::of(source, &batch.facts);
                let removals = delivery.removals(batch.removed, source);
                self.run(async {
                    let mut tx = self.begin().await?;
                    let mut revision = Revision::lock(&mut tx).await?;
                    let mut applied = take_in(&mut tx, source, delivery, &mut revision).await?;
                    take_out(&mut tx, removals, &mut revision, &mut applied).await?;
                    revision.write(&mut tx).await?;
                    forget_cursors(&mut tx, source, &batch.forgotten_cursors).await?;
                    set_cursors(&mut tx, source, &batch.cursors).await?;
                    set_validators(&mut tx, source, &batch.validators).await?;
                    tx.commit().await?;
                    Ok(applied)
                })
                .await
            }

            async fn cursor(
                &self,
                source: &SourceName,
                stream: &str,
            ) -> Result<Option<String>, StoreError> {
                let query = sqlx::query_scalar(
                    "SELECT value FROM cursors WHERE source = $1 AND stream = $2",
                );
                let query = query.bind(source.as_str()).bind(stream);
                self.run(query.fetch_optional(self.readers())).await
            }

            async fn validator(
                &self,
                source: &SourceName,
                key: &str,
            ) -> Result<Option<Validator>, StoreError> {
                let query = sqlx::query_as(
                    "SELECT etag, last_modified, next FROM validators \
                     WHERE source = $1 AND key = $2",
                );
                let query = query.bind(source.as_str()).bind(key);
                let found: Option<(Option<String>, Option<String>, Option<String>)> =
                    self.run(query.fetch_optional(self.readers())).await?;
                let validator = |(etag, last_modified, next)| Validator {
                    key: key.to_owned(),
                    etag,
                    last_modified,
                    next,
                };
                Ok(found.map(validator))
            }

            async fn facts(
                &self,
                source: &SourceName,
                kind: Kind,
                parent: Option<&str>,
            ) -> Result<Vec<Fact>, StoreError> {
                let query = match parent {
                    None => sqlx::query_as(
                        "SELECT id, body FROM facts WHERE source = $1 AND kind = $2 ORDER BY id",
                    ),
                    Some(_) => sqlx::query_as(
                        "SELECT id, body FROM facts WHERE source = $1 AND kind = $2 \
                         AND parent = $3 ORDER BY id",
                    ),
                };
                let query = query.bind(source.as_str()).bind(kind.as_str());
                let query = if let Some(parent) = parent { query.bind(parent) } else { query };
                let rows: Vec<(String, String)> = self.run(query.fetch_all(self.readers())).await?;
                rows.into_iter().map(|(id, body)| row::fact(source, kind, &id, &body)).collect()
            }

            async fn ids(
                &self,
                source: &SourceName,
                kind: Kind,
                parent: Option<&str>,
            ) -> Result<Vec<String>, StoreError> {
                let query = match parent {
                    None => sqlx::query_scalar(
                        "SELECT id FROM facts WHERE source = $1 AND kind = $2 ORDER BY id",
                    ),
                    Some(_) => sqlx::query_scalar(
                        "SELECT id FROM facts WHERE source = $1 AND kind = $2 \
                         AND parent = $3 ORDER BY id",
                    ),
                };
                let query = query.bind(source.as_str()).bind(kind.as_str());
                let query = if let Some(parent) = parent { query.bind(parent) } else { query };
                self.run(query.fetch_all(self.readers())).await
            }

            async fn changes_since(
                &self,
                revision: i64,
                limit: usize,
            ) -> Result<(Vec<Delta>, i64), StoreError> {
                let query = sqlx::query_as(
                    "SELECT revision, source, kind, NULL, body FROM facts WHERE revision > $1 \
                     UNION ALL \
                     SELECT revision, source, kind, id, NULL FROM removals WHERE revision > $1 \
                     ORDER BY revision LIMIT $2",
                );
                let query = query.bind(revision).bind(i64::try_from(limit).unwrap_or(i64::MAX));
                row::deltas(revision, self.run(query.fetch_all(self.readers())).await?)
            }

            async fn source_state(&self, source: &SourceName) -> Result<SourceState, StoreError> {
                let query = sqlx::query_as(
                    "SELECT last_success, data_through, last_reconciled, extent FROM source_state \
                     WHERE source = $1",
                );
                let query = query.bind(source.as_str());
                Ok(row::source_state(self.run(query.fetch_optional(self.readers())).await?))
            }

            async fn set_source_state(
                &self,
                source: &SourceName,
                state: &SourceState,
            ) -> Result<(), StoreError> {
                self.writable()?;
                let query = sqlx::query(
                    "INSERT INTO source_state \
                     (source, last_success, data_through, last_reconciled, extent) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source) DO UPDATE SET \
                     last_success = excluded.last_success, \
                     data_through = excluded.data_through, \
                     last_reconciled = excluded.last_reconciled, \
                     extent = excluded.extent",
                );
                let query = query
                    .bind(source.as_str())
                    .bind(row::millis(state.last_success))
                    .bind(row::millis(state.data_through))
                    .bind(row::millis(state.last_reconciled))
                    .bind(row::extent_text(state.extent.as_ref()));
                self.run(async {
                    let mut tx = self.begin().await?;
                    query.execute(&mut *tx).await?;
                    tx.commit().await
                })
                .await
            }

            async fn counts(&self) -> Result<BTreeMap<Kind, u64>, StoreError> {
                let query = sqlx::query_as("SELECT kind, count(*) FROM facts GROUP BY kind");
                row::counts(self.run(query.fetch_all(self.readers())).await?)
            }

            async fn close(&self) {
                self.disconnect().await;
            }
        }

        /// The last revision given out. Whoever has it has the right to write, until the
        /// transaction ends: so revisions become visible in their order, and a reader that has
        /// seen one never misses anything below it.
        struct Revision {
            stored: i64,
            last: i64,
        }

        impl Revision {
            async fn lock(connection: &mut $connection) -> sqlx::Result<Self> {
                let stored = sqlx::query_scalar(LOCK_REVISION).fetch_one(connection).await?;
                Ok(Self { stored, last: stored })
            }

            fn next(&mut self) -> i64 {
                self.last += 1;
                self.last
            }

            async fn write(&self, connection: &mut $connection) -> sqlx::Result<()> {
                if self.last > self.stored {
                    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'revision'")
                        .bind(self.last)
                        .execute(connection)
                        .await?;
                }
                Ok(())
            }
        }

        async fn take_in(
            connection: &mut $connection,
            source: &SourceName,
            mut delivery: Delivery,
            revision: &mut Revision,
        ) -> sqlx::Result<Applied> {
            for kind in delivery.kinds() {
                for rows in delivery.chunks(kind, ROWS) {
                    let stored = stored(connection, source, kind, &rows).await?;
                    let changes = delivery.changes(rows, &stored);
                    if !changes.new.is_empty() {
                        restored(connection, source, kind, changes.new).await?;
                    }
                    if !changes.rows.is_empty() {
                        upsert(connection, source, &changes.rows, revision).await?;
                    }
                }
            }
            Ok(delivery.applied)
        }

        async fn take_out(
            connection: &mut $connection,
            removals: BTreeSet<FactKey>,
            revision: &mut Revision,
            applied: &mut Applied,
        ) -> sqlx::Result<()> {
            for key in removals {
                let gone =
                    sqlx::query("DELETE FROM facts WHERE source = $1 AND kind = $2 AND id = $3")
                        .bind(key.source.as_str())
                        .bind(key.kind.as_str())
                        .bind(key.id.as_str())
                        .execute(&mut *connection)
                        .await?;
                if gone.rows_affected() == 0 {
                    continue;
                }
                sqlx::query(
                    "INSERT INTO removals (revision, source, kind, id) VALUES ($1, $2, $3, $4)",
                )
                .bind(revision.next())
                .bind(key.source.as_str())
                .bind(key.kind.as_str())
                .bind(key.id.as_str())
                .execute(&mut *connection)
                .await?;
                applied.by_kind.entry(key.kind).or_default().removed += 1;
            }
            Ok(())
        }

        async fn forget_cursors(
            connection: &mut $connection,
            source: &SourceName,
            streams: &[String],
        ) -> sqlx::Result<()> {
            for stream in streams {
                sqlx::query("DELETE FROM cursors WHERE source = $1 AND stream = $2")
                    .bind(source.as_str())
                    .bind(stream)
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        }

        async fn set_cursors(
            connection: &mut $connection,
            source: &SourceName,
            cursors: &[(String, String)],
        ) -> sqlx::Result<()> {
            for (stream, value) in cursors {
                sqlx::query(
                    "INSERT INTO cursors (source, stream, value) VALUES ($1, $2, $3) \
                     ON CONFLICT (source, stream) DO UPDATE SET value = excluded.value",
                )
                .bind(source.as_str())
                .bind(stream)
                .bind(value)
                .execute(&mut *connection)
                .await?;
            }
            Ok(())
        }

        async fn set_validators(
            connection: &mut $connection,
            source: &SourceName,
            validators: &[Validator],
        ) -> sqlx::Result<()> {
            for validator in validators {
                sqlx::query(
                    "INSERT INTO validators (source, key, etag, last_modified, next) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source, key) DO UPDATE SET \
                     etag = excluded.etag, last_modified = excluded.last_modified, \
                     next = excluded.next",
                )
                .bind(source.as_str())
                .bind(&validator.key)
                .bind(&validator.etag)
                .bind(&validator.last_modified)
                .bind(&validator.next)
                .execute(&mut *connection)
                .await?;
            }
            Ok(())
        }
    };
}

pub(super) use implement_store;
