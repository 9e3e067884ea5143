//! The store in PostgreSQL, or in anything that speaks its protocol and dialect.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, Postgres, Transaction};

use super::plan::Delivery;
use super::row::{self, Row};
use super::sql::implement_store;
use super::{Access, Applied, Batch, Delta, SourceState, Store, StoreError, Validator, migrations};
use crate::domain::{Fact, FactKey, Kind, SourceName};

const CONNECTIONS: u32 = 8;
/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// A server that vanished without a word is given up on after this; its own timeouts, below, end
/// what a vanished engkpi left behind.
const DEADLINE: Duration = Duration::from_secs(120);
const SESSION: &str = "SET statement_timeout = '60s'; SET lock_timeout = '30s'; \
                       SET idle_in_transaction_session_timeout = '60s'";
const READING: &str = "SET default_transaction_read_only = on";
const LOCK_REVISION: &str = "SELECT value FROM meta WHERE name = 'revision' FOR UPDATE";
/// Rows in one statement.
const ROWS: usize = 1000;

/// A store in a PostgreSQL database, in the first schema of the user's search path.
///
/// Several processes may write it: they take turns, and what both deliver is stored once.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    access: Access,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://user:password@host/database`). For writing,
    /// the schema is brought up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the server cannot be reached; [`StoreError::Unusable`] if
    /// it refuses the user, the database is not there, its schema is newer or somebody else's, or,
    /// for reading, there is none.
    pub async fn open(url: &str, access: Access) -> Result<Self, StoreError> {
        Self::open_within(ACQUIRE_TIMEOUT, url, access).await
    }

    /// The same, with another time to wait for a connection.
    async fn open_within(
        patience: Duration,
        url: &str,
        access: Access,
    ) -> Result<Self, StoreError> {
        let options = parse(url)?.application_name("engkpi").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(patience)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(SESSION).await?;
                    if access == Access::Read {
                        connection.execute(READING).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await
            .map_err(failed)?;
        let store = Self { pool, access };
        store.prepare().await?;
        Ok(store)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => migrations::migrator(migrations::POSTGRES)
                .run(&self.pool)
                .await
                .map_err(|error| migrations::failed(error, failed)),
            Access::Read => {
                let exists: bool =
                    sqlx::query_scalar("SELECT to_regclass('engkpi_migrations') IS NOT NULL")
                        .fetch_one(&self.pool)
                        .await
                        .map_err(failed)?;
                if !exists {
                    return Err(StoreError::Unusable(
                        "there is nothing in the database yet; `engkpi sync` or `engkpi run` \
                         fills it"
                            .to_owned(),
                    ));
                }
                let applied: Vec<i64> =
                    sqlx::query_scalar("SELECT version FROM engkpi_migrations ORDER BY version")
                        .fetch_all(&self.pool)
                        .await
                        .map_err(failed)?;
                migrations::readable(&applied, migrations::POSTGRES)
            }
        }
    }

    fn readers(&self) -> &PgPool {
        &self.pool
    }

    fn writable(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => {
                Err(StoreError::Unusable("the database was opened for reading only".to_owned()))
            }
        }
    }

    async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        self.pool.begin().await
    }

    async fn run<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(done) => done.map_err(failed),
            Err(_) => Err(StoreError::Unavailable(format!(
                "the database gave no answer within {} seconds",
                DEADLINE.as_secs()
            ))),
        }
    }

    async fn disconnect(&self) {
        self.pool.close().await;
    }
}

implement_store!(PostgresStore, PgConnection);

/// What is stored under the ids of `rows`: version and body by id.
async fn stored(
    connection: &mut PgConnection,
    source: &SourceName,
    kind: Kind,
    rows: &[Row],
) -> sqlx::Result<HashMap<String, (i64, String)>> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let found: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT id, updated_at, body FROM facts WHERE source = $1 AND kind = $2 AND id = ANY($3)",
    )
    .bind(source.as_str())
    .bind(kind.as_str())
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(|(id, updated_at, body)| (id, (updated_at, body))).collect())
}

/// Forgets that these were removed once.
async fn restored(
    connection: &mut PgConnection,
    source: &SourceName,
    kind: Kind,
    ids: Vec<String>,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM removals WHERE source = $1 AND kind = $2 AND id = ANY($3)")
        .bind(source.as_str())
        .bind(kind.as_str())
        .bind(ids)
        .execute(connection)
        .await?;
    Ok(())
}

async fn upsert(
    connection: &mut PgConnection,
    source: &SourceName,
    rows: &[Row],
    revision: &mut Revision,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO facts (source, revision, kind, id, parent, occurred_at, updated_at, body) \
         SELECT $1, fact.* FROM UNNEST($2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], \
         $6::BIGINT[], $7::BIGINT[], $8::TEXT[]) AS fact \
         ON CONFLICT (source, kind, id) DO UPDATE SET revision = excluded.revision, \
         parent = excluded.parent, occurred_at = excluded.occurred_at, \
         updated_at = excluded.updated_at, body = excluded.body",
    )
    .bind(source.as_str())
    .bind(rows.iter().map(|_| revision.next()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parent.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.occurred_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.updated_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.body.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn parse(address: &str) -> Result<PgConnectOptions, StoreError> {
    let ours = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    match PgConnectOptions::from_str(address) {
        Ok(options) if ours => Ok(options),
        // What the driver says would quote the address, and with it the password.
        _ => Err(StoreError::Unusable(
            "`store.postgres` is not an address of the form \
             postgres://user:password@host:port/database"
                .to_owned(),
        )),
    }
}

/// Tells what may work later from what will not, by the class of the SQLSTATE: lost connections
/// (08), missing resources (53), an operator's doing (57), lost races (40, 55), a standby (25006)
/// and failing disks (58) pass; the rest needs somebody's help.
fn failed(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let text = format!("{} (SQLSTATE {code})", error.message());
            let passing = ["08", "53", "57", "40", "55", "58", "25006"];
            if passing.iter().any(|prefix| code.starts_with(prefix)) {
                StoreError::Unavailable(text)
            } else {
                StoreError::Unusable(text)
            }
        }
        sqlx::Error::PoolTimedOut => StoreError::Unavailable(format!(
            "no connection to the database within {} seconds",
            ACQUIRE_TIMEOUT.as_secs()
        )),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Unusable(format!("the database cannot be read: {error}"))
        }
        error => StoreError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable_and_no_password_is_told() {
        let address = "postgres://me:c4nary@127.0.0.1:1/kpi";
        let patience = Duration::from_millis(300);
        let opened = PostgresStore::open_within(patience, address, Access::Write).await;
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(!error.to_string().contains("c4nary"), "{error}");
    }
}
