//! Rollouts that did not end, finished or taken back: what a pass does before it plans anything new.
//!
//! The names of the containers tell how far a switch came ([`super::slots`]); the record of what was set
//! aside tells the restart policies. A new container that carries the wanted spec and was not rejected is
//! kept: [`super::plan`] puts it through its gate again. Everything else leads back to what ran before.

use super::builder::{Builder, For, explanation};
use super::gate::{Gate, Until};
use super::index::{self, Survey};
use super::slots::{Slot, final_name};
use super::step::{Step, StepId, Target};
use super::way_back::{self, Back};
use super::{Plan, Situation, Verdict, peers};
use crate::model::desired::Pinned;
use crate::model::observed::ObservedNetwork;
use crate::model::spec::RestartPolicy;
use crate::model::stack::Order;
use crate::model::{
    DesiredService, NetworkName, ObservedContainer, ServiceId, SourceName, StackName, labels,
};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// No chain of shared networks is followed further than this.
const DEEPEST: usize = 8;
const BECAUSE: &str = "an earlier pass did not end";

/// The steps that put every half-done switch in order; empty on a host without one.
pub fn repair(situation: &Situation<'_>) -> Plan {
    let (situation, _) = index::survey(situation);
    let situation = &situation;
    let mut builder = Builder::default();
    let mut repaired = Repaired::default();
    let mut services: Vec<_> = situation.services().collect();
    // Who is in the network of another one comes after that one.
    services.sort_by_cached_key(|(_, containers)| depth(situation, containers, 0));
    for (id, containers) in services {
        let is_included = situation.rules.includes(id) && is_ours(situation, id, containers);
        if !is_included || situation.is_removed(id) {
            continue;
        }
        let mut replicas: BTreeMap<u32, Vec<&ObservedContainer>> = BTreeMap::new();
        for container in containers {
            replicas.entry(container.number()).or_default().push(container);
        }
        let planned = builder.plan.steps.len();
        let mut slots: Vec<Slot<'_>> = replicas.into_values().map(Slot::of).collect();
        // Where two run side by side one goes first, before elsewhere one is started beside another.
        slots.sort_by_key(|slot| slot.previous.is_some_and(|previous| !previous.is_up()));
        for slot in &slots {
            repair_replica(&mut builder, situation, &mut repaired, id, slot);
        }
        if builder.plan.steps.len() > planned {
            builder.plan.changes.push(explanation(id.clone(), Verdict::CleanUp));
        }
    }
    remove_twins(&mut builder, situation);
    builder.plan
}

/// What has become of containers in whose network others may be.
#[derive(Default)]
struct Repaired {
    /// Started again, by this step.
    up: BTreeMap<String, StepId>,
    /// Removed.
    down: BTreeSet<String>,
}

impl Repaired {
    /// Whether all those run in whose network `container` is, once everything is put in order.
    fn has_peers(&self, situation: &Survey<'_>, container: &ObservedContainer) -> bool {
        peers::joined(&container.settings).iter().all(|id| {
            let runs = || peers::by_id(situation, id).is_some_and(|there| there.is_running);
            self.up.contains_key(id) || (!self.down.contains(id) && runs())
        })
    }

    /// Whether one of those in whose network `container` is goes.
    fn loses_peers(&self, container: &ObservedContainer) -> bool {
        peers::joined(&container.settings).iter().any(|id| self.down.contains(id))
    }

    /// The steps after which those run in whose network `container` is.
    fn waits(&self, container: &ObservedContainer) -> Vec<StepId> {
        let joined = peers::joined(&container.settings);
        joined.iter().filter_map(|id| self.up.get(id).copied()).collect()
    }
}

/// How many containers stand behind each other, each in the network of the next; circles are none.
fn depth(situation: &Survey<'_>, containers: &[&ObservedContainer], so_far: usize) -> usize {
    let deeper = containers.iter().flat_map(|container| peers::joined(&container.settings));
    let deeper = deeper.filter(|_| so_far < DEEPEST).map(|id| {
        let all = situation.observed.containers.iter();
        let found: Vec<_> = all.filter(|container| container.id.as_str() == id).collect();
        depth(situation, &found, so_far + 1)
    });
    deeper.max().unwrap_or(so_far)
}

