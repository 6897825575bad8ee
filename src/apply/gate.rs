//! The health gate: waits until a container is good, and tells why when it is not.
//!
//! What good means comes with the step ([`Gate`]); the judgement on one look is a plain function.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Hands, hooks};
use crate::engine::{ContainerRef, Engine, EngineError};
use crate::model::observed::{ContainerState, Health};
use crate::model::spec::RestartPolicy;
use crate::model::{ObservedContainer, ServiceId};
use crate::plan::Gate;
use crate::plan::gate::Until;

/// Lines of log that a failure brings along.
pub const LOG_LINES: u32 = 50;

/// How a gate was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It runs and is good.
    Running,
    /// It has done its work.
    Completed,
}

/// Why a gate was not passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// It ended.
    #[error("it exited with code {0}")]
    Exited(i64),
    /// The kernel killed it.
    #[error("it was killed because it ran out of memory")]
    OutOfMemory,
    /// It ended well, but it should run on.
    #[error("it ended, with code 0, though its restart policy wants it to run")]
    Ended,
    /// Its health check failed as often as it may.
    #[error("its health check failed")]
    Unhealthy,
    /// It starts again and again.
    #[error("it was restarted {0} times")]
    Restarts(u32),
    /// Time is up.
    #[error("it was not {wanted} within {} s", within.as_secs())]
    Deadline {
        /// What was waited for.
        wanted: &'static str,
        /// For how long.
        within: Duration,
    },
    /// A dependant waits for its health, and it has no health check.
    #[error("it has no health check, so it can never be healthy")]
    NoHealthCheck,
    /// A program that is run in it after its start failed.
    #[error("its `post_start` {number} {why}")]
    Hook {
        /// Which of them, from 1.
        number: u32,
        /// How it ended.
        why: String,
    },
    /// Somebody removed it.
    #[error("it is gone")]
    Gone,
    /// Somebody stopped or froze it.
    #[error("somebody {0} it")]
    Meddled(&'static str),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Git wants something else by now.
    #[error("a newer commit changes it")]
    Superseded,
    /// The program was told to stop.
    #[error("the pass was stopped while it was waited for")]
    Stopped,
}

impl Stuck {
    /// Whether the spec is to blame.
    pub fn blames_the_spec(&self) -> bool {
        match self {
            Self::Exited(_)
            | Self::OutOfMemory
            | Self::Ended
            | Self::Unhealthy
            | Self::Restarts(_)
            | Self::Hook { .. }
            | Self::Deadline { .. } => true,
            Self::NoHealthCheck
            | Self::Gone
            | Self::Meddled(_)
            | Self::Engine(_)
            | Self::Superseded
            | Self::Stopped => false,
        }
    }
}

/// Waits until `container` passes `gate`, or a newer commit changes `service`; a job is waited for even then.
///
/// Does not stop or remove anything on failure; the caller decides.
pub async fn pass(
    hands: &Hands<'_>,
    service: Option<&ServiceId>,
    container: &ContainerRef,
    gate: &Gate,
) -> Result<Passed, Stuck> {
    let engine = hands.engine;
    let service = service.filter(|_| gate.until != Until::Completed);
    let begun = Instant::now();
    let mut steady = Steady::default();
    let mut is_started = !gate.started;
    loop {
        let seen = engine.inspect(container).await?.ok_or(Stuck::Gone)?;
        let deadline = gate.deadline_with(seen.settings.healthcheck.as_ref());
        if !is_started && seen.is_running() {
            is_started = true;
            let hooks = &seen.settings.hooks.post_start;
            hooks::post_start(engine, container, hooks, deadline).await?;
            if !hooks.is_empty() {
                continue;
            }
        }
        let steady_for = steady.look(&seen);
        match judge(&seen, gate, steady_for)? {
            Judgement::Passed(passed) => return Ok(passed),
            Judgement::NotYet => {}
        }
        if let Some(within) = deadline.filter(|within| begun.elapsed() >= *within) {
            return Err(Stuck::Deadline { wanted: wanted(gate), within });
        }
        if service.is_some_and(|service| hands.superseded.contains(service)) {
            return Err(Stuck::Superseded);
        }
        wait(pause(begun.elapsed()), hands.stop).await?;
    }
}

