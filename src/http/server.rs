//! The listener: deadlines for headers, requests and idle connections, and a cap on connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::web_config::WebConfig;

/// How long a client may take to send its request's head, and to stay idle between requests.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

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
    /// Serves `router` until `stop`, then lets running requests finish.
    pub async fn serve(self, router: axum::Router, web: &WebConfig, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let connections = TaskTracker::new();
        let tls = web.tls.clone().map(TlsAcceptor::from);
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: wait for some to be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
            connections.spawn(async move {
                match tls {
                    None => converse(stream, router, stop).await,
                    Some(tls) => {
                        match tokio::time::timeout(HEADER_DEADLINE, tls.accept(stream)).await {
                            Ok(Ok(stream)) => converse(stream, router, stop).await,
                            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
                            Err(_) => tracing::debug!("a TLS handshake took too long"),
                        }
                    }
                }
                drop(slot);
            });
        }
        connections.close();
        connections.wait().await;
    }
}

/// Answers the requests of one connection until it ends, or until `stop` and the running request
/// is answered.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    stop: CancellationToken,
) {
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}
