//! A Compose file as it was given: its text, its layout, and the places in it.

use super::edits::position;
use super::{File, find};
use crate::manifest::merge;
use crate::manifest::node::{Node, Value};
use crate::manifest::yaml::layout::{Piece, Shape, layout};
use crate::manifest::yaml::{self};
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
}

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
    })
}

/// All documents of all files laid over each other.
///
/// # Errors
/// Places where they do not fit together.
pub fn merged(sources: &[Source]) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let trees = sources.iter().flat_map(|source| &source.trees).cloned();
    let merged = merge::all(trees, &mut problems);
    let merged = merged.unwrap_or_else(|| Node::new(Place::file(""), Value::Null));
    if problems.is_empty() { Ok(merged) } else { Err(problems) }
}

impl Source {
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
