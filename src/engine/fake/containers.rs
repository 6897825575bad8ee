//! Containers by request: create, start, stop, remove, rename, update.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use super::images::complete;
use super::life::{Life, Phase};
use super::networks::attachments;
use super::ports::candidates;
use super::world::{Container, Host};
use crate::engine::{ContainerRef, ContainerRequest, ContainerUpdate, EngineError, Executed};
use crate::model::spec::{Attachment, Hook, Logging, MountSource, Resources, USUAL_GRACE_PERIOD};
use crate::model::{ContainerId, ContainerName, ContainerSpec, VolumeName};

/// The least memory the engine gives a container, bytes.
const LEAST_MEMORY: i64 = 6 * 1024 * 1024;

impl Host {
    pub(super) fn create(
        &mut self,
        request: &ContainerRequest,
    ) -> Result<ContainerId, EngineError> {
        let (image_id, behaviour) = self.local_image(&request.image)?;
        for mount in &request.settings.mounts {
            if let MountSource::Image { image, .. } = &mount.source {
                self.local_image(image)?;
            }
        }
        self.check_name(&request.name)?;
        check_request(request)?;
        let id = ContainerId::new(self.new_id());
        let mut settings = complete(&request.settings, &behaviour.defaults, &self.defaults);
        self.complete_by_engine(&mut settings);
        let mut labels = behaviour.defaults.labels.clone();
        labels.extend(request.labels.clone());
        settings.labels = labels
            .iter()
            .filter(|(name, _)| !crate::model::labels::is_bookkeeping(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut container = Container {
            attached: attachments(request, &id),
            id: id.clone(),
            name: request.name.clone(),
            image: request.image.to_string(),
            image_id,
            labels: labels.into(),
            created_at: self.now(),
            settings,
            behaviour,
            volumes: BTreeMap::new(),
            anonymous: std::collections::BTreeSet::new(),
            ports: std::collections::BTreeSet::new(),
            logs: Vec::new(),
            life: Life::new(),
            shown: OnceLock::new(),
        };
        self.mount_volumes(&mut container, &request.inherited_volumes);
        self.containers.insert(id.clone(), container);
        Ok(id)
    }

    fn complete_by_engine(&self, settings: &mut ContainerSpec) {
        settings.logging.get_or_insert_with(|| Logging {
            driver: self.defaults.log_driver.clone(),
            options: BTreeMap::new(),
        });
        if settings.network.endpoints().is_empty()
            && matches!(settings.network, Attachment::Networks(_))
        {
            settings.network = Attachment::Mode("bridge".to_owned());
        }
        if settings.network == Attachment::Mode("host".to_owned()) {
            settings.hostname.get_or_insert_with(|| self.defaults.host_name.clone());
        }
    }

    fn check_name(&self, name: &ContainerName) -> Result<(), EngineError> {
        match self.containers.values().find(|container| container.name == *name) {
            None => Ok(()),
            Some(owner) => Err(EngineError::Conflict(format!(
                "The container name \"/{name}\" is already in use by container {}",
                owner.id
            ))),
        }
    }

    /// Named volumes are made on demand; anonymous ones are taken over or made.
    fn mount_volumes(
        &mut self,
        container: &mut Container,
        inherited: &BTreeMap<String, VolumeName>,
    ) {
        for mount in container.settings.mounts.clone() {
            let name = match mount.source {
                MountSource::Bind { .. } | MountSource::Image { .. } => continue,
                MountSource::Volume { name, .. } => name,
                MountSource::Anonymous => {
                    container.anonymous.insert(mount.target.clone());
                    let taken_over = inherited.get(&mount.target).cloned();
                    taken_over.unwrap_or_else(|| VolumeName::new(self.new_id()))
                }
            };
            self.volumes.entry(name.clone()).or_default();
            container.volumes.insert(mount.target, name);
        }
    }

    pub(super) fn start(&mut self, wanted: &ContainerRef) -> Result<(), EngineError> {
        let now = self.now();
        let container = self.container_mut(wanted)?;
        match container.life.phase {
            Phase::Running | Phase::Restarting { .. } => return Ok(()),
            Phase::Paused { .. } => {
                let text = "cannot start a paused container, try unpause instead";
                return Err(EngineError::Conflict(text.into()));
            }
            Phase::Created | Phase::Exited { .. } => {}
        }
        let fresh = container.life.anew();
        let before = std::mem::replace(&mut container.life, fresh);
        let id = container.id.clone();
        let started = self.launch(&id, now);
        if let Err(error) = &started
            && let Some(container) = self.by_id_mut(&id)
        {
            container.life = failed_start(before, error);
        }
        started
    }

    /// How long a stop takes, to be waited for before [`Host::stop`].
    pub(super) fn grace(&self, wanted: &ContainerRef) -> Result<Duration, EngineError> {
        let id = self.id_of(wanted)?;
        Ok(self.containers.get(&id).map_or(Duration::ZERO, Container::grace))
    }

    pub(super) fn stop(&mut self, wanted: &ContainerRef) -> Result<(), EngineError> {
        let container = self.container_mut(wanted)?;
        if container.life.is_active() {
            let code = if container.is_deaf() { 137 } else { 0 };
            container.life.manually_stopped = true;
            container.halt(code);
        }
        Ok(())
    }

    /// How long a program takes that is run in a container, and how it ends: `false` fails, `sleep N` sleeps,
    /// all others do well at once. The container's log tells of it.
    pub(super) fn exec(
        &mut self,
        wanted: &ContainerRef,
        hook: &Hook,
    ) -> Result<(Duration, Executed), EngineError> {
        let container = self.container_mut(wanted)?;
        if container.life.phase != Phase::Running {
            return Err(EngineError::Conflict(format!(
                "Container {} is not running",
                container.id
            )));
        }
        container.logs.push(format!("ran {}", hook.command.join(" ")));
        let mut words = hook.command.iter().map(String::as_str);
        Ok(match (words.next(), words.next().and_then(|word| word.parse().ok())) {
            (Some("false"), _) => {
                (Duration::ZERO, Executed { code: 1, output: vec!["it is no use".into()] })
            }
            (Some("sleep"), Some(seconds)) => (Duration::from_secs(seconds), Executed::default()),
            _ => (Duration::ZERO, Executed::default()),
        })
    }

    pub(super) fn unpause(&mut self, wanted: &ContainerRef) -> Result<(), EngineError> {
        let now = self.now();
        let container = self.container_mut(wanted)?;
        let Phase::Paused { since } = container.life.phase else {
            return Err(EngineError::Other(format!("Container {} is not paused", container.id)));
        };
        container.life.phase = Phase::Running;
        if let Some((at, _)) = &mut container.life.end {
            *at += now.saturating_sub(since);
        }
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        wanted: &ContainerRef,
        name: &ContainerName,
    ) -> Result<(), EngineError> {
        let id = self.id_of(wanted)?;
        if self.containers.get(&id).is_some_and(|container| container.name == *name) {
            let text = "Renaming a container with the same name as its current name";
            return Err(EngineError::Refused(text.into()));
        }
        self.check_name(name)?;
        self.container_mut(wanted)?.name = name.clone();
        Ok(())
    }

    pub(super) fn remove(&mut self, wanted: &ContainerRef) -> Result<(), EngineError> {
        let id = self.id_of(wanted)?;
        if self.containers.get(&id).is_some_and(|container| container.life.is_active()) {
            return Err(EngineError::Conflict(format!(
                "cannot remove container {wanted}: container is running: stop the container before removing"
            )));
        }
        self.containers.remove(&id);
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        wanted: &ContainerRef,
        update: &ContainerUpdate,
    ) -> Result<(), EngineError> {
        let container = self.container_mut(wanted)?;
        if let Some(wanted) = &update.resources {
            check_resources(wanted)?;
            set_resources(&mut container.settings.resources, wanted);
        }
        if let Some(restart) = update.restart {
            container.settings.restart = restart;
        }
        Ok(())
    }
}

impl Container {
    /// How long a stop takes now.
    fn grace(&self) -> Duration {
        if self.is_deaf() {
            self.settings.stop_grace_period.unwrap_or(USUAL_GRACE_PERIOD)
        } else {
            Duration::ZERO
        }
    }

    /// Whether only being killed ends it: a frozen process hears no signal either.
    fn is_deaf(&self) -> bool {
        match self.life.phase {
            Phase::Running => self.behaviour.ignores_sigterm,
            Phase::Paused { .. } => true,
            Phase::Created | Phase::Restarting { .. } | Phase::Exited { .. } => false,
        }
    }
}

/// A container that could not be started is what it was; an exited one may have a new code.
fn failed_start(mut before: Life, error: &EngineError) -> Life {
    if let Phase::Exited { code, .. } = before.phase {
        let code = match (error, code) {
            (EngineError::CannotStart(_), _) => 127,
            (_, 0) => 128,
            (_, code) => code,
        };
        before.phase = Phase::Exited { code, oom: false };
    }
    before
}

fn check_request(request: &ContainerRequest) -> Result<(), EngineError> {
    check_resources(&request.settings.resources)?;
    for binding in &request.settings.ports {
        candidates(&binding.published)?;
    }
    let mut targets = std::collections::BTreeSet::new();
    match request.settings.mounts.iter().find(|mount| !targets.insert(&mount.target)) {
        None => Ok(()),
        Some(twice) => {
            Err(EngineError::Refused(format!("Duplicate mount point: {}", twice.target)))
        }
    }
}

fn check_resources(resources: &Resources) -> Result<(), EngineError> {
    if (1..LEAST_MEMORY).contains(&resources.memory) {
        return Err(EngineError::Refused("Minimum memory limit allowed is 6MB".into()));
    }
    if resources.nano_cpus != 0 && (resources.cpu_period != 0 || resources.cpu_quota > 0) {
        let text = "Conflicting options: Nano CPUs and CPU Period cannot both be set";
        return Err(EngineError::Refused(text.into()));
    }
    Ok(())
}

/// 0 leaves a limit as it is: the engine cannot unset one.
fn set_resources(current: &mut Resources, wanted: &Resources) {
    let set = |field: &mut i64, value: i64| {
        if value != 0 {
            *field = value;
        }
    };
    set(&mut current.memory, wanted.memory);
    set(&mut current.memory_reservation, wanted.memory_reservation);
    if wanted.effective_swap() != 0 {
        current.memory_swap = wanted.memory_swap;
    }
    set(&mut current.nano_cpus, wanted.nano_cpus);
    set(&mut current.cpu_shares, wanted.cpu_shares);
    set(&mut current.cpu_period, wanted.cpu_period);
    set(&mut current.cpu_quota, wanted.cpu_quota);
    set(&mut current.cpu_realtime_period, wanted.cpu_realtime_period);
    set(&mut current.cpu_realtime_runtime, wanted.cpu_realtime_runtime);
    set(&mut current.pids_limit, wanted.pids_limit);
    set(&mut current.block_io.weight, wanted.block_io.weight);
    if !wanted.cpuset.is_empty() {
        current.cpuset.clone_from(&wanted.cpuset);
    }
}
