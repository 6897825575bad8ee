//! Everything about a container that needs a new one when it changes, except its image.
//!
//! The same type holds what a manifest asks for and what `inspect` shows, so that the planner compares
//! like with like. Its JSON form exists for the spec hash alone: every field is left out at its default,
//! so that a key added in a later version changes no hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::fingerprint::hex;
use super::{Hidden, NetworkName, PinnedImage, Platform, SpecHash, VolumeName};

/// Raised when the meaning of the hash changes; containers with another version are compared field by
/// field instead of being replaced.
pub const SPEC_VERSION: u32 = 1;

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
    /// `HostConfig.LogConfig`; `None` is the engine's default driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Limits and reservations.
    #[serde(skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
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

/// `Config.Healthcheck`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`; empty takes the image's.
    pub test: Vec<String>,
    /// Time between checks; the engine's default is 30 s.
    pub interval: Option<Duration>,
    /// Time one check may take; the engine's default is 30 s.
    pub timeout: Option<Duration>,
    /// Time in which failures do not count; the engine's default is 0.
    pub start_period: Option<Duration>,
    /// Failures in a row that make it unhealthy; the engine's default is 3.
    pub retries: Option<u32>,
}

impl Healthcheck {
    /// Whether it switches the image's check off.
    pub fn is_none(&self) -> bool {
        self.test.first().is_some_and(|word| word == "NONE")
    }
}

/// TCP, UDP or SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `sctp`
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port a container listens on: `8080/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExposedPort {
    /// The port's number.
    pub port: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PortBinding {
    /// The container's port.
    pub target: ExposedPort,
    /// The host's address; empty for all.
    pub host_ip: String,
    /// The host's port, or a range the engine picks from; empty for any free port.
    pub published: String,
}

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

/// How a container is attached to the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// `HostConfig.NetworkMode` without networks of the stack: `none`, `host`, `bridge`, `container:<id>`.
    Mode(String),
    /// Networks by their name at the engine, the primary one first.
    Networks(Vec<Endpoint>),
}

impl Default for Attachment {
    fn default() -> Self {
        Self::Networks(Vec::new())
    }
}

impl Attachment {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The endpoints; none for a network mode.
    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            Self::Mode(_) => &[],
            Self::Networks(endpoints) => endpoints,
        }
    }
}

/// One network of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// The network.
    pub network: NetworkName,
    /// Names under which others on this network find it: the service's name and what the manifest adds.
    /// The container's own name is added at create; short ids that the engine adds are left out.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub aliases: BTreeSet<String>,
    /// `IPAMConfig.IPv4Address`, only when the manifest sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
    /// `IPAMConfig.IPv6Address`, only when the manifest sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<String>,
}

/// `HostConfig.RestartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Nothing is written: as `No`, but whoever ends is not thereby a job.
    #[default]
    Unset,
    /// `no`, written out.
    No,
    /// `always`
    Always,
    /// `unless-stopped`
    UnlessStopped,
    /// `on-failure[:N]`; 0 is without end.
    OnFailure(u32),
}

impl RestartPolicy {
    fn is_default(&self) -> bool {
        *self == Self::Unset
    }

    /// Whether the engine treats both alike.
    pub fn same_for_the_engine(self, other: Self) -> bool {
        let normal = |policy| if policy == Self::Unset { Self::No } else { policy };
        normal(self) == normal(other)
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset | Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure(0) => f.write_str("on-failure"),
            Self::OnFailure(times) => write!(f, "on-failure:{times}"),
        }
    }
}

/// `HostConfig.LogConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Logging {
    /// The driver; empty is the engine's default with `options`.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}

/// Limits and reservations (`HostConfig`). 0 is "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Resources {
    /// `Memory`, bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory: i64,
    /// `MemoryReservation`, bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_reservation: i64,
    /// `NanoCpus`, billionths of a CPU.
    #[serde(skip_serializing_if = "is_zero")]
    pub nano_cpus: i64,
    /// `PidsLimit`, processes.
    #[serde(skip_serializing_if = "is_zero")]
    pub pids_limit: i64,
}

impl Resources {
    fn is_default(&self) -> bool {
        *self == Self::default()
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
