//! New values in the place of others: where they stand and whether they may be shown stays.

use indexmap::IndexMap;

use crate::manifest::node::{Field, Node, Scalar, Value};
use crate::manifest::read::At;

/// A text.
pub fn text(at: &At<'_>, text: impl Into<String>) -> Node {
    made(at, Value::text(text))
}

/// A number or a boolean, as it is to be printed.
pub fn plain(at: &At<'_>, text: impl ToString) -> Node {
    made(at, Value::Scalar(Scalar { text: text.to_string(), plain: true }))
}

/// A list.
pub fn list(at: &At<'_>, items: Vec<Node>) -> Node {
    made(at, Value::Sequence(items))
}

/// Nothing.
pub fn nothing(at: &At<'_>) -> Node {
    made(at, Value::Null)
}

/// A mapping, its keys in this order.
pub fn mapping<K: Into<String>>(at: &At<'_>, fields: impl IntoIterator<Item = (K, Node)>) -> Node {
    let mut all = IndexMap::new();
    for (key, node) in fields {
        put(&mut all, key, node);
    }
    made(at, Value::Mapping(all))
}

/// Puts `node` into a mapping.
pub fn put(fields: &mut IndexMap<String, Field>, key: impl Into<String>, node: Node) {
    fields.insert(key.into(), Field { key_place: node.place.clone(), node });
}

/// Puts `node` into the mapping `to` unless the key is there already.
pub fn put_missing(to: &mut Node, key: &str, node: Node) {
    if let Value::Mapping(fields) = &mut to.value
        && !fields.contains_key(key)
    {
        put(fields, key, node);
    }
}

/// The field `key` of a mapping, to be changed.
pub fn field_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Mapping(fields) => fields.get_mut(key).map(|field| &mut field.node),
        Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
    }
}

/// The fields of a mapping; of anything else, none.
pub fn fields_of(node: &Node) -> impl Iterator<Item = (&String, &Node)> {
    let fields = match &node.value {
        Value::Mapping(fields) => Some(fields),
        Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
    };
    fields.into_iter().flatten().map(|(key, field)| (key, &field.node))
}

/// The items of a list; of anything else, none.
pub fn items_of(node: &Node) -> &[Node] {
    match &node.value {
        Value::Sequence(items) => items,
        Value::Null | Value::Scalar(_) | Value::Mapping(_) => &[],
    }
}

/// The text of a single value.
pub fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// The text of the field `key`.
pub fn field_text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(text_of)
}

/// Of entries that are the same the last one counts, in the place of the first.
pub fn unique(items: Vec<Node>, identity: impl Fn(&Node) -> Option<String>) -> Vec<Node> {
    let mut kept: IndexMap<Result<String, usize>, Node> = IndexMap::new();
    for (index, item) in items.into_iter().enumerate() {
        kept.insert(identity(&item).ok_or(index), item);
    }
    kept.into_values().collect()
}

fn made(at: &At<'_>, value: Value) -> Node {
    Node { sensitive: at.node.sensitive, ..Node::new(at.place().clone(), value) }
}
