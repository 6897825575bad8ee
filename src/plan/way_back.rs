//! The steps that lead back from a switch at any stage (`docs/adr/0002-going-back-is-planned-with-the-change.md`).

use super::gate::Gate;
use super::peers;
use super::slots::next_name;
use super::step::{Step, Target};
use crate::model::spec::RestartPolicy;
use crate::model::{ContainerId, ContainerName, ObservedContainer, ServiceId};

/// A way back in its two halves: of several that belong together, all first halves come before any second.
#[derive(Clone, Debug, Default)]
pub struct WayBack {
    /// What was new goes.
    pub undo: Vec<Step>,
    /// What was there serves again.
    pub redo: Vec<Step>,
    /// In the place of `undo` where another service is to blame: what stays for somebody to look at otherwise
    /// goes too.
    pub along: Option<Vec<Step>>,
}

/// A part of the way back. Where one fails, no further one of its replica is walked.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The service that it leads back.
    pub service: ServiceId,
    /// The replica that it leads back.
    pub replica: u32,
    /// Its steps, in order; each may find its work already done.
    pub steps: Vec<Step>,
}

impl Leg {
    /// The way back of one replica.
    pub fn of(service: &ServiceId, replica: u32, way: WayBack) -> Self {
        Self { service: service.clone(), replica, steps: way.into_steps() }
    }

    /// Whether something is started on it.
    pub fn leads_to_a_start(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::StartContainer(_)))
    }
}

impl WayBack {
    /// One half after the other.
    pub fn into_steps(self) -> Vec<Step> {
        [self.undo, self.redo].concat()
    }
}

/// How the container that ran before comes to serve again.
#[derive(Clone, Debug)]
pub struct Back {
    /// The restart policy it had.
    pub policy: RestartPolicy,
    /// Whether it is to serve.
    pub serves: bool,
    /// Whether it can run beside the new one, which then serves until it is good.
    pub beside: bool,
    /// What it has to show once it was started.
    pub gate: Gate,
}

/// The steps from a switch at any stage back to `old` under the name `name`. The rename comes last: until
/// then the names say that the way back has not ended.
pub fn way_back(
    service: &ServiceId,
    name: &ContainerName,
    old: &ObservedContainer,
    back: Back,
) -> WayBack {
    let new = own(service, name, Some(old.id.clone()));
    let old_id = Target::Id(old.id.clone());
    let gone = [Step::StopContainer(new.clone()), Step::RemoveContainer(new)];
    let next = Step::RemoveContainer(own(service, &next_name(name), None));
    let restored = Step::Restore { container: old.id.clone(), policy: back.policy };
    let renamed = Step::RenameContainer { container: old_id.clone(), to: name.clone() };
    let good = Step::AwaitGate { container: old_id.clone(), gate: back.gate };
    let started = let_go(old).into_iter().chain([Step::StartContainer(old_id)]);
    if back.serves && back.beside {
        let undo = vec![next, restored];
        let redo = started.chain([good]).chain(gone).chain([renamed]).collect();
        return WayBack { undo, redo, along: None };
    }
    let undo = gone.into_iter().chain([next, restored]).collect();
    let mut redo = Vec::new();
    if back.serves {
        redo.extend(started);
    }
    redo.push(renamed);
    if back.serves {
        redo.push(good);
    }
    WayBack { undo, redo, along: None }
}

/// Before a container starts that is in another one's network: it may still run in what is left of the
/// network of an earlier run.
pub fn let_go(container: &ObservedContainer) -> Option<Step> {
    let peers = peers::joined(&container.settings).into_iter().map(ContainerId::new);
    let peers: Vec<ContainerId> = peers.collect();
    (!peers.is_empty()).then(|| Step::LetGo { container: container.id.clone(), peers })
}

/// Whatever of `service` carries `name`: somebody else may have taken it meanwhile.
pub fn own(service: &ServiceId, name: &ContainerName, spared: Option<ContainerId>) -> Target {
    Target::Own { name: name.clone(), service: service.clone(), spared }
}
