//! Every shape of specification that people have on disk becomes rules that Prometheus takes.

use super::unit::passes;
use super::{check, generated, read};

const EVENTS: &str = "        error_query: sum(rate(e{code=~\"(5..|429)\"}[{{.window}}]))
        total_query: sum(rate(e[{{.window}}]))
";

/// sloth's own, with these lines as its indicator and its alerts.
fn sloth(sli: &str, alerting: &str) -> String {
    format!(
        "version: \"prometheus/v1\"\nservice: \"my-service\"\nlabels:\n  generated: true\n  tier: 2\n  team.io/name: x\n\
         slo_plugins:\n  chain:\n    - id: sloth.dev/core/sli_rules/v1\n      priority: 10\nslos:\n  - name: requests\n    \
         objective: 99.95\n    description: \"What is asked for.\"\n    labels: {{target_le: 0.2}}\n    sli:\n{sli}    alerting:\n{alerting}"
    )
}

fn named() -> &'static str {
    "      name: MyAlert\n      labels: {category: availability}\n      annotations: {runbook: \"https://example.com\"}\n      \
     page_alert: {labels: {severity: pageteam}}\n      ticket_alert: {labels: {slack_channel: \"#alerts\"}}\n"
}

fn openslo(version: &str, spec: &str) -> String {
    format!(
        "apiVersion: openslo/{version}\nkind: SLO\nmetadata:\n  name: web\n  displayName: Web\n  \
         labels: {{env: [prod, test], team: web}}\nspec:\n  description: It answers.\n  service: web\n{spec}"
    )
}

const ROLLING: &str =
    "  budgetingMethod: Occurrences\n  timeWindow:\n    - {duration: 4w, isRolling: true}\n";

