//! An inspected container → [`ObservedContainer`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum as Status,
    EndpointSettings, HealthStatusEnum,
};
use jiff::Timestamp;

use super::networks::{self, OwnNames};
use super::{mounts, settings};
use crate::model::observed::{ContainerState, Health, ObservedContainer};
use crate::model::{ContainerId, ContainerName, ImageId};

/// What an inspected container is, does and was asked for.
///
/// What the engine makes up for every container (host name, short ids) is taken out again; what it takes from
/// its own configuration stays ([`crate::model::observed::EngineDefaults`]).
pub(super) fn observed_container(answer: ContainerInspectResponse) -> ObservedContainer {
    let id = ContainerId::new(answer.id.unwrap_or_default());
    let name = answer.name.unwrap_or_default().trim_start_matches('/').to_owned();
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let state = answer.state.unwrap_or_default();
    let networks: BTreeMap<String, EndpointSettings> = answer
        .network_settings
        .and_then(|settings| settings.networks)
        .into_iter()
        .flatten()
        .collect();
    let hostname = config.hostname.clone().unwrap_or_default();
    let mode = host.network_mode.as_deref().unwrap_or_default();
    let own = OwnNames { name: &name, short_id: id.short(), hostname: &hostname };
    let declared = config.volumes.as_deref().unwrap_or_default();
    let mounted = mounts::observe(&host, declared, answer.mounts.as_deref().unwrap_or_default());

    let mut spec = settings::of_config(&config);
    settings::add_host_config(&mut spec, &host);
    spec.hostname = own_hostname(&hostname, &id);
    spec.network = networks::attachment(mode, &networks, &own);
    spec.mounts = mounted.mounts;
    spec.tmpfs = mounted.tmpfs;

    ObservedContainer {
        name: ContainerName::new(&name),
        image: config.image.unwrap_or_default(),
        image_id: ImageId::new(answer.image.unwrap_or_default()),
        labels: config.labels.into_iter().flatten().collect(),
        created_at: answer.created.as_deref().and_then(timestamp),
        health: health(&state),
        restarts: answer.restart_count.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        started_at: state.started_at.as_deref().and_then(timestamp),
        state: container_state(&state),
        settings: Arc::new(spec),
        attached: networks::attached(&networks),
        anonymous_volumes: mounted.anonymous,
        id,
    }
}

/// The host name that was asked for: without one the engine takes the short id.
fn own_hostname(hostname: &str, id: &ContainerId) -> Option<String> {
    (!hostname.is_empty() && hostname != id.short()).then(|| hostname.to_owned())
}

/// The year 1 is the engine's "never".
fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

fn container_state(state: &EngineState) -> ContainerState {
    let (code, oom_killed) = (state.exit_code.unwrap_or(0), state.oom_killed.unwrap_or(false));
    match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING | Status::STOPPING) => ContainerState::Running,
        Some(Status::PAUSED) => ContainerState::Paused,
        Some(Status::RESTARTING) => ContainerState::Restarting { code, oom_killed },
        Some(Status::EXITED) => ContainerState::Exited { code, oom_killed },
        Some(Status::REMOVING | Status::DEAD) => ContainerState::Dead,
        // A word that this program does not know yet: the older flags beside it tell enough.
        Some(Status::EMPTY) | None => {
            let is = |flag: Option<bool>| flag.unwrap_or(false);
            if is(state.restarting) {
                ContainerState::Restarting { code, oom_killed }
            } else if is(state.paused) {
                ContainerState::Paused
            } else if is(state.running) {
                ContainerState::Running
            } else {
                ContainerState::Dead
            }
        }
    }
}

fn health(state: &EngineState) -> Health {
    match state.health.as_ref().and_then(|health| health.status) {
        None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) => Health::None,
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_that_the_engine_made_up_is_no_setting() {
        let id = ContainerId::new("0123456789abcdef");
        assert_eq!(own_hostname("0123456789ab", &id), None);
        assert_eq!(own_hostname("", &id), None);
        assert_eq!(own_hostname("web", &id), Some("web".to_owned()));
    }

    #[test]
    fn the_year_one_is_never() {
        assert_eq!(timestamp("0001-01-01T00:00:00Z"), None);
        assert!(timestamp("2026-11-21T02:49:17.118705890Z").is_some());
    }

    #[test]
    fn an_unknown_state_is_told_by_the_flags() {
        let state = EngineState { running: Some(true), ..EngineState::default() };
        assert_eq!(container_state(&state), ContainerState::Running);
        assert_eq!(container_state(&EngineState::default()), ContainerState::Dead);
    }
}
