//! The configuration file as it is written (interface: `/etc/evenkeel/config.yaml`), key by key.
//!
//! Nothing is decided here; [`super::resolve`] makes a [`super::Config`] of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::settings::{Http, Limits, Removals, Retention, Rollout, SignedScope, UnsetVariables};
use super::{commit_status, decrypt, notify, policy, scalar};
use crate::model::Window;

/// The configuration of evenkeel on one server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// This server's name: letters, digits, `-`, `_` and `.`; the host name where it is left out. `{host}`,
    /// `hosts:` and `EVENKEEL_HOST` are this.
    pub(super) host: Option<String>,
    /// The repositories to follow; at least one.
    pub(super) sources: Option<Vec<Source>>,
    /// Settings for single stacks, by the name of the stack.
    pub(super) stacks: Option<BTreeMap<String, Stack>>,
    /// Where the operator keeps env files and secrets; evenkeel only reads it.
    #[schemars(extend("default" = "/etc/evenkeel/env"))]
    pub(super) env_dir: Option<PathBuf>,
    /// How encrypted files in git are opened: with the identity of this host, by programs of this host.
    pub(super) decrypt: Option<decrypt::Written>,
    /// Where stacks' own directories and files exported from git live. Part of what containers mount: move it only
    /// with care.
    #[schemars(extend("default" = "/var/lib/evenkeel/data"))]
    pub(super) data_dir: Option<PathBuf>,
    /// Where the database, git mirrors, secrets and the lock are.
    #[schemars(extend("default" = "/var/lib/evenkeel/state"))]
    pub(super) state_dir: Option<PathBuf>,
    /// How the engine is reached.
    pub(super) docker: Option<Docker>,
    /// How registries are asked and logged in to.
    pub(super) registry: Option<Registry>,
    /// What a variable becomes that nothing sets and that has no default.
    #[schemars(extend("default" = "error"))]
    pub(super) unset_variables: Option<UnsetVariables>,
    /// How a new container proves itself where neither the manifest nor a health check says so.
    pub(super) rollout: Option<Rollout>,
    /// What one pass may remove at most: the guard against an empty or wrong directory in git.
    pub(super) removals: Option<Removals>,
    /// Which images stay on the host.
    pub(super) retention: Option<Retention>,
    /// When deployments may start; at any time where it is left out. Mending and going back never wait.
    pub(super) window: Option<Window>,
    /// What git may ask of this host: a stack that asks for more is refused as a whole, and what runs of it stays.
    pub(super) policy: Option<policy::Written>,
    /// What manifests and one pass may take up.
    pub(super) limits: Option<Limits>,
    /// Who the author of commits is that write newer images to git.
    pub(super) write_back: Option<WriteBack>,
    /// Who is told what happened; nobody where it is left out.
    pub(super) notify: Option<Vec<notify::Written>>,
    /// The TCP listener; none where it is left out.
    pub(super) http: Option<Http>,
}

/// A repository, a revision and a path in it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// What it is called in `status` and on labels of containers; the last part of `repo` where it is left out.
    pub(super) name: Option<String>,
    /// `https://…`, `ssh://…`, `user@host:path`, `file://…`, or a directory of this server.
    pub(super) repo: String,
    /// The branch to follow; the repository's default branch where neither it nor `tag` or `commit` is given.
    pub(super) branch: Option<String>,
    /// The tag to follow, in place of a branch.
    pub(super) tag: Option<String>,
    /// The commit to stay at, in place of a branch: all its hex digits.
    pub(super) commit: Option<String>,
    /// Where stacks are looked for, and below it; the root where it is left out. `{host}` is this server's name.
    pub(super) path: Option<String>,
    /// Which of the stacks found there are taken.
    pub(super) stacks: Option<StackGlobs>,
    /// How often it is looked at, ± 10 %.
    #[serde(default, deserialize_with = "scalar::optional_interval")]
    #[schemars(with = "Option<scalar::Length>", extend("default" = "30s"))]
    pub(super) interval: Option<Duration>,
    /// How to log in; one of the three ways.
    pub(super) credentials: Option<Credentials>,
    /// The same as at the top, for stacks of this source.
    pub(super) unset_variables: Option<UnsetVariables>,
    /// The forge that is told how each commit fares on this host.
    pub(super) commit_status: Option<commit_status::Written>,
    /// Who has to have signed what is followed; every commit is followed where it is left out.
    pub(super) verify: Option<Verify>,
}

