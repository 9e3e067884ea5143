//! `docs/configuration.md`: the reference is written from the schema, so that it names every setting.

use std::fmt::Write as _;
use std::path::Path;

use engkpi::config::{SECTIONS, schema};
use expect_test::expect_file;
use serde_json::Value as Json;

/// Begins the part of the page that is written here; what stands before it is written by people.
const MARK: &str = "<!-- Below is written from the schema: UPDATE_EXPECT=1 cargo test --test it config::reference -->\n";

#[test]
fn the_reference_names_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (by_people, _) = text.split_once(MARK).expect("docs/configuration.md has the mark");
    let expected = format!("{by_people}{MARK}{}", Reference::write());
    expect_file!["../../../docs/configuration.md"].assert_eq(&expected);
}

/// The pages' sections, by the order of a configuration file.
struct Reference {
    root: Json,
    text: String,
}

impl Reference {
    fn write() -> String {
        let mut reference = Self { root: schema(), text: String::new() };
        for section in SECTIONS {
            let Some(schema) = reference.root["properties"].get(section).cloned() else { continue };
            let schema = reference.resolve(&schema);
            let named = schema.get("additionalProperties").filter(|it| it.is_object()).cloned();
            match named {
                Some(entry) => reference.section(&format!("{section}.NAME"), &entry),
                None => reference.section(section, &schema),
            }
        }
        reference.text
    }

    fn resolve(&self, schema: &Json) -> Json {
        let Some(reference) = schema.get("$ref").and_then(Json::as_str) else {
            return schema.clone();
        };
        let mut resolved = self.root.pointer(reference.trim_start_matches('#')).unwrap().clone();
        for (key, value) in schema.as_object().unwrap() {
            if key != "$ref" {
                resolved[key] = value.clone();
            }
        }
        resolved
    }

    fn section(&mut self, path: &str, schema: &Json) {
        let schema = self.resolve(schema);
        if let Some(kinds) = schema.get("oneOf").and_then(Json::as_array)
            && kinds.iter().all(|it| it.pointer("/properties/type/const").is_some())
        {
            for kind in kinds {
                let name = kind["properties"]["type"]["const"].as_str().unwrap();
                self.table(&format!("`[{path}]` with `type = \"{name}\"`"), path, kind);
            }
            return;
        }
        self.table(&format!("`[{path}]`"), path, &schema);
    }

    fn table(&mut self, title: &str, path: &str, schema: &Json) {
        let description = schema["description"].as_str().unwrap_or_default();
        write!(self.text, "\n## {title}\n\n{description}\n").unwrap();
        let empty = serde_json::Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty).clone();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let mut below = Vec::new();
        if !properties.is_empty() {
            self.text.push_str("\n| key | value | default | |\n|---|---|---|---|\n");
        }
        for (key, value) in &properties {
            if key == "type" && value.get("const").is_some() {
                continue;
            }
            let value = self.resolve(value);
            let default = match value.get("default") {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(default)
                    if default.as_object().is_none_or(|it| !it.is_empty())
                        && !default.is_object() =>
                {
                    format!("`{default}`")
                }
                _ => String::new(),
            };
            let kind = self.kind(&value);
            let meaning = value["description"].as_str().unwrap_or_default().replace('|', "\\|");
            writeln!(self.text, "| `{key}` | {kind} | {default} | {meaning} |").unwrap();
            let entry = value.get("additionalProperties").map(|it| self.resolve(it));
            if value.get("properties").is_some() {
                below.push((format!("{path}.{key}"), value));
            } else if let Some(entry) = entry.filter(|it| it.get("properties").is_some()) {
                below.push((format!("{path}.{key}.NAME"), entry));
            }
        }
        for (path, schema) in below {
            self.section(&path, &schema);
        }
    }

    fn kind(&self, schema: &Json) -> String {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Json::as_array)
        {
            if choices.iter().any(|it| it.pointer("/properties/env").is_some()) {
                return "secret".to_owned();
            }
            let choices: Vec<String> = choices.iter().map(|it| self.kind(it)).collect();
            return choices.join(" or ");
        }
        if let Some(value) = schema.get("const") {
            return format!("`{value}`");
        }
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        match schema["type"].as_str().unwrap_or_default() {
            "array" => format!("list of {}", self.kind(&schema["items"])),
            "object" if schema.get("properties").is_some() => "table".to_owned(),
            "object" => format!("table of {}", self.kind(&schema["additionalProperties"])),
            "boolean" => "true or false".to_owned(),
            "integer" => match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
                (Some(least), Some(most)) if most < 1000 => format!("{least} to {most}"),
                (Some(least), _) if least > 0 => format!("{least} or more"),
                _ => "whole number".to_owned(),
            },
            "number" => "number".to_owned(),
            _ if pattern.contains("+w)?") => "length of time".to_owned(),
            _ if pattern.starts_with("^[0-9]{4}") => "date".to_owned(),
            _ if schema["format"] == "uri" => "address".to_owned(),
            _ if schema["format"] == "regex" => "regular expression".to_owned(),
            _ => "text".to_owned(),
        }
    }
}
