//! `engkpi check`: everything that is wrong with a configuration, at once.

mod compare;
mod look;
mod report;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::configured::Configured;
use super::{Failure, print_text, runtime};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Problems};
use crate::daemon;
use report::Report;

/// Check the configuration: every problem at once; then each token, what it may do, what is not
/// where the configuration says, and which KPI each source can feed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configured: Configured,
    /// Ask nobody: look at the configuration only.
    #[arg(long)]
    offline: bool,
    /// Check this file too: what `run` would be given as `--web.config.file`.
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Text,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = match self.read(&*clock) {
            Ok(config) => config,
            Err(problems) => {
                let text = match self.format {
                    Format::Text => format!("{problems}\n"),
                    Format::Json => self.rendered(&Report::refused(problems.0)),
                };
                print_text(&text)?;
                return Err(Failure::Reported);
            }
        };
        let mut report = Report::of(&config);
        if !self.offline {
            let looks = runtime::run(|stop| look::at_all(&config, clock, stop))?;
            compare::with(&config, &looks, &mut report);
        }
        print_text(&self.rendered(&report))?;
        match report.errors() {
            0 => Ok(()),
            1 => Err(anyhow::anyhow!("1 thing is not as the configuration says").into()),
            count => {
                Err(anyhow::anyhow!("{count} things are not as the configuration says").into())
            }
        }
    }

    /// Reads the configuration and what it refers to. Secrets are where the daemon runs: offline they
    /// need not be there.
    fn read(&self, clock: &dyn Clock) -> Result<Config, Problems> {
        let config = self.configured.read(clock)?;
        let web = self.web_config.as_deref();
        if self.offline {
            daemon::load_web_config(web).map_err(|problem| Problems(vec![problem]))?;
        } else {
            daemon::check_referred(&config, web)?;
        }
        Ok(config)
    }

    fn rendered(&self, report: &Report) -> String {
        match self.format {
            Format::Json => format!("{:#}\n", serde_json::json!(report)),
            Format::Text => report.to_string(),
        }
    }
}
