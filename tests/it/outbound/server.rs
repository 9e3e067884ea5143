//! A server on loopback that says exactly what a test scripts, byte by byte.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant as Tick;
use url::Url;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) head: String,
    pub(super) at: Tick,
    /// How many had come before it.
    pub(super) number: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What to do on the connection. It is closed after the last act.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Say(Vec<u8>),
    /// Says it again and again until the other side has had enough.
    SayForEver(Vec<u8>, Duration),
    /// Goes on when the gate lets it through.
    Await(Arc<Semaphore>),
    /// Keeps the connection open and silent.
    Hang,
}

type Script = Arc<dyn Fn(&Seen) -> Vec<Act> + Send + Sync>;

/// A running server.
pub(super) struct Server {
    pub(super) base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    sent: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves `script` on a free port.
    pub(super) async fn start(script: impl Fn(&Seen) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let script: Script = Arc::new(script);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(Mutex::new(0));
        let (log, count) = (Arc::clone(&seen), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log, count) = (script.clone(), log.clone(), count.clone());
                tokio::spawn(async move {
                    // The other side may hang up whenever it likes.
                    let _ = serve(stream, script, log, count).await;
                });
            }
        });
        Self { base: base.parse().unwrap(), seen, sent, task }
    }

    /// Answers every request alike.
    pub(super) async fn always(acts: Vec<Act>) -> Self {
        Self::start(move |_| acts.clone()).await
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Bytes that the sockets took.
    pub(super) fn sent(&self) -> usize {
        *self.sent.lock().unwrap()
    }

    pub(super) fn port(&self) -> u16 {
        self.base.port().unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Script,
    log: Arc<Mutex<Vec<Seen>>>,
    sent: Arc<Mutex<usize>>,
) -> std::io::Result<()> {
    let Some(head) = read_request(&mut stream).await? else { return Ok(()) };
    let seen = {
        let mut log = log.lock().unwrap();
        let mut line = head.split(' ');
        let (method, target) = (line.next().unwrap_or(""), line.next().unwrap_or(""));
        let seen = Seen {
            method: method.to_owned(),
            target: target.to_owned(),
            head: head.clone(),
            at: Tick::now(),
            number: log.len(),
        };
        log.push(seen.clone());
        seen
    };
    let say = async |stream: &mut TcpStream, bytes: &[u8]| -> std::io::Result<()> {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        *sent.lock().unwrap() += bytes.len();
        Ok(())
    };
    for act in script(&seen) {
        match act {
            Act::Say(bytes) => say(&mut stream, &bytes).await?,
            Act::SayForEver(bytes, pause) => loop {
                say(&mut stream, &bytes).await?;
                tokio::time::sleep(pause).await;
            },
            Act::Await(gate) => gate.acquire().await.unwrap().forget(),
            Act::Hang => std::future::pending().await,
        }
    }
    stream.shutdown().await
}

/// The head of a request; its body, if it has one, is read and forgotten.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// A complete answer.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Act> {
    let length = body.len().to_string();
    let mut headers = headers.to_vec();
    headers.push(("content-length", &length));
    vec![Act::Say([head(status, &headers).as_slice(), body].concat())]
}

/// A complete answer with status 200 and JSON.
pub(super) fn json(body: &str) -> Vec<Act> {
    answer(200, &[("content-type", "application/json")], body.as_bytes())
}

/// A status line and headers, with the empty line after them.
pub(super) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
