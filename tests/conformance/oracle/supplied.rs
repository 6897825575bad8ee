//! Files that lay beside a stack when Compose read it and are not among the records: what Compose made
//! of them tells what was in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evenkeel::manifest::node::{Node, Value};
use evenkeel::manifest::yaml;
use evenkeel::model::MemoryTree;
use evenkeel::model::tree::Tree as _;
use serde_json::Value as Json;

/// Adds the env files of every service: the variables that Compose prints and the manifest does not write.
pub fn add_env_files(tree: &mut MemoryTree, directory: &str, manifest: &str, expected: &Json) {
    let parsed =
        yaml::parse("compose.yaml", manifest.as_bytes(), &yaml::Limits::default()).unwrap();
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, service) in fields(parsed[0].get("services")) {
        let written: BTreeSet<String> = names(service.get("environment"));
        let printed = expected["services"][name]["environment"].as_object();
        let added = printed.into_iter().flatten().filter(|(key, _)| !written.contains(*key));
        let lines: BTreeSet<String> = added.map(|(key, value)| line(key, value)).collect();
        // What several files of a service have in them cannot be told apart; one is enough.
        if let Some(file) = texts(service.get("env_file")).first() {
            files.entry(file.trim_start_matches("./").to_owned()).or_default().extend(lines);
        }
    }
    for (file, lines) in files {
        let path = format!("{directory}/{file}").trim_start_matches('/').to_owned();
        if tree.kind(&path).unwrap().is_none() && !file.contains('$') {
            tree.insert(path, lines.into_iter().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// A line of an env file; single quotes take everything as it is.
fn line(key: &str, value: &Json) -> String {
    format!("{key}='{}'", value.as_str().unwrap_or_default().replace("$$", "$"))
}

/// Adds the files of secrets, whose content Compose does not print.
pub fn add_secrets(tree: &mut MemoryTree, root: &Path, expected: &Json) {
    for kind in ["secrets", "configs"] {
        let declared = expected[kind].as_object().into_iter().flatten();
        for file in declared.filter_map(|(_, file)| file["file"].as_str()) {
            if let Ok(path) = Path::new(file).strip_prefix(root) {
                tree.insert(path.to_string_lossy(), "content");
            }
        }
    }
}

fn fields(node: Option<&Node>) -> Vec<(&str, &Node)> {
    match node.map(|node| &node.value) {
        Some(Value::Mapping(fields)) => {
            fields.iter().map(|(key, field)| (key.as_str(), &field.node)).collect()
        }
        _ => Vec::new(),
    }
}

/// The names of a mapping or of a list of `KEY=value`.
fn names(node: Option<&Node>) -> BTreeSet<String> {
    let keys = fields(node).into_iter().map(|(key, _)| key.to_owned());
    let name = |text: String| text.split('=').next().unwrap_or_default().to_owned();
    keys.chain(texts(node).into_iter().map(name)).collect()
}

/// A text, or the texts of a list.
fn texts(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => vec![scalar.text.clone()],
        Some(Value::Sequence(items)) => items.iter().flat_map(|item| texts(Some(item))).collect(),
        _ => Vec::new(),
    }
}
