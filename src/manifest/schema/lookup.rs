//! What the schema says about the value at a path: for messages, which know the path only.

use std::sync::LazyLock;

use serde_json::Value;

use super::schema;
use crate::manifest::path::{Step, steps};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// How the value at `path` may be written, as a piece of YAML: `ports: ["8080:80"]`.
pub fn example(path: &str) -> Option<String> {
    let steps = steps(path);
    let last = steps.last()?;
    let here = shapes_at(&steps).into_iter().find_map(|shape| shape["examples"].get(0));
    match (here, last) {
        (Some(value), Step::Key(key)) => Some(format!("{key}: {}", flow(value))),
        (Some(value), Step::Item) => Some(flow(value)),
        // An entry of a list may be told by the example of the list.
        (None, Step::Item) => {
            let list = shapes_at(&steps[..steps.len() - 1]);
            list.into_iter().find_map(|shape| shape["examples"][0].get(0)).map(flow)
        }
        (None, Step::Key(_)) => None,
    }
}

/// Where a key stands that is out of place at `path`, if there is only one place or two to mind: the path
/// of the mapping it belongs to.
pub fn home(key: &str, path: &str) -> Option<String> {
    let mut found = Vec::new();
    collect(&SCHEMA, key, &mut Vec::new(), &mut found);
    found.sort_by_key(Vec::len);
    let here = steps(path);
    let nearest = found.first().filter(|_| found.len() <= 2)?;
    named(nearest, &here)
}

/// The path of a level, with the names that `here` has in the same places; `None` where it has none.
fn named(level: &[&str], here: &[Step]) -> Option<String> {
    let mut path = String::new();
    let mut together = true;
    for (index, step) in level.iter().enumerate() {
        let beside = here.get(index).filter(|_| together);
        match (*step, beside) {
            ("*", Some(Step::Key(name))) => path = crate::manifest::path::field(&path, name),
            ("*" | "[]", _) => return None,
            (key, beside) => {
                together = beside.is_some_and(|step| matches!(step, Step::Key(k) if k == key));
                path = crate::manifest::path::field(&path, key);
            }
        }
    }
    Some(path)
}

fn collect<'s>(
    shape: &'s Value,
    key: &str,
    level: &mut Vec<&'s str>,
    found: &mut Vec<Vec<&'s str>>,
) {
    if let Some(fields) = shape["properties"].as_object() {
        if fields.contains_key(key) {
            found.push(level.clone());
        }
        for (name, field) in fields {
            level.push(name);
            collect(field, key, level, found);
            level.pop();
        }
    }
    for (step, inner) in [("*", &shape["additionalProperties"]), ("[]", &shape["items"])] {
        if inner.is_object() {
            level.push(step);
            collect(inner, key, level, found);
            level.pop();
        }
    }
    for either in shape["anyOf"].as_array().into_iter().flatten() {
        collect(either, key, level, found);
    }
}

/// Every shape that the value at `steps` may have.
fn shapes_at(steps: &[Step]) -> Vec<&'static Value> {
    let mut shapes = alternatives(&SCHEMA);
    for step in steps {
        let below = shapes.into_iter().filter_map(|shape| match step {
            Step::Key(key) => shape["properties"].get(key).or_else(|| any_name(shape)),
            Step::Item => shape.get("items"),
        });
        shapes = below.flat_map(alternatives).collect();
    }
    shapes
}

fn any_name(shape: &Value) -> Option<&Value> {
    shape.get("additionalProperties").filter(|shape| shape.is_object())
}

/// The shape itself, what it refers to, and what it offers.
fn alternatives(shape: &'static Value) -> Vec<&'static Value> {
    let mut all = vec![shape];
    let reference = shape["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    all.extend(reference.and_then(|to| SCHEMA.pointer(to)));
    let either = shape["anyOf"].as_array().into_iter().flatten();
    all.extend(either.flat_map(alternatives));
    all
}

/// A value as it is written within a line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, field)| format!("{key}: {}", flow(field)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Whether a text needs no quotes, wherever it stands.
fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/.".contains(c));
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:=".contains(c));
    let is_number = text.chars().all(|c| c.is_ascii_digit() || ".-:".contains(c));
    begins
        && is_word
        && !text.ends_with(':')
        && !is_number
        && !matches!(text, "true" | "false" | "null" | "no" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(example(path).as_deref().unwrap_or_default(), expected, "{path}");
    }

    #[test]
    fn a_value_has_the_example_of_its_place_or_of_its_kind() {
        check("services.api.ports", r#"ports: ["8080:80"]"#);
        check("services.api.ports[1]", r#""8080:80""#);
        check("services.api.ports[1].target", "target: 80");
        check("services.api.stop_grace_period", "stop_grace_period: 30s");
        check("services.api.depends_on.db", "db: {condition: service_healthy}");
        check("services.api.labels.\"a.b\"", "");
        check("nowhere.at.all", "");
    }

    #[test]
    fn a_key_out_of_place_is_sent_home() {
        let check = |key, path, expected: Option<&str>| {
            assert_eq!(home(key, path).as_deref(), expected, "{key} at {path}");
        };
        check("update_config", "services.api", Some("services.api.deploy"));
        check("healthcheck", "services.api.deploy", Some("services.api"));
        check("ipam", "services.api", None);
        check("driver", "services.api", None);
        check("services", "services.api", Some(""));
    }
}
