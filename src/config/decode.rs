//! From the merged tree to typed settings, past every value that is wrong.
//!
//! Serde stops at the first error. So a section is decoded again and again: each error is noted
//! with its path, what it is about is taken out, and the rest gets its turn. One wrong value
//! therefore never hides another, in any module's settings, and the modules need not know.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::layers::{Layers, get};
use super::path::{KeyPath, Segment};
use super::problem::Problem;
use super::suggest;
use super::text::Aim;

/// Decodes sections and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
    /// Settings that had to be taken out.
    broken: BTreeSet<KeyPath>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self { layers, problems: Vec::new(), broken: BTreeSet::new() }
    }

    /// What was wrong, and the paths that had to be taken out for it.
    pub(super) fn finish(self) -> (Vec<Problem>, BTreeSet<KeyPath>) {
        (self.problems, self.broken)
    }

    /// The settings at `path`; an absent section is an empty one. `None` if something that has no
    /// default is missing or wrong.
    pub(super) fn value(&self, path: &KeyPath) -> Option<&'a Json> {
        self.layers.get(path)
    }

    /// The settings at `path`; an absent section is an empty one. `None` if something that has no
    /// default is missing or wrong.
    pub(super) fn section<T: DeserializeOwned>(&mut self, path: &KeyPath) -> Option<T> {
        let value = self.layers.get(path).cloned().unwrap_or(Json::Object(Default::default()));
        self.decode(path, value)
    }

    /// Every entry of the table at `path`, in the order in which they are written.
    pub(super) fn entries<T: DeserializeOwned>(&mut self, path: &KeyPath) -> Vec<(String, T)> {
        let keys = self.table_keys(path);
        keys.into_iter()
            .filter_map(|key| {
                let entry = self.section(&path.key(key.as_str()))?;
                Some((key, entry))
            })
            .collect()
    }

    /// The keys of the table at `path`; anything else there is a problem.
    pub(super) fn table_keys(&mut self, path: &KeyPath) -> Vec<String> {
        if let Some(value) = self.layers.get(path)
            && !value.is_object()
        {
            self.refuse(path, Aim::Value, "must be a table of named entries", table_fix(path));
        }
        self.layers.keys(path)
    }

    /// Notes a problem, unless a syntax error leaves open what is meant there.
    pub(super) fn refuse(
        &mut self,
        path: &KeyPath,
        aim: Aim,
        rule: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.broken.insert(path.clone());
        if !self.layers.is_unsure(path) {
            self.problems.push(self.layers.problem(path, aim, rule, fix));
        }
    }

    /// Decodes `value`, which stands at `root`.
    pub(super) fn decode<T: DeserializeOwned>(
        &mut self,
        root: &KeyPath,
        mut value: Json,
    ) -> Option<T> {
        let mut indices = Indices::default();
        // Texts of variables that were tried as other values, with what was said about the text.
        let mut tried: BTreeMap<KeyPath, String> = BTreeMap::new();
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
                Ok(settings) => return Some(settings),
                Err(error) => error,
            };
            let within = path_of(error.path(), &value);
            let written = root.join(&indices.written(&within));
            let mut message = error.inner().to_string();
            if let Some(Json::String(text)) = get(&value, &within)
                && self.layers.variable(&written).is_some()
                && !tried.contains_key(&written)
                && let Some(other) = as_toml(text)
            {
                tried.insert(written, message);
                replace(&mut value, &within, other);
                continue;
            }
            if let Some(first) = tried.get(&written) {
                message.clone_from(first);
            }
            let mended = match quoted_after(&message, "missing field ") {
                Some(key) => self.missing::<T>(&within, &written, key, &mut value),
                None => {
                    let (aim, rule, fix) = explain(&message, &written);
                    self.refuse(&written, aim, rule, fix);
                    take_out(&mut value, &within, &mut indices)
                }
            };
            if !mended {
                self.broken.insert(root.clone());
                return None;
            }
        }
    }

    /// Reports that `key` is missing, unless it was there and had to be taken out. Something stands
    /// in for it, so that the rest of the entry is decoded and checked; what is said about the
    /// stand-in is not reported, since its path is broken.
    fn missing<T: DeserializeOwned>(
        &mut self,
        within: &KeyPath,
        written: &KeyPath,
        key: &str,
        value: &mut Json,
    ) -> bool {
        let wanted = written.key(key);
        if !self.broken.contains(&wanted) {
            self.refuse(&wanted, Aim::Key, "is missing", format!("add `{key} = …`"));
        }
        let place = within.key(key);
        stand_ins().into_iter().any(|stand_in| {
            let Some(Json::Object(table)) = get_mut(value, within) else { return false };
            table.insert(key.to_owned(), stand_in);
            match serde_path_to_error::deserialize::<_, T>(value.clone()) {
                Ok(_) => true,
                Err(error) => !place.holds(&path_of(error.path(), value)),
            }
        })
    }
}