/// Watches `container` for `lasting`: it must stay good.
pub async fn monitor(
    engine: &dyn Engine,
    container: &ContainerRef,
    gate: &Gate,
    lasting: Duration,
    stop: &CancellationToken,
) -> Result<(), Stuck> {
    let begun = Instant::now();
    let at_first = engine.inspect(container).await?.ok_or(Stuck::Gone)?;
    while begun.elapsed() < lasting {
        let seen = engine.inspect(container).await?.ok_or(Stuck::Gone)?;
        judge(&seen, gate, Duration::MAX)?;
        let restarts = seen.restarts.saturating_sub(at_first.restarts);
        if restarts > gate.restarts {
            return Err(Stuck::Restarts(restarts));
        }
        wait(pause(begun.elapsed()).min(lasting.saturating_sub(begun.elapsed())), stop).await?;
    }
    Ok(())
}

/// Waits so long, unless the pass is told to stop.
pub async fn wait(pause: Duration, stop: &CancellationToken) -> Result<(), Stuck> {
    tokio::select! {
        () = stop.cancelled() => Err(Stuck::Stopped),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// The engine is asked often at first, when most containers become good, and seldom later.
fn pause(waited: Duration) -> Duration {
    match waited.as_secs() {
        0..=1 => Duration::from_millis(100),
        2..=9 => Duration::from_millis(250),
        _ => Duration::from_secs(1),
    }
}

fn wanted(gate: &Gate) -> &'static str {
    match gate.until {
        Until::Good { .. } => "good",
        Until::Completed => "done",
        Until::Healthy => "healthy",
    }
}

/// Since when a container has been running without a restart.
#[derive(Default)]
struct Steady {
    run: Option<(Option<Timestamp>, u32)>,
    since: Option<Instant>,
}

impl Steady {
    fn look(&mut self, seen: &ObservedContainer) -> Duration {
        let run = (seen.started_at, seen.restarts);
        if !seen.is_running() || self.run != Some(run) {
            self.run = Some(run);
            self.since = Some(Instant::now());
        }
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// What one look at a container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is good.
    Passed(Passed),
    /// Nothing is decided.
    NotYet,
}

/// Judges one look. `steady_for` is how long it has been running without a restart.
pub fn judge(
    seen: &ObservedContainer,
    gate: &Gate,
    steady_for: Duration,
) -> Result<Judgement, Stuck> {
    if seen.restarts > gate.restarts {
        return Err(Stuck::Restarts(seen.restarts));
    }
    match &seen.state {
        ContainerState::Exited { code, oom_killed } => judge_end(seen, gate, *code, *oom_killed),
        ContainerState::Dead => Err(Stuck::Gone),
        ContainerState::Paused => Err(Stuck::Meddled("paused")),
        ContainerState::Created | ContainerState::Restarting => Ok(Judgement::NotYet),
        ContainerState::Running => judge_running(seen, gate, steady_for),
    }
}

fn judge_end(
    seen: &ObservedContainer,
    gate: &Gate,
    code: i64,
    oom_killed: bool,
) -> Result<Judgement, Stuck> {
    if oom_killed {
        return Err(Stuck::OutOfMemory);
    }
    if code != 0 {
        return Err(Stuck::Exited(code));
    }
    let may_complete = match gate.until {
        Until::Completed => true,
        Until::Good { may_complete, .. } => may_complete,
        Until::Healthy => false,
    };
    let is_brought_back = match seen.settings.restart {
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::Unset | RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
    };
    match (may_complete, is_brought_back) {
        (true, _) => Ok(Judgement::Passed(Passed::Completed)),
        (false, true) => Err(Stuck::Meddled("stopped")),
        (false, false) => Err(Stuck::Ended),
    }
}

fn judge_running(
    seen: &ObservedContainer,
    gate: &Gate,
    steady_for: Duration,
) -> Result<Judgement, Stuck> {
    match (gate.until, seen.health) {
        (Until::Completed, _) => Ok(Judgement::NotYet),
        (Until::Good { .. }, Health::Healthy) | (Until::Healthy, Health::Healthy) => {
            Ok(Judgement::Passed(Passed::Running))
        }
        (Until::Good { .. }, Health::Unhealthy) => Err(Stuck::Unhealthy),
        // A dependency that is unhealthy may recover; its dependant waits until its deadline.
        (Until::Healthy, Health::Unhealthy)
        | (Until::Good { .. } | Until::Healthy, Health::Starting) => Ok(Judgement::NotYet),
        (Until::Healthy, Health::None) => Err(Stuck::NoHealthCheck),
        (Until::Good { stable, .. }, Health::None) => {
            let passed = Judgement::Passed(Passed::Running);
            Ok(if steady_for >= stable { passed } else { Judgement::NotYet })
        }
    }
}
