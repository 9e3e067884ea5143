//! The embedded store: one SQLite file, no service to run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, Transaction};

use super::lock::WriterLock;
use super::plan::Delivery;
use super::row::{self, Row};
use super::sql::implement_store;
use super::{Access, Applied, Batch, Delta, SourceState, Store, StoreError, Validator, migrations};
use crate::domain::{Fact, FactKey, Kind, SourceName};

/// Marks the file as ours; the first migration sets it.
const APPLICATION_ID: i64 = 0x454B_5049;
/// How long to wait for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for a free connection: commits queue for the one writer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);
const READERS: u32 = 4;
/// Rows in one statement: eight values each, far below SQLite's limit of 32,766.
const ROWS: usize = 500;
const LOCK_REVISION: &str = "SELECT value FROM meta WHERE name = 'revision'";
/// What a reading connection keeps, in KiB as SQLite wants it: what is read is read once.
const READING_CACHE: &str = "-512";
/// Settings of the writing connection. Ids are scattered over the indices: with a cache of 16 MiB
/// and a write-ahead log of 32 MiB before it is worked in (in pages), a first sync takes half the
/// time. After a long transaction the log is cut back to 64 MiB (in bytes).
const WRITING: [(&str, &str); 3] =
    [("cache_size", "-16384"), ("wal_autocheckpoint", "8192"), ("journal_size_limit", "67108864")];

/// A store in a SQLite file. One connection writes and several read, so that reading never waits
/// for writing.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// Absent when opened for reading.
    writer: Option<SqlitePool>,
    readers: SqlitePool,
    _lock: Option<WriterLock>,
}

impl SqliteStore {
    /// Opens the store at `path`.
    ///
    /// For writing, the file and its directory are created as needed, for this user's eyes only,
    /// and the schema is brought up to date.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if another process writes it, if it is not an engkpi store, is
    /// damaged or has a newer schema, or if it is opened for reading and is not there;
    /// [`StoreError::Unavailable`] if it is locked or the disk is full.
    pub async fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        match access {
            Access::Write => Self::open_for_writing(path).await,
            Access::Read => Self::open_for_reading(path).await,
        }
    }

    async fn open_for_writing(path: &Path) -> Result<Self, StoreError> {
        create(path).map_err(|error| cannot_open(path, &error))?;
        let path = path.canonicalize().map_err(|error| cannot_open(path, &error))?;
        let lock = WriterLock::take(&path)?;
        let failed = |error| failed(&path, error);

        inspect(&path).await?;
        let options = options(&path)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may take the last transactions, whole: rows and the cursors that cover
            // them. They are polled again.
            .synchronous(SqliteSynchronous::Normal);
        let options =
            WRITING.into_iter().fold(options, |options, (name, value)| options.pragma(name, value));
        // A full disk ends a transaction behind the driver's back, and it would go on believing in
        // it: such a connection is not used again.
        let writer = pool(1)
            .before_acquire(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options)
            .await
            .map_err(failed)?;
        check(&writer).await.map_err(failed)?.map_err(|damage| damaged(&path, &damage))?;
        migrations::migrator(migrations::SQLITE)
            .run(&writer)
            .await
            .map_err(|error| about(&path, migrations::failed(error, failed)))?;
        let readers = pool(READERS).connect_with(reading(&path)).await.map_err(failed)?;
        Ok(Self { path, writer: Some(writer), readers, _lock: Some(lock) })
    }

    async fn open_for_reading(path: &Path) -> Result<Self, StoreError> {
        match Self::open_as_it_is(path).await {
            // What was killed in the middle may have left a journal that a reader cannot undo.
            Err(StoreError::Unavailable(_)) if undo_journal(path).await.is_ok() => {
                Self::open_as_it_is(path).await
            }
            other => other,
        }
    }

    async fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => empty(path),
            _ => cannot_open(path, &error),
        })?;
        if inspect(&path).await? == Contents::Nothing {
            return Err(empty(&path));
        }
        let readers =
            pool(READERS).connect_with(reading(&path)).await.map_err(|e| failed(&path, e))?;
        let applied: Vec<i64> =
            sqlx::query_scalar("SELECT version FROM engkpi_migrations ORDER BY version")
                .fetch_all(&readers)
                .await
                .map_err(|error| failed(&path, error))?;
        migrations::readable(&applied, migrations::SQLITE).map_err(|error| about(&path, error))?;
        Ok(Self { path, writer: None, readers, _lock: None })
    }

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    fn writable(&self) -> Result<&SqlitePool, StoreError> {
        self.writer.as_ref().ok_or_else(|| {
            StoreError::Unusable(format!("{} was opened for reading only", self.path.display()))
        })
    }

    /// Takes the right to write at once: a transaction that began as a reader could not be sure
    /// to get it.
    async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.writer.as_ref().unwrap_or(&self.readers).begin_with("BEGIN IMMEDIATE").await
    }

    async fn run<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        work.await.map_err(|error| failed(&self.path, error))
    }

    async fn disconnect(&self) {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }
}

implement_store!(SqliteStore, SqliteConnection);

/// What is stored under the ids of `rows`: version and body by id.
async fn stored(
    connection: &mut SqliteConnection,
    source: &SourceName,
    kind: Kind,
    rows: &[Row],
) -> sqlx::Result<HashMap<String, (i64, String)>> {
    let ids: serde_json::Value = rows.iter().map(|row| row.id.as_str()).collect();
    let found: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT id, updated_at, body FROM facts WHERE source = $1 AND kind = $2 \
         AND id IN (SELECT value FROM json_each($3))",
    )
    .bind(source.as_str())
    .bind(kind.as_str())
    .bind(ids.to_string())
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(|(id, updated_at, body)| (id, (updated_at, body))).collect())
}

