//! The seam to registries: what a tag points at, and with which credentials an image is pulled.
//!
//! Only asks; which digest is used is decided in [`crate::resolve`].

pub mod distribution;

mod answer;
mod challenge;
mod credentials;
mod exchange;
pub mod fake;
mod host;
mod token;

pub use distribution::Distribution;
pub use fake::FakeRegistry;
pub use host::HostSettings;

use async_trait::async_trait;

use crate::model::login::Login;
use crate::model::{Digest, ImageRef};

/// Registries, as far as a pass needs them.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The digest that the tag of `image` points at now: one HEAD (OCI Distribution Specification, "Pulling
    /// manifests"). For an image of several platforms it is the index's digest.
    async fn digest(&self, image: &ImageRef) -> Result<Digest, RegistryError>;

    /// The credentials for the registry of `image`, if there are any.
    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError>;
}

/// Why a registry gave no digest.
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
    },
    /// The credentials' file or helper cannot be used.
    #[error("credentials for {registry}: {why}")]
    Credentials {
        /// The registry's host.
        registry: String,
        /// What happened.
        why: String,
    },
}
