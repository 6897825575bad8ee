//! What befalls containers, as the engine tells it while it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::Host;
use crate::engine::{Incident, Mishap};
use crate::model::{ContainerId, ContainerState, Health, StackName, labels};

/// How often it is looked what has changed.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// How the containers of Compose projects are.
pub(super) type Faces = BTreeMap<ContainerId, Face>;

/// How a container is, as far as it can go wrong.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Face {
    stack: StackName,
    state: ContainerState,
    is_unhealthy: bool,
    started_at: Option<Duration>,
}

impl Host {
    pub(super) fn faces(&self) -> Faces {
        let faces = self.containers.values().filter_map(|container| {
            let stack = container.labels.get(labels::COMPOSE_PROJECT)?;
            let face = Face {
                stack: StackName::new(stack),
                state: container.life.state(),
                is_unhealthy: container.health(self.now()) == Health::Unhealthy,
                started_at: container.life.started_at,
            };
            Some((container.id.clone(), face))
        });
        faces.collect()
    }
}

/// What has befallen the containers between two looks.
pub(super) fn between(before: &Faces, after: &Faces) -> Vec<Incident> {
    let incidents = before.iter().flat_map(|(id, was)| {
        let tell = |mishap| Incident { container: id.clone(), stack: was.stack.clone(), mishap };
        mishaps(was, after.get(id)).into_iter().map(tell).collect::<Vec<_>>()
    });
    incidents.collect()
}

fn mishaps(was: &Face, is: Option<&Face>) -> Vec<Mishap> {
    let ran = |face: &Face| matches!(face.state, ContainerState::Running | ContainerState::Paused);
    let Some(is) = is else {
        let died = ran(was).then_some(Mishap::Died);
        return died.into_iter().chain([Mishap::Removed]).collect();
    };
    let has_died = ran(was) && (!ran(is) || is.started_at != was.started_at);
    let is_paused = was.state != ContainerState::Paused && is.state == ContainerState::Paused;
    let is_unhealthy = is.state == ContainerState::Running && is.is_unhealthy && !was.is_unhealthy;
    [(has_died, Mishap::Died), (is_paused, Mishap::Paused), (is_unhealthy, Mishap::Unhealthy)]
        .into_iter()
        .filter_map(|(is_so, mishap)| is_so.then_some(mishap))
        .collect()
}
