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
pub(super) struct Wait {
    /// For so long.
    pub(super) whole: Duration,
    /// For so long of it because the vendor asked for it; the rest keeps our own pace.
    pub(super) asked: Duration,
}

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
        if let Some(wait) = state.wait(resource, self.pace, now) {
            return Err(wait);
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
        if let Some(told) = &notice.budget
            && let Some(resets_in) = told.resets_in
        {
            let resets = now + resets_in.min(limits.max_wait);
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
    /// How long nothing may be sent on `resource`, if anything forbids it `now`.
    fn wait(&mut self, resource: &'static str, pace: Option<Pace>, now: Tick) -> Option<Wait> {
        self.resources.retain(|_, budget| budget.resets > now);
        let used_up = self.resources.get(resource).filter(|budget| budget.remaining == 0);
        let paced = pace.and_then(|pace| {
            while self.sent.front().is_some_and(|sent| *sent + pace.per <= now) {
                self.sent.pop_front();
            }
            let full = self.sent.len() >= pace.requests as usize;
            full.then(|| self.sent.front().map(|sent| *sent + pace.per)).flatten()
        });
        let asked = self.blocked_until.max(used_up.map(|budget| budget.resets));
        let until = asked.max(paced).filter(|until| *until > now)?;
        let asked = asked.map_or(Duration::ZERO, |asked| asked.saturating_duration_since(now));
        Some(Wait { whole: until - now, asked })
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

#[cfg(test)]
mod tests {
    use super::super::Dialect;
    use super::super::dialect::Remaining;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits { max_in_flight: 10, pace: None, ..Limits::of(Dialect::GitHub) }
    }

    fn limited(limited: Limited) -> Notice {
        Notice { limited: Some(limited), ..Notice::default() }
    }

    fn told(resource: &'static str, requests: u64, resets_in: Duration) -> Notice {
        let resets_in = Some(resets_in);
        let budget = Some(Remaining { resource: Some(resource), requests, resets_in });
        Notice { budget, ..Notice::default() }
    }

    async fn wait(budget: &Budget, resource: &'static str) -> Option<u64> {
        // Rounded up, as a timer would.
        budget.admit(resource).await.err().map(|wait| wait.whole.as_secs_f64().ceil() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_the_token_stops_everything_until_it_ends() {
        let budget = Budget::new(&limits());
        let permit = budget.admit("core").await.unwrap();
        budget.settle(&permit, "core", &limited(Limited::Token(30 * SECOND)), &limits());
        assert_eq!(wait(&budget, "core").await, Some(30));
        assert_eq!(wait(&budget, "graphql").await, Some(30));
        tokio::time::advance(30 * SECOND).await;
        assert_eq!(wait(&budget, "core").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_up_budget_stops_only_what_counts_against_it() {
        let budget = Budget::new(&limits());
        let permit = budget.admit("search").await.unwrap();
        budget.settle(&permit, "search", &limited(Limited::Resource(30 * SECOND)), &limits());
        assert_eq!(wait(&budget, "search").await, Some(30));
        assert_eq!(wait(&budget, "core").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_start_than_the_vendor_says_are_left() {
        let budget = Budget::new(&limits());
        let permit = budget.admit("core").await.unwrap();
        budget.settle(&permit, "core", &told("core", 2, 60 * SECOND), &limits());
        let _under_way = (budget.admit("core").await.unwrap(), budget.admit("core").await.unwrap());
        assert_eq!(wait(&budget, "core").await, Some(60), "two were left and two are under way");
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(wait(&budget, "core").await, None, "a new window has begun");
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_overtake_each_other_do_not_raise_what_is_left() {
        let budget = Budget::new(&limits());
        let permit = budget.admit("core").await.unwrap();
        budget.settle(&permit, "core", &told("core", 0, 60 * SECOND), &limits());
        budget.settle(&permit, "core", &told("core", 5, 60 * SECOND), &limits());
        assert_eq!(wait(&budget, "core").await, Some(60));
        budget.settle(&permit, "core", &told("core", 5, 3600 * SECOND), &limits());
        assert_eq!(wait(&budget, "core").await, None, "that is the next window");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_held_between_the_shortest_and_the_longest() {
        for (asked, kept) in [(Duration::ZERO, 1), (Duration::from_secs(1_000_000_000), 3600)] {
            let budget = Budget::new(&limits());
            let permit = budget.admit("core").await.unwrap();
            budget.settle(&permit, "core", &limited(Limited::Token(asked)), &limits());
            assert_eq!(wait(&budget, "core").await, Some(kept), "asked for {asked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unannounced_wait_is_a_minute_and_doubles_with_each_in_a_row() {
        let budget = Budget::new(&limits());
        for expected in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            let permit = budget.admit("core").await.unwrap();
            tokio::time::advance(SECOND).await;
            let found =
                budget.settle(&permit, "core", &limited(Limited::Unannounced), &limits()).unwrap();
            assert_eq!(found.as_secs(), expected);
            drop(permit);
            tokio::time::advance(found).await;
        }
        let permit = budget.admit("core").await.unwrap();
        tokio::time::advance(SECOND).await;
        budget.settle(&permit, "core", &Notice::default(), &limits());
        let permit = budget.admit("core").await.unwrap();
        budget.settle(&permit, "core", &limited(Limited::Unannounced), &limits());
        assert_eq!(wait(&budget, "core").await, Some(60), "a success ends the row");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_under_way_when_a_limit_was_met_double_nothing() {
        let budget = Budget::new(&limits());
        let mut permits = Vec::new();
        for _ in 0..4 {
            permits.push(budget.admit("core").await.unwrap());
        }
        for permit in &permits {
            tokio::time::advance(SECOND / 10).await;
            budget.settle(permit, "core", &limited(Limited::Unannounced), &limits());
        }
        assert_eq!(wait(&budget, "core").await, Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_holds_in_every_interval_of_its_length() {
        let pace = Pace { requests: 3, per: 60 * SECOND };
        let budget = Budget::new(&Limits { pace: Some(pace), ..limits() });
        let mut sent = Vec::new();
        let start = Tick::now();
        while sent.len() < 10 {
            let pause = match budget.admit("requests").await {
                Ok(_) => {
                    sent.push((Tick::now() - start).as_secs());
                    5 * SECOND
                }
                Err(wait) => {
                    assert_eq!(wait.asked, Duration::ZERO, "nobody asked for it");
                    wait.whole
                }
            };
            tokio::time::advance(pause).await;
        }
        assert_eq!(sent, [0, 5, 10, 60, 65, 70, 120, 125, 130, 180]);
    }

    #[test]
    fn one_token_has_one_budget() {
        let budgets = Budgets::default();
        let first = budgets.get("a".into(), &limits());
        assert!(Arc::ptr_eq(&first, &budgets.get("a".into(), &limits())));
        assert!(!Arc::ptr_eq(&first, &budgets.get("b".into(), &limits())));
    }
}
