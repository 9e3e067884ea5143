//! Collection: when each source is asked, and what becomes of the answer.
//!
//! Every source has a task of its own: its schedule, its backoff, its failures. None of them can
//! make another wait, and one that panics is asked again like one that failed.

mod pass;
mod progress;
mod schedule;
mod sync;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use pass::PassError;
pub use progress::{LogLines, LogProgress, TerminalProgress};
pub use sync::{SyncError, Synced};

use crate::clock::Clock;
use crate::domain::{Extent, SourceName};
use crate::source::{Progress, Source};
use crate::store::SharedStore;
use crate::telemetry::Telemetry;
use pass::Desk;
use schedule::Jitter;
use watched::WatchedStore;

/// A source and how often it is asked.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The source.
    pub source: Arc<dyn Source>,
    /// What it is asked to collect.
    pub extent: Extent,
    /// Time from the start of one poll to the start of the next.
    pub poll_every: Duration,
    /// Time between comparisons of what is stored with what the vendor still has.
    pub reconcile_every: Duration,
}

/// What all sources share.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where facts go.
    pub store: SharedStore,
    /// Tells when a poll starts and how long a vendor wants us to wait.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub telemetry: Telemetry,
    /// Hears how far long work has come.
    pub progress: Arc<dyn Progress>,
}

/// Asks every source in its own time.
#[derive(Debug)]
pub struct Collector {
    desks: Vec<Desk>,
    landed: Arc<watch::Sender<u64>>,
}

impl Collector {
    /// A collector of `sources`.
    pub fn new(sources: Vec<Scheduled>, environment: Environment) -> Self {
        let landed = Arc::new(watch::Sender::new(0));
        let trouble = Arc::default();
        let jitter = Jitter::default();
        let desk = |scheduled| {
            let store = WatchedStore::new(
                Arc::clone(&environment.store),
                environment.telemetry.clone(),
                Arc::clone(&landed),
                Arc::clone(&trouble),
            );
            Desk::new(scheduled, environment.clone(), Arc::new(store), jitter.clone())
        };
        let desks = sources.into_iter().map(desk).collect();
        Self { desks, landed }
    }

    /// Ticks when there is something new to evaluate: rows, or how far a source's data reach.
    pub fn landed(&self) -> watch::Receiver<u64> {
        self.landed.subscribe()
    }

    /// Polls every source on its schedule until `stop`. What is being read then may go on for
    /// `grace`; beyond that it is given up, which costs at most the page that was on its way.
    pub async fn run(&self, stop: CancellationToken, grace: Duration) {
        let mut tasks = JoinSet::new();
        for desk in &self.desks {
            tasks.spawn(desk.clone().keep(stop.clone(), grace));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("a source is not collected any more: {error}");
            }
        }
    }

    /// Makes one complete pass of every source, side by side: waits out rate limits, tries again
    /// what may pass, and compares ids where that is due. Until `stop`, which leaves everything
    /// that was committed for the next start.
    pub async fn sync(&self, stop: CancellationToken) -> Vec<Synced> {
        let mut tasks = JoinSet::new();
        for desk in &self.desks {
            tasks.spawn(desk.clone().complete(stop.clone()));
        }
        let mut synced = tasks.join_all().await;
        synced.sort_by(|a, b| a.source.cmp(&b.source));
        synced
    }

    /// The sources, in configured order.
    pub fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.desks.iter().map(Desk::name)
    }
}
