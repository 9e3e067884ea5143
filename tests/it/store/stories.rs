//! What any store does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engkpi::domain::{Extent, Fact, FactKey, Kind, SourceName};
use engkpi::store::{
    Access, Applied, AppliedCounts, Batch, Delta, SharedStore, SourceState, Store, Validator,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::Backend;
use super::memory::MemoryStore;
use super::sample::{at, event, incident, key, one_of_each, repository, source};

async fn writer(backend: &dyn Backend) -> SharedStore {
    backend.open(Access::Write).await
}

async fn deliver(store: &dyn Store, facts: Vec<Fact>) -> Applied {
    store.commit(&source(), Batch { facts, ..Batch::default() }).await.unwrap()
}

async fn remove(store: &dyn Store, removed: Vec<FactKey>) -> Applied {
    store.commit(&source(), Batch { removed, ..Batch::default() }).await.unwrap()
}

fn counts(applied: &Applied, kind: Kind) -> AppliedCounts {
    applied.by_kind.get(&kind).copied().unwrap_or_default()
}

/// Everything that happened after `revision`, with the revision that it leads to.
async fn news(store: &dyn Store, mut revision: i64) -> (Vec<Delta>, i64) {
    let mut all = Vec::new();
    loop {
        let (page, reached) = store.changes_since(revision, 3).await.unwrap();
        if page.is_empty() {
            assert_eq!(reached, revision, "nothing new leads nowhere");
            return (all, reached);
        }
        assert!(reached > revision, "every page leads on");
        revision = reached;
        all.extend(page);
    }
}

/// What a reader knows that has taken in `news`.
fn take_in(known: &mut BTreeMap<FactKey, Fact>, news: Vec<Delta>) {
    for delta in news {
        match delta {
            Delta::Present(source, fact) => known.insert(fact.key(&source), *fact),
            Delta::Removed(key) => known.remove(&key),
        };
    }
}

async fn everything(store: &dyn Store) -> BTreeMap<FactKey, Fact> {
    let mut known = BTreeMap::new();
    take_in(&mut known, news(store, 0).await.0);
    known
}

pub(super) async fn an_empty_store_knows_nothing(backend: &dyn Backend) {
    let store = writer(backend).await;
    assert_eq!(store.cursor(&source(), "pulls").await.unwrap(), None);
    assert_eq!(store.validator(&source(), "k").await.unwrap(), None);
    assert_eq!(store.facts(&source(), Kind::Change, None).await.unwrap(), []);
    assert!(store.ids(&source(), Kind::Change, None).await.unwrap().is_empty());
    assert_eq!(store.source_state(&source()).await.unwrap(), SourceState::default());
    assert!(store.counts().await.unwrap().is_empty());
    assert!(news(&*store, 0).await.0.is_empty());
}

pub(super) async fn a_fact_of_every_kind_comes_back_as_it_was(backend: &dyn Backend) {
    let store = writer(backend).await;
    let facts = one_of_each();
    let kinds: BTreeSet<Kind> = facts.iter().map(Fact::kind).collect();
    assert_eq!(kinds, BTreeSet::from(Kind::ALL), "add the new kind to `one_of_each`");
    deliver(&*store, facts.clone()).await;
    for fact in &facts {
        assert_eq!(
            store.facts(&source(), fact.kind(), None).await.unwrap(),
            std::slice::from_ref(fact)
        );
        assert_eq!(store.ids(&source(), fact.kind(), None).await.unwrap(), [fact.id()]);
        assert_eq!(store.counts().await.unwrap()[&fact.kind()], 1);
    }
    let known: Vec<Fact> = everything(&*store).await.into_values().collect();
    let mut expected = facts;
    expected.sort_by_key(|fact| fact.key(&source()));
    assert_eq!(known, expected);
}

pub(super) async fn delivered_twice_it_is_one_fact_and_no_change(backend: &dyn Backend) {
    let store = writer(backend).await;
    let first = deliver(&*store, vec![incident("Q1", 1, "P1")]).await;
    assert_eq!(counts(&first, Kind::Incident).new, 1);
    let (_, revision) = news(&*store, 0).await;
    let second = deliver(&*store, vec![incident("Q1", 1, "P1")]).await;
    assert_eq!(
        counts(&second, Kind::Incident),
        AppliedCounts { unchanged: 1, ..AppliedCounts::default() }
    );
    assert_eq!(store.counts().await.unwrap()[&Kind::Incident], 1);
    assert!(news(&*store, revision).await.0.is_empty(), "nobody hears of it again");
}

pub(super) async fn the_newest_version_wins_in_any_order(backend: &dyn Backend) {
    let store = writer(backend).await;
    let (old, new) = (incident("Q1", 1, "P3"), incident("Q1", 2, "P1"));
    let (other_old, other_new) = (incident("Q2", 1, "P3"), incident("Q2", 2, "P1"));
    deliver(&*store, vec![old]).await;
    let changed = deliver(&*store, vec![new.clone()]).await;
    assert_eq!(counts(&changed, Kind::Incident).changed, 1);
    deliver(&*store, vec![other_new.clone()]).await;
    let late = deliver(&*store, vec![other_old]).await;
    assert_eq!(counts(&late, Kind::Incident).unchanged, 1);
    assert_eq!(store.facts(&source(), Kind::Incident, None).await.unwrap(), [new, other_new]);
}

pub(super) async fn of_equally_new_versions_the_later_delivery_wins(backend: &dyn Backend) {
    let store = writer(backend).await;
    let (first, second, third) =
        (incident("Q1", 1, "P3"), incident("Q1", 1, "P2"), incident("Q1", 1, "P1"));
    deliver(&*store, vec![first, second]).await;
    let applied = deliver(&*store, vec![third.clone()]).await;
    assert_eq!(counts(&applied, Kind::Incident).changed, 1);
    assert_eq!(store.facts(&source(), Kind::Incident, None).await.unwrap(), [third]);
}

pub(super) async fn two_sources_may_use_the_same_id(backend: &dyn Backend) {
    let store = writer(backend).await;
    let (ours, theirs) = (incident("Q1", 1, "P1"), incident("Q1", 9, "P9"));
    let other = SourceName::from("other");
    deliver(&*store, vec![ours.clone()]).await;
    let batch = Batch { facts: vec![theirs.clone()], ..Batch::default() };
    store.commit(&other, batch).await.unwrap();
    assert_eq!(store.facts(&source(), Kind::Incident, None).await.unwrap(), [ours]);
    assert_eq!(
        store.facts(&other, Kind::Incident, None).await.unwrap(),
        std::slice::from_ref(&theirs)
    );
    assert_eq!(store.counts().await.unwrap()[&Kind::Incident], 2);
    remove(&*store, vec![key(Kind::Incident, "Q1")]).await;
    assert!(store.ids(&source(), Kind::Incident, None).await.unwrap().is_empty());
    assert_eq!(store.facts(&other, Kind::Incident, None).await.unwrap(), [theirs]);
}

pub(super) async fn facts_and_ids_are_listed_below_their_parent_in_order(backend: &dyn Backend) {
    let store = writer(backend).await;
    let ids = ["e", "E", "ä", "10", "9", "_"];
    let mut facts: Vec<Fact> = ids.iter().map(|id| event(id, "Q1")).collect();
    facts.push(event("elsewhere", "Q2"));
    deliver(&*store, facts).await;
    let expected = ["10", "9", "E", "_", "e", "ä"];
    let below = Some("Q1");
    assert_eq!(store.ids(&source(), Kind::IncidentEvent, below).await.unwrap(), expected);
    let found = store.facts(&source(), Kind::IncidentEvent, below).await.unwrap();
    assert_eq!(found.iter().map(Fact::id).collect::<Vec<_>>(), expected);
    assert_eq!(store.ids(&source(), Kind::IncidentEvent, None).await.unwrap().len(), 7);
    let nobody = Some("Q3");
    assert!(store.ids(&source(), Kind::IncidentEvent, nobody).await.unwrap().is_empty());
    let of_repository = Some(repository());
    let of_repository = of_repository.as_ref().map(|it| it.as_str());
    assert!(store.ids(&source(), Kind::IncidentEvent, of_repository).await.unwrap().is_empty());
}

pub(super) async fn a_removed_fact_is_gone_and_readers_hear_of_it(backend: &dyn Backend) {
    let store = writer(backend).await;
    deliver(&*store, vec![event("E1", "Q1"), event("E2", "Q1")]).await;
    let (seen, revision) = news(&*store, 0).await;
    assert_eq!(seen.len(), 2);
    let applied = remove(&*store, vec![key(Kind::IncidentEvent, "E1")]).await;
    assert_eq!(
        counts(&applied, Kind::IncidentEvent),
        AppliedCounts { removed: 1, ..AppliedCounts::default() }
    );
    assert_eq!(store.ids(&source(), Kind::IncidentEvent, Some("Q1")).await.unwrap(), ["E2"]);
    assert_eq!(store.counts().await.unwrap()[&Kind::IncidentEvent], 1);
    let (later, revision) = news(&*store, revision).await;
    assert!(
        matches!(&later[..], [Delta::Removed(gone)] if *gone == key(Kind::IncidentEvent, "E1")),
        "{later:?}"
    );
    let again = remove(&*store, vec![key(Kind::IncidentEvent, "E1")]).await;
    assert_eq!(counts(&again, Kind::IncidentEvent), AppliedCounts::default());
    assert!(news(&*store, revision).await.0.is_empty(), "it can only go once");
}

pub(super) async fn a_removed_fact_may_come_back(backend: &dyn Backend) {
    let store = writer(backend).await;
    deliver(&*store, vec![incident("Q1", 5, "P1")]).await;
    remove(&*store, vec![key(Kind::Incident, "Q1")]).await;
    let (_, revision) = news(&*store, 0).await;
    let applied = deliver(&*store, vec![incident("Q1", 4, "P2")]).await;
    assert_eq!(counts(&applied, Kind::Incident).new, 1, "what was removed is not remembered");
    let back = incident("Q1", 4, "P2");
    assert_eq!(
        store.facts(&source(), Kind::Incident, None).await.unwrap(),
        std::slice::from_ref(&back)
    );
    let (later, _) = news(&*store, revision).await;
    assert!(matches!(&later[..], [Delta::Present(_, fact)] if **fact == back), "{later:?}");
    assert_eq!(everything(&*store).await.into_values().collect::<Vec<_>>(), [back]);
}

pub(super) async fn what_a_batch_delivers_it_does_not_remove(backend: &dyn Backend) {
    let store = writer(backend).await;
    deliver(&*store, vec![incident("Q1", 1, "P1"), incident("Q2", 1, "P1")]).await;
    let batch = Batch {
        facts: vec![incident("Q1", 1, "P1")],
        removed: vec![key(Kind::Incident, "Q1"), key(Kind::Incident, "Q2")],
        ..Batch::default()
    };
    let applied = store.commit(&source(), batch).await.unwrap();
    assert_eq!(
        counts(&applied, Kind::Incident),
        AppliedCounts { unchanged: 1, removed: 1, ..AppliedCounts::default() }
    );
    assert_eq!(store.ids(&source(), Kind::Incident, None).await.unwrap(), ["Q1"]);
}

pub(super) async fn cursors_are_set_and_forgotten_by_source(backend: &dyn Backend) {
    let store = writer(backend).await;
    let set = |stream: &str, value: &str| Batch {
        cursors: vec![(stream.to_owned(), value.to_owned())],
        ..Batch::default()
    };
    let other = SourceName::from("other");
    store.commit(&source(), set("pulls/1", "a")).await.unwrap();
    store.commit(&source(), set("pulls/2", "b")).await.unwrap();
    store.commit(&other, set("pulls/1", "c")).await.unwrap();
    store.commit(&source(), set("pulls/1", "d")).await.unwrap();
    assert_eq!(store.cursor(&source(), "pulls/1").await.unwrap().as_deref(), Some("d"));
    let forget = Batch { forgotten_cursors: vec!["pulls/1".to_owned()], ..Batch::default() };
    store.commit(&source(), forget).await.unwrap();
    assert_eq!(store.cursor(&source(), "pulls/1").await.unwrap(), None);
    assert_eq!(store.cursor(&source(), "pulls/2").await.unwrap().as_deref(), Some("b"));
    assert_eq!(store.cursor(&other, "pulls/1").await.unwrap().as_deref(), Some("c"));
}

pub(super) async fn validators_are_replaced_whole(backend: &dyn Backend) {
    let store = writer(backend).await;
    let full = Validator {
        key: "k1".to_owned(),
        etag: Some("W/\"1\"".to_owned()),
        last_modified: Some("Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
        next: Some("https://api.example.com/x?page=2".to_owned()),
    };
    let bare = Validator {
        key: "k1".to_owned(),
        etag: Some("W/\"2\"".to_owned()),
        last_modified: None,
        next: None,
    };
    for validator in [full, bare.clone()] {
        let batch = Batch { validators: vec![validator], ..Batch::default() };
        store.commit(&source(), batch).await.unwrap();
    }
    assert_eq!(store.validator(&source(), "k1").await.unwrap(), Some(bare));
    assert_eq!(store.validator(&"other".into(), "k1").await.unwrap(), None);
}

pub(super) async fn the_state_of_a_source_is_kept(backend: &dyn Backend) {
    let store = writer(backend).await;
    let first = SourceState { last_success: Some(at(1)), ..SourceState::default() };
    let second = SourceState {
        last_success: Some(at(3)),
        data_through: Some(at(2)),
        last_reconciled: Some(at(1)),
        extent: Some(Extent { since: at(0), parts: ["shop".to_owned()].into() }),
    };
    for state in [first, second] {
        store.set_source_state(&source(), &state).await.unwrap();
        assert_eq!(store.source_state(&source()).await.unwrap(), state);
    }
    assert_eq!(store.source_state(&"other".into()).await.unwrap(), SourceState::default());
}

pub(super) async fn changes_come_in_pages_each_once_and_in_order(backend: &dyn Backend) {
    let store = writer(backend).await;
    for n in 0..10 {
        deliver(&*store, vec![incident(&format!("Q{n}"), 1, "P1")]).await;
    }
    deliver(&*store, vec![incident("Q0", 2, "P1")]).await;
    remove(&*store, vec![key(Kind::Incident, "Q1")]).await;
    deliver(&*store, vec![incident("Q10", 1, "P1")]).await;
    let ids = |deltas: &[Delta]| -> Vec<String> {
        let id = |delta: &Delta| match delta {
            Delta::Present(_, fact) => fact.id(),
            Delta::Removed(key) => format!("-{}", key.id),
        };
        deltas.iter().map(id).collect()
    };
    let expected = ["Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9", "Q0", "-Q1", "Q10"];
    assert_eq!(ids(&news(&*store, 0).await.0), expected);
    let (page, reached) = store.changes_since(0, 2).await.unwrap();
    assert_eq!(ids(&page), ["Q2", "Q3"]);
    let (page, _) = store.changes_since(reached, 100).await.unwrap();
    assert_eq!(ids(&page), expected[2..]);
}

pub(super) async fn a_large_batch_is_taken_in_whole(backend: &dyn Backend) {
    let store = writer(backend).await;
    let facts: Vec<Fact> = (0..2_345).map(|n| event(&n.to_string(), "Q1")).collect();
    let first = deliver(&*store, facts.clone()).await;
    assert_eq!(counts(&first, Kind::IncidentEvent).new, 2_345);
    let again = deliver(&*store, facts).await;
    assert_eq!(counts(&again, Kind::IncidentEvent).unchanged, 2_345);
    assert_eq!(store.counts().await.unwrap()[&Kind::IncidentEvent], 2_345);
    let (page, reached) = store.changes_since(0, 5_000).await.unwrap();
    assert_eq!(page.len(), 2_345);
    assert!(store.changes_since(reached, 5_000).await.unwrap().0.is_empty());
}

pub(super) async fn a_fact_that_cannot_be_stored_costs_only_itself(backend: &dyn Backend) {
    let store = writer(backend).await;
    let facts = vec![event("with\0nul", "Q1"), event(&"long".repeat(500), "Q1"), event("E1", "Q1")];
    let applied = deliver(&*store, facts).await;
    assert_eq!(
        counts(&applied, Kind::IncidentEvent),
        AppliedCounts { new: 1, rejected: 2, ..AppliedCounts::default() }
    );
    assert_eq!(store.ids(&source(), Kind::IncidentEvent, None).await.unwrap(), ["E1"]);
}

pub(super) async fn an_interrupted_commit_leaves_all_or_nothing(backend: &dyn Backend) {
    let store = writer(backend).await;
    let batch = |round: usize| Batch {
        facts: (0..600).map(|n| event(&format!("{round}-{n}"), &round.to_string())).collect(),
        cursors: vec![(format!("round/{round}"), "done".to_owned())],
        ..Batch::default()
    };
    for round in 0..40 {
        let patience = Duration::from_micros(250 * round as u64);
        let _ = tokio::time::timeout(patience, store.commit(&source(), batch(round))).await;
        let below = round.to_string();
        // A writer waits until the interrupted one is really over.
        deliver(&*store, vec![]).await;
        let rows = store.ids(&source(), Kind::IncidentEvent, Some(&below)).await.unwrap().len();
        let cursor = store.cursor(&source(), &format!("round/{round}")).await.unwrap();
        let whole = (600, Some("done"));
        assert!(
            [(0, None), whole].contains(&(rows, cursor.as_deref())),
            "{rows} rows with the cursor {cursor:?} are neither all nor nothing"
        );
    }
    deliver(&*store, (0..600).map(|n| event(&n.to_string(), "after")).collect()).await;
    let after = store.ids(&source(), Kind::IncidentEvent, Some("after")).await.unwrap();
    assert_eq!(after.len(), 600, "the store works on");
}

pub(super) async fn a_reader_beside_writers_misses_nothing(backend: &dyn Backend) {
    let store = writer(backend).await;
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..25 {
                let facts = (0..5).map(|m| event(&format!("{writer}-{n}-{m}"), "Q1")).collect();
                deliver(&*store, facts).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let reader = backend.open(Access::Read).await;
    let mut known = BTreeMap::new();
    let mut revision = 0;
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let (page, reached) = reader.changes_since(revision, 7).await.unwrap();
        let quiet = page.is_empty();
        take_in(&mut known, page);
        revision = reached;
        if over && quiet {
            break;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(known.len(), 4 * 25 * 5);
    assert_eq!(known, everything(&*store).await);
}

pub(super) async fn everything_is_there_after_a_restart(backend: &dyn Backend) {
    let store = writer(backend).await;
    let batch = Batch {
        facts: one_of_each(),
        cursors: vec![("pulls".to_owned(), "a".to_owned())],
        ..Batch::default()
    };
    store.commit(&source(), batch).await.unwrap();
    remove(&*store, vec![key(Kind::IncidentEvent, "E1")]).await;
    let (before, (_, revision)) = (everything(&*store).await, news(&*store, 0).await);
    store.close().await;
    drop(store);

    let store = writer(backend).await;
    assert_eq!(everything(&*store).await, before);
    assert_eq!(store.cursor(&source(), "pulls").await.unwrap().as_deref(), Some("a"));
    assert!(news(&*store, revision).await.0.is_empty());
    deliver(&*store, vec![incident("Q9", 1, "P1")]).await;
    assert_eq!(news(&*store, revision).await.0.len(), 1, "revisions go on where they were");
}

/// Facts in versions: (id, version) decides the text, so that equal versions are equal.
fn version_of(id: u8, version: u8) -> Fact {
    incident(&format!("Q{id}"), i64::from(version), &format!("P{version}"))
}

/// Draws from `strategy`, the same on every run.
fn draws<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

pub(super) async fn permuted_and_repeated_deliveries_end_in_the_same_rows(backend: &dyn Backend) {
    let store = writer(backend).await;
    let versions = proptest::collection::vec((0_u8..6, 0_u8..5), 1..30);
    let case = versions.prop_flat_map(|versions| {
        let repeated: Vec<_> = versions.iter().chain(&versions).copied().collect();
        (Just(versions), Just(repeated).prop_shuffle(), 1_usize..8)
    });
    for (versions, shuffled, size) in draws(case, 40) {
        for chunk in shuffled.chunks(size) {
            let facts = chunk.iter().map(|&(id, version)| version_of(id, version)).collect();
            deliver(&*store, facts).await;
        }
        let mut newest: BTreeMap<u8, u8> = BTreeMap::new();
        for &(id, version) in &versions {
            let known = newest.entry(id).or_default();
            *known = version.max(*known);
        }
        let expected: Vec<Fact> =
            newest.iter().map(|(&id, &version)| version_of(id, version)).collect();
        let stored = store.facts(&source(), Kind::Incident, None).await.unwrap();
        assert_eq!(stored, expected, "{versions:?} delivered as {shuffled:?} by {size}");
        let ids = stored.iter().map(|fact| key(Kind::Incident, &fact.id())).collect();
        remove(&*store, ids).await;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deliver(Vec<(u8, u8)>),
    Remove(Vec<u8>),
    Look,
}

pub(super) async fn a_reader_that_looks_now_and_then_ends_with_the_same_facts(
    backend: &dyn Backend,
) {
    let store = writer(backend).await;
    let model = MemoryStore::default();
    let step = prop_oneof![
        3 => proptest::collection::vec((0_u8..12, 0_u8..5), 1..6).prop_map(Step::Deliver),
        1 => proptest::collection::vec(0_u8..12, 1..4).prop_map(Step::Remove),
        2 => Just(Step::Look),
    ];
    let (mut known, mut revision) = (BTreeMap::new(), 0);
    for step in draws(step, 400) {
        match step {
            Step::Deliver(versions) => {
                let facts: Vec<Fact> =
                    versions.iter().map(|&(id, version)| version_of(id, version)).collect();
                deliver(&*store, facts.clone()).await;
                deliver(&model, facts).await;
            }
            Step::Remove(ids) => {
                let keys: Vec<FactKey> =
                    ids.iter().map(|id| key(Kind::Incident, &format!("Q{id}"))).collect();
                remove(&*store, keys.clone()).await;
                remove(&model, keys).await;
            }
            Step::Look => {
                let (later, reached) = news(&*store, revision).await;
                take_in(&mut known, later);
                revision = reached;
                assert_eq!(known, everything(&model).await);
            }
        }
    }
    assert_eq!(everything(&*store).await, everything(&model).await);
    assert_eq!(store.counts().await.unwrap(), model.counts().await.unwrap());
}
