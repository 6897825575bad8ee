//! Top-level `networks`.

use indexmap::IndexMap;

use crate::manifest::read::At;
use crate::manifest::service::{label_map, options};
use crate::model::stack::{Network, Subnet};
use crate::model::{NetworkName, StackName};

const KNOWN: [&str; 9] = [
    "name",
    "external",
    "driver",
    "driver_opts",
    "internal",
    "attachable",
    "enable_ipv6",
    "ipam",
    "labels",
];
const LATER: [(&str, &str); 1] = [("enable_ipv4", "not supported yet")];

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
    Network {
        name: NetworkName::new(format!("{stack}_{key}")),
        external: false,
        driver: None,
        driver_opts: Default::default(),
        internal: false,
        attachable: false,
        enable_ipv6: false,
        subnets: Vec::new(),
        labels: Default::default(),
    }
}

fn network(at: &At<'_>, key: &str, stack: &StackName) -> Network {
    let mut network = plain(key, stack);
    if !at.is_null() && !at.is_mapping() {
        at.expected("a mapping");
    }
    at.only(&KNOWN, &LATER);
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
    network.subnets = at.value("ipam").map(|at| subnets(&at)).unwrap_or_default();
    network.labels = at.value("labels").map(|at| label_map(&at)).unwrap_or_default();
    network
}

fn subnets(at: &At<'_>) -> Vec<Subnet> {
    at.only(&["config", "driver"], &[("options", "not supported yet")]);
    if let Some(driver) = at.value("driver")
        && driver.text().is_some_and(|name| name != "default")
    {
        driver.unsupported("driver", "only the engine's own address management is supported yet");
    }
    let Some(config) = at.value("config") else { return Vec::new() };
    config.items().iter().map(subnet).collect()
}

fn subnet(at: &At<'_>) -> Subnet {
    at.only(&["subnet", "ip_range", "gateway"], &[("aux_addresses", "not supported yet")]);
    let text = |key| at.value(key).and_then(|at| at.filled()).map(str::to_owned);
    Subnet { subnet: text("subnet"), ip_range: text("ip_range"), gateway: text("gateway") }
}
