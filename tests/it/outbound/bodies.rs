//! Bodies that are too large, too slow, cut off or something else altogether.

use std::time::Duration;

use engkpi::source::outbound::{Dialect, Limits, OutboundError, Page, Request};

use super::server::{Act, Server, answer, gzip, head, json};
use super::{assert_silent, client, client_with, environment, fast};

async fn get(server: &Server) -> Result<Page, OutboundError> {
    let result = client(&server.base).get(&Request::to(["x"]).query("q", "secret")).await;
    if let Err(error) = &result {
        assert_silent(error);
    }
    result
}

#[tokio::test]
async fn an_answer_is_read_plain_and_gzipped() {
    let plain = Server::always(json("[1]")).await;
    assert_eq!(get(&plain).await.unwrap().json::<Vec<u8>>().unwrap(), [1]);
    let packed = answer(200, &[("content-encoding", "gzip")], &gzip(b"[1]"));
    let packed = Server::always(packed).await;
    assert_eq!(get(&packed).await.unwrap().json::<Vec<u8>>().unwrap(), [1]);
}

#[test]
fn a_gzip_bomb_is_put_down_after_the_cap() {
    // In a process of its own: memory is counted by process.
    let name = "outbound::bodies::a_gzip_bomb_meets_the_cap_in_little_memory";
    let tests = std::env::current_exe().unwrap();
    let run = std::process::Command::new(tests).args(["--exact", name, "--ignored"]).output();
    let run = run.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
#[ignore = "a_gzip_bomb_is_put_down_after_the_cap runs it alone"]
async fn a_gzip_bomb_meets_the_cap_in_little_memory() {
    // An eighth of a gigabyte of spaces in a body of half a megabyte.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..128 {
        std::io::Write::write_all(&mut encoder, &vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let server = Server::always(answer(200, &[("content-encoding", "gzip")], &bomb)).await;
    let before = peak_memory();
    let error = get(&server).await.unwrap_err();
    assert!(matches!(error, OutboundError::Malformed { .. }), "{error:?}");
    assert!(error.to_string().contains("exceeds 1048576 bytes"), "{error}");
    assert_eq!(server.requests(), 1, "a bomb is not asked for again");
    let grown = peak_memory() - before;
    assert!(grown < 32 << 20, "the process grew by {grown} bytes");
}

/// The most memory that this process ever held, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn an_endless_body_is_left_after_the_cap() {
    let chunk = [&b"1000\r\n"[..], &[b' '; 4096], b"\r\n"].concat();
    let server = Server::always(vec![
        Act::Say(head(200, &[("transfer-encoding", "chunked")])),
        Act::SayForEver(chunk, Duration::ZERO),
    ])
    .await;
    let error = get(&server).await.unwrap_err();
    assert!(matches!(error, OutboundError::Malformed { .. }), "{error:?}");
    assert!(server.sent() < 32 << 20, "the server got rid of {} bytes", server.sent());
}

#[tokio::test]
async fn a_refusal_counts_even_if_its_body_never_ends() {
    let server = Server::always(vec![
        Act::Say(head(404, &[("transfer-encoding", "chunked")])),
        Act::SayForEver(
            b"400\r\n".iter().copied().chain([b'x'; 1024]).chain(*b"\r\n").collect(),
            Duration::ZERO,
        ),
    ])
    .await;
    let error = get(&server).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404), "{error:?}");
}

#[tokio::test]
async fn deep_nesting_is_an_error_and_not_a_crash() {
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let server = Server::always(json(&deep)).await;
    let page = get(&server).await.unwrap();
    assert!(matches!(page.json::<serde_json::Value>(), Err(OutboundError::Malformed { .. })));
}

/// Says the first `cut` bytes of `body` and closes.
fn cut(body: &str, how: &str, cut: usize) -> Vec<Act> {
    let part = &body.as_bytes()[..cut];
    match how {
        "length" => vec![
            Act::Say(head(200, &[("content-length", &body.len().to_string())])),
            Act::Say(part.to_vec()),
        ],
        "chunks" => vec![
            Act::Say(head(200, &[("transfer-encoding", "chunked")])),
            Act::Say([format!("{:x}\r\n", cut.max(1)).as_bytes(), part].concat()),
        ],
        _ => vec![Act::Say(head(200, &[])), Act::Say(part.to_vec())],
    }
}

