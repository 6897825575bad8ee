//! What differs on a container that was made from the right spec, and can be mended in place.

use super::Difference;
use super::compare;
use super::index::Survey;
use super::slots;
use super::step::{Step, Target};
use crate::engine::ContainerUpdate;
use crate::model::observed::{ContainerState, ObservedNetwork};
use crate::model::spec::Endpoint;
use crate::model::{ContainerName, ObservedContainer, Service, labels};

/// What it takes to make a container right again.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    /// What was found.
    pub differences: Vec<Difference>,
    /// What mends it while the container goes on, in order.
    pub mends: Vec<(Step, String)>,
    /// Whether it must be stopped first, to be started again.
    pub stop: bool,
    /// Whether it must be started (after the mends).
    pub start: bool,
    /// Whether only a new container can be right.
    pub beyond_mending: bool,
}

impl Drift {
    /// Whether nothing was found.
    pub fn is_none(&self) -> bool {
        self.differences.is_empty()
    }

    fn mend(&mut self, difference: Difference, step: Step) {
        self.mends.push((step, difference.to_string()));
        self.differences.push(difference);
    }

    fn attach_anew(
        &mut self,
        container: &ObservedContainer,
        endpoint: &Endpoint,
        name: &ContainerName,
    ) {
        let network = endpoint.network.clone();
        let because = format!("the network {network} was removed and made anew");
        let field = format!("networks.{network}");
        let step = Step::DisconnectNetwork { container: Target::Id(container.id.clone()), network };
        self.mends.push((step, because));
        let difference = Difference::shown(field, "dangling", "connected");
        self.mend(difference, connect(container, endpoint, name));
    }
}

/// What a container that ended needs to run again as it is, whatever is wanted now.
pub fn to_run_again(container: &ObservedContainer, situation: &Survey<'_>) -> Drift {
    let mut drift = Drift { start: true, ..Drift::default() };
    for endpoint in container.settings.network.endpoints() {
        let id = container.attached.get(&endpoint.network).and_then(|one| one.id.as_ref());
        let network = situation.network(&endpoint.network);
        // It could not be started in a network that is gone.
        if id.zip(network).is_some_and(|(id, network)| id.as_str() != network.id) {
            drift.attach_anew(container, endpoint, &container.name);
        }
    }
    drift.differences.push(Difference::shown("state", "exited", "running"));
    drift
}

/// Compares what can change on a container after it was made. `name` is the name it should carry.
/// `is_done` says that ending was the right thing to do: a job.
pub fn drift(
    service: &Service,
    name: &ContainerName,
    container: &ObservedContainer,
    situation: &Survey<'_>,
    is_done: bool,
) -> Drift {
    let mut drift = Drift::default();
    check_name(name, container, &mut drift);
    check_restart_policy(service, container, &mut drift);
    check_resources(service, container, &mut drift);
    check_networks(service, name, container, situation, &mut drift);
    check_state(container, is_done, &mut drift);
    drift
}

fn check_name(name: &ContainerName, container: &ObservedContainer, drift: &mut Drift) {
    if container.name == *name || slots::final_name(&container.name) != container.name {
        return;
    }
    let step =
        Step::RenameContainer { container: Target::Id(container.id.clone()), to: name.clone() };
    drift.mend(Difference::shown("name", container.name.as_str(), name.as_str()), step);
}

fn check_restart_policy(service: &Service, container: &ObservedContainer, drift: &mut Drift) {
    let (wanted, has) = (service.settings.restart, container.settings.restart);
    if wanted.same_for_the_engine(has) {
        return;
    }
    let update = ContainerUpdate { restart: Some(wanted), resources: None };
    let step = Step::UpdateContainer { container: Target::Id(container.id.clone()), update };
    let difference = told(service, "restart", has.to_string(), wanted.to_string());
    drift.mend(difference, step);
}

