//! The unit tests that `engkpi rules --tests` writes: they pass for the rules as they are, and fail
//! for rules that are wrong.

use std::path::Path;
use std::process::Command;

use engkpi::output::rules::{Options, Slo, render};
use expect_test::{Expect, expect};
use serde_json::Value;

use super::{CHECKOUT, asked, options, read};
use crate::promtool::promtool;

/// Tests every SLO of a specification, each story with the rules that it asks for.
#[track_caller]
pub(super) fn passes(text: &str, days: u32) {
    let objectives = read(text);
    let options = options(&objectives, days);
    for slo in objectives.slos() {
        let folder = tempfile::tempdir().unwrap();
        let stories = stories(slo, &options);
        let files = write(folder.path(), &render(&slo.groups(&options)), stories);
        let arguments: Vec<&str> =
            ["test", "rules"].into_iter().chain(files.iter().map(String::as_str)).collect();
        promtool(folder.path(), &arguments);
    }
}

/// Tests the first SLO of a specification with the files as they are written.
#[track_caller]
fn passes_as_it_is_written(text: &str, days: u32) {
    let objectives = read(text);
    let options = options(&objectives, days);
    let slo = objectives.slos()[0];
    let folder = tempfile::tempdir().unwrap();
    let rules = render(&slo.groups(&options));
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let tests = slo.unit_tests(&options, "rules.yml");
    std::fs::write(folder.path().join("test.yml"), tests).unwrap();
    promtool(folder.path(), &["test", "rules", "test.yml"]);
}

/// Its stories, as they are written.
fn stories(slo: &Slo, options: &Options) -> Vec<Value> {
    let tests = slo.unit_tests(options, "rules.yml");
    let mut tests: Value = serde_saphyr::from_str(&tests).unwrap();
    assert_eq!(tests["evaluation_interval"], "1m");
    match tests["tests"].take() {
        Value::Array(stories) => stories,
        other => panic!("{other} is no list of stories"),
    }
}

fn write(folder: &Path, rules: &str, stories: Vec<Value>) -> Vec<String> {
    let rules = serde_saphyr::from_str(rules).unwrap();
    let stories = stories.into_iter().map(|story| ("1m".to_owned(), story));
    asked::write(folder, &rules, stories, asked::needed)
}

/// What is told of an SLO: the name of each story, and how much it checks.
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn told(text: &str, days: u32, expected: Expect) {
    let objectives = read(text);
    let stories = stories(objectives.slos()[0], &options(&objectives, days));
    let line = |it: &Value| {
        let checks = it["promql_expr_test"].as_array().unwrap().len();
        let inputs = it["input_series"].as_array().unwrap().len();
        format!("{}: {inputs} series, {checks} checks\n", it["name"].as_str().unwrap())
    };
    let lines: String = stories.iter().map(line).collect();
    expected.assert_eq(&lines);
}

#[test]
fn everything_is_told_of_an_slo_of_events() {
    told(
        CHECKOUT,
        30,
        expect![[r#"
            checkout-requests-availability: half of the budget burns: 2 series, 6 checks
            checkout-requests-availability: an idle hour: 2 series, 6 checks
            checkout-requests-availability: nothing has ever failed: 1 series, 10 checks
            checkout-requests-availability: fast burn, 19 minutes: 2 series, 4 checks
            checkout-requests-availability: slow burn, 190 minutes: 2 series, 3 checks
            checkout-requests-availability: other labels before: 5 series, 3 checks
        "#]],
    );
    passes_as_it_is_written(CHECKOUT, 30);
}

#[test]
fn of_a_ratio_the_thresholds_are_told() {
    let ratio = "version: prometheus/v1\nservice: wifi\nslos:\n  - name: happy\n    objective: 95\n    \
                 sli: {raw: {error_ratio_query: '1 - avg(avg_over_time(happy[{{.window}}]))'}}\n    alerting: {name: Wifi}\n";
    told(
        ratio,
        30,
        expect![[r#"
        wifi-happy: a share of 0.297000: 7 series, 2 checks
        wifi-happy: a share of 0.303000: 7 series, 2 checks
        wifi-happy: a share of 0.049500: 7 series, 2 checks
        wifi-happy: a share of 0.050500: 7 series, 2 checks
        wifi-happy: an idle hour: 7 series, 3 checks
    "#]],
    );
    passes_as_it_is_written(ratio, 30);
    for days in [28, 1, 3] {
        passes(ratio, days);
    }
    // It names no window, so that the other windows are averages of the shortest.
    let threshold = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: happy}\nspec:\n  service: wifi\n  \
         budgetingMethod: RatioTimeslices\n  timeWindow: [{duration: 30d, isRolling: true}]\n  \
         objectives: [{op: gte, value: 0.5, target: 0.95}]\n  \
         indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: avg(happy)}}}}}\n";
    passes(threshold, 30);
}

