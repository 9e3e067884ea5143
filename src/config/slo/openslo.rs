//! `OpenSLO` v1, and the SLOs of v1alpha.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use promql_parser::util::parse_duration;
use serde_saphyr::Spanned;

use super::queries::{self, Written};
use super::spec::{Indicator, Metadata, Metric, Objective, RatioMetric, Spec, Text, TimeWindow};
use super::{Found, Reader, rolling};
use crate::config::Place;
use crate::domain::Decimal;
use crate::kpi::ledger::{Sli, WINDOW, braced};
use crate::kpi::params::{Length, SloMethod, SloWindow};
use crate::output::rules;

/// Indicators that SLOs refer to, by name.
pub(super) type Indicators = BTreeMap<String, Named>;

/// An indicator that has a name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) file: String,
    /// Where the name is.
    pub(super) place: Place,
    pub(super) indicator: Spanned<Indicator>,
}

/// Kinds of objects that say nothing about what is measured.
pub(super) const OTHERS: [&str; 5] =
    ["DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "Service"];

/// Reads an object of the kind SLO.
pub(super) fn read(
    reader: &mut Reader<'_>,
    (format, metadata): (&'static str, Option<&Metadata>),
    spec: &Spanned<Spec>,
    indicators: &Indicators,
) {
    // Everything is looked at before anything is given up, so that all problems are told at once.
    let name = name(reader, spec, metadata);
    let service = spec.value.service.as_ref();
    if service.is_none() {
        reader.problem(spec, "has no `service`", "add spec.service");
    }
    let window = window(reader, spec);
    let method = method(reader, spec);
    let objectives = spec.value.objectives.as_deref().unwrap_or_default();
    if objectives.is_empty() {
        reader.problem(spec, "has no objective", "add at least one under `objectives`");
    }
    let labels = reader.labels(metadata.and_then(|it| it.labels.as_ref()));
    let head = name.zip(service).zip(window);
    for (index, objective) in objectives.iter().enumerate() {
        let target = target(reader, objective);
        let sli = sli(reader, spec, objective, indicators);
        let slice = slice_target(reader, objective, method);
        let (Some(((name, service), (window, own))), Some(method)) = (&head, method) else {
            continue;
        };
        let (Some((target, place)), Some(sli), Ok(slice)) = (target, sli, slice) else { continue };
        let several = objectives.len() > 1;
        let name_of = if several { format!("{}-{index}", name.value) } else { name.value.clone() };
        // An average of shares is what a query for the shares answers.
        let sli = match method {
            SloMethod::Ratios => averaged(sli),
            SloMethod::Events | SloMethod::Slices => sli,
        };
        let method = match (&sli, method) {
            // Nobody knows how many events it is of.
            (Sli::Ratio { .. }, SloMethod::Events) => SloMethod::Ratios,
            _ => method,
        };
        let found = Found {
            place: reader.place(name),
            id: format!("{}-{name_of}", service.value),
            name: name_of,
            format,
            period: match own {
                SloWindow::Rolling(_) => rolling(window),
                SloWindow::Calendar { .. } => None,
            },
            labels: labels.clone(),
            alerting: rules::Alerting::default(),
            service: service.value.clone(),
            objective: target,
            slice,
            objective_place: place,
            method,
            sli,
            window: window.clone(),
            own: own.clone(),
        };
        reader.found(found);
    }
}

/// Its name, a label of DNS.
fn name<'a>(
    reader: &mut Reader<'_>,
    spec: &Spanned<Spec>,
    metadata: Option<&'a Metadata>,
) -> Option<&'a Text> {
    let Some(name) = metadata.and_then(|it| it.name.as_ref()) else {
        reader.problem(spec, "its metadata has no `name`", "add metadata.name");
        return None;
    };
    let label = name.value.len() <= 63
        && name.value.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
        && !name.value.starts_with('-')
        && !name.value.ends_with('-')
        && !name.value.is_empty();
    if !label {
        let fix = "use at most 63 lower-case letters, digits and -";
        reader.problem(name, "cannot be a name", fix);
    }
    label.then_some(name)
}

/// The average of the shares of slices, whichever windows are asked for.
fn averaged(sli: Sli) -> Sli {
    let bad = sli.share().replace(WINDOW, "5m");
    let there = match sli {
        Sli::Bad { total, .. } | Sli::Good { total, .. } => Some(total.replace(WINDOW, "5m")),
        Sli::Ratio { there, .. } => there,
    };
    Sli::Ratio { bad, there }
}

