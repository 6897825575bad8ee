//! How carrying out a plan ended, service by service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::memory::Deployed;
use crate::model::{DesiredState, ServiceId, ServiceOutcome, SpecHash};
use crate::plan::{Change, Plan, Verdict};

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

impl Outcome {
    /// What services are deployed as once `plan` for `desired` was carried out, those that were as they should be
    /// among them; `None` for those that were removed.
    pub fn deployed(
        &self,
        plan: &Plan,
        desired: &DesiredState,
    ) -> BTreeMap<ServiceId, Option<Deployed>> {
        let well = plan.changes.iter().filter(|change| self.ended_well(change));
        well.filter_map(|change| {
            let id = &change.service;
            if change.verdict == Verdict::Remove {
                return Some((id.clone(), None));
            }
            let service = desired.deployment(&id.stack)?.services.get(&id.service)?;
            Some((id.clone(), Some(Deployed::of(&service.service, change.spec.as_ref()?))))
        })
        .collect()
    }

    fn ended_well(&self, change: &Change) -> bool {
        match self.services.get(&change.service).map(|result| result.outcome) {
            // One that is left alone may have been started again, as it was.
            Some(ServiceOutcome::Done | ServiceOutcome::Unchanged) => {
                !change.verdict.is_left_alone()
            }
            Some(
                ServiceOutcome::Failed
                | ServiceOutcome::RolledBack
                | ServiceOutcome::Held
                | ServiceOutcome::Blocked
                | ServiceOutcome::Skipped,
            ) => false,
            None => change.verdict == Verdict::InSync,
        }
    }
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
    /// The spec that was tried, where it is not the one that is wanted.
    pub other_spec: Option<SpecHash>,
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
            other_spec: None,
            blames_another: false,
            half_done: false,
        }
    }

    /// The spec of `change` that this is held against: it had to prove itself, and is to blame.
    pub fn rejects<'a>(&'a self, change: &'a Change) -> Option<&'a SpecHash> {
        let wanted = change.spec.as_ref().filter(|_| change.tries_spec);
        self.other_spec.as_ref().or(wanted).filter(|_| self.blames_spec)
    }

    /// Whether the rollout of `change` was left half-way by this for somebody to look (`failure_action: pause`).
    pub fn pauses(&self, change: &Change) -> bool {
        change.pauses && self.half_done && self.other_spec.is_none()
    }
}
