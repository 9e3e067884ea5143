//! `engkpi rules`: what is written, and what Prometheus makes of it.

mod asked;
mod burn;
mod kpis;
mod shapes;
mod truth;
mod unit;

use std::fmt::Write as _;
use std::path::Path;

use engkpi::config::{Config, Objectives};
use engkpi::output::rules::{self, Length, Options};
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::promtool::promtool;

/// One SLO of 99.9 % with counters of its own.
const CHECKOUT: &str = include_str!("../data/rules/availability.yaml");

/// The specifications in a text.
fn read(text: &str) -> Objectives {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slos.yaml");
    std::fs::write(&file, text).unwrap();
    let read = Objectives::read(&[file.display().to_string()]);
    read.unwrap_or_else(|problems| panic!("{problems}\n{text}")).0
}

fn options(objectives: &Objectives, days: u32) -> Options {
    objectives.options(Some(Length::days(days)))
}

/// Their rules, in one file.
fn generated(text: &str, days: u32) -> String {
    let objectives = read(text);
    let options = options(&objectives, days);
    let groups: Vec<_> =
        objectives.slos().into_iter().flat_map(|slo| slo.groups(&options)).collect();
    rules::render(&groups)
}

/// Checks that Prometheus takes the rules and that no two are the same.
#[track_caller]
fn check(rules: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    promtool(folder.path(), &["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"]);
}

/// A story for promtool: series as it writes them, and what must hold when.
struct Story {
    /// The time between two samples and between two evaluations.
    every: &'static str,
    series: Vec<(String, String)>,
    /// When, and an expression that must be 1 then.
    holds: Vec<(String, String)>,
}

