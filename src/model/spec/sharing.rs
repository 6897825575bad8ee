//! Whose network, namespaces and volumes a container shares.
//!
//! A manifest names a service or a container; the engine wants an id, which changes with every rollout. So
//! the manifest's words are what is hashed, and the id takes their place when a container is made.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Attachment, ContainerSpec, Namespaces};
use crate::model::{ContainerId, ContainerName, ServiceName};

/// Another container, as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The first container of a service of the same stack.
    Service(ServiceName),
    /// The container of that name, whoever made it.
    Container(ContainerName),
}

impl Peer {
    /// Reads `service:<name>` or `container:<name>`; `None` for anything else.
    pub fn parse(words: &str) -> Option<Self> {
        match words.split_once(':')? {
            (_, "") => None,
            ("service", name) => Some(Self::Service(ServiceName::new(name))),
            ("container", name) => Some(Self::Container(ContainerName::new(name))),
            _ => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Container(name) => write!(f, "container {name}"),
        }
    }
}

/// `HostConfig.VolumesFrom`: all that another container mounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VolumesFrom {
    /// The other container: `service:<name>`, `container:<name>`, or with its id once that is known.
    pub from: String,
    /// Whether this container may only read it.
    pub read_only: bool,
}

impl ContainerSpec {
    /// The keys by which it is in the network or a namespace of another container, with the words for that
    /// one: `service:<name>`, `container:<name>` or `container:<id>`.
    pub fn shared(&self) -> Vec<(&'static str, &str)> {
        let network = match &self.network {
            Attachment::Mode(mode) => Some(mode.as_str()),
            Attachment::Networks(_) => None,
        };
        let Namespaces { ipc, pid, .. } = &self.namespaces;
        let keys = [("network_mode", network), ("ipc", ipc.as_deref()), ("pid", pid.as_deref())];
        let keys = keys.into_iter().filter_map(|(key, words)| Some((key, words?)));
        keys.filter(|(_, words)| Peer::parse(words).is_some()).collect()
    }

    /// The words for every other container that this one cannot be made without.
    pub fn peers(&self) -> BTreeSet<String> {
        let shared = self.shared().into_iter().map(|(_, words)| words.to_owned());
        shared.chain(self.volumes_from.iter().map(|volumes| volumes.from.clone())).collect()
    }

    /// Puts the id of the container that is meant in place of the `words` for it.
    pub fn join(&mut self, words: &str, id: &ContainerId) {
        let joined = format!("container:{id}");
        if let Attachment::Mode(mode) = &mut self.network
            && mode == words
        {
            mode.clone_from(&joined);
        }
        for namespace in [&mut self.namespaces.ipc, &mut self.namespaces.pid] {
            if namespace.as_deref() == Some(words) {
                *namespace = Some(joined.clone());
            }
        }
        for volumes in self.volumes_from.iter_mut().filter(|volumes| volumes.from == words) {
            volumes.from.clone_from(&joined);
        }
    }

    /// The id of the container in whose network or namespace it is by `key`, where the engine shows it.
    pub fn joined(&self, key: &str) -> Option<&str> {
        let shared = self.shared();
        let (_, words) = shared.into_iter().find(|(shared, _)| *shared == key)?;
        words.strip_prefix("container:")
    }
}
