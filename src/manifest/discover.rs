//! Which directories of a revision are stacks, and which files make one (interface: "Discovery").

use super::options::Options;
use super::repository::{self, Found};
use crate::model::tree::{Entry, EntryKind, Revision, Tree, TreeError};
use crate::model::{Place, Problem};

/// The names of a manifest; the first one found counts.
const NAMES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// The names of what is laid over it.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// Whether a file of this name is a manifest, or is laid over one.
pub fn is_manifest(name: &str) -> bool {
    NAMES.contains(&name) || OVERRIDES.contains(&name)
}

/// A directory that holds a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The directory in the repository; empty for the root.
    pub directory: String,
    /// Its manifest and what is laid over it: paths in the repository, in the order they are merged.
    pub files: Vec<String>,
}

/// The stacks of `revision`, sorted by directory. Where its path is a file, that file alone is one.
///
/// # Errors
/// The source's path is missing or cannot be read.
pub fn candidates(
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Vec<Candidate>, Box<Problem>> {
    let root = repository::join("", &revision.path)
        .ok_or_else(|| problem(revision, "leaves the repository"))?;
    match repository::look(&*revision.tree, &root).map_err(|error| unreadable(&error))? {
        Found::Directory => {}
        Found::Nothing => return Err(problem(revision, "is not in this revision").into()),
        Found::File => {
            let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
            return Ok(vec![Candidate { directory, files: vec![root] }]);
        }
        Found::Obstacle { path, what } => {
            return Err(problem(revision, &format!("leads through `{path}`, {what}")).into());
        }
    }
    let mut found = Vec::new();
    search(&*revision.tree, &root, &mut found).map_err(|error| unreadable(&error))?;
    found.retain(|candidate| is_wanted(&candidate.directory, &root, options));
    found.sort_by(|a, b| a.directory.cmp(&b.directory));
    Ok(found)
}

/// A directory or file of the repository that the storage would not give.
pub fn unreadable(error: &TreeError) -> Problem {
    let path = match error {
        TreeError::TooLarge { path, .. } | TreeError::Unreadable { path, .. } => path,
    };
    let problem = Problem::new("unreadable-file", error.to_string()).at(Place::file(path));
    match error {
        TreeError::TooLarge { .. } => problem.hint("raise `limits.file` if it has to be so large"),
        TreeError::Unreadable { .. } => problem,
    }
}

fn problem(revision: &Revision, why: &str) -> Problem {
    Problem::new("no-such-path", format!("the source's path `{}` {why}", revision.path))
        .hint("check `path` of this source, and that the commit holds it")
}

fn search(tree: &dyn Tree, root: &str, found: &mut Vec<Candidate>) -> Result<(), TreeError> {
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = tree.list(&directory)?;
        let files = manifest_files(&directory, &entries);
        if !files.is_empty() {
            found.push(Candidate { directory, files });
            continue;
        }
        let inner = entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Directory && entry.name != ".git")
            .map(|entry| repository::below(&directory, entry));
        waiting.extend(inner);
    }
    Ok(())
}

fn manifest_files(directory: &str, entries: &[Entry]) -> Vec<String> {
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            let is_it = |entry: &&Entry| entry.name == *name && entry.kind != EntryKind::Directory;
            entries.iter().find(is_it).map(|entry| repository::below(directory, entry))
        })
    };
    let Some(manifest) = find(&NAMES) else { return Vec::new() };
    std::iter::once(manifest).chain(find(&OVERRIDES)).collect()
}

fn is_wanted(directory: &str, root: &str, options: &Options<'_>) -> bool {
    let below = directory.strip_prefix(root).unwrap_or(directory).trim_start_matches('/');
    options.include.is_match(below) && !options.exclude.is_match(below)
}
