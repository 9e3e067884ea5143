//! What only a database server has to be told or can do.

use engkpi::domain::Kind;
use engkpi::store::postgres::PostgresStore;
use engkpi::store::{Access, Batch, Store, StoreError};
use sqlx::{Connection, Executor, PgConnection};

use super::postgres_server::fresh_database;
use super::sample::{event, source};

fn some(count: usize) -> Batch {
    Batch { facts: (0..count).map(|n| event(&n.to_string(), "Q1")).collect(), ..Batch::default() }
}

async fn refusal(address: &str, access: Access) -> String {
    match PostgresStore::open(address, access).await {
        Err(StoreError::Unusable(text)) => text,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn reading_an_empty_database_says_what_fills_it() {
    let Some(address) = fresh_database().await else { return };
    let text = refusal(&address, Access::Read).await;
    assert!(text.contains("there is nothing in the database yet"), "{text}");
}

#[tokio::test]
async fn a_reader_can_not_write() {
    let Some(address) = fresh_database().await else { return };
    let writer = PostgresStore::open(&address, Access::Write).await.unwrap();
    writer.commit(&source(), some(3)).await.unwrap();
    let reader = PostgresStore::open(&address, Access::Read).await.unwrap();
    assert_eq!(reader.counts().await.unwrap()[&Kind::IncidentEvent], 3);
    let refused = reader.commit(&source(), some(4)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused}");
}

#[tokio::test]
async fn two_collectors_take_turns() {
    let Some(address) = fresh_database().await else { return };
    let one = PostgresStore::open(&address, Access::Write).await.unwrap();
    let two = PostgresStore::open(&address, Access::Write).await.unwrap();
    let source = source();
    for _ in 0..10 {
        let (first, second) =
            tokio::join!(one.commit(&source, some(200)), two.commit(&source, some(200)));
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(one.counts().await.unwrap()[&Kind::IncidentEvent], 200);
    let (changes, _) = two.changes_since(0, 10_000).await.unwrap();
    assert_eq!(changes.len(), 200, "what both delivered is stored once");
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let Some(address) = fresh_database().await else { return };
    let store = PostgresStore::open(&address, Access::Write).await.unwrap();
    store.commit(&source(), some(1)).await.unwrap();
    let mut other = PgConnection::connect(&address).await.unwrap();
    for round in 2..6 {
        other
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        // The first try may meet the dead connection; it says so, and the next one works.
        if let Err(error) = store.commit(&source(), some(round)).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            store.commit(&source(), some(round)).await.unwrap();
        }
    }
    assert_eq!(store.counts().await.unwrap()[&Kind::IncidentEvent], 5);
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_and_not_repeated() {
    for address in ["c4nary", "mysql://me:c4nary@db/kpi", "postgres://me:c4nary@db:port/kpi"] {
        let text = refusal(address, Access::Write).await;
        assert!(text.contains("postgres://user:password@host:port/database"), "{text}");
        assert!(!text.contains("c4nary"), "{text}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused() {
    let Some(address) = fresh_database().await else { return };
    let text = refusal(&address.replace("engkpi_test_", "engkpi_none_"), Access::Write).await;
    assert!(text.contains("does not exist"), "{text}");
}

#[tokio::test]
async fn tables_of_another_program_are_left_alone() {
    let Some(address) = fresh_database().await else { return };
    let mut other = PgConnection::connect(&address).await.unwrap();
    other.execute("CREATE TABLE facts (fun TEXT)").await.unwrap();
    let text = refusal(&address, Access::Write).await;
    assert!(text.contains("\"facts\" already exists"), "{text}");
    other.execute("INSERT INTO facts (fun) VALUES ('still ours')").await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(address) = fresh_database().await else { return };
    drop(PostgresStore::open(&address, Access::Write).await.unwrap());
    let mut other = PgConnection::connect(&address).await.unwrap();
    other
        .execute(
            "INSERT INTO engkpi_migrations (version, description, success, checksum, \
             execution_time) VALUES (9999, 'future', TRUE, '\\x00', 0)",
        )
        .await
        .unwrap();
    for access in [Access::Write, Access::Read] {
        let text = refusal(&address, access).await;
        assert!(text.contains("a newer version of engkpi has written it"), "{text}");
    }
}
