//! Windows: which stretch of time a number is about (kpis.md 1.1).
//!
//! Calendar windows are cut in the configured zone at local midnights, so that a month with a clock
//! change is an hour shorter or longer. Quarters and years are fiscal ones; a fiscal year is named
//! after the calendar year in which it starts.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, TimeDelta};
use serde::Serialize;

use crate::domain::{Calendar, Instant, Text};

/// A half-open interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First instant inside.
    pub start: Instant,
    /// First instant after.
    pub end: Instant,
}

impl Span {
    /// Whether `at` lies in `[start, end)`.
    pub fn contains(&self, at: Instant) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length in days of 86,400 s.
    pub fn days(&self) -> f64 {
        (self.end - self.start).as_seconds_f64() / 86_400.0
    }

    /// Whether nothing can lie in it.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// What kind of window a slice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Ends at `as_of` and has a fixed length.
    Rolling,
    /// A calendar month; `complete` when it ended before or at `as_of`.
    Month {
        /// It ended before or at `as_of`.
        complete: bool,
    },
    /// A calendar or fiscal quarter.
    Quarter {
        /// It ended before or at `as_of`.
        complete: bool,
    },
    /// A calendar or fiscal year.
    Year {
        /// It ended before or at `as_of`.
        complete: bool,
    },
    /// No stretch of time: what there is at `as_of`.
    Now,
    /// No stretch of time: the last wave of a survey that closed before `as_of`.
    Wave,
    /// Of each SLO another one: that of its specification.
    Own,
}

impl WindowKind {
    /// Whether it has no length: it is about a state, or everything measured has one of its own.
    pub fn is_state(self) -> bool {
        matches!(self, Self::Now | Self::Wave | Self::Own)
    }
}

/// A window as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// So many days before `as_of`.
    Rolling(Days),
    /// The running month up to `as_of`.
    Month,
    /// The running quarter up to `as_of`.
    Quarter,
    /// The running year up to `as_of`.
    Year,
    /// The last complete month.
    PreviousMonth,
    /// The last complete quarter.
    PreviousQuarter,
    /// One named month or quarter.
    Named(Period),
    /// No stretch of time: for KPIs about what is there now.
    Now,
    /// No stretch of time: for KPIs about the last wave of a survey.
    Wave,
    /// Of each SLO another one: for KPIs about objectives.
    Own,
}

/// Lengths of rolling windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Days {
    Seven,
    Thirty,
    Ninety,
    Year,
}

impl Days {
    fn count(self) -> i64 {
        match self {
            Self::Seven => 7,
            Self::Thirty => 30,
            Self::Ninety => 90,
            Self::Year => 365,
        }
    }
}

/// A text that names no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseWindowError {
    /// None of the words.
    #[error(
        "unknown window `{0}`; use 7d, 30d, 90d, 365d, month, quarter, year, previous_month, \
         previous_quarter, month:2026-09 or quarter:2026-Q3"
    )]
    Unknown(String),
    /// Not a month of a year.
    #[error("`{0}` is not a month; write it like month:2026-09")]
    Month(String),
    /// Not a quarter of a year.
    #[error("`{0}` is not a quarter; write it like quarter:2026-Q3 or quarter:2026Q3")]
    Quarter(String),
}

