//! Dates that people or tools wrote as text.

use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone};

use crate::domain::Instant;

/// The first year that a date can be meant to lie in: no incident or code tool that we read is
/// older, and the dates that go wrong go to 1970.
const FIRST_YEAR: i32 = 2000;

/// Whether something can have happened at `at`, seen from `as_of`.
pub(in crate::kpi) fn is_possible(at: Instant, as_of: Instant) -> bool {
    at.year() >= FIRST_YEAR && at < as_of
}

/// The instant that `text` names: RFC 3339, also with a space for the `T` or without seconds.
/// Without an offset it is UTC, like every instant (kpis.md 1.1). A day alone is no instant.
/// `None` too where nothing can have happened at that time.
pub(super) fn instant(text: &str, as_of: Instant) -> Option<Instant> {
    let (local, offset) = split_offset(text.trim());
    let local = local.trim_end().replacen([' ', 't'], "T", 1);
    let offset: FixedOffset = offset.parse().ok()?;
    let shapes = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local =
        shapes.iter().find_map(|shape| NaiveDateTime::parse_from_str(&local, shape).ok())?;
    let at = offset.from_local_datetime(&local).single()?.to_utc();
    is_possible(at, as_of).then_some(at)
}

/// The day that `text` begins with (`2026-03-01`).
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text.trim().get(..10)?, "%Y-%m-%d").ok()?;
    (day.year() >= FIRST_YEAR).then_some(day)
}

/// Splits `2026-03-01T10:00+01:00` before its offset.
fn split_offset(text: &str) -> (&str, &str) {
    const UTC: &str = "+00:00";
    if let Some(local) = ["UTC", "GMT", "Z", "z"].iter().find_map(|utc| text.strip_suffix(utc)) {
        return (local, UTC);
    }
    // The day has hyphens too, the time of day has none.
    let time = text.find(':').unwrap_or(text.len());
    match text[time..].find(['+', '-']) {
        Some(sign) => text.split_at(time + sign),
        None => (text, UTC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_is_read_however_people_write_it() {
        let as_of = at("2026-07-01T00:00:00Z");
        for text in [
            "2026-03-01T09:00:00Z",
            "2026-03-01t09:00:00z",
            "2026-03-01T09:00:00.000Z",
            "2026-03-01T10:00:00+01:00",
            "2026-03-01T10:00:00+0100",
            "2026-03-01 09:00:00Z",
            "2026-03-01 09:00:00 UTC",
            "2026-03-01 04:00:00 -0500",
            "2026-03-01 09:00 UTC",
            "2026-03-01T09:00Z",
            "2026-03-01 09:00Z",
            "2026-03-01T09:00:00",
            " 2026-03-01 09:00 ",
        ] {
            assert_eq!(instant(text, as_of), Some(at("2026-03-01T09:00:00Z")), "{text}");
        }
    }

    #[test]
    fn what_names_no_possible_instant_is_ignored() {
        let as_of = at("2026-07-01T00:00:00Z");
        for text in [
            "",
            "soon",
            "2026-03-01",
            "2026-13-01T09:00:00Z",
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "1999-12-31T23:59:59Z",
            "2099-01-01T00:00:00Z",
            "2026-07-01T00:00:00Z",
        ] {
            assert_eq!(instant(text, as_of), None, "{text}");
        }
        assert!(instant("2026-06-30T23:59:59Z", as_of).is_some());
    }
    #[test]
    fn a_day_may_be_followed_by_words() {
        let first_of_march = NaiveDate::from_ymd_opt(2026, 3, 1);
        assert_eq!(day("2026-03-01"), first_of_march);
        assert_eq!(day(" 2026-03-01, amended 2026-04-01"), first_of_march);
        assert_eq!(day("1970-01-01"), None);
        assert_eq!(day("1st of March"), None);
        assert_eq!(day("märz 2026"), None);
    }
}
