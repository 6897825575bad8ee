//! HOW a change is carried out: the steps of one service. Those that lead back are in [`super::way_back`].
//!
//! Stop-first: the new container is created, then the old one is set aside and the new one takes its name
//! and its address; the old one stays until the new one has passed. Start-first is in [`start_first`]. Every
//! step on the way leaves a state whose names tell what to do next ([`super::repair`]).

mod batches;
mod request;
mod start_first;

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, For, Waits, explanation};
use super::change::{Judged, Need, Replica};
use super::drift::Drift;
use super::gate::{Gate, Until};
use super::groundwork::Ground;
use super::index::Survey;
use super::slots::{next_name, previous_name};
use super::step::{Step, StepId, Target};
use super::together::Together;
use super::way_back::{Back, Leg, WayBack, own, way_back};
use super::{Change, Difference, Verdict, alive, peers};
use crate::engine::ContainerUpdate;
use crate::model::probe::Probe;
use crate::model::spec::RestartPolicy;
use crate::model::stack::{FailureAction, Order};
use crate::model::{NetworkName, ObservedContainer, ServiceId, SpecHash};

/// Plans the steps of one service. `waits` must have succeeded before one of its containers starts.
pub fn emit<'a>(
    builder: &mut Builder,
    situation: &Survey<'a>,
    service: &Judged<'a>,
    ground: &Ground,
    waits: Waits,
    together: Option<&mut Together>,
) -> Change {
    let mut change = explanation(service.id.clone(), service.verdict.clone());
    change.spec = service.desired.image.as_ref().ok().map(|pinned| pinned.hash.clone());
    change.remarks.clone_from(&service.remarks);
    let mut emission = Emission {
        builder,
        situation,
        service,
        ground,
        waits: waits.after,
        behind: waits.behind,
        ends: Vec::new(),
        bears: if together.is_some() { 0 } else { batches::bears(service) },
        set_aside: Vec::new(),
        tries_other: BTreeMap::new(),
        is_shared: together.as_ref().is_some_and(|together| together.is_shared(&service.id)),
        is_whole: together.as_ref().is_some_and(|together| together.is_whole()),
    };
    let is_job = situation.is_job(&service.id);
    let follows = service.follows.iter();
    change.follows = follows.map(|name| ServiceId::new(&service.id.stack, name)).collect();
    change.tries_spec = tries_spec(service);
    change.was_stopped = matches!(service.verdict, Verdict::Start(_))
        && service.replicas.iter().any(alive::was_stopped);
    let ways = emission.all_replicas();
    change.tries_other = std::mem::take(&mut emission.tries_other);
    if let Some(together) = together.filter(|_| !is_job) {
        together.add(&service.id, ways, networks_of(service), emission.set_aside);
        return change;
    }
    change.bears = emission.bears;
    let legs = ways.into_iter().map(|(number, way)| Leg::of(&service.id, number, way));
    change.way_back = legs.filter(|leg| !leg.steps.is_empty()).collect();
    let rollout = &service.desired.service.rollout;
    change.pauses = rollout.failure_action == FailureAction::Pause;
    change.has_way_back = !change.pauses && change.way_back.iter().any(Leg::leads_to_a_start);
    emission.remove_set_aside();
    if !change.way_back.is_empty() {
        change.way_back_networks = networks_of(service);
    }
    change
}

/// Whether the spec of a service has to prove itself.
fn tries_spec(service: &Judged<'_>) -> bool {
    let is_tried = match service.verdict {
        Verdict::Create | Verdict::Update(_) | Verdict::Recreate(_) | Verdict::CleanUp => true,
        // A pass that made it and did not come to start it.
        Verdict::Start(_) | Verdict::Mend(_) => {
            let mut replicas = service.replicas.iter();
            replicas.any(Replica::was_never_started) || is_new_to_all(&service.replicas)
        }
        Verdict::InSync
        | Verdict::Remove
        | Verdict::Held(_)
        | Verdict::Rejected { .. }
        | Verdict::Blocked(_) => false,
    };
    is_tried && !service.only_follows
}

