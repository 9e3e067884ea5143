//! Calendars: where local days begin, and which of them are business days.

use std::collections::BTreeSet;

use chrono::{
    Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday,
};
use chrono_tz::Tz;
use serde::Serialize;

use super::Instant;

/// Zone, holidays and fiscal year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calendar {
    /// Where months, quarters and business days are cut.
    pub zone: Tz,
    /// Days that are not business days.
    pub holidays: BTreeSet<NaiveDate>,
    /// 1 = January.
    pub fiscal_year_start_month: u32,
}

/// One business day, in the seconds that business time is counted in.
const BUSINESS_DAY: f64 = 86_400.0;

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: Tz::UTC, holidays: BTreeSet::new(), fiscal_year_start_month: 1 }
    }
}

impl Calendar {
    /// The local date at an instant.
    pub fn date(&self, at: Instant) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// The first instant of a local date: midnight, or where the clock jumps over midnight the
    /// instant of the jump. A midnight that comes twice begins the day the first time.
    pub fn start_of(&self, date: NaiveDate) -> Instant {
        self.instant_of(date.and_time(NaiveTime::MIN))
    }

    /// When local clocks show a time: the first time that they do, or where they jump over it the
    /// instant of the jump.
    pub fn instant_of(&self, local: NaiveDateTime) -> Instant {
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
            LocalResult::None => self.jump_over(local.and_utc()),
        }
    }

    /// The instant at which local time jumps over `local` (given as if it were UTC).
    fn jump_over(&self, local: Instant) -> Instant {
        // No zone was ever a whole day and two hours away from UTC.
        let (mut before, mut after) = (-26 * 3_600, 26 * 3_600);
        while after - before > 1 {
            let middle = i64::midpoint(before, after);
            let at = local + TimeDelta::seconds(middle);
            if at.with_timezone(&self.zone).naive_local() < local.naive_utc() {
                before = middle;
            } else {
                after = middle;
            }
        }
        local + TimeDelta::seconds(after)
    }

    /// Whether a date is Monday to Friday and no holiday.
    pub fn is_business_day(&self, date: NaiveDate) -> bool {
        !matches!(date.weekday(), Weekday::Sat | Weekday::Sun) && !self.holidays.contains(&date)
    }

    /// Business time in `[start, end)`, in seconds of which 86,400 are one business day. Each
    /// business day counts by the share of it that lies inside, whether it has 23, 24 or 25 hours.
    /// 0 when `end` is not after `start`.
    pub fn business_seconds(&self, start: Instant, end: Instant) -> f64 {
        let mut date = self.date(start);
        let mut opens = self.start_of(date);
        let mut days = 0.0;
        while opens < end {
            let Some(next) = date.checked_add_days(Days::new(1)) else { break };
            let closes = self.start_of(next);
            let inside = closes.min(end) - opens.max(start);
            if self.is_business_day(date) && inside > TimeDelta::zero() {
                days += inside.as_seconds_f64() / (closes - opens).as_seconds_f64();
            }
            (date, opens) = (next, closes);
        }
        days * BUSINESS_DAY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        tolerance: f64,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        start: Instant,
        end: Instant,
        tz: Tz,
        holidays: BTreeSet<NaiveDate>,
        business_days: f64,
    }

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn calendar(zone: Tz) -> Calendar {
        Calendar { zone, ..Calendar::default() }
    }

    #[test]
    fn business_days_are_fractional_and_follow_zone_holidays_and_clock_changes() {
        let text = include_str!("../../tests/vectors/business_days.json");
        let file: Vectors = serde_json::from_str(text).unwrap();
        assert!(file.cases.len() > 15, "the vectors are all there");
        for case in file.cases {
            let calendar = Calendar { holidays: case.holidays, ..calendar(case.tz) };
            let ours = calendar.business_seconds(case.start, case.end) / BUSINESS_DAY;
            assert!(
                (ours - case.business_days).abs() <= file.tolerance,
                "{} to {} in {}: {ours} is not {}",
                case.start,
                case.end,
                case.tz,
                case.business_days
            );
        }
    }

    #[test]
    fn a_day_whose_midnight_is_jumped_over_begins_at_the_jump() {
        let sao_paulo = calendar(Tz::America__Sao_Paulo);
        let day = "2018-11-04".parse().unwrap();
        assert_eq!(sao_paulo.start_of(day), at("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn a_day_whose_midnight_comes_twice_begins_the_first_time() {
        let havana = calendar(Tz::America__Havana);
        let day = "2023-11-05".parse().unwrap();
        assert_eq!(havana.start_of(day), at("2023-11-05T04:00:00Z"));
    }

    #[test]
    fn a_day_that_a_zone_left_out_has_no_business_time() {
        let apia = calendar(Tz::Pacific__Apia);
        let friday = "2011-12-30".parse().unwrap();
        assert_eq!(apia.start_of(friday), apia.start_of("2011-12-31".parse().unwrap()));
        let (thursday, monday) = (at("2011-12-29T10:00:00Z"), at("2012-01-01T10:00:00Z"));
        let only_thursday = apia.business_seconds(thursday, monday);
        assert!((only_thursday - BUSINESS_DAY).abs() < 1e-9, "{only_thursday}");
    }

    #[test]
    fn an_interval_that_ends_before_it_starts_has_no_business_time() {
        let (start, end) = (at("2024-03-05T09:00:00Z"), at("2024-03-04T09:00:00Z"));
        let calendar = Calendar::default();
        assert!(calendar.business_seconds(start, end).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn business_time_adds_up(
            start in 1_500_000_000_i64..1_800_000_000,
            first in 0_i64..9_000_000,
            second in 0_i64..9_000_000,
            zone in prop::sample::select(vec![Tz::UTC, Tz::Europe__London, Tz::America__Sao_Paulo]),
        ) {
            let calendar = calendar(zone);
            let instant = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            let (a, b, c) = (instant(start), instant(start + first), instant(start + first + second));
            let whole = calendar.business_seconds(a, c);
            let parts = calendar.business_seconds(a, b) + calendar.business_seconds(b, c);
            prop_assert!((whole - parts).abs() < 1e-3, "{whole} is not {parts}");
            prop_assert!(whole <= (c - a).as_seconds_f64() * 24.0 / 23.0 + 1e-3);
        }
    }
}
