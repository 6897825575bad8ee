//! What tests set up and look at, and what people and the machine do without asking evenkeel. None of this
//! is logged as a call.

use super::behaviour::ImageBehaviour;
use super::faults::{Call, Death, Fault, Matcher};
use super::life::Phase;
use super::observe::named;
use super::ports::HostPort;
use super::world::Container;
use super::{FakeEngine, Host};
use crate::engine::{ContainerRequest, EngineError, Labels};
use crate::model::observed::ObservedContainer;
use crate::model::spec::{Protocol, RestartPolicy};
use crate::model::stack::Network;
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, Digest, ImageRef, NetworkName, PinnedImage,
    VolumeName,
};

/// The world around the engine.
impl FakeEngine {
    /// Puts an image into the registry, where it can be pulled.
    ///
    /// # Panics
    /// When `repository:tag` is no image reference.
    #[expect(clippy::expect_used, reason = "a wrong reference is a mistake in the test itself")]
    pub fn add_image(&self, repository: &str, tag: &str, behaviour: ImageBehaviour) -> Digest {
        let reference = ImageRef::parse(&format!("{repository}:{tag}")).expect("image reference");
        self.now().publish(reference.name(), behaviour).expect("ids are hex digits")
    }

    /// Puts an image into the registry and onto the host; what containers are created from.
    ///
    /// # Panics
    /// When `repository:tag` is no image reference.
    #[expect(clippy::expect_used, reason = "a wrong reference is a mistake in the test itself")]
    pub fn load_image(
        &self,
        repository: &str,
        tag: &str,
        behaviour: ImageBehaviour,
    ) -> PinnedImage {
        let digest = self.add_image(repository, tag, behaviour);
        let reference = ImageRef::parse(&format!("{repository}:{tag}")).expect("image reference");
        let pinned = PinnedImage::new(&reference, digest);
        let mut host = self.now();
        let down = std::mem::replace(&mut host.registry_down, false);
        host.pull_image(&pinned).expect("published a moment ago");
        host.registry_down = down;
        drop(host);
        pinned
    }

    /// Whether pulls fail from now on.
    pub fn registry_down(&self, down: bool) {
        self.now().registry_down = down;
    }

    /// Goes wrong once, at the next call that matches; several wait in the order given.
    pub fn fail_next(&self, matcher: Matcher, fault: Fault) {
        self.now().faults.waiting.push((matcher, fault));
    }

    /// The caller dies right after its `nth` mutating call from now (from 1), before it hears the answer.
    pub fn crash_after(&self, nth: usize) {
        self.now().faults.death = Some(Death { calls_left: nth, after: true });
    }

    /// The caller dies right before its `nth` mutating call from now (from 1).
    pub fn crash_before(&self, nth: usize) {
        self.now().faults.death = Some(Death { calls_left: nth, after: false });
    }

    /// Whether the caller has died.
    pub fn crashed(&self) -> bool {
        self.now().faults.dead
    }

    /// The caller is started again; a death that has not come yet is called off.
    pub fn revive(&self) {
        let mut host = self.now();
        host.faults.dead = false;
        host.faults.death = None;
    }

    /// All calls so far that were let in, refused ones too.
    pub fn calls(&self) -> Vec<Call> {
        self.now().faults.calls.clone()
    }

    /// Calls so far that could have changed something.
    pub fn mutating_calls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.mutating).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.now().faults.calls.clear();
    }

    /// Running containers that answer to `alias` on a network.
    pub fn resolve(&self, network: &str, alias: &str) -> Vec<ContainerId> {
        self.now().resolve(&NetworkName::new(network), alias)
    }

    /// Containers that were started with a volume, one entry per start.
    pub fn volume_writers(&self, volume: &str) -> Vec<ContainerId> {
        let host = self.now();
        host.volumes
            .get(&VolumeName::new(volume))
            .map(|one| one.writers.clone())
            .unwrap_or_default()
    }

    /// The labels of a volume; `None` where there is none.
    pub fn volume_labels(&self, volume: &str) -> Option<Labels> {
        self.now().volumes.get(&VolumeName::new(volume)).map(|one| one.labels.clone())
    }

    /// A container as `inspect` shows it, without a call.
    pub fn container(&self, name: &str) -> Option<ObservedContainer> {
        let host = self.now();
        host.find(&named(name)).map(|found| host.show(found))
    }

    /// The names of all containers, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.now().containers.values().map(|one| one.name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// The host as text, without ids, times, generations and commits: equal texts are equal hosts.
    pub fn normalised(&self) -> String {
        self.now().normalised()
    }
}

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

    /// `docker network create`
    pub fn docker_network_create(&self, network: &Network) -> Result<(), EngineError> {
        self.now().make_network(network, &network.labels)
    }

    /// `docker network rm`
    pub fn docker_network_rm(&self, network: &str) -> Result<(), EngineError> {
        self.now().drop_network(&NetworkName::new(network))
    }

    /// `docker image rm --force`; containers made from it stay.
    pub fn remove_image(&self, image: &PinnedImage) -> Result<(), EngineError> {
        let mut host = self.now();
        let (id, _) = host.local_image(image)?;
        host.images.remove(&id);
        Ok(())
    }

    /// A program outside Docker begins to listen on a port of all addresses.
    pub fn occupy_port(&self, port: u16, protocol: Protocol) {
        self.now().occupied.insert(HostPort { port, protocol, ip: String::new() });
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
            inherited_volumes: std::collections::BTreeMap::new(),
        })?;
        host.start(&crate::engine::ContainerRef::Id(id.clone()))?;
        Ok(id)
    }

    /// The engine, or the machine, is started again: all processes end, and those come back whose restart
    /// policy says so.
    pub fn engine_restart(&self) {
        let mut host = self.now();
        let now = host.now();
        let ids: Vec<ContainerId> = host.containers.keys().cloned().collect();
        for id in &ids {
            if let Some(container) = host.containers.get_mut(id).filter(|one| one.life.is_active())
            {
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
        && let Some(container) = host.containers.get_mut(id)
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
