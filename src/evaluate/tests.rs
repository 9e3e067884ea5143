use std::sync::{Arc, PoisonError};

use super::Evaluator;
use crate::domain::{Fact, SourceName};
use crate::kpi::Need;
use crate::kpi::params::SourceParams;
use crate::kpi::testing::Story;
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Batch, SharedStore};

/// The workflows of the runs that are held.
fn held(evaluator: &Evaluator) -> Vec<String> {
    let timeline = evaluator.timeline.read().unwrap_or_else(PoisonError::into_inner);
    let runs = timeline.runs.values().flat_map(|it| it.iter());
    runs.map(|run| run.workflow.to_string()).collect()
}

#[tokio::test]
async fn of_the_runs_only_those_are_held_that_a_rule_asks_for() {
    let mut story = Story::told(
        "service web workflow Deploy
         05T10:00 run web Deploy c1 id 1
         05T10:00 run web Lint c1 id 2",
    );
    let source = SourceName::from("github");
    story.params.sources = vec![SourceParams {
        name: source.clone(),
        feeds: vec![Need::Deployments],
        history_start: story.as_of - chrono::Duration::days(30),
        parts: [].into(),
        stale_after: chrono::Duration::hours(1),
        web_base: "https://all.example".parse().unwrap(),
    }];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engkpi.db");
    let store: SharedStore = Arc::new(SqliteStore::open(&path, Access::Write).await.unwrap());
    let mut facts: Vec<Fact> = story.kept().into_iter().map(|(_, fact)| fact).collect();
    let evaluator = Evaluator::new(Arc::clone(&store), Arc::new(story.params));
    store.commit(&source, Batch { facts: facts.clone(), ..Batch::default() }).await.unwrap();
    evaluator.load().await.unwrap();
    assert_eq!(held(&evaluator), ["Deploy"]);

    for fact in &mut facts {
        if let Fact::WorkflowRun(run) = fact {
            run.workflow = if run.workflow == "Lint" { "Deploy" } else { "Ship" }.into();
            run.updated_at += chrono::Duration::seconds(1);
        }
    }
    store.commit(&source, Batch { facts, ..Batch::default() }).await.unwrap();
    evaluator.load().await.unwrap();
    assert_eq!(held(&evaluator), ["Deploy"], "the one that is called so now");
}
