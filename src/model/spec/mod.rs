//! Everything about a container that needs a new one when it changes, except its image.
//!
//! The same type holds what a manifest asks for and what `inspect` shows, so that the planner compares
//! like with like. Its JSON form exists for the spec hash alone: every field is left out at its default,
//! so that a key added in a later version changes no hash.

mod devices;
mod health;
mod hooks;
mod restart;
mod security;
mod surroundings;
mod sharing;
mod single;
mod logging;
mod mounts;
mod network;
mod ports;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::fingerprint::hex;
use super::{Hidden, PinnedImage, Platform, SpecHash};

pub use devices::{CDI, Device, DeviceRequest, Devices};
pub use health::Healthcheck;
pub use hooks::{Hook, Hooks};
pub use logging::Logging;
pub use mounts::{Mount, MountSource, Recursion};
pub use network::{Attachment, Endpoint};
pub use ports::{ExposedPort, PortBinding, Protocol};
pub use resources::{BlockIo, Resources};
pub use restart::RestartPolicy;
pub use security::{OPEN_SYSTEM_PATHS, security_option};
pub use sharing::{Peer, VolumesFrom};
pub use single::Single;
pub use surroundings::{Dns, Kernel, Namespaces, USUAL_SHM_SIZE, Ulimit};

/// Raised when the meaning of the hash changes; containers with another version are compared field by
/// field instead of being replaced.
pub const SPEC_VERSION: u32 = 1;

/// What the engine grants a container that sets no grace period (Docker Engine API, `StopTimeout`).
pub const USUAL_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// The settings of a container (Docker Engine API, `POST /containers/create`).
///
/// `None` and empty mean "as the image or the engine has it".
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// The platform the image must be for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// `Config.Cmd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// `Config.Entrypoint`; `Some([])` clears the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `Config.Env`; a name without value removes one that the image sets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Option<Hidden>>,
    /// `Config.Labels` as the manifest gives them; evenkeel's own and Compose's are added at create.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `Config.User`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `Config.WorkingDir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `Config.Hostname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `Config.Domainname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// `Config.OpenStdin`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stdin_open: bool,
    /// `Config.Tty`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// `Config.Healthcheck`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// `HostConfig.PortBindings`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortBinding>,
    /// `Config.ExposedPorts` beyond those of `ports`: `8080/tcp`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub expose: BTreeSet<ExposedPort>,
    /// Binds, volumes and anonymous volumes, sorted by target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// `HostConfig.Tmpfs`: target to options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// Where it is attached.
    #[serde(skip_serializing_if = "Attachment::is_default")]
    pub network: Attachment,
    /// `HostConfig.VolumesFrom`, in the manifest's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumesFrom>,
    /// `HostConfig.ExtraHosts`: `host:address`, as the engine takes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    /// `HostConfig.RestartPolicy`.
    #[serde(skip_serializing_if = "RestartPolicy::is_default")]
    pub restart: RestartPolicy,
    /// `Config.StopTimeout`, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Duration>,
    /// `Config.StopSignal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// `HostConfig.Init`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// `HostConfig.ReadonlyRootfs`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// `HostConfig.Privileged`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// `HostConfig.CapAdd`, without the `CAP_` prefix.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cap_add: BTreeSet<String>,
    /// `HostConfig.CapDrop`, without the `CAP_` prefix.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cap_drop: BTreeSet<String>,
    /// `HostConfig.GroupAdd`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub group_add: BTreeSet<String>,
    /// `HostConfig.SecurityOpt` as `name=value`, `no-new-privileges` by itself, a seccomp profile as JSON;
    /// `systempaths=unconfined` stands for empty `MaskedPaths` and `ReadonlyPaths`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub security_opt: BTreeSet<String>,
    /// What it shares with its host or with another container.
    #[serde(skip_serializing_if = "Namespaces::is_default")]
    pub namespaces: Namespaces,
    /// How names are resolved.
    #[serde(skip_serializing_if = "Dns::is_default")]
    pub dns: Dns,
    /// Devices of the host.
    #[serde(skip_serializing_if = "Devices::is_default")]
    pub devices: Devices,
    /// What the kernel is told.
    #[serde(skip_serializing_if = "Kernel::is_default")]
    pub kernel: Kernel,
    /// `HostConfig.CgroupParent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_parent: Option<String>,
    /// `HostConfig.Runtime`; `None` is the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// `HostConfig.Annotations`, for the runtime.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// `HostConfig.StorageOpt`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage_opt: BTreeMap<String, String>,
    /// `HostConfig.LogConfig`; `None` is the engine's default driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Limits and reservations.
    #[serde(skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// What is run in it after a start and before a stop.
    #[serde(skip_serializing_if = "Hooks::is_default")]
    pub hooks: Hooks,
    /// Contents that the container sees through a path that does not tell of them: path to fingerprint.
    /// Empty in what is observed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, String>,
}

impl fmt::Debug for ContainerSpec {
    /// Names only what is harmless: any field may hold an interpolated server value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerSpec")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl ContainerSpec {
    /// The hash of these settings with `image`: the value of the `evenkeel.spec` label.
    pub fn hash(&self, image: &PinnedImage) -> SpecHash {
        #[derive(Serialize)]
        struct Hashed<'a> {
            digest: &'a str,
            spec: &'a ContainerSpec,
        }
        let hashed = Hashed { digest: image.digest().as_str(), spec: self };
        // Serialising plain structs with string keys into memory cannot fail.
        let bytes = serde_json::to_vec(&hashed).unwrap_or_default();
        SpecHash::new(format!("{SPEC_VERSION}:{}", hex(&Sha256::digest(&bytes))))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, ImageRef};

    fn image() -> PinnedImage {
        let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
        PinnedImage::new(&ImageRef::parse("a:1").unwrap(), digest)
    }

    #[test]
    fn a_setting_at_its_default_is_not_part_of_the_hash() {
        let json = serde_json::to_string(&ContainerSpec::default()).unwrap();
        assert_eq!(json, "{}");
    }

    #[test]
    fn the_hash_of_a_known_spec_never_changes() {
        let mut spec = ContainerSpec { user: Some("1000".into()), ..ContainerSpec::default() };
        spec.environment.insert("A".into(), Some(Hidden::new("b")));
        assert_eq!(
            spec.hash(&image()).as_str(),
            "1:d5f7e30c41627f86cc37a8cb82fd63df19da2d778f181c3895faaea0e28e8388",
            "raise SPEC_VERSION when the meaning changes; running containers are then compared, not replaced"
        );
    }

    #[test]
    fn debug_output_never_shows_a_value() {
        let mut spec = ContainerSpec {
            command: Some(vec!["--token=hunter2".into()]),
            ..ContainerSpec::default()
        };
        spec.environment.insert("A".into(), Some(Hidden::new("hunter2")));
        assert!(!format!("{spec:?}").contains("hunter2"));
    }
}
