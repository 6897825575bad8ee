//! `mem_limit`, `mem_reservation`, `cpus`, `pids_limit`, and the same under `deploy.resources`.

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::manifest::units;
use crate::model::Place;

/// A limit as many times as it is written, with where.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Bytes.
    pub memory: Vec<(i64, Place)>,
    /// Bytes.
    pub memory_reservation: Vec<(i64, Place)>,
    /// Billionths of a CPU.
    pub nano_cpus: Vec<(i64, Place)>,
    /// Processes.
    pub pids: Vec<(i64, Place)>,
}

/// `mem_limit`
pub fn mem_limit(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.limits.memory.extend(at.bytes().map(|value| (value, at.place().clone())));
}

/// `mem_reservation`
pub fn mem_reservation(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.limits.memory_reservation.extend(at.bytes().map(|value| (value, at.place().clone())));
}

/// `cpus`
pub fn cpus(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let cpus = at.parse(units::nano_cpus);
    draft.limits.nano_cpus.extend(cpus.map(|value| (value, at.place().clone())));
}

/// `pids_limit`; 0 and -1 are "without limit".
pub fn pids_limit(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let limit = at.integer::<i64>();
    draft.limits.pids.extend(limit.map(|value| (value.max(0), at.place().clone())));
}

/// `deploy.resources`
pub fn resources<'a>(at: &At<'a>, draft: &mut Draft<'a>, scene: &Scene<'_>) {
    at.only(&["limits", "reservations"], &[]);
    if let Some(limits) = at.value("limits") {
        limits.only(&["cpus", "memory", "pids"], &[]);
        read(&limits, "memory", mem_limit, draft, scene);
        read(&limits, "cpus", cpus, draft, scene);
        read(&limits, "pids", pids_limit, draft, scene);
    }
    if let Some(reservations) = at.value("reservations") {
        let later = [("devices", "not supported yet"), ("generic_resources", "it is Swarm's")];
        reservations.only(&["cpus", "memory"], &later);
        read(&reservations, "memory", mem_reservation, draft, scene);
        if let Some(at) = reservations.value("cpus") {
            at.remark(Some(&draft.name), "a reservation of CPUs has no effect outside a Swarm");
        }
    }
}

fn read<'a>(
    at: &At<'a>,
    key: &str,
    reader: super::Reader,
    draft: &mut Draft<'a>,
    scene: &Scene<'_>,
) {
    if let Some(at) = at.value(key) {
        reader(&at, draft, scene);
    }
}

/// Takes each limit over, once both ways of writing it agree.
pub fn settle(draft: &mut Draft<'_>) {
    let written = std::mem::take(&mut draft.limits);
    let resources = &mut draft.settings.resources;
    resources.memory =
        agreed(&draft.at, &written.memory, "mem_limit", "deploy.resources.limits.memory");
    resources.memory_reservation = agreed(
        &draft.at,
        &written.memory_reservation,
        "mem_reservation",
        "deploy.resources.reservations.memory",
    );
    resources.nano_cpus =
        agreed(&draft.at, &written.nano_cpus, "cpus", "deploy.resources.limits.cpus");
    resources.pids_limit =
        agreed(&draft.at, &written.pids, "pids_limit", "deploy.resources.limits.pids");
}

fn agreed(service: &At<'_>, written: &[(i64, Place)], short: &str, long: &str) -> i64 {
    let Some((value, _)) = written.first() else { return 0 };
    if let Some((_, place)) = written.iter().find(|(other, _)| other != value) {
        let message = format!("`{short}` and `{long}` contradict each other");
        service.report(service.trouble("contradiction", message).at(place.clone()));
    }
    *value
}
