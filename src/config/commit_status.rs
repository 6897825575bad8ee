//! `sources[].commit_status`: the forge that is told how the commits of a source fare on this host.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::notify::{Recipient, Way};
use super::resolve::{Problems, absolute, wrong};
use super::{Config, Source};
use crate::model::{HostName, Problem, SourceName};

/// A repository at a forge, and how its commits are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Whose API it is.
    pub forge: Forge,
    /// Holds a token that may set statuses.
    pub token_file: PathBuf,
    /// The API's address, without a slash at its end: `https://api.github.com`.
    pub api: String,
    /// The repository's path there: `acme/infra`.
    pub project: String,
    /// The status's name: `evenkeel/web-1`.
    pub context: String,
}

/// A kind of forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Forge {
    /// GitHub, also on a server of one's own.
    Github,
    /// GitLab.
    Gitlab,
    /// Gitea and Forgejo.
    Gitea,
}

impl Forge {
    /// Its API at `server`, where it is at its usual place.
    fn api(self, server: &str) -> String {
        match self {
            Self::Github if server == "https://github.com" => "https://api.github.com".to_owned(),
            Self::Github => format!("{server}/api/v3"),
            Self::Gitlab => format!("{server}/api/v4"),
            Self::Gitea => format!("{server}/api/v1"),
        }
    }
}

impl CommitStatus {
    /// Where people look at the repository.
    pub fn page(&self) -> String {
        let server = match self.api.as_str() {
            "https://api.github.com" => "https://github.com",
            api => ["/api/v1", "/api/v3", "/api/v4"]
                .iter()
                .find_map(|end| api.strip_suffix(end))
                .unwrap_or(api),
        };
        format!("{server}/{}", self.project)
    }
}

/// As it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Whose API it is.
    pub(super) forge: Option<Forge>,
    /// Holds a token that may set statuses.
    pub(super) token_file: Option<PathBuf>,
    /// The API's address, where `repo` does not lead to it.
    pub(super) url: Option<String>,
    /// The repository's path at the forge, where `repo` does not say it: `acme/infra`.
    pub(super) project: Option<String>,
}

/// What is written below `path`, of a source with this `repo`.
pub(super) fn commit_status(
    written: Written,
    repo: &str,
    path: &str,
    host: &HostName,
    problems: &mut Problems,
) -> Option<CommitStatus> {
    let path = format!("{path}.commit_status");
    let missing = |key: &str, problems: &mut Problems| {
        let problem = Problem::new("missing-key", format!("the key `{key}` is missing"));
        problems.push(problem.path(format!("{path}.{key}")));
    };
    let (server, said) = address(repo).unzip();
    if written.forge.is_none() {
        missing("forge", problems);
    }
    let token_file = match written.token_file {
        Some(file) => Some(absolute(file, &format!("{path}.token_file"), problems)),
        None => {
            missing("token_file", problems);
            None
        }
    };
    let forge = written.forge?;
    let Some(api) = written.url.or_else(|| server.map(|server| forge.api(&server))) else {
        problems.push(
            wrong(&path, "`repo` does not say where the forge is")
                .hint("write the address of its API as `url`: `https://git.example.org/api/v1`"),
        );
        return None;
    };
    if !is_web_address(&api) {
        let message = "this is no address on the web, or a login stands in it";
        problems.push(wrong(format!("{path}.url"), message).hint("write `https://…`"));
    }
    let project = written.project.or(said).filter(|project| is_project(project));
    let Some(project) = project else {
        problems.push(
            wrong(&path, "`repo` does not say which repository it is at the forge")
                .hint("write it as `project`: `acme/infra`"),
        );
        return None;
    };
    let api = api.trim_end_matches('/').to_owned();
    let context = format!("evenkeel/{host}");
    Some(CommitStatus { forge, token_file: token_file?, api, project, context })
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let has_login = url.password().is_some() || !url.username().is_empty();
        matches!(url.scheme(), "http" | "https") && url.has_host() && !has_login
    })
}

fn is_project(text: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.contains('/') && text.split('/').all(is_name)
}

/// The web server of a repository's address, and the repository's path there.
fn address(repo: &str) -> Option<(String, String)> {
    let path = |path: &str| {
        let path = path.trim_matches('/');
        path.strip_suffix(".git").unwrap_or(path).to_owned()
    };
    if repo.contains("://") {
        let url = Url::parse(repo).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        return match url.scheme() {
            scheme @ ("http" | "https") => {
                Some((format!("{scheme}://{host}{port}"), path(url.path())))
            }
            // Which port the web server has is not said there.
            "ssh" => Some((format!("https://{host}"), path(url.path()))),
            _ => None,
        };
    }
    let (host, rest) = repo.split_once(':').filter(|(host, _)| !host.contains('/'))?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Some((format!("https://{}", host.to_ascii_lowercase()), path(rest)))
}

