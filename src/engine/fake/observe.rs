//! The host as `inspect` and the lists show it, and as text for comparing hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::world::{AttachmentRecord, Container, Host, VolumeRecord, timestamp};
use crate::engine::ContainerRef;
use crate::model::observed::{
    AttachedNetwork, EngineVersion, ForeignContainer, ObservedContainer, ObservedImage,
    ObservedNetwork, ObservedVolume,
};
use crate::model::spec::{Attachment, Endpoint, MountSource};
use crate::model::stack::Subnet;
use crate::model::{
    ContainerId, ContainerSpec, NetworkName, ObservedState, StackName, VolumeName, labels,
};

impl Host {
    pub(super) fn observe(&self, stacks: &[StackName]) -> ObservedState {
        let (own, foreign): (Vec<_>, Vec<_>) =
            self.containers.values().partition(|container| container.is_own(stacks));
        ObservedState {
            engine: EngineVersion {
                release: self.info.version.clone(),
                api: self.info.api_version.clone(),
            },
            containers: own.into_iter().map(|container| self.show(container)).collect(),
            foreign: foreign.into_iter().map(Container::list).collect(),
            networks: self.list_networks(),
            volumes: self.list_volumes(),
            images: self.list_images(),
            image_defaults: BTreeMap::new(),
        }
    }

    pub(super) fn show(&self, container: &Container) -> ObservedContainer {
        ObservedContainer {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            labels: container.labels.clone(),
            created_at: Some(timestamp(container.created_at)),
            state: container.life.state(),
            health: container.health(self.now()),
            restarts: container.life.restarts,
            started_at: container.life.started_at.map(timestamp),
            settings: Arc::clone(container.shown.get_or_init(|| container.shown_settings().into())),
            attached: container
                .attached
                .iter()
                .map(|(name, place)| (name.clone(), place.show()))
                .collect(),
            anonymous_volumes: container
                .volumes
                .iter()
                .filter(|(target, _)| container.anonymous.contains(*target))
                .map(|(target, name)| (target.clone(), name.clone()))
                .collect(),
        }
    }

    fn list_networks(&self) -> Vec<ObservedNetwork> {
        self.networks
            .iter()
            .map(|(id, record)| ObservedNetwork {
                id: id.to_string(),
                name: record.network.name.to_string(),
                driver: record.network.driver.clone().unwrap_or_else(|| "bridge".into()),
                internal: record.network.internal,
                enable_ipv4: record.network.enable_ipv4.or(Some(true)),
                enable_ipv6: record.network.enable_ipv6,
                attachable: record.network.attachable,
                driver_opts: record.network.driver_opts.clone(),
                ipam_driver: record.network.ipam_driver.clone().unwrap_or_else(|| "default".into()),
                ipam_options: record.network.ipam_options.clone(),
                subnets: if record.network.subnets.is_empty() {
                    vec![Subnet { subnet: Some(record.subnet.to_string()), ..Subnet::default() }]
                } else {
                    record.network.subnets.clone()
                },
                labels: record.labels.clone(),
            })
            .collect()
    }

    fn list_volumes(&self) -> BTreeMap<VolumeName, ObservedVolume> {
        let show = |record: &VolumeRecord| ObservedVolume {
            driver: record.driver.clone().unwrap_or_else(|| "local".into()),
            driver_opts: record.driver_opts.clone(),
            labels: record.labels.clone(),
        };
        self.volumes.iter().map(|(name, record)| (name.clone(), show(record))).collect()
    }

    fn list_images(&self) -> Vec<ObservedImage> {
        self.images
            .iter()
            .map(|(id, image)| ObservedImage {
                id: id.to_string(),
                tags: image.tags.clone(),
                digests: image.digests.clone(),
                size: image.behaviour.size,
                created_at: None,
            })
            .collect()
    }

    /// Running containers that answer to `alias` on a network, as Docker's DNS finds them.
    pub(super) fn resolve(&self, network: &NetworkName, alias: &str) -> Vec<ContainerId> {
        self.containers
            .values()
            .filter(|container| container.life.has_process())
            .filter(|container| {
                container.attached.get(network).is_some_and(|place| {
                    place.aliases.contains(alias) || container.name.as_str() == alias
                })
            })
            .map(|container| container.id.clone())
            .collect()
    }

