//! Values in the cells of tables.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

use super::table::{Row, RowError, short};
use crate::domain::Instant;

/// Years in which something can have happened: others are slips of the pen.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// The day in a column: `2026-03-05`, alone or with a time in UTC.
pub(super) fn day(row: &Row<'_>, column: &str) -> Result<NaiveDate, RowError> {
    let text = row.required(column)?;
    parse_day(text).ok_or_else(|| {
        RowError::of(column, format!("{:?} is no day; write 2026-03-05", short(text)))
    })
}

/// The day in a column that may be empty.
pub(super) fn day_if_any(row: &Row<'_>, column: &str) -> Result<Option<NaiveDate>, RowError> {
    row.text(column)?.map(|_| day(row, column)).transpose()
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let day = match text.parse::<NaiveDate>() {
        Ok(day) if text.len() == 10 => day,
        _ => parse_instant(text)?.date_naive(),
    };
    YEARS.contains(&day.year()).then_some(day)
}

/// The instant in a column: with its offset, or in UTC.
pub(super) fn instant(row: &Row<'_>, column: &str) -> Result<Instant, RowError> {
    let text = row.required(column)?;
    parse_instant(text).ok_or_else(|| {
        let rule = format!("{:?} is no time; write 2026-03-05T09:00:00Z", short(text));
        RowError::of(column, rule)
    })
}

/// The instant in a column that may be empty.
pub(super) fn instant_if_any(row: &Row<'_>, column: &str) -> Result<Option<Instant>, RowError> {
    row.text(column)?.map(|_| instant(row, column)).transpose()
}

/// `2026-03-05T09:00:00Z` and how exporters vary it; without an offset it is UTC.
pub(super) fn parse_instant(text: &str) -> Option<Instant> {
    const LOCAL: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let offset = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z"));
    let at = match offset {
        Ok(at) => at.to_utc(),
        Err(_) => {
            let local = text.strip_suffix(" UTC").or(text.strip_suffix('Z')).unwrap_or(text);
            let parse = |format: &&str| NaiveDateTime::parse_from_str(local, format).ok();
            LOCAL.iter().find_map(parse)?.and_utc()
        }
    };
    YEARS.contains(&at.year()).then_some(at)
}

/// The number in a column.
pub(super) fn number(row: &Row<'_>, column: &str) -> Result<f64, RowError> {
    let text = row.required(column)?;
    parse_number(text).ok_or_else(|| {
        RowError::of(column, format!("{:?} is no number; write for example 1234.5", short(text)))
    })
}

/// A finite number with a decimal point.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|it| it.is_ascii_digit() || b"+-.eE".contains(&it));
    text.parse::<f64>().ok().filter(|it| plain && it.is_finite())
}

/// Yes or no; `otherwise` where the column is empty.
pub(super) fn flag(row: &Row<'_>, column: &str, otherwise: bool) -> Result<bool, RowError> {
    match row.text(column)?.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(otherwise),
        Some("yes" | "true" | "y" | "1") => Ok(true),
        Some("no" | "false" | "n" | "0") => Ok(false),
        Some(other) => {
            let rule = format!("{:?} is neither yes nor no", short(other));
            Err(RowError::of(column, rule))
        }
    }
}
