//! `POST /hooks/git`: somebody pushed, as GitHub, Gitea, Forgejo and GitLab tell it, and whoever writes the same.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

use super::{Refused, json, proof, sized, text, word};
use crate::config::{Config, Follow, Source};
use crate::model::SourceName;
use crate::source::Location;

/// What was pushed where. Nothing at all for a ping, and for what is no push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitPush {
    /// The repository's addresses, as the forge writes them.
    pub addresses: BTreeSet<String>,
    /// `owner/name`.
    pub full_name: Option<String>,
    /// `refs/heads/…` or `refs/tags/…`; `None` where it is not said.
    pub reference: Option<String>,
    /// The branch that stands for the repository.
    pub default_branch: Option<String>,
    /// The commit that was pushed.
    pub commit: Option<String>,
}

/// Where the event's name stands. Gitea and Forgejo call theirs by the names of their predecessors too.
const EVENTS: [&str; 5] =
    ["x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event", "x-gitlab-event"];

/// The events that are pushes; GitLab's system hooks say what they are only in the body.
const PUSHES: [&str; 5] =
    ["push", "Push Hook", "Tag Push Hook", "System Hook", "Repository Update"];

const ADDRESSES: [&str; 14] = [
    "/repository/clone_url",
    "/repository/ssh_url",
    "/repository/html_url",
    "/repository/git_http_url",
    "/repository/git_ssh_url",
    "/repository/homepage",
    "/repository/url",
    "/repository",
    "/project/git_http_url",
    "/project/git_ssh_url",
    "/project/http_url",
    "/project/ssh_url",
    "/project/web_url",
    "/project/url",
];

/// Reads what a forge sent, if it knows `secret`.
pub fn check(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<GitPush, Refused> {
    sized(body)?;
    proof::signed(headers, body, secret)?;
    let mut event = None;
    for name in EVENTS {
        event = event.or(word(headers, name)?);
    }
    if event.is_some_and(|event| !PUSHES.contains(&event)) {
        return Ok(GitPush::default());
    }
    let told = json(headers, body)?;
    let kind = text(&told, "/object_kind").or(text(&told, "/event_name"));
    if kind.is_some_and(|kind| !["push", "tag_push", "repository_update"].contains(&kind)) {
        return Ok(GitPush::default());
    }
    read(&told)
}

fn read(told: &Value) -> Result<GitPush, Refused> {
    let addresses: BTreeSet<String> =
        ADDRESSES.iter().filter_map(|pointer| text(told, pointer)).map(str::to_owned).collect();
    if addresses.is_empty() {
        return Err(Refused::Malformed("the body names no repository"));
    }
    let first = |pointers: [&str; 2]| {
        pointers.into_iter().find_map(|pointer| text(told, pointer)).map(str::to_owned)
    };
    Ok(GitPush {
        addresses,
        full_name: first(["/repository/full_name", "/project/path_with_namespace"]),
        reference: first(["/ref", "/refs/0"]),
        default_branch: first(["/repository/default_branch", "/project/default_branch"]),
        commit: first(["/after", "/checkout_sha"]),
    })
}

/// The sources that may have something new now, in the order of the configuration.
pub fn wakes(push: &GitPush, config: &Config) -> Vec<SourceName> {
    let places: BTreeSet<Place> = push.addresses.iter().filter_map(|it| Place::of(it)).collect();
    let sources = config.sources.iter();
    let woken = sources.filter(|source| is_of(push, &places, source) && is_followed(push, source));
    woken.map(|source| source.name.clone()).collect()
}

/// Whether `source` follows the repository that was pushed to.
fn is_of(push: &GitPush, places: &BTreeSet<Place>, source: &Source) -> bool {
    let Some(place) = Place::of(source.repo.as_str()) else { return false };
    // A name without a dot may be one of `ssh`'s own configuration.
    let is_alias = place.by_ssh && !place.host.contains('.');
    let has_name =
        push.full_name.as_ref().is_some_and(|name| name.to_ascii_lowercase() == place.path);
    (is_alias && has_name)
        || places.iter().any(|told| told.host == place.host && told.path == place.path)
}

/// Whether `source` follows what was pushed; what is not said may be it.
fn is_followed(push: &GitPush, source: &Source) -> bool {
    let is_ref = |kind: &str, wanted: &str| {
        let name = push.reference.as_deref();
        name.is_none_or(|name| name.strip_prefix(kind).unwrap_or(name) == wanted)
    };
    match &source.follow {
        Follow::Branch(name) => is_ref("refs/heads/", name),
        Follow::Tag(name) => is_ref("refs/tags/", name),
        Follow::DefaultBranch => {
            let is_tag = push.reference.as_ref().is_some_and(|name| name.starts_with("refs/tags/"));
            let branch = push.default_branch.as_deref();
            !is_tag && branch.is_none_or(|branch| is_ref("refs/heads/", branch))
        }
        // One that was not there yet.
        Follow::Commit(id) => push.commit.as_ref().is_none_or(|it| it.eq_ignore_ascii_case(id)),
    }
}

/// Where a repository is, in lower case and without what does not tell one from another: user, port, scheme, `.git`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: String,
    path: String,
    by_ssh: bool,
}

