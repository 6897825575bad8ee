//! The seam to Docker: its verbs, one call each, and what it reports, in our words.
//!
//! Nothing is decided here: no retries, no order, no health gate. A choice that seems to belong here
//! belongs in [`crate::plan`] or [`crate::apply`]. bollard's types do not leave this room.

pub mod docker;
pub mod fake;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::image::{PinnedImage, Platform};
use crate::model::login::Login;
use crate::model::observed::{EngineDefaults, EngineInfo, ObservedContainer, ObservedState};
use crate::model::spec::{Endpoint, Hook, Resources, RestartPolicy};
use crate::model::stack::{Network, Volume};
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, Digest, Disk, GenerationNumber, Hidden, ImageId,
    ImageName, ImageRef, NetworkName, StackName, VolumeName, labels,
};

/// Docker's verbs.
///
/// Every call is one request to the engine (pull, which streams, included) and says honestly how it ended;
/// a call that finds its work already done fails as the engine does, and the caller decides what that
/// means.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Version and platform.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// What it gives containers that say nothing of their own. Slow: asked only before a comparison.
    async fn defaults(&self) -> Result<EngineDefaults, EngineError>;

    /// Everything a plan needs to know. Inspects the containers that carry our labels or belong to one of
    /// `stacks`; all others are only listed. [`ObservedState::image_defaults`] stays empty.
    async fn observe(&self, stacks: &[StackName]) -> Result<ObservedState, EngineError>;

    /// What `image` brings along: command, environment, health check, ….
    async fn image_defaults(&self, image: &ImageId) -> Result<ContainerSpec, EngineError>;

    /// What the registry has for the tag (or digest) of `image`, asked by the engine: through its mirrors,
    /// proxies and certificates. For an image of several platforms it is the index's digest. Nothing is pulled;
    /// [`EngineError::NotFound`] where there is no such image.
    async fn distribution(
        &self,
        image: &ImageRef,
        login: Option<&Login>,
    ) -> Result<Digest, EngineError>;

    /// Downloads an image by digest. `progress` is told as often as the engine says something.
    async fn pull(
        &self,
        image: &PinnedImage,
        platform: Option<&Platform>,
        login: Option<&Login>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), EngineError>;

    /// The file system that images are kept on; `None` where it is not one of this host.
    async fn disk(&self) -> Result<Option<Disk>, EngineError>;

    /// Gives an image a further name. An image that has it already loses it to this one.
    async fn name_image(&self, image: &ImageId, name: &ImageName) -> Result<(), EngineError>;

    /// Takes a name away from its image. Without any name the image goes, and the layers that no other one
    /// has; it is refused (409) where a container is made from it. Never by force.
    ///
    /// With the last tag of a repository the image's digests in that repository are no names of it any more,
    /// either.
    async fn drop_image_name(&self, name: &ImageName) -> Result<(), EngineError>;

    /// Empties the build cache; gives the bytes that were freed.
    async fn prune_build_cache(&self) -> Result<u64, EngineError>;

    /// Creates a network with `labels` (the manifest's and ours). A bridge network of that name is not
    /// checked for: the engine allows two.
    async fn create_network(&self, network: &Network, labels: &Labels) -> Result<(), EngineError>;

    /// Removes a network; refused while containers are attached.
    async fn remove_network(&self, network: &NetworkName) -> Result<(), EngineError>;

    /// Attaches a container, running or not, with the endpoint's addresses, its aliases and `extra_aliases`.
    async fn connect(
        &self,
        container: &ContainerRef,
        endpoint: &Endpoint,
        extra_aliases: &[String],
    ) -> Result<(), EngineError>;

    /// Detaches a container, by force, so that an attachment to a network that is gone can be dropped too.
    async fn disconnect(
        &self,
        container: &ContainerRef,
        network: &NetworkName,
    ) -> Result<(), EngineError>;

    /// Creates a volume; one that exists is left as it is.
    async fn create_volume(&self, volume: &Volume, labels: &Labels) -> Result<(), EngineError>;

    /// Creates a container. On an API below 1.44 only the first endpoint goes into the request; the others
    /// are connected by this call too, and a failure among them removes the container again.
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<ContainerId, EngineError>;

    /// Starts a container; one that runs is left alone (304).
    async fn start(&self, container: &ContainerRef) -> Result<(), EngineError>;

    /// Stops a container with its own signal and grace period; one that does not run is left alone (304).
    async fn stop(&self, container: &ContainerRef) -> Result<(), EngineError>;

    /// Lets a paused container go on.
    async fn unpause(&self, container: &ContainerRef) -> Result<(), EngineError>;

    /// Renames a container.
    async fn rename(
        &self,
        container: &ContainerRef,
        name: &ContainerName,
    ) -> Result<(), EngineError>;

    /// Removes a stopped container; its volumes stay, anonymous ones too.
    async fn remove_container(&self, container: &ContainerRef) -> Result<(), EngineError>;

    /// Changes what can be changed on an existing container.
    async fn update(
        &self,
        container: &ContainerRef,
        update: &ContainerUpdate,
    ) -> Result<(), EngineError>;

    /// One container; `None` where there is none.
    async fn inspect(
        &self,
        container: &ContainerRef,
    ) -> Result<Option<ObservedContainer>, EngineError>;

    /// Runs a program in a container that runs, to its end. 409 where the container does not run.
    async fn exec(&self, container: &ContainerRef, hook: &Hook) -> Result<Executed, EngineError>;

    /// The last `lines` lines a container wrote, both streams, oldest first.
    async fn logs(&self, container: &ContainerRef, lines: u32) -> Result<Vec<String>, EngineError>;

    /// Tells `heard` at once what befalls containers of Compose projects, ours among them, and what has befallen them
    /// from `since` on, as far as the engine remembers. Ends when the engine does, and then with `Ok` or an error.
    async fn watch(
        &self,
        since: Timestamp,
        heard: &(dyn Fn(Incident) + Send + Sync),
    ) -> Result<(), EngineError>;
}

