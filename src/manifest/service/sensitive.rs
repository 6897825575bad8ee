//! Which fields of a service hold a value of the server's env files, so that plans do not show them.

use std::collections::BTreeSet;

use crate::manifest::node::{Node, Value};
use crate::manifest::read::At;

/// The keys, as the manifest has them; labels one by one (`labels.team`). Environment values are never
/// shown anyway and are left out.
pub fn paths(service: &At<'_>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (key, at) in service.fields() {
        match key {
            "environment" => {}
            "labels" => paths.extend(labels(&at)),
            _ if is_in(at.node) => {
                paths.insert(key.to_owned());
            }
            _ => {}
        }
    }
    paths
}

fn labels(at: &At<'_>) -> Vec<String> {
    let pairs = at.pairs().into_iter().filter(|pair| pair.at.node.sensitive);
    pairs.map(|pair| format!("labels.{}", pair.key)).collect()
}

/// Whether a value of the server is anywhere in `node`.
pub fn is_in(node: &Node) -> bool {
    let inside = match &node.value {
        Value::Null | Value::Scalar(_) => false,
        Value::Sequence(items) => items.iter().any(is_in),
        Value::Mapping(fields) => fields.values().any(|field| is_in(&field.node)),
    };
    node.sensitive || inside
}
