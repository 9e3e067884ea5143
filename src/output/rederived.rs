//! Every number that an explanation shows, calculated again by somebody who has nothing but the
//! explanation: from the items of its JSON, by the written definition, without the code that
//! calculated it the first time.

mod calculate;

use proptest::prelude::*;
use serde_json::Value;

use self::calculate::Explained;
use super::json;
use crate::kpi::evaluation::{Scope, explain};
use crate::kpi::testing::worlds::{World, worlds};
use crate::kpi::{ALL, Kpi, Window};

/// Windows of every kind, one that lies in the past among them.
const WINDOWS: [&str; 5] = ["30d", "90d", "month:2026-02", "quarter", "own"];

fn explained(world: &World, kpi: &'static Kpi, scope: Scope, window: &str) -> Value {
    let story = world.story();
    let timeline = story.timeline();
    let window = Window::parse(window).expect("a window");
    let what = (kpi, scope, window);
    let explanation = explain(&timeline, &story.params, &world.freshness(), what, story.as_of);
    serde_json::to_value(json::explanation(&explanation)).expect("an explanation is JSON")
}

/// Whether two numbers are one, calculated in another order.
fn same(shown: Option<f64>, again: Option<f64>) -> bool {
    match (shown, again) {
        (Some(shown), Some(again)) => (shown - again).abs() <= 1e-6 * shown.abs().max(1.0),
        (shown, again) => shown == again,
    }
}

/// The values that the items do not give, each with what they give. A number that is not shown
/// although there are items is one that a ledger begins too late for, or ends too early.
fn wrong(body: &Value) -> Vec<String> {
    let explained = Explained::of(body);
    let readings = body["readings"].as_array().expect("readings");
    let ledgers = ["request_latency", "slo_compliance", "error_budget_burn"];
    let items = body["items"].as_array().expect("items");
    let mut marks = items.iter().flat_map(|it| it["marks"].as_array().expect("marks"));
    let has_counters = marks.any(|it| it["name"] == "counted_by");
    let of_ledger = |it: &Value| {
        ledgers.iter().any(|kpi| it["kpi"] == *kpi) || (has_counters && it["kpi"] == "unit_cost")
    };
    let values = readings.iter().filter(|it| !it["n"].is_null());
    let values = values.filter(|it| !(it["value"].is_null() && of_ledger(it)));
    // A run of hours at the end of each of which the day before burnt too fast is not a sum of days.
    let values = values.filter(|it| it["family"] != "engkpi_error_budget_burn_sustained_seconds");
    // Nor is what is to come.
    let values = values.filter(|it| it["family"] != "engkpi_error_budget_exhaustion_seconds");
    values
        .filter_map(|reading| {
            let again = explained.value(reading);
            let told = format!(
                "{} {} {} {}: shown {}, and the items give {again:?}",
                reading["family"],
                reading["scope"],
                reading["labels"],
                reading["stat"],
                reading["value"]
            );
            (!same(reading["value"].as_f64(), again)).then_some(told)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_items_of_an_explanation_give_every_value_that_it_shows(
        world in worlds(60), window in prop::sample::select(&WINDOWS[..]), scope in 0..5_usize,
    ) {
        let scopes = [
            Scope::Org, Scope::Team(0), Scope::Team(1), Scope::Service(1), Scope::Service(2),
        ];
        for kpi in ALL {
            let body = explained(&world, kpi, scopes[scope], window);
            let wrong = wrong(&body);
            prop_assert!(
                wrong.is_empty(), "{}\nin {}\nof the items {:#}", wrong.join("\n"), body["window"],
                body["items"]
            );
        }
    }
}
