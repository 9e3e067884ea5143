//! What is kept of each complete hour.

use chrono::TimeDelta;
use engkpi::kpi::ledger::{Question, Sli};
use engkpi::source::prometheus::Plan;
use expect_test::expect;

use super::{BOUNDS, PAY, Scene, buckets};

/// Scraped from the 10th, 08:00 on; ten fast requests a minute, and one slow one from 10:00 on.
async fn pay() -> Scene {
    Scene::of(|metrics| {
        metrics.histogram(PAY, &BOUNDS, "2026-03-10 08:00", |pay| {
            pay.serves("2026-03-10 08:00", "2026-03-20 00:00", 10.0, 0.05);
            pay.serves("2026-03-10 10:00", "2026-03-20 00:00", 1.0, 0.9);
        });
    })
    .await
}

#[tokio::test]
async fn a_first_poll_reads_every_complete_hour_that_the_store_still_has() {
    let scene = pay().await;
    scene.poll().await;
    expect![[r#"
        10T08 12/12 +Inf:600 0.1:600 0.3:600
        10T09 12/12 +Inf:600 0.1:600 0.3:600
        10T10 12/12 +Inf:660 0.1:600 0.3:600
        10T11 12/12 +Inf:660 0.1:600 0.3:600
    "#]]
    .assert_eq(&scene.hours().await);
}

#[tokio::test]
async fn what_was_before_the_first_hour_with_anything_is_unknown_not_empty() {
    let scene = pay().await;
    scene.poll().await;
    let days = scene.days().await;
    assert_eq!(days.len(), 1, "the first nine days of March were asked for and had nothing");
    assert_eq!(days[0].hours[0].hour, 8);
}

#[tokio::test]
async fn an_hour_is_asked_for_when_it_is_complete_and_again_while_it_may_change() {
    let scene = pay().await;
    scene.poll().await;
    let first = scene.asked();
    for minute in ["12:35", "12:40", "12:59", "13:00"] {
        scene.poll_at(format!("2026-03-10 {minute}").as_str()).await;
    }
    assert_eq!(scene.asked() - first, 4, "no hour was complete: only the time was asked for");
    scene.fakes.prometheus.clear_requests();
    scene.poll_at("2026-03-10 13:02").await;
    let ranges = scene.fakes.prometheus.requests_to("query_range");
    assert_eq!(ranges.len(), 2);
    let start: i64 = ranges[0].parameter("start").unwrap().parse().unwrap();
    assert_eq!(start, super::at("2026-03-10 10:00").timestamp(), "09:00 to 13:00, by their ends");
    assert_eq!(scene.hours().await.lines().count(), 5);
}

#[tokio::test]
async fn samples_that_come_late_count_while_the_hour_is_read_again_and_never_later() {
    let scene = pay().await;
    scene.poll().await;
    let late = |hour: &str| format!("2026-03-10 {hour}");
    for hour in ["08", "11"] {
        scene.fakes.edit(|world| {
            let pay = world.metrics.series.get_mut(PAY).unwrap();
            let (from, to) = (late(&format!("{hour}:10")), late(&format!("{hour}:11")));
            pay.serves(from.as_str(), to.as_str(), 50.0, 0.05);
        });
    }
    scene.poll_at("2026-03-10 13:02").await;
    expect![[r#"
        10T08 12/12 +Inf:600 0.1:600 0.3:600
        10T09 12/12 +Inf:600 0.1:600 0.3:600
        10T10 12/12 +Inf:660 0.1:600 0.3:600
        10T11 12/12 +Inf:710 0.1:650 0.3:650
        10T12 12/12 +Inf:660 0.1:600 0.3:600
    "#]]
    .assert_eq(&scene.hours().await);
}

#[tokio::test]
async fn a_ledger_outlives_the_stores_retention() {
    let mut scene = pay().await;
    scene.poll().await;
    scene.poll_at("2026-03-12 00:30").await;
    let known = scene.hours().await;
    // Earlier history is wanted now, so everything is asked for again; the store has forgotten it.
    scene.fakes.edit(|world| world.metrics.retention = chrono::Duration::hours(3));
    scene.reconfigure(vec![buckets("pay", PAY)], "history_start = \"2026-02-20\"");
    scene.poll_at("2026-03-12 01:30").await;
    assert!(scene.hours().await.starts_with(&known), "nothing that was known is lost");
    assert_eq!(scene.hours().await.lines().count(), known.lines().count() + 1);
}

#[tokio::test]
async fn a_gap_in_scraping_lowers_what_is_covered() {
    let scene = Scene::of(|metrics| {
        metrics.histogram(PAY, &BOUNDS, "2026-03-10 09:00", |pay| {
            pay.serves("2026-03-10 09:00", "2026-03-20 00:00", 10.0, 0.05);
            pay.unseen("2026-03-10 09:31", "2026-03-10 11:00");
        });
    })
    .await;
    scene.poll().await;
    expect![[r#"
        10T09 6/12 +Inf:310 0.1:310 0.3:310
        10T10 0/12 
        10T11 12/12 +Inf:600 0.1:600 0.3:600
    "#]]
    .assert_eq(&scene.hours().await);
}

#[tokio::test]
async fn another_question_is_another_ledger_and_the_old_one_is_kept() {
    let mut scene = pay().await;
    scene.poll().await;
    let other = "http_request_duration_seconds_bucket{path=\"/pay\",code!=\"500\"}";
    scene.fakes.edit(|world| {
        let same = world.metrics.series[PAY].clone();
        world.metrics.series.insert(other.to_owned(), same);
    });
    scene.reconfigure(vec![buckets("pay", other)], "");
    scene.poll().await;
    let days = scene.days().await;
    assert_eq!(days.len(), 2);
    assert_ne!(days[0].ledger(), days[1].ledger());
    assert_eq!(days[0].hours.len(), days[1].hours.len());
}

#[tokio::test]
async fn however_it_is_polled_the_same_hours_are_there_at_the_end() {
    let once = pay().await;
    once.poll_at("2026-03-13 12:30").await;
    let often = pay().await;
    for hour in 0..=72 {
        let at = super::at("2026-03-10 12:30") + chrono::Duration::hours(hour);
        often.poll_at(at.format("%Y-%m-%d %H:%M").to_string().as_str()).await;
    }
    assert_eq!(once.hours().await, often.hours().await);
    assert_eq!(once.hours().await.lines().count(), 76);
}

#[tokio::test]
async fn reconciliation_takes_nothing_away() {
    use engkpi::source::Source;
    let scene = pay().await;
    scene.poll().await;
    let before = scene.store.counts().await.unwrap();
    let now = super::at("2026-03-10 12:30");
    let store = std::sync::Arc::clone(&scene.store);
    let progress = std::sync::Arc::new(super::Quiet);
    let cx = engkpi::source::PollContext { store, now, progress };
    scene.source.reconcile(&cx).await.unwrap();
    assert_eq!(scene.store.counts().await.unwrap(), before);
}

#[tokio::test]
async fn slices_are_judged_anew_when_another_share_of_them_may_be_bad() {
    let mut scene = Scene::of(|metrics| {
        metrics.counter("all", "2026-03-10 08:00", |all| {
            all.serves("2026-03-10 08:00", "2026-03-12 00:00", 100.0, 0.0);
        });
        metrics.counter("bad", "2026-03-10 08:00", |bad| {
            bad.serves("2026-03-10 08:00", "2026-03-10 09:30", 3.0, 0.0);
        });
    })
    .await;
    let plan = |allowed: &str| {
        let count = |name: &str| format!("sum(increase({name}[{{{{.window}}}}]))");
        let sli = Sli::Bad { bad: count("bad"), total: count("all") };
        let slice_allowed = allowed.to_owned();
        let question = Question::Events { sli, slice_allowed, by_slices: true };
        Plan { ledger: question.ledger("slo", "up"), key: "SLO up".to_owned(), question }
    };
    scene.reconfigure(vec![plan("0.01")], "");
    scene.poll_at("2026-03-10 11:05").await;
    // What the store has no more is as it was judged then.
    scene.fakes.edit(|world| world.metrics.retention = TimeDelta::hours(2));
    scene.reconfigure(vec![plan("0.05")], "");
    scene.poll_at("2026-03-10 11:10").await;
    expect![[r#"
        10T08 12/12 bad:180 total:6000 valid:12 met<=0.01:0 missed>0.01:4095
        10T09 12/12 bad:90 total:6000 valid:12 met<=0.01:6 missed>0.01:63
        10T10 12/12 bad:0 total:6000 valid:12 met<=0.05:12
    "#]]
    .assert_eq(&scene.hours().await);
}
