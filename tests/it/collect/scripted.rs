//! Sources that do what a test tells them, in a time that a test moves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use engkpi::clock::Clock;
use engkpi::collect::{Collector, Environment, LogProgress, Scheduled};
use engkpi::domain::{Extent, Fact, Instant, SourceName};
use engkpi::source::{PollContext, PollReport, Source, SourceError};
use engkpi::store::Batch;
use engkpi::telemetry::Telemetry;
use tokio::time::Instant as Tick;

use crate::store::memory::MemoryStore;
use crate::store::sample::at;

/// Wall time that moves with the timers.
#[derive(Clone, Debug)]
pub(super) struct TimerClock(Tick);

impl TimerClock {
    /// Seconds since the clock was made.
    pub(super) fn seconds(&self) -> u64 {
        self.0.elapsed().as_secs()
    }
}

impl Clock for TimerClock {
    fn now(&self) -> Instant {
        at(0) + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// What a source does when it is asked.
#[derive(Debug)]
pub(super) enum Act {
    /// Commits these and is done.
    Deliver(Vec<Fact>),
    /// Takes so long, then does that.
    After(Duration, Box<Act>),
    /// Commits these, then does that.
    DeliverThen(Vec<Fact>, Box<Act>),
    Fail(SourceError),
    /// Wants to be left alone until so many seconds after the start of the test.
    Limited(i64),
    Report(PollReport),
    Panic,
    Hang,
}

/// Does what its script says, then delivers nothing for ever.
#[derive(Debug)]
pub(super) struct Scripted {
    name: SourceName,
    clock: TimerClock,
    polls: Mutex<VecDeque<Act>>,
    reconciles: Mutex<VecDeque<Act>>,
    /// When it was polled and compared, in seconds since the start.
    polled: Mutex<Vec<u64>>,
    reconciled: Mutex<Vec<u64>>,
}

impl Scripted {
    pub(super) fn polled(&self) -> Vec<u64> {
        self.polled.lock().unwrap().clone()
    }

    pub(super) fn reconciled(&self) -> Vec<u64> {
        self.reconciled.lock().unwrap().clone()
    }

    async fn act(&self, act: Option<Act>, cx: &PollContext) -> Result<PollReport, SourceError> {
        match act {
            None => Ok(PollReport::default()),
            Some(Act::Deliver(facts)) => {
                let batch = Batch { facts, ..Batch::default() };
                cx.store.commit(&self.name, batch).await?;
                Ok(PollReport::default())
            }
            Some(Act::After(time, next)) => {
                tokio::time::sleep(time).await;
                Box::pin(self.act(Some(*next), cx)).await
            }
            Some(Act::DeliverThen(facts, next)) => {
                let batch = Batch { facts, ..Batch::default() };
                cx.store.commit(&self.name, batch).await?;
                Box::pin(self.act(Some(*next), cx)).await
            }
            Some(Act::Fail(error)) => Err(error),
            Some(Act::Limited(until)) => Err(SourceError::RateLimited { until: at(until) }),
            Some(Act::Report(report)) => Ok(report),
            Some(Act::Panic) => panic!("the script says so"),
            Some(Act::Hang) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Source for Scripted {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn poll(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        self.polled.lock().unwrap().push(self.clock.seconds());
        let act = self.polls.lock().unwrap().pop_front();
        self.act(act, cx).await
    }

    async fn reconcile(&self, cx: &PollContext) -> Result<PollReport, SourceError> {
        self.reconciled.lock().unwrap().push(self.clock.seconds());
        let act = self.reconciles.lock().unwrap().pop_front();
        self.act(act, cx).await
    }
}

/// A store, a clock and metrics, and the sources that share them.
pub(super) struct Stage {
    pub(super) clock: TimerClock,
    pub(super) store: Arc<MemoryStore>,
    pub(super) telemetry: Telemetry,
    scheduled: Vec<Scheduled>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(Arc::default())
    }

    pub(super) fn with(store: Arc<MemoryStore>) -> Self {
        let clock = TimerClock(Tick::now());
        Self { clock, store, telemetry: Telemetry::new(), scheduled: Vec::new() }
    }

    /// Adds a source that is polled every so many seconds and compared every day.
    pub(super) fn source(&mut self, name: &str, every: u64, polls: Vec<Act>) -> Arc<Scripted> {
        self.reconciled_source(name, every, polls, 86_400, Vec::new())
    }

    pub(super) fn reconciled_source(
        &mut self,
        name: &str,
        every: u64,
        polls: Vec<Act>,
        reconcile_every: u64,
        reconciles: Vec<Act>,
    ) -> Arc<Scripted> {
        let source = Arc::new(Scripted {
            name: name.into(),
            clock: self.clock.clone(),
            polls: Mutex::new(polls.into()),
            reconciles: Mutex::new(reconciles.into()),
            polled: Mutex::default(),
            reconciled: Mutex::default(),
        });
        self.scheduled.push(Scheduled {
            source: source.clone(),
            extent: Extent::default(),
            poll_every: Duration::from_secs(every),
            reconcile_every: Duration::from_secs(reconcile_every),
        });
        source
    }

    pub(super) fn collector(&self) -> Arc<Collector> {
        let environment = Environment {
            store: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            telemetry: self.telemetry.clone(),
            progress: Arc::new(LogProgress::default()),
        };
        Arc::new(Collector::new(self.scheduled.clone(), environment))
    }

    pub(super) fn up(&self, source: &str) -> i64 {
        self.telemetry.source_up.with_label_values(&[source]).get()
    }
}