/// The names under which forges take SSH where port 22 is closed, and their usual ones.
const OTHER_NAMES: [(&str, &str); 2] =
    [("ssh.github.com", "github.com"), ("altssh.gitlab.com", "gitlab.com")];

impl Place {
    fn of(address: &str) -> Option<Self> {
        let (host, path, by_ssh) = match Location::parse(address).ok()? {
            Location::Disk(path) => (String::new(), path.to_str()?.to_owned(), false),
            Location::Http { url, .. } => {
                (url.host_str()?.to_owned(), url.path().to_owned(), false)
            }
            Location::Ssh(address) => (address.host, address.path, true),
        };
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let usual = OTHER_NAMES.iter().find(|(other, _)| *other == host);
        let host = usual.map_or(host, |(_, usual)| (*usual).to_owned());
        let path = path.trim_matches('/').to_ascii_lowercase();
        let path = path.strip_suffix(".git").unwrap_or(&path).to_owned();
        Some(Self { host, path, by_ssh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ambient() -> crate::config::Ambient {
        crate::config::Ambient { hostname: "web-1".into(), ..crate::config::Ambient::default() }
    }

    fn config(sources: &str) -> Config {
        let text = format!("sources:\n{sources}");
        Config::parse("config.yaml", &text, &ambient()).unwrap()
    }

    fn headers(event: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-gitlab-token", "s".parse().unwrap());
        for (name, value) in event {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn pushed(body: &str) -> GitPush {
        check(&headers(&[]), body.as_bytes(), "s").unwrap()
    }

    const GITHUB: &str = r#"{"ref": "refs/heads/main", "after": "0123456789012345678901234567890123456789",
        "repository": {"full_name": "Acme/infra", "clone_url": "https://github.com/Acme/infra.git",
        "ssh_url": "git@github.com:Acme/infra.git", "git_url": "git://github.com/Acme/infra.git",
        "html_url": "https://github.com/Acme/infra", "default_branch": "main"}}"#;

    fn check_wakes(body: &str, source: &str, expected: bool) {
        let woken = wakes(&pushed(body), &config(&format!("  - {{name: it, {source}}}")));
        assert_eq!(!woken.is_empty(), expected, "{source}");
    }

    #[test]
    fn every_way_to_write_the_address_is_woken() {
        for repo in [
            "https://github.com/acme/infra.git",
            "https://GitHub.com/Acme/infra/",
            "https://x-access-token:secret@github.com/acme/infra",
            "git@github.com:acme/infra.git",
            "github.com:Acme/infra",
            "ssh://git@ssh.github.com:443/acme/infra.git",
            "ssh://git@github-work/acme/infra",
        ] {
            check_wakes(GITHUB, &format!("repo: '{repo}'"), true);
        }
        for repo in [
            "https://github.com/acme/infra-2.git",
            "https://gitlab.com/acme/infra.git",
            "git@gitlab.com:acme/infra.git",
            "git@github.com:other/infra.git",
            "ssh://git@github-work/other/infra",
            "/srv/git/acme/infra",
        ] {
            check_wakes(GITHUB, &format!("repo: '{repo}'"), false);
        }
    }

    #[test]
    fn a_push_to_something_else_wakes_nothing() {
        let repo = "repo: 'git@github.com:acme/infra.git'";
        check_wakes(GITHUB, &format!("{repo}, branch: main"), true);
        check_wakes(GITHUB, &format!("{repo}, branch: next"), false);
        check_wakes(GITHUB, &format!("{repo}, tag: main"), false);
        let commit = "commit: '0123456789012345678901234567890123456789'";
        check_wakes(GITHUB, &format!("{repo}, {commit}"), true);
        check_wakes(GITHUB, &format!("{repo}, {}", commit.replace("'0", "'1")), false);
        let tag = GITHUB.replace("refs/heads/main", "refs/tags/v1");
        check_wakes(&tag, &format!("{repo}, tag: v1"), true);
        check_wakes(&tag, &format!("{repo}, branch: v1"), false);
        check_wakes(&tag, repo, false);
        let other = GITHUB.replace("refs/heads/main", "refs/heads/next");
        check_wakes(&other, repo, false);
        check_wakes(&other, &format!("{repo}, branch: next"), true);
    }

    #[test]
    fn gitlab_and_whoever_writes_little_are_understood() {
        let gitlab = r#"{"object_kind": "push", "ref": "refs/heads/main", "project": {
            "path_with_namespace": "acme/infra", "git_ssh_url": "git@git.lan:acme/infra.git",
            "git_http_url": "http://git.lan:8080/acme/infra.git", "default_branch": "main"}}"#;
        check_wakes(gitlab, "repo: 'ssh://git@git.lan:2222/acme/infra.git', branch: main", true);
        check_wakes(gitlab, "repo: 'http://git.lan:8080/acme/infra', branch: other", false);
        let least = r#"{"repository": "/srv/git/infra.git"}"#;
        check_wakes(least, "repo: 'file:///srv/git/infra.git', branch: any", true);
        check_wakes(least, "repo: '/srv/git/other'", false);
    }

    #[test]
    fn what_is_no_push_wakes_nothing_and_is_no_error() {
        for event in [("x-github-event", "ping"), ("x-gitlab-event", "Issue Hook")] {
            assert_eq!(check(&headers(&[event]), b"", "s"), Ok(GitPush::default()));
        }
        let system = br#"{"event_name": "project_create", "path": "x"}"#;
        let hook = headers(&[("x-gitlab-event", "System Hook")]);
        assert_eq!(check(&hook, system, "s"), Ok(GitPush::default()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refused = |body: &str| check(&headers(&[]), body.as_bytes(), "s").unwrap_err();
        assert_eq!(refused(""), Refused::Malformed("the body is not JSON"));
        assert_eq!(refused("[1]"), Refused::Malformed("the body is no JSON object"));
        assert_eq!(refused("{}"), Refused::Malformed("the body names no repository"));
        assert_eq!(refused(&"[".repeat(100_000)), Refused::Malformed("the body is not JSON"));
        assert_eq!(refused(&" ".repeat(super::super::LARGEST + 1)), Refused::TooLarge);
        let twice = headers(&[("x-github-event", "push"), ("x-github-event", "ping")]);
        assert_eq!(check(&twice, b"{}", "s"), Err(Refused::Twice("x-github-event")));
        assert_eq!(check(&headers(&[]), GITHUB.as_bytes(), "t"), Err(Refused::Unproven));
    }

    #[test]
    fn a_form_is_read_by_its_payload() {
        let form = headers(&[("content-type", "application/x-www-form-urlencoded; charset=utf-8")]);
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", GITHUB)
            .finish();
        assert_eq!(check(&form, body.as_bytes(), "s"), Ok(pushed(GITHUB)));
        let without = check(&form, b"a=b", "s");
        assert_eq!(without, Err(Refused::Malformed("the form has no field `payload`")));
    }
}
