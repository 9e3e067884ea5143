//! Configuration: what is accepted, and what is said about what is not.

mod bad;
mod files;
mod reference;

use engkpi::config::{Config, Problems};
use engkpi::domain::Instant;

/// The day on which these stories take place.
fn now() -> Instant {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A small configuration in which nothing is wrong; the stories add a file on top.
const BASE: &str = r#"
[sources.github]
type = "github"
token = { env = "GITHUB_TOKEN" }
organisation = "acme"
history_start = 2025-01-01

[sources.pagerduty]
type = "pagerduty"
token = { env = "PAGERDUTY_TOKEN" }
history_start = 2025-01-01

[teams.payments]
[teams.search]

[services.checkout]
team = "payments"
repository = "acme/shop"
paths = ["services/checkout/**"]
pagerduty = ["PCHECK1"]
tier = 1
"#;

fn parse(texts: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let texts: Vec<(String, String)> =
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    Config::parse(&texts, environment, now())
}
