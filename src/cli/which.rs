//! Values of arguments.

use std::str::FromStr;

use chrono::NaiveDate;

use crate::domain::Instant;
use crate::kpi::window::Period;
use crate::kpi::{self, Kpi};

/// An instant: RFC 3339, or a day for its start in UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Instant);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || {
            let day = text.parse::<NaiveDate>().ok()?;
            Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
        };
        let instant = text.parse::<Instant>().ok();
        instant
            .or_else(day)
            .map(Self)
            .ok_or_else(|| "write it like 2026-09-30T12:00:00Z or 2026-09-30".to_owned())
    }
}

/// The KPI with this id.
pub(super) fn kpi(id: &str) -> Result<&'static Kpi, String> {
    kpi::find(id).ok_or_else(|| {
        let known: Vec<&str> = kpi::ALL.iter().map(|kpi| kpi.id).collect();
        format!("there are {}", known.join(", "))
    })
}

/// A quarter of the calendar.
pub(super) fn quarter(text: &str) -> Result<Period, String> {
    let named = text.strip_prefix("quarter:").unwrap_or(text);
    Period::quarter(named).ok_or_else(|| "write it like 2026-Q3".to_owned())
}

/// The width to lay a table out for: that of the terminal, if stdout is one.
pub(super) fn width() -> Option<u16> {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok())
}
