//! The conformance suite of the store: every backend tells the same stories.

pub(crate) mod disk;
pub(crate) mod memory;
mod migrations;
mod postgres;
mod postgres_server;
pub(crate) mod sample;
mod sqlite;
mod stories;

use std::sync::Arc;

use async_trait::async_trait;
use engkpi::store::postgres::PostgresStore;
use engkpi::store::sqlite::SqliteStore;
use engkpi::store::{Access, SharedStore};
use tempfile::TempDir;

use self::memory::MemoryStore;

/// A place where a store can be opened again and again.
#[async_trait]
trait Backend: Send + Sync {
    async fn open(&self, access: Access) -> SharedStore;
}

struct Sqlite(TempDir);

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self, access: Access) -> SharedStore {
        Arc::new(SqliteStore::open(&self.0.path().join("engkpi.db"), access).await.unwrap())
    }
}

struct Postgres(String);

#[async_trait]
impl Backend for Postgres {
    async fn open(&self, access: Access) -> SharedStore {
        Arc::new(PostgresStore::open(&self.0, access).await.unwrap())
    }
}

/// Keeps its content as long as it lives, and does not know what it was opened for.
struct Memory(Arc<MemoryStore>);

#[async_trait]
impl Backend for Memory {
    async fn open(&self, _access: Access) -> SharedStore {
        self.0.clone()
    }
}

async fn sqlite() -> Option<Sqlite> {
    Some(Sqlite(tempfile::tempdir().unwrap()))
}

async fn postgres() -> Option<Postgres> {
    postgres_server::fresh_database().await.map(Postgres)
}

async fn memory() -> Option<Memory> {
    Some(Memory(Arc::new(MemoryStore::default())))
}

/// Lists the stories once and has each told by every backend.
macro_rules! conformance {
    ($($story:ident),* $(,)?) => {
        conformance!(@ on_sqlite sqlite [$($story)*]);
        conformance!(@ on_postgres postgres [$($story)*]);
        conformance!(@ on_the_model memory [$($story)*]);
    };
    (@ $module:ident $backend:ident [$($story:ident)*]) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $story() {
                    if let Some(backend) = super::$backend().await {
                        super::stories::$story(&backend).await;
                    }
                }
            )*
        }
    };
}

conformance!(
    an_empty_store_knows_nothing,
    a_fact_of_every_kind_comes_back_as_it_was,
    delivered_twice_it_is_one_fact_and_no_change,
    the_newest_version_wins_in_any_order,
    of_equally_new_versions_the_later_delivery_wins,
    two_sources_may_use_the_same_id,
    facts_and_ids_are_listed_below_their_parent_in_order,
    a_removed_fact_is_gone_and_readers_hear_of_it,
    a_removed_fact_may_come_back,
    what_a_batch_delivers_it_does_not_remove,
    cursors_are_set_and_forgotten_by_source,
    validators_are_replaced_whole,
    the_state_of_a_source_is_kept,
    changes_come_in_pages_each_once_and_in_order,
    a_large_batch_is_taken_in_whole,
    a_fact_that_cannot_be_stored_costs_only_itself,
    an_interrupted_commit_leaves_all_or_nothing,
    a_reader_beside_writers_misses_nothing,
    everything_is_there_after_a_restart,
    permuted_and_repeated_deliveries_end_in_the_same_rows,
    a_reader_that_looks_now_and_then_ends_with_the_same_facts,
);
