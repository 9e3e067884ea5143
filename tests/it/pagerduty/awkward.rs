//! Answers that are wrong, late, shifted or refused.

use engkpi::domain::Kind;
use engkpi::source::SourceError;
use engkpi_fakes::{Fault, PAGERDUTY_TOKEN};
use serde_json::json;

use super::{START, Scene, at, source};

fn three(account: &mut engkpi_fakes::world::PagerDuty) {
    for (id, day) in [("PINC1", 10), ("PINC2", 11), ("PINC3", 12)] {
        let created = at(&format!("2026-03-{day} 10:00"));
        account.incident(id, "PSHOP", created, |incident| {
            incident.priority("P1").alert(created);
            incident.resolve(created + chrono::TimeDelta::hours(1));
        });
    }
}

#[tokio::test]
async fn a_wrong_token_is_told_apart_from_everything_else() {
    let mut scene = Scene::of(three).await;
    scene.source = source(&scene.fakes, &scene.folder, "canary_wrong", START, "");
    let error = scene.try_poll().await.unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary_wrong"));
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_rotated_token_is_used_without_a_restart() {
    let scene = Scene::of(three).await;
    scene.poll().await;
    scene.fakes.edit(|world| world.access.pagerduty = vec!["rotated".to_owned()]);
    scene.try_poll().await.unwrap_err();
    assert_eq!(scene.incidents().await.len(), 3, "nothing is cleared");
    std::fs::write(scene.folder.path().join("token"), "rotated").unwrap();
    scene.poll().await;
}

#[tokio::test]
async fn a_plan_without_priorities_is_a_warning() {
    let scene = Scene::of(|account| {
        three(account);
        account.without_ability("priorities");
    })
    .await;
    // Some plans refuse even to include them.
    let refusal = json!({"error": {"message": "Payment Required", "code": 2012}});
    let fault = Fault::status(402).body(refusal).on("include[]=priorities").forever();
    scene.fakes.pagerduty.fault(fault);
    let report = scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 3);
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].contains("have no severity"), "{:?}", report.warnings);
}

#[tokio::test]
async fn a_plan_without_custom_fields_is_a_warning_unless_there_were_some() {
    let refused = || Fault::status(402).on("GET /incidents/custom_fields").forever();
    let scene = Scene::of(three).await;
    scene.fakes.pagerduty.fault(refused());
    let report = scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 3);
    assert!(report.warnings[0].contains("custom_fields = false"), "{:?}", report.warnings);

    let scene = Scene::of(three).await;
    scene.poll().await;
    scene.fakes.pagerduty.fault(refused());
    scene.fakes.edit(|world| {
        world.pagerduty.incident_mut("PINC1").reopen("2026-03-31 10:00");
    });
    let error = scene.try_poll().await.unwrap_err();
    assert!(
        matches!(error, SourceError::Unauthorized(_)),
        "the fields that are stored would be overwritten with nothing: {error:?}"
    );
}

#[tokio::test]
async fn a_bad_item_is_counted_and_the_others_live() {
    for (list, kind) in [
        ("GET /log_entries", Kind::IncidentEvent),
        ("GET /services", Kind::IncidentService),
        ("/alerts", Kind::IncidentAlert),
    ] {
        let scene = Scene::of(three).await;
        scene.fakes.pagerduty.fault(Fault::malformed_item(0).on(list));
        let report = scene.poll().await;
        assert_eq!(report.rejected.get(&kind), Some(&1), "{list}: {report:?}");
        assert_eq!(scene.incidents().await.len(), 3, "{list}");
    }
    let scene = Scene::of(three).await;
    let unreadable = json!({"incident": {"id": "PINC2", "status": "on fire"}});
    scene.fakes.pagerduty.fault(Fault::status(200).body(unreadable).on("/incidents/PINC2?"));
    let report = scene.poll().await;
    assert_eq!(report.rejected[&Kind::Incident], 1);
    assert_eq!(scene.incidents().await.len(), 2);
    scene.reconcile().await;
    assert_eq!(scene.incidents().await.len(), 3, "it is read once it can be");
}

#[tokio::test]
async fn an_impossible_date_does_not_move_the_cursor() {
    for date in ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z"] {
        let scene = Scene::of(three).await;
        let fault = Fault::replace("/log_entries/0/created_at", json!(date));
        scene.fakes.pagerduty.fault(fault.on("GET /log_entries"));
        scene.poll().await;
        scene.fakes.edit(|world| {
            world.pagerduty.incident("PNEXT", "PSHOP", "2026-04-01 10:00", |_| {});
        });
        scene.poll_at("2026-04-02 00:00").await;
        assert_eq!(scene.incident("PNEXT").await.created_at, at("2026-04-01 10:00"), "{date}");
    }
}