/// Whether a replica is made, and none of the others has its spec.
fn is_new_to_all(replicas: &[Replica<'_>]) -> bool {
    let has_spec = |replica: &Replica<'_>| match &replica.need {
        Need::Nothing | Need::Mend(..) | Need::Await(_) => replica.slot.current.is_some(),
        Need::Create | Need::Replace(..) | Need::Finish(..) | Need::Retire => false,
    };
    let is_made = |replica: &Replica<'_>| matches!(replica.need, Need::Create);
    replicas.iter().any(is_made) && !replicas.iter().any(has_spec)
}

/// The networks on which the service's containers have addresses.
fn networks_of(service: &Judged<'_>) -> BTreeSet<NetworkName> {
    service
        .desired
        .service
        .settings
        .network
        .endpoints()
        .iter()
        .map(|endpoint| endpoint.network.clone())
        .collect()
}

struct Emission<'e, 'a> {
    builder: &'e mut Builder,
    situation: &'e Survey<'a>,
    service: &'e Judged<'a>,
    ground: &'e Ground,
    /// What must have succeeded before the next container starts; grows from batch to batch.
    waits: Vec<StepId>,
    /// What must have ended, well or not, before a container starts.
    behind: Vec<StepId>,
    /// The steps with which the replicas of this batch have come through.
    ends: Vec<StepId>,
    /// How many replicas may fail without taking the others back.
    bears: usize,
    /// Containers to remove once every replica has passed, with the step they wait for.
    set_aside: Vec<(Target, StepId)>,
    /// The steps that try another spec than the wanted one.
    tries_other: BTreeMap<StepId, SpecHash>,
    /// Whether others are in its network, or it in theirs, that are rolled out as one with it.
    is_shared: bool,
    /// Whether its stack is changed as a whole or not at all.
    is_whole: bool,
}

impl Emission<'_, '_> {
    /// Plans one replica and gives the steps that lead back.
    fn replica(&mut self, replica: &Replica<'_>) -> WayBack {
        match &replica.need {
            Need::Nothing => WayBack::default(),
            Need::Create => self.create(replica),
            Need::Mend(container, drift) => self.mend(replica, container, drift),
            Need::Replace(old, differences) => match self.order() {
                Order::StopFirst => self.replace(replica, old, differences),
                Order::StartFirst => self.replace_start_first(replica, old, differences),
            },
            Need::Await(container) => self.wait_for(container),
            Need::Finish(new, previous) => self.finish(replica, new, previous),
            Need::Retire => self.retire(replica),
        }
    }

    fn create(&mut self, replica: &Replica<'_>) -> WayBack {
        let Ok(pinned) = &self.service.desired.image else { return WayBack::default() };
        let request = self.request(replica, pinned, replica.name.clone(), BTreeMap::new());
        let because = "it is not there";
        let after = self.ground.before_create.clone();
        let created = self.add(Step::CreateContainer(Box::new(request)), because, after);
        let started = self.start(Target::Name(replica.name.clone()), because, vec![created]);
        self.makes(replica);
        self.gate(Target::Name(replica.name.clone()), started, self.gate_after_start());
        self.goes(replica)
    }

    /// There is nothing to go back to: the container is kept for somebody to look at.
    fn stays_down(&self, replica: &Replica<'_>) -> WayBack {
        let name = own(&self.service.id, &replica.name, None);
        let undo = vec![
            Step::UpdateContainer { container: name.clone(), update: no_restart() },
            Step::StopContainer(name),
        ];
        WayBack { undo, ..WayBack::default() }
    }

    /// There was nothing before, and nobody has a reason to look: the container goes.
    fn goes(&self, replica: &Replica<'_>) -> WayBack {
        let name = own(&self.service.id, &replica.name, None);
        let along = vec![Step::StopContainer(name.clone()), Step::RemoveContainer(name)];
        WayBack { along: Some(along), ..self.stays_down(replica) }
    }

    /// Who was started again for the sake of another one is so once more when that one goes back.
    fn starts_once_more(&self, container: &ObservedContainer) -> WayBack {
        let target = Target::Id(container.id.clone());
        let gate = Gate { probe: None, ..self.gate_after_start() };
        let good = Step::AwaitGate { container: target.clone(), gate };
        let undo = vec![Step::StopContainer(target.clone())];
        WayBack { undo, redo: vec![Step::StartContainer(target), good], along: None }
    }

