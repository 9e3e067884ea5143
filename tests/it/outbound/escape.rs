//! Addresses that lead out of the configured origin: nothing is sent there, nothing is believed.

use engkpi::source::outbound::{OutboundError, Request};

use super::server::{Act, Server, answer, json};
use super::{CANARY, assert_silent, client, client_with, environment, fast, metric};
use engkpi::source::outbound::Dialect;

/// Ways to name the sink at `sink` (or nobody) that are not the origin at `own`.
fn escapes(own: u16, sink: u16) -> Vec<String> {
    [
        format!("http://127.0.0.1:{sink}/x"),
        format!("HTTP://127.0.0.1:{sink}/x"),
        format!("//127.0.0.1:{sink}/x"),
        format!("///127.0.0.1:{sink}/x"),
        format!("/\\127.0.0.1:{sink}/x"),
        format!("\\\\127.0.0.1:{sink}\\x"),
        format!("http:\\\\127.0.0.1:{sink}/x"),
        format!("http:/\\127.0.0.1:{sink}/x"),
        format!("http://localhost:{own}/x"),
        format!("http://LOCALHOST:{own}/x"),
        format!("http://localhost:{sink}/x"),
        format!("http://127.0.0.2:{own}/x"),
        format!("http://[::1]:{own}/x"),
        format!("http://[::ffff:127.0.0.1]:{own}/x"),
        format!("https://127.0.0.1:{own}/x"),
        format!("ftp://127.0.0.1:{own}/x"),
        format!("ws://127.0.0.1:{own}/x"),
        "http://127.0.0.1/x".into(),
        format!("http://user@127.0.0.1:{own}/x"),
        format!("http://user:password@127.0.0.1:{own}/x"),
        format!("http://:{CANARY}@127.0.0.1:{own}/x"),
        format!("http://127.0.0.1:{own}@127.0.0.1:{sink}/x"),
        format!("http://127.0.0.1:{own}%2F@127.0.0.1:{sink}/x"),
        format!("http://127.0.0.1.example:{own}/x"),
        format!("http://example\u{3002}invalid:{own}/x"),
        format!("http://127.0.0.1:{own}.example/x"),
        "file:///etc/passwd".into(),
        "data:application/json,[]".into(),
        "javascript:0".into(),
    ]
    .into()
}

/// An answer that points to `to` with a `Link` or with a redirect of status `how`.
fn pointing(how: &str, to: &str) -> Vec<Act> {
    match how {
        "link" => answer(200, &[("link", &format!("<{to}>; rel=\"next\""))], b"[1]"),
        status => answer(status.parse().unwrap(), &[("location", to)], b"{}"),
    }
}

#[tokio::test]
async fn no_link_and_no_redirect_leaves_the_origin() {
    let sink = Server::always(json("[\"poison\"]")).await;
    let sink_port = sink.port();
    // Asked for /HOW/NUMBER it points there in that way.
    let server = Server::start(move |seen| {
        let own = seen.header("host").unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let mut path = seen.target.split('?').next().unwrap().split('/').skip(1);
        let (how, number) = (path.next().unwrap(), path.next().unwrap());
        pointing(how, &escapes(own, sink_port)[number.parse::<usize>().unwrap()])
    })
    .await;
    let environment = environment();
    let limits = fast(Dialect::GitHub);
    let client = client_with(&server.base, limits, Dialect::GitHub, &environment);
    let (mut cases, mut refused) = (0, 0.0);
    for how in ["link", "301", "302", "303", "307", "308"] {
        for (number, to) in escapes(server.port(), sink_port).iter().enumerate() {
            let request = Request::to([how, &number.to_string()]).query("secret", "query");
            let error = client.get(&request).await.expect_err(to);
            assert_silent(&error);
            match error {
                OutboundError::Refused { .. } => refused += 1.0,
                // A 303 is never followed; some texts are no address at all.
                OutboundError::Malformed { .. } => {}
                OutboundError::Status { .. } if how == "303" || !to.is_ascii() => {}
                error => panic!("{how} to {to} ended in {error:?}"),
            }
            cases += 1;
            assert_eq!(server.requests(), cases, "{how} to {to}: nothing more is sent");
        }
    }
    assert!(cases >= 80, "only {cases} cases");
    assert!(refused >= 100.0, "only {refused} refusals");
    assert_eq!(metric(&environment, "engkpi_source_refused_urls_total"), refused);
    assert_eq!(sink.requests(), 0, "the sink saw {:?}", sink.seen());
}

