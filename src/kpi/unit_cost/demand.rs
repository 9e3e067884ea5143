//! How many units of demand services met on a day: by registers, else by what metric stores
//! counted.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Day, is_complete, start_of};
use crate::domain::SourceName;
use crate::domain::fact::LedgerDay;
use crate::kpi::ledger::{Hour, Ledger, TOTAL};
use crate::kpi::params::Demand;
use crate::kpi::{Span, View};

/// Of a day with fewer of its slices nobody knows how much was counted: what happens while nothing
/// is scraped is lost where it crosses the edge of an hour.
const LEAST_SLICES: u32 = (24 * LedgerDay::SLICES as u32 * 95).div_ceil(100);

/// The units of one name that a service met on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Units<'a> {
    /// How many; `None` where not all of the day is known.
    pub(super) count: Option<f64>,
    /// The metric store that counted them; `None` = a register says so.
    pub(super) counted_by: Option<&'a SourceName>,
}

/// Units by day and service and by name.
pub(super) type ByDay<'a> = BTreeMap<Day, BTreeMap<&'a str, Units<'a>>>;

/// The units of complete days. Those of unknown services are nobody's. Where a register has a day,
/// people have said how many there were, and nothing is added to it.
pub(super) fn units<'a>(view: &View<'a>) -> ByDay<'a> {
    let mut units = registered(view);
    for (service, unit, demands) in demands(view) {
        let ledgers: Vec<_> = demands.iter().map(|it| days(view, it)).collect();
        let known = ledgers.iter().flat_map(BTreeMap::keys);
        for day in known.filter(|day| is_complete(**day, view.as_of)) {
            // One counter of several is not all.
            let counts = ledgers.iter().map(|days| days.get(day).copied().flatten());
            let counted =
                Units { count: counts.sum(), counted_by: demands.first().map(|it| &it.source) };
            let of_day = units.entry((*day, Some(service))).or_default();
            of_day.entry(unit).or_insert(counted);
        }
    }
    units
}

fn registered<'a>(view: &View<'a>) -> ByDay<'a> {
    let mut units = ByDay::new();
    for fact in view.timeline.units.values().filter(|it| is_complete(it.day, view.as_of)) {
        if let Some(service) = view.params.catalogue.service_called(&fact.service) {
            let of_day = units.entry((fact.day, Some(service))).or_default();
            let of_unit = of_day.entry(fact.unit.as_str());
            let units = of_unit.or_insert(Units { count: Some(0.0), counted_by: None });
            units.count = units.count.map(|count| count + fact.count);
        }
    }
    units
}

/// What is counted by service and unit: several counters of one are added up.
fn demands<'a>(view: &View<'a>) -> impl Iterator<Item = (usize, &'a str, Vec<&'a Demand>)> {
    let mut demands: BTreeMap<(usize, &str), Vec<&Demand>> = BTreeMap::new();
    for demand in &view.params.demand {
        demands.entry((demand.service, &demand.unit)).or_default().push(demand);
    }
    demands.into_iter().map(|((service, unit), demands)| (service, unit, demands))
}

/// What was counted on each day that the ledger knows anything of.
fn days(view: &View<'_>, demand: &Demand) -> BTreeMap<NaiveDate, Option<f64>> {
    let ledger = Ledger::of(view.timeline, &demand.source, &demand.ledger(), view.as_of);
    let Some(first) = ledger.starts_at() else { return BTreeMap::new() };
    let start = start_of(first.date_naive());
    let mut days: BTreeMap<NaiveDate, Vec<Hour<'_>>> = BTreeMap::new();
    for hour in ledger.hours(Span { start, end: view.as_of }) {
        days.entry(hour.starts_at.date_naive()).or_default().push(hour);
    }
    days.into_iter().map(|(day, hours)| (day, counted(&hours))).collect()
}

