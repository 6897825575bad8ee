//! [`File`] to [`Config`]: defaults, names, and whether the values fit together.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::file::{self, File};
use super::load::Ambient;
use super::{
    Config, Follow, GitCredentials, Registry, RegistryCredentials, RegistryHost, Repo, Source,
    StackSettings, WriteBack,
};
use crate::model::{HostName, Problem, SourceName, StackName};

const ENV_DIR: &str = "/etc/evenkeel/env";
const DATA_DIR: &str = "/var/lib/evenkeel/data";
const STATE_DIR: &str = "/var/lib/evenkeel/state";
const DOCKER_HOST: &str = "unix:///var/run/docker.sock";
const SOURCE_INTERVAL: Duration = Duration::from_secs(30);
const REGISTRY_INTERVAL: Duration = Duration::from_secs(300);

/// What was found wrong so far; a file is read to its end, so that all of it is told at once.
type Problems = Vec<Problem>;

/// Fills in what is left out. The problems name paths, not places.
pub(super) fn resolve(file: File, ambient: &Ambient) -> Result<Config, Problems> {
    let mut problems = Problems::new();
    let host = host(file.host, &ambient.hostname, &mut problems);
    let directory = |value: Option<PathBuf>, key: &str, default: &str, problems: &mut Problems| {
        absolute(value.unwrap_or_else(|| default.into()), key, problems)
    };
    let config = Config {
        sources: sources(file.sources.unwrap_or_default(), &host, &mut problems),
        stacks: stacks(file.stacks.unwrap_or_default(), &mut problems),
        env_dir: directory(file.env_dir, "env_dir", ENV_DIR, &mut problems),
        data_dir: directory(file.data_dir, "data_dir", DATA_DIR, &mut problems),
        state_dir: directory(file.state_dir, "state_dir", STATE_DIR, &mut problems),
        docker_host: docker_host(file.docker, ambient),
        registry: registry(file.registry.unwrap_or_default(), ambient, &mut problems),
        unset_variables: file.unset_variables.unwrap_or_default(),
        rollout: file.rollout.unwrap_or_default(),
        removals: file.removals.unwrap_or_default(),
        retention: file.retention.unwrap_or_default(),
        window: file.window,
        policy: file.policy.unwrap_or_default(),
        limits: file.limits.unwrap_or_default(),
        write_back: write_back(file.write_back.unwrap_or_default(), &host),
        notify: file.notify.unwrap_or_default(),
        http: file.http,
        host,
    };
    check_numbers(&config, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn host(written: Option<String>, hostname: &str, problems: &mut Problems) -> HostName {
    let name = written.unwrap_or_else(|| hostname.to_owned());
    let sound = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !sound {
        problems.push(
            wrong("host", format!("`{name}` is not a host name")).hint(
                "letters, digits, `-`, `_` and `.`; it becomes part of paths in the repository",
            ),
        );
    }
    HostName::new(name)
}

fn docker_host(docker: Option<file::Docker>, ambient: &Ambient) -> String {
    docker
        .and_then(|docker| docker.host)
        .or_else(|| ambient.docker_host.clone().filter(|host| !host.is_empty()))
        .unwrap_or_else(|| DOCKER_HOST.to_owned())
}

fn sources(written: Vec<file::Source>, host: &HostName, problems: &mut Problems) -> Vec<Source> {
    if written.is_empty() {
        problems.push(
            Problem::new("missing-key", "no source is configured")
                .path("sources")
                .hint("add `sources: [{repo: …}]`, or name a repository with --repo URL"),
        );
    }
    let mut sources: Vec<Source> = Vec::new();
    for (index, written) in written.into_iter().enumerate() {
        let path = format!("sources[{index}]");
        let source = source(written, &path, host, problems);
        if let Some(first) = sources.iter().position(|other| other.name == source.name) {
            problems.push(
                wrong(format!("{path}.name"), format!("two sources are called `{}`", source.name))
                    .note(format!("the other is sources[{first}]"))
                    .hint("give each a `name:` of its own"),
            );
        }
        sources.push(source);
    }
    sources
}

fn source(written: file::Source, path: &str, host: &HostName, problems: &mut Problems) -> Source {
    if written.repo.trim().is_empty() {
        problems.push(wrong(format!("{path}.repo"), "the repository is empty"));
    }
    let name = written.name.unwrap_or_else(|| repository_name(&written.repo));
    if name.is_empty() || name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/') {
        problems.push(wrong(format!("{path}.name"), format!("`{name}` is not a name")));
    }
    let globs = written.stacks.unwrap_or_default();
    let source = Source {
        name: SourceName::new(name),
        repo: Repo(written.repo),
        follow: follow(written.branch, written.tag, written.commit, path, problems),
        path: directory(&written.path.unwrap_or_default(), path, host, problems),
        include: globs.include.unwrap_or_else(|| vec!["**".to_owned()]),
        exclude: globs.exclude.unwrap_or_default(),
        interval: written.interval.unwrap_or(SOURCE_INTERVAL),
        credentials: written.credentials.and_then(|login| git_credentials(login, path, problems)),
    };
    for glob in source.include.iter().chain(&source.exclude) {
        if let Err(error) = globset::Glob::new(glob) {
            problems.push(wrong(format!("{path}.stacks"), error.to_string()));
        }
    }
    source
}

/// The last part of the address, without `.git`.
fn repository_name(repo: &str) -> String {
    let trimmed = repo.trim_end_matches('/');
    let last = trimmed.rsplit(['/', ':']).next().unwrap_or_default();
    let name = last.strip_suffix(".git").unwrap_or(last);
    match name {
        "" | "." | ".." => "repository".to_owned(),
        name => name.to_owned(),
    }
}

fn follow(
    branch: Option<String>,
    tag: Option<String>,
    commit: Option<String>,
    path: &str,
    problems: &mut Problems,
) -> Follow {
    match (branch, tag, commit) {
        (None, None, None) => Follow::DefaultBranch,
        (Some(branch), None, None) if !branch.is_empty() => Follow::Branch(branch),
        (None, Some(tag), None) if !tag.is_empty() => Follow::Tag(tag),
        (None, None, Some(commit)) if is_commit(&commit) => Follow::Commit(commit),
        (None, None, Some(commit)) => {
            problems.push(
                wrong(format!("{path}.commit"), format!("`{commit}` is not a commit"))
                    .hint("write all 40 hex digits"),
            );
            Follow::DefaultBranch
        }
        (_, _, _) => {
            problems.push(wrong(path, "name one of `branch`, `tag` and `commit`, and not empty"));
            Follow::DefaultBranch
        }
    }
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A path in the repository with the host's name filled in, without `./` and slashes at its ends.
fn directory(written: &str, path: &str, host: &HostName, problems: &mut Problems) -> String {
    let filled = written.replace("{host}", host.as_str());
    let path = format!("{path}.path");
    if filled.contains(['{', '}']) {
        problems.push(
            wrong(path, format!("`{written}` has a placeholder that is not known"))
                .hint("`{host}` is the only one"),
        );
        return String::new();
    }
    let mut parts = Vec::new();
    for component in Path::new(&filled).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                problems.push(
                    wrong(path, format!("`{written}` leads out of the repository"))
                        .hint("write it relative to the root of the repository"),
                );
                return String::new();
            }
        }
    }
    parts.join("/")
}

