//! From what a metric store answered to the hours of a ledger.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta};

use super::wire::Series;
use crate::domain::Instant;
use crate::domain::fact::{LedgerDay, LedgerHour};
use crate::kpi::ledger::{
    BAD, ROOM, Sli, TOTAL, VALID, met as met_column, missed as missed_column,
};

/// The length of an hour in seconds.
pub(super) const HOUR: i64 = 3600;
/// The length of a slice in seconds.
pub(super) const SLICE: i64 = HOUR / LedgerDay::SLICES as i64;

/// What became known of one hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) covered: u8,
    pub(super) columns: Vec<String>,
    pub(super) values: Vec<f64>,
}

impl Found {
    /// Whether there was anything to count from.
    pub(super) fn is_empty(&self) -> bool {
        self.covered == 0 && self.values.is_empty()
    }

    /// Whether it may take the place of what is known already: samples that come late make more
    /// known, and an hour that has left the store's retention must not make less known.
    fn replaces(&self, known: &Self) -> bool {
        (self.covered, !self.values.is_empty()) >= (known.covered, !known.values.is_empty())
    }
}

/// The complete hours from `start` (on the hour) to `end`, by their start in seconds. `counts` has a
/// point at the end of each hour, `presence` one at the end of each slice in which anything was
/// there. `whole` is the column without which nothing is known of an hour.
pub(super) fn found(
    (start, end): (Instant, Instant),
    counts: &[Series],
    presence: &[Series],
    column: impl Fn(&str) -> Option<String>,
    whole: &str,
) -> BTreeMap<i64, Found> {
    let columns: Vec<(String, &Series)> =
        counts.iter().filter_map(|it| Some((column(&it.key)?, it))).collect();
    let mut hours = BTreeMap::new();
    let mut at = start.timestamp();
    while at + HOUR <= end.timestamp() {
        let mut found = Found { covered: covered(at, presence), ..Found::default() };
        for (name, series) in &columns {
            if let Some(value) = series.points.get(&(at + HOUR)) {
                found.columns.push(name.clone());
                found.values.push(*value);
            }
        }
        if !found.columns.iter().any(|it| it == whole) {
            (found.columns, found.values) = (Vec::new(), Vec::new());
        }
        hours.insert(at, found);
        at += HOUR;
    }
    hours
}

/// The complete hours from `start` (on the hour) to `end` of an SLO: how many events there were and
/// how many were bad, in how many slices there were any, and in how many of these no larger share
/// than `slice_allowed` was bad.
pub(super) fn events(
    (start, end): (Instant, Instant),
    sli: &Sli,
    slice_allowed: &str,
    hourly: &[Series],
    sliced: &[Series],
) -> BTreeMap<i64, Found> {
    let at = |all: &[Series], name: &str, at: i64| all.iter().find(|it| it.key == name)?.at(at);
    let allowed = slice_allowed.parse::<f64>().unwrap_or(0.0) * ROOM;
    let mut hours = BTreeMap::new();
    let mut hour = start.timestamp();
    while hour + HOUR <= end.timestamp() {
        let (mut covered, mut valid, mut met, mut bad_shares) = (0_u8, 0.0, 0.0, 0.0);
        let mut missed = 0_u16;
        for slice in 1..=i64::from(LedgerDay::SLICES) {
            let then = hour + slice * SLICE;
            let Some((bad, total)) = sli.counted(|name| at(sliced, name, then), 1.0) else {
                continue;
            };
            covered += 1;
            if total > 0.0 {
                valid += 1.0;
                bad_shares += bad;
                let is_met = bad <= total * allowed;
                met += f64::from(u8::from(is_met));
                missed |= u16::from(!is_met) << (slice - 1);
            }
        }
        let counted = match sli {
            Sli::Ratio { .. } => (covered > 0).then_some((bad_shares, valid)),
            _ => sli.counted(|name| at(hourly, name, hour + HOUR), HOUR as f64),
        };
        let mut found = Found { covered, ..Found::default() };
        if let Some((bad, total)) = counted {
            found.columns = vec![BAD.into(), TOTAL.into(), VALID.into(), met_column(slice_allowed)];
            found.values = vec![bad, total, valid, met];
            if missed > 0 {
                found.columns.push(missed_column(slice_allowed));
                found.values.push(f64::from(missed));
            }
        }
        hours.insert(hour, found);
        hour += HOUR;
    }
    hours
}

/// In how many slices of the hour that starts at `at` anything was there.
fn covered(at: i64, presence: &[Series]) -> u8 {
    let there = |slice: i64| {
        let end = at + slice * SLICE;
        presence.iter().any(|it| it.points.get(&end).is_some_and(|count| *count > 0.0))
    };
    let slices = (1..=i64::from(LedgerDay::SLICES)).filter(|slice| there(*slice)).count();
    u8::try_from(slices).unwrap_or(LedgerDay::SLICES)
}

