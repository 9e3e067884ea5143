//! What one unit of demand costs (kpis.md 3.13).

mod demand;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::statistics::hodges_lehmann::compare_positive;
use super::statistics::{count, real};
use super::status::Estimate;
use super::{
    Better, Exclusions, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement,
    Reading, Slice, Span, State, TargetRule, Unit, View,
};
use crate::domain::Instant;
use demand::Units;

const UNIT_COST: &str = "engkpi_unit_cost";
const UNALLOCATED: &str = "engkpi_unit_cost_unallocated_ratio";

const PER: &str = "per";
const CURRENCY: &str = "currency";
const COST: &str = "cost";
const UNITS: &str = "units";
const COUNTED_BY: &str = "counted_by";

const UNALLOCATED_COST: &str = "unallocated";
const NO_UNITS: &str = "no_units";
const INCOMPLETE: &str = "incomplete_units";
const NO_COST: &str = "no_cost";
const MIXED: &str = "mixed_currencies";

/// Cost of a unit of demand.
pub static KPI: Kpi = Kpi {
    id: "unit_cost",
    title: "Unit cost",
    definition: "Effective cost (FOCUS; usage charges of the service's tag) of the complete UTC days of the window, divided by the \
        units of demand (requests, active customers, transactions) of the same days and services: a ratio of sums, over the days \
        of which both are known. Units are those of a register, else what a metric store counted: of a day of which an hour or \
        more than 5 % of its slices of five minutes are missing nobody knows how many there were. Costs in more than one currency have no unit cost. Cost of no known service is shown as \
        unallocated. The target compares the daily unit costs with those of the baseline interval, by the Hodges-Lehmann ratio. \
        Provisional for 5 days, because bills close late.",
    unit: Unit::CostPerUnit,
    better: Better::Lower,
    default_window: "quarter",
    target: TargetRule::Baseline { improvement: 0.1, good: Some(0.2) },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 10,
    min_coverage: None,
    provisional_days: 5,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Costs, Need::Units],
    uses: &[],
    baseline_value: Some(COST),
    families: &[
        Family {
            name: UNIT_COST,
            help: "Cost of one unit of demand in the currency.",
            dimensions: &[PER, CURRENCY],
            distribution: false,
            now: false,
            needs: &[],
        },
        Family {
            name: UNALLOCATED,
            help: "Share of the cost that belongs to no known service.",
            dimensions: &[CURRENCY],
            distribution: false,
            now: false,
            needs: &[],
        },
    ],
    assess,
    by_window: false,
    measure,
};

/// A day of a service, or of what belongs to none.
type Day = (NaiveDate, Option<usize>);

fn assess(view: &View<'_>) -> Vec<Item> {
    let costs = costs(view);
    let units = demand::units(view);
    let mut items = Vec::new();
    for (day, by_currency) in &costs {
        let of_day = units.get(day);
        match (day.1, of_day) {
            (Some(_), Some(by_unit)) => {
                for (unit, units) in by_unit {
                    items.push(item(view, *day, unit, by_currency, Some(*units)));
                }
            }
            _ => items.push(item(view, *day, "", by_currency, None)),
        }
    }
    let none = BTreeMap::new();
    for (day, by_unit) in units.iter().filter(|(day, _)| !costs.contains_key(day)) {
        for (unit, units) in by_unit {
            items.push(item(view, *day, unit, &none, Some(*units)));
        }
    }
    items
}

/// Costs by day and service and by currency, of complete days.
fn costs<'a>(view: &View<'a>) -> BTreeMap<Day, BTreeMap<&'a str, f64>> {
    let mut costs: BTreeMap<Day, BTreeMap<&str, f64>> = BTreeMap::new();
    for cost in view.timeline.costs.values().filter(|it| is_complete(it.day, view.as_of)) {
        let tag = cost.tag.as_deref();
        let service = tag.and_then(|tag| view.params.catalogue.service_called(tag));
        let of_day = costs.entry((cost.day, service)).or_default();
        *of_day.entry(&cost.currency).or_default() += cost.amount;
    }
    costs
}

/// Whether a UTC day is over.
fn is_complete(day: NaiveDate, as_of: Instant) -> bool {
    start_of(day) + TimeDelta::days(1) <= as_of
}