impl Window {
    /// The windows that /metrics shows, beside calendar history.
    pub const PUBLISHED: [Self; 7] = [
        Self::Rolling(Days::Seven),
        Self::Rolling(Days::Thirty),
        Self::Rolling(Days::Ninety),
        Self::Rolling(Days::Year),
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// Reads what [`fmt::Display`] writes, and `2026Q3` for `2026-Q3`.
    ///
    /// # Errors
    /// When the text names no window; the message says what does.
    pub fn parse(text: &str) -> Result<Self, ParseWindowError> {
        match text {
            "7d" => Ok(Self::Rolling(Days::Seven)),
            "30d" => Ok(Self::Rolling(Days::Thirty)),
            "90d" => Ok(Self::Rolling(Days::Ninety)),
            "365d" => Ok(Self::Rolling(Days::Year)),
            "month" => Ok(Self::Month),
            "quarter" => Ok(Self::Quarter),
            "year" => Ok(Self::Year),
            "previous_month" => Ok(Self::PreviousMonth),
            "previous_quarter" => Ok(Self::PreviousQuarter),
            "now" => Ok(Self::Now),
            "wave" => Ok(Self::Wave),
            "own" => Ok(Self::Own),
            _ => parse_named(text),
        }
    }

    /// The stretch of time that it means at `as_of`. A running calendar window ends at `as_of`;
    /// one that has not begun is empty.
    pub fn cut(self, as_of: Instant, calendar: &Calendar) -> Cut {
        let running = |unit| Period::containing(as_of, unit, calendar);
        let base = match self {
            Self::Rolling(days) => Base::Rolling { days: days.count(), end: as_of },
            Self::Month => Base::Period(running(Unit::Month)),
            Self::Quarter => Base::Period(running(Unit::Quarter)),
            Self::Year => Base::Period(running(Unit::Year)),
            Self::PreviousMonth => Base::Period(running(Unit::Month).before(1)),
            Self::PreviousQuarter => Base::Period(running(Unit::Quarter).before(1)),
            Self::Named(period) => Base::Period(period),
            Self::Now | Self::Wave | Self::Own => Base::Rolling { days: 0, end: as_of },
        };
        let mut cut = Cut::new(self.to_string().into(), None, base, as_of, calendar);
        match self {
            Self::Now => cut.kind = WindowKind::Now,
            Self::Wave => cut.kind = WindowKind::Wave,
            Self::Own => cut.kind = WindowKind::Own,
            _ => {}
        }
        cut
    }

    /// Whether it has no length: it is about a state, or everything measured has one of its own.
    pub fn is_state(self) -> bool {
        matches!(self, Self::Now | Self::Wave | Self::Own)
    }
}

fn parse_named(text: &str) -> Result<Window, ParseWindowError> {
    let parsed = match text.split_once(':') {
        Some(("month", name)) => {
            Period::month(name).ok_or_else(|| ParseWindowError::Month(name.to_owned()))
        }
        Some(("quarter", name)) => {
            Period::quarter(name).ok_or_else(|| ParseWindowError::Quarter(name.to_owned()))
        }
        _ => Err(ParseWindowError::Unknown(text.to_owned())),
    };
    parsed.map(Window::Named)
}

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling(days) => write!(f, "{}d", days.count()),
            Self::Month => f.write_str("month"),
            Self::Quarter => f.write_str("quarter"),
            Self::Year => f.write_str("year"),
            Self::PreviousMonth => f.write_str("previous_month"),
            Self::PreviousQuarter => f.write_str("previous_quarter"),
            Self::Now => f.write_str("now"),
            Self::Wave => f.write_str("wave"),
            Self::Own => f.write_str("own"),
            Self::Named(period) => match period.unit {
                Unit::Month => write!(f, "month:{period}"),
                Unit::Quarter => write!(f, "quarter:{period}"),
                Unit::Year => write!(f, "year:{period}"),
            },
        }
    }
}

/// The units of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unit {
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn per_year(self) -> i32 {
        match self {
            Self::Month => 12,
            Self::Quarter => 4,
            Self::Year => 1,
        }
    }
}

/// One month, fiscal quarter or fiscal year, such as `2026-09` or `2026-Q3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    unit: Unit,
    /// Units since the year 0.
    number: i32,
}

impl Period {
    /// The last quarter that is over at `at`.
    pub fn last_quarter(at: Instant, calendar: &Calendar) -> Self {
        Self::containing(at, Unit::Quarter, calendar).before(1)
    }

    /// The one before it.
    #[must_use]
    pub fn previous(self) -> Self {
        self.before(1)
    }

    /// All of it, whether it is over or not.
    pub fn whole(self, calendar: &Calendar) -> Span {
        Span { start: self.start(calendar), end: self.before(-1).start(calendar) }
    }

    fn month(name: &str) -> Option<Self> {
        let (year, month) = name.split_once('-')?;
        (month.len() == 2).then_some(())?;
        Self::of_year(Unit::Month, year, month)
    }

