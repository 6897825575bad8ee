//! A Compose file as it was given: its text, its layout, and the places in it.

use super::File;
use super::edits::position;
use super::find::{self, literal};
use crate::manifest::merge;
use crate::manifest::node::{Node, Value};
use crate::manifest::repository;
use crate::manifest::yaml::layout::{Piece, Shape, layout};
use crate::manifest::yaml::{self};
use crate::model::tree::Tree;
use crate::model::{Place, Problem};

/// A file that could be read.
pub struct Source {
    /// Its name, for places.
    pub name: String,
    /// What it says.
    pub text: String,
    /// How it is written.
    pub documents: Vec<Piece>,
    /// What it means, before anything is put in.
    pub trees: Vec<Node>,
    /// Where it lies beside the others, if they take parts of it with `extends` or `include`.
    pub attached: Option<String>,
}

/// The largest file that is read, in bytes; the loader takes no larger one.
const LARGEST: u64 = 1024 * 1024;

/// Reads `files`.
///
/// # Errors
/// All that is wrong with them as YAML.
pub fn read(files: &[File]) -> Result<Vec<Source>, Vec<Problem>> {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match one(file) {
            Ok(source) => sources.push(source),
            Err(why) => problems.extend(why),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

/// Adds the files that `sources` take parts of, as far as they lie beside them.
///
/// # Errors
/// All that is wrong with them as YAML.
pub fn attach(sources: &mut Vec<Source>, beside: &dyn Tree) -> Result<(), Vec<Problem>> {
    let mut number = 0;
    while let Some(source) = sources.get(number) {
        for path in source.parts() {
            let is_there = |other: &Source| other.attached.as_ref() == Some(&path);
            // Under these names, the result itself would be found in its place.
            if path.starts_with("compose.") || sources.iter().any(is_there) {
                continue;
            }
            let bytes = beside.read(&path, LARGEST).ok().flatten();
            let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                continue;
            };
            let source = one(&File { name: path.clone(), text })?;
            sources.push(Source { attached: Some(path), ..source });
        }
        number += 1;
    }
    Ok(())
}

fn one(file: &File) -> Result<Source, Vec<Problem>> {
    let trees = yaml::parse(&file.name, file.text.as_bytes(), &yaml::Limits::default())?;
    if let Some(other) = trees.iter().find(|tree| !matches!(tree.value, Value::Mapping(_))) {
        let message = format!("expected a mapping with `services`, found {}", other.kind());
        return Err(vec![Problem::new("wrong-type", message).at(other.place.clone())]);
    }
    if trees.is_empty() {
        let problem = Problem::new("empty-manifest", format!("`{}` is empty", file.name));
        return Err(vec![problem.at(Place::file(&file.name)).hint("name a Compose file")]);
    }
    Ok(Source {
        name: file.name.clone(),
        text: file.text.clone(),
        documents: layout(&file.text),
        trees,
        attached: None,
    })
}

/// All documents of all files laid over each other, but of those that are attached.
///
/// # Errors
/// Places where they do not fit together.
pub fn merged(sources: &[Source]) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let trees = main(sources).flat_map(|source| &source.trees).cloned();
    let merged = merge::all(trees, &mut problems);
    let merged = merged.unwrap_or_else(|| Node::new(Place::file(""), Value::Null));
    if problems.is_empty() { Ok(merged) } else { Err(problems) }
}

/// The files that are merged.
pub fn main(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.attached.is_none())
}

impl Source {
    /// The directory its paths are seen from, beside the others.
    pub fn directory(&self) -> &str {
        let path = self.attached.as_deref().unwrap_or_default();
        path.rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    /// The files it takes parts of (Compose Specification, chapters "extends" and "Include").
    fn parts(&self) -> Vec<String> {
        let mut written = Vec::new();
        for (_, service) in self.services() {
            written.extend(service.get("extends").and_then(|extends| extends.get("file")));
        }
        for include in self.documents.iter().filter_map(|document| document.get("include")) {
            for item in include.items() {
                let path = item.get("path").unwrap_or(item);
                written.push(path);
                written.extend(path.items());
            }
        }
        let paths = written.into_iter().filter_map(|piece| literal(piece.text()?));
        paths.filter_map(|path| repository::join(self.directory(), &path)).collect()
    }

    /// The place of the byte `at`.
    pub fn place(&self, at: usize) -> Place {
        let (line, column) = position(&self.text, at);
        Place { file: self.name.as_str().into(), line, column }
    }

    /// Every service that is written out, by name.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Piece)> {
        let all = self.documents.iter().filter_map(|document| document.get("services"));
        let entries = all.flat_map(Piece::entries);
        entries.filter_map(|entry| Some((entry.key.text()?, &entry.value)))
    }

    /// Every `name:` at the top.
    pub fn names(&self) -> impl Iterator<Item = (&Self, &Piece)> {
        self.documents.iter().filter_map(move |document| Some((self, document.get("name")?)))
    }

    /// Whether an alias stands for the value with this anchor.
    pub fn is_aliased(&self, anchor: usize) -> bool {
        self.documents.iter().any(|document| has_alias(document, anchor))
    }

    /// Every secret in it, added to `finds`.
    pub fn search<'p>(&'p self, number: usize, finds: &mut find::Finds<'p>) {
        self.documents.iter().for_each(|document| find::search(number, document, finds));
    }
}

fn has_alias(piece: &Piece, anchor: usize) -> bool {
    match &piece.shape {
        Shape::Alias(id) => *id == anchor,
        Shape::Scalar(_) => false,
        Shape::Sequence { items, .. } => items.iter().any(|item| has_alias(item, anchor)),
        Shape::Mapping { entries, .. } => entries
            .iter()
            .any(|entry| has_alias(&entry.key, anchor) || has_alias(&entry.value, anchor)),
    }
}