#[test]
#[expect(clippy::too_many_lines, reason = "a list of shapes")]
fn every_shape_becomes_rules_that_prometheus_takes() {
    let events = format!("      events:\n{EVENTS}");
    let latency = "      events:
        error_query: |
          (
            sum(rate(d_count{verb!=\"WATCH\"}[{{.window}}]))
            -
            sum(rate(d_bucket{le=\"0.4\",verb!=\"WATCH\"}[{{.window}}])) # slower than that
          )
        total_query: sum(rate(d_count{verb!=\"WATCH\"}[{{ .window }}]))
";
    let subquery = "      events:
        error_query: sum_over_time((count(satisfaction < 0.75))[{{.window}}:]) OR on() vector(0)
        total_query: sum_over_time((count(satisfaction))[{{.window}}:])
";
    let raw = "      raw:
        error_ratio_query: |
          1 - (
            sum(sum_over_time(satisfaction[{{.window}}]))
            /
            sum(count_over_time(satisfaction[{{.window}}]))
          )
";
    let silent = "      page_alert: {disable: true}\n      ticket_alert: {disable: true}\n";
    let kubernetes = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {name: x, namespace: monitoring}\n\
         spec:\n  service: svc\n  labels: {owner: me}\n  sloPlugins: {chain: [{id: sloth.dev/contrib/x/v1}]}\n  slos:\n    \
         - name: slo1\n      objective: 99.9\n      sli:\n        events:\n          \
         errorQuery: 'sum(rate(e{code=~\"5..\"}[{{.window}}]))'\n          totalQuery: 'sum(rate(e[{{.window}}]))'\n      \
         alerting:\n        name: A\n        pageAlert: {labels: {severity: critical}}\n        ticketAlert: {disable: true}\n";
    let counter = format!(
        "{ROLLING}  indicator:\n    metadata: {{name: i}}\n    spec:\n      ratioMetric:\n        counter: true\n        \
         good: {{metricSource: {{type: Prometheus, spec: {{query: 'r{{code!~\"5..\"}}'}}}}}}\n        \
         total: {{metricSource: {{metricSourceRef: p, spec: {{query: r}}}}}}\n  objectives:\n    - {{displayName: Good, op: gt, target: 0.99}}\n  \
         alertPolicies:\n"
    );
    let calendar = "  budgetingMethod: Timeslices\n  timeWindow:\n    - duration: 1Q\n      isRolling: false\n      \
         calendar: {startTime: 2022-01-01 12:00:00, timeZone: America/New_York}\n  indicatorRef: errors\n  objectives:\n    \
         - {op: gt, targetPercent: 99.5, timeSliceTarget: 0.99, timeSliceWindow: 1m}\n    \
         - {target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m}\n---\napiVersion: openslo/v1\nkind: SLI\n\
         metadata: {name: errors}\nspec:\n  ratioMetric:\n    bad: {metricSource: {spec: {query: 'sum(rate(e[window]))'}}}\n    \
         total: {metricSource: {spec: {query: 'sum(rate(t[window]))'}}}\n";
    let threshold = format!(
        "{ROLLING}  indicator:\n    spec:\n      thresholdMetric: {{metricSource: {{type: Any, spec: {{query: queue_length}}}}}}\n  \
         objectives:\n    - {{displayName: Short, op: lt, value: 500, target: 0.99}}\n"
    );
    let ratio = format!(
        "{ROLLING}  indicator:\n    spec:\n      ratioMetric:\n        rawType: success\n        \
         raw: {{metricSource: {{spec: {{query: 'avg_over_time(up[{{{{.window}}}}])'}}}}}}\n  objectives: [{{target: 0.99}}]\n"
    )
    .replace("Occurrences", "RatioTimeslices");
    let alpha = "  budgetingMethod: Occurrences\n  objectives:\n    - ratioMetrics:\n        \
         good: {source: prometheus, queryType: promql, query: 'sum(rate(g[{{.window}}]))'}\n        \
         total: {source: prometheus, queryType: promql, query: 'sum(rate(t[{{.window}}]))'}\n      target: 0.999\n  \
         timeWindows:\n    - count: 30\n      unit: Day\n";
    let others = "---\napiVersion: openslo/v1\nkind: DataSource\nmetadata: {name: p}\nspec: {type: Prometheus}\n---\n\
         apiVersion: openslo/v1\nkind: AlertPolicy\nmetadata: {name: a}\nspec: {conditions: []}\n";
    for (what, text, slos) in [
        ("events", sloth(&events, named()), 1),
        ("a difference, with a comment", sloth(latency, named()), 1),
        ("a subquery", sloth(subquery, named()), 1),
        ("a ratio", sloth(raw, named()), 1),
        ("no alerts", sloth(&events, silent), 1),
        ("an object of Kubernetes", kubernetes.to_owned(), 1),
        ("a counter", openslo("v1", &counter), 1),
        ("slices of a quarter", openslo("v1", calendar), 2),
        ("a threshold", openslo("v1", &threshold), 1),
        ("a ratio of success", openslo("v1", &ratio), 1),
        ("v1alpha", openslo("v1alpha", alpha), 1),
        (
            "all together",
            format!(
                "{}---\n{kubernetes}---\n{}{others}",
                sloth(&events, named()),
                openslo("v1", &counter)
            ),
            3,
        ),
    ] {
        let rules = generated(&text, 30);
        assert_eq!(rules.matches("record: slo:objective:ratio").count(), slos, "{what}:\n{rules}");
        assert!(!rules.contains("{{.window}}") && !rules.contains("NaN"), "{what}:\n{rules}");
        check(&rules);
        // The others are fed as these are.
        if !["an object of Kubernetes", "v1alpha", "all together"].contains(&what) {
            passes(&text, 30);
        }
    }
}

/// What people write around their queries does not break the rules that are made of them.
#[test]
fn comments_offsets_and_windows_of_any_kind_become_rules_that_prometheus_takes() {
    let spec = |metric: &str, more: &str| {
        openslo(
            "v1",
            &format!("{ROLLING}  indicator: {{spec: {{{metric}}}}}\n  objectives: [{{{more}}}]\n"),
        )
    };
    let source = |query: &str| format!("{{metricSource: {{spec: {{query: '{query}'}}}}}}");
    for query in [
        "e # failed",
        "e offset 1m",
        "e{a=~`\\d+`} offset 5m # failed",
        "r{code=~\"(5..|429)\"}",
        "r{code=~\"[45]..\"}",
    ] {
        let metric = format!("counter: true, bad: {}, total: {}", source(query), source("r # all"));
        check(&generated(&spec(&format!("ratioMetric: {{{metric}}}"), "target: 0.99"), 30));
    }
    let query = "avg_over_time(down{a=\"[window]\"}[window]) # in [window]";
    let metric = format!("ratioMetric: {{rawType: success, raw: {}}}", source(query));
    check(&generated(&spec(&metric, "target: 0.99"), 30));
    let metric = format!("thresholdMetric: {}", source(query));
    check(&generated(&spec(&metric, "target: 0.99, op: lte, value: 0.5"), 30));
}

#[test]
fn labels_of_any_kind_are_texts_with_names_that_prometheus_takes() {
    let rules = generated(&sloth(&format!("      events:\n{EVENTS}"), named()), 30);
    for line in ["generated: \"true\"", "tier: \"2\"", "team_io_name: x", "target_le: \"0.2\""] {
        assert!(rules.contains(line), "no {line} in\n{rules}");
    }
    let objectives = read(&openslo(
        "v1",
        &format!(
            "{ROLLING}  indicator: {{spec: {{thresholdMetric: {{metricSource: {{spec: {{query: q}}}}}}}}}}\n  objectives: [{{op: lt, value: 5, target: 0.9}}]\n"
        ),
    ));
    assert_eq!(objectives.slos()[0].labels["env"], "prod,test");
}

/// A week's budget with windows of sloth's own for it: 8 % in an hour are a burn of 13.44.
#[test]
fn windows_of_alerts_can_be_chosen() {
    let windows = "apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}
";
    let spec = sloth(&format!("      events:\n{EVENTS}"), named());
    let rules = generated(&format!("{spec}---\n{windows}"), 7);
    for threshold in ["> 0.00672)", "> 0.00175)", "> 0.0007)", "> 0.00049)"] {
        assert_eq!(rules.matches(threshold).count(), 2, "{threshold} in\n{rules}");
    }
    assert!(rules.contains("slo:sli_error:ratio_rate1w"));
    check(&rules);
    passes(&format!("{spec}---\n{windows}"), 7);
    let usual = generated(&format!("{spec}---\n{windows}"), 30);
    assert!(usual.contains("> 0.0072)"), "the windows are for another period");
}
