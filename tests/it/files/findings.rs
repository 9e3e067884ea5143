//! Successive reports of security scanners, and what becomes of what they found.

use engkpi::domain::fact::{Finding, FindingEventKind};
use engkpi::domain::{Fact, Kind};

use super::Scene;

const SETTINGS: &str = "[findings.web]\nfiles = [\"$/*.json\"]\nservice = \"web\"";

fn trivy(at: &str, found: &[(&str, &str, &str)]) -> String {
    let vulnerabilities: Vec<String> = found
        .iter()
        .map(|(id, package, severity)| {
            format!(r#"{{"VulnerabilityID":"{id}","PkgName":"{package}","Severity":"{severity}"}}"#)
        })
        .collect();
    format!(
        r#"{{"SchemaVersion":2,"CreatedAt":"{at}","ArtifactName":"web:{at}","Results":[
            {{"Target":"web:{at} (debian 12.1)","Class":"os-pkgs","Vulnerabilities":[{}]}},
            {{"Target":"app","Class":"lang-pkgs","Vulnerabilities":null}}]}}"#,
        vulnerabilities.join(",")
    )
}

fn sarif(results: &str, more: &str) -> String {
    format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"Bandit","rules":[
            {{"id":"B1","properties":{{"security-severity":"9.8"}}}},{{"id":"B2"}}]}}}},
            {more}"results":[{results}]}}]}}"#
    )
}

fn result(rule: &str, uri: &str, line: u32, snippet: &str, more: &str) -> String {
    format!(
        r#"{{"ruleId":"{rule}",{more}"message":{{"text":"bad"}},"locations":[{{"physicalLocation":{{
            "artifactLocation":{{"uri":"{uri}"}},"region":{{"startLine":{line},"snippet":{{"text":"{snippet}"}}}}}}}}]}}"#
    )
}

/// Every finding as `TOOL SEVERITY since DAY: EVENT DAY, …`.
async fn told(scene: &Scene) -> Vec<String> {
    let day = |at: engkpi::domain::Instant| at.format("%m-%d").to_string();
    let mut told = Vec::new();
    for fact in scene.facts(Kind::Finding).await {
        let Fact::Finding(Finding { tool, severity, detected_at, events, .. }) = fact else {
            panic!()
        };
        let events: Vec<String> = events
            .iter()
            .map(|it| {
                let what = match it.event {
                    FindingEventKind::Fixed => "fixed",
                    FindingEventKind::Reopened => "reopened",
                    FindingEventKind::Dismissed => "dismissed",
                    FindingEventKind::AutoDismissed => "auto-dismissed",
                };
                format!("{what} {}", day(it.at))
            })
            .collect();
        let since = day(detected_at);
        let severity = severity.unwrap_or_default();
        told.push(format!("{tool} {severity} since {since}: {}", events.join(", ")));
    }
    told.sort();
    told
}

#[tokio::test]
async fn what_a_later_report_has_no_more_is_fixed_and_what_comes_back_is_open_again() {
    let scene = Scene::of(SETTINGS);
    let (a, b) = (("CVE-1", "openssl", "CRITICAL"), ("CVE-2", "zlib", "LOW"));
    scene.write("scan.json", trivy("2026-03-01T00:00:00Z", &[a, b]));
    scene.poll().await;
    assert_eq!(told(&scene).await, ["trivy critical since 03-01: ", "trivy low since 03-01: "]);
    scene.write("scan.json", trivy("2026-03-05T00:00:00Z", &[b]));
    scene.poll().await;
    let fixed = ["trivy critical since 03-01: fixed 03-05", "trivy low since 03-01: "];
    assert_eq!(told(&scene).await, fixed);
    scene.write("scan.json", trivy("2026-03-09T00:00:00Z", &[a, b]));
    scene.poll().await;
    let again =
        ["trivy critical since 03-01: fixed 03-05, reopened 03-09", "trivy low since 03-01: "];
    assert_eq!(told(&scene).await, again);
    assert_eq!(scene.count(Kind::FindingFeed).await, 1);
}

