//! `engkpi check`, as people and scripts see it.

mod quality;

use std::path::Path;

use assert_cmd::Command;
use engkpi_fakes::world::Token;
use engkpi_fakes::{Fakes, Now, World};
use expect_test::{Expect, expect};

use crate::github::access::private_key;

/// `engkpi check` in a directory of its own, with this configuration.
fn check(config: &str, arguments: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("engkpi.toml"), config).unwrap();
    run(directory.path(), &[&["check", "--config", "engkpi.toml"], arguments].concat())
}

fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    run_with(directory, arguments, &[])
}

fn run_with(
    directory: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (i32, String, String) {
    let output = Command::cargo_bin("engkpi")
        .unwrap()
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(variables.iter().copied())
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
        source github feeds incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
        no data for architecture_throughput: nobody says where decision records are: add [rules.decisions]
        no data for decision_time: nobody says where decision records are: add [rules.decisions]
        no data for incident_frequency: no source brings incidents: add a PagerDuty source
        no data for incident_recovery_time: no source brings incidents: add a PagerDuty source
        no data for incident_detection_time: no source brings incidents: add a PagerDuty source
        no data for incident_recurrence: no source brings incidents: add a PagerDuty source
        no data for unit_cost: no source brings costs: add `costs` to a source of files
        no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
        no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
        no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
        no data for finding_closure: nobody says which findings count: add [rules.findings]
        no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
        no data for developer_experience: no source brings surveys of developers: add one of files
        no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
        no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
        no data for request_latency: nobody says what requests there are: add a Prometheus source
        no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
        no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
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

/// What GitHub and PagerDuty know in these stories.
pub(crate) fn world() -> World {
    World::new("acme")
        .at("2026-11-22 12:00")
        .repository("shop", |shop| {
            let first = shop.push("2024-03-05 09:00", "Initial commit", &["docs/adr/0001.md"]);
            shop.pull(1, "2024-04-01 09:00", |pull| {
                pull.squash("2024-04-02 09:00");
            });
            shop.deployed("production", &first, "2024-03-05 10:00");
            shop.deployed("staging", &first, "2024-03-05 09:30");
        })
        .repository("search", |search| {
            let first = search.push("2024-03-05 09:00", "Initial commit", &["main.rs"]);
            search.run("Deploy search", &first, "2024-03-05 09:00", |run| {
                run.attempt("2024-03-05 09:00", "2024-03-05 09:10", "success");
            });
        })
        .repository("attic", |_| {})
        .pagerduty(|pagerduty| {
            pagerduty.service("PCHECK1", "Checkout").service("PSEARCH", "Search");
            pagerduty.priorities(&["P1", "P2", "Blocker"]).fields(&["root_cause"]);
            pagerduty.incident("I1", "PCHECK1", "2023-12-24 03:00", |_| {});
        })
}

pub(crate) const CATALOGUE: &str = r#"
[teams.payments]

[services.checkout]
team = "payments"
repository = "acme/shop"
pagerduty = ["PCHECK1"]

[services.search]
team = "payments"
repository = "acme/search"
deployments = { workflow = ["Deploy search"] }
pagerduty = ["PSEARCH"]

[rules.decisions."acme/shop"]
folders = ["docs/adr"]

[rules.severity]
Blocker = 1
"#;

/// `engkpi check` against the fakes, with `text` below the sources and these tokens.
async fn ask(
    world: World,
    text: &str,
    tokens: [&str; 2],
    arguments: &[&str],
) -> (i32, String, String) {
    ask_as("token = { env = \"GITHUB_TOKEN\" }", world, text, tokens, arguments).await
}

/// The same with another credential for GitHub.
async fn ask_as(
    credential: &str,
    world: World,
    text: &str,
    tokens: [&str; 2],
    arguments: &[&str],
) -> (i32, String, String) {
    let fakes = Fakes::start(world).await;
    let config = format!(
        r#"
[sources.github]
type = "github"
api_url = "{}"
{credential}
organisation = "acme"
history_start = 2024-03-05

[sources.pagerduty]
type = "pagerduty"
api_url = "{}"
token = {{ env = "PAGERDUTY_TOKEN" }}
history_start = 2025-01-01
{text}"#,
        fakes.github.url(),
        fakes.pagerduty.url()
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("engkpi.toml"), config).unwrap();
    let arguments: Vec<String> = ["check", "--config", "engkpi.toml"]
        .iter()
        .chain(arguments)
        .map(|it| (*it).to_owned())
        .collect();
    let tokens = tokens.map(str::to_owned);
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let tokens = [("GITHUB_TOKEN", tokens[0].as_str()), ("PAGERDUTY_TOKEN", &tokens[1])];
        // Nobody listens there: whoever asked a proxy of the environment would learn nothing.
        let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
            .map(|name| (name, "http://127.0.0.1:9"));
        run_with(directory.path(), &arguments, &[&tokens[..], &proxies].concat())
    })
    .await
    .unwrap()
}

