//! What only one container can have at a time: what stands against starting a new one beside the old one.

use std::fmt;

use super::{Attachment, ContainerSpec, MountSource};
use crate::model::spec::Endpoint;

/// Something that two containers of a service cannot have, or should not have, at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Single {
    /// A port of the host, as written.
    Port(String),
    /// The host's own network.
    HostNetwork,
    /// The network or a namespace of another container, by this key.
    Shared(&'static str),
    /// An address of its own on this network, as written.
    Address(String),
    /// What is mounted there can be written to.
    Writable(String),
    /// A volume without a name is mounted there, and follows the container.
    Anonymous(String),
    /// The volumes of another container, writable.
    VolumesFrom(String),
}

impl Single {
    /// The manifest's key it comes from.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Port(_) => "ports",
            Self::HostNetwork => "network_mode",
            Self::Shared(key) => key,
            Self::Address(_) => "networks",
            Self::Writable(_) | Self::Anonymous(_) => "volumes",
            Self::VolumesFrom(_) => "volumes_from",
        }
    }

    /// Whether it is about data that two would write.
    pub fn is_data(&self) -> bool {
        match self {
            Self::Writable(_) | Self::Anonymous(_) | Self::VolumesFrom(_) => true,
            Self::Port(_) | Self::HostNetwork | Self::Shared(_) | Self::Address(_) => false,
        }
    }

    /// The same without what the manifest says of it, where that may not be shown.
    pub fn hidden(&self) -> &'static str {
        match self {
            Self::Port(_) => "host port",
            Self::HostNetwork => "the host's network",
            Self::Shared(_) => "the network of another container",
            Self::Address(_) => "address",
            Self::Writable(_) => "writable",
            Self::Anonymous(_) => "anonymous volume",
            Self::VolumesFrom(_) => "writable volumes of another container",
        }
    }
}

impl fmt::Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.hidden();
        match self {
            Self::Port(what)
            | Self::Address(what)
            | Self::Writable(what)
            | Self::Anonymous(what)
            | Self::VolumesFrom(what) => write!(f, "{words} {what}"),
            Self::HostNetwork => f.write_str(words),
            Self::Shared(key) => write!(f, "{words} (`{key}`)"),
        }
    }
}

impl ContainerSpec {
    /// All that two containers with these settings could not have side by side.
    pub fn singles(&self) -> Vec<Single> {
        let is_fixed = |published: &str| !matches!(published, "" | "0");
        let ports = self.ports.iter().filter(|port| is_fixed(&port.published));
        let ports = ports.map(|port| Single::Port(port.published.clone()));
        let in_host = matches!(&self.network, Attachment::Mode(mode) if mode == "host");
        let shared = self.shared().into_iter().map(|(key, _)| Single::Shared(key));
        let endpoints = self.network.endpoints().iter();
        let addresses = endpoints.filter(|endpoint| endpoint.has_own_address()).map(address);
        let volumes = self.volumes_from.iter().filter(|volumes| !volumes.read_only);
        let volumes = volumes.map(|volumes| Single::VolumesFrom(volumes.from.clone()));
        ports
            .chain(in_host.then_some(Single::HostNetwork))
            .chain(shared)
            .chain(addresses)
            .chain(self.written())
            .chain(volumes)
            .collect()
    }

    /// What it mounts and may write to.
    fn written(&self) -> impl Iterator<Item = Single> {
        let writable = self.mounts.iter().filter(|mount| !mount.read_only);
        writable.filter_map(|mount| match &mount.source {
            MountSource::Bind { .. } | MountSource::Volume { .. } => {
                Some(Single::Writable(mount.target.clone()))
            }
            MountSource::Anonymous => Some(Single::Anonymous(mount.target.clone())),
            // What a container writes there is its own, as are its other files.
            MountSource::Image { .. } => None,
        })
    }
}

fn address(endpoint: &Endpoint) -> Single {
    let written = endpoint.ipv4_address.as_ref().or(endpoint.ipv6_address.as_ref());
    let written = written.or(endpoint.mac_address.as_ref()).or(endpoint.link_local_ips.first());
    Single::Address(written.cloned().unwrap_or_default())
}
