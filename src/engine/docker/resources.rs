//! Limits and reservations: ours → create and update requests, and back.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerUpdateBody, HostConfig, ResourcesBlkioWeightDevice as WeightDevice, ThrottleDevice,
};

use crate::model::spec::{BlockIo, Resources};

/// The part of a create request that limits what a container may use.
pub(super) fn request(resources: &Resources) -> HostConfig {
    let block_io = &resources.block_io;
    HostConfig {
        memory: set(resources.memory),
        memory_reservation: set(resources.memory_reservation),
        memory_swap: set(resources.memory_swap),
        memory_swappiness: resources.memory_swappiness,
        nano_cpus: set(resources.nano_cpus),
        cpu_shares: set(resources.cpu_shares),
        cpu_period: set(resources.cpu_period),
        cpu_quota: set(resources.cpu_quota),
        cpu_realtime_period: set(resources.cpu_realtime_period),
        cpu_realtime_runtime: set(resources.cpu_realtime_runtime),
        cpuset_cpus: Some(resources.cpuset.clone()).filter(|cpus| !cpus.is_empty()),
        pids_limit: set(resources.pids_limit),
        blkio_weight: weight(block_io),
        blkio_weight_device: weights(&block_io.weight_device),
        blkio_device_read_bps: rates(&block_io.device_read_bps),
        blkio_device_write_bps: rates(&block_io.device_write_bps),
        blkio_device_read_iops: rates(&block_io.device_read_iops),
        blkio_device_write_iops: rates(&block_io.device_write_iops),
        ..HostConfig::default()
    }
}

/// The part of an update request that changes limits; what is 0 stays as it is.
pub(super) fn update(resources: &Resources) -> ContainerUpdateBody {
    ContainerUpdateBody {
        memory: set(resources.memory),
        // Creating makes the swap twice the memory; updating leaves it, and refuses memory above it.
        memory_swap: set(resources.effective_swap()),
        memory_reservation: set(resources.memory_reservation),
        nano_cpus: set(resources.nano_cpus),
        cpu_shares: set(resources.cpu_shares),
        cpu_period: set(resources.cpu_period),
        cpu_quota: set(resources.cpu_quota),
        cpu_realtime_period: set(resources.cpu_realtime_period),
        cpu_realtime_runtime: set(resources.cpu_realtime_runtime),
        cpuset_cpus: Some(resources.cpuset.clone()).filter(|cpus| !cpus.is_empty()),
        pids_limit: set(resources.pids_limit),
        blkio_weight: weight(&resources.block_io),
        ..ContainerUpdateBody::default()
    }
}

fn set(limit: i64) -> Option<i64> {
    (limit != 0).then_some(limit)
}

fn weight(block_io: &BlockIo) -> Option<u16> {
    u16::try_from(block_io.weight).ok().filter(|weight| *weight != 0)
}

fn weights(devices: &BTreeMap<String, i64>) -> Option<Vec<WeightDevice>> {
    let device = |(path, weight): (&String, &i64)| WeightDevice {
        path: Some(path.clone()),
        weight: usize::try_from(*weight).ok(),
    };
    (!devices.is_empty()).then(|| devices.iter().map(device).collect())
}

fn rates(devices: &BTreeMap<String, i64>) -> Option<Vec<ThrottleDevice>> {
    let device = |(path, rate): (&String, &i64)| ThrottleDevice {
        path: Some(path.clone()),
        rate: Some(*rate),
    };
    (!devices.is_empty()).then(|| devices.iter().map(device).collect())
}

/// The limits of an inspected container.
pub(super) fn observe(host: &HostConfig) -> Resources {
    // A negative limit is the engine's "unlimited", as 0 is.
    let limit = |limit: Option<i64>| limit.unwrap_or(0).max(0);
    let memory = limit(host.memory);
    Resources {
        memory,
        memory_reservation: limit(host.memory_reservation),
        memory_swap: swap(host.memory_swap.unwrap_or(0), memory),
        memory_swappiness: host.memory_swappiness.filter(|swappiness| *swappiness >= 0),
        nano_cpus: limit(host.nano_cpus),
        cpu_shares: limit(host.cpu_shares),
        cpu_period: limit(host.cpu_period),
        cpu_quota: host.cpu_quota.unwrap_or(0),
        cpu_realtime_period: limit(host.cpu_realtime_period),
        cpu_realtime_runtime: limit(host.cpu_realtime_runtime),
        cpuset: host.cpuset_cpus.clone().unwrap_or_default(),
        pids_limit: limit(host.pids_limit),
        block_io: block_io(host),
    }
}

/// Without a wish of its own, a container may use as much swap as memory.
fn swap(swap: i64, memory: i64) -> i64 {
    if memory == 0 || swap == memory.saturating_mul(2) { 0 } else { swap }
}

fn block_io(host: &HostConfig) -> BlockIo {
    let rates = |devices: &Option<Vec<ThrottleDevice>>| {
        let device = |device: &ThrottleDevice| Some((device.path.clone()?, device.rate?));
        devices.iter().flatten().filter_map(device).collect()
    };
    let weight = |device: &WeightDevice| {
        Some((device.path.clone()?, i64::try_from(device.weight?).unwrap_or(i64::MAX)))
    };
    BlockIo {
        weight: i64::from(host.blkio_weight.unwrap_or(0)),
        weight_device: host.blkio_weight_device.iter().flatten().filter_map(weight).collect(),
        device_read_bps: rates(&host.blkio_device_read_bps),
        device_write_bps: rates(&host.blkio_device_write_bps),
        device_read_iops: rates(&host.blkio_device_read_iops),
        device_write_iops: rates(&host.blkio_device_write_iops),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlimited_container_shows_no_limits_however_the_engine_writes_it() {
        let host = HostConfig {
            pids_limit: Some(-1),
            memory: Some(0),
            memory_swap: Some(-1),
            memory_swappiness: Some(-1),
            cpuset_cpus: Some(String::new()),
            ..HostConfig::default()
        };
        assert_eq!(observe(&host), Resources::default());
    }

    #[test]
    fn swap_is_a_setting_where_it_is_not_as_much_as_memory() {
        assert_eq!((swap(128, 64), swap(64, 64), swap(-1, 64)), (0, 64, -1));
    }

    #[test]
    fn a_container_may_go_on_to_use_twice_its_new_memory() {
        let resources = Resources { memory: 64, ..Resources::default() };
        assert_eq!(update(&resources).memory_swap, Some(128));
        assert_eq!(request(&resources).memory_swap, None);
        assert_eq!(update(&Resources::default()).memory_swap, None);
    }
}
