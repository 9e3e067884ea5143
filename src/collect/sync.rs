//! One complete pass of a source, to its end.

use std::time::Duration;

use tokio::time::Instant as Tick;
use tokio_util::sync::CancellationToken;

use super::pass::{Desk, PassError, within};
use super::schedule::Setback;
use crate::domain::SourceName;
use crate::source::{PollReport, SourceError};

/// How often in a row something that may pass is tried.
const TRIES: u32 = 5;
/// First pause between tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How one source's pass went.
#[derive(Debug)]
pub struct Synced {
    /// The source.
    pub source: SourceName,
    /// What it found, or why it did not come to its end.
    pub result: Result<PollReport, SyncError>,
    /// How long it took, waits included.
    pub took: Duration,
}

/// Why a pass did not come to its end. What was committed until then stays, and the next pass
/// continues from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The source or the store failed, again and again if trying again made sense.
    #[error(transparent)]
    Failed(#[from] PassError),
    /// Somebody stopped it.
    #[error("stopped before it was complete; the next run continues")]
    Stopped,
}

impl Desk {
    /// Polls until everything is there, then compares ids if that is due.
    pub(super) async fn complete(mut self, stop: CancellationToken) -> Synced {
        let started = Tick::now();
        let source = self.name().clone();
        let work = async {
            let mut report = self.insist(Step::Poll).await?;
            if self.reconcile_is_due().await? {
                report.merge(self.insist(Step::Reconcile).await?);
            }
            Ok(report)
        };
        let result = within(&stop, Duration::ZERO, work).await;
        let result = result.unwrap_or(Err(SyncError::Stopped));
        Synced { source, result, took: started.elapsed() }
    }

    /// Takes a step again until it is done or trying again makes no sense.
    async fn insist(&mut self, step: Step) -> Result<PollReport, PassError> {
        let mut tries = 0;
        loop {
            let moves = self.store.moves();
            let result = match step {
                Step::Poll => self.poll().await,
                Step::Reconcile => self.reconcile().await,
            };
            let pause = match result {
                Ok(report) => return Ok(report),
                Err(PassError::Source(SourceError::RateLimited { until })) => self.limited(until),
                Err(error) => {
                    // Whoever comes nearer to the end may fail as often as it takes.
                    tries = if self.store.moves() > moves { 1 } else { tries + 1 };
                    self.pause_after(error, tries)?
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// How long to wait after `error`, which is handed back where waiting is of no use.
    fn pause_after(&self, error: PassError, tries: u32) -> Result<Duration, PassError> {
        let source = self.name();
        let passes = matches!(Setback::of(&error), Some(Setback::Passing | Setback::Store));
        if !passes || tries >= TRIES {
            return Err(error);
        }
        let pause = FIRST_PAUSE * 2_u32.pow(tries.saturating_sub(1));
        tracing::warn!(%source, "trying again in {} s: {error}", pause.as_secs());
        Ok(pause)
    }
}

/// What can be taken again.
#[derive(Clone, Copy, Debug)]
enum Step {
    Poll,
    Reconcile,
}
