//! What a container sees at which path.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::model::{PinnedImage, VolumeName};

/// A bind, a volume, an anonymous volume or an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mount {
    /// The path in the container, normalised: absolute, without `.`, `..` or a trailing slash.
    pub target: String,
    /// What is mounted there.
    pub source: MountSource,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// Labels of a volume that the engine makes for this mount (`volume.labels`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Mount {
    /// A mount at `target`, without labels.
    pub fn new(target: impl Into<String>, source: MountSource, read_only: bool) -> Self {
        Self { target: target.into(), source, read_only, labels: BTreeMap::new() }
    }
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
        /// What becomes of what is mounted below it; `None` is the engine's default: it is seen too, and
        /// read-only where this mount is and the kernel can.
        #[serde(skip_serializing_if = "Option::is_none")]
        recursive: Option<Recursion>,
    },
    /// A named volume.
    Volume {
        /// Its name at the engine.
        name: VolumeName,
        /// Whether an empty volume is filled from the image (`nocopy: false`).
        copy: bool,
        /// The directory of the volume that is mounted in place of the whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
    },
    /// A volume without a name of its own; it follows the container that replaces this one.
    Anonymous,
    /// The files of an image.
    Image {
        /// The image; its digest alone is what counts.
        #[serde(serialize_with = "digest")]
        image: PinnedImage,
        /// The directory of the image that is mounted in place of the whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        subpath: Option<String>,
    },
}

impl MountSource {
    /// A path on the host, which the engine makes where it is missing.
    pub fn bind(path: impl Into<PathBuf>) -> Self {
        Self::Bind {
            path: path.into(),
            propagation: None,
            selinux: None,
            create_host_path: true,
            recursive: None,
        }
    }

    /// The whole of a named volume, filled from the image where it is empty.
    pub fn volume(name: impl Into<VolumeName>) -> Self {
        Self::Volume { name: name.into(), copy: true, subpath: None }
    }
}

fn digest<S: Serializer>(image: &PinnedImage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(image.digest().as_str())
}

/// What becomes of what is mounted below a bind mount (`bind.recursive`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recursion {
    /// It is not seen.
    Disabled,
    /// It is seen, and can be written to though the mount itself cannot.
    Writable,
    /// It is seen and cannot be written to; where the kernel cannot do that, the container does not start.
    ReadOnly,
}
