//! `engkpi check`, as people and scripts see it.

use std::path::Path;

use assert_cmd::Command;
use expect_test::expect;

/// `engkpi check` in a directory of its own, with this configuration.
fn check(config: &str, arguments: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("engkpi.toml"), config).unwrap();
    run(directory.path(), &[&["check", "--config", "engkpi.toml"], arguments].concat())
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("engkpi")
        .unwrap()
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const SMALL: &str = r#"
[sources.github]
type = "github"
token = { env = "GITHUB_TOKEN" }
organisation = "acme"
history_start = 2025-01-01

[teams.payments]

[services.checkout]
team = "payments"
repository = "acme/shop"
"#;

#[test]
fn a_fine_configuration_exits_0_and_says_which_kpi_is_fed() {
    let (code, stdout, stderr) = check(SMALL, &["--offline"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    expect![[r#"
        The configuration is fine: 1 source, 1 team, 1 service.
        source github feeds change_failure, deployment_frequency, change_lead_time
        no data for architecture_throughput: no source brings decision records: say where they are in [rules.decisions]
        no data for decision_time: no source brings decision records: say where they are in [rules.decisions]
        no data for incident_frequency: no source brings incidents: add a PagerDuty source
        no data for incident_recovery_time: no source brings incidents: add a PagerDuty source
        no data for incident_detection_time: no source brings incidents: add a PagerDuty source
    "#]]
    .assert_eq(&stdout);
}

#[test]
fn a_bad_configuration_exits_64_and_every_problem_is_on_stdout() {
    let bad = SMALL.replace("[teams.payments]", "[teams.paymnts]").replace("acme/shop", "shop");
    let (code, stdout, stderr) = check(&bad, &["--offline"]);
    assert_eq!((code, stderr.as_str()), (64, ""));
    expect![[r#"
        engkpi.toml:11:8: services.checkout.team: there is no team "payments"
            fix: did you mean "paymnts"?
        engkpi.toml:12:14: services.checkout.repository: "shop" is not a repository
            fix: write "owner/name"
        2 problems in the configuration
    "#]]
    .assert_eq(&stdout);
    let (code, stdout, _) = check(&bad, &["--offline", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, report["problems"].as_array().unwrap().len()), (64, 2));
    assert_eq!(report["problems"][0]["line"], 11);
}

#[test]
fn a_file_that_cannot_be_read_and_a_missing_flag_exit_64() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("binary.toml"), b"\xff\xfe").unwrap();
    let (code, stdout, _) =
        run(directory.path(), &["check", "--config", "nothing.toml", "--config", "binary.toml"]);
    assert_eq!(code, 64);
    expect![[r#"
        nothing.toml: cannot be read: No such file or directory (os error 2)
            fix: mend the path or its mode
        binary.toml: is not UTF-8
            fix: save it as UTF-8
        2 problems in the configuration
    "#]]
    .assert_eq(&stdout);
    let (code, stdout, stderr) = run(directory.path(), &["check"]);
    assert_eq!((code, stdout.as_str()), (64, ""));
    assert!(stderr.contains("--config <FILE>"), "{stderr}");
}
