//! The canonical form as a document to be printed: types, doubled dollar signs, hidden values.

use serde_json::{Map, Value as Json};

use crate::manifest::node::{Node, Scalar, Value};
use crate::model::Masks;

/// What stands in place of a value that must not be seen.
const HIDDEN: &str = "•••";

/// How a document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// Values of `environment` and whatever a value of the server went into, too.
    pub values: bool,
    /// `x-…` below the top, which Compose's JSON leaves out and its YAML does not.
    pub extensions: bool,
}

/// The document that Compose prints for `node`. A `$` is printed as `$$`: Compose reads it back as one.
/// `masks` are the server's values, in case one made its way into a key.
pub fn document(node: &Node, show: Show, masks: &Masks) -> Json {
    shown(node, &mut Vec::new(), show, masks)
}

fn shown<'n>(node: &'n Node, keys: &mut Vec<&'n str>, show: Show, masks: &Masks) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(_) if !show.values && is_hidden(node, keys) => Json::from(HIDDEN),
        Value::Scalar(scalar) => self::scalar(scalar),
        Value::Sequence(items) => {
            Json::Array(items.iter().map(|item| shown(item, keys, show, masks)).collect())
        }
        Value::Mapping(fields) => {
            let mut map = Map::new();
            for (key, field) in fields {
                if is_extension(key, keys) && !show.extensions {
                    continue;
                }
                keys.push(key);
                let value = shown(&field.node, keys, show, masks);
                keys.pop();
                let key = if show.values { key.clone() } else { masks.mask(key) };
                map.insert(key.replace('$', "$$"), value);
            }
            Json::Object(map)
        }
    }
}

/// `x-…` of Compose's own mappings, below the top; a name that people chose is none.
fn is_extension(key: &str, keys: &[&str]) -> bool {
    const NAMES: [&str; 6] =
        ["environment", "labels", "annotations", "args", "options", "driver_opts"];
    let is_free = keys.iter().any(|above| above.starts_with("x-") || NAMES.contains(above))
        || matches!(keys, ["services", _, "depends_on" | "networks" | "sysctls" | "storage_opt"]);
    key.starts_with("x-") && keys.len() > 1 && !is_free
}

fn is_hidden(node: &Node, keys: &[&str]) -> bool {
    node.sensitive || keys.contains(&"environment")
}

fn scalar(scalar: &Scalar) -> Json {
    scalar.typed().unwrap_or_else(|| Json::from(scalar.text.replace('$', "$$")))
}
