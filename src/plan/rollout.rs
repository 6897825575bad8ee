//! HOW a change is carried out: the steps of one service. Those that lead back are in [`super::way_back`].
//!
//! Stop-first: the new container is created, then the old one is set aside and the new one takes its name
//! and its address; the old one stays until the new one has passed. Every step on the way leaves a state
//! whose names tell what to do next ([`super::repair`]).

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, For, Waits, explanation};
use super::change::{Judged, Need, Replica};
use super::drift::Drift;
use super::gate::{Gate, Until};
use super::groundwork::{Ground, ownership};
use super::index::Survey;
use super::slots::{next_name, previous_name};
use super::step::{Step, StepId, Target};
use super::way_back::{own, way_back};
use super::{Change, Difference};
use crate::engine::{ContainerRequest, ContainerUpdate};
use crate::model::desired::Pinned;
use crate::model::spec::RestartPolicy;
use crate::model::{ContainerName, NetworkName, ObservedContainer, labels};

/// Plans the steps of one service. `waits` must have succeeded before one of its containers starts.
pub fn emit<'a>(
    builder: &mut Builder,
    situation: &Survey<'a>,
    service: &Judged<'a>,
    ground: &Ground,
    waits: Waits,
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
        set_aside: Vec::new(),
    };
    for replica in &service.replicas {
        let way_back = emission.replica(replica);
        change.has_way_back |= way_back.iter().any(|step| matches!(step, Step::StartContainer(_)));
        change.way_back.extend(way_back);
    }
    emission.remove_set_aside();
    if !change.way_back.is_empty() {
        change.way_back_networks = networks_of(service);
    }
    change
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
    /// What must have succeeded before the next container starts; grows from replica to replica.
    waits: Vec<StepId>,
    /// What must have ended, well or not, before a container starts.
    behind: Vec<StepId>,
    /// Containers to remove once every replica has passed, with the step they wait for.
    set_aside: Vec<(Target, StepId)>,
}

impl Emission<'_, '_> {
    /// Plans one replica and gives the steps that lead back.
    fn replica(&mut self, replica: &Replica<'_>) -> Vec<Step> {
        match &replica.need {
            Need::Nothing => Vec::new(),
            Need::Create => self.create(replica),
            Need::Mend(container, drift) => self.mend(replica, container, drift),
            Need::Replace(old, differences) => self.replace(replica, old, differences),
            Need::Await(container) => self.wait_for(container),
            Need::Finish(new, previous) => self.finish(replica, new, previous),
            Need::Retire => self.retire(replica),
        }
    }

    fn create(&mut self, replica: &Replica<'_>) -> Vec<Step> {
        let Ok(pinned) = &self.service.desired.image else { return Vec::new() };
        let request = self.request(replica, pinned, replica.name.clone(), BTreeMap::new());
        let because = "it is not there";
        let after = self.ground.before_create.clone();
        let created = self.add(Step::CreateContainer(Box::new(request)), because, after);
        let started = self.start(Target::Name(replica.name.clone()), because, vec![created]);
        self.gate(Target::Name(replica.name.clone()), started);
        let name = own(&self.service.id, &replica.name, None);
        let update = ContainerUpdate { restart: Some(RestartPolicy::No), resources: None };
        vec![Step::UpdateContainer { container: name.clone(), update }, Step::StopContainer(name)]
    }

    fn mend(
        &mut self,
        replica: &Replica<'_>,
        container: &ObservedContainer,
        drift: &Drift,
    ) -> Vec<Step> {
        let mut after = self.ground.before_connect.clone();
        for (step, because) in &drift.mends {
            let id = self.add_on_networks(step.clone(), because.clone(), after);
            after = vec![id];
        }
        let target = Target::Id(container.id.clone());
        if drift.start {
            let because = summary(&drift.differences);
            let started = self.start(target.clone(), &because, after);
            self.gate(target, started);
            return Vec::new();
        }
        let gated = drift.mends.iter().any(|(step, _)| {
            matches!(step, Step::UnpauseContainer(_) | Step::ConnectNetwork { .. })
        });
        if let (true, Some(last)) = (gated, after.first()) {
            self.gate(Target::Name(replica.name.clone()), *last);
        }
        Vec::new()
    }

    /// Nothing is done to a job that runs; what depends on it waits.
    fn wait_for(&mut self, container: &ObservedContainer) -> Vec<Step> {
        let step =
            Step::AwaitGate { container: Target::Id(container.id.clone()), gate: self.gate_of() };
        let good = self.add(step, "an earlier pass started it", Vec::new());
        self.builder.reached(&self.service.id, good, good);
        Vec::new()
    }

