//! What an incident's life becomes in the store.

use engkpi::domain::fact::{IncidentEventKind, IncidentStatus};
use engkpi::domain::{Fact, Kind};

use super::{Scene, at};
use IncidentEventKind::{
    Acknowledge, FieldChange, Note, PriorityChange, Resolve, Trigger, Unacknowledge,
};

#[tokio::test]
async fn an_incident_is_stored_with_its_log_its_alerts_and_its_fields() {
    let scene = Scene::of(|account| {
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.priority("P2").alert_of("2026-03-20 09:58", "HighErrors");
            incident.acknowledge("2026-03-20 10:05");
            incident.resolve("2026-03-20 11:00").field("2026-03-22 09:00", "root_cause", "cache");
        });
    })
    .await;
    let report = scene.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 0));
    let incident = scene.incident("PINC1").await;
    assert_eq!(incident.service.as_deref(), Some("PSHOP"));
    assert_eq!((incident.number, incident.status), (1, IncidentStatus::Resolved));
    assert_eq!(incident.created_at, at("2026-03-20 10:00"));
    assert_eq!(incident.resolved_at, Some(at("2026-03-20 11:00")));
    assert_eq!(incident.updated_at, at("2026-03-22 09:00"));
    assert_eq!(incident.priority.as_deref(), Some("P2"), "the name, never the urgency");
    assert_eq!(incident.fields["root_cause"], "cache");
    assert!(incident.fields.get("caused_by").is_none(), "a field without value is no field");
    assert_eq!(incident.url.as_deref(), Some("https://acme.pagerduty.example/incidents/PINC1"));
    assert_eq!(
        scene.event_kinds("PINC1").await,
        [Trigger, PriorityChange, Acknowledge, Resolve, FieldChange]
    );
    let alerts = scene.kind(Kind::IncidentAlert, Some("PINC1")).await;
    let [Fact::IncidentAlert(alert)] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.rule.as_deref(), Some("HighErrors"), "by what Alertmanager tells");
    assert_eq!(scene.kind(Kind::IncidentService, None).await.len(), 2);
}

#[tokio::test]
async fn pitfall_14_merged_incidents_are_marked_and_reopened_ones_resolve_twice() {
    let scene = Scene::of(|account| {
        account.incident("PCHILD", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.merge_into("2026-03-20 10:04", "PPARENT");
        });
        account.incident("PPARENT", "PSHOP", "2026-03-20 09:59", |incident| {
            incident.resolve("2026-03-20 11:00").reopen("2026-03-20 11:10");
            incident.resolve("2026-03-20 11:30");
        });
    })
    .await;
    scene.poll().await;
    assert!(scene.incident("PCHILD").await.merged);
    let parent = scene.incident("PPARENT").await;
    assert_eq!((parent.merged, parent.resolved_at), (false, Some(at("2026-03-20 11:30"))));
    assert_eq!(
        scene.event_kinds("PPARENT").await,
        [Trigger, Resolve, Unacknowledge, Resolve],
        "both ends are kept, and what lay between"
    );
}

#[tokio::test]
async fn a_timeout_is_told_from_a_recovery_and_from_a_person() {
    let scene = Scene::of(|account| {
        account.incident("PTIMEOUT", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.time_out("2026-03-20 14:00");
        });
        account.incident("PMONITOR", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.recover("2026-03-20 10:20");
        });
        account.incident("PPERSON", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.resolve("2026-03-20 10:30");
        });
    })
    .await;
    scene.poll().await;
    for (id, channel) in [("PTIMEOUT", "timeout"), ("PMONITOR", "auto"), ("PPERSON", "website")] {
        let events = scene.events(id).await;
        assert_eq!(events.last().unwrap().channel.as_deref(), Some(channel), "{id}");
        assert!(events.iter().all(|it| it.event != Acknowledge), "nobody acknowledged {id}");
    }
}

#[tokio::test]
async fn a_note_leaves_what_it_names_and_nothing_else() {
    let sha = "0123456789ABCDEF0123456789abcdef01234567";
    let scene = Scene::of(|account| {
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.note(
                "2026-03-20 10:20",
                &format!("secret words: {sha}, commit abc1234, deployment:42. (not fffffff)"),
            );
        });
    })
    .await;
    scene.poll().await;
    let note = scene.events("PINC1").await.pop().unwrap();
    assert_eq!(note.event, Note);
    assert_eq!(note.mentions, [&sha.to_lowercase(), "abc1234", "deployment:42"]);
    assert!(!scene.facts().await.contains("secret words"));
}

#[tokio::test]
async fn pitfall_15_an_old_incident_that_ends_today_is_seen_to_end() {
    let scene = Scene::of(|account| {
        // A year before the start of history, and open since.
        account.incident("POLD", "PSHOP", "2025-01-10 10:00", |incident| {
            incident.acknowledge("2025-01-10 10:05").resolve("2026-03-20 12:00");
        });
        account.incident("PQUIET", "PSHOP", "2025-02-10 10:00", |incident| {
            incident.acknowledge("2025-02-10 10:05");
        });
        account.incident("PLONGAGO", "PSHOP", "2025-03-10 10:00", |incident| {
            incident.resolve("2025-03-10 11:00");
        });
    })
    .await;
    scene.poll_at("2026-03-01 00:00").await;
    assert_eq!(scene.incident("POLD").await.resolved_at, None);
    scene.poll_at("2026-04-01 00:00").await;
    assert_eq!(scene.incident("POLD").await.resolved_at, Some(at("2026-03-20 12:00")));
    assert_eq!(
        scene.event_kinds("POLD").await,
        [Trigger, Acknowledge, Resolve],
        "its log is whole, from before the start of history"
    );
    assert_eq!(scene.incident("PQUIET").await.status, IncidentStatus::Acknowledged);
    assert_eq!(scene.incidents().await.len(), 2, "what ended before history is not collected");
}

