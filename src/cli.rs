//! The command line: one command a file.
//!
//! Data goes to stdout, logs to stderr. Exit codes: 0 fine, 1 failure, 64 bad usage or configuration.

mod check;
mod configured;
mod evaluate;
mod explain;
mod kpis;
mod logging;
mod rules;
mod run;
mod runtime;
mod slo;
mod snapshot;
mod sync;
mod which;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Problems;
use crate::daemon::StartError;

/// Bad usage or configuration: `EX_USAGE` of sysexits.
const EXIT_USAGE: u8 = 64;

/// Engineering KPIs from GitHub, PagerDuty and CI as Prometheus metrics.
#[derive(Debug, Parser)]
#[command(name = "engkpi", version, about, max_term_width = 100)]
struct Arguments {
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged, for example `info` or `engkpi=debug`.
    #[arg(long, global = true, env = "ENGKPI_LOG", default_value = logging::DEFAULT_FILTER)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Sync(sync::Arguments),
    Evaluate(evaluate::Arguments),
    Explain(explain::Arguments),
    Check(check::Arguments),
    Kpis(kpis::Arguments),
    Slo(slo::Arguments),
    Rules(rules::Arguments),
    Snapshot(snapshot::Arguments),
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
enum Failure {
    /// Bad usage or configuration; the message says everything.
    Usage(String),
    /// Bad configuration, and everything about it has been printed.
    Reported,
    /// Anything else.
    Failed(anyhow::Error),
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(problems) => problems.into(),
            StartError::Unusable(_) => Self::Usage(error.to_string()),
            StartError::Failed(error) => error.into(),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs the command line of this process and says how it ends.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// Runs a command line, program name first, and says how the process ends.
#[expect(clippy::print_stderr, reason = "a command line speaks to people on stderr")]
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // Nothing is left to tell anybody if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(EXIT_USAGE)
        }
        Err(Failure::Reported) => ExitCode::from(EXIT_USAGE),
        Err(Failure::Failed(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    logging::start(&arguments.log, arguments.log_format)
        .map_err(|error| Failure::Usage(format!("error: --log: {error}")))?;
    match arguments.command {
        Command::Run(arguments) => arguments.run(),
        Command::Sync(arguments) => arguments.run(),
        Command::Evaluate(arguments) => arguments.run(),
        Command::Explain(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Kpis(arguments) => arguments.run(),
        Command::Slo(arguments) => arguments.run(),
        Command::Rules(arguments) => arguments.run(),
        Command::Snapshot(arguments) => arguments.run(),
    }
}

/// Writes text for people to stdout. What vendors named must not steer the terminal.
fn print_text(text: &str) -> Result<(), Failure> {
    let harmless = |it: char| if it.is_control() && it != '\n' { '\u{fffd}' } else { it };
    print(&text.chars().map(harmless).collect::<String>())
}

/// Writes data to stdout. A reader that has had enough (`| head`) is no failure.
fn print(data: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    match std::io::stdout().write_all(data.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(anyhow::Error::new(error).context("cannot write to stdout")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
