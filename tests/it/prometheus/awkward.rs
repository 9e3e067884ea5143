//! What a metric store may do to us.

use serde_json::json;

use super::{BOUNDS, PAY, Scene, buckets};
use engkpi::domain::Kind;
use engkpi::source::SourceError;
use engkpi_fakes::Fault;

async fn busy() -> Scene {
    Scene::of(|metrics| {
        metrics.histogram(PAY, &BOUNDS, "2026-03-01 00:00", |pay| {
            pay.serves("2026-03-01 00:00", "2026-03-20 00:00", 1.0, 0.05);
        });
    })
    .await
}

/// A range query's answer with these series.
fn matrix(result: &serde_json::Value) -> serde_json::Value {
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}})
}

/// The first request with this in it gets this answer.
fn answering(pattern: &str, answer: serde_json::Value) -> Fault {
    Fault::status(200).body(answer).on(pattern)
}

#[tokio::test]
async fn more_than_the_server_can_do_at_once_is_asked_for_in_pieces() {
    let whole = busy().await;
    whole.poll().await;
    let pieces = busy().await;
    pieces.fakes.edit(|world| world.metrics.most_samples = 700);
    let report = pieces.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 0));
    assert_eq!(pieces.hours().await, whole.hours().await);
    assert_eq!(whole.hours().await.lines().count(), 9 * 24 + 12);
    assert!(pieces.asked() > whole.asked());
}

#[tokio::test]
async fn no_query_asks_for_more_than_eleven_thousand_points() {
    let mut scene = busy().await;
    scene.reconfigure(vec![buckets("pay", PAY)], "history_start = \"2024-01-01\"");
    let report = scene.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 0), "the fake refuses longer ones");
    assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12);
}

#[tokio::test]
async fn after_an_interruption_the_next_poll_goes_on() {
    let scene = busy().await;
    scene.fakes.edit(|world| world.metrics.most_samples = 700);
    scene.fakes.prometheus.fault(Fault::status(500).on("query_range").after(9).forever());
    assert!(scene.try_poll().await.is_err());
    let half = scene.hours().await.lines().count();
    assert!(half > 0, "what was read before is kept");
    scene.fakes.prometheus.clear_faults();
    scene.poll().await;
    assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12);
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_no_answer() {
    for (body, words) in [
        (json!({"warnings": ["store-3 unreachable"]}), "in part: store-3 unreachable"),
        (json!({"isPartial": true}), "answered only in part"),
    ] {
        let scene = busy().await;
        let mut answer = matrix(&json!([{"metric": {"le": "+Inf"}, "values": [[1, "1"]]}]));
        answer.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        scene.fakes.prometheus.fault(answering("query_range", answer));
        let error = scene.try_poll().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(scene.hours().await, "", "too small a number is worse than none");
        scene.fakes.prometheus.clear_faults();
        scene.poll().await;
        assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12, "the hours are not lost");
    }
}

#[tokio::test]
async fn a_comment_on_the_query_is_no_missing_part() {
    let scene = busy().await;
    let mut answer = matrix(&json!([]));
    answer["warnings"] = json!(["PromQL warning: bucket label \"le\" is missing"]);
    answer["infos"] = json!(["PromQL info: metric might not be a counter"]);
    scene.fakes.prometheus.fault(answering("query_range", answer));
    scene.poll().await;
}

#[tokio::test]
async fn what_is_no_number_is_no_count() {
    let scene = busy().await;
    let end = super::at("2026-03-10 12:00").timestamp();
    let odd = ["NaN", "+Inf", "-1", "lots"].map(|value| json!([end - 3600, value]));
    let values: Vec<_> = odd.into_iter().chain([json!([end, "7"])]).collect();
    let answer = matrix(&json!([{"metric": {"le": "+Inf"}, "values": values}]));
    scene.fakes.prometheus.fault(answering("increase", answer));
    let report = scene.poll().await;
    assert_eq!(report.rejected[&Kind::LedgerDay], 4);
    let hours = scene.hours().await;
    assert!(hours.ends_with("10T10 12/12 \n10T11 12/12 +Inf:7\n"), "{hours}");
}

#[tokio::test]
async fn one_question_that_fails_spoils_no_other() {
    let mut scene = busy().await;
    let plans = vec![buckets("odd", "odd_total) or vector(1"), buckets("pay", PAY)];
    scene.reconfigure(plans, "");
    scene.fakes.prometheus.fault(Fault::status(400).on("odd_total").forever());
    let report = scene.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (1, 1));
    assert!(report.warnings[0].starts_with("endpoints.odd: "), "{:?}", report.warnings);
    assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12);
}

