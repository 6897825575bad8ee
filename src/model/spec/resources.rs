//! What a container may use, and what it keeps.

use std::collections::BTreeMap;

use serde::Serialize;

/// Limits and reservations (`HostConfig`). 0 and empty are "none".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Resources {
    /// `Memory`, bytes.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub memory: i64,
    /// `MemoryReservation`, bytes.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub memory_reservation: i64,
    /// `MemorySwap`, memory and swap together, bytes; -1 is without limit, 0 is twice the memory.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub memory_swap: i64,
    /// `MemorySwappiness`, from 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<i64>,
    /// `NanoCpus`, billionths of a CPU.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub nano_cpus: i64,
    /// `CpuShares`, relative to 1024.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cpu_shares: i64,
    /// `CpuPeriod`, microseconds.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cpu_period: i64,
    /// `CpuQuota`, microseconds in each period; -1 is without limit.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cpu_quota: i64,
    /// `CpuRealtimePeriod`, microseconds.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cpu_realtime_period: i64,
    /// `CpuRealtimeRuntime`, microseconds.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cpu_realtime_runtime: i64,
    /// `CpusetCpus`: `0-2,4`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpuset: String,
    /// `PidsLimit`, processes.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub pids_limit: i64,
    /// `Blkio…`.
    #[serde(skip_serializing_if = "BlockIo::is_default")]
    pub block_io: BlockIo,
}

/// Limits on block devices (`HostConfig.Blkio…`), by the device's path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct BlockIo {
    /// `BlkioWeight`, from 10 to 1000.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub weight: i64,
    /// `BlkioWeightDevice`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weight_device: BTreeMap<String, i64>,
    /// `BlkioDeviceReadBps`, bytes per second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub device_read_bps: BTreeMap<String, i64>,
    /// `BlkioDeviceWriteBps`, bytes per second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub device_write_bps: BTreeMap<String, i64>,
    /// `BlkioDeviceReadIOps`, operations per second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub device_read_iops: BTreeMap<String, i64>,
    /// `BlkioDeviceWriteIOps`, operations per second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub device_write_iops: BTreeMap<String, i64>,
}

impl Resources {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What the engine makes of [`Resources::memory_swap`]: twice the memory where nothing is written.
    pub fn effective_swap(&self) -> i64 {
        match self.memory_swap {
            0 => self.memory.saturating_mul(2),
            swap => swap,
        }
    }
}

impl BlockIo {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
