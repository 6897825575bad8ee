//! Whether the JSON Schema and the loader agree on real Compose files.
//!
//! A schema looks at one file before its variables are filled in, so it says less than the loader: what it
//! refuses, the loader refuses; and what is wrong with keys and shapes, both refuse.

use std::path::Path;
use std::sync::Arc;

use super::records::{directory, read};
use super::yaml_json::documents;
use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{self, Limits, Options, RolloutDefaults, ServerFiles, StackOptions};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, MemoryTree, Problem, SourceName, StackName};

/// Every Compose file in `folder`, with its name.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in directory().join(folder).read_dir().unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") || name.ends_with(".yml") {
            let text = read(&format!("{folder}/{name}"));
            found.push((name, text));
        }
    }
    found.sort();
    found
}

/// What the loader finds wrong with the file, all profiles active and no server at hand.
fn problems(text: &str) -> Vec<Problem> {
    let revision = Revision {
        source: SourceName::new("infra"),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(MemoryTree::new([("shop/compose.yaml", text)]))),
        path: String::new(),
    };
    let all =
        |_: &StackName| StackOptions { profiles: vec!["*".into()], ..StackOptions::default() };
    let options = Options {
        host: &HostName::new("web-1"),
        env_dir: Path::new("/env"),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        credentials_dir: None,
        home: None,
        server: ServerFiles::Offline { env: None },
        opener: &evenkeel::model::sealed::Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
        per_stack: &all,
        include: &manifest::globs(&["**"]).unwrap(),
        exclude: &manifest::globs::<&str>(&[]).unwrap(),
    };
    let loaded = manifest::load(&revision, &options);
    let of_stacks = loaded.stacks.into_iter().filter_map(|stack| stack.result.err());
    loaded.problems.into_iter().chain(of_stacks.flatten()).collect()
}

/// Problems that lie in a key or a shape, which a schema can tell.
fn is_structural(problem: &Problem) -> bool {
    match problem.code {
        "unknown-key" | "wrong-type" => true,
        // That a `build` needs an image beside it is for the loader: another file may add it.
        "unsupported-key" => !problem.message.contains("has `build` but no `image`"),
        _ => false,
    }
}

#[test]
fn what_the_loader_takes_is_valid_and_what_has_wrong_keys_or_shapes_is_not() {
    let validator = jsonschema::validator_for(&manifest::schema()).unwrap();
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for (name, text) in files("corpus").into_iter().chain(files("negative")) {
        let documents = documents(&text).unwrap_or_default();
        let complaints: Vec<String> = documents
            .iter()
            .flat_map(|document| validator.iter_errors(document))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        let problems = problems(&text);
        let structural = problems.iter().find(|problem| is_structural(problem));
        match (problems.is_empty(), structural, complaints.first()) {
            (true, _, Some(complaint)) => {
                wrong.push(format!("  {name} is taken, but invalid: {complaint:.300}"));
            }
            (false, Some(problem), None) => {
                wrong.push(format!("  {name} is valid, but refused: {problem}"));
            }
            (true, ..) => taken += 1,
            (false, Some(_), Some(_)) => refused += 1,
            (false, None, _) => {}
        }
    }
    println!(
        "schema: {taken} taken and valid, {refused} refused and invalid, {} wrong",
        wrong.len()
    );
    assert!(taken > 25 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_compose_refuses_for_its_keys_is_invalid() {
    let validator = jsonschema::validator_for(&manifest::schema()).unwrap();
    let reasons = read("corpus.csv");
    let (mut invalid, mut wrong) = (0, Vec::new());
    for (name, text) in files("negative") {
        let row = reasons.lines().find(|line| line.contains(&name)).unwrap_or_default();
        if !row.contains("additional properties") {
            continue;
        }
        let documents = documents(&text).unwrap();
        match documents.iter().all(|document| validator.is_valid(document)) {
            true => wrong.push(name),
            false => invalid += 1,
        }
    }
    println!("schema: {invalid} of {} refused for their keys", invalid + wrong.len());
    assert!(invalid > 5 && wrong.is_empty(), "{wrong:?}");
}
