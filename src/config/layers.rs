//! Layers: built-in defaults, the given files, the environment; the later one wins.
//!
//! The `config` crate merges them. Beside the merged tree this keeps what the crate forgets: where
//! each value was written.

use std::collections::BTreeMap;
use std::ffi::OsString;

use config::{Map, Source, Value, ValueKind};
use serde_json::Value as Json;

use super::path::{KeyPath, Segment};
use super::problem::{Place, Problem};
use super::text::{Aim, Text};

/// Begins the name of every variable that overrides a setting.
const PREFIX: &str = "ENGKPI";
const SEPARATOR: &str = "__";

/// The built-in defaults: the lowest layer.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The name under which problems of the built-in defaults are reported.
const DEFAULTS_NAME: &str = "(built-in) default.toml";

/// All layers, merged and apart.
#[derive(Debug)]
pub(super) struct Layers {
    texts: Vec<Text>,
    /// Which variable sets a path.
    variables: BTreeMap<KeyPath, String>,
    tree: Json,
}

impl Layers {
    /// Merges the built-in defaults, `files` (name and content) and those of `environment` that are
    /// ours. What is wrong with a layer as such comes beside it.
    pub(super) fn merge(
        files: &[(String, String)],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Self, Vec<Problem>) {
        let mut texts = vec![Text::parse(DEFAULTS_NAME, 0, DEFAULTS)];
        for (index, (name, content)) in files.iter().enumerate() {
            texts.push(Text::parse(name, index + 1, content));
        }
        let mut problems: Vec<Problem> =
            texts.iter().flat_map(|text| text.syntax().iter().cloned()).collect();
        let mut builder = config::Config::builder();
        for text in &texts {
            builder = builder.add_source(Layer(text.values().clone()));
        }
        let written = build(builder.clone());
        let ours = our_variables(environment, &mut problems);
        let (overrides, variables) = overrides(ours, &written);
        problems.extend(overlapping(&variables));
        let tree = build(builder.add_source(Layer(overrides)));
        (Self { texts, variables, tree }, problems)
    }

    /// Every setting, as the layers together say it.
    pub(super) fn tree(&self) -> &Json {
        &self.tree
    }

    /// The keys of the table at `path`, in the order in which people wrote them.
    pub(super) fn keys(&self, path: &KeyPath) -> Vec<String> {
        let Some(table) = get(&self.tree, path).and_then(Json::as_object) else {
            return Vec::new();
        };
        let mut keys: Vec<String> = table.keys().cloned().collect();
        keys.sort_by_key(|key| {
            let path = path.key(key.as_str());
            let found = self.texts.iter().enumerate();
            found
                .filter_map(|(layer, text)| Some((layer, text.offset(&path)?)))
                .next()
                .unwrap_or((usize::MAX, 0))
        });
        keys
    }

    /// The value at `path`, if there is one.
    pub(super) fn get(&self, path: &KeyPath) -> Option<&Json> {
        get(&self.tree, path)
    }

    /// The variable that decides `path`, if one does.
    pub(super) fn variable(&self, path: &KeyPath) -> Option<&str> {
        let (_, name) = self.variables.iter().find(|(it, _)| it.holds(path))?;
        Some(name)
    }

    /// Which layer decides `path`; environment variables are the highest.
    pub(super) fn rank(&self, path: &KeyPath) -> usize {
        match self.variable(path) {
            Some(_) => self.texts.len(),
            None => self.texts.iter().rposition(|text| text.has(path)).unwrap_or_default(),
        }
    }

    /// Whether a syntax error leaves open what is meant at `path`.
    pub(super) fn is_unsure(&self, path: &KeyPath) -> bool {
        self.variable(path).is_none() && self.texts.iter().any(|text| text.is_unsure(path))
    }

    /// Whether any file has syntax errors.
    pub(super) fn has_syntax_errors(&self) -> bool {
        self.texts.iter().any(|text| !text.syntax().is_empty())
    }

    /// Where people would change `path`: the layer that decides it, else where its parent is.
    pub(super) fn place(&self, path: &KeyPath, aim: Aim) -> Place {
        if let Some(variable) = self.variable(path) {
            return Place::Variable { variable: variable.to_owned() };
        }
        if let Some(place) = self.texts.iter().rev().find_map(|text| text.place(path, aim)) {
            return place;
        }
        if let Some((_, name)) = self.variables.iter().find(|(it, _)| path.holds(it))
            && *path != KeyPath::root()
        {
            return Place::Variable { variable: name.clone() };
        }
        match path.parent() {
            Some(parent) => self.place(&parent, Aim::Key),
            None => self.start(),
        }
    }

    /// A problem at `path`.
    pub(super) fn problem(
        &self,
        path: &KeyPath,
        aim: Aim,
        rule: impl Into<String>,
        fix: impl Into<String>,
    ) -> Problem {
        Problem::new(self.place(path, aim), path, rule, fix)
    }

