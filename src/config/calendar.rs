//! `[calendar]`: where months and quarters are cut, and which days are not business days.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{Datelike, Days, NaiveDate};
use icalendar::{
    Calendar as Ics, CalendarComponent, CalendarDateTime, Component, DatePerhapsTime, Event,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Day, Zone};

/// Zone, holidays and fiscal year: `[calendar]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarSettings {
    /// Where months, quarters and business days begin.
    pub zone: Zone,
    /// Days that are not business days, beside Saturdays and Sundays.
    pub holidays: Vec<Day>,
    /// An iCalendar file (.ics) with more of them: its all-day events, every one that yearly ones
    /// have from 2000 to 2099.
    pub holidays_file: Option<PathBuf>,
    /// The month in which the fiscal year starts, 1 = January. Quarters follow it.
    #[schemars(range(min = 1, max = 12))]
    pub fiscal_year_start_month: u32,
}

impl Default for CalendarSettings {
    fn default() -> Self {
        Self {
            zone: Zone(chrono_tz::UTC),
            holidays: Vec::new(),
            holidays_file: None,
            fiscal_year_start_month: 1,
        }
    }
}

/// Years in which yearly events are known.
const YEARS: std::ops::Range<i32> = 2000..2100;

/// Longest event that can be a holiday, in days: a factory's summer break.
const LONGEST: i64 = 62;

/// Why a file of holidays is refused: "rule; fix".
pub(super) fn read_holidays(path: &Path) -> Result<BTreeSet<NaiveDate>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}; mend the path", path.display()))?;
    holidays_of(&text)
}

fn holidays_of(text: &str) -> Result<BTreeSet<NaiveDate>, String> {
    let calendar: Ics = text.parse().map_err(|error: String| {
        format!("is not an iCalendar file: {}; export it again", first_line(&error))
    })?;
    let mut days = BTreeSet::new();
    for component in &calendar.components {
        if let CalendarComponent::Event(event) = component {
            days.extend(days_of(event)?);
        }
    }
    if days.is_empty() {
        return Err("has no all-day event; export a calendar of holidays".to_owned());
    }
    Ok(days)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn days_of(event: &Event) -> Result<BTreeSet<NaiveDate>, String> {
    let title = event.get_summary().unwrap_or("without a title");
    let cancelled =
        event.property_value("STATUS").is_some_and(|it| it.eq_ignore_ascii_case("CANCELLED"));
    let Some(start) = event.get_start().and_then(whole_day).filter(|_| !cancelled) else {
        // An appointment with a time of day takes no day off.
        return Ok(BTreeSet::new());
    };
    // DTEND is the first day after; without it the event is one day long.
    let end = event.get_end().and_then(whole_day).filter(|end| *end > start);
    let length = end.map_or(1, |end| (end - start).num_days());
    if length > LONGEST {
        return Err(format!(
            "event {title:?} is {length} days long; an event of holidays has at most {LONGEST}"
        ));
    }
    let starts = match event.property_value("RRULE") {
        Some(rule) => yearly(start, rule)
            .ok_or_else(|| format!("event {title:?} repeats by {rule:?}; only FREQ=YEARLY is understood, list the days instead"))?,
        None => vec![start],
    };
    Ok(starts
        .into_iter()
        .flat_map(|start| {
            (0..length.unsigned_abs()).filter_map(move |day| start.checked_add_days(Days::new(day)))
        })
        .collect())
}

fn whole_day(when: DatePerhapsTime) -> Option<NaiveDate> {
    match when {
        DatePerhapsTime::Date(date) => Some(date),
        DatePerhapsTime::DateTime(
            CalendarDateTime::Floating(_)
            | CalendarDateTime::Utc(_)
            | CalendarDateTime::WithTimezone { .. },
        ) => None,
    }
}

/// The days on which a yearly event begins, `None` if the rule says more than that.
fn yearly(start: NaiveDate, rule: &str) -> Option<Vec<NaiveDate>> {
    let (mut interval, mut count, mut until) = (1, usize::MAX, NaiveDate::MAX);
    for part in rule.split(';').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=')?;
        match name {
            "FREQ" if value == "YEARLY" => {}
            "INTERVAL" => interval = value.parse().ok().filter(|it| *it > 0)?,
            "COUNT" => count = value.parse().ok()?,
            "UNTIL" => until = NaiveDate::parse_from_str(value.get(..8)?, "%Y%m%d").ok()?,
            // Outlook repeats what the start says.
            "BYMONTH" if value.parse() == Ok(start.month()) => {}
            "BYMONTHDAY" if value.parse() == Ok(start.day()) => {}
            "WKST" => {}
            _ => return None,
        }
    }
    let years = (start.year()..YEARS.end).step_by(interval).take(count);
    Some(
        years
            .filter_map(|year| start.with_year(year))
            .filter(|day| *day <= until && YEARS.contains(&day.year()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ics(events: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{}END:VCALENDAR\r\n",
            events.replace('\n', "\r\n")
        )
    }

    fn event(lines: &str) -> String {
        format!(
            "BEGIN:VEVENT\nUID:1\nDTSTAMP:20250101T000000Z\nSUMMARY:A day off\n{lines}END:VEVENT\n"
        )
    }

    fn days(events: &str) -> Result<Vec<String>, String> {
        holidays_of(&ics(events)).map(|days| days.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn all_day_events_are_holidays_and_appointments_are_not() {
        let events = event("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227\n")
            + &event("DTSTART;VALUE=DATE:20270101\n")
            + &event("DTSTART:20260505T090000Z\nDTEND:20260505T100000Z\n")
            + &event("DTSTART;VALUE=DATE:20260606\nSTATUS:CANCELLED\n");
        assert_eq!(
            days(&events),
            Ok(vec!["2026-12-25".into(), "2026-12-26".into(), "2027-01-01".into()])
        );
    }

    #[test]
    fn a_yearly_event_comes_every_year() {
        let events = event("DTSTART;VALUE=DATE:20200501\nRRULE:FREQ=YEARLY;COUNT=3\n");
        assert_eq!(
            days(&events),
            Ok(vec!["2020-05-01".into(), "2021-05-01".into(), "2022-05-01".into()])
        );
        let until = event("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY;UNTIL=20290101\n");
        assert_eq!(days(&until), Ok(vec!["2024-02-29".into(), "2028-02-29".into()]));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_skipped() {
        let message =
            days(&event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=MONTHLY\n")).unwrap_err();
        assert!(
            message.starts_with("event \"A day off\" repeats by \"FREQ=MONTHLY\"; only"),
            "{message}"
        );
        let message = days(&event("DTSTART:20260505T090000Z\n")).unwrap_err();
        assert!(message.starts_with("has no all-day event"), "{message}");
        assert!(holidays_of("<html>").is_err());
    }
}
