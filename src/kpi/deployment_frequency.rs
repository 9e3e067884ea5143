//! How often a service is deployed to production (kpis.md 3.10).

use std::collections::{BTreeMap, BTreeSet};

use super::deployment_items::{self, ENVIRONMENT};
use super::statistics::{count, real};
use super::{Better, Family, Item, Kpi, Need, PlacedBy, Reading, Slice, TargetRule, Unit, View};
use crate::domain::Instant;

const FREQUENCY: &str = "engkpi_deployment_frequency_per_day";
const DAYS_PER_WEEK: &str = "engkpi_deployment_days_per_week";
const LAST: &str = "engkpi_last_deployment_timestamp_seconds";

/// Production deployments per day.
pub static KPI: Kpi = Kpi {
    id: "deployment_frequency",
    title: "Deployment frequency",
    definition: "Production deployments that finished in the window, per day (DORA). Successes of one commit within the rollout \
        window are one deployment at the first of them; the same commit again with nothing else in between is a restart and not \
        counted; a pipeline that failed is an attempt and not counted. A deployment is a deployment of one service. The target \
        compares the rate with that of the window before, by the exact conditional rate ratio (Przyborowski and Wilenski 1940).",
    unit: Unit::PerDay,
    better: Better::Higher,
    default_window: "30d",
    target: TargetRule::RateRatio { ratio: 1.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 5,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Completion,
    lookback_days: 0,
    needs: &[Need::Deployments],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: FREQUENCY,
            help: "Production deployments per day.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: DAYS_PER_WEEK,
            help: "Days with at least one production deployment, per week.",
            dimensions: &[],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: LAST,
            help: "When the last production deployment to an environment finished, in seconds since 1970.",
            dimensions: &["environment"],
            distribution: false,
            now: true,
            needs: &[],
        },
    ],
    assess,
    by_window: true,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let deployments = 0..view.deployments.len();
    deployments.map(|index| deployment_items::with_environments(view, index)).collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let finished: Vec<Instant> = items
        .iter()
        .filter_map(|item| item.completed_at)
        .filter(|at| slice.window.contains(*at))
        .collect();
    let mut readings = vec![
        Reading::per_day(FREQUENCY, count(finished.len()), slice.window.days()),
        days_per_week(&finished, slice),
    ];
    readings.extend(last_by_environment(items));
    readings
}

/// Days are those of the configured zone. A window that has only begun is counted as one day, so
/// that no week has more than seven.
fn days_per_week(finished: &[Instant], slice: &Slice<'_>) -> Reading {
    let zone = slice.view.params.calendar.zone;
    let days: BTreeSet<_> =
        finished.iter().map(|at| at.with_timezone(&zone).date_naive()).collect();
    let weeks = slice.window.days().max(1.0) / 7.0;
    let per_week = (real(count(days.len())) / weeks).min(7.0);
    Reading::new(DAYS_PER_WEEK, Some(per_week), count(finished.len()))
}

