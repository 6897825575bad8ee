//! Entries of lists and mappings: brought to one form, and told apart.
//!
//! Whether an entry makes sense is not decided here. What cannot be converted is left as it is.

use indexmap::IndexMap;

use super::super::node::{Field, Node, Scalar, Value};
use super::rules::Identity;

/// A list of `KEY=value` as a mapping; `KEY` alone has nothing as its value.
pub(super) fn pairs(node: Node) -> Node {
    keyed(node, |text, item| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Node { value: Value::text(value), ..item.clone() }),
        None => (text.to_owned(), Node { value: Value::Null, ..item.clone() }),
    })
}

/// A list of names as a mapping from each to nothing.
pub(super) fn named(node: Node) -> Node {
    keyed(node, |text, item| (text.to_owned(), Node { value: Value::Null, ..item.clone() }))
}

/// A list of services as a mapping from each to what a name alone means.
pub(super) fn dependencies(node: Node) -> Node {
    keyed(node, |text, item| {
        let place = &item.place;
        let field = |node| Field { key_place: place.clone(), node };
        let condition = Node::new(place.clone(), Value::text("service_started"));
        let required = Node::new(place.clone(), Value::text("true"));
        let meaning = [("condition", condition), ("required", required)];
        let meaning = meaning.map(|(key, node)| (key.to_owned(), field(node)));
        (text.to_owned(), Node { value: Value::Mapping(meaning.into()), ..item.clone() })
    })
}

fn keyed(node: Node, entry: fn(&str, &Node) -> (String, Node)) -> Node {
    let Value::Sequence(items) = &node.value else {
        return node;
    };
    let mut fields = IndexMap::new();
    for item in items {
        let Some(text) = text_of(item) else {
            return node;
        };
        let (key, node) = entry(text, item);
        fields.insert(key, Field { key_place: item.place.clone(), node });
    }
    Node { value: Value::Mapping(fields), ..node }
}

/// A single entry as a list of one.
pub(super) fn list(node: Node) -> Node {
    match node.value {
        Value::Scalar(_) => {
            let place = node.place.clone();
            let origin = node.origin.clone();
            Node { origin, ..Node::new(place, Value::Sequence(vec![node])) }
        }
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => node,
    }
}

/// A mapping from host names to one or more addresses as a list of `host=address`.
pub(super) fn hosts(node: Node) -> Node {
    let Value::Mapping(fields) = &node.value else {
        return node;
    };
    let mut items = Vec::new();
    for (host, field) in fields {
        let addresses = match &field.node.value {
            Value::Sequence(addresses) => addresses.as_slice(),
            Value::Null | Value::Scalar(_) | Value::Mapping(_) => std::slice::from_ref(&field.node),
        };
        for address in addresses {
            let Some(text) = text_of(address) else {
                return node;
            };
            let value = Value::text(format!("{host}={text}"));
            items.push(Node { value, ..address.clone() });
        }
    }
    // A mapping promises no order; Compose sorts it here.
    items.sort_by(|one, other| text_of(one).cmp(&text_of(other)));
    Node { value: Value::Sequence(items), ..node }
}

/// Whether both name a logging driver, and not the same one.
pub(super) fn other_driver(base: &Node, over: &Node) -> bool {
    let driver = |node: &Node| node.get("driver").and_then(text_of).map(str::to_owned);
    matches!((driver(base), driver(over)), (Some(one), Some(other)) if one != other)
}

/// What `entry` is the same as; nothing if it cannot be told.
pub(super) fn identity(entry: &Node, by: Identity) -> Option<String> {
    match by {
        Identity::Key => text_of(entry).map(|text| before(text, '=').to_owned()),
        Identity::Text => text_of(entry).map(str::to_owned),
        Identity::Port => port(entry),
        Identity::Target => target(entry),
        Identity::MountedIn(directory) => mounted(entry, directory),
        Identity::File => {
            text_of(entry).or_else(|| entry.get("path").and_then(text_of)).map(str::to_owned)
        }
    }
}

/// What a host entry is the same as: either separator means the same.
pub(super) fn host_identity(entry: &Node) -> Option<String> {
    text_of(entry).map(|text| text.replacen([':', '='], "=", 1))
}

/// `[ip:][published:]target[/protocol]`, or the long form.
fn port(entry: &Node) -> Option<String> {
    let field = |key: &str| entry.get(key).and_then(text_of);
    let (host, published, target, protocol) = match text_of(entry) {
        Some(text) => {
            let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let mut parts = ports.rsplitn(3, ':');
            let target = parts.next()?;
            let published = parts.next().unwrap_or_default();
            (parts.next(), published, target, protocol)
        }
        None => {
            let published = field("published").unwrap_or_default();
            (field("host_ip"), published, field("target")?, field("protocol").unwrap_or("tcp"))
        }
    };
    let host = host.unwrap_or("0.0.0.0").trim_matches(['[', ']']);
    Some(format!("{host}:{published}:{target}/{}", protocol.to_lowercase()))
}

/// The second part of `source:target[:options]`, the only part, or the field `target`.
fn target(entry: &Node) -> Option<String> {
    let Some(text) = text_of(entry) else {
        return entry
            .get("target")
            .or_else(|| entry.get("source"))
            .and_then(text_of)
            .map(str::to_owned);
    };
    let mut parts = text.split(':');
    let first = parts.next()?;
    Some(parts.next().unwrap_or(first).to_owned())
}

fn mounted(entry: &Node, directory: &str) -> Option<String> {
    let field = |key: &str| entry.get(key).and_then(text_of);
    match (text_of(entry), field("target")) {
        (None, Some(target)) => Some(target.to_owned()),
        (name, _) => Some(format!("{directory}/{}", name.or_else(|| field("source"))?)),
    }
}

fn before(text: &str, separator: char) -> &str {
    text.split_once(separator).map_or(text, |(key, _)| key)
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(Scalar { text, .. }) => Some(text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}
