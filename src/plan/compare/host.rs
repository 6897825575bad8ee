//! What a container has of its host: namespaces, name servers, devices, rights, the kernel's settings.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::model::ContainerSpec;
use crate::model::spec::{CDI, DeviceRequest, Ulimit};

pub(super) fn compare_host(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    usual: &ContainerSpec,
    found: &mut Found<'_>,
) {
    compare_namespaces(wanted, has, usual, found);
    found.hidden("dns", wanted.dns.servers != has.dns.servers);
    found.hidden("dns_opt", wanted.dns.options != has.dns.options);
    found.hidden("dns_search", wanted.dns.search != has.dns.search);
    compare_devices(wanted, has, found);
    found.hidden("group_add", wanted.group_add != has.group_add);
    found.hidden("security_opt", security(wanted) != security(has));
    compare_kernel(wanted, has, usual, found);
    found.hidden("cgroup_parent", wanted.cgroup_parent != has.cgroup_parent);
    let (runtime, of_has) = (wanted.runtime.as_ref(), has.runtime.as_ref());
    found.usual("runtime", runtime, of_has, usual.runtime.as_ref());
    found.entries("annotations", &wanted.annotations, &has.annotations);
    found.entries("storage_opt", &wanted.storage_opt, &has.storage_opt);
}

fn compare_namespaces(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    usual: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let (wanted, has, usual) = (&wanted.namespaces, &has.namespaces, &usual.namespaces);
    found.usual("cgroup", wanted.cgroup.as_ref(), has.cgroup.as_ref(), usual.cgroup.as_ref());
    found.usual("ipc", wanted.ipc.as_ref(), has.ipc.as_ref(), usual.ipc.as_ref());
    let word = |mode: &Option<String>| mode.clone().unwrap_or_else(|| "private".to_owned());
    found.shown("pid", &word(&has.pid), &word(&wanted.pid));
    found.shown("userns_mode", &word(&has.user), &word(&wanted.user));
    found.shown("uts", &word(&has.uts), &word(&wanted.uts));
}

fn compare_devices(wanted: &ContainerSpec, has: &ContainerSpec, found: &mut Found<'_>) {
    let (wanted, has) = (&wanted.devices, &has.devices);
    let by_cdi =
        |requests: &[DeviceRequest]| -> (BTreeSet<DeviceRequest>, BTreeSet<DeviceRequest>) {
            requests.iter().map(in_one_order).partition(|request| request.driver == CDI)
        };
    let ((wanted_cdi, wanted_others), (has_cdi, has_others)) =
        (by_cdi(&wanted.requests), by_cdi(&has.requests));
    found.hidden("devices", wanted.mapped != has.mapped || wanted_cdi != has_cdi);
    found.hidden("gpus", wanted_others != has_others);
    let rules = |rules: &[String]| rules.iter().cloned().collect::<BTreeSet<_>>();
    found.hidden("device_cgroup_rules", rules(&wanted.cgroup_rules) != rules(&has.cgroup_rules));
}

/// Capabilities in one order, each once, as they mean the same in any.
fn in_one_order(request: &DeviceRequest) -> DeviceRequest {
    let mut request = request.clone();
    for all_of in &mut request.capabilities {
        all_of.sort();
        all_of.dedup();
    }
    request.capabilities.retain(|all_of| !all_of.is_empty());
    request
}

/// The options, without the one that the engine adds by itself to a container that is hardly parted from
/// its host.
fn security(spec: &ContainerSpec) -> BTreeSet<&String> {
    let is_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    let is_open = spec.privileged || is_host(&spec.namespaces.pid) || is_host(&spec.namespaces.ipc);
    spec.security_opt.iter().filter(|option| !is_open || *option != "label=disable").collect()
}

fn compare_kernel(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    usual: &ContainerSpec,
    found: &mut Found<'_>,
) {
    let (wanted, has, usual) = (&wanted.kernel, &has.kernel, &usual.kernel);
    let bytes = |size: Option<i64>| size.map(|size| size.to_string());
    let (size, of_has) = (bytes(wanted.shm_size), bytes(has.shm_size));
    found.usual("shm_size", size.as_ref(), of_has.as_ref(), bytes(usual.shm_size).as_ref());
    found.entries("sysctls", &wanted.sysctls, &has.sysctls);
    compare_ulimits(&wanted.ulimits, &has.ulimits, found);
    found.shown("oom_score_adj", &has.oom_score_adj.to_string(), &wanted.oom_score_adj.to_string());
    // With cgroup v2 it is not to be had, and the engine drops it.
    if has.oom_kill_disable || found.suspects() {
        let word = |value: bool| value.to_string();
        let (has, wanted) = (has.oom_kill_disable, wanted.oom_kill_disable);
        found.shown("oom_kill_disable", &word(has), &word(wanted));
    }
}

fn compare_ulimits(
    wanted: &BTreeMap<String, Ulimit>,
    has: &BTreeMap<String, Ulimit>,
    found: &mut Found<'_>,
) {
    let shown = |limit: Option<&Ulimit>| match limit {
        Some(limit) if limit.soft == limit.hard => limit.soft.to_string(),
        Some(limit) => format!("{}:{}", limit.soft, limit.hard),
        None => "none".to_owned(),
    };
    for name in super::changed_keys(wanted, has) {
        let (from, to) = (shown(has.get(name)), shown(wanted.get(name)));
        found.shown(&format!("ulimits.{name}"), &from, &to);
    }
}
