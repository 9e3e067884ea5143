//! Ledgers: what a metric store is asked once for each complete hour, and how its answers add up.
//!
//! A ledger outlives the store's retention, and long windows are sums of its rows: weighted by
//! traffic, cut at any `as_of`, and the same however often they are asked for. Every hour is in
//! exactly one month and one quarter: it is placed by its start.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::promql::is_rate;
use super::statistics::Histogram;
use super::statistics::budget::Events;
use super::window::Span;
use crate::domain::fact::{LedgerDay, LedgerHour};
use crate::domain::{Instant, SourceName, Timeline};

/// What is asked of a metric store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How much each bucket of a histogram grew; the columns are the upper bounds.
    Buckets {
        /// A PromQL selector of series with a label `le`.
        selector: String,
    },
    /// How much a counter grew; the one column is [`TOTAL`].
    Counter {
        /// A PromQL selector.
        selector: String,
    },
    /// How many events there were and how many were bad, with the slices that were good; the
    /// columns are [`BAD`], [`TOTAL`], [`VALID`], that of [`met`] and that of [`missed`].
    Events {
        /// How they are told apart.
        sli: Sli,
        /// Which share of its events may be bad in a good slice, as a decimal.
        slice_allowed: String,
        /// Whether short windows are asked for slices instead of events.
        by_slices: bool,
    },
}

/// How good and bad events are told apart: PromQL in which [`WINDOW`] stands for a length of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Sli {
    /// Bad events of all.
    Bad {
        /// What was bad.
        bad: String,
        /// All of it.
        total: String,
    },
    /// Good events of all.
    Good {
        /// What was good.
        good: String,
        /// All of it.
        total: String,
    },
    /// The share of what was bad, of which nobody knows how much it was: every slice counts alike.
    Ratio {
        /// From 0 to 1. What is no number, as 0 / 0, is a time without events.
        bad: String,
        /// Where `bad` has no answer at all for a time without events, what has one then, too.
        there: Option<String>,
    },
}

impl Sli {
    /// One query for what was bad (or good) and for everything over `window`, told apart by
    /// [`PART`].
    pub fn query(&self, window: &str) -> String {
        self.named(window, "")
    }

    /// The same for several windows at once; the name of a part ends in its window. A ratio that
    /// names no window is averaged.
    pub fn short(&self, windows: &[&str]) -> String {
        let queries = windows.iter().map(|window| {
            let suffix = format!(" {window}");
            match self {
                Self::Ratio { bad, .. } if !bad.contains(WINDOW) => {
                    let average = format!("avg_over_time(({})[{window}:5m])", numbers(bad));
                    part(BAD, &suffix, &average)
                }
                _ => self.named(window, &suffix),
            }
        });
        queries.collect::<Vec<_>>().join(" or ")
    }

    /// How many slices of several windows there were events in, and how many of these were bad:
    /// had a larger share of bad events than `allowed`.
    pub fn short_slices(&self, windows: &[&str], allowed: &str) -> String {
        let share = numbers(&self.share().replace(WINDOW, "5m"));
        let queries = windows.iter().map(|window| {
            let bad =
                format!("sum_over_time((\n({share})\n> bool ({allowed} * {ROOM})\n)[{window}:5m])");
            let all = format!("count_over_time((\n{share}\n)[{window}:5m])");
            let window = format!(" {window}");
            format!("{} or {}", part(BAD, &window, &bad), part(TOTAL, &window, &all))
        });
        queries.collect::<Vec<_>>().join(" or ")
    }

    /// One query for the share of bad events over [`WINDOW`]. Where there were events and nothing is
    /// known of bad ones, there were none.
    pub fn share(&self) -> String {
        let of = |some: &str, total: &str| {
            format!("(sum(\n{some}\n) or 0 * sum(\n{total}\n))\n/\n(sum(\n{total}\n) > 0)")
        };
        match self {
            Self::Bad { bad, total } => of(bad, total),
            // Where nothing is known of good events, none were good.
            Self::Good { good, total } => format!("1 - ({})", of(good, total)),
            Self::Ratio { bad, .. } => braced(bad),
        }
    }

