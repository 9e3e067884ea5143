//! The integration tests: one binary, one module a subject.

#![allow(clippy::unwrap_used, reason = "a test that panics says where it failed")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod canary;
mod check;
mod collect;
mod config;
mod crash;
mod dashboards;
mod dependencies;
mod deploy;
mod evaluate;
mod fakes;
mod files;
mod github;
mod http;
mod installation;
mod layers;
mod outbound;
mod pagerduty;
mod prometheus;
mod promtool;
mod reference;
mod rules;
mod sample;
mod snapshot;
mod store;
mod stories;
mod terminal;
