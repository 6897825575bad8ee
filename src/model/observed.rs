//! The observed state: what the engine reports, in our words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::spec::{Attachment, Logging, USUAL_SHM_SIZE};
use super::{
    ContainerId, ContainerLabels, ContainerName, ContainerSpec, ImageId, NetworkId, NetworkName,
    Platform, ServiceId, SourceName, SpecHash, StackName, VolumeName,
};

/// What the engine reports at one moment.
#[derive(Clone, Debug, Default)]
pub struct ObservedState {
    /// The versions of the engine.
    pub engine: EngineVersion,
    /// Containers that carry our labels, or the Compose labels of a stack that was asked for; inspected.
    pub containers: Vec<ObservedContainer>,
    /// All other containers, as the list shows them.
    pub foreign: Vec<ForeignContainer>,
    /// All networks.
    pub networks: Vec<ObservedNetwork>,
    /// All volumes.
    pub volumes: BTreeMap<VolumeName, ObservedVolume>,
    /// All images.
    pub images: Vec<ObservedImage>,
    /// What images bring along, and what the engine adds, for those that a comparison needs.
    pub image_defaults: BTreeMap<ImageId, ContainerSpec>,
}

impl ObservedState {
    /// Takes out of the containers' settings what the engine added by itself, so that they can be held
    /// against what was asked for.
    pub fn without_defaults(&mut self, defaults: &EngineDefaults) {
        for container in &mut self.containers {
            defaults.take_out_of(Arc::make_mut(&mut container.settings));
        }
    }
}

/// What the engine gives containers that say nothing of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineDefaults {
    /// The log driver.
    pub log_driver: String,
    /// The runtime.
    pub runtime: Option<String>,
    /// The cgroup namespace: `host` or `private`.
    pub cgroup: Option<String>,
    /// The host's name, which containers in the host's network carry.
    pub host_name: String,
    /// The directory of its host in which it keeps images and containers.
    pub root: Option<String>,
    /// How it stores layers: `overlay2`.
    pub storage_driver: Option<String>,
    /// Which cgroups its host has: `1`, `2`.
    pub cgroup_version: Option<String>,
    /// Whether containers go on while it restarts.
    pub live_restore: bool,
}

impl EngineDefaults {
    /// Adds to what an image brings along what else a container has that asks for nothing.
    pub fn add_to(&self, image: &mut ContainerSpec) {
        image.runtime.clone_from(&self.runtime);
        image.namespaces.cgroup.clone_from(&self.cgroup);
        image.namespaces.ipc = Some("private".to_owned());
        image.kernel.shm_size = Some(USUAL_SHM_SIZE);
    }

    /// Takes out of `settings` what is as it is by default.
    pub fn take_out_of(&self, settings: &mut ContainerSpec) {
        let is_usual =
            |logging: &Logging| logging.options.is_empty() && logging.driver == self.log_driver;
        if settings.logging.as_ref().is_some_and(is_usual) {
            settings.logging = None;
        }
        let in_host_network = matches!(&settings.network, Attachment::Mode(mode) if mode == "host");
        if in_host_network && settings.hostname.as_ref() == Some(&self.host_name) {
            settings.hostname = None;
        }
    }
}

/// How the engine introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineVersion {
    /// Of the program: `20.10.24`.
    pub release: String,
    /// Of the API that was agreed on: `1.41`.
    pub api: String,
}

/// The engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// `20.10.24`
    pub version: String,
    /// The API version that was agreed on, `1.41`.
    pub api_version: String,
    /// `linux`
    pub os: String,
    /// The architecture in the words of images: `amd64`, `arm64`.
    pub architecture: String,
}

impl EngineInfo {
    /// The platform of its host, as images name it.
    pub fn platform(&self) -> Platform {
        Platform(format!("{}/{}", self.os, self.architecture))
    }
}

/// A container of ours, in full.
#[derive(Clone, Debug)]
pub struct ObservedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Its name now.
    pub name: ContainerName,
    /// `Config.Image`: the reference it was created from.
    pub image: String,
    /// The image it runs.
    pub image_id: ImageId,
    /// All labels.
    pub labels: ContainerLabels,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// What it does.
    pub state: ContainerState,
    /// What its health check says.
    pub health: Health,
    /// Restarts by its restart policy since it was started.
    pub restarts: u32,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// Its settings as the engine shows them, with what the image and the engine brought along.
    pub settings: Arc<ContainerSpec>,
    /// The networks it is attached to (also while stopped), with the network's id.
    pub attached: BTreeMap<NetworkName, AttachedNetwork>,
    /// Volumes it mounts by a name the engine made up, by target.
    pub anonymous_volumes: BTreeMap<String, VolumeName>,
}

/// One attachment of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedNetwork {
    /// The network's id at the time of attaching; an id that no longer exists is a dangling attachment.
    pub id: Option<NetworkId>,
    /// All aliases, the engine's short id among them.
    pub aliases: BTreeSet<String>,
    /// Its address while it runs.
    pub address: Option<String>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two tries of its restart policy.
    Restarting {
        /// The exit code of the last one.
        code: i64,
        /// Whether that one was killed for want of memory.
        oom_killed: bool,
    },
    /// Ended.
    Exited {
        /// Its exit code.
        code: i64,
        /// Killed for want of memory.
        oom_killed: bool,
    },
    /// Being removed, or broken beyond use.
    Dead,
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There is no health check.
    #[default]
    None,
    /// Not decided yet.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