    fn named(&self, window: &str, suffix: &str) -> String {
        let part = |name: &str, query: &str| part(name, suffix, &query.replace(WINDOW, window));
        let (name, some, total) = match self {
            Self::Bad { bad, total } => (BAD, bad, total),
            Self::Good { good, total } => (GOOD, good, total),
            Self::Ratio { bad, there: None } => return part(BAD, bad),
            Self::Ratio { bad, there: Some(there) } => {
                let there = format!("count{}", braced(there));
                return format!("{} or {}", part(BAD, bad), part(TOTAL, &there));
            }
        };
        format!("{} or {}", part(name, some), part(TOTAL, total))
    }

    /// Bad events of all, by the parts of an answer over a window of `seconds`. `None` if there was
    /// nothing to count from, or what was counted is no number. Where all is known and nothing of
    /// what was bad, nothing was.
    pub fn counted(&self, part: impl Fn(&str) -> Option<f64>, seconds: f64) -> Option<(f64, f64)> {
        let scale = if self.is_per_second() { seconds } else { 1.0 };
        match self {
            Self::Bad { .. } => known(part(BAD).unwrap_or(0.0), part(TOTAL)?, scale),
            Self::Good { .. } => {
                let total = part(TOTAL)?;
                known(total - part(GOOD).unwrap_or(0.0), total, scale)
            }
            // Nobody knows how many events there were: each window counts alike.
            Self::Ratio { .. } => match part(BAD).or(part(TOTAL).map(|_| f64::NAN))? {
                bad if bad.is_finite() => Some((bad, 1.0)),
                _ => Some((0.0, 0.0)),
            },
        }
    }

    /// Whether its queries count a second's worth of events, as `rate` does.
    pub fn is_per_second(&self) -> bool {
        match self {
            Self::Bad { total, .. } | Self::Good { total, .. } => is_rate(total),
            Self::Ratio { .. } => false,
        }
    }
}

/// What was bad of all in so many seconds; `None` if that is no number. Of nothing nothing is bad.
fn known(bad: f64, total: f64, seconds: f64) -> Option<(f64, f64)> {
    if total <= 0.0 {
        return Some((0.0, 0.0));
    }
    (bad.is_finite() && total.is_finite()).then_some((bad * seconds, total * seconds))
}

/// What of the answers to a query is a number: nothing is greater than NaN, which 0 / 0 is, and
/// events that are bad while there are none are infinitely many of them.
pub fn numbers(query: &str) -> String {
    format!("{} > -Inf < +Inf", braced(query))
}

/// A query in brackets. A comment at its end must not swallow the closing one.
pub fn braced(query: &str) -> String {
    format!("({})", uncommented(query.trim()))
}

/// A query after which more can be written.
fn uncommented(query: &str) -> String {
    if query.contains(['\n', '#']) { format!("\n{query}\n") } else { query.to_owned() }
}

/// A query whose answer says which part of several it is.
fn part(name: &str, suffix: &str, query: &str) -> String {
    let query = uncommented(query);
    format!("label_replace({query}, \"{PART}\", \"{name}{suffix}\", \"\", \"\")")
}

/// Short windows, which are asked for as they are, with their seconds.
pub const SHORT: [(&str, f64); 7] = [
    ("5m", 300.0),
    ("30m", 1_800.0),
    ("1h", 3_600.0),
    ("2h", 7_200.0),
    ("6h", 21_600.0),
    ("1d", 86_400.0),
    ("3d", 259_200.0),
];

/// Counts that are extrapolated are not exact to the last digit: a slice is bad only if its share is
/// more than so many times what is allowed.
pub const ROOM: f64 = 1.000_000_001;

/// Which share of all events may be missing from or beyond what is possible.
pub const ROOM_OF_COUNTS: f64 = 0.01;

/// Stands for a length of time in the queries of an [`Sli`].
pub const WINDOW: &str = "{{.window}}";

/// The label that tells the parts of an answer apart.
pub const PART: &str = "engkpi_part";

/// The column of bad events.
pub const BAD: &str = "bad";

/// The part of an answer with good events. It never becomes a column.
pub const GOOD: &str = "good";

/// The column of slices with events.
pub const VALID: &str = "valid";

/// The column of slices in which no larger share than this was bad.
pub fn met(slice_allowed: &str) -> String {
    format!("met<={slice_allowed}")
}

/// The column that names the slices in which a larger share than this was bad: the sum of 2^n for
/// each, the first slice of the hour being 0. An hour without any has no such column.
pub fn missed(slice_allowed: &str) -> String {
    format!("missed>{slice_allowed}")
}

/// The column of everything that was counted.
pub const TOTAL: &str = "total";

