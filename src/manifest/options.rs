//! What a host tells the loader: where its files are, what it is called, what holds where a manifest is silent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::civil::Date;

use super::interpolate::Unset;
use super::yaml;
use crate::model::sealed::Opener;
use crate::model::{Hidden, HostName, StackName};
use crate::policy::Policy;

/// Everything [`super::load`] needs besides the revision.
pub struct Options<'a> {
    /// This server's name, for `hosts:` and `EVENKEEL_HOST`.
    pub host: &'a HostName,
    /// Where the operator keeps env files; only read.
    pub env_dir: &'a Path,
    /// Where server-side directories of stacks and exported files are.
    pub data_dir: &'a Path,
    /// Where systemd puts the credentials of this service (systemd.exec(5): `$CREDENTIALS_DIRECTORY`).
    pub credentials_dir: Option<&'a Path>,
    /// Where secrets are written, below `secrets/`.
    pub state_dir: &'a Path,
    /// The home of the user evenkeel runs as, for paths that start with `~`; `None` where it is not known.
    pub home: Option<&'a Path>,
    /// Whether the server's files are at hand.
    pub server: ServerFiles,
    /// Who opens encrypted files of the repository; not asked where the server's files are not at hand.
    pub opener: &'a dyn Opener,
    /// How changes are rolled out where the manifest says nothing.
    pub defaults: RolloutDefaults,
    /// What an unset variable is, unless the stack's own settings say otherwise.
    pub unset: Unset,
    /// What one source may cost.
    pub limits: Limits,
    /// What the operator lets git ask of this host; `None` where nobody is asked, as in `validate`.
    pub policy: Option<HostPolicy<'a>>,
    /// The host's settings for one stack.
    pub per_stack: &'a dyn Fn(&StackName) -> StackOptions,
    /// Which stack directories are read, and which of these are not; relative to the source's path.
    pub include: &'a GlobSet,
    /// See `include`.
    pub exclude: &'a GlobSet,
}

impl Options<'_> {
    /// `path`, its `~` being the home of the user evenkeel runs as. That of another user, and one that is
    /// not known, stays as it is.
    pub fn at_home(&self, path: &str) -> Option<PathBuf> {
        let below =
            path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        self.home.map(|home| home.join(below.trim_start_matches('/')))
    }
}

/// The operator's word on what manifests may ask.
#[derive(Clone, Copy, Debug)]
pub struct HostPolicy<'a> {
    /// The rules and the exceptions to them.
    pub policy: &'a Policy,
    /// The day that exceptions are measured by, in UTC.
    pub today: Date,
    /// Where the engine listens, besides the usual places.
    pub socket: Option<&'a Path>,
}

/// Where the server's files come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerFiles {
    /// The server's own disk: what is missing there is a problem.
    #[default]
    Disk,
    /// No server at hand, as in `validate`: what would be missing is only remarked.
    Offline {
        /// A file to be read as if it were every stack's server file.
        env: Option<PathBuf>,
    },
    /// What a server would have once these files are put below its `env_dir`, by path; nothing else is known
    /// of it, as offline.
    Held(BTreeMap<String, Hidden>),
}

impl ServerFiles {
    /// Whether there is no server at hand, so that nobody knows what it is called either.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Offline { .. })
    }

    /// Whether nothing is known of the server, so that what is missing is only remarked.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Offline { .. } | Self::Held(_) => true,
            Self::Disk => false,
        }
    }
}

/// `rollout:` of the server's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutDefaults {
    /// How long a container without health check must run.
    pub stable: Duration,
    /// How long the old container is kept after the switch.
    pub monitor: Duration,
    /// From create to healthy; `None` leaves it to what the health check needs.
    pub deadline: Option<Duration>,
}

impl Default for RolloutDefaults {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { stable: ten, monitor: ten, deadline: None }
    }
}

/// What one source may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of one manifest, env file, secret or config, in bytes.
    pub file_bytes: u64,
    /// How deep a manifest may nest.
    pub nesting: usize,
    /// How many values aliases, `extends` and `include` may add to what is written.
    pub expansion: usize,
    /// Services in all stacks of a source.
    pub services: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 1024 * 1024, nesting: 64, expansion: 100_000, services: 2000 }
    }
}

impl Limits {
    /// What one file may cost.
    pub fn of_yaml(&self) -> yaml::Limits {
        yaml::Limits {
            bytes: usize::try_from(self.file_bytes).unwrap_or(usize::MAX),
            nesting: self.nesting,
            alias_nodes: self.expansion,
            ..yaml::Limits::default()
        }
    }
}

/// `stacks.<name>` of the server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackOptions {
    /// Profiles that are active.
    pub profiles: Vec<String>,
    /// Where untracked relative paths live, in place of `<data_dir>/<stack>`.
    pub dir: Option<PathBuf>,
    /// Where Compose ran the project that this stack takes over; `dir` goes before it.
    pub taken_over: Option<PathBuf>,
    /// What an unset variable is in this stack.
    pub unset: Option<Unset>,
}

/// Globs on paths: `*` stays within a directory, `**` does not.
///
/// # Errors
/// A pattern that is no glob, in the words of the glob library.
pub fn globs<S: AsRef<str>>(patterns: &[S]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern.as_ref()).literal_separator(true).build()?);
    }
    set.build()
}