/// Two sources that follow one repository do not speak over each other: each gets its name into the context.
pub(super) fn tell_apart(sources: &mut [Source]) {
    let place = |source: &Source| {
        let status = source.commit_status.as_ref()?;
        Some((status.api.clone(), status.project.clone()))
    };
    let places: Vec<_> = sources.iter().map(place).collect();
    for (source, place) in sources.iter_mut().zip(&places) {
        let is_shared = places.iter().filter(|other| *other == place).count() > 1;
        if let Some(status) = source.commit_status.as_mut().filter(|_| is_shared) {
            status.context = format!("{}/{}", status.context, source.name);
        }
    }
}

impl Config {
    /// The forges that are told of commits, as recipients of messages, each with the name of its source.
    pub fn forges(&self) -> Vec<Recipient> {
        let statuses = self.sources.iter();
        let statuses = statuses.filter_map(|it| Some((&it.name, it.commit_status.clone()?)));
        let recipients = statuses.map(|(source, status)| Recipient {
            name: forge_of(source),
            way: Way::CommitStatus(status),
            events: std::collections::BTreeSet::new(),
            stacks: Vec::new(),
        });
        recipients.collect()
    }
}

/// The name of the forge of a source among the recipients of messages. No other can have it: it has a line's end in it.
pub fn forge_of(source: &SourceName) -> String {
    format!("commit status\n{source}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ambient;

    fn read(source: &str) -> Result<CommitStatus, String> {
        let text = format!("host: web-1\nsources:\n  - {{name: infra, {source}}}\n");
        let config = Config::parse("config.yaml", &text, &Ambient::default());
        let mut config =
            config.map_err(|all| all.iter().map(ToString::to_string).collect::<String>())?;
        Ok(config.sources.remove(0).commit_status.unwrap())
    }

    fn check(repo: &str, forge: &str, more: &str, api: &str, page: &str) {
        let source =
            format!("repo: '{repo}', commit_status: {{forge: {forge}, token_file: /t{more}}}");
        let status = read(&source).unwrap();
        assert_eq!((status.api.as_str(), status.page().as_str()), (api, page), "{repo}");
        assert_eq!(status.context, "evenkeel/web-1");
    }

    #[test]
    fn the_api_is_where_the_repository_is() {
        let github = ("https://api.github.com", "https://github.com/acme/infra");
        check("https://github.com/acme/infra.git", "github", "", github.0, github.1);
        check("git@GitHub.com:acme/infra", "github", "", github.0, github.1);
        check(
            "ssh://git@git.lan:2222/acme/infra.git",
            "gitea",
            "",
            "https://git.lan/api/v1",
            "https://git.lan/acme/infra",
        );
        check(
            "http://git.lan:3000/group/sub/infra/",
            "gitlab",
            "",
            "http://git.lan:3000/api/v4",
            "http://git.lan:3000/group/sub/infra",
        );
        check(
            "https://git.lan/acme/infra",
            "github",
            "",
            "https://git.lan/api/v3",
            "https://git.lan/acme/infra",
        );
        check(
            "/srv/infra",
            "gitea",
            ", url: 'https://git.lan/forge/api/v1/', project: a/b",
            "https://git.lan/forge/api/v1",
            "https://git.lan/forge/a/b",
        );
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_told() {
        let wrong = |source: &str, expected: &str| {
            let error = read(source).unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        };
        let repo = "repo: 'https://github.com/acme/infra'";
        wrong(&format!("{repo}, commit_status: {{token_file: /t}}"), "`forge` is missing");
        wrong(&format!("{repo}, commit_status: {{forge: gitea}}"), "`token_file` is missing");
        wrong(
            &format!("{repo}, commit_status: {{forge: gitea, token_file: t}}"),
            "not an absolute path",
        );
        wrong(
            &format!("{repo}, commit_status: {{forge: gitea, token_file: /t, url: 'ftp://x'}}"),
            "no address on the web",
        );
        let local = "repo: /srv/infra, commit_status: {forge: gitea, token_file: /t";
        wrong(&format!("{local}}}"), "where the forge is");
        wrong(&format!("{local}, url: 'https://g/api/v1'}}"), "which repository it is");
    }

    #[test]
    fn two_sources_of_one_repository_have_a_context_each() {
        let source = |name: &str, path: &str| {
            format!(
                "  - {{name: {name}, repo: 'git@git.lan:a/b', path: {path}, \
                 commit_status: {{forge: gitea, token_file: /t}}}}\n"
            )
        };
        let text = format!("host: h\nsources:\n{}{}", source("one", "x"), source("two", "y"));
        let config = Config::parse("config.yaml", &text, &Ambient::default()).unwrap();
        let contexts = config.sources.iter().map(|it| it.commit_status.clone().unwrap().context);
        let contexts: Vec<String> = contexts.collect();
        assert_eq!(contexts, ["evenkeel/h/one", "evenkeel/h/two"]);
    }
}