#[tokio::test]
async fn a_folder_of_scans_tells_the_whole_history_and_an_old_scan_changes_nothing() {
    let scene = Scene::of(SETTINGS);
    let (a, b) = (("CVE-1", "openssl", "CRITICAL"), ("CVE-2", "zlib", "LOW"));
    scene.write("2026-03-01.json", trivy("2026-03-01T00:00:00Z", &[a]));
    scene.write("2026-03-02.json", trivy("2026-03-02T00:00:00Z", &[a, b]));
    scene.write("2026-03-03.json", trivy("2026-03-03T00:00:00Z", &[b]));
    scene.poll().await;
    let all = ["trivy critical since 03-01: fixed 03-03", "trivy low since 03-02: "];
    assert_eq!(told(&scene).await, all);
    use engkpi::source::Source as _;
    scene.source.reconcile(&scene.context()).await.unwrap();
    assert_eq!(told(&scene).await, all, "reading everything again changes nothing");
    scene.write("2026-02-01.json", trivy("2026-02-01T00:00:00Z", &[]));
    scene.remove("2026-03-01.json");
    scene.poll().await;
    assert_eq!(told(&scene).await, all);
}

#[tokio::test]
async fn sarif_findings_are_the_same_when_lines_move_and_suppressed_ones_are_dismissed() {
    let scene = Scene::of(SETTINGS);
    let at = |day: &str| {
        format!(
            r#""invocations":[{{"executionSuccessful":true,"endTimeUtc":"2026-03-{day}T00:00:00Z"}}],"#
        )
    };
    let first = [
        result("B1", "a.py", 10, "exec(x)", ""),
        result("B2", "a.py", 20, "yaml.load(x)", r#""level":"error","#),
        result("B2", "b.py", 5, "yaml.load(x)", ""),
        result("B2", "c.py", 5, "fine", r#""suppressions":[{"kind":"inSource"}],"#),
    ];
    scene.write("a.json", sarif(&first.join(","), &at("01")));
    scene.poll().await;
    let open = [
        "bandit critical since 03-01: ",
        "bandit error since 03-01: ",
        "bandit warning since 03-01: ",
    ];
    assert_eq!(told(&scene).await, open);
    let second = [
        result("B1", "a.py", 99, "exec(x)", ""),
        result(
            "B2",
            "a.py",
            98,
            "yaml.load(x)",
            r#""level":"error","suppressions":[{"kind":"external","status":"accepted"}],"#,
        ),
    ];
    scene.write("a.json", sarif(&second.join(","), &at("04")));
    scene.poll().await;
    let later = [
        "bandit critical since 03-01: ",
        "bandit error since 03-01: dismissed 03-04",
        "bandit warning since 03-01: fixed 03-04",
    ];
    assert_eq!(told(&scene).await, later);
}

#[tokio::test]
async fn a_scan_that_failed_fixes_nothing() {
    let scene = Scene::of(SETTINGS);
    scene.write("a.json", sarif(&result("B1", "a.py", 1, "x", ""), ""));
    scene.poll().await;
    scene.write("a.json", sarif("", r#""invocations":[{"executionSuccessful":false}],"#));
    assert_eq!(
        scene.said().await,
        "a.json: tells of a scan by \"Bandit\" that failed: what there is stays unknown"
    );
    for (text, said) in [
        ("{\"runs\": 5}", "is no report: invalid type: integer `5`, expected a sequence"),
        ("{\"a\": 1}", "is neither SARIF nor a report of Trivy"),
    ] {
        scene.write("a.json", text);
        assert_eq!(scene.said().await, format!("a.json: {said}"));
    }
    scene.write("a.json", "{\n  \"runs\": [");
    assert_eq!(scene.said().await, "a.json:2:11: is no JSON");
    assert!(told(&scene).await[0].ends_with(": "), "it is open still");
}

#[tokio::test]
async fn reports_that_are_not_configured_any_more_leave_nothing() {
    let mut scene = Scene::of(SETTINGS);
    scene.write("a.json", trivy("2026-03-01T00:00:00Z", &[("CVE-1", "openssl", "HIGH")]));
    scene.write("u.csv", "date,service,unit,count\n2026-03-05,web,request,1\n");
    scene.poll().await;
    assert_eq!((scene.count(Kind::Finding).await, scene.count(Kind::FindingFeed).await), (1, 1));
    scene.reconfigure(&super::register("units", "u.csv"));
    scene.poll().await;
    assert_eq!((scene.count(Kind::Finding).await, scene.count(Kind::FindingFeed).await), (0, 0));
}
