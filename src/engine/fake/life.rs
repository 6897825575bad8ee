//! The life of a container: starts, ends, restarts by policy, health; computed from the clock when somebody
//! looks.

use std::collections::BTreeSet;
use std::time::Duration;

use super::behaviour::{HealthStory, Process};
use super::ports::HostPort;
use super::world::{Container, Host};
use crate::engine::EngineError;
use crate::model::spec::{Healthcheck, RestartPolicy};
use crate::model::{ContainerId, ContainerState, Health};

/// Where a container is in its life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) phase: Phase,
    pub(super) started_at: Option<Duration>,
    /// When the process will end by itself, and with which code.
    pub(super) end: Option<(Duration, i64)>,
    /// Ends by itself, over the container's whole life.
    pub(super) ends: u32,
    pub(super) restarts: u32,
    pub(super) manually_stopped: bool,
    backoff: Duration,
}

/// What it does right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Running,
    Paused { since: Duration },
    Restarting { at: Duration, code: i64, oom: bool },
    Exited { code: i64, oom: bool },
}

/// The engine's first pause before a restart; it doubles up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// A run of this length starts the pauses anew.
const LONG_RUN: Duration = Duration::from_secs(10);

impl Life {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Created,
            started_at: None,
            end: None,
            ends: 0,
            restarts: 0,
            manually_stopped: false,
            backoff: FIRST_BACKOFF,
        }
    }

    /// What a start by hand begins with: only the program remembers its earlier ends.
    pub(super) fn anew(&self) -> Self {
        Self { ends: self.ends, ..Self::new() }
    }

    /// Running as the engine counts it for removal: paused and restarting ones too.
    pub(super) fn is_active(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Paused { .. } | Phase::Restarting { .. } => true,
            Phase::Created | Phase::Exited { .. } => false,
        }
    }

    /// Whether it has a process, and so addresses and ports.
    pub(super) fn has_process(&self) -> bool {
        match self.phase {
            Phase::Running | Phase::Paused { .. } => true,
            Phase::Restarting { .. } | Phase::Created | Phase::Exited { .. } => false,
        }
    }

    pub(super) fn state(&self) -> ContainerState {
        match self.phase {
            Phase::Created => ContainerState::Created,
            Phase::Running => ContainerState::Running,
            Phase::Paused { .. } => ContainerState::Paused,
            Phase::Restarting { code, oom, .. } => {
                ContainerState::Restarting { code, oom_killed: oom }
            }
            Phase::Exited { code, oom } => ContainerState::Exited { code, oom_killed: oom },
        }
    }

    /// When something happens by itself next.
    fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Running => self.end.map(|(at, _)| at),
            Phase::Restarting { at, .. } => Some(at),
            Phase::Created | Phase::Paused { .. } | Phase::Exited { .. } => None,
        }
    }

    /// The pause before the restart that follows a run which ended `now`.
    fn next_backoff(&mut self, now: Duration) -> Duration {
        let ran = now.saturating_sub(self.started_at.unwrap_or(now));
        let pause = if ran >= LONG_RUN { FIRST_BACKOFF } else { self.backoff };
        self.backoff = (pause * 2).min(LONGEST_BACKOFF);
        pause
    }
}

impl Container {
    /// What the health check says; the engine calls a check unhealthy while nothing runs it.
    pub(super) fn health(&self, now: Duration) -> Health {
        let check = self.settings.healthcheck.as_ref().filter(|check| !check.test.is_empty());
        let Some(check) = check.filter(|check| !check.is_none()) else { return Health::None };
        match (&self.life.phase, self.life.started_at) {
            (Phase::Created, _) | (_, None) => Health::None,
            (Phase::Running, Some(started)) => {
                answer(&self.behaviour.health, check, now.saturating_sub(started))
            }
            (Phase::Paused { .. } | Phase::Restarting { .. } | Phase::Exited { .. }, Some(_)) => {
                Health::Unhealthy
            }
        }
    }

    /// Whether the restart policy brings it back after an end with `code`.
    fn comes_back(&self, code: i64) -> bool {
        match self.settings.restart {
            RestartPolicy::Unset | RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure(0) => code != 0,
            RestartPolicy::OnFailure(times) => code != 0 && self.life.restarts < times,
        }
    }