/// The window as it was written, and what that is.
fn window(reader: &mut Reader<'_>, spec: &Spanned<Spec>) -> Option<(String, SloWindow)> {
    let list = spec.value.time_window.as_ref().or(spec.value.time_windows.as_ref());
    let Some(list) = list else {
        reader.problem(spec, "has no `timeWindow`", "add one with a duration of 30d");
        return None;
    };
    let [window] = list.value.as_slice() else {
        let rule = format!("has {} time windows", list.value.len());
        reader.problem(list, rule, "write exactly one");
        return None;
    };
    let TimeWindow { duration, is_rolling, calendar, unit, count } = &window.value;
    // Of v1alpha, what has no calendar is rolling.
    let rolls = is_rolling.unwrap_or(unit.is_some() && calendar.is_none());
    if rolls && calendar.is_some() {
        reader.problem(window, "is rolling and has a calendar", "keep one of the two");
        return None;
    }
    if !rolls && calendar.is_none() {
        let fix = "add isRolling: true, or a calendar";
        reader.problem(window, "is not rolling and has no calendar", fix);
        return None;
    }
    let written = match (duration, unit, count) {
        (Some(duration), ..) => duration.clone(),
        (None, Some(unit), Some(count)) => {
            let letter = match unit.value.as_str() {
                "Day" => 'd',
                "Week" => 'w',
                "Month" => 'M',
                "Quarter" => 'Q',
                "Year" => 'Y',
                _ => {
                    let rule = format!("{:?} is no unit of time", unit.value);
                    let fix = "write Day, Week, Month, Quarter or Year";
                    reader.problem(unit, rule, fix);
                    return None;
                }
            };
            Spanned::new(format!("{count}{letter}"), unit.referenced, unit.defined)
        }
        _ => {
            reader.problem(window, "has no `duration`", "write for example duration: 30d");
            return None;
        }
    };
    let length = duration_of(reader, &written);
    let own = match calendar {
        None if rolling(&written.value).is_none() => {
            if length.is_some() {
                let rule =
                    format!("a window of {} that rolls is longer than ten years", written.value);
                reader.problem(&written, rule, "write at most 10Y");
            }
            return None;
        }
        None => SloWindow::Rolling(length?),
        Some(calendar) => {
            let zone = calendar.time_zone.as_ref().map(|it| zone_of(reader, it));
            let from = calendar.start_time.as_ref().map(|it| time_of(reader, it));
            if zone == Some(None) || from == Some(None) {
                return None;
            }
            SloWindow::Calendar { length: length?, zone: zone.flatten(), from: from.flatten() }
        }
    };
    Some((written.value, own))
}

fn zone_of(reader: &mut Reader<'_>, zone: &Text) -> Option<chrono_tz::Tz> {
    let parsed = zone.value.parse().ok();
    if parsed.is_none() {
        let rule = format!("{:?} is not a time zone of the IANA database", zone.value);
        reader.problem(zone, rule, "write for example Europe/Berlin");
    }
    parsed
}

/// A day with the time of its clocks, as a calendar's first edge is written.
fn time_of(reader: &mut Reader<'_>, time: &Text) -> Option<NaiveDateTime> {
    let text = time.value.trim();
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN));
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
    let parsed = formats.iter().find_map(|it| NaiveDateTime::parse_from_str(text, it).ok());
    let parsed = parsed.or_else(day);
    if parsed.is_none() {
        let rule = format!("{text:?} is no time of a calendar");
        reader.problem(time, rule, "write for example 2026-01-01 00:00:00, without a zone");
    }
    parsed
}

/// A number and one of m h d w M Q Y, a day at least.
fn duration_of(reader: &mut Reader<'_>, written: &Text) -> Option<Length> {
    let text = written.value.as_str();
    let Some(length) = Length::parse(text) else {
        let rule = format!("{text:?} is no duration");
        reader.problem(written, rule, "write for example 30d, 4w, 1M or 1Q");
        return None;
    };
    if !length.is_sensible() {
        let (rule, fix) = match (length, text.strip_suffix('m')) {
            (Length::Minutes(it), Some(number)) if it < 1_440 => (
                format!("a window of {text} is shorter than a day"),
                format!("m are minutes: write {number}M for months"),
            ),
            (Length::Minutes(it), _) if it < 1_440 => (
                format!("a window of {text} is shorter than a day"),
                "write at least 1d".to_owned(),
            ),
            _ => (format!("a window of {text} is longer than a century"), "write less".to_owned()),
        };
        reader.problem(written, rule, fix);
        return None;
    }
    Some(length)
}

