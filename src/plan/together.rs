//! Services that are changed as one: when one of them does not pass, those that were touched go back, and the
//! others are not begun.
//!
//! Those are a container and all that are in its network, since each has lost what it was in, and a whole stack
//! where its manifest says so (`docs/adr/0010-a-stack-as-a-whole.md`). What the former need besides, one behind
//! the other and stopped before started, the latter do not.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, For};
use super::change::{Judged, Need, Replica};
use super::index::Survey;
use super::removal::Removal;
use super::step::{Step, StepId, Target};
use super::way_back::{Leg, WayBack};
use super::{Block, Verdict};
use super::{alive, windows};
use crate::model::spec::Peer;
use crate::model::{NetworkName, ServiceId, StackName};

/// Services that are changed as one, in dependency order.
#[derive(Default)]
pub struct Together {
    /// Each of them, with its place among all that are planned.
    members: Vec<(usize, ServiceId)>,
    /// Each of them, with those in whose network it is, or they in its own; itself among them.
    mates: BTreeMap<ServiceId, Vec<ServiceId>>,
    /// The stack, where it is one as a whole.
    whole: Option<StackName>,
    /// The last steps so far that say that a member is good.
    passed: BTreeMap<ServiceId, Vec<StepId>>,
    set_aside: Vec<(ServiceId, Target)>,
    /// The way back of each replica; that of a job is its own alone.
    ways: Vec<(ServiceId, Vec<(u32, WayBack)>)>,
    networks: BTreeSet<NetworkName>,
}

impl Together {
    /// Whether it is a stack as a whole.
    pub fn is_whole(&self) -> bool {
        self.whole.is_some()
    }

    /// Whether others are in the network of this member, or it in theirs.
    pub fn is_shared(&self, member: &ServiceId) -> bool {
        self.mates.get(member).is_some_and(|mates| mates.len() > 1)
    }

    /// The places of the members that come behind `place`.
    pub fn behind(&self, place: usize) -> impl Iterator<Item = usize> {
        let places = self.members.iter().map(|(place, _)| *place);
        places.filter(move |other| *other > place)
    }

    /// The last steps so far that say that one is good in whose network this member is.
    pub fn mates_passed(&self, member: &ServiceId) -> Vec<StepId> {
        let mates = self.mates.get(member).into_iter().flatten();
        mates.filter_map(|mate| self.passed.get(mate)).flatten().copied().collect()
    }

    /// Adds the rollout of the next member.
    pub fn add(
        &mut self,
        id: &ServiceId,
        ways: Vec<(u32, WayBack)>,
        networks: BTreeSet<NetworkName>,
        set_aside: Vec<(Target, StepId)>,
    ) {
        self.ways.push((id.clone(), ways));
        self.networks.extend(networks);
        for (target, passed) in set_aside {
            self.passed.entry(id.clone()).or_default().push(passed);
            self.set_aside.push((id.clone(), target));
        }
    }

    /// Once every member is planned: what was set aside goes when all have passed, and the way back of each
    /// is that of all. Gives the steps with which a whole stack has passed.
    pub fn finish(self, builder: &mut Builder) -> Option<(StackName, Vec<StepId>)> {
        let passed = self.all_passed(builder);
        for (id, target) in &self.set_aside {
            let purpose = For { stack: &id.stack, service: Some(id) };
            let step = Step::RemoveContainer(target.clone());
            let because = match &self.whole {
                Some(_) => "its successor and all that changed with it have passed",
                None => "its successor and all that share with it have passed",
            };
            builder.add(&purpose, step, because, passed.clone());
        }
        let members: Vec<ServiceId> = self.members.iter().map(|(_, id)| id.clone()).collect();
        for change in &mut builder.plan.changes {
            let Some(mates) = self.mates.get(&change.service) else { continue };
            let legs = self.legs(&change.service);
            change.way_back.extend(legs);
            let own = change.way_back.iter().filter(|leg| mates.contains(&leg.service));
            change.has_way_back = own.clone().any(Leg::leads_to_a_start);
            change.way_back_networks.extend(self.networks.iter().cloned());
            change.together.clone_from(&members);
            change.mates.clone_from(mates);
            (change.bears, change.pauses) = (0, false);
        }
        self.whole.map(|stack| (stack, passed))
    }

