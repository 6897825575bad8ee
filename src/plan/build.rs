//! From verdicts to a plan: the steps of all services, wired so that dependencies come first.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Judged, Need};
use super::groundwork::Groundwork;
use super::index::Survey;
use super::removal::Removal;
use super::rollout;
use super::step::{Gate, PlannedStep, Section, SectionId, Step, StepId, Target, Until};
use super::{Block, Change, Plan, Verdict};
use crate::model::observed::Health;
use crate::model::stack::Condition;
use crate::model::{DesiredState, NetworkName, ServiceId, ServiceName, StackName};

/// A plan under construction.
#[derive(Default)]
pub struct Builder {
    /// What has been planned so far.
    pub plan: Plan,
    milestones: BTreeMap<ServiceId, Milestones>,
}

/// The steps of a service that others wait for.
#[derive(Clone, Debug, Default)]
pub struct Milestones {
    /// Its containers have started.
    pub started: Vec<StepId>,
    /// Its containers have passed their gates.
    pub good: Vec<StepId>,
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

/// Puts the verdicts, in dependency order, into steps.
pub fn build<'a>(
    situation: &Survey<'a>,
    judged: Vec<Judged<'a>>,
    removals: Vec<Removal<'a>>,
) -> Plan {
    let mut builder = Builder::default();
    let mut groundwork = Groundwork::default();
    let conflicts = super::removal::first_of_all(&mut builder, &removals, &judged);
    let mut stacks = StackOrder::new(situation.desired);
    let mut known: BTreeMap<ServiceId, Judged<'_>> = BTreeMap::new();
    for mut service in stacks.sort(judged) {
        let blocked = blocked_by(situation, &known, &service).or_else(|| stacks.blocks(&service));
        if let Some(block) = blocked
            && service.verdict != Verdict::InSync
            && !is_left_alone(&service.verdict)
        {
            service.verdict = Verdict::Blocked(block);
            service.replicas.clear();
        }
        stacks.note(&service);
        let mut waits = dependencies(&mut builder, situation, &service);
        waits.after.extend(stacks.waits(&service.deployment.stack.name));
        let mut ground = groundwork.lay(&mut builder, situation, &service);
        // Who goes may hold the name as well as the port.
        let conflicts = conflicts.get(&service.id).into_iter().flatten();
        ground.before_create.extend(conflicts.clone());
        waits.after.extend(conflicts);
        let change = rollout::emit(&mut builder, situation, &service, &ground, waits);
        stacks.reached(&service.deployment.stack.name, builder.milestones.get(&service.id));
        builder.plan.changes.push(change);
        builder.plan.matches.append(&mut service.matches);
        let completed = service.completed.take();
        builder.plan.completed.extend(completed.map(|spec| (service.id.clone(), spec)));
        known.insert(service.id.clone(), service);
    }
    super::removal::last_of_all(&mut builder, situation, removals);
    builder.plan
}

fn is_left_alone(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Held(_) | Verdict::Rejected { .. } | Verdict::Blocked(_) => true,
        Verdict::InSync
        | Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove => false,
    }
}

/// Required dependencies that cannot be had in this pass and do not serve either.
fn blocked_by(
    situation: &Survey<'_>,
    known: &BTreeMap<ServiceId, Judged<'_>>,
    service: &Judged<'_>,
) -> Option<Block> {
    let missing: Vec<ServiceId> = service
        .desired
        .service
        .depends_on
        .iter()
        .filter(|(_, dependency)| dependency.required)
        .map(|(name, dependency)| (ServiceId::new(&service.id.stack, name), dependency.condition))
        .filter(|(id, condition)| {
            known.get(id).is_some_and(|other| {
                is_left_alone(&other.verdict) && !serves(situation, id, *condition)
            })
        })
        .map(|(id, _)| id)
        .collect();
    (!missing.is_empty()).then_some(Block::On(missing))
}

/// Whether what runs now of `id` is enough for a dependant.
fn serves(situation: &Survey<'_>, id: &ServiceId, condition: Condition) -> bool {
    let mut running = situation.containers_of(id).filter(|container| container.is_running());
    match condition {
        Condition::Started => running.next().is_some(),
        Condition::Healthy => running.any(|container| container.health == Health::Healthy),
        Condition::Completed => false,
    }
}

