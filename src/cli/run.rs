//! `engkpi run`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Failure, configured, runtime};
use crate::clock::{Clock, SystemClock};
use crate::daemon::{Daemon, Options};

/// Poll the sources, evaluate, and serve /metrics until stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: configured::Configured,
    /// Listen here instead of at `web.listen_address`, for example `127.0.0.1:9780`.
    #[arg(long = "web.listen-address", value_name = "ADDRESS")]
    listen_address: Option<SocketAddr>,
    /// TLS, basic authentication and headers, in the format of Prometheus's exporter-toolkit.
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = self.config.read(clock.as_ref())?;
        let options = Options { listen_address: self.listen_address, web_config: self.web_config };
        runtime::run(async |stop| {
            Ok(Daemon::start(config, &options, clock).await?.run(stop).await?)
        })
    }
}
