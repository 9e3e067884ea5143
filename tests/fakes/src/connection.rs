//! Connections that can be reset from inside a handler, and bodies that blow up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use flate2::{Compress, Compression, Crc, FlushCompress};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Resets the connection that a request came on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kill(Arc<AtomicBool>);

impl Kill {
    pub(crate) fn kill(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A loopback listener whose connections can be killed.
#[derive(Debug)]
pub(crate) struct FakeListener {
    inner: TcpListener,
    address: SocketAddr,
}

impl FakeListener {
    /// A listener on a free loopback port.
    ///
    /// # Panics
    /// If the machine has no loopback port left.
    pub(crate) async fn bind() -> Self {
        let inner = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = inner.local_addr().expect("a bound listener has an address");
        Self { inner, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Listener for FakeListener {
    type Io = KillableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.inner).await;
        let _ = stream.set_nodelay(true);
        (KillableStream { stream, kill: Kill::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, FakeListener>> for Kill {
    fn connect_info(stream: IncomingStream<'_, FakeListener>) -> Self {
        stream.io().kill.clone()
    }
}

/// A connection that fails as soon as it is killed.
#[derive(Debug)]
pub(crate) struct KillableStream {
    stream: TcpStream,
    kill: Kill,
}

impl KillableStream {
    fn check(&self) -> io::Result<()> {
        if self.kill.0.load(Ordering::SeqCst) {
            // Closing with a zero linger time sends RST instead of FIN.
            let _ = self.stream.set_zero_linger();
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Ok(())
    }
}

impl AsyncRead for KillableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for KillableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A gzip body that unpacks to a JSON array of at least `size` bytes of white space. One packed
/// mebibyte is repeated, so that making a big one is cheap.
pub(crate) fn gzip_bomb(size: usize) -> Vec<u8> {
    const CHUNK: usize = 1 << 20;
    let white = vec![b' '; CHUNK];
    let mut white_sum = Crc::new();
    white_sum.update(&white);
    let block = deflated(&white);

    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut sum = Crc::new();
    bomb.extend(deflated(b"["));
    sum.update(b"[");
    for _ in 0..size.div_ceil(CHUNK) {
        bomb.extend_from_slice(&block);
        sum.combine(&white_sum);
    }
    bomb.extend(deflated(b"]"));
    sum.update(b"]");
    bomb.extend([1, 0, 0, 0xff, 0xff]);
    bomb.extend(sum.sum().to_le_bytes());
    bomb.extend(sum.amount().to_le_bytes());
    bomb
}

/// Deflate blocks that end on a byte and refer to nothing before them.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() / 64 + 1024);
    let mut packer = Compress::new(Compression::new(6), false);
    packer
        .compress_vec(bytes, &mut packed, FlushCompress::Full)
        .expect("deflate takes every input");
    packed
}
