//! All that a pass stands in: the configuration and the seams made from it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::Notify;

use super::mirrored::Mirrored;
use super::pass::Request;
use super::rounds::Rounds;
use crate::config::{Config, Follow, GitCredentials, RegistryCredentials, Share};
use crate::decrypt::Vault;
use crate::engine::docker::Docker;
use crate::engine::{Engine, EngineError};
use crate::history::History;
use crate::inspector::Programs;
use crate::metrics::Metrics;
use crate::notify::Courier;
use crate::notify::network::Network as Post;
use crate::plan::{MostRemovals, Rules, Windows};
use crate::probe::Prober;
use crate::probe::network::Network;
use crate::registry::HostSettings;
use crate::registry::distribution::Distribution;
use crate::registry::{Memory, Registry};
use crate::source::{Credentials, Reference, Source, SourceSpec};

/// How long a pass of a daemon waits for a program that looks at an image.
const PATIENCE: Duration = Duration::from_secs(10);

/// The host as one pass finds it.
pub struct World {
    /// What the operator wrote.
    pub config: Config,
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Who asks new containers.
    pub prober: Arc<dyn Prober>,
    /// The registries.
    pub registry: Arc<dyn Registry>,
    /// Who delivers messages.
    pub courier: Arc<dyn Courier>,
    /// Woken when something was put into the outbox.
    pub mail: Arc<Notify>,
    /// Where it is counted what happens.
    pub metrics: Arc<Metrics>,
    /// Who opens encrypted files in git.
    pub vault: Arc<Vault>,
    /// The repositories, in the order of the configuration.
    pub sources: Vec<Source>,
    /// When they were asked, and what they said.
    pub rounds: Rounds,
    /// Programs that look at images.
    pub programs: Programs,
}

impl World {
    /// Makes the seams that `config` describes. Nothing is connected yet.
    pub fn new(config: Config) -> Result<Self, EngineError> {
        let world = Self::counted(config, Arc::default())?;
        // A command has nothing else to do.
        Ok(Self { programs: Programs::new(None), ..world })
    }

    /// The same for a daemon, counted in `metrics`, which outlives a configuration: it waits for no program for long.
    pub fn counted(config: Config, metrics: Arc<Metrics>) -> Result<Self, EngineError> {
        let engine = Docker::connect(&config.docker_host)?;
        let counting = Arc::clone(&metrics);
        let registry = registries(&config)
            .with_memory(remembered(&config).unwrap_or_default())
            .heard_by(Arc::new(move |it| counting.asked(it.registry, it.status, it.remaining)));
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let registry = Mirrored { registry: Arc::new(registry), engine: Arc::clone(&engine) };
        let sources = config
            .sources
            .iter()
            .map(|source| Source::open(spec(source), &config.state_dir))
            .collect();
        Ok(Self {
            engine,
            prober: Arc::new(Network::new()),
            registry: Arc::new(registry),
            courier: Arc::new(Post::new()),
            mail: Arc::default(),
            metrics,
            vault: Arc::new(Vault::new(config.decrypt.clone())),
            sources,
            rounds: Rounds::default(),
            programs: Programs::new(Some(PATIENCE)),
            config,
        })
    }

    /// What the configuration says about planning.
    pub fn rules(&self, request: &Request) -> Rules {
        Rules {
            removals_max: most_removals(self.config.removals.max),
            allow_removals: request.allow_removals || self.config.removals.allow,
            deadline: self.config.rollout.deadline,
            windows: self.windows(request.now),
            only: request.only.clone(),
            busy: BTreeSet::new(),
            retries: request.retries,
        }
    }

    fn windows(&self, ignored: bool) -> Windows {
        let of_stacks = self.config.stacks.iter();
        let of_stacks = of_stacks.filter_map(|(name, it)| Some((name.clone(), it.window.clone()?)));
        Windows {
            ignored,
            zone: TimeZone::system(),
            host: self.config.window.clone(),
            stacks: of_stacks.collect(),
        }
    }

    /// The shortest interval of all sources.
    pub fn interval(&self) -> Duration {
        let intervals = self.config.sources.iter().map(|source| source.interval);
        intervals.min().unwrap_or(Duration::from_secs(30))
    }
}

/// How registries wanted to be approached when they were last spoken to.
fn remembered(config: &Config) -> Option<Memory> {
    let history = History::read_only(&config.state_dir).ok()?;
    serde_json::from_str(&history.registries().ok()??).ok()
}

fn most_removals(share: Share) -> MostRemovals {
    match share {
        Share::Percent(percent) => MostRemovals::Percent(u32::from(percent.0)),
        Share::Count(count) => MostRemovals::Count(count),
    }
}

/// The registries that `config` describes.
pub fn registries(config: &Config) -> Distribution {
    let hosts = config.registry.hosts.iter();
    let hosts = hosts.map(|(host, settings)| (host.clone(), host_settings(settings)));
    Distribution::new(config.registry.docker_config.clone(), hosts.collect())
}

fn host_settings(settings: &crate::config::RegistryHost) -> HostSettings {
    let mut made = HostSettings {
        plain_http: settings.plain_http,
        ca_file: settings.ca_file.clone(),
        ..HostSettings::default()
    };
    match &settings.credentials {
        Some(RegistryCredentials::Password { username, password_file }) => {
            made.username = Some(username.clone());
            made.password_file = Some(password_file.clone());
        }
        Some(RegistryCredentials::Command(command)) => {
            made.credential_command = Some(command.clone());
        }
        None => {}
    }
    if let Some(certificate) = &settings.client_certificate {
        made.client_cert_file = Some(certificate.cert_file.clone());
        made.client_key_file = Some(certificate.key_file.clone());
    }
    made
}

fn spec(source: &crate::config::Source) -> SourceSpec {
    SourceSpec {
        name: source.name.clone(),
        repo: source.repo.as_str().to_owned(),
        reference: match &source.follow {
            Follow::DefaultBranch => Reference::DefaultBranch,
            Follow::Branch(name) => Reference::Branch(name.clone()),
            Follow::Tag(name) => Reference::Tag(name.clone()),
            Follow::Commit(id) => Reference::Commit(id.clone()),
        },
        path: source.path.clone(),
        credentials: match &source.credentials {
            None => Credentials::None,
            Some(GitCredentials::Password { username, password_file }) => Credentials::Password {
                username: username.clone(),
                password_file: password_file.clone(),
            },
            Some(GitCredentials::Ssh { key_file, known_hosts_file }) => Credentials::SshKey {
                key_file: Some(key_file.clone()),
                known_hosts_file: known_hosts_file.clone(),
            },
            Some(GitCredentials::Command(command)) => Credentials::Command(command.clone()),
        },
    }
}