/// The column with everything that a histogram counted.
const EVERYTHING: &str = "+Inf";

impl Question {
    /// The name of the ledger with its answers: `KIND/NAME/HASH`. Another question is another
    /// ledger, so that what answers different questions is never added up.
    pub fn ledger(&self, kind: &str, name: &str) -> String {
        let parts = match self {
            Self::Buckets { selector } => vec!["buckets", selector],
            Self::Counter { selector } => vec!["counter", selector],
            // What a good slice is only adds a column: another objective loses no history.
            Self::Events { sli: Sli::Bad { bad, total }, .. } => vec!["bad", bad, total],
            Self::Events { sli: Sli::Good { good, total }, .. } => vec!["good", good, total],
            Self::Events { sli: Sli::Ratio { bad, .. }, .. } => vec!["ratio", bad],
        };
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        format!("{kind}/{name}/{}", &hex::encode(hash.finalize())[..8])
    }
}

/// One ledger as it was known at `as_of`.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a> {
    days: Option<&'a BTreeMap<NaiveDate, LedgerDay>>,
    /// Its days, summed up.
    tally: Option<&'a Tally>,
    as_of: Instant,
}

/// The days of an SLO's ledger, each summed up: windows are made of days, and there are many of them.
#[derive(Clone, Debug)]
pub struct Tally {
    slice_allowed: String,
    days: Vec<TalliedDay>,
}

/// One UTC day with all of its hours, whether they were over at `as_of` or not.
#[derive(Clone, Copy, Debug)]
struct TalliedDay {
    starts_at: Instant,
    events: Events,
    covered: i64,
}

impl Tally {
    /// Sums up the days of `ledger`.
    pub fn of(ledger: &Ledger<'_>, slice_allowed: &str) -> Self {
        let met = met(slice_allowed);
        let days = ledger.days.into_iter().flat_map(BTreeMap::values).map(|day| {
            let hours = || day.hours.iter().map(|hour| Hour::of(day, hour));
            let known = hours().filter(|hour| !hour.values.is_empty());
            TalliedDay {
                starts_at: day.starts_at(),
                events: sum(known.map(|hour| counted(&hour, &met))),
                covered: hours().map(|hour| i64::from(hour.covered)).sum(),
            }
        });
        Self { slice_allowed: slice_allowed.to_owned(), days: days.collect() }
    }

    /// The days that begin in `span`.
    fn days_of(&self, span: Span) -> impl Iterator<Item = &TalliedDay> {
        let start = self.days.partition_point(|it| it.starts_at < span.start);
        let end = self.days.partition_point(|it| it.starts_at < span.end);
        self.days[start..end.max(start)].iter()
    }
}

fn sum(hours: impl Iterator<Item = Option<Events>>) -> Events {
    let mut events = Events::default();
    for hour in hours {
        match hour {
            Some(hour) => events.add(&hour),
            None => events.contradictory += 1,
        }
    }
    events
}

/// What an hour of an SLO's ledger counted; `None` if it contradicts itself.
fn counted(hour: &Hour<'_>, met: &str) -> Option<Events> {
    let (bad, total) = (hour.value(BAD).unwrap_or(0.0), hour.value(TOTAL).unwrap_or(0.0));
    if !is_possible(bad, total) {
        return None;
    }
    // Of hours from the time of another objective nobody knows how many slices met this one.
    let judged = hour.value(VALID).zip(hour.value(met));
    let (valid, met) = judged.unwrap_or_default();
    let unjudged = u64::from(judged.is_none());
    let sure = (bad - total * ROOM_OF_COUNTS).max(0.0);
    Some(Events { bad, sure, total, valid, met, unjudged, contradictory: 0 })
}

/// Whether so much can have been bad of all: neither more than all nor less than nothing, by more than
/// counts that are extrapolated and not read at the same time make it.
pub fn is_possible(bad: f64, total: f64) -> bool {
    let room = total * ROOM_OF_COUNTS;
    (-room..=total + room).contains(&bad)
}

/// One complete hour of a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Hour<'a> {
    /// When it began.
    pub starts_at: Instant,
    /// In how many of its twelve slices there was anything to count from.
    pub covered: u8,
    /// Names of columns.
    pub columns: &'a [String],
    /// Values of columns; empty if nothing is known of the hour.
    pub values: &'a [f64],
}

