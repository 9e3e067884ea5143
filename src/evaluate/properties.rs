//! However facts reach the store, the same is evaluated: one pass, many polls, versions that come
//! late, pages that come twice.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Evaluator, Settings};
use crate::domain::{Fact, FactKey, Kind, SourceName};
use crate::kpi::evaluation::Plan;
use crate::kpi::testing::worlds::{World, worlds};
use crate::output::exposition::{self, Options};
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Batch, SharedStore, SourceState};

/// Facts that say when they changed last, so that an older version may come after a newer one. Of
/// the others a source always brings what holds now.
const VERSIONED: [Kind; 5] =
    [Kind::Change, Kind::Incident, Kind::Issue, Kind::Finding, Kind::Deployment];

/// What a source brought, in the order in which it did.
type Deliveries = Vec<(SourceName, Fact)>;

/// The story's facts with versions of them from earlier, in an order that sources can bring them in.
fn deliveries(world: &World, known: &[Index], order: &[Index]) -> Deliveries {
    let mut known: Vec<usize> = known.iter().map(|it| it.index(world.len())).collect();
    known.sort_unstable();
    let now = world.story().facts;
    let last: HashMap<FactKey, Fact> =
        now.iter().map(|(source, fact)| (fact.key(source), fact.clone())).collect();
    // Of two versions of one instant the later delivery holds, so an older one must say that it is.
    let is_told_apart = |(source, fact): &(SourceName, Fact)| {
        let newest = last.get(&fact.key(source));
        newest.is_none_or(|it| it == fact || fact.updated_at() < it.updated_at())
    };
    let earlier = known.into_iter().flat_map(|it| world.until(it).facts);
    let (mut versioned, mut present): (Deliveries, Deliveries) =
        earlier.chain(now.clone()).partition(|(_, fact)| VERSIONED.contains(&fact.kind()));
    versioned.retain(is_told_apart);
    // A shuffle of the versioned ones, put in among the others.
    let mut all = Vec::new();
    present.reverse();
    for index in order {
        let next = match (versioned.len(), present.len()) {
            (0, _) => present.pop(),
            (some, left) if left == 0 || index.index(some + left) < some => {
                Some(versioned.swap_remove(index.index(some)))
            }
            _ => present.pop(),
        };
        all.extend(next);
    }
    all.append(&mut versioned);
    all.extend(present.into_iter().rev());
    all
}

/// What /metrics and the tables say when `batches` were committed one after the other and loaded in
/// between.
async fn evaluated(world: &World, batches: Vec<Deliveries>) -> String {
    let story = world.story();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engkpi.db");
    let store: SharedStore = Arc::new(SqliteStore::open(&path, Access::Write).await.unwrap());
    let evaluator = Evaluator::new(Arc::clone(&store), Arc::new(story.params.clone()));
    for batch in batches {
        for source in &story.params.sources {
            let of_source = batch.iter().filter(|(it, _)| *it == source.name);
            let facts: Vec<Fact> = of_source.map(|(_, fact)| fact.clone()).collect();
            let batch = Batch { facts, ..Batch::default() };
            store.commit(&source.name, batch).await.unwrap();
        }
        evaluator.load().await.unwrap();
    }
    for source in &story.params.sources {
        let state = SourceState {
            last_success: Some(world.as_of),
            data_through: Some(world.as_of),
            last_reconciled: None,
            extent: Some(source.extent()),
        };
        store.set_source_state(&source.name, &state).await.unwrap();
    }
    evaluator.load().await.unwrap();
    let plan = Plan { history: false, ..Settings::default().plan() };
    let evaluation = evaluator.evaluate(plan, world.as_of).await.unwrap();
    let text = exposition::render(&evaluation, &Options::complete()).text;
    String::from_utf8(text).unwrap()
}

/// Lines that only one of the two has.
fn differences(expected: &str, found: &str) -> Vec<String> {
    let of = |a: &str, b: &str, sign: char| -> Vec<String> {
        let there: std::collections::HashSet<&str> = b.lines().collect();
        a.lines()
            .filter(|it| !there.contains(it))
            .take(5)
            .map(|it| format!("{sign} {it}"))
            .collect()
    };
    [of(expected, found, '-'), of(found, expected, '+')].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn split_polls_late_versions_and_pages_that_come_twice_change_no_series(
        world in worlds(40),
        known in prop::collection::vec(any::<Index>(), 0..3),
        order in prop::collection::vec(any::<Index>(), 200),
        splits in prop::collection::vec(any::<Index>(), 0..4),
        again in (any::<Index>(), any::<Index>()),
    ) {
        let all = deliveries(&world, &known, &order);
        let mut cuts: Vec<usize> = splits.iter().map(|it| it.index(all.len())).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let mut batches: Vec<Deliveries> =
            cuts.windows(2).map(|it| all[it[0]..it[1]].to_vec()).collect();
        // A page of what holds now comes twice.
        let holds = world.story().kept();
        let (a, b) = (again.0.index(holds.len() + 1), again.1.index(holds.len() + 1));
        batches.push(holds[a.min(b)..a.max(b)].to_vec());

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one_pass, polls) = runtime.block_on(async {
            let one_pass = evaluated(&world, vec![world.story().facts]).await;
            (one_pass, evaluated(&world, batches).await)
        });
        prop_assert!(one_pass.contains("engkpi_kpi_status{"), "something is evaluated");
        let differences = differences(&one_pass, &polls);
        prop_assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
