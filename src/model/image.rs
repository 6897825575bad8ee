//! Images: as a manifest names them, and pinned to a digest.

use std::fmt;

/// A content digest, `sha256:` and 64 hex digits (OCI Image Specification, descriptor digests).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(String);

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("not a digest")
    }
}

impl Digest {
    /// Reads a digest: an algorithm, a colon and at least 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, hex) = text.split_once(':')?;
        let sound = !algorithm.is_empty()
            && algorithm
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+._-".contains(&b))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && (algorithm != "sha256" || hex.len() == 64);
        sound.then(|| Self(text.to_owned()))
    }

    /// The whole text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> &str {
        let hex = self.0.split_once(':').map_or(self.0.as_str(), |(_, hex)| hex);
        hex.get(..12).unwrap_or(hex)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image as a manifest names it: repository, and a tag, a digest, both or neither.
///
/// Written the way people write it (`nginx:1.27`, `ghcr.io/acme/api`); [`ImageRef::registry`] and
/// [`ImageRef::path`] give Docker's reading of it (the rules of distribution/reference).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Reads an image reference; the error says what is wrong, for a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => match Digest::parse(digest) {
                Some(digest) => (rest, Some(digest)),
                None => {
                    return Err(format!("`{digest}` is not a digest (sha256: and 64 hex digits)"));
                }
            },
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            Some(_) | None => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(format!(
                "`{tag}` is not a tag (letters, digits, `_`, `.`, `-`; at most 128)"
            ));
        }
        let reference = Self { name: name.to_owned(), tag: tag.map(str::to_owned), digest };
        let path = reference.path();
        if name.is_empty() {
            return Err("the image has no name".to_owned());
        }
        if path.split('/').any(|part| !is_path_part(part)) {
            return Err(format!(
                "`{name}` is not a repository name (lower-case letters, digits, `.`, `_`, `-`, `/`)"
            ));
        }
        Ok(reference)
    }

    /// The registry's host (and port): `docker.io` where none is written.
    pub fn registry(&self) -> &str {
        match self.split_host() {
            (Some("index.docker.io"), _) | (None, _) => "docker.io",
            (Some(host), _) => host,
        }
    }

    /// The repository's path at the registry: `library/nginx` for `nginx`.
    pub fn path(&self) -> String {
        match self.split_host() {
            (Some(host), path) if host != "docker.io" && host != "index.docker.io" => {
                path.to_owned()
            }
            (_, path) if path.contains('/') => path.to_owned(),
            (_, path) => format!("library/{path}"),
        }
    }

    /// The repository as written, without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag as written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag that the registry is asked for: `latest` where none is written.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// The digest as written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository and tag without a digest.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        Self { digest: None, ..self.clone() }
    }

    /// The same repository and digest without a tag.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        Self { tag: None, ..self.clone() }
    }

    /// The same repository with another tag, without a digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { name: self.name.clone(), tag: Some(tag.to_owned()), digest: None }
    }

    /// Whether both name the same repository and tag, however they are written
    /// (`nginx` is `docker.io/library/nginx:latest`).
    pub fn same_tag(&self, other: &Self) -> bool {
        self.same_repository(other) && self.tag_or_latest() == other.tag_or_latest()
    }

    /// Whether both name the same repository, however it is written.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.registry() == other.registry() && self.path() == other.path()
    }

    fn split_host(&self) -> (Option<&str>, &str) {
        match self.name.split_once('/') {
            Some((host, path))
                if host.contains(['.', ':'])
                    || host == "localhost"
                    || host.chars().any(char::is_uppercase) =>
            {
                (Some(host), path)
            }
            Some(_) | None => (None, &self.name),
        }
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_path_part(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().next().is_some_and(plain)
        && part.bytes().last().is_some_and(plain)
        && part.bytes().all(|b| plain(b) || b"._-".contains(&b))
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An image whose digest is known; only [`crate::resolve`] makes these, and only these can be pulled.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedImage {
    name: String,
    tag: Option<String>,
    digest: Digest,
}

impl PinnedImage {
    /// Pins `reference` to `digest`. A digest written in the reference is replaced.
    pub fn new(reference: &ImageRef, digest: Digest) -> Self {
        let tag = match (&reference.tag, &reference.digest) {
            // Nothing written means `latest`; with a digest alone there is no tag to show.
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.clone(),
        };
        Self { name: reference.name.clone(), tag, digest }
    }

    /// What makes it this image and no other.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// `repository@sha256:…`: what the engine is asked to pull, and what it lists under `RepoDigests`.
    pub fn pull_reference(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }

    /// `repository:tag`, for people, without the digest (`repository@digest` where there is no tag).
    pub fn familiar(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.name),
            None => self.pull_reference(),
        }
    }

    /// The reference it was pinned from, with the digest.
    pub fn reference(&self) -> ImageRef {
        ImageRef {
            name: self.name.clone(),
            tag: self.tag.clone(),
            digest: Some(self.digest.clone()),
        }
    }
}

impl TryFrom<&ImageRef> for PinnedImage {
    type Error = ();

    /// A reference with a digest needs nobody to pin it.
    fn try_from(reference: &ImageRef) -> Result<Self, ()> {
        let digest = reference.digest().ok_or(())?;
        Ok(Self::new(reference, digest.clone()))
    }
}

impl fmt::Display for PinnedImage {
    /// `repository:tag@sha256:…`: what containers are created from, so that `docker ps` shows the tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reference())
    }
}

impl fmt::Debug for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A platform as images declare it: `linux/arm64/v8`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Platform(pub String);

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, registry: &str, path: &str, tag: &str) {
        let image = ImageRef::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(
            (image.registry(), image.path().as_str(), image.tag_or_latest()),
            (registry, path, tag),
            "{text}"
        );
        assert_eq!(image.to_string(), text, "a reference is shown as it was written");
    }

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        check("nginx", "docker.io", "library/nginx", "latest");
        check("nginx:1.27-alpine", "docker.io", "library/nginx", "1.27-alpine");
        check("docker.io/nginx", "docker.io", "library/nginx", "latest");
        check("acme/api:1", "docker.io", "acme/api", "1");
        check("ghcr.io/acme/api:1.4.2", "ghcr.io", "acme/api", "1.4.2");
        check("localhost:5000/api", "localhost:5000", "api", "latest");
        check("127.0.0.1:5000/a/b:c", "127.0.0.1:5000", "a/b", "c");
        check(&format!("ghcr.io/acme/api:1@{digest}"), "ghcr.io", "acme/api", "1");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", ":1", "Nginx", "a//b", "a:", "a:b c", "a@sha256:12", "/a", "a/", "-a"] {
            assert!(ImageRef::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn one_image_has_several_spellings() {
        let (a, b) = (
            ImageRef::parse("nginx").unwrap(),
            ImageRef::parse("docker.io/library/nginx:latest").unwrap(),
        );
        assert!(a.same_tag(&b));
    }

    #[test]
    fn a_pinned_image_shows_its_tag_and_pulls_by_digest() {
        let digest = Digest::parse(&format!("sha256:{}", "b".repeat(64))).unwrap();
        let pinned = PinnedImage::new(&ImageRef::parse("acme/api:1").unwrap(), digest.clone());
        assert_eq!(pinned.to_string(), format!("acme/api:1@{digest}"));
        assert_eq!(pinned.pull_reference(), format!("acme/api@{digest}"));
    }
}
