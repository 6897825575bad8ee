//! The containers whose network or volumes others share: which they are now, and whether they run.

use jiff::Timestamp;

use super::change::slots_of;
use super::index::Survey;
use crate::model::observed::ForeignContainer;
use crate::model::spec::Peer;
use crate::model::{ContainerSpec, ObservedContainer, ServiceId, StackName};

/// A container that others share something of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct There {
    /// Its id, as text.
    pub id: String,
    /// Whether it has a process.
    pub is_running: bool,
    /// When it last started, where that is known.
    pub started_at: Option<Timestamp>,
}

impl There {
    fn ours(container: &ObservedContainer) -> Self {
        Self {
            id: container.id.to_string(),
            is_running: container.is_up(),
            started_at: container.started_at,
        }
    }

    fn foreign(container: &ForeignContainer) -> Self {
        Self { id: container.id.clone(), is_running: container.running, started_at: None }
    }

    /// Whether it was started again after `container`, which is then in the network of an earlier run.
    pub fn is_newer_than(&self, container: &ObservedContainer) -> bool {
        matches!((self.started_at, container.started_at), (Some(its), Some(own)) if its > own)
    }
}

/// The container that `words` of a manifest mean at the moment.
pub fn find(situation: &Survey<'_>, stack: &StackName, words: &str) -> Option<There> {
    match Peer::parse(words)? {
        Peer::Service(name) => {
            let slots = slots_of(situation, &ServiceId::new(stack, &name));
            slots.get(&1)?.current.map(There::ours)
        }
        Peer::Container(name) => {
            let ours = situation.named(&name).map(There::ours);
            ours.or_else(|| situation.foreign_named(&name).map(There::foreign))
        }
    }
}

/// The container with that id.
pub fn by_id(situation: &Survey<'_>, id: &str) -> Option<There> {
    let ours = situation.observed.containers.iter().find(|container| container.id.as_str() == id);
    let foreign = || situation.observed.foreign.iter().find(|container| container.id == id);
    ours.map(There::ours).or_else(|| foreign().map(There::foreign))
}

/// The ids of the containers in whose network a container is, as the engine shows its settings.
pub fn joined(settings: &ContainerSpec) -> Vec<String> {
    let shared = settings.shared().into_iter();
    shared.filter_map(|(_, words)| words.strip_prefix("container:").map(str::to_owned)).collect()
}
