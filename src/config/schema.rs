//! The JSON Schema of the configuration, for editors and for checks before anything runs.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::document::Layout;

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn schema() -> Json {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.into_root_schema_for::<Layout>().to_value();
    if let Some(root) = schema.as_object_mut() {
        // Every section may be absent.
        root.remove("required");
    }
    for_toml(&mut schema);
    schema
}

/// TOML knows no null: what may be null in JSON is absent here. And descriptions are wrapped by
/// whoever shows them.
fn for_toml(schema: &mut Json) {
    match schema {
        Json::Object(table) => {
            table.retain(|key, value| !(key == "default" && value.is_null()));
            if let Some(Json::String(text)) = table.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(Json::Array(types)) = table.get_mut("type") {
                types.retain(|it| it != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    table.insert("type".to_owned(), only);
                }
            }
            if let Some(Json::Array(choices)) = table.get_mut("anyOf") {
                choices.retain(|it| it.get("type").is_none_or(|it| it != "null"));
                if let [Json::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    table.remove("anyOf");
                    for (key, value) in only {
                        table.entry(key).or_insert(value);
                    }
                }
            }
            table.values_mut().for_each(for_toml);
        }
        Json::Array(list) => list.iter_mut().for_each(for_toml),
        _ => {}
    }
}
