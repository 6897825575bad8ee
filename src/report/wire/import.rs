//! `evenkeel.import/v1`: a manifest made of a plain Compose file.

use serde::Serialize;

use super::WireProblem;
use crate::import::{Advice, Imported, Weight};

/// A manifest made of a plain Compose file, and what goes where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportReport {
    /// `evenkeel.import/v1`
    pub schema: &'static str,
    /// The stack's name.
    pub stack: String,
    /// Whether the result can be used as it is.
    pub valid: bool,
    /// The files.
    pub files: Vec<ImportFile>,
    /// Variables of the stack's file on the server.
    pub variables: Vec<ImportVariable>,
    /// For `stacks.<name>.dir` of the server's configuration; null where there is nothing to keep.
    pub dir: Option<String>,
    /// What is wrong with the result.
    pub problems: Vec<WireProblem>,
    /// What is worth a word.
    pub remarks: Vec<ImportRemark>,
}

/// One file of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportFile {
    /// `git` or `server`.
    #[serde(rename = "for")]
    pub goes_to: &'static str,
    /// Below the source's path, or below `env_dir`.
    pub path: String,
    /// What it says; null for the server's files, unless values are asked for.
    pub text: Option<String>,
}

/// A variable of the stack's file on the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportVariable {
    /// Its name.
    pub name: String,
    /// Its value; null unless values are asked for.
    pub value: Option<String>,
    /// Whether it was moved out of the Compose file; otherwise it was in its `.env`.
    pub moved: bool,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportRemark {
    /// `first`, `server` or `worth-knowing`.
    pub weight: &'static str,
    /// The file of the result.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The service.
    pub service: Option<String>,
    /// One sentence.
    pub text: String,
    /// The next move.
    pub next: Option<String>,
}

/// What became of a Compose file; values only with `show_values`.
pub fn import(imported: &Imported, show_values: bool) -> ImportReport {
    let git = imported.manifests.iter().map(|file| ImportFile {
        goes_to: "git",
        path: file.name.clone(),
        text: Some(file.text.clone()),
    });
    let server = imported.server.iter().map(|file| ImportFile {
        goes_to: "server",
        path: file.path.clone(),
        text: show_values.then(|| file.content.reveal().to_owned()),
    });
    let variables = imported.variables.iter().map(|variable| ImportVariable {
        name: variable.name.clone(),
        value: show_values.then(|| variable.value.reveal().to_owned()),
        moved: variable.from_manifest,
    });
    ImportReport {
        schema: "evenkeel.import/v1",
        stack: imported.stack.to_string(),
        valid: imported.problems.is_empty(),
        files: git.chain(server).collect(),
        variables: variables.collect(),
        dir: imported.dir.as_ref().map(|dir| dir.display().to_string()),
        problems: imported.problems.iter().map(WireProblem::from).collect(),
        remarks: imported.remarks.iter().map(ImportRemark::from).collect(),
    }
}

impl From<&Advice> for ImportRemark {
    fn from(advice: &Advice) -> Self {
        let Advice { weight, place, service, text, next } = advice.clone();
        let line = place.as_ref().map(|place| place.line).filter(|line| *line > 0);
        Self {
            weight: match weight {
                Weight::First => "first",
                Weight::Server => "server",
                Weight::Worth => "worth-knowing",
            },
            line,
            column: place.as_ref().and_then(|place| line.map(|_| place.column)),
            file: place.map(|place| place.file.to_string()),
            service: service.map(|service| service.to_string()),
            text,
            next,
        }
    }
}
