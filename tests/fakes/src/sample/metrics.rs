//! What the metric store of the sample organisation counted: requests of two services, and those of
//! them that failed, mostly while there was an incident.

use chrono::{Duration, DurationRound};

use super::Calendar;
use crate::time::Instant;
use crate::world::{Metrics, PagerDuty};

/// A service whose requests are counted.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The service, and the value of the label `job`.
    pub service: &'static str,
    /// The id of its service in PagerDuty.
    pub(crate) pagerduty: &'static str,
    /// Which share of its requests is to be good, in percent.
    pub objective: &'static str,
    /// How long one of its requests may take, in milliseconds.
    pub budget_ms: u32,
    /// Requests a minute, by how long they take in seconds.
    traffic: [(f64, f64); 4],
    /// Failed requests a minute, in quiet times and while there is an incident.
    failing: (f64, f64),
}

/// The services whose requests are counted.
pub const WATCHED: [Watched; 2] = [
    Watched {
        service: "checkout",
        pagerduty: "PCHKOUT",
        objective: "99.5",
        budget_ms: 300,
        traffic: [(60.0, 0.04), (45.0, 0.12), (12.0, 0.2), (4.0, 0.7)],
        failing: (0.2, 30.0),
    },
    Watched {
        service: "mobile-api",
        pagerduty: "PMOBILE",
        objective: "99",
        budget_ms: 500,
        traffic: [(90.0, 0.08), (40.0, 0.2), (30.0, 0.4), (14.0, 0.9)],
        failing: (0.4, 20.0),
    },
];

/// Upper bounds of the buckets.
const BOUNDS: [&str; 6] = ["0.05", "0.1", "0.3", "0.5", "1", "+Inf"];

/// How many days the store keeps.
pub const RETENTION_DAYS: i64 = 40;

impl Watched {
    /// The selector of the buckets of its latency.
    pub fn buckets(&self) -> String {
        format!("http_request_duration_seconds_bucket{{job=\"{}\"}}", self.service)
    }

    /// The selector of all its requests.
    pub fn requests(&self) -> String {
        format!("http_requests_total{{job=\"{}\"}}", self.service)
    }

    /// The selector of its requests that failed.
    pub fn failures(&self) -> String {
        format!("http_requests_total{{job=\"{}\",code=~\"5..\"}}", self.service)
    }
}

/// Tells what was counted, and what will be.
pub(super) fn tell(metrics: &mut Metrics, account: &PagerDuty, calendar: &Calendar) {
    metrics.retention = Duration::days(RETENTION_DAYS);
    let minute = |at: Instant| at.duration_trunc(Duration::minutes(1)).unwrap_or(at);
    let (since, end) =
        (minute(calendar.now - Duration::days(RETENTION_DAYS)), minute(calendar.end));
    for watched in &WATCHED {
        let all: f64 = watched.traffic.iter().map(|(per_minute, _)| per_minute).sum();
        metrics.histogram(&watched.buckets(), &BOUNDS, since, |series| {
            for (per_minute, took) in watched.traffic {
                series.serves(since, end, per_minute, took);
            }
        });
        metrics.counter(&watched.requests(), since, |series| {
            series.serves(since, end, all, 0.0);
        });
        let incidents = account.incidents.iter().filter(|it| it.service == watched.pagerduty);
        metrics.counter(&watched.failures(), since, |series| {
            series.serves(since, end, watched.failing.0, 0.0);
            for incident in incidents {
                let from = minute(incident.created_at - Duration::minutes(4));
                let to = minute(incident.created_at + Duration::minutes(35)).min(end);
                if since < from && from < to {
                    series.serves(from, to, watched.failing.1, 0.0);
                }
            }
        });
    }
}
