//! How a change of a service would be rolled out, as its manifest has it.

use std::time::Duration;

use serde::Serialize;

use super::shared::seconds;
use crate::model::spec::{Attachment, MountSource};
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
    };
    let is_stable = until.ends_with("stable");
    ValidateRollout {
        service: service.name.to_string(),
        order: match rollout.order {
            Order::StopFirst => "stop-first",
            Order::StartFirst => "start-first",
        },
        because: obstacle(service),
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
    }
}

/// The first thing that two containers could not have at the same time.
fn obstacle(service: &Service) -> Option<String> {
    let settings = &service.settings;
    let shown = |key: &str, what: &str, text: &str| match service.sensitive.contains(key) {
        true => what.to_owned(),
        false => format!("{what} {text}"),
    };
    if let Some(port) = settings.ports.iter().find(|port| is_fixed(&port.published)) {
        return Some(shown("ports", "host port", &port.published));
    }
    let endpoints = match &settings.network {
        Attachment::Mode(mode) if mode == "host" => return Some("the host's network".to_owned()),
        Attachment::Mode(_) => &[],
        Attachment::Networks(endpoints) => endpoints.as_slice(),
    };
    let addresses =
        endpoints.iter().filter_map(|at| at.ipv4_address.as_ref().or(at.ipv6_address.as_ref()));
    if let Some(address) = addresses.into_iter().next() {
        return Some(shown("networks", "address", address));
    }
    let is_shared = |source: &MountSource| match source {
        MountSource::Bind { .. } | MountSource::Volume { .. } => true,
        MountSource::Anonymous => false,
    };
    let writable =
        settings.mounts.iter().find(|mount| !mount.read_only && is_shared(&mount.source));
    writable.map(|mount| shown("volumes", "writable", &mount.target))
}

fn is_fixed(published: &str) -> bool {
    !published.is_empty() && !published.contains('-')
}
