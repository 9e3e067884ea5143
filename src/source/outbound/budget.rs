//! One budget per token: who may send when, for all tasks and sources that share the token.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant as Tick;

use super::dialect::{Limited, Notice};
use super::{Limits, Pace};

/// The budgets of all tokens. Cheap to clone; clones share the budgets.
#[derive(Clone, Debug, Default)]
pub struct Budgets(Arc<Mutex<HashMap<String, Arc<Budget>>>>);

impl Budgets {
    /// The budget under `key`; the first to ask sets its limits.
    pub(super) fn get(&self, key: String, limits: &Limits) -> Arc<Budget> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(budgets.entry(key).or_insert_with(|| Arc::new(Budget::new(limits))))
    }
}

/// The budget of one token.
#[derive(Debug)]
pub(super) struct Budget {
    in_flight: Arc<Semaphore>,
    pace: Option<Pace>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    resources: BTreeMap<&'static str, Resource>,
    /// Nothing is sent with this token before it.
    blocked_until: Option<Tick>,
    /// When the last limit was met, and how many in a row named no time.
    last_hit: Option<Tick>,
    unannounced: u32,
    /// When the requests of the last pace interval were sent.
    sent: VecDeque<Tick>,
}

#[derive(Debug)]
struct Resource {
    remaining: u64,
    resets: Tick,
}

/// The right to send one request now.
#[derive(Debug)]
pub(super) struct Permit {
    _in_flight: OwnedSemaphorePermit,
    admitted: Tick,
}

/// Not now.
#[derive(Debug)]
pub(super) struct Wait(pub(super) Duration);

impl Budget {
    fn new(limits: &Limits) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(limits.max_in_flight.max(1))),
            pace: limits.pace.filter(|pace| pace.requests > 0),
            state: Mutex::default(),
        }
    }

    /// Waits for a free place and then says whether a request on `resource` may be sent now.
    pub(super) async fn admit(&self, resource: &'static str) -> Result<Permit, Wait> {
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        let in_flight =
            Arc::clone(&self.in_flight).acquire_owned().await.expect("the semaphore stays open");
        let now = Tick::now();
        let mut state = self.state();
        if let Some(until) = state.forbidden_until(resource, self.pace, now) {
            return Err(Wait(until - now));
        }
        if self.pace.is_some() {
            state.sent.push_back(now);
        }
        if let Some(budget) = state.resources.get_mut(resource) {
            budget.remaining = budget.remaining.saturating_sub(1);
        }
        Ok(Permit { _in_flight: in_flight, admitted: now })
    }

    /// Takes in what the answer to the request of `permit` says. Returns how long nothing may be
    /// sent if the answer was a refusal because of a limit.
    pub(super) fn settle(
        &self,
        permit: &Permit,
        resource: &'static str,
        notice: &Notice,
        limits: &Limits,
    ) -> Option<Duration> {
        let now = Tick::now();
        let bounded = |wait: Duration| wait.clamp(limits.min_wait, limits.max_wait);
        let mut state = self.state();
        if let Some(told) = &notice.budget {
            let resets = now + told.resets_in.min(limits.max_wait);
            state.told(told.resource.unwrap_or(resource), told.requests, resets);
        }
        if let Some(pause) = notice.pause {
            state.block(now + bounded(pause));
        }
        let Some(limited) = &notice.limited else {
            if state.last_hit.is_none_or(|hit| permit.admitted > hit) {
                state.unannounced = 0;
            }
            return None;
        };
        let wait = match limited {
            Limited::Resource(wait) => {
                let wait = bounded(*wait);
                state.told(resource, 0, now + wait);
                wait
            }
            Limited::Token(wait) => {
                let wait = bounded(*wait);
                state.block(now + wait);
                wait
            }
            Limited::Unannounced => state.unannounced_hit(permit.admitted, now, limits),
        };
        state.last_hit = Some(now);
        Some(wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Until when nothing may be sent on `resource`, if that is later than `now`.
    fn forbidden_until(
        &mut self,
        resource: &'static str,
        pace: Option<Pace>,
        now: Tick,
    ) -> Option<Tick> {
        self.resources.retain(|_, budget| budget.resets > now);
        let used_up = self.resources.get(resource).filter(|budget| budget.remaining == 0);
        let paced = pace.and_then(|pace| {
            while self.sent.front().is_some_and(|sent| *sent + pace.per <= now) {
                self.sent.pop_front();
            }
            let full = self.sent.len() >= pace.requests as usize;
            full.then(|| self.sent.front().map(|sent| *sent + pace.per)).flatten()
        });
        [self.blocked_until, used_up.map(|budget| budget.resets), paced]
            .into_iter()
            .flatten()
            .filter(|until| *until > now)
            .max()
    }

    /// The vendor says what is left. Answers overtake each other: within one window the smaller
    /// number is the truth.
    fn told(&mut self, resource: &'static str, remaining: u64, resets: Tick) {
        const SAME_WINDOW: Duration = Duration::from_secs(5);
        let budget = self.resources.entry(resource).or_insert(Resource { remaining, resets });
        if resets > budget.resets + SAME_WINDOW {
            *budget = Resource { remaining, resets };
        } else {
            budget.remaining = budget.remaining.min(remaining);
            budget.resets = budget.resets.max(resets);
        }
    }

    fn block(&mut self, until: Tick) {
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    /// A limit that names no time: the wait doubles with each in a row. Requests that were already
    /// under way when the last one was met are part of it and double nothing.
    fn unannounced_hit(&mut self, admitted: Tick, now: Tick, limits: &Limits) -> Duration {
        let another = self.last_hit.is_none_or(|hit| admitted > hit);
        if another || self.unannounced == 0 {
            self.unannounced += 1;
        }
        let factor = 1 << (self.unannounced - 1).min(16);
        let wait = (limits.unannounced_wait * factor).clamp(limits.min_wait, limits.max_wait);
        if another {
            self.block(now + wait);
        }
        self.blocked_until.map_or(wait, |until| until.saturating_duration_since(now))
    }
}