    /// The host without ids and times: equal texts are equal hosts.
    pub(super) fn normalised(&self) -> String {
        let mut text = String::new();
        let mut containers: Vec<&Container> = self.containers.values().collect();
        containers.sort_by(|one, other| one.name.cmp(&other.name));
        for container in containers {
            self.describe(container, &mut text);
        }
        let names: Vec<&str> =
            self.networks.values().map(|record| record.network.name.as_str()).collect();
        let mut names: Vec<&str> =
            names.into_iter().filter(|name| !matches!(*name, "bridge" | "host" | "none")).collect();
        names.sort_unstable();
        let named = self.volumes.keys().filter(|name| !is_made_up(name.as_str()));
        let volumes: Vec<&str> = named.map(crate::model::VolumeName::as_str).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "networks: {}", names.join(", "));
        let _ = writeln!(text, "volumes: {}", volumes.join(", "));
        text
    }

    /// Whose network a container is in, and whether that is still the one it was started in.
    fn joined_network(&self, container: &Container, id: &str) -> String {
        let Some(other) = self.containers.get(&ContainerId::new(id)) else {
            return "(gone)".into();
        };
        let is_cut_off = container.life.has_process()
            && (!other.life.has_process() || other.life.started_at > container.life.started_at);
        format!("{}{}", other.name, if is_cut_off { " (cut off)" } else { "" })
    }

    fn describe(&self, container: &Container, text: &mut String) {
        let _ = writeln!(text, "container {}", container.name);
        let _ = writeln!(text, "  image {}", container.image);
        let _ = writeln!(text, "  state {:?}", container.life.state());
        let _ = writeln!(text, "  health {:?}", container.health(self.now()));
        let _ = writeln!(text, "  restart {}", container.settings.restart);
        let _ = writeln!(text, "  resources {:?}", container.settings.resources);
        if let Some(id) = container.settings.joined("network_mode") {
            let _ = writeln!(text, "  network of {}", self.joined_network(container, id));
        }
        for (network, place) in &container.attached {
            let gone = place.id.as_ref().is_some_and(|id| !self.networks.contains_key(id));
            let aliases: Vec<&str> = place
                .aliases
                .iter()
                .map(String::as_str)
                .filter(|one| *one != container.id.short())
                .collect();
            let gone = if gone { " (gone)" } else { "" };
            let _ = writeln!(text, "  network {network}{gone}: {}", aliases.join(", "));
        }
        for mount in &container.settings.mounts {
            let source = match &mount.source {
                MountSource::Bind { path, .. } => path.display().to_string(),
                MountSource::Volume { name, .. } => name.to_string(),
                MountSource::Anonymous => "(anonymous)".into(),
                MountSource::Image { image, .. } => format!("image {image}"),
            };
            let _ = writeln!(text, "  mount {} from {source}", mount.target);
        }
        for (name, value) in container.labels.iter() {
            if name != labels::GENERATION && name != labels::COMMIT {
                let _ = writeln!(text, "  label {name}={value}");
            }
        }
    }
}

impl Container {
    fn is_own(&self, stacks: &[StackName]) -> bool {
        let label = |name: &str| self.labels.get(name).map(String::as_str);
        if label(labels::SOURCE).or(label(labels::SPEC)).is_some() {
            return true;
        }
        let one_off = label(labels::COMPOSE_ONEOFF) == Some("True");
        let project = label(labels::COMPOSE_PROJECT);
        !one_off && project.is_some_and(|name| stacks.iter().any(|stack| stack.as_str() == name))
    }

    fn list(&self) -> ForeignContainer {
        let mut mounts: BTreeSet<String> = self.volumes.values().map(ToString::to_string).collect();
        for mount in &self.settings.mounts {
            if let MountSource::Bind { path, .. } = &mount.source {
                mounts.insert(path.display().to_string());
            }
        }
        ForeignContainer {
            id: self.id.to_string(),
            names: vec![self.name.clone()],
            image_id: self.image_id.to_string(),
            image: self.image.clone(),
            networks: self.attached.keys().cloned().collect(),
            mounts,
            running: self.life.has_process(),
            project: self.labels.get(labels::COMPOSE_PROJECT).map(StackName::new),
            working_dir: labels::working_dir(|name| self.labels.get(name).cloned()),
        }
    }

    /// The settings with the networks it is attached to now, the first of the request first.
    fn shown_settings(&self) -> ContainerSpec {
        let mut settings = self.settings.clone();
        let Attachment::Networks(asked) = &settings.network else { return settings };
        let order = |name: &NetworkName| {
            asked.iter().position(|endpoint| endpoint.network == *name).unwrap_or(asked.len())
        };
        let mut endpoints: Vec<Endpoint> = self
            .attached
            .iter()
            .map(|(name, place)| {
                let own =
                    |alias: &&String| *alias != self.id.short() && *alias != self.name.as_str();
                let asked = place.asked.clone();
                Endpoint {
                    aliases: place.aliases.iter().filter(own).cloned().collect(),
                    mac_address: None,
                    ..asked.unwrap_or_else(|| Endpoint::plain(name.clone()))
                }
            })
            .collect();
        endpoints.sort_by_key(|endpoint| order(&endpoint.network));
        settings.network = Attachment::Networks(endpoints);
        settings
    }
}

impl AttachmentRecord {
    fn show(&self) -> AttachedNetwork {
        AttachedNetwork {
            id: self.id.clone(),
            aliases: self.aliases.clone(),
            address: self.address.map(|address| address.to_string()),
        }
    }
}

/// Whether a volume's name is one that the engine made up.
fn is_made_up(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A container by name.
pub(super) fn named(name: &str) -> ContainerRef {
    ContainerRef::Name(crate::model::ContainerName::new(name))
}
