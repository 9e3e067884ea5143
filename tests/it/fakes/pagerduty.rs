//! The fake PagerDuty keeps the vendor's limits and awkward habits.

use engkpi_fakes::{Fakes, Fault, PAGERDUTY_TOKEN, World};
use serde_json::{Value, json};

fn world() -> World {
    World::new("acme").at("2026-04-01 00:00").pagerduty(|account| {
        account.service("PSHOP", "Shop").priorities(&["P1", "P2"]).fields(&["root_cause"]);
        account.incident("PINC1", "PSHOP", "2026-03-20 10:00", |incident| {
            incident.priority("P2").acknowledge("2026-03-20 10:05").alert("2026-03-20 09:58");
            incident.field("2026-03-22 09:00", "root_cause", "cache");
            incident.resolve("2026-03-20 11:00").reopen("2026-03-20 12:00");
            incident.resolve("2026-03-20 13:00");
        });
        account.incident("PINC2", "PSHOP", "2026-03-21 10:00", |incident| {
            incident.merge_into("2026-03-21 10:10", "PINC1");
        });
    })
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn get(fakes: &Fakes, target: &str) -> (u16, Value) {
    let url = fakes.pagerduty.url().join(target).unwrap();
    let request =
        client().get(url).header("authorization", format!("Token token={PAGERDUTY_TOKEN}"));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn time_decides_what_an_incident_looks_like() {
    let fakes = Fakes::start(world()).await;
    fakes.set_now("2026-03-20 10:30");
    let (_, body) = get(&fakes, "incidents/PINC1?include[]=custom_fields").await;
    let incident = &body["incident"];
    assert_eq!(incident["status"], "acknowledged");
    assert_eq!(incident["resolved_at"], Value::Null);
    assert_eq!(incident["priority"]["summary"], "P2");
    assert_eq!(incident["custom_fields"][0]["value"], Value::Null);
    assert_eq!(get(&fakes, "incidents/PINC2").await.0, 404, "it has not happened yet");

    fakes.set_now("2026-04-01 00:00");
    let (_, body) = get(&fakes, "incidents/PINC1?include[]=custom_fields").await;
    assert_eq!(body["incident"]["resolved_at"], "2026-03-20T13:00:00Z");
    assert_eq!(body["incident"]["custom_fields"][0]["value"], "cache");
    let (_, merged) = get(&fakes, "incidents/PINC2").await;
    assert_eq!(merged["incident"]["resolve_reason"]["incident"]["id"], "PINC1");
    let (_, log) = get(&fakes, "incidents/PINC1/log_entries").await;
    let kinds: Vec<_> =
        log["log_entries"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(
        kinds,
        [
            "custom_field_value_change_log_entry",
            "resolve_log_entry",
            "unacknowledge_log_entry",
            "resolve_log_entry",
            "acknowledge_log_entry",
            "field_value_change_log_entry",
            "trigger_log_entry",
        ]
    );
}

#[tokio::test]
async fn windows_pages_and_plans_have_limits() {
    let fakes = Fakes::start(world().pagerduty(|it| {
        it.without_ability("priorities");
    }))
    .await;
    let long = "incidents?since=2025-01-01T00:00:00Z&until=2026-01-01T00:00:00Z";
    assert_eq!(get(&fakes, long).await.0, 400);
    assert_eq!(get(&fakes, "incidents?limit=100&offset=9901").await.0, 400);
    assert_eq!(get(&fakes, "priorities").await.0, 402);
    let (_, page) = get(&fakes, "incidents?limit=1").await;
    assert_eq!((&page["more"], &page["total"]), (&json!(true), &Value::Null));
    let (_, page) = get(&fakes, "incidents?limit=1&offset=1&total=true").await;
    assert_eq!((&page["more"], &page["total"]), (&json!(false), &json!(2)));
    let (_, unfiltered) = get(&fakes, "incidents?statuses=triggered").await;
    assert_eq!(unfiltered["incidents"].as_array().unwrap().len(), 2, "without [] it is ignored");
    let (_, filtered) = get(&fakes, "incidents?statuses[]=triggered").await;
    assert_eq!(filtered["incidents"], json!([]));
    fakes.set_now("2026-06-01 00:00");
    let (_, recent) = get(&fakes, "incidents").await;
    assert_eq!(recent["incidents"], json!([]), "without a window it is the last month");
}

#[tokio::test]
async fn a_used_up_minute_is_429_with_seconds_from_now() {
    let fakes = Fakes::start(world()).await;
    fakes.pagerduty.settings(|settings| settings.pagerduty_per_minute = 1);
    assert_eq!(get(&fakes, "services").await.0, 200);
    let url = fakes.pagerduty.url().join("services").unwrap();
    let request =
        client().get(url).header("authorization", format!("Token token={PAGERDUTY_TOKEN}"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["ratelimit-reset"], "60");
    fakes.pagerduty.settings(|settings| settings.pagerduty_bare_429 = true);
    let (status, body) = get(&fakes, "services").await;
    assert_eq!((status, body), (429, Value::Null));
    assert_eq!(fakes.pagerduty.quota_used(), 1);
    assert_eq!(get(&fakes, "services").await.0, 429);
    fakes.set_now("2026-04-01 00:01:01");
    assert_eq!(get(&fakes, "services").await.0, 200, "a new minute");
}

#[tokio::test]
async fn a_wrong_key_is_401_and_no_token_is_logged() {
    let fakes = Fakes::start(world().pagerduty_token("canary-7f3a")).await;
    assert_eq!(get(&fakes, "services").await.0, 401);
    let log = format!("{:?}", fakes.pagerduty.requests());
    assert!(log.contains("Present") && !log.contains(PAGERDUTY_TOKEN), "{log}");
}

#[tokio::test]
async fn faults_spoil_the_answers_they_are_aimed_at() {
    let fakes = Fakes::start(world()).await;
    fakes.pagerduty.fault(Fault::status(502).on("GET /incidents?").after(1));
    assert_eq!(get(&fakes, "incidents?limit=1").await.0, 200);
    assert_eq!(get(&fakes, "incidents?limit=1").await.0, 502);
    assert_eq!(get(&fakes, "incidents?limit=1").await.0, 200);
    fakes.pagerduty.clear_faults();

    let raw = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let send = || async {
        let url = fakes.pagerduty.url().join("incidents").unwrap();
        let key = format!("Token token={PAGERDUTY_TOKEN}");
        raw.get(url).header("authorization", key).send().await
    };
    fakes.pagerduty.fault(Fault::reset());
    assert!(send().await.is_err(), "the connection is reset before an answer");
    fakes.pagerduty.clear_faults();
    fakes.pagerduty.fault(Fault::truncate_at(100));
    assert!(send().await.unwrap().bytes().await.is_err(), "the body breaks off");
    fakes.pagerduty.clear_faults();
    fakes.pagerduty.fault(Fault::gzip_bomb(64 << 20));
    let packed = send().await.unwrap().bytes().await.unwrap();
    assert!(packed.len() < 1 << 20, "a bomb is small: {} bytes", packed.len());
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(packed.as_ref());
    std::io::Read::read_to_end(&mut reader, &mut unpacked).unwrap();
    assert!(unpacked.len() > 64 << 20);
    assert_eq!(serde_json::from_slice::<Value>(&unpacked).unwrap(), json!([]));
    fakes.pagerduty.clear_faults();

    fakes.pagerduty.fault(Fault::malformed_item(0));
    let (_, body) = get(&fakes, "incidents").await;
    assert!(body["incidents"][0]["id"].is_object() && body["incidents"][1]["id"].is_string());
    fakes.pagerduty.clear_faults();
    get(&fakes, "incidents?limit=1").await;
    fakes.pagerduty.fault(Fault::shift(1).on("offset=1").after(1));
    get(&fakes, "incidents?limit=1&offset=0").await;
    let (_, normal) = get(&fakes, "incidents?limit=1&offset=1").await;
    assert_eq!(normal["incidents"][0]["id"], "PINC2");
    get(&fakes, "incidents?limit=1&offset=0").await;
    let (_, shifted) = get(&fakes, "incidents?limit=1&offset=1").await;
    assert_eq!(shifted["incidents"][0]["id"], "PINC1", "the page before pushed one over");
}
