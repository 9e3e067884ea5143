//! The window that the specification of an SLO names.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::{Calendar, Instant};
use crate::kpi::Span;

/// How long an error budget lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum SloWindow {
    /// So long before now, always.
    Rolling(Length),
    /// From one edge of a calendar to the next, where the budget begins anew.
    Calendar {
        /// From edge to edge.
        length: Length,
        /// Where the calendar hangs; `None` = in the configured zone.
        zone: Option<Tz>,
        /// One of the edges, by that zone's clocks; `None` = as the configured calendar has it: at
        /// midnight, weeks from Monday on, quarters and years as the fiscal ones.
        from: Option<NaiveDateTime>,
    },
}

/// A number of units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Length {
    /// Minutes that pass, whatever clocks do.
    Minutes(u32),
    /// Days of a calendar; 24 h where it rolls.
    Days(u32),
    /// Months of a calendar.
    Months(u32),
}

impl Length {
    /// A number with one of the units m h d w M Q Y.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let number: u32 = text.strip_suffix(unit)?.parse().ok().filter(|it| *it > 0)?;
        Some(match unit {
            'm' => Self::Minutes(number),
            'h' => Self::Minutes(number.checked_mul(60)?),
            'd' => Self::Days(number),
            'w' => Self::Days(number.checked_mul(7)?),
            'M' => Self::Months(number),
            'Q' => Self::Months(number.checked_mul(3)?),
            'Y' => Self::Months(number.checked_mul(12)?),
            _ => return None,
        })
    }

    /// Whether it is a day at least and a hundred years at most.
    pub fn is_sensible(self) -> bool {
        match self {
            Self::Minutes(it) => (1_440..=52_596_000).contains(&it),
            Self::Days(it) => it <= 36_525,
            Self::Months(it) => it <= 1_200,
        }
    }

    /// So many lengths after `from`, by the clocks of a calendar.
    fn after(self, from: NaiveDateTime, times: i64, calendar: &Calendar) -> Option<Instant> {
        let start = calendar.instant_of(from);
        let count = |each: u32| i64::from(each).checked_mul(times);
        let whole = |count: i64| u64::try_from(count.abs()).ok();
        match self {
            Self::Minutes(each) => start.checked_add_signed(TimeDelta::try_minutes(count(each)?)?),
            Self::Days(each) => {
                let days = Days::new(whole(count(each)?)?);
                let moved = if times < 0 {
                    from.checked_sub_days(days)
                } else {
                    from.checked_add_days(days)
                };
                moved.map(|it| calendar.instant_of(it))
            }
            Self::Months(each) => {
                let months = Months::new(u32::try_from(whole(count(each)?)?).ok()?);
                let moved = if times < 0 {
                    from.checked_sub_months(months)
                } else {
                    from.checked_add_months(months)
                };
                moved.map(|it| calendar.instant_of(it))
            }
        }
    }

    /// About how many lengths lie between two times. Some more or less are found by trying.
    fn between(self, from: NaiveDateTime, to: NaiveDateTime) -> i64 {
        match self {
            Self::Minutes(each) => (to - from).num_minutes().div_euclid(i64::from(each)),
            Self::Days(each) => (to - from).num_days().div_euclid(i64::from(each)),
            Self::Months(each) => {
                let months = |it: NaiveDateTime| i64::from(it.year()) * 12 + i64::from(it.month0());
                (months(to) - months(from)).div_euclid(i64::from(each))
            }
        }
    }
}

impl SloWindow {
    /// What of it is over at `as_of`, and of a calendar's the whole that will be.
    pub fn cut(&self, as_of: Instant, configured: &Calendar) -> (Span, Option<Span>) {
        match self {
            Self::Rolling(length) => {
                let utc = Calendar::default();
                let start = length.after(as_of.naive_utc(), -1, &utc);
                (Span { start: start.unwrap_or(DateTime::UNIX_EPOCH), end: as_of }, None)
            }
            Self::Calendar { length, zone, from } => {
                let calendar =
                    Calendar { zone: zone.unwrap_or(configured.zone), ..configured.clone() };
                let from = from.unwrap_or_else(|| edge(*length, &calendar));
                let whole = period(*length, from, as_of, &calendar);
                (Span { start: whole.start, end: as_of }, Some(whole))
            }
        }
    }
}

/// An edge of the configured calendar.
fn edge(length: Length, calendar: &Calendar) -> NaiveDateTime {
    let date = match length {
        // A Monday.
        Length::Minutes(_) | Length::Days(_) => NaiveDate::from_ymd_opt(1970, 1, 5),
        Length::Months(_) => {
            NaiveDate::from_ymd_opt(1970, calendar.fiscal_year_start_month.clamp(1, 12), 1)
        }
    };
    date.unwrap_or_default().and_time(NaiveTime::MIN)
}

