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
        swap(wanted, has),
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

/// Memory and swap together: twice the memory where nothing else is written.
fn swap(wanted: &Resources, has: &Resources) -> Limit {
    let is_usual = wanted.memory_swap == wanted.memory.saturating_mul(2);
    let as_shown = if is_usual { 0 } else { wanted.memory_swap };
    // A kernel that does not count swap makes the engine set -1, with no more than a warning.
    let is_same = has.memory_swap == -1
        || has.memory_swap == as_shown
        || has.effective_swap() == wanted.effective_swap();
    let shown_has = shown(has.effective_swap());
    Limit {
        field: "memswap_limit",
        wanted: if is_same { shown_has.clone() } else { shown(wanted.effective_swap()) },
        has: shown_has,
        is_taken_away: wanted.effective_swap() == 0,
        was_never_there: has.memory == 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(wanted: &Resources, has: &Resources) -> Vec<&'static str> {
        live_limits(wanted, has).into_iter().map(|limit| limit.field).collect()
    }

    #[test]
    fn swap_differs_from_what_is_there_only_where_it_was_asked_for() {
        let with = |memory_swap| Resources { memory: 64, memory_swap, ..Resources::default() };
        for (wanted, has) in [(0, 0), (128, 0), (96, 96), (0, -1), (96, -1)] {
            assert_eq!(fields(&with(wanted), &with(has)), [""; 0], "{wanted}, {has}");
        }
        for (wanted, has) in [(0, 96), (96, 0), (-1, 96)] {
            assert_eq!(fields(&with(wanted), &with(has)), ["memswap_limit"], "{wanted}, {has}");
        }
        // `docker update --memory` alone leaves the swap as it was.
        let less = Resources { memory: 48, memory_swap: 128, ..Resources::default() };
        assert_eq!(fields(&with(0), &less), ["mem_limit"]);
    }

    #[test]
    fn the_usual_swap_can_be_given_back_in_place() {
        let wanted = Resources { memory: 64, ..Resources::default() };
        let has = Resources { memory_swap: 96, ..wanted.clone() };
        let [limit] = &live_limits(&wanted, &has)[..] else { panic!() };
        assert_eq!((&*limit.has, &*limit.wanted, limit.is_taken_away), ("96", "128", false));
    }

    #[test]
    fn a_weight_that_the_kernel_dropped_is_not_asked_for_again() {
        let mut wanted = Resources::default();
        wanted.block_io.weight = 300;
        assert_eq!(fields(&wanted, &Resources::default()), [""; 0]);
    }
}
