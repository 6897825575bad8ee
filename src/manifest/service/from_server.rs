//! Which names of the server's env files a service uses in its own text: names alone, never a value.
//!
//! What it takes by `env_file` or by a bare name is noted where that is read.

use std::collections::BTreeMap;

use super::Draft;
use crate::manifest::interpolate;
use crate::manifest::node::{Node, Value};
use crate::manifest::scene::Scene;

/// Notes the variables that the server has put into the text of `draft`.
pub fn note(draft: &Draft<'_>, scene: &Scene<'_>) {
    note_in(draft.at.node, draft, scene);
}

fn note_in(node: &Node, draft: &Draft<'_>, scene: &Scene<'_>) {
    if let Some(written) = node.written.as_deref().filter(|_| node.sensitive) {
        let mut used = BTreeMap::new();
        interpolate::variables_of(written, &mut used);
        used.keys().for_each(|name| scene.note_name(&draft.name, name, node));
    }
    match &node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| note_in(item, draft, scene)),
        Value::Mapping(fields) => {
            fields.values().for_each(|field| note_in(&field.node, draft, scene));
        }
    }
}
