//! Stories from the vendors' APIs to a scrape: real clients and sources on the fakes.

mod bad_input;
mod convergence;
mod extent;
mod must_win;
mod pitfalls;

use engkpi_fakes::World;

/// A shop on GitHub and on PagerDuty at noon of the first of April 2026.
fn world() -> World {
    World::new("acme")
        .at("2026-04-01 12:00")
        .repository("shop", |shop| {
            shop.push("2025-12-01 09:00", "Initial commit", &["README.md"]);
        })
        .pagerduty(|account| {
            account.service("PSHOP", "Shop").priorities(&["P1", "P2", "P3"]);
            account.fields(&["fault_started_at", "root_cause", "caused_by"]);
        })
}
