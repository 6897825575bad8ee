//! Top-level `networks`.

use indexmap::IndexMap;

use crate::manifest::read::At;
use crate::manifest::service::{label_map, options};
use crate::model::stack::{Network, Subnet};
use crate::model::{NetworkName, StackName};

const KNOWN: [&str; 10] = [
    "name",
    "external",
    "driver",
    "driver_opts",
    "internal",
    "attachable",
    "enable_ipv4",
    "enable_ipv6",
    "ipam",
    "labels",
];

/// Every declared network, and `default`, which is always there.
pub fn read(top: &At<'_>, stack: &StackName) -> IndexMap<String, Network> {
    let mut networks = IndexMap::from([("default".to_owned(), plain("default", stack))]);
    let Some(at) = top.value("networks") else { return networks };
    for (key, at) in at.fields() {
        super::check_key(&at, key);
        networks.insert(key.to_owned(), network(&at, key, stack));
    }
    networks
}

fn plain(key: &str, stack: &StackName) -> Network {
    Network::plain(NetworkName::new(format!("{stack}_{key}")))
}

fn network(at: &At<'_>, key: &str, stack: &StackName) -> Network {
    let mut network = plain(key, stack);
    if !at.is_null() && !at.is_mapping() {
        at.expected("a mapping");
    }
    at.only(&KNOWN, &[]);
    let (external, name) = super::name_of(at, key);
    let flag = |key| at.value(key).and_then(|at| at.boolean()).unwrap_or(false);
    if external {
        super::only_external(at);
    }
    network.external = external;
    if let Some(name) = name {
        network.name = NetworkName::new(name);
    }
    network.driver = at.value("driver").and_then(|at| at.filled()).map(str::to_owned);
    network.driver_opts = at.value("driver_opts").map(|at| options(&at)).unwrap_or_default();
    network.internal = flag("internal");
    network.attachable = flag("attachable");
    network.enable_ipv6 = flag("enable_ipv6");
    network.enable_ipv4 = at.value("enable_ipv4").and_then(|at| at.boolean());
    if let Some(at) = at.value("ipam") {
        ipam(&at, &mut network);
    }
    network.labels = at.value("labels").map(|at| label_map(&at)).unwrap_or_default();
    network
}

fn ipam(at: &At<'_>, network: &mut Network) {
    at.only(&["config", "driver", "options"], &[]);
    let driver = at.value("driver").and_then(|at| at.filled());
    network.ipam_driver = driver.filter(|name| *name != "default").map(str::to_owned);
    network.ipam_options = at.value("options").map(|at| options(&at)).unwrap_or_default();
    if let Some(config) = at.value("config") {
        network.subnets = config.items().iter().map(subnet).collect();
    }
}

fn subnet(at: &At<'_>) -> Subnet {
    at.only(&["subnet", "ip_range", "gateway", "aux_addresses"], &[]);
    let text = |key| at.value(key).and_then(|at| at.filled()).map(str::to_owned);
    Subnet {
        subnet: text("subnet"),
        ip_range: text("ip_range"),
        gateway: text("gateway"),
        aux_addresses: at.value("aux_addresses").map(|at| options(&at)).unwrap_or_default(),
    }
}
