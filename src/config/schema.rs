//! The JSON Schema of the configuration file, for editors.

use super::file::File;

/// The schema (draft 2020-12) of `config.yaml`, made from the types that read it.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(File).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "evenkeel configuration".into());
        object.insert("required".to_owned(), serde_json::json!(["sources"]));
    }
    schema
}