/// Takes hours into the days that are known, and returns those that changed.
pub(super) fn merge(
    ledger: &str,
    known: Vec<LedgerDay>,
    found: BTreeMap<i64, Found>,
) -> Vec<LedgerDay> {
    let mut known: BTreeMap<String, LedgerDay> =
        known.into_iter().map(|day| (day.id.clone(), day)).collect();
    let mut by_day: BTreeMap<NaiveDate, BTreeMap<u8, Found>> = BTreeMap::new();
    for (at, found) in found {
        if let Some(start) = DateTime::from_timestamp(at, 0) {
            let hour = u8::try_from(at.rem_euclid(86_400) / HOUR).unwrap_or_default();
            by_day.entry(start.date_naive()).or_default().insert(hour, found);
        }
    }
    let mut changed = Vec::new();
    for (date, found) in by_day {
        let id = LedgerDay::id_of(ledger, date);
        let before = known.remove(&id);
        let mut hours = before.as_ref().map(unpacked).unwrap_or_default();
        for (hour, found) in found {
            if hours.get(&hour).is_none_or(|known| found.replaces(known)) {
                hours.insert(hour, found);
            }
        }
        let day = packed(id, hours);
        if before.as_ref() != Some(&day) {
            changed.push(day);
        }
    }
    changed
}

fn unpacked(day: &LedgerDay) -> BTreeMap<u8, Found> {
    let hour = |hour: &LedgerHour| {
        let columns = if hour.values.is_empty() { &[] } else { day.columns(hour) };
        let found =
            Found { covered: hour.covered, columns: columns.to_vec(), values: hour.values.clone() };
        (hour.hour, found)
    };
    day.hours.iter().map(hour).collect()
}

fn packed(id: String, hours: BTreeMap<u8, Found>) -> LedgerDay {
    let mut day = LedgerDay { id, layouts: Vec::new(), hours: Vec::new() };
    for (hour, found) in hours {
        let at = day.layouts.iter().position(|it| *it == found.columns).unwrap_or_else(|| {
            day.layouts.push(found.columns);
            day.layouts.len() - 1
        });
        let layout = u8::try_from(at).unwrap_or(u8::MAX);
        day.hours.push(LedgerHour { hour, covered: found.covered, layout, values: found.values });
    }
    day
}

