//! Networks: which there are, who is attached, and what the engine refuses. Addresses are in
//! [`super::addresses`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::addresses::Range;
use super::world::{AttachmentRecord, Host, NetworkRecord};
use crate::engine::{ContainerRef, ContainerRequest, EngineError, Labels};
use crate::model::spec::{Attachment, Endpoint};
use crate::model::stack::Network;
use crate::model::{ContainerId, ContainerName, NetworkId, NetworkName};

/// What every engine has.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

impl AttachmentRecord {
    pub(super) fn wanted(endpoint: &Endpoint, more: &[String]) -> Self {
        Self {
            id: None,
            aliases: endpoint.aliases.iter().chain(more).cloned().collect(),
            asked: Some(endpoint.clone()),
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

    /// Makes a network where there is none of that name; of two the first stays.
    pub(super) fn ensure_network(
        &mut self,
        network: &Network,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        let before = self.networks.clone();
        self.make_network(network, labels)?;
        if before.values().any(|one| one.network.name == network.name) {
            self.networks = before;
        }
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
        let network = self.find_network(&endpoint.network);
        let is_known = self.attached_by_now(&id).contains(&endpoint.network);
        let container = self.container_mut(wanted)?;
        let runs = container.life.is_active();
        if let Attachment::Mode(mode) = &container.settings.network {
            check_mode(mode, runs, network.is_ok())?;
        }
        let mut more = extra_aliases.to_vec();
        more.push(id.short().to_owned());
        let mut record = AttachmentRecord::wanted(endpoint, &more);
        match (runs, is_known) {
            // The engine looks for the network when the container starts.
            (false, false) => {}
            (false, true) => return Ok(()),
            (true, _) if container.attached.contains_key(&endpoint.network) => {
                let name = &endpoint.network;
                let text = format!("endpoint with name {wanted} already exists in network {name}");
                return Err(EngineError::Conflict(text));
            }
            (true, _) => {
                let network = network?;
                record.address = self.address(&id, &network, &record)?;
                record.id = Some(network);
            }
        }
        self.container_mut(wanted)?.attached.insert(endpoint.network.clone(), record);
        Ok(())
    }

    /// The networks that a container is attached to and that are there.
    fn attached_by_now(&self, id: &ContainerId) -> BTreeSet<NetworkName> {
        let attached = self.containers.get(id).into_iter().flat_map(|one| &one.attached);
        let is_there = |(name, place): &(&NetworkName, &AttachmentRecord)| match &place.id {
            Some(id) => self.networks.contains_key(id),
            None => self.find_network(name).is_ok(),
        };
        attached.filter(is_there).map(|(name, _)| name.clone()).collect()
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

    /// Gives a container its places on its networks, the one it was created on first. Up to the first that
    /// refuses it, it knows which they are.
    pub(super) fn take_places(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let Some(container) = self.containers.get(id) else { return Ok(()) };
        let first = container.settings.network.endpoints().first().map(|one| one.network.clone());
        let mut attached: Vec<_> = container.attached.clone().into_iter().collect();
        attached.sort_by_key(|(name, _)| Some(name) != first.as_ref());
        for (name, place) in attached {
            let (name, network, address) = self.place(id, name, &place)?;
            let Some(container) = self.by_id_mut(id) else { return Ok(()) };
            let attachment = container.attached.entry(name).or_default();
            (attachment.id, attachment.address) = (Some(network), address);
        }
        Ok(())
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

    /// `container:<id>` needs that container, running, whatever is shared with it.
    pub(super) fn check_joined_network(&self, id: &ContainerId) -> Result<(), EngineError> {
        let settings = self.containers.get(id).map(|one| one.settings.clone()).unwrap_or_default();
        let joined = settings.shared().into_iter();
        let mut joined = joined.filter_map(|(_, words)| words.strip_prefix("container:"));
        joined.try_for_each(|other| self.check_joined(other))
    }

    fn check_joined(&self, other: &str) -> Result<(), EngineError> {
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

/// Whether a container with this network mode can be attached to one more network.
fn check_mode(mode: &str, runs: bool, is_there: bool) -> Result<(), EngineError> {
    match (mode.starts_with("container:"), runs, is_there) {
        _ if mode == "bridge" => Ok(()),
        // What is stopped is looked at again when it starts; of what runs, the network is looked for first.
        (true, false, true) | (false, _, false) => Ok(()),
        // Docker 20.10 stumbles over the list of networks that such a container has not.
        (true, false, false) => {
            let text = "connection closed before message completed";
            Err(EngineError::Unreachable(text.into()))
        }
        (true, true, _) | (false, _, true) => {
            let text = "container sharing network namespace with another container or host cannot be connected to any other network";
            Err(EngineError::Refused(text.into()))
        }
    }
}

/// A network as `docker network create` makes it.
pub(super) fn plain_network(name: &str) -> Network {
    let driver = matches!(name, "host" | "none")
        .then(|| if name == "none" { "null" } else { name }.to_owned());
    Network { driver, ..Network::plain(NetworkName::new(name)) }
}

/// Where a new container is attached: the default bridge if nothing is said.
pub(super) fn attachments(
    request: &ContainerRequest,
    id: &ContainerId,
) -> BTreeMap<NetworkName, AttachmentRecord> {
    let own = [request.own_alias.to_string(), id.short().to_owned()];
    match &request.settings.network {
        Attachment::Mode(mode) if mode.starts_with("container:") => BTreeMap::new(),
        Attachment::Mode(mode) => {
            let mode = if mode == "default" { "bridge" } else { mode };
            BTreeMap::from([(NetworkName::new(mode), AttachmentRecord::default())])
        }
        Attachment::Networks(endpoints) if endpoints.is_empty() => {
            BTreeMap::from([(NetworkName::new("bridge"), AttachmentRecord::default())])
        }
        Attachment::Networks(endpoints) => endpoints
            .iter()
            .map(|endpoint| (endpoint.network.clone(), AttachmentRecord::wanted(endpoint, &own)))
            .collect(),
    }
}
