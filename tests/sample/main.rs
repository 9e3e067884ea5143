//! `cargo run --example sample`: the daemon at work on a made-up organisation, with no account.
//!
//! Fakes of GitHub, PagerDuty and Prometheus listen on loopback; the daemon is the same code as `engkpi run`.
//! Everything is in a temporary folder that is gone at the end.

mod configuration;

use std::process::ExitCode;

use engkpi_fakes::{Fakes, sample, time};

/// Where the daemon listens, as the README says.
const LISTEN: &str = "127.0.0.1:9780";

#[expect(clippy::print_stderr, reason = "a command line speaks to people on stderr")]
fn main() -> ExitCode {
    let started = tokio::runtime::Runtime::new().and_then(|runtime| {
        let folder = tempfile::tempdir()?;
        let now = time::wall();
        let fakes = runtime.block_on(Fakes::start(sample::organisation(now)));
        let configuration = configuration::write(folder.path(), &fakes, now, LISTEN)?;
        Ok((runtime, folder, fakes, configuration))
    });
    // The runtime and the folder live until the daemon ends.
    let (_runtime, folder, fakes, configuration) = match started {
        Ok(started) => started,
        Err(error) => {
            eprintln!("the sample cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    eprintln!(
        "\n  The sample organisation is up.\n\n\
         \x20   What is known       http://{LISTEN}/\n\
         \x20   Metrics             http://{LISTEN}/metrics\n\
         \x20   Why this number     http://{LISTEN}/api/v1/kpis/change_failure/explain\n\
         \x20   Configuration       {}\n\
         \x20   Fake GitHub         {}\n\
         \x20   Fake PagerDuty      {}\n\
         \x20   Fake Prometheus     {}\n\n\
         \x20 Something happens every minute. Ctrl-C ends it.\n",
        configuration.display(),
        fakes.github.url(),
        fakes.pagerduty.url(),
        fakes.prometheus.url(),
    );
    let configuration = configuration.into_os_string();
    let code =
        engkpi::cli::main_with(["engkpi".into(), "run".into(), "--config".into(), configuration]);
    drop(folder);
    code
}
