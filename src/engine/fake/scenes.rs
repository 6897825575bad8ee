//! What the host looked like after each call that could change it, for those who check that something never
//! was so.

use std::collections::BTreeSet;

use super::faults::Verb;
use super::world::Host;
use super::{FakeEngine, Subject};
use crate::model::spec::RestartPolicy;
use crate::model::{ContainerId, ContainerName, labels};

/// The host after a call.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What was asked.
    pub verb: Verb,
    /// The container it was asked of, if one was.
    pub of: Option<ContainerId>,
    /// All containers.
    pub containers: Vec<Seen>,
    /// How many volumes there are.
    pub volumes: usize,
}

/// A container in a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// `com.docker.compose.service`, empty where it has none.
    pub service: String,
    /// The spec it was made from, empty where it has none.
    pub spec: String,
    /// Whether it has a process.
    pub runs: bool,
    /// Whether it has one, or is about to get one from its restart policy.
    pub is_up: bool,
    /// Its restart policy.
    pub policy: RestartPolicy,
    /// The names it has on its networks.
    pub aliases: BTreeSet<String>,
}

impl FakeEngine {
    /// From now on, every call that could change something leaves a scene.
    pub fn film(&self) {
        self.now().scenes = Some(Vec::new());
    }

    /// The scenes so far, which are then forgotten.
    pub fn take_scenes(&self) -> Vec<Scene> {
        self.now().scenes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The host at this moment.
    pub fn scene(&self) -> Scene {
        self.now().scene(Verb::Observe, None)
    }
}

impl Host {
    pub(super) fn shoot(&mut self, verb: Verb, subject: Subject<'_>) {
        if self.scenes.is_none() || !verb.mutates() {
            return;
        }
        let of = match subject {
            Subject::Name(_) => None,
            Subject::Container(container) => self.id_of(container).ok(),
        };
        let scene = self.scene(verb, of);
        if let Some(scenes) = &mut self.scenes {
            scenes.push(scene);
        }
    }

    fn scene(&self, verb: Verb, of: Option<ContainerId>) -> Scene {
        let label = |labels: &crate::engine::Labels, name: &str| {
            labels.get(name).cloned().unwrap_or_default()
        };
        let containers = self.containers.values().map(|one| Seen {
            id: one.id.clone(),
            name: one.name.clone(),
            service: label(&one.labels, labels::COMPOSE_SERVICE),
            spec: label(&one.labels, labels::SPEC),
            runs: one.life.has_process(),
            is_up: one.life.is_active(),
            policy: one.settings.restart,
            aliases: one.attached.values().flat_map(|at| at.aliases.iter().cloned()).collect(),
        });
        Scene { verb, of, containers: containers.collect(), volumes: self.volumes.len() }
    }
}
