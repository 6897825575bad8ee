//! `POST /hooks/registry`: a tag was pushed, as the distribution registry, GitHub (for GHCR) and Docker Hub tell it.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

use super::{Refused, json, proof, sized, text, word};
use crate::model::ImageRef;
use crate::model::polls::{Repository, TagKey};

/// A repository at a registry in which something is another now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageMoved {
    /// The repository, without a tag.
    pub repository: ImageRef,
    /// The tag; `None` where it is not said which.
    pub tag: Option<String>,
}

/// As many events of one envelope as are looked at; the registry sends one or a few.
const MOST: usize = 1_000;

/// Reads what a registry sent, if it knows `secret`. Docker Hub does not sign: it shows the secret in the query, a
/// distribution registry in a header. In ascending order, each once; empty for what is no push.
pub fn check(
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
    secret: &str,
) -> Result<Vec<ImageMoved>, Refused> {
    sized(body)?;
    proof::signed_or_shown(headers, query, body, secret)?;
    let event = word(headers, "x-github-event")?;
    if event.is_some_and(|event| !["package", "registry_package"].contains(&event)) {
        return Ok(Vec::new());
    }
    let told = json(headers, body)?;
    let moved: BTreeSet<ImageMoved> = if let Some(events) = told.pointer("/events") {
        let events = events.as_array().ok_or(Refused::Malformed("`events` is no list"))?;
        events.iter().take(MOST).filter_map(of_distribution).collect()
    } else if let Some(package) =
        told.pointer("/registry_package").or_else(|| told.pointer("/package"))
    {
        of_github(package).into_iter().collect()
    } else if told.pointer("/push_data").is_some() {
        of_docker_hub(&told).into_iter().collect()
    } else {
        return Err(Refused::Malformed("the body names no image"));
    };
    Ok(moved.into_iter().collect())
}

/// One event of an envelope (distribution, "Work with notifications").
fn of_distribution(event: &Value) -> Option<ImageMoved> {
    let action = text(event, "/action")?;
    if !["push", "mount", "delete"].contains(&action) {
        return None;
    }
    let host = text(event, "/request/host").map(str::to_owned);
    let host = host.or_else(|| {
        let url = url::Url::parse(text(event, "/target/url")?).ok()?;
        let port = url.port().map(|port| format!(":{port}"));
        Some(format!("{}{}", url.host_str()?, port.unwrap_or_default()))
    })?;
    moved(&host, text(event, "/target/repository")?, text(event, "/target/tag"))
}

/// GitHub's `package` and `registry_package`: for GHCR, those of type `CONTAINER`.
fn of_github(package: &Value) -> Option<ImageMoved> {
    let kind = text(package, "/package_type").unwrap_or("container");
    if !kind.eq_ignore_ascii_case("container") {
        return None;
    }
    let version = package.pointer("/package_version")?;
    let tag = text(version, "/container_metadata/tag/name");
    let owner = text(package, "/namespace").or_else(|| text(package, "/owner/login"));
    match (owner, text(package, "/name")) {
        (Some(owner), Some(name)) => moved("ghcr.io", &format!("{owner}/{name}"), tag),
        // `ghcr.io/owner/name:tag`
        (_, _) => {
            let image =
                ImageRef::parse(text(version, "/package_url")?.trim_end_matches(':')).ok()?;
            moved(image.registry(), &image.path(), tag.or(image.tag()))
        }
    }
}

fn of_docker_hub(told: &Value) -> Option<ImageMoved> {
    moved("docker.io", text(told, "/repository/repo_name")?, text(told, "/push_data/tag"))
}

/// What moved, if that can be the name of an image: registries write theirs in small letters.
fn moved(host: &str, path: &str, tag: Option<&str>) -> Option<ImageMoved> {
    let name = format!("{}/{}", host.to_ascii_lowercase(), path.to_ascii_lowercase());
    let repository = ImageRef::parse(&name).ok()?;
    let is_bare = repository.tag().is_none() && repository.digest().is_none();
    let is_there = repository.registry() == host.to_ascii_lowercase();
    // A tag that no image can have is nobody's.
    let is_sound = tag.is_none_or(|tag| ImageRef::parse(&format!("x:{tag}")).is_ok());
    (is_bare && is_there && is_sound)
        .then(|| ImageMoved { repository, tag: tag.map(str::to_owned) })
}