    /// Takes the process away, with its addresses and ports.
    fn end_process(&mut self) {
        self.ports.clear();
        for attachment in self.attached.values_mut() {
            attachment.address = None;
        }
        self.life.end = None;
    }

    /// Ends for good, restart policy or not.
    pub(super) fn halt(&mut self, code: i64) {
        self.end_process();
        self.life.phase = Phase::Exited { code, oom: false };
    }

    /// The process ends at `now`; the restart policy decides what follows.
    pub(super) fn process_ends(&mut self, now: Duration, code: i64, oom: bool) {
        self.end_process();
        self.life.ends += 1;
        if self.comes_back(code) {
            self.life.restarts += 1;
            let pause = self.life.next_backoff(now);
            self.life.phase = Phase::Restarting { at: now + pause, code, oom };
        } else {
            self.life.phase = Phase::Exited { code, oom };
        }
    }
}

fn answer(story: &HealthStory, check: &Healthcheck, ran: Duration) -> Health {
    match *story {
        HealthStory::HealthyAfter(after) if ran >= after => Health::Healthy,
        HealthStory::HealthyAfter(_) => Health::Starting,
        HealthStory::Never if ran >= patience(check) => Health::Unhealthy,
        HealthStory::Never => Health::Starting,
        HealthStory::HealthyUntil { unhealthy_after, .. } if ran >= unhealthy_after => {
            Health::Unhealthy
        }
        HealthStory::HealthyUntil { healthy_after, .. } if ran >= healthy_after => Health::Healthy,
        HealthStory::HealthyUntil { .. } => Health::Starting,
    }
}

/// How long failing checks are borne before a container is unhealthy, with the engine's defaults.
fn patience(check: &Healthcheck) -> Duration {
    let interval = check.interval.unwrap_or(Duration::from_secs(30));
    check.start_period.unwrap_or_default() + interval * check.retries.unwrap_or(3)
}

impl Host {
    /// Lets everything happen that is due by now, in order.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        while let Some((at, id)) = self.next_event().filter(|(at, _)| *at <= now) {
            self.happen(&id, at);
        }
    }

    fn next_event(&self) -> Option<(Duration, ContainerId)> {
        self.containers.values().filter_map(|one| Some((one.life.due()?, one.id.clone()))).min()
    }

    fn happen(&mut self, id: &ContainerId, at: Duration) {
        let Some(container) = self.by_id_mut(id) else { return };
        if let Some((_, code)) = container.life.end {
            let oom = container.behaviour.out_of_memory;
            container.process_ends(at, code, oom);
        } else if self.launch(id, at).is_err()
            && let Some(container) = self.by_id_mut(id)
        {
            container.halt(128);
        }
    }

    /// Starts a process at `now`, or leaves the container as it is and says why not.
    pub(super) fn launch(&mut self, id: &ContainerId, now: Duration) -> Result<(), EngineError> {
        let claimed = self.claim(id);
        let Some(container) = self.by_id_mut(id) else { return Ok(()) };
        match claimed {
            Ok(ports) => container.ports = ports,
            Err(error) => {
                container.end_process();
                return Err(error);
            }
        }
        container.begin(now);
        let mounted: Vec<_> = container.volumes.values().cloned().collect();
        for volume in &mounted {
            if let Some(volume) = self.volumes.get_mut(volume) {
                volume.writers.push(id.clone());
            }
        }
        Ok(())
    }
}

impl Host {
    /// Takes all that a container needs to run; what was taken when one thing is refused is for the caller
    /// to give back.
    fn claim(&mut self, id: &ContainerId) -> Result<BTreeSet<HostPort>, EngineError> {
        self.check_joined_network(id)?;
        self.take_places(id)?;
        let ports = self.claim_ports(id)?;
        match self.containers.get(id).map(|container| &container.behaviour.process) {
            Some(Process::CannotStart(why)) => Err(EngineError::CannotStart(why.clone())),
            Some(Process::Forever | Process::Exits { .. } | Process::ExitsThenRuns { .. })
            | None => Ok(ports),
        }
    }
}

impl Container {
    fn begin(&mut self, now: Duration) {
        let end = self.behaviour.process.end(self.life.ends);
        self.life.phase = Phase::Running;
        self.life.started_at = Some(now);
        self.life.end = end.map(|(after, code)| (now + after, code));
        self.logs.extend(self.behaviour.logs.iter().cloned());
    }
}
