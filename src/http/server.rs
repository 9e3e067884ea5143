//! The listener: a deadline for everything that a client can be slow at, and a cap on connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patient::Patient;
use super::web_config::WebConfig;

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For a TLS handshake, for the head of a request, and idle between requests.
    pub head: Duration,
    /// To take an answer, from the moment at which it has to wait for the client.
    pub answer: Duration,
    /// To end what is running after a stop was asked for; whoever has not ended is cut off.
    pub stop: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            stop: Duration::from_secs(3),
        }
    }
}

/// Bytes that a connection buffers at most each way; a request's head must fit in.
const MAX_BUFFER: usize = 64 << 10;

/// Connections open at once. More wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;

/// A listener that is bound and not serving yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// The address that was really bound: port 0 in the settings means any free port.
    pub address: SocketAddr,
}

/// Binds `address`.
///
/// # Errors
/// When the address is in use or not ours; the message names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<Bound> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another with --web.listen-address")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Serves `router` until `stop`, then lets running requests finish within their deadline.
    pub async fn serve(
        self,
        router: axum::Router,
        web: &WebConfig,
        deadlines: Deadlines,
        stop: CancellationToken,
    ) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        let tls = web.tls.clone().map(TlsAcceptor::from);
        let accept = async || {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, self.listener.accept().await)
        };
        loop {
            let (slot, accepted) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: wait for some to be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let client = Client { router: router.clone(), deadlines, stop: stop.clone() };
            let tls = tls.clone();
            connections.spawn(async move {
                let _slot = slot;
                let stopped = client.stop.clone();
                let cut_off = async {
                    stopped.cancelled().await;
                    tokio::time::sleep(deadlines.stop).await;
                };
                tokio::select! {
                    () = client.meet(stream, tls) => {}
                    () = cut_off => tracing::debug!("a connection was cut off by the stop"),
                }
            });
        }
        connections.close();
        connections.wait().await;
    }
}

/// What one client meets.
struct Client {
    router: axum::Router,
    deadlines: Deadlines,
    stop: CancellationToken,
}

impl Client {
    async fn meet(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else { return self.converse(stream).await };
        match tokio::time::timeout(self.deadlines.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream).await,
            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Answers the requests of one connection until it ends, or until the stop and the running
    /// request is answered. HTTP/1 only: what HTTP/2 could be slow at has no deadlines here.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let stream = TokioIo::new(Patient::new(stream, self.deadlines.answer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.deadlines.head)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(stream, TowerToHyperService::new(self.router));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended early: {error}");
        }
    }
}