#[tokio::test]
async fn json_cut_at_any_byte_is_never_believed() {
    const BODY: &str = r#"{"items":[{"id":1,"name":"ä\u00e4"},null,true,-1.5e3],"more":false}"#;
    let server = Server::start(|seen| {
        let mut path = seen.target.split('/').skip(1);
        let how = path.next().unwrap();
        cut(BODY, how, path.next().unwrap().parse().unwrap())
    })
    .await;
    let client = client(&server.base);
    for at in 0..BODY.len() {
        for how in ["length", "chunks", "close"] {
            let before = server.requests();
            let result = client.get(&Request::to([how, &at.to_string()])).await;
            let error = result.expect_err("a cut body was believed");
            let transient = matches!(error, OutboundError::Transient { .. });
            assert!(transient, "cut at {at} by {how}: {error:?}");
            assert_eq!(server.requests() - before, 2, "a cut body is asked for again");
        }
    }
}

#[tokio::test]
async fn a_body_that_was_cut_once_is_read_the_second_time() {
    let server = Server::start(|seen| match seen.number {
        0 => vec![Act::Say(head(200, &[("content-length", "100")])), Act::Say(b"[1,".to_vec())],
        _ => json("[1,2]"),
    })
    .await;
    assert_eq!(get(&server).await.unwrap().json::<Vec<u8>>().unwrap(), [1, 2]);
}

#[tokio::test]
async fn what_is_not_json_is_named_without_being_quoted() {
    for body in ["<html><body>Please sign in</body></html>", "\u{feff}[]", "[] trailing", "nope"] {
        let server = Server::always(answer(200, &[("content-type", "text/html")], body.as_bytes()));
        let server = server.await;
        let error = get(&server).await.expect_err(body);
        assert!(matches!(error, OutboundError::Malformed { .. }), "{body}: {error:?}");
        assert!(!error.to_string().contains("sign in"), "{error}");
        assert_eq!(server.requests(), 1, "{body}");
    }
}

#[tokio::test]
async fn legal_json_of_another_shape_is_an_error_where_it_is_decoded() {
    for body in ["null", "{}", "[{\"id\":\"text\"}]", "1e400", "\"\\ud800\""] {
        let server = Server::always(json(body)).await;
        let page = get(&server).await;
        let decoded = page.and_then(|page| page.json::<Vec<u64>>());
        assert!(matches!(decoded, Err(OutboundError::Malformed { .. })), "{body}: {decoded:?}");
    }
}

/// Runs into a deadline, which is far shorter than what is waited for it.
async fn deadline(acts: Vec<Act>) -> OutboundError {
    let server = Server::always(acts).await;
    let limits = Limits {
        attempts: 1,
        read_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_millis(600),
        ..fast(Dialect::GitHub)
    };
    let client = client_with(&server.base, limits, Dialect::GitHub, &environment());
    let request = Request::to(["x"]);
    let answer = tokio::time::timeout(Duration::from_secs(20), client.get(&request)).await;
    let error = answer.expect("it meets a deadline").unwrap_err();
    assert_silent(&error);
    error
}

#[tokio::test]
async fn every_kind_of_slowness_meets_a_deadline() {
    let drip = |byte: &[u8]| Act::SayForEver(byte.to_vec(), Duration::from_millis(50));
    for (how, acts) in [
        ("never answers", vec![Act::Hang]),
        ("slow headers", vec![Act::Say(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), drip(b"y")]),
        ("endless headers", vec![Act::Say(b"HTTP/1.1 200 OK\r\n".to_vec()), drip(b"x: y\r\n")]),
        ("slow body", vec![Act::Say(head(200, &[("content-length", "99999")])), drip(b" ")]),
        ("stalled body", vec![Act::Say(head(200, &[("content-length", "9")])), Act::Hang]),
        ("half a head", vec![Act::Say(b"HTTP/1.1 200".to_vec()), Act::Hang]),
    ] {
        let error = deadline(acts).await;
        assert!(matches!(error, OutboundError::Transient { .. }), "{how}: {error:?}");
    }
}

#[tokio::test]
async fn nonsense_on_the_wire_is_transient() {
    for bytes in [&b"hello\r\n\r\n"[..], b"", b"HTTP/1.1 999999 x\r\n\r\n", b"\0\xff\x16\x03\x01"] {
        let server = Server::always(vec![Act::Say(bytes.to_vec())]).await;
        let error = get(&server).await.unwrap_err();
        assert!(matches!(error, OutboundError::Transient { .. }), "{bytes:?}: {error:?}");
        assert_eq!(server.requests(), 2);
    }
    // Whose port is taken, so that nobody else is given it, and who does not listen.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base = format!("http://{}/", nobody.local_addr().unwrap()).parse().unwrap();
    let error = client(&base).get(&Request::to(["x"])).await.unwrap_err();
    assert!(matches!(error, OutboundError::Transient { status: None, .. }), "{error:?}");
}
