//! A service while it is read: what several keys decide together is settled at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;

use super::environment::{self, EnvFile};
use super::networks::Joined;
use super::sharing::{Link, Shared};
use super::{
    evenkeel, from_server, health, label_file, limits, mac_address, networks, ports, probe,
    rollout, sensitive, update,
};
use crate::manifest::keys;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::stack::{
    Dependency, Export, Rollout, SecretFile, ServerDirectory, Service, Stamp,
};
use crate::model::{
    ContainerName, ContainerSpec, ImageRef, Place, PullPolicy, ServiceName, StackName,
};

/// A service while it is read.
pub struct Draft<'a> {
    /// Its name.
    pub name: ServiceName,
    /// Its place, and the way to say what is wrong with it.
    pub at: At<'a>,
    /// The image, how it may be shown, and where it stands.
    pub image: Option<(ImageRef, String, Place)>,
    /// `build:`, where it stands.
    pub build: Option<Place>,
    /// `pull_policy`
    pub pull_policy: PullPolicy,
    /// What goes into the container as it is.
    pub settings: ContainerSpec,
    /// `container_name`
    pub container_name: Option<ContainerName>,
    /// `scale` and `deploy.replicas`, where they stand.
    pub replicas: Vec<(u32, Place)>,
    /// `depends_on`, with where each name stands.
    pub depends_on: IndexMap<ServiceName, (Dependency, At<'a>)>,
    /// How it is rolled out.
    pub rollout: Rollout,
    /// How going back is; what both have in common is in `rollout` alone.
    pub rollback: Rollout,
    /// Wherever `order: start-first` stands.
    pub start_first: Vec<At<'a>>,
    /// `x-evenkeel.keep`
    pub keep: Option<u32>,
    /// `x-evenkeel.probe`
    pub probe: Option<probe::Written<'a>>,
    /// `x-evenkeel.update`
    pub update: Option<update::Written<'a>>,
    /// `x-evenkeel.stamp`
    pub stamps: BTreeMap<String, (Stamp, At<'a>)>,
    /// `restart:` was overruled by `deploy.restart_policy`.
    pub restart_is_final: bool,
    /// `environment`
    pub environment: IndexMap<String, Option<String>>,
    /// `env_file`
    pub env_files: Vec<EnvFile<'a>>,
    /// `label_file`
    pub label_files: Vec<EnvFile<'a>>,
    /// `networks`; `None` where nothing is written.
    pub networks: Option<Vec<Joined<'a>>>,
    /// `links`
    pub links: Vec<Link<'a>>,
    /// `external_links`
    pub external_links: Vec<Link<'a>>,
    /// Fields that hold a value of a file which must not be shown.
    pub hidden: BTreeSet<String>,
    /// What it shares with other services.
    pub shared: Vec<Shared<'a>>,
    /// `network_mode`
    pub network_mode: Option<(String, At<'a>)>,
    /// `mac_address`
    pub mac_address: Option<(String, At<'a>)>,
    /// Limits written twice, under different names.
    pub limits: limits::Written,
    /// Files of the repository.
    pub exports: Vec<Export>,
    /// Secrets and configs.
    pub secret_files: Vec<SecretFile>,
    /// Directories of the server.
    pub directories: Vec<ServerDirectory>,
    /// Keys of the volumes it mounts.
    pub volumes: BTreeSet<String>,
    /// Keys of the networks it is attached to.
    pub network_keys: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    /// A service of which nothing has been read.
    pub fn new(name: ServiceName, at: &At<'a>, scene: &Scene<'_>) -> Self {
        Self {
            name,
            at: at.clone(),
            image: None,
            build: None,
            pull_policy: PullPolicy::default(),
            settings: ContainerSpec::default(),
            container_name: None,
            replicas: Vec::new(),
            depends_on: IndexMap::new(),
            rollout: rollout::update_defaults(&scene.options.defaults),
            rollback: rollout::rollback_defaults(&scene.options.defaults),
            start_first: Vec::new(),
            keep: None,
            probe: None,
            update: None,
            stamps: BTreeMap::new(),
            restart_is_final: false,
            environment: IndexMap::new(),
            env_files: Vec::new(),
            label_files: Vec::new(),
            hidden: BTreeSet::new(),
            networks: None,
            links: Vec::new(),
            external_links: Vec::new(),
            shared: Vec::new(),
            network_mode: None,
            mac_address: None,
            limits: limits::Written::default(),
            exports: Vec::new(),
            secret_files: Vec::new(),
            directories: Vec::new(),
            volumes: BTreeSet::new(),
            network_keys: BTreeSet::new(),
        }
    }

    /// Settles what several keys decide together.
    pub fn settle(&mut self, scene: &Scene<'_>) {
        self.rollout.deadline = self.rollout.deadline.or_else(|| {
            // A check of the image's own is not known here.
            let check = self.settings.healthcheck.as_ref().filter(|check| !check.is_none());
            let needed = check.map_or(Duration::ZERO, health::time_to_fail);
            scene.options.defaults.deadline.map(|usual| usual.max(needed))
        });
        from_server::note(self, scene);
        self.settings.environment = environment::merged(self, scene);
        evenkeel::settle(self);
        label_file::settle(self, scene);
        update::settle(self);
        networks::attach(self, scene);
        mac_address::settle(self);
        limits::settle(self);
        ports::settle(self);
        self.settings.mounts.sort_by(|a, b| a.target.cmp(&b.target));
        for target in repeated_targets(&self.settings) {
            let target = self.quoted(&["volumes", "tmpfs", "secrets", "configs"], &target);
            self.at.problem("two-mounts", format!("two things are mounted at {target}"));
        }
    }

    /// `text` for a message, unless one of the `keys` it comes from holds a value of the server.
    pub fn quoted(&self, keys: &[&str], text: &str) -> String {
        let is_hidden = |key: &&str| self.at.value(key).is_some_and(|at| sensitive::is_in(at.node));
        if keys.iter().any(is_hidden) { "the value".to_owned() } else { format!("`{text}`") }
    }

    /// The name of replica `number` (from 1).
    pub fn container(&self, stack: &StackName, number: u32) -> ContainerName {
        match &self.container_name {
            Some(name) => name.clone(),
            None => ContainerName::numbered(stack, &self.name, number),
        }
    }

    /// How many containers.
    pub fn replica_count(&self) -> u32 {
        self.replicas.first().map_or(1, |(count, _)| *count)
    }

    /// The finished service; `None` where it has no image, which is then a problem.
    pub fn finish(self) -> Option<Service> {
        let Some((image, image_shown, image_place)) = self.image.clone() else {
            self.complain_of_no_image();
            return None;
        };
        Some(Service {
            replicas: self.replica_count(),
            probe: probe::settled(&self),
            sensitive: sensitive::paths(&self.at).into_iter().chain(self.hidden).collect(),
            place: self.at.key_place().clone(),
            name: self.name,
            image,
            image_shown,
            image_place,
            pull_policy: self.pull_policy,
            settings: self.settings,
            container_name: self.container_name,
            keep: self.keep,
            depends_on: self.depends_on.into_iter().map(|(name, (d, _))| (name, d)).collect(),
            rollback: Rollout {
                stable: self.rollout.stable,
                deadline: self.rollout.deadline,
                restarts: self.rollout.restarts,
                shared_writers: self.rollout.shared_writers,
                ..self.rollback
            },
            rollout: self.rollout,
            update: self.update.map(|written| written.update),
            stamps: self.stamps.into_iter().map(|(name, (stamp, _))| (name, stamp)).collect(),
            exports: self.exports,
            secret_files: self.secret_files,
            directories: self.directories,
            server_files: BTreeMap::new(),
        })
    }

    /// Whether a key is there that was reported as perhaps meant to be `key`.
    fn has_misspelt(&self, key: &str) -> bool {
        let fields = self.at.fields();
        fields.iter().any(|(written, _)| keys::nearest(written, std::iter::once(key)).is_some())
    }

    fn complain_of_no_image(&self) {
        // An image that cannot be read has its own problem.
        if self.at.value("image").is_some() || self.has_misspelt("image") {
            return;
        }
        let name = &self.name;
        let problem = match &self.build {
            Some(place) => self
                .at
                .trouble("unsupported-key", format!("service `{name}` has `build` but no `image`"))
                .at(place.clone())
                .note("the server never builds")
                .hint("build and push it elsewhere, and name it with `image:`"),
            None => self
                .at
                .trouble("missing-key", format!("service `{name}` has no `image`"))
                .at(self.at.key_place().clone())
                .hint("name the image to run: `image: repository:tag`"),
        };
        self.at.report(problem);
    }
}

fn repeated_targets(settings: &ContainerSpec) -> BTreeSet<String> {
    let mut seen: BTreeSet<&str> = settings.tmpfs.keys().map(String::as_str).collect();
    let repeated = settings.mounts.iter().filter(|mount| !seen.insert(&mount.target));
    repeated.map(|mount| mount.target.clone()).collect()
}
