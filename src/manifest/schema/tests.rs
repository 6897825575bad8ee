//! The schema's keys are the loader's keys, at every level that has a table of them; so are its words.
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
    let words = quoted_words(is_key);
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
fn the_schema_has_the_words_that_the_loader_takes() {
    let words = quoted_words(is_word);
    let choices = choices();
    assert!(choices.len() > 12, "{choices:#?}");
    for (level, choice) in choices {
        let mut taken = taken_as_values(&level, &words);
        if level.ends_with(&["restart".to_owned()]) {
            // What some tools make of `no` is taken, but not offered.
            assert!(taken.remove("false"));
        }
        assert_eq!(choice, taken, "the words for {level:?}: left the schema, right the loader");
    }
}

#[test]
fn every_example_is_one_that_the_loader_takes() {
    let mut count = 0_usize;
    walk(&schema(), Vec::new(), &mut |level, shape| {
        for example in shape["examples"].as_array().into_iter().flatten() {
            count += 1;
            let path = path_of(level);
            let manifest = wrapped(level, example.clone()).to_string();
            let wrong = problems(&manifest).into_iter().find(|problem| {
                let is_here = format!("{}.", problem.path.as_deref().unwrap_or_default());
                is_here.replace('[', ".[").starts_with(&path.replace('[', ".["))
                    && !problem.code.starts_with("undefined-")
                    && problem.code != "missing-key"
            });
            assert_eq!(wrong, None, "{manifest}");
        }
    });
    assert!(count > 60, "{count}");
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

pub(super) fn visit(value: &Value, see: &mut dyn FnMut(&Value)) {
    see(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| visit(field, see)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every word in quotes that could be a key, or whatever `is_wanted`.
fn quoted_words(is_wanted: fn(&str) -> bool) -> BTreeSet<String> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest");
    let mut words = BTreeSet::new();
    for folder in ["service", "project", "schema"] {
        for file in fs::read_dir(room.join(folder)).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            words.extend(text.split('"').filter(|word| is_wanted(word)).map(str::to_owned));
        }
    }
    words
}

fn is_key(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// Every value of the schema that is one of a few words, with these.
fn choices() -> Vec<(Level, BTreeSet<String>)> {
    let mut choices = Vec::new();
    walk(&schema(), Vec::new(), &mut |level, shape| {
        if let Some(words) = shape["enum"].as_array() {
            let words = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            choices.push((level.to_vec(), words));
        }
    });
    choices
}

/// Which of `words` the loader takes as this value: one service, or network, for each.
fn taken_as_values(level: &[String], words: &BTreeSet<String>) -> BTreeSet<String> {
    let (top, below) = (&level[0], &level[2..]);
    let tried = words.iter().map(|word| (word.clone(), wrapped(below, word.as_str().into())));
    let manifest = json!({top: Map::from_iter(tried)});
    let problems = problems(&manifest.to_string());
    let is_taken = |word: &&String| {
        let path = format!("{top}.{word}.{}", path_of(below).trim_end_matches('.'));
        problems.iter().all(|problem| problem.path.as_ref() != Some(&path))
    };
    words.iter().filter(is_taken).cloned().collect()
}

/// Every mapping of the schema that is closed, with its keys.
fn levels() -> Vec<(Level, BTreeSet<String>)> {
    let mut levels = Vec::new();
    walk(&schema(), Vec::new(), &mut |level, shape| {
        if let Some(fields) = shape["properties"].as_object() {
            levels.push((level.to_vec(), fields.keys().cloned().collect()));
        }
    });
    levels
}

/// Shows `see` every value of a manifest that the schema speaks of.
fn walk(shape: &Value, level: Level, see: &mut dyn FnMut(&[String], &Value)) {
    if !shape.is_object() {
        return;
    }
    see(&level, shape);
    let below = |step: &str| [level.clone(), vec![step.to_owned()]].concat();
    for (key, field) in shape["properties"].as_object().into_iter().flatten() {
        walk(field, below(key), see);
    }
    for either in shape["anyOf"].as_array().into_iter().flatten() {
        walk(either, level.clone(), see);
    }
    walk(&shape["additionalProperties"], below("*"), see);
    walk(&shape["items"], below("[]"), see);
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
        "image" if value.is_object() => json!({"type": "image", "target": "/a", "image": value}),
        // An entry without a path is looked at no further.
        "format" => json!({"path": "a.env", "format": value}),
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
            credentials_dir: None,
            data_dir: "/nowhere".as_ref(),
            state_dir: "/nowhere".as_ref(),
            home: None,
            server: ServerFiles::Offline { env: None },
            opener: &crate::model::sealed::Nobody,
            defaults: RolloutDefaults::default(),
            unset: Unset::Error,
            limits: Limits::default(),
            policy: None,
            per_stack: &|_| StackOptions::default(),
            include: &globs(&["**"]).unwrap(),
            exclude: &globs::<&str>(&[]).unwrap(),
        },
    );
    let of_stacks = loaded.stacks.into_iter().filter_map(|stack| stack.result.err());
    loaded.problems.into_iter().chain(of_stacks.flatten()).collect()
}
