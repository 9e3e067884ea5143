//! How long requests take (kpis.md 3.12).

use super::ledger_items::{Subject, missing};
use super::params::Endpoint;
use super::statistics::histogram::{Histogram, whole};
use super::{
    Aim, Better, Family, Item, Kpi, Need, Params, PlacedBy, Reading, Scope, Slice, Stat, State,
    TargetRule, Unit, View,
};

const LATENCY: &str = "engkpi_request_latency_seconds";
const WITHIN: &str = "engkpi_request_within_budget_ratio";

/// p95 and p99 of each endpoint's latency.
pub static KPI: Kpi = Kpi {
    id: "request_latency",
    title: "Request latency",
    definition: "p95 and p99 of the latency of each endpoint: Prometheus's histogram_quantile over buckets that were summed \
        first, over all instances and over every complete hour of the window, never an average of quantiles. Absent without \
        traffic. Beyond the last finite bound it is that bound, with no upper end. The interval is that of the order \
        statistics, widened to the bounds of their buckets. Beside it the share of requests within the endpoint's budget.",
    unit: Unit::Seconds,
    better: Better::Lower,
    default_window: "7d",
    target: TargetRule::Own { what: "the endpoint's budget" },
    target_stat: Some(Stat::P95),
    target_dimensions: &[],
    aims: Some(aims),
    min_n: 20,
    min_coverage: Some(0.5),
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Requests],
    uses: &[],
    baseline_value: None,
    families: &[
        Family {
            name: LATENCY,
            help: "Latency of an endpoint's requests in seconds, from buckets summed over instances and hours.",
            dimensions: &["endpoint"],
            distribution: true,
            now: false,
            needs: &[],
        },
        Family {
            name: WITHIN,
            help: "Share of an endpoint's requests that took no longer than its budget.",
            dimensions: &["endpoint"],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

/// Each endpoint of the scope has its own budget.
fn aims(params: &Params, scope: Scope, _: TargetRule) -> Vec<Aim> {
    let is_of = |endpoint: &&Endpoint| match scope {
        Scope::Org => true,
        Scope::Team(team) => params.catalogue.services[endpoint.service].team == team,
        Scope::Service(service) => endpoint.service == service,
    };
    let aim = |endpoint: &Endpoint| Aim {
        dimensions: vec![("endpoint", endpoint.name.clone())],
        rule: TargetRule::Value { target: endpoint.budget, good: None },
    };
    params.endpoints.iter().filter(is_of).map(aim).collect()
}

fn assess(view: &View<'_>) -> Vec<Item> {
    view.params.endpoints.iter().filter_map(|it| Subject::Endpoint(it).item(view)).collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let subjects = items.iter().filter_map(|item| Subject::of(slice.view.params, &item.id));
    subjects
        .flat_map(|subject| match subject {
            Subject::Endpoint(endpoint) => of(endpoint, slice),
            Subject::Slo(_) => Vec::new(),
        })
        .collect()
}

/// The readings of one endpoint: undefined where its ledger does not know the window.
fn of(endpoint: &Endpoint, slice: &Slice<'_>) -> Vec<Reading> {
    let ledger = Subject::Endpoint(endpoint).ledger(slice.view);
    let missing = missing(slice, &endpoint.source, &ledger);
    let requests = match missing {
        Some(_) => None,
        None => ledger.histogram(slice.window, endpoint.scale),
    };
    let coverage = ledger.coverage(slice.window);
    let mut readings: Vec<Reading> = [(Stat::P95, 0.95), (Stat::P99, 0.99)]
        .into_iter()
        .map(|(stat, q)| quantile(requests.as_ref(), q, endpoint.budget).stat(stat))
        .chain([within(requests.as_ref(), endpoint.budget)])
        .collect();
    for reading in &mut readings {
        reading.dimensions.push(("endpoint", endpoint.name.clone()));
        reading.coverage = coverage;
        let few = reading.stat.is_some_and(|stat| reading.n < stat.min_n());
        let few = few.then_some(State::Insufficient);
        reading.verdict = missing.or(few).or(reading.verdict);
        reading.aimed_at = Some(reading.stat == Some(endpoint.stat));
    }
    readings
}

fn quantile(requests: Option<&Histogram>, q: f64, budget: f64) -> Reading {
    let n = requests.map_or(0, |it| whole(it.total()));
    let value = requests.and_then(|it| it.quantile(q));
    let mut reading = Reading::new(LATENCY, value, n);
    if let (Some(requests), Some(value)) = (requests, value) {
        reading = reading.bounds(requests.quantile_interval(q));
        // A bucket does not hold its lower bound, so the quantile is surely above it.
        if reading.lower.is_some_and(|lower| lower >= budget) {
            reading.verdict = Some(State::Missed);
        } else if requests.is_beyond(q) {
            // The value is only where the bounds end.
            let over = budget <= value;
            reading.verdict = Some(if over { State::LikelyMissed } else { State::Insufficient });
        }
    }
    reading
}

fn within(requests: Option<&Histogram>, budget: f64) -> Reading {
    let Some(requests) = requests.filter(|it| it.total() > 0.0) else {
        return Reading::new(WITHIN, None, 0);
    };
    let within = requests.within(budget);
    let share = within / requests.total();
    let mut reading = Reading::new(WITHIN, Some(share), whole(requests.total()))
        .interval(requests.share_interval(budget));
    reading.numerator = Some(whole(within));
    reading
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::kpi::evaluation::{self, Freshness, Plan, SourceFreshness};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::requests::SOURCE;
    use crate::kpi::testing::{Story, instant, source};
    use crate::kpi::{ItemId, Window};

    const PAY: &str = "service web\nendpoint pay of web budget 0.3\n";

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(&format!("{PAY}{story}")).readings(&KPI, slice));
    }

    #[test]
    fn buckets_are_added_up_before_the_quantile_is_taken() {
        // Each hour alone has a p95 of 0.1 or of 1; half of all requests are slow.
        check(
            "org 05T10:00..05T12:00",
            "05T10:00 hour pay 0.1:1000 0.3:1000 1:1000 +Inf:1000
             05T11:00 hour pay 0.1:0 0.3:0 1:1000 +Inf:1000",
            expect![[r#"
                request_latency_seconds pay p95 930ms [300ms, 1s] n=2000 coverage=1.00
                request_latency_seconds pay p99 986ms [300ms, 1s] n=2000 coverage=1.00
                request_within_budget_ratio pay 0.5 [0.4781, 0.5219] n=2000 numerator=1000 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn an_hour_with_much_traffic_weighs_more() {
        check(
            "org 05T10:00..05T12:00",
            "05T10:00 hour pay 0.1:98000 0.3:98000 1:98000 +Inf:98000
             05T11:00 hour pay 0.1:0 0.3:0 1:2000 +Inf:2000",
            expect![[r#"
                request_latency_seconds pay p95 97ms [0s, 100ms] n=100000 coverage=1.00
                request_latency_seconds pay p99 650ms [300ms, 1s] n=100000 coverage=1.00
                request_within_budget_ratio pay 0.98 [0.9791, 0.9808] n=100000 numerator=98000 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn without_traffic_there_is_no_value() {
        check(
            "org 05T10:00..05T12:00",
            "05T10:00 hour pay 0.1:0 0.3:0 +Inf:0
             05T11:00 hour pay 0.1:0 0.3:0 +Inf:0",
            expect![[r#"
                request_latency_seconds pay p95 - n=0 coverage=1.00
                request_latency_seconds pay p99 - n=0 coverage=1.00
                request_within_budget_ratio pay - n=0 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn hours_of_which_nothing_is_known_only_lower_the_coverage() {
        check(
            "org 05T10:00..05T14:00",
            "05T10:00 hour pay 0.1:900 0.3:1000 +Inf:1000
             05T11:00 hour pay
             05T12:00 hour pay covered 6 0.1:900 0.3:1000 +Inf:1000",
            expect![[r#"
                request_latency_seconds pay p95 200ms [100ms, 300ms] n=2000 coverage=0.38
                request_latency_seconds pay p99 280ms [100ms, 300ms] n=2000 coverage=0.38
                request_within_budget_ratio pay 1 [0.9981, 1] n=2000 numerator=2000 coverage=0.38
            "#]],
        );
    }

    #[test]
    fn beyond_the_last_bound_it_is_at_least_that_bound() {
        check(
            "org 05T10:00..05T11:00",
            "05T10:00 hour pay 0.1:900 0.3:940 +Inf:1000",
            expect![[r#"
                request_latency_seconds pay p95 300ms [100ms, -] n=1000 coverage=1.00
                request_latency_seconds pay p99 300ms [300ms, -] n=1000 coverage=1.00
                request_within_budget_ratio pay 0.94 [0.9235, 0.9531] n=1000 numerator=940 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn the_window_holds_the_hours_that_begin_in_it() {
        let hours = "05T09:00 hour pay 0.3:1 +Inf:1
             05T10:00 hour pay 0.3:10 +Inf:10
             05T11:00 hour pay 0.3:100 +Inf:100
             05T12:00 hour pay 0.3:1000 +Inf:1000";
        let n = |slice: &str| {
            let story = Story::told(&format!("{PAY}{hours}"));
            let reading = story.reading(&KPI, slice, "p95");
            reading.split(' ').find(|it| it.starts_with("n=")).unwrap().to_owned()
        };
        assert_eq!(n("org 05T10:00..05T12:00"), "n=110");
        assert_eq!(n("org 05T09:01..05T12:01"), "n=1110", "10:00 to 12:00 begin in it");
    }

    #[test]
    fn a_window_that_begins_before_the_ledger_has_no_value() {
        let hours = "05T10:00 hour pay for 4 0.3:10 +Inf:10";
        check(
            "org 05T09:00..05T13:00",
            hours,
            expect![[r#"
            request_latency_seconds pay p95 - n=0 coverage=0.75
            request_latency_seconds pay p99 - n=0 coverage=0.75
            request_within_budget_ratio pay - n=0 coverage=0.75
        "#]],
        );
        check(
            "org 05T09:01..05T13:00",
            hours,
            expect![[r#"
            request_latency_seconds pay p95 285ms [0s, -] n=30 coverage=1.00
            request_latency_seconds pay p99 297ms [0s, -] n=30 coverage=1.00
            request_within_budget_ratio pay 1 [0.8865, 1] n=30 numerator=30 coverage=1.00
        "#]],
        );
    }

    #[test]
    fn what_happened_at_as_of_or_later_is_not_known() {
        check(
            "org 05T10:00..05T13:00",
            "as_of 05T11:59:59
             05T10:00 hour pay 0.1:10 0.3:20 +Inf:20
             05T11:00 hour pay 0.1:0 0.3:0 +Inf:500",
            expect![[r#"
                request_latency_seconds pay p95 280ms [100ms, -] n=20 coverage=1.00
                request_latency_seconds pay p99 296ms [100ms, -] n=20 coverage=1.00
                request_within_budget_ratio pay 1 [0.8389, 1] n=20 numerator=20 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn bounds_in_milliseconds_and_a_budget_for_the_p99() {
        let story = Story::told(
            "service web
             endpoint pay of web budget 0.3 p99 ms
             05T10:00 hour pay 100:900 300:990 1000:1000 +Inf:1000",
        );
        expect![[r#"
            request_latency_seconds pay p95 211ms [100ms, 300ms] n=1000 coverage=1.00
            request_latency_seconds pay p99 300ms [100ms, 1s] n=1000 coverage=1.00
            request_within_budget_ratio pay 0.99 [0.9817, 0.9946] n=1000 numerator=990 coverage=1.00
        "#]]
        .assert_eq(&story.readings(&KPI, "org 05T10:00..05T11:00"));
    }

    #[test]
    fn endpoints_are_never_mixed_and_each_is_in_its_scopes() {
        let story = Story::told(
            "service web team shop
             service api team core
             endpoint pay of web budget 0.3
             endpoint search of api budget 1
             05T10:00 hour pay 0.3:10 +Inf:10
             05T10:00 hour search 0.3:0 1:20 +Inf:20",
        );
        let endpoints = |scope: &str| {
            let readings = story.readings(&KPI, &format!("{scope} 05T10:00..05T11:00"));
            let lines = readings.lines().filter(|it| it.contains("p95"));
            lines.map(|it| it.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(endpoints("org"), ["pay", "search"]);
        assert_eq!(endpoints("team shop"), ["pay"]);
        assert_eq!(endpoints("service api"), ["search"]);
    }

    /// The state of each endpoint over the last seven days, the ledger of which is full of `hour`.
    fn states(story: &str) -> Vec<String> {
        let mut story = Story::told(story);
        let history_start = instant("01-01T00:00");
        story.params.sources.push(source(SOURCE, &[Need::Requests], history_start));
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let freshness = Freshness::from([(SOURCE.into(), fresh)]);
        let window = Window::parse("7d").unwrap();
        let plan = Plan {
            kpis: vec![&KPI],
            windows: vec![window],
            history: false,
            ..Plan::published(vec![window], false)
        };
        let timeline = story.timeline();
        let found = evaluation::evaluate(&timeline, &story.params, &freshness, &plan, story.as_of);
        let of_org = found.statuses().filter(|it| it.scope == Scope::Org);
        let shown = of_org.map(|it| {
            let name: Vec<&str> = it.dimensions.iter().map(|(_, name)| name.as_str()).collect();
            format!("{} {}", name.join(" "), it.state.as_str())
        });
        shown.collect()
    }

    #[test]
    fn each_endpoint_is_judged_by_its_own_budget() {
        let told = "service web
             as_of 08T00:00
             endpoint fast of web budget 0.3
             endpoint slow of web budget 0.3
             endpoint near of web budget 0.3
             endpoint off of web budget 5
             endpoint out of web budget 1
             endpoint tail of web budget 0.3 p99
             endpoint idle of web budget 0.3
             endpoint new of web budget 0.3
             endpoint late of web budget 0.3
             endpoint gaps of web budget 0.3
             endpoint few of web budget 0.3
             WEEK fast for 168 0.1:90 0.3:99 1:100 +Inf:100
             WEEK slow for 168 0.1:50 0.3:60 1:100 +Inf:100
             WEEK near for 1 0.1:50 0.3:95 1:100 +Inf:100
             02T00:00 hour near for 144 0.1:0 +Inf:0
             WEEK off for 168 0.1:10 1:20 +Inf:100
             WEEK out for 168 0.1:10 1:20 +Inf:100
             WEEK tail for 168 0.1:90 0.3:96 1:100 +Inf:100
             WEEK idle for 168 0.1:0 0.3:0 +Inf:0
             05T00:00 hour new for 72 0.3:100 +Inf:100
             WEEK late for 150 0.3:100 +Inf:100
             WEEK gaps for 168 covered 3 0.3:100 +Inf:100
             WEEK few for 1 0.3:19 +Inf:19
             02T00:00 hour few for 144 0.3:0 +Inf:0";
        expect![[r#"
            fast met
            slow missed
            near likely_met
            off insufficient
            out missed
            tail missed
            idle insufficient
            new no_data
            late stale
            gaps insufficient
            few insufficient"#]]
        .assert_eq(&states(&told.replace("WEEK", "01T00:00 hour")).join("\n"));
    }

    #[test]
    fn explain_shows_days_that_add_up_to_the_very_value() {
        let mut story = Story::told(&format!(
            "{PAY}as_of 08T12:30
             01T00:00 hour pay for 100 0.1:90 0.3:95 1:99 +Inf:100
             05T04:00 hour pay for 60 0.1:40 0.3:80 1:120 +Inf:130"
        ));
        story.params.sources.push(SourceParams {
            stale_after: chrono::Duration::hours(48),
            web_base: "https://prometheus.example/prom/".parse().unwrap(),
            ..source(SOURCE, &[Need::Requests], instant("01-01T00:00"))
        });
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let freshness = Freshness::from([(SOURCE.into(), fresh)]);
        let what = (&KPI, Scope::Org, Window::parse("7d").unwrap());
        let timeline = story.timeline();
        let explained =
            evaluation::explain(&timeline, &story.params, &freshness, what, story.as_of);
        let value = |stat| {
            let mut readings = explained.evaluation.readings();
            readings.find(|it| it.reading.stat == Some(stat)).unwrap().reading.value.unwrap()
        };
        let mut sums: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
        for it in &explained.items {
            let buckets = &it.item.mark("requests by bound").unwrap().value;
            for bucket in buckets.split(", ").filter(|it| !it.is_empty()) {
                let (bound, count) = bucket.split_once(": ").unwrap();
                *sums.entry(bound).or_default() += count.parse::<f64>().unwrap();
            }
        }
        let again = Histogram::new(
            sums.into_iter().map(|(bound, sum)| (bound.parse().unwrap(), sum)).collect(),
        )
        .unwrap();
        assert_eq!(again.quantile(0.95), Some(value(Stat::P95)));
        assert_eq!(again.quantile(0.99), Some(value(Stat::P99)));
        let days: Vec<String> = explained
            .items
            .iter()
            .map(|it| {
                let requests = &it.item.mark("requests").unwrap().value;
                let slices = &it.item.mark("slices with data").unwrap().value;
                format!("{} {requests} {slices} {:?}", it.link.name, it.item.outcome)
            })
            .collect();
        expect![[r#"
            pay on 2026-03-01 1100 132 of 132 Counted
            pay on 2026-03-02 2400 288 of 288 Counted
            pay on 2026-03-03 2400 288 of 288 Counted
            pay on 2026-03-04 2400 288 of 288 Counted
            pay on 2026-03-05 3000 288 of 288 Counted
            pay on 2026-03-06 3120 288 of 288 Counted
            pay on 2026-03-07 2080 192 of 192 Counted"#]]
        .assert_eq(&days.join("\n"));
        expect!["https://prometheus.example/prom/graph?g0.expr=sum+by+%28le%29+%28increase%28pay_bucket%5B1h%5D%29%29&g0.range_input=1d&g0.end_input=2026-03-02+00%3A00%3A00"].assert_eq(explained.items[0].link.url.as_ref().unwrap().as_str());
        assert!(matches!(&explained.items[0].item.id, ItemId::Ledger { day: Some(_), .. }));
    }

    proptest! {
        #[test]
        fn the_order_in_which_hours_are_learnt_changes_nothing(
            counts in prop::collection::vec((0_u32..500, 0_u32..500, 0_u32..50), 24..72),
            turn in 0_usize..24,
        ) {
            let lines: Vec<String> = counts
                .iter()
                .enumerate()
                .map(|(hour, (a, b, c))| {
                    let (day, hour) = (5 + hour / 24, hour % 24);
                    let (b, c) = (a + b, a + b + c);
                    format!("{day:02}T{hour:02}:00 hour pay 0.1:{a} 0.3:{b} +Inf:{c}")
                })
                .collect();
            let told = |lines: Vec<&String>| {
                let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
                let story = Story::told(&format!("{PAY}{}", lines.join("\n")));
                story.readings(&KPI, "org 05T00:00..08T00:00")
            };
            let mut turned: Vec<&String> = lines.iter().collect();
            turned.rotate_left(turn.min(lines.len()));
            turned.reverse();
            let readings = told(lines.iter().collect());
            prop_assert_eq!(&readings, &told(turned));
            for line in readings.lines().filter(|it| it.contains("within_budget")) {
                let share = line.split(' ').nth(2).unwrap();
                prop_assert!(share == "-" || (0.0..=1.0).contains(&share.parse::<f64>().unwrap()));
            }
        }
    }
}
