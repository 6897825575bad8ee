//! Variables in texts and in trees.

use std::collections::BTreeMap;

use evenkeel::manifest::excerpt::SourceTexts;
use evenkeel::manifest::interpolate::{self, Unset, Usage};
use evenkeel::manifest::node::{Node, Value};
use evenkeel::manifest::{units, yaml};
use serde_json::{Map, Value as Json, json};

use super::records::{Env, check, input};

fn expanded(record: &Json) -> Result<Json, String> {
    match interpolate::expand(input(record), &Env(&record["env"])) {
        Ok(expanded) => Ok(json!(expanded.text.reveal())),
        Err(errors) => Err(format!("{errors:?}")),
    }
}

/// A tree of JSON, which is YAML, as it is read from a file.
fn tree(json: &Json) -> Node {
    let text = json.to_string();
    let mut trees = yaml::parse("test.yaml", text.as_bytes(), &yaml::Limits::default()).unwrap();
    trees.remove(0)
}

/// A tree as JSON; what stands at one of the paths `casts` is read as the number or boolean it means.
fn json(node: &Node, path: &str, casts: &[&str]) -> Json {
    let field = |(key, field): (&String, &evenkeel::manifest::node::Field)| {
        let path = if path.is_empty() { "*".to_owned() } else { format!("{path}.{key}") };
        (key.clone(), json(&field.node, &path, casts))
    };
    match &node.value {
        Value::Null => Json::Null,
        Value::Sequence(items) => items.iter().map(|item| json(item, path, casts)).collect(),
        Value::Mapping(fields) => Json::Object(fields.iter().map(field).collect()),
        Value::Scalar(scalar) if casts.contains(&path) => meant(&scalar.text),
        Value::Scalar(scalar) => json!(scalar.text),
    }
}

fn meant(text: &str) -> Json {
    let number = units::integer(text).map(|number| json!(number));
    number.or_else(|_| units::boolean(text).map(|boolean| json!(boolean))).unwrap()
}

fn interpolated(record: &Json) -> Result<Json, String> {
    let casts = record["casts"].as_array().unwrap();
    let casts: Vec<&str> = casts.iter().filter_map(Json::as_str).collect();
    let (texts, mut problems, mut remarks) = (SourceTexts::default(), Vec::new(), Vec::new());
    let tree = interpolate::interpolate(
        tree(&record["input"]),
        &Env(&record["env"]),
        Unset::Blank,
        &texts,
        &mut problems,
        &mut remarks,
    );
    match problems.is_empty() {
        true => Ok(json(&tree, "", &casts)),
        false => Err(format!("{problems:?}")),
    }
}

fn usages(found: BTreeMap<String, Usage>) -> Json {
    let described = |(name, usage): (String, Usage)| {
        let described = json!({
            "Name": name,
            "DefaultValue": usage.default.unwrap_or_default(),
            "PresenceValue": usage.presence.unwrap_or_default(),
            "Required": usage.required,
        });
        (name, described)
    };
    Json::Object(found.into_iter().map(described).collect::<Map<_, _>>())
}

#[test]
fn a_text_is_interpolated_as_compose_does_it() {
    check("interpolate_string", expanded);
}

#[test]
fn texts_from_real_files_are_interpolated_as_compose_does_it() {
    check("real_interpolate_string", expanded);
}

#[test]
fn a_tree_is_interpolated_in_its_values_only() {
    check("interpolate_tree", interpolated);
}

#[test]
fn the_variables_of_a_tree_are_found_with_their_defaults() {
    let found = |record: &Json| Ok(usages(interpolate::variables(&tree(&record["input"]))));
    check("extract_variables", found);
}
