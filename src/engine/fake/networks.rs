//! Networks: their addresses, who is attached, and what the engine refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::world::{AttachmentRecord, Host, NetworkRecord};
use crate::engine::{ContainerRef, EngineError, Labels};
use crate::model::spec::{Attachment, Endpoint};
use crate::model::stack::Network;
use crate::model::{ContainerId, ContainerName, NetworkId, NetworkName};

/// A subnet of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    base: u32,
    bits: u32,
}

/// What every engine has.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

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

    fn overlaps(self, other: Self) -> bool {
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

impl AttachmentRecord {
    pub(super) fn wanted(endpoint: &Endpoint, more: &[String]) -> Self {
        Self {
            id: None,
            aliases: endpoint.aliases.iter().chain(more).cloned().collect(),
            wanted: endpoint.ipv4_address.clone(),
            wanted_v6: endpoint.ipv6_address.clone(),
            address: None,
        }
    }
}

impl Host {
    pub(super) fn add_predefined_networks(&mut self) {
        for name in PREDEFINED {
            let network = plain_network(name);
            let id = NetworkId::new(self.new_id());
            let subnet = self.free_subnet();
            self.networks.insert(id, NetworkRecord { network, labels: Labels::new(), subnet });
        }
    }

    /// The first of the engine's own pools that nobody has.
    fn free_subnet(&self) -> Range {
        (17..=255)
            .map(|second| Range { base: u32::from(Ipv4Addr::new(172, second, 0, 0)), bits: 16 })
            .find(|range| !self.networks.values().any(|other| other.subnet.overlaps(*range)))
            .unwrap_or(Range { base: 0, bits: 32 })
    }

    pub(super) fn make_network(
        &mut self,
        network: &Network,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        if PREDEFINED.contains(&network.name.as_str()) {
            let name = &network.name;
            let text = format!("operation is not permitted on predefined {name} network");
            return Err(EngineError::Refused(text));
        }
        let given =
            network.subnets.iter().find_map(|subnet| Range::parse(subnet.subnet.as_deref()?));
        if given.is_some_and(|range| self.networks.values().any(|one| one.subnet.overlaps(range))) {
            let text = "Pool overlaps with other one on this address space";
            return Err(EngineError::Other(text.into()));
        }
        let subnet = given.unwrap_or_else(|| self.free_subnet());
        let id = NetworkId::new(self.new_id());
        let record = NetworkRecord { network: network.clone(), labels: labels.clone(), subnet };
        self.networks.insert(id, record);
        Ok(())
    }

    /// The one network of that name; two of a name cannot be told apart.
    pub(super) fn find_network(&self, name: &NetworkName) -> Result<NetworkId, EngineError> {
        let mut found = self.networks.iter().filter(|(_, one)| one.network.name == *name);
        match (found.next(), found.next()) {
            (None, _) => Err(EngineError::NotFound(format!("network {name} not found"))),
            (Some((id, _)), None) => Ok(id.clone()),
            (Some(_), Some(_)) => Err(EngineError::Refused(format!(
                "network {name} is ambiguous (2 matches found on name)"
            ))),
        }
    }

    pub(super) fn drop_network(&mut self, name: &NetworkName) -> Result<(), EngineError> {
        let id = self.find_network(name)?;
        if PREDEFINED.contains(&name.as_str()) {
            let text = format!("{name} is a pre-defined network and cannot be removed");
            return Err(EngineError::Refused(text));
        }
        let in_use = self.containers.values().any(|container| {
            container.life.has_process()
                && container.attached.values().any(|place| place.id.as_ref() == Some(&id))
        });
        if in_use {
            let text = format!("error while removing network: network {name} has active endpoints");
            return Err(EngineError::Conflict(text));
        }
        self.networks.remove(&id);
        Ok(())
    }

    pub(super) fn attach(
        &mut self,
        wanted: &ContainerRef,
        endpoint: &Endpoint,
        extra_aliases: &[String],
    ) -> Result<(), EngineError> {
        let id = self.id_of(wanted)?;
        let network = self.find_network(&endpoint.network)?;
        let container = self.container_mut(wanted)?;
        if matches!(&container.settings.network, Attachment::Mode(mode) if mode != "bridge") {
            let text = "container sharing network namespace with another container or host cannot be connected to any other network";
            return Err(EngineError::Refused(text.into()));
        }
        if container.attached.contains_key(&endpoint.network) {
            let name = &endpoint.network;
            let text = format!("endpoint with name {wanted} already exists in network {name}");
            return Err(EngineError::Conflict(text));
        }
        let mut more = extra_aliases.to_vec();
        more.push(id.short().to_owned());
        let mut record = AttachmentRecord::wanted(endpoint, &more);
        if container.life.has_process() {
            record.address = self.address(&id, &network, &record)?;
        }
        record.id = Some(network);
        self.container_mut(wanted)?.attached.insert(endpoint.network.clone(), record);
        Ok(())
    }

    pub(super) fn detach(
        &mut self,
        wanted: &ContainerRef,
        network: &NetworkName,
    ) -> Result<(), EngineError> {
        let container = self.container_mut(wanted)?;
        match container.attached.remove(network) {
            Some(_) => Ok(()),
            None => Err(EngineError::Other(format!(
                "container {wanted} is not connected to network {network}"
            ))),
        }
    }

    /// Where a container stands on its networks when it starts now.
    pub(super) fn places(
        &self,
        id: &ContainerId,
    ) -> Result<Vec<(NetworkName, NetworkId, Option<Ipv4Addr>)>, EngineError> {
        let attached = self.containers.get(id).map(|one| one.attached.clone()).unwrap_or_default();
        attached.into_iter().map(|(name, place)| self.place(id, name, &place)).collect()
    }

    fn place(
        &self,
        id: &ContainerId,
        name: NetworkName,
        place: &AttachmentRecord,
    ) -> Result<(NetworkName, NetworkId, Option<Ipv4Addr>), EngineError> {
        let network = match &place.id {
            None => self.find_network(&name)?,
            Some(gone) if !self.networks.contains_key(gone) => {
                return Err(EngineError::NotFound(format!("network {gone} not found")));
            }
            Some(known) => known.clone(),
        };
        let address = self.address(id, &network, place)?;
        Ok((name, network, address))
    }

    /// The address asked for, or the lowest free one.
    fn address(
        &self,
        id: &ContainerId,
        network: &NetworkId,
        place: &AttachmentRecord,
    ) -> Result<Option<Ipv4Addr>, EngineError> {
        let Some(record) = self.networks.get(network) else { return Ok(None) };
        if matches!(record.network.name.as_str(), "host" | "none") {
            return Ok(None);
        }
        let used = self.used_addresses(id, network);
        let Some(wanted) = &place.wanted else {
            let reserved = self.pool(record).hosts().find(|address| !used.contains(address));
            let none = || EngineError::Other("no available IPv4 addresses on this network".into());
            return reserved.ok_or_else(none).map(Some);
        };
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

    fn pool(&self, record: &NetworkRecord) -> Range {
        let given = record.network.subnets.iter().find_map(|one| one.ip_range.as_deref());
        given.and_then(Range::parse).unwrap_or(record.subnet)
    }

    fn used_addresses(&self, id: &ContainerId, network: &NetworkId) -> BTreeSet<Ipv4Addr> {
        let others = self.containers.values().filter(|one| one.id != *id);
        others
            .flat_map(|one| one.attached.values())
            .filter(|place| place.id.as_ref() == Some(network))
            .filter_map(|place| place.address)
            .collect()
    }

    /// `container:<id>` needs that container, running.
    pub(super) fn check_joined_network(&self, id: &ContainerId) -> Result<(), EngineError> {
        let mode = self.containers.get(id).map(|one| &one.settings.network);
        let Some(Attachment::Mode(mode)) = mode else { return Ok(()) };
        let Some(other) = mode.strip_prefix("container:") else { return Ok(()) };
        let by_id = self.find(&ContainerRef::Id(ContainerId::new(other)));
        match by_id.or_else(|| self.find(&ContainerRef::Name(ContainerName::new(other)))) {
            None => Err(EngineError::NotFound(format!("No such container: {other}"))),
            Some(found) if !found.life.has_process() => Err(EngineError::Conflict(format!(
                "cannot join network of a non running container: {other}"
            ))),
            Some(_) => Ok(()),
        }
    }
}

/// A network as `docker network create` makes it.
pub(super) fn plain_network(name: &str) -> Network {
    Network {
        name: NetworkName::new(name),
        external: false,
        driver: matches!(name, "host" | "none")
            .then(|| if name == "none" { "null" } else { name }.to_owned()),
        driver_opts: BTreeMap::new(),
        internal: false,
        attachable: false,
        enable_ipv6: false,
        subnets: Vec::new(),
        labels: BTreeMap::new(),
    }
}
