//! Whom a service reaches and waits for: `networks`, `extra_hosts`, `depends_on`, `models`, and what
//! other keys imply for them.

use super::around::Around;
use super::form::{self, Form, sorted};
use super::make;
use crate::manifest::node::{Node, Value};
use crate::manifest::read::At;
use crate::manifest::service::{HostEntry, host_entries};

const JOINED: &[(&str, Form)] = &[
    ("aliases", Form::Texts),
    ("driver_opts", Form::Pairs),
    ("gw_priority", Form::Whole),
    ("interface_name", Form::Text),
    ("ipv4_address", Form::Text),
    ("ipv6_address", Form::Text),
    ("link_local_ips", Form::Texts),
    ("mac_address", Form::Text),
    ("priority", Form::Whole),
];

/// `networks`: a list of names is a mapping to nothing.
pub fn joined(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    named(at, |network| match network.is_null() {
        true => make::nothing(network),
        false => form::fields(JOINED, network, around),
    })
}

/// `models`: a list of names is a mapping to nothing.
pub fn models(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    const MODEL: &[(&str, Form)] = &[("endpoint_var", Form::Text), ("model_var", Form::Text)];
    named(at, |model| match model.is_null() {
        true => make::nothing(model),
        false => form::fields(MODEL, model, around),
    })
}

/// A list of names or a mapping from them.
fn named(at: &At<'_>, long: impl Fn(&At<'_>) -> Node) -> Option<Node> {
    let entries = match at.is_mapping() {
        true => at.fields().iter().map(|(name, at)| ((*name).to_owned(), long(at))).collect(),
        false => {
            let items = at.items().into_iter();
            items.filter_map(|at| Some((at.filled()?.to_owned(), make::nothing(&at)))).collect()
        }
    };
    sorted(at, entries)
}

/// A service that names no network is in the stack's own, `default`; one whose network is another's, or
/// that runs outside the engine, is in none.
pub fn join_default(service: &mut Node, at: &At<'_>) {
    let elsewhere = ["network_mode", "provider"].iter().any(|key| service.get(key).is_some());
    if !elsewhere {
        let default = make::mapping(at, [("default", make::nothing(at))]);
        make::put_missing(service, "networks", default);
    }
}

/// `extra_hosts`: `host=address`, sorted. A host may have several addresses.
pub fn extra_hosts(at: &At<'_>, _around: &Around<'_>) -> Option<Node> {
    let entry =
        |entry: &HostEntry<'_>| make::text(&entry.at, format!("{}={}", entry.host, entry.address));
    let mut hosts: Vec<Node> = host_entries(at).iter().map(entry).collect();
    hosts.sort_by(|one, other| make::text_of(one).cmp(&make::text_of(other)));
    (!hosts.is_empty()).then(|| make::list(at, hosts))
}

const DEPENDENCY: &[(&str, Form)] =
    &[("condition", Form::Text), ("restart", Form::Flag), ("required", Form::Choice)];

/// `depends_on`; a name alone waits for the start.
pub fn depends_on(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let entries = match at.is_mapping() {
        true => {
            at.fields().iter().map(|(name, at)| ((*name).to_owned(), long(at, around))).collect()
        }
        false => {
            let items = at.items().into_iter();
            items.filter_map(|at| Some((at.filled()?.to_owned(), started(&at, None)))).collect()
        }
    };
    sorted(at, entries)
}

fn long(at: &At<'_>, around: &Around<'_>) -> Node {
    let mut node = form::fields(DEPENDENCY, at, around);
    make::put_missing(&mut node, "condition", make::text(at, "service_started"));
    make::put_missing(&mut node, "required", make::plain(at, true));
    node
}

fn started(at: &At<'_>, restart: Option<bool>) -> Node {
    let fields = [("condition", make::text(at, "service_started"))]
        .into_iter()
        .chain(restart.map(|restart| ("restart", make::plain(at, restart))))
        .chain([("required", make::plain(at, true))]);
    make::mapping(at, fields)
}

/// Keys that may name another service whose namespace is shared.
const SHARED: [&str; 5] = ["network_mode", "ipc", "pid", "uts", "cgroup"];

/// A service depends on those it links to, shares a namespace with, or takes volumes from; with the first
/// two it is restarted.
pub fn add_implied(service: &mut Node, at: &At<'_>) {
    let mut implied: Vec<(String, Option<bool>)> = Vec::new();
    let before_colon = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let texts = |key| service.get(key).map(make::items_of).unwrap_or_default().iter();
    implied.extend(texts("links").filter_map(make::text_of).map(|t| (before_colon(t), Some(true))));
    for mode in SHARED.iter().filter_map(|key| make::field_text(service, key)) {
        implied.extend(mode.strip_prefix("service:").map(|name| (name.to_owned(), Some(true))));
    }
    let from = texts("volumes_from").filter_map(make::text_of);
    let from = from.filter(|text| !text.starts_with("container:"));
    implied.extend(from.map(|text| (before_colon(text), None)));
    if implied.is_empty() {
        return;
    }
    make::put_missing(service, "depends_on", make::mapping::<String>(at, []));
    let Value::Mapping(fields) = &mut service.value else { return };
    let Some(depends_on) = fields.get_mut("depends_on") else { return };
    for (name, restart) in implied {
        make::put_missing(&mut depends_on.node, &name, started(at, restart));
    }
    if let Value::Mapping(names) = &mut depends_on.node.value {
        names.sort_keys();
    }
}
