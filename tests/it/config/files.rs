//! The files in `config/`: each is parsed, checked and valid by the schema.

use std::collections::BTreeSet;
use std::path::Path;

use engkpi::config::{Config, schema};
use expect_test::expect_file;
use serde_json::Value as Json;

use super::now;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file as JSON; dates as texts, as in the schema.
fn json(name: &str) -> Json {
    fn plain(value: toml::Value) -> Json {
        match value {
            toml::Value::Datetime(it) => Json::String(it.to_string()),
            toml::Value::Array(list) => list.into_iter().map(plain).collect(),
            toml::Value::Table(table) => {
                table.into_iter().map(|(key, value)| (key, plain(value))).collect()
            }
            other => serde_json::to_value(other).unwrap(),
        }
    }
    plain(toml::Value::Table(toml::from_str(&read(name)).unwrap()))
}

#[test]
fn the_schema_is_that_of_the_code() {
    // Bless it with UPDATE_EXPECT=1 cargo test --test it config::files.
    let text = format!("{:#}\n", schema());
    expect_file!["../../../config/schema.json"].assert_eq(&text);
}

#[test]
fn every_file_is_fine_and_valid_by_the_schema() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    for name in ["default.toml", "example.toml", "full.toml"] {
        let texts = [(name.to_owned(), read(name))];
        if let Err(problems) = Config::parse(&texts, [], now()) {
            panic!("config/{name}:\n{problems}");
        }
        let wrong: Vec<String> = validator
            .iter_errors(&json(name))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "config/{name} is not valid by the schema: {wrong:#?}");
    }
}

#[test]
fn the_schema_refuses_what_the_code_refuses() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    for text in [
        "[evaluat]\n",
        "[evaluate]\ninterval = 5\n",
        "[evaluate]\ninterval = 'soon'\n",
        "[sources.x]\ntype = 'gitlab'\n",
        "[sources.x]\ntype = 'github'\n",
        "[sources.x]\ntype = 'github'\nhistory_start = '2025-01-01'\ntoken = 'ghp_x'\n",
        "[services.x]\nteam = 'a'\n",
        "[services.x]\nteam = 'a'\nrepository = 'x'\n",
        "[rules.decisions.'a/b']\nfolders = ['x']\ndecision_event = 'never'\n",
    ] {
        let value: Json =
            serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
        assert!(!validator.is_valid(&value), "the schema accepts\n{text}");
        let texts = [("x.toml".to_owned(), text.to_owned())];
        assert!(Config::parse(&texts, [], now()).is_err(), "the code accepts\n{text}");
    }
}

/// The names of all settings below a schema, without the names that people choose.
fn settings(schema: &Json, root: &Json, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let pointer = reference.trim_start_matches('#');
        settings(root.pointer(pointer).unwrap(), root, found);
    }
    for (name, below) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        found.insert(name.clone());
        settings(below, root, found);
    }
    if let Some(below) = schema.get("additionalProperties") {
        settings(below, root, found);
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for below in schema.get(key).and_then(Json::as_array).into_iter().flatten() {
            settings(below, root, found);
        }
    }
}

#[test]
fn the_full_file_shows_every_setting() {
    let root = schema();
    let mut all = BTreeSet::new();
    settings(&root, &root, &mut all);
    let text = read("full.toml");
    let missing: Vec<&String> = all.iter().filter(|name| !text.contains(name.as_str())).collect();
    assert!(
        missing.is_empty(),
        "config/full.toml shows every setting, if need be in a comment; add {missing:?}"
    );
}