impl Story {
    fn json(&self) -> Value {
        let series =
            self.series.iter().map(|(series, values)| json!({"series": series, "values": values}));
        let holds = self.holds.iter().map(|(at, expr)| {
            json!({"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}]})
        });
        json!({
            "interval": self.every,
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": holds.collect::<Vec<_>>(),
        })
    }
}

/// Lets promtool tell the stories with those of the rules that they ask for.
#[track_caller]
fn tell(rules: &str, stories: &[Story]) {
    tell_with(rules, stories, asked::needed);
}

/// Lets promtool tell the stories with all of the rules, of which none may fail.
#[track_caller]
fn tell_with_all(rules: &str, stories: &[Story]) {
    tell_with(rules, stories, |rules, _| rules.clone());
}

#[track_caller]
fn tell_with(rules: &str, stories: &[Story], choose: asked::Choice) {
    assert!(stories.iter().all(|it| !it.holds.is_empty()), "a story that cannot fail");
    let rules = serde_saphyr::from_str(rules).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stories = stories.iter().map(|it| (it.every.to_owned(), it.json()));
    let files = asked::write(folder.path(), &rules, stories, choose);
    let arguments: Vec<&str> =
        ["test", "rules"].into_iter().chain(files.iter().map(String::as_str)).collect();
    promtool(folder.path(), &arguments);
}

/// Whether `query` has the one value `truth`, to ten digits.
fn is(query: &str, truth: f64) -> String {
    let room = if truth == 0.0 { 1e-15 } else { truth.abs() * 1e-10 };
    format!("max(abs({query} - {truth:e}) <= bool {room:e}) and count({query}) == 1")
}

/// Whether a comparison with `bool` says yes.
fn that(comparison: &str) -> String {
    format!("max({comparison})")
}

/// Whether `query` has no answer.
fn is_absent(query: &str) -> String {
    format!("absent({query}) * 1 or vector(0)")
}

/// How many alerts of this severity fire: `expected` or not.
fn firing(severity: &str, name: &str, expected: bool) -> String {
    let alerts = format!(
        "count(ALERTS{{alertstate=\"firing\", sloth_severity=\"{severity}\", alertname=\"{name}\"}})"
    );
    if expected { alerts } else { format!("vector(1) unless {alerts}") }
}

/// Values as promtool writes them: `(how many steps, growth in each)` one after the other, from a
/// million on so that nothing looks like a counter that begins. Whole numbers only: promtool adds
/// them up one by one, and what that rounds would look like a counter that began anew.
fn counter(phases: &[(u32, f64)]) -> String {
    let mut text = String::from("1000000");
    let mut count = 1e6;
    for (steps, growth) in phases.iter().filter(|(steps, _)| *steps > 0) {
        assert!(growth.fract() == 0.0, "{growth} is no whole number");
        let first = count + growth;
        write!(text, " {first}+{growth}x{}", steps - 1).unwrap();
        count += f64::from(*steps) * growth;
    }
    text
}

#[test]
fn the_rules_of_one_slo() {
    let rules = generated(CHECKOUT, 30);
    let version = concat!("engkpi-", env!("CARGO_PKG_VERSION"));
    expect_file!["../data/rules/availability.rules.yml"]
        .assert_eq(&rules.replace(version, "engkpi-VERSION"));
    check(&rules);
}

#[test]
fn rules_are_one_document_with_every_slo() {
    let other = CHECKOUT.replace("service: checkout", "service: basket");
    let rules = generated(&format!("---\n{CHECKOUT}---\n{other}"), 30);
    assert_eq!(rules.matches("record: slo:objective:ratio").count(), 2);
    assert!(!rules.lines().any(|it| it == "---"), "Prometheus reads the first document only");
    check(&rules);
}

#[test]
fn labels_that_people_invent_are_on_no_series_but_the_information() {
    let (slo, options) = {
        let objectives = read(CHECKOUT);
        (objectives.slos()[0].clone(), options(&objectives, 30))
    };
    let mut informed = 0;
    for rule in slo.groups(&options).into_iter().flat_map(|group| group.rules) {
        match rule {
            rules::Rule::Record { record, labels, .. } if record == "sloth_slo_info" => {
                informed += 1;
                assert_eq!((labels["owner"].as_str(), labels["tier"].as_str()), ("payments", "1"));
                assert_eq!(labels["sloth_objective"], "99.9");
            }
            rules::Rule::Record { record, labels, .. } => {
                assert!(labels.keys().all(|it| it.starts_with("sloth_")), "{record}: {labels:?}");
            }
            rules::Rule::Alert { labels, .. } => assert_eq!(labels["owner"], "payments"),
        }
    }
    assert_eq!(informed, 1);
}

#[test]
fn alerts_that_are_disabled_are_not_there() {
    let silent = |which: &str| {
        CHECKOUT.replace(
            &format!("      {which}:\n"),
            &format!("      {which}:\n        disable: true\n"),
        )
    };
    let severities = |text: &str| {
        let rules = generated(text, 30);
        ["page", "ticket"].map(|it| rules.contains(&format!("sloth_severity: {it}")))
    };
    assert_eq!(severities(CHECKOUT), [true, true]);
    assert_eq!(severities(&silent("page_alert")), [false, true]);
    assert_eq!(severities(&silent("ticket_alert")), [true, false]);
}

#[test]
fn what_can_never_fire_is_left_out() {
    let lax = CHECKOUT.replace("objective: 99.9", "objective: 90");
    let rules = generated(&lax, 30);
    assert!(!rules.contains("14.4"), "all events bad are a burn of 10");
    assert!(rules.contains("> 0.6)"), "six times too fast can be");
    let laxer = generated(&CHECKOUT.replace("objective: 99.9", "objective: 80"), 30);
    assert!(!laxer.contains("sloth_severity: page"));
    check(&rules);
    check(&laxer);
}

#[test]
fn objects_of_kubernetes_hold_the_same_groups() {
    let objectives = read(CHECKOUT);
    let groups = objectives.slos()[0].groups(&options(&objectives, 28));
    let how = rules::Kubernetes {
        namespace: Some("monitoring".to_owned()),
        labels: [("release".to_owned(), "kube".to_owned())].into(),
    };
    let text = rules::objects(&[("Checkout", groups.clone()), ("other", Vec::new())], &how);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(objects.len(), 2, "one for each service");
    let object = &objects[0];
    assert_eq!(object["apiVersion"], "monitoring.coreos.com/v1");
    assert_eq!(object["kind"], "PrometheusRule");
    assert_eq!(object["metadata"]["name"], "checkout");
    assert_eq!(object["metadata"]["namespace"], "monitoring");
    assert_eq!(object["metadata"]["labels"]["release"], "kube");
    let inner = json!({"groups": object["spec"]["groups"]}).to_string();
    assert!(inner.contains("slo:sli_error:ratio_rate4w") && inner.contains("cli-gen-k8s"));
    check(&inner);
    assert_eq!(object["spec"]["groups"].as_array().unwrap().len(), groups.len());
}

#[test]
fn the_command_writes_them_without_a_configuration() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rules/availability.yaml");
    let run = |more: &[&str]| {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_engkpi"));
        command.env_remove("ENGKPI_CONFIG").arg("rules").args(more).output().unwrap()
    };
    let file = file.to_str().unwrap();
    let output = run(&[file, "--period", "28d"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), generated(CHECKOUT, 28));
    let wrong = run(&["nowhere.yaml"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no file"));
    assert_eq!(run(&[]).status.code(), Some(64));
    assert_eq!(run(&[file, "--period", "12h"]).status.code(), Some(64));
    assert_eq!(run(&[file, "--namespace", "x"]).status.code(), Some(64), "of objects only");
}

#[test]
fn the_window_of_the_configuration_is_that_of_specifications_that_name_none() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rules/availability.yaml");
    let period = |window: &str| {
        let text = format!(
            "{}\n[sources.prometheus]\ntype = \"prometheus\"\nurl = \"http://prometheus:9090\"\n\
             history_start = 2026-01-01\n[slos]\nfiles = [{file:?}]\n{window}\n",
            include_str!("../../config/example.toml")
        );
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let config = Config::parse(&[("engkpi.toml".to_owned(), text)], std::iter::empty(), now);
        let objectives = config.unwrap_or_else(|problems| panic!("{problems}")).objectives;
        assert_eq!(objectives.slos().len(), 1);
        objectives.options(None).period
    };
    assert_eq!(period("window = \"4w\""), Length::days(28));
    let month = Length::days(30);
    assert_eq!(period("window = \"quarter\""), month, "Prometheus knows no quarters");
    assert_eq!(period(""), month);
}