/// Values of which one fits every type that settings are made of.
fn stand_ins() -> [Json; 9] {
    [
        json!("2000-01-01"),
        json!("stand/in"),
        json!("https://stand.in/"),
        json!("1h"),
        json!(1),
        json!(true),
        json!({ "env": "STAND_IN" }),
        json!([]),
        json!({}),
    ]
}

/// Lists lose elements while they are decoded; this knows which were there at first.
#[derive(Debug, Default)]
struct Indices(BTreeMap<KeyPath, Vec<usize>>);

impl Indices {
    /// `path` with the indices that are written.
    fn written(&self, path: &KeyPath) -> KeyPath {
        let mut written = KeyPath::root();
        for segment in &path.0 {
            let segment = match (segment, self.0.get(&written)) {
                (Segment::Index(index), Some(left)) => {
                    Segment::Index(left.get(*index).copied().unwrap_or(*index))
                }
                (segment, _) => segment.clone(),
            };
            written = written.and(segment);
        }
        written
    }
}

fn take_out(value: &mut Json, path: &KeyPath, indices: &mut Indices) -> bool {
    let Some(parent) = path.parent() else { return false };
    let written = indices.written(&parent);
    match (get_mut(value, &parent), path.0.last()) {
        (Some(Json::Object(table)), Some(Segment::Key(key))) => table.remove(key).is_some(),
        (Some(Json::Array(list)), Some(Segment::Index(index))) if *index < list.len() => {
            indices.0.entry(written).or_insert_with(|| (0..list.len()).collect()).remove(*index);
            list.remove(*index);
            true
        }
        _ => false,
    }
}

fn replace(value: &mut Json, path: &KeyPath, by: Json) {
    if let Some(place) = get_mut(value, path) {
        *place = by;
    }
}

fn get_mut<'a>(tree: &'a mut Json, path: &KeyPath) -> Option<&'a mut Json> {
    path.0.iter().try_fold(tree, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(index),
    })
}

/// Serde's path as ours. Of an enum that is written as a table, the variant is a key.
fn path_of(path: &serde_path_to_error::Path, value: &Json) -> KeyPath {
    let mut found = KeyPath::root();
    for segment in path.iter() {
        let next = match segment {
            serde_path_to_error::Segment::Seq { index } => Segment::Index(*index),
            serde_path_to_error::Segment::Map { key } => Segment::Key(key.clone()),
            serde_path_to_error::Segment::Enum { variant } => Segment::Key(variant.clone()),
            serde_path_to_error::Segment::Unknown => break,
        };
        let next = found.and(next);
        if get(value, &next).is_none() {
            break;
        }
        found = next;
    }
    found
}

/// What `text` is when it is read as a TOML value that is not a text.
fn as_toml(text: &str) -> Option<Json> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    match table.remove("value")? {
        toml::Value::String(_) | toml::Value::Datetime(_) => None,
        _ if !table.is_empty() => None,
        value => serde_json::to_value(value).ok(),
    }
}

/// The part in backticks that follows `words` at the beginning of `message`.
fn quoted_after<'a>(message: &'a str, words: &str) -> Option<&'a str> {
    let (quoted, _) = message.strip_prefix(words)?.strip_prefix('`')?.split_once('`')?;
    Some(quoted)
}

