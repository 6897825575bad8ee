//! Every folder of `examples/` is accepted by `evenkeel validate`, offline, and listed in their README.
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

#[test]
fn every_example_is_listed_in_their_readme() {
    let listed = std::fs::read_to_string(root().join("README.md")).unwrap();
    for name in names() {
        assert!(listed.contains(&format!("| [{name}]({name}) |")), "`{name}` is not listed");
    }
}
