//! What somebody at a terminal sees.

use std::process::{Command, Stdio};

use engkpi_fakes::{Fakes, Fault, GITHUB_TOKEN, World};
use regex::Regex;

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_do_not_tear_the_bars_of_a_sync() {
    let mut world = World::new("acme").at("2026-04-01 12:00");
    for name in ["shop", "search", "ledger", "basket", "mobile", "media", "docs", "identity"] {
        world = world.repository(name, |it| {
            it.push("2026-03-01 09:00", "Initial commit", &["README.md"]);
        });
    }
    let fakes = Fakes::start(world).await;
    fakes.github.settings(|settings| settings.latency = std::time::Duration::from_millis(50));
    // Requests that are told to be asked again, in the middle.
    fakes.github.fault(Fault::status(502).after(20).times(2));
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "[sources.github]\ntype = \"github\"\napi_url = \"{}\"\ntoken = {{ env = \"GITHUB_TOKEN\" }}\n\
         organisation = \"acme\"\nhistory_start = 2026-01-01\n",
        fakes.github.url()
    );
    std::fs::write(directory.path().join("engkpi.toml"), config).unwrap();
    let sync =
        format!("{} sync --config engkpi.toml --log engkpi=debug", env!("CARGO_BIN_EXE_engkpi"));
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command", &sync, "/dev/null"])
        .current_dir(directory.path())
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GITHUB_TOKEN", GITHUB_TOKEN)
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let output = match tokio::task::spawn_blocking(move || terminal.output()).await.unwrap() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: script cannot be run ({error}), so there was no terminal");
            return;
        }
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    // Each log line begins with its time, dim.
    let line = Regex::new("\u{1b}\\[2m[0-9]{4}-[0-9]{2}-[0-9]{2}T").unwrap();
    let lines: Vec<&str> = line.split(&shown).collect();
    for before in &lines[..lines.len() - 1] {
        let at_the_start = before.is_empty() || before.ends_with(['\n', '\r']);
        assert!(at_the_start || before.ends_with("\r\u{1b}[2K"), "a line is torn: {shown:?}");
    }
    let between = lines.windows(2).filter(|it| it.iter().all(|text| text.contains("/8"))).count();
    assert!(between > 0, "no line came while a bar was drawn: {shown:?}");
}
