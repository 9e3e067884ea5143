//! From end to end: a real Prometheus with known traffic, a deployment, and errors after it. The page
//! fires, the budget falls by what was bad and by nothing else, and the deployment is named.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant as Tick};

use chrono::{DurationRound, TimeDelta};
use engkpi::clock::{Clock, SystemClock};
use engkpi::domain::Instant;
use engkpi_fakes::{Fakes, GITHUB_TOKEN, World};
use serde_json::Value;
use tokio::process::Command;

use super::real::{PATIENCE, start};

/// Requests a minute.
const REQUESTS: i64 = 1_000;
/// Of these fail, before the deployment.
const USUAL: i64 = 1;
/// And after it.
const BROKEN: i64 = 500;
/// Which share may fail.
const ALLOWED: f64 = 0.01;
/// How long there has been traffic.
const HOURS: i64 = 72;

const SPECIFICATION: &str = r#"
apiVersion: openslo/v1
kind: SLO
metadata: {name: up}
spec:
  service: shop
  budgetingMethod: Occurrences
  timeWindow:
  - {duration: 2d, isRolling: true}
  indicator:
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {spec: {query: 'http_requests_total{code="500"}'}}}
        total: {metricSource: {spec: {query: 'http_requests_total'}}}
  objectives: [{target: 0.99}]
"#;

/// Samples on every minute until now: a server takes nothing in that is older than what it has, and
/// its rules are to write. Errors begin with the minute after `broken`.
fn samples(start: Instant, broken: Instant, until: Instant) -> String {
    let mut text = String::from("# TYPE http_requests counter\n");
    for code in ["200", "500"] {
        let (mut at, mut count) = (start, 0);
        while at <= until {
            writeln!(text, "http_requests_total{{code=\"{code}\"}} {count} {}", at.timestamp())
                .unwrap();
            let failed = if at >= broken { BROKEN } else { USUAL };
            count += if code == "500" { failed } else { REQUESTS - failed };
            at += TimeDelta::minutes(1);
        }
    }
    text + "# EOF\n"
}