    fn mend(
        &mut self,
        replica: &Replica<'_>,
        container: &ObservedContainer,
        drift: &Drift,
    ) -> WayBack {
        let mut after = self.ground.before_connect.clone();
        for (step, because) in &drift.mends {
            let id = self.add_on_networks(step.clone(), because.clone(), after);
            after = vec![id];
        }
        let target = Target::Id(container.id.clone());
        if drift.start {
            let because = summary(&drift.differences);
            if drift.stop {
                let ready = [after, self.waits.clone()].concat();
                let stopped =
                    self.add_on_networks(Step::StopContainer(target.clone()), &because, ready);
                self.builder.put_behind(stopped, self.behind.clone());
                after = vec![stopped];
            }
            let started = self.start(target.clone(), &because, after);
            let good = self.gate(target, started, self.gate_after_start());
            if let Some(spec) = alive::tries_other(self.situation, self.service, container) {
                self.tries_other.extend([(started, spec.clone()), (good, spec.clone())]);
            }
            return match replica.was_never_started() {
                true => self.goes(replica),
                false if drift.stop && self.is_whole => self.starts_once_more(container),
                false => WayBack::default(),
            };
        }
        let gated = drift.mends.iter().any(|(step, _)| {
            matches!(step, Step::UnpauseContainer(_) | Step::ConnectNetwork { .. })
        });
        if let (true, Some(last)) = (gated, after.first()) {
            self.gate(Target::Name(replica.name.clone()), *last, self.gate_of());
        }
        WayBack::default()
    }

    /// Nothing is done to a job that runs; what depends on it waits.
    fn wait_for(&mut self, container: &ObservedContainer) -> WayBack {
        let step =
            Step::AwaitGate { container: Target::Id(container.id.clone()), gate: self.gate_of() };
        let good = self.add(step, "an earlier pass started it", Vec::new());
        self.builder.reached(&self.service.id, good, good);
        WayBack::default()
    }

    fn replace(
        &mut self,
        replica: &Replica<'_>,
        old: &ObservedContainer,
        differences: &[Difference],
    ) -> WayBack {
        let Ok(pinned) = &self.service.desired.image else { return WayBack::default() };
        let because = summary(differences);
        let next = next_name(&replica.name);
        let request = self.request(replica, pinned, next.clone(), old.anonymous_volumes.clone());
        let after = self.ground.before_create.clone();
        let created = self.add(Step::CreateContainer(Box::new(request)), &because, after);

        let had = self.policy_of(old);
        let old_id = Target::Id(old.id.clone());
        // Beside the create, so that the old container is down no longer than it must be.
        let set_aside = match old.is_up() {
            true => Step::SetAside { container: old.id.clone(), had },
            false => Step::UpdateContainer { container: old_id.clone(), update: no_restart() },
        };
        let ready = [self.ground.before_create.clone(), self.waits.clone()].concat();
        let aside = self.add(set_aside, &because, ready);
        self.builder.put_behind(aside, self.behind.clone());
        let mut steps = Vec::new();
        if old.is_up() {
            steps.push(Step::StopContainer(old_id.clone()));
        }
        steps.extend([
            Step::RenameContainer { container: old_id.clone(), to: previous_name(&replica.name) },
            Step::RenameContainer { container: Target::Name(next), to: replica.name.clone() },
            Step::StartContainer(Target::Name(replica.name.clone())),
        ]);
        let mut after = self.waits.clone();
        after.extend([created, aside]);
        let networks = networks_of(self.service);
        let purpose = For { stack: &self.service.id.stack, service: Some(&self.service.id) };
        let first = self.builder.next_id();
        let Some(started) = self.builder.add_section(&purpose, steps, &because, after, &networks)
        else {
            return WayBack::default();
        };
        self.builder.put_behind(first, self.behind.clone());
        self.makes(replica);
        self.pass(Target::Name(replica.name.clone()), old_id, started);
        self.way_back(replica, old)
    }

