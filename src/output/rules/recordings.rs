//! What is recorded of an SLO's events, and what that means for its budget.

use std::collections::BTreeMap;

use super::Slo;
use super::document::{Group, Rule, label_name};
use super::windows::{AlertWindows, Length};
use crate::kpi::ledger::{ROOM, ROOM_OF_COUNTS, Sli, WINDOW, braced, numbers};
use crate::kpi::promql::Query;

/// Sums over time are sums of what was recorded, so all of it is recorded equally often, whatever
/// the server does in general.
const INTERVAL: &str = "1m";

/// The shortest window, in which all the recorded rates are.
const SHORTEST: Length = Length::minutes(5);

/// The group with the shares of bad events.
pub(super) fn events(slo: &Slo, windows: &AlertWindows, period: Length) -> Group {
    let mut rules = rates(slo);
    // A period as long as a window of alerts is recorded once: as the period.
    for window in windows.all().into_iter().filter(|window| *window != period) {
        rules.push(ratio(slo, window, &share(slo, window)));
    }
    rules.push(ratio(slo, period, &share_of_period(slo, period)));
    let name = format!("sloth-slo-sli-recordings-{}", slo.id);
    Group { name, interval: Some(INTERVAL), rules }
}

fn ratio(slo: &Slo, window: Length, expr: &str) -> Rule {
    let mut labels = slo.ids();
    labels.insert("sloth_window".to_owned(), window.to_string());
    Rule::Record {
        record: format!("slo:sli_error:ratio_rate{window}"),
        expr: expr.to_owned(),
        labels,
    }
}

/// All and bad events by the second, or whether a ratio was there. Where there were events and nothing is
/// known of bad ones, there were none: a counter of errors begins with the first error. Events of which
/// nobody knows how many were bad, or of which clearly more were good than there were, are not counted.
fn rates(slo: &Slo) -> Vec<Rule> {
    let record =
        |record: &str, expr| Rule::Record { record: record.to_owned(), expr, labels: slo.ids() };
    let by_second = |query: &str| by_second(slo, query);
    // What has no total is no share.
    let of = |some: &str, all: &str| {
        format!("{}\nand on()\n({all} > 0)\nor on()\n0 * {all}", by_second(some))
    };
    let (bad, all) = match &slo.sli {
        Sli::Bad { bad, total } => {
            let all = by_second(total);
            (of(bad, &all), all)
        }
        Sli::Good { good, total } => {
            let all = by_second(total);
            (format!("{all}\n- on()\n(\n{}\n)", of(good, &all)), all)
        }
        // Without events it is 0 / 0, which is something to count from.
        Sli::Ratio { bad, there } => {
            let there = there.as_ref().unwrap_or(bad).replace(WINDOW, &SHORTEST.to_string());
            return vec![record("slo:sli_ratio:count5m", format!("count{}", braced(&there)))];
        }
    };
    let error = "slo:sli_error:rate5m";
    let bad = format!("{}\n>= on()\n(-{ROOM_OF_COUNTS} * {all})", numbers(&bad));
    let all = format!("{}\nand on()\n{}", numbers(&all), slo.series(error));
    vec![record(error, bad), record("slo:sli_total:rate5m", all)]
}

/// The share of a window of burn alerts that spends the budget. Of slices that is the share of bad
/// ones: each evaluation looks at the slice before it.
fn share(slo: &Slo, window: Length) -> String {
    match slo.slice {
        None => share_of_events(slo, window),
        Some(allowed) if window == SHORTEST => {
            format!("(\n{}\n)\n> bool ({allowed} * {ROOM})", share_of_events(slo, window))
        }
        Some(_) => {
            format!("avg_over_time({}[{window}])", slo.series("slo:sli_error:ratio_rate5m"))
        }
    }
}