/// What was counted in the hours of a day; `None` where that is not all of it.
fn counted(hours: &[Hour<'_>]) -> Option<f64> {
    let slices: u32 = hours.iter().map(|it| u32::from(it.covered)).sum();
    let all: Option<f64> = hours.iter().map(|it| it.value(TOTAL)).sum();
    all.filter(|_| hours.len() == 24 && slices >= LEAST_SLICES)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::KPI;
    use crate::kpi::evaluation::{self, Evaluation, Freshness, Plan, SourceFreshness};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::{Story, instant, source};
    use crate::kpi::{Need, Scope, Window};

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, slice));
    }

    #[test]
    fn requests_are_those_that_the_metric_store_counted() {
        check(
            "service web 05T00:00..07T00:00",
            "service web
             counts visits of web
             04T00:00 hour visits for 24 total:7
             05T00:00 cost web 10 EUR
             05T00:00 hour visits for 24 total:100
             06T00:00 cost web 20 EUR
             06T00:00 hour visits for 12 total:0
             06T12:00 hour visits for 12 total:50
             07T00:00 cost web 20 EUR
             07T00:00 hour visits for 24 total:1",
            expect![[r#"
                unit_cost request EUR 0.01 n=2 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn a_day_with_an_unknown_hour_or_too_few_slices_has_no_units() {
        let story = Story::told(
            "service web
             counts visits of web
             05T00:00 cost web 10 EUR
             05T00:00 hour visits for 23 total:100
             06T00:00 cost web 10 EUR
             06T00:00 hour visits for 23 total:100
             06T23:00 hour visits
             07T00:00 cost web 10 EUR
             07T00:00 hour visits for 22 total:100
             07T22:00 hour visits covered 5 total:100
             07T23:00 hour visits covered 4 total:100
             08T00:00 cost web 10 EUR
             08T00:00 hour visits for 22 total:100
             08T22:00 hour visits covered 5 total:100
             08T23:00 hour visits covered 5 total:100
             09T00:00 cost web 10 EUR",
        );
        expect![[r#"
            web 2026-03-09 excluded no_units cost=10 currency=EUR
            web 2026-03-05 request excluded incomplete_units cost=10 currency=EUR per=request counted_by=prometheus
            web 2026-03-06 request excluded incomplete_units cost=10 currency=EUR per=request counted_by=prometheus
            web 2026-03-07 request excluded incomplete_units cost=10 currency=EUR per=request counted_by=prometheus
            web 2026-03-08 request counted 08T00:00 cost=10 units=2400 currency=EUR per=request counted_by=prometheus
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
        expect![[r#"
            unit_cost request EUR 0.0042 n=1 no_units=1 coverage=0.50
        "#]]
        .assert_eq(&story.readings(&KPI, "service web 08T00:00..10T00:00"));
    }

    #[test]
    fn a_day_counts_when_its_last_hour_is_over() {
        let story = |as_of: &str| {
            let story = format!(
                "service web
                 counts visits of web
                 05T00:00 cost web 10 EUR
                 05T00:00 hour visits for 24 total:100
                 06T00:00 cost web 10 EUR
                 06T00:00 hour visits for 24 total:100
                 as_of {as_of}"
            );
            Story::told(&story).items(&KPI, "org")
        };
        expect![[r#"
            web 2026-03-05 request counted 05T00:00 cost=10 units=2400 currency=EUR per=request counted_by=prometheus
        "#]]
        .assert_eq(&story("06T23:59:59"));
        assert_eq!(story("07T00:00").lines().count(), 2);
    }

    #[test]
    fn what_a_register_says_goes_first_and_nothing_is_counted_twice() {
        let story = Story::told(
            "service web
             counts visits of web
             05T00:00 cost web 10 EUR
             05T00:00 units web request 1000
             05T00:00 hour visits for 24 total:100
             06T00:00 cost web 10 EUR
             06T00:00 units web customer 5
             06T00:00 hour visits for 24 total:100",
        );
        expect![[r#"
            web 2026-03-06 customer counted 06T00:00 cost=10 units=5 currency=EUR per=customer
            web 2026-03-05 request counted 05T00:00 cost=10 units=1000 currency=EUR per=request
            web 2026-03-06 request counted 06T00:00 cost=10 units=2400 currency=EUR per=request counted_by=prometheus
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn several_counters_of_a_unit_add_up_and_one_alone_is_not_all() {
        let story = Story::told(
            "service web
             service pay
             counts http of web
             counts grpc of web
             counts orders of web unit order
             counts other of pay
             05T00:00 cost web 10 EUR
             05T00:00 hour http for 24 total:100
             05T00:00 hour orders for 24 total:1
             06T00:00 cost web 10 EUR
             06T00:00 hour http for 24 total:100
             06T00:00 hour grpc for 24 total:400
             06T00:00 hour other for 24 total:9",
        );
        expect![[r#"
            web 2026-03-05 order counted 05T00:00 cost=10 units=24 currency=EUR per=order counted_by=prometheus
            web 2026-03-05 request excluded incomplete_units cost=10 currency=EUR per=request counted_by=prometheus
            web 2026-03-06 request counted 06T00:00 cost=10 units=12000 currency=EUR per=request counted_by=prometheus
        "#]]
        .assert_eq(&story.items(&KPI, "service web"));
    }

    #[test]
    fn a_window_that_begins_before_the_counter_was_known_has_no_value_unless_a_register_has_it() {
        let story = |more: &str| {
            Story::told(&format!(
                "service web
                 counts visits of web
                 04T00:00 cost web 10 EUR
                 04T08:00 hour visits for 40 total:100
                 05T00:00 cost web 10 EUR
                 {more}"
            ))
        };
        let of =
            |more: &str, window: &str| story(more).readings(&KPI, &format!("service web {window}"));
        expect![[r#"
            unit_cost request EUR 0.0042 n=1 coverage=1.00
        "#]]
        .assert_eq(&of("", "04T00:00:01..06T00:00"));
        expect![[r#"
            unit_cost request EUR - n=1 incomplete_units=1 coverage=0.50
        "#]]
        .assert_eq(&of("", "04T00:00..06T00:00"));
        expect![[r#"
            unit_cost request EUR 0.0059 n=2 coverage=1.00
        "#]]
        .assert_eq(&of("04T00:00 units web request 1000", "04T00:00..06T00:00"));
    }

    /// Costs and counted requests of the 5th to the 10th, with a register of costs from January on.
    fn told(sources: Vec<SourceParams>) -> Story {
        let mut story = Story::told("service web\ncounts visits of web\nas_of 11T00:00\n");
        for day in 4..=10 {
            let more = Story::told(&format!(
                "service web\ncounts visits of web\n{day:02}T00:00 cost web 12 EUR
                 {day:02}T00:00 hour visits for 24 total:100"
            ));
            story.facts.extend(more.facts);
        }
        story.params.sources = sources;
        story
    }

    fn evaluated(story: &Story, stale: &[&str]) -> Evaluation {
        let freshness = story.params.sources.iter().map(|it| {
            let late = if stale.contains(&it.name.as_str()) { 2 } else { 0 };
            let at = story.as_of - chrono::Duration::hours(late);
            (it.name.clone(), SourceFreshness { last_success: at, data_through: at })
        });
        let window = Window::parse("7d").unwrap();
        let plan = Plan {
            kpis: vec![&KPI],
            windows: vec![window],
            history: false,
            ..Plan::published(vec![window], false)
        };
        let freshness: Freshness = freshness.collect();
        evaluation::evaluate(&story.timeline(), &story.params, &freshness, &plan, story.as_of)
    }

    /// The value and the state of the organisation.
    fn shown(evaluation: &Evaluation) -> String {
        let value = evaluation
            .readings()
            .find(|it| it.scope == Scope::Org && it.reading.family == super::super::UNIT_COST);
        let value = value.and_then(|it| it.reading.value);
        let mut of_org = evaluation.statuses().filter(|it| it.scope == Scope::Org);
        format!("{value:?} {}", of_org.next().unwrap().state.as_str())
    }

    #[test]
    fn without_a_source_of_units_or_with_a_stale_one_there_is_no_value() {
        let files = source("files", &[Need::Costs], instant("01-01T00:00"));
        let metrics = source("prometheus", &[Need::Units], instant("04T00:00"));
        let none = told(vec![files.clone()]);
        assert_eq!(shown(&evaluated(&none, &[])), "None no_data");
        let both = told(vec![files.clone(), metrics]);
        assert_eq!(shown(&evaluated(&both, &[])), "Some(0.005) no_target");
        assert_eq!(shown(&evaluated(&both, &["prometheus"])), "None stale");
        let late = told(vec![files, source("prometheus", &[Need::Units], instant("04T00:00:01"))]);
        assert_eq!(shown(&evaluated(&late, &[])), "None no_data");
    }

    #[test]
    fn a_metric_store_counts_on_from_where_a_register_ends() {
        let files = source("files", &[Need::Costs, Need::Units], instant("01-01T00:00"));
        let mut story =
            told(vec![files, source("prometheus", &[Need::Units], instant("06T00:00"))]);
        let register = Story::told(
            "service web\n04T00:00 units web request 4500\n05T00:00 units web request 4500",
        );
        let counted_from = instant("06T00:00");
        story.facts.retain(|(_, fact)| match fact {
            crate::domain::Fact::LedgerDay(day) => day.starts_at() >= counted_from,
            _ => true,
        });
        story.facts.extend(register.facts);
        assert_eq!(shown(&evaluated(&story, &[])), "Some(0.004) no_target");
    }

    #[test]
    fn explain_leads_to_what_was_counted() {
        let files = source("files", &[Need::Costs], instant("01-01T00:00"));
        let story = told(vec![files, source("prometheus", &[Need::Units], instant("01-01T00:00"))]);
        let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
        let freshness = Freshness::from(["files", "prometheus"].map(|name| (name.into(), fresh)));
        let what = (&KPI, Scope::Org, Window::parse("7d").unwrap());
        let timeline = story.timeline();
        let explained =
            evaluation::explain(&timeline, &story.params, &freshness, what, story.as_of);
        let first = &explained.items[0];
        assert_eq!(first.link.name, "web, 2026-03-04 per request");
        expect!["https://prometheus.example/graph?g0.expr=sum%28increase%28visits_total%5B1h%5D%29%29&g0.range_input=1d&g0.end_input=2026-03-05+00%3A00%3A00"]
            .assert_eq(first.link.url.as_ref().unwrap().as_str());
    }
}
