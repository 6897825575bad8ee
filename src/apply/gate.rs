//! The health gate: waits until a container is good, and tells why when it is not.
//!
//! What good means comes with the step ([`Gate`]); the judgement on one look is a plain function.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::probe::{self, Mismatch};
use super::{Event, Hands, hooks};
use crate::engine::{ContainerRef, Engine, EngineError};
use crate::model::ObservedContainer;
use crate::model::observed::{ContainerState, Health};
use crate::model::spec::RestartPolicy;
use crate::plan::gate::Until;
use crate::plan::{Gate, PlannedStep};

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
    #[error("it ended, with code 0, and was to run on")]
    Ended,
    /// Its health check failed as often as it may.
    #[error("its health check failed")]
    Unhealthy,
    /// It starts again and again.
    #[error("it was restarted {times} times{}", last_time(*ending))]
    Restarts {
        /// How often.
        times: u32,
        /// How it ended last, if that was seen.
        ending: Option<Ending>,
    },
    /// Time is up.
    #[error("it was not {wanted} within {} s{}", within.as_secs(), last_time(*ending))]
    Deadline {
        /// What was waited for.
        wanted: &'static str,
        /// For how long.
        within: Duration,
        /// How it ended last, if it did and that was seen.
        ending: Option<Ending>,
    },
    /// It is good but for its answer.
    #[error("its probe was not answered as expected within {} s; {mismatch}", within.as_secs())]
    Probe {
        /// The last answer.
        mismatch: Mismatch,
        /// For how long it was asked.
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
            | Self::Restarts { .. }
            | Self::Probe { .. }
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

/// How a run of a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its exit code.
    pub code: i64,
    /// Killed for want of memory.
    pub oom_killed: bool,
}

fn last_time(ending: Option<Ending>) -> String {
    match ending {
        None => String::new(),
        Some(Ending { oom_killed: true, .. }) => {
            "; the last time it was killed because it ran out of memory".to_owned()
        }
        Some(Ending { code, .. }) => format!("; the last time it exited with code {code}"),
    }
}

/// Waits until `container` passes `gate`, or a newer commit changes the service of `planned`; a job is waited for even then.
///
/// Does not stop or remove anything on failure; the caller decides.
pub async fn pass(
    hands: &Hands<'_>,
    planned: Option<&PlannedStep>,
    container: &ContainerRef,
    gate: &Gate,
) -> Result<Passed, Stuck> {
    let engine = hands.engine;
    let service = planned.and_then(|planned| planned.service.as_ref());
    let service = service.filter(|_| gate.until != Until::Completed);
    let begun = Instant::now();
    let mut history = Runs::default();
    let mut is_started = !gate.started;
    loop {
        let seen = engine.inspect(container).await?.ok_or(Stuck::Gone)?;
        if let Some(planned) = planned {
            hands.watcher.event(&Event::Seen(planned.id, &seen));
        }
        let deadline = gate.deadline_with(seen.settings.healthcheck.as_ref());
        if !is_started && seen.is_running() {
            is_started = true;
            let hooks = &seen.settings.hooks.post_start;
            hooks::post_start(engine, container, hooks, deadline).await?;
            if !hooks.is_empty() {
                continue;
            }
        }
        history.look(&seen);
        let mismatch = match history.judge(&seen, gate)? {
            Judgement::NotYet => None,
            Judgement::Passed(passed) => match answers(hands, gate, passed, &seen).await {
                Ok(()) => return Ok(passed),
                Err(mismatch) => Some(mismatch),
            },
        };
        if let Some(within) = deadline.filter(|within| begun.elapsed() >= *within) {
            return Err(match mismatch {
                Some(mismatch) => Stuck::Probe { mismatch, within },
                None => Stuck::Deadline { wanted: wanted(gate), within, ending: history.ending },
            });
        }
        if service.is_some_and(|service| hands.superseded.contains(service)) {
            return Err(Stuck::Superseded);
        }
        let rest = mismatch.map_or_else(|| pause(begun.elapsed()), |_| probe::PAUSE);
        wait(rest, hands.stop).await?;
    }
}

/// Whether a container that is good otherwise answers its probe; one that has done its work is not asked.
async fn answers(
    hands: &Hands<'_>,
    gate: &Gate,
    passed: Passed,
    container: &ObservedContainer,
) -> Result<(), Mismatch> {
    match (passed, &gate.probe) {
        (Passed::Running, Some(probe)) => probe::ask(hands, probe, container).await,
        (Passed::Running, None) | (Passed::Completed, _) => Ok(()),
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
    let mut history = Runs::default();
    while begun.elapsed() < lasting {
        let seen = engine.inspect(container).await?.ok_or(Stuck::Gone)?;
        history.look(&seen);
        history.judge(&seen, gate)?;
        let times = seen.restarts.saturating_sub(at_first.restarts);
        if times > gate.restarts {
            return Err(Stuck::Restarts { times, ending: history.ending });
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

/// What was seen of a container's runs so far.
#[derive(Default)]
struct Runs {
    run: Option<(Option<Timestamp>, u32)>,
    /// Since when it has been running without a restart.
    since: Option<Instant>,
    /// How it ended last; the engine tells that until it runs again.
    ending: Option<Ending>,
}

impl Runs {
    fn look(&mut self, seen: &ObservedContainer) {
        let run = (seen.started_at, seen.restarts);
        if !seen.is_running() || self.run != Some(run) {
            self.run = Some(run);
            self.since = Some(Instant::now());
        }
        if let ContainerState::Restarting { code, oom_killed } = seen.state {
            self.ending = Some(Ending { code, oom_killed });
        }
    }

    fn judge(&self, seen: &ObservedContainer, gate: &Gate) -> Result<Judgement, Stuck> {
        if seen.restarts > gate.restarts {
            return Err(Stuck::Restarts { times: seen.restarts, ending: self.ending });
        }
        let steady_for = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        judge(seen, gate, steady_for)
    }
}

/// What one look at a container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    /// It is good.
    Passed(Passed),
    /// Nothing is decided.
    NotYet,
}

/// Judges one look. `steady_for` is how long it has been running without a restart.
fn judge(seen: &ObservedContainer, gate: &Gate, steady_for: Duration) -> Result<Judgement, Stuck> {
    match &seen.state {
        ContainerState::Exited { code, oom_killed } => judge_end(seen, gate, *code, *oom_killed),
        ContainerState::Dead => Err(Stuck::Gone),
        ContainerState::Paused => Err(Stuck::Meddled("paused")),
        ContainerState::Created | ContainerState::Restarting { .. } => Ok(Judgement::NotYet),
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
