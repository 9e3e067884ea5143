//! Hearing how far long work has come: bars on a terminal, now and then a line in the log elsewhere.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::Instant as Tick;

use crate::domain::SourceName;
use crate::source::Progress;

/// Work is worth a line in the log after this, and then as often.
const LINE_EVERY: Duration = Duration::from_secs(30);

type Stream = (SourceName, String);

/// Logs how far work has come that takes long.
#[derive(Debug, Default)]
pub struct LogProgress {
    streams: Mutex<HashMap<Stream, Line>>,
}

#[derive(Debug)]
struct Line {
    last: Tick,
    said: bool,
}

impl LogProgress {
    /// Whether this step is worth a line.
    fn is_worth_a_line(&self, stream: Stream, is_last: bool) -> bool {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if is_last {
            // The end is told of what was told about before.
            return streams.remove(&stream).is_some_and(|line| line.said);
        }
        let now = Tick::now();
        let line = streams.entry(stream).or_insert(Line { last: now, said: false });
        if now - line.last < LINE_EVERY {
            return false;
        }
        *line = Line { last: now, said: true };
        true
    }
}

impl Progress for LogProgress {
    fn step(&self, source: &SourceName, stream: &str, done: u64, total: Option<u64>) {
        let is_last = total.is_some_and(|total| done >= total);
        if self.is_worth_a_line((source.clone(), stream.to_owned()), is_last) {
            match total {
                Some(total) => tracing::info!(%source, "{stream}: {done} of {total}"),
                None => tracing::info!(%source, "{stream}: {done}"),
            }
        }
    }
}

/// Draws a bar for every stream on the terminal behind stderr.
#[derive(Debug, Default)]
pub struct TerminalProgress {
    bars: MultiProgress,
    streams: Mutex<HashMap<Stream, ProgressBar>>,
}

impl TerminalProgress {
    /// Where log lines go while bars are drawn: to stderr, above them.
    pub fn log_lines(&self) -> LogLines {
        LogLines(self.bars.clone())
    }

    fn bar(&self, source: &SourceName, stream: &str) -> ProgressBar {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = streams.entry((source.clone(), stream.to_owned())).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::no_length());
            bar.set_prefix(format!("{source} {stream}"));
            bar
        });
        bar.clone()
    }
}

impl Progress for TerminalProgress {
    fn step(&self, source: &SourceName, stream: &str, done: u64, total: Option<u64>) {
        let bar = self.bar(source, stream);
        if bar.length() != total {
            let template = match total {
                Some(_) => "{prefix:32} {wide_bar} {pos}/{len} {eta:>4}",
                None => "{prefix:32} {pos}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            match total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
        }
        bar.set_position(done);
        if total.is_some_and(|total| done >= total) {
            bar.abandon();
        }
    }
}

/// Writes to stderr without tearing the bars.
#[derive(Clone, Debug)]
pub struct LogLines(MultiProgress);

impl Write for LogLines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        ("github".into(), "repositories".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn short_work_is_not_worth_a_line() {
        let log = LogProgress::default();
        assert!(!log.is_worth_a_line(stream(), false));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!log.is_worth_a_line(stream(), true));
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_is_told_about_every_half_minute_and_at_its_end() {
        let log = LogProgress::default();
        let mut lines = Vec::new();
        for second in 0..100 {
            if log.is_worth_a_line(stream(), false) {
                lines.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, [30, 60, 90]);
        assert!(log.is_worth_a_line(stream(), true));
        assert!(!log.is_worth_a_line(stream(), true), "and the next pass begins anew");
    }

    #[test]
    fn a_bar_follows_its_stream() {
        let terminal = TerminalProgress::default();
        let source = SourceName::from("github");
        terminal.step(&source, "repositories", 3, Some(40));
        terminal.step(&source, "repositories", 40, Some(40));
        terminal.step(&source, "incidents", 7, None);
        let bar = terminal.bar(&source, "repositories");
        assert_eq!((bar.position(), bar.length()), (40, Some(40)));
        let bar = terminal.bar(&source, "incidents");
        assert_eq!((bar.position(), bar.length()), (7, None));
    }
}
