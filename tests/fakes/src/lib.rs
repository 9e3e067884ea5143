//! Stateful fakes of GitHub, PagerDuty and Prometheus on loopback, for tests, the benchmark and the sample
//! organisation.
//!
//! One [`World`] holds the ground truth. The fakes answer the vendors' real requests from it, as
//! it is at its `now`, with the vendors' paging, limits and awkward habits, and log every request.
//! Tests move time with [`Fakes::set_now`], change the world with [`Fakes::edit`], spoil answers
//! with [`Fault`]s and read what was asked from [`Fake::requests`].
//!
//! ```ignore
//! let world = World::new("acme").at("2026-04-01 00:00").repository("shop", |shop| {
//!     shop.push("2026-03-01 09:00", "Initial commit", &["README.md"]);
//!     let merged = shop.pull(1, "2026-03-02 09:00", |pull| {
//!         pull.review("2026-03-02 10:00", "bob").squash("2026-03-02 11:00");
//!     });
//!     shop.deployed("production", &merged, "2026-03-02 12:00");
//! });
//! let fakes = Fakes::start(world).await;
//! // point the client at fakes.github.url() with GITHUB_TOKEN
//! ```

mod connection;
mod fault;
pub mod github;
mod graphql;
mod log;
pub mod pagerduty;
pub mod prometheus;
pub mod sample;
mod server;
pub mod time;
pub mod world;

use std::sync::{Arc, PoisonError, RwLock};

pub use fault::Fault;
pub use log::{Credential, Request, Usage};
pub use server::{Fake, Settings, SharedWorld};
pub use time::{Instant, Now, When};
pub use world::{GITHUB_TOKEN, PAGERDUTY_TOKEN, World};

/// The vendors over one world.
#[derive(Debug)]
pub struct Fakes {
    world: SharedWorld,
    /// GitHub.
    pub github: Fake,
    /// PagerDuty.
    pub pagerduty: Fake,
    /// A metric store.
    pub prometheus: Fake,
}

impl Fakes {
    /// Starts all on free loopback ports.
    pub async fn start(world: World) -> Self {
        let world = Arc::new(RwLock::new(world));
        let github = github::start(Arc::clone(&world)).await;
        let pagerduty = pagerduty::start(Arc::clone(&world)).await;
        let prometheus = prometheus::start(Arc::clone(&world)).await;
        Self { world, github, pagerduty, prometheus }
    }

    /// Moves time, also backwards.
    pub fn set_now(&self, now: impl When) {
        let now = now.instant();
        self.edit(|world| world.now = Now::Frozen(now));
    }

    /// Changes the world.
    pub fn edit<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.write().unwrap_or_else(PoisonError::into_inner))
    }
}
