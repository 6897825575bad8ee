//! After which ends a container is started again.

use std::fmt;

use serde::Serialize;

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
    pub(super) fn is_default(&self) -> bool {
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
