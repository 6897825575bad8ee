//! Subnets and addresses: who has which, and which is next.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::world::{AttachmentRecord, Host, NetworkRecord};
use crate::engine::EngineError;
use crate::model::{ContainerId, NetworkId};

/// A subnet of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    base: u32,
    bits: u32,
}

impl Range {
    /// Reads CIDR; `None` for anything else, IPv6 too.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let address: Ipv4Addr = address.parse().ok()?;
        let base = u64::from(u32::from(address)) >> (32 - bits) << (32 - bits);
        Some(Self { base: u32::try_from(base).ok()?, bits })
    }

    fn last(self) -> u32 {
        self.base | u32::try_from((1_u64 << (32 - self.bits)) - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.base <= other.last() && other.base <= self.last()
    }

    fn contains(self, address: Ipv4Addr) -> bool {
        (self.base..=self.last()).contains(&u32::from(address))
    }

    /// Addresses for containers, lowest first: after the gateway's, before the broadcast.
    fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.base.saturating_add(2)..self.last()).map(Ipv4Addr::from)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

impl NetworkRecord {
    /// Where containers' addresses come from.
    fn pool(&self) -> Range {
        let given = self.network.subnets.iter().find_map(|one| one.ip_range.as_deref());
        given.and_then(Range::parse).unwrap_or(self.subnet)
    }

    fn gateways(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.network.subnets.iter().filter_map(|one| one.gateway.as_deref()?.parse().ok())
    }
}

impl Host {
    /// The first of the engine's own pools that nobody has.
    pub(super) fn free_subnet(&self) -> Range {
        (17..=255)
            .map(|second| Range { base: u32::from(Ipv4Addr::new(172, second, 0, 0)), bits: 16 })
            .find(|range| !self.networks.values().any(|other| other.subnet.overlaps(*range)))
            .unwrap_or(Range { base: 0, bits: 32 })
    }

    /// The address asked for, or the lowest free one.
    pub(super) fn address(
        &self,
        id: &ContainerId,
        network: &NetworkId,
        place: &AttachmentRecord,
    ) -> Result<Option<Ipv4Addr>, EngineError> {
        let Some(record) = self.networks.get(network) else { return Ok(None) };
        if matches!(record.network.name.as_str(), "host" | "none") {
            return Ok(None);
        }
        let mut used = self.used_addresses(id, network);
        used.extend(record.gateways());
        let Some(wanted) = place.asked.as_ref().and_then(|asked| asked.ipv4_address.as_ref())
        else {
            let reserved = record.pool().hosts().find(|address| !used.contains(address));
            let none = || EngineError::Other("no available IPv4 addresses on this network".into());
            return reserved.ok_or_else(none).map(Some);
        };
        if record.network.subnets.is_empty() {
            let text = "user specified IP address is supported only when connecting to networks with user configured subnets";
            return Err(EngineError::Refused(text.into()));
        }
        let address = wanted.parse().ok().filter(|address| record.subnet.contains(*address));
        match address {
            None => Err(EngineError::Refused(format!(
                "invalid address {wanted}: no configured subnet contains it"
            ))),
            Some(address) if used.contains(&address) => {
                Err(EngineError::Conflict("Address already in use".into()))
            }
            Some(address) => Ok(Some(address)),
        }
    }

    fn used_addresses(&self, id: &ContainerId, network: &NetworkId) -> BTreeSet<Ipv4Addr> {
        let others = self.containers.values().filter(|one| one.id != *id);
        others
            .flat_map(|one| one.attached.values())
            .filter(|place| place.id.as_ref() == Some(network))
            .filter_map(|place| place.address)
            .collect()
    }
}
