//! `networks`, at the top and on a service, `network_mode`, `extra_hosts`, `ports`.

use serde_json::{Value, json};

use super::shapes::{
    Field, PROTOCOL, closed, key, key_or, list, list_or_named, mapping, one_or_more, or_anothers,
    shape, short_or,
};

/// One entry of `networks` at the top.
pub fn network() -> Value {
    let mut fields = external("network");
    fields.extend([
        key_or("driver", json!("bridge"), "The kind of network.", shape("filled")),
        key("driver_opts", "Options of the driver.", mapping(shape("text"))),
        key_or("internal", json!(false), "It does not lead out of the host.", shape("flag")),
        key_or(
            "attachable",
            json!(false),
            "Containers of others may join it; matters in a Swarm only.",
            shape("flag"),
        ),
        key("enable_ipv4", "It has addresses of IPv4. Needs Docker 28.0.", shape("flag")),
        key_or("enable_ipv6", json!(false), "It has addresses of IPv6.", shape("flag")),
        key("ipam", "Its addresses. Without it, the engine chooses.", ipam()),
        key("labels", "Labels of the network.", shape("pairs")),
    ]);
    closed(fields)
}

/// `name` and `external`, of networks and volumes alike.
pub fn external(what: &str) -> Vec<Field> {
    let old = closed(vec![key("name", "Its name at the engine.", shape("filled"))]);
    let name = format!("Its name at the engine. Without it, `<stack>_<{what}>`.");
    let external = format!("The {what} is made by somebody else, and only used.");
    vec![
        key("name", &name, shape("filled")),
        key("external", &external, json!({"anyOf": [shape("flag"), old], "default": false})),
    ]
}

fn ipam() -> Value {
    let subnet = closed(vec![
        key("subnet", "A range, such as `172.28.0.0/16`.", shape("filled")),
        key("ip_range", "Containers get their addresses from this part of it.", shape("filled")),
        key("gateway", "The host's address in it.", shape("filled")),
        key("aux_addresses", "Addresses that no container gets, by name.", mapping(shape("text"))),
    ]);
    closed(vec![
        key_or("driver", json!("default"), "Who manages the addresses.", shape("filled")),
        key("options", "Options of the driver.", mapping(shape("text"))),
        key("config", "The ranges.", list(subnet)),
    ])
}

/// `networks`, `network_mode`, `extra_hosts` and `ports` of a service.
pub fn fields() -> Vec<Field> {
    let host = json!({"type": "string", "pattern": "[=:]|[$]"});
    vec![
        key(
            "networks",
            "Networks it joins. Without it, `default`.",
            list_or_named(shape("item"), joined()),
        ),
        key(
            "network_mode",
            "In place of `networks`: none at all, the host's, the engine's own bridge, which is also its \
             `default`, or that of another service or container.",
            or_anothers(&["none", "host", "bridge", "default"]),
        ),
        key(
            "links",
            "Services it depends on, with a further name it knows them by: `service:alias`.",
            list(shape("item")),
        ),
        key(
            "external_links",
            "Containers of others on its networks, with a name it knows them by: `container:alias`.",
            list(shape("item")),
        ),
        key(
            "extra_hosts",
            "Names and addresses it knows besides; `host-gateway` is this server.",
            list_or_named(host, extra_host()),
        ),
        key("ports", "Ports of the host that lead to it.", list(port())),
    ]
}

fn extra_host() -> Value {
    let mut address = one_or_more(shape("word"));
    address["description"] = "One address or several.".into();
    address
}

fn joined() -> Value {
    closed(vec![
        key("aliases", "Further names it is found by.", list(shape("word"))),
        key("ipv4_address", "Always this address.", shape("filled")),
        key("ipv6_address", "Always this address.", shape("filled")),
        key("link_local_ips", "Further addresses, of this link alone.", list(shape("item"))),
        key("mac_address", "Always this MAC address. Needs Docker 25.0.", shape("filled")),
        key_or(
            "gw_priority",
            json!(0),
            "The network with the highest leads out of the container. Needs Docker 28.0.",
            shape("integer"),
        ),
        key("driver_opts", "Options of the network's driver.", mapping(shape("text"))),
        key(
            "interface_name",
            "What the interface is called in the container. Needs Docker 28.1.",
            shape("filled"),
        ),
        key_or(
            "priority",
            json!(0),
            "The network with the highest is joined first.",
            shape("integer"),
        ),
    ])
}

fn port() -> Value {
    let range = json!({
        "type": ["string", "integer", "null"],
        "pattern": "^[0-9]+(-[0-9]+)?$|[$]",
        "minimum": 1,
        "maximum": 65535,
    });
    let protocol = json!({"type": ["string", "null"], "pattern": format!("^{PROTOCOL}$|[$]")});
    let long = closed(vec![
        key("target", "The container's port.", range.clone()),
        key("published", "The host's port. Without it, the engine picks one.", range),
        key("host_ip", "The host's address. Without it, all of them.", shape("text")),
        key_or("protocol", json!("tcp"), "`tcp`, `udp` or `sctp`.", protocol),
        key("mode", "Has no effect outside a Swarm.", json!(true)),
        key("name", "For people.", json!(true)),
        key("app_protocol", "For people.", json!(true)),
    ]);
    let (ports, ipv6) = ("[0-9]+(-[0-9]+)?", r"\[[0-9A-Fa-f:.]+\]");
    let host = format!("(([0-9.]+|{ipv6}):)?({ports})?:|{ipv6}:");
    let short = format!("^({host})?{ports}(/{PROTOCOL})?$|[$]");
    short_or(&short, long, &["target"])
}