fn start_of(day: NaiveDate) -> Instant {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn item(
    view: &View<'_>,
    (day, service): Day,
    unit: &str,
    by_currency: &BTreeMap<&str, f64>,
    units: Option<Units<'_>>,
) -> Item {
    let catalogue = &view.params.catalogue;
    let placement = match service {
        Some(service) => Placement::of_services(catalogue, [service]),
        None => Placement::default(),
    };
    let mark = |name, value: &str| Mark::new(name, value.to_owned());
    let mut item = Item {
        id: ItemId::CostDay {
            service: service.map(|it| catalogue.services[it].name.clone()),
            unit: unit.to_owned(),
            day,
        },
        placement,
        started_at: start_of(day),
        completed_at: Some(start_of(day)),
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks: Vec::new(),
        times: Vec::new(),
    };
    let mut currencies = by_currency.iter();
    match (currencies.next(), currencies.next()) {
        (Some((currency, cost)), None) => {
            item.values.push((COST, *cost));
            item.marks.push(mark(CURRENCY, currency));
        }
        (Some(_), Some(_)) => {
            let all: Vec<&str> = by_currency.keys().copied().collect();
            item.marks.push(mark(CURRENCY, &all.join(", ")));
            item.outcome = Outcome::Excluded(MIXED);
        }
        (None, _) => item.outcome = Outcome::Excluded(NO_COST),
    }
    if let Some(units) = units {
        item.values.extend(units.count.map(|count| (UNITS, count)));
        item.marks.push(mark(PER, unit));
        item.marks.extend(units.counted_by.map(|it| mark(COUNTED_BY, it.as_str())));
    }
    if item.counted() {
        item.outcome = match (service, units) {
            (None, _) => Outcome::Excluded(UNALLOCATED_COST),
            (Some(_), None) => Outcome::Excluded(NO_UNITS),
            (Some(_), Some(Units { count: None, .. })) => Outcome::Excluded(INCOMPLETE),
            (Some(_), Some(_)) => Outcome::Counted,
        };
    }
    item
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let inside: Vec<&Item> =
        items.iter().copied().filter(|it| slice.window.contains(it.started_at)).collect();
    let per: BTreeSet<&str> = inside.iter().filter_map(|it| unit_of(it)).collect();
    let mut readings: Vec<Reading> =
        per.into_iter().map(|per| unit_cost(per, items, &inside, slice)).collect();
    if slice.scope == super::Scope::Org {
        readings.extend(unallocated(&inside));
    }
    readings
}

fn unit_of(item: &Item) -> Option<&str> {
    item.mark(PER).map(|mark| mark.value.as_ref())
}

fn unit_cost(per: &str, items: &[&Item], inside: &[&Item], slice: &Slice<'_>) -> Reading {
    let of_unit: Vec<&Item> =
        inside.iter().copied().filter(|it| unit_of(it) == Some(per)).collect();
    let mut excluded = Exclusions::default();
    for item in &of_unit {
        if let Outcome::Excluded(reason) = item.outcome
            && reason != NO_UNITS
        {
            excluded.add(reason, 1);
        }
    }
    // Days with a cost and without units tell of no unit; they are of all of them.
    let without = inside.iter().filter(|it| it.outcome == Outcome::Excluded(NO_UNITS)).count();
    if without > 0 {
        excluded.add(NO_UNITS, count(without));
    }
    let counted: Vec<&Item> = of_unit.iter().copied().filter(|it| it.counted()).collect();
    let currencies: BTreeSet<&str> = counted.iter().filter_map(|it| currency_of(it)).collect();
    let mixed = currencies.len() > 1 || excluded.get(MIXED).is_some();
    let days = daily(&counted);
    let known = count(counted.len());
    let all = known + excluded.iter().map(|(_, items)| items).sum::<u64>();
    let mut reading = Reading::new(UNIT_COST, None, count(days.len())).with(PER, per);
    reading.coverage = (all > 0).then(|| real(known) / real(all));
    if mixed {
        // One currency or an error: there is no rate at which to convert.
        excluded.add(MIXED, known);
        reading.n = 0;
        reading.excluded = excluded;
        return reading.with(CURRENCY, "mixed");
    }
    if !is_known(per, items, slice.window) {
        reading.verdict = Some(State::NoData);
        reading.excluded = excluded;
        return reading.with(CURRENCY, currencies.first().copied().unwrap_or_default());
    }
    let (cost, units) = days.values().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    reading.value = (units > 0.0).then(|| cost / units);
    reading.excluded = excluded;
    let currency = currencies.first().copied().unwrap_or_default();
    reading.change = slice
        .view
        .params
        .baseline
        .and_then(|baseline| since(baseline, per, currency, items, &days))
        .map(Box::new);
    reading.with(CURRENCY, currency)
}

/// Whether the units are known from the first whole day of a window on. What a register covers, its
/// source says; of what a metric store counted each ledger does, by its first whole day.
fn is_known(per: &str, items: &[&Item], window: Span) -> bool {
    let known = || {
        let of_unit = items.iter().filter(|it| unit_of(it) == Some(per));
        of_unit.filter(|it| it.value(UNITS).is_some())
    };
    let first = known().map(|it| it.started_at).min();
    known().any(|it| it.mark(COUNTED_BY).is_none())
        || first.is_none_or(|first| first - TimeDelta::days(1) < window.start)
}

fn currency_of(item: &Item) -> Option<&str> {
    item.mark(CURRENCY).map(|mark| mark.value.as_ref())
}

/// Cost and units of each day.
fn daily(items: &[&Item]) -> BTreeMap<Instant, (f64, f64)> {
    let mut days: BTreeMap<Instant, (f64, f64)> = BTreeMap::new();
    for item in items {
        if let (Some(cost), Some(units)) = (item.value(COST), item.value(UNITS)) {
            let day = days.entry(item.started_at).or_default();
            *day = (day.0 + cost, day.1 + units);
        }
    }
    days
}

/// The Hodges-Lehmann ratio of the daily unit costs to those of the baseline.
fn since(
    baseline: Span,
    per: &str,
    currency: &str,
    items: &[&Item],
    now: &BTreeMap<Instant, (f64, f64)>,
) -> Option<Estimate> {
    let then: Vec<&Item> = items
        .iter()
        .copied()
        .filter(|it| it.counted() && baseline.contains(it.started_at))
        .filter(|it| unit_of(it) == Some(per))
        .collect();
    // Another currency then is another yardstick.
    if then.iter().any(|it| currency_of(it) != Some(currency)) {
        return None;
    }
    let costs = |days: &BTreeMap<Instant, (f64, f64)>| -> Vec<f64> {
        let positive = days.values().filter(|(cost, units)| *cost > 0.0 && *units > 0.0);
        positive.map(|(cost, units)| cost / units).collect()
    };
    compare_positive(&costs(&daily(&then)), &costs(now)).as_ref().map(Estimate::from)
}

/// The share of the cost of the window that belongs to no known service.
fn unallocated(inside: &[&Item]) -> Option<Reading> {
    let mut currencies = BTreeSet::new();
    // A day of a service has an item for each unit, and its cost once.
    let mut costs: BTreeMap<(Instant, Option<&str>), f64> = BTreeMap::new();
    for item in inside {
        let ItemId::CostDay { service, .. } = &item.id else { continue };
        currencies.extend(currency_of(item));
        if let Some(cost) = item.value(COST) {
            let service = service.as_ref().map(crate::domain::ServiceName::as_str);
            costs.insert((item.started_at, service), cost);
        }
    }
    let mixed = inside.iter().any(|it| it.outcome == Outcome::Excluded(MIXED));
    let (Some(currency), 1, false) = (currencies.first(), currencies.len(), mixed) else {
        return None;
    };
    let sum = |of_none: bool| -> f64 {
        let of = costs.iter().filter(|((_, it), _)| it.is_none() == of_none);
        of.fold(0.0, |sum, (_, cost)| sum + cost)
    };
    let (none, known) = (sum(true), sum(false));
    // Corrections can make a part negative: then there are no shares.
    let value = (none >= 0.0 && known >= 0.0 && none + known > 0.0).then(|| none / (none + known));
    Some(Reading::new(UNALLOCATED, value, count(costs.len())).with(CURRENCY, *currency))
}

#[cfg(test)]
mod tests;
