//! Networks, published ports and names of other machines.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use indexmap::IndexMap;

use super::Judge;
use crate::model::networks::{Network, Subnet};
use crate::model::probe::{Probe, ProbeHost};
use crate::model::spec::{Attachment, Endpoint, ExposedPort, PortBinding};
use crate::model::{NetworkName, ServiceName};
use crate::policy::matching::{Port, Value};
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// Options of a bridge that stay between its own containers.
const USUAL_OPTIONS: [&str; 5] = [
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.driver.mtu",
    "com.docker.network.container_iface_prefix",
    "com.docker.network.enable_ipv6",
];

/// The option of an endpoint that sets parameters of the kernel (Docker Engine, bridge driver).
const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// The networks that services are on; each that is on one is asking for it.
pub fn check(networks: &IndexMap<String, Network>, judge: &mut Judge<'_>) {
    let mut users: BTreeMap<&NetworkName, Vec<&ServiceName>> = BTreeMap::new();
    let stack = judge.stack;
    for service in stack.services.values() {
        for endpoint in service.settings.network.endpoints() {
            users.entry(&endpoint.network).or_default().push(&service.name);
        }
    }
    for (key, network) in networks {
        for service in users.get(&network.name).into_iter().flatten() {
            one(key, network, service, judge);
        }
    }
}

fn one(key: &str, network: &Network, service: &ServiceName, judge: &mut Judge<'_>) {
    let Network {
        name,
        external,
        driver,
        driver_opts,
        ipam_driver,
        subnets,
        // They only take away, or name.
        internal: _,
        attachable: _,
        enable_ipv4: _,
        enable_ipv6: _,
        ipam_options: _,
        labels: _,
    } = network;
    let spot = |field| Spot::Network(key.to_owned(), field);
    if name.as_str() == "host" || driver.as_deref() == Some("host") {
        return judge.word(service, Rule::HostNamespaces, "network", &spot("name"), |it| {
            format!("asks for a namespace of the host: {it}")
        });
    }
    if *external || name.as_str() != format!("{}_{key}", judge.name) {
        let word = format!("network={name}");
        judge.word(service, Rule::External, word, &spot("name"), |it| {
            format!("is on a network that is not named after this stack: {it}")
        });
    }
    let mut reaches = |field, word: String| {
        judge.word(service, Rule::Networks, word, &spot(field), |it| {
            format!("asks for a network that reaches into the host's own: {it}")
        });
    };
    if let Some(driver) = driver.as_deref().filter(|it| !["", "bridge", "null"].contains(it)) {
        reaches("driver", format!("driver={driver}"));
    }
    for (option, value) in driver_opts.iter().filter(|(option, value)| !is_usual(option, value)) {
        reaches("driver_opts", format!("{option}={value}"));
    }
    if let Some(driver) = ipam_driver.as_deref().filter(|it| !["", "default"].contains(it)) {
        reaches("ipam", format!("ipam={driver}"));
    }
    for Subnet { subnet, ip_range: _, gateway: _, aux_addresses: _ } in subnets {
        if let Some(subnet) = subnet.as_deref().filter(|it| !is_private(it)) {
            reaches("ipam", format!("subnet={subnet}"));
        }
    }
}

fn is_usual(option: &str, value: &str) -> bool {
    let is_mode = option.starts_with("com.docker.network.bridge.gateway_mode_");
    USUAL_OPTIONS.contains(&option) || (is_mode && ["nat", "isolated"].contains(&value))
}

/// Addresses that lead nowhere outside (RFC 1918, RFC 4193): others are somebody's, and the host would send what
/// is meant for them to the containers.
fn is_private(subnet: &str) -> bool {
    let Some((address, length)) = subnet.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else {
        return false;
    };
    match address {
        IpAddr::V4(v4) => {
            let [a, b, _, _] = v4.octets();
            (a == 10 && length >= 8)
                || (a == 172 && (16..32).contains(&b) && length >= 12)
                || (a == 192 && b == 168 && length >= 16)
        }
        IpAddr::V6(v6) => {
            (v6.segments()[0] & 0xfe00) == 0xfc00 && length >= 7 && !is_metadata(address)
        }
    }
}