    /// The steps with which all have passed.
    fn all_passed(&self, builder: &Builder) -> Vec<StepId> {
        let mut all: Vec<StepId> = self.passed.values().flatten().copied().collect();
        if self.whole.is_some() {
            let milestones = self.mates.keys().filter_map(|id| builder.milestones.get(id));
            all.extend(milestones.flat_map(|one| one.good.iter().chain(&one.passed)));
        }
        all.sort();
        all.dedup();
        all
    }

    /// The way back of all when `blamed` has failed: what was new goes, dependants first, then what was there
    /// serves again, dependants last.
    fn legs(&self, blamed: &ServiceId) -> Vec<Leg> {
        let undo = self.ways.iter().rev().flat_map(|(id, ways)| {
            ways.iter().map(move |(replica, way)| {
                let along = way.along.as_ref().filter(|_| id != blamed);
                leg(id, *replica, along.unwrap_or(&way.undo))
            })
        });
        let redo = self.ways.iter().flat_map(|(id, ways)| {
            ways.iter().map(move |(replica, way)| leg(id, *replica, &way.redo))
        });
        undo.chain(redo).filter(|leg| !leg.steps.is_empty()).collect()
    }
}

fn leg(service: &ServiceId, replica: u32, steps: &[Step]) -> Leg {
    Leg { service: service.clone(), replica, steps: steps.to_vec() }
}

/// The services among `judged` that are changed as one, by the place of each member.
pub fn of(judged: &[Judged<'_>]) -> (Vec<Together>, BTreeMap<usize, usize>) {
    let first_mates = first_mates(judged);
    let mut groups: Vec<Together> = Vec::new();
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut of_stack: BTreeMap<&StackName, usize> = BTreeMap::new();
    let mut of_mates: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, one) in judged.iter().enumerate() {
        let next = groups.len();
        let is_whole = one.deployment.stack.atomic && is_changed(one);
        let at = match first_mates.get(&place) {
            _ if is_whole => *of_stack.entry(&one.id.stack).or_insert(next),
            Some(first) => *of_mates.entry(*first).or_insert(next),
            None => continue,
        };
        if at == next {
            let whole = is_whole.then(|| one.id.stack.clone());
            groups.push(Together { whole, ..Together::default() });
        }
        groups[at].members.push((place, one.id.clone()));
        let first = first_mates.get(&place);
        let is_mate = |other: &usize| {
            *other == place || first.is_some_and(|_| first_mates.get(other) == first)
        };
        let mates = (0..judged.len()).filter(is_mate).map(|other| judged[other].id.clone());
        groups[at].mates.insert(one.id.clone(), mates.collect());
        group_of.insert(place, at);
    }
    (groups, group_of)
}

/// The first among those who share networks with each other, by the place of each.
fn first_mates(judged: &[Judged<'_>]) -> BTreeMap<usize, usize> {
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, one) in judged.iter().enumerate().filter(|(_, one)| is_rolled_out(one)) {
        for (_, words) in one.desired.service.settings.shared() {
            let Some(Peer::Service(name)) = Peer::parse(words) else { continue };
            let id = ServiceId::new(&one.id.stack, &name);
            let Some(provider) = judged.iter().position(|provider| provider.id == id) else {
                continue;
            };
            if !is_rolled_out(&judged[provider]) {
                continue;
            }
            let group = *group_of.entry(provider).or_insert(provider);
            match group_of.insert(place, group) {
                Some(other) if other != group => {
                    group_of.values_mut().filter(|it| **it == other).for_each(|it| *it = group);
                }
                Some(_) | None => {}
            }
        }
    }
    group_of
}

