//! What is asked, and how much.

use engkpi::domain::Kind;
use engkpi_fakes::world::PagerDuty as Account;

use super::Scene;

/// `count` incidents with three alerts each, spread over history.
fn busy(account: &mut Account, count: u32) {
    for number in 0..count {
        let (day, hour) = (number % 80, number / 80 % 20);
        let created = at_day(day, hour);
        account.incident(&format!("PINC{number:04}"), "PSHOP", created, |incident| {
            let minutes = chrono::TimeDelta::minutes;
            incident.priority("P2").acknowledge(created + minutes(4));
            incident.resolve(created + minutes(40));
            incident.field(created + minutes(2_000), "root_cause", "cache");
            for _ in 0..3 {
                incident.alert(created);
            }
        });
    }
}

fn at_day(day: u32, hour: u32) -> engkpi::domain::Instant {
    super::at("2026-01-02 00:00")
        + chrono::TimeDelta::days(day.into())
        + chrono::TimeDelta::hours(hour.into())
}

#[tokio::test]
async fn a_cold_read_costs_at_most_2_2_requests_per_incident_and_an_idle_cycle_3() {
    let scene = Scene::of(|account| busy(account, 300)).await;
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 300);
    let cold = scene.asked();
    assert!(cold * 10 <= 300 * 22, "{cold} requests for 300 incidents");
    for now in ["2026-04-01 00:05", "2026-04-01 00:10", "2026-04-01 06:00"] {
        scene.fakes.pagerduty.clear_requests();
        scene.poll_at(now).await;
        assert!(scene.asked() <= 3, "{:#?}", scene.fakes.pagerduty.usage());
    }
}

#[tokio::test]
async fn fields_and_alerts_cost_nothing_where_there_are_none_or_nobody_wants_them() {
    let mut scene = Scene::of(|account| {
        account.fields(&[]);
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.resolve("2026-03-20 11:00");
        });
    })
    .await;
    scene.poll().await;
    assert_eq!(scene.fakes.pagerduty.requests_to("custom_fields/values").len(), 0);
    assert_eq!(scene.fakes.pagerduty.requests_to("/alerts").len(), 0, "alert_counts says none");

    scene.fakes.edit(|world| {
        world.pagerduty.fields(&["root_cause"]);
        world.pagerduty.incident_mut("PINC1").alert("2026-03-20 10:00");
    });
    scene.reconfigure("2025-12-01", "alerts = false\ncustom_fields = false");
    scene.poll().await;
    assert_eq!(scene.fakes.pagerduty.requests_to("/alerts").len(), 0);
    assert_eq!(scene.fakes.pagerduty.requests_to("include[]=custom_fields").len(), 0);
}

#[tokio::test]
async fn what_is_wanted_later_is_read_from_the_start() {
    let mut scene = Scene::of(|account| {
        account.incident("PINC1", "PSHOP", "2026-01-20 10:00", |incident| {
            incident.alert("2026-01-20 10:00").resolve("2026-01-20 11:00");
            incident.field("2026-01-21 09:00", "root_cause", "cache");
        });
        account.incident("PEARLY", "PSHOP", "2025-06-20 10:00", |incident| {
            incident.resolve("2025-06-20 11:00");
        });
    })
    .await;
    scene.reconfigure("2026-01-01", "alerts = false\ncustom_fields = false");
    scene.poll().await;
    assert_eq!(scene.kind(Kind::IncidentAlert, None).await.len(), 0);
    assert!(scene.incident("PINC1").await.fields.is_empty());
    scene.reconfigure("2026-01-01", "");
    scene.poll().await;
    assert_eq!(scene.kind(Kind::IncidentAlert, None).await.len(), 1);
    assert_eq!(scene.incident("PINC1").await.fields["root_cause"], "cache");
    assert_eq!(scene.incidents().await.len(), 1);
    scene.reconfigure("2025-01-01", "");
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 2, "history begins earlier now");
}

#[tokio::test]
async fn pitfalls_11_and_13_windows_are_short_and_always_say_their_zone() {
    let mut scene = Scene::of(|account| {
        account.incident("POLD", "PSHOP", "2021-05-05 10:00", |incident| {
            incident.resolve("2021-05-05 11:00");
        });
    })
    .await;
    scene.reconfigure("2020-01-01", "");
    scene.poll().await;
    scene.reconcile().await;
    assert_eq!(scene.incident("POLD").await.resolved_at, Some(super::at("2021-05-05 11:00")));
    let mut windows = 0;
    for request in scene.fakes.pagerduty.requests() {
        let (Some(since), Some(until)) = (request.parameter("since"), request.parameter("until"))
        else {
            assert!(!request.target().contains("since"), "half a window: {}", request.target());
            continue;
        };
        assert!(since.ends_with('Z') && until.ends_with('Z'), "{}", request.target());
        let days = (super::at(until) - super::at(since)).num_days();
        assert!(days <= 180, "{days} days: {}", request.target());
        windows += 1;
    }
    assert!(windows > 25, "six years in {windows} windows");
}

#[tokio::test]
async fn pitfall_11_a_window_with_more_than_can_be_reached_is_cut() {
    let scene = Scene::of(|account| {
        account.incident("PNOISY", "PSHOP", "2026-02-01 00:00", |incident| {
            for number in 0..10_050 {
                let at = super::at("2026-02-01 00:00") + chrono::TimeDelta::minutes(number);
                incident.entry(at, engkpi_fakes::world::LogKind::Snooze, "auto");
            }
        });
    })
    .await;
    let report = scene.poll().await;
    assert_eq!(report.gaps, 0);
    assert_eq!(scene.events("PNOISY").await.len(), 10_051);
    for request in scene.fakes.pagerduty.requests() {
        assert_eq!(request.status, 200, "{}", request.target());
    }
}

#[tokio::test]
async fn pitfall_12_arrays_have_brackets_and_every_request_only_reads() {
    let scene = Scene::of(|account| busy(account, 10)).await;
    scene.poll().await;
    scene.reconcile().await;
    let requests = scene.fakes.pagerduty.requests();
    assert!(requests.iter().any(|it| it.parameter("statuses[]").is_some()));
    for request in &requests {
        assert_eq!(request.method, "GET");
        for array in ["statuses", "include", "urgencies", "service_ids", "team_ids"] {
            assert_eq!(request.parameter(array), None, "{}", request.target());
        }
        assert_eq!(request.parameter("is_overview"), None, "it leaves changes of fields out");
        assert_eq!(request.headers["accept"], "application/vnd.pagerduty+json;version=2");
        assert_eq!(request.headers["content-type"], "application/json");
    }
}
