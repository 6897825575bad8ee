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
}

impl WayBack {
    /// One half after the other.
    pub fn into_steps(self) -> Vec<Step> {
        [self.undo, self.redo].concat()
    }
}

/// The steps from a switch at any stage back to `old` under the name `name`. The rename comes last: until
/// then the names say that the way back has not ended.
pub fn way_back(
    service: &ServiceId,
    name: &ContainerName,
    old: &ObservedContainer,
    policy: RestartPolicy,
    serves: bool,
    gate: Gate,
) -> WayBack {
    let new = own(service, name, Some(old.id.clone()));
    let old_id = Target::Id(old.id.clone());
    let undo = vec![
        Step::StopContainer(new.clone()),
        Step::RemoveContainer(new),
        Step::RemoveContainer(own(service, &next_name(name), None)),
        Step::Restore { container: old.id.clone(), policy },
    ];
    let mut redo = Vec::new();
    if serves {
        redo.extend(let_go(old));
        redo.push(Step::StartContainer(old_id.clone()));
    }
    redo.push(Step::RenameContainer { container: old_id.clone(), to: name.clone() });
    if serves {
        redo.push(Step::AwaitGate { container: old_id, gate });
    }
    WayBack { undo, redo }
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
