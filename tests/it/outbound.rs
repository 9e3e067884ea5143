//! The outbound client against hostile servers on loopback.

mod bodies;
mod conditional;
mod escape;
mod limits;
mod paging;
mod server;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use engkpi::clock::{Clock, ManualClock};
use engkpi::domain::Instant;
use engkpi::secret::SecretRef;
use engkpi::source::outbound::{
    Authenticator, Budgets, Dialect, Environment, Limits, Options, Outbound, ReferredToken,
};
use engkpi::telemetry::Telemetry;
use url::Url;

/// A token that must be seen by the configured origin only.
const CANARY: &str = "canary_7f3d9c51b8e2";

/// What our clock shows.
const NOW: &str = "2026-11-22T10:00:00Z";

fn now() -> Instant {
    NOW.parse().unwrap()
}

/// Limits at which a test takes milliseconds.
fn fast(dialect: Dialect) -> Limits {
    Limits {
        total_timeout: Duration::from_secs(60),
        max_body: 1 << 20,
        attempts: 2,
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        min_wait: Duration::from_millis(1),
        unannounced_wait: Duration::from_millis(100),
        max_sleep: Duration::from_secs(1),
        pace: None,
        ..Limits::of(dialect)
    }
}

fn environment() -> Environment {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now()));
    Environment { clock, telemetry: Telemetry::new(), budgets: Budgets::default() }
}

/// Sends `token` from a file that is not there any more when it is sent.
fn token(token: &str) -> Arc<dyn Authenticator> {
    let file = tokens::TokenFile::of(token);
    Arc::new(ReferredToken::new("Bearer ", SecretRef::File(file.path())).unwrap())
}

fn client_with(
    base: &Url,
    limits: Limits,
    dialect: Dialect,
    environment: &Environment,
) -> Outbound {
    let options = Options {
        source: "hostile".into(),
        base: base.clone(),
        dialect,
        limits,
        auth: token(CANARY),
    };
    Outbound::new(options, environment).unwrap()
}

fn client(base: &Url) -> Outbound {
    client_with(base, fast(Dialect::GitHub), Dialect::GitHub, &environment())
}

/// The value of one counter or gauge of the daemon's own metrics, over all its labels.
fn metric(environment: &Environment, name: &str) -> f64 {
    let families = environment.telemetry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0.0, |family| {
        let metrics = family.get_metric().iter();
        metrics
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    })
}

/// Neither what people see of an error nor what developers see of it may hold the token.
fn assert_silent(error: &(impl std::fmt::Display + std::fmt::Debug)) {
    for shown in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(!shown.contains(CANARY), "an error shows the token: {shown}");
        assert!(!shown.contains('?'), "an error shows a query string: {shown}");
    }
}
