//! HOW what git no longer names goes: first what stands in somebody's way, last all the rest and the
//! networks that are left over.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, For, explanation};
use super::change::{Judged, Need};
use super::index::Survey;
use super::removal::{Removal, is_gone};
use super::step::{Step, StepId, Target};
use super::{Situation, Verdict};
use crate::model::spec::{PortBinding, Protocol};
use crate::model::{ContainerName, NetworkName, ServiceId, SourceName, StackName, labels};

/// Removes first what stands in the way of a service that is about to start: a host port, a name. Gives the
/// steps each such service waits for.
pub fn first_of_all(
    builder: &mut Builder,
    removals: &[Removal<'_>],
    judged: &[Judged<'_>],
) -> BTreeMap<ServiceId, Vec<StepId>> {
    let mut waits: BTreeMap<ServiceId, Vec<StepId>> = BTreeMap::new();
    let going = removals.iter().filter(|removal| removal.verdict == Verdict::Remove);
    let mut going = going.peekable();
    if going.peek().is_none() {
        return waits;
    }
    let needs = Needs::of(judged);
    for removal in going {
        let hindered = needs.hindered_by(removal);
        if hindered.is_empty() {
            continue;
        }
        let steps = remove(builder, removal, &[], None);
        for service in hindered {
            waits.entry(service.clone()).or_default().extend(&steps);
        }
    }
    waits
}

/// The host ports and the names that services which are about to start need, with who needs them.
#[derive(Default)]
struct Needs<'j> {
    ports: BTreeMap<(&'j str, Protocol), Vec<&'j ServiceId>>,
    names: BTreeMap<&'j ContainerName, Vec<&'j ServiceId>>,
}

impl<'j> Needs<'j> {
    fn of(judged: &'j [Judged<'_>]) -> Self {
        let mut needs = Self::default();
        for service in judged.iter().filter(|service| starts(service)) {
            for port in published(&service.desired.service.settings.ports) {
                needs.ports.entry(port).or_default().push(&service.id);
            }
            for replica in &service.replicas {
                needs.names.entry(&replica.name).or_default().push(&service.id);
            }
        }
        needs
    }

    fn hindered_by(&self, removal: &Removal<'_>) -> BTreeSet<&'j ServiceId> {
        let mut hindered = BTreeSet::new();
        for container in &removal.containers {
            let ports = published(&container.settings.ports);
            hindered.extend(ports.filter_map(|port| self.ports.get(&port)).flatten());
            hindered.extend(self.names.get(&container.name).into_iter().flatten());
        }
        hindered
    }
}

fn published(ports: &[PortBinding]) -> impl Iterator<Item = (&str, Protocol)> {
    let fixed = ports.iter().filter(|port| !port.published.is_empty());
    fixed.map(|port| (port.published.as_str(), port.target.protocol))
}

fn starts(service: &Judged<'_>) -> bool {
    service.replicas.iter().any(|replica| match &replica.need {
        Need::Create | Need::Replace(..) => true,
        Need::Mend(_, drift) => drift.start,
        Need::Nothing | Need::Await(_) | Need::Finish(..) | Need::Retire => false,
    })
}

/// Removes all the rest once every other step has ended, and the networks that are left over.
///
/// Nothing goes of a stack that is changed as a whole before the steps in `whole` have succeeded.
pub fn last_of_all(
    builder: &mut Builder,
    situation: &Survey<'_>,
    removals: Vec<Removal<'_>>,
    whole: &BTreeMap<StackName, Vec<StepId>>,
) {
    let mut barrier = Barrier::default();
    let planned = builder.plan.steps.len();
    let mut removed: Vec<StepId> = Vec::new();
    let mut staying: BTreeSet<StackName> = BTreeSet::new();
    if !removals.is_empty() {
        let before: BTreeSet<&ServiceId> =
            builder.plan.steps.iter().filter_map(|planned| planned.service.as_ref()).collect();
        let already: BTreeSet<ServiceId> = removals
            .iter()
            .filter(|removal| before.contains(&removal.id))
            .map(|removal| removal.id.clone())
            .collect();
        for removal in removals {
            if removal.verdict != Verdict::Remove {
                staying.insert(removal.id.stack.clone());
            } else if !already.contains(&removal.id) {
                let after = whole.get(&removal.id.stack).map_or(&[][..], Vec::as_slice);
                removed.extend(remove(builder, &removal, after, Some((&mut barrier, planned))));
            }
            builder.plan.changes.push(explanation(removal.id, removal.verdict));
        }
    }
    remove_networks(builder, situation, &staying, &removed, (&mut barrier, planned));
}

/// What comes last waits for all that was planned before it: the first such step for every one of them, the
/// others for that one.
#[derive(Default)]
struct Barrier(Option<StepId>);

impl Barrier {
    fn put(&mut self, builder: &mut Builder, step: StepId, planned: usize) {
        let others = match self.0 {
            Some(first) => vec![first],
            None => builder.plan.steps.iter().take(planned).map(|planned| planned.id).collect(),
        };
        builder.put_behind(step, others);
        self.0.get_or_insert(step);
    }
}

fn remove(
    builder: &mut Builder,
    removal: &Removal<'_>,
    after: &[StepId],
    mut last_of: Option<(&mut Barrier, usize)>,
) -> Vec<StepId> {
    let purpose = For { stack: &removal.id.stack, service: Some(&removal.id) };
    let because = "git no longer names it";
    let mut last = Vec::new();
    for container in &removal.containers {
        let target = Target::Id(container.id.clone());
        let networks: BTreeSet<NetworkName> = container.attached.keys().cloned().collect();
        let stopped = builder.add_on(
            &purpose,
            Step::StopContainer(target.clone()),
            because,
            after.to_vec(),
            &networks,
        );
        if let Some((barrier, planned)) = &mut last_of {
            barrier.put(builder, stopped, *planned);
        }
        last.push(builder.add(&purpose, Step::RemoveContainer(target), because, vec![stopped]));
    }
    last
}

fn remove_networks(
    builder: &mut Builder,
    situation: &Survey<'_>,
    staying: &BTreeSet<StackName>,
    removed: &[StepId],
    (barrier, planned): (&mut Barrier, usize),
) {
    if !situation.rules.only.is_empty() {
        return;
    }
    for network in &situation.observed.networks {
        let (Some(stack), Some(source)) =
            (network.labels.get(labels::COMPOSE_PROJECT), network.labels.get(labels::SOURCE))
        else {
            continue;
        };
        let (name, stack) = (NetworkName::new(&network.name), StackName::new(stack));
        if staying.contains(&stack)
            || situation.rules.busy.contains(&stack)
            || !is_left_over(situation, &name, &stack, &SourceName::new(source))
        {
            continue;
        }
        let in_use =
            situation.observed.foreign.iter().any(|container| container.networks.contains(&name));
        if in_use || !all_users_go(situation, &name) {
            continue;
        }
        let step = Step::RemoveNetwork(name);
        let id = builder.add(
            &For { stack: &stack, service: None },
            step,
            "no service uses it",
            removed.to_vec(),
        );
        barrier.put(builder, id, planned);
    }
}

fn is_left_over(
    situation: &Situation<'_>,
    network: &NetworkName,
    stack: &StackName,
    source: &SourceName,
) -> bool {
    if !situation.desired.sources_read.contains(source) {
        return false;
    }
    match (situation.desired.stacks.get(stack), situation.desired.deployment(stack)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(deployment)) => {
            deployment.stack.networks.values().all(|wanted| wanted.name != *network)
        }
    }
}

/// Whether every container attached to the network belongs to a service that is removed. A service that is
/// moved off the network in this pass leaves it to the next one.
fn all_users_go(situation: &Survey<'_>, network: &NetworkName) -> bool {
    situation
        .observed
        .containers
        .iter()
        .filter(|container| container.attached.contains_key(network))
        .all(|container| match (container.service(), container.source()) {
            (Some(id), Some(source)) => {
                !situation.rules.busy.contains(&id.stack) && is_gone(situation, id, source)
            }
            (Some(_) | None, None) | (None, Some(_)) => false,
        })
}
