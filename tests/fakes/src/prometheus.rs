//! Prometheus's HTTP API for the few queries that are asked of it.

use chrono::{DateTime, Duration};
use serde_json::{Value, json};

use crate::server::{Call, Fake, Reply, SharedWorld, Vendor};
use crate::time::Instant;
use crate::world::{Metrics, Series, World};

/// The vendor; it remembers nothing.
#[derive(Debug)]
struct Api;

/// Starts a fake Prometheus on a free loopback port. It answers below any prefix of the path.
pub async fn start(world: SharedWorld) -> Fake {
    Fake::start(world, Box::new(Api)).await
}

impl Vendor for Api {
    fn answer(&self, world: &World, call: &Call) -> Reply {
        let view = View { metrics: &world.metrics, call };
        let mut reply = view.answer().unwrap_or_else(|reply| reply);
        (reply.cost, reply.resource) = (1, "prometheus");
        reply
    }

    fn forget(&self) {}
}

/// One call, answered from the store.
struct View<'a> {
    metrics: &'a Metrics,
    call: &'a Call,
}

/// What a query asks for.
enum Query<'a> {
    Buckets(&'a Series),
    Counter(&'a Series),
    Presence(&'a Series),
    Parts(Vec<Part<'a>>),
    Nothing,
}

/// `label_replace(sum(increase(SELECTOR[5m])), "LABEL", "VALUE", "", "")`, of which several are
/// joined by `or`.
struct Part<'a> {
    label: String,
    value: String,
    series: Option<&'a Series>,
    window: Duration,
}

/// `5m`, `1h`, `3d`.
fn length(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at(text.len().checked_sub(1)?);
    let count = count.parse().ok()?;
    match unit {
        "m" => Some(Duration::minutes(count)),
        "h" => Some(Duration::hours(count)),
        "d" => Some(Duration::days(count)),
        _ => None,
    }
}

fn error(status: u16, kind: &str, words: &str) -> Reply {
    Reply::json(status, json!({"status": "error", "errorType": kind, "error": words}))
}

fn success(kind: &str, result: Value) -> Reply {
    let data = json!({"resultType": kind, "result": result});
    Reply::json(200, json!({"status": "success", "data": data}))
}

/// Each rule in a group of its own, and one that records.
fn alerting(rules: &[(String, f64, f64)]) -> Reply {
    let group = |(name, held, interval): &(String, f64, f64)| {
        json!({"name": name, "file": "rules.yml", "interval": interval, "limit": 0, "rules": [
            {"name": name, "query": "up == 0", "duration": held, "keepFiringFor": 0, "labels": {},
             "annotations": {}, "alerts": [], "health": "ok", "state": "inactive",
             "type": "alerting"},
            {"name": format!("{name}:recorded"), "query": "up", "health": "ok", "type": "recording"},
        ]})
    };
    let groups: Vec<Value> = rules.iter().map(group).collect();
    Reply::json(200, json!({"status": "success", "data": {"groups": groups}}))
}

impl View<'_> {
    fn answer(&self) -> Result<Reply, Reply> {
        self.admitted()?;
        let path = self.call.path.as_str();
        let query = self.call.get("query").unwrap_or_default();
        if path.ends_with("/api/v1/query") && query == "time()" {
            let now = seconds(self.call.now);
            return Ok(success("scalar", json!([now, now.to_string()])));
        }
        if path.ends_with("/api/v1/query") {
            let now = self.call.now;
            let streams = self.streams(&self.query(query)?, &[now]);
            let point =
                |stream: Value| json!({"metric": stream["metric"], "value": stream["values"][0]});
            return Ok(success("vector", streams.into_iter().map(point).collect()));
        }
        if path.ends_with("/api/v1/rules")
            && let Some(rules) = &self.metrics.rules
        {
            return Ok(alerting(rules));
        }
        if !path.ends_with("/api/v1/query_range") {
            return Err(error(404, "not_found", "no such page"));
        }
        let (start, end) = (self.time("start")?, self.time("end")?);
        let step = Duration::seconds(self.time("step")?.timestamp());
        if end < start || step <= Duration::zero() {
            return Err(error(400, "bad_data", "end timestamp must not be before start time"));
        }
        let points = (end - start).num_seconds() / step.num_seconds() + 1;
        if points > 11_000 {
            let words = "exceeded maximum resolution of 11,000 points per timeseries. Try \
                         decreasing the query resolution (?step=XX)";
            return Err(error(400, "bad_data", words));
        }
        let query = self.query(query)?;
        let mut times = Vec::new();
        let mut at = start;
        while at <= end.min(self.call.now) {
            times.push(at);
            at += step;
        }
        let streams = self.streams(&query, &times);
        let samples = streams.len() * times.len();
        if samples > self.metrics.most_samples {
            let words =
                "query processing would load too many samples into memory in query execution";
            return Err(error(422, "execution", words));
        }
        Ok(success("matrix", Value::Array(streams)))
    }

    fn admitted(&self) -> Result<(), Reply> {
        let given = self.call.header("authorization");
        if self.metrics.authorization.is_some() && given != self.metrics.authorization.as_deref() {
            return Err(error(401, "unauthorized", "who are you"));
        }
        let tenant = self.call.header("x-scope-orgid");
        if self.metrics.tenant.is_some() && tenant != self.metrics.tenant.as_deref() {
            return Err(error(401, "unauthorized", "no org id"));
        }
        Ok(())
    }

    fn time(&self, name: &str) -> Result<Instant, Reply> {
        let given = self.call.get(name).and_then(|it| it.parse::<f64>().ok());
        let at = given.and_then(|it| DateTime::from_timestamp(it as i64, 0));
        at.ok_or_else(|| error(400, "bad_data", &format!("invalid parameter \"{name}\"")))
    }

    fn query(&self, query: &str) -> Result<Query<'_>, Reply> {
        let within = |start: &str, end: &str| query.strip_prefix(start)?.strip_suffix(end);
        let found = |selector: &str| self.metrics.series.get(selector);
        // How far apart its samples are makes no difference here: every minute is counted once.
        if query.starts_with("max(quantile_over_time(0.5, count_over_time(") {
            return Ok(Query::Nothing);
        }
        if let Some(selector) = within("sum by (le) (increase(", "[1h]))") {
            return Ok(found(selector).map_or(Query::Nothing, Query::Buckets));
        }
        if let Some(selector) = within("sum(increase(", "[1h]))") {
            return Ok(found(selector).map_or(Query::Nothing, Query::Counter));
        }
        if let Some(selector) = within("count(", ")").or_else(|| within("count by (le) (", ")")) {
            return Ok(found(selector).map_or(Query::Nothing, Query::Presence));
        }
        let parts: Option<Vec<Part<'_>>> = query.split(" or ").map(|it| self.part(it)).collect();
        let words = "invalid parameter \"query\": parse error";
        parts.map(Query::Parts).ok_or_else(|| error(400, "bad_data", words))
    }

    fn part(&self, query: &str) -> Option<Part<'_>> {
        let text = query.strip_prefix("label_replace(sum(increase(")?;
        let text = text.strip_suffix("\", \"\", \"\")")?;
        let (text, value) = text.rsplit_once("\", \"")?;
        let (counted, label) = text.rsplit_once("])), \"")?;
        let (selector, window) = counted.rsplit_once('[')?;
        Some(Part {
            label: label.to_owned(),
            value: value.to_owned(),
            series: self.metrics.series.get(selector),
            window: length(window)?,
        })
    }

    fn streams(&self, query: &Query<'_>, times: &[Instant]) -> Vec<Value> {
        let stream = |labels: Value, value: &dyn Fn(Instant) -> Option<f64>| {
            let point = |at: &Instant| Some(json!([seconds(*at), value(*at)?.to_string()]));
            let values: Vec<Value> = times.iter().filter_map(point).collect();
            (!values.is_empty()).then(|| json!({"metric": labels, "values": values}))
        };
        let oldest = self.call.now - self.metrics.retention;
        let hour = Duration::hours(1);
        let counted = |series: &Series, bound: f64, at: Instant, window: Duration| {
            let after = (at - window).max(oldest);
            let mut minutes = (0..window.num_minutes()).map(|back| at - Duration::minutes(back));
            let there = minutes.any(|it| it > after && series.is_scraped(it));
            there.then(|| series.increase(bound, after, at))
        };
        match query {
            Query::Nothing => Vec::new(),
            Query::Counter(series) => {
                let grew = |at| counted(series, f64::INFINITY, at, hour);
                stream(json!({}), &grew).into_iter().collect()
            }
            Query::Parts(parts) => {
                let streams = parts.iter().filter_map(|it| {
                    let series = it.series?;
                    let grew = |at| counted(series, f64::INFINITY, at, it.window);
                    stream(json!({(it.label.as_str()): it.value}), &grew)
                });
                streams.collect()
            }
            Query::Buckets(series) => series
                .bounds
                .iter()
                .filter_map(|le| {
                    let bound = le.parse().unwrap_or(f64::NAN);
                    stream(json!({"le": le}), &|at| counted(series, bound, at, hour))
                })
                .collect(),
            Query::Presence(series) => {
                let there = |at: Instant| (at > oldest && series.is_scraped(at)).then_some(1.0);
                stream(json!({}), &there).into_iter().collect()
            }
        }
    }
}

fn seconds(at: Instant) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
