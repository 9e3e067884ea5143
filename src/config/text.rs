//! One TOML text: its values for the `config` crate, and where each of them stands.

use std::collections::BTreeMap;
use std::ops::Range;

use config::{Map, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::path::KeyPath;
use super::problem::{NOT_TOML, Place, Problem};

/// A parsed text. Where it has syntax errors, what could still be read is there.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// How the file was named.
    name: String,
    /// Which layer it is.
    layer: usize,
    source: String,
    values: Map<String, Value>,
    spans: BTreeMap<KeyPath, Spans>,
    syntax: Vec<Problem>,
    /// Sections with syntax errors: what they seem to say is not judged.
    unsure: Vec<Range<usize>>,
}

/// Where a setting stands, in bytes.
#[derive(Clone, Debug)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// Which part of a setting a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// Its name.
    Key,
    /// Its value.
    Value,
}

impl Text {
    /// Takes `source` apart.
    pub(super) fn parse(name: &str, layer: usize, source: &str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(source);
        let mut text = Self {
            name: name.to_owned(),
            layer,
            source: source.to_owned(),
            values: Map::new(),
            spans: BTreeMap::new(),
            syntax: Vec::new(),
            unsure: Vec::new(),
        };
        text.values = text.read_table(&KeyPath::root(), table.get_ref());
        for (offset, message) in root_causes(&errors) {
            let problem = text.syntax_problem(offset, &message);
            text.syntax.push(problem);
        }
        text.unsure = errors
            .iter()
            .filter_map(toml::de::Error::span)
            .map(|span| text.section_around(span.start))
            .collect();
        text
    }

    /// The values, for layering.
    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// What is wrong with the text as TOML.
    pub(super) fn syntax(&self) -> &[Problem] {
        &self.syntax
    }

