//! What a container sees at which path.

use std::path::PathBuf;

use serde::Serialize;

use crate::model::VolumeName;

/// A bind, a volume or an anonymous volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mount {
    /// The path in the container, normalised: absolute, without `.`, `..` or a trailing slash.
    pub target: String,
    /// What is mounted there.
    pub source: MountSource,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// A path on the host.
    Bind {
        /// The absolute path.
        path: PathBuf,
        /// Mount propagation (`rslave`, …); `None` is the engine's default.
        propagation: Option<String>,
        /// SELinux relabelling, `z` or `Z`.
        selinux: Option<char>,
        /// Whether the engine makes a missing directory.
        create_host_path: bool,
    },
    /// A named volume.
    Volume {
        /// Its name at the engine.
        name: VolumeName,
        /// Whether an empty volume is filled from the image (`nocopy: false`).
        copy: bool,
    },
    /// A volume without a name of its own; it follows the container that replaces this one.
    Anonymous,
}