impl<'a> Hour<'a> {
    fn of(day: &'a LedgerDay, hour: &'a LedgerHour) -> Self {
        Self {
            starts_at: day.hour_starts_at(hour),
            covered: hour.covered,
            columns: day.columns(hour),
            values: &hour.values,
        }
    }

    /// The value of a column; none where the hour has no such column.
    pub fn value(&self, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|it| it == column)?;
        self.values.get(at).copied()
    }
}

impl<'a> Ledger<'a> {
    /// The ledger `name` of `source`.
    pub fn of(timeline: &'a Timeline, source: &SourceName, name: &str, as_of: Instant) -> Self {
        Self { days: timeline.ledgers.get(&(source.clone(), name.to_owned())), tally: None, as_of }
    }

    /// The start of its first hour: there is nothing before it, and nobody knows whether that is
    /// because nothing happened.
    pub fn starts_at(&self) -> Option<Instant> {
        let (_, day) = self.days?.iter().next()?;
        let first = day.hours.first().map(|hour| day.hour_starts_at(hour))?;
        (first < self.as_of).then_some(first)
    }

    /// The end of its last hour.
    pub fn ends_at(&self) -> Option<Instant> {
        self.hours(Span { start: Instant::UNIX_EPOCH, end: self.as_of })
            .next_back()
            .map(|hour| hour.starts_at + TimeDelta::hours(1))
    }

    /// Its hours that began in `span` and were over at `as_of`, in order.
    pub fn hours(&self, span: Span) -> impl DoubleEndedIterator<Item = Hour<'a>> + use<'a> {
        let (start, end) = (span.start, span.end.min(self.as_of - TimeDelta::hours(1) + TICK));
        let days = self
            .days
            .filter(|_| start < end)
            .map(|days| days.range(start.date_naive()..=end.date_naive()).map(|(_, day)| day));
        days.into_iter()
            .flatten()
            .flat_map(|day| day.hours.iter().map(|hour| Hour::of(day, hour)))
            .filter(move |hour| start <= hour.starts_at && hour.starts_at < end)
    }

    /// Which share of the slices of `span`'s complete hours there was anything to count from. None
    /// without a complete hour.
    pub fn coverage(&self, span: Span) -> Option<f64> {
        let hours = complete_hours(span, self.as_of);
        let covered = self.covered(span);
        #[expect(clippy::cast_precision_loss, reason = "a century has ten million slices")]
        let share = covered as f64 / (hours * i64::from(LedgerDay::SLICES)) as f64;
        (hours > 0).then_some(share.min(1.0))
    }

    /// In how many slices of `span`'s complete hours there was anything to count from.
    fn covered(&self, span: Span) -> i64 {
        let edge = |span| -> i64 { self.hours(span).map(|hour| i64::from(hour.covered)).sum() };
        let Some((tally, whole)) = self.tally.zip(self.whole_days(span)) else {
            return edge(span);
        };
        let days: i64 = tally.days_of(whole).map(|day| day.covered).sum();
        edge(Span { end: whole.start, ..span }) + days + edge(Span { start: whole.end, ..span })
    }

    /// The same ledger, with its days summed up.
    #[must_use]
    pub fn with(self, tally: Option<&'a Tally>) -> Self {
        Self { tally, ..self }
    }

    /// The sum of one column over `span`.
    pub fn sum(&self, span: Span, column: &str) -> f64 {
        self.hours(span).filter_map(|hour| hour.value(column)).sum()
    }

    /// What an SLO's ledger counted in `span`. Hours that swing about nothing make up for each other;
    /// one that says that more was bad than there was, or less than nothing, by more than extrapolation
    /// makes it, is left out and counted.
    pub fn events(&self, span: Span, slice_allowed: &str) -> Events {
        let tally = self.tally.filter(|it| it.slice_allowed == slice_allowed);
        let Some((tally, whole)) = tally.zip(self.whole_days(span)) else {
            return sum(self.counted(span, slice_allowed).map(|(_, hour)| hour));
        };
        let edge = |span| sum(self.counted(span, slice_allowed).map(|(_, hour)| hour));
        let mut events = edge(Span { end: whole.start, ..span });
        tally.days_of(whole).for_each(|day| events.add(&day.events));
        events.add(&edge(Span { start: whole.end, ..span }));
        events
    }

