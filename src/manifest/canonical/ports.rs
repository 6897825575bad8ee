//! `ports`, one entry for each port of the container.

use super::around::Around;
use super::form::{Form, shaped};
use super::make;
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
    let host = (!port.host_ip.is_empty()).then(|| ("host_ip", make::text(at, &port.host_ip)));
    let published =
        (!port.published.is_empty()).then(|| ("published", make::text(at, &port.published)));
    let fields = [("mode", make::text(at, "ingress"))]
        .into_iter()
        .chain(host)
        .chain([("target", make::plain(at, port.target.port))])
        .chain(published)
        .chain([("protocol", make::text(at, port.target.protocol.to_string()))]);
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
