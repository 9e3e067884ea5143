//! Numbers, times and verdicts as people read them.

use std::time::Duration;

use crate::domain::Instant;
use crate::kpi::{Better, Cut, Family, Item, Kpi, Reading, State, TargetRule, Unit, WindowKind};

/// A value of `family` of `kpi` with its unit, or a dash where it is undefined.
pub fn value(kpi: &Kpi, family: &Family, value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| in_measure(Measure::of(kpi, family), value))
}

/// The value of a reading; a median that was not reached says how long was followed.
pub fn reading(kpi: &Kpi, family: &Family, reading: &Reading) -> String {
    match (reading.value, reading.beyond) {
        (None, Some(beyond)) => {
            format!("not reached in {}", in_measure(Measure::of(kpi, family), beyond))
        }
        (it, _) => value(kpi, family, it),
    }
}

/// The 95 % interval of a reading; empty where it has none.
pub fn interval(kpi: &Kpi, family: &Family, reading: &Reading) -> String {
    let end = |value: f64| in_measure(Measure::of(kpi, family), value);
    match (reading.lower, reading.upper) {
        (Some(lower), Some(upper)) => format!("{} to {}", end(lower), end(upper)),
        (Some(lower), None) => format!("at least {}", end(lower)),
        (None, Some(upper)) => format!("at most {}", end(upper)),
        (None, None) => String::new(),
    }
}

/// A target as a sentence that can follow the word "target".
pub fn target(kpi: &Kpi, rule: &TargetRule) -> String {
    let plain = |value: f64| in_measure(Measure::of_headline(kpi), value);
    let line = |value: f64| match kpi.better {
        Better::Lower => format!("at most {}", plain(value)),
        Better::Higher | Better::Band => format!("at least {}", plain(value)),
    };
    match *rule {
        TargetRule::Value { target, good } => {
            let good = good.map_or_else(String::new, |it| format!(" (good: {})", plain(it)));
            format!("{}{good}", line(target))
        }
        TargetRule::Own { what } => what.to_owned(),
        TargetRule::Band { low, high } => {
            let per = match kpi.default_window {
                "month" => "per calendar month",
                "quarter" => "per quarter",
                "year" => "per year",
                rolling => &format!("in {rolling}"),
            };
            format!("{} to {} {per}", count(low), count(high))
        }
        TargetRule::RateRatio { ratio } => {
            let lower = kpi.better == Better::Lower;
            let times = if ratio == 1.0 { String::new() } else { format!("{ratio} times ") };
            let side = if lower { "no higher than" } else { "no lower than" };
            format!("{side} {times}the rate of the window before")
        }
        TargetRule::Baseline { improvement, good } => {
            let good = good.map_or_else(String::new, |it| format!(" (good: {})", percent(it)));
            format!("{} better than the baseline{good}", percent(improvement))
        }
        TargetRule::Points { improvement, good } => {
            let good = good.map_or_else(String::new, |it| format!(" (good: {})", digits(it)));
            format!("{} above the baseline wave{good}", points(improvement))
        }
    }
}

/// A verdict in words.
pub fn state(state: State) -> &'static str {
    match state {
        State::Met => "met",
        State::LikelyMet => "likely met",
        State::LikelyMissed => "likely missed",
        State::Missed => "missed",
        State::Insufficient => "too few items",
        State::NoTarget => "no target",
        State::NoData => "no data",
        State::Stale => "stale",
    }
}

/// A verdict as a sign that does not rely on colour.
pub fn sign(state: State) -> &'static str {
    match state {
        State::Met => "✔",
        State::LikelyMet => "(✔)",
        State::LikelyMissed => "(✘)",
        State::Missed => "✘",
        State::Insufficient | State::NoTarget => "·",
        State::NoData | State::Stale => "?",
    }
}

/// The rules that classified an item, with their evidence.
pub fn why(item: &Item) -> String {
    let marks = item.marks.iter().map(|mark| match &mark.evidence {
        Some(evidence) => format!("{}: {} ({evidence})", mark.name, mark.value),
        None => format!("{}: {}", mark.name, mark.value),
    });
    marks.collect::<Vec<_>>().join("; ")
}

/// Which way is good, in words.
pub fn better(better: Better) -> &'static str {
    match better {
        Better::Lower => "lower",
        Better::Higher => "higher",
        Better::Band => "band",
    }
}

