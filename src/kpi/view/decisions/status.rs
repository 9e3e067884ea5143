//! What a record's status says, however people word it (kpis.md 3.2).

use std::collections::BTreeMap;

use crate::kpi::params::StatusMeaning;

/// The longest status of the table, in words.
const MOST_WORDS: usize = 3;

/// The meaning of a status line by `table`. `None` where it says nothing: unknown words, the
/// template's own alternatives, block quotes.
pub(super) fn meaning(
    line: &str,
    table: &BTreeMap<String, StatusMeaning>,
) -> Option<StatusMeaning> {
    let line = without_markup(line)?;
    let [either, listed] = [&['|', '/'][..], &['|', '/', ',', ';']].map(|separators| {
        let or = line.replace(" or ", "|");
        let parts = or.split(separators).filter_map(|part| first_words(part, table));
        parts.collect::<Vec<_>>()
    });
    let is_template = contradict(&either) || (listed.len() > 2 && contradict(&listed));
    if is_template { None } else { first_words(&line, table) }
}

/// Nobody decides both ways at once: these are alternatives to choose from.
fn contradict(meanings: &[StatusMeaning]) -> bool {
    let has = |meaning| meanings.contains(&meaning);
    let pending = has(StatusMeaning::Pending);
    let (accepted, rejected) = (has(StatusMeaning::Accepted), has(StatusMeaning::Rejected));
    pending && (accepted || rejected || has(StatusMeaning::Retired)) || (accepted && rejected)
}

/// The line as a reader sees it; `None` where it is a quotation or a placeholder.
fn without_markup(line: &str) -> Option<String> {
    let line = without(line, "<!--", "-->");
    let line = without(&without(&line, "~~", "~~"), "<", ">");
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`'));
    if line.starts_with(['>', '{']) || is_choice(line) {
        return None;
    }
    Some(without(line, "](", ")").replace(['*', '`'], ""))
}

/// `text` without everything between `start` and `end`. What is not ended goes to the end.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(start) {
        kept.push_str(before);
        rest = after.split_once(end).map_or("", |(_, after)| after);
    }
    kept + rest
}

/// `[proposed | accepted | superseded by [ADR-5](5.md)]`.
fn is_choice(line: &str) -> bool {
    let mut depth = 0_usize;
    for c in line.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '|' if depth > 0 => return true,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    false
}

/// The meaning of the longest status that `text` begins with, dates and signs passed over.
fn first_words(text: &str, table: &BTreeMap<String, StatusMeaning>) -> Option<StatusMeaning> {
    let words = words(text);
    let label = words.first().is_some_and(|word| word == "status");
    let words = words.get(usize::from(label)..)?;
    (1..=MOST_WORDS.min(words.len())).rev().find_map(|n| {
        let status = &words[..n];
        table.iter().find(|(it, _)| self::words(it) == status).map(|(_, meaning)| *meaning)
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .skip_while(|word| word.starts_with(|c: char| c.is_numeric()))
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::params::default_statuses;

    #[track_caller]
    fn means(meaning: Option<StatusMeaning>, lines: &[&str]) {
        for line in lines {
            assert_eq!(super::meaning(line, &default_statuses()), meaning, "{line:?}");
        }
    }

    #[test]
    fn every_word_of_the_table_has_its_meaning() {
        for (word, meaning) in default_statuses() {
            means(Some(meaning), &[&word, &word.to_uppercase(), &format!("**{word}**.")]);
        }
    }

    #[test]
    fn waiting() {
        means(
            Some(StatusMeaning::Pending),
            &[
                "Proposed",
                "DRAFT",
                "In review",
                "in-review",
                "under_review",
                "Under Review by the guild",
                "Needs revision (see comments)",
                "proposed on 2026-03-01",
                "Deferred until Q3",
                "Review, draft 2",
                "Status: proposed",
                "~~Accepted~~ Proposed",
            ],
        );
    }

    #[test]
    fn decided_for() {
        means(
            Some(StatusMeaning::Accepted),
            &[
                "Accepted",
                "  accepted  ",
                "*Accepted*",
                "`accepted`",
                "✅ Accepted",
                "- [x] Accepted"[6..].trim(),
                "[Accepted](https://example.org/decisions)",
                "![Accepted](https://img.example/badge.svg)",
                "[Accepted][badge]",
                "<span style=\"color:green\">Accepted</span>",
                "Accepted <!-- proposed | accepted | rejected -->",
                "2026-03-01: Accepted",
                "Accepted 2026/03/01",
                "Accepted, pending implementation",
                "Accepted | 2026-03-01",
                "Approved by the board or its deputy",
                "Accepted, superseded by 7 in part, obsolete soon",
                "Implemented in v2",
                "Decided/Implemented",
            ],
        );
    }

    #[test]
    fn decided_against() {
        means(
            Some(StatusMeaning::Rejected),
            &["Rejected", "declined: too dear", "Withdrawn by its author", "rejected, see ADR-9"],
        );
    }

    #[test]
    fn accepted_once_and_no_longer_in_force() {
        means(
            Some(StatusMeaning::Retired),
            &[
                "Superseded by ADR-7",
                "superseded by [ADR-0007](0007-use-a-queue.md)",
                "Superseded by [7 | the queue](0007.md)",
                "Replaced by 0012",
                "Deprecated",
                "Obsolete since 2026",
                "Partly superseded by ADR-7",
                "partially superseded",
            ],
        );
    }

    #[test]
    fn nothing() {
        means(
            None,
            &[
                "",
                "TBD",
                "Not accepted",
                "What is the status, such as proposed, accepted, rejected, deprecated?",
                "{proposed | rejected | accepted | deprecated | superseded by ADR-0123}",
                "\"{proposed | accepted}\""[1..].trim_end_matches('"'),
                "{{ status }}",
                "[accepted|proposed]",
                "[proposed | rejected | accepted | superseded by [ADR-0005](0005-example.md)]",
                "**[proposed | rejected | accepted]**",
                "proposed | rejected | accepted",
                "Proposed / Accepted / Rejected",
                "Accepted or Rejected",
                "Proposed, accepted, rejected, superseded",
                "<status>",
                "<proposed | accepted>",
                "> Accepted",
                "<!-- accepted -->",
                "~~Accepted~~",
                "2026-03-01",
            ],
        );
    }
}
