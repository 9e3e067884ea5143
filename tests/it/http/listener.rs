//! Clients that are slow, silent or never take their answer: each loses its connection in time.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::routing::get;
use engkpi::http::{self, Deadlines, WebConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A deadline that is met within a test, and one that is not.
const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

/// Nothing in these tests takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than the kernel keeps for a client that does not read.
const HUGE: usize = 64 << 20;

struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// Serves `/huge`, which no socket's buffer holds, and `/slow`, which never comes to its end.
async fn listen(deadlines: Deadlines) -> Listener {
    let huge = Bytes::from(vec![b'x'; HUGE]);
    let router = axum::Router::new()
        .route("/huge", get(move || std::future::ready(huge.clone())))
        .route("/slow", get(std::future::pending::<()>))
        .route("/small", get(|| async { "small" }));
    let bound = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (address, stop) = (bound.address, CancellationToken::new());
    let token = stop.clone();
    let served = tokio::spawn(async move {
        bound.serve(router, &WebConfig::default(), deadlines, token).await;
    });
    Listener { address, stop, served }
}

impl Listener {
    async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        client
    }
}

/// Everything until the server closes the connection, however it does that.
async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut got)).await;
    let _closed_or_reset = read.expect("the server closes the connection");
    got
}

#[tokio::test]
async fn whoever_does_not_send_a_request_is_not_waited_for() {
    let deadlines = Deadlines { head: SOON, answer: NEVER, stop: NEVER };
    let listener = listen(deadlines).await;
    for silence in [
        &b""[..],
        b"GET /small HTTP/1.1\r\nHost:",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ] {
        let mut client = listener.sent(silence).await;
        let got = rest(&mut client).await;
        let answered = String::from_utf8_lossy(&got);
        assert!(!answered.starts_with("HTTP/1.1 200"), "{silence:?}: {answered}");
    }
    let mut idle = listener.sent(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let got = rest(&mut idle).await;
    assert!(got.ends_with(b"small"), "an idle connection is closed after its answer: {got:?}");
}

#[tokio::test]
async fn whoever_does_not_take_the_answer_is_cut_off() {
    let listener = listen(Deadlines { head: NEVER, answer: SOON, stop: NEVER }).await;
    let mut client = listener.sent(b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    tokio::time::sleep(5 * SOON).await;
    let got = rest(&mut client).await.len();
    assert!(got < HUGE, "all of it was still there");
}

#[tokio::test]
async fn whoever_takes_the_answer_in_small_pieces_is_cut_off_too() {
    let listener = listen(Deadlines { head: NEVER, answer: SOON, stop: NEVER }).await;
    let mut client = listener.sent(b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    // At this pace all of it would take five seconds.
    let mut buffer = vec![0; 256 << 10];
    let mut got = 0;
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        got += count;
        assert!(got < HUGE, "it may go on like this until the end");
        tokio::time::sleep(SOON / 10).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_gets_all_of_a_long_answer() {
    let listener = listen(Deadlines { head: NEVER, answer: PATIENCE, stop: NEVER }).await;
    let request = b"GET /huge HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let got = rest(&mut listener.sent(request).await).await;
    assert!(got.len() > HUGE, "{} bytes", got.len());
}

#[tokio::test]
async fn no_client_holds_up_a_stop() {
    let listener = listen(Deadlines { head: NEVER, answer: NEVER, stop: SOON }).await;
    let mut clients = Vec::new();
    for bytes in [
        &b""[..],
        b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        clients.push(listener.sent(bytes).await);
    }
    let mut idle = listener.sent(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0, "the server is at work");
    listener.stop.cancel();
    tokio::time::timeout(PATIENCE, listener.served).await.expect("it ends").unwrap();
}