/// The parts of `message` in backticks.
fn all_quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// Serde's message in the words of somebody who writes TOML: what it is about, the rule, the fix.
fn explain(message: &str, path: &KeyPath) -> (Aim, String, String) {
    if let Some(unknown) = quoted_after(message, "unknown field ") {
        let known = all_quoted(message);
        let fix = suggest::fix(unknown, known.into_iter().skip(1), "remove it");
        return (Aim::Key, "is not a setting".to_owned(), fix);
    }
    if let Some(unknown) = quoted_after(message, "unknown variant ") {
        let known: Vec<&str> = all_quoted(message).into_iter().skip(1).collect();
        let fix = match suggest::closest(unknown, known.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("write one of {}", suggest::list(&known)),
        };
        return (Aim::Value, format!("{unknown:?} is not one of its values"), fix);
    }
    let typed =
        ["invalid type: ", "invalid value: "].iter().find_map(|it| message.strip_prefix(it));
    if let Some((found, expected)) = typed.and_then(|it| it.rsplit_once(", expected ")) {
        let (wanted, fix) = match (expected, found.strip_prefix("string ")) {
            ("a sequence", Some(text)) => ("a list".to_owned(), format!("write [{text}]")),
            _ => wanted(expected, path),
        };
        return (Aim::Value, format!("must be {wanted}, not {}", named(found)), fix);
    }
    if message == "invalid socket address syntax" {
        let rule = "is not an address with a port".to_owned();
        return (Aim::Value, rule, "write for example \"127.0.0.1:9780\"".to_owned());
    }
    if let Some((what, text)) = message.split_once(": ")
        && URL_ERRORS.iter().any(|it| what.starts_with(it))
    {
        let fix = "write for example \"https://api.example.com\"".to_owned();
        return (Aim::Value, format!("{text} is not an address: {what}"), fix);
    }
    let (rule, fix) = message.split_once("; ").unwrap_or((message, ""));
    (Aim::Value, rule.to_owned(), fix.to_owned())
}

/// How the messages of the url crate begin.
const URL_ERRORS: [&str; 4] = ["relative URL", "empty host", "invalid ", "URLs more than"];

/// What serde wants, and how to write it.
fn wanted(expected: &str, path: &KeyPath) -> (String, String) {
    let (wanted, fix) = match expected {
        "a boolean" => ("true or false", "write true or false, without quotes"),
        "a string" | "str" | "string" => ("a text", "put it in quotes"),
        "a sequence" => ("a list", "write [\"one\", \"two\"]"),
        "f64" | "f32" => ("a number", "write a number, without quotes"),
        "u8" => ("a whole number from 0 to 255", "write for example 3, without quotes"),
        "u16" => ("a whole number from 0 to 65535", "write for example 3, without quotes"),
        "u32" | "u64" | "usize" => {
            ("a whole number, 0 or more", "write for example 3, without quotes")
        }
        "i64" | "i32" => ("a whole number", "write for example 3, without quotes"),
        "a map" => ("a table", table_fix(path)),
        "a number or a length of time" => (expected, "write for example 0.1 or \"15m\""),
        other if other.starts_with("struct ") => ("a table", table_fix(path)),
        other => return (other.to_owned(), String::new()),
    };
    (wanted.to_owned(), fix.to_owned())
}

fn table_fix(path: &KeyPath) -> &'static str {
    if path.0.len() > 1 { "write { key = value }" } else { "write a section: [name]" }
}