impl ObservedContainer {
    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// The stack it belongs to.
    pub fn stack(&self) -> Option<&StackName> {
        self.labels.identity().stack.as_ref()
    }

    /// The service it belongs to.
    pub fn service(&self) -> Option<&ServiceId> {
        self.labels.identity().service.as_ref()
    }

    /// The source whose stack made it; `None` for what Compose made.
    pub fn source(&self) -> Option<&SourceName> {
        self.labels.identity().source.as_ref()
    }

    /// The spec it was made from; `None` for what Compose made.
    pub fn spec(&self) -> Option<&SpecHash> {
        self.labels.identity().spec.as_ref()
    }

    /// The replica's number; 1 where the label is missing or unreadable.
    pub fn number(&self) -> u32 {
        self.labels.identity().number.unwrap_or(1)
    }

    /// Whether it has a process, or is about to get one from its restart policy.
    pub fn is_up(&self) -> bool {
        match self.state {
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting { .. } => true,
            ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Dead => false,
        }
    }

    /// Whether it has run, or is about to: one that was only created, or could not be started, has not.
    pub fn has_run(&self) -> bool {
        self.is_up() || self.started_at.is_some()
    }

    /// Whether it ended with exit code 0.
    pub fn ended_well(&self) -> bool {
        self.state == ContainerState::Exited { code: 0, oom_killed: false }
    }

    /// Whether it runs, healthy or not.
    pub fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }
}

/// A container that is none of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignContainer {
    /// Its id, as text.
    pub id: String,
    /// Its names.
    pub names: Vec<ContainerName>,
    /// The image it runs.
    pub image_id: String,
    /// The name it was created from; the image may have lost it since.
    pub image: String,
    /// Networks it is attached to.
    pub networks: BTreeSet<NetworkName>,
    /// Host paths and volume names that it mounts.
    pub mounts: BTreeSet<String>,
    /// Whether it runs.
    pub running: bool,
    /// The Compose project it says it is of.
    pub project: Option<StackName>,
    /// Where that project was started; `None` for what `docker compose run` made.
    pub working_dir: Option<PathBuf>,
}

/// A network at the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// Its id, as text.
    pub id: String,
    /// Its name; names are not unique at the engine.
    pub name: String,
    /// `bridge`, `host`, …
    pub driver: String,
    /// No way out of the host.
    pub internal: bool,
    /// IPv4 addresses; `None` where the engine does not say.
    pub enable_ipv4: Option<bool>,
    /// IPv6 addresses too.
    pub enable_ipv6: bool,
    /// Containers that no stack describes may attach.
    pub attachable: bool,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// Who manages its addresses; `default` is the engine itself.
    pub ipam_driver: String,
    /// Options for whoever that is.
    pub ipam_options: BTreeMap<String, String>,
    /// Subnets, as the engine chose or was told.
    pub subnets: Vec<super::stack::Subnet>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume at the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedVolume {
    /// `local`, …
    pub driver: String,
    /// Options of the driver; they may hold a password.
    pub driver_opts: BTreeMap<String, String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// An image at the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedImage {
    /// Its id, as text.
    pub id: String,
    /// `RepoTags`.
    pub tags: Vec<String>,
    /// `RepoDigests`: `repository@sha256:…`.
    pub digests: Vec<String>,
    /// Bytes on disk, layers shared with others included.
    pub size: u64,
    /// When it says that it was built; reproducible builds name some day of long ago.
    pub created_at: Option<Timestamp>,
}

impl ObservedState {
    /// The containers of a service, in no particular order.
    pub fn containers_of<'a>(
        &'a self,
        service: &'a ServiceId,
    ) -> impl Iterator<Item = &'a ObservedContainer> {
        self.containers.iter().filter(move |container| container.service() == Some(service))
    }

    /// The network of exactly this name.
    pub fn network(&self, name: &NetworkName) -> Option<&ObservedNetwork> {
        self.networks.iter().find(|network| network.name == name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_gives_by_itself_is_no_setting() {
        let defaults = EngineDefaults {
            log_driver: "journald".into(),
            host_name: "server".into(),
            ..EngineDefaults::default()
        };
        let left = |driver: &str, options: &[(&str, &str)], mode: &str, hostname: &str| {
            let options = options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let mut settings = ContainerSpec {
                logging: Some(Logging { driver: driver.into(), options }),
                network: Attachment::Mode(mode.into()),
                hostname: Some(hostname.into()),
                ..ContainerSpec::default()
            };
            defaults.take_out_of(&mut settings);
            (settings.logging.is_some(), settings.hostname.is_some())
        };
        assert_eq!(left("journald", &[], "host", "server"), (false, false));
        assert_eq!(left("journald", &[("tag", "a")], "host", "web"), (true, true));
        assert_eq!(left("json-file", &[], "bridge", "server"), (true, true));
    }
}
