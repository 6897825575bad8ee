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

/// Which commits have to be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignedScope {
    /// The newest one: whoever signs it answers for all that it builds on.
    #[default]
    Head,
    /// Each one since the last that was accepted, those that were merged among them.
    Range,
}

/// `rollout`: where the manifest says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// How long a new container without health check has to run before it counts as good; `0s`: as soon as it runs.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "scalar::Length", extend("default" = "10s"))]
    pub stable: Duration,
    /// How long a new container is watched after the switch; a failure in that time switches back.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "scalar::Length", extend("default" = "10s"))]
    pub monitor: Duration,
    /// How long a new container may take from create to good.
    #[serde(deserialize_with = "scalar::duration")]
    #[schemars(with = "scalar::Length", extend("default" = "5m"))]
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
    #[schemars(extend("default" = "50%"))]
    pub max: Share,
    /// Lifts the guard for good; `--allow-removals` does for one pass.
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
    /// Images of this many good generations of a service, the one that runs among them.
    pub keep: u32,
    /// When the disk fills up.
    pub disk: Disk,
    /// How often the images are looked through, besides after each change.
    #[serde(deserialize_with = "scalar::interval")]
    #[schemars(with = "scalar::Length", extend("default" = "1h"))]
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
    /// Above this share of the file system of the engine's data, room is made.
    #[schemars(extend("default" = "80%"))]
    pub high: Percent,
    /// Room is made until it is below this.
    #[schemars(extend("default" = "70%"))]
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
    /// Steps at once, and passes at once.
    pub parallel: u32,
    /// The size of one file of the repository.
    #[serde(deserialize_with = "scalar::size")]
    #[schemars(with = "scalar::Size", extend("default" = "1MiB"))]
    pub file: u64,
    /// How deep mappings and lists of a manifest may nest, and how many files or services deep `include` and
    /// `extends` may go: 4 to 128.
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
    /// Where it listens: `127.0.0.1:8420`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Holds the token that clients must show; without one, only whether the daemon is well can be asked.
    pub token_file: Option<PathBuf>,
    /// Holds a second token, with which clients may ask and change nothing.
    pub read_token_file: Option<PathBuf>,
    /// Holds the secret that webhooks are signed with.
    pub webhook_secret_file: Option<PathBuf>,
}