    /// The quarter of this name, such as `2026-Q3` or `2026Q3`.
    pub fn quarter(name: &str) -> Option<Self> {
        let (year, quarter) = name.split_once('Q')?;
        Self::of_year(Unit::Quarter, year.strip_suffix('-').unwrap_or(year), quarter)
    }

    fn of_year(unit: Unit, year: &str, part: &str) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        if year.len() != 4 || !digits(year) || !digits(part) {
            return None;
        }
        let (year, part): (i32, i32) = (year.parse().ok()?, part.parse().ok()?);
        (1970 <= year && (1..=unit.per_year()).contains(&part))
            .then(|| Self { unit, number: year * unit.per_year() + part - 1 })
    }

    fn containing(at: Instant, unit: Unit, calendar: &Calendar) -> Self {
        let date = calendar.date(at);
        let month = date.year() * 12 + i32::try_from(date.month0()).unwrap_or(0);
        let fiscal = month - fiscal_offset(calendar);
        let number = match unit {
            Unit::Month => month,
            Unit::Quarter => fiscal.div_euclid(3),
            Unit::Year => fiscal.div_euclid(12),
        };
        Self { unit, number }
    }

    fn before(self, units: i32) -> Self {
        Self { number: self.number - units, ..self }
    }

    /// The instant at which it starts.
    fn start(self, calendar: &Calendar) -> Instant {
        let month = match self.unit {
            Unit::Month => self.number,
            Unit::Quarter => self.number * 3 + fiscal_offset(calendar),
            Unit::Year => self.number * 12 + fiscal_offset(calendar),
        };
        let month_of_year = u32::try_from(month.rem_euclid(12)).unwrap_or(0) + 1;
        let date = NaiveDate::from_ymd_opt(month.div_euclid(12), month_of_year, 1);
        calendar.start_of(date.expect("periods are named with four digits or contain an instant"))
    }

    fn kind(self, complete: bool) -> WindowKind {
        match self.unit {
            Unit::Month => WindowKind::Month { complete },
            Unit::Quarter => WindowKind::Quarter { complete },
            Unit::Year => WindowKind::Year { complete },
        }
    }
}

/// Months from January to the start of the fiscal year.
fn fiscal_offset(calendar: &Calendar) -> i32 {
    i32::try_from(calendar.fiscal_year_start_month).unwrap_or(1) - 1
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_year = self.unit.per_year();
        let year = self.number.div_euclid(per_year);
        let part = self.number.rem_euclid(per_year) + 1;
        match self.unit {
            Unit::Month => write!(f, "{year:04}-{part:02}"),
            Unit::Quarter => write!(f, "{year:04}-Q{part}"),
            Unit::Year => write!(f, "{year:04}"),
        }
    }
}

/// A window cut out of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The `window` label.
    pub label: Text,
    /// The `period` label; only calendar history has one.
    pub period: Option<Text>,
    /// The stretch of time, up to `as_of` at most.
    pub span: Span,
    /// What kind of window it is.
    pub kind: WindowKind,
    base: Base,
}

/// What a cut was made from, so that the one before it can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Rolling { days: i64, end: Instant },
    Period(Period),
}

impl Cut {
    fn new(
        label: Text,
        period: Option<Text>,
        base: Base,
        as_of: Instant,
        calendar: &Calendar,
    ) -> Self {
        let (span, kind) = match base {
            Base::Rolling { days, end } => {
                (Span { start: end - TimeDelta::days(days), end }, WindowKind::Rolling)
            }
            Base::Period(it) => {
                let (start, end) = (it.start(calendar), it.before(-1).start(calendar));
                (Span { start, end: end.min(as_of).max(start) }, it.kind(end <= as_of))
            }
        };
        Self { label, period, span, kind, base }
    }

    /// The running month and the twelve before it, the latest first.
    pub fn month_history(as_of: Instant, calendar: &Calendar) -> Vec<Self> {
        Self::history("month_history", Unit::Month, 12, as_of, calendar)
    }

    /// The running quarter and the seven before it, the latest first.
    pub fn quarter_history(as_of: Instant, calendar: &Calendar) -> Vec<Self> {
        Self::history("quarter_history", Unit::Quarter, 7, as_of, calendar)
    }

