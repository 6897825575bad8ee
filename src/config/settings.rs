//! Sections that mean the same in the file and in the program, with their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::scalar::{self, Percent, Share};

/// What a variable that nothing sets becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnsetVariables {
    /// The stack is invalid.
    #[default]
    Error,
    /// Empty, with a warning: Compose's way.
    Blank,
}

/// `rollout`: where the manifest says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// How long a container without health check must run; `0s`: as soon as it runs.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "String")]
    pub stable: Duration,
    /// How long the old container is kept after the switch.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "String")]
    pub monitor: Duration,
    /// From create to healthy.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "String")]
    pub deadline: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            stable: Duration::from_secs(10),
            monitor: Duration::from_secs(10),
            deadline: Duration::from_secs(300),
        }
    }
}

/// `removals`: what one pass may remove.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Removals {
    /// At most this share of the host's services, or this many.
    pub max: Share,
    /// Lifts the guard.
    pub allow: bool,
}

impl Default for Removals {
    fn default() -> Self {
        Self { max: Share::Percent(Percent(50)), allow: false }
    }
}

/// `retention`: which images stay on the host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Images of this many good generations of a service.
    pub keep: u32,
    /// When to make room.
    pub disk: Disk,
    /// How often.
    #[serde(deserialize_with = "scalar::interval")]
    #[schemars(with = "String")]
    pub interval: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep: 3, disk: Disk::default(), interval: Duration::from_secs(3600) }
    }
}

/// `retention.disk`: how full the disk may become.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Above this, room is made.
    pub high: Percent,
    /// Until it is below this.
    pub low: Percent,
    /// Whether the build cache may go too.
    pub build_cache: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self { high: Percent(80), low: Percent(70), build_cache: false }
    }
}

/// `limits`: what one pass may take up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Steps at once.
    pub parallel: u32,
    /// The size of one file of the repository, in bytes.
    #[serde(deserialize_with = "scalar::size")]
    #[schemars(with = "scalar::Size")]
    pub file: u64,
    /// How deep mappings and lists of a manifest may nest, and how many files or services deep `include`
    /// and `extends` may go.
    pub nesting: u32,
    /// How many values aliases may add to a file, and `extends` and `include` to a stack.
    pub expansion: u32,
    /// Services of all stacks together.
    pub services: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parallel: 8, file: 1024 * 1024, nesting: 64, expansion: 100_000, services: 2000 }
    }
}

/// `http`: the TCP listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where it listens.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Holds the token that clients must show; without one, only whether the daemon is well can be asked.
    pub token_file: Option<PathBuf>,
    /// Holds a second token, with which clients may ask and change nothing.
    pub read_token_file: Option<PathBuf>,
    /// Holds the secret that webhooks are signed with.
    pub webhook_secret_file: Option<PathBuf>,
}
