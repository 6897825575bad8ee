//! Paths of the host: which lie below which, and which lead to a socket of an engine.

use std::path::{Component, Path, PathBuf};

/// Where engines listen unless they are told otherwise.
const SOCKETS: [&str; 8] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/user/0/docker.sock",
];

/// Names that only sockets of engines have.
const SOCKET_NAMES: [&str; 8] = [
    "docker.sock",
    "docker-raw.sock",
    "containerd.sock",
    "containerd.sock.ttrpc",
    "containerd-debug.sock",
    "podman.sock",
    "crio.sock",
    "buildkitd.sock",
];

/// What may be mounted read-only on any host: it tells the time, and nothing of the host.
const HARMLESS: [&str; 3] = ["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];

/// A path of the host, as it is written and as it is found on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Absolute, without `.` and `..`.
    pub text: PathBuf,
    /// Behind all symbolic links; `None` where that cannot be told.
    pub real: Option<PathBuf>,
}

/// Whether a path leads to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// It is a socket of an engine.
    Is,
    /// A socket of an engine can be reached below it.
    Contains,
    /// Neither.
    No,
}

/// Without `.`, `..` and trailing slashes.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Whether it is where users have engines of their own: `/run/user`, one's directory there, `podman` in it.
fn of_a_user(path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix("/run/user") else { return false };
    let mut parts = inside.components().skip(1);
    parts.next().is_none_or(|part| part.as_os_str() == "podman") && parts.next().is_none()
}

impl Seen {
    /// Both forms of the path, the real one first where it is known.
    pub fn forms(&self) -> impl Iterator<Item = &Path> {
        self.real.iter().chain([&self.text]).map(PathBuf::as_path)
    }

    /// Whether it is one of those that tell nothing of the host.
    pub fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|path| self.text == Path::new(path))
    }

    /// Whether it leads to the socket of an engine: a usual one, or one of `others`.
    pub fn socket(&self, others: &[Seen]) -> Socket {
        let named = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| SOCKET_NAMES.contains(&name))
        };
        let known = || {
            let usual = SOCKETS.iter().map(Path::new);
            usual.chain(others.iter().flat_map(Seen::forms))
        };
        if self.forms().any(|path| named(path) || known().any(|socket| socket == path)) {
            return Socket::Is;
        }
        let holds = |path: &Path| known().any(|socket| socket.starts_with(path));
        match self.forms().any(|path| holds(path) || of_a_user(path) || path.starts_with("/proc")) {
            true => Socket::Contains,
            false => Socket::No,
        }
    }
}
