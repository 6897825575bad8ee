//! What a container shares with its host, and how its kernel and its names are set up.

use std::collections::BTreeMap;

use serde::Serialize;

/// Whose namespaces a container is in; `None` is one of its own, or as the engine's configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Namespaces {
    /// `CgroupnsMode`: `host` or `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// `IpcMode`: `none`, `private`, `shareable`, `host` or `container:<id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
    /// `PidMode`: `host` or `container:<id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// `UsernsMode`: `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `UTSMode`: `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uts: Option<String>,
}

/// How names are resolved, in the order in which it is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Dns {
    /// `Dns`: addresses of servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// `DnsOptions`: `ndots:2`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// `DnsSearch`: domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// What the kernel is told about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Kernel {
    /// `ShmSize`, bytes; the engine's default is [`USUAL_SHM_SIZE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<i64>,
    /// `Sysctls`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// `Ulimits`, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// `OomScoreAdj`, from -1000 to 1000.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub oom_score_adj: i64,
    /// `OomKillDisable`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_kill_disable: bool,
}

/// What the engine gives a container for `/dev/shm` unless `daemon.json` says otherwise, bytes.
pub const USUAL_SHM_SIZE: i64 = 64 * 1024 * 1024;

/// A limit of a process; -1 is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ulimit {
    /// What holds.
    pub soft: i64,
    /// What the process may raise it to.
    pub hard: i64,
}

impl Namespaces {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Dns {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Kernel {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
