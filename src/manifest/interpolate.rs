//! Variables in values: `$VAR`, `${VAR:-default}` and their kin.

use std::collections::BTreeMap;

use super::excerpt::SourceTexts;
use super::node::Node;
use crate::model::{Hidden, Problem};

/// Where variables come from.
pub trait Lookup {
    /// The variable `name`, if it is set; it may be set to nothing.
    fn get(&self, name: &str) -> Option<Variable>;
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The value itself.
    pub value: Hidden,
    /// Whether it is from the server's env files, and so must not be shown.
    pub from_server: bool,
}

/// What an unset variable without a default is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// A problem.
    Error,
    /// An empty text, and a remark.
    Blank,
}

/// How a tree uses a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Somewhere it is used without a default, so that it has to be set.
    pub needed: bool,
    /// The first default that is written for it.
    pub default: Option<String>,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: Hidden,
    /// Whether a value of the server's env files went into it.
    pub from_server: bool,
    /// Variables that are unset and have no default; nothing was put in their place.
    pub unset: Vec<String>,
}

/// Why a template cannot be expanded. Never carries a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is not a template.
    #[error("invalid variable: {0}")]
    Invalid(String),
    /// A variable is required with `:?` or `?`.
    #[error("variable `{name}` is required: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author of the file wrote; may be empty.
        message: String,
    },
}

/// `tree` with the variables in its values replaced, keys left alone.
pub fn interpolate(
    tree: Node,
    _vars: &dyn Lookup,
    _unset: Unset,
    _texts: &SourceTexts,
    _problems: &mut Vec<Problem>,
    _remarks: &mut Vec<Problem>,
) -> Node {
    tree
}

/// The variables that the values of `tree` use.
pub fn variables(_tree: &Node) -> BTreeMap<String, Usage> {
    BTreeMap::new()
}

/// `text` with its variables replaced, wherever it stands.
///
/// # Errors
/// Every variable in it that is malformed, or required and not set.
pub fn expand(text: &str, _vars: &dyn Lookup) -> Result<Expanded, Vec<TemplateError>> {
    Ok(Expanded { text: Hidden::new(text), from_server: false, unset: Vec::new() })
}
