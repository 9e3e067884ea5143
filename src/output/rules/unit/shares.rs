//! Stories of shares, for SLOs of which nobody knows what their queries count: whether the alerts
//! fire at the thresholds and not below.

use super::super::Slo;
use super::super::windows::{AlertWindows, Length, Pair};
use super::{Check, Input, Story, check, is, is_absent};
use crate::kpi::ledger::{Sli, WINDOW};

/// Everything that is told of one SLO.
pub(super) fn all(slo: &Slo, windows: &AlertWindows, period: Length) -> Vec<Story> {
    let mut stories = Vec::new();
    let lowest = |pairs: &[Pair; 2]| {
        let thresholds = pairs.iter().filter_map(|it| windows.threshold(slo.budget(), it));
        thresholds.map(|it| it.float()).min_by(f64::total_cmp)
    };
    let (page, ticket) = (lowest(&windows.page), lowest(&windows.ticket));
    let mut levels: Vec<f64> =
        [page, ticket].into_iter().flatten().flat_map(|it| [it * 0.99, it * 1.01]).collect();
    levels.retain(|it| *it <= 1.0);
    for share in levels {
        let fires = |severity: &str, threshold: Option<f64>, disabled: bool| {
            let expected = !disabled && threshold.is_some_and(|it| share > it);
            check(10, slo.fires(severity, expected))
        };
        let checks = vec![
            fires("page", page, slo.alerting.page.disable),
            fires("ticket", ticket, slo.alerting.ticket.disable),
        ];
        stories.push(story(
            slo,
            (windows, period),
            &format!("a share of {share:.6}"),
            &format!("{share}x20"),
            checks,
        ));
    }
    if matches!(slo.sli, Sli::Ratio { .. }) {
        let recent = slo.series("slo:sli_error:ratio_rate5m");
        let whole = slo.series(&format!("slo:sli_error:ratio_rate{period}"));
        let checks = vec![
            check(90, is_absent(&recent)),
            check(90, is(&whole, 0.01)),
            check(179, is(&whole, 0.02)),
        ];
        stories.push(story(
            slo,
            (windows, period),
            "an idle hour",
            "0.01x59 stale _x59 0.03x59",
            checks,
        ));
    }
    stories
}

/// Every window that is asked of the events has these values. What is computed from others is not
/// told.
fn story(
    slo: &Slo,
    (windows, period): (&AlertWindows, Length),
    name: &str,
    values: &str,
    checks: Vec<Check>,
) -> Story {
    let asked = |window: &Length| match &slo.sli {
        _ if *window == Length::minutes(5) => true,
        // It is computed of what was recorded, and not asked.
        _ if *window == period => false,
        _ if slo.slice.is_some() => false,
        Sli::Ratio { bad, .. } => bad.contains(WINDOW),
        Sli::Bad { .. } | Sli::Good { .. } => true,
    };
    let input = |window: Length| {
        let name = format!("slo:sli_error:ratio_rate{window}");
        let series = slo.labelled(&name, &[("sloth_window", &window.to_string())]);
        Input { series, values: values.to_owned() }
    };
    Story {
        name: format!("{}: {name}", slo.id),
        interval: "1m",
        input_series: windows.all().into_iter().filter(asked).map(input).collect(),
        promql_expr_test: checks,
    }
}
