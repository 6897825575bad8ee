//! The stacks of the records, each with the repository it lies in and what Compose prints of it.

use std::path::PathBuf;

use evenkeel::model::MemoryTree;
use serde_json::Value as Json;

use super::supplied;
use crate::records::{directory, read};
use crate::table::{self, Row};

/// Where the files were when Compose read them.
const ROOT: &str = "/wd";

/// One stack of the records.
pub struct Case {
    /// What it is called in messages.
    pub name: String,
    /// The repository's name; a stack at the root is called by it.
    pub repository: String,
    /// Where the repository's root was.
    pub root: PathBuf,
    /// The repository.
    pub tree: MemoryTree,
    /// The stack's files, in the order they are merged.
    pub files: Vec<String>,
    /// The variables, as the server's file has them.
    pub variables: Vec<u8>,
    /// What Compose prints.
    pub expected: Json,
    /// Whether nothing in it has to be built.
    pub has_images_only: bool,
}

/// The real files that Compose accepts.
pub fn corpus() -> Vec<Case> {
    table::rows().iter().filter(|row| row["oracle"] == "ok").map(single).collect()
}

/// The names of those that have to be accepted.
pub fn must_accept() -> Vec<String> {
    let lines = read("must_accept.txt");
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn single(row: &Row) -> Case {
    let file = &row["file"];
    let expected: Json =
        serde_json::from_str(&read(&format!("corpus/{file}.oracle.json"))).unwrap();
    let manifest = read(&format!("corpus/{file}"));
    let variables = optional(&format!("corpus/{file}.env"));
    let parent = row["path"].rsplit_once('/').map_or("", |(parent, _)| parent);
    let place = Place::of(&row["repo"], parent, &variables);
    let below =
        |name: &str| format!("{}/{name}", place.directory).trim_start_matches('/').to_owned();
    let mut tree = MemoryTree::new([(below("compose.yaml"), manifest.clone())]);
    // Compose found the variables in the stack's own file, or there was none, or an empty one.
    if row["env_source"] == ".env" {
        tree.insert(below(".env"), variables.clone());
    } else if !row["created_env_files"].is_empty() {
        tree.insert(below(".env"), "");
    }
    supplied::add_env_files(&mut tree, &place.directory, &manifest, &expected);
    supplied::add_secrets(&mut tree, &place.root, &expected);
    Case {
        name: file.clone(),
        repository: place.repository,
        root: place.root,
        files: vec![below("compose.yaml")],
        tree,
        variables,
        expected,
        has_images_only: row["has_build"] == "False",
    }
}

/// Where a stack lies.
struct Place {
    repository: String,
    root: PathBuf,
    directory: String,
}

impl Place {
    /// A stack in the directory `parent`. Where a variable gives Compose the project's name, the stack lies
    /// at the root of a repository of that name: here a stack is called by its directory.
    fn of(repository: &str, parent: &str, variables: &[u8]) -> Self {
        let text = String::from_utf8_lossy(variables);
        let named = text.lines().find_map(|line| line.strip_prefix("COMPOSE_PROJECT_NAME="));
        match named {
            Some(name) => Self {
                repository: name.to_owned(),
                root: [ROOT, parent].iter().collect(),
                directory: String::new(),
            },
            None => Self {
                repository: repository.replace('/', "+"),
                root: ROOT.into(),
                directory: parent.to_owned(),
            },
        }
    }
}

/// Several files that Compose merged.
pub fn merged() -> Vec<Case> {
    let folders = directory().join("multi").read_dir().unwrap();
    let mut names: Vec<String> =
        folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|name| several(name)).collect()
}

fn several(name: &str) -> Case {
    let record = |file: &str| read(&format!("multi/{name}/{file}"));
    let case: Json = serde_json::from_str(&record("case.json")).unwrap();
    let mut tree = MemoryTree::default();
    let mut files = Vec::new();
    for file in case["files"].as_array().unwrap() {
        let path = file["original"].as_str().unwrap();
        tree.insert(path, record(file["file"].as_str().unwrap()));
        files.push(path.to_owned());
    }
    Case {
        name: name.to_owned(),
        repository: case["repo"].as_str().unwrap().to_owned(),
        root: ROOT.into(),
        tree,
        files,
        variables: optional(&format!("multi/{name}/dotenv")),
        expected: serde_json::from_str(&record("expected.json")).unwrap(),
        has_images_only: false,
    }
}

fn optional(record: &str) -> Vec<u8> {
    std::fs::read(directory().join(record)).unwrap_or_default()
}