/// The steps that must be over before `service` may start.
fn dependencies(builder: &mut Builder, situation: &Survey<'_>, service: &Judged<'_>) -> Waits {
    let mut waits = Waits::default();
    if !needs_start(service) {
        return waits;
    }
    for (name, dependency) in &service.desired.service.depends_on {
        let id = ServiceId::new(&service.id.stack, name);
        match builder.milestones.get(&id) {
            Some(milestones) => {
                let reached = match dependency.condition {
                    Condition::Started => &milestones.started,
                    Condition::Healthy | Condition::Completed => &milestones.good,
                };
                match dependency.required {
                    true => waits.after.extend(reached),
                    false => waits.behind.extend(reached),
                }
            }
            None if dependency.condition == Condition::Healthy && dependency.required => {
                waits.after.extend(await_health(builder, situation, service, name));
            }
            None => {}
        }
    }
    waits
}

fn needs_start(service: &Judged<'_>) -> bool {
    service.replicas.iter().any(|replica| match &replica.need {
        Need::Create | Need::Replace(..) => true,
        Need::Mend(_, drift) => drift.start,
        Need::Nothing | Need::Await(_) | Need::Finish(..) | Need::Retire => false,
    })
}

/// Waits for a dependency that nothing is done to and that is not healthy at the moment.
fn await_health(
    builder: &mut Builder,
    situation: &Survey<'_>,
    service: &Judged<'_>,
    name: &ServiceName,
) -> Vec<StepId> {
    let id = ServiceId::new(&service.id.stack, name);
    let waiting: Vec<_> = situation
        .containers_of(&id)
        .filter(|container| container.is_running() && container.health != Health::Healthy)
        .map(|container| container.id.clone())
        .collect();
    let rollout = &service.desired.service.rollout;
    let purpose = For { stack: &service.id.stack, service: Some(&service.id) };
    waiting
        .into_iter()
        .map(|container| {
            let gate = Gate {
                until: Until::Healthy,
                deadline: rollout.deadline,
                fallback: situation.rules.deadline,
                restarts: rollout.restarts,
            };
            let step = Step::AwaitGate { container: Target::Id(container), gate };
            builder.add(&purpose, step, format!("{name} must be healthy first"), Vec::new())
        })
        .collect()
}

/// The order of stacks by `x-evenkeel.after`, and what each of them waits for.
struct StackOrder {
    order: Vec<StackName>,
    after: BTreeMap<StackName, Vec<StackName>>,
    good: BTreeMap<StackName, Vec<StepId>>,
    not_to_be_had: BTreeSet<StackName>,
}

impl StackOrder {
    fn new(desired: &DesiredState) -> Self {
        let after: BTreeMap<StackName, Vec<StackName>> =
            desired.deployments().map(|d| (d.stack.name.clone(), d.stack.after.clone())).collect();
        let mut order: Vec<StackName> = Vec::new();
        let mut left: Vec<StackName> =
            desired.deployments().map(|d| d.stack.name.clone()).collect();
        // A stack goes as soon as all that it waits for has gone; what is left at the end waits for itself
        // or for something unknown.
        while let Some(place) =
            left.iter().position(|name| after[name].iter().all(|other| order.contains(other)))
        {
            order.push(left.remove(place));
        }
        let not_to_be_had = left.iter().cloned().collect();
        order.extend(left);
        Self { order, after, good: BTreeMap::new(), not_to_be_had }
    }

    fn sort<'a>(&self, mut judged: Vec<Judged<'a>>) -> Vec<Judged<'a>> {
        let places: BTreeMap<&StackName, usize> = self.order.iter().zip(0..).collect();
        judged.sort_by_key(|judged| places.get(&judged.id.stack).copied());
        judged
    }

    fn blocks(&self, service: &Judged<'_>) -> Option<Block> {
        let others = self.after.get(&service.id.stack)?;
        let bad = others.iter().find(|other| {
            !self.after.contains_key(other)
                || self.not_to_be_had.contains(other)
                || **other == service.id.stack
        })?;
        Some(Block::OnStack(bad.clone()))
    }

    fn note(&mut self, service: &Judged<'_>) {
        let counts_as_desired = matches!(&service.verdict, Verdict::Held(held) if held.desired);
        if is_left_alone(&service.verdict) && !counts_as_desired {
            self.not_to_be_had.insert(service.id.stack.clone());
        }
    }

    fn waits(&self, stack: &StackName) -> Vec<StepId> {
        let others = self.after.get(stack).into_iter().flatten();
        others.filter_map(|other| self.good.get(other)).flatten().copied().collect()
    }

    fn reached(&mut self, stack: &StackName, milestones: Option<&Milestones>) {
        let good = milestones.into_iter().flat_map(|milestones| milestones.good.iter().copied());
        self.good.entry(stack.clone()).or_default().extend(good);
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
        remarks: Vec::new(),
    }
}