/// The period of a calendar in which `at` lies.
fn period(length: Length, from: NaiveDateTime, at: Instant, calendar: &Calendar) -> Span {
    let start_of = |times: i64| length.after(from, times, calendar).unwrap_or(at);
    let mut times = length.between(from, at.with_timezone(&calendar.zone).naive_local());
    // Days and months are not alike, and clocks change: the guess is off by one or two at most.
    for _ in 0..3 {
        if start_of(times) > at {
            times -= 1;
        } else if start_of(times + 1) <= at {
            times += 1;
        }
    }
    Span { start: start_of(times), end: start_of(times + 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn calendar(length: &str, zone: Tz, from: Option<&str>) -> SloWindow {
        SloWindow::Calendar {
            length: Length::parse(length).unwrap(),
            zone: Some(zone),
            from: from.map(|it| it.parse().unwrap()),
        }
    }

    /// From when to when the window that `as_of` lies in goes, and its hours.
    fn whole(window: &SloWindow, as_of: &str, fiscal: u32) -> (String, String, i64) {
        let configured = Calendar { fiscal_year_start_month: fiscal, ..Calendar::default() };
        let (so_far, whole) = window.cut(at(as_of), &configured);
        let whole = whole.unwrap();
        assert_eq!((so_far.start, so_far.end), (whole.start, at(as_of)));
        let text = |it: Instant| it.format("%FT%H:%MZ").to_string();
        (text(whole.start), text(whole.end), (whole.end - whole.start).num_hours())
    }

    fn span(start: &str, end: &str, hours: i64) -> (String, String, i64) {
        (start.to_owned(), end.to_owned(), hours)
    }

    #[test]
    fn a_quarter_in_berlin_has_its_clock_changes() {
        let quarter = calendar("1Q", Tz::Europe__Berlin, None);
        for (as_of, expected) in [
            // An hour less, as the clocks go forward on the 29th of March …
            ("2026-02-01T00:00:00Z", span("2025-12-31T23:00Z", "2026-03-31T22:00Z", 90 * 24 - 1)),
            // … no change in summer, an hour more as they go back on the 25th of October.
            ("2026-07-01T00:00:00Z", span("2026-06-30T22:00Z", "2026-09-30T22:00Z", 92 * 24)),
            ("2026-11-22T09:00:00Z", span("2026-09-30T22:00Z", "2026-12-31T23:00Z", 92 * 24 + 1)),
        ] {
            assert_eq!(whole(&quarter, as_of, 1), expected);
        }
        // Half a year has one of them, three quarters have both.
        let both = calendar("2Q", Tz::Europe__Berlin, Some("2026-03-01T00:00:00"));
        assert_eq!(
            whole(&both, "2026-07-01T00:00:00Z", 1),
            span("2026-02-28T23:00Z", "2026-08-31T22:00Z", 184 * 24 - 1)
        );
        let year = calendar("3Q", Tz::Europe__Berlin, Some("2026-03-01T00:00:00"));
        assert_eq!(
            whole(&year, "2026-07-01T00:00:00Z", 1),
            span("2026-02-28T23:00Z", "2026-11-30T23:00Z", 275 * 24),
        );
    }

    #[test]
    fn a_window_begins_with_its_first_instant() {
        let quarter = calendar("1Q", Tz::Europe__Berlin, None);
        assert_eq!(whole(&quarter, "2026-03-31T21:59:59Z", 1).0, "2025-12-31T23:00Z");
        assert_eq!(whole(&quarter, "2026-03-31T22:00:00Z", 1).0, "2026-03-31T22:00Z");
    }

    #[test]
    fn quarters_and_years_are_the_fiscal_ones() {
        let quarter = calendar("1Q", Tz::UTC, None);
        let year = calendar("1Y", Tz::UTC, None);
        assert_eq!(
            whole(&quarter, "2026-03-05T00:00:00Z", 2),
            span("2026-02-01T00:00Z", "2026-05-01T00:00Z", 89 * 24)
        );
        assert_eq!(
            whole(&quarter, "2026-01-31T23:59:59Z", 2),
            span("2025-11-01T00:00Z", "2026-02-01T00:00Z", 92 * 24)
        );
        assert_eq!(
            whole(&year, "2026-01-05T00:00:00Z", 4),
            span("2025-04-01T00:00Z", "2026-04-01T00:00Z", 365 * 24)
        );
    }

    #[test]
    fn a_start_time_says_where_the_edges_are() {
        let quarter = calendar("1Q", Tz::UTC, Some("2020-02-01T12:30:00"));
        assert_eq!(
            whole(&quarter, "2026-05-01T12:29:59Z", 1),
            span("2026-02-01T12:30Z", "2026-05-01T12:30Z", 89 * 24)
        );
        // Where a month is too short, its last day: the next edge is that of the start again.
        let month = calendar("1M", Tz::UTC, Some("2020-01-31T00:00:00"));
        assert_eq!(
            whole(&month, "2026-03-05T00:00:00Z", 1),
            span("2026-02-28T00:00Z", "2026-03-31T00:00Z", 31 * 24)
        );
        let early = calendar("1Y", Tz::UTC, Some("2030-01-01T00:00:00"));
        assert_eq!(whole(&early, "2026-03-05T00:00:00Z", 1).0, "2026-01-01T00:00Z");
    }

    #[test]
    fn leap_years_have_their_day() {
        let (month, quarter, year) = ("1M", "1Q", "1Y");
        let hours = |length: &str, as_of: &str| whole(&calendar(length, Tz::UTC, None), as_of, 1).2;
        assert_eq!(hours(month, "2028-02-29T12:00:00Z"), 29 * 24);
        assert_eq!(hours(quarter, "2028-02-29T12:00:00Z"), 91 * 24);
        assert_eq!(hours(year, "2028-02-29T12:00:00Z"), 366 * 24);
        assert_eq!(hours(year, "2027-02-28T12:00:00Z"), 365 * 24);
        assert_eq!(hours(year, "2100-02-28T12:00:00Z"), 365 * 24);
    }

    #[test]
    fn weeks_begin_on_monday_and_days_at_midnight() {
        let week = calendar("1w", Tz::Europe__Berlin, None);
        assert_eq!(
            whole(&week, "2026-03-29T10:00:00Z", 1),
            span("2026-03-22T23:00Z", "2026-03-29T22:00Z", 167)
        );
        let day = calendar("1d", Tz::Europe__Berlin, None);
        assert_eq!(
            whole(&day, "2026-10-25T10:00:00Z", 1),
            span("2026-10-24T22:00Z", "2026-10-25T23:00Z", 25)
        );
    }

    #[test]
    fn what_rolls_is_as_long_as_it_says() {
        let start = |length: &str, as_of: &str| {
            let rolling = SloWindow::Rolling(Length::parse(length).unwrap());
            let (window, whole) = rolling.cut(at(as_of), &Calendar::default());
            assert_eq!((window.end, whole), (at(as_of), None));
            window.start.to_rfc3339()
        };
        assert_eq!(start("28d", "2026-03-29T01:30:00Z"), "2026-03-01T01:30:00+00:00");
        assert_eq!(start("4w", "2026-03-29T01:30:00Z"), "2026-03-01T01:30:00+00:00");
        assert_eq!(start("36h", "2026-03-29T01:30:00Z"), "2026-03-27T13:30:00+00:00");
        assert_eq!(start("1M", "2026-03-31T01:30:00Z"), "2026-02-28T01:30:00+00:00");
        assert_eq!(start("1Y", "2028-02-29T00:00:00Z"), "2027-02-28T00:00:00+00:00");
    }

    #[test]
    fn what_is_no_length_is_refused() {
        for text in ["", "30", "d", "0d", "-1d", "1.5d", "30D", "30 d", "99999999999d"] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
        assert!(!Length::parse("1m").unwrap().is_sensible());
        assert!(!Length::parse("4000000Y").is_some_and(Length::is_sensible));
        assert!(Length::parse("24h").unwrap().is_sensible());
    }

    proptest! {
        #[test]
        fn windows_follow_each_other_and_hold_their_instants(
            seconds in 0_i64..4_000_000_000,
            length in prop::sample::select(vec!["1d", "2w", "36h", "1M", "5M", "1Q", "1Y"]),
            zone in prop::sample::select(vec![
                Tz::UTC, Tz::Europe__Berlin, Tz::America__Sao_Paulo, Tz::Asia__Kolkata, Tz::Pacific__Apia,
            ]),
            from in prop::option::of(prop::sample::select(vec![
                "2020-01-31T00:00:00", "2020-03-29T02:30:00", "2031-02-28T12:30:00",
            ])),
            fiscal in 1_u32..=12,
        ) {
            let window = calendar(length, zone, from);
            let configured = Calendar { fiscal_year_start_month: fiscal, ..Calendar::default() };
            let as_of = DateTime::from_timestamp(seconds, 0).unwrap();
            let (_, whole) = window.cut(as_of, &configured);
            let whole = whole.unwrap();
            prop_assert!(whole.contains(as_of), "{as_of} is not in {whole:?}");
            let (_, next) = window.cut(whole.end, &configured);
            prop_assert_eq!(next.unwrap().start, whole.end);
            let (_, last) = window.cut(whole.end - TimeDelta::seconds(1), &configured);
            prop_assert_eq!(last.unwrap(), whole);
        }
    }
}
