//! Host ports: who holds which.

use std::collections::BTreeSet;

use super::world::Host;
use crate::engine::EngineError;
use crate::model::ContainerId;
use crate::model::spec::{Attachment, PortBinding, Protocol};

/// A port of the host, on one of its addresses or on all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostPort {
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// Empty for all.
    pub(super) ip: String,
}

/// Where the kernel's own choices begin.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

impl HostPort {
    fn overlaps(&self, other: &Self) -> bool {
        self.port == other.port && self.protocol == other.protocol && covers(&self.ip, &other.ip)
    }
}

/// Whether two host addresses can be the same: empty is all, `0.0.0.0` all of IPv4, `::` all of IPv6.
fn covers(one: &str, other: &str) -> bool {
    let v6 = |ip: &str| ip.contains(':');
    let wild = |ip: &str| ip == "0.0.0.0" || ip == "::";
    one.is_empty()
        || other.is_empty()
        || one == other
        || (v6(one) == v6(other) && (wild(one) || wild(other)))
}

impl Host {
    /// The host ports a container gets when it starts now.
    pub(super) fn claim_ports(&self, id: &ContainerId) -> Result<BTreeSet<HostPort>, EngineError> {
        let Some(container) = self.containers.get(id) else { return Ok(BTreeSet::new()) };
        if matches!(&container.settings.network, Attachment::Mode(mode) if mode != "bridge") {
            return Ok(BTreeSet::new());
        }
        let mut claimed = BTreeSet::new();
        for binding in &container.settings.ports {
            claimed.insert(self.claim_port(id, binding, &claimed)?);
        }
        Ok(claimed)
    }

    fn claim_port(
        &self,
        id: &ContainerId,
        binding: &PortBinding,
        claimed: &BTreeSet<HostPort>,
    ) -> Result<HostPort, EngineError> {
        candidates(&binding.published)?
            .map(|port| HostPort {
                port,
                protocol: binding.target.protocol,
                ip: binding.host_ip.clone(),
            })
            .find(|port| {
                !claimed.iter().any(|other| other.overlaps(port)) && self.is_free(id, port)
            })
            .ok_or_else(|| {
                let ip = if binding.host_ip.is_empty() { "0.0.0.0" } else { &binding.host_ip };
                EngineError::PortTaken(format!(
                    "Bind for {ip}:{} failed: port is already allocated",
                    binding.published
                ))
            })
    }

    fn is_free(&self, id: &ContainerId, port: &HostPort) -> bool {
        let others = self.containers.values().filter(|container| container.id != *id);
        !others
            .flat_map(|container| &container.ports)
            .chain(&self.occupied)
            .any(|held| held.overlaps(port))
    }
}

/// The host ports that `published` allows: one, a range, or any.
pub(super) fn candidates(published: &str) -> Result<std::ops::RangeInclusive<u16>, EngineError> {
    if published.is_empty() {
        return Ok(EPHEMERAL);
    }
    let (first, last) = published.split_once('-').unwrap_or((published, published));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => {
            Err(EngineError::Refused(format!("invalid port specification: \"{published}\"")))
        }
    }
}