    fn replace(
        &mut self,
        replica: &Replica<'_>,
        old: &ObservedContainer,
        differences: &[Difference],
    ) -> Vec<Step> {
        let Ok(pinned) = &self.service.desired.image else { return Vec::new() };
        let because = summary(differences);
        let next = next_name(&replica.name);
        let request = self.request(replica, pinned, next.clone(), old.anonymous_volumes.clone());
        let after = self.ground.before_create.clone();
        let created = self.add(Step::CreateContainer(Box::new(request)), &because, after);

        let had = self.policy_of(old);
        let old_id = Target::Id(old.id.clone());
        // Beside the create, so that the old container is down no longer than it must be.
        let set_aside = Step::SetAside { container: old.id.clone(), had };
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
            return Vec::new();
        };
        self.builder.put_behind(first, self.behind.clone());
        self.pass(replica, old_id, started);
        self.way_back(replica, old)
    }

    fn finish(
        &mut self,
        replica: &Replica<'_>,
        new: &ObservedContainer,
        previous: &ObservedContainer,
    ) -> Vec<Step> {
        let because = "an earlier rollout did not end";
        let target = Target::Id(new.id.clone());
        let after = self.ground.before_connect.clone();
        let started = self.start(target, because, after);
        self.pass(replica, Target::Id(previous.id.clone()), started);
        self.way_back(replica, previous)
    }

    /// The gate, the time in which the new container is watched, and what goes afterwards.
    fn pass(&mut self, replica: &Replica<'_>, old: Target, started: StepId) {
        let target = Target::Name(replica.name.clone());
        let mut last = self.gate(target.clone(), started);
        let rollout = &self.service.desired.service.rollout;
        let gate = self.gate_of();
        if !rollout.monitor.is_zero() && gate.until != Until::Completed {
            let step = Step::Monitor { container: target, lasting: rollout.monitor, gate };
            last =
                self.add(step, "the old container is kept until it has proved itself", vec![last]);
        }
        self.set_aside.push((old, last));
    }

    fn retire(&mut self, replica: &Replica<'_>) -> Vec<Step> {
        for container in replica.slot.all() {
            let target = Target::Id(container.id.clone());
            let because = "fewer replicas are wanted";
            let stopped =
                self.add_on_networks(Step::StopContainer(target.clone()), because, Vec::new());
            self.add(Step::RemoveContainer(target), because, vec![stopped]);
        }
        Vec::new()
    }

    /// What was set aside goes when every replica has passed: until then it is the way back.
    fn remove_set_aside(&mut self) {
        let all_passed: Vec<StepId> = self.set_aside.iter().map(|(_, passed)| *passed).collect();
        for (target, _) in std::mem::take(&mut self.set_aside) {
            self.add(Step::RemoveContainer(target), "its successor has passed", all_passed.clone());
        }
    }

    /// From wherever the rollout of this replica failed back to `old`. Each step may find its work done.
    fn way_back(&self, replica: &Replica<'_>, old: &ObservedContainer) -> Vec<Step> {
        let is_job = self.gate_of().until == Until::Completed;
        let serves = old.is_up() || old.name != replica.name;
        let serves = serves && !is_job;
        let policy = self.policy_of(old);
        way_back(&self.service.id, &replica.name, old, policy, serves, self.gate_of())
    }

    fn policy_of(&self, container: &ObservedContainer) -> RestartPolicy {
        let recorded = self.situation.memory.set_aside.get(&container.id).copied();
        recorded.unwrap_or(container.settings.restart)
    }

    fn request(
        &self,
        replica: &Replica<'_>,
        pinned: &Pinned,
        name: ContainerName,
        inherited_volumes: BTreeMap<String, crate::model::VolumeName>,
    ) -> ContainerRequest {
        let wanted = &self.service.desired.service;
        let mut all = wanted.settings.labels.clone();
        all.extend(ownership(self.service.deployment));
        all.extend([
            (labels::COMPOSE_SERVICE.to_owned(), wanted.name.to_string()),
            (labels::COMPOSE_NUMBER.to_owned(), replica.number.to_string()),
            (labels::COMPOSE_ONEOFF.to_owned(), "False".to_owned()),
            (labels::COMPOSE_CONFIG_HASH.to_owned(), pinned.hash.to_string()),
            (labels::SPEC.to_owned(), pinned.hash.to_string()),
        ]);
        ContainerRequest {
            name,
            image: pinned.image.clone(),
            settings: wanted.settings.clone(),
            labels: all,
            own_alias: replica.name.clone(),
            inherited_volumes,
        }
    }

    fn start(&mut self, target: Target, because: &str, mut after: Vec<StepId>) -> StepId {
        after.extend(&self.waits);
        let started = self.add_on_networks(Step::StartContainer(target), because, after);
        self.builder.put_behind(started, self.behind.clone());
        started
    }

    fn gate(&mut self, target: Target, started: StepId) -> StepId {
        let step = Step::AwaitGate { container: target, gate: self.gate_of() };
        let good = self.add(step, "it must prove itself", vec![started]);
        self.builder.reached(&self.service.id, started, good);
        // Replicas go one after the other, so that a bad one stops the rest.
        self.waits.push(good);
        good
    }

    fn gate_of(&self) -> Gate {
        let wanted = &self.service.desired.service;
        let may_complete = match wanted.settings.restart {
            RestartPolicy::Unset | RestartPolicy::No | RestartPolicy::OnFailure(_) => true,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
        };
        let is_job = self.situation.is_job(&self.service.id);
        Gate {
            until: match is_job {
                true => Until::Completed,
                false => Until::Good { stable: wanted.rollout.stable, may_complete },
            },
            deadline: wanted.rollout.deadline,
            fallback: self.situation.rules.deadline,
            restarts: wanted.rollout.restarts,
        }
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

/// The differences in one line.
fn summary(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