/// What `engkpi` writes to stdout.
async fn engkpi(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_engkpi"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("GITHUB_TOKEN", GITHUB_TOKEN)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "engkpi {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until an alert of this severity fires.
async fn page(url: &url::Url, severity: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Tick::now() + PATIENCE;
    loop {
        let answer = client.get(format!("{url}/api/v1/alerts")).send().await;
        let alerts: Value = match answer {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let all = alerts["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let fires = |it: &Value| {
            it["state"] == "firing"
                && it["labels"]["sloth_severity"] == severity
                && it["labels"]["sloth_id"] == "shop-up"
        };
        if all.iter().any(fires) {
            return;
        }
        assert!(Tick::now() < deadline, "no {severity} fires: {alerts:#}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn configuration(folder: &Path, github: &str, metrics: &str, start: Instant) {
    let text = format!(
        r#"
        [store]
        sqlite = "engkpi.db"
        [sources.github]
        type = "github"
        api_url = "{github}"
        token = {{ env = "GITHUB_TOKEN" }}
        organisation = "acme"
        history_start = {day}
        [sources.prometheus]
        type = "prometheus"
        url = "{metrics}"
        history_start = {day}
        [teams.commerce]
        [services.shop]
        team = "commerce"
        repository = "acme/shop"
        [slos]
        files = ["slos.yaml"]
        "#,
        day = start.date_naive(),
    );
    std::fs::write(folder.join("engkpi.toml"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_deployment_pages_burns_what_it_burnt_and_is_named() {
    let now = SystemClock.now();
    // The last hour that a poll reads for good.
    let end = (now - TimeDelta::seconds(61)).duration_trunc(TimeDelta::hours(1)).unwrap();
    let (began, broken) = (end - TimeDelta::hours(HOURS), end - TimeDelta::hours(2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("slos.yaml"), SPECIFICATION).unwrap();
    let rules = engkpi(path, &["rules", "slos.yaml"]).await;
    // The same rules, only looked at more often than each minute.
    let often = rules.replace("interval: 1m", "interval: 1s");
    assert_ne!(often, rules);
    std::fs::write(path.join("rules.yml"), often).unwrap();
    let samples = samples(began, broken, now);
    let configured = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n";
    let Some((_server, url)) = start(path, &samples, configured) else { return };

    let mut world = World::new("acme").at(now);
    world.add_repository("shop", |shop| {
        let first = shop.push(began, "Begin", &["a"]);
        shop.deployed("production", &first, began + TimeDelta::hours(1));
        let change = shop.push(broken - TimeDelta::hours(1), "Break it", &["a"]);
        shop.deployed("production", &change, broken);
    });
    let fakes = Fakes::start(world).await;
    configuration(path, fakes.github.url().as_str(), url.as_str(), began);
    page(&url, "page").await;

    engkpi(path, &["sync", "--config", "engkpi.toml"]).await;
    // Before another hour is over, should one end meanwhile.
    let seen = now.min(end + TimeDelta::hours(1) - TimeDelta::seconds(1));
    let as_of = seen.to_rfc3339();
    let about = |command: &'static str| {
        let own = ["--config", "engkpi.toml", "--as-of", &as_of, "--format", "json"];
        [command.split(' ').collect::<Vec<_>>(), own.to_vec()].concat()
    };
    let body: Value = serde_json::from_str(&engkpi(path, &about("slo")).await).unwrap();
    let slo = &body["slos"][0];

    // The complete hours of the last two days.
    let first = (seen - TimeDelta::days(2) + TimeDelta::hours(1) - TimeDelta::nanoseconds(1))
        .duration_trunc(TimeDelta::hours(1))
        .unwrap();
    let hours = (end - first).num_hours();
    let total = (hours * 60 * REQUESTS) as f64;
    let bad = ((hours - 2) * 60 * USUAL + 2 * 60 * BROKEN) as f64;
    let budget = total * ALLOWED;
    let burnt = (2 * 60 * (BROKEN - USUAL)) as f64;
    let same = |what: &str, value: &Value, expected: f64| {
        let value = value.as_f64().unwrap_or_else(|| panic!("no {what}: {slo:#}"));
        assert!(
            (value - expected).abs() < 1e-9 * expected.abs().max(1.0),
            "{what}: {value} is not {expected}"
        );
    };
    same("compliance", &slo["compliance"], 1.0 - bad / total);
    same("budget", &slo["remaining"], 1.0 - bad / budget);
    same("deployment", &slo["consumed"]["deployment"], burnt / budget);
    same("rest", &slo["consumed"]["unattributed"], (bad - burnt) / budget);
    assert_eq!(slo["status"], "missed");
    // The last hour was broken from end to end; it is known since it was asked for, a moment ago.
    let present = engkpi(path, &["slo", "--config", "engkpi.toml", "--format", "json"]).await;
    let present: Value = serde_json::from_str(&present).unwrap();
    let burn = present["slos"][0]["burn"]["1h"].as_f64().unwrap();
    assert!((burn / 50.0 - 1.0).abs() < 0.05, "{burn}");

    let explained =
        engkpi(path, &about("explain slo_compliance --service shop --window own")).await;
    let explained: Value = serde_json::from_str(&explained).unwrap();
    let items = explained["items"].as_array().unwrap().iter();
    let named = items.filter(|it| it["name"].as_str().unwrap().starts_with("shop-up: burnt while"));
    let named: Vec<&Value> = named.collect();
    assert_eq!(named.len(), 1, "{named:#?}");
    let name = named[0]["name"].as_str().unwrap();
    assert!(name.contains("shop: deployment") && name.contains("acme/shop"), "{name}");
    assert!(named[0]["url"].as_str().unwrap().contains("/acme/shop/commit/"), "{:#}", named[0]);
    let mark = |of: &str| {
        let mut marks = named[0]["marks"].as_array().unwrap().iter();
        marks.find(|it| it["name"] == of).unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!((mark("confidence").as_str(), mark("cause").as_str()), ("high", "deployment"));
    let table = engkpi(path, &["slo", "--config", "engkpi.toml", "--as-of", &as_of]).await;
    assert!(table.contains("shop-up") && table.contains("✘ missed"), "{table}");
}
