//! The names that an image has at the engine.

use std::fmt;

use super::{Digest, ImageRef, PinnedImage};

/// One name of an image at the engine: `repository:tag` or `repository@digest`.
///
/// Never an id, nor what an engine could take for one: whoever removes an id takes the names away that other
/// people gave.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(ImageRef);

impl ImageName {
    /// Reads a name as the engine lists it; `None` for anything that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let reference = ImageRef::parse(text).ok()?;
        let has_either = reference.tag().is_some() != reference.digest().is_some();
        // An engine reads `sha256:` and hex digits as an id.
        let is_id = reference.digest().is_none() && ALGORITHMS.contains(&reference.name());
        (has_either && !is_id).then_some(Self(reference))
    }

    /// The repository as written.
    pub fn repository(&self) -> &str {
        self.0.name()
    }

    /// The tag; `None` for a name by digest.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest; `None` for a name by tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.0.digest()
    }

    /// The name as a reference.
    pub fn reference(&self) -> &ImageRef {
        &self.0
    }
}

/// The algorithms of digests that engines know.
const ALGORITHMS: [&str; 3] = ["sha256", "sha384", "sha512"];

impl From<&PinnedImage> for ImageName {
    /// The name that a pull gives.
    fn from(image: &PinnedImage) -> Self {
        Self(image.reference().without_tag())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_could_take_for_an_id_is_no_name() {
        let hex = "a".repeat(64);
        let digest = format!("sha256:{hex}");
        for text in [&hex, &hex[..12], &digest, "sha512:abc", "web", "", "<none>:<none>"] {
            assert_eq!(ImageName::parse(text), None, "{text}");
        }
        assert_eq!(ImageName::parse(&format!("web:1@{digest}")), None, "that would be two");
        for text in ["web:1", &format!("127.0.0.1:5000/acme/web@{digest}"), "evenkeel/a-b:g3"] {
            assert_eq!(ImageName::parse(text).unwrap().to_string(), *text);
        }
    }
}
