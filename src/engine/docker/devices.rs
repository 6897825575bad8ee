//! Devices of the host: ours → create request, and back.

use bollard::models::{DeviceMapping, DeviceRequest as EngineRequest, HostConfig};

use crate::model::spec::{Device, DeviceRequest, Devices};

/// Adds `devices` to a create request.
pub(super) fn request(devices: &Devices, host: &mut HostConfig) {
    let mapped = devices.mapped.iter().map(|device| DeviceMapping {
        path_on_host: Some(device.source.clone()),
        path_in_container: Some(device.target.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    });
    let requests = devices.requests.iter().map(|request| EngineRequest {
        driver: Some(request.driver.clone()),
        count: Some(request.count),
        device_ids: Some(request.device_ids.clone()),
        capabilities: Some(request.capabilities.clone()),
        options: Some(request.options.clone().into_iter().collect()),
    });
    host.devices = Some(mapped.collect());
    host.device_cgroup_rules = Some(devices.cgroup_rules.clone());
    host.device_requests = Some(requests.collect());
}

/// The devices of an inspected container.
pub(super) fn observe(host: &HostConfig) -> Devices {
    let mapped = host.devices.iter().flatten().map(|device| Device {
        target: device.path_in_container.clone().unwrap_or_default(),
        source: device.path_on_host.clone().unwrap_or_default(),
        permissions: device.cgroup_permissions.clone().unwrap_or_default(),
    });
    let requests = host.device_requests.iter().flatten().map(|request| DeviceRequest {
        driver: request.driver.clone().unwrap_or_default(),
        count: request.count.unwrap_or(0),
        device_ids: request.device_ids.clone().unwrap_or_default(),
        capabilities: request.capabilities.clone().unwrap_or_default(),
        options: request.options.clone().unwrap_or_default().into_iter().collect(),
    });
    let mut devices = Devices {
        mapped: mapped.collect(),
        cgroup_rules: host.device_cgroup_rules.clone().unwrap_or_default(),
        requests: requests.collect(),
    };
    devices.mapped.sort();
    devices
}