#[tokio::test]
async fn items_that_move_between_pages_are_a_gap_that_is_read_again() {
    let many = |account: &mut engkpi_fakes::world::PagerDuty| {
        for number in 0..120 {
            let created = at("2026-03-01 00:00") + chrono::TimeDelta::hours(number);
            account.incident(&format!("PINC{number:03}"), "PSHOP", created, |incident| {
                incident.priority("P1").resolve(created + chrono::TimeDelta::minutes(30));
            });
        }
    };
    let clean = Scene::of(many).await;
    clean.poll().await;
    let expected = clean.facts().await;
    for list in ["GET /log_entries", "GET /incidents?"] {
        for (fault, how) in [
            (Fault::shift(3), "shifted items"),
            (Fault::duplicate_page(), "a page that came twice"),
            (Fault::empty_page(), "an empty page"),
        ] {
            let scene = Scene::of(many).await;
            scene.fakes.pagerduty.fault(fault.on(list).after(1));
            let report = scene.poll().await;
            assert!(scene.facts().await == expected, "{how} on {list} lost something");
            // An empty page with more behind it is simply asked for again.
            let counted = how != "an empty page" || list == "GET /incidents?";
            assert_eq!(report.gaps, u64::from(counted), "{how} on {list}");
        }
    }
}

#[tokio::test]
async fn a_list_that_never_settles_is_given_up_for_this_time() {
    let scene = Scene::of(three).await;
    let fault = Fault::edit(|body| body["more"] = json!(true)).on("GET /log_entries").forever();
    scene.fakes.pagerduty.fault(fault);
    let error = scene.try_poll().await.unwrap_err();
    assert!(matches!(error, SourceError::Transient(_)), "{error:?}");
    assert!(scene.asked() < 30, "{} requests", scene.asked());
    scene.fakes.pagerduty.clear_faults();
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 3);
}

#[tokio::test]
async fn a_newest_entry_that_is_not_seen_again_is_a_gap() {
    let scene = Scene::of(three).await;
    scene.poll().await;
    assert_eq!(scene.poll().await.gaps, 0);
    scene.fakes.edit(|world| {
        let log = &mut world.pagerduty.incident_mut("PINC3").log;
        log.last_mut().unwrap().id = "RANOTHER".into();
        // It came late and far behind the newest, where the overlap does not reach.
        world.pagerduty.incident_mut("PINC2").priority_at("2026-03-11 12:00", "P2");
    });
    assert_eq!(scene.poll().await.gaps, 1);
    assert_eq!(scene.incident("PINC2").await.priority.as_deref(), Some("P2"), "it was read again");
    assert_eq!(scene.poll().await.gaps, 0);
}

#[tokio::test]
async fn an_open_incident_that_ends_without_a_word_in_the_log_is_seen_to_end() {
    let scene = Scene::of(|account| {
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |_| {});
    })
    .await;
    scene.poll().await;
    scene.fakes.edit(|world| {
        world.pagerduty.incident_mut("PINC1").resolve("2026-03-20 11:00");
    });
    let fault = Fault::edit(|body| {
        body["total"] = json!(null);
        let entries = body["log_entries"].as_array_mut().unwrap();
        entries.retain(|entry| entry["type"] != "resolve_log_entry");
    });
    scene.fakes.pagerduty.fault(fault.on("GET /log_entries"));
    let report = scene.poll().await;
    assert_eq!(scene.incident("PINC1").await.resolved_at, Some(at("2026-03-20 11:00")));
    assert_eq!(report.gaps, 1);
}

#[tokio::test]
async fn our_clock_may_run_behind() {
    let scene = Scene::of(three).await;
    scene.poll().await;
    let behind = engkpi::source::PollContext { now: at("2026-02-01 00:00"), ..scene.context() };
    engkpi::source::Source::poll(&scene.source, &behind).await.unwrap();
    assert_eq!(scene.incidents().await.len(), 3);
    scene.fakes.edit(|world| {
        world.pagerduty.incident_mut("PINC1").reopen("2026-03-31 00:00");
    });
    scene.poll().await;
    assert_eq!(scene.incident("PINC1").await.resolved_at, None);
}

#[tokio::test]
async fn a_rate_limit_is_returned_with_its_end() {
    let scene = Scene::of(three).await;
    let limited = json!({"error": {"message": "Rate Limit Exceeded", "code": 2020}});
    let fault = Fault::status(429).body(limited).header("retry-after", "900");
    scene.fakes.pagerduty.fault(fault.on("/alerts").after(1));
    let error = scene.try_poll().await.unwrap_err();
    assert!(matches!(error, SourceError::RateLimited { .. }), "{error:?}");
    let asked = scene.asked();
    scene.try_poll().await.unwrap_err();
    assert_eq!(scene.asked(), asked, "nothing is sent inside the wait");
    // Another process, later.
    let mut scene = scene;
    scene.source = source(&scene.fakes, &scene.folder, PAGERDUTY_TOKEN, START, "");
    scene.poll().await;
    assert_eq!(scene.kind(Kind::IncidentAlert, None).await.len(), 3);
}
