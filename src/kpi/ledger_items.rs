//! What the KPIs that are computed from ledgers have in common.
//!
//! A ledger has thousands of hours, so it is one item while numbers are computed. Who wants to see
//! what a number is made of gets the days of the window, which add up to it.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};

use super::attribution;
use super::item::LedgerOf;
use super::ledger::{Hour, Ledger, Sli, TOTAL, bound};
use super::params::{Endpoint, Params, Slo};
use super::{Cut, Item, ItemId, Mark, Outcome, Placement, Slice, Span, State, View, WindowKind};
use crate::domain::SourceName;
use crate::domain::fact::LedgerDay;

/// What a ledger is kept for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Endpoint(&'a Endpoint),
    Slo(&'a Slo),
}

impl<'a> Subject<'a> {
    /// What an item stands for.
    pub(super) fn of(params: &'a Params, id: &ItemId) -> Option<Self> {
        let ItemId::Ledger { of, source, name, .. } = id else { return None };
        match of {
            LedgerOf::Endpoint => {
                let mut all = params.endpoints.iter();
                all.find(|it| it.name == *name && it.source == *source).map(Self::Endpoint)
            }
            LedgerOf::Slo => {
                let mut all = params.slos.iter();
                all.find(|it| it.id == *name && it.source == *source).map(Self::Slo)
            }
        }
    }

    pub(super) fn source(self) -> &'a SourceName {
        match self {
            Self::Endpoint(it) => &it.source,
            Self::Slo(it) => &it.source,
        }
    }

    /// What can be asked to see the same.
    pub(super) fn query(self) -> String {
        match self {
            Self::Endpoint(it) => format!("sum by (le) (increase({}[1h]))", it.buckets),
            Self::Slo(it) => it.sli.query("1h"),
        }
    }

    pub(super) fn ledger<'v>(self, view: &'v View<'_>) -> Ledger<'v> {
        let of = |name: &str| Ledger::of(view.timeline, self.source(), name, view.as_of);
        match self {
            Self::Endpoint(it) => of(&it.ledger()),
            Self::Slo(it) => match view.tally(it) {
                Some((name, tally)) => of(name).with(Some(tally)),
                None => of(&it.ledger()),
            },
        }
    }

    fn id(self, day: Option<NaiveDate>) -> ItemId {
        let source = self.source().clone();
        let (of, name) = match self {
            Self::Endpoint(it) => (LedgerOf::Endpoint, it.name.clone()),
            Self::Slo(it) => (LedgerOf::Slo, it.id.clone()),
        };
        ItemId::Ledger { of, source, name, day }
    }

    fn service(self) -> Option<usize> {
        match self {
            Self::Endpoint(it) => Some(it.service),
            Self::Slo(it) => it.service,
        }
    }

    /// The item that stands for all of the ledger; none while that is empty.
    pub(super) fn item(self, view: &View<'a>) -> Option<Item> {
        let ledger = self.ledger(view);
        let starts_at = ledger.starts_at()?;
        Some(Item {
            id: self.id(None),
            placement: Placement::of_services(&view.params.catalogue, self.service()),
            started_at: starts_at,
            completed_at: ledger.ends_at(),
            outcome: Outcome::Counted,
            values: Vec::new(),
            marks: Vec::new(),
            times: vec![("known_since", starts_at)],
        })
    }

    /// The item that stands for a ledger of which nothing is known yet.
    pub(super) fn unknown(self, view: &View<'a>) -> Item {
        Item {
            id: self.id(None),
            placement: Placement::of_services(&view.params.catalogue, self.service()),
            started_at: view.as_of,
            completed_at: None,
            outcome: Outcome::Excluded("no_data"),
            values: Vec::new(),
            marks: Vec::new(),
            times: Vec::new(),
        }
    }

    /// What the hours of a day say, and whether anything was counted in it.
    fn day(self, ledger: &Ledger<'_>, hours: &[Hour<'_>]) -> (Vec<Mark>, Outcome) {
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for hour in hours {
            for (column, value) in hour.columns.iter().zip(hour.values) {
                *sums.entry(column).or_default() += value;
            }
        }
        let mark =
            |name, value: String| Mark { name, value: value.into(), evidence: None, at: None };
        let sum = |column: &str| sums.get(column).copied();
        let text = |column: &str| sum(column).map_or_else(|| "unknown".to_owned(), shown);
        let (total, mut marks) = match self {
            Self::Endpoint(_) => {
                let marks =
                    vec![mark("requests", text("+Inf")), mark("requests by bound", buckets(&sums))];
                (sum("+Inf"), marks)
            }
            Self::Slo(slo) => (sum(TOTAL), events(slo, ledger, hours)),
        };
        let covered: u64 = hours.iter().map(|it| u64::from(it.covered)).sum();
        let slices = hours.len() * usize::from(LedgerDay::SLICES);
        marks.push(mark("slices with data", format!("{covered} of {slices}")));
        let outcome = match total {
            None => Outcome::Excluded("no_data"),
            Some(0.0) => Outcome::Excluded("no_traffic"),
            Some(_) => Outcome::Counted,
        };
        (marks, outcome)
    }
}

