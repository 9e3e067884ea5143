//! Specifications as they are found on disk, good and bad.

use expect_test::{Expect, expect};

use super::*;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check(text: &str, said: Expect) {
    let mut all = Specifications::new(None);
    all.read_texts(&[("slos.yaml".to_owned(), text.to_owned())]);
    let mut lines = String::new();
    for found in &all.found {
        let (objective, _, allowed) = found.objective();
        lines += &format!(
            "{} {objective} leaves {allowed}, {} in {}\n  {}\n",
            found.id,
            found.method.as_str(),
            found.window,
            found.sli.query("5m")
        );
    }
    for problem in &all.problems {
        lines += &format!("{problem}\n");
    }
    let objectives = Objectives::new(&all.found, all.windows, None);
    for notice in all.notices.iter().chain(&objectives.notices(&objectives.options(None))) {
        lines += &format!("{}: warning: {}\n", notice.place, notice.rule);
    }
    said.assert_eq(&lines);
}

const GETTING_STARTED: &str = r#"version: "prometheus/v1"
service: "myservice"
labels:
  owner: "myteam"
slos:
  # We allow failing (5xx and 429) 1 request every 1000 requests (99.9%).
  - name: "requests-availability"
    objective: 99.9
    description: "Common SLO based on availability for HTTP request responses."
    sli:
      events:
        error_query: sum(rate(http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_request_duration_seconds_count{job="myservice"}[{{ .window }}]))
    alerting:
      name: MyServiceHighErrorRate
      labels:
        category: "availability"
"#;

