//! YAML text becomes [`Node`] trees: anchors, merge keys and limits are settled here.
//!
//! What a scalar means is not decided here, but that a plain `null`, `~` or nothing at all is nothing.
//! The text is read into steps first, so that every limit holds before a tree is built.

pub mod layout;
mod steps;
mod tree;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::excerpt::SourceText;
use super::node::Node;
use crate::model::{Place, Problem};

/// What one file may cost, checked before anything is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of the text in bytes.
    pub bytes: usize,
    /// How deep mappings and lists may nest, aliases followed.
    pub nesting: usize,
    /// How many keys, values and lists the text may hold.
    pub nodes: usize,
    /// How many of them aliases may add, in all.
    pub alias_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, nesting: 64, nodes: 210_000, alias_nodes: 100_000 }
    }
}

/// Reads every document of a file; one without content is left out. `file` is the name that places
/// carry.
///
/// # Errors
/// Everything that is wrong with the text, each with line and column. Where the syntax breaks, reading
/// ends, and that is the only problem.
pub fn parse(file: &str, text: &[u8], limits: &Limits) -> Result<Vec<Node>, Vec<Problem>> {
    let (documents, flaws) = read(file, text, limits)?;
    if flaws.is_empty() { Ok(documents) } else { Err(flaws) }
}

/// As [`parse`], but what is wrong with single keys comes beside the documents, so that the rest of them
/// can be looked at: a key that stands twice counts as written first, one that is no key is left out.
///
/// # Errors
/// The text is too large, too deep, not UTF-8 or not YAML.
pub fn read(
    file: &str,
    text: &[u8],
    limits: &Limits,
) -> Result<(Vec<Node>, Vec<Problem>), Vec<Problem>> {
    let text = decode(file, text, limits)?;
    let source = SourceText::new(file, text);
    match steps::read(text, limits) {
        Ok(steps) => Ok(tree::build(&source, &steps)),
        Err(fault) => Err(vec![fault.problem(&source)]),
    }
}

/// The text without its byte order mark.
fn decode<'t>(file: &str, bytes: &'t [u8], limits: &Limits) -> Result<&'t str, Vec<Problem>> {
    if bytes.len() > limits.bytes {
        let message = format!("the file has {} bytes, the limit is {}", bytes.len(), limits.bytes);
        return Err(vec![Problem::new("too-large", message).at(Place::file(file))]);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => Err(vec![not_utf8(file, bytes, error.valid_up_to())]),
    }
}

fn not_utf8(file: &str, bytes: &[u8], valid: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let place = At { line: small(line), column: small(column), given: true }.place(file);
    Problem::new("not-utf-8", format!("the file is not UTF-8 (byte {valid})"))
        .at(place)
        .hint("save the file as UTF-8")
}

/// A position in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    line: u32,
    column: u32,
    /// False for a value of which nothing is written.
    given: bool,
}

impl At {
    fn place(self, file: impl Into<Arc<str>>) -> Place {
        Place { file: file.into(), line: self.line, column: self.column }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
