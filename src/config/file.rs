//! The configuration file as it is written (interface: `/etc/evenkeel/config.yaml`), key by key.
//!
//! Nothing is decided here; [`super::resolve`] makes a [`super::Config`] of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::settings::{Http, Limits, Removals, Retention, Rollout, UnsetVariables};
use super::{commit_status, notify, scalar};
use crate::model::Window;

/// The configuration of evenkeel on one server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// This server's name; the host name where it is left out.
    pub(super) host: Option<String>,
    /// The repositories to follow.
    pub(super) sources: Option<Vec<Source>>,
    /// Settings for single stacks, by name.
    pub(super) stacks: Option<BTreeMap<String, Stack>>,
    /// Where the operator keeps env files.
    pub(super) env_dir: Option<PathBuf>,
    /// Where stacks' own directories and exported files live.
    pub(super) data_dir: Option<PathBuf>,
    /// Where evenkeel keeps its database, mirrors, secrets and lock.
    pub(super) state_dir: Option<PathBuf>,
    /// The engine.
    pub(super) docker: Option<Docker>,
    /// Registries.
    pub(super) registry: Option<Registry>,
    /// What a variable that nothing sets becomes.
    pub(super) unset_variables: Option<UnsetVariables>,
    /// Rollouts, where the manifest says nothing.
    pub(super) rollout: Option<Rollout>,
    /// What one pass may remove.
    pub(super) removals: Option<Removals>,
    /// Which images stay on the host.
    pub(super) retention: Option<Retention>,
    /// When deployments may start.
    pub(super) window: Option<Window>,
    /// What git may ask of this host.
    pub(super) policy: Option<BTreeMap<String, serde_json::Value>>,
    /// What one pass may take up.
    pub(super) limits: Option<Limits>,
    /// Who writes image lines back to git.
    pub(super) write_back: Option<WriteBack>,
    /// Who is told what happened.
    pub(super) notify: Option<Vec<notify::Written>>,
    /// The TCP listener; absent: none.
    pub(super) http: Option<Http>,
}

/// A repository, a revision and a path in it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// Its name; the repository's where it is left out.
    pub(super) name: Option<String>,
    /// `https://`, `ssh://`, `user@host:path`, `file://` or a local directory.
    pub(super) repo: String,
    /// The branch to follow.
    pub(super) branch: Option<String>,
    /// A tag, in place of a branch.
    pub(super) tag: Option<String>,
    /// A commit, in place of a branch.
    pub(super) commit: Option<String>,
    /// Where stacks are looked for; `{host}` is this server's name.
    pub(super) path: Option<String>,
    /// Globs on stack directories.
    pub(super) stacks: Option<StackGlobs>,
    /// How often it is looked at.
    #[serde(default, deserialize_with = "scalar::optional_interval")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    /// How to log in.
    pub(super) credentials: Option<Credentials>,
    /// What a variable that nothing sets becomes.
    pub(super) unset_variables: Option<UnsetVariables>,
    /// The forge that is told how each commit fares on this host.
    pub(super) commit_status: Option<commit_status::Written>,
}

/// Globs on stack directories, relative to the root of the repository.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StackGlobs {
    pub(super) include: Option<Vec<String>>,
    pub(super) exclude: Option<Vec<String>>,
}

/// A user name with a password file, an SSH key, or a command that prints a token.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) ssh_key_file: Option<PathBuf>,
    pub(super) known_hosts_file: Option<PathBuf>,
    pub(super) credential_command: Option<Vec<String>>,
}

/// Settings for one stack.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Stack {
    /// Compose profiles that are on.
    pub(super) profiles: Vec<String>,
    /// Where its untracked directories live, in place of `<data_dir>/<stack>`.
    pub(super) dir: Option<PathBuf>,
    /// What a variable that nothing sets becomes.
    pub(super) unset_variables: Option<UnsetVariables>,
    /// When deployments may start.
    pub(super) window: Option<Window>,
}

/// The engine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Docker {
    /// `unix:///var/run/docker.sock`, `tcp://…`.
    pub(super) host: Option<String>,
}

/// Registries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Registry {
    /// How often tags that are followed are asked for.
    #[serde(deserialize_with = "scalar::optional_interval")]
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Duration>,
    /// Docker's own `config.json`; `~` is the home of the user evenkeel runs as.
    pub(super) docker_config: Option<PathBuf>,
    /// By host, with the port where there is one.
    pub(super) hosts: Option<BTreeMap<String, RegistryHost>>,
}

/// One registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RegistryHost {
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    /// A program that prints a token, or JSON with `username`, `password` and perhaps `expires_in` (seconds); run
    /// again when that has expired or was refused.
    pub(super) credential_command: Option<Vec<String>>,
    /// Speak HTTP without TLS.
    pub(super) plain_http: bool,
    /// Certificates to trust besides the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// The certificate to show, with its chain (PEM).
    pub(super) client_cert_file: Option<PathBuf>,
    /// Its key (PEM).
    pub(super) client_key_file: Option<PathBuf>,
}

/// Who writes image lines back to git.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WriteBack {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
}
