//! What containers alone say of a service in a [`super::StatusReport`].

use super::shared::name_masked;
use super::status::{StatusContainer, StatusService};
use crate::model::{
    ContainerState, Health, ImageRef, Masks, ObservedContainer, ObservedState, ServiceId,
    StackName, labels,
};
use crate::report::state::State;

/// What the containers alone say of a service.
pub(super) fn bare(
    id: &ServiceId,
    containers: &[&ObservedContainer],
    masks: &Masks,
) -> StatusService {
    let generation = |container: &&ObservedContainer| {
        container.label(labels::GENERATION).and_then(|number| number.parse().ok())
    };
    StatusService {
        service: id.service.to_string(),
        state: State::InSync,
        held_by: None,
        since: None,
        until: None,
        image: None,
        digest: None,
        generation: containers.iter().filter_map(generation).max(),
        reason: None,
        hint: None,
        follows: None,
        failing_since: None,
        next_try_at: None,
        containers: containers.iter().map(|found| container(found, &id.stack, masks)).collect(),
        desired: true,
    }
}

/// The containers of a service, by number.
pub(super) fn containers_of<'a>(
    observed: &'a ObservedState,
    id: &'a ServiceId,
) -> Vec<&'a ObservedContainer> {
    let mut containers: Vec<&ObservedContainer> = observed.containers_of(id).collect();
    containers.sort_by_key(|container| (container.number(), container.name.clone()));
    containers
}

/// The digest a container was created with. The reference itself may hold a server value.
pub(super) fn running_digest(containers: &[&ObservedContainer]) -> Option<String> {
    containers.iter().find_map(|container| {
        let image = ImageRef::parse(&container.image).ok()?;
        image.digest().map(ToString::to_string)
    })
}

fn container(found: &ObservedContainer, stack: &StackName, masks: &Masks) -> StatusContainer {
    StatusContainer {
        id: found.id.to_string(),
        name: name_masked(masks, stack, found.name.as_str()),
        state: match found.state {
            ContainerState::Created => "created",
            ContainerState::Running => "running",
            ContainerState::Paused => "paused",
            ContainerState::Restarting { .. } => "restarting",
            ContainerState::Exited { .. } => "exited",
            ContainerState::Dead => "dead",
        },
        health: match found.health {
            Health::None => "none",
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        },
        restarts: found.restarts,
        started_at: found.started_at,
        exit_code: match found.state {
            ContainerState::Exited { code, .. } => Some(code),
            ContainerState::Created
            | ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting { .. }
            | ContainerState::Dead => None,
        },
    }
}