    /// Somebody may have renamed the new container meanwhile: it is known by its id.
    fn finish(
        &mut self,
        replica: &Replica<'_>,
        new: &ObservedContainer,
        previous: &ObservedContainer,
    ) -> WayBack {
        let because = "an earlier rollout did not end";
        let target = Target::Id(new.id.clone());
        let mut after = self.ground.before_connect.clone();
        // Somebody started it again: where the two cannot run side by side, it has what the new one needs.
        let is_in_the_way = previous.is_up() && !new.is_up() && self.order() == Order::StopFirst;
        if is_in_the_way {
            let stop = Step::StopContainer(Target::Id(previous.id.clone()));
            let stopped = self.add_on_networks(stop, because, after.clone());
            after.push(stopped);
        }
        let started = self.start(target.clone(), because, after);
        match previous.is_up() && !is_in_the_way {
            true => self.pass_beside(target, previous, started, because),
            false => self.pass(target, Target::Id(previous.id.clone()), started),
        }
        self.way_back(replica, previous)
    }

    fn makes(&mut self, replica: &Replica<'_>) {
        if replica.number == 1 {
            self.builder.milestones.entry(self.service.id.clone()).or_default().makes_first = true;
        }
    }

    /// The gate, the time in which the new container is watched, and what goes afterwards.
    fn pass(&mut self, target: Target, old: Target, started: StepId) {
        let good = self.gate(target.clone(), started, self.gate_after_start());
        let last = self.watch(target, good);
        self.set_aside.push((old, last));
    }

    /// The time in which the new container is watched, while the old one is still there.
    fn watch(&mut self, target: Target, good: StepId) -> StepId {
        let rollout = &self.service.desired.service.rollout;
        let gate = self.gate_of();
        let mut last = good;
        if !rollout.monitor.is_zero() && gate.until != Until::Completed {
            let step = Step::Monitor { container: target, lasting: rollout.monitor, gate };
            last =
                self.add(step, "the old container is kept until it has proved itself", vec![good]);
        }
        self.builder.passed(&self.service.id, last);
        last
    }

    fn retire(&mut self, replica: &Replica<'_>) -> WayBack {
        // Where none of those that stay serves meanwhile, those that go do.
        let after = match self.service.replicas.iter().any(|one| self.serves_on(one)) {
            true => Vec::new(),
            false => [self.waits.clone(), self.ends.clone()].concat(),
        };
        for container in replica.slot.all() {
            let target = Target::Id(container.id.clone());
            let because = "fewer replicas are wanted";
            let stopped =
                self.add_on_networks(Step::StopContainer(target.clone()), because, after.clone());
            self.add(Step::RemoveContainer(target), because, vec![stopped]);
        }
        WayBack::default()
    }

    /// Whether the replica has a container that runs through the whole rollout.
    fn serves_on(&self, replica: &Replica<'_>) -> bool {
        let is_interrupted = match &replica.need {
            Need::Nothing | Need::Await(_) | Need::Finish(..) => false,
            Need::Mend(_, drift) => drift.stop,
            Need::Replace(..) => self.order() == Order::StopFirst,
            Need::Create | Need::Retire => true,
        };
        !is_interrupted && replica.slot.current.is_some_and(ObservedContainer::is_running)
    }

    /// What was set aside goes when every replica has passed, or failed by itself: until then it is the way
    /// back.
    fn remove_set_aside(&mut self) {
        let all_passed: Vec<StepId> = self.set_aside.iter().map(|(_, passed)| *passed).collect();
        for (target, passed) in std::mem::take(&mut self.set_aside) {
            let step = Step::RemoveContainer(target);
            let because = "its successor has passed";
            if self.bears == 0 {
                self.add(step, because, all_passed.clone());
            } else {
                let removed = self.add(step, because, vec![passed]);
                self.builder.put_behind(removed, all_passed.clone());
            }
        }
    }

