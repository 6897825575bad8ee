//! From verdicts to a plan: the steps of all services, wired so that dependencies come first.

use std::collections::BTreeMap;

use super::builder::{Builder, For, Waits};
use super::change::{Judged, Need, slots_of};
use super::gate::{Gate, Until};
use super::groundwork::Groundwork;
use super::index::Survey;
use super::removal::Removal;
use super::stack_order::StackOrder;
use super::step::{Step, StepId, Target};
use super::{Block, Plan, Verdict};
use super::{clearing, following, rollout, together, windows};
use crate::model::observed::Health;
use crate::model::spec::Peer;
use crate::model::stack::Condition;
use crate::model::{ObservedContainer, ServiceId, ServiceName, StackName};

/// Puts the verdicts, in dependency order, into steps.
pub fn build<'a>(
    situation: &Survey<'a>,
    judged: Vec<Judged<'a>>,
    mut removals: Vec<Removal<'a>>,
) -> Plan {
    let mut builder = Builder::default();
    let mut groundwork = Groundwork::default();
    let conflicts = clearing::first_of_all(&mut builder, &removals, &judged);
    let mut stacks = StackOrder::new(situation.desired);
    let mut judged = stacks.sort(judged);
    settle_blocks(situation, &mut stacks, &mut judged);
    together::keep(&judged, &mut removals);
    let (mut groups, group_of) = together::of(&judged);
    for place in 0..judged.len() {
        let service = &judged[place];
        let mut waits = dependencies(&mut builder, situation, service);
        if needs_start(service) {
            waits.after.extend(stacks.waits(&service.id.stack));
        }
        let mut ground = groundwork.lay(&mut builder, situation, service);
        // Who goes may hold the name as well as the port.
        waits.after.extend(conflicts.get(&service.id).into_iter().flatten());
        // Nothing is made that another one's failure would leave lying about.
        ground.before_create.extend(&waits.after);
        ground.before_create.extend(before_sharing(&builder, service));
        let together = group_of.get(&place).map(|group| &mut groups[*group]);
        if let Some(together) = &together {
            // Nothing is made or switched before those that have to follow can.
            for other in together.behind(place) {
                let other = groundwork.lay(&mut builder, situation, &judged[other]);
                ground.before_create.extend(&other.before_create);
                waits.after.extend(other.before_create);
            }
            let passed = together.mates_passed(&service.id);
            ground.before_create.extend(&passed);
            ground.before_connect.extend(&passed);
        }
        let change = rollout::emit(&mut builder, situation, service, &ground, waits, together);
        if let Some(milestones) = builder.milestones.get(&service.id) {
            stacks.reached(&service.id.stack, milestones);
        }
        builder.plan.changes.push(change);
    }
    let mut whole: BTreeMap<StackName, Vec<StepId>> = BTreeMap::new();
    for together in groups {
        whole.extend(together.finish(&mut builder));
    }
    for service in judged {
        builder.plan.matches.extend(service.matches);
        let completed = service.completed;
        builder.plan.completed.extend(completed.map(|spec| (service.id, spec)));
    }
    clearing::last_of_all(&mut builder, situation, removals, &whole);
    builder.plan
}

/// Blocks what cannot be had in this pass, and what would take something from those that are left alone.
fn settle_blocks<'a>(situation: &Survey<'a>, stacks: &mut StackOrder, judged: &mut [Judged<'a>]) {
    loop {
        let mut left_alone: BTreeMap<ServiceId, Verdict> = BTreeMap::new();
        for service in judged.iter_mut() {
            following::let_be(service, &left_alone);
            let blocked =
                blocked_by(situation, &left_alone, service).or_else(|| stacks.blocks(service));
            if let Some(block) = blocked
                && service.verdict != Verdict::InSync
                && !service.verdict.is_left_alone()
            {
                service.verdict = Verdict::Blocked(block);
                service.replicas.clear();
            }
            stacks.note(service);
            if service.verdict.is_left_alone() && !service.verdict.is_in_sync() {
                left_alone.insert(service.id.clone(), service.verdict.clone());
            }
        }
        if !following::spare(situation, judged) && !together::hold_back(situation, judged) {
            return;
        }
    }
}

/// The steps after which those that `service` shares with are as they are to be.
fn before_sharing(builder: &Builder, service: &Judged<'_>) -> Vec<StepId> {
    let mut steps = Vec::new();
    for words in service.desired.service.settings.peers() {
        let Some(Peer::Service(name)) = Peer::parse(&words) else { continue };
        let id = ServiceId::new(&service.id.stack, &name);
        let Some(milestones) = builder.milestones.get(&id) else { continue };
        let ready =
            if milestones.passed.is_empty() { &milestones.started } else { &milestones.passed };
        steps.extend(ready);
    }
    steps
}

/// Required dependencies that cannot be had in this pass and do not serve either.
fn blocked_by(
    situation: &Survey<'_>,
    left_alone: &BTreeMap<ServiceId, Verdict>,
    service: &Judged<'_>,
) -> Option<Block> {
    if left_alone.is_empty() {
        return None;
    }
    let missing: Vec<ServiceId> = service
        .desired
        .service
        .depends_on
        .iter()
        .filter(|(_, dependency)| dependency.required)
        .map(|(name, dependency)| (ServiceId::new(&service.id.stack, name), dependency.condition))
        .filter(|(id, condition)| left_alone.contains_key(id) && !serves(situation, id, *condition))
        .map(|(id, _)| id)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let verdicts = missing.iter().map(|id| (id.to_string(), &left_alone[id]));
    let waiting = windows::behind(verdicts, &service.verdict);
    Some(waiting.map_or(Block::On(missing), Block::Window))
}

/// Whether what runs now of `id` is enough for a dependant.
fn serves(situation: &Survey<'_>, id: &ServiceId, condition: Condition) -> bool {
    let current = serving(situation, id);
    let mut running = current.iter().filter(|container| container.is_running());
    match condition {
        Condition::Started => running.next().is_some(),
        Condition::Healthy => running.any(|container| container.health == Health::Healthy),
        Condition::Completed => false,
    }
}

/// The containers that serve, or should: not those that a rollout has made or set aside.
fn serving<'a>(situation: &Survey<'a>, id: &ServiceId) -> Vec<&'a ObservedContainer> {
    slots_of(situation, id).into_values().filter_map(|slot| slot.current).collect()
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
                if dependency.restart {
                    waits.after.extend(&milestones.passed);
                }
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
    let waiting: Vec<_> = serving(situation, &id)
        .into_iter()
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
                started: false,
                deadline: rollout.deadline,
                fallback: situation.rules.deadline,
                restarts: rollout.restarts,
                probe: None,
            };
            let step = Step::AwaitGate { container: Target::Id(container), gate };
            builder.add(&purpose, step, format!("{name} must be healthy first"), Vec::new())
        })
        .collect()
}