/// The unit of a KPI's value, in words.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "seconds",
        Unit::BusinessSeconds => "business seconds",
        Unit::Ratio => "ratio",
        Unit::Incidents => "incidents",
        Unit::Decisions => "decisions",
        Unit::PerDay => "per day",
        Unit::Items => "items",
        Unit::Points => "points",
        Unit::People => "people",
        Unit::CostPerUnit => "cost per unit",
    }
}

/// An instant to the minute.
pub fn instant(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// From when to when a window is, as far as it is of all that is measured.
pub fn window(window: &Cut) -> String {
    match window.kind {
        WindowKind::Own => "of each SLO that of its specification".to_owned(),
        WindowKind::Now => "what there is now".to_owned(),
        WindowKind::Wave => "the last wave of each survey".to_owned(),
        WindowKind::Rolling
        | WindowKind::Month { .. }
        | WindowKind::Quarter { .. }
        | WindowKind::Year { .. } => {
            format!("{} to {}", instant(window.span.start), instant(window.span.end))
        }
    }
}

/// How long ago something was.
pub fn ago(at: Instant, now: Instant) -> String {
    let seconds = (now - at).as_seconds_f64();
    if seconds < 60.0 { "just now".to_owned() } else { format!("{} ago", duration(seconds)) }
}

/// An interval of the program, as short as it can be said: `60s`, `5m`, `1h`.
pub fn every(interval: Duration) -> String {
    let seconds = interval.as_secs();
    match seconds {
        0 => format!("{}ms", interval.as_millis()),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// What a number measures, which decides how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Seconds,
    BusinessSeconds,
    Share,
    Count,
    PerDay,
    PerWeek,
    Points,
    Cost,
    Moment,
}

impl Measure {
    /// The KPI's own family has the KPI's unit; of the others the name says it.
    fn of(kpi: &Kpi, family: &Family) -> Self {
        if kpi.families.first().is_some_and(|own| own.name == family.name) {
            return Self::of_headline(kpi);
        }
        let name = family.name;
        if name.ends_with("_timestamp_seconds") {
            Self::Moment
        } else if name.ends_with("_business_time_seconds") {
            Self::BusinessSeconds
        } else if name.ends_with("_seconds") {
            Self::Seconds
        } else if name.ends_with("_ratio") {
            Self::Share
        } else if name.ends_with("_per_week") {
            Self::PerWeek
        } else if name.ends_with("_points") {
            Self::Points
        } else {
            Self::Count
        }
    }

    fn of_headline(kpi: &Kpi) -> Self {
        match kpi.unit {
            Unit::Seconds => Self::Seconds,
            Unit::BusinessSeconds => Self::BusinessSeconds,
            Unit::Ratio => Self::Share,
            Unit::Incidents | Unit::Decisions | Unit::Items | Unit::People => Self::Count,
            Unit::PerDay => Self::PerDay,
            Unit::Points => Self::Points,
            Unit::CostPerUnit => Self::Cost,
        }
    }
}

fn in_measure(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Seconds => duration(value),
        Measure::BusinessSeconds => business_days(value),
        Measure::Share => share(value),
        Measure::Count => count(value),
        Measure::PerDay => format!("{} per day", digits(value)),
        Measure::PerWeek => format!("{} per week", digits(value)),
        Measure::Points => points(value),
        Measure::Cost => significant(value),
        Measure::Moment => moment(value),
    }
}

/// Elapsed seconds in the two units that say most.
pub fn duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    if seconds < 0.0 {
        return format!("−{}", duration(-seconds));
    }
    let Some(at) = UNITS.iter().position(|(size, _)| seconds >= *size) else {
        return if seconds == 0.0 { "0 s".to_owned() } else { format!("{seconds:.1} s") };
    };
    let (size, name) = UNITS[at];
    let Some((smaller, smaller_name)) = UNITS.get(at + 1) else {
        return format!("{} s", seconds.round());
    };
    // Rounded before it is split, so that nothing takes 1 h 60 min.
    let rounded = (seconds / smaller).round() * smaller;
    let whole = (rounded / size).floor();
    let rest = ((rounded - whole * size) / smaller).round();
    if rest == 0.0 || whole >= 10.0 {
        format!("{} {name}", (seconds / size).round())
    } else {
        format!("{whole} {name} {rest} {smaller_name}")
    }
}

