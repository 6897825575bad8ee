//! A YAML file as the JSON that a schema is asked about.

use evenkeel::manifest::node::{Node, Value};
use evenkeel::manifest::yaml;
use serde_json::Value as Json;

/// The documents of a file, as an editor sees them: merge keys and aliases followed, variables as written.
pub fn documents(text: &str) -> Option<Vec<Json>> {
    let limits = yaml::Limits::default();
    Some(yaml::parse("c.yaml", text.as_bytes(), &limits).ok()?.iter().map(json).collect())
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(fields) => {
            fields.iter().map(|(key, field)| (key.clone(), json(&field.node))).collect()
        }
        Value::Scalar(scalar) if scalar.plain => plain(&scalar.text),
        Value::Scalar(scalar) => scalar.text.clone().into(),
    }
}

/// YAML 1.2, core schema.
fn plain(text: &str) -> Json {
    match text {
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => number.into(),
        (Err(_), Ok(number)) if is_decimal => number.into(),
        (Err(_), _) => text.into(),
    }
}