#[test]
fn sloths_own_example() {
    check(
        GETTING_STARTED,
        expect![[r#"
        myservice-requests-availability 0.999 leaves 0.001, events in 30d
          label_replace(sum(rate(http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(http_request_duration_seconds_count{job="myservice"}[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
}

#[test]
fn several_documents_in_a_file_are_all_read() {
    let other = GETTING_STARTED.replace("\"myservice\"\nlabels", "\"other\"\nlabels");
    check(
        &format!("---\n{GETTING_STARTED}---\n{other}"),
        expect![[r#"
        myservice-requests-availability 0.999 leaves 0.001, events in 30d
          label_replace(sum(rate(http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(http_request_duration_seconds_count{job="myservice"}[5m])), "engkpi_part", "total", "", "")
        other-requests-availability 0.999 leaves 0.001, events in 30d
          label_replace(sum(rate(http_request_duration_seconds_count{job="myservice",code=~"(5..|429)"}[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(http_request_duration_seconds_count{job="myservice"}[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
}

#[test]
fn an_object_of_kubernetes() {
    check(
        r#"apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata:
  name: sloth-slo-home-wifi
spec:
  service: "home-wifi"
  slos:
    - name: "good-wifi-client-satisfaction"
      objective: 95
      sli:
        raw:
          errorRatioQuery: 1 - (sum(avg_over_time(client_satisfaction[{{.window}}])) / 100)
      alerting:
        pageAlert: {disable: true}
        ticketAlert: {disable: true}
"#,
        expect![[r#"
            home-wifi-good-wifi-client-satisfaction 0.95 leaves 0.05, ratios in 30d
              label_replace(1 - (sum(avg_over_time(client_satisfaction[5m])) / 100), "engkpi_part", "bad", "", "")
        "#]],
    );
}

#[test]
fn what_sloth_refuses_is_refused_with_its_place() {
    check(
        r#"version: "prometheus/v1"
service: "my-service"
slos:
  - name: "-a"
    objective: 99
  - name: no-objective
    sli: {events: {error_query: "increase(e[{{.window}}])", total_query: "increase(t[{{.window}}])"}}
    alerting: {name: A}
  - name: too-much
    objective: 100.5
  - name: no-window
    objective: 99
    sli:
      events:
        error_query: sum(rate(e[5m]))
        total_query: sum(rate(t[{{.window}}]))
    alerting: {name: A}
  - name: same
    objective: 99
    sli:
      events:
        error_query: sum(rate(t[{{.window}}]))
        total_query: sum(rate(t[{{ .window }}]))
  - name: both-ways
    objective: 99
    sli:
      raw: {error_ratio_query: "avg_over_time(x[{{.window}}])"}
      events: {error_query: "increase(e[{{.window}}])", total_query: "increase(t[{{.window}}])"}
  - name: plugged
    objective: 99
    sli:
      plugin: {id: sloth-common/x}
  - name: unnamed-alert
    objective: 99
    sli: {raw: {error_ratio_query: "avg_over_time(x[{{.window}}])"}}
    alerting: {page_alert: {disable: true}}
"#,
        expect![[r#"
            my-service-unnamed-alert 0.99 leaves 0.01, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            slos.yaml:4:11: "-a" cannot be the name of an SLO
                fix: use letters, digits, - _ and ., two at least, with a letter or digit at both ends
            slos.yaml:4:5: needs exactly one way to tell bad events
                fix: write sli.events or sli.raw
            slos.yaml:6:5: has no `objective`
                fix: add objective: 99.9
            slos.yaml:10:16: 100.5 is no objective
                fix: write a percentage above 0 and at most 100
            slos.yaml:9:5: needs exactly one way to tell bad events
                fix: write sli.events or sli.raw
            slos.yaml:15:22: `error_query` does not name its window
                fix: write [{{.window}}] where its range is
            slos.yaml:22:22: is the query for everything too
                fix: tell the events apart
            slos.yaml:24:5: needs exactly one way to tell bad events
                fix: write sli.events or sli.raw
            slos.yaml:32:15: uses the plugin "sloth-common/x", a program of sloth's
                fix: write its queries as sli.events
            slos.yaml:36:15: has alerts and no `name` for them
                fix: add alerting.name, or disable both alerts
        "#]],
    );
}

#[test]
fn what_nobody_else_checks() {
    check(
        r#"version: "prometheus/v1"
service: my-service
slos:
  - name: perfect
    objective: 100
    sli: {raw: {error_ratio_query: "avg_over_time(x[{{.window}}])"}}
  - name: lax
    objective: 90
    sli: {raw: {error_ratio_query: "avg_over_time(x[{{.window}}])"}}
  - name: mixed
    objective: 99
    sli:
      events:
        error_query: sum(increase(e[{{.window}}]))
        total_query: sum(rate(t[{{.window}}]))
  - name: lax
    objective: 99
    sli: {raw: {error_ratio_query: "avg_over_time(y[{{.window}}])"}}
"#,
        expect![[r#"
            my-service-perfect 1 leaves 0, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            my-service-lax 0.9 leaves 0.1, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            my-service-lax 0.99 leaves 0.01, ratios in 30d
              label_replace(avg_over_time(y[5m]), "engkpi_part", "bad", "", "")
            slos.yaml:14:22: one query counts events by the second, the other does not
                fix: use rate in both, or increase in both
            slos.yaml:16:11: the SLO my-service-lax is at slos.yaml:7:11 already
                fix: rename one of them
            slos.yaml:5:16: warning: an objective of 100 % leaves no budget: one bad event is an infinite burn
            slos.yaml:8:16: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
        "#]],
    );
}

/// An SLO of `OpenSLO`, with these lines at the end of its `spec`.
fn openslo(window: &str, more: &str) -> String {
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: web-availability\nspec:\n  service: web\n  \
         budgetingMethod: Occurrences\n  timeWindow:\n    - {window}\n{more}"
    )
}

const RATIO: &str = "  indicator:
    metadata: {name: errors}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource: {type: Prometheus, spec: {query: 'http_requests{code!~\"5..\"}'}}
        total:
          metricSource: {type: Prometheus, spec: {query: http_requests}}
  objectives:
    - target: 0.999
";

#[test]
fn openslo_with_a_counter() {
    check(
        &openslo("{duration: 28d, isRolling: true}", RATIO),
        expect![[r#"
        web-web-availability 0.999 leaves 0.001, events in 28d
          label_replace(sum(increase(http_requests{code!~"5.."}[5m])), "engkpi_part", "good", "", "") or label_replace(sum(increase(http_requests[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
}

#[test]
fn openslo_with_an_sli_of_its_own_in_a_calendar_quarter() {
    let sli = "apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    bad: {metricSource: {spec: {query: 'sum(rate(e[{{.window}}]))'}}}
    total: {metricSource: {spec: {query: 'sum(rate(t[{{.window}}]))'}}}
---
apiVersion: openslo/v1
kind: Service
metadata: {name: web}
---
";
    let window = "{duration: 1Q, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: Europe/Berlin}}";
    let more =
        "  indicatorRef: errors\n  objectives:\n    - {targetPercent: 99.5}\n    - {target: 0.9}\n";
    check(
        &format!("{sli}{}", openslo(window, more)),
        expect![[r#"
            web-web-availability-0 0.995 leaves 0.005, events in 1Q
              label_replace(sum(rate(e[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(t[5m])), "engkpi_part", "total", "", "")
            web-web-availability-1 0.9 leaves 0.1, events in 1Q
              label_replace(sum(rate(e[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(t[5m])), "engkpi_part", "total", "", "")
            slos.yaml:25:16: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
        "#]],
    );
}

#[test]
fn openslo_with_a_threshold_and_with_a_raw_ratio() {
    let more = "  indicator:
    spec:
      thresholdMetric: {metricSource: {spec: {query: queue_length}}}
  objectives:
    - {op: lte, value: 200, target: 0.95}
";
    check(
        &openslo("{duration: 30d, isRolling: true}", more),
        expect![[r#"
            web-web-availability 0.95 leaves 0.05, ratios in 30d
              label_replace(1 - (((queue_length) > -Inf) <= bool 200), "engkpi_part", "bad", "", "") or label_replace(count((queue_length)), "engkpi_part", "total", "", "")
        "#]],
    );
    let more = "  indicator:
    spec:
      ratioMetric:
        rawType: success
        raw: {metricSource: {spec: {query: 'avg_over_time(up[{{.window}}])'}}}
  objectives:
    - {target: 0.95, op: gt}
";
    check(
        &openslo("{duration: 30d, isRolling: true}", more),
        expect![[r#"
            web-web-availability 0.95 leaves 0.05, ratios in 30d
              label_replace(1 - (avg_over_time(up[5m])), "engkpi_part", "bad", "", "")
            slos.yaml:16:26: warning: an `op` says nothing about a ratio
        "#]],
    );
}

#[test]
fn openslo_by_slices() {
    let rolls = "{duration: 30d, isRolling: true}";
    let by_slices = |objective: &str| {
        let text = openslo(rolls, RATIO).replace("Occurrences", "Timeslices");
        let (head, _) = text.split_once("  objectives:").expect("it has objectives");
        format!("{head}  objectives: [{objective}]\n")
    };
    check(
        &by_slices("{target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 5m}"),
        expect![[r#"
        web-web-availability 0.95 leaves 0.05, slices in 30d
          label_replace(sum(increase(http_requests{code!~"5.."}[5m])), "engkpi_part", "good", "", "") or label_replace(sum(increase(http_requests[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    check(
        &by_slices("{target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 1h}"),
        expect![[r#"
        web-web-availability 0.95 leaves 0.05, slices in 30d
          label_replace(sum(increase(http_requests{code!~"5.."}[5m])), "engkpi_part", "good", "", "") or label_replace(sum(increase(http_requests[5m])), "engkpi_part", "total", "", "")
        slos.yaml:19:70: warning: slices have five minutes here, not "1h"
    "#]],
    );
    check(
        &by_slices("{target: 0.95}"),
        expect![[r#"
        web-web-availability 0.95 leaves 0.05, slices in 30d
          label_replace(sum(increase(http_requests{code!~"5.."}[5m])), "engkpi_part", "good", "", "") or label_replace(sum(increase(http_requests[5m])), "engkpi_part", "total", "", "")
        slos.yaml:19:16: warning: has no `timeSliceTarget`: a slice is good if it meets the objective
    "#]],
    );
    check(
        &by_slices("{target: 0.95, timeSliceTarget: 95}"),
        expect![[r#"
        slos.yaml:19:48: 95 is no share of a slice
            fix: write a share above 0 and at most 1
    "#]],
    );
    check(
        &by_slices("{target: 0.95, timeSliceTarget: 0}"),
        expect![[r#"
        slos.yaml:19:48: 0 is no share of a slice
            fix: write a share above 0 and at most 1
    "#]],
    );
    let average = openslo(rolls, RATIO).replace("Occurrences", "RatioTimeslices");
    check(
        &average,
        expect![[r#"
            web-web-availability 0.999 leaves 0.001, ratios in 30d
              label_replace(
            1 - ((sum(
            sum(increase(http_requests{code!~"5.."}[5m]))
            ) or 0 * sum(
            sum(increase(http_requests[5m]))
            ))
            /
            (sum(
            sum(increase(http_requests[5m]))
            ) > 0))
            , "engkpi_part", "bad", "", "") or label_replace(count(sum(increase(http_requests[5m]))), "engkpi_part", "total", "", "")
        "#]],
    );
}

#[test]
fn openslo_v1alpha() {
    check(
        "apiVersion: openslo/v1alpha
kind: SLO
metadata:
  name: sloth-slo-my-service
spec:
  service: my-service
  budgetingMethod: Occurrences
  objectives:
    - ratioMetrics:
        good: {source: prometheus, queryType: promql, query: 'sum(rate(good[{{.window}}]))'}
        total: {source: prometheus, queryType: promql, query: 'sum(rate(total[{{.window}}]))'}
      target: 0.999
    - ratioMetrics:
        good: {source: prometheus, queryType: promql, query: 'sum(rate(fast[{{.window}}]))'}
        total: {source: prometheus, queryType: promql, query: 'sum(rate(total[{{.window}}]))'}
      target: 0.99
  timeWindows:
    - {count: 30, isRolling: true, unit: Day}
",
        expect![[r#"
            my-service-sloth-slo-my-service-0 0.999 leaves 0.001, events in 30d
              label_replace(sum(rate(good[5m])), "engkpi_part", "good", "", "") or label_replace(sum(rate(total[5m])), "engkpi_part", "total", "", "")
            my-service-sloth-slo-my-service-1 0.99 leaves 0.01, events in 30d
              label_replace(sum(rate(fast[5m])), "engkpi_part", "good", "", "") or label_replace(sum(rate(total[5m])), "engkpi_part", "total", "", "")
        "#]],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of refusals")]
fn what_openslo_refuses() {
    for (text, said) in [
        (
            openslo("{duration: 1m, isRolling: true}", RATIO),
            expect![[r#"
            slos.yaml:9:18: a window of 1m is shorter than a day
                fix: m are minutes: write 1M for months
        "#]],
        ),
        (
            openslo("{duration: 12h, isRolling: true}", RATIO),
            expect![[r#"
            slos.yaml:9:18: a window of 12h is shorter than a day
                fix: write at least 1d
        "#]],
        ),
        (
            openslo("{duration: month, isRolling: true}", RATIO),
            expect![[r#"
            slos.yaml:9:18: "month" is no duration
                fix: write for example 30d, 4w, 1M or 1Q
        "#]],
        ),
        (
            openslo("{duration: 1M}", RATIO),
            expect![[r#"
            slos.yaml:9:7: is not rolling and has no calendar
                fix: add isRolling: true, or a calendar
        "#]],
        ),
        (
            openslo("{duration: 1M, calendar: {timeZone: Mars}}", RATIO),
            expect![[r#"
                slos.yaml:9:43: "Mars" is not a time zone of the IANA database
                    fix: write for example Europe/Berlin
            "#]],
        ),
        (
            openslo(
                "{duration: 30d, isRolling: true}",
                &RATIO.replace("target: 0.999", "target: 1"),
            ),
            expect![[r#"
                slos.yaml:20:15: 1 is no target
                    fix: write a number from 0 to below 1, such as 0.999
            "#]],
        ),
        (
            openslo(
                "{duration: 30d, isRolling: true}",
                &RATIO.replace("target: 0.999", "{target: 0.9, targetPercent: 90}"),
            ),
            expect![[r#"
                slos.yaml:20:7: has two targets
                    fix: write target: 0.999 or targetPercent: 99.9
            "#]],
        ),
        (
            openslo(
                "{duration: 30d, isRolling: true}",
                &RATIO.replace("counter: true", "counter: false"),
            ),
            expect![[r#"
                slos.yaml:16:58: does not name its window
                    fix: write [{{.window}}] where its range is, or a plain selector with counter: true
                slos.yaml:18:58: does not name its window
                    fix: write [{{.window}}] where its range is, or a plain selector with counter: true
            "#]],
        ),
        (
            openslo(
                "{duration: 30d, isRolling: true}",
                "  indicatorRef: nowhere\n  objectives: [{target: 0.9}]\n",
            ),
            expect![[r#"
                slos.yaml:10:17: there is no SLI "nowhere"
                    fix: add it, or mend the name
            "#]],
        ),
        (
            openslo("{duration: 30d, isRolling: true}", RATIO).replace("Occurrences", "Often"),
            expect![[r#"
            slos.yaml:7:20: "Often" is no budgeting method
                fix: write Occurrences, Timeslices or RatioTimeslices
        "#]],
        ),
        (
            openslo("{duration: 30d, isRolling: true}", RATIO).replace("web-availability", "Web"),
            expect![[r#"
            slos.yaml:4:9: cannot be a name
                fix: use at most 63 lower-case letters, digits and -
        "#]],
        ),
    ] {
        check(&text, said);
    }
}

#[test]
fn what_is_no_specification() {
    check(
        "",
        expect![[r#"
        slos.yaml: holds no specification
            fix: remove it from the list
    "#]],
    );
    check(
        "a: [1, 2\n",
        expect![[r#"
        slos.yaml:1:4: cannot be taken apart: error: line 1 column 4: unclosed bracket '['
            fix: mend the YAML
    "#]],
    );
    check(
        "hello: world\n",
        expect![[r#"
        slos.yaml: has a document that is no specification
            fix: begin it with version: prometheus/v1 or apiVersion: openslo/v1
    "#]],
    );
    check(
        "version: prometheus/v2\nservice: x\n",
        expect![[r#"
        slos.yaml:1:10: "prometheus/v2" is no format that is read
            fix: known are version: prometheus/v1, apiVersion: openslo/v1 and openslo/v1alpha
    "#]],
    );
    check(
        "apiVersion: v1\nkind: Pod\nspec: {}\n",
        expect![[r#"
        slos.yaml:2:7: v1 has no kind "Pod" that is read
            fix: known are version: prometheus/v1, apiVersion: openslo/v1 and openslo/v1alpha
    "#]],
    );
    check(
        "version: prometheus/v1\nslos: 5\n",
        expect![[r#"
        slos.yaml:2:7: cannot be taken apart: error: line 2 column 7: expected sequence start
            fix: mend the YAML
    "#]],
    );
}

#[test]
fn openslo_v1alpha_that_does_not_say_that_it_rolls() {
    let mut all = Specifications::new(None);
    let text = "apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: web}
spec:
  service: web
  budgetingMethod: Occurrences
  objectives:
    - ratioMetrics: {good: {query: 'rate(g[{{.window}}])'}, total: {query: 'rate(t[{{.window}}])'}}
      target: 0.99
  timeWindows: [{count: 4, unit: Week}]
";
    all.read_texts(&[("slos.yaml".to_owned(), text.to_owned())]);
    assert_eq!(all.problems, []);
    assert_eq!(all.found[0].rules().period, Some(rules::Length::days(28)));
}

#[test]
fn windows_of_alerts_that_mean_nothing_are_refused() {
    check(
        "apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: month
---
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 1h, longWindow: 5m}
    slow: {errorBudgetPercent: 0, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {shortWindow: 2h, longWindow: 1d}
",
        expect![[r#"
            slos.yaml:4:14: "month" is no length of time
                fix: write for example 5m, 6h or 30d
            slos.yaml:4:3: `page` has not both of `quick` and `slow`
                fix: add the windows
            slos.yaml:4:3: `ticket` has not both of `quick` and `slow`
                fix: add the windows
            slos.yaml:11:65: a long window of 5m is not longer than the short one of 1h
                fix: write the shorter one under shortWindow
            slos.yaml:12:32: 0 is no share of a budget
                fix: write a percentage above 0
            slos.yaml:9:3: `ticket` has not both of `quick` and `slow`
                fix: add the windows
        "#]],
    );
}

const LAX: &str = "version: prometheus/v1
service: web
slos:
  - name: pages
    objective: 95
    sli: {raw: {error_ratio_query: \"avg_over_time(x[{{.window}}])\"}}
  - name: tickets
    objective: 40
    sli: {raw: {error_ratio_query: \"avg_over_time(x[{{.window}}])\"}}
    alerting: {name: WebTickets, page_alert: {disable: true}}
---
";

#[test]
fn alerts_of_own_windows_that_can_never_fire_are_told() {
    let windows = |period: &str| {
        format!(
            "apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: {period}
  page:
    quick: {{errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}}
    slow: {{errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}}
  ticket:
    quick: {{errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}}
    slow: {{errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}}
"
        )
    };
    check(
        &format!("{LAX}{}", windows("30d")),
        expect![[r#"
            web-pages 0.95 leaves 0.05, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            web-tickets 0.4 leaves 0.6, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            slos.yaml:5:16: warning: the page at a burn of 57.6 in 5m and 1h can never fire: all events bad are a burn of 20.0
            slos.yaml:8:16: warning: the ticket at a burn of 6 in 2h and 1d can never fire: all events bad are a burn of 1.7
            slos.yaml:8:16: warning: the ticket at a burn of 4.2 in 6h and 3d can never fire: all events bad are a burn of 1.7
            slos.yaml:8:16: warning: the ticket of a week at a burn of 2 can never fire: all events bad are a burn of 1.7
        "#]],
    );
    check(
        &format!("{LAX}{}", windows("7d")),
        expect![[r#"
            web-pages 0.95 leaves 0.05, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            web-tickets 0.4 leaves 0.6, ratios in 30d
              label_replace(avg_over_time(x[5m]), "engkpi_part", "bad", "", "")
            slos.yaml:8:16: warning: the ticket at a burn of 3 in 2h and 1d can never fire: all events bad are a burn of 1.7
            slos.yaml:8:16: warning: the ticket of a week at a burn of 2 can never fire: all events bad are a burn of 1.7
            slos.yaml:15:14: warning: no SLO has a window of 1w: nobody uses these
        "#]],
    );
}

#[test]
fn one_problem_does_not_hide_another() {
    check(
        "apiVersion: openslo/v1
kind: SLO
metadata: {name: Web}
spec:
  budgetingMethod: Slices
  timeWindow: [{duration: 1m, calendar: {startTime: now, timeZone: Berlin}, isRolling: false}]
  indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: ''}}}}}
  objectives:
    - {target: 2, timeSliceTarget: 3}
    - {target: 0.9, op: above, value: 1}
---
version: prometheus/v1
service: '-'
slos:
  - objective: 101
    sli: {raw: {error_ratio_query: x}}
  - name: '+'
    sli: {plugin: {id: x}}
---
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 1h, longWindow: 5m}
",
        expect![[r#"
            slos.yaml:3:18: cannot be a name
                fix: use at most 63 lower-case letters, digits and -
            slos.yaml:5:3: has no `service`
                fix: add spec.service
            slos.yaml:6:27: a window of 1m is shorter than a day
                fix: m are minutes: write 1M for months
            slos.yaml:6:68: "Berlin" is not a time zone of the IANA database
                fix: write for example Europe/Berlin
            slos.yaml:6:53: "now" is no time of a calendar
                fix: write for example 2026-01-01 00:00:00, without a zone
            slos.yaml:5:20: "Slices" is no budgeting method
                fix: write Occurrences, Timeslices or RatioTimeslices
            slos.yaml:9:16: 2 is no target
                fix: write a number from 0 to below 1, such as 0.999
            slos.yaml:7:39: has no query
                fix: write metricSource.spec.query in PromQL
            slos.yaml:9:7: has a threshold metric and no `op` and `value`
                fix: add op: lte and value: 0.3
            slos.yaml:9:36: 3 is no share of a slice
                fix: write a share above 0 and at most 1
            slos.yaml:7:39: has no query
                fix: write metricSource.spec.query in PromQL
            slos.yaml:10:25: "above" is no operator
                fix: write lt, lte, gt or gte
            slos.yaml:13:10: "-" cannot be the name of a service
                fix: use letters, digits, - _ and ., two at least, with a letter or digit at both ends
            slos.yaml:15:5: has no `name`
                fix: add name: NAME
            slos.yaml:15:16: 101 is no objective
                fix: write a percentage above 0 and at most 100
            slos.yaml:16:36: `error_ratio_query` does not name its window
                fix: write [{{.window}}] where its range is
            slos.yaml:17:11: "+" cannot be the name of an SLO
                fix: use letters, digits, - _ and ., two at least, with a letter or digit at both ends
            slos.yaml:17:5: has no `objective`
                fix: add objective: 99.9
            slos.yaml:18:19: uses the plugin "x", a program of sloth's
                fix: write its queries as sli.events
            slos.yaml:23:3: has no `sloPeriod`
                fix: add sloPeriod: 30d
            slos.yaml:23:3: `page` has not both of `quick` and `slow`
                fix: add the windows
            slos.yaml:23:3: `ticket` has not both of `quick` and `slow`
                fix: add the windows
        "#]],
    );
}

#[test]
fn files_folders_and_patterns() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a.yml", "notes.txt"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let found = |pattern: &str| {
        let files = files(&format!("{}/{pattern}", folder.path().display()));
        files.map(|files| {
            let names = files.iter().filter_map(|it| it.file_name()?.to_str());
            names.map(str::to_owned).collect::<Vec<_>>()
        })
    };
    assert_eq!(found("").unwrap(), ["a.yml", "b.yaml"]);
    assert_eq!(found("*.yaml").unwrap(), ["b.yaml"]);
    assert_eq!(found("*.*").unwrap(), ["a.yml", "b.yaml", "notes.txt"]);
    assert_eq!(found("notes.txt").unwrap(), ["notes.txt"]);
    assert!(found("c.yaml").unwrap_err().contains("there is no file"));
    assert!(found("*.json").unwrap_err().contains("names no file"));
}

#[test]
fn patterns_reach_into_folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for file in ["a.yaml", "shop/b.yml", "shop/slos/c.yaml", "pay/slos/d.yaml", "pay/e.txt"] {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), "").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(root, root.join("shop/back")).unwrap();
    let found = |pattern: &str| {
        let files = files(&format!("{}/{pattern}", root.display())).unwrap_or_default();
        let name = |it: &PathBuf| it.strip_prefix(root).unwrap().display().to_string();
        files.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(found("**"), ["a.yaml", "pay/slos/d.yaml", "shop/b.yml", "shop/slos/c.yaml"]);
    assert_eq!(found("**/*.yaml"), ["a.yaml", "pay/slos/d.yaml", "shop/slos/c.yaml"]);
    assert_eq!(found("*/slos/*.yaml"), ["pay/slos/d.yaml", "shop/slos/c.yaml"]);
    assert_eq!(found("**/slos/**/*"), ["pay/slos/d.yaml", "shop/slos/c.yaml"]);
    assert_eq!(found("p*/**"), ["pay/slos/d.yaml"]);
    assert_eq!(found("**/*.txt"), ["pay/e.txt"]);
    assert_eq!(found("**/none.yaml"), [""; 0]);
}

#[test]
fn windows_of_calendars_have_a_zone_and_an_edge() {
    let slo = |window: &str| {
        format!(
            "apiVersion: openslo/v1
kind: SLO
metadata: {{name: up}}
spec:
  service: web
  budgetingMethod: Occurrences
  timeWindow:
  - {window}
  indicator: {{spec: {{ratioMetric: {{bad: {{metricSource: {{spec: {{query: 'rate(bad[{{{{.window}}}}])'}}}}}}, total: {{metricSource: {{spec: {{query: 'rate(all[{{{{.window}}}}])'}}}}}}}}}}}}
  objectives: [{{target: 0.99}}]
"
        )
    };
    let own = |window: &str| {
        let mut all = Specifications::new(None);
        all.read_texts(&[("slos.yaml".to_owned(), slo(window))]);
        assert_eq!(all.problems, []);
        all.found[0].own.clone()
    };
    let quarter = "duration: 1Q, calendar: {startTime: 2026-02-01 00:00:00, timeZone: Europe/Berlin}, isRolling: false";
    assert_eq!(
        own(&format!("{{{quarter}}}")),
        SloWindow::Calendar {
            length: Length::Months(3),
            zone: Some(chrono_tz::Europe::Berlin),
            from: Some("2026-02-01T00:00:00".parse().unwrap()),
        }
    );
    assert_eq!(
        own("{duration: 1w, calendar: {}}"),
        SloWindow::Calendar { length: Length::Days(7), zone: None, from: None }
    );
    assert_eq!(own("{duration: 4w, isRolling: true}"), SloWindow::Rolling(Length::Days(28)));
    check(
        &slo("{duration: 1M, calendar: {startTime: 2026-02-30 00:00:00, timeZone: Europe/Berlin}}"),
        expect![[r#"
            slos.yaml:8:42: "2026-02-30 00:00:00" is no time of a calendar
                fix: write for example 2026-01-01 00:00:00, without a zone
        "#]],
    );
    check(
        &slo("{duration: 1M, calendar: {startTime: 2026-02-01, timeZone: Europe/Berln}}"),
        expect![[r#"
            slos.yaml:8:64: "Europe/Berln" is not a time zone of the IANA database
                fix: write for example Europe/Berlin
        "#]],
    );
    check(
        &slo("{duration: 200Y, isRolling: true}"),
        expect![[r#"
        slos.yaml:8:16: a window of 200Y is longer than a century
            fix: write less
    "#]],
    );
}

#[test]
fn a_configured_window_is_that_of_specifications_without_one() {
    let window = |text: &str| {
        let settings = SloSettings { window: Some(text.to_owned()), ..SloSettings::default() };
        let window = settings.window().ok().flatten()?;
        let mut all = Specifications::new(Some(window));
        all.read_texts(&[("slos.yaml".to_owned(), GETTING_STARTED.to_owned())]);
        Some((all.found[0].window.clone(), all.found[0].own.clone()))
    };
    let days = |days| SloWindow::Rolling(Length::Days(days));
    assert_eq!(window("28d"), Some(("28d".to_owned(), days(28))));
    let calendar = |length| SloWindow::Calendar { length, zone: None, from: None };
    assert_eq!(window("quarter"), Some(("quarter".to_owned(), calendar(Length::Months(3)))));
    assert_eq!(window("month").unwrap().1, calendar(Length::Months(1)));
    for none in ["", "5m", "30", "fortnight"] {
        assert_eq!(window(none), None, "{none}");
    }
}

/// sloth refuses what is no PromQL, too.
#[test]
fn queries_must_be_promql_that_answers_numbers() {
    let slo = |name: &str, bad: &str| {
        format!(
            "  - name: {name}\n    objective: 99\n    sli:\n      events:\n        error_query: '{bad}'\n        \
             total_query: sum(rate(t[{{{{.window}}}}]))\n"
        )
    };
    let deep = format!("{}e{}", "(".repeat(10_000), ")".repeat(10_000));
    let slos: String = [
        ("open", "sum(rate(e[{{.window}}])"),
        ("another", "sum(rate(e[{{.window}}])) + {{.nope}}"),
        ("bracketed", "sum(rate(e[window]))"),
        ("extended", "union(rate(e[{{.window}}]))"),
        ("ranges", "e[{{.window}}]"),
        ("number", "scalar(rate(e[{{.window}}]))"),
        ("text", "\"{{.window}}\""),
        ("commented", "sum(rate(e[5m])) # [{{.window}}]"),
        ("same", "sum( rate(t[{{ .window }}]) ) # bad"),
        ("unit", "sum(increase(e{job=\"rate(x)\"}[{{.window}}])) # rate(x)"),
        ("deep", &deep),
    ]
    .map(|(name, bad)| slo(name, bad))
    .concat();
    check(
        &format!("version: prometheus/v1\nservice: web\nslos:\n{slos}"),
        expect![[r#"
        slos.yaml:8:22: is no PromQL: unclosed left parenthesis
            fix: mend the query: write PromQL, without extensions of other stores
        slos.yaml:14:22: is no PromQL: unexpected left brace '{' inside braces
            fix: mend the query: write PromQL, without extensions of other stores
        slos.yaml:20:22: is no PromQL: unexpected character inside brackets: 'w'
            fix: mend the query: write PromQL, without extensions of other stores
        slos.yaml:26:22: is no PromQL: unknown function with name 'union'
            fix: mend the query: write PromQL, without extensions of other stores
        slos.yaml:32:22: is a query for ranges of numbers, not for a number of each series
            fix: write for example sum(increase(errors[{{.window}}]))
        slos.yaml:38:22: is a query for one number without a series, not for a number of each series
            fix: write for example sum(increase(errors[{{.window}}]))
        slos.yaml:44:22: is a query for a text, not for a number of each series
            fix: write for example sum(increase(errors[{{.window}}]))
        slos.yaml:50:22: `error_query` does not name its window
            fix: write [{{.window}}] where its range is
        slos.yaml:56:22: is the query for everything too
            fix: tell the events apart
        slos.yaml:62:22: one query counts events by the second, the other does not
            fix: use rate in both, or increase in both
        slos.yaml:68:22: is no PromQL: has more than 1000 brackets and operators
            fix: mend the query: write PromQL, without extensions of other stores
    "#]],
    );
}

#[test]
fn what_words_say_in_texts_and_comments_decides_nothing() {
    check(
        "version: prometheus/v1
service: web
slos:
  - name: up
    objective: 99
    sli:
      events:
        error_query: |
          sum(rate(e{path=~`/increase(\\d+)`}[{{.window}}]))
        total_query: 'sum(rate(t[{{.window}}])) # increase(all)'
",
        expect![[r#"
            web-up 0.99 leaves 0.01, events in 30d
              label_replace(sum(rate(e{path=~`/increase(\d+)`}[5m])), "engkpi_part", "bad", "", "") or label_replace(
            sum(rate(t[5m])) # increase(all)
            , "engkpi_part", "total", "", "")
        "#]],
    );
}

/// Objectives of `OpenSLO` with one indicator.
fn openslo_of(indicator: &str, objectives: &str) -> String {
    let more =
        format!("  indicator: {{spec: {{{indicator}}}}}\n  objectives: [{{{objectives}}}]\n");
    openslo("{duration: 30d, isRolling: true}", &more)
}

#[test]
fn openslos_window_is_one_wherever_it_is_written() {
    let query = |text: &str| format!("{{metricSource: {{spec: {{query: '{text}'}}}}}}");
    let raw = |text: &str| {
        openslo_of(
            &format!("ratioMetric: {{rawType: failure, raw: {}}}", query(text)),
            "target: 0.9",
        )
    };
    let threshold = format!("thresholdMetric: {}", query("sum(rate(slow[window]))"));
    check(
        &raw("avg_over_time(down{a=\"[window]\"}[window]) # [window]"),
        expect![[r#"
        web-web-availability 0.9 leaves 0.1, ratios in 30d
          label_replace(
        avg_over_time(down{a="[window]"}[5m]) # [window]
        , "engkpi_part", "bad", "", "")
        slos.yaml:11:25: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
    "#]],
    );
    check(
        &openslo_of(&threshold, "target: 0.9, op: lt, value: 5"),
        expect![[r#"
        web-web-availability 0.9 leaves 0.1, ratios in 30d
          label_replace(1 - (((sum(rate(slow[5m]))) > -Inf) < bool 5), "engkpi_part", "bad", "", "") or label_replace(count((sum(rate(slow[5m])))), "engkpi_part", "total", "", "")
        slos.yaml:11:25: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
    "#]],
    );
    check(
        &raw("avg_over_time(down[window]"),
        expect![[r#"
        slos.yaml:10:89: is no PromQL: unclosed left parenthesis
            fix: mend the query: write PromQL, without extensions of other stores
    "#]],
    );
    check(
        &raw("down # of {{.window}}"),
        expect![[r#"
        slos.yaml:10:89: names its window in a comment only
            fix: write [{{.window}}] where its range is
    "#]],
    );
    check(
        &openslo_of(
            "thresholdMetric: {metricSource: {spec: {query: 'slow['}}}",
            "target: 0.9, op: lt, value: 5",
        ),
        expect![[r#"
            slos.yaml:10:69: is no PromQL: unexpected end of input inside brackets
                fix: mend the query: write PromQL, without extensions of other stores
        "#]],
    );
}

#[test]
fn a_counter_is_any_plain_selector() {
    let of = |bad: &str| {
        let query = |text: &str| format!("{{metricSource: {{spec: {{query: '{text}'}}}}}}");
        let metric =
            format!("ratioMetric: {{counter: true, bad: {}, total: {}}}", query(bad), query("all"));
        openslo_of(&metric, "target: 0.99")
    };
    check(
        &of("r{code=~\"(5..|429)\"}"),
        expect![[r#"
        web-web-availability 0.99 leaves 0.01, events in 30d
          label_replace(sum(increase(r{code=~"(5..|429)"}[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(increase(all[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    check(
        &of("r{code=~\"[45]..\"} # failed"),
        expect![[r#"
        web-web-availability 0.99 leaves 0.01, events in 30d
          label_replace(sum(increase(r{code=~"[45].."}[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(increase(all[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    check(
        &of("r offset 1m"),
        expect![[r#"
        web-web-availability 0.99 leaves 0.01, events in 30d
          label_replace(sum(increase(r[5m] offset 1m)), "engkpi_part", "bad", "", "") or label_replace(sum(increase(all[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    check(
        &of("r + s"),
        expect![[r#"
        slos.yaml:10:86: does not name its window
            fix: write [{{.window}}] where its range is, or a plain selector with counter: true
    "#]],
    );
    check(
        &of("sum(r)"),
        expect![[r#"
        slos.yaml:10:86: does not name its window
            fix: write [{{.window}}] where its range is, or a plain selector with counter: true
    "#]],
    );
}

const INDICATOR: &str = "apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    bad: {metricSource: {spec: {query: 'sum(rate(e[{{.window}}]))'}}}
    total: {metricSource: {spec: {query: 'sum(rate(t[{{.window}}]))'}}}
";

/// What files say; each has a name and a text.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
fn check_files(files: &[(&str, &str)], said: Expect) {
    let texts: Vec<_> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut all = Specifications::new(None);
    all.read_texts(&texts);
    let found = all.found.iter().map(|it| format!("{}: {}\n", it.id, it.sli.query("5m")));
    let problems = all.problems.iter().map(|it| format!("{it}\n"));
    said.assert_eq(&found.chain(problems).collect::<String>());
}

#[test]
fn an_indicator_may_be_in_any_file() {
    let slo = openslo(
        "{duration: 30d, isRolling: true}",
        "  indicatorRef: errors\n  objectives: [{target: 0.99}]\n",
    );
    check_files(
        &[("sli.yaml", INDICATOR), ("slo.yaml", &slo)],
        expect![[r#"
        web-web-availability: label_replace(sum(rate(e[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(t[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    check_files(
        &[("slo.yaml", &slo), ("sli.yaml", INDICATOR)],
        expect![[r#"
        web-web-availability: label_replace(sum(rate(e[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(t[5m])), "engkpi_part", "total", "", "")
    "#]],
    );
    let broken = INDICATOR.replace("t[{{.window}}]", "t[5m]");
    check_files(
        &[("slo.yaml", &slo), ("sli.yaml", &broken)],
        expect![[r#"
        sli.yaml:7:42: does not name its window
            fix: write [{{.window}}] where its range is, or a plain selector with counter: true
    "#]],
    );
    let threshold = "apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec: {thresholdMetric: {metricSource: {spec: {query: 'slow['}}}}
";
    check_files(
        &[("slo.yaml", &slo), ("sli.yaml", threshold)],
        expect![[r#"
        sli.yaml:4:55: is no PromQL: unexpected end of input inside brackets
            fix: mend the query: write PromQL, without extensions of other stores
        slo.yaml:11:16: has a threshold metric and no `op` and `value`
            fix: add op: lte and value: 0.3
    "#]],
    );
    let both = format!("{INDICATOR}---\n{INDICATOR}");
    check_files(
        &[("slo.yaml", &slo), ("a.yaml", &both), ("b.yaml", INDICATOR)],
        expect![[r#"
        web-web-availability: label_replace(sum(rate(e[5m])), "engkpi_part", "bad", "", "") or label_replace(sum(rate(t[5m])), "engkpi_part", "total", "", "")
        a.yaml:11:18: the SLI errors is at a.yaml:3:18 already
            fix: rename one of them
        b.yaml:3:18: the SLI errors is at a.yaml:3:18 already
            fix: rename one of them
    "#]],
    );
}

#[test]
fn labels_that_rules_cannot_have() {
    check(
        "version: prometheus/v1
service: web
labels: {'': x, __secret: x, team.io/x: a, team_io_x: b, -_odd: c}
slos:
  - name: up
    objective: 99
    labels: {2nd: x, team-io/x: c}
    sli: {raw: {error_ratio_query: 'avg_over_time(down[{{.window}}])'}}
    alerting:
      name: Up
      labels: {'': y}
      annotations: {run.book: y, run/book: z, summary: '{{ $labels.x', fine: '{{ $value }}'}
      page_alert: {labels: {__a: b}}
      ticket_alert: {annotations: {'': c}}
",
        expect![[r#"
            web-up 0.99 leaves 0.01, ratios in 30d
              label_replace(avg_over_time(down[5m]), "engkpi_part", "bad", "", "")
            slos.yaml:3:14: is of a label without a name
                fix: name it
            slos.yaml:3:65: "-_odd" is no name: those with __ are of Prometheus's own
                fix: rename the label
            slos.yaml:3:27: "__secret" is no name: those with __ are of Prometheus's own
                fix: rename the label
            slos.yaml:3:55: "team_io_x" and "team.io/x" are the same label team_io_x in rules
                fix: rename one of them
            slos.yaml:13:34: "__a" is no name: those with __ are of Prometheus's own
                fix: rename the label
            slos.yaml:14:40: is of a label without a name
                fix: name it
            slos.yaml:11:20: is of a label without a name
                fix: name it
            slos.yaml:12:56: "summary" has a template without an end
                fix: write }} where it ends
            slos.yaml:12:44: "run/book" and "run.book" are the same label run_book in rules
                fix: rename one of them
            slos.yaml:3:41: warning: "team.io/x" is called team_io_x in rules
            slos.yaml:7:19: warning: "2nd" is called _2nd in rules
            slos.yaml:7:33: warning: "team-io/x" is called team_io_x in rules
            slos.yaml:12:31: warning: "run.book" is called run_book in rules
            slos.yaml:12:44: warning: "run/book" is called run_book in rules
        "#]],
    );
    // The names of Kubernetes are the usual ones there.
    let metadata = "metadata:\n  labels: {app.kubernetes.io/name: web, tier: 1}\n";
    let indicator = "thresholdMetric: {metricSource: {spec: {query: slow}}}";
    let slo =
        openslo_of(indicator, "target: 0.9, op: lt, value: 5").replace("metadata:\n", metadata);
    check(
        &slo,
        expect![[r#"
        web-web-availability 0.9 leaves 0.1, ratios in 30d
          label_replace(1 - (((slow) > -Inf) < bool 5), "engkpi_part", "bad", "", "") or label_replace(count((slow)), "engkpi_part", "total", "", "")
        slos.yaml:12:25: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
    "#]],
    );
    check(
        &slo.replace("tier", "app.kubernetes.io_name"),
        expect![[r#"
        web-web-availability 0.9 leaves 0.1, ratios in 30d
          label_replace(1 - (((slow) > -Inf) < bool 5), "engkpi_part", "bad", "", "") or label_replace(count((slow)), "engkpi_part", "total", "", "")
        slos.yaml:4:65: "app.kubernetes.io_name" and "app.kubernetes.io/name" are the same label app_kubernetes_io_name in rules
            fix: rename one of them
        slos.yaml:12:25: warning: the page at a burn of 14.4 in 5m and 1h can never fire: all events bad are a burn of 10.0
    "#]],
    );
}

#[test]
fn a_window_that_rolls_has_ten_years_at_most() {
    let period = |window: &str| {
        let more = "  indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: slow}}}}}\n  \
                    objectives: [{target: 0.9, op: lt, value: 5}]\n";
        let mut all = Specifications::new(None);
        all.read_texts(&[("slos.yaml".to_owned(), openslo(window, more))]);
        let problems = all.problems.iter().map(|it| format!("{it}\n")).collect::<String>();
        all.found.first().map(|it| it.rules().period).ok_or(problems)
    };
    assert_eq!(period("{duration: 10Y, isRolling: true}"), Ok(Some(rules::Length::days(3650))));
    assert_eq!(period("{duration: 1Q, isRolling: true}"), Ok(Some(rules::Length::days(90))));
    assert_eq!(period("{duration: 11Y, calendar: {}}"), Ok(None));
    expect![[r#"
        slos.yaml:9:18: a window of 11Y that rolls is longer than ten years
            fix: write at most 10Y
    "#]]
    .assert_eq(&period("{duration: 11Y, isRolling: true}").unwrap_err());
    assert!(period("{duration: 3651d, isRolling: true}").is_err());
    let settings =
        |text: &str| SloSettings { window: Some(text.to_owned()), ..SloSettings::default() };
    assert!(settings("10Y").window().is_ok() && settings("11Y").window().is_err());
    assert_eq!(rolling("3M"), Some(rules::Length::days(90)));
}

#[test]
fn five_minutes_are_a_slice_however_they_are_written() {
    let indicator = "thresholdMetric: {metricSource: {spec: {query: slow}}}";
    let slo = |window: &str| {
        let objective = format!(
            "target: 0.9, op: lt, value: 5, timeSliceTarget: 0.9, timeSliceWindow: {window}"
        );
        openslo_of(indicator, &objective).replace("Occurrences", "Timeslices")
    };
    for (window, is) in [
        ("5m", true),
        ("\"5m\"", true),
        ("300s", true),
        ("5m0s", true),
        ("0h5m0s", true),
        ("300000ms", true),
        ("300", true),
        ("5", false),
        ("1m", false),
        ("inf", false),
        ("-300s", false),
        ("1e300", false),
        ("300x", false),
    ] {
        let mut all = Specifications::new(None);
        all.read_texts(&[("slos.yaml".to_owned(), slo(window))]);
        assert_eq!(all.problems, [], "{window}");
        assert_eq!(all.notices.is_empty(), is, "{window}: {:?}", all.notices);
    }
}