#[tokio::test]
async fn later_changes_of_resolved_incidents_are_seen() {
    let scene = Scene::of(|account| {
        account.incident("PINC1", "PSHOP", "2026-01-20 10:00", |incident| {
            incident.priority("P3").resolve("2026-01-20 11:00");
            incident.priority_at("2026-03-05 09:00", "P1");
            incident.field("2026-03-15 09:00", "caused_by", "deployment:7");
            incident.reopen("2026-03-25 09:00");
        });
    })
    .await;
    let look = async |now: &str| {
        scene.poll_at(now).await;
        let incident = scene.incident("PINC1").await;
        let cause = incident.fields.get("caused_by").cloned();
        (incident.priority.unwrap(), cause, incident.resolved_at.is_some())
    };
    assert_eq!(look("2026-02-01 00:00").await, ("P3".into(), None, true));
    assert_eq!(look("2026-03-10 00:00").await, ("P1".into(), None, true));
    let cause = Some("deployment:7".into());
    assert_eq!(look("2026-03-20 00:00").await, ("P1".into(), cause.clone(), true));
    assert_eq!(look("2026-04-01 00:00").await, ("P1".into(), cause, false));
}

#[tokio::test]
async fn an_alert_that_joins_late_is_seen() {
    let scene = Scene::of(|account| {
        account.incident("POPEN", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.alert("2026-03-20 10:00").alert("2026-03-20 10:40");
        });
        account.incident("PENDED", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.resolve("2026-03-20 10:29").alert("2026-03-20 10:35");
        });
    })
    .await;
    let alerts = async |id| scene.kind(Kind::IncidentAlert, Some(id)).await.len();
    scene.poll_at("2026-03-20 10:30").await;
    assert_eq!((alerts("POPEN").await, alerts("PENDED").await), (1, 0));
    scene.poll_at("2026-03-20 10:45").await;
    assert_eq!(alerts("POPEN").await, 2, "nothing in the log says so, but the number does");
    scene.poll_at("2026-03-20 11:45").await;
    assert_eq!(alerts("PENDED").await, 1, "what ended is looked at once more");
}

#[tokio::test]
async fn a_deleted_incident_goes_with_everything_of_it() {
    let scene = Scene::of(|account| {
        account.incident("PGONE", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.alert("2026-03-20 10:00").resolve("2026-03-20 11:00");
        });
        account.incident("PHERE", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.resolve("2026-03-20 11:00");
        });
    })
    .await;
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 2);
    scene.fakes.edit(|world| {
        world.pagerduty.incident_mut("PGONE").deleted_at = Some(at("2026-03-31 00:00"));
        world.pagerduty.services.retain(|service| service.id != "PSEARCH");
    });
    scene.reconcile().await;
    let facts = scene.facts().await;
    assert!(!facts.contains("PGONE") && !facts.contains("PSEARCH"), "{facts}");
    assert!(facts.contains("PHERE") && facts.contains("PSHOP"));
}

#[tokio::test]
async fn a_token_that_loses_sight_of_everything_clears_nothing() {
    let scene = Scene::of(|account| {
        for number in 0..12 {
            account.incident(&format!("PINC{number}"), "PSHOP", "2026-03-20 10:00", |incident| {
                incident.resolve("2026-03-20 11:00");
            });
        }
    })
    .await;
    scene.poll().await;
    scene.fakes.edit(|world| world.pagerduty.incidents.clear());
    let report = scene.reconcile().await;
    assert_eq!(scene.incidents().await.len(), 12);
    assert!(report.warnings[0].contains("lost sight"), "{:?}", report.warnings);
}

#[tokio::test]
async fn what_the_log_never_named_is_found_by_comparing() {
    let scene = Scene::of(|account| {
        account.incident("PNEWEST", "PSHOP", "2026-03-30 10:00", |_| {});
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.resolve("2026-03-20 11:00");
        });
    })
    .await;
    scene.poll().await;
    scene.fakes.edit(|world| {
        // Entries that came months late, far behind the overlap.
        world.pagerduty.incident_mut("PINC1").priority_at("2026-03-20 12:00", "P1");
        world.pagerduty.incident("PLATE", "PSHOP", "2026-02-20 10:00", |incident| {
            incident.resolve("2026-02-20 11:00");
        });
    });
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 2);
    let report = scene.reconcile().await;
    assert_eq!(report.gaps, 2);
    assert_eq!(scene.incident("PINC1").await.priority.as_deref(), Some("P1"));
    assert_eq!(scene.event_kinds("PLATE").await, [Trigger, Resolve]);
    assert_eq!(scene.reconcile().await.gaps, 0, "now they are the same");
}
