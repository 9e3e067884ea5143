//! However polls are cut, and wherever they are interrupted, the facts come out the same.

use chrono::TimeDelta;
use engkpi_fakes::Fault;
use engkpi_fakes::world::PagerDuty as Account;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Scene, at};

/// An incident's life in minutes: what a property test makes up.
#[derive(Clone, Debug)]
struct Life {
    created: i64,
    acts: Vec<(i64, u8)>,
    alerts: Vec<i64>,
}

/// Minutes from a month before the start of history to the end of March.
const MINUTES: std::ops::Range<i64> = -30 * 1440..89 * 1440;

fn life() -> impl Strategy<Value = Life> {
    let after = prop_oneof![0..5_i64, 0..300_i64, 0..20_000_i64];
    let acts = proptest::collection::vec((after, 0..9_u8), 0..8);
    let alerts = proptest::collection::vec(-10..60_i64, 0..4);
    (MINUTES, acts, alerts).prop_map(|(created, acts, alerts)| Life { created, acts, alerts })
}

fn live(account: &mut Account, lives: &[Life]) {
    let minute = |minute: i64| at("2026-01-01 00:00") + TimeDelta::minutes(minute);
    for (number, life) in lives.iter().enumerate() {
        let id = format!("PINC{number:03}");
        account.incident(&id, "PSHOP", minute(life.created), |incident| {
            let mut now = life.created;
            for (after, act) in &life.acts {
                now += after;
                let at = minute(now);
                match act {
                    0 => incident.acknowledge(at),
                    1 | 2 => incident.resolve(at),
                    3 => incident.reopen(at),
                    4 => incident.priority_at(at, "P2"),
                    5 => incident.field(at, "root_cause", &format!("cause {now}")),
                    6 => incident.note(at, "deployment:77"),
                    7 => incident.time_out(at),
                    _ => incident.merge_into(at, "PINC000"),
                };
            }
            let (first, last) = (life.created, now);
            // Alerts join an incident that is open, at any time.
            for alert in &life.alerts {
                incident.alert(minute((first + alert).min(last)));
            }
        });
    }
}

fn check(lives: &[Life], polls: &[i64]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cold = Scene::of(|account| live(account, lives)).await;
        cold.poll().await;
        let expected = cold.facts().await;
        let steps = Scene::of(|account| live(account, lives)).await;
        let mut polls: Vec<_> = polls.to_vec();
        polls.sort_unstable();
        for minute in polls {
            steps.poll_at(at("2026-01-01 00:00") + TimeDelta::minutes(minute)).await;
        }
        // What ended just now is looked at once more after an hour.
        steps.poll_at("2026-03-31 22:00").await;
        let report = steps.poll_at("2026-04-01 00:00").await;
        prop_assert_eq!(report.gaps, 0);
        let found = steps.facts().await;
        prop_assert!(found == expected, "polls differ from one:\n{found}\nfrom\n{expected}");
        Ok(())
    })
}

#[test]
fn any_sequence_of_polls_ends_in_the_facts_of_a_single_one() {
    let mut runner = TestRunner::new(Config { cases: 12, ..Config::default() });
    let lives = proptest::collection::vec(life(), 1..12);
    let polls = proptest::collection::vec(0..MINUTES.end, 0..40);
    runner.run(&(lives, polls), |(lives, polls)| check(&lives, &polls)).unwrap();
}

fn some(account: &mut Account) {
    for number in 0..30 {
        let created = at("2025-12-20 00:00") + TimeDelta::days(number * 3);
        account.incident(&format!("PINC{number:02}"), "PSHOP", created, |incident| {
            incident.priority("P1").alert(created).acknowledge(created + TimeDelta::minutes(3));
            incident.resolve(created + TimeDelta::days(2));
            incident.field(created + TimeDelta::days(20), "root_cause", "cache");
        });
    }
}

#[tokio::test]
async fn a_poll_that_breaks_off_anywhere_is_continued_by_the_next() {
    let clean = Scene::of(some).await;
    clean.poll().await;
    let (expected, whole) = (clean.facts().await, clean.asked() as u64);
    for reached in (0..whole).step_by(6) {
        let scene = Scene::of(some).await;
        scene.fakes.pagerduty.fault(Fault::reset().after(reached).forever());
        scene.try_poll().await.unwrap_err();
        scene.fakes.pagerduty.clear_faults();
        scene.poll().await;
        assert!(scene.facts().await == expected, "broken off after {reached} requests");
    }
}

#[tokio::test]
async fn what_was_read_before_a_break_is_not_read_again() {
    let many = |account: &mut Account| {
        for number in 0..200 {
            let created = at("2026-02-01 00:00") + TimeDelta::minutes(number);
            account.incident(&format!("PINC{number:03}"), "PSHOP", created, |incident| {
                incident.alert(created).resolve(created + TimeDelta::minutes(9));
            });
        }
    };
    let scene = Scene::of(many).await;
    scene.fakes.pagerduty.fault(Fault::reset().on("PINC160").forever());
    scene.try_poll().await.unwrap_err();
    assert_eq!(scene.incidents().await.len(), 150, "three chunks are committed");
    scene.fakes.pagerduty.clear_faults();
    scene.fakes.pagerduty.clear_requests();
    scene.poll().await;
    assert_eq!(scene.incidents().await.len(), 200);
    let details = scene.fakes.pagerduty.requests_to("/alerts").len();
    assert_eq!(details, 50, "only the incidents of the chunk that broke off and the rest");
}
