//! What a container may do: capabilities, devices, confinement, what the kernel is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Judge, see};
use crate::model::ServiceName;
use crate::model::fingerprint::hex;
use crate::model::spec::{CDI, Device, DeviceRequest, Devices, Hook, Hooks, Kernel};
use crate::policy::matching::Value;
use crate::policy::rule::Rule;
use crate::policy::seams::Spot;

/// What Docker gives every container (Docker Engine, "Runtime privilege and Linux capabilities").
const USUAL_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Devices that every container has anyway.
const USUAL_DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The engine's own runtime, under its names.
const USUAL_RUNTIMES: [&str; 2] = ["runc", "io.containerd.runc.v2"];

/// Annotations that only tell about an image; no runtime acts on them (OCI Image Specification, annotations).
const USUAL_ANNOTATIONS: &str = "org.opencontainers.image.";

pub fn privileged(name: &ServiceName, privileged: bool, hooks: &Hooks, judge: &mut Judge<'_>) {
    let mut find = |key: Spot, what: &str| {
        judge.find(Some(name), Rule::Privileged, &Value::Nothing, &key, |_| what.to_owned());
    };
    if privileged {
        find(Spot::Key(&["privileged"]), "asks to be privileged");
    }
    let Hooks { post_start, pre_stop } = hooks;
    let is_privileged = |hook: &Hook| hook.privileged;
    for (key, hooks) in [("post_start", post_start), ("pre_stop", pre_stop)] {
        if hooks.iter().any(is_privileged) {
            let spot = Spot::Entry(key, "privileged: true".to_owned());
            find(spot, "asks to run a hook that is privileged");
        }
    }
}

pub fn capabilities(name: &ServiceName, added: &BTreeSet<String>, judge: &mut Judge<'_>) {
    for capability in added.iter().filter(|it| !USUAL_CAPABILITIES.contains(&it.as_str())) {
        let spot = Spot::Entry("cap_add", capability.clone());
        judge.word(name, Rule::CapAdd, capability, &spot, |it| {
            format!("asks for the capability {it}")
        });
    }
}

pub fn security(name: &ServiceName, options: &BTreeSet<String>, judge: &mut Judge<'_>) {
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value = match (key, value) {
            ("no-new-privileges", _)
            | ("seccomp", "builtin")
            | ("apparmor", "docker-default")
            | ("writable-cgroups", "false") => continue,
            // A profile is as long as a file; so it goes by its hash.
            ("seccomp", profile) if profile.starts_with('{') => {
                format!("seccomp=sha256:{}", hex(&Sha256::digest(profile)))
            }
            _ => option.clone(),
        };
        let named = if value.contains("sha256:") { "seccomp" } else { option };
        let spot = Spot::Entry("security_opt", named.to_owned());
        judge.word(name, Rule::SecurityOpt, value, &spot, |it| {
            format!("asks to be confined otherwise than the engine does it: {it}")
        });
    }
}

pub fn devices(name: &ServiceName, devices: &Devices, judge: &mut Judge<'_>) {
    let Devices { mapped, cgroup_rules, requests } = devices;
    for Device { source, target: _, permissions: _ } in mapped {
        let seen = see(Path::new(source), judge.disk);
        if USUAL_DEVICES.iter().any(|usual| seen.forms().all(|path| path == Path::new(usual))) {
            continue;
        }
        let spot = Spot::Entry("devices", source.clone());
        judge.find(Some(name), Rule::Devices, &Value::Path(seen), &spot, |it| {
            format!("asks for the device {it} of the host")
        });
    }
    for rule in cgroup_rules {
        let spot = Spot::Entry("device_cgroup_rules", rule.clone());
        judge.word(name, Rule::Devices, rule, &spot, |it| {
            format!("asks for all devices of the host that {it} means")
        });
    }
    for request in requests {
        for word in wanted(request) {
            let spot = match request.driver.as_str() {
                CDI => Spot::Entry("devices", word.clone()),
                _ => Spot::Key(if is_gpu(request) { &GPUS } else { &RESERVED }),
            };
            judge.word(name, Rule::Devices, word, &spot, |it| {
                format!("asks for devices that a driver of the host hands out: {it}")
            });
        }
    }
}

const GPUS: [&str; 2] = ["gpus", "deploy.resources.reservations.devices"];
const RESERVED: [&str; 2] = ["deploy.resources.reservations.devices", "gpus"];

fn is_gpu(request: &DeviceRequest) -> bool {
    request.capabilities.iter().flatten().any(|it| it == "gpu")
}

/// What a request asks for, as words: the names of a CDI device, or what the devices can do.
fn wanted(request: &DeviceRequest) -> Vec<String> {
    let DeviceRequest { driver, count: _, device_ids, capabilities, options: _ } = request;
    if driver == CDI && !device_ids.is_empty() {
        return device_ids.clone();
    }
    let able: BTreeSet<&str> = capabilities.iter().flatten().map(String::as_str).collect();
    let able: Vec<&str> = able.into_iter().collect();
    match (driver.as_str(), able.as_slice()) {
        ("", []) => vec!["any".to_owned()],
        ("", able) => vec![able.join(",")],
        (driver, []) => vec![format!("driver={driver}")],
        (driver, able) => vec![format!("driver={driver},{}", able.join(","))],
    }
}

pub fn runtime(
    name: &ServiceName,
    runtime: Option<&str>,
    annotations: &BTreeMap<String, String>,
    judge: &mut Judge<'_>,
) {
    if let Some(runtime) = runtime.filter(|it| !USUAL_RUNTIMES.contains(it)) {
        judge.word(name, Rule::Runtime, runtime, &Spot::Key(&["runtime"]), |it| {
            format!("asks to be run by the runtime {it}")
        });
    }
    for key in annotations.keys().filter(|key| !key.starts_with(USUAL_ANNOTATIONS)) {
        let spot = Spot::Entry("annotations", key.clone());
        judge.word(name, Rule::Runtime, format!("annotation={key}"), &spot, |it| {
            format!("tells the runtime something: {it}")
        });
    }
}

pub fn kernel(name: &ServiceName, kernel: &Kernel, judge: &mut Judge<'_>) {
    let Kernel {
        sysctls,
        // They can starve the host and take nothing of it.
        shm_size: _,
        ulimits: _,
        oom_score_adj: _,
        oom_kill_disable: _,
    } = kernel;
    for key in sysctls.keys() {
        let spot = Spot::Entry("sysctls", key.clone());
        judge.word(name, Rule::Sysctls, key, &spot, |it| {
            format!("asks to set the kernel's parameter {it}")
        });
    }
}

pub fn control_group(name: &ServiceName, parent: Option<&str>, judge: &mut Judge<'_>) {
    if let Some(parent) = parent {
        judge.word(name, Rule::CgroupParent, parent, &Spot::Key(&["cgroup_parent"]), |it| {
            format!("asks to be in the control group {it}")
        });
    }
}
