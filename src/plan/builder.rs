//! A plan under construction: steps get their ids, their sections, and what they wait for.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{PlannedStep, Section, SectionId, Step, StepId};
use super::{Change, Plan, Verdict};
use crate::model::{NetworkName, ServiceId, StackName};

/// A plan under construction.
#[derive(Default)]
pub struct Builder {
    /// What has been planned so far.
    pub plan: Plan,
    /// The steps of each service that others wait for.
    pub milestones: BTreeMap<ServiceId, Milestones>,
}

/// The steps of a service that others wait for.
#[derive(Clone, Debug, Default)]
pub struct Milestones {
    /// Its containers have started.
    pub started: Vec<StepId>,
    /// Its containers have passed their gates.
    pub good: Vec<StepId>,
    /// Its containers have taken over for good: they have passed and were watched. Empty where none was
    /// replaced.
    pub passed: Vec<StepId>,
    /// Whether its first container is made in this plan.
    pub makes_first: bool,
}

/// What must be over before a container of a service starts.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Steps that must have succeeded.
    pub after: Vec<StepId>,
    /// Steps that must have ended, well or not.
    pub behind: Vec<StepId>,
}

/// What a step is done for.
#[derive(Clone)]
pub struct For<'a> {
    /// The stack.
    pub stack: &'a StackName,
    /// The service.
    pub service: Option<&'a ServiceId>,
}

impl Builder {
    /// Adds a step.
    pub fn add(
        &mut self,
        purpose: &For<'_>,
        step: Step,
        because: impl Into<String>,
        after: Vec<StepId>,
    ) -> StepId {
        let id = self.next_id();
        self.plan.steps.push(PlannedStep {
            id,
            stack: purpose.stack.clone(),
            service: purpose.service.cloned(),
            replica: None,
            step,
            because: because.into(),
            after,
            behind: Vec::new(),
            section: None,
            networks: BTreeSet::new(),
        });
        id
    }

    /// The id of the step that is added next.
    pub fn next_id(&self) -> StepId {
        StepId(u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// Adds a step that takes or frees an address on `networks`.
    pub fn add_on(
        &mut self,
        purpose: &For<'_>,
        step: Step,
        because: impl Into<String>,
        after: Vec<StepId>,
        networks: &BTreeSet<NetworkName>,
    ) -> StepId {
        let id = self.add(purpose, step, because, after);
        if let Some(planned) = self.plan.steps.last_mut() {
            planned.networks.clone_from(networks);
        }
        id
    }

    /// Makes the step `id` wait until `others` have ended, well or not.
    pub fn put_behind(&mut self, id: StepId, others: Vec<StepId>) {
        let place = (id.0 as usize).saturating_sub(1);
        if let Some(planned) = self.plan.steps.get_mut(place) {
            planned.behind.extend(others);
        }
    }

    /// Adds a run of steps during which nobody else takes or frees an address on `networks`. The first
    /// waits for `after`; the last one's id is returned.
    pub fn add_section(
        &mut self,
        purpose: &For<'_>,
        steps: Vec<Step>,
        because: &str,
        mut after: Vec<StepId>,
        networks: &BTreeSet<NetworkName>,
    ) -> Option<StepId> {
        let section = SectionId(self.plan.sections.len());
        self.plan.sections.push(Section { networks: networks.clone() });
        let mut last = None;
        for step in steps {
            let id = self.add(purpose, step, because, std::mem::take(&mut after));
            if let Some(planned) = self.plan.steps.last_mut() {
                planned.section = Some(section);
            }
            after.push(id);
            last = Some(id);
        }
        last
    }

    /// Notes the steps of `service` that others wait for.
    pub fn reached(&mut self, service: &ServiceId, started: StepId, good: StepId) {
        let milestones = self.milestones.entry(service.clone()).or_default();
        milestones.started.push(started);
        milestones.good.push(good);
    }
}

impl Builder {
    /// Notes that a container of `service` has taken over for good.
    pub fn passed(&mut self, service: &ServiceId, passed: StepId) {
        self.milestones.entry(service.clone()).or_default().passed.push(passed);
    }
}

/// A change that is only an explanation.
pub fn explanation(service: ServiceId, verdict: Verdict) -> Change {
    Change {
        service,
        verdict,
        spec: None,
        way_back: Vec::new(),
        way_back_networks: BTreeSet::new(),
        has_way_back: false,
        pauses: false,
        bears: 0,
        together: Vec::new(),
        mates: Vec::new(),
        follows: Vec::new(),
        tries_spec: false,
        tries_other: BTreeMap::new(),
        was_stopped: false,
        remarks: Vec::new(),
    }
}
