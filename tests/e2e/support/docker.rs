//! The engine as a person at the server sees it: the `docker` command.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{script, stdout_of};

/// Makes sure, once per process, that an engine answers; gives its socket.
pub fn socket() -> &'static PathBuf {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| {
        stdout_of(&mut script("engine"));
        let address = docker_host().unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let path = address.strip_prefix("unix://");
        PathBuf::from(path.unwrap_or_else(|| panic!("the tests need a unix socket, not {address}")))
    })
}

#[expect(clippy::disallowed_methods, reason = "the docker command reads the same variable")]
fn docker_host() -> Option<String> {
    std::env::var("DOCKER_HOST").ok()
}

/// Runs the docker command; panics when it fails.
pub fn docker(arguments: &[&str]) -> String {
    stdout_of(Command::new("docker").args(arguments))
}

/// Runs the docker command; `None` when it fails.
pub fn try_docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a docker command that prints one thing per line.
pub fn docker_lines(arguments: &[&str]) -> Vec<String> {
    docker(arguments).lines().map(str::to_owned).collect()
}

/// Containers in any state whose name contains `id`, by name, with `id` cut out: the container's id.
pub fn containers(id: &str) -> BTreeMap<String, String> {
    let filter = format!("name={id}");
    let format = "{{.Names}} {{.ID}}";
    docker_lines(&["ps", "-a", "--no-trunc", "--filter", &filter, "--format", format])
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, container)| (name.replace(&format!("-{id}"), ""), container.to_owned()))
        .collect()
}

/// Removes everything whose name contains `id`, and the images of the registries at `registries`.
pub fn clean_up(id: &str, registries: &[&str]) {
    let filter = format!("name={id}");
    remove(&["rm", "-f", "-v"], &["ps", "-aq", "--filter", &filter]);
    remove(&["network", "rm"], &["network", "ls", "-q", "--filter", &filter]);
    remove(&["volume", "rm"], &["volume", "ls", "-q", "--filter", &filter]);
    let format = "{{.Repository}}:{{.Tag}}@{{.Digest}}";
    let is_of = |line: &str| registries.iter().any(|registry| line.starts_with(registry));
    let ours: Vec<String> = lines(&["images", "--digests", "--format", format])
        .into_iter()
        .filter(|line| line.contains(id) || is_of(line))
        .filter_map(|line| reference(&line))
        .collect();
    drop_all(&["rmi", "-f"], &ours);
}

/// `repository:tag`, or `repository@digest` where there is no tag.
fn reference(line: &str) -> Option<String> {
    let (tagged, digest) = line.split_once('@')?;
    match tagged.strip_suffix(":<none>") {
        Some(repository) => Some(format!("{repository}@{digest}")),
        None => Some(tagged.to_owned()),
    }
}

fn remove(command: &[&str], list: &[&str]) {
    drop_all(command, &lines(list));
}

// A clean-up that does not work must not hide the failure that led to it: no panics from here on.
fn drop_all(command: &[&str], names: &[String]) {
    if !names.is_empty() {
        let _ = Command::new("docker").args(command).args(names).output();
    }
}

fn lines(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}