    /// Whether `path` is written here.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.spans.contains_key(path)
    }

    /// How far into the text `path` is written, if it is.
    pub(super) fn offset(&self, path: &KeyPath) -> Option<usize> {
        self.spans.get(path).map(|spans| spans.key.start)
    }

    /// Whether a syntax error leaves open what is meant at `path`.
    pub(super) fn is_unsure(&self, path: &KeyPath) -> bool {
        let offset = self.offset(path).unwrap_or_default();
        self.unsure.iter().any(|range| range.contains(&offset))
    }

    /// Where `path` is written, if it is.
    pub(super) fn place(&self, path: &KeyPath, aim: Aim) -> Option<Place> {
        let spans = self.spans.get(path)?;
        let span = match aim {
            Aim::Key => &spans.key,
            Aim::Value => &spans.value,
        };
        Some(self.at(span.start))
    }

    /// The first line, for what is nowhere.
    pub(super) fn start(&self) -> Place {
        self.at(0)
    }

    fn at(&self, offset: usize) -> Place {
        let before = &self.source[..self.source.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place::Text {
            layer: self.layer,
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn read_table(&mut self, path: &KeyPath, table: &DeTable<'_>) -> Map<String, Value> {
        let mut values = Map::new();
        for (key, value) in table {
            let path = path.key(key.get_ref().as_ref());
            // A table with a header has the header's span, which is where its name is.
            let value_span = match value.get_ref() {
                DeValue::Table(_) if value.span().start <= key.span().start => key.span(),
                _ => value.span(),
            };
            self.spans.insert(path.clone(), Spans { key: key.span(), value: value_span });
            values.insert(key.get_ref().to_string(), self.read_value(&path, value.get_ref()));
        }
        values
    }

    fn read_value(&mut self, path: &KeyPath, value: &DeValue<'_>) -> Value {
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Boolean(value) => ValueKind::Boolean(*value),
            DeValue::Datetime(value) => ValueKind::String(value.to_string()),
            DeValue::Float(value) => {
                value.as_str().parse().map_or(ValueKind::Nil, ValueKind::Float)
            }
            // Too large for any setting: as a float it is refused with its own value.
            DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix())
                .map(ValueKind::I64)
                .or_else(|_too_large| value.as_str().parse().map(ValueKind::Float))
                .unwrap_or(ValueKind::Nil),
            DeValue::Table(table) => ValueKind::Table(self.read_table(path, table)),
            DeValue::Array(array) => {
                let mut values = Vec::new();
                for (index, element) in array.iter().enumerate() {
                    let path = path.index(index);
                    let spans = Spans { key: element.span(), value: element.span() };
                    self.spans.insert(path.clone(), spans);
                    values.push(self.read_value(&path, element.get_ref()));
                }
                ValueKind::Array(values)
            }
        };
        Value::new(Some(&self.name), kind)
    }

    fn syntax_problem(&self, offset: usize, message: &str) -> Problem {
        let (rule, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        let fix = if rule.starts_with("duplicate key") {
            "keep one of them; a table may be opened once only".to_owned()
        } else if ["string values", "invalid float", "invalid boolean"]
            .iter()
            .any(|it| rule.starts_with(it))
        {
            "write the text in quotes: key = \"text\"".to_owned()
        } else if message.contains("array") {
            "separate the elements of a list with commas and close it with ]".to_owned()
        } else if expected.is_empty() || expected == "nothing" {
            "write it as TOML does (https://toml.io)".to_owned()
        } else {
            format!("write {expected} here")
        };
        Problem::new(self.at(offset), &KeyPath::root(), format!("{NOT_TOML}{rule}"), fix)
    }

    /// The section that holds `offset`: from its header to the next one.
    fn section_around(&self, offset: usize) -> Range<usize> {
        let offset = self.source.floor_char_boundary(offset.min(self.source.len()));
        let line_end = self.source[offset..].find('\n').map_or(self.source.len(), |at| offset + at);
        let start = self.source[..line_end].rfind("\n[").map_or(0, |at| at + 1);
        let end = self.source[line_end..].find("\n[").map_or(self.source.len(), |at| line_end + at);
        start..end + 1
    }
}

/// The errors that are not consequences of another one, in the order of the text: one a line, and
/// of a list or an inline table that is not closed only the place where that shows first.
fn root_causes(errors: &[toml::de::Error]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = errors
        .iter()
        .map(|error| {
            (error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "))
        })
        .collect();
    found.sort();
    let in_collection =
        |message: &str| ["array", "inline table"].iter().any(|it| message.contains(it));
    let closing = found
        .iter()
        .filter(|(_, message)| message.starts_with("unclosed") && in_collection(message))
        .map(|(offset, _)| *offset)
        .max();
    let mut causes: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (offset, message) in found {
        let swallowed = inside && closing.is_some_and(|closing| offset <= closing);
        if !swallowed {
            inside = in_collection(&message) && closing.is_some_and(|closing| offset <= closing);
            causes.push((offset, message));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax(source: &str) -> Vec<String> {
        Text::parse("f", 0, source).syntax().iter().map(ToString::to_string).collect()
    }

    fn place(source: &str, path: &str, aim: Aim) -> String {
        let text = Text::parse("f", 0, source);
        text.place(&KeyPath::parse(path), aim).map(|it| it.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_setting_has_a_line_and_a_column() {
        let source = "a = 1\n[services.checkout]\nteam = 'x'\npaths = [\n  'a/**',\n  'ä/**', 'b']\nd = { é = 1, k = 2 }\n";
        assert_eq!(place(source, "a", Aim::Key), "f:1:1");
        assert_eq!(place(source, "a", Aim::Value), "f:1:5");
        assert_eq!(place(source, "services.checkout", Aim::Key), "f:2:11");
        assert_eq!(place(source, "services.checkout", Aim::Value), "f:2:11");
        assert_eq!(place(source, "services.checkout.team", Aim::Value), "f:3:8");
        assert_eq!(place(source, "services.checkout.paths[2]", Aim::Value), "f:6:11");
        assert_eq!(place(source, "services.checkout.d.k", Aim::Key), "f:7:14");
        assert_eq!(place(source, "services.nothing", Aim::Key), "");
    }

    #[test]
    fn every_syntax_error_is_found_and_its_consequences_are_not() {
        assert_eq!(
            syntax("a = 1\na = 2\nb = 01\n[t]\nc = nope\n"),
            [
                "f:2:1: not TOML: duplicate key\n    fix: keep one of them; a table may be opened once only",
                "f:3:5: not TOML: unexpected leading zero\n    fix: write it as TOML does (https://toml.io)",
                "f:5:5: not TOML: invalid float\n    fix: write the text in quotes: key = \"text\"",
            ]
        );
        assert_eq!(
            syntax("x = [1, 2\ny = 1\n[z]\nk=1\n"),
            [
                "f:2:1: not TOML: missing comma between array elements\n    fix: separate the elements of a list with commas and close it with ]"
            ]
        );
    }

    #[test]
    fn what_a_section_with_a_syntax_error_says_is_not_judged() {
        let text = Text::parse("f", 0, "[a]\nx = 1\n[b]\ny = \nz = 1\n[c]\nw = 1\n");
        let unsure = |path| text.is_unsure(&KeyPath::parse(path));
        assert_eq!([unsure("a.x"), unsure("b.z"), unsure("c.w")], [false, true, false]);
    }

    #[test]
    fn a_number_that_no_setting_can_hold_is_kept_for_its_message() {
        let text = Text::parse("f", 0, "a = 99999999999999999999999\n");
        assert_eq!(text.values()["a"].kind, ValueKind::Float(1e23));
    }
}
