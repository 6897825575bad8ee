//! What the operator writes on the server.
//!
//! Plain data, checked and with its defaults filled in. The environment is not read here, no path is
//! looked at but the configuration file's own, and what a setting does is the business of other rooms.

pub mod commit_status;
mod decrypt;
mod file;
mod images;
mod load;
pub mod notify;
mod parse;
mod place;
mod policy;
mod registries;
mod resolve;
mod scalar;
mod schema;
mod settings;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use commit_status::{CommitStatus, Forge};
pub use decrypt::Decrypt;
pub use load::Ambient;
pub use notify::Recipient;
pub use scalar::{Percent, Share};
pub use schema::schema;
pub use settings::{Disk, Http, Limits, Removals, Retention, Rollout, SignedScope, UnsetVariables};

use crate::model::image_policy::ImageRule;
use crate::model::{HostName, SourceName, StackName, Window};
use crate::policy::Policy;

/// Where the configuration is looked for unless `--config` names another place.
pub const DEFAULT_PATH: &str = "/etc/evenkeel/config.yaml";

/// The configuration of this host.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// This server.
    pub host: HostName,
    /// At least one, no two of one name.
    pub sources: Vec<Source>,
    /// Settings for single stacks.
    pub stacks: BTreeMap<StackName, StackSettings>,
    /// The operator's env files.
    pub env_dir: PathBuf,
    /// Where systemd puts the credentials of the service; `None` where it was not started with any.
    pub credentials_dir: Option<PathBuf>,
    /// Stacks' own directories and exported files.
    pub data_dir: PathBuf,
    /// The home of the user evenkeel runs as; `None` where it is not known.
    pub home: Option<PathBuf>,
    /// How encrypted files in git are opened.
    pub decrypt: Decrypt,
    /// Database, mirrors, secrets, lock.
    pub state_dir: PathBuf,
    /// The engine's address: `unix://…`.
    pub docker_host: String,
    /// Registries.
    pub registry: Registry,
    /// What a variable that nothing sets becomes.
    pub unset_variables: UnsetVariables,
    /// Rollouts, where the manifest says nothing.
    pub rollout: Rollout,
    /// What one pass may remove.
    pub removals: Removals,
    /// Which images stay.
    pub retention: Retention,
    /// When deployments may start; `None` is always.
    pub window: Option<Window>,
    /// What git may ask of this host.
    pub policy: Policy,
    /// What is asked of images before they run; the first that matches counts.
    pub images: Vec<ImageRule>,
    /// What one pass may take up.
    pub limits: Limits,
    /// Who writes image lines back to git.
    pub write_back: WriteBack,
    /// Who is told what happened; no two of one name.
    pub notify: Vec<Recipient>,
    /// The TCP listener.
    pub http: Option<Http>,
}

/// A repository, a revision and a path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Unique on this host.
    pub name: SourceName,
    /// Where the repository is.
    pub repo: Repo,
    /// Which revision of it.
    pub follow: Follow,
    /// Where stacks are looked for, with the host's name filled in; empty for the root.
    pub path: String,
    /// Globs of stack directories to take; `**` where nothing is written.
    pub include: Vec<String>,
    /// Globs of stack directories to leave out.
    pub exclude: Vec<String>,
    /// How often it is looked at, before jitter.
    pub interval: Duration,
    /// How to log in.
    pub credentials: Option<GitCredentials>,
    /// What a variable that nothing sets becomes, in place of the host's.
    pub unset_variables: Option<UnsetVariables>,
    /// The forge that is told how its commits fare.
    pub commit_status: Option<CommitStatus>,
    /// Who has to have signed what is followed.
    pub verify: Option<Verify>,
}

impl Source {
    /// Who has to have signed what is followed; nobody where the operator has named the commit itself.
    pub fn demands(&self) -> Option<&Verify> {
        match &self.follow {
            Follow::Commit(_) => None,
            Follow::DefaultBranch | Follow::Branch(_) | Follow::Tag(_) => self.verify.as_ref(),
        }
    }
}

/// Who has to have signed a commit before anything of it is read; at least one of the files is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// The keys of SSH signatures, in ssh-keygen's format.
    pub allowed_signers: Option<PathBuf>,
    /// The keys of OpenPGP signatures.
    pub keyring: Option<PathBuf>,
    /// Which commits have to be signed.
    pub scope: SignedScope,
    /// Whether a commit has to build on the last one that was accepted.
    pub fast_forward: bool,
    /// How old the newest commit may be without an alarm.
    pub max_age: Option<Duration>,
}

/// Where a repository is; its `Debug` form holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Repo(String);

/// Which revision of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The repository's default branch.
    DefaultBranch,
    /// The newest commit of a branch.
    Branch(String),
    /// What a tag points at.
    Tag(String),
    /// One commit.
    Commit(String),
}

/// How to log in to a git server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitCredentials {
    /// A user with a password or token in a file.
    Password {
        /// The user.
        username: String,
        /// Holds the password.
        password_file: PathBuf,
    },
    /// An SSH key.
    Ssh {
        /// The private key.
        key_file: PathBuf,
        /// The hosts to trust; the `ssh` program's own list where it is `None`.
        known_hosts_file: Option<PathBuf>,
    },
    /// A command that prints credentials.
    Command(Vec<String>),
}

/// Settings for one stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackSettings {
    /// Compose profiles that are on.
    pub profiles: Vec<String>,
    /// Where its untracked directories live, in place of `<data_dir>/<stack>`.
    pub dir: Option<PathBuf>,
    /// In place of the source's and the host's.
    pub unset_variables: Option<UnsetVariables>,
    /// In place of the host's.
    pub window: Option<Window>,
}

/// Registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// How often tags that are followed are asked for.
    pub interval: Duration,
    /// Docker's own `config.json`; `None` where nothing is written and the home is unknown.
    pub docker_config: Option<PathBuf>,
    /// By host, with the port where there is one.
    pub hosts: BTreeMap<String, RegistryHost>,
}

/// One registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryHost {
    /// How to log in.
    pub credentials: Option<RegistryCredentials>,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What the registry is shown.
    pub client_certificate: Option<ClientCertificate>,
}

/// A certificate that says who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with its chain (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
}

/// How to log in to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryCredentials {
    /// A user with a password or token in a file.
    Password {
        /// The user.
        username: String,
        /// Holds the password.
        password_file: PathBuf,
    },
    /// A command that prints credentials.
    Command(Vec<String>),
}

/// The author of commits that evenkeel makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteBack {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
}

impl Repo {
    /// The address, credentials included where it was written with some.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as people may see it.
    pub fn shown(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            // The user of an SSH address is no secret, and without it the address is another.
            Some((user, host)) if scheme == "ssh" && !user.contains(':') => {
                format!("{scheme}://{user}@{host}{path}")
            }
            Some((_, host)) => format!("{scheme}://{host}{path}"),
            None => self.0.clone(),
        }
    }
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}
