//! `/metrics`: one buffer per evaluation, plus the daemon's own few series at each scrape.

use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::kpi::evaluation::Evaluation;
use crate::output::exposition;
use crate::telemetry::Telemetry;

/// An evaluation as text, plain and compressed.
#[derive(Debug)]
pub struct Exposition {
    /// What it shows.
    pub evaluation: Arc<Evaluation>,
    plain: Bytes,
    /// A raw deflate stream that ends on a byte boundary and is not finished, so that the daemon's
    /// own series can follow it inside one gzip member.
    deflated: Vec<u8>,
    crc: Crc,
}

impl Exposition {
    /// Renders `evaluation`.
    pub fn of(
        evaluation: Arc<Evaluation>,
        options: &exposition::Options,
        telemetry: &Telemetry,
    ) -> Self {
        let rendered = exposition::render(&evaluation, options);
        for (family, dropped) in &rendered.dropped {
            telemetry.series_dropped_total.with_label_values(&[family]).inc_by(*dropped);
        }
        let deflated = deflate(&rendered.text, FlushCompress::Sync);
        let mut crc = Crc::new();
        crc.update(&rendered.text);
        Self { evaluation, plain: rendered.text.into(), deflated, crc }
    }

    /// The plain body: the evaluation, then `own`.
    pub fn plain(&self, own: &[u8]) -> Vec<u8> {
        [self.plain.as_ref(), own].concat()
    }

    /// The same as one gzip member. The evaluation's part was compressed when it was rendered;
    /// only `own` is compressed now.
    pub fn gzip(&self, own: &[u8]) -> Vec<u8> {
        const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        let tail = deflate(own, FlushCompress::Finish);
        let mut own_crc = Crc::new();
        own_crc.update(own);
        let mut crc = Crc::new();
        crc.combine(&self.crc);
        crc.combine(&own_crc);
        let mut body = Vec::with_capacity(HEADER.len() + self.deflated.len() + tail.len() + 8);
        body.extend(HEADER);
        body.extend(&self.deflated);
        body.extend(tail);
        body.extend(crc.sum().to_le_bytes());
        body.extend(crc.amount().to_le_bytes());
        body
    }
}

/// Compresses `text` as raw deflate. After `Sync` more may follow; `Finish` ends the stream.
fn deflate(text: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::fast(), false);
    let mut compressed = Vec::with_capacity(text.len() / 4 + 1024);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(text.len());
        let room = compressed.capacity() - compressed.len();
        // Compressing into memory fails only for a misused stream, which this one is not.
        let _ = compress.compress_vec(&text[consumed..], &mut compressed, flush);
        let took_all = usize::try_from(compress.total_in()).is_ok_and(|it| it == text.len());
        if took_all && compressed.len() < compressed.capacity() {
            return compressed;
        }
        compressed.reserve(room.max(64 * 1024));
    }
}

/// Turns every evaluation into the buffers that scrapes copy.
#[derive(Debug)]
pub struct Renderer {
    /// Where evaluations come from.
    pub evaluations: watch::Receiver<Option<Arc<Evaluation>>>,
    /// Where the rendered ones go.
    pub expositions: watch::Sender<Option<Arc<Exposition>>>,
    /// How to render.
    pub options: exposition::Options,
    /// Counts series over a cap.
    pub telemetry: Telemetry,
}

impl Renderer {
    /// Renders until `stop` or until nobody evaluates any more.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let evaluation = self.evaluations.borrow_and_update().clone();
            if let Some(evaluation) = evaluation {
                let (telemetry, options) = (self.telemetry.clone(), self.options);
                let render = move || Exposition::of(evaluation, &options, &telemetry);
                match tokio::task::spawn_blocking(render).await {
                    Ok(exposition) => {
                        self.expositions.send_replace(Some(Arc::new(exposition)));
                    }
                    Err(panic) => tracing::error!("an evaluation could not be rendered: {panic}"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.evaluations.changed() => if changed.is_err() { return },
            }
        }
    }
}