/// The share of bad events in a window, asked of the events themselves.
fn share_of_events(slo: &Slo, window: Length) -> String {
    let (total, recent) =
        (slo.series("slo:sli_total:rate5m"), slo.series("slo:sli_error:ratio_rate5m"));
    let over = |query: &str| summed(&query.replace(WINDOW, &window.to_string()));
    // What was recorded of all events says at no cost that there were any.
    let none = format!("0 * max(last_over_time({total}[{window}]))");
    match &slo.sli {
        Sli::Bad { .. } | Sli::Good { .. } if window == SHORTEST => {
            format!("{}\n/\n({total} > 0)", slo.series("slo:sli_error:rate5m"))
        }
        Sli::Bad { bad, total } => {
            let share =
                format!("(\n{}\nor on()\n{none}\n)\n/ on()\n({} > 0)", over(bad), over(total));
            of_a_window(&share)
        }
        Sli::Good { good, total } => {
            let share =
                format!("1 - (\n{}\nor on()\n{none}\n)\n/ on()\n({} > 0)", over(good), over(total));
            of_a_window(&share)
        }
        Sli::Ratio { bad, .. } if window == SHORTEST || bad.contains(WINDOW) => {
            let share = numbers(&bad.replace(WINDOW, &window.to_string()));
            format!("{share} >= -{ROOM_OF_COUNTS}")
        }
        Sli::Ratio { .. } => format!("clamp_min(avg_over_time({recent}[{window}]), 0)"),
    }
}

/// A share that is a number. Where clearly more was good than there was, nobody knows how much was bad;
/// where it only swings about nothing, nothing was.
fn of_a_window(share: &str) -> String {
    format!("clamp_min({} >= -{ROOM_OF_COUNTS}, 0)", numbers(share))
}

/// The share of the budget's whole window, of what was recorded: cheap, and weighted by events.
fn share_of_period(slo: &Slo, period: Length) -> String {
    let recent = slo.series("slo:sli_error:ratio_rate5m");
    let (some, all) = match (&slo.sli, slo.slice) {
        // The same slices as in the ledger: those that end every five minutes.
        (_, Some(_)) => (
            format!("sum_over_time({recent}[{period}:5m])"),
            format!("count_over_time({recent}[{period}:5m])"),
        ),
        (Sli::Ratio { .. }, None) => (
            format!("sum_over_time({recent}[{period}])"),
            format!("count_over_time({recent}[{period}])"),
        ),
        (_, None) => (
            format!("sum_over_time({}[{period}])", slo.series("slo:sli_error:rate5m")),
            format!("sum_over_time({}[{period}])", slo.series("slo:sli_total:rate5m")),
        ),
    };
    format!("clamp_min(\nsum {BY_IDS} ({some})\n/\n(sum {BY_IDS} ({all}) > 0),\n0)")
}

/// By the labels that never change, so that what had others before is the same SLO.
pub(super) const BY_IDS: &str = "by (sloth_id, sloth_service, sloth_slo)";

