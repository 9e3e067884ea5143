//! From the store to an evaluation.

use std::sync::Arc;

use engkpi::domain::fact::{Incident, IncidentStatus};
use engkpi::domain::{Fact, SourceName};
use engkpi::evaluate::{Evaluator, Settings};
use engkpi::store::{Access, Batch, SharedStore, sqlite::SqliteStore};

use crate::http::{now, params};

fn incident() -> Fact {
    let created_at = now() - chrono::Duration::days(3);
    Fact::Incident(Incident {
        id: "PINC1".into(),
        number: 1,
        service: None,
        created_at,
        updated_at: created_at,
        status: IncidentStatus::Triggered,
        resolved_at: None,
        priority: None,
        merged: false,
        fields: engkpi::domain::Attributes::default(),
        url: None,
    })
}

#[tokio::test]
async fn what_a_renamed_source_left_behind_does_not_count_beside_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engkpi.db");
    let store: SharedStore = Arc::new(SqliteStore::open(&path, Access::Write).await.unwrap());
    for source in ["pagerduty", "pagerduty-before-its-renaming"] {
        let batch = Batch { facts: vec![incident()], ..Batch::default() };
        store.commit(&SourceName::from(source), batch).await.unwrap();
    }
    let evaluator = Evaluator::new(store, Arc::new(params()));
    evaluator.load().await.unwrap();
    let evaluation = evaluator.evaluate(Settings::default().plan(), now()).await.unwrap();
    let detected = evaluation.facts.iter().filter(|it| it.family == "engkpi_incidents_detected");
    assert_eq!(detected.map(|it| it.count).sum::<u64>(), 1, "the one incident, once");
}
