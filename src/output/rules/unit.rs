//! Unit tests of an SLO's rules, for `promtool test rules`.
//!
//! Each is a story with counters of its own: what was good, what was bad, and what the rules must
//! make of it. Where it cannot be told which series a query counts, the shares are told instead.

mod feed;
mod selector;
mod shares;
mod stories;

use std::collections::BTreeMap;

use serde::Serialize;

use super::document::yaml;
use super::{Options, Slo};
use feed::Feed;

/// One file of tests.
#[derive(Serialize)]
struct File {
    rule_files: [String; 1],
    evaluation_interval: &'static str,
    /// As in the rules: what is recorded first is there for what comes after.
    group_eval_order: Vec<String>,
    tests: Vec<Story>,
}

/// One test.
#[derive(Debug, Serialize)]
struct Story {
    name: String,
    interval: &'static str,
    input_series: Vec<Input>,
    promql_expr_test: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Input {
    series: String,
    values: String,
}

/// An expression that is 1 if all is right.
#[derive(Debug, Serialize)]
struct Check {
    expr: String,
    eval_time: String,
    exp_samples: [Sample; 1],
}

#[derive(Debug, Serialize)]
struct Sample {
    labels: &'static str,
    value: u8,
}

impl Slo {
    /// Tests of its rules, which are in `rules_file` as seen from the tests.
    pub fn unit_tests(&self, options: &Options, rules_file: &str) -> String {
        let period = options.period(self);
        let windows = options.windows(period);
        let groups = self.groups(options).into_iter().map(|it| it.name).collect();
        let tests = match (Feed::of(&self.sli), self.slice) {
            (Some(feed), None) => stories::all(self, &feed, &windows, period),
            (Some(feed), Some(allowed)) => {
                let mut tests = stories::of_slices(self, &feed, &windows, period, allowed);
                tests.extend(shares::all(self, &windows, period));
                tests
            }
            (None, _) => shares::all(self, &windows, period),
        };
        let file = File {
            rule_files: [rules_file.to_owned()],
            evaluation_interval: "1m",
            group_eval_order: groups,
            tests,
        };
        format!("{}{}", super::document::HEAD, yaml(&file))
    }

    /// Whether its alert of a severity fires.
    fn fires(&self, severity: &str, expected: bool) -> String {
        let name = super::alerts::name(self);
        let labels = BTreeMap::from([
            ("alertname", name),
            ("alertstate", "firing"),
            ("sloth_id", &self.id),
            ("sloth_severity", severity),
        ]);
        let matchers = labels
            .iter()
            .map(|(label, value)| format!("{label}={}", super::document::quoted(value)));
        let firing = format!("count(ALERTS{{{}}})", matchers.collect::<Vec<_>>().join(", "));
        if expected { firing } else { format!("vector(1) unless {firing}") }
    }
}

/// Whether a series has the value `truth`, to ten digits, and only one.
fn is(series: &str, truth: f64) -> String {
    is_within(series, truth, room(truth))
}

/// How much a share may be another one: in the tenth digit, or as much as the difference of two
/// counts is uncertain.
fn room(share: f64) -> f64 {
    (share.abs() * 1e-10).max(1e-15)
}

fn is_within(series: &str, truth: f64, room: f64) -> String {
    format!("max(abs({series} - {truth}) <= bool {room:e}) and count({series}) == 1")
}

/// Whether a series has no value.
fn is_absent(series: &str) -> String {
    format!("vector(1) unless count({series})")
}

fn check(minute: u32, expr: String) -> Check {
    Check {
        expr,
        eval_time: format!("{minute}m"),
        exp_samples: [Sample { labels: "{}", value: 1 }],
    }
}
