//! `mem_…`, `memswap_limit`, `cpu…`, `pids_limit`, and the same under `deploy.resources`.

use super::Draft;
use super::devices;
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

/// `memswap_limit`: memory and swap together; -1 is "without limit".
pub fn memswap_limit(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let limit = if at.text() == Some("-1") { Some(-1) } else { at.bytes() };
    draft.settings.resources.memory_swap = limit.unwrap_or_default();
}

/// `mem_swappiness`
pub fn mem_swappiness(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.resources.memory_swappiness = at.between(0, 100);
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

/// `cpu_shares`
pub fn cpu_shares(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.resources.cpu_shares = at.between(0, i64::MAX).unwrap_or_default();
}

/// `cpu_period`, in microseconds; the kernel's bounds.
pub fn cpu_period(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.resources.cpu_period = at.zero_or_between(1_000, 1_000_000).unwrap_or_default();
}

/// `cpu_quota`, in microseconds of each period; -1 is "without limit".
pub fn cpu_quota(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let quota = match at.text() {
        Some("-1") => Some(-1),
        _ => at.zero_or_between(1_000, i64::MAX),
    };
    draft.settings.resources.cpu_quota = quota.unwrap_or_default();
}

/// `cpu_rt_period`
pub fn cpu_rt_period(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.resources.cpu_realtime_period = microseconds(at);
}

/// `cpu_rt_runtime`
pub fn cpu_rt_runtime(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.resources.cpu_realtime_runtime = microseconds(at);
}

/// A number of microseconds, or a duration.
pub fn microseconds(at: &At<'_>) -> i64 {
    let read = |text: &str| match units::integer(text) {
        Ok(number) if number >= 0 => Ok(number),
        _ => {
            let time = units::duration(text)?;
            i64::try_from(time.as_micros()).map_err(|_| "the duration is too long".to_owned())
        }
    };
    at.parse(read).unwrap_or_default()
}

/// `cpuset`: `0-2,4`.
pub fn cpuset(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(text) = at.text() else { return };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_range = |part: &str| match part.split_once('-') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(part),
    };
    match text.is_empty() || text.split(',').all(is_range) {
        true => text.clone_into(&mut draft.settings.resources.cpuset),
        false => at.wrong("names no CPUs, such as `0-2,4`"),
    }
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
        reservations.only(&["cpus", "memory", "devices", "generic_resources"], &[]);
        read(&reservations, "memory", mem_reservation, draft, scene);
        read(&reservations, "devices", devices::reserved, draft, scene);
        for key in ["cpus", "generic_resources"] {
            if let Some(at) = reservations.value(key) {
                let text = format!("a reservation of `{key}` has no effect outside a Swarm");
                at.remark(Some(&draft.name), text);
            }
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

/// Takes each limit over, once both ways of writing it agree, and looks whether they fit together.
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
    check_swap(draft);
    check_quota(draft);
}

fn agreed(service: &At<'_>, written: &[(i64, Place)], short: &str, long: &str) -> i64 {
    let Some((value, _)) = written.first() else { return 0 };
    if let Some((_, place)) = written.iter().find(|(other, _)| other != value) {
        let message = format!("`{short}` and `{long}` contradict each other");
        service.report(service.trouble("contradiction", message).at(place.clone()));
    }
    *value
}

/// The engine's own rules (`POST /containers/create`), told before anything is touched.
fn check_swap(draft: &Draft<'_>) {
    let resources = &draft.settings.resources;
    let (memory, swap) = (resources.memory, resources.memory_swap);
    let Some(at) = draft.at.value("memswap_limit").filter(|_| swap != 0) else { return };
    if memory == 0 && swap > 0 {
        let problem = at.trouble("missing-key", "`memswap_limit` needs a `mem_limit`");
        at.report(problem.hint("it is the limit of memory and swap together"));
    } else if swap > 0 && swap < memory {
        let problem = at.trouble("contradiction", "`memswap_limit` is less than `mem_limit`");
        at.report(problem.hint("it is the limit of memory and swap together"));
    }
}

fn check_quota(draft: &Draft<'_>) {
    let resources = &draft.settings.resources;
    let keys = [("cpu_period", resources.cpu_period), ("cpu_quota", resources.cpu_quota)];
    for (key, value) in keys {
        if value != 0
            && resources.nano_cpus != 0
            && let Some(at) = draft.at.value(key)
        {
            let message = format!("`cpus` and `{key}` exclude each other");
            at.problem("contradiction", message);
        }
    }
}
