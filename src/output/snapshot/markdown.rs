//! A snapshot as Markdown, for a reader.

use super::Snapshot;
use super::review::{Correction, Review, Row};

pub(super) fn render(snapshot: &Snapshot) -> String {
    let review = Review::of(snapshot);
    let mut text = format!("# Engineering KPIs of {}\n\n{}\n\n", review.quarter, head(&review));
    text += "## Organisation\n\n";
    text += &rows(&review.org, review.previous);
    if !review.missing.is_empty() {
        text += "\n## What is missing\n\n";
        let missing = review.missing.iter();
        text += &table(
            &["KPI", "Status", "Why"],
            missing.map(|it| vec![it.title.as_str(), it.verdict, it.why]),
        );
    }
    for team in &review.teams {
        text +=
            &format!("\n## Team {}\n\n{}", escaped(team.name), rows(&team.rows, review.previous));
    }
    text += "\n## Sources\n\n";
    let sources = review.sources.iter();
    text += &table(
        &["Source", "Complete from", "Up to the instant above"],
        sources.map(|it| vec![it.name, it.since.as_str(), it.state]),
    );
    if let Some(correction) = &review.correction {
        text += &corrected(correction);
    }
    text += "\n## What it was made from\n\n";
    for (name, is) in review.made_from {
        text += &format!("- {name}: `{is}`\n");
    }
    text += "\nThe same facts and the same configuration give the same snapshot, byte for byte.\n";
    text
}

fn head(review: &Review<'_>) -> String {
    let mut head = format!(
        "{}. Revision {}. As of {}: nothing that happened later is in the numbers.",
        review.days, review.revision, review.as_of
    );
    if !review.provisional.is_empty() {
        head += &format!("\n\n**Provisional**: {}.", escaped(&review.provisional.join("; ")));
    }
    if let Some(correction) = &review.correction {
        head += &format!(
            "\n\n**Corrects revision {}**: {}. {} differ, listed at the end.",
            correction.since,
            escaped(&correction.because.join("; ")),
            numbers(correction.rows.len()),
        );
    }
    format!("{head}\n\n{}", review.guide)
}

fn numbers(count: usize) -> String {
    format!("{count} {}", if count == 1 { "number" } else { "numbers" })
}

fn rows(rows: &[Row], previous: &str) -> String {
    let header =
        ["KPI", "Value", "95 % interval", "n", "Open", "Target", "Status", previous, "Change"];
    let row = |row: &Row| {
        let title = match row.which.as_str() {
            "" => row.title.clone(),
            which => format!("{} ({which})", row.title),
        };
        let verdict = format!("{} {}", row.sign, row.verdict);
        [
            title,
            row.value.clone(),
            row.interval.clone(),
            row.n.clone(),
            row.open.clone(),
            row.target.clone(),
            verdict,
            row.before.clone(),
            row.change.clone(),
        ]
    };
    let rows: Vec<[String; 9]> = rows.iter().map(row).collect();
    table(&header, rows.iter().map(|it| it.iter().map(String::as_str).collect()))
}

fn corrected(correction: &Correction<'_>) -> String {
    let mut text = format!("\n## What changed since revision {}\n\n", correction.since);
    for reason in correction.because {
        text += &format!("- {}\n", escaped(reason));
    }
    text += "\n";
    if correction.rows.is_empty() {
        return text + "No number differs.\n";
    }
    let rows = correction.rows.iter();
    text + &table(
        &["KPI", "Of", "Which", "Was", "Is"],
        rows.map(|it| vec![it.title.as_str(), &it.of, &it.which, &it.was, &it.is]),
    )
}

fn table<'a>(header: &[&str], rows: impl Iterator<Item = Vec<&'a str>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header.iter().map(|it| escaped(it)).collect());
    text += &line(vec!["---".to_owned(); header.len()]);
    for row in rows {
        text += &line(row.into_iter().map(escaped).collect());
    }
    text
}

/// A text that no sign of Markdown or HTML is in.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '&' | '!' | '~' | '$' => {
                escaped.extend(['\\', sign]);
            }
            _ if sign.is_control() => escaped.push(' '),
            _ => escaped.push(sign),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_name_is_it_stays_a_text_in_one_cell(name in "(?s)[|*_`<>\\[\\]#&!\\\\~$a\n]{0,12}") {
            let text = table(&["A", "B"], std::iter::once(vec![name.as_str(), "b"]));
            let (mut cells, mut others) = (0, 0);
            for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
                match event {
                    Event::Start(Tag::TableCell) => cells += 1,
                    Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow) | Event::End(_) => {}
                    Event::Text(_) => {}
                    _ => others += 1,
                }
            }
            prop_assert_eq!((cells, others), (4, 0), "{}", text);
        }
    }
}