fn method(reader: &mut Reader<'_>, spec: &Spanned<Spec>) -> Option<SloMethod> {
    let Some(method) = &spec.value.budgeting_method else {
        let fix = "add budgetingMethod: Occurrences";
        reader.problem(spec, "has no `budgetingMethod`", fix);
        return None;
    };
    match method.value.as_str() {
        "Occurrences" => Some(SloMethod::Events),
        "Timeslices" => Some(SloMethod::Slices),
        "RatioTimeslices" => Some(SloMethod::Ratios),
        other => {
            let rule = format!("{other:?} is no budgeting method");
            reader.problem(method, rule, "write Occurrences, Timeslices or RatioTimeslices");
            None
        }
    }
}

/// Whether a length of time is that of a slice, which has five minutes. A number alone is of seconds.
fn is_slice(text: &str) -> bool {
    let text = text.trim();
    let has_units =
        text.starts_with(|it: char| it.is_ascii_digit()) && text.ends_with(char::is_alphabetic);
    text == "300" || has_units && parse_duration(text) == Ok(Duration::from_mins(5))
}

/// Which share of a good slice is good. `Err` if what is written is no share.
fn slice_target(
    reader: &mut Reader<'_>,
    objective: &Spanned<Objective>,
    method: Option<SloMethod>,
) -> Result<Option<Decimal>, ()> {
    let Objective { time_slice_target, time_slice_window, .. } = &objective.value;
    if let Some(window) = time_slice_window.as_ref().filter(|it| !is_slice(&it.value)) {
        reader.warn(window, format!("slices have five minutes here, not {:?}", window.value));
    }
    match time_slice_target {
        Some(target) => {
            let share = Decimal::of(target.value).filter(|it| it.rest().is_some());
            if share.is_none() || target.value <= 0.0 {
                let rule = format!("{} is no share of a slice", target.value);
                reader.problem(target, rule, "write a share above 0 and at most 1");
                return Err(());
            }
            Ok(share)
        }
        None if method == Some(SloMethod::Slices) => {
            let rule = "has no `timeSliceTarget`: a slice is good if it meets the objective";
            reader.warn(objective, rule.to_owned());
            Ok(None)
        }
        None => Ok(None),
    }
}

/// The target as a share, and where it stands.
fn target(reader: &mut Reader<'_>, objective: &Spanned<Objective>) -> Option<(Decimal, Place)> {
    let (number, percent) = match (&objective.value.target, &objective.value.target_percent) {
        (Some(target), None) => (target, false),
        (None, Some(target)) => (target, true),
        (found, _) => {
            let rule = if found.is_some() { "has two targets" } else { "has no target" };
            reader.problem(objective, rule, "write target: 0.999 or targetPercent: 99.9");
            return None;
        }
    };
    let written = Decimal::of(number.value);
    let share = if percent { written.map(Decimal::percent) } else { written };
    let below_one = |it: &Decimal| it.rest().is_some_and(|rest| rest.float() > 0.0);
    let Some(share) = share.filter(below_one) else {
        let (limit, example) = if percent { ("100", "99.9") } else { ("1", "0.999") };
        let rule = format!("{} is no target", number.value);
        reader.problem(
            number,
            rule,
            format!("write a number from 0 to below {limit}, such as {example}"),
        );
        return None;
    };
    Some((share, reader.place(number)))
}

fn sli(
    reader: &mut Reader<'_>,
    spec: &Spanned<Spec>,
    objective: &Spanned<Objective>,
    indicators: &Indicators,
) -> Option<Sli> {
    if let Some(ratio) = &objective.value.ratio_metrics {
        return ratio_of(reader, ratio);
    }
    let reference = objective.value.indicator_ref.as_ref().or(spec.value.indicator_ref.as_ref());
    let inline = objective.value.indicator.as_ref().or(spec.value.indicator.as_ref());
    let (file, indicator) = match (inline, reference) {
        (Some(inline), None) => (reader.file, inline),
        (None, Some(reference)) => {
            let Some(found) = indicators.get(&reference.value) else {
                let rule = format!("there is no SLI {:?}", reference.value);
                reader.problem(reference, rule, "add it, or mend the name");
                return None;
            };
            (found.file.as_str(), &found.indicator)
        }
        (found, _) => {
            let rule = if found.is_some() { "has two indicators" } else { "has no indicator" };
            reader.problem(spec, rule, "write indicator or indicatorRef");
            return None;
        }
    };
    // What is wrong with it is said of its own file.
    let mut there = Reader { file, all: &mut *reader.all };
    let inner = indicator.value.spec.as_ref();
    let threshold = inner.and_then(|it| it.threshold_metric.as_ref());
    let threshold = threshold.or(indicator.value.threshold_metric.as_ref());
    match (inner.and_then(|it| it.ratio_metric.as_ref()), threshold) {
        (Some(ratio), None) => {
            let sli = ratio_of(&mut there, ratio);
            if let Some(op) = &objective.value.op {
                let rule = "an `op` says nothing about a ratio".to_owned();
                reader.warn(op, rule);
            }
            sli
        }
        (None, Some(threshold)) => {
            let query = query_of(&mut there, threshold)
                .and_then(|query| queries::read_openslo(&mut there, &query));
            threshold_of(reader, objective, query)
        }
        _ => {
            let fix = "write ratioMetric or thresholdMetric";
            there.problem(indicator, "needs exactly one metric", fix);
            None
        }
    }
}

