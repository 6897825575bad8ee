//! What is remembered of images, so that it can be told which ones may go.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::fingerprint::sha256_hex;
use super::{Digest, GenerationNumber, ImageId, ImageName, ImageRef, ServiceId, SourceName};

/// Images that evenkeel pulled, by [`pull_key`].
pub type PulledImages = BTreeMap<String, Pulled>;

/// An image that evenkeel pulled, or began to pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Its digest.
    pub digest: Digest,
    /// The image as people may see it.
    pub shown: String,
    /// When it was pulled.
    pub at: Timestamp,
    /// When it was last seen to be used.
    pub last_used: Timestamp,
}

/// The names that evenkeel gave images so that nobody prunes them, each with the image that got it.
pub type GivenNames = BTreeMap<ImageName, ImageId>;

/// An image that a service was well with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodImage {
    /// Its digest.
    pub digest: Digest,
    /// The first generation that says so.
    pub first: GenerationNumber,
    /// The last one.
    pub last: GenerationNumber,
}

/// What the generations say of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastImages {
    /// The source of its stack, as its newest generation has it.
    pub source: SourceName,
    /// The images it was well with, the one that it was well with last first.
    pub good: Vec<GoodImage>,
}

/// What the generations say, service by service.
pub type Past = BTreeMap<ServiceId, PastImages>;

/// What stands for an image in the record of pulls: repository and digest, however they are written. A hash,
/// since a server's value may be part of the repository.
pub fn pull_key(image: &ImageRef) -> Option<String> {
    let digest = image.digest()?;
    Some(sha256_hex(format!("{}/{}@{digest}", image.registry(), image.path()).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_is_one_entry_however_its_repository_is_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let key = |text: &str| pull_key(&ImageRef::parse(&format!("{text}@{digest}")).unwrap());
        assert_eq!(key("nginx:1"), key("docker.io/library/nginx"));
        assert_ne!(key("nginx"), key("acme/nginx"));
        assert_eq!(pull_key(&ImageRef::parse("nginx:1").unwrap()), None);
    }
}
