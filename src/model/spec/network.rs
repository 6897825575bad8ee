//! Which networks a container is on.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::NetworkName;

/// How a container is attached to the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// `HostConfig.NetworkMode` without networks of the stack: `none`, `host`, `bridge`, `container:<id>`.
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
}
