//! Docker's own `config.json`: `auths`, `credsStore`, `credHelpers` (docker/cli, `cli/config`).
//!
//! Only reads; helpers are run in [`super::program`].

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::host::canonical;
use crate::model::Hidden;

/// The key of Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Where the file says that a registry's credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nowhere.
    Nowhere,
    /// In the file: name and password.
    Password(String, Hidden),
    /// In the file, as an identity token.
    Identity(Hidden),
    /// With a helper (`docker-credential-<name>`), under this key.
    Helper {
        /// The program.
        program: String,
        /// What it is asked for.
        key: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    auths: BTreeMap<String, Auth>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Hidden,
    username: String,
    password: Hidden,
    identitytoken: Hidden,
}

/// What `file`, which need not exist, says of `registry`. The error is for people and shows no secret.
pub(super) fn look_up(file: &Path, registry: &str) -> Result<Kept, String> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::Nowhere),
        Err(error) => return Err(format!("{}: {}", file.display(), error.kind())),
    };
    let read: File = serde_json::from_slice(&text)
        .map_err(|_| format!("{} is not what Docker writes (JSON)", file.display()))?;
    find(&read, registry).map_err(|why| format!("{why} in {}", file.display()))
}

fn find(file: &File, registry: &str) -> Result<Kept, String> {
    let key = if registry == "docker.io" { DOCKER_HUB } else { registry };
    let helper = |name: &str| Kept::Helper {
        program: format!("docker-credential-{name}"),
        key: key.to_owned(),
    };
    if let Some(name) = of(&file.helpers, key).filter(|name| !name.is_empty()) {
        return Ok(helper(name));
    }
    match of(&file.auths, key).map(in_file).transpose()? {
        Some(kept) if kept != Kept::Nowhere => Ok(kept),
        Some(_) | None if !file.store.is_empty() => Ok(helper(&file.store)),
        Some(_) | None => Ok(Kept::Nowhere),
    }
}

fn in_file(auth: &Auth) -> Result<Kept, String> {
    if !auth.identitytoken.reveal().is_empty() {
        return Ok(Kept::Identity(auth.identitytoken.clone()));
    }
    if !auth.auth.reveal().is_empty() {
        let unreadable = || "`auth` is not base64 of `user:password`".to_owned();
        let (name, password) = decode(auth.auth.reveal()).ok_or_else(unreadable)?;
        return Ok(Kept::Password(name, password));
    }
    if auth.username.is_empty() {
        return Ok(Kept::Nowhere);
    }
    Ok(Kept::Password(auth.username.clone(), auth.password.clone()))
}

fn decode(auth: &str) -> Option<(String, Hidden)> {
    let padding = base64::engine::DecodePaddingMode::Indifferent;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let text = String::from_utf8(engine.decode(auth.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Hidden::new(password.trim_matches('\0'))))
}

/// The entry of exactly this key, else one that names the same host in another way.
fn of<'a, T>(entries: &'a BTreeMap<String, T>, key: &str) -> Option<&'a T> {
    let same = || entries.iter().find(|(other, _)| host(other) == host(key));
    entries.get(key).or_else(|| same().map(|(_, entry)| entry))
}

/// The host in `https://index.docker.io/v1/`.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    canonical(key.split('/').next().unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &str, registry: &str, expected: Kept) {
        let file: File = serde_json::from_str(config).unwrap();
        assert_eq!(find(&file, registry), Ok(expected), "{registry} in {config}");
    }

    fn helper(program: &str, key: &str) -> Kept {
        Kept::Helper { program: program.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn a_login_stands_under_its_registry_however_that_is_written() {
        let config = r#"{"auths": {"https://ghcr.io/v2/": {"auth": "bWU6aHVudGVyMg"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "pw"},
            "id.example": {"identitytoken": "refresh"}, "empty.example": {}}}"#;
        check(config, "ghcr.io", Kept::Password("me".into(), Hidden::new("hunter2")));
        check(config, "docker.io", Kept::Password("hub".into(), Hidden::new("pw")));
        check(config, "id.example", Kept::Identity(Hidden::new("refresh")));
        check(config, "empty.example", Kept::Nowhere);
        check(config, "quay.io", Kept::Nowhere);
        check("{}", "ghcr.io", Kept::Nowhere);
    }

    #[test]
    fn a_registry_s_own_helper_goes_first_and_the_store_last() {
        let config = r#"{"credHelpers": {"ecr.example": "ecr-login", "docker.io": "hub"},
            "credsStore": "pass", "auths": {"ghcr.io": {}, "quay.io": {"auth": "YTpi"}}}"#;
        check(config, "ecr.example", helper("docker-credential-ecr-login", "ecr.example"));
        check(config, "docker.io", helper("docker-credential-hub", DOCKER_HUB));
        check(config, "ghcr.io", helper("docker-credential-pass", "ghcr.io"));
        check(config, "quay.io", Kept::Password("a".into(), Hidden::new("b")));
    }
}
