//! What a container shares with its host, its rights, its kernel: ours → create request, and back.

use std::collections::BTreeSet;

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum as CgroupMode, ResourcesUlimits};

use crate::model::ContainerSpec;
use crate::model::spec::{Dns, Kernel, Namespaces, OPEN_SYSTEM_PATHS, Ulimit, security_option};

/// Adds what `settings` say of the surroundings to a create request.
pub(super) fn request(settings: &ContainerSpec, host: &mut HostConfig) {
    let (namespaces, kernel) = (&settings.namespaces, &settings.kernel);
    host.cgroupns_mode = namespaces.cgroup.as_deref().and_then(|mode| mode.parse().ok());
    host.ipc_mode = namespaces.ipc.clone();
    host.pid_mode = namespaces.pid.clone();
    host.userns_mode = namespaces.user.clone();
    host.uts_mode = namespaces.uts.clone();
    host.dns = Some(settings.dns.servers.clone());
    host.dns_options = Some(settings.dns.options.clone());
    host.dns_search = Some(settings.dns.search.clone());
    host.group_add = Some(settings.group_add.iter().cloned().collect());
    request_security(&settings.security_opt, host);
    host.shm_size = kernel.shm_size;
    host.sysctls = Some(kernel.sysctls.clone().into_iter().collect());
    host.ulimits = Some(ulimits(kernel));
    host.oom_score_adj = Some(kernel.oom_score_adj).filter(|adjustment| *adjustment != 0);
    host.oom_kill_disable = kernel.oom_kill_disable.then_some(true);
    host.cgroup_parent = settings.cgroup_parent.clone();
    host.runtime = settings.runtime.clone();
    let map = |map: &std::collections::BTreeMap<String, String>| {
        (!map.is_empty()).then(|| map.clone().into_iter().collect())
    };
    host.annotations = map(&settings.annotations);
    host.storage_opt = map(&settings.storage_opt);
}

fn request_security(options: &BTreeSet<String>, host: &mut HostConfig) {
    let asked = options.iter().filter(|option| *option != OPEN_SYSTEM_PATHS);
    host.security_opt = Some(asked.cloned().collect());
    if options.contains(OPEN_SYSTEM_PATHS) {
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
    }
}

fn ulimits(kernel: &Kernel) -> Vec<ResourcesUlimits> {
    let limit = |(name, limit): (&String, &Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    kernel.ulimits.iter().map(limit).collect()
}

/// Adds what an inspected container shows of its surroundings.
pub(super) fn observe(host: &HostConfig, spec: &mut ContainerSpec) {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    spec.namespaces = namespaces(host);
    spec.dns = Dns {
        servers: list(&host.dns),
        options: list(&host.dns_options),
        search: list(&host.dns_search),
    };
    spec.group_add = host.group_add.iter().flatten().cloned().collect();
    spec.security_opt = security(host);
    spec.kernel = kernel(host);
    spec.cgroup_parent = written(&host.cgroup_parent);
    spec.runtime = written(&host.runtime);
    spec.annotations = host.annotations.clone().unwrap_or_default().into_iter().collect();
    spec.storage_opt = host.storage_opt.clone().unwrap_or_default().into_iter().collect();
}

fn written(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn namespaces(host: &HostConfig) -> Namespaces {
    Namespaces {
        cgroup: match host.cgroupns_mode {
            Some(CgroupMode::HOST) => Some("host".to_owned()),
            Some(CgroupMode::PRIVATE) => Some("private".to_owned()),
            Some(CgroupMode::EMPTY) | None => None,
        },
        ipc: written(&host.ipc_mode),
        pid: written(&host.pid_mode),
        user: written(&host.userns_mode),
        uts: written(&host.uts_mode),
    }
}

fn kernel(host: &HostConfig) -> Kernel {
    let limit = |limit: &ResourcesUlimits| {
        Some((limit.name.clone()?, Ulimit { soft: limit.soft?, hard: limit.hard? }))
    };
    Kernel {
        shm_size: host.shm_size.filter(|size| *size > 0),
        sysctls: host.sysctls.clone().unwrap_or_default().into_iter().collect(),
        ulimits: host.ulimits.iter().flatten().filter_map(limit).collect(),
        oom_score_adj: host.oom_score_adj.unwrap_or(0),
        oom_kill_disable: host.oom_kill_disable.unwrap_or(false),
    }
}

fn security(host: &HostConfig) -> BTreeSet<String> {
    let options = host.security_opt.iter().flatten();
    let mut options: BTreeSet<String> =
        options.filter_map(|option| security_option(option)).collect();
    let is_open = |paths: &Option<Vec<String>>| paths.as_ref().is_some_and(Vec::is_empty);
    if is_open(&host.masked_paths) && is_open(&host.readonly_paths) {
        options.insert(OPEN_SYSTEM_PATHS.to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_system_paths_are_told_by_their_empty_lists() {
        let mut host = HostConfig::default();
        let options = BTreeSet::from([OPEN_SYSTEM_PATHS.to_owned(), "label=disable".to_owned()]);
        request_security(&options, &mut host);
        assert_eq!(host.security_opt.as_deref(), Some(&["label=disable".to_owned()][..]));
        assert_eq!(security(&host), options);
        host.masked_paths = Some(vec!["/proc/kcore".to_owned()]);
        assert_eq!(security(&host).len(), 1);
    }
}
