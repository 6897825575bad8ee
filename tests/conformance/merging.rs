//! Files laid over each other.

use evenkeel::manifest::node::{Field, Node, Value};
use evenkeel::manifest::{merge, yaml};
use serde_json::{Map, Value as Json, json};

use super::records::{Verdict, check_by};

fn parsed(text: &str) -> Result<Node, String> {
    let trees = yaml::parse("test.yaml", text.as_bytes(), &yaml::Limits::default());
    let mut trees = trees.map_err(|problems| format!("{problems:?}"))?;
    Ok(trees.remove(0))
}

fn merged(base: &str, over: &str) -> Result<Node, String> {
    merge::merge(parsed(base)?, parsed(over)?).map_err(|problems| format!("{problems:?}"))
}

fn json(node: &Node) -> Json {
    let field = |(key, field): (&String, &Field)| (key.clone(), json(&field.node));
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) => json!(scalar.text),
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(fields) => Json::Object(fields.iter().map(field).collect()),
    }
}

/// Whether two trees say the same: a list of `KEY=value` is the same as a mapping.
fn same(found: &Json, expected: &Json) -> bool {
    match (found, expected) {
        (Json::Object(found), Json::Object(expected)) => {
            found.len() == expected.len()
                && found.iter().all(|(key, value)| {
                    expected.get(key).is_some_and(|expected| same(value, expected))
                })
        }
        (Json::Object(_), Json::Array(items)) => same(found, &mapping(items)),
        (Json::Array(found), Json::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| same(found, expected))
        }
        (found, expected) => found == expected,
    }
}

fn mapping(items: &[Json]) -> Json {
    let pair = |item: &Json| match item.as_str().unwrap_or_default().split_once('=') {
        Some((key, value)) => (key.to_owned(), json!(value)),
        None => (item.as_str().unwrap_or_default().to_owned(), Json::Null),
    };
    Json::Object(items.iter().map(pair).collect::<Map<_, _>>())
}

fn judged(record: &Json) -> Result<(), String> {
    let text = |key: &str| record[key].as_str().unwrap();
    let found = json(&merged(text("base"), text("override"))?);
    let expected = json(&parsed(text("expected"))?);
    match same(&found, &expected) {
        true => Ok(()),
        false => Err(format!("expected {expected}\n  found {found}")),
    }
}

#[test]
fn files_are_merged_as_compose_merges_them() {
    check_by("merge_files", |record| match judged(record) {
        Ok(()) => Verdict::Same,
        Err(difference) => Verdict::Differs(difference),
    });
}
