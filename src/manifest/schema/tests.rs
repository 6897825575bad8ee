//! The schema's keys are the loader's keys, at every level that has a table of them.
//!
//! The loader is asked, not its tables: each level is filled with every word that stands in quotes in the
//! readers' sources, and what it does not complain of, it takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::schema;
use crate::manifest::interpolate::Unset;
use crate::manifest::{Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs, load};
use crate::model::memory_tree::MemoryTree;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, HostName, Problem, SourceName};

/// The steps from the top of a manifest to a mapping: keys, `*` for any name, `[]` for an item.
type Level = Vec<String>;

#[test]
fn the_schema_has_the_keys_that_the_loader_takes() {
    let words = quoted_words();
    assert!(words.len() > 200 && words.contains("mem_limit"), "the readers are where they were");
    let levels = levels();
    assert!(levels.len() > 30, "{levels:#?}");
    for (level, mut keys) in levels {
        keys.retain(|key| !key.starts_with("x-"));
        let mut taken = taken(&level, &words);
        if level == ["secrets", "*"] {
            // It has the table of `configs`, but is told that a secret's content does not belong here.
            assert!(taken.remove("content"));
        }
        assert_eq!(keys, taken, "the keys of {level:?}: left the schema, right the loader");
    }
}

#[test]
fn every_key_is_explained_and_every_reference_leads_somewhere() {
    let schema = schema();
    visit(&schema, &mut |value| {
        if let Some(Value::String(reference)) = value.get("$ref") {
            let pointer = reference.trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
        let fields = value.get("properties").and_then(Value::as_object);
        for (key, field) in fields.into_iter().flatten() {
            let told = field["description"].as_str().unwrap_or_default();
            assert!(told.ends_with('.'), "`{key}` has no description: {told:?}");
        }
    });
}

fn visit(value: &Value, see: &mut dyn FnMut(&Value)) {
    see(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| visit(field, see)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every word in quotes that could be a key.
fn quoted_words() -> BTreeSet<String> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest");
    let mut words = BTreeSet::new();
    for folder in ["service", "project", "schema"] {
        for file in fs::read_dir(room.join(folder)).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            words.extend(text.split('"').filter(|word| is_key(word)).map(str::to_owned));
        }
    }
    words
}

fn is_key(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Every mapping of the schema that is closed, with its keys.
fn levels() -> Vec<(Level, BTreeSet<String>)> {
    let mut levels = Vec::new();
    descend(&schema(), Vec::new(), &mut levels);
    levels
}

fn descend(shape: &Value, level: Level, levels: &mut Vec<(Level, BTreeSet<String>)>) {
    let below = |step: &str| [level.clone(), vec![step.to_owned()]].concat();
    if let Some(fields) = shape["properties"].as_object() {
        levels.push((level.clone(), fields.keys().cloned().collect()));
        for (key, field) in fields {
            descend(field, below(key), levels);
        }
    }
    for either in shape["anyOf"].as_array().into_iter().flatten() {
        descend(either, level.clone(), levels);
    }
    descend_if_any(&shape["additionalProperties"], below("*"), levels);
    descend_if_any(&shape["items"], below("[]"), levels);
}

fn descend_if_any(shape: &Value, level: Level, levels: &mut Vec<(Level, BTreeSet<String>)>) {
    if shape.is_object() {
        descend(shape, level, levels);
    }
}

/// Which of `words` the loader takes as keys at this level.
fn taken(level: &[String], words: &BTreeSet<String>) -> BTreeSet<String> {
    let probes = words.iter().map(|word| (word.clone(), Value::Null));
    let manifest = wrapped(level, Map::from_iter(probes).into());
    let problems = problems(&manifest.to_string());
    let refused = |word: &&String| {
        let path = [&path_of(level)[..], word].concat();
        let is_key = |code| ["unknown-key", "unsupported-key"].contains(&code);
        problems.iter().any(|p| is_key(p.code) && p.path.as_ref() == Some(&path))
    };
    words.iter().filter(|word| !refused(word)).cloned().collect()
}

/// `inner` at this level of a manifest, beside what the loader needs to get there.
fn wrapped(level: &[String], inner: Value) -> Value {
    let Some((step, rest)) = level.split_first() else { return inner };
    let value = wrapped(rest, inner);
    match step.as_str() {
        "[]" => json!([value]),
        "*" => json!({"a": value}),
        // The options of a mount are read when it is one of their kind.
        kind @ ("bind" | "volume" | "tmpfs") => json!({"type": kind, "target": "/a", kind: value}),
        key => json!({key: value}),
    }
}

/// The level as the loader writes it, with what parts it from a key.
fn path_of(level: &[String]) -> String {
    let mut path = String::new();
    for step in level {
        match step.as_str() {
            "[]" => path = format!("{}[0].", path.trim_end_matches('.')),
            "*" => path += "a.",
            key => path += &format!("{key}."),
        }
    }
    path
}

fn problems(manifest: &str) -> Vec<Problem> {
    let revision = Revision {
        source: SourceName::new("infra"),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(MemoryTree::new([("shop/compose.yaml", manifest)]))),
        path: String::new(),
    };
    let loaded = load(
        &revision,
        &Options {
            host: &HostName::new("web-1"),
            env_dir: "/nowhere".as_ref(),
            data_dir: "/nowhere".as_ref(),
            state_dir: "/nowhere".as_ref(),
            server: ServerFiles::Offline { env: None },
            defaults: RolloutDefaults::default(),
            unset: Unset::Error,
            limits: Limits::default(),
            per_stack: &|_| StackOptions::default(),
            include: &globs(&["**"]).unwrap(),
            exclude: &globs::<&str>(&[]).unwrap(),
        },
    );
    let of_stacks = loaded.stacks.into_iter().filter_map(|stack| stack.result.err());
    loaded.problems.into_iter().chain(of_stacks.flatten()).collect()
}
