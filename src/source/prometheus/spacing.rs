//! How far apart samples are, so that what is counted of one hour meets what is counted of the next.
//!
//! Prometheus sees the samples inside a window and nothing else. What a counter grew between the
//! last sample of one hour and the first of the next is in neither, and each hour is made up to its
//! length by extrapolation: a burst of errors counts 1.7 % too much, or not at all if it falls
//! between two hours. A window that is longer by the distance of two samples holds exactly one
//! sample of the hour before; scaled back, hours add up to what was counted.

use std::sync::LazyLock;

use chrono::TimeDelta;
use regex::Regex;

use super::hours::HOUR;
use super::wire::Series;
use crate::kpi::ledger::{Question, Sli, WINDOW};

/// Windows of a counter: `rate(name{…}[{{.window}}])`.
static COUNTED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:rate|increase)\(\s*([a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{[^}]*\})?)\s*\[\{\{\.window\}\}\]\s*\)")
        .expect("the expression is a part of the program")
});

/// The distance of samples; none where it is not known, or where it makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spacing(Option<TimeDelta>);

impl Spacing {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self(None);

    /// From the number of samples in an hour.
    pub(super) fn of(samples: f64) -> Self {
        // Fewer say little, and more than one a second are no scrapes.
        let known = (12.0..=HOUR as f64).contains(&samples);
        let distance = || TimeDelta::milliseconds((HOUR as f64 * 1000.0 / samples).round() as i64);
        Self(known.then(distance))
    }

    /// The window to ask for instead of one of `seconds`, and what an increase over it is to be
    /// multiplied by. It lacks a millisecond, because up to Prometheus 2 a window has both its ends.
    pub(super) fn window(self, seconds: i64) -> (String, f64) {
        let plain = seconds * 1000;
        match self.0 {
            Some(distance) => {
                let length = plain + distance.num_milliseconds() - 1;
                (format!("{length}ms"), plain as f64 / length as f64)
            }
            None if seconds % HOUR == 0 => (format!("{}h", seconds / HOUR), 1.0),
            None => (format!("{}m", seconds / 60), 1.0),
        }
    }

    /// The query for how many samples a series had in an hour, most hours of the last day, of the
    /// series that had most. It asks in vain of a store whose windows know the sample before them, as `VictoriaMetrics`'s do: that leaves
    /// out what is no number, and here that is one operand. `None` where the question does not count
    /// how much counters grew.
    pub(super) fn query(question: &Question) -> Option<String> {
        let selector = match question {
            Question::Buckets { selector } | Question::Counter { selector } => selector.as_str(),
            Question::Events { sli, .. } => match sli {
                Sli::Bad { bad: some, total } | Sli::Good { good: some, total } => {
                    counted(some)?;
                    counted(total)?
                }
                Sli::Ratio { .. } => return None,
            },
        };
        // An hour less a millisecond has no sample too many.
        let samples = format!("count_over_time({selector}[3599999ms])");
        Some(format!("max(quantile_over_time(0.5, {samples}[1d:1h])) and vector(0) / 0"))
    }
}

/// The first selector of a query, if all that it does with windows is to count how much counters
/// grew in them.
fn counted(query: &str) -> Option<&str> {
    let windows = query.matches(WINDOW).count();
    (COUNTED.find_iter(query).count() == windows).then_some(())?;
    COUNTED.captures(query)?.get(1).map(|it| it.as_str().trim())
}

/// Scales counts back to the window that they are of.
pub(super) fn scaled(mut series: Vec<Series>, factor: f64) -> Vec<Series> {
    for value in series.iter_mut().flat_map(|it| it.points.values_mut()) {
        *value *= factor;
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_longer_by_the_distance_of_two_samples() {
        assert_eq!(
            Spacing::of(60.0).window(3600),
            ("3659999ms".to_owned(), 3_600_000.0 / 3_659_999.0)
        );
        assert_eq!(Spacing::of(240.0).window(300), ("314999ms".to_owned(), 300_000.0 / 314_999.0));
        for unknown in [Spacing::UNKNOWN, Spacing::of(3.0), Spacing::of(1e6), Spacing::of(f64::NAN)]
        {
            assert_eq!(unknown.window(3600), ("1h".to_owned(), 1.0));
        }
    }

    #[test]
    fn only_growth_of_counters_is_asked_for_in_longer_windows() {
        for (query, selector) in [
            ("sum(rate(r{code=~\"5..\"}[{{.window}}]))", Some("r{code=~\"5..\"}")),
            ("sum(increase( r [{{.window}}] )) - sum(increase(s[{{.window}}]))", Some("r")),
            ("sum_over_time(r[{{.window}}])", None),
            ("sum(rate(r[{{.window}}])) / sum(count_over_time(s[{{.window}}]))", None),
            ("sum_over_time((count(x < 1))[{{.window}}:])", None),
            ("sum(irate(r[{{.window}}]))", None),
            ("sum(rate(r{a=\"}\"}[{{.window}}]))", None),
            ("vector(1)", None),
        ] {
            assert_eq!(counted(query), selector, "{query}");
        }
        let ratio = Sli::Ratio { bad: "sum(rate(r[{{.window}}]))".to_owned(), there: None };
        let question =
            Question::Events { sli: ratio, slice_allowed: "0.1".to_owned(), by_slices: false };
        assert_eq!(Spacing::query(&question), None, "a share is no count");
    }
}