fn git_credentials(
    written: file::Credentials,
    path: &str,
    problems: &mut Problems,
) -> Option<GitCredentials> {
    let path = format!("{path}.credentials");
    let file = |file: PathBuf, key: &str, problems: &mut Problems| {
        absolute(file, &format!("{path}.{key}"), problems)
    };
    let file::Credentials { username, password_file, ssh_key_file, .. } = written;
    match (username, password_file, ssh_key_file, written.credential_command) {
        (Some(username), Some(password), None, None) if written.known_hosts_file.is_none() => {
            let password_file = file(password, "password_file", problems);
            Some(GitCredentials::Password { username, password_file })
        }
        (None, None, Some(key), None) => Some(GitCredentials::Ssh {
            key_file: file(key, "ssh_key_file", problems),
            known_hosts_file: written
                .known_hosts_file
                .map(|hosts| file(hosts, "known_hosts_file", problems)),
        }),
        (None, None, None, Some(command))
            if !command.is_empty() && written.known_hosts_file.is_none() =>
        {
            Some(GitCredentials::Command(command))
        }
        (_, _, _, _) => {
            problems.push(wrong(path, "these keys do not make up a login").hint(
                "write `username` and `password_file`, or `ssh_key_file` (and \
                 `known_hosts_file`), or `credential_command`",
            ));
            None
        }
    }
}