    /// The whole UTC days in `span` that were over at `as_of`, if there are any.
    fn whole_days(&self, span: Span) -> Option<Span> {
        let midnight = |at: Instant| at.date_naive().and_time(NaiveTime::MIN).and_utc();
        let after = midnight(span.start - TICK) + TimeDelta::days(1);
        let whole = Span { start: after, end: midnight(span.end.min(self.as_of)) };
        (!whole.is_empty()).then_some(whole)
    }

    /// What an SLO's ledger counted in each hour of `span` of which anything is known; `None` for
    /// one that contradicts itself.
    pub fn counted(
        &self,
        span: Span,
        slice_allowed: &str,
    ) -> impl Iterator<Item = (Instant, Option<Events>)> + use<'a> {
        let met = met(slice_allowed);
        let known = self.hours(span).filter(|hour| !hour.values.is_empty());
        known.map(move |hour| (hour.starts_at, counted(&hour, &met)))
    }

    /// The histogram of everything in `span`, with bounds in units of `scale`. Buckets are summed
    /// before anything is computed from them. Where the bounds changed on the way, only those that
    /// were there all the time can be. None if nothing was counted.
    pub fn histogram(&self, span: Span, scale: f64) -> Option<Histogram> {
        let mut layouts: BTreeMap<&'a [String], Vec<f64>> = BTreeMap::new();
        for hour in self.hours(span).filter(|hour| everything(hour) > 0.0) {
            let sums = layouts.entry(hour.columns).or_insert_with(|| vec![0.0; hour.values.len()]);
            for (sum, value) in sums.iter_mut().zip(hour.values) {
                *sum += value;
            }
        }
        let parsed: Vec<Vec<(f64, f64)>> = layouts
            .into_iter()
            .map(|(columns, sums)| columns.iter().map(|it| bound(it)).zip(sums).collect())
            .collect();
        let (first, others) = parsed.split_first()?;
        let common = first.iter().filter_map(|(bound, count)| {
            let mut sum = *count;
            for other in others {
                sum += other.iter().find(|(it, _)| it == bound)?.1;
            }
            Some((bound * scale, sum))
        });
        Histogram::new(common.collect())
    }
}

/// The shortest time there is: an hour that ends at `as_of` is over.
const TICK: TimeDelta = TimeDelta::nanoseconds(1);

/// How many hours began in `span` and were over at `as_of`.
fn complete_hours(span: Span, as_of: Instant) -> i64 {
    let end = span.end.min(as_of - TimeDelta::hours(1) + TICK);
    let hours_before = |at: Instant| {
        let seconds = at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0);
        seconds.div_euclid(3600) + i64::from(seconds.rem_euclid(3600) > 0)
    };
    (hours_before(end) - hours_before(span.start)).max(0)
}

/// Everything that an hour of a histogram counted.
fn everything(hour: &Hour<'_>) -> f64 {
    hour.value(EVERYTHING).unwrap_or_default()
}