/// What counts of the hours of an SLO, as the numbers have it.
fn events(slo: &Slo, ledger: &Ledger<'_>, hours: &[Hour<'_>]) -> Vec<Mark> {
    let mark = |name, value: String| Mark::new(name, value);
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Vec::new() };
    if hours.iter().all(|it| it.values.is_empty()) {
        return vec![mark("events", "unknown".to_owned())];
    }
    let span = Span { start: first.starts_at, end: last.starts_at + TimeDelta::hours(1) };
    let events = ledger.events(span, &slo.slice_allowed.to_string());
    let (bad, all) = match slo.sli {
        Sli::Ratio { .. } => ("bad shares of slices", "slices"),
        Sli::Bad { .. } | Sli::Good { .. } => ("bad events", "events"),
    };
    let mut marks = vec![
        mark(bad, shown(events.bad)),
        mark(all, shown(events.total)),
        mark("good slices", format!("{} of {}", shown(events.met), shown(events.valid))),
    ];
    if events.sure > 0.0 {
        marks.push(mark("beyond 1 % of an hour", shown(events.sure)));
    }
    let counted = ledger.counted(span, &slo.slice_allowed.to_string());
    let below = counted.filter(|(_, hour)| hour.is_some_and(|it| it.bad < 0.0)).count();
    if below > 0 {
        marks.push(mark("hours with less bad than none", below.to_string()));
    }
    if events.contradictory > 0 {
        marks.push(mark("hours with impossible counts", events.contradictory.to_string()));
    }
    marks
}

/// Sums by bound, in the order of the bounds.
fn buckets(sums: &BTreeMap<&str, f64>) -> String {
    let mut bounds: Vec<(f64, &str, f64)> =
        sums.iter().map(|(text, sum)| (bound(text), *text, *sum)).collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let texts: Vec<String> =
        bounds.iter().map(|(_, text, sum)| format!("{text}: {}", shown(*sum))).collect();
    texts.join(", ")
}

/// Why a ledger says nothing about a window: it begins within it, or ends too long ago.
pub(super) fn missing(
    slice: &Slice<'_>,
    source: &SourceName,
    ledger: &Ledger<'_>,
) -> Option<State> {
    let (Some(starts_at), Some(ends_at)) = (ledger.starts_at(), ledger.ends_at()) else {
        return Some(State::NoData);
    };
    let hour = TimeDelta::hours(1);
    // The window's first hour may have begun before it, and is then in the window before.
    if starts_at - hour >= slice.window.start {
        return Some(State::NoData);
    }
    let sources = &slice.view.params.sources;
    let stale_after = sources.iter().find(|it| it.name == *source)?.stale_after;
    (ends_at + hour + stale_after < slice.as_of).then_some(State::Stale)
}

/// The item itself; of a ledger, one for each UTC day of `window` that it knows anything of, and of
/// that of an SLO also what was going on while its budget burnt. What burns now has no window: that
/// are the last 30 days, cut where the last 7 begin, and what the metric store said about shorter
/// windows.
pub(super) fn unfold(view: &View<'_>, item: &Item, cut: &Cut) -> Vec<Item> {
    let Some(subject) = Subject::of(view.params, &item.id) else { return vec![item.clone()] };
    let window = match (subject, cut.kind) {
        (Subject::Slo(slo), WindowKind::Own) => slo.own.cut(view.as_of, &view.params.calendar).0,
        _ => cut.span,
    };
    let ledger = subject.ledger(view);
    let is_now = cut.kind == WindowKind::Now;
    let before = |days| window.end - TimeDelta::days(days);
    let window = if is_now { Span { start: before(30), end: window.end } } else { window };
    let week = if is_now { before(7) } else { window.start };
    let mut items = days(subject, &ledger, item, Span { end: week, ..window });
    items.extend(days(subject, &ledger, item, Span { start: week, ..window }));
    if let Subject::Slo(slo) = subject {
        items.extend(short(view, slo, item).filter(|_| is_now));
        let events = ledger.events(window, &slo.slice_allowed.to_string());
        items.extend(attribution::items(slo, view, window, &slo.budgeted(&events)));
    }
    items
}

fn days(subject: Subject<'_>, ledger: &Ledger<'_>, item: &Item, window: Span) -> Vec<Item> {
    let mut days: BTreeMap<NaiveDate, Vec<Hour<'_>>> = BTreeMap::new();
    for hour in ledger.hours(window) {
        days.entry(hour.starts_at.date_naive()).or_default().push(hour);
    }
    let days = days.into_iter().map(|(day, hours)| {
        let (marks, outcome) = subject.day(ledger, &hours);
        let first = hours.first().map_or(item.started_at, |it| it.starts_at);
        Item {
            id: subject.id(Some(day)),
            placement: item.placement.clone(),
            started_at: first,
            completed_at: hours.last().map(|it| it.starts_at + TimeDelta::hours(1)),
            outcome,
            values: Vec::new(),
            marks,
            times: vec![("first_hour", first)],
        }
    });
    days.collect()
}

/// What the metric store said about the short windows of an SLO when it was last asked.
fn short(view: &View<'_>, slo: &Slo, item: &Item) -> Option<Item> {
    let known = view.timeline.burns.get(&(slo.source.clone(), slo.ledger()))?;
    let windows = known.windows.iter().map(|it| {
        let bad = format!("{} bad of {}", shown(it.bad), shown(it.total));
        Mark { evidence: Some(it.window.as_str().into()), ..Mark::new("asked for the last", bad) }
    });
    (known.at < view.as_of).then(|| Item {
        started_at: known.at,
        completed_at: Some(known.at),
        marks: windows.collect(),
        times: vec![("asked_at", known.at)],
        ..item.clone()
    })
}

/// A count with as many decimals as it needs to be added up.
fn shown(count: f64) -> String {
    format!("{}", (count * 1000.0).round() / 1000.0)
}
