//! Migrations run on stores that hold something: each has a file of rows of the same name in
//! `tests/data/migrations`, which the later ones and the present code must carry on.

use std::path::{Path, PathBuf};

use engkpi::store::postgres::PostgresStore;
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Store};
use expect_test::expect_file;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::postgres_server::fresh_database;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts(backend: &str) -> PathBuf {
    project().join("src/store/migrations").join(backend)
}

async fn migrator(backend: &str) -> Migrator {
    let mut migrator = Migrator::new(scripts(backend)).await.unwrap();
    migrator.dangerous_set_table_name("engkpi_migrations");
    migrator
}

/// The rows that were there after migration `version`, as SQL that both backends understand.
fn rows_after(version: i64) -> String {
    let directory = project().join("tests/data/migrations");
    let prefix = format!("{version:04}_");
    let script = std::fs::read_dir(scripts("sqlite"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with(&prefix))
        .unwrap();
    let file = directory.join(&script);
    std::fs::read_to_string(&file).unwrap_or_else(|_| {
        panic!("add {}: rows as they were after this migration", file.display())
    })
}

/// Everything that a reader finds in a store that has come all the way.
async fn content(store: &dyn Store) -> String {
    let (changes, revision) = store.changes_since(0, 1000).await.unwrap();
    let state = store.source_state(&"github".into()).await.unwrap();
    let cursor = store.cursor(&"github".into(), "pulls/7").await.unwrap();
    let validator = store.validator(&"github".into(), "0a1b").await.unwrap();
    format!("{changes:#?}\n{revision}\n{state:#?}\n{cursor:#?}\n{validator:#?}\n")
}

fn expected() -> expect_test::ExpectFile {
    expect_file!["../../data/migrations/expected.txt"]
}

#[tokio::test]
async fn rows_of_every_age_are_read_by_the_present_code_from_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engkpi.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let migrator = migrator("sqlite").await;
    for migration in migrator.iter() {
        migrator.run_to(migration.version, &mut connection).await.unwrap();
        connection.execute(AssertSqlSafe(rows_after(migration.version))).await.unwrap();
    }
    connection.close().await.unwrap();
    let store = SqliteStore::open(&path, Access::Write).await.unwrap();
    expected().assert_eq(&content(&store).await);
}

#[tokio::test]
async fn rows_of_every_age_are_read_by_the_present_code_from_postgres() {
    let Some(address) = fresh_database().await else { return };
    let mut connection = PgConnection::connect(&address).await.unwrap();
    let migrator = migrator("postgres").await;
    for migration in migrator.iter() {
        migrator.run_to(migration.version, &mut connection).await.unwrap();
        connection.execute(AssertSqlSafe(rows_after(migration.version))).await.unwrap();
    }
    let store = PostgresStore::open(&address, Access::Write).await.unwrap();
    expected().assert_eq(&content(&store).await);
}