/// How far apart samples are is asked before the hours of each piece.
#[tokio::test]
async fn a_server_that_cannot_say_how_far_apart_samples_are_is_named_and_one_that_fails_asked_again()
 {
    let scene = busy().await;
    scene.fakes.prometheus.fault(Fault::status(422).on("quantile_over_time").forever());
    let report = scene.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 1), "{:?}", report.warnings);
    let words = "endpoints.pay: how far apart its samples are is unknown";
    assert!(report.warnings[0].starts_with(words), "{:?}", report.warnings);
    assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12);

    let scene = busy().await;
    scene.fakes.prometheus.fault(Fault::status(500).on("quantile_over_time").forever());
    assert!(scene.try_poll().await.is_err());
    assert_eq!(scene.hours().await, "", "hours that are read are never asked again");
    scene.fakes.prometheus.clear_faults();
    scene.poll().await;
    assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12);
}

#[tokio::test]
async fn a_metric_that_is_not_there_is_unknown() {
    let mut scene = busy().await;
    scene.reconfigure(vec![buckets("gone", "gone_bucket")], "");
    let report = scene.poll().await;
    assert_eq!((report.gaps, report.warnings.len()), (0, 0));
    assert_eq!(scene.hours().await, "");
}

#[tokio::test]
async fn series_without_bounds_are_told_of() {
    let scene = busy().await;
    let end = super::at("2026-03-10 12:00").timestamp();
    let answer = matrix(&json!([{"metric": {}, "values": [[end, "7"]]}]));
    scene.fakes.prometheus.fault(answering("increase", answer));
    let report = scene.poll().await;
    assert_eq!(report.warnings, ["endpoints.pay: its series have no label `le`"]);
}

#[tokio::test]
async fn credentials_tenant_and_prefix_are_sent_as_the_store_wants_them() {
    for (authorization, tenant, settings) in [
        (None, Some("acme"), "tenant = \"acme\"\nurl = \"FAKE/mimir/prometheus\""),
        (Some("Bearer pass:word"), None, "token = SECRET"),
        // ops:pass:word
        (Some("Basic b3BzOnBhc3M6d29yZA=="), None, "user = \"ops\"\npassword = SECRET"),
    ] {
        let mut scene = busy().await;
        scene.fakes.edit(|world| {
            world.metrics.authorization = authorization.map(str::to_owned);
            world.metrics.tenant = tenant.map(str::to_owned);
        });
        let refused = scene.try_poll().await.unwrap_err();
        assert!(matches!(refused, SourceError::Unauthorized(_)), "{settings}: {refused}");
        scene.reconfigure(vec![buckets("pay", PAY)], settings);
        scene.poll().await;
        assert_eq!(scene.hours().await.lines().count(), 9 * 24 + 12, "{settings}");
    }
}

#[tokio::test]
async fn the_servers_clock_says_which_hours_are_complete() {
    let scene = busy().await;
    // Ours is a day ahead; the server has not seen that day.
    let now = super::at("2026-03-11 12:30");
    let store = std::sync::Arc::clone(&scene.store);
    let progress = std::sync::Arc::new(super::Quiet);
    let cx = engkpi::source::PollContext { store, now, progress };
    engkpi::source::Source::poll(&scene.source, &cx).await.unwrap();
    let hours = scene.hours().await;
    assert!(hours.ends_with("10T11 12/12 +Inf:60 0.1:60 0.3:60\n"), "{hours}");
}

#[tokio::test]
async fn a_look_says_what_is_not_there() {
    let mut scene = busy().await;
    let plans = vec![buckets("pay", PAY), buckets("gone", "gone_bucket")];
    scene.reconfigure(plans, "");
    let probe = scene.source.probe().await.unwrap();
    assert_eq!(probe.credential, "no credential");
    let lacks: Vec<_> = probe.lacks.iter().map(|it| it.why.as_str()).collect();
    assert_eq!(
        lacks,
        [
            "endpoints.pay: http_request_duration_seconds_bucket{path=\"/pay\"} has no bucket with le=\"+Inf\"",
            "endpoints.gone: nothing matched gone_bucket within the last day"
        ]
    );
    assert_eq!(scene.hours().await, "", "nothing was collected");
}
