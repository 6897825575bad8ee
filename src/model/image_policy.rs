//! What the operator asks of an image before it runs here (`policy.images` in the configuration).
//!
//! Which image is asked for what; whether it has it is found out in [`crate::resolve`].

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::ImageRef;
use super::fingerprint::hex;

/// How long a program that looks at an image may take where nothing is written.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// One entry of `policy.images`. An image has to meet all that the first entry asks whose pattern it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRule {
    /// Which images.
    pub pattern: ImagePattern,
    /// Holds the public keys (PEM), one of which has to have signed the image.
    pub cosign_key: Option<PathBuf>,
    /// Who has to have signed it without a key of their own.
    pub keyless: Option<Keyless>,
    /// How old it has to be.
    pub min_age: Option<Duration>,
    /// A program with its arguments that looks at it.
    pub check: Option<Vec<String>>,
    /// How long a program may take.
    pub deadline: Duration,
}

/// An identity that Sigstore vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyless {
    /// As it stands in the certificate.
    pub identity: String,
    /// Who has established it.
    pub issuer: String,
}

/// Registry and repository, in which `*` stands for any text, slashes included: what a pattern forgets would run
/// unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePattern(String);

/// The first of `rules` that counts for `image`, with its place.
pub fn rule_of<'a>(rules: &'a [ImageRule], image: &ImageRef) -> Option<(usize, &'a ImageRule)> {
    rules.iter().enumerate().find(|(_, rule)| rule.pattern.matches(image))
}

impl ImagePattern {
    /// Reads a pattern; the error says what is wrong, for a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sound = |c: char| c.is_ascii_alphanumeric() || "*./_-:[]".contains(c);
        if text.is_empty() || !text.chars().all(sound) {
            return Err(format!("`{text}` is no registry with a repository"));
        }
        let (host, rest) = text.split_once('/').unwrap_or((text, ""));
        let is_host = host.contains(['.', ':', '*']) || host == "localhost";
        if !is_host {
            return Err(format!("`{text}` does not begin with a registry"));
        }
        if rest.is_empty() && !host.contains('*') {
            return Err(format!("`{text}` names no repository"));
        }
        Ok(Self(match text.split_once('/') {
            Some((host, rest)) => format!("{}/{rest}", normal_host(host)),
            None => text.to_owned(),
        }))
    }

    /// As it counts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `image` is one of those.
    pub fn matches(&self, image: &ImageRef) -> bool {
        is_like(&self.0, &full_name(image))
    }
}

/// Registry and repository, however they are written: names of hosts know no case, and 443 is the port of https.
pub fn full_name(image: &ImageRef) -> String {
    format!("{}/{}", normal_host(image.registry()), image.path())
}

fn normal_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    match host.trim_end_matches('.') {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

/// Whether `text` is like `pattern`, where a `*` is any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

impl Keyless {
    /// What a verdict about it is remembered by.
    pub fn id(&self) -> String {
        let text = format!("{}\n{}", self.identity, self.issuer);
        format!("keyless:{}", hex(&Sha256::digest(text.as_bytes())))
    }
}

/// What a verdict of `command` is remembered by.
pub fn check_id(command: &[String]) -> String {
    // The lengths keep two commands apart whose arguments are cut at another place.
    let parts = command.iter().map(|part| format!("{}:{part}\n", part.len()));
    format!("check:{}", hex(&Sha256::digest(parts.collect::<String>().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_registry_and_repository_however_they_are_written() {
        for (pattern, image, expected) in [
            ("ghcr.io/acme/*", "ghcr.io/acme/api:1", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/api", true),
            ("ghcr.io/acme/*", "ghcr.io/acmes/api", false),
            ("ghcr.io/acme/*", "GHCR.io/acme/api", true),
            ("ghcr.io/acme/*", "ghcr.io:443/acme/api", true),
            ("ghcr.io/acme/*", "ghcr.io./acme/api", true),
            ("GHCR.io/acme/*", "ghcr.io/acme/api", true),
            ("ghcr.io/acme/api", "ghcr.io/acme/api", true),
            ("ghcr.io/acme/api", "ghcr.io/acme/api2", false),
            ("ghcr.io/*/api", "ghcr.io/acme/api", true),
            ("ghcr.io/*/api", "ghcr.io/acme/web", false),
            ("ghcr.io/a*b*c", "ghcr.io/abc", true),
            ("ghcr.io/a*bc*c", "ghcr.io/abc", false),
            ("docker.io/library/*", "nginx", true),
            ("docker.io/library/*", "registry-1.docker.io/library/nginx", true),
            ("docker.io/*", "acme/api", true),
            ("registry.lan:5000/*", "registry.lan:5000/x", true),
            ("registry.lan:5000/*", "registry.lan:5001/x", false),
            ("*", "quay.io/x/y", true),
            ("*/acme/*", "quay.io/acme/y", true),
        ] {
            let image = ImageRef::parse(image).unwrap();
            let matches = ImagePattern::parse(pattern).unwrap().matches(&image);
            assert_eq!(matches, expected, "{pattern} {image}");
        }
    }

    #[test]
    fn a_pattern_without_a_registry_is_refused() {
        for wrong in ["", "acme/*", "nginx", "ghcr.io", "ghcr.io/", "ghcr.io/a b", "ghcr.io/{a,b}"]
        {
            assert!(ImagePattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_cut_between_arguments_is_another_check() {
        let id = |parts: &[&str]| {
            check_id(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
        };
        assert_ne!(id(&["a", "b"]), id(&["a b"]));
        assert_ne!(id(&["a", "b"]), id(&["a", "c"]));
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
    }
}