impl ImageMoved {
    /// By what the record of registries knows it: [`crate::history::History::record_moved`] makes it due.
    pub fn key(&self) -> (Repository, Option<TagKey>) {
        (Repository::from(&self.repository), self.tag.as_deref().map(TagKey::of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &str)], body: &str) -> Result<Vec<String>, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let moved = check(&map, Some("secret=s"), body.as_bytes(), "s")?;
        let shown = moved.into_iter().map(|one| {
            let tag = one.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            format!("{}/{}{tag}", one.repository.registry(), one.repository.path())
        });
        Ok(shown.collect())
    }

    fn envelope(action: &str, host: &str, repository: &str, tag: &str) -> String {
        format!(
            r#"{{"events": [{{"id": "1", "action": "{action}", "target": {{"repository": "{repository}",
            "url": "http://other.lan/v2/x", "tag": "{tag}"}}, "request": {{"host": "{host}"}}}}]}}"#
        )
    }

    #[test]
    fn each_registry_is_understood() {
        let distribution = envelope("push", "registry.lan:5000", "acme/api", "1.4");
        assert_eq!(told(&[], &distribution), Ok(vec!["registry.lan:5000/acme/api:1.4".into()]));
        let github = r#"{"action": "published", "registry_package": {"name": "API", "namespace": "Acme",
            "package_type": "CONTAINER", "package_version": {"container_metadata": {"tag":
            {"name": "1.4", "digest": "sha256:00"}}, "package_url": "ghcr.io/acme/api:1.4"}}}"#;
        let event = ("x-github-event", "registry_package");
        assert_eq!(told(&[event], github), Ok(vec!["ghcr.io/acme/api:1.4".into()]));
        let package = r#"{"package": {"package_type": "container", "package_version":
            {"package_url": "ghcr.io/acme/api:1.4"}}}"#;
        let event = ("x-github-event", "package");
        assert_eq!(told(&[event], package), Ok(vec!["ghcr.io/acme/api:1.4".into()]));
        let hub = r#"{"push_data": {"tag": "latest", "pusher": "x"}, "callback_url": "https://x/",
            "repository": {"repo_name": "acme/api", "repo_url": "https://hub.docker.com/r/acme/api"}}"#;
        assert_eq!(told(&[], hub), Ok(vec!["docker.io/acme/api:latest".into()]));
    }

    #[test]
    fn what_is_no_push_of_an_image_moves_nothing() {
        assert_eq!(told(&[("x-github-event", "ping")], "{}"), Ok(Vec::new()));
        assert_eq!(told(&[], &envelope("pull", "r.lan", "a/b", "1")), Ok(Vec::new()));
        let npm = r#"{"package": {"name": "x", "package_type": "npm", "package_version": {}}}"#;
        assert_eq!(told(&[("x-github-event", "package")], npm), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_an_image_moves_nothing() {
        for (host, repository, tag) in [
            ("r.lan", "a/../b", "1"),
            ("r.lan", "a b", "1"),
            ("r.lan", "a:5", "1"),
            ("r.lan", "a/b", "-x"),
            ("r.lan", "a/b", "x@sha256:1"),
            ("nodots", "a/b", "1"),
        ] {
            let body = envelope("push", host, repository, tag);
            assert_eq!(told(&[], &body), Ok(Vec::new()), "{host} {repository} {tag}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert_eq!(told(&[], "{}"), Err(Refused::Malformed("the body names no image")));
        assert_eq!(told(&[], r#"{"events": 1}"#), Err(Refused::Malformed("`events` is no list")));
        let none = check(&HeaderMap::new(), None, b"{}", "s");
        assert_eq!(none, Err(Refused::Unproven));
    }
}