    fn start(&self) -> Place {
        let last = self.texts.last();
        last.map_or(Place::File { file: DEFAULTS_NAME.to_owned() }, Text::start)
    }
}

/// What is at `path` below `tree`.
pub(super) fn get<'a>(tree: &'a Json, path: &KeyPath) -> Option<&'a Json> {
    path.0.iter().try_fold(tree, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(index),
    })
}

/// One layer for the `config` crate.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }

    fn collect_to(&self, cache: &mut Value) -> Result<(), config::ConfigError> {
        merge(cache, &Value::new(None, ValueKind::Table(self.0.clone())));
        Ok(())
    }
}

/// Puts `over` over `value`: tables key by key, anything else whole. The crate does the same, but
/// would join two references to a secret into one that is both `env` and `file`.
fn merge(value: &mut Value, over: &Value) {
    match (&mut value.kind, &over.kind) {
        (ValueKind::Table(below), ValueKind::Table(above))
            if !(is_secret(below) && is_secret(above)) =>
        {
            for (key, over) in above {
                merge(below.entry(key.clone()).or_default(), over);
            }
        }
        _ => *value = over.clone(),
    }
}

fn is_secret(table: &Map<String, Value>) -> bool {
    !table.is_empty() && table.keys().all(|key| matches!(key.as_str(), "env" | "file"))
}

#[expect(
    clippy::expect_used,
    reason = "layers are trees of plain values, and nothing else can fail"
)]
fn build(builder: config::ConfigBuilder<config::builder::DefaultState>) -> Json {
    let merged = builder.build().expect("layers that are in memory can always be collected");
    merged.try_deserialize().expect("plain values can always be JSON")
}

/// Our variables by their lower-case names, for the `config` crate.
fn our_variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, (String, String)> {
    let mut ours: BTreeMap<String, (String, String)> = BTreeMap::new();
    let prefix = format!("{PREFIX}{SEPARATOR}");
    for (name, value) in environment {
        let name = name.to_string_lossy().into_owned();
        if !name.to_uppercase().starts_with(&prefix) {
            continue;
        }
        let mut refuse = |rule: String, fix: &str| {
            let place = Place::Variable { variable: name.clone() };
            problems.push(Problem::new(place, &KeyPath::root(), rule, fix));
        };
        let Ok(value) = value.into_string() else {
            refuse("its value is not text".to_owned(), "write it in UTF-8");
            continue;
        };
        if let Some((other, _)) = ours.get(&name.to_lowercase()) {
            refuse(format!("sets the same as {other}"), "keep one of them");
            continue;
        }
        ours.insert(name.to_lowercase(), (name, value));
    }
    ours
}

/// The environment as a layer below the names that are `written` in files, and which variable sets
/// which path.
fn overrides(
    ours: BTreeMap<String, (String, String)>,
    written: &Json,
) -> (Map<String, Value>, BTreeMap<KeyPath, String>) {
    let source = ours.values().map(|(name, value)| (name.clone(), value.clone())).collect();
    let environment = config::Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR)
        // An empty variable is how shells and container tools write "not set".
        .ignore_empty(true)
        .source(Some(source));
    let collected: BTreeMap<String, Value> =
        environment.collect().unwrap_or_default().into_iter().collect();
    let mut root = Value::new(None, ValueKind::Table(Map::new()));
    let mut variables = BTreeMap::new();
    for (key, value) in collected {
        let path = as_written(&key, written);
        let variable = format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR)).to_lowercase();
        if let Some((name, _)) = ours.get(&variable) {
            variables.insert(path.clone(), name.clone());
        }
        put(&mut root, &path.0, value);
    }
    match root.kind {
        ValueKind::Table(table) => (table, variables),
        _ => (Map::new(), variables),
    }
}

/// Variables of which one sets as a whole what another sets in part.
fn overlapping(variables: &BTreeMap<KeyPath, String>) -> impl Iterator<Item = Problem> {
    variables.iter().flat_map(move |(whole, name)| {
        let parts = variables.iter().filter(move |(part, _)| *part != whole && whole.holds(part));
        parts.map(move |(_, part)| {
            let place = Place::Variable { variable: name.clone() };
            let rule = format!("sets as a whole what {part} sets in part");
            Problem::new(place, whole, rule, "keep one of the two")
        })
    })
}

/// The path that a variable's lower-case `key` means. Variables know neither capitals nor hyphens,
/// so a name that is written in a file is found without regard to them.
fn as_written(key: &str, written: &Json) -> KeyPath {
    let fold = |name: &str| -> String {
        name.chars()
            .map(|it| if it.is_alphanumeric() { it.to_ascii_lowercase() } else { '_' })
            .collect()
    };
    let mut here = Some(written);
    let mut path = KeyPath::root();
    for part in key.split('.') {
        let table = here.and_then(Json::as_object);
        let mut alike =
            table.into_iter().flat_map(|it| it.keys()).filter(|it| fold(it) == fold(part));
        let name = match (alike.next(), alike.next()) {
            (Some(only), None) => only.as_str(),
            _ => part,
        };
        here = table.and_then(|it| it.get(name));
        path = path.key(name);
    }
    path
}

