//! Waits that a vendor asks for: kept, bounded, shared and counted.

use std::sync::Arc;
use std::time::Duration;

use engkpi::source::outbound::{Dialect, Limits, Outbound, OutboundError, Pace, Request};
use tokio::sync::Semaphore;
use tokio::time::Instant as Tick;

use super::server::{Act, Server, answer, json};
use super::{assert_silent, client, client_with, environment, fast, metric, now};

const MILLI: Duration = Duration::from_millis(1);

fn request() -> Request {
    Request::to(["x"]).query("q", "secret")
}

/// Meets `first` and says how long we are told to wait.
async fn told(dialect: Dialect, first: Vec<Act>) -> Option<i64> {
    let server = Server::start(move |seen| match seen.number {
        0 => first.clone(),
        _ => json("{}"),
    })
    .await;
    // Nothing is slept: every wait is returned.
    let limits = Limits { min_wait: Duration::from_secs(2), ..Limits::of(dialect) };
    let limits = Limits { max_sleep: Duration::ZERO, pace: None, attempts: 1, ..limits };
    let client = client_with(&server.base, limits, dialect, &environment());
    match client.get(&request()).await {
        Err(OutboundError::RateLimited { until }) => {
            assert_eq!(server.requests(), 1, "nothing is sent inside the wait");
            Some(((until - now()).as_seconds_f64()).round() as i64)
        }
        Ok(_) => None,
        Err(error) => {
            assert_silent(&error);
            None
        }
    }
}

#[tokio::test]
async fn every_form_of_retry_after_leads_to_a_bounded_wait() {
    let date = "Sun, 22 Nov 2026 10:01:00 GMT";
    let past = "Sun, 22 Nov 2020 10:01:00 GMT";
    for (given, wait) in [
        ("0", 2),
        ("7", 7),
        ("-1", 60),
        ("1e12", 3600),
        ("1000000000000", 3600),
        (date, 60),
        (past, 2),
        ("garbage", 60),
        ("", 60),
    ] {
        for (dialect, status) in
            [(Dialect::GitHub, 403), (Dialect::GitHub, 429), (Dialect::PagerDuty, 429)]
        {
            let refusal = answer(status, &[("retry-after", given)], b"{}");
            let found = told(dialect, refusal).await;
            assert_eq!(found, Some(wait), "{dialect:?} {status} with Retry-After: {given}");
        }
    }
}

#[tokio::test]
async fn pitfall_10_every_form_of_reset_leads_to_a_bounded_wait() {
    let epoch = |seconds: i64| (now().timestamp() + seconds).to_string();
    for (reset, wait) in [
        (epoch(30), 31),
        (epoch(-30), 2),
        (epoch(1_000_000), 3600),
        ("0".into(), 2),
        ("-1".into(), 2),
        ("1000000000000".into(), 3600),
        ("soon".into(), 60),
    ] {
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
        for status in [403, 429] {
            let found = told(Dialect::GitHub, answer(status, &headers, b"{}")).await;
            assert_eq!(found, Some(wait), "{status} with x-ratelimit-reset: {reset}");
        }
    }
    for (reset, wait) in [("30", 30), ("0", 2), ("-1", 60), ("1e12", 3600), ("soon", 60)] {
        let headers = [("ratelimit-remaining", "0"), ("ratelimit-reset", reset)];
        let found = told(Dialect::PagerDuty, answer(429, &headers, b"{}")).await;
        assert_eq!(found, Some(wait), "ratelimit-reset: {reset}");
    }
    assert_eq!(told(Dialect::PagerDuty, answer(429, &[], b"")).await, Some(60), "a bare 429");
}

#[tokio::test]
async fn a_403_without_a_limit_is_told_at_once() {
    let body = br#"{"message":"Resource not accessible\nby integration"}"#;
    let server = Server::always(answer(403, &[("x-ratelimit-remaining", "4999")], body)).await;
    let error = client(&server.base).get(&request()).await.unwrap_err();
    assert_eq!(error.to_string(), "GET /x: 403 Forbidden (Resource not accessible by integration)");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_short_wait_is_slept_and_counted() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(429, &[("retry-after", "0.8")], b"{}"),
        _ => json("{}"),
    })
    .await;
    let environment = environment();
    let client = client_with(&server.base, fast(Dialect::GitHub), Dialect::GitHub, &environment);
    client.get(&request()).await.unwrap();
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= 800 * MILLI, "asked again inside the wait");
    let waited = metric(&environment, "engkpi_source_rate_limit_wait_seconds_total");
    assert!(waited > 0.0 && waited <= 0.8, "{waited} s counted");
}

/// Asks from `tasks` tasks at once.
async fn storm(client: &Outbound, tasks: usize) -> Vec<Result<(), OutboundError>> {
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let client = client.clone();
        set.spawn(async move { client.get(&request()).await.map(drop) });
    }
    set.join_all().await
}

#[tokio::test]
async fn no_task_sends_inside_a_wait_that_another_was_told() {
    let server = Server::start(|seen| match seen.number {
        0..3 => json("{}"),
        3 => answer(403, &[("retry-after", "0.3")], b"{}"),
        _ => json("{}"),
    })
    .await;
    let limits = Limits { max_in_flight: 1, ..fast(Dialect::GitHub) };
    let client = client_with(&server.base, limits, Dialect::GitHub, &environment());
    for result in storm(&client, 12).await {
        result.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 13, "every task got its answer, one at the second try");
    for later in &seen[4..] {
        assert!(later.at - seen[3].at >= 300 * MILLI, "request {} came early", later.number);
    }
}