const TOKENS: [&str; 2] = [engkpi_fakes::GITHUB_TOKEN, engkpi_fakes::PAGERDUTY_TOKEN];

#[track_caller]
fn said((code, stdout, stderr): (i32, String, String), exit: i32, expected: Expect) {
    let port = |text: &str| {
        let mut parts = text.split("127.0.0.1:");
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            plain.push_str("127.0.0.1:PORT");
            plain.push_str(part.trim_start_matches(|it: char| it.is_ascii_digit()));
        }
        plain
    };
    expected.assert_eq(&format!("{}{}", port(&stdout), port(&stderr)));
    assert_eq!(code, exit, "{stdout}{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_the_configuration_says_exits_0() {
    said(
        ask(world(), CATALOGUE, TOKENS, &[]).await,
        0,
        expect![[r#"
            The configuration is fine: 2 sources, 1 team, 2 services.
            source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
            source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
            no data for unit_cost: no source brings costs: add `costs` to a source of files
            no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
            no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
            no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
            no data for finding_closure: nobody says which findings count: add [rules.findings]
            no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
            no data for developer_experience: no source brings surveys of developers: add one of files
            no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
            no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
            no data for request_latency: nobody says what requests there are: add a Prometheus source
            no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
            no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
            warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
            note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
            note: services: no service has the repositories acme/attic: they count for the organisation only
            note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                fix: history_start = 2023-12-24 covers everything there is
        "#]],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_where_the_configuration_says_is_named_with_what_is_there() {
    let text = CATALOGUE
        .replace("repository = \"acme/shop\"", "repository = \"acme/shopp\"")
        .replace("Deploy search", "Deploy serach")
        .replace("PSEARCH", "PSERCH")
        .replace("docs/adr", "docs/decisions")
        + r#"
[services.stage]
team = "payments"
repository = "acme/shop"
deployments = { environments = ["productoin", "staging"] }
"#;
    said(
        ask(world(), &text, TOKENS, &[]).await,
        1,
        expect![[r#"
            The configuration is fine: 2 sources, 1 team, 3 services.
            source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
            source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
            no data for unit_cost: no source brings costs: add `costs` to a source of files
            no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
            no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
            no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
            no data for finding_closure: nobody says which findings count: add [rules.findings]
            no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
            no data for developer_experience: no source brings surveys of developers: add one of files
            no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
            no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
            no data for request_latency: nobody says what requests there are: add a Prometheus source
            no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
            no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
            error: rules.decisions."acme/shop".folders: acme/shop has no folder "docs/decisions" on its default branch
                fix: mend the path
            error: services.checkout.repository: acme/shopp is not there, or not for this credential
                fix: did you mean "acme/shop"?
            error: services.search.deployments.workflow: acme/search has no workflow "Deploy serach"
                fix: did you mean "Deploy search"?
            error: services.search.pagerduty: there is no PagerDuty service "PSERCH"
                fix: did you mean "PSEARCH" (Search)?
            error: services.stage.deployments.environments: nothing was ever deployed to "productoin" of acme/shop
                fix: did you mean "production"?
            warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
            note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
            note: services: no service has the PagerDuty services PSEARCH (Search): they count for the organisation only
            note: services: no service has the repositories acme/attic: they count for the organisation only
            note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                fix: history_start = 2023-12-24 covers everything there is
            error: 5 things are not as the configuration says
        "#]],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_said_and_the_other_source_is_looked_at() {
    let tokens = ["wrong", engkpi_fakes::PAGERDUTY_TOKEN];
    said(
        ask(world(), CATALOGUE, tokens, &[]).await,
        1,
        expect![[r#"
            The configuration is fine: 2 sources, 1 team, 2 services.
            source github would feed architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
            source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
            no data for unit_cost: no source brings costs: add `costs` to a source of files
            no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
            no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
            no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
            no data for finding_closure: nobody says which findings count: add [rules.findings]
            no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
            no data for developer_experience: no source brings surveys of developers: add one of files
            no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
            no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
            no data for request_latency: nobody says what requests there are: add a Prometheus source
            no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
            no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
            error: sources.github: not authorised: GET /user: 401 Unauthorized (Bad credentials)
            note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
            note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                fix: history_start = 2023-12-24 covers everything there is
            error: 1 thing is not as the configuration says
        "#]],
    );
    let tokens = [engkpi_fakes::GITHUB_TOKEN, "wrong"];
    said(
        ask(world(), CATALOGUE, tokens, &[]).await,
        1,
        expect![[r#"
            The configuration is fine: 2 sources, 1 team, 2 services.
            source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
            source pagerduty would feed incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
            no data for unit_cost: no source brings costs: add `costs` to a source of files
            no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
            no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
            no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
            no data for finding_closure: nobody says which findings count: add [rules.findings]
            no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
            no data for developer_experience: no source brings surveys of developers: add one of files
            no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
            no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
            no data for request_latency: nobody says what requests there are: add a Prometheus source
            no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
            no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
            error: sources.pagerduty: not authorised: GET /services: 401 Unauthorized (Authentication failed)
                fix: mind the region: a key of the other one is refused alike
            warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
            note: services: no service has the repositories acme/attic: they count for the organisation only
            error: 1 thing is not as the configuration says
        "#]],
    );
}

#[expect(clippy::too_many_lines, reason = "what is printed, line by line")]
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_with_the_kpis_that_it_costs() {
    for (permission, expected) in [
        (
            "pull_requests",
            expect![[r#"
                The configuration is fine: 2 sources, 1 team, 2 services.
                source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
                source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
                no data for unit_cost: no source brings costs: add `costs` to a source of files
                no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
                no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
                no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
                no data for finding_closure: nobody says which findings count: add [rules.findings]
                no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
                no data for developer_experience: no source brings surveys of developers: add one of files
                no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
                no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
                no data for request_latency: nobody says what requests there are: add a Prometheus source
                no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
                no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
                error: sources.github: pull requests of acme/shop: they are there, and hidden from this credential
                    fix: let the credential read it, or there is no true change_failure, change_lead_time
                warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
                note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
                note: services: no service has the repositories acme/attic: they count for the organisation only
                note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                    fix: history_start = 2023-12-24 covers everything there is
                error: 1 thing is not as the configuration says
            "#]],
        ),
        (
            "deployments",
            expect![[r#"
                The configuration is fine: 2 sources, 1 team, 2 services.
                source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
                source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
                no data for unit_cost: no source brings costs: add `costs` to a source of files
                no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
                no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
                no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
                no data for finding_closure: nobody says which findings count: add [rules.findings]
                no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
                no data for developer_experience: no source brings surveys of developers: add one of files
                no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
                no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
                no data for request_latency: nobody says what requests there are: add a Prometheus source
                no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
                no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
                error: sources.github: deployments of acme/shop: they are there, and hidden from this credential
                    fix: let the credential read it, or there is no true change_failure, deployment_frequency, change_lead_time
                warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
                note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
                note: services: no service has the repositories acme/attic: they count for the organisation only
                note: sources.github.history_start: is 2024-03-05, and the oldest item that was seen is of 2024-04-01
                    fix: history_start = 2024-04-01 covers everything there is
                note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                    fix: history_start = 2023-12-24 covers everything there is
                error: 1 thing is not as the configuration says
            "#]],
        ),
        (
            "actions",
            expect![[r#"
                The configuration is fine: 2 sources, 1 team, 2 services.
                source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
                source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
                no data for unit_cost: no source brings costs: add `costs` to a source of files
                no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
                no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
                no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
                no data for finding_closure: nobody says which findings count: add [rules.findings]
                no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
                no data for developer_experience: no source brings surveys of developers: add one of files
                no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
                no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
                no data for request_latency: nobody says what requests there are: add a Prometheus source
                no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
                no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
                error: sources.github: workflows of acme/search: GET /repos/acme/search/actions/workflows: 403 Forbidden (Resource not accessible by personal access token)
                    fix: let the credential read it, or there is no true change_failure, deployment_frequency, change_lead_time
                warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
                note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
                note: services: no service has the repositories acme/attic: they count for the organisation only
                note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                    fix: history_start = 2023-12-24 covers everything there is
                error: 1 thing is not as the configuration says
            "#]],
        ),
        (
            "contents",
            expect![[r#"
                The configuration is fine: 2 sources, 1 team, 2 services.
                source github (a classic token with the scopes read:org, repo) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
                source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
                no data for unit_cost: no source brings costs: add `costs` to a source of files
                no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
                no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
                no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
                no data for finding_closure: nobody says which findings count: add [rules.findings]
                no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
                no data for developer_experience: no source brings surveys of developers: add one of files
                no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
                no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
                no data for request_latency: nobody says what requests there are: add a Prometheus source
                no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
                no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
                error: sources.github: contents of acme/shop: they are there, and hidden from this credential
                    fix: let the credential read it, or there is no true architecture_throughput, decision_time
                warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions and Metadata is enough
                note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
                note: services: no service has the repositories acme/attic: they count for the organisation only
                note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                    fix: history_start = 2023-12-24 covers everything there is
                error: 1 thing is not as the configuration says
            "#]],
        ),
    ] {
        let token = Token::full("limited").without(permission);
        let world = world().github_token(token);
        let tokens = ["limited", engkpi_fakes::PAGERDUTY_TOKEN];
        said(ask(world, CATALOGUE, tokens, &[]).await, 1, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_app_the_permissions_of_its_installation_are_asked() {
    let directory = tempfile::tempdir().unwrap();
    let key = private_key(directory.path());
    // The proof is dated by the machine's clock, as the vendor's check of it.
    let mut world = world();
    world.now = Now::Wall;
    let (app, installation) = (world.access.app, world.access.installation);
    let credential = format!(
        "app = {{ app_id = {app}, installation_id = {installation}, private_key = {{ file = {key:?} }} }}"
    );
    said(
        ask_as(&credential, world, CATALOGUE, TOKENS, &[]).await,
        1,
        expect![[r#"
            The configuration is fine: 2 sources, 1 team, 2 services.
            source github (installation 1 of a GitHub App) feeds architecture_throughput, decision_time, incident_detection_time, change_failure, deployment_frequency, change_lead_time, contract_coverage
            source pagerduty (an API key) feeds incident_frequency, incident_recovery_time, incident_detection_time, incident_recurrence, change_failure
            no data for unit_cost: no source brings costs: add `costs` to a source of files
            no data for unit_cost: no source brings units of demand: add `units` to a source of files, or [units.NAME] with a counter of a metric store
            no data for debt_retirement: nobody says which issues are technical debt: add [rules.debt], or `debt` to a source of files
            no data for standard_adoption: nobody says what services are to adopt: add [standards.NAME]
            no data for finding_closure: nobody says which findings count: add [rules.findings]
            no data for contract_coverage: nobody names the critical API boundaries: add [boundaries.NAME], or `boundaries` to a source of files
            no data for developer_experience: no source brings surveys of developers: add one of files
            no data for stakeholder_satisfaction: no source brings surveys of stakeholders: add one of files
            no data for mentorship: no source brings mentorship: add `mentorship` to a source of files
            no data for request_latency: nobody says what requests there are: add a Prometheus source
            no data for slo_compliance: nobody says what the objectives are: add [slos] and a Prometheus source
            no data for error_budget_burn: nobody says what the objectives are: add [slos] and a Prometheus source
            error: sources.github: the App has no permission "actions: read"
                fix: let the credential read it, or there is no true change_failure, deployment_frequency, change_lead_time
            error: sources.github: the App has no permission "deployments: read"
                fix: let the credential read it, or there is no true change_failure, deployment_frequency, change_lead_time
            error: sources.github: the App has no permission "pull_requests: read"
                fix: let the credential read it, or there is no true change_failure, change_lead_time
            note: rules.fields.fault_started_at: the account has no custom field "fault_started_at": when faults began stay unknown
            note: services: no service has the repositories acme/attic: they count for the organisation only
            note: sources.pagerduty.history_start: is 2025-01-01, and the oldest item that was seen is of 2023-12-24
                fix: history_start = 2023-12-24 covers everything there is
            error: 3 things are not as the configuration says
        "#]],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_the_same_as_json() {
    let text = CATALOGUE.replace("PSEARCH", "PSERCH");
    let (code, stdout, _) = ask(world(), &text, TOKENS, &["--format", "json"]).await;
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let finding = &report["findings"][0];
    assert_eq!((code, finding["level"].as_str()), (1, Some("error")));
    assert_eq!(finding["key"], "services.search.pagerduty");
    assert!(report["sources"][0]["credential"].as_str().unwrap().contains("classic token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_shown_even_at_the_most_verbose_level() {
    const CANARIES: [&str; 2] = ["ghp_c4n4ryC4N4RYc4n4ryC4N4RY", "y_c4n4ryC4N4RYc4n4"];
    let known = world().github_token(Token::full(CANARIES[0])).pagerduty_token(CANARIES[1]);
    let seen = ask(known, CATALOGUE, CANARIES, &["--log", "trace"]).await;
    let refused =
        ask(world(), CATALOGUE, CANARIES, &["--log", "trace", "--log-format", "json"]).await;
    for (exit, (code, stdout, stderr)) in [(0, seen), (1, refused)] {
        assert_eq!(code, exit, "{stdout}{stderr}");
        assert!(stderr.len() > 500, "the most verbose level says something: {stderr}");
        for canary in CANARIES {
            assert!(!stdout.contains(canary) && !stderr.contains(canary), "{canary} is shown");
        }
    }
}

/// Two sources and a web configuration: everything that they refer to is missing or open to others.
fn misled(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = directory.join("open");
    std::fs::write(&open, "secret").unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    let config = r#"
[store]
postgres = { env = "DATABASE" }

[sources.github]
type = "github"
organisation = "acme"
history_start = 2025-01-01
[sources.github.app]
app_id = 1
installation_id = 2
private_key = { file = "./no-such-key" }

[sources.pagerduty]
type = "pagerduty"
token = { file = "./open" }
history_start = 2025-01-01
"#;
    std::fs::write(directory.join("engkpi.toml"), config).unwrap();
    std::fs::write(directory.join("web.yml"), "basic_auth_users:\n  scraper: secret\n").unwrap();
}

#[test]
fn a_secret_that_cannot_be_had_and_a_bad_web_configuration_exit_64_at_once() {
    let directory = tempfile::tempdir().unwrap();
    misled(directory.path());
    let secrets = "\
engkpi.toml:3:12: store.postgres: environment variable DATABASE is not set: set it, or refer to a file instead
engkpi.toml:12:15: sources.github.app.private_key: secret file ./no-such-key: No such file or directory (os error 2)
engkpi.toml:16:9: sources.pagerduty.token: secret file ./open has mode 0644 and is open to others than its owner: chmod 0400 it
";
    let web = "\
web.yml: basic_auth_users.scraper: not a bcrypt hash; make one with `htpasswd -nBC 10 scraper`
";
    let with_web = ["--web.config.file", "web.yml"];
    for (command, arguments, expected) in [
        ("run", &with_web[..], format!("{secrets}{web}4 problems in the configuration\n")),
        ("sync", &[], format!("{secrets}3 problems in the configuration\n")),
        ("check", &with_web, format!("{secrets}{web}4 problems in the configuration\n")),
        ("check", &["--offline"], String::new()),
        (
            "check",
            &["--offline", "--web.config.file", "web.yml"],
            format!("{web}1 problem in the configuration\n"),
        ),
    ] {
        let arguments = [&[command, "--config", "engkpi.toml"], arguments].concat();
        let (code, stdout, stderr) = run(directory.path(), &arguments);
        if expected.is_empty() {
            assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
        } else {
            assert_eq!(format!("{stdout}{stderr}"), expected, "{arguments:?}");
            assert_eq!(code, 64, "{arguments:?}");
        }
    }
    assert!(!directory.path().join("engkpi.db").exists(), "nothing was begun");
}

#[test]
fn a_token_that_no_header_can_hold_exits_64() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("engkpi.toml"), SMALL).unwrap();
    for command in ["run", "sync"] {
        let arguments = [command, "--config", "engkpi.toml"];
        let (code, _, stderr) =
            run_with(directory.path(), &arguments, &[("GITHUB_TOKEN", "two\nlines")]);
        let reason = "error: source `github`: the token has characters that no header may have";
        assert!(stderr.starts_with(reason), "{stderr}");
        assert_eq!(code, 64, "{command}");
    }
}
