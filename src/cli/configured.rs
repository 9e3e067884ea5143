//! `--config`: the files that a command works by.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::config::{Config, Problems};

/// Which configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Configured {
    /// A configuration file; given several times, the later ones go over the earlier ones.
    #[arg(long = "config", env = "ENGKPI_CONFIG", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Configured {
    /// Reads and checks the files and the environment.
    pub(super) fn read(&self, clock: &dyn Clock) -> Result<Config, Problems> {
        Config::load(&self.files, std::env::vars_os(), clock.now())
    }
}
