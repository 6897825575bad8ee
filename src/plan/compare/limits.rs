//! What a container may use: memory, processors, processes, block devices.

use std::collections::BTreeMap;

use super::{Depth, Found};
use crate::model::ContainerSpec;
use crate::model::spec::Resources;

/// A limit that can be changed on a container that exists.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// The manifest's key.
    pub field: &'static str,
    /// What is wanted; `none` where it is without limit.
    pub wanted: String,
    /// What is there.
    pub has: String,
    /// Whether nothing is wanted: the engine cannot take a limit away (`POST /containers/{id}/update`).
    pub is_taken_away: bool,
    /// Whether nothing is there, though the engine cannot take it away.
    pub was_never_there: bool,
}

/// The limits that differ of those that can be changed in place.
pub fn live_limits(wanted: &Resources, has: &Resources) -> Vec<Limit> {
    let number = |field, wanted: i64, has: i64| Limit {
        field,
        wanted: shown(wanted),
        has: shown(has),
        is_taken_away: wanted == 0,
        was_never_there: has == 0 && field != "pids_limit",
    };
    let cpuset = Limit {
        field: "cpuset",
        wanted: or_none(&wanted.cpuset),
        has: or_none(&has.cpuset),
        is_taken_away: wanted.cpuset.is_empty(),
        was_never_there: has.cpuset.is_empty(),
    };
    // A kernel without it makes the engine drop the weight, with no more than a warning.
    let weight = if has.block_io.weight == 0 { 0 } else { wanted.block_io.weight };
    let limits = [
        number("mem_limit", wanted.memory, has.memory),
        number("mem_reservation", wanted.memory_reservation, has.memory_reservation),
        number("memswap_limit", wanted_swap(wanted, has), has.memory_swap),
        number("cpus", wanted.nano_cpus, has.nano_cpus),
        number("cpu_shares", wanted.cpu_shares, has.cpu_shares),
        number("cpu_period", wanted.cpu_period, has.cpu_period),
        number("cpu_quota", wanted.cpu_quota.max(0), has.cpu_quota.max(0)),
        number("cpu_rt_period", wanted.cpu_realtime_period, has.cpu_realtime_period),
        number("cpu_rt_runtime", wanted.cpu_realtime_runtime, has.cpu_realtime_runtime),
        cpuset,
        number("pids_limit", wanted.pids_limit.max(0), has.pids_limit.max(0)),
        number("blkio_config", weight, has.block_io.weight),
    ];
    limits.into_iter().filter(|limit| limit.wanted != limit.has).collect()
}

/// What is wanted of swap, written as it is on what is there: twice the memory is no limit of its own. A
/// kernel that does not count swap makes the engine set -1, with no more than a warning.
fn wanted_swap(wanted: &Resources, has: &Resources) -> i64 {
    let is_usual = wanted.memory_swap == wanted.memory.saturating_mul(2);
    match (has.memory_swap, is_usual) {
        (-1, _) => -1,
        (_, true) => 0,
        (_, false) => wanted.memory_swap,
    }
}

fn shown(value: i64) -> String {
    if value == 0 { "none".to_owned() } else { value.to_string() }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

pub(super) fn compare_limits(wanted: &ContainerSpec, has: &ContainerSpec, found: &mut Found<'_>) {
    compare_fixed(&wanted.resources, &has.resources, found);
    if found.depth < Depth::Live {
        return;
    }
    for limit in live_limits(&wanted.resources, &has.resources) {
        found.limit(limit.field, &limit.has, &limit.wanted);
    }
    if !wanted.restart.same_for_the_engine(has.restart) {
        found.limit("restart", &has.restart.to_string(), &wanted.restart.to_string());
    }
}

/// Those that only a new container can have.
fn compare_fixed(wanted: &Resources, has: &Resources, found: &mut Found<'_>) {
    let number = |value: Option<i64>| value.map_or("none".to_owned(), |value| value.to_string());
    // With cgroup v2 there is none, and the engine drops it.
    if has.memory_swappiness.is_some() || found.suspects() {
        let (has, wanted) = (has.memory_swappiness, wanted.memory_swappiness);
        found.shown("mem_swappiness", &number(has), &number(wanted));
    }
    let suspects = found.suspects();
    let is_unlimited = has.memory_swap == -1 && wanted.memory_swap != -1;
    found.hidden("memswap_limit", suspects && is_unlimited);
    let differ = |wanted: &BTreeMap<String, i64>, has: &BTreeMap<String, i64>| {
        // What the kernel cannot do is dropped too.
        wanted != has && (suspects || !has.is_empty())
    };
    let (wanted, has) = (&wanted.block_io, &has.block_io);
    let differs = differ(&wanted.weight_device, &has.weight_device)
        || differ(&wanted.device_read_bps, &has.device_read_bps)
        || differ(&wanted.device_write_bps, &has.device_write_bps)
        || differ(&wanted.device_read_iops, &has.device_read_iops)
        || differ(&wanted.device_write_iops, &has.device_write_iops)
        || (suspects && wanted.weight != has.weight);
    found.hidden("blkio_config", differs);
}
