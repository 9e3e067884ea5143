//! What only the embedded store has to take care of: its file.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engkpi::domain::Kind;
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, Batch, Settings, Store, StoreError, open_patiently};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::disk::SmallDisk;
use super::sample::{event, incident, one_of_each, source};

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Access::Write).await.unwrap()
}

async fn refusal(path: &Path, access: Access) -> String {
    match SqliteStore::open(path, access).await {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

fn some(count: usize) -> Batch {
    Batch {
        facts: (0..count).map(|n| event(&n.to_string(), "Q1")).collect(),
        cursors: vec![("events".to_owned(), count.to_string())],
        ..Batch::default()
    }
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engkpi.db");
    (directory, path)
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_refuses_to_start() {
    let (directory, path) = place();
    let first = open(&path).await;
    let expected = format!("in use by another engkpi, process {}", std::process::id());
    assert!(refusal(&path, Access::Write).await.contains(&expected));
    let link = directory.path().join("link.db");
    symlink(&path, &link).unwrap();
    assert!(refusal(&link, Access::Write).await.contains("in use"), "by any name");
    first.commit(&source(), some(1)).await.unwrap();
    drop(first);
    open(&path).await;
}

#[tokio::test]
async fn evaluating_works_beside_a_running_daemon() {
    let (_directory, path) = place();
    let daemon = open(&path).await;
    daemon.commit(&source(), some(3)).await.unwrap();
    let reader = SqliteStore::open(&path, Access::Read).await.unwrap();
    assert_eq!(reader.counts().await.unwrap()[&Kind::IncidentEvent], 3);
    daemon.commit(&source(), some(5)).await.unwrap();
    assert_eq!(reader.counts().await.unwrap()[&Kind::IncidentEvent], 5);
    let refused = reader.commit(&source(), some(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused}");
}

#[tokio::test]
async fn evaluating_works_where_no_daemon_runs() {
    let (directory, path) = place();
    let daemon = open(&path).await;
    daemon.commit(&source(), some(3)).await.unwrap();
    daemon.close().await;
    drop(daemon);
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["engkpi.db", "engkpi.db.lock"], "closing leaves one complete file");
    let reader = SqliteStore::open(&path, Access::Read).await.unwrap();
    assert_eq!(reader.counts().await.unwrap()[&Kind::IncidentEvent], 3);
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/engkpi.db");
    let store = open(&path).await;
    store.commit(&source(), some(10)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn reading_what_is_not_there_says_what_fills_it() {
    let (_directory, path) = place();
    let nothing = refusal(&path, Access::Read).await;
    assert!(
        nothing.contains("there is nothing in") && nothing.contains("engkpi sync"),
        "{nothing}"
    );
    assert!(!path.exists(), "looking creates nothing");
    std::fs::write(&path, "").unwrap();
    assert!(refusal(&path, Access::Read).await.contains("there is nothing in"));
}

#[tokio::test]
async fn a_start_that_was_cut_off_before_the_first_migration_is_taken_up() {
    let (_directory, path) = place();
    let mut connection = raw(&path).await;
    connection.execute("PRAGMA journal_mode = WAL").await.unwrap();
    connection
        .execute(
            "CREATE TABLE engkpi_migrations (version BIGINT PRIMARY KEY, description TEXT NOT \
             NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN \
             NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert!(refusal(&path, Access::Read).await.contains("there is nothing in"));
    open(&path).await.commit(&source(), some(1)).await.unwrap();
}

#[tokio::test]
async fn a_reader_undoes_what_a_killed_process_left_half_done() {
    let (_directory, path) = place();
    let store = open(&path).await;
    store.commit(&source(), some(300)).await.unwrap();
    store.close().await;
    // A transaction that is written to the file and not committed, as it lies on the disk.
    let mut connection = raw(&path).await;
    for statement in ["PRAGMA journal_mode = DELETE", "PRAGMA cache_size = 1", "BEGIN"] {
        connection.execute(statement).await.unwrap();
    }
    connection.execute("UPDATE facts SET body = zeroblob(2000) || body").await.unwrap();
    let (_elsewhere, copy) = place();
    let journal = |path: &Path| PathBuf::from(format!("{}-journal", path.display()));
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(journal(&path), journal(&copy)).expect("the transaction has a journal");

    let reader = SqliteStore::open(&copy, Access::Read).await.unwrap();
    assert_eq!(reader.facts(&source(), Kind::IncidentEvent, None).await.unwrap().len(), 300);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let mut connection = raw(&path).await;
    connection.execute("CREATE TABLE bookmarks (url TEXT)").await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    for access in [Access::Write, Access::Read] {
        assert!(refusal(&path, access).await.contains("is a database of another program"));
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = place();
    let text = "history = \"precious\"\n".repeat(500);
    std::fs::write(&path, &text).unwrap();
    for access in [Access::Write, Access::Read] {
        assert!(refusal(&path, access).await.contains("is not an SQLite database"));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_directory, path) = place();
    drop(open(&path).await);
    let mut connection = raw(&path).await;
    connection
        .execute(
            "INSERT INTO engkpi_migrations (version, description, success, checksum, \
             execution_time) VALUES (9999, 'future', TRUE, x'00', 0)",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();
    for access in [Access::Write, Access::Read] {
        let text = refusal(&path, access).await;
        assert!(text.contains("a newer version of engkpi has written it"), "{text}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_way_out() {
    let (_directory, path) = place();
    let store = open(&path).await;
    store.commit(&source(), some(2_000)).await.unwrap();
    store.close().await;
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    for page in [1, pages / 3, pages / 2, pages - 2] {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        std::fs::write(&path, &bytes).unwrap();
        let text = refusal(&path, Access::Write).await;
        assert!(text.contains("is damaged") && text.contains("engkpi sync"), "page {page}: {text}");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&path, Access::Write).await.contains("is damaged"), "cut in half");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(open(&path).await.counts().await.unwrap()[&Kind::IncidentEvent], 2_000);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let text = refusal(directory.path(), Access::Write).await;
    assert!(text.contains(&directory.path().display().to_string()), "{text}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = refusal(&file.join("engkpi.db"), Access::Write).await;
    assert!(text.contains("cannot be opened"), "{text}");
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_unavailable_until_it_lets_go() {
    let (_directory, path) = place();
    let store = open(&path).await;
    let mut other = raw(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = store.commit(&source(), some(1)).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("locked")),
        "{error:?}"
    );
    assert_eq!(store.cursor(&source(), "events").await.unwrap(), None, "reading works meanwhile");
    other.execute("ROLLBACK").await.unwrap();
    store.commit(&source(), some(1)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    let path = disk.path().join("engkpi.db");
    let store = open(&path).await;
    store.commit(&source(), some(10)).await.unwrap();
    disk.fill(0);

    let mut full = None;
    for round in 1..50 {
        if let Err(error) = store.commit(&source(), some(100 * round)).await {
            full = Some((round, error));
            break;
        }
    }
    let (round, error) = full.expect("2 MiB are not enough for this");
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("the disk is full")),
        "{error:?}"
    );
    let rows = store.counts().await.unwrap()[&Kind::IncidentEvent];
    let cursor = store.cursor(&source(), "events").await.unwrap().unwrap();
    assert_eq!(rows.to_string(), cursor, "what is there is what the last commit left");

    disk.make_room();
    store.commit(&source(), some(100 * round)).await.unwrap();
    assert_eq!(
        store.counts().await.unwrap()[&Kind::IncidentEvent],
        100 * u64::try_from(round).unwrap()
    );
}

#[tokio::test]
async fn a_daemon_waits_for_a_store_that_may_still_come() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    disk.fill(0);
    let settings = Settings { sqlite: Some(disk.path().join("engkpi.db")), postgres: None };
    let opened = tokio::spawn(async move { open_patiently(&settings).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!opened.is_finished(), "{:?}", opened.await);
    disk.make_room();
    opened.await.unwrap().unwrap().commit(&source(), some(1)).await.unwrap();

    let (_directory, path) = place();
    std::fs::write(&path, "precious").unwrap();
    let settings = Settings { sqlite: Some(path), postgres: None };
    assert!(open_patiently(&settings).await.is_err(), "waiting would not help");
}

#[tokio::test]
async fn the_mode_that_an_administrator_chose_stays() {
    let (_directory, path) = place();
    let store = open(&path).await;
    store.commit(&source(), Batch { facts: one_of_each(), ..Batch::default() }).await.unwrap();
    store.close().await;
    drop(store);
    // The administrator's own mode stays: group members may look.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let store = open(&path).await;
    store
        .commit(&source(), Batch { facts: vec![incident("Q7", 1, "P1")], ..Batch::default() })
        .await
        .unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
}
