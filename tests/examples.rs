//! Every stack of `examples/` is accepted by `evenkeel validate` and shown by `evenkeel config`, offline, and every
//! folder listed in their README; and what is watched in `examples/observability/` is there to be watched.
#![expect(clippy::unwrap_used, reason = "a folder that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel::metrics::Metrics;
use jiff::Timestamp;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// What is watched.
const WATCHING: &str = "observability";

/// The folders, sorted.
fn folders() -> Vec<String> {
    let entries = root().read_dir().unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Those that are a stack: all but the workflows in `ci`, which have a test of their own, and what is watched.
fn names() -> Vec<String> {
    folders().into_iter().filter(|name| name != "ci" && name != WATCHING).collect()
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
    for name in folders() {
        assert!(listed.contains(&format!("| [{name}]({name}) |")), "`{name}` is not listed");
    }
}

/// Every metric that there is, as its samples are called, with its type.
fn metrics() -> BTreeMap<String, String> {
    let text = Metrics::default().text(Timestamp::UNIX_EPOCH);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let named = types.map(|(family, kind)| match kind {
        "counter" => (format!("{family}_total"), kind.to_owned()),
        _ => (family.to_owned(), kind.to_owned()),
    });
    named.collect()
}

/// The metrics that a file in `examples/observability/` asks for.
fn asked_for(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(WATCHING).join(file)).unwrap();
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("evenkeel_"));
    let parts = ["_bucket", "_count", "_sum"];
    let family = |word: &str| {
        let part = parts.iter().find_map(|part| word.strip_suffix(part));
        part.unwrap_or(word).to_owned()
    };
    words.map(family).collect()
}

#[test]
fn every_metric_that_is_watched_is_there() {
    let there = metrics();
    assert!(there.len() > 20, "{there:?}");
    for file in ["alerts.yaml", "alerts.test.yaml", "dashboard.json"] {
        let asked = asked_for(file);
        assert!(asked.len() > 5, "{file}: {asked:?}");
        for name in asked {
            assert!(there.contains_key(&name), "{file}: there is no metric `{name}`");
        }
    }
    let shown = asked_for("dashboard.json");
    let hidden: Vec<_> = there.keys().filter(|name| !shown.contains(*name)).collect();
    assert_eq!(hidden, [""; 0], "the dashboard shows all of them");
}

#[test]
fn every_metric_is_documented_with_its_type_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `evenkeel_"));
    let documented: BTreeMap<String, String> = rows
        .map(|row| {
            let (name, rest) = row.split_once("` | ").unwrap();
            let (kind, _) = rest.split_once(' ').unwrap();
            (format!("evenkeel_{name}"), kind.to_owned())
        })
        .collect();
    assert_eq!(documented, metrics());
}

#[test]
fn the_dashboard_is_one_that_grafana_can_import() {
    let text = std::fs::read_to_string(root().join(WATCHING).join("dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each has a number of its own");
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(expression.matches('(').count(), expression.matches(')').count());
        }
    }
}
