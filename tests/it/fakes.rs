//! The fakes are tested too: what they promise here is what the other tests lean on.

mod github;
mod pagerduty;
mod sample;