    fn history(
        label: &str,
        unit: Unit,
        earlier: i32,
        as_of: Instant,
        calendar: &Calendar,
    ) -> Vec<Self> {
        let running = Period::containing(as_of, unit, calendar);
        let periods = (0..=earlier).map(|back| running.before(back));
        let label = Text::from(label);
        let cut = |it: Period| {
            let period = Some(it.to_string().into());
            Self::new(label.clone(), period, Base::Period(it), as_of, calendar)
        };
        periods.map(cut).collect()
    }

    /// The window to compare with: the stretch of the same length just before a rolling window,
    /// the whole period before a calendar window, even while that is still running (rates and
    /// durations compare all the same; counts are compared per day). None for a window that has
    /// not begun.
    pub fn previous(&self, as_of: Instant, calendar: &Calendar) -> Option<Self> {
        if self.span.is_empty() {
            return None;
        }
        let (base, period) = match self.base {
            Base::Rolling { days, end } => {
                (Base::Rolling { days, end: end - TimeDelta::days(days) }, None)
            }
            Base::Period(it) => {
                let before = it.before(1);
                (Base::Period(before), self.period.as_ref().map(|_| before.to_string().into()))
            }
        };
        Some(Self::new(self.label.clone(), period, base, as_of, calendar))
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn span(start: &str, end: &str) -> Span {
        Span { start: at(start), end: at(end) }
    }

    fn fiscal(fiscal_year_start_month: u32) -> Calendar {
        Calendar { fiscal_year_start_month, ..Calendar::default() }
    }

    #[derive(Deserialize)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        instant: Instant,
        tz: Tz,
        kind: String,
        start: Instant,
        end: Instant,
    }

    #[test]
    fn calendar_windows_are_cut_at_local_midnights() {
        let text = include_str!("../../tests/vectors/windows.json");
        let file: Vectors = serde_json::from_str(text).unwrap();
        assert!(file.cases.len() > 40, "the vectors are all there");
        for case in file.cases {
            let calendar = Calendar { zone: case.tz, ..Calendar::default() };
            let unit = if case.kind == "month" { Unit::Month } else { Unit::Quarter };
            let period = Period::containing(case.instant, unit, &calendar);
            let whole = Cut::new(Text::default(), None, Base::Period(period), case.end, &calendar);
            let expected = Span { start: case.start, end: case.end };
            assert_eq!(whole.span, expected, "{} of {} in {}", case.kind, case.instant, case.tz);
            assert_eq!(whole.kind, period.kind(true), "it is over at its end");
        }
    }

