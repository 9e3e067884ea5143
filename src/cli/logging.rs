//! Logs: to stderr, quiet about libraries.

use std::io::{IsTerminal as _, Write, stderr};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::LogFormat;
use crate::collect::LogLines;

/// The HTTP libraries log every failed try as an error; ours says what it made of it.
pub(super) const DEFAULT_FILTER: &str =
    "info,octocrab=off,hyper=warn,hyper_util=warn,reqwest=warn,sqlx=warn";

/// The bars above which log lines go once there are some.
static BARS: OnceLock<LogLines> = OnceLock::new();

/// From now on log lines do not tear these bars.
pub(super) fn above(bars: LogLines) {
    BARS.get_or_init(|| bars);
}

fn writer() -> Box<dyn Write> {
    BARS.get().map_or_else(|| Box::new(stderr()) as _, |bars| Box::new(bars.clone()) as _)
}

/// Starts logging.
///
/// # Errors
/// When `filter` is no filter.
pub(super) fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Json => logs.json().init(),
        LogFormat::Text => logs.with_ansi(stderr().is_terminal()).init(),
    }
    Ok(())
}
