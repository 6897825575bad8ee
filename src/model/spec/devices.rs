//! Devices of the host that a container may use.

use std::collections::BTreeMap;

use serde::Serialize;

/// `HostConfig.Devices`, `DeviceCgroupRules` and `DeviceRequests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Devices {
    /// `Devices`, sorted by the path in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<Device>,
    /// `DeviceCgroupRules`: `c 1:3 mr`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cgroup_rules: Vec<String>,
    /// `DeviceRequests`: what a driver picks, such as GPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<DeviceRequest>,
}

/// A device of the host, by its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Device {
    /// `PathInContainer`.
    pub target: String,
    /// `PathOnHost`.
    pub source: String,
    /// `CgroupPermissions`: some of `r`, `w` and `m`.
    pub permissions: String,
}

/// Devices that a driver picks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DeviceRequest {
    /// The driver, such as `nvidia` or `cdi`; empty is whichever fits.
    pub driver: String,
    /// How many; -1 is all, 0 is those of `device_ids`.
    pub count: i64,
    /// Devices by their names at the driver.
    pub device_ids: Vec<String>,
    /// What they must be able to do, in any one of these combinations.
    pub capabilities: Vec<Vec<String>>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// The driver of devices that are named as the Container Device Interface does: `vendor.com/gpu=all`.
pub const CDI: &str = "cdi";

impl Devices {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
