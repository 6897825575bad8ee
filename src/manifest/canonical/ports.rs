//! `ports`, one entry for each port of the container.

use std::ops::Range;

use super::around::Around;
use super::form::{Form, shaped};
use super::make;
use super::parts::Parts;
use crate::manifest::node::Node;
use crate::manifest::read::At;
use crate::manifest::service::short_port;
use crate::model::spec::PortBinding;

/// `ports`
pub fn ports(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let mut ports = Vec::new();
    for item in at.items() {
        match item.is_scalar() {
            true => ports.extend(
                item.parse(short_port).into_iter().flatten().map(|port| short(&item, &port)),
            ),
            false => ports.push(long(&item, around)),
        }
    }
    let ports = make::unique(ports, identity);
    (!ports.is_empty()).then(|| make::list(at, ports))
}

fn short(at: &At<'_>, port: &PortBinding) -> Node {
    let parts = Parts::of(at);
    // From the end: what is left in front is the address, which may have colons of its own.
    let target = parts.len().saturating_sub(1);
    let published = match port.published.is_empty() {
        true => target,
        false => target.saturating_sub(1),
    };
    let shown = |node: Node, part: Range<usize>| parts.shown(node, part);
    let of_target = |node: Node| shown(node, target..parts.len());
    let host_ip = (!port.host_ip.is_empty())
        .then(|| ("host_ip", shown(make::text(at, &port.host_ip), 0..published)));
    let on_host = (!port.published.is_empty())
        .then(|| ("published", shown(make::text(at, &port.published), published..target)));
    let fields = [("mode", shown(make::text(at, "ingress"), 0..0))]
        .into_iter()
        .chain(host_ip)
        .chain([("target", of_target(make::plain(at, port.target.port)))])
        .chain(on_host)
        .chain([("protocol", of_target(make::text(at, port.target.protocol.to_string())))]);
    make::mapping(at, fields)
}

/// The keys of the long form, in the order Compose prints them.
const LONG: [(&str, Form); 7] = [
    ("name", Form::Text),
    ("mode", Form::Text),
    ("host_ip", Form::Text),
    ("target", Form::Count),
    ("published", Form::Text),
    ("protocol", Form::Text),
    ("app_protocol", Form::Text),
];

fn long(at: &At<'_>, around: &Around<'_>) -> Node {
    at.only(&LONG.map(|(key, _)| key), &[]);
    if !at.is_mapping() {
        at.expected("a text or a mapping");
    }
    if at.is_mapping() && at.value("target").is_none() {
        at.problem("missing-key", "a port needs a `target`: the container's port");
    }
    let field = |(key, form): (&'static str, Form)| {
        let written = at.value(key).and_then(|value| shaped(form, &value, around));
        let node = written.or_else(|| match key {
            "mode" => Some(make::text(at, "ingress")),
            "protocol" => Some(make::text(at, "tcp")),
            _ => None,
        })?;
        Some((key, node))
    };
    make::mapping(at, LONG.into_iter().filter_map(field))
}

fn identity(port: &Node) -> Option<String> {
    let field = |key| make::field_text(port, key);
    let host = field("host_ip").unwrap_or("0.0.0.0");
    let published = field("published").unwrap_or_default();
    Some(format!("{host}:{published}:{}/{}", field("target")?, field("protocol")?))
}
