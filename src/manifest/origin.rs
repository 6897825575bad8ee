//! The project that a value was loaded with: where its relative paths start, which variables it sees.
//!
//! A file that is included or extended brings its own; the stack's own files have none.

use std::sync::Arc;

use super::node::{Node, Value};
use super::variables::Variables;

/// Where a value comes from that is not written in the stack's own files.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The directory in the repository that relative paths start from.
    pub directory: String,
    /// What names stand for; `None` where the stack's own variables hold.
    pub variables: Option<Arc<Variables>>,
}

impl PartialEq for Origin {
    /// Relative paths mean the same.
    fn eq(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

/// `node`, and all in it, with this origin.
pub fn stamped(mut node: Node, origin: &Arc<Origin>) -> Node {
    stamp(&mut node, origin);
    node
}

fn stamp(node: &mut Node, origin: &Arc<Origin>) {
    node.origin = Some(origin.clone());
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| stamp(item, origin)),
        Value::Mapping(fields) => {
            fields.values_mut().for_each(|field| stamp(&mut field.node, origin));
        }
    }
}
