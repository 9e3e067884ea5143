//! Evaluations as tables for terminals.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::human;
use super::shown::{self, Shown};
use crate::kpi::Outcome;
use crate::kpi::evaluation::{Evaluation, Explained, Explanation, Scope};

/// Every reading as a table. `width` is that of the terminal; without it lines are as long as they
/// need to be.
pub fn evaluation(evaluation: &Evaluation, width: Option<u16>) -> String {
    let mut text = format!("as of {}\n\n", human::instant(evaluation.as_of));
    text.push_str(&readings(evaluation, &shown::all(evaluation), width));
    text
}

/// A number and its items as tables.
pub fn explanation(explanation: &Explanation, width: Option<u16>) -> String {
    let evaluation = &explanation.evaluation;
    let mut text = String::new();
    if let Some(judged) = evaluation.statuses().next() {
        text.push_str(&format!("{}: {}\n", judged.kpi.title, judged.kpi.definition));
    }
    for judged in evaluation.statuses() {
        if let Some(goal) = evaluation.goal(judged) {
            let of: String = goal.dimensions.iter().map(|(_, value)| format!(" {value}")).collect();
            text.push_str(&format!("target{of}: {}\n", human::target(judged.kpi, &goal.rule)));
        }
    }
    text.push_str(&format!(
        "{}: {}, as of {}\n\n",
        explanation.window.label,
        human::window(&explanation.window),
        human::instant(evaluation.as_of),
    ));
    text.push_str(&readings(evaluation, &shown::all(evaluation), width));
    text.push('\n');
    text.push_str(&items(&shown::items(explanation), width));
    text
}

pub(super) fn new(header: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table
}

fn readings(evaluation: &Evaluation, lines: &[Shown<'_>], width: Option<u16>) -> String {
    let header = ["METRIC", "SCOPE", "WINDOW", "VALUE", "95 % INTERVAL", "N", "OPEN", "STATUS"];
    let mut table = new(&header, width);
    for line in lines {
        let status = line.judged.map_or_else(String::new, |judged| {
            let provisional = if judged.provisional { ", provisional" } else { "" };
            format!("{} {}{provisional}", human::sign(judged.state), human::state(judged.state))
        });
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(metric(line)),
            Cell::new(scope(evaluation, line.scope)),
            Cell::new(window(line)),
            right(line.value()),
            Cell::new(line.interval()),
            right(line.n()),
            right(line.open()),
            Cell::new(status),
        ]);
    }
    trimmed(&table)
}

/// The family without the prefix that all have, with its dimensions and its statistic.
fn metric(line: &Shown<'_>) -> String {
    let name = line.family.name.strip_prefix("engkpi_").unwrap_or(line.family.name);
    let own = line.dimensions.iter().map(|(name, value)| format!(" {name}={value}"));
    let stat = line.stat.map(|stat| format!(" {}", stat.as_str()));
    own.chain(stat).fold(name.to_owned(), |text, part| text + &part)
}

fn scope(evaluation: &Evaluation, scope: Scope) -> String {
    match (scope, evaluation.names.labels(scope)) {
        (Scope::Org, _) => "org".to_owned(),
        (Scope::Team(_), (team, _)) => format!("team {team}"),
        (Scope::Service(_), (_, service)) => service.to_owned(),
    }
}

fn window(line: &Shown<'_>) -> String {
    line.period.unwrap_or(line.window).to_owned()
}

fn items(items: &[&Explained], width: Option<u16>) -> String {
    let mut table = new(&["ITEM", "STARTED", "COMPLETED", "OUTCOME", "WHY", "LINK"], width);
    for explained in items {
        let item = &explained.item;
        let outcome = match item.outcome {
            Outcome::Counted => "counted".to_owned(),
            Outcome::Open => "open".to_owned(),
            Outcome::Excluded(reason) => format!("left out: {reason}"),
            Outcome::Censored(reason) => format!("ended otherwise: {reason}"),
        };
        table.add_row([
            explained.link.name.clone(),
            human::instant(item.started_at),
            item.completed_at.map_or_else(String::new, human::instant),
            outcome,
            human::why(item),
            explained.link.url.as_ref().map_or_else(String::new, ToString::to_string),
        ]);
    }
    format!("{} items\n{}", items.len(), trimmed(&table))
}

/// The table without the blanks that pad its last column, ended by a line feed.
pub(super) fn trimmed(table: &Table) -> String {
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{STORY, explained};
    use super::*;

    #[test]
    fn an_explanation_is_readable_in_a_terminal() {
        let explained = explained(STORY, "incident_recovery_time", Some("blue"), "30d");
        let text = explanation(&explained, None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("Time to recover (MTTR): From the detection"), "{text}");
        assert_eq!(lines[1], "target: 20 % better than the baseline (good: 40 %)");
        assert!(
            lines[2].starts_with("30d: 2026-03-02 00:00 UTC to 2026-04-01 00:00 UTC"),
            "{text}"
        );
        let median = lines.iter().find(|it| it.contains("recovery_time_seconds median")).unwrap();
        assert!(median.contains("team blue") && median.contains("2 h"), "{median}");
        assert!(median.contains("no target"), "{median}");
        assert!(text.contains("2 items"), "{text}");
        assert!(text.contains("https://pagerduty.example/incidents/i2"), "{text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "no blanks at line ends");
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let explained = explained(STORY, "incident_frequency", None, "30d");
        let text = evaluation(&explained.evaluation, Some(100));
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(text.starts_with("as of 2026-04-01 00:00 UTC\n"), "{text}");
    }
}