/// Two networks of one name, one of them made by a request that outlived its program: nothing can be
/// attached to either by name. The one without containers goes, by its id.
fn remove_twins(builder: &mut Builder, situation: &Survey<'_>) {
    let mut kept: BTreeMap<&str, &ObservedNetwork> = BTreeMap::new();
    for network in
        situation.observed.networks.iter().filter(|one| is_network_of_ours(situation, one))
    {
        let Some(other) = kept.insert(&network.name, network) else { continue };
        let Some(spare) = [network, other].into_iter().find(|one| !is_attached(situation, one))
        else {
            continue;
        };
        let stay = if spare.id == network.id { other } else { network };
        kept.insert(&stay.name, stay);
        let stack =
            StackName::new(spare.labels.get(labels::COMPOSE_PROJECT).map_or("", String::as_str));
        if situation.rules.busy.contains(&stack) {
            continue;
        }
        let step = Step::RemoveNetwork(NetworkName::new(&spare.id));
        builder.add(
            &For { stack: &stack, service: None },
            step,
            "a second network of its name",
            Vec::new(),
        );
    }
}

fn is_network_of_ours(situation: &Survey<'_>, network: &ObservedNetwork) -> bool {
    let source = network.labels.get(labels::SOURCE).map(SourceName::new);
    source.is_some_and(|source| situation.desired.sources_configured.contains(&source))
}

fn is_attached(situation: &Survey<'_>, network: &ObservedNetwork) -> bool {
    let ids = |container: &ObservedContainer| {
        let mut ids = container.attached.values().filter_map(|attached| attached.id.as_ref());
        ids.any(|id| id.as_str() == network.id)
    };
    let by_foreign = |name: &NetworkName| {
        situation.observed.foreign.iter().any(|container| container.networks.contains(name))
    };
    situation.observed.containers.iter().any(ids) || by_foreign(&NetworkName::new(&network.name))
}

/// Whether every container of the service comes from a source of this host, and its stack from none other:
/// another program may follow other sources on the same engine.
fn is_ours(situation: &Survey<'_>, id: &ServiceId, containers: &[&ObservedContainer]) -> bool {
    let stack = situation.desired.stacks.get(&id.stack);
    containers.iter().all(|container| match container.source() {
        Some(source) => situation.desired.sources_configured.contains(source),
        None => stack.is_some(),
    })
}

fn repair_replica(
    builder: &mut Builder,
    situation: &Survey<'_>,
    repaired: &mut Repaired,
    id: &ServiceId,
    slot: &Slot<'_>,
) {
    let desired = situation.desired.deployment(&id.stack).and_then(|d| d.services.get(&id.service));
    let is_paused = is_paused(situation, id);
    match (slot.current, slot.previous, slot.next) {
        (Some(_), Some(_), _) if is_paused => {}
        (Some(current), Some(previous), _) => {
            if repaired.loses_peers(current) || !is_worth_finishing(situation, id, desired, current)
            {
                repaired.down.insert(current.id.to_string());
                // Somebody gave it another name, by which the way back does not find it.
                let is_renamed = current.name != final_name(&previous.name);
                let gone = is_renamed.then(|| stop_and_remove(builder, id, current, BECAUSE));
                go_back(builder, situation, repaired, id, desired, previous, gone);
            }
        }
        (None, Some(previous), _) => {
            go_back(builder, situation, repaired, id, desired, previous, None);
        }
        (current, None, Some(next)) => {
            if !is_paused {
                stop_and_remove(builder, id, next, BECAUSE);
            }
            if let Some(current) = current {
                restore(builder, situation, repaired, id, current);
            }
        }
        (Some(current), None, None) => restore(builder, situation, repaired, id, current),
        (None, None, None) => {}
    }
    for container in slot.surplus.iter().filter(|container| container.source().is_some()) {
        stop_and_remove(builder, id, container, "a second container of the same replica");
    }
}

/// Whether the rollout of what is wanted was left half-way on purpose.
fn is_paused(situation: &Survey<'_>, id: &ServiceId) -> bool {
    let desired = situation.desired.deployment(&id.stack).and_then(|d| d.services.get(&id.service));
    let pinned = desired.and_then(|desired| desired.image.as_ref().ok());
    let key = pinned.map(|pinned| (id.clone(), pinned.hash.clone()));
    let rejection = key.and_then(|key| situation.memory.rejected.get(&key));
    rejection.is_some_and(|rejection| rejection.paused)
}

fn is_worth_finishing(
    situation: &Survey<'_>,
    id: &ServiceId,
    desired: Option<&DesiredService>,
    current: &ObservedContainer,
) -> bool {
    let Some(Ok(Pinned { hash, .. })) = desired.map(|desired| &desired.image) else { return false };
    let rejected = situation.memory.rejected.contains_key(&(id.clone(), hash.clone()));
    current.spec() == Some(hash) && !rejected && !has_failed_as_a_whole(situation, &id.stack)
}

/// Whether the stack is changed as a whole or not at all, and what is wanted of one of its services has failed.
fn has_failed_as_a_whole(situation: &Survey<'_>, stack: &StackName) -> bool {
    let deployment = situation.desired.deployment(stack).filter(|one| one.stack.atomic);
    deployment.is_some_and(|deployment| {
        deployment.services.iter().any(|(name, desired)| {
            let id = ServiceId::new(stack, name);
            let pinned = desired.image.as_ref();
            pinned.is_ok_and(|it| situation.memory.rejected.contains_key(&(id, it.hash.clone())))
        })
    })
}

