//! [`File`] to [`Config`]: defaults, names, and whether the values fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::decrypt::decrypt;
use super::file::{self, File};
use super::images::image_rules;
use super::load::Ambient;
use super::notify::recipients;
use super::policy::policy;
use super::registries::registry;
use super::sources::sources;
use super::{Config, Http, StackSettings, WriteBack};
use crate::model::{HostName, Problem, StackName};

const ENV_DIR: &str = "/etc/evenkeel/env";
const DATA_DIR: &str = "/var/lib/evenkeel/data";
const STATE_DIR: &str = "/var/lib/evenkeel/state";
/// Each level takes its share of a thread's stack.
const MOST_NESTING: u32 = 128;
const DOCKER_HOST: &str = "unix:///var/run/docker.sock";

/// What was found wrong so far; a file is read to its end, so that all of it is told at once.
pub(super) type Problems = Vec<Problem>;

/// Fills in what is left out. The problems name paths, not places.
pub(super) fn resolve(file: File, ambient: &Ambient) -> Result<Config, Problems> {
    let mut problems = Problems::new();
    let host = host(file.host, &ambient.hostname, &mut problems);
    let directory = |value: Option<PathBuf>, key: &str, default: &str, problems: &mut Problems| {
        absolute(value.unwrap_or_else(|| default.into()), key, problems)
    };
    let mut policy = file.policy.unwrap_or_default();
    let images = image_rules(policy.images.take().unwrap_or_default(), &mut problems);
    let config = Config {
        sources: sources(file.sources.unwrap_or_default(), &host, &mut problems),
        stacks: stacks(file.stacks.unwrap_or_default(), &mut problems),
        env_dir: directory(file.env_dir, "env_dir", ENV_DIR, &mut problems),
        credentials_dir: ambient.credentials_dir.clone(),
        decrypt: decrypt(file.decrypt.unwrap_or_default(), &mut problems),
        home: ambient.home.clone(),
        data_dir: directory(file.data_dir, "data_dir", DATA_DIR, &mut problems),
        state_dir: directory(file.state_dir, "state_dir", STATE_DIR, &mut problems),
        docker_host: docker_host(file.docker, ambient),
        registry: registry(file.registry.unwrap_or_default(), ambient, &mut problems),
        unset_variables: file.unset_variables.unwrap_or_default(),
        rollout: file.rollout.unwrap_or_default(),
        removals: file.removals.unwrap_or_default(),
        retention: file.retention.unwrap_or_default(),
        window: file.window,
        policy: self::policy(policy, &mut problems),
        images,
        limits: file.limits.unwrap_or_default(),
        write_back: write_back(file.write_back.unwrap_or_default(), &host),
        notify: recipients(file.notify.unwrap_or_default(), &host, &mut problems),
        http: file.http.map(|http| self::http(http, &mut problems)),
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

fn http(written: Http, problems: &mut Problems) -> Http {
    let mut file = |path: Option<PathBuf>, key: &str| {
        path.map(|path| absolute(path, &format!("http.{key}"), problems))
    };
    let http = Http {
        token_file: file(written.token_file, "token_file"),
        read_token_file: file(written.read_token_file, "read_token_file"),
        webhook_secret_file: file(written.webhook_secret_file, "webhook_secret_file"),
        ..written
    };
    if !http.listen.ip().is_loopback() && http.token_file.is_none() {
        let message = format!("`{}` can be reached from other machines", http.listen);
        problems.push(wrong("http.listen", message).hint(
            "add `token_file`, the file with the token that clients must show, or listen on 127.0.0.1",
        ));
    }
    http
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
    if !(4..=MOST_NESTING).contains(&config.limits.nesting) {
        let message = format!("a number from 4 to {MOST_NESTING}");
        problems.push(wrong("limits.nesting", message).hint("a plain manifest needs about 8"));
    }
    if config.rollout.deadline.is_zero() {
        problems.push(wrong("rollout.deadline", "a container needs time to become healthy"));
    }
}

/// A relative path would mean another file for each directory that evenkeel is started in.
pub(super) fn absolute(path: PathBuf, key: &str, problems: &mut Problems) -> PathBuf {
    if !path.is_absolute() {
        problems.push(
            wrong(key, format!("`{}` is not an absolute path", path.display()))
                .hint("write it from the root: `/etc/…`"),
        );
    }
    path
}

/// A value that is read and makes no sense.
pub(super) fn wrong(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::new("wrong-value", message).path(path)
}