#[tokio::test]
async fn two_sources_with_one_token_share_its_waits() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(429, &[("retry-after", "30")], b"{}"),
        _ => json("{}"),
    })
    .await;
    let environment = environment();
    let client = || client_with(&server.base, fast(Dialect::GitHub), Dialect::GitHub, &environment);
    let (one, other) = (client(), client());
    assert!(matches!(one.get(&request()).await, Err(OutboundError::RateLimited { .. })));
    assert!(matches!(other.get(&request()).await, Err(OutboundError::RateLimited { .. })));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn nothing_is_sent_once_the_vendor_says_that_nothing_is_left() {
    let reset = (now().timestamp() + 600).to_string();
    let server = Server::start(move |seen| {
        let left = 3_usize.saturating_sub(seen.number).to_string();
        answer(200, &[("x-ratelimit-remaining", &left), ("x-ratelimit-reset", &reset)], b"{}")
    })
    .await;
    let environment = environment();
    let client = client_with(&server.base, fast(Dialect::GitHub), Dialect::GitHub, &environment);
    client.get(&request()).await.unwrap();
    let results = storm(&client, 10).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert_eq!(server.requests(), 4, "one, and the three that were left");
    let until = results.into_iter().find_map(Result::err).unwrap();
    let OutboundError::RateLimited { until } = until else { panic!("{until:?}") };
    assert_eq!((until - now()).num_seconds().clamp(599, 601), (until - now()).num_seconds());
    assert_eq!(metric(&environment, "engkpi_source_rate_limit_remaining"), 0.0);
}

#[tokio::test]
async fn a_limit_that_never_ends_is_given_up() {
    let server = Server::always(answer(429, &[("retry-after", "0.01")], b"{}")).await;
    let error = client(&server.base).get(&request()).await.unwrap_err();
    assert!(matches!(error, OutboundError::RateLimited { .. }), "{error:?}");
    assert_eq!(server.requests(), 4);
}

#[tokio::test]
async fn no_more_than_the_allowed_number_is_in_flight() {
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let server =
        Server::start(move |_| [vec![Act::Await(Arc::clone(&closed))], json("{}")].concat()).await;
    let limits = Limits { max_in_flight: 3, ..fast(Dialect::GitHub) };
    let client = client_with(&server.base, limits, Dialect::GitHub, &environment());
    let tasks = tokio::spawn(async move { storm(&client, 8).await });
    while server.requests() < 3 {
        tokio::time::sleep(MILLI).await;
    }
    tokio::time::sleep(100 * MILLI).await;
    assert_eq!(server.requests(), 3, "the others wait for a free place");
    gate.add_permits(8);
    tasks.await.unwrap().into_iter().for_each(Result::unwrap);
    assert_eq!(server.requests(), 8);
}

#[tokio::test]
async fn the_pace_is_kept_before_the_vendor_has_to_remind_us() {
    let server = Server::always(json("{}")).await;
    let pace = Pace { requests: 5, per: 200 * MILLI };
    let limits = Limits { pace: Some(pace), ..fast(Dialect::PagerDuty) };
    let environment = environment();
    let client = client_with(&server.base, limits, Dialect::PagerDuty, &environment);
    let start = Tick::now();
    for result in storm(&client, 12).await {
        result.unwrap();
    }
    assert!(start.elapsed() >= 400 * MILLI, "12 requests took {:?}", start.elapsed());
    let waited = metric(&environment, "engkpi_source_rate_limit_wait_seconds_total");
    assert_eq!(waited, 0.0, "the vendor asked for none of it");
}

#[tokio::test]
async fn a_5xx_is_asked_again_with_pauses_and_then_told() {
    for status in [500, 502, 503, 504, 408] {
        let server = Server::always(answer(status, &[], b"{\"message\":\"Server Error\"}")).await;
        let error = client(&server.base).get(&request()).await.unwrap_err();
        assert!(matches!(error, OutboundError::Transient { .. }), "{error:?}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_silent(&error);
        assert_eq!(server.requests(), 2);
        let seen = server.seen();
        assert!(seen[1].at - seen[0].at >= MILLI, "asked again at once");
    }
}

#[tokio::test]
async fn a_5xx_that_names_a_pause_is_left_alone_for_so_long() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(503, &[("retry-after", "0.2")], b""),
        1 => json("{}"),
        _ => answer(503, &[("retry-after", "900")], b""),
    })
    .await;
    let client = client(&server.base);
    client.get(&request()).await.unwrap();
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= 200 * MILLI);
    let error = client.get(&request()).await.unwrap_err();
    assert!(matches!(error, OutboundError::RateLimited { .. }), "{error:?}");
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_post_is_read_only_and_so_is_sent_again() {
    let server = Server::start(|seen| match seen.number {
        0 => answer(502, &[], b""),
        1 => json(r#"{"data":null,"errors":[{"type":"RATE_LIMITED","message":"…"}]}"#),
        _ => json(r#"{"data":{}}"#),
    })
    .await;
    let request = Request::to(["graphql"]).resource("graphql");
    let query = serde_json::json!({ "query": "{ viewer { login } }" });
    let page = client(&server.base).post_json(&request, &query).await.unwrap();
    assert_eq!(&page.body[..], br#"{"data":{}}"#);
    assert_eq!(server.requests(), 3);
    assert!(server.seen().iter().all(|seen| seen.method == "POST"));
}