/// Something that befell a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Whom.
    pub container: ContainerId,
    /// The project it belongs to.
    pub stack: StackName,
    /// What.
    pub mishap: Mishap,
}

/// What can befall a container by anybody's doing, ours too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Its program ended, well or not.
    Died,
    /// Its health check failed as often as it may.
    Unhealthy,
    /// It was paused.
    Paused,
    /// It is gone.
    Removed,
}

/// Labels by name, in the order they are sent.
pub type Labels = std::collections::BTreeMap<String, String>;

/// A container by id or by its name at the time of the call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerRef {
    /// By id: always the same container.
    Id(ContainerId),
    /// By name: whoever carries it.
    Name(ContainerName),
}

impl ContainerRef {
    /// Id or name, as the engine's paths take them.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Name(name) => name.as_str(),
        }
    }
}

impl std::fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id.short()),
            Self::Name(name) => f.write_str(name.as_str()),
        }
    }
}

/// A container to be made, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerRequest {
    /// The name it gets.
    pub name: ContainerName,
    /// The image, which is on the host.
    pub image: PinnedImage,
    /// Its settings.
    pub settings: ContainerSpec,
    /// All labels: the manifest's, Compose's and ours.
    pub labels: Labels,
    /// Variables that get the number of the generation, which is not known before the plan is recorded.
    pub numbered: std::collections::BTreeSet<String>,
    /// A further alias on every network: the name the container has once its rollout is over.
    pub own_alias: ContainerName,
    /// Volumes to mount where the settings or the image declare an anonymous one, by target: those of the
    /// container it replaces.
    pub inherited_volumes: std::collections::BTreeMap<String, VolumeName>,
    /// The containers that the settings name by words of the manifest ([`crate::model::spec::Peer`]). Whoever
    /// hands the request over puts their ids in place of the words; none is left when it gets here.
    pub joined: std::collections::BTreeMap<String, ContainerRef>,
}

impl ContainerRequest {
    /// Writes the number of the generation that it belongs to where it is wanted.
    pub fn belongs_to(&mut self, generation: GenerationNumber) {
        let number = generation.to_string();
        for name in std::mem::take(&mut self.numbered) {
            self.settings.environment.insert(name, Some(Hidden::new(&number)));
        }
        self.labels.insert(labels::GENERATION.to_owned(), number);
    }
}

/// What Docker can change on an existing container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerUpdate {
    /// The restart policy.
    pub restart: Option<RestartPolicy>,
    /// Limits; the engine cannot unset one.
    pub resources: Option<Resources>,
}

/// How a program in a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code.
    pub code: i64,
    /// The last lines it wrote, both streams, oldest first.
    pub output: Vec<String>,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes downloaded of the layers known so far.
    pub current: u64,
    /// Bytes of the layers known so far.
    pub total: u64,
}

/// How a call to the engine failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers at the socket, or not in time.
    #[error("the Docker engine does not answer: {0}")]
    Unreachable(String),
    /// The engine is too old or too new to talk to.
    #[error("{0}")]
    Version(String),
    /// No such container, image, network or volume (404).
    #[error("{0}")]
    NotFound(String),
    /// A name is taken, or the thing is in use (409).
    #[error("{0}")]
    Conflict(String),
    /// A host port is taken by someone else.
    #[error("{0}")]
    PortTaken(String),
    /// The request itself is wrong (400): the manifest asks for something the engine refuses.
    #[error("{0}")]
    Refused(String),
    /// No room on the disk.
    #[error("{0}")]
    DiskFull(String),
    /// The program in the image could not be started: not found, not executable, wrong platform.
    #[error("{0}")]
    CannotStart(String),
    /// Anything else the engine says (5xx), or an answer that cannot be read.
    #[error("{0}")]
    Other(String),
}

impl EngineError {
    /// Whether the spec is to blame, so that the same one need not be tried again, as against trouble of
    /// the world, which passes.
    pub fn blames_the_spec(&self) -> bool {
        match self {
            Self::Refused(_) | Self::CannotStart(_) => true,
            Self::Unreachable(_)
            | Self::Version(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::PortTaken(_)
            | Self::DiskFull(_)
            | Self::Other(_) => false,
        }
    }
}