fn is_rolled_out(one: &Judged<'_>) -> bool {
    let is_rolled_out = |need: &Need<'_>| matches!(need, Need::Replace(..) | Need::Finish(..));
    !one.verdict.is_left_alone() && one.replicas.iter().any(|replica| is_rolled_out(&replica.need))
}

/// Whether a service is among those of its stack that are changed as one: it gets a container, awaits its job,
/// or is started again for the sake of another one. What is only mended in place is not.
fn is_changed(one: &Judged<'_>) -> bool {
    let is_changed = |replica: &Replica<'_>| match &replica.need {
        Need::Create | Need::Replace(..) | Need::Finish(..) | Need::Await(_) => true,
        Need::Mend(_, drift) => replica.was_never_started() || (drift.stop && drift.start),
        Need::Nothing | Need::Retire => false,
    };
    !one.verdict.is_left_alone() && one.replicas.iter().any(is_changed)
}

/// Leaves alone what is new of a stack that is changed as a whole, of which something cannot be had; false
/// where there is none such.
pub fn hold_back<'a>(situation: &Survey<'a>, judged: &mut [Judged<'a>]) -> bool {
    let stuck = stuck(judged);
    let mut is_held_back = false;
    for one in judged.iter_mut().filter(|one| brings_something_new(one)) {
        let Some(others) = stuck.get(&one.id.stack) else { continue };
        one.verdict = Verdict::Blocked(on_whole(others, &one.verdict));
        one.replicas = alive::keep_alive(situation, &one.id, one.desired.image.as_ref().ok());
        is_held_back = true;
    }
    is_held_back
}

/// Keeps what git no longer names of such a stack.
pub fn keep(judged: &[Judged<'_>], removals: &mut [Removal<'_>]) {
    let stuck = stuck(judged);
    for removal in removals.iter_mut().filter(|removal| removal.verdict == Verdict::Remove) {
        if let Some(others) = stuck.get(&removal.id.stack) {
            removal.verdict = Verdict::Blocked(on_whole(others, &removal.verdict));
        }
    }
}

/// What keeps a change of a whole stack back, of which `others` cannot be had now.
fn on_whole(others: &[(ServiceId, Verdict)], own: &Verdict) -> Block {
    let verdicts = others.iter().map(|(id, verdict)| (id.to_string(), verdict));
    match windows::behind(verdicts, own) {
        Some(waiting) => Block::Window(waiting),
        None => Block::OnWhole(others.iter().map(|(id, _)| id.clone()).collect()),
    }
}

/// The services that cannot be had now, of stacks that are changed as a whole. What an operator holds is as it
/// is to be.
fn stuck(judged: &[Judged<'_>]) -> BTreeMap<StackName, Vec<(ServiceId, Verdict)>> {
    let mut stuck: BTreeMap<StackName, Vec<(ServiceId, Verdict)>> = BTreeMap::new();
    for one in judged.iter().filter(|one| one.deployment.stack.atomic) {
        let is_stuck = match &one.verdict {
            Verdict::Blocked(Block::OnWhole(_)) => false,
            Verdict::Rejected { .. } | Verdict::Blocked(_) => true,
            Verdict::Held(held) => !held.desired,
            Verdict::InSync
            | Verdict::Create
            | Verdict::Start(_)
            | Verdict::Mend(_)
            | Verdict::Update(_)
            | Verdict::Recreate(_)
            | Verdict::CleanUp
            | Verdict::Remove => false,
        };
        if is_stuck {
            let others = stuck.entry(one.id.stack.clone()).or_default();
            others.push((one.id.clone(), one.verdict.clone()));
        }
    }
    stuck
}

/// Whether a spec is tried that did not run before. What runs is kept up all the same.
fn brings_something_new(one: &Judged<'_>) -> bool {
    match one.verdict {
        Verdict::Create | Verdict::Update(_) => true,
        Verdict::Start(_) => one.replicas.iter().any(Replica::was_never_started),
        Verdict::InSync
        | Verdict::Mend(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove
        | Verdict::Held(_)
        | Verdict::Rejected { .. }
        | Verdict::Blocked(_) => false,
    }
}