/// The group with what the shares mean.
pub(super) fn meaning(slo: &Slo, period: Length) -> Group {
    let budget = slo.series("slo:error_budget:ratio");
    let burn = |share: &str| {
        let burn =
            format!("{share}\n/ on(sloth_id, sloth_slo, sloth_service) group_left\n{budget}");
        // Without a budget nothing bad burns nothing, and 0 / 0 is not 0.
        if slo.budget().is_zero() { format!("(\n{burn}\n) > -Inf\nor\n{share}") } else { burn }
    };
    let record =
        |record: &str, expr| Rule::Record { record: record.to_owned(), expr, labels: slo.ids() };
    let vector = |it: String| format!("vector({it})");
    let recent = slo.series("slo:sli_error:ratio_rate5m");
    // The budget of a ratio is of averages, whatever its query says of a day.
    let day = match (&slo.sli, slo.slice) {
        (Sli::Ratio { .. }, None) => {
            let sums =
                [format!("sum_over_time({recent}[1d])"), format!("count_over_time({recent}[1d])")];
            let [some, all] = sums.map(|it| format!("sum {BY_IDS} ({it})"));
            let day = "\"sloth_window\", \"1d\", \"\", \"\"";
            format!("label_replace(clamp_min({some} / {all}, 0), {day})")
        }
        _ => slo.series("slo:sli_error:ratio_rate1d"),
    };
    let rules = vec![
        record("slo:objective:ratio", vector(slo.objective.to_string())),
        record("slo:error_budget:ratio", vector(slo.budget().to_string())),
        record("slo:time_period:days", vector(period.in_days().to_string())),
        record("slo:current_burn_rate:ratio", burn(&recent)),
        // Only of hours with events: what is said of nothing for a day is not said 1,440 times. What
        // was recorded in the first minutes of an hour is of the one before, but for the last of them
        // which may be all that tells of a job on the hour.
        record(
            "slo:daily_burn_rate:ratio",
            format!("({})\nand on()\ncount_over_time({recent}[56m30s])", burn(&day)),
        ),
        record(
            "slo:period_burn_rate:ratio",
            burn(&slo.series(&format!("slo:sli_error:ratio_rate{period}"))),
        ),
        record(
            "slo:period_error_budget_remaining:ratio",
            format!("1 - {}", slo.series("slo:period_burn_rate:ratio")),
        ),
        record(EVALUATED, vector("1".to_owned())),
        record("slo:sli_coverage:ratio1d", coverage(slo)),
        Rule::Record {
            record: "sloth_slo_info".to_owned(),
            expr: vector("1".to_owned()),
            labels: info(slo),
        },
    ];
    let name = format!("sloth-slo-meta-recordings-{}", slo.id);
    Group { name, interval: Some(INTERVAL), rules }
}

/// Says how often there were evaluations. What other generators record, too, does not.
pub(super) const EVALUATED: &str = "slo:sli_evaluated:bool";

/// In which share of the last day's evaluations there was anything to count from. An idle service
/// counts zero events.
fn coverage(slo: &Slo) -> String {
    let known = match slo.sli {
        Sli::Ratio { .. } => slo.series("slo:sli_ratio:count5m"),
        Sli::Bad { .. } | Sli::Good { .. } => slo.series("slo:sli_total:rate5m"),
    };
    let always = format!("sum {BY_IDS} (count_over_time({}[1d]))", slo.series(EVALUATED));
    format!(
        "clamp_max(\n(sum {BY_IDS} (count_over_time({known}[1d])) or 0 * {always})\n/\n{always},\n1)"
    )
}

/// Everything that people want to know about it. What identifies it cannot be renamed.
fn info(slo: &Slo) -> BTreeMap<String, String> {
    let mut labels = named(&slo.labels);
    labels.extend(slo.ids());
    for (name, value) in [
        ("sloth_mode", "cli-gen-prom".to_owned()),
        ("sloth_objective", slo.objective.hundredfold().to_string()),
        ("sloth_spec", slo.format.to_owned()),
        ("sloth_version", concat!("engkpi-", env!("CARGO_PKG_VERSION")).to_owned()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    labels
}

/// Labels or annotations with names that Prometheus takes.
pub(super) fn named(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let named = labels.iter().map(|(name, value)| (label_name(name), value.clone()));
    named.filter(|(name, _)| !name.starts_with("__")).collect()
}

/// A query for a number of events by the second, in the shortest window.
fn by_second(slo: &Slo, query: &str) -> String {
    let query = summed(&query.replace(WINDOW, &SHORTEST.to_string()));
    if slo.sli.is_per_second() { query } else { format!("({query} / 300)") }
}

/// All that a query answers, as one number.
fn summed(query: &str) -> String {
    let query = query.trim();
    let is_sum = Query::parse(query).is_ok_and(|it| it.is_sum());
    if is_sum && !query.contains('#') { query.to_owned() } else { format!("sum{}", braced(query)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_number_already_is_not_summed_again() {
        assert_eq!(summed(" sum(rate(x[5m])) "), "sum(rate(x[5m]))");
        assert_eq!(summed("sum(a) + sum(b)"), "sum(sum(a) + sum(b))");
        assert_eq!(summed("sum(a) # all"), "sum(\nsum(a) # all\n)", "more is written after it");
    }

    #[test]
    fn a_comment_swallows_no_bracket() {
        assert_eq!(braced("x # all"), "(\nx # all\n)");
    }
}
