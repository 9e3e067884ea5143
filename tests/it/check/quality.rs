//! What the token must be able to read for debt, findings, standards and boundaries.

use super::*;

/// Everything that quality KPIs can ask of a repository.
const RULES: &str = r#"
[rules.debt]

[rules.findings]
tools = ["dependabot", "code_scanning", "secret_scanning"]

[standards.owners]
checks = [{ file = "CODEOWNERS" }]

[standards.lifecycle]
checks = [{ property = "lifecycle" }]

[boundaries.orders]
service = "checkout"
workflow = "Contract tests"
"#;

/// The catalogue of the other stories with these rules.
fn catalogue() -> String {
    format!("{CATALOGUE}{RULES}")
}

fn seen() -> World {
    let mut world = world();
    world.repository_mut("shop").issue(1, "2026-02-01 09:00", &["debt"], |_| {});
    for name in ["shop", "search"] {
        let repository = world.repository_mut(name);
        let sha = repository.push("2026-03-01 09:00", "A test", &["README.md"]);
        repository.run("Contract tests", &sha, "2026-03-01 10:00", |_| {});
    }
    world
}

/// What is wrong about GitHub and the boundaries, and how to mend it.
async fn errors(world: World, config: &str) -> String {
    let tokens = ["limited", engkpi_fakes::PAGERDUTY_TOKEN];
    let (_, stdout, _) = ask(world, config, tokens, &[]).await;
    let lines: Vec<&str> = stdout.lines().collect();
    let mut told = String::new();
    for (at, line) in lines.iter().enumerate() {
        let about = ["error: sources.github", "error: boundaries", "warning: sources.github: "];
        if about.iter().any(|it| line.starts_with(it)) && !line.contains("may also write") {
            told += &format!("{line}\n");
            let fix = lines.get(at + 1).filter(|it| it.trim_start().starts_with("fix:"));
            told += &fix.map(|it| format!("{it}\n")).unwrap_or_default();
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_permission_there_is_nothing_to_say() {
    let world = seen().github_token(Token::full("limited"));
    assert_eq!(errors(world, &catalogue()).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_permission_is_named_with_the_kpi_that_it_costs() {
    let mut told = String::new();
    for permission in [
        "issues",
        "vulnerability_alerts",
        "security_events",
        "secret_scanning_alerts",
        "repository_custom_properties",
        "contents",
        "actions",
    ] {
        let world = seen().github_token(Token::full("limited").without(permission));
        told += &format!("{permission}\n{}", errors(world, &catalogue()).await);
    }
    expect![[r#"
        issues
        error: sources.github: issues of acme/shop: they are there, and hidden from this credential
            fix: let the credential read it, or there is no true debt_retirement
        vulnerability_alerts
        error: sources.github: Dependabot alerts of acme/search: GET /repos/acme/search/dependabot/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        error: sources.github: Dependabot alerts of acme/shop: GET /repos/acme/shop/dependabot/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        security_events
        error: sources.github: code scanning alerts of acme/search: GET /repos/acme/search/code-scanning/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        error: sources.github: code scanning alerts of acme/shop: GET /repos/acme/shop/code-scanning/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        secret_scanning_alerts
        error: sources.github: secret scanning alerts of acme/search: GET /repos/acme/search/secret-scanning/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        error: sources.github: secret scanning alerts of acme/shop: GET /repos/acme/shop/secret-scanning/alerts: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true finding_closure
        repository_custom_properties
        error: sources.github: custom properties of acme/search: GET /repos/acme/search/properties/values: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true standard_adoption
        error: sources.github: custom properties of acme/shop: GET /repos/acme/shop/properties/values: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true standard_adoption
        contents
        error: sources.github: contents of acme/search: they are there, and hidden from this credential
            fix: let the credential read it, or there is no true standard_adoption
        error: sources.github: contents of acme/shop: they are there, and hidden from this credential
            fix: let the credential read it, or there is no true architecture_throughput, decision_time
        error: sources.github: contents of acme/shop: they are there, and hidden from this credential
            fix: let the credential read it, or there is no true standard_adoption
        actions
        error: sources.github: workflows of acme/search: GET /repos/acme/search/actions/workflows: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true change_failure, deployment_frequency, change_lead_time
        error: sources.github: workflows of acme/shop: GET /repos/acme/shop/actions/workflows: 403 Forbidden (Resource not accessible by personal access token)
            fix: let the credential read it, or there is no true contract_coverage
    "#]].assert_eq(&told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_is_switched_off_is_no_missing_permission() {
    let mut world = seen().github_token(Token::full("limited"));
    let shop = world.repository_mut("shop");
    shop.alerting.clear();
    shop.has_issues = false;
    expect![[r#"
        warning: sources.github: Dependabot alerts of acme/shop: switched off or not there (GET /repos/acme/shop/dependabot/alerts: 403 Forbidden (Dependabot alerts are disabled for this repository.))
        warning: sources.github: code scanning alerts of acme/shop: switched off or not there (404 Not Found)
        warning: sources.github: issues of acme/shop: switched off
        warning: sources.github: secret scanning alerts of acme/shop: switched off or not there (404 Not Found)
    "#]].assert_eq(&errors(world, &catalogue()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_is_to_test_a_boundary_must_be_there() {
    let config = catalogue().replace("Contract tests", "Contract test");
    let world = seen().github_token(Token::full("limited"));
    expect![[r#"
        error: boundaries.orders.workflow: acme/shop has no workflow "Contract test"
            fix: did you mean "Contract tests"?
    "#]]
    .assert_eq(&errors(world, &config).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_advice_for_a_token_names_what_the_rules_need() {
    let tokens = ["limited", engkpi_fakes::PAGERDUTY_TOKEN];
    let world = seen().github_token(Token::full("limited"));
    let (_, stdout, _) = ask(world, &catalogue(), tokens, &[]).await;
    let advice = stdout.lines().find(|it| it.contains("may also write")).unwrap();
    expect!["warning: sources.github: the token may also write (repo); a fine-grained token or a GitHub App that may only read Contents, Pull requests, Deployments, Actions, Issues, Dependabot alerts, Code scanning alerts, Secret scanning alerts, Custom properties and Metadata is enough"].assert_eq(advice);
}
