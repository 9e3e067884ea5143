//! What the daemon serves: `/metrics`, pages for people, JSON for programs, health.
//!
//! Everything is read from the published evaluation. Nothing here asks upstream or writes, and all
//! scrapes of an evaluation share one buffer.

mod auth;
mod metrics;
mod patient;
mod routes;
mod server;
mod settings;
mod web_config;

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tower_http::set_header::SetResponseHeaderLayer;

pub use metrics::{Exposition, Renderer};
pub use server::{Bound, Deadlines, bind};
pub use settings::Settings;
pub use web_config::WebConfig;

use crate::evaluate::Evaluator;
use crate::telemetry::Telemetry;

/// What the routes read.
#[derive(Clone, Debug)]
pub struct State {
    /// The newest evaluation with its rendered exposition; `None` until the first one.
    pub exposition: watch::Receiver<Option<Arc<Exposition>>>,
    /// Derives the items behind a number again when somebody asks; empty until the store is open.
    pub evaluator: Arc<OnceLock<Arc<Evaluator>>>,
    /// The daemon's own metrics, gathered at each scrape.
    pub telemetry: Telemetry,
    /// At most one explanation at a time: each is a whole evaluation of one KPI.
    pub explaining: Arc<tokio::sync::Semaphore>,
}

/// The routes over `state`, behind what `web` asks for.
pub fn router(state: State, web: &WebConfig) -> axum::Router {
    let mut router = routes::router(state);
    if !web.users.is_empty() {
        let users = auth::Users::new(web.users.clone());
        router = router.layer(axum::middleware::from_fn_with_state(users, auth::require));
    }
    for (name, value) in &web.headers {
        let set = SetResponseHeaderLayer::overriding(name.clone(), value.clone());
        router = router.layer(set);
    }
    router
}
