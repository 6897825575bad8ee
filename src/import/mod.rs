//! A plain Compose file becomes a manifest that can be followed: secrets moved out, the rest as it was written.
//!
//! Pure: texts in, texts and remarks out. The files are changed in place, by the bytes of single values;
//! nothing is written anew. What cannot be changed without touching the rest is left, with a remark. What
//! the result means is asked of [`crate::manifest`], which has the last word on what can be used.

mod edits;

mod env_text;
mod find;
mod choose;
mod rewrite;
mod repeated;

mod source;
mod name;
mod build;
mod watchtower;
mod env_files;

mod convert;
mod check;
mod advice;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::model::tree::Tree;
use crate::model::{Hidden, HostName, Place, Problem, ServiceName, StackName};

use self::source::Source;

/// A file to be read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, for places.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What is to be imported.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The Compose files, in the order they are merged.
    pub files: &'a [File],
    /// The project's name, where it is known.
    pub project: Option<&'a StackName>,
    /// The name of the directory the files are in.
    pub directory: &'a str,
    /// The `.env` beside them.
    pub env: Option<&'a File>,
    /// What lies beside them: env files are taken along, binds are looked at.
    pub beside: &'a dyn Tree,
    /// Where the running project keeps its relative data.
    pub working_dir: Option<&'a std::path::Path>,
    /// This host's name, for `x-evenkeel.hosts`.
    pub host: &'a HostName,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The stack's name.
    pub stack: StackName,
    /// For git: paths and texts.
    pub manifests: Vec<File>,
    /// For the server's `env_dir`: paths and contents.
    pub server: Vec<ServerText>,
    /// The variables that the stack's own server file sets, in its order.
    pub variables: Vec<Moved>,
    /// Where the stack's relative data lies, for `stacks.<name>.dir` of the configuration.
    pub dir: Option<PathBuf>,
    /// What evenkeel refuses in the result.
    pub problems: Vec<Problem>,
    /// What is worth a word, in the order of the files.
    pub remarks: Vec<Advice>,
}

/// A file for the server.
#[derive(Clone, Debug)]
pub struct ServerText {
    /// Its path below `env_dir`.
    pub path: String,
    /// What it says.
    pub content: Hidden,
}

/// A variable of the stack's server file.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Hidden,
    /// Whether it was written in a Compose file; otherwise it comes from the `.env`.
    pub from_manifest: bool,
}

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something has to be done before the result can be used.
    First,
    /// Something has to be put on the server.
    Server,
    /// Worth knowing.
    Worth,
}

/// One thing to know about the result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advice {
    /// How much it matters.
    pub weight: Weight,
    /// Where it stands in the result.
    pub place: Option<Place>,
    /// The service it is about.
    pub service: Option<ServiceName>,
    /// One sentence, without values.
    pub text: String,
    /// The next move.
    pub next: Option<String>,
}

/// A remark on a byte of a file as it was given.
#[derive(Clone, Debug)]
struct Note {
    weight: Weight,
    /// The file, by number, and the byte.
    at: (usize, usize),
    service: Option<ServiceName>,
    text: String,
    next: Option<String>,
}

impl Note {
    fn new(
        weight: Weight,
        at: (usize, usize),
        service: Option<ServiceName>,
        text: impl Into<String>,
        next: Option<String>,
    ) -> Self {
        Self { weight, at, service, text: text.into(), next }
    }
}

/// Makes a manifest of `input`.
///
/// # Errors
/// The files are no YAML, hold no mapping, do not fit together, or give the project no name.
pub fn import(input: &Input<'_>) -> Result<Imported, Vec<Problem>> {
    let mut sources = source::read(input.files)?;
    source::attach(&mut sources, input.beside)?;
    convert::convert(input, &sources)
}
