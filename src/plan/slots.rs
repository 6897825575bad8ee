//! The replicas of a service as slots: who serves, who is set aside, who was made and never started.
//!
//! While a rollout is under way a container carries a suffix; the names alone tell how far it came, so
//! that any pass can finish it or take it back.

use crate::model::labels;
use crate::model::{ContainerName, ObservedContainer};

/// The suffix of a container that is to take over and was never started.
const NEXT: &str = ".next";
/// The suffix of a container that is set aside until its successor has passed.
const PREVIOUS: &str = ".previous";

/// The containers of one replica.
#[derive(Clone, Debug, Default)]
pub struct Slot<'a> {
    /// The one that serves, or should.
    pub current: Option<&'a ObservedContainer>,
    /// The one that is to take over.
    pub next: Option<&'a ObservedContainer>,
    /// The one that was set aside.
    pub previous: Option<&'a ObservedContainer>,
    /// Further ones of ours that nobody needs.
    pub surplus: Vec<&'a ObservedContainer>,
}

/// The name of the container that is to take over `name`.
pub fn next_name(name: &ContainerName) -> ContainerName {
    ContainerName::new(format!("{name}{NEXT}"))
}

/// The name under which the container called `name` is set aside.
pub fn previous_name(name: &ContainerName) -> ContainerName {
    ContainerName::new(format!("{name}{PREVIOUS}"))
}

/// The name without the suffix of a rollout.
pub fn final_name(name: &ContainerName) -> ContainerName {
    let text = name.as_str();
    ContainerName::new(text.strip_suffix(NEXT).or(text.strip_suffix(PREVIOUS)).unwrap_or(text))
}

fn is_one_off(container: &ObservedContainer) -> bool {
    container.label(labels::COMPOSE_ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl<'a> Slot<'a> {
    /// Sorts the containers of one replica. Containers that `docker compose run` made are foreign.
    pub fn of(mut containers: Vec<&'a ObservedContainer>) -> Self {
        let mut slot = Self::default();
        // The one that was made first keeps the place, so that the choice does not depend on the
        // engine's order.
        containers.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        for container in containers.into_iter().filter(|container| !is_one_off(container)) {
            if container.name.as_str().ends_with(NEXT) {
                slot.take(container, |slot| &mut slot.next);
            } else if container.name.as_str().ends_with(PREVIOUS) {
                slot.take(container, |slot| &mut slot.previous);
            } else {
                slot.take(container, |slot| &mut slot.current);
            }
        }
        slot
    }

    fn take(
        &mut self,
        container: &'a ObservedContainer,
        place: impl Fn(&mut Self) -> &mut Option<&'a ObservedContainer>,
    ) {
        let held = place(self);
        match held {
            None => *held = Some(container),
            Some(_) => self.surplus.push(container),
        }
    }

    /// All containers of this slot.
    pub fn all(&self) -> impl Iterator<Item = &'a ObservedContainer> {
        self.current
            .into_iter()
            .chain(self.next)
            .chain(self.previous)
            .chain(self.surplus.iter().copied())
    }
}