#[tokio::test]
async fn an_address_from_a_cursor_is_checked_like_one_from_a_server() {
    let sink = Server::always(json("[]")).await;
    let server = Server::always(json("[]")).await;
    let client = client(&server.base);
    for to in [sink.base.clone(), "https://127.0.0.1/x".parse().unwrap()] {
        let error = client.get(&Request::follow(to)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Refused { .. }), "{error:?}");
    }
    assert_eq!((server.requests(), sink.requests()), (0, 0));
}

#[tokio::test]
async fn a_host_in_upper_case_is_the_same_host() {
    let server = Server::start(|seen| match seen.number {
        0 => {
            let port = seen.header("host").unwrap().rsplit(':').next().unwrap();
            answer(200, &[("link", &format!("<HTTP://LOCALHOST:{port}/2>; rel=\"next\""))], b"[1]")
        }
        _ => json("[2]"),
    })
    .await;
    let base = format!("http://localhost:{}/", server.port()).parse().unwrap();
    let mut pages = client(&base).pages(Request::to(["1"])).unwrap();
    pages.next(None).await.unwrap().unwrap();
    pages.next(None).await.unwrap().expect("the second page is on the same origin");
    assert_eq!(server.seen()[1].target, "/2");
}

#[tokio::test]
async fn a_renamed_repositorys_redirect_is_followed_with_the_token() {
    for status in [301, 302, 307, 308] {
        let server = Server::start(move |seen| match seen.target.as_str() {
            "/repos/acme/old" => answer(status, &[("location", "/repositories/7")], b"{}"),
            _ => json("{\"id\":7}"),
        })
        .await;
        let page = client(&server.base).get(&Request::to(["repos", "acme", "old"])).await.unwrap();
        assert_eq!(&page.body[..], b"{\"id\":7}");
        let seen = server.seen();
        assert_eq!(seen[1].target, "/repositories/7");
        assert_eq!(seen[1].header("authorization"), Some(&*format!("Bearer {CANARY}")));
        assert_eq!(seen[1].header("referer"), None);
    }
}

#[tokio::test]
async fn redirects_without_end_or_without_an_address_are_errors() {
    let loops = Server::always(answer(302, &[("location", "/again")], b"")).await;
    let error = client(&loops.base).get(&Request::to(["again"])).await.unwrap_err();
    assert!(matches!(error, OutboundError::Malformed { .. }), "{error:?}");
    assert_eq!(loops.requests(), 4, "one request and three redirects");
    let bare = Server::always(answer(302, &[], b"")).await;
    let error = client(&bare.base).get(&Request::to(["x"])).await.unwrap_err();
    assert!(matches!(error, OutboundError::Status { .. }), "{error:?}");
}

#[tokio::test]
async fn a_post_is_not_turned_into_a_get() {
    for (status, requests) in [(301, 1), (302, 1), (307, 2), (308, 2)] {
        let server = Server::start(move |seen| match seen.number {
            0 => answer(status, &[("location", "/elsewhere")], b"{}"),
            _ => json("{}"),
        })
        .await;
        let query = serde_json::json!({ "query": "{ viewer }" });
        let result = client(&server.base).post_json(&Request::to(["graphql"]), &query).await;
        assert_eq!(result.is_ok(), requests == 2, "{status}");
        assert!(server.seen().iter().all(|seen| seen.method == "POST"));
        assert_eq!(server.requests(), requests, "{status}");
    }
}

#[tokio::test]
async fn a_base_that_would_show_the_token_is_refused() {
    use engkpi::source::outbound::{Limits, Options, Outbound};
    for (base, fine) in [
        ("https://api.github.com", true),
        ("http://127.0.0.1:8801/api/v3", true),
        ("http://localhost:8801", true),
        ("http://[::1]:8801", true),
        ("http://api.github.com", false),
        ("http://10.0.0.1/api/v3", false),
        ("https://me:hunter2@api.github.com", false),
        ("https://api.github.com/?token=hunter2", false),
        ("https://api.github.com/#x", false),
        ("ftp://api.github.com", false),
        ("file:///tmp", false),
    ] {
        let options = Options {
            source: "x".into(),
            base: base.parse().unwrap(),
            dialect: Dialect::GitHub,
            limits: Limits::of(Dialect::GitHub),
            auth: super::token(super::CANARY),
        };
        let result = Outbound::new(options, &environment());
        assert_eq!(result.is_ok(), fine, "{base}");
        if let Err(error) = result {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