fn last_by_environment(items: &[&Item]) -> impl Iterator<Item = Reading> {
    let mut last: BTreeMap<&str, Instant> = BTreeMap::new();
    for item in items {
        for mark in item.marks.iter().filter(|mark| mark.name == ENVIRONMENT) {
            if let Some(at) = mark.at.or(item.completed_at) {
                let latest = last.entry(mark.value.as_ref()).or_insert(at);
                *latest = at.max(*latest);
            }
        }
    }
    last.into_iter().map(|(environment, at)| {
        let seconds = at.timestamp_micros() as f64 / 1e6;
        Reading::plain(LAST, Some(seconds)).with("environment", environment)
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::KPI;
    use crate::kpi::testing::Story;

    #[test]
    fn deployments_finished_in_the_window_per_day() {
        let story = Story::told(
            "service web to eu,us
             02T10:00 deploy web c1 to eu
             02T10:10 deploy web c1 to us
             03T10:00 deploy web c2 to eu
             03T10:20 deploy web c3 to us failed
             16T10:00 deploy web c4 to us",
        );
        expect![[r#"
            deployment_frequency_per_day 0.1 [0.0206, 0.2922] n=3
            deployment_days_per_week 0.7 n=3
            last_deployment_timestamp_seconds eu 03T10:00 n=1
            last_deployment_timestamp_seconds us 16T10:00 n=1
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
    }

    #[test]
    fn a_window_is_half_open() {
        let story = Story::told(
            "service web
             02T09:59:59 deploy web c1
             02T10:00 deploy web c2
             09T09:59:59 deploy web c3
             09T10:00 deploy web c4",
        );
        let frequency = story.reading(&KPI, "org 02T10:00..09T10:00", "frequency");
        expect!["deployment_frequency_per_day 0.2857 [0.0346, 1.0321] n=2"].assert_eq(&frequency);
    }

    #[test]
    fn no_deployment_in_a_covered_window_is_zero_and_no_window_at_all_is_nothing() {
        let story = Story::told("service web\n02T10:00 deploy web c1");
        expect![[r#"
            deployment_frequency_per_day 0 [0, 0.527] n=0
            deployment_days_per_week 0 n=0
            last_deployment_timestamp_seconds production 02T10:00 n=1
        "#]]
        .assert_eq(&story.readings(&KPI, "org 7d"));
        let frequency = story.reading(&KPI, "org 05T00:00..05T00:00", "frequency");
        expect!["deployment_frequency_per_day - n=0"].assert_eq(&frequency);
    }

    #[test]
    fn a_later_wave_is_the_last_deployment_to_its_environment() {
        let story = Story::told(
            "service web to eu,us
             05T10:00 deploy web c1 to eu
             08T10:00 deploy web c1 to us",
        );
        expect![[r#"
            last_deployment_timestamp_seconds eu 05T10:00 n=1
            last_deployment_timestamp_seconds us 08T10:00 n=1"#]]
        .assert_eq(&story.reading(&KPI, "org 30d", "last_deployment"));
    }

    #[test]
    fn a_deployment_of_several_services_counts_once_for_each_and_so_does_the_organisation() {
        let story = Story::told(
            "service api in mono paths api/** team blue
             service web in mono paths web/** team blue
             service lib in mono paths lib/** team red
             05T10:00 deploy mono c1",
        );
        let frequency =
            |scope: &str| story.reading(&KPI, &format!("{scope} 05T00:00..06T00:00"), "frequency");
        expect!["deployment_frequency_per_day 1 [0.0253, 5.5716] n=1"]
            .assert_eq(&frequency("service api"));
        expect!["deployment_frequency_per_day 2 [0.2422, 7.2247] n=2"]
            .assert_eq(&frequency("team blue"));
        expect!["deployment_frequency_per_day 3 [0.6187, 8.7673] n=3"].assert_eq(&frequency("org"));
    }

    #[test]
    fn days_with_deployments_are_those_of_the_configured_zone_and_a_week_has_seven() {
        let mut story = Story::told(
            "service web
             as_of 06T12:00
             05T21:30 deploy web c1
             05T23:30 deploy web c2
             06T00:30 deploy web c3",
        );
        let days = |story: &Story, slice: &str| story.reading(&KPI, slice, "days_per_week");
        expect!["deployment_days_per_week 2 n=3"].assert_eq(&days(&story, "org 7d"));
        expect!["deployment_days_per_week 7 n=1"]
            .assert_eq(&days(&story, "org 06T00:00..06T01:00"));
        expect!["deployment_days_per_week 7 n=2"]
            .assert_eq(&days(&story, "org 05T23:00..06T01:00"));
        story.params.calendar.zone = chrono_tz::Europe::Helsinki;
        expect!["deployment_days_per_week 2 n=3"].assert_eq(&days(&story, "org 7d"));
        story.params.calendar.zone = chrono_tz::Asia::Tokyo;
        expect!["deployment_days_per_week 1 n=3"].assert_eq(&days(&story, "org 7d"));
    }
}
