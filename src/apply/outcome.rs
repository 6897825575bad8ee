//! How carrying out a plan ended, service by service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{ServiceId, ServiceOutcome};

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Every service that had a step.
    pub services: BTreeMap<ServiceId, ServiceResult>,
    /// Failures of steps that belong to no service: a network that cannot be made.
    pub shared_failures: Vec<Failure>,
    /// Services that ended with exit code 0 in place of running on: jobs.
    pub completed: BTreeSet<ServiceId>,
    /// Whether it was told to stop before everything was done.
    pub stopped: bool,
}

/// How one service came out.
#[derive(Clone, Debug)]
pub struct ServiceResult {
    /// In one word.
    pub outcome: ServiceOutcome,
    /// What went wrong first.
    pub failure: Option<Failure>,
    /// From its first step to its last.
    pub took: Duration,
}

/// What went wrong. All texts are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One line.
    pub message: String,
    /// The last lines the container wrote.
    pub logs: Vec<String>,
    /// The next move.
    pub hint: Option<String>,
    /// Whether the spec is to blame, as against trouble of the world, which passes.
    pub blames_spec: bool,
    /// Whether another service is to blame, which this one waits for.
    pub blames_another: bool,
    /// Whether a step that changes containers was under way, so that there is something to take back.
    pub half_done: bool,
}

impl Failure {
    /// Trouble of the world.
    pub fn of_the_world(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            logs: Vec::new(),
            hint: None,
            blames_spec: false,
            blames_another: false,
            half_done: false,
        }
    }
}
