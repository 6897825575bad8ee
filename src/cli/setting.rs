//! The surroundings of the program: configuration, environment, host.

use std::path::{Path, PathBuf};

use super::Trouble;
use super::arguments::{Global, Repo};
use crate::config::{Ambient, Config};
use crate::reconcile::{PassError, World};
use crate::registry::Distribution;

/// The configuration that the arguments name, with what they override.
pub fn config(global: &Global, repo: &Repo) -> Result<Config, Trouble> {
    let ambient = ambient();
    let loaded = match &repo.repo {
        Some(url) => Config::for_repo(
            &absolute(url),
            repo.branch.as_deref(),
            repo.repo_path.as_deref(),
            &ambient,
        ),
        None => Config::load(&global.config, &ambient),
    };
    let mut config = loaded.map_err(Trouble::Problems)?;
    let places = [
        (&mut config.state_dir, &global.state_dir),
        (&mut config.env_dir, &global.env_dir),
        (&mut config.data_dir, &global.data_dir),
    ];
    for (place, given) in places {
        if let Some(given) = given {
            *place = std::path::absolute(given).map_err(Trouble::message)?;
        }
    }
    if let Some(host) = &global.docker {
        config.docker_host.clone_from(host);
    }
    for setting in config.not_yet() {
        tracing::warn!("`{setting}` is understood, but this version does not act on it yet");
    }
    Ok(config)
}

/// The registries as the configuration has them, where there is one: a CI job has none.
pub fn registries(global: &Global) -> Result<Distribution, Trouble> {
    let is_default = global.config == Path::new(crate::config::DEFAULT_PATH);
    let config = match is_default && !global.config.exists() {
        true => Config::for_repo("repository", None, None, &ambient()),
        false => Config::load(&global.config, &ambient()),
    };
    Ok(crate::reconcile::world::registries(&config.map_err(Trouble::Problems)?))
}

/// The world that the arguments name.
pub fn world(global: &Global, repo: &Repo) -> Result<World, Trouble> {
    World::new(config(global, repo)?).map_err(|error| PassError::from(error).into())
}

/// A local path as an absolute one: it becomes a label, and others read it in another directory.
fn absolute(repo: &str) -> String {
    let is_path = Path::new(repo).exists();
    let full: Option<PathBuf> = is_path.then(|| std::path::absolute(repo).ok()).flatten();
    full.map_or_else(|| repo.to_owned(), |path| path.display().to_string())
}

/// What the configuration takes from its surroundings.
pub fn ambient() -> Ambient {
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ambient {
        hostname,
        docker_host: variable("DOCKER_HOST"),
        home: std::env::home_dir(),
        credentials_dir: variable("CREDENTIALS_DIRECTORY").map(PathBuf::from),
    }
}

/// Whether a variable is set to anything but nothing.
pub fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the environment is read"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
