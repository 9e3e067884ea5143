//! Answers as the API gives them. Nothing in them is trusted: sizes are bounded, and what is no
//! number is no sample.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Most series of one answer: a histogram has some dozens of buckets.
const MOST_SERIES: usize = 500;
/// Most points of one series: the API gives no more than 11,000.
const MOST_POINTS: usize = 11_001;

/// The frame of every answer.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) status: String,
    pub(super) data: Option<T>,
    /// Prometheus's, Thanos's and Mimir's way to say that something is missing.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    /// `VictoriaMetrics`'s way to say so.
    #[serde(default, rename = "isPartial")]
    pub(super) is_partial: bool,
}

/// `data` of a query that asks for the server's time.
#[derive(Debug, Deserialize)]
pub(super) struct Scalar {
    pub(super) result: (f64, String),
}

/// `data` of a range query.
#[derive(Debug, Deserialize)]
pub(super) struct Matrix {
    pub(super) result: Vec<Stream>,
}

/// One series of a range query.
#[derive(Debug, Deserialize)]
pub(super) struct Stream {
    #[serde(default)]
    pub(super) metric: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) values: Vec<(f64, String)>,
    /// The one point of a query for an instant.
    #[serde(default)]
    pub(super) value: Option<(f64, String)>,
    /// Native histograms, which have no buckets of their own names.
    #[serde(default)]
    pub(super) histograms: Vec<serde::de::IgnoredAny>,
}

/// A series whose points are numbers, by their time in whole seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    /// The value of the label that the answer was grouped by; empty without one.
    pub(super) key: String,
    pub(super) points: BTreeMap<i64, f64>,
    /// When it had something that is no count.
    pub(super) odd: BTreeSet<i64>,
}

impl Series {
    /// What it was at some time: not a number if it had something that is no count.
    pub(super) fn at(&self, at: i64) -> Option<f64> {
        let known = self.points.get(&at).copied();
        known.or_else(|| self.odd.contains(&at).then_some(f64::NAN))
    }
}

/// Why an answer cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    TooMany,
    Native,
    Repeated,
}

impl Unusable {
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::TooMany => "the answer has more series or points than were asked for",
            Self::Native => {
                "it is a native histogram: name the series of classic buckets, which end in _bucket"
            }
            Self::Repeated => "the answer has several series for one thing: sum them in the query",
        }
    }
}

impl Matrix {
    /// The series by the value of the label `key`. Points that are no count and no share are left
    /// out, and counted.
    pub(super) fn series(self, key: &str) -> Result<(Vec<Series>, u64), Unusable> {
        if self.result.len() > MOST_SERIES {
            return Err(Unusable::TooMany);
        }
        let mut odd = 0;
        let mut all: BTreeMap<String, Series> = BTreeMap::new();
        for mut stream in self.result {
            if stream.values.len() > MOST_POINTS {
                return Err(Unusable::TooMany);
            }
            if !stream.histograms.is_empty() {
                return Err(Unusable::Native);
            }
            let key = stream.metric.remove(key).unwrap_or_default();
            let mut series = Series { key: key.clone(), ..Series::default() };
            for (at, text) in stream.values.into_iter().chain(stream.value) {
                match (seconds(at), number(&text)) {
                    (Some(at), Some(value)) => {
                        series.points.insert(at, value);
                    }
                    (at, _) => {
                        series.odd.extend(at);
                        odd += 1;
                    }
                }
            }
            if all.insert(key, series).is_some() {
                return Err(Unusable::Repeated);
            }
        }
        Ok((all.into_values().collect(), odd))
    }
}

/// Whole seconds; the API writes a time with up to three decimals.
fn seconds(at: f64) -> Option<i64> {
    (at.is_finite() && at.abs() < 1e12).then(|| at.round() as i64)
}

/// A count or a share. `NaN` and the infinities are none. What is less than nothing is judged where it
/// is known of how much it is: counts that are subtracted from each other swing about nothing.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|it| it.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(result: &str) -> Result<(Vec<Series>, u64), Unusable> {
        serde_json::from_str::<Matrix>(&format!(
            "{{\"resultType\":\"matrix\",\"result\":{result}}}"
        ))
        .unwrap()
        .series("le")
    }

    #[test]
    fn what_is_no_count_is_no_point() {
        let (series, odd) = matrix(
            r#"[{"metric":{"le":"0.1"},"values":[[60,"1.5"],[120.0,"NaN"],[180,"+Inf"],[240,"-1"],[300,"x"],[360.001,"-0.002"]]}]"#,
        )
        .unwrap();
        assert_eq!(series[0].key, "0.1");
        assert_eq!(series[0].points, BTreeMap::from([(60, 1.5), (240, -1.0), (360, -0.002)]));
        assert_eq!(odd, 3);
        assert_eq!(series[0].odd, [120, 180, 300].into());
    }

    #[test]
    fn an_empty_answer_has_no_series() {
        assert_eq!(matrix("[]"), Ok((Vec::new(), 0)));
    }

    #[test]
    fn a_series_twice_and_native_histograms_are_refused() {
        let one = r#"{"metric":{"le":"1"},"values":[[60,"1"]]}"#;
        assert_eq!(matrix(&format!("[{one},{one}]")), Err(Unusable::Repeated));
        assert_eq!(
            matrix(r#"[{"metric":{},"histograms":[[60,{"count":"3"}]]}]"#),
            Err(Unusable::Native)
        );
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        let many: Vec<String> = (0..=MOST_SERIES)
            .map(|n| format!(r#"{{"metric":{{"le":"{n}"}},"values":[]}}"#))
            .collect();
        assert_eq!(matrix(&format!("[{}]", many.join(","))), Err(Unusable::TooMany));
    }
}
