//! engkpi computes engineering KPIs from GitHub, PagerDuty and CI and exposes them as Prometheus
//! metrics. Layers point strictly downward; `ARCHITECTURE.md` draws them and `tests/it/layers.rs`
//! keeps them.

#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod evaluate;
pub mod http;
pub mod kpi;
pub mod output;
pub mod secret;
pub mod setting;
pub mod source;
pub mod store;
pub mod telemetry;
