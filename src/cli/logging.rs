//! Logs: to stderr, quiet about libraries.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::LogFormat;

/// The HTTP libraries log every failed try as an error; ours says what it made of it.
pub(super) const DEFAULT_FILTER: &str =
    "info,octocrab=off,hyper=warn,hyper_util=warn,reqwest=warn,sqlx=warn";

/// Starts logging.
///
/// # Errors
/// When `filter` is no filter.
pub(super) fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    use std::io::IsTerminal as _;
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => logs.json().init(),
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}
