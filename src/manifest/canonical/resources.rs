//! Top-level `networks`, `volumes`, `secrets`, `configs`, `models`: their names, and which are used.

use std::collections::BTreeSet;

use super::around::Around;
use super::form::{self, Form};
use super::{make, mounts};
use crate::manifest::node::Node;
use crate::manifest::read::At;

/// A kind of resource.
pub struct Kind {
    /// Its key at the top.
    pub key: &'static str,
    known: &'static [(&'static str, Form)],
    used_by: fn(&Node) -> Vec<&str>,
}

/// Every kind, in the order Compose prints them.
pub const KINDS: &[Kind] = &[
    Kind { key: "networks", known: NETWORK, used_by: networks_of },
    Kind { key: "volumes", known: VOLUME, used_by: volumes_of },
    Kind { key: "secrets", known: FILE, used_by: secrets_of },
    Kind { key: "configs", known: FILE, used_by: |service| sources(service, "configs") },
    Kind { key: "models", known: MODEL, used_by: |service| names(service, "models") },
];

const NETWORK: &[(&str, Form)] = {
    use Form::{Choice, Fields, Flag, Items, Pairs, Read, Text};
    const RANGE: &[(&str, Form)] =
        &[("aux_addresses", Pairs), ("gateway", Text), ("ip_range", Text), ("subnet", Text)];
    &[
        ("name", Text),
        ("driver", Text),
        ("driver_opts", Pairs),
        (
            "ipam",
            Fields(&[("driver", Text), ("config", Items(&Fields(RANGE))), ("options", Pairs)]),
        ),
        ("external", Read(external)),
        ("internal", Flag),
        ("attachable", Flag),
        ("labels", Pairs),
        ("enable_ipv4", Choice),
        ("enable_ipv6", Choice),
    ]
};

const VOLUME: &[(&str, Form)] = &[
    ("name", Form::Text),
    ("driver", Form::Text),
    ("driver_opts", Form::Pairs),
    ("external", Form::Read(external)),
    ("labels", Form::Pairs),
];

const FILE: &[(&str, Form)] = &[
    ("name", Form::Text),
    ("file", mounts::PATH),
    ("environment", Form::Text),
    ("content", Form::Text),
    ("external", Form::Read(external)),
    ("labels", Form::Pairs),
    ("driver", Form::Text),
    ("driver_opts", Form::Pairs),
    ("template_driver", Form::Text),
];

const MODEL: &[(&str, Form)] = &[
    ("name", Form::Text),
    ("model", Form::Text),
    ("context_size", Form::Whole),
    ("runtime_flags", Form::Texts),
];

/// The resources of one kind that `services` use, sorted, each with its name at the engine; `None` where
/// none are used.
pub fn used(kind: &Kind, top: &At<'_>, services: &Node, around: &Around<'_>) -> Option<Node> {
    let used: BTreeSet<&str> =
        make::fields_of(services).flat_map(|(_, service)| (kind.used_by)(service)).collect();
    let declared = top.value(kind.key);
    let mut shown = Vec::new();
    for (key, at) in declared.as_ref().map(At::fields).unwrap_or_default() {
        let node = resource(kind, key, &at, around);
        if used.contains(key) {
            shown.push((key.to_owned(), node));
        }
    }
    let is_declared = shown.iter().any(|(key, _)| key == "default");
    if kind.key == "networks" && used.contains("default") && !is_declared {
        let node = named(kind, "default", make::mapping::<String>(top, []), top, around);
        shown.push(("default".to_owned(), node));
    }
    form::sorted(top, shown)
}

fn resource(kind: &Kind, key: &str, at: &At<'_>, around: &Around<'_>) -> Node {
    let mut node = form::fields(kind.known, at, around);
    if kind.key == "volumes" {
        resolve_device(&mut node, at, around);
    }
    // The old way of writing it: `external: {name: …}`.
    if let Some(name) = at.value("external").and_then(|at| at.value("name"))
        && let Some(text) = name.filled()
    {
        make::put_missing(&mut node, "name", make::text(&name, text));
    }
    match at.value("name") {
        // Written and empty: Compose leaves it so.
        Some(_) if node.get("name").is_none() => complete(kind, node, at),
        Some(_) | None => named(kind, key, node, at, around),
    }
}

/// What is the stack's own is called after both, what is not by its key alone.
fn named(kind: &Kind, key: &str, mut node: Node, at: &At<'_>, around: &Around<'_>) -> Node {
    let name = match node.get("external") {
        Some(_) => key.to_owned(),
        None => format!("{}_{key}", around.scene.stack.as_str()),
    };
    make::put_missing(&mut node, "name", make::text(at, name));
    complete(kind, node, at)
}

fn complete(kind: &Kind, mut node: Node, at: &At<'_>) -> Node {
    if kind.key == "networks" {
        make::put_missing(&mut node, "ipam", make::mapping::<String>(at, []));
    }
    node
}

/// The `device` of a volume is a path where Compose takes it for one: with these very words.
fn resolve_device(volume: &mut Node, at: &At<'_>, around: &Around<'_>) {
    let is_local = make::field_text(volume, "driver") == Some("local");
    if is_local
        && let Some(options) = make::field_mut(volume, "driver_opts")
        && make::field_text(options, "o") == Some("bind")
        && let Some(device) = at.value("driver_opts").and_then(|at| at.value("device"))
        && let Some(field) = make::field_mut(options, "device")
        && let Some(path) = make::text_of(field)
    {
        *field = make::text(&device, around.absolute(&device, path));
    }
}

fn external(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    match at.is_mapping() {
        true => Some(make::plain(at, true)),
        false => form::shaped(Form::Flag, at, around),
    }
}

fn networks_of(service: &Node) -> Vec<&str> {
    names(service, "networks")
}

fn volumes_of(service: &Node) -> Vec<&str> {
    let volumes = service.get("volumes").map(make::items_of).unwrap_or_default().iter();
    volumes
        .filter(|volume| make::field_text(volume, "type") == Some("volume"))
        .filter_map(|volume| make::field_text(volume, "source"))
        .collect()
}

fn secrets_of(service: &Node) -> Vec<&str> {
    let mut secrets = sources(service, "secrets");
    secrets.extend(service.get("build").map(|build| sources(build, "secrets")).unwrap_or_default());
    secrets
}

fn sources<'n>(node: &'n Node, key: &str) -> Vec<&'n str> {
    let items = node.get(key).map(make::items_of).unwrap_or_default().iter();
    items.filter_map(|item| make::field_text(item, "source")).collect()
}

fn names<'n>(service: &'n Node, key: &str) -> Vec<&'n str> {
    service
        .get(key)
        .map(|node| make::fields_of(node).map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default()
}
