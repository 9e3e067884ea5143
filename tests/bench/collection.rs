//! `cargo bench --bench collection [-- --short]`: what a cold sync and an idle cycle cost, and how
//! long scrapes take meanwhile.
//!
//! The daemon is the real binary in a process of its own, so that its memory is its own; the fakes
//! are in this one. Nothing is asserted about time: the machine may be busy.

mod daemon;
mod world;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use engkpi_fakes::{Fakes, Usage, time};

use daemon::{Failure, Installation, Pass};
use world::Size;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]
fn main() -> ExitCode {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    // `cargo bench` passes --bench; whoever runs it otherwise only wants to know that it works.
    let size = if asked("--short") || !asked("--bench") { Size::SHORT } else { Size::FULL };
    println!("{size:?}");
    for latency in [0, 50] {
        let report = tokio::runtime::Runtime::new()
            .map_err(Failure::from)
            .and_then(|runtime| runtime.block_on(measure(size, Duration::from_millis(latency))));
        match report {
            Ok(report) => println!("\nlatency {latency} ms\n{report}"),
            Err(failure) => {
                eprintln!("latency {latency} ms: {failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// One cold pass, one without news, and scrapes while there is news to collect.
async fn measure(size: Size, latency: Duration) -> Result<String, Failure> {
    let now = time::wall();
    let fakes = Fakes::start(world::world(size, now)).await;
    for fake in [&fakes.github, &fakes.pagerduty] {
        fake.settings(|settings| settings.latency = latency);
    }
    let installation = Installation::new(&fakes, size, now)?;
    let cold = installation.sync(&fakes).await?;
    let idle = installation.sync(&fakes).await?;
    let scrapes = installation.scrapes_during_news(&fakes, size).await?;
    Ok(format!("{}{}{scrapes}", shown_cold(&cold, size), shown_idle(&idle)))
}

fn shown_cold(pass: &Pass, size: Size) -> String {
    let spent = |usage: &Usage, budget| usage.quota.get(budget).copied().unwrap_or_default();
    let mut text = format!(
        "  cold pass\n\
         \x20   GitHub     {} requests, {:.3} per merged pull request (at most 0.1)\n\
         \x20              {} GraphQL points, {} REST requests charged, {:.1} s\n\
         \x20   PagerDuty  {} requests, {:.2} per incident (at most 2.2), {:.1} s\n\
         \x20   memory     {:.0} MiB at most (goal 120)\n",
        pass.github.requests,
        pass.github.requests as f64 / size.pulls as f64,
        spent(&pass.github, "graphql"),
        spent(&pass.github, "core"),
        pass.github_seconds,
        pass.pagerduty.requests,
        pass.pagerduty.requests as f64 / size.incidents as f64,
        pass.pagerduty_seconds,
        pass.peak_mib,
    );
    for (endpoint, count) in pass.github.by_endpoint.iter().chain(&pass.pagerduty.by_endpoint) {
        let _ = writeln!(text, "    {count:>9}  {endpoint}");
    }
    text
}

fn shown_idle(pass: &Pass) -> String {
    format!(
        "  pass without news\n\
         \x20   GitHub     {} requests, {} quota points (at most 10)\n\
         \x20   PagerDuty  {} requests (at most 3)\n",
        pass.github.requests,
        pass.github.points(),
        pass.pagerduty.requests,
    )
}