fn stacks(
    written: BTreeMap<String, file::Stack>,
    problems: &mut Problems,
) -> BTreeMap<StackName, StackSettings> {
    let mut stacks = BTreeMap::new();
    for (name, stack) in written {
        let path = format!("stacks.{name}");
        if !is_stack_name(&name) {
            problems.push(
                wrong(&path, format!("`{name}` is not the name of a stack"))
                    .hint("lower-case letters, digits, `-` and `_`, as Compose writes it"),
            );
        }
        let settings = StackSettings {
            profiles: stack.profiles,
            dir: stack.dir.map(|dir| absolute(dir, &format!("{path}.dir"), problems)),
            unset_variables: stack.unset_variables,
            window: stack.window,
        };
        stacks.insert(StackName::new(name), settings);
    }
    stacks
}

fn is_stack_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.bytes().next().is_some_and(plain) && name.bytes().all(|b| plain(b) || b"-_".contains(&b))
}

fn registry(written: file::Registry, ambient: &Ambient, problems: &mut Problems) -> Registry {
    let mut hosts = BTreeMap::new();
    for (name, host) in written.hosts.unwrap_or_default() {
        let path = format!("registry.hosts.{name}");
        if name.is_empty() || name.contains('/') {
            problems.push(
                wrong(&path, format!("`{name}` is not a registry's host"))
                    .hint("write the host, and the port where there is one: `registry.lan:5000`"),
            );
        }
        hosts.insert(name, registry_host(host, &path, problems));
    }
    Registry {
        interval: written.interval.unwrap_or(REGISTRY_INTERVAL),
        docker_config: docker_config(written.docker_config, ambient, problems),
        hosts,
    }
}

fn registry_host(written: file::RegistryHost, path: &str, problems: &mut Problems) -> RegistryHost {
    let credentials = match (written.username, written.password_file, written.credential_command) {
        (None, None, None) => None,
        (Some(username), Some(file), None) => {
            let password_file = absolute(file, &format!("{path}.password_file"), problems);
            Some(RegistryCredentials::Password { username, password_file })
        }
        (None, None, Some(command)) if !command.is_empty() => {
            Some(RegistryCredentials::Command(command))
        }
        (_, _, _) => {
            problems.push(
                wrong(path, "these keys do not make up a login")
                    .hint("write `username` and `password_file`, or `credential_command`"),
            );
            None
        }
    };
    RegistryHost {
        credentials,
        plain_http: written.plain_http,
        ca_file: written.ca_file.map(|file| absolute(file, &format!("{path}.ca_file"), problems)),
    }
}

/// The only path in which `~` is known: Docker's own file belongs to a user.
fn docker_config(
    written: Option<PathBuf>,
    ambient: &Ambient,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let is_written = written.is_some();
    let path = written.unwrap_or_else(|| "~/.docker/config.json".into());
    match (path.strip_prefix("~"), &ambient.home) {
        (Ok(rest), Some(home)) => Some(home.join(rest)),
        (Ok(_), None) => {
            if is_written {
                problems.push(
                    wrong("registry.docker_config", "the home of this user is not known")
                        .hint("write the whole path"),
                );
            }
            None
        }
        (Err(_), _) => Some(absolute(path, "registry.docker_config", problems)),
    }
}

fn write_back(written: file::WriteBack, host: &HostName) -> WriteBack {
    let default = WriteBack::of(host);
    WriteBack {
        name: written.name.unwrap_or(default.name),
        email: written.email.unwrap_or(default.email),
    }
}

impl WriteBack {
    /// The author where nothing is written.
    pub(super) fn of(host: &HostName) -> Self {
        Self { name: "evenkeel".to_owned(), email: format!("evenkeel@{host}") }
    }
}

fn check_numbers(config: &Config, problems: &mut Problems) {
    let disk = &config.retention.disk;
    if disk.low >= disk.high {
        problems.push(wrong("retention.disk", "`low` must be below `high`"));
    }
    if config.retention.keep == 0 {
        problems.push(
            wrong("retention.keep", "at least 1 image stays: the one that runs")
                .hint("`1` keeps nothing to go back to"),
        );
    }
    if config.limits.parallel == 0 {
        problems.push(wrong("limits.parallel", "at least 1 step at a time"));
    }
    if config.rollout.deadline.is_zero() {
        problems.push(wrong("rollout.deadline", "a container needs time to become healthy"));
    }
}

/// A relative path would mean another file for each directory that evenkeel is started in.
fn absolute(path: PathBuf, key: &str, problems: &mut Problems) -> PathBuf {
    if !path.is_absolute() {
        problems.push(
            wrong(key, format!("`{}` is not an absolute path", path.display()))
                .hint("write it from the root: `/etc/…`"),
        );
    }
    path
}

fn wrong(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::new("wrong-value", message).path(path)
}