fn business_days(seconds: f64) -> String {
    let days = seconds / 86_400.0;
    format!("{} business {}", digits(days), if digits(days) == "1" { "day" } else { "days" })
}

/// A share in per cent. Near to all of it, what is missing has two significant digits: 99.98 % is
/// not 100 %.
pub fn share(share: f64) -> String {
    let missing = 1.0 - share;
    if share > 0.99 && missing > 1e-12 {
        let places = (-missing.log10()).ceil().max(2.0) - 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is missing is between 1e-12 and 0.01"
        )]
        let text = format!("{:.1$}", share * 100.0, places as usize);
        return format!("{} %", text.trim_end_matches('0').trim_end_matches('.'));
    }
    percent(share)
}

/// A number without a unit, with three significant digits.
pub fn number(value: f64) -> String {
    digits(value)
}

fn percent(share: f64) -> String {
    format!("{} %", digits(share * 100.0))
}

/// A count; the bounds of its interval are no whole numbers.
fn count(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { digits(value) }
}

/// Three significant digits, without trailing zeros.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn points(value: f64) -> String {
    let digits = digits(value);
    let noun = if digits == "1" { "point" } else { "points" };
    format!("{digits} {noun}")
}

/// Four significant digits of a number that may be very small, as the cost of one request is.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 0.01 || size == 0.0 => format!("{value:.4}"),
        size if size >= 0.001 => format!("{value:.6}"),
        size if size >= 0.000_1 => format!("{value:.7}"),
        size if size >= 0.000_01 => format!("{value:.8}"),
        _ => format!("{value:.3e}"),
    }
}

/// Seconds since the epoch as an instant.
fn moment(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes no instant")]
    let at = chrono::DateTime::from_timestamp(seconds as i64, 0);
    at.map_or_else(|| digits(seconds), instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units_at_most() {
        let said = |seconds: f64| duration(seconds);
        assert_eq!(said(0.0), "0 s");
        assert_eq!(said(0.25), "0.2 s");
        assert_eq!(said(59.0), "59 s");
        assert_eq!(said(61.0), "1 min 1 s");
        assert_eq!(said(600.0), "10 min");
        assert_eq!(said(3_600.0), "1 h");
        assert_eq!(said(7_199.9), "2 h");
        assert_eq!(said(9_000.0), "2 h 30 min");
        assert_eq!(said(100_000.0), "1 d 4 h");
        assert_eq!(said(2_000_000.0), "23 d");
        assert_eq!(said(-90.0), "−1 min 30 s");
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        let said: Vec<_> =
            [0.0, 0.0312, 1.0, 1.234, 12.34, 123.4, 4.0].into_iter().map(digits).collect();
        assert_eq!(said, ["0", "0.031", "1", "1.23", "12.3", "123", "4"]);
        assert_eq!(percent(0.075), "7.5 %");
        assert_eq!(business_days(86_400.0), "1 business day");
        assert_eq!(business_days(216_000.0), "2.5 business days");
    }

    #[test]
    fn the_cost_of_one_request_is_written_out() {
        let said: Vec<_> =
            [1234.5, 12.5, 0.0125, 0.001_25, 0.000_389_12, 0.000_012_5, 0.000_001_25, 0.0]
                .into_iter()
                .map(significant)
                .collect();
        let expected = [
            "1234",
            "12.5000",
            "0.0125",
            "0.001250",
            "0.0003891",
            "0.00001250",
            "1.250e-6",
            "0.0000",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn nearly_all_is_not_all() {
        let said: Vec<_> = [0.9998, 0.99985, 0.999999, 0.991, 0.99, 1.0, 1.5, -0.5, 0.123456]
            .into_iter()
            .map(share)
            .collect();
        let expected = [
            "99.98 %",
            "99.985 %",
            "99.9999 %",
            "99.1 %",
            "99 %",
            "100 %",
            "150 %",
            "-50 %",
            "12.3 %",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn intervals_of_the_program_are_short() {
        let said = |seconds| every(Duration::from_secs(seconds));
        assert_eq!((said(60), said(90), said(7_200)), ("1m".into(), "90s".into(), "2h".into()));
    }
}
