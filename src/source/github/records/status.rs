//! What a decision record says about its status, in its own words.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

/// Longest text that is kept, in characters.
const LONGEST: usize = 256;

/// Most keys that are kept of a front matter.
const MOST_KEYS: usize = 64;

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Front matter `status:`, else the first line under a `Status` heading, else a `Status:` line.
    pub(super) status: Option<String>,
    /// The scalars of the front matter.
    pub(super) front_matter: BTreeMap<String, String>,
}

/// Reads a record.
pub(super) fn read(text: &str) -> Words {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (yaml, markdown) = split(text);
    let front_matter = yaml.map(scalars).unwrap_or_default();
    let in_front = front_matter
        .iter()
        .find(|(key, value)| key.eq_ignore_ascii_case("status") && !value.trim().is_empty())
        .map(|(_, value)| value.trim().to_owned());
    Words { status: in_front.or_else(|| in_markdown(markdown)), front_matter }
}

/// The front matter and what follows it.
fn split(text: &str) -> (Option<&str>, &str) {
    let Some(rest) = text.strip_prefix("---").map(|it| it.trim_start_matches([' ', '\t'])) else {
        return (None, text);
    };
    let Some(rest) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) else {
        return (None, text);
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return (Some(&rest[..at]), &rest[at + line.len()..]);
        }
        at += line.len();
    }
    (None, text)
}

