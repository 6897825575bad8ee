//! What people and the machine do without asking evenkeel. None of this is logged as a call, and no fault
//! strikes it.

use std::collections::BTreeSet;

use super::life::Phase;
use super::observe::named;
use super::world::Container;
use super::{FakeEngine, Host};
use crate::engine::{ContainerRef, ContainerRequest, EngineError, Labels};
use crate::model::spec::RestartPolicy;
use crate::model::stack::Network;
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, ImageId, ImageName, NetworkName, PinnedImage,
};

/// What people and the machine do.
impl FakeEngine {
    /// The process ends with `code`, by nobody's order; the restart policy acts.
    pub fn kill(&self, name: &str, code: i64) -> Result<(), EngineError> {
        let mut host = self.now();
        let now = host.now();
        let container = host.container_mut(&named(name))?;
        if container.life.has_process() {
            container.process_ends(now, code, false);
        }
        Ok(())
    }

    /// `docker kill`: an end by order, after which no restart policy acts.
    pub fn docker_kill(&self, name: &str) -> Result<(), EngineError> {
        let mut host = self.now();
        let container = host.container_mut(&named(name))?;
        if !container.life.is_active() {
            let text = format!("cannot kill container {name}: it is not running");
            return Err(EngineError::Conflict(text));
        }
        container.life.manually_stopped = true;
        container.halt(137);
        Ok(())
    }

    /// `docker stop`, without waiting out the grace period.
    pub fn docker_stop(&self, name: &str) -> Result<(), EngineError> {
        self.now().stop(&named(name))
    }

    /// `docker start`
    pub fn docker_start(&self, name: &str) -> Result<(), EngineError> {
        self.now().start(&named(name))
    }

    /// `docker rm --force`
    pub fn docker_rm_force(&self, name: &str) -> Result<(), EngineError> {
        let mut host = self.now();
        let id = host.id_of(&named(name))?;
        host.containers.remove(&id);
        Ok(())
    }

    /// `docker rename`
    pub fn docker_rename(&self, name: &str, new: &str) -> Result<(), EngineError> {
        self.now().rename(&named(name), &ContainerName::new(new))
    }

    /// `docker pause`
    pub fn pause(&self, name: &str) -> Result<(), EngineError> {
        let mut host = self.now();
        let since = host.now();
        let container = host.container_mut(&named(name))?;
        if container.life.phase != Phase::Running {
            return Err(EngineError::Conflict(format!("container {name} is not running")));
        }
        container.life.phase = Phase::Paused { since };
        Ok(())
    }

    /// `docker update --memory`, bytes.
    pub fn set_memory(&self, name: &str, bytes: i64) -> Result<(), EngineError> {
        self.now().container_mut(&named(name))?.settings.resources.memory = bytes;
        Ok(())
    }

    /// `docker network disconnect --force`
    pub fn docker_disconnect(&self, name: &str, network: &str) -> Result<(), EngineError> {
        self.now().detach(&named(name), &NetworkName::new(network))
    }

    /// `docker network create`, which asks the engine to refuse a second one of a name.
    pub fn docker_network_create(&self, network: &Network) -> Result<(), EngineError> {
        let mut host = self.now();
        if host.networks.values().any(|one| one.network.name == network.name) {
            let text = format!("network with name {} already exists", network.name);
            return Err(EngineError::Conflict(text));
        }
        host.make_network(network, &network.labels)
    }

    /// `docker network rm`
    pub fn docker_network_rm(&self, network: &str) -> Result<(), EngineError> {
        self.now().drop_network(&NetworkName::new(network))
    }

    /// `docker image rm --force`; refused while a container made from it runs.
    pub fn remove_image(&self, image: &PinnedImage) -> Result<(), EngineError> {
        let mut host = self.now();
        let (id, _) = host.local_image(image)?;
        if host.containers.values().any(|one| one.image_id == id && one.life.is_active()) {
            let text = format!("image {} is being used by a running container", image.familiar());
            return Err(EngineError::Conflict(text));
        }
        host.images.remove(&id);
        Ok(())
    }

    /// `docker image tag`
    pub fn docker_tag(&self, image: &PinnedImage, name: &ImageName) -> Result<(), EngineError> {
        let mut host = self.now();
        let (id, _) = host.local_image(image)?;
        host.name_image(&id, name)
    }

    /// `docker image prune --force`: what has no tag and no container goes.
    pub fn docker_image_prune(&self) {
        let mut host = self.now();
        let used: BTreeSet<ImageId> =
            host.containers.values().map(|one| one.image_id.clone()).collect();
        host.images.retain(|id, image| !image.tags.is_empty() || used.contains(id));
    }

    /// `docker run --detach` by somebody else, with that image, name, settings and labels.
    pub fn add_foreign(
        &self,
        name: &str,
        image: &PinnedImage,
        settings: ContainerSpec,
        labels: Labels,
    ) -> Result<ContainerId, EngineError> {
        let mut host = self.now();
        let name = ContainerName::new(name);
        let id = host.create(&ContainerRequest {
            own_alias: name.clone(),
            name,
            image: image.clone(),
            settings,
            labels,
            numbered: Default::default(),
            joined: std::collections::BTreeMap::new(),
            inherited_volumes: std::collections::BTreeMap::new(),
        })?;
        host.start(&ContainerRef::Id(id.clone()))?;
        Ok(id)
    }

    /// The engine, or the machine, is started again: all processes end, and those come back whose restart
    /// policy says so.
    pub fn engine_restart(&self) {
        let mut host = self.now();
        let now = host.now();
        let ids: Vec<ContainerId> = host.containers.keys().cloned().collect();
        for id in &ids {
            if let Some(container) = host.by_id_mut(id).filter(|one| one.life.is_active()) {
                container.halt(if container.behaviour.ignores_sigterm { 137 } else { 0 });
            }
        }
        for id in ids {
            come_back(&mut host, &id, now);
        }
    }
}

fn come_back(host: &mut Host, id: &ContainerId, now: std::time::Duration) {
    let comes_back = host.containers.get(id).is_some_and(Container::returns_with_the_engine);
    // One that cannot start stays as it is, as with the engine.
    if comes_back
        && host.launch(id, now).is_ok()
        && let Some(container) = host.by_id_mut(id)
    {
        container.life.manually_stopped = false;
        container.life.restarts = 0;
    }
}

impl Container {
    fn returns_with_the_engine(&self) -> bool {
        let Phase::Exited { code, .. } = self.life.phase else { return false };
        match self.settings.restart {
            RestartPolicy::Unset | RestartPolicy::No => false,
            RestartPolicy::Always => true,
            RestartPolicy::UnlessStopped => !self.life.manually_stopped,
            RestartPolicy::OnFailure(_) => code != 0 && !self.life.manually_stopped,
        }
    }
}
