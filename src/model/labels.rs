//! The labels on what evenkeel creates. Labels are identity, not memory: history lives in the database.

use std::path::PathBuf;

/// `<version>:<hash>` of all that needs a new container when it changes.
pub const SPEC: &str = "evenkeel.spec";
/// The generation that created it.
pub const GENERATION: &str = "evenkeel.generation";
/// The commit it was created from.
pub const COMMIT: &str = "evenkeel.commit";
/// The source its stack comes from.
pub const SOURCE: &str = "evenkeel.source";

/// The hooks of a container: what is run in it before it is stopped is known though its manifest is gone.
pub const HOOKS: &str = "evenkeel.hooks";

/// The names of the variables with which a container was stamped, separated by commas: they are no part of its
/// spec, also when the manifest names them no more.
pub const STAMPS: &str = "evenkeel.stamps";

/// The stack.
pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
/// The service.
pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// The replica's number, from 1.
pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
/// `False`; `True` on what `docker compose run` made, which is foreign to us.
pub const COMPOSE_ONEOFF: &str = "com.docker.compose.oneoff";
/// Compose's `ps` shows nothing without it; ours holds the spec hash.
pub const COMPOSE_CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// What it depends on: `db:service_healthy:false,cache:service_started:true`; the last word is whether it is
/// restarted with it.
pub const COMPOSE_DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The directory relative paths are resolved against.
pub const COMPOSE_WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The manifest's files, separated by commas.
pub const COMPOSE_CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The file that Compose took variables from, where it was told one; several are separated by commas.
pub const COMPOSE_ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// The manifest's key of a network.
pub const COMPOSE_NETWORK: &str = "com.docker.compose.network";
/// The manifest's key of a volume.
pub const COMPOSE_VOLUME: &str = "com.docker.compose.volume";

/// Where Compose ran the project of a container with these labels; of one that `docker compose run` made,
/// nobody knows.
pub fn working_dir(label: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let is_one_off = label(COMPOSE_ONEOFF).is_some_and(|word| word == "True");
    let directory = label(COMPOSE_WORKING_DIR).filter(|_| !is_one_off).map(PathBuf::from);
    directory.filter(|directory| directory.is_absolute())
}

/// Whether a label is set by evenkeel or by Compose itself, and so never part of a comparison.
pub fn is_bookkeeping(label: &str) -> bool {
    label.starts_with("evenkeel.") || label.starts_with("com.docker.compose.")
}
