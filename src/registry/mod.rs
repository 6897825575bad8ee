//! The seam to registries: what a tag points at, which tags there are, what an image is made of, and with which
//! credentials it is pulled.
//!
//! Only asks; which digest is used is decided in [`crate::resolve`].

pub mod distribution;

mod answer;
mod challenge;
mod content;
mod credentials;
mod docker_config;
mod exchange;
pub mod fake;
mod host;
mod manifest;
mod manners;
mod memory;
mod platform;
pub mod repository;
mod signatures;
mod tags;
mod token;

pub use distribution::Distribution;
pub use fake::FakeRegistry;
pub use host::HostSettings;
pub use memory::Memory;
pub use repository::{Repository, RepositoryError};
pub use signatures::Beside;
pub use tags::TagList;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::login::Login;
use crate::model::proofs::Signatures;
use crate::model::{Digest, ImageRef, PinnedImage, Platform};

/// Registries, as far as a pass needs them.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What the tag of `image` points at now: one HEAD (OCI Distribution Specification, "Pulling manifests"). For
    /// an image of several platforms it is the index's digest. `known` came with the answer before, if there was
    /// one. Of an image that is written with a digest nobody is asked.
    async fn poll(&self, image: &ImageRef, known: Option<&Etag>) -> Result<Polled, RegistryError>;

    /// All tags of the repository of `image`: the whole list or an error, never a part of it.
    async fn tags(&self, image: &ImageRef) -> Result<TagList, RegistryError>;

    /// The manifest that a host of `platform` (`linux/arm64`) runs: of an index the one that the engine would
    /// choose, else the image's own.
    async fn child(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Digest, RegistryError>;

    /// When the image for `platform` says that it was built; `None` where it does not say, or what cannot be.
    async fn created(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Option<Timestamp>, RegistryError>;

    /// The layers of the image for `platform`, with the bytes that they take on the way: compressed, mostly.
    async fn layers(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<BTreeMap<Digest, u64>, RegistryError>;

    /// What lies beside the image as its signatures, believed or not; nothing where there are none.
    async fn signatures(
        &self,
        image: &PinnedImage,
        place: Beside,
    ) -> Result<Signatures, RegistryError>;

    /// The credentials for the registry of `image`, if there are any.
    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError>;

    /// What is worth keeping over a restart.
    fn memory(&self) -> Memory;

    /// What the registry of `image` said last of how much it still allows; `None` where it did not say.
    fn left(&self, image: &ImageRef) -> Option<Left>;
}

/// How much a registry still allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests, or pulls, that are left.
    pub remaining: u64,
    /// How many it allows in all.
    pub limit: Option<u64>,
    /// The time in which it allows them.
    pub window: Option<Duration>,
}

/// One request to a registry, for whoever counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The registry, as it is written in manifests.
    pub registry: &'a str,
    /// The status of its answer; `None` where none came.
    pub status: Option<u16>,
    /// How many more it says that it allows.
    pub remaining: Option<u64>,
}

/// Hears of each request once it is over. Must not block.
pub type Listener = Arc<dyn Fn(&Asked<'_>) + Send + Sync>;

/// What a registry answers about a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// The same as when it gave the etag.
    Same,
    /// This.
    Now {
        /// Of the manifest or index.
        digest: Digest,
        /// To ask the next time whether it is still so; not every registry gives one.
        etag: Option<Etag>,
    },
}

/// What a registry calls one state of a tag (RFC 9110, section 8.8.3); means nothing to anybody else.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// The longest that is kept, bytes.
    const LONGEST: usize = 256;

    /// As it stands in the header, quotes included. `None` for what cannot be sent back.
    pub fn new(text: &str) -> Option<Self> {
        let sound = !text.is_empty()
            && text.len() <= Self::LONGEST
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        sound.then(|| Self(text.to_owned()))
    }

    /// As it stands in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digest that the tag of `image` points at now, for those who know of nothing before.
pub async fn digest(registry: &dyn Registry, image: &ImageRef) -> Result<Digest, RegistryError> {
    match registry.poll(image, None).await? {
        Polled::Now { digest, .. } => Ok(digest),
        Polled::Same => Err(RegistryError::Unknown {
            registry: image.registry().to_owned(),
            why: "it says that nothing has changed, to one who knows nothing".to_owned(),
            retry_after: None,
        }),
    }
}

/// Why a registry gave no answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry answered that there is no such tag or repository (404).
    #[error("{registry} has no image `{image}`")]
    NoSuchImage {
        /// The registry's host.
        registry: String,
        /// The image asked for.
        image: String,
    },
    /// There is such an image, and none of its manifests is for this platform.
    #[error("`{image}` at {registry} has nothing for {platform}")]
    NotForPlatform {
        /// The registry's host.
        registry: String,
        /// The image asked for.
        image: String,
        /// The platform asked for.
        platform: Platform,
    },
    /// Wrong or missing credentials (401, 403). Many registries answer so too where there is no such image.
    #[error("{registry} refuses access to `{image}`: {why}")]
    Denied {
        /// The registry's host.
        registry: String,
        /// The image asked for.
        image: String,
        /// What it said.
        why: String,
    },
    /// No answer, a server's error, too many requests: unknown, not "absent".
    #[error("{registry} gives no answer: {why}")]
    Unknown {
        /// The registry's host.
        registry: String,
        /// What happened.
        why: String,
        /// When it wants to be asked again, where it says so.
        retry_after: Option<Duration>,
    },
    /// It was not asked at all, out of politeness or because it would be in vain: as unknown as before.
    #[error("{registry} is not asked now: {why}; again in {} s", retry_after.as_secs() + 1)]
    NotAsked {
        /// The registry's host.
        registry: String,
        /// What is in the way.
        why: String,
        /// When it will be asked again at the earliest.
        retry_after: Duration,
    },
    /// The credentials' file, helper or command cannot be used.
    #[error("credentials for {registry}: {why}")]
    Credentials {
        /// The registry's host.
        registry: String,
        /// What happened.
        why: String,
    },
}

impl RegistryError {
    /// How long to wait before asking again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unknown { retry_after, .. } => *retry_after,
            Self::NotAsked { retry_after, .. } => Some(*retry_after),
            Self::NoSuchImage { .. }
            | Self::NotForPlatform { .. }
            | Self::Denied { .. }
            | Self::Credentials { .. } => None,
        }
    }
}
