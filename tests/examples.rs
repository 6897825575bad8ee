//! Every folder of `examples/` is accepted by `evenkeel validate`, offline, and listed in their README.
#![expect(clippy::unwrap_used, reason = "a folder that cannot be read is a failed test")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<PathBuf> = root
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(found.len() > 10, "the examples are where they are expected");
    found
}

#[test]
fn every_example_is_valid() {
    for example in examples() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("validate").arg(&example).assert().success();
    }
}

#[test]
fn every_example_is_listed_in_their_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/README.md");
    let listed = std::fs::read_to_string(readme).unwrap();
    for example in examples() {
        let name = example.file_name().unwrap().to_string_lossy();
        assert!(listed.contains(&format!("| [{name}]({name}) |")), "`{name}` is not listed");
    }
}
