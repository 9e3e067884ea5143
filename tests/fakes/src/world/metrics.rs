//! What a metric store counted.

use std::collections::BTreeMap;

use chrono::Duration;

use crate::time::{Instant, When};

/// A metric store with its series by selector.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Series by the selector that finds them.
    pub series: BTreeMap<String, Series>,
    /// What is older than this is gone.
    pub retention: Duration,
    /// The `Authorization` header that it wants; `None` = it wants none.
    pub authorization: Option<String>,
    /// The tenant that it wants to be named.
    pub tenant: Option<String>,
    /// Most samples of one query; more is an error.
    pub most_samples: usize,
    /// Alerting rules: name, seconds of `for`, seconds between two evaluations. `None` = it knows no
    /// rules.
    pub rules: Option<Vec<(String, f64, f64)>>,
}

/// A histogram or a counter.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Upper bounds as their labels write them, the last `+Inf`; empty for a counter.
    pub bounds: Vec<String>,
    /// When it was scraped: from, and to if that ended.
    pub scraped: Vec<(Instant, Option<Instant>)>,
    /// What was counted.
    pub traffic: Vec<Traffic>,
}

/// So many events in the middle of every minute of an interval.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// The first minute.
    pub from: Instant,
    /// The first minute without.
    pub to: Instant,
    /// Events a minute.
    pub per_minute: f64,
    /// How long each took, in the unit of the bounds.
    pub took: f64,
}

impl Metrics {
    /// A store that keeps a fortnight and asks nobody who they are.
    pub(super) fn new() -> Self {
        Self {
            series: BTreeMap::new(),
            retention: Duration::days(15),
            authorization: None,
            tenant: None,
            most_samples: 1_000_000,
            rules: None,
        }
    }

    /// A histogram that is scraped from `since` on, and its story.
    pub fn histogram(
        &mut self,
        selector: &str,
        bounds: &[&str],
        since: impl When,
        story: impl FnOnce(&mut Series),
    ) -> &mut Self {
        let bounds = bounds.iter().map(|&bound| bound.to_owned()).collect();
        self.add(selector, bounds, since.instant(), story)
    }

    /// A counter that is scraped from `since` on, and its story.
    pub fn counter(
        &mut self,
        selector: &str,
        since: impl When,
        story: impl FnOnce(&mut Series),
    ) -> &mut Self {
        self.add(selector, Vec::new(), since.instant(), story)
    }

    fn add(
        &mut self,
        selector: &str,
        bounds: Vec<String>,
        since: Instant,
        story: impl FnOnce(&mut Series),
    ) -> &mut Self {
        let mut series = Series { bounds, scraped: vec![(since, None)], traffic: Vec::new() };
        story(&mut series);
        self.series.insert(selector.to_owned(), series);
        self
    }
}

impl Series {
    /// `per_minute` requests in the middle of every minute of `[from, to)`, each of which took
    /// `took`.
    pub fn serves(
        &mut self,
        from: impl When,
        to: impl When,
        per_minute: f64,
        took: f64,
    ) -> &mut Self {
        let (from, to) = (from.instant(), to.instant());
        self.traffic.push(Traffic { from, to, per_minute, took });
        self
    }

    /// Nothing was scraped between `from` and `to`.
    pub fn unseen(&mut self, from: impl When, to: impl When) -> &mut Self {
        let (from, to) = (from.instant(), to.instant());
        let mut scraped = Vec::new();
        for (start, end) in self.scraped.drain(..) {
            if start < from && end.is_none_or(|end| end > from) {
                scraped.push((start, Some(from)));
                scraped.push((to, end));
            } else {
                scraped.push((start, end));
            }
        }
        self.scraped = scraped;
        self
    }

    /// Whether there is a sample at `at`.
    pub(crate) fn is_scraped(&self, at: Instant) -> bool {
        self.scraped.iter().any(|(from, to)| *from < at && to.is_none_or(|to| at <= to))
    }

    /// How much what took at most `bound` grew in `(after, until]`.
    pub(crate) fn increase(&self, bound: f64, after: Instant, until: Instant) -> f64 {
        let mut sum = 0.0;
        for traffic in self.traffic.iter().filter(|it| it.took <= bound) {
            let first = traffic.from + Duration::seconds(30);
            let before = (after - first).num_seconds().div_euclid(60) + 1;
            let mut minute = first + Duration::minutes(before.max(0));
            while minute < traffic.to && minute <= until {
                if self.is_scraped(minute) {
                    sum += traffic.per_minute;
                }
                minute += Duration::minutes(1);
            }
        }
        sum
    }
}