/// How a service is on its networks.
pub fn attachment(name: &ServiceName, network: &Attachment, judge: &mut Judge<'_>) {
    for endpoint in network.endpoints() {
        let Endpoint {
            driver_opts,
            // Looked at where it is declared.
            network: _,
            // They count on that network only.
            aliases: _,
            ipv4_address: _,
            ipv6_address: _,
            link_local_ips: _,
            mac_address: _,
            gw_priority: _,
            links: _,
        } = endpoint;
        if let Some(settings) = driver_opts.get(ENDPOINT_SYSCTLS) {
            for setting in settings.split(',') {
                let key = setting.split('=').next().unwrap_or_default().trim().to_owned();
                judge.word(name, Rule::Sysctls, key, &Spot::Key(&["networks"]), |it| {
                    format!("asks to set the kernel's parameter {it}")
                });
            }
        }
    }
}

/// Ports from which the host's own services are expected; whoever listens there is taken for them.
const RESERVED_BELOW: u16 = 1024;

pub fn ports(name: &ServiceName, ports: &[PortBinding], judge: &mut Judge<'_>) {
    let is_listed = !judge.policy.allowed(Rule::Ports).is_empty();
    for PortBinding { target: ExposedPort { port, protocol }, host_ip, published } in ports {
        let (first, last) = published.split_once('-').unwrap_or((published, published));
        let (first, last) = (first.parse().unwrap_or(0), last.parse().unwrap_or(0));
        // Without a list, only what the host's own services have.
        if !is_listed && (first >= RESERVED_BELOW || last == 0) {
            continue;
        }
        let (address, protocol) = (host_ip.clone(), protocol.to_string());
        let value = Value::Port(Port { address: address.clone(), first, last, protocol });
        let spot = Spot::Port { address, published: published.clone(), target: *port };
        judge.find(Some(name), Rule::Ports, &value, &spot, |it| {
            format!("publishes the port {it} of the host")
        });
    }
}

/// Where clouds tell a machine its credentials.
const METADATA: [&str; 5] =
    ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"];

fn is_metadata(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    // 169.254.169.254 and its likes: all of what is valid on one link.
    let is_link_local = matches!(address, IpAddr::V4(v4) if Ipv4Addr::is_link_local(&v4));
    is_link_local || METADATA.iter().any(|known| known.parse() == Ok(address))
}

/// A probe is asked from the host, and what is answered is told: so it must not lead where this machine's
/// credentials are. Where a name leads can change.
pub fn probe(name: &ServiceName, probe: Option<&Probe>, judge: &mut Judge<'_>) {
    let Some(Probe { host: ProbeHost::At(host), port: _, question: _, hidden: _ }) = probe else {
        return;
    };
    let bare = host.trim_matches(['[', ']']);
    let is_fine = match bare.parse() {
        Ok(address) => !is_metadata(address),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    if !is_fine {
        let spot = Spot::Key(&["x-evenkeel.probe.http", "x-evenkeel.probe.tcp"]);
        judge.word(name, Rule::ExtraHosts, bare, &spot, |it| {
            format!("has {it} asked from this host, and tells what it answers")
        });
    }
}

pub fn extra_hosts(name: &ServiceName, hosts: &[String], judge: &mut Judge<'_>) {
    for entry in hosts {
        let Some((_, address)) = entry.split_once(':') else { continue };
        if address.parse().is_ok_and(is_metadata) {
            let spot = Spot::Entry("extra_hosts", address.to_owned());
            judge.word(name, Rule::ExtraHosts, address, &spot, |it| {
                format!("gives a name to an address that a cloud answers at: {it}")
            });
        }
    }
}
