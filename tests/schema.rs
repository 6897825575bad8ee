//! The files in `manifests-schema/` are what the code generates, and the examples lead editors to them.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

#[path = "support/yaml_json.rs"]
mod yaml_json;

use std::fs;
use std::path::{Path, PathBuf};

/// What makes an editor with the YAML language server check a manifest of `examples/*/`.
const MODELINE: &str = "# yaml-language-server: $schema=../../manifests-schema/manifest.json";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares, or writes where `UPDATE_SCHEMAS` is set.
fn check(name: &str, schema: &serde_json::Value) {
    let path = project().join("manifests-schema").join(name);
    let generated = serde_json::to_string_pretty(schema).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests can ask for it")]
    let is_update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    if is_update {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is not what the code generates; `UPDATE_SCHEMAS=1 cargo test --test schema` writes it",
        path.display()
    );
}

#[test]
fn the_schema_of_a_manifest_is_the_one_in_the_repository() {
    check("manifest.json", &evenkeel::manifest::schema());
}

#[test]
fn the_schema_of_the_configuration_is_the_one_in_the_repository() {
    check("config.json", &evenkeel::config::schema());
}

#[test]
fn every_example_leads_editors_to_the_schema() {
    let manifests = manifests();
    assert!(manifests.len() > 10, "the examples are where they are expected");
    for manifest in manifests {
        let text = fs::read_to_string(&manifest).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first, MODELINE, "the first line of {}", manifest.display());
    }
}

/// The manifests of all examples, but the one that the guided tour copies to a repository of its own,
/// from where a relative path leads nowhere.
fn manifests() -> Vec<PathBuf> {
    let files = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let folders = files(&project().join("examples")).into_iter();
    let folders = folders.filter(|path| path.is_dir() && !path.ends_with("quickstart"));
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("compose.") && name.ends_with(".yaml")
    };
    folders.flat_map(|folder| files(&folder)).filter(is_manifest).collect()
}

#[test]
fn every_example_is_valid_by_the_schema_and_a_misspelt_one_is_not() {
    let validator = jsonschema::validator_for(&evenkeel::manifest::schema()).unwrap();
    let check = |text: &str| -> Vec<String> {
        let documents = yaml_json::documents(text).unwrap();
        let errors = documents.iter().flat_map(|document| validator.iter_errors(document));
        errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        assert_eq!(check(&text), [""; 0], "{}", manifest.display());
        let misspelt = check(&text.replacen("services:\n", "servces:\n", 1));
        assert!(misspelt.len() == 1 && misspelt[0].contains("servces"), "{misspelt:?}");
    }
}

#[test]
fn both_schemas_are_schemas() {
    for schema in [evenkeel::manifest::schema(), evenkeel::config::schema()] {
        let found = jsonschema::draft202012::meta::validate(&schema);
        assert!(found.is_ok(), "{found:?}");
    }
}