    /// From wherever the rollout of this replica failed back to `old`. Each step may find its work done.
    fn way_back(&self, replica: &Replica<'_>, old: &ObservedContainer) -> WayBack {
        let is_job = self.gate_of().until == Until::Completed;
        // One of several that go together may have been stopped by a rollout of theirs that did not end.
        let served = old.name != replica.name && !self.was_down(old);
        let serves = self.is_shared || old.is_up() || served;
        let serves = serves && !is_job && old.has_run() && self.has_its_peers(old);
        let back = Back {
            policy: self.policy_of(old),
            serves,
            beside: self.order() == Order::StartFirst,
            // What is asked is meant for the new one.
            gate: Gate { probe: None, ..self.gate_after_start() },
        };
        way_back(&self.service.id, &replica.name, old, back)
    }

    /// Whether a container that is set aside did not run before: then that is not written down, and its spec
    /// may have failed here.
    fn was_down(&self, container: &ObservedContainer) -> bool {
        let memory = self.situation.memory;
        let spec = container.spec().map(|spec| (self.service.id.clone(), spec.clone()));
        let failed = spec.is_some_and(|spec| memory.rejected.contains_key(&spec));
        failed && !memory.set_aside.contains_key(&container.id)
    }

    /// Whether a container can be started as it is: those whose network it is in are there, be it only until
    /// this rollout has passed.
    fn has_its_peers(&self, container: &ObservedContainer) -> bool {
        let joined = peers::joined(&container.settings);
        joined.iter().all(|id| peers::by_id(self.situation, id).is_some())
    }

    fn policy_of(&self, container: &ObservedContainer) -> RestartPolicy {
        let recorded = self.situation.memory.set_aside.get(&container.id).copied();
        recorded.unwrap_or(container.settings.restart)
    }

    fn start(&mut self, target: Target, because: &str, mut after: Vec<StepId>) -> StepId {
        after.extend(&self.waits);
        let started = self.add_on_networks(Step::StartContainer(target), because, after);
        self.builder.put_behind(started, self.behind.clone());
        started
    }

    fn gate(&mut self, target: Target, started: StepId, gate: Gate) -> StepId {
        let step = Step::AwaitGate { container: target, gate };
        let good = self.add(step, "it must prove itself", vec![started]);
        self.builder.reached(&self.service.id, started, good);
        self.ends.push(good);
        good
    }

    fn gate_after_start(&self) -> Gate {
        Gate { started: true, ..self.gate_of() }
    }

    fn gate_of(&self) -> Gate {
        let wanted = &self.service.desired.service;
        let may_end = match wanted.settings.restart {
            RestartPolicy::Unset | RestartPolicy::No | RestartPolicy::OnFailure(_) => true,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
        };
        // Who has ended answers nobody.
        let may_complete = may_end && wanted.probe.is_none();
        let is_job = self.situation.is_job(&self.service.id);
        Gate {
            until: match is_job {
                true => Until::Completed,
                false => Until::Good { stable: wanted.rollout.stable, may_complete },
            },
            started: false,
            deadline: wanted.rollout.deadline,
            fallback: self.situation.rules.deadline,
            restarts: wanted.rollout.restarts,
            probe: self.probe(),
        }
    }

    /// What the new container is asked: it may be one of a newer tag than is written.
    fn probe(&self) -> Option<Probe> {
        let desired = self.service.desired;
        let probe = desired.service.probe.as_ref()?;
        let tag = desired.image.as_ref().map(|pinned| pinned.image.reference());
        Some(tag.map_or_else(|_| probe.clone(), |it| probe.for_image_tag(it.tag_or_latest())))
    }

    fn add(&mut self, step: Step, because: impl Into<String>, after: Vec<StepId>) -> StepId {
        let purpose = For { stack: &self.service.id.stack, service: Some(&self.service.id) };
        self.builder.add(&purpose, step, because, after)
    }

    fn add_on_networks(
        &mut self,
        step: Step,
        because: impl Into<String>,
        after: Vec<StepId>,
    ) -> StepId {
        let networks = networks_of(self.service);
        let purpose = For { stack: &self.service.id.stack, service: Some(&self.service.id) };
        self.builder.add_on(&purpose, step, because, after, &networks)
    }
}

fn no_restart() -> ContainerUpdate {
    ContainerUpdate { restart: Some(RestartPolicy::No), resources: None }
}

/// The differences in one line.
fn summary(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