/// Who has to have signed a commit before anything of it is read. At least one of the files; paths are absolute, and
/// the files are read anew for each new commit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Verify {
    /// Holds the keys that SSH signatures may be made with, as ssh-keygen(1) describes it under ALLOWED SIGNERS.
    pub(super) allowed_signers: Option<PathBuf>,
    /// Holds the keys that OpenPGP signatures may be made with, as `gpg --export` writes them. Needs the `gpgv` program.
    pub(super) keyring: Option<PathBuf>,
    /// What has to be signed: the newest commit, or each one since the last that was accepted.
    #[schemars(extend("default" = "head"))]
    pub(super) scope: Option<SignedScope>,
    /// Whether a commit has to build on the last one that was accepted.
    #[schemars(extend("default" = true))]
    pub(super) fast_forward: Option<bool>,
    /// An alarm is raised when the newest commit is older than this; never where it is left out.
    #[serde(deserialize_with = "scalar::optional_interval")]
    #[schemars(with = "Option<scalar::Length>")]
    pub(super) max_age: Option<Duration>,
}

/// Globs of directories with stacks, relative to the root of the repository.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StackGlobs {
    /// Globs of directories that are taken.
    #[schemars(extend("default" = ["**"]))]
    pub(super) include: Option<Vec<String>>,
    /// Globs of directories that are left out, though `include` has them.
    #[schemars(extend("default" = []))]
    pub(super) exclude: Option<Vec<String>>,
}

/// A user with a password or token, an SSH key, or a program that prints a token. Paths are absolute.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Credentials {
    /// The user, with `password_file`; `x-access-token` for a token of GitHub.
    pub(super) username: Option<String>,
    /// Holds the password or token of `username`.
    pub(super) password_file: Option<PathBuf>,
    /// Holds the private key, for `ssh://` and `user@host:path`. Needs the `ssh` program.
    pub(super) ssh_key_file: Option<PathBuf>,
    /// Holds the keys of the servers to trust; the `ssh` program's own list where it is left out.
    pub(super) known_hosts_file: Option<PathBuf>,
    /// A program with its arguments that prints a token, lines as the credential helpers of git print them, or JSON
    /// with `username`, `password` and perhaps `expires_in` (seconds). Run again shortly before that has passed,
    /// and when the server refuses.
    pub(super) credential_command: Option<Vec<String>>,
}

/// Settings for one stack.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Stack {
    /// The profiles of Compose that are active; `"*"` is all of them.
    pub(super) profiles: Vec<String>,
    /// Where its directories are that git does not track, in place of `<data_dir>/<stack>`.
    pub(super) dir: Option<PathBuf>,
    /// The same as at the top, for this stack.
    pub(super) unset_variables: Option<UnsetVariables>,
    /// The same as at the top, in place of it.
    pub(super) window: Option<Window>,
}

/// How the engine is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Docker {
    /// `unix:///…` or `tcp://…`; `DOCKER_HOST` where it is left out, and without that
    /// `unix:///var/run/docker.sock`.
    pub(super) host: Option<String>,
}

/// How registries are asked and logged in to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Registry {
    /// How often a tag is asked for that is followed.
    #[serde(deserialize_with = "scalar::optional_interval")]
    #[schemars(with = "Option<scalar::Length>", extend("default" = "5m"))]
    pub(super) interval: Option<Duration>,
    /// The file in which `docker login` keeps its logins; `~/.docker/config.json` of the user evenkeel runs as
    /// where it is left out.
    pub(super) docker_config: Option<PathBuf>,
    /// Registries, by host and, where there is one, port.
    pub(super) hosts: Option<BTreeMap<String, RegistryHost>>,
}

/// One registry. Without a login here, that of `docker_config` counts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RegistryHost {
    /// The user, with `password_file`.
    pub(super) username: Option<String>,
    /// Holds the password or token of `username`.
    pub(super) password_file: Option<PathBuf>,
    /// A program that prints a token, or JSON with `username`, `password` and perhaps `expires_in` (seconds); run
    /// again when that has expired or was refused.
    pub(super) credential_command: Option<Vec<String>>,
    /// Speak HTTP without TLS. Registries on loopback are tried that way by themselves.
    pub(super) plain_http: bool,
    /// Holds certificates to trust besides the system's (PEM).
    pub(super) ca_file: Option<PathBuf>,
    /// Holds the certificate to show, with its chain (PEM).
    pub(super) client_cert_file: Option<PathBuf>,
    /// Holds the key of `client_cert_file` (PEM).
    pub(super) client_key_file: Option<PathBuf>,
}

/// Who the author of commits is that write newer images to git (`x-evenkeel.update.write_back`).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WriteBack {
    /// The author's name.
    #[schemars(extend("default" = "evenkeel"))]
    pub(super) name: Option<String>,
    /// The author's address; `evenkeel@<host>` where it is left out.
    pub(super) email: Option<String>,
}
