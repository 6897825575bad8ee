//! Variables in values: `$VAR`, `${VAR:-default}` and their kin. Keys are never interpolated.
//!
//! Where variables come from, and which source wins, is the caller's business.

mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::template::{Expanded, Part, PartKind, TemplateError, Usage, expand, parts};
use super::excerpt::SourceTexts;
use super::node::{Node, Scalar, Value};
use super::path;
use crate::model::probe::IMAGE_TAG;
use crate::model::{Hidden, Place, Problem};

/// What all values of a tree may come to, in bytes: a long variable can be used many times.
const LARGEST_TREE: usize = 16 * 1024 * 1024;

/// Unset variables beyond this many say nothing new.
const MOST_UNSET: usize = 50_000;

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

/// `tree` with the variables in its values replaced.
///
/// A scalar into which a server value went is [`Node::sensitive`]. A scalar in which anything was
/// replaced is no longer plain: as in Compose, `${VERSION}` is the text `1.10`, not a number. Every
/// unset variable becomes a problem, or a remark if `unset` says so, and everything malformed a
/// problem; in both cases the tree is still complete.
pub fn interpolate(
    mut tree: Node,
    vars: &dyn Lookup,
    unset: Unset,
    texts: &SourceTexts,
    problems: &mut Vec<Problem>,
    remarks: &mut Vec<Problem>,
) -> Node {
    let above = Vec::new();
    let mut pass = Pass { vars, unset, texts, problems, remarks, left: LARGEST_TREE, above };
    pass.node(&mut tree);
    tree
}

/// The variables that the values of `tree` use, defaults within defaults included.
pub fn variables(tree: &Node) -> BTreeMap<String, Usage> {
    let mut found = BTreeMap::new();
    collect(tree, &mut found);
    found
}

/// Adds the variables that `text` uses, defaults within defaults included.
pub fn variables_of(text: &str, found: &mut BTreeMap<String, Usage>) {
    template::collect(text, found);
}

fn collect(node: &Node, found: &mut BTreeMap<String, Usage>) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(scalar) => template::collect(&scalar.text, found),
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Mapping(fields) => fields.values().for_each(|field| collect(&field.node, found)),
    }
}

/// What is built in for what a probe expects: the tag of the service's image. It is known once the image is pinned,
/// so until then it stays as it is written.
struct InExpect<'a>(&'a dyn Lookup);

impl Lookup for InExpect<'_> {
    fn get(&self, name: &str) -> Option<Variable> {
        let stays = || Variable { value: Hidden::new(IMAGE_TAG), from_server: false };
        self.0.get(name).or_else(|| (name == "IMAGE_TAG").then(stays))
    }
}

/// One walk over a tree.
struct Pass<'a, 't> {
    vars: &'a dyn Lookup,
    unset: Unset,
    texts: &'a SourceTexts,
    problems: &'a mut Vec<Problem>,
    remarks: &'a mut Vec<Problem>,
    /// How many bytes may still be put into values.
    left: usize,
    /// What leads to the value at hand.
    above: Vec<Step<'t>>,
}

/// One step down a tree.
enum Step<'t> {
    Key(&'t str),
    Item(usize),
}

impl<'t> Pass<'_, 't> {
    fn node(&mut self, node: &'t mut Node) {
        match &mut node.value {
            Value::Null => {}
            Value::Scalar(scalar) if !scalar.text.contains('$') => {}
            Value::Scalar(scalar) => {
                if let Some(written) = self.scalar(scalar, &node.place) {
                    node.sensitive = true;
                    node.written.get_or_insert_with(|| written.into_boxed_str());
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.below(Step::Item(index), item);
                }
            }
            Value::Mapping(fields) => {
                for (key, field) in fields {
                    self.below(Step::Key(key), &mut field.node);
                }
            }
        }
    }

    fn below(&mut self, step: Step<'t>, node: &'t mut Node) {
        self.above.push(step);
        self.node(node);
        self.above.pop();
    }

    /// Whether the value at hand is part of what a probe expects.
    fn is_in_expect(&self) -> bool {
        let key = |step: &Step<'t>| match step {
            Step::Key(key) => Some(*key),
            Step::Item(_) => None,
        };
        let mut keys = self.above.iter().map(key);
        keys.next() == Some(Some("services"))
            && keys.next().is_some()
            && keys.take(3).eq([Some("x-evenkeel"), Some("probe"), Some("expect")])
    }

    /// The path of the value at hand.
    fn path(&self) -> String {
        self.above.iter().fold(String::new(), |path, step| match step {
            Step::Key(key) => path::field(&path, key),
            Step::Item(index) => path::item(&path, *index),
        })
    }

    /// What was written, where a value of the server went into it.
    fn scalar(&mut self, scalar: &mut Scalar, place: &Place) -> Option<String> {
        let in_expect = InExpect(self.vars);
        let vars = if self.is_in_expect() { &in_expect } else { self.vars };
        match expand(&scalar.text, vars) {
            Ok(expanded) => {
                for name in &expanded.unset {
                    self.unset(name, place);
                }
                let text = self.within_limit(expanded.text.reveal(), place);
                scalar.plain &= text == scalar.text;
                let written = std::mem::replace(&mut scalar.text, text);
                expanded.from_server.then_some(written)
            }
            Err(errors) => {
                for error in errors {
                    self.malformed(&error, place);
                }
                None
            }
        }
    }

    fn within_limit(&mut self, text: &str, place: &Place) -> String {
        let Some(left) = self.left.checked_sub(text.len()) else {
            if self.left > 0 {
                let message = format!("variables make the file larger than {LARGEST_TREE} bytes");
                let problem = self.texts.problem_at("too-large", message, place);
                self.problems.push(problem.path(self.path()));
            }
            self.left = 0;
            return String::new();
        };
        self.left = left;
        text.to_owned()
    }

    fn unset(&mut self, name: &str, place: &Place) {
        if self.problems.len() + self.remarks.len() >= MOST_UNSET {
            return;
        }
        let message = match self.unset {
            Unset::Error => format!("variable `{name}` is not set and has no default"),
            Unset::Blank => format!("variable `{name}` is not set; nothing is put in its place"),
        };
        let problem = self.texts.problem_at("missing-variable", message, place).path(self.path());
        let problem = problem.hint(format!("set {name}, or give it a default: ${{{name}:-…}}"));
        match self.unset {
            Unset::Error => self.problems.push(problem),
            Unset::Blank => self.remarks.push(problem),
        }
    }

    fn malformed(&mut self, error: &TemplateError, place: &Place) {
        let (code, hint) = match error {
            TemplateError::Required { name, .. } => ("missing-variable", format!("set {name}")),
            TemplateError::Unset { name } => {
                return self.unset(name, place);
            }
            TemplateError::Invalid(_) => {
                ("invalid-variable", "write `$$` where a dollar sign is meant".to_owned())
            }
            TemplateError::TooDeep | TemplateError::TooLarge => {
                ("invalid-variable", "write it without nesting variables so far".to_owned())
            }
        };
        let problem = self.texts.problem_at(code, error.to_string(), place);
        self.problems.push(problem.path(self.path()).hint(hint));
    }
}