/// The bound that a label `le` names. One may be written in several ways: 1 and 1.0.
pub(super) fn bound(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kpi::testing::{Story, instant};

    const ENDPOINT: &str = "service web\nendpoint pay of web budget 0.3\n";

    /// What a ledger says about the time from `start` to `end` of a story.
    fn with<T>(story: &str, (start, end): (&str, &str), look: impl Fn(Ledger<'_>, Span) -> T) -> T {
        let story = Story::told(&format!("{ENDPOINT}{story}"));
        let timeline = story.timeline();
        let endpoint = &story.params.endpoints[0];
        let ledger = Ledger::of(&timeline, &endpoint.source, &endpoint.ledger(), story.as_of);
        look(ledger, Span { start: instant(start), end: instant(end) })
    }

    fn total(story: &str, span: (&str, &str)) -> f64 {
        with(story, span, |ledger, span| ledger.sum(span, "+Inf"))
    }

    #[test]
    fn an_hour_is_where_it_starts() {
        let story = "05T10:00 hour pay +Inf:1
             05T11:00 hour pay +Inf:10
             05T12:00 hour pay +Inf:100";
        assert_eq!(total(story, ("05T10:00", "05T12:00")), 11.0);
        assert_eq!(total(story, ("05T10:01", "05T12:01")), 110.0);
        assert_eq!(total(story, ("05T12:59", "05T13:00")), 0.0);
    }

    #[test]
    fn an_hour_counts_when_it_is_over() {
        let story = "05T22:00 hour pay +Inf:1\n05T23:00 hour pay +Inf:10\n";
        let span = ("05T00:00", "07T00:00");
        assert_eq!(total(&format!("as_of 06T00:00\n{story}"), span), 11.0);
        assert_eq!(total(&format!("as_of 05T23:59:59\n{story}"), span), 1.0);
        let ends_at = |story: &str| with(story, span, |ledger, _| ledger.ends_at());
        assert_eq!(ends_at(&format!("as_of 06T00:00\n{story}")), Some(instant("06T00:00")));
        assert_eq!(ends_at(&format!("as_of 05T23:59:59\n{story}")), Some(instant("05T23:00")));
    }

    #[test]
    fn coverage_is_the_share_of_slices_with_data_of_the_hours_that_are_over() {
        let story = "05T10:00 hour pay +Inf:1
             05T11:00 hour pay covered 6 +Inf:1
             05T12:00 hour pay";
        let coverage = |span| with(story, span, |ledger, span| ledger.coverage(span));
        assert_eq!(coverage(("05T10:00", "05T11:00")), Some(1.0));
        assert_eq!(coverage(("05T10:00", "05T12:00")), Some(0.75));
        assert_eq!(coverage(("05T10:00", "05T14:00")), Some(0.375), "unknown hours count");
        assert_eq!(coverage(("05T10:10", "05T10:50")), None, "no hour begins in it");
        let early = format!("as_of 05T11:30\n{story}");
        let coverage = with(&early, ("05T10:00", "05T14:00"), |ledger, span| ledger.coverage(span));
        assert_eq!(coverage, Some(1.0));
    }

    #[test]
    fn where_bounds_changed_only_those_that_were_there_all_the_time_are_known() {
        let story = "05T10:00 hour pay 0.1:5 1:8 +Inf:10
             05T11:00 hour pay 0.1:5 0.3:7 1.0:9 +Inf:10
             05T12:00 hour pay 2:0 +Inf:0";
        let histogram = |ledger: Ledger<'_>, span| ledger.histogram(span, 1.0);
        let known = with(story, ("05T10:00", "05T13:00"), histogram).unwrap();
        assert_eq!(known.buckets(), [(0.1, 10.0), (1.0, 17.0), (f64::INFINITY, 20.0)]);
        let idle = with(story, ("05T12:00", "05T13:00"), histogram);
        assert_eq!(idle, None, "nothing was counted");
    }

    #[test]
    fn bounds_in_milliseconds_become_seconds() {
        let story = "05T10:00 hour pay 300:7 +Inf:10";
        let known = with(story, ("05T10:00", "05T11:00"), |it, span| it.histogram(span, 0.001));
        assert_eq!(known.unwrap().buckets(), [(0.3, 7.0), (f64::INFINITY, 10.0)]);
    }

    #[test]
    fn short_windows_of_a_ratio_without_a_window_are_averages() {
        let ratio = |bad: &str| Sli::Ratio { bad: bad.to_owned(), there: None };
        assert_eq!(
            ratio("1 - up # down").short(&["1h"]),
            "label_replace(\navg_over_time(((\n1 - up # down\n) > -Inf < +Inf)[1h:5m])\n, \"engkpi_part\", \"bad 1h\", \"\", \"\")"
        );
        assert_eq!(
            ratio("x[{{.window}}]").short(&["1h"]),
            "label_replace(x[1h], \"engkpi_part\", \"bad 1h\", \"\", \"\")"
        );
    }

    #[test]
    fn what_is_no_number_is_not_counted_and_of_nothing_nothing_is_bad() {
        let [bad, total] = ["b", "t"].map(|it| format!("increase({it}[{WINDOW}])"));
        let bad = Sli::Bad { bad, total: total.clone() };
        let good = Sli::Good { good: "increase(g[1h])".to_owned(), total };
        let ratio = Sli::Ratio { bad: "r".to_owned(), there: None };
        let counted = |sli: &Sli, some: Option<f64>, all: Option<f64>| {
            sli.counted(|name| if name == TOTAL { all } else { some }, 300.0)
        };
        for (some, all, of_bad, of_good) in [
            (Some(2.0), Some(10.0), Some((2.0, 10.0)), Some((8.0, 10.0))),
            (None, Some(10.0), Some((0.0, 10.0)), Some((10.0, 10.0))),
            (Some(f64::NAN), Some(10.0), None, None),
            (Some(f64::NAN), Some(0.0), Some((0.0, 0.0)), Some((0.0, 0.0))),
            (Some(2.0), Some(f64::NAN), None, None),
            (Some(2.0), None, None, None),
        ] {
            assert_eq!(counted(&bad, some, all), of_bad, "{some:?} bad of {all:?}");
            assert_eq!(counted(&good, some, all), of_good, "{some:?} good of {all:?}");
        }
        assert_eq!(counted(&ratio, Some(0.25), None), Some((0.25, 1.0)));
        let idle = Some((0.0, 0.0));
        assert_eq!(counted(&ratio, Some(f64::NAN), None), idle, "0 / 0 is a time without events");
        assert_eq!(counted(&ratio, Some(f64::INFINITY), None), idle);
        assert_eq!(counted(&ratio, None, Some(1.0)), idle, "something was there");
        assert_eq!(counted(&ratio, None, None), None);
    }

    #[test]
    fn another_question_is_another_ledger() {
        let buckets = |text: &str| Question::Buckets { selector: text.to_owned() };
        let ratio = Question::Events {
            sli: Sli::Ratio { bad: "a".to_owned(), there: None },
            slice_allowed: "0.001".to_owned(),
            by_slices: false,
        };
        let name = buckets("a").ledger("endpoint", "pay");
        assert!(name.starts_with("endpoint/pay/") && name.len() == "endpoint/pay/".len() + 8);
        assert_eq!(name, buckets("a").ledger("endpoint", "pay"));
        assert_ne!(name, buckets("b").ledger("endpoint", "pay"));
        assert_ne!(name, ratio.ledger("endpoint", "pay"));
    }

    proptest! {
        #[test]
        fn the_parts_of_a_window_add_up_to_it(
            counts in prop::collection::vec(0_u32..1000, 1..60),
            cut in 0_i64..(60 * 60),
        ) {
            let mut story = String::new();
            for (hour, count) in counts.iter().enumerate() {
                story += &format!("{:02}T{:02}:00 hour pay +Inf:{count}\n", 5 + hour / 24, hour % 24);
            }
            let (start, end) = (instant("05T00:00"), instant("09T00:00"));
            let middle = start + TimeDelta::minutes(cut);
            let sums = with(&story, ("05T00:00", "09T00:00"), |ledger, _| {
                [(start, middle), (middle, end), (start, end)]
                    .map(|(start, end)| ledger.sum(Span { start, end }, "+Inf"))
            });
            prop_assert_eq!(sums[0] + sums[1], sums[2]);
            prop_assert_eq!(sums[2], counts.iter().map(|it| f64::from(*it)).sum::<f64>());
        }

        #[test]
        fn days_that_are_summed_up_say_what_their_hours_say(
            hours in prop::collection::vec((-20_i32..50, 1_u32..5_000, 0_u8..=12, any::<bool>()), 1..120),
            (start, length) in (0_i64..7_000, 0_i64..7_000),
            seen in 0_i64..7_200,
        ) {
            let mut story = "service web\nslo up of web objective 0.999\n".to_owned();
            for (hour, (bad, total, covered, known)) in hours.iter().enumerate() {
                let at = format!("{:02}T{:02}:00", 5 + hour / 24, hour % 24);
                let counts = format!("bad:{bad} total:{total} valid:12 met:6");
                let counts = if *known { counts.as_str() } else { "" };
                story += &format!("{at} hour up covered {covered} {counts}\n");
            }
            let story = Story::told(&story);
            let timeline = story.timeline();
            let slo = &story.params.slos[0];
            let begin = instant("05T00:00");
            let as_of = begin + TimeDelta::minutes(seen);
            let start = begin + TimeDelta::minutes(start - 500);
            let span = Span { start, end: start + TimeDelta::minutes(length) };
            let ledger = Ledger::of(&timeline, &slo.source, &slo.ledger(), as_of);
            let tally = Tally::of(&ledger, "0.001");
            let summed = ledger.with(Some(&tally));
            // The order of a sum changes the last digit of what is no integer.
            let same = |it: Events| Events { sure: (it.sure * 1e6).round(), ..it };
            let events = |of: &Ledger<'_>| same(of.events(span, "0.001"));
            prop_assert_eq!(events(&summed), events(&ledger));
            prop_assert_eq!(summed.coverage(span), ledger.coverage(span));
            prop_assert_eq!(summed.events(span, "0.01"), ledger.events(span, "0.01"));
        }
    }
}