fn put(into: &mut Value, path: &[Segment], value: Value) {
    let [Segment::Key(key), rest @ ..] = path else {
        *into = value;
        return;
    };
    if !matches!(into.kind, ValueKind::Table(_)) {
        into.kind = ValueKind::Table(Map::new());
    }
    if let ValueKind::Table(table) = &mut into.kind {
        put(table.entry(key.clone()).or_default(), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(files: &[&str], environment: &[(&str, &str)]) -> (Layers, Vec<String>) {
        let files: Vec<(String, String)> = files
            .iter()
            .enumerate()
            .map(|(index, text)| (format!("{index}.toml"), (*text).to_owned()))
            .collect();
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let (layers, problems) = Layers::merge(&files, environment);
        (layers, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_variable_for_the_whole_and_one_for_a_part_contradict_each_other() {
        let variables = [("ENGKPI__WEB", "x"), ("ENGKPI__WEB__LISTEN_ADDRESS", "127.0.0.1:1")];
        let (_, problems) = merge(&[], &variables);
        assert_eq!(
            problems,
            [
                "environment ENGKPI__WEB: web: sets as a whole what ENGKPI__WEB__LISTEN_ADDRESS sets \
              in part\n    fix: keep one of the two"
            ]
        );
    }

    fn value<'a>(layers: &'a Layers, path: &str) -> &'a Json {
        layers.get(&KeyPath::parse(path)).unwrap_or(&Json::Null)
    }

    fn place(layers: &Layers, path: &str) -> String {
        layers.place(&KeyPath::parse(path), Aim::Value).to_string()
    }

    #[test]
    fn the_later_layer_wins_and_is_where_the_value_is_looked_for() {
        let (layers, problems) = merge(
            &["[teams.a]\nx = 1\ny = 1\nz = [1, 2]\n", "[teams.a]\ny = 2\nz = [3]\n"],
            &[("ENGKPI__TEAMS__A__X", "3"), ("ENGKPI_OTHER", "not ours"), ("PATH", "/bin")],
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(value(&layers, "teams.a").to_string(), r#"{"x":"3","y":2,"z":[3]}"#);
        assert_eq!(place(&layers, "teams.a.x"), "environment ENGKPI__TEAMS__A__X");
        assert_eq!(place(&layers, "teams.a.y"), "1.toml:2:5");
        assert_eq!(place(&layers, "teams.a.missing"), "1.toml:1:8");
        assert_eq!(place(&layers, "nowhere"), "1.toml:1:1");
    }

    #[test]
    fn a_variable_finds_the_written_name_whatever_its_case_and_hyphens() {
        let (layers, _) = merge(
            &["[services.Checkout-API]\ntier = 2\n"],
            &[("ENGKPI__SERVICES__CHECKOUT_API__TIER", "1")],
        );
        assert_eq!(value(&layers, "services").to_string(), r#"{"Checkout-API":{"tier":"1"}}"#);
    }

    #[test]
    fn a_reference_to_a_secret_is_replaced_as_a_whole() {
        let (layers, _) = merge(
            &["[s]\ntoken = { env = 'TOKEN' }\n"],
            &[("ENGKPI__S__TOKEN__FILE", "/run/token")],
        );
        assert_eq!(value(&layers, "s.token").to_string(), r#"{"file":"/run/token"}"#);
    }

    #[test]
    fn an_empty_variable_sets_nothing_and_leading_zeros_stay() {
        let (layers, _) =
            merge(&["a = 'file'\nb = 'file'\n"], &[("ENGKPI__A", ""), ("ENGKPI__B", "0123")]);
        assert_eq!(value(&layers, "a"), "file");
        assert_eq!(value(&layers, "b"), "0123");
    }

    #[test]
    fn a_variable_that_exists_twice_is_refused() {
        let (_, problems) = merge(&[], &[("ENGKPI__A", "1"), ("engkpi__a", "2")]);
        assert_eq!(
            problems,
            ["environment engkpi__a: sets the same as ENGKPI__A\n    fix: keep one of them"]
        );
    }

    #[test]
    fn names_come_in_the_order_in_which_they_are_written() {
        let (layers, _) =
            merge(&["[teams.z]\n[teams.a]\n", "[teams.b]\n"], &[("ENGKPI__TEAMS__AA__X", "1")]);
        assert_eq!(layers.keys(&KeyPath::parse("teams")), ["z", "a", "b", "aa"]);
    }
}
