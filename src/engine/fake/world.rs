//! What the host has: containers, networks, volumes, images, and the clock. What happens to them is in the
//! files beside this one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::addresses::Range;
use super::behaviour::ImageBehaviour;
use super::faults::Faults;
use super::life::Life;
use super::ports::HostPort;
use super::scenes::Scene;
use crate::engine::{ContainerRef, EngineError, Labels};
use crate::model::observed::{EngineDefaults, EngineInfo};
use crate::model::spec::Endpoint;
use crate::model::stack::Network;
use crate::model::{
    ContainerId, ContainerLabels, ContainerName, ContainerSpec, Digest, ImageId, ImageRef,
    NetworkId, NetworkName, VolumeName,
};

/// The host. `Clone` is a snapshot.
#[derive(Clone)]
pub(super) struct Host {
    born: Instant,
    made: u64,
    pub(super) info: EngineInfo,
    pub(super) defaults: EngineDefaults,
    pub(super) registry: BTreeMap<Digest, RegistryImage>,
    pub(super) registry_down: bool,
    pub(super) images: BTreeMap<ImageId, HostImage>,
    /// The size of the disk in bytes; `None` where it is another host's.
    pub(super) disk: Option<u64>,
    /// What else lies on it, in bytes: containers, volumes, logs.
    pub(super) elsewhere: u64,
    /// Bytes of the build cache.
    pub(super) build_cache: u64,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    pub(super) networks: BTreeMap<NetworkId, NetworkRecord>,
    pub(super) volumes: BTreeMap<VolumeName, VolumeRecord>,
    /// Ports that programs outside Docker listen on.
    pub(super) occupied: BTreeSet<HostPort>,
    pub(super) faults: Faults,
    /// What it looked like after each call, where somebody wants to know.
    pub(super) scenes: Option<Vec<Scene>>,
}

/// What can be pulled.
#[derive(Clone)]
pub(super) struct RegistryImage {
    pub(super) reference: ImageRef,
    pub(super) id: ImageId,
    pub(super) behaviour: ImageBehaviour,
}

/// What is pulled.
#[derive(Clone)]
pub(super) struct HostImage {
    pub(super) tags: Vec<String>,
    pub(super) digests: Vec<String>,
    pub(super) behaviour: ImageBehaviour,
}

/// A container.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) id: ContainerId,
    pub(super) name: ContainerName,
    pub(super) image: String,
    pub(super) image_id: ImageId,
    pub(super) labels: ContainerLabels,
    pub(super) created_at: Duration,
    /// The settings with what the image brings along.
    pub(super) settings: ContainerSpec,
    pub(super) behaviour: ImageBehaviour,
    pub(super) attached: BTreeMap<NetworkName, AttachmentRecord>,
    /// Volumes by target, anonymous ones too.
    pub(super) volumes: BTreeMap<String, VolumeName>,
    pub(super) anonymous: BTreeSet<String>,
    /// Host ports it holds while it runs.
    pub(super) ports: BTreeSet<HostPort>,
    pub(super) logs: Vec<String>,
    pub(super) life: Life,
    /// What it last showed of its settings; whoever changes it takes it away.
    pub(super) shown: OnceLock<Arc<ContainerSpec>>,
}

/// A container's place on a network.
#[derive(Clone, Default)]
pub(super) struct AttachmentRecord {
    /// Unknown until the first start, as at the engine.
    pub(super) id: Option<NetworkId>,
    pub(super) aliases: BTreeSet<String>,
    /// What was asked for, addresses and links among it; nothing for what the engine attaches by itself.
    pub(super) asked: Option<Endpoint>,
    pub(super) address: Option<Ipv4Addr>,
}

/// A network.
#[derive(Clone)]
pub(super) struct NetworkRecord {
    pub(super) network: Network,
    pub(super) labels: Labels,
    /// Subnet, as given or chosen.
    pub(super) subnet: Range,
}

/// A volume.
#[derive(Clone, Default)]
pub(super) struct VolumeRecord {
    pub(super) driver: Option<String>,
    pub(super) driver_opts: BTreeMap<String, String>,
    pub(super) labels: Labels,
    /// Containers that were started with it, one entry per start.
    pub(super) writers: Vec<ContainerId>,
}

/// 2026-01-01T00:00:00Z, when every host is born.
const BIRTH: i64 = 1_767_225_600;

impl Host {
    pub(super) fn new() -> Self {
        let mut host = Self {
            born: Instant::now(),
            made: 0,
            info: EngineInfo {
                version: "28.0.0".into(),
                api_version: "1.48".into(),
                os: "linux".into(),
                architecture: "amd64".into(),
            },
            defaults: EngineDefaults {
                log_driver: "json-file".into(),
                runtime: Some("runc".into()),
                cgroup: Some("private".into()),
                host_name: "fake".into(),
                ..EngineDefaults::default()
            },
            registry: BTreeMap::new(),
            registry_down: false,
            images: BTreeMap::new(),
            disk: None,
            elsewhere: 0,
            build_cache: 0,
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            occupied: BTreeSet::new(),
            faults: Faults::default(),
            scenes: None,
        };
        host.add_predefined_networks();
        host
    }

    /// Time since the host was born.
    pub(super) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.born)
    }

    /// 64 hex digits, never given before; the first twelve are enough to tell them apart.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        format!("{:012x}{:052x}", self.made, self.made)
    }

    pub(super) fn find(&self, wanted: &ContainerRef) -> Option<&Container> {
        match wanted {
            ContainerRef::Id(id) => self.containers.get(id),
            ContainerRef::Name(name) => self.containers.values().find(|one| one.name == *name),
        }
    }

    pub(super) fn id_of(&self, wanted: &ContainerRef) -> Result<ContainerId, EngineError> {
        self.find(wanted)
            .map(|container| container.id.clone())
            .ok_or_else(|| EngineError::NotFound(format!("No such container: {wanted}")))
    }

    pub(super) fn container_mut(
        &mut self,
        wanted: &ContainerRef,
    ) -> Result<&mut Container, EngineError> {
        let id = self.id_of(wanted)?;
        self.by_id_mut(&id)
            .ok_or_else(|| EngineError::NotFound(format!("No such container: {wanted}")))
    }

    /// The one way to change a container.
    pub(super) fn by_id_mut(&mut self, id: &ContainerId) -> Option<&mut Container> {
        let container = self.containers.get_mut(id)?;
        container.shown.take();
        Some(container)
    }

    /// The name behind a reference, for the log of calls.
    pub(super) fn name_of(&self, wanted: &ContainerRef) -> String {
        self.find(wanted)
            .map_or_else(|| wanted.as_str().to_owned(), |container| container.name.to_string())
    }
}

/// A moment of the host's life as a date.
pub(super) fn timestamp(since_birth: Duration) -> Timestamp {
    Timestamp::from_second(BIRTH)
        .and_then(|birth| birth.checked_add(since_birth))
        .unwrap_or(Timestamp::MAX)
}
