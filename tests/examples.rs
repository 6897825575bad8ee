//! Every folder of `examples/` is accepted by `evenkeel validate` and shown by `evenkeel config`, offline, and
//! listed in their README.
#![expect(clippy::unwrap_used, reason = "a folder that cannot be read is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The folders, sorted.
fn names() -> Vec<String> {
    let entries = root().read_dir().unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_example_is_valid() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.args(["validate", "--output", "json"]).arg(root());
    let output = command.output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], true, "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    let stacks = report["stacks"].as_array().unwrap();
    let read: Vec<&str> = stacks.iter().filter_map(|stack| stack["stack"].as_str()).collect();
    assert_eq!(read, names());
}

/// Runs `evenkeel config` and returns its documents, or what it says instead.
fn config(words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    let output = command.arg("config").args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.code() {
        Some(0) => Ok(text(&output.stdout)),
        code => Err(format!("{code:?}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}

#[test]
fn config_prints_every_example_as_a_document_of_its_own() {
    let root = root();
    let path = root.to_str().unwrap();
    let documents = config(&[path]).unwrap();
    assert_eq!(documents.split("\n---\n").count(), names().len());
    let json = config(&[path, "--output", "json"]).unwrap();
    let stacks: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&json).into_iter().map(Result::unwrap).collect();
    let shown: Vec<&str> = stacks.iter().filter_map(|stack| stack["name"].as_str()).collect();
    assert_eq!(shown, names());
}

#[test]
fn config_shows_values_only_when_asked_and_fails_where_a_manifest_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stack.yaml");
    let env = directory.path().join("server.env");
    std::fs::write(&env, "PASSWORD=correct-horse\n").unwrap();
    let manifest = "name: shop\nservices: {db: {image: db, environment: {P: $PASSWORD, Q: a$$b}, shm_size: 1k}}";
    std::fs::write(&file, manifest).unwrap();
    let (file, env) = (file.to_str().unwrap(), env.to_str().unwrap());
    let hidden = config(&[file, "--env", env]).unwrap();
    assert!(hidden.contains("P: •••") && !hidden.contains("correct-horse"), "{hidden}");
    let shown = config(&[file, "--env", env, "--show-values"]).unwrap();
    assert!(shown.contains("P: correct-horse\n      Q: a$$b"), "{shown}");
    assert!(shown.contains("shm_size: \"1024\""), "{shown}");
    std::fs::write(file, "services: {db: {imgae: db}}").unwrap();
    let failed = config(&[file]).unwrap_err();
    assert!(failed.starts_with("Some(1): error:"), "nothing is printed of it: {failed}");
    assert!(failed.contains("unknown key `imgae`"), "{failed}");
    assert!(config(&["/nowhere"]).unwrap_err().contains("cannot be read"));
}

#[test]
fn every_example_is_listed_in_their_readme() {
    let listed = std::fs::read_to_string(root().join("README.md")).unwrap();
    for name in names() {
        assert!(listed.contains(&format!("| [{name}]({name}) |")), "`{name}` is not listed");
    }
}
