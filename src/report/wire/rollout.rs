//! How a change of a service would be rolled out, as its manifest has it.

use std::time::Duration;

use serde::Serialize;

use super::shared::{followed_words, seconds};
use crate::model::stack::{Condition, FailureAction, Order};
use crate::model::{Service, Stack};
use crate::plan::Gate;
use crate::plan::gate::Until;

/// How a change of one service would be rolled out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidateRollout {
    /// The service.
    pub service: String,
    /// `stop-first` or `start-first`.
    pub order: &'static str,
    /// What keeps two of its containers from running side by side; null where nothing does.
    pub because: Option<String>,
    /// How many containers.
    pub replicas: u32,
    /// How many of them are replaced at a time; 0 is all.
    pub parallelism: u32,
    /// What a new container has to become: `healthy`, `stable`, `healthy-or-stable` (whether its image has a
    /// check is not known here), or `completed`.
    pub until: &'static str,
    /// How long it has to run to be stable; null where that does not count.
    pub stable_seconds: Option<f64>,
    /// From create to there at most; null without limit.
    pub deadline_seconds: Option<f64>,
    /// How long the old container is kept after that; null for a job, which nothing watches.
    pub monitor_seconds: Option<f64>,
    /// What is done about a failure: `rollback`, `pause` or `continue`.
    pub failure_action: &'static str,
    /// What is followed at the registry; null where git alone decides.
    pub follows: Option<String>,
}

/// How a change of `service` would be rolled out; `deadline` is the host's.
pub fn rollout(stack: &Stack, service: &Service, deadline: Duration) -> ValidateRollout {
    let rollout = &service.rollout;
    let check = service.settings.healthcheck.as_ref();
    let is_job = stack.services.values().any(|other| {
        let awaited = other.depends_on.get(&service.name);
        awaited.is_some_and(|dependency| dependency.condition == Condition::Completed)
    });
    let until = match (is_job, check) {
        (true, _) => "completed",
        (false, Some(check)) if check.is_none() => "stable",
        (false, Some(check)) if !check.test.is_empty() => "healthy",
        (false, Some(_) | None) => "healthy-or-stable",
    };
    let gate = Gate {
        until: match is_job {
            true => Until::Completed,
            false => Until::Good { stable: rollout.stable, may_complete: false },
        },
        started: true,
        deadline: rollout.deadline,
        fallback: deadline,
        restarts: rollout.restarts,
        probe: None,
    };
    let is_stable = until.ends_with("stable");
    ValidateRollout {
        service: service.name.to_string(),
        order: match rollout.order {
            Order::StopFirst => "stop-first",
            Order::StartFirst => "start-first",
        },
        because: obstacle(service).filter(|_| rollout.order == Order::StopFirst),
        replicas: service.replicas,
        parallelism: rollout.parallelism,
        until,
        stable_seconds: is_stable.then(|| seconds(rollout.stable)),
        deadline_seconds: gate.deadline_with(check).map(seconds),
        monitor_seconds: (!is_job).then(|| seconds(rollout.monitor)),
        failure_action: match rollout.failure_action {
            FailureAction::Rollback => "rollback",
            FailureAction::Pause => "pause",
            FailureAction::Continue => "continue",
        },
        follows: followed_words(service),
    }
}

/// The first thing that two containers could not have at the same time.
fn obstacle(service: &Service) -> Option<String> {
    let single = service.settings.singles().into_iter().next()?;
    Some(match service.sensitive.contains(single.key()) {
        true => single.hidden().to_owned(),
        false => single.to_string(),
    })
}
