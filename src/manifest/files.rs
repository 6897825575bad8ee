//! The files of the repository that make one stack: read and parsed once each, and kept for its record.

use std::collections::BTreeMap;

use super::discover::unreadable;
use super::excerpt::SourceTexts;
use super::node::{Node, Value};
use super::options::Options;
use super::repository::{self, Found};
use super::schema::lookup;
use super::yaml;
use crate::model::tree::{Revision, Tree};
use crate::model::{Place, Problem};

/// What was read so far.
#[derive(Default)]
pub struct Files {
    /// By line, for excerpts.
    pub texts: SourceTexts,
    /// As they are in git.
    pub bytes: BTreeMap<String, Vec<u8>>,
    /// What is wrong with single keys of their texts: the rest can be looked at, but no more.
    pub flaws: Vec<Problem>,
    /// The documents of those that are needed more than once.
    parsed: BTreeMap<String, Vec<Node>>,
}

impl Files {
    /// The documents of the file at `path`, before interpolation; each is a mapping.
    ///
    /// # Errors
    /// Why the file cannot be looked at: it is not there, is not YAML, or holds something else.
    pub fn read(
        &mut self,
        path: &str,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Vec<Node>, Vec<Problem>> {
        let bytes = match look(path, revision, options).map_err(|problem| vec![*problem])? {
            Some(bytes) => bytes,
            None => return Err(vec![missing(path)]),
        };
        self.texts.add(path, &String::from_utf8_lossy(&bytes));
        let read = yaml::read(path, &bytes, &options.limits.of_yaml());
        self.bytes.insert(path.to_owned(), bytes);
        let (trees, mut flaws) = read?;
        self.flaws.append(&mut flaws);
        only_mappings(path, trees)
    }

    /// As [`Files::read`], for a file that several others may name.
    ///
    /// # Errors
    /// As [`Files::read`].
    pub fn shared(
        &mut self,
        path: &str,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Vec<Node>, Vec<Problem>> {
        if let Some(trees) = self.parsed.get(path) {
            return Ok(trees.clone());
        }
        let trees = self.read(path, revision, options)?;
        self.parsed.insert(path.to_owned(), trees.clone());
        Ok(trees)
    }

    /// The env file that lies in git at `path`, if one does.
    ///
    /// # Errors
    /// It is a link, too large, or cannot be read.
    pub fn env(
        &mut self,
        path: &str,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Option<Vec<u8>>, Box<Problem>> {
        let bytes = look(path, revision, options)?;
        if let Some(bytes) = &bytes {
            self.bytes.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }
}

/// The bytes of the file at `path`, within the limit.
///
/// # Errors
/// A link stands there or on the way; the file is too large, or cannot be read.
pub fn look(
    path: &str,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Option<Vec<u8>>, Box<Problem>> {
    let tree = &*revision.tree;
    match repository::look(tree, path).map_err(|error| unreadable(&error))? {
        Found::Nothing | Found::Directory => Ok(None),
        Found::File => Ok(limited(tree, path, options)?),
        Found::Obstacle { path, what } => Err(Box::new(link(&path, what))),
    }
}

fn limited(
    tree: &dyn Tree,
    path: &str,
    options: &Options<'_>,
) -> Result<Option<Vec<u8>>, Box<Problem>> {
    tree.read(path, options.limits.file_bytes).map_err(|error| Box::new(unreadable(&error)))
}

fn only_mappings(path: &str, mut trees: Vec<Node>) -> Result<Vec<Node>, Vec<Problem>> {
    trees.retain(|tree| !matches!(tree.value, Value::Null));
    if trees.is_empty() {
        return Err(vec![empty(path)]);
    }
    let other = trees.iter().find(|tree| !matches!(tree.value, Value::Mapping(_)));
    match other {
        Some(tree) => {
            let message = format!("expected a mapping with `services`, found {}", tree.kind());
            let problem = Problem::new("wrong-type", message).at(tree.place.clone());
            let example = lookup::example("services").unwrap_or_default();
            Err(vec![problem.hint(format!("write it like `{example}`"))])
        }
        None => Ok(trees),
    }
}

fn empty(file: &str) -> Problem {
    Problem::new("empty-manifest", format!("`{file}` is empty"))
        .at(Place::file(file))
        .hint("write `services:` into it; a stack is removed by removing its directory")
}

fn missing(file: &str) -> Problem {
    Problem::new("no-such-path", format!("`{file}` is not in this revision")).at(Place::file(file))
}

fn link(path: &str, what: &str) -> Problem {
    Problem::new("wrong-path", format!("`{path}` is {what}, which is not followed"))
        .at(Place::file(path))
        .hint("put the file itself there")
}