#[test]
fn of_slices_it_is_told_which_are_bad() {
    let slices = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: up}\nspec:\n  service: web\n  \
         budgetingMethod: Timeslices\n  timeWindow: [{duration: 30d, isRolling: true}]\n  \
         objectives: [{target: 0.99, timeSliceTarget: 0.95}]\n  indicator:\n    spec:\n      ratioMetric:\n        \
         counter: true\n        bad: {metricSource: {spec: {query: 'r{code=\"500\"}'}}}\n        \
         total: {metricSource: {spec: {query: r}}}\n";
    told(
        slices,
        30,
        expect![[r#"
        web-up: nothing has ever failed: 1 series, 10 checks
        web-up: bad slices: 2 series, 4 checks
        web-up: a share of 0.059400: 1 series, 2 checks
        web-up: a share of 0.060600: 1 series, 2 checks
        web-up: a share of 0.009900: 1 series, 2 checks
        web-up: a share of 0.010100: 1 series, 2 checks
    "#]],
    );
    passes_as_it_is_written(slices, 30);
    passes(&slices.replace("0.99,", "0.5,"), 28);
    passes(&slices.replace(", timeSliceTarget: 0.95", ""), 30);
    // An average of shares is of no events.
    let ratios = slices.replace("Timeslices", "RatioTimeslices");
    told(
        &ratios,
        30,
        expect![[r#"
            web-up: a share of 0.059400: 1 series, 2 checks
            web-up: a share of 0.060600: 1 series, 2 checks
            web-up: a share of 0.009900: 1 series, 2 checks
            web-up: a share of 0.010100: 1 series, 2 checks
            web-up: an idle hour: 1 series, 3 checks
        "#]],
    );
    passes(&ratios, 30);
}

#[test]
fn objectives_of_every_kind_are_told() {
    for (objective, days) in [("99.995", 28), ("90", 28), ("50", 30), ("100", 30), ("99.9", 1)] {
        passes(&CHECKOUT.replace("99.9", objective), days);
    }
    told(
        &CHECKOUT.replace("99.9", "90"),
        30,
        expect![[r#"
            checkout-requests-availability: half of the budget burns: 2 series, 6 checks
            checkout-requests-availability: an idle hour: 2 series, 6 checks
            checkout-requests-availability: nothing has ever failed: 1 series, 10 checks
            checkout-requests-availability: fast burn, 219 minutes: 2 series, 4 checks
            checkout-requests-availability: slow burn, 190 minutes: 2 series, 3 checks
            checkout-requests-availability: other labels before: 5 series, 3 checks
        "#]],
    );
    told(
        &CHECKOUT.replace("99.9", "100"),
        30,
        expect![[r#"
        checkout-requests-availability: half of the budget burns: 2 series, 5 checks
        checkout-requests-availability: an idle hour: 2 series, 4 checks
        checkout-requests-availability: nothing has ever failed: 1 series, 10 checks
        checkout-requests-availability: other labels before: 5 series, 2 checks
    "#]],
    );
}

/// Rules with a mistake that people made before.
#[test]
fn the_tests_fail_for_wrong_rules() {
    let objectives = read(CHECKOUT);
    let options = options(&objectives, 30);
    let slo = objectives.slos()[0];
    let right = render(&slo.groups(&options));
    if Command::new("promtool").arg("--version").output().is_err() {
        return;
    }
    let average = |text: &str| {
        let recent = "slo:sli_error:ratio_rate5m{";
        text.replace("sum_over_time(slo:sli_error:rate5m{", &format!("sum_over_time({recent}"))
            .replace("sum_over_time(slo:sli_total:rate5m{", &format!("count_over_time({recent}"))
    };
    // What is wrong, and the story that tells it.
    for (what, story, wrong) in [
        ("an average of shares", "an idle hour", average(&right)),
        (
            "no errors, no series",
            "nothing has ever failed",
            right.replace("or on()\n      0 * sum(", "and on()\n      1 * sum("),
        ),
        ("a threshold of 20", "fast burn", right.replace("> 0.0144)", "> 0.02)")),
        ("a ticket at 1.2", "slow burn", right.replace("> 0.001)", "> 0.0012)")),
        ("one window only", "fast burn", right.replace("ratio_rate1h{", "ratio_rate5m{")),
        (
            "labels that come from before",
            "other labels before",
            right.replace("sum by (sloth_id, sloth_service, sloth_slo) (sum_over", "(sum_over"),
        ),
    ] {
        assert_ne!(wrong, right, "{what}: the mistake was not made");
        let folder = tempfile::tempdir().unwrap();
        let mut stories = stories(slo, &options);
        stories.retain(|it| it["name"].as_str().unwrap().contains(story));
        assert_eq!(stories.len(), 1, "{story}");
        let files = write(folder.path(), &wrong, stories);
        promtool(folder.path(), &["check", "rules", "0.rules.yml"]);
        let run = Command::new("promtool")
            .args(["test", "rules", &files[0]])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(!run.status.success(), "{what}: nobody noticed");
    }
}

#[test]
fn the_command_writes_them_beside_the_rules() {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rules/availability.yaml");
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests");
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_engkpi"))
        .env_remove("ENGKPI_CONFIG")
        .args(["rules", spec.to_str().unwrap(), "--tests", tests.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("promtool test rules {}/*.test.yml\n", tests.display()));
    // Of which it is told above that they pass.
    let objectives = read(CHECKOUT);
    let (slo, options) = (objectives.slos()[0], options(&objectives, 30));
    let rules_file = "checkout-requests-availability.rules.yml";
    let written = |file: &str| std::fs::read_to_string(tests.join(file)).unwrap();
    assert_eq!(written(rules_file), render(&slo.groups(&options)));
    let file = "checkout-requests-availability.test.yml";
    assert_eq!(written(file), slo.unit_tests(&options, rules_file));
}
