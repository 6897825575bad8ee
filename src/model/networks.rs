//! A network of a stack, as it is asked for.

use std::collections::BTreeMap;

use super::NetworkName;

/// A network of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name at the engine.
    pub name: NetworkName,
    /// Made by someone else; never created, changed or removed here.
    pub external: bool,
    /// `bridge` where nothing is written.
    pub driver: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// No way out of the host.
    pub internal: bool,
    /// Containers that no stack describes may attach (overlay networks).
    pub attachable: bool,
    /// IPv4 addresses; `None` is the engine's default, which is to have them.
    pub enable_ipv4: Option<bool>,
    /// IPv6 addresses too.
    pub enable_ipv6: bool,
    /// `ipam.driver`; `None` is the engine's own.
    pub ipam_driver: Option<String>,
    /// Options of the address management.
    pub ipam_options: BTreeMap<String, String>,
    /// Subnets; empty lets the engine choose.
    pub subnets: Vec<Subnet>,
    /// The manifest's labels.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// A network of which only the name is said.
    pub fn plain(name: NetworkName) -> Self {
        Self {
            name,
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            internal: false,
            attachable: false,
            enable_ipv4: None,
            enable_ipv6: false,
            ipam_driver: None,
            ipam_options: BTreeMap::new(),
            subnets: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// One entry of `ipam.config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// CIDR.
    pub subnet: Option<String>,
    /// Addresses containers get, CIDR.
    pub ip_range: Option<String>,
    /// The gateway's address.
    pub gateway: Option<String>,
    /// Addresses that no container gets, by name.
    pub aux_addresses: BTreeMap<String, String>,
}
