//! Signal or noise: what the complete periods of a calendar history usually are (kpis.md 2.8).

use std::collections::{BTreeMap, BTreeSet};

use super::shown::Shown;
use crate::kpi::statistics::Xmr;
use crate::kpi::{Scope, Stat};

/// The history of one value that a target names.
#[derive(Clone, Debug)]
pub(super) struct Trend<'a> {
    /// Its newest period.
    pub(super) of: Shown<'a>,
    /// How many complete periods there are.
    pub(super) periods: usize,
    pub(super) limits: Xmr,
    /// The periods outside the limits, the oldest first.
    pub(super) signals: Vec<&'a str>,
}

type Series<'a> = (Scope, &'a str, &'a [(&'static str, String)], Option<Stat>);

/// The trends of one KPI's values in every scope. A running period is not comparable with those
/// that are over; a gap of periods without a value ends a history, of which the newest part counts.
pub(super) fn of<'a>(shown: &[&Shown<'a>]) -> Vec<Trend<'a>> {
    let dated = || shown.iter().filter_map(|it| Some((it.period?, **it)));
    let periods: BTreeMap<&str, BTreeSet<&str>> =
        dated().fold(BTreeMap::new(), |mut periods, (period, it)| {
            periods.entry(it.window).or_default().insert(period);
            periods
        });
    let mut series: BTreeMap<Series<'a>, BTreeMap<&'a str, (f64, Shown<'a>)>> = BTreeMap::new();
    for (period, it) in dated().filter(|(_, it)| it.judged.is_some()) {
        if let Some(value) = it.reading.and_then(|it| it.value) {
            let of = (it.scope, it.window, it.dimensions, it.stat);
            series.entry(of).or_default().insert(period, (value, it));
        }
    }
    let trends = series.into_iter().filter_map(|((_, window, ..), values)| {
        // The newest period is the running one.
        let complete = periods.get(window)?.iter().rev().skip(1);
        let known = complete.map_while(|period| Some((*period, values.get(period)?)));
        let mut known: Vec<_> = known.collect();
        known.reverse();
        let all: Vec<f64> = known.iter().map(|(_, (value, _))| *value).collect();
        let limits = Xmr::of(&all).filter(|_| all.len() >= Xmr::LEAST)?;
        let signals = known.iter().filter(|(_, (value, _))| limits.is_signal(*value));
        Some(Trend {
            of: known.last()?.1.1,
            periods: known.len(),
            limits,
            signals: signals.map(|(period, _)| *period).collect(),
        })
    });
    trends.collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::{Value, json};

    use super::super::json;
    use super::super::testing::published;
    use crate::kpi;

    /// The trends of incidents a month in 2025 and 2026, at an instant.
    fn trends(counts: &[(&str, u32)], as_of: &str) -> Vec<Value> {
        let mut story = "service web incidents PWEB\n".to_owned();
        for (month, count) in counts {
            for incident in 0..*count {
                let (day, hour) = (incident / 20 + 1, incident % 20);
                writeln!(story, "{month}-{day:02}T{hour:02}:00 incident i{month}-{incident} P1")
                    .unwrap();
            }
        }
        let evaluation = published(&format!("{story}as_of {as_of}"));
        let kpi = kpi::find("incident_frequency").unwrap();
        let body = serde_json::to_value(json::kpi(&evaluation, kpi)).unwrap();
        let trends = body["trends"].as_array().unwrap();
        trends.iter().filter(|it| it["scope"] == "org").cloned().collect()
    }

    /// The eight months of the vector, the last of which is a signal, after four of twelve.
    const MONTHS: [(&str, u32); 12] = [
        ("2025-03", 12),
        ("2025-04", 14),
        ("2025-05", 12),
        ("2025-06", 14),
        ("2025-07", 12),
        ("2025-08", 14),
        ("2025-09", 11),
        ("2025-10", 13),
        ("2025-11", 15),
        ("2025-12", 12),
        ("2026-01", 14),
        ("2026-02", 30),
    ];

    #[test]
    fn a_month_outside_the_limits_of_the_months_is_a_signal() {
        let trends = trends(&MONTHS, "2026-03-20T00:00");
        assert_eq!(trends.len(), 1, "{trends:#?}");
        let it = &trends[0];
        assert_eq!((&it["window"], &it["periods"]), (&json!("month_history"), &json!(12)));
        assert_eq!(it["signals"], json!(["2026-02"]));
        // By hand: the moves add up to 2+2+2+2+2+3+2+2+3+2+16 = 38 in 11 steps.
        let (mean, spread) = (173.0 / 12.0, 2.66 * 38.0 / 11.0);
        assert!((it["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{it}");
        assert!((it["upper"].as_f64().unwrap() - (mean + spread)).abs() < 1e-9, "{it}");
        assert!((it["lower"].as_f64().unwrap() - (mean - spread)).abs() < 1e-9, "{it}");
    }

    #[test]
    fn the_running_month_is_not_compared() {
        let mut months = MONTHS[..11].to_vec();
        months.push(("2026-02", 14));
        months.push(("2026-03", 90));
        let running = trends(&months, "2026-03-20T00:00");
        assert_eq!((&running[0]["periods"], &running[0]["signals"]), (&json!(12), &json!([])));
        let over = trends(&months, "2026-04-01T00:00");
        assert_eq!(over[0]["signals"], json!(["2026-03"]));
    }

    #[test]
    fn of_fewer_than_eight_periods_nothing_is_said() {
        let covered_from = |as_of: &str| {
            let (mut story, freshness) =
                super::super::testing::told(&format!("service web incidents PWEB\nas_of {as_of}"));
            for source in &mut story.params.sources {
                source.history_start = "2025-06-01T00:00:00Z".parse().unwrap();
            }
            let plan = crate::kpi::evaluation::Plan::published(Vec::new(), false);
            let timeline = story.timeline();
            let evaluation = crate::kpi::evaluation::evaluate(
                &timeline,
                &story.params,
                &freshness,
                &plan,
                story.as_of,
            );
            let kpi = kpi::find("incident_frequency").unwrap();
            let body = serde_json::to_value(json::kpi(&evaluation, kpi)).unwrap();
            body["trends"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["periods"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(covered_from("2026-01-31T00:00"), Vec::<Value>::new(), "seven whole months");
        assert_eq!(covered_from("2026-02-01T00:00")[0], json!(8));
    }
}
