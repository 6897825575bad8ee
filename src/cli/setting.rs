//! The surroundings of the program: configuration, environment, host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Trouble;
use super::arguments::{Global, Repo};
use crate::config::{Ambient, Config};
use crate::metrics::Metrics;
use crate::reconcile::{PassError, World};
use crate::registry::Distribution;
use crate::systemd::Manager;
use crate::systemd::journal::{self, Journal};

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
    made_of(config(global, repo)?, Arc::default())
}

/// The world that the arguments name now, where it is another than that of `known`; or why it cannot be had. It is
/// counted in the same `metrics`.
pub fn world_anew(
    global: &Global,
    repo: &Repo,
    known: &Config,
    metrics: &Arc<Metrics>,
) -> Result<Option<World>, Trouble> {
    let config = config(global, repo)?;
    if config == *known { Ok(None) } else { made_of(config, Arc::clone(metrics)).map(Some) }
}

fn made_of(config: Config, metrics: Arc<Metrics>) -> Result<World, Trouble> {
    World::counted(config, metrics).map_err(|error| PassError::from(error).into())
}

/// Who started this program as a service; nobody where it was not, or cannot be told.
pub fn manager() -> Manager {
    let Some(address) = variable("NOTIFY_SOCKET") else { return Manager::none() };
    let is_mine = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let watchdog = variable("WATCHDOG_USEC").filter(|_| is_mine);
    let watchdog = watchdog.and_then(|text| text.parse().ok()).map(Duration::from_micros);
    Manager::at(address.as_ref(), watchdog).unwrap_or_else(|error| {
        tracing::warn!("systemd cannot be told how things stand: {error}");
        Manager::none()
    })
}

/// The directory that systemd has made for the sockets of this service.
pub fn runtime_directory() -> Option<PathBuf> {
    let directories = variable("RUNTIME_DIRECTORY")?;
    directories.split(':').next().map(PathBuf::from)
}

/// The journal, where systemd has connected this program's errors to it; how lines look is then its business.
pub fn journal() -> Option<Journal> {
    let errors = rustix::fs::fstat(std::io::stderr()).ok()?;
    let connected = variable("JOURNAL_STREAM")
        .is_some_and(|named| named == format!("{}:{}", errors.st_dev, errors.st_ino));
    connected.then(|| Journal::at(journal::SOCKET.as_ref()).ok()).flatten()
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

/// The value of a variable that is set to anything but nothing.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where the environment is read"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
