//! What is compared after each step: its result and all that is to be seen.

use std::fmt::Write as _;

use evenkeel::engine::{Engine, EngineError};
use evenkeel::model::VolumeName;
use evenkeel::model::observed::{Health, ObservedContainer, ObservedState};
use evenkeel::model::spec::Attachment;

use super::super::world::LABEL;
use super::lane::Lane;
use super::sequence::CONTAINERS;

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub result: &'static str,
    pub host: String,
}

pub fn kind(result: &Result<(), EngineError>) -> &'static str {
    match result {
        Ok(()) => "done",
        Err(EngineError::Unreachable(_)) => "unreachable",
        Err(EngineError::Version(_)) => "version",
        Err(EngineError::NotFound(_)) => "not found",
        Err(EngineError::Conflict(_)) => "conflict",
        Err(EngineError::PortTaken(_)) => "port taken",
        Err(EngineError::DiskFull(_)) => "disk full",
        Err(EngineError::Refused(_)) => "refused",
        Err(EngineError::CannotStart(_)) => "cannot start",
        Err(EngineError::Other(_)) => "other",
    }
}

pub fn kind_by_hand(done: bool) -> &'static str {
    if done { "done" } else { "not done" }
}

/// All that is to be seen of a sequence's things, without ids, times and addresses.
pub async fn look(lane: &Lane, engine: &dyn Engine) -> String {
    let observed = engine.observe(&[lane.stack()]).await.unwrap();
    let mut text = String::new();
    let mut ids = Vec::new();
    for name in CONTAINERS {
        if let Some(container) = engine.inspect(&lane.container(name)).await.unwrap() {
            describe(&container, &observed, &mut text);
            ids.push((container.id.to_string(), container.name.to_string()));
        }
    }
    describe_lists(lane, &observed, &mut text);
    for (id, name) in ids {
        text = text.replace(&id, &name);
    }
    text.replace(&lane.prefix, "")
}

// Writing to a string cannot fail.
fn describe(container: &ObservedContainer, observed: &ObservedState, text: &mut String) {
    let settings = &container.settings;
    let policy = settings.restart;
    let (state, restarts) = (&container.state, container.restarts);
    let has_health = container.health != Health::None;
    writeln!(text, "{}: {state:?}, restarted {restarts} times", container.name).unwrap();
    writeln!(text, "  restart {policy}, has health {has_health}").unwrap();
    writeln!(text, "  memory {}, ports {:?}", settings.resources.memory, settings.ports).unwrap();
    writeln!(text, "  mounts {:?}", settings.mounts).unwrap();
    let labels: Vec<_> = container.labels.iter().filter(|(name, _)| *name != LABEL).collect();
    writeln!(text, "  labels {labels:?}").unwrap();
    match &settings.network {
        Attachment::Mode(mode) => writeln!(text, "  network of {mode}").unwrap(),
        Attachment::Networks(endpoints) => {
            for endpoint in endpoints {
                writeln!(text, "  asked for {} as {:?}", endpoint.network, endpoint.aliases)
                    .unwrap();
            }
        }
    }
    for (network, place) in &container.attached {
        let known = match &place.id {
            None => "not known yet",
            Some(id) if observed.networks.iter().any(|one| one.id == id.as_str()) => "there",
            Some(_) => "gone",
        };
        let aliases = place.aliases.iter().filter(|alias| *alias != container.id.short());
        let aliases: Vec<&String> = aliases.collect();
        let has_address = place.address.is_some();
        writeln!(text, "  on {network} ({known}) as {aliases:?}, has address {has_address}")
            .unwrap();
    }
}

fn describe_lists(lane: &Lane, observed: &ObservedState, text: &mut String) {
    let is_ours = |name: &str| name.starts_with(&lane.prefix);
    let inspected = observed.containers.iter().map(|one| one.name.as_str());
    let mut inspected: Vec<&str> = inspected.filter(|name| is_ours(name)).collect();
    inspected.sort_unstable();
    writeln!(text, "inspected: {inspected:?}").unwrap();
    let mut foreign: Vec<_> = observed
        .foreign
        .iter()
        .filter(|one| one.names.iter().any(|name| is_ours(name.as_str())))
        .map(|one| (&one.names, &one.networks, &one.mounts, one.running, &one.project))
        .collect();
    foreign.sort();
    writeln!(text, "only listed: {foreign:?}").unwrap();
    let networks = observed.networks.iter().map(|one| one.name.as_str());
    let mut networks: Vec<&str> = networks.filter(|name| is_ours(name)).collect();
    networks.sort_unstable();
    let volumes = observed.volumes.keys().map(VolumeName::as_str);
    let volumes: Vec<&str> = volumes.filter(|name| is_ours(name)).collect();
    writeln!(text, "networks {networks:?}, volumes {volumes:?}").unwrap();
}

/// The lines that only one of them shows.
pub fn tell_difference(fake: &str, engine: &str, told: &mut String) {
    for (who, shown, other) in [("fake  ", fake, engine), ("engine", engine, fake)] {
        for line in shown.lines().filter(|line| other.lines().all(|one| one != *line)) {
            writeln!(told, "{who} {line}").unwrap();
        }
    }
}
