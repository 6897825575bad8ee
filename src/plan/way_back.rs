//! The steps that lead back from a switch at any stage (`docs/adr/0002-going-back-is-planned-with-the-change.md`).

use super::gate::Gate;
use super::slots::next_name;
use super::step::{Step, Target};
use crate::model::spec::RestartPolicy;
use crate::model::{ContainerId, ContainerName, ObservedContainer, ServiceId};

/// The steps from a switch at any stage back to `old` under the name `name`. The rename comes last: until
/// then the names say that the way back has not ended.
pub fn way_back(
    service: &ServiceId,
    name: &ContainerName,
    old: &ObservedContainer,
    policy: RestartPolicy,
    serves: bool,
    gate: Gate,
) -> Vec<Step> {
    let new = own(service, name, Some(old.id.clone()));
    let old_id = Target::Id(old.id.clone());
    let mut steps = vec![
        Step::StopContainer(new.clone()),
        Step::RemoveContainer(new),
        Step::RemoveContainer(own(service, &next_name(name), None)),
        Step::Restore { container: old.id.clone(), policy },
    ];
    if serves {
        steps.push(Step::StartContainer(old_id.clone()));
    }
    steps.push(Step::RenameContainer { container: old_id.clone(), to: name.clone() });
    if serves {
        steps.push(Step::AwaitGate { container: old_id, gate });
    }
    steps
}

/// Whatever of `service` carries `name`: somebody else may have taken it meanwhile.
pub fn own(service: &ServiceId, name: &ContainerName, spared: Option<ContainerId>) -> Target {
    Target::Own { name: name.clone(), service: service.clone(), spared }
}
