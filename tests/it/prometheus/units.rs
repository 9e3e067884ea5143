//! Demand that the metric store counts.

use engkpi::kpi::Need;
use engkpi::kpi::ledger::Question;
use engkpi::source::prometheus::Plan;
use expect_test::expect;

use super::Scene;

const ORDERS: &str = "orders_total{job=\"shop\"}";

fn counter(name: &str, selector: &str) -> Plan {
    let question = Question::Counter { selector: selector.to_owned() };
    let ledger = question.ledger("units", name);
    Plan { ledger, key: format!("units.{name}"), question }
}

/// Two orders a minute, and none between ten and eleven; nothing is scraped after 12:20.
async fn shop() -> Scene {
    let mut scene = Scene::of(|metrics| {
        metrics.counter(ORDERS, "2026-03-10 08:30", |orders| {
            orders.serves("2026-03-10 08:00", "2026-03-10 10:00", 2.0, 0.0);
            orders.serves("2026-03-10 11:00", "2026-03-20 00:00", 2.0, 0.0);
            orders.unseen("2026-03-10 12:20", "2026-03-20 00:00");
        });
    })
    .await;
    scene.reconfigure(vec![counter("shop", ORDERS)], "");
    scene
}

#[tokio::test]
async fn each_hour_has_what_was_counted_in_it_and_no_hour_is_made_up() {
    let scene = shop().await;
    scene.poll_at("2026-03-10 14:30").await;
    expect![[r#"
        10T08 6/12 total:60
        10T09 12/12 total:120
        10T10 12/12 total:0
        10T11 12/12 total:120
        10T12 4/12 total:40
        10T13 0/12 
    "#]]
    .assert_eq(&scene.hours().await);
}

#[tokio::test]
async fn however_it_is_polled_the_same_is_counted() {
    let once = shop().await;
    once.poll_at("2026-03-10 14:30").await;
    let often = shop().await;
    for time in ["09:15", "10:01", "11:30", "12:05", "13:01", "14:30"] {
        often.poll_at(format!("2026-03-10 {time}").as_str()).await;
    }
    assert_eq!(once.hours().await, often.hours().await);
}

#[tokio::test]
async fn a_look_says_which_counter_is_not_there() {
    let mut scene = shop().await;
    scene.reconfigure(vec![counter("shop", ORDERS), counter("gone", "gone_total")], "");
    let probe = scene.source.probe().await.unwrap();
    let lacks: Vec<_> = probe.lacks.iter().map(|it| (it.need, it.why.as_str())).collect();
    let why = "units.gone: nothing matched gone_total within the last day";
    assert_eq!(lacks, [(Need::Units, why)]);
}
