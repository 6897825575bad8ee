//! What tests set up and look at. None of this is logged as a call.

use super::FakeEngine;
use super::behaviour::ImageBehaviour;
use super::faults::{Call, Death, Fault, Matcher};
use super::observe::named;
use super::ports::HostPort;
use crate::engine::Labels;
use crate::model::observed::ObservedContainer;
use crate::model::spec::Protocol;
use crate::model::{ContainerId, Digest, ImageRef, NetworkName, PinnedImage, VolumeName};

/// The world around the engine.
impl FakeEngine {
    /// Puts an image into the registry, where it can be pulled.
    ///
    /// # Panics
    /// When `repository:tag` is no image reference.
    #[expect(clippy::expect_used, reason = "a wrong reference is a mistake in the test itself")]
    pub fn add_image(&self, repository: &str, tag: &str, behaviour: ImageBehaviour) -> Digest {
        let reference = ImageRef::parse(&format!("{repository}:{tag}")).expect("image reference");
        self.now().publish(&reference, behaviour).expect("ids are hex digits")
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

    /// Makes it another release, with the newest API that it speaks.
    pub fn is_release(&self, version: &str, api_version: &str) {
        let mut host = self.now();
        version.clone_into(&mut host.info.version);
        api_version.clone_into(&mut host.info.api_version);
    }

    /// Gives it a disk of `total` bytes, on which other things take up `elsewhere` and the build cache the rest
    /// besides images.
    pub fn has_disk(&self, total: u64, elsewhere: u64, build_cache: u64) {
        let mut host = self.now();
        host.disk = Some(total);
        (host.elsewhere, host.build_cache) = (elsewhere, build_cache);
    }

    /// Whether pulls fail from now on.
    pub fn registry_down(&self, down: bool) {
        self.now().registry_down = down;
    }

    /// Goes wrong once, at the next call that matches; several wait in the order given.
    pub fn fail_next(&self, matcher: Matcher, fault: Fault) {
        self.now().faults.waiting.push((matcher, fault));
    }

    /// Puts an image of the registry on the host.
    #[expect(clippy::expect_used, reason = "a scenario that loads what nobody published is wrong")]
    pub fn load(&self, image: &PinnedImage) {
        self.now().pull_image(image).expect("published before");
    }

    /// Whether nothing is to go wrong on purpose.
    pub fn is_calm(&self) -> bool {
        let host = self.now();
        let has_faults = !host.faults.waiting.is_empty() || host.faults.death.is_some();
        !has_faults && !host.registry_down && host.occupied.is_empty()
    }

    /// Nothing goes wrong any more: faults to come are called off, the registry is there, ports are free.
    pub fn calm_down(&self) {
        let mut host = self.now();
        host.faults.waiting.clear();
        host.faults.death = None;
        host.registry_down = false;
        host.occupied.clear();
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

    /// A program outside Docker begins to listen on a port of all addresses.
    pub fn occupy_port(&self, port: u16, protocol: Protocol) {
        self.now().occupied.insert(HostPort { port, protocol, ip: String::new() });
    }
}
