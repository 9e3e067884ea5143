//! What is shipped to run engkpi with.

use std::path::PathBuf;
use std::process::Command;

fn shipped(path: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// Runs systemd-analyze. Without it a test says so.
fn systemd_analyze(arguments: &[&str]) -> Option<String> {
    match Command::new("systemd-analyze").args(arguments).output() {
        Ok(output) => {
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(output.status.success(), "systemd-analyze {arguments:?}:\n{text}");
            Some(text)
        }
        Err(error) => {
            eprintln!("SKIPPED: systemd-analyze cannot be run ({error}), so it checked nothing");
            None
        }
    }
}

const UNIT: &str = "deploy/systemd/engkpi.service";

#[test]
fn the_unit_is_understood_and_runs_with_few_rights() {
    let (_, text) = shipped(UNIT);
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("engkpi.service");
    // The binary is not installed here.
    let binary = env!("CARGO_BIN_EXE_engkpi");
    std::fs::write(&copy, text.replace("/usr/local/bin/engkpi", binary)).unwrap();
    let copy = copy.to_str().unwrap();
    if let Some(said) = systemd_analyze(&["verify", "--man=no", copy]) {
        assert!(!said.contains("engkpi.service"), "systemd-analyze verify says:\n{said}");
    }
    // Of 100; systemd calls a service below 50 okay, and most distributions ship 90s.
    systemd_analyze(&["security", "--offline=true", "--threshold=15", copy]);
}

#[test]
fn the_unit_gives_the_daemon_its_port_its_directory_and_its_credentials() {
    let (_, unit) = shipped(UNIT);
    let (_, defaults) = shipped("config/default.toml");
    let (_, full) = shipped("config/full.toml");
    let lines: Vec<&str> = unit.lines().collect();
    for line in [
        "ExecStart=/usr/local/bin/engkpi run --config /etc/engkpi/engkpi.toml",
        "DynamicUser=yes",
        "StateDirectory=engkpi",
        "ProtectSystem=strict",
        "RestartPreventExitStatus=64",
        "SocketBindAllow=tcp:9780",
    ] {
        assert!(lines.contains(&line), "the unit has no line {line:?}");
    }
    assert!(defaults.contains("listen_address = \"127.0.0.1:9780\""), "the port moved: {UNIT}");
    for name in ["github-token", "pagerduty-token"] {
        let credential = format!("LoadCredential={name}:/etc/engkpi/credentials/{name}");
        assert!(lines.contains(&credential.as_str()), "the unit has no line {credential:?}");
        let place = format!("/run/credentials/engkpi.service/{name}");
        assert!(full.contains(&place), "config/full.toml does not refer to {place}");
    }
}