/// Forgets that these were removed once.
async fn restored(
    connection: &mut SqliteConnection,
    source: &SourceName,
    kind: Kind,
    ids: Vec<String>,
) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM removals WHERE source = $1 AND kind = $2 \
         AND id IN (SELECT value FROM json_each($3))",
    )
    .bind(source.as_str())
    .bind(kind.as_str())
    .bind(serde_json::Value::from(ids).to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn upsert(
    connection: &mut SqliteConnection,
    source: &SourceName,
    rows: &[Row],
    revision: &mut Revision,
) -> sqlx::Result<()> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO facts (revision, source, kind, id, parent, occurred_at, updated_at, body) ",
    );
    insert.push_values(rows, |mut values, row| {
        values
            .push_bind(revision.next())
            .push_bind(source.as_str())
            .push_bind(row.kind.as_str())
            .push_bind(row.id.as_str())
            .push_bind(row.parent.as_deref())
            .push_bind(row.occurred_at)
            .push_bind(row.updated_at)
            .push_bind(row.body.as_str());
    });
    insert.push(
        " ON CONFLICT (source, kind, id) DO UPDATE SET revision = excluded.revision, \
         parent = excluded.parent, occurred_at = excluded.occurred_at, \
         updated_at = excluded.updated_at, body = excluded.body",
    );
    // A statement of every length would push the others out of the cache.
    let reused = rows.len() == ROWS;
    insert.build().persistent(reused).execute(connection).await?;
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Lets SQLite bring the file back to its last commit, which it does for whoever may write.
async fn undo_journal(path: &Path) -> sqlx::Result<()> {
    let mut connection = options(path).create_if_missing(false).connect().await?;
    sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut connection).await?;
    connection.close().await
}

fn reading(path: &Path) -> SqliteConnectOptions {
    options(path).read_only(true).pragma("cache_size", READING_CACHE)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the file readable by nobody else before SQLite writes to it; SQLite gives its companion
/// files the same mode.
fn create(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// No table yet, or only the one in which migrations are recorded.
    Nothing,
    /// A store of ours.
    Ours,
}

/// Looks into the file without changing it, and refuses what is not ours.
async fn inspect(path: &Path) -> Result<Contents, StoreError> {
    let look = async {
        let mut connection = reading(path).connect().await?;
        let id: i64 =
            sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await?;
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema").fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok((id, tables))
    };
    let (id, tables): (i64, Vec<String>) = look.await.map_err(|error| failed(path, error))?;
    let own = |name: &String| name.contains(migrations::TABLE);
    match id {
        APPLICATION_ID => Ok(Contents::Ours),
        0 if tables.iter().all(own) => Ok(Contents::Nothing),
        _ => Err(StoreError::Unusable(format!(
            "{} is a database of another program; choose another path in `store.sqlite`",
            path.display()
        ))),
    }
}

fn empty(path: &Path) -> StoreError {
    StoreError::Unusable(format!(
        "there is nothing in {} yet; `engkpi sync` or `engkpi run` fills it",
        path.display()
    ))
}

/// Why a file could not be opened.
pub(super) fn cannot_open(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{} cannot be opened: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Unavailable(text),
        _ => StoreError::Unusable(text),
    }
}

/// Looks at every page, which takes a second a gigabyte: better no start than wrong numbers.
async fn check(writer: &SqlitePool) -> sqlx::Result<Result<(), String>> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(writer).await?;
    // The cache is full of pages that nobody wants, and would stay so until there is much to write.
    sqlx::query("PRAGMA shrink_memory").execute(writer).await?;
    Ok(if verdict == "ok" { Ok(()) } else { Err(verdict) })
}

fn damaged(path: &Path, damage: &str) -> StoreError {
    StoreError::Unusable(format!(
        "{} is damaged ({damage}); restore a backup, or move it away and let `engkpi sync` collect \
         everything again",
        path.display()
    ))
}

fn about(path: &Path, error: StoreError) -> StoreError {
    let name = path.display().to_string();
    match error {
        StoreError::Unusable(text) if !text.contains(&name) => {
            StoreError::Unusable(format!("{name}: {text}"))
        }
        other => other,
    }
}

/// Tells what may work later from what will not. The numbers are SQLite's primary result codes.
fn failed(path: &Path, error: sqlx::Error) -> StoreError {
    let name = path.display();
    let sqlx::Error::Database(error) = error else {
        return match error {
            sqlx::Error::PoolTimedOut => {
                StoreError::Unavailable(format!("{name}: every connection is busy"))
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Unusable(format!("{name} cannot be read: {error}"))
            }
            error => StoreError::Unavailable(format!("{name}: {error}")),
        };
    };
    let message = error.message();
    let code = error.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or_default();
    match code & 0xff {
        5 | 6 => StoreError::Unavailable(format!("{name} is locked by another process")),
        13 => StoreError::Unavailable(format!("{name}: the disk is full")),
        11 => damaged(path, message),
        26 => StoreError::Unusable(format!("{name} is not an SQLite database")),
        1 | 19 | 20 | 25 => StoreError::Unusable(format!("{name}: {message}")),
        _ => StoreError::Unavailable(format!("{name}: {message}")),
    }
}
