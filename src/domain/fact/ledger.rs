use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::domain::Instant;

/// One UTC day of a ledger: what a metric store counted in each complete hour.
///
/// A ledger is the answer to one fixed set of questions, for example the bucket increases of one
/// latency histogram, or the bad and all events of one SLO. Its name carries a hash of the
/// questions, so that numbers that answer different ones are never added up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerDay {
    /// `LEDGER/YYYY-MM-DD`.
    pub id: String,
    /// The names of the columns, one list for each set of columns that an hour of the day had: the
    /// bounds of buckets change when a service does.
    pub layouts: Vec<Vec<String>>,
    /// The hours that were complete when they were asked for, in order.
    pub hours: Vec<LedgerHour>,
}

/// One complete hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerHour {
    /// The hour of the day, 0 to 23.
    pub hour: u8,
    /// In how many of its twelve slices of five minutes there was anything to count from.
    pub covered: u8,
    /// Which of the day's layouts the values have.
    pub layout: u8,
    /// One number a column; empty if nothing is known of the hour.
    pub values: Vec<f64>,
}

impl LedgerDay {
    /// Slices of five minutes in an hour.
    pub const SLICES: u8 = 12;

    /// The id of a day of `ledger`.
    pub fn id_of(ledger: &str, day: NaiveDate) -> String {
        format!("{ledger}/{day}")
    }

    /// The ledger and the day that an id names.
    pub fn parse_id(id: &str) -> Option<(&str, NaiveDate)> {
        let (ledger, day) = id.rsplit_once('/')?;
        let day: NaiveDate = day.parse().ok()?;
        (1970..=9999).contains(&day.year()).then_some((ledger, day))
    }

    /// The ledger that it is of.
    pub fn ledger(&self) -> &str {
        self.id.rsplit_once('/').map_or("", |(ledger, _)| ledger)
    }

    /// The ledger and the month, `LEDGER/YYYY-MM`: its parent, so that few days are read to change
    /// one.
    pub fn month(&self) -> &str {
        self.id.rsplit_once('-').map_or("", |(month, _)| month)
    }

    /// Its first instant.
    pub fn starts_at(&self) -> Instant {
        let day = Self::parse_id(&self.id).map(|(_, day)| day).unwrap_or_default();
        day.and_time(NaiveTime::MIN).and_utc()
    }

    /// The end of the last hour that it has: the version, as a day only grows.
    pub fn ends_at(&self) -> Instant {
        let hours = self.hours.last().map_or(0, |it| i64::from(it.hour) + 1);
        self.starts_at() + TimeDelta::hours(hours)
    }

    /// An hour with the names of its columns.
    pub fn columns(&self, hour: &LedgerHour) -> &[String] {
        self.layouts.get(usize::from(hour.layout)).map_or(&[], Vec::as_slice)
    }

    /// When an hour of the day starts.
    pub fn hour_starts_at(&self, hour: &LedgerHour) -> Instant {
        self.starts_at() + TimeDelta::hours(i64::from(hour.hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(hours: &[u8]) -> LedgerDay {
        let hour =
            |hour: &u8| LedgerHour { hour: *hour, covered: 12, layout: 0, values: vec![1.0] };
        LedgerDay {
            id: LedgerDay::id_of("endpoint/pay/0a1b", "2026-03-05".parse().unwrap()),
            layouts: vec![vec!["total".to_owned()]],
            hours: hours.iter().map(hour).collect(),
        }
    }

    #[test]
    fn its_id_says_which_ledger_month_and_day_it_is() {
        let day = day(&[0, 1]);
        assert_eq!(day.id, "endpoint/pay/0a1b/2026-03-05");
        assert_eq!((day.ledger(), day.month()), ("endpoint/pay/0a1b", "endpoint/pay/0a1b/2026-03"));
        assert_eq!(day.starts_at().to_rfc3339(), "2026-03-05T00:00:00+00:00");
        let (ledger, date) = LedgerDay::parse_id(&day.id).unwrap();
        assert_eq!((ledger, date.to_string().as_str()), ("endpoint/pay/0a1b", "2026-03-05"));
        for wrong in ["endpoint/pay", "pay/2026-02-30", "2026-03-05", "pay/+12026-03-05"] {
            assert_eq!(LedgerDay::parse_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn more_hours_make_a_later_version() {
        assert!(day(&[0, 1, 2]).ends_at() > day(&[0, 1]).ends_at());
        assert_eq!(day(&[]).ends_at(), day(&[]).starts_at());
        assert_eq!(day(&[23]).ends_at().to_rfc3339(), "2026-03-06T00:00:00+00:00");
    }
}