    #[test]
    fn every_window_is_written_the_way_it_is_read() {
        let names = "7d 30d 90d 365d month quarter year previous_month previous_quarter \
                     month:2026-09 quarter:2026-Q3 now";
        for name in names.split_whitespace() {
            assert_eq!(Window::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(Window::parse("quarter:2026Q3"), Window::parse("quarter:2026-Q3"));
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_way_to_write_it() {
        let message = |text| Window::parse(text).unwrap_err().to_string();
        assert!(message("14d").contains("`14d`") && message("14d").contains("use 7d, 30d"));
        for wrong in ["month:2026-13", "month:2026-9", "month:26-09", "month:2026-00", "month:"] {
            assert!(message(wrong).contains("write it like month:2026-09"), "{wrong}");
        }
        for wrong in ["quarter:2026-Q5", "quarter:2026-3", "quarter:+026Q1", "quarter:2026-Q0"] {
            assert!(message(wrong).contains("write it like quarter:2026-Q3"), "{wrong}");
        }
        assert!(message("week:2026-09").contains("unknown window"));
        assert!(message("").contains("unknown window"));
    }

    #[test]
    fn running_windows_end_now_and_previous_ones_when_they_ended() {
        let (now, utc) = (at("2026-11-22T12:00:00Z"), Calendar::default());
        let cut = |name: &str| Window::parse(name).unwrap().cut(now, &utc);
        assert_eq!(cut("7d").span, span("2026-11-15T12:00:00Z", "2026-11-22T12:00:00Z"));
        assert_eq!(cut("month").span, span("2026-11-01T00:00:00Z", "2026-11-22T12:00:00Z"));
        assert_eq!(cut("month").kind, WindowKind::Month { complete: false });
        assert_eq!(cut("quarter").span.start, at("2026-10-01T00:00:00Z"));
        assert_eq!(cut("year").span.start, at("2026-01-01T00:00:00Z"));
        let previous = cut("previous_quarter");
        assert_eq!(previous.span, span("2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"));
        assert_eq!(previous.kind, WindowKind::Quarter { complete: true });
        assert_eq!(previous.span, cut("quarter:2026-Q3").span);
        assert_eq!(cut("previous_month").span, cut("month:2026-10").span);
        assert_eq!(cut("month:2026-11").span, cut("month").span);
        assert!(cut("month:2027-01").span.is_empty(), "it has not begun");
    }

    #[test]
    fn fiscal_quarters_belong_to_the_year_in_which_their_year_starts() {
        let (january, calendar) = (at("2027-01-15T00:00:00Z"), fiscal(4));
        let history = Cut::quarter_history(january, &calendar);
        let names: Vec<_> = history.iter().filter_map(|it| it.period.as_deref()).collect();
        assert_eq!(&names[..4], ["2026-Q4", "2026-Q3", "2026-Q2", "2026-Q1"]);
        assert_eq!(history[3].span, span("2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"));
        let year = Window::Year.cut(january, &calendar);
        assert_eq!(year.span.start, at("2026-04-01T00:00:00Z"));
        let named = Window::parse("quarter:2026-Q1").unwrap().cut(january, &calendar);
        assert_eq!(named.span, history[3].span);
    }

    #[test]
    fn history_has_the_running_period_and_a_year_or_two_before_it() {
        let now = at("2026-11-22T12:00:00Z");
        let months = Cut::month_history(now, &Calendar::default());
        let names: Vec<_> = months.iter().filter_map(|it| it.period.as_deref()).collect();
        assert_eq!((names.len(), names[0], names[12]), (13, "2026-11", "2025-11"));
        assert_eq!(months[0].span.end, now);
        assert!(months.iter().all(|it| it.label == "month_history"));
        let quarters = Cut::quarter_history(now, &Calendar::default());
        assert_eq!(quarters.len(), 8);
        assert_eq!(quarters[7].period.as_deref(), Some("2025-Q1"));
    }

    #[test]
    fn the_window_before_is_as_long_or_the_whole_period_before() {
        let (now, utc) = (at("2026-11-22T12:00:00Z"), Calendar::default());
        let before = |name: &str| {
            Window::parse(name).unwrap().cut(now, &utc).previous(now, &utc).unwrap().span
        };
        assert_eq!(before("7d"), span("2026-11-08T12:00:00Z", "2026-11-15T12:00:00Z"));
        assert_eq!(before("quarter"), span("2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"));
        assert_eq!(before("previous_month"), span("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"));
        assert_eq!(before("year"), span("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"));
        let new_year = at("2027-01-01T00:00:00Z");
        let just_begun = Window::Year.cut(new_year, &utc);
        assert_eq!(just_begun.previous(new_year, &utc), None, "nothing can have happened in it");
    }

    proptest! {
        #[test]
        fn history_leaves_no_gap_and_an_instant_is_in_one_month(
            seconds in 946_684_800_i64..2_000_000_000,
            zone in prop::sample::select(vec![
                Tz::UTC, Tz::America__Sao_Paulo, Tz::Asia__Kathmandu, Tz::Pacific__Apia,
            ]),
            fiscal_year_start_month in 1_u32..=12,
        ) {
            let calendar = Calendar { zone, fiscal_year_start_month, ..Calendar::default() };
            let now = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            for history in [Cut::month_history(now, &calendar), Cut::quarter_history(now, &calendar)] {
                prop_assert_eq!(history[0].span.end, now);
                prop_assert!(history.windows(2).all(|it| it[1].span.end == it[0].span.start));
            }
            let running = Window::Month.cut(now + TimeDelta::seconds(1), &calendar);
            prop_assert!(running.span.contains(now) || running.span.start > now);
            let period = Period::containing(now, Unit::Month, &calendar);
            prop_assert!(period.start(&calendar) <= now && now < period.before(-1).start(&calendar));
        }
    }
}
