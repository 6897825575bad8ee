//! Which networks a container is on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::NetworkName;

/// How a container is attached to the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// `HostConfig.NetworkMode` without networks of the stack: `none`, `host`, `bridge`; or the network of
    /// another container ([`super::Peer`]), which is `container:<id>` at the engine.
    Mode(String),
    /// Networks by their name at the engine, the primary one first.
    Networks(Vec<Endpoint>),
}

impl Default for Attachment {
    fn default() -> Self {
        Self::Networks(Vec::new())
    }
}

impl Attachment {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The endpoints; none for a network mode.
    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            Self::Mode(_) => &[],
            Self::Networks(endpoints) => endpoints,
        }
    }
}

/// One network of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// The network.
    pub network: NetworkName,
    /// Names under which others on this network find it: the service's name and what the manifest adds.
    /// The container's own name is added at create; short ids that the engine adds are left out.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub aliases: BTreeSet<String>,
    /// `IPAMConfig.IPv4Address`, only when the manifest sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// `IPAMConfig.IPv6Address`, only when the manifest sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
    /// `IPAMConfig.LinkLocalIPs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
    /// `MacAddress`, only when the manifest sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// `GwPriority`: the network with the highest leads out; 0 is the engine's default.
    #[serde(skip_serializing_if = "is_zero")]
    pub gw_priority: i64,
    /// `DriverOpts`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// `Links`: `container:alias`, names that this container alone knows others by.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Endpoint {
    /// The driver's option that names the interface in the container.
    pub const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

    /// An endpoint of which only the network is said.
    pub fn plain(network: NetworkName) -> Self {
        Self {
            network,
            aliases: BTreeSet::new(),
            ipv4_address: None,
            ipv6_address: None,
            link_local_ips: Vec::new(),
            mac_address: None,
            gw_priority: 0,
            driver_opts: BTreeMap::new(),
            links: BTreeSet::new(),
        }
    }

    /// Whether it asks for an address of its own, which no other container can have beside it.
    pub fn has_own_address(&self) -> bool {
        self.ipv4_address.is_some()
            || self.ipv6_address.is_some()
            || self.mac_address.is_some()
            || !self.link_local_ips.is_empty()
    }
}