fn ratio_of(reader: &mut Reader<'_>, ratio: &Spanned<RatioMetric>) -> Option<Sli> {
    let RatioMetric { counter, incremental, good, bad, total, raw, raw_type } = &ratio.value;
    let counter = *counter || *incremental;
    match (good, bad, total, raw) {
        (Some(good), None, Some(total), None) => {
            let (good, total) = both(reader, good, total, counter)?;
            Some(Sli::Good { good, total })
        }
        (None, Some(bad), Some(total), None) => {
            let (bad, total) = both(reader, bad, total, counter)?;
            Some(Sli::Bad { bad, total })
        }
        (None, None, None, Some(raw)) => {
            let query = query_of(reader, raw)?;
            let share = queries::read_openslo(reader, &query)?;
            if share.text.contains(WINDOW) && !share.names_window() {
                let fix = "write [{{.window}}] where its range is";
                reader.problem(&query, "names its window in a comment only", fix);
                return None;
            }
            let share = share.text;
            match raw_type.as_ref().map(|it| it.value.as_str()) {
                Some("failure") => Some(Sli::Ratio { bad: share, there: None }),
                Some("success") => {
                    Some(Sli::Ratio { bad: format!("1 - {}", braced(&share)), there: None })
                }
                _ => {
                    let fix = "write rawType: success or rawType: failure";
                    reader.problem(raw, "nobody says what the ratio is of", fix);
                    None
                }
            }
        }
        _ => {
            let fix = "write good and total, bad and total, or raw";
            reader.problem(ratio, "does not tell good events from bad ones", fix);
            None
        }
    }
}

fn both(
    reader: &mut Reader<'_>,
    some: &Spanned<Metric>,
    total: &Spanned<Metric>,
    counter: bool,
) -> Option<(String, String)> {
    let (some, total) = (query_of(reader, some), query_of(reader, total));
    let (some, total) = (some?, total?);
    let counted = (counted(reader, &some, counter), counted(reader, &total, counter));
    let (first, all) = (counted.0?, counted.1?);
    queries::compare(reader, &some, &first, &all)?;
    Some((first.text, all.text))
}

fn query_of(reader: &mut Reader<'_>, metric: &Spanned<Metric>) -> Option<Text> {
    let source = metric.value.metric_source.as_ref().and_then(|it| it.spec.as_ref());
    let query = source.and_then(|it| it.query.as_ref()).or(metric.value.query.as_ref());
    let query = query.filter(|it| !it.value.trim().is_empty());
    if query.is_none() {
        let fix = "write metricSource.spec.query in PromQL";
        reader.problem(metric, "has no query", fix);
    }
    query.cloned()
}

/// What a query counts over a window: it names the window, or is a counter to be wrapped.
fn counted(reader: &mut Reader<'_>, query: &Text, counter: bool) -> Option<Written> {
    let found = queries::read_openslo(reader, query)?;
    if found.names_window() {
        return Some(found);
    }
    let increase = found.increase().filter(|_| counter);
    if increase.is_none() {
        let fix = "write [{{.window}}] where its range is, or a plain selector with counter: true";
        reader.problem(query, "does not name its window", fix);
    }
    increase
}

/// A threshold makes each slice good or bad.
fn threshold_of(
    reader: &mut Reader<'_>,
    objective: &Spanned<Objective>,
    query: Option<Written>,
) -> Option<Sli> {
    let (Some(op), Some(value)) = (&objective.value.op, &objective.value.value) else {
        let fix = "add op: lte and value: 0.3";
        reader.problem(objective, "has a threshold metric and no `op` and `value`", fix);
        return None;
    };
    let operator = match op.value.as_str() {
        "lt" => "<",
        "lte" => "<=",
        "gt" => ">",
        "gte" => ">=",
        other => {
            reader.problem(op, format!("{other:?} is no operator"), "write lt, lte, gt or gte");
            return None;
        }
    };
    // It is asked of each slice: a window that is bad as a whole says nothing about its slices.
    let query = braced(&query?.text.replace(WINDOW, "5m"));
    // Without events it may be NaN, which a comparison would call bad.
    let bad = format!("1 - (({query} > -Inf) {operator} bool {})", value.value);
    Some(Sli::Ratio { bad, there: Some(query) })
}