fn go_back(
    builder: &mut Builder,
    situation: &Survey<'_>,
    repaired: &mut Repaired,
    id: &ServiceId,
    desired: Option<&DesiredService>,
    previous: &ObservedContainer,
    after: Option<StepId>,
) {
    let recorded = situation.memory.set_aside.get(&previous.id).copied();
    let manifest = desired.map(|desired| desired.service.settings.restart);
    let policy = recorded.or(manifest).unwrap_or(RestartPolicy::UnlessStopped);
    // One that cannot be in the network it was in is put in its place all the same: a plan then replaces it, or
    // attaches it again.
    // What did not run when it was set aside is not written down, and is not started where its spec has failed;
    // what never ran at all is for a plan to judge.
    let failed = previous
        .spec()
        .is_some_and(|spec| situation.memory.rejected.contains_key(&(id.clone(), spec.clone())));
    let serves = !situation.is_job(id)
        && previous.has_run()
        && (recorded.is_some() || !failed)
        && repaired.has_peers(situation, previous)
        && has_its_networks(situation, previous);
    let order = desired.map(|desired| desired.service.rollout.order);
    // The new one serves on until this one does; that is not waited for where nothing starts this one again.
    let beside = order == Some(Order::StartFirst) && policy != RestartPolicy::No;
    let back = Back { policy, serves, beside, gate: settled(situation) };
    let name = final_name(&previous.name);
    let mut steps = way_back::way_back(id, &name, previous, back).into_steps();
    if previous.is_up() {
        // It was never stopped, or does not get up by itself: there is nothing to wait for.
        steps.retain(|step| !matches!(step, Step::AwaitGate { .. }));
    }
    let networks: BTreeSet<_> = previous.attached.keys().cloned().collect();
    let purpose = For { stack: &id.stack, service: Some(id) };
    let waits = after.into_iter().chain(repaired.waits(previous)).collect();
    let last = builder.add_section(&purpose, steps, BECAUSE, waits, &networks);
    if let Some(last) = last.filter(|_| serves) {
        repaired.up.insert(previous.id.to_string(), last);
    }
}

/// Whether every network is there that a container is attached to: it could not be started otherwise.
fn has_its_networks(situation: &Survey<'_>, container: &ObservedContainer) -> bool {
    container.attached.iter().all(|(name, attached)| {
        let Some(id) = &attached.id else { return true };
        situation.network(name).is_some_and(|network| network.id == id.as_str())
    })
}

/// A container whose restart policy was taken away and that was not replaced after all.
fn restore(
    builder: &mut Builder,
    situation: &Survey<'_>,
    repaired: &mut Repaired,
    id: &ServiceId,
    current: &ObservedContainer,
) {
    let Some(policy) = situation.memory.set_aside.get(&current.id).copied() else { return };
    let purpose = For { stack: &id.stack, service: Some(id) };
    let step = Step::Restore { container: current.id.clone(), policy };
    let restored = builder.add(&purpose, step, BECAUSE, Vec::new());
    let can_start = repaired.has_peers(situation, current) && has_its_networks(situation, current);
    if situation.is_job(id) || !can_start {
        return;
    }
    let mut after = [vec![restored], repaired.waits(current)].concat();
    if let Some(step) = way_back::let_go(current) {
        after = vec![builder.add(&purpose, step, BECAUSE, after)];
    }
    let networks: BTreeSet<_> = current.attached.keys().cloned().collect();
    let step = Step::StartContainer(Target::Id(current.id.clone()));
    let started = builder.add_on(&purpose, step, BECAUSE, after, &networks);
    repaired.up.insert(current.id.to_string(), started);
}

fn stop_and_remove(
    builder: &mut Builder,
    id: &ServiceId,
    container: &ObservedContainer,
    because: &str,
) -> StepId {
    let purpose = For { stack: &id.stack, service: Some(id) };
    let target = Target::Id(container.id.clone());
    let networks: BTreeSet<_> = container.attached.keys().cloned().collect();
    let mut after = Vec::new();
    if container.is_up() {
        let step = Step::StopContainer(target.clone());
        after.push(builder.add_on(&purpose, step, because, after.clone(), &networks));
    }
    builder.add(&purpose, Step::RemoveContainer(target), because, after)
}

/// What a container that ran before has to show: it runs.
fn settled(situation: &Survey<'_>) -> Gate {
    Gate {
        until: Until::Good { stable: Duration::ZERO, may_complete: true },
        started: true,
        deadline: None,
        fallback: situation.rules.deadline,
        restarts: 0,
        probe: None,
    }
}
