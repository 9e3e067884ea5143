//! `/metrics`: one buffer per evaluation, shared by all scrapes, plus the daemon's own few series at
//! each scrape.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::kpi::evaluation::Evaluation;
use crate::kpi::parallel;
use crate::output::exposition::{self, Block, Rendering};
use crate::telemetry::Telemetry;

/// An evaluation as text, plain and compressed.
#[derive(Debug)]
pub struct Exposition {
    /// What it shows.
    pub evaluation: Arc<Evaluation>,
    rendering: Rendering,
    /// The blocks of `rendering`, compressed.
    pressed: Vec<Arc<Pressed>>,
    /// All of them: a raw deflate stream that ends on a byte boundary and is not finished, so that
    /// the daemon's own series can follow it inside one gzip member.
    deflated: Bytes,
    crc: Crc,
}

/// A block as a piece of a raw deflate stream.
#[derive(Debug)]
struct Pressed {
    deflated: Vec<u8>,
    crc: Crc,
}

impl Pressed {
    fn of(block: &Block) -> Self {
        let mut crc = Crc::new();
        crc.update(&block.text);
        Self { deflated: deflate(&block.text, FlushCompress::Sync), crc }
    }
}

/// Bytes that a connection gets at a time.
const PIECE: usize = 16 << 10;

/// A body whose parts are sent one after the other, in pieces, so that no connection copies more
/// of them than it is about to send.
#[derive(Debug)]
pub struct Parts(VecDeque<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let parts = &mut self.0;
        while parts.front().is_some_and(Bytes::is_empty) {
            parts.pop_front();
        }
        let piece = parts.front_mut().map(|part| part.split_to(part.len().min(PIECE)));
        Poll::Ready(piece.map(|it| Ok(Frame::data(it))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}

impl Exposition {
    /// Renders `evaluation`. What is as in `before`, rendered with the same options, is neither
    /// rendered nor compressed again.
    pub fn of(
        evaluation: Arc<Evaluation>,
        options: &exposition::Options,
        telemetry: &Telemetry,
        before: Option<&Self>,
    ) -> Self {
        let earlier = before.map(|it| (&*it.evaluation, &it.rendering));
        let rendering = Rendering::of(&evaluation, options, earlier);
        for (family, dropped) in rendering.dropped() {
            telemetry.series_dropped_total.with_label_values(&[family]).inc_by(dropped);
        }
        // Both renderings are alive, so no two of their blocks have the same address.
        let address = |block: &Arc<Block>| Arc::as_ptr(block).addr();
        let known: HashMap<usize, &Arc<Pressed>> = before
            .iter()
            .flat_map(|it| it.rendering.blocks().map(address).zip(&it.pressed))
            .collect();
        let blocks: Vec<&Arc<Block>> = rendering.blocks().collect();
        let pressed = parallel::map(blocks.len(), |at| match known.get(&address(blocks[at])) {
            Some(pressed) => Arc::clone(pressed),
            None => Arc::new(Pressed::of(blocks[at])),
        });
        let mut deflated = Vec::with_capacity(pressed.iter().map(|it| it.deflated.len()).sum());
        let mut crc = Crc::new();
        for it in &pressed {
            deflated.extend_from_slice(&it.deflated);
            crc.combine(&it.crc);
        }
        Self { evaluation, rendering, pressed, deflated: deflated.into(), crc }
    }

    /// What was rendered.
    pub fn rendering(&self) -> &Rendering {
        &self.rendering
    }

    /// The plain body: the evaluation, then `own`.
    pub fn plain(&self, own: Vec<u8>) -> Parts {
        let blocks = self.rendering.blocks().map(|block| block.text.clone());
        Parts(blocks.chain([own.into()]).collect())
    }

    /// The same as one gzip member. The evaluation's part was compressed when it was rendered;
    /// only `own` is compressed now.
    pub fn gzip(&self, own: &[u8]) -> Parts {
        const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        let mut own_crc = Crc::new();
        own_crc.update(own);
        let mut crc = Crc::new();
        crc.combine(&self.crc);
        crc.combine(&own_crc);
        let mut tail = deflate(own, FlushCompress::Finish);
        tail.extend(crc.sum().to_le_bytes());
        tail.extend(crc.amount().to_le_bytes());
        Parts([Bytes::from_static(&HEADER), self.deflated.clone(), tail.into()].into())
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

/// Turns every evaluation into the buffers that scrapes share.
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
                let before = self.expositions.borrow().clone();
                let render =
                    move || Exposition::of(evaluation, &options, &telemetry, before.as_deref());
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn pieces(parts: &mut Parts) -> Vec<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match Pin::new(&mut *parts).poll_frame(&mut cx) {
            Poll::Ready(piece) => piece.map(|it| it.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("everything is there"),
        })
        .collect()
    }

    #[test]
    fn a_long_part_goes_out_in_pieces_that_are_no_copies_of_it() {
        let long = Bytes::from(vec![b'x'; 10 * PIECE + 1]);
        let mut parts = Parts([long.clone(), Bytes::new(), Bytes::from_static(b"own")].into());
        assert_eq!(parts.size_hint().exact(), Some(long.len() as u64 + 3));
        let pieces = pieces(&mut parts);
        assert_eq!(pieces.concat(), [&long[..], b"own"].concat());
        assert!(pieces.iter().all(|it| !it.is_empty() && it.len() <= PIECE));
        let part = long.as_ptr_range();
        let shared = pieces.iter().filter(|it| part.contains(&it.as_ptr())).count();
        assert_eq!(shared, 11, "all but the last piece lie where the part does");
    }
}
