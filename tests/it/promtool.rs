//! Prometheus's own tool.

use std::path::Path;
use std::process::Command;

/// Runs it in `folder`; false where it is not installed and need not be.
#[track_caller]
pub(crate) fn promtool(folder: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("promtool");
    // It lives for a second or two: what it collects at every few megabytes is a fifth of that.
    command.args(arguments).current_dir(folder).env("GOGC", "400");
    match command.output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "promtool {arguments:?}:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            true
        }
        Err(error) => {
            assert!(
                std::env::var_os("ENGKPI_REQUIRE_TOOLS").is_none(),
                "promtool is required here and cannot be run: {error}"
            );
            eprintln!("SKIPPED: promtool is not installed, so nothing was checked with it");
            false
        }
    }
}
