//! What the check has to ask others for: where something stands in the files, and where a path of the host leads.

use std::path::{Path, PathBuf};

use crate::model::{Place, ServiceName};

/// Where in a manifest something is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The first of these keys of the service that is written; a dot leads into a mapping.
    Key(&'static [&'static str]),
    /// The entry of this key of the service that names this.
    Entry(&'static str, String),
    /// What is mounted at this path in the container.
    Mount(String),
    /// A published port: the host's address, the host's port, the container's.
    Port {
        /// The host's address; empty for all.
        address: String,
        /// The host's port.
        published: String,
        /// The container's port.
        target: u16,
    },
    /// A key of a volume at the top of the manifest, by the key of the volume.
    Volume(String, &'static str),
    /// A key of a network at the top of the manifest, by the key of the network.
    Network(String, &'static str),
    /// A place that is known.
    Known(Spotted),
    /// That of the service, which comes by it because of the mount of another one at this path: what is hidden
    /// there must not be shown here.
    Through(Box<Spot>, ServiceName, String),
}

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spotted {
    /// The file and the line.
    pub place: Option<Place>,
    /// The path of the value.
    pub path: String,
    /// Whether a value of the server's went into it, so that it must not be shown.
    pub hidden: bool,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// It is written there, and holds nothing of the server's.
    Literal(Spotted),
    /// It is named there, and its value is another's.
    Elsewhere,
    /// It is not named there: a file has it.
    Unnamed,
}

/// The files of a stack.
pub trait Places {
    /// Where `spot` is, or else the nearest thing that is written.
    fn find(&self, service: Option<&ServiceName>, spot: &Spot) -> Spotted;

    /// What is written of the variable `name` in the `environment` of `service`.
    fn variable(&self, service: &ServiceName, name: &str) -> Variable;
}

/// Where paths of the host lead.
pub trait Disk {
    /// `path` with every symbolic link followed, also where what it leads to is not there yet. `None` where
    /// that cannot be found out.
    fn real(&self, path: &Path) -> Option<PathBuf>;
}

/// A file of the server that a manifest names by a path of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// The absolute path.
    pub path: PathBuf,
    /// Where it is named.
    pub at: Spotted,
    /// The service that reads it; `None` where it is declared at the top.
    pub service: Option<ServiceName>,
}

/// What the check knows of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The operator's env files, `<env_dir>`.
    pub env_dir: PathBuf,
    /// Sockets of the engine besides the usual ones.
    pub sockets: Vec<PathBuf>,
    /// Whether the stack's own directory was named by the operator or made by evenkeel; what lies in it may then
    /// be mounted.
    pub owns_working_dir: bool,
}
