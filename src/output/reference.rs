//! The reference of the KPIs, printed from the registry so that it cannot drift from the code.

use super::human;
use crate::kpi::{self, Kpi, Need, TargetRule, facts};

/// The whole of `docs/kpis.md`.
pub fn kpis() -> String {
    let mut text = String::from(
        "# KPI reference\n\n\
         Printed from the registry; `UPDATE_EXPECT=1 cargo test --test it reference` writes it again.\n\n\
         Every value comes with its n (`engkpi_kpi_samples`), its 95 % interval \
         (`engkpi_kpi_confidence_bound`) and, where a target names it, its status \
         (`engkpi_kpi_status`). `engkpi explain ID` lists the items behind it.\n\n",
    );
    text.push_str("| KPI | title | default window | default target |\n|---|---|---|---|\n");
    for kpi in kpi::ALL {
        text.push_str(&format!(
            "| [`{0}`](#{0}) | {1} | {2} | {3} |\n",
            kpi.id,
            cell(kpi.title),
            kpi.default_window,
            cell(&target(kpi)),
        ));
    }
    for kpi in kpi::ALL {
        text.push_str(&section(kpi));
    }
    text.push_str("\n## Facts\n\nItems now in the store, for queries of your own. Gauges: use `delta()`, never `rate()`.\n\n");
    text.push_str("| metric | what |\n|---|---|\n");
    for family in facts::FAMILIES {
        text.push_str(&format!("| `{}` | {} |\n", family.name, cell(family.help)));
    }
    text
}

fn section(kpi: &Kpi) -> String {
    let mut text = format!("\n## {}\n\n**{}.** {}\n\n", kpi.id, kpi.title, kpi.definition);
    text.push_str(&format!("- Target: {}\n", target(kpi)));
    text.push_str(&format!(
        "- Unit: {}; better: {}\n",
        human::unit(kpi.unit),
        human::better(kpi.better)
    ));
    text.push_str(&format!("- Default window: `{}`\n", kpi.default_window));
    text.push_str(&format!("- Smallest n with a status: {}\n", kpi.min_n));
    if let Some(coverage) = kpi.min_coverage {
        text.push_str(&format!("- Smallest coverage with a status: {:.0} %\n", coverage * 100.0));
    }
    if kpi.provisional_days > 0 {
        text.push_str(&format!(
            "- Provisional for {} days after the window\n",
            kpi.provisional_days
        ));
    }
    text.push_str(&format!("- Needs: {}\n", needs(kpi.needs)));
    if !kpi.uses.is_empty() {
        text.push_str(&format!("- Sharpened by: {}\n", needs(kpi.uses)));
    }
    text.push_str("\n| metric | labels of its own | what |\n|---|---|---|\n");
    for family in kpi.families {
        let stat = family.distribution.then_some("stat");
        let labels: Vec<String> = family
            .dimensions
            .iter()
            .copied()
            .chain(stat)
            .map(|label| format!("`{label}`"))
            .collect();
        let now = if family.now { " (now; no `window`)" } else { "" };
        text.push_str(&format!(
            "| `{}` | {} | {}{now} |\n",
            family.name,
            labels.join(" "),
            cell(family.help),
        ));
    }
    text
}

fn target(kpi: &Kpi) -> String {
    let rule = human::target(kpi, &kpi.target);
    let stat = kpi.target_stat.map(|stat| format!("`{}` ", stat.as_str()));
    let dimensions: String =
        kpi.target_dimensions.iter().map(|(_, value)| format!("`{value}` ")).collect();
    let baseline = matches!(kpi.target, TargetRule::Baseline { .. } | TargetRule::Points { .. });
    // A baseline target compares all durations, not one statistic of them.
    let stat = if baseline { String::new() } else { stat.unwrap_or_default() };
    format!("{dimensions}{stat}{rule}")
}

fn needs(needs: &[Need]) -> String {
    let word = |need: &Need| match need {
        Need::Deployments => "production deployments",
        Need::Changes => "merged changes and commits",
        Need::Incidents => "incidents",
        Need::Decisions => "decision records",
        Need::Costs => "costs per day",
        Need::Units => "units of demand per day",
        Need::DeveloperSurveys => "surveys of developers",
        Need::StakeholderSurveys => "surveys of stakeholders",
        Need::Escalations => "escalations",
        Need::Mentorship => "a mentorship register",
        Need::IncidentNotes => "findings of post-mortems",
        Need::Objectives => "service level objectives and their events",
        Need::AlertRules => "alerting rules of a metric store",
        Need::Requests => "requests and how long they took",
        Need::Debt => "technical debt",
        Need::Findings => "findings of security tools",
        Need::Standards => "contents of repositories",
        Need::Boundaries => "API boundaries and the runs that test them",
    };
    needs.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