/// The start of the hour that `at` is in.
pub(super) fn hour_of(at: Instant) -> Instant {
    at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()))
        - TimeDelta::seconds(at.timestamp().rem_euclid(HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_772_668_800; // 2026-03-05T00:00:00Z

    fn at(hour: i64) -> Instant {
        DateTime::from_timestamp(START + hour * HOUR, 0).unwrap()
    }

    fn series(key: &str, points: &[(i64, f64)]) -> Series {
        let points = points.iter().map(|(at, value)| (START + at, *value)).collect();
        Series { key: key.to_owned(), points, ..Series::default() }
    }

    fn of_buckets(counts: &[Series], presence: &[Series]) -> Vec<Found> {
        let column = |key: &str| (!key.is_empty()).then(|| key.to_owned());
        found((at(0), at(2)), counts, presence, column, "+Inf").into_values().collect()
    }

    #[test]
    fn an_hour_has_the_points_of_its_end_and_the_slices_within_it() {
        let counts = [
            series("+Inf", &[(HOUR, 10.0), (2 * HOUR, 20.0), (3 * HOUR, 30.0)]),
            series("0.1", &[(HOUR, 9.0), (2 * HOUR, 15.0)]),
        ];
        let presence = series("", &[(0, 1.0), (300, 1.0), (3600, 2.0), (3900, 1.0), (4200, 0.0)]);
        let hours = of_buckets(&counts, &[presence]);
        assert_eq!(hours.len(), 2, "the third hour was not asked for");
        assert_eq!((hours[0].covered, &hours[0].values), (2, &vec![10.0, 9.0]));
        assert_eq!((hours[1].covered, &hours[1].values), (1, &vec![20.0, 15.0]));
        assert_eq!(hours[0].columns, ["+Inf", "0.1"]);
    }

    #[test]
    fn without_the_column_that_counts_all_nothing_is_known() {
        let counts = [series("0.1", &[(HOUR, 9.0)]), series("", &[(HOUR, 9.0)])];
        let hours = of_buckets(&counts, &[series("", &[(300, 1.0)])]);
        assert_eq!((hours[0].covered, hours[0].values.len()), (1, 0));
        assert!(hours[1].is_empty());
    }

    #[test]
    fn bad_slices_are_named_and_an_hour_without_any_has_no_column_for_them() {
        let sli = Sli::Bad { bad: String::new(), total: String::new() };
        let ends = |hour: i64| (1..=12).map(move |slice| hour * HOUR + slice * SLICE);
        let total: Vec<(i64, f64)> = ends(0).chain(ends(1)).map(|end| (end, 100.0)).collect();
        // In the first, the third and the last slice more than a hundredth was bad.
        let bad = [(SLICE, 2.0), (2 * SLICE, 1.0), (3 * SLICE, 100.0), (HOUR, 1.5)];
        let sliced = [series(TOTAL, &total), series(BAD, &bad)];
        let hourly = [series(TOTAL, &[(HOUR, 1200.0), (2 * HOUR, 1200.0)])];
        let hours = events((at(0), at(2)), &sli, "0.01", &hourly, &sliced);
        let hours: Vec<Found> = hours.into_values().collect();
        let column = missed_column("0.01");
        assert_eq!(hours[0].columns.last(), Some(&column));
        assert_eq!(hours[0].values, [0.0, 1200.0, 12.0, 9.0, f64::from(0b1000_0000_0101)]);
        assert_eq!(hours[1].columns.len(), 4);
    }

    fn hour(covered: u8, values: &[(&str, f64)]) -> Found {
        Found {
            covered,
            columns: values.iter().map(|(name, _)| (*name).to_owned()).collect(),
            values: values.iter().map(|(_, value)| *value).collect(),
        }
    }

    fn merged(known: Vec<LedgerDay>, hours: &[(i64, Found)]) -> Vec<LedgerDay> {
        let found = hours.iter().map(|(n, found)| (START + n * HOUR, found.clone())).collect();
        merge("l", known, found)
    }

    #[test]
    fn what_swings_about_nothing_is_nothing_and_what_idles_is_known() {
        let ratio = Sli::Ratio { bad: "r".to_owned(), there: Some("t".to_owned()) };
        let swing = [-0.002, 0.002, -0.004, 0.003, 0.002, -0.001];
        let bad: Vec<(i64, f64)> =
            swing.iter().enumerate().map(|(at, bad)| ((at as i64 + 1) * SLICE, *bad)).collect();
        let there: Vec<(i64, f64)> = (1..=9).map(|at| (at * SLICE, 1.0)).collect();
        let sliced = [series(BAD, &bad), series(TOTAL, &there)];
        let hours = events((at(0), at(1)), &ratio, "0.0025", &[], &sliced);
        let found = &hours[&START];
        assert_eq!(found.covered, 9, "six shares, and three slices without events");
        assert_eq!(found.columns[..4], ["bad", "total", "valid", "met<=0.0025"]);
        assert!(found.values[0].abs() < 1e-12, "{:?}", found.values);
        assert_eq!(found.values[1..4], [6.0, 6.0, 5.0]);
    }

    #[test]
    fn days_are_cut_at_midnight_and_keep_every_layout_once() {
        let (old, new) = (hour(12, &[("total", 1.0)]), hour(12, &[("1", 1.0), ("+Inf", 2.0)]));
        let days = merged(
            Vec::new(),
            &[(22, old.clone()), (23, new.clone()), (24, new), (1, old), (2, hour(3, &[]))],
        );
        assert_eq!(days.len(), 2);
        assert_eq!((days[0].id.as_str(), days[1].id.as_str()), ("l/2026-03-05", "l/2026-03-06"));
        let hours: Vec<_> = days[0].hours.iter().map(|it| (it.hour, it.layout)).collect();
        assert_eq!(hours, [(1, 0), (2, 1), (22, 0), (23, 2)]);
        assert_eq!(days[0].layouts.len(), 3);
    }

    #[test]
    fn read_again_an_hour_can_only_become_better_known() {
        let known = merged(Vec::new(), &[(5, hour(10, &[("total", 7.0)]))]);
        let again = |found: Found| merged(known.clone(), &[(5, found)]);
        assert_eq!(again(hour(10, &[("total", 7.0)])), [], "nothing new is no change");
        let late = again(hour(12, &[("total", 9.0)]));
        assert_eq!(late[0].hours[0].values, [9.0], "late samples count");
        assert_eq!(again(hour(10, &[("total", 8.0)]))[0].hours[0].values, [8.0]);
        assert_eq!(again(hour(4, &[("total", 2.0)])), [], "it is leaving the retention");
        assert_eq!(again(Found::default()), [], "it has left the retention");
        assert_eq!(again(hour(10, &[])), []);
    }

    #[test]
    fn the_start_of_an_hour() {
        assert_eq!(hour_of("2026-03-05T10:59:59.999Z".parse().unwrap()), at(10));
        assert_eq!(hour_of(at(10)), at(10));
    }
}