fn check_resources(service: &Service, container: &ObservedContainer, drift: &mut Drift) {
    let (wanted, has) = (&service.settings.resources, &container.settings.resources);
    let mut changed = compare::live_limits(wanted, has);
    if container.label(labels::SPEC).is_some() {
        // It was asked for when the container was made: the kernel cannot do it, and the engine dropped it
        // with no more than a warning.
        changed.retain(|limit| !limit.was_never_there);
    }
    if changed.is_empty() {
        return;
    }
    let differences = changed
        .iter()
        .map(|limit| told(service, limit.field, limit.has.clone(), limit.wanted.clone()));
    drift.differences.extend(differences);
    if changed.iter().any(|limit| limit.is_taken_away) {
        drift.beyond_mending = true;
        return;
    }
    let update = ContainerUpdate { restart: None, resources: Some(wanted.clone()) };
    let step = Step::UpdateContainer { container: Target::Id(container.id.clone()), update };
    let fields: Vec<_> = changed.iter().map(|limit| limit.field).collect();
    drift.mends.push((step, format!("{} drifted", fields.join(", "))));
}

/// A difference of something that is written as `field` or below `deploy`; its values are shown where no
/// value of the server's env files went into either.
fn told(service: &Service, field: &str, from: String, to: String) -> Difference {
    match [field, "deploy"].iter().any(|key| service.sensitive.contains(*key)) {
        true => Difference::hidden(field),
        false => Difference::shown(field, from, to),
    }
}

fn check_networks(
    service: &Service,
    name: &ContainerName,
    container: &ObservedContainer,
    situation: &Survey<'_>,
    drift: &mut Drift,
) {
    let wanted = service.settings.network.endpoints();
    for endpoint in wanted {
        let network = situation.network(&endpoint.network);
        match attachment(container, endpoint, network) {
            Attached::Well => {}
            Attached::Not => drift.mend(
                Difference::shown(
                    format!("networks.{}", endpoint.network),
                    "disconnected",
                    "connected",
                ),
                connect(container, endpoint, name),
            ),
            Attached::ToSomethingGone => drift.attach_anew(container, endpoint, name),
        }
    }
    if wanted.is_empty() {
        return;
    }
    for attached in
        container.attached.keys().filter(|n| wanted.iter().all(|endpoint| endpoint.network != **n))
    {
        let target = Target::Id(container.id.clone());
        drift.mend(
            Difference::shown(format!("networks.{attached}"), "connected", "not in the manifest"),
            Step::DisconnectNetwork { container: target, network: attached.clone() },
        );
    }
}

enum Attached {
    Well,
    Not,
    ToSomethingGone,
}

fn attachment(
    container: &ObservedContainer,
    endpoint: &Endpoint,
    network: Option<&ObservedNetwork>,
) -> Attached {
    let Some(attached) = container.attached.get(&endpoint.network) else { return Attached::Not };
    let same_network = match (&attached.id, network) {
        (Some(id), Some(network)) => id.as_str() == network.id,
        // A container that was never started has no network id yet.
        (None, Some(_)) => true,
        (Some(_) | None, None) => false,
    };
    if !same_network {
        return Attached::ToSomethingGone;
    }
    match endpoint.aliases.is_subset(&attached.aliases) {
        true => Attached::Well,
        false => Attached::ToSomethingGone,
    }
}

fn connect(container: &ObservedContainer, endpoint: &Endpoint, name: &ContainerName) -> Step {
    Step::ConnectNetwork {
        container: Target::Id(container.id.clone()),
        endpoint: endpoint.clone(),
        own_alias: name.clone(),
    }
}

fn check_state(container: &ObservedContainer, is_done: bool, drift: &mut Drift) {
    match &container.state {
        // A container that its restart policy brings back is left to the engine; `status` shows it.
        ContainerState::Running | ContainerState::Restarting { .. } => {}
        ContainerState::Paused => drift.mend(
            Difference::shown("state", "paused", "running"),
            Step::UnpauseContainer(Target::Id(container.id.clone())),
        ),
        ContainerState::Created => {
            drift.differences.push(Difference::shown("state", "created", "running"));
            drift.start = true;
        }
        ContainerState::Exited { .. } if is_done => {}
        ContainerState::Exited { code, oom_killed } => {
            let from = if *oom_killed {
                "killed for want of memory".to_owned()
            } else {
                format!("exited ({code})")
            };
            drift.differences.push(Difference::shown("state", from, "running"));
            drift.start = true;
        }
        ContainerState::Dead => {
            drift.differences.push(Difference::shown("state", "dead", "running"));
            drift.beyond_mending = true;
        }
    }
}
