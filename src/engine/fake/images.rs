//! Images: what the registry has, what the host has, and what an image brings into a container.

use super::behaviour::ImageBehaviour;
use super::world::{Host, HostImage, RegistryImage};
use crate::engine::EngineError;
use crate::model::observed::EngineDefaults;
use crate::model::spec::{MountSource, RestartPolicy};
use crate::model::{ContainerSpec, Digest, ImageId, ImageRef, PinnedImage};

impl Host {
    /// Puts an image into the registry.
    pub(super) fn publish(
        &mut self,
        reference: &ImageRef,
        behaviour: ImageBehaviour,
    ) -> Option<Digest> {
        let digest = Digest::parse(&format!("sha256:{}", self.new_id()))?;
        let id = ImageId::new(format!("sha256:{}", self.new_id()));
        let image = RegistryImage { reference: reference.clone(), id, behaviour };
        self.registry.insert(digest.clone(), image);
        Some(digest)
    }

    /// What a tag or a digest is at the registry; what was published last has the tag.
    pub(super) fn at_registry(&self, image: &ImageRef) -> Result<Digest, EngineError> {
        if self.registry_down {
            return Err(EngineError::Other("registry: connection refused".into()));
        }
        // Digests are made from numbers that grow.
        let mut newest_first = self.registry.iter().rev();
        let found = newest_first.find(|(digest, found)| match image.digest() {
            Some(wanted) => *digest == wanted && found.reference.same_repository(image),
            None => found.reference.same_tag(image),
        });
        let absent = || EngineError::NotFound("manifest unknown: manifest unknown".into());
        found.map(|(digest, _)| digest.clone()).ok_or_else(absent)
    }

    /// Downloads an image; one that is there is only given the further reference.
    pub(super) fn pull_image(&mut self, image: &PinnedImage) -> Result<(), EngineError> {
        if self.registry_down {
            return Err(EngineError::Other("registry: connection refused".into()));
        }
        let reference = image.pull_reference();
        let known = self.registry.get(image.digest());
        let Some(found) = known.filter(|found| is_reference(found, &reference, image)) else {
            return Err(EngineError::NotFound(format!("manifest for {reference} not found")));
        };
        let entry = self.images.entry(found.id.clone()).or_insert_with(|| HostImage {
            tags: Vec::new(),
            digests: Vec::new(),
            behaviour: found.behaviour.clone(),
        });
        if !entry.digests.contains(&reference) {
            entry.digests.push(reference);
        }
        Ok(())
    }

    /// The image on the host that a container would be created from.
    pub(super) fn local_image(
        &self,
        image: &PinnedImage,
    ) -> Result<(ImageId, ImageBehaviour), EngineError> {
        let reference = image.pull_reference();
        self.images
            .iter()
            .find(|(_, found)| found.digests.contains(&reference))
            .map(|(id, found)| (id.clone(), found.behaviour.clone()))
            .ok_or_else(|| EngineError::NotFound(format!("No such image: {reference}")))
    }

    /// What an image brings along.
    pub(super) fn defaults_of(&self, id: &ImageId) -> Result<ContainerSpec, EngineError> {
        self.images
            .get(id)
            .map(|image| image.behaviour.defaults.clone())
            .ok_or_else(|| EngineError::NotFound(format!("No such image: {id}")))
    }
}

fn is_reference(found: &RegistryImage, reference: &str, image: &PinnedImage) -> bool {
    *reference == format!("{}@{}", found.reference.name(), image.digest())
}

/// Settings as the engine shows them: the request's, completed by the image's and the engine's own.
pub(super) fn complete(
    request: &ContainerSpec,
    image: &ContainerSpec,
    engine: &EngineDefaults,
) -> ContainerSpec {
    let mut settings = request.clone();
    complete_program(&mut settings, image);
    for (name, value) in &image.environment {
        settings.environment.entry(name.clone()).or_insert_with(|| value.clone());
    }
    settings.environment.retain(|_, value| value.is_some());
    for (name, value) in &image.labels {
        settings.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    settings.expose.extend(image.expose.iter().copied());
    complete_healthcheck(&mut settings, image);
    complete_mounts(&mut settings, image);
    if settings.restart == RestartPolicy::Unset {
        settings.restart = RestartPolicy::No;
    }
    complete_surroundings(&mut settings, engine);
    settings.platform = None;
    settings.contents.clear();
    settings
}

fn complete_surroundings(settings: &mut ContainerSpec, engine: &EngineDefaults) {
    let mut usual = ContainerSpec::default();
    engine.add_to(&mut usual);
    settings.runtime = settings.runtime.take().or(usual.runtime);
    let namespaces = &mut settings.namespaces;
    namespaces.cgroup = namespaces.cgroup.take().or(usual.namespaces.cgroup);
    namespaces.ipc = namespaces.ipc.take().or(usual.namespaces.ipc);
    settings.kernel.shm_size = settings.kernel.shm_size.or(usual.kernel.shm_size);
    if settings.resources.effective_swap() == settings.resources.memory.saturating_mul(2) {
        settings.resources.memory_swap = 0;
    }
}

/// A container with its own entrypoint does not take the image's command.
fn complete_program(settings: &mut ContainerSpec, image: &ContainerSpec) {
    if settings.entrypoint.is_none() {
        settings.entrypoint.clone_from(&image.entrypoint);
        settings.command = settings.command.take().or_else(|| image.command.clone());
    }
    settings.user = settings.user.take().or_else(|| image.user.clone());
    settings.working_dir = settings.working_dir.take().or_else(|| image.working_dir.clone());
    settings.stop_signal = settings.stop_signal.take().or_else(|| image.stop_signal.clone());
}

/// A check without a test takes the image's; what it sets of the timing stays.
fn complete_healthcheck(settings: &mut ContainerSpec, image: &ContainerSpec) {
    let Some(theirs) = &image.healthcheck else { return };
    let ours = settings.healthcheck.get_or_insert_default();
    if ours.test.is_empty() {
        ours.test.clone_from(&theirs.test);
    }
    if !ours.is_none() {
        ours.interval = ours.interval.or(theirs.interval);
        ours.timeout = ours.timeout.or(theirs.timeout);
        ours.start_period = ours.start_period.or(theirs.start_period);
        ours.retries = ours.retries.or(theirs.retries);
    }
}

fn complete_mounts(settings: &mut ContainerSpec, image: &ContainerSpec) {
    for mount in &image.mounts {
        let taken = settings.mounts.iter().any(|own| own.target == mount.target)
            || settings.tmpfs.contains_key(&mount.target);
        if mount.source == MountSource::Anonymous && !taken {
            settings.mounts.push(mount.clone());
        }
    }
    settings.mounts.sort_by(|one, other| one.target.cmp(&other.target));
}
