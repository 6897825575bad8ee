//! `pull_policy`: when a registry is asked for a service's image.

use std::time::Duration;

/// `pull_policy` (Compose Specification).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// `missing`, `if_not_present` and, since the server never builds, `build`: what is not on the host is
    /// pulled, and a tag keeps the digest it had.
    #[default]
    Missing,
    /// `never`: the image must already be on the host.
    Never,
    /// `always`: what the registry has now.
    Always,
    /// `daily`, `weekly`, `every_<duration>`: what the registry has, looked up so often.
    Every(Duration),
}

impl PullPolicy {
    /// Whether the image may not be pulled.
    pub fn is_never(self) -> bool {
        self == Self::Never
    }

    /// Whether a tag is to follow the registry.
    pub fn follows_the_registry(self) -> bool {
        match self {
            Self::Always | Self::Every(_) => true,
            Self::Missing | Self::Never => false,
        }
    }
}