fn scalars(yaml: &str) -> BTreeMap<String, String> {
    // One that is not YAML says nothing; the rest of the record still may.
    let fields: BTreeMap<String, Value> = serde_saphyr::from_str(yaml).unwrap_or_default();
    let scalars = fields.into_iter().filter_map(|(key, value)| {
        let value = match value {
            Value::String(text) => shortened(&text),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((shortened(&key), value))
    });
    scalars.take(MOST_KEYS).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// A line of text as a reader sees it.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Heading(String),
    Text(String),
}

fn in_markdown(markdown: &str) -> Option<String> {
    let lines = lines(markdown);
    let under_heading = lines.windows(2).find_map(|pair| match pair {
        [Line::Heading(heading), Line::Text(text)] if is_status(heading) => Some(text.clone()),
        _ => None,
    });
    under_heading.or_else(|| {
        lines.iter().find_map(|line| {
            let (Line::Heading(text) | Line::Text(text)) = line;
            let (word, status) = text.split_once(':')?;
            let status = status.trim();
            (is_status(word) && !status.is_empty()).then(|| status.to_owned())
        })
    })
}

fn is_status(heading: &str) -> bool {
    heading.trim().trim_end_matches(':').trim_end().eq_ignore_ascii_case("status")
}

/// The lines of a text. Block quotes and code are not the author's words about this record, and
/// what is struck through is no longer.
fn lines(markdown: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut text = String::new();
    let mut hidden = 0_u32;
    let mut heading = false;
    let mut end = |text: &mut String, heading: bool| {
        let line = shortened(text.trim());
        text.clear();
        if !line.is_empty() {
            lines.push(if heading { Line::Heading(line) } else { Line::Text(line) });
        }
    };
    for event in Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(
                Tag::BlockQuote(_) | Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::Strikethrough,
            ) => hidden += 1,
            Event::End(
                TagEnd::BlockQuote(_)
                | TagEnd::CodeBlock
                | TagEnd::HtmlBlock
                | TagEnd::Strikethrough,
            ) => hidden = hidden.saturating_sub(1),
            Event::Start(Tag::Heading { .. }) => {
                end(&mut text, heading);
                heading = true;
            }
            Event::End(TagEnd::Heading(_)) => {
                end(&mut text, heading);
                heading = false;
            }
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_))
            | Event::End(TagEnd::Paragraph | TagEnd::Item)
            | Event::HardBreak
            | Event::Rule => end(&mut text, heading),
            // A heading is one line however it is wrapped.
            Event::SoftBreak if heading => text.push(' '),
            Event::SoftBreak => end(&mut text, heading),
            Event::Text(piece) | Event::Code(piece) if hidden == 0 => text.push_str(&piece),
            _ => {}
        }
    }
    end(&mut text, heading);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Option<String> {
        read(text).status
    }

    #[test]
    fn the_front_matter_goes_first_then_the_heading_then_the_line() {
        let front = "---\nstatus: accepted\ndate: 2026-03-01\n---\n";
        let heading = "# 1. Use it\n\n## Status\n\nProposed\n\n";
        let line = "Status: rejected\n";
        for (text, expected) in [
            (format!("{front}{heading}{line}"), "accepted"),
            (format!("{line}\n{heading}"), "Proposed"),
            (line.to_owned(), "rejected"),
            (format!("---\ntitle: x\n---\n{heading}"), "Proposed"),
            (format!("---\nstatus:\n---\n{heading}"), "Proposed"),
        ] {
            assert_eq!(status(&text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(status("# 1. Use it\n\nNo word about it.\n"), None);
    }

    #[test]
    fn the_first_line_under_the_heading_counts_however_it_is_set() {
        for (text, expected) in [
            ("## Status\n\nAccepted\n\nSuperseded by [2](2.md)", "Accepted"),
            ("## Status\n\nSuperseded by [ADR 2](2.md)\n", "Superseded by ADR 2"),
            ("## Status:\nAccepted\nsince March\n", "Accepted"),
            ("### STATUS\n\n* accepted\n* by all\n", "accepted"),
            ("Status\n------\n\n**Accepted**\n", "Accepted"),
            ("## Status\n\n~~Proposed~~ Accepted\n", "Accepted"),
            ("## Status\n\n<!-- one of these -->\nAccepted\n", "Accepted"),
            ("## Status\n\n> Choose one of these.\n\nAccepted\n", "Accepted"),
            ("## Status\n\n`accepted`\n", "accepted"),
        ] {
            assert_eq!(status(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn help_texts_and_other_sections_are_no_status() {
        for text in [
            "## Status\n\n> Accepted | Rejected\n\n## Context\n\nWe need it.\n",
            "## Status\n\n## Context\n\nWe need it.\n",
            "```\nStatus: accepted\n```\n",
            "> Status: accepted\n",
            "## Status quo\n\nIt is bad.\n",
            "The HTTP status: 404\n",
        ] {
            assert_eq!(status(text), None, "{text}");
        }
    }

    #[test]
    fn a_status_line_is_found_in_lists_and_in_bold() {
        for text in [
            "* Status: accepted\n* Date: 2026-03-01\n",
            "- **Status**: accepted\n",
            "**Status:** accepted\n",
            "# 3. Use it\nstatus: accepted",
            "## Status: accepted\n",
            "Date: today  \nStatus: accepted\n",
        ] {
            assert_eq!(status(text).as_deref(), Some("accepted"), "{text}");
        }
    }

    #[test]
    fn the_scalars_of_the_front_matter_are_kept_as_text() {
        let text =
            "---\nStatus: Accepted\nproposed: 2026-03-01\nn: 3\nok: true\nlist: [a]\n---\nText";
        let words = read(text);
        let fields: Vec<_> =
            words.front_matter.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(fields, ["Status=Accepted", "n=3", "ok=true", "proposed=2026-03-01"]);
        assert_eq!(words.status.as_deref(), Some("Accepted"));
    }

    #[test]
    fn what_is_no_front_matter_is_text() {
        for text in [
            "---\nstatus: accepted\n",
            "--- \nnot: [yaml\n---\n## Status\n\nAccepted\n",
            "----\nstatus: accepted\n---\n",
        ] {
            assert!(read(text).front_matter.is_empty(), "{text}");
        }
        assert_eq!(
            status("---\r\nstatus: accepted\r\n---\r\n# X\r\n").as_deref(),
            Some("accepted")
        );
    }

    #[test]
    fn a_record_from_a_stranger_costs_little() {
        let bomb = (0..9).fold(String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n"), |mut text, n| {
            let alias = format!("*a{n}");
            text.push_str(&format!(
                "a{}: &a{} [{}]\n",
                n + 1,
                n + 1,
                [alias.as_str(); 9].join(",")
            ));
            text
        });
        assert!(read(&format!("---\n{bomb}---\n")).front_matter.is_empty());
        let deep = ">".repeat(50_000) + " Status: accepted";
        assert_eq!(status(&deep), None);
        let long = format!("Status: {}", "a".repeat(10_000));
        assert!(status(&long).unwrap().len() <= LONGEST);
    }
}