/// What serde found.
fn named(found: &str) -> String {
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        "null" | "unit value" => "a value that does not fit".to_owned(),
        other => {
            let (kind, value) = other.split_once(' ').unwrap_or(("", other));
            let value = value.trim_matches('`');
            match kind {
                "string" => format!("the text {value}"),
                "integer" | "floating" => {
                    format!("the number {}", value.trim_start_matches("point `"))
                }
                _ => value.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::setting::Period;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        count: u8,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        list: Vec<Period>,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        inner: BTreeMap<String, Inner>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Fast,
        Slow,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        share: f64,
    }

    fn decode(text: &str, environment: &[(&str, &str)]) -> (Option<Settings>, Vec<String>) {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let files = [("f".to_owned(), text.to_owned())];
        let (layers, _) = Layers::merge(&files, environment);
        let mut decoder = Decoder::new(&layers);
        let settings = decoder.section(&KeyPath::parse("probe"));
        let (problems, _) = decoder.finish();
        (settings, problems.iter().map(|it| it.to_string().replace("\n    fix: ", " | ")).collect())
    }

    #[test]
    fn one_wrong_value_hides_no_other() {
        let (_, problems) = decode(
            "[probe]\nname = 5\ncount = 300\non = 'yes'\nlist = ['1h', 'soon', '5m', 7, '0s']\nmode = 'slwo'\n\
             extra = 1\ninner = { a = { share = 'x' }, b = { share = 1.5, shar = 2 }, c = 1 }\n",
            &[],
        );
        let mut problems = problems;
        problems.sort();
        assert_eq!(
            problems,
            [
                "f:2:8: probe.name: must be a text, not the number 5 | put it in quotes",
                "f:3:9: probe.count: must be a whole number from 0 to 255, not the number 300 | write for example 3, without quotes",
                "f:4:6: probe.on: must be true or false, not the text \"yes\" | write true or false, without quotes",
                "f:5:15: probe.list[1]: \"soon\" is not a length of time | write for example \"15m\", \"6h\" or \"30d\"",
                "f:5:29: probe.list[3]: must be a text, not the number 7 | put it in quotes",
                "f:5:32: probe.list[4]: a length of time must be longer than zero, not \"0s\" | write for example \"15m\"",
                "f:6:8: probe.mode: \"slwo\" is not one of its values | did you mean \"slow\"?",
                "f:7:1: probe.extra: is not a setting | remove it; known are name, count, on, list, mode, inner",
                "f:8:25: probe.inner.a.share: must be a number, not the text \"x\" | write a number, without quotes",
                "f:8:51: probe.inner.b.shar: is not a setting | did you mean \"share\"?",
                "f:8:67: probe.inner.c: must be a table, not the number 1 | write { key = value }",
            ]
        );
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let (_, problems) = decode("[probe]\non = true\n", &[]);
        assert_eq!(
            problems,
            [
                "f:1:2: probe.name: is missing | add `name = …`",
                "f:1:2: probe.count: is missing | add `count = …`",
            ]
        );
    }

    #[test]
    fn a_variable_is_a_text_unless_a_text_does_not_fit() {
        let (settings, problems) = decode(
            "[probe]\nname = 'x'\ninner = { a = { share = 0.1 } }\n",
            &[
                ("ENGKPI__PROBE__INNER__A__SHARE", "0.5"),
                ("ENGKPI__PROBE__NAME", "0123"),
                ("ENGKPI__PROBE__COUNT", "7"),
                ("ENGKPI__PROBE__ON", "true"),
                ("ENGKPI__PROBE__LIST", "['5m', '6h']"),
            ],
        );
        assert_eq!(problems, [""; 0]);
        let settings = settings.unwrap();
        assert_eq!((settings.name.as_str(), settings.count, settings.on), ("0123", 7, true));
        assert_eq!(settings.list.len(), 2);
        assert!(matches!(settings.mode, Mode::Fast));
        assert_eq!(settings.inner["a"].share, 0.5);
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let (_, problems) = decode(
            "[probe]\nname = 'x'\ncount = 1\n",
            &[
                ("ENGKPI__PROBE__COUNT", "many"),
                ("ENGKPI__PROBE__LIST", "[5]"),
                ("ENGKPI__PROBE__MOD", "slow"),
            ],
        );
        assert_eq!(
            problems,
            [
                "environment ENGKPI__PROBE__COUNT: probe.count: must be a whole number from 0 to 255, not the text \"many\" | write for example 3, without quotes",
                "environment ENGKPI__PROBE__LIST: probe.list[0]: must be a text, not the number 5 | put it in quotes",
                "environment ENGKPI__PROBE__MOD: probe.mod: is not a setting | did you mean \"mode\"?",
            ]
        );
    }
}
