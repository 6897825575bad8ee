//! What the keys of namespaces, limits, devices, names, rights and the kernel take, and what they refuse.

use super::{World, manifest, refused, remarks, settings};
use crate::model::spec::Ulimit;

#[test]
fn numbers_are_taken_as_texts_and_texts_as_numbers() {
    assert_eq!(settings("cpu_shares: '512'").resources.cpu_shares, 512);
    assert_eq!(settings("cpuset: 0").resources.cpuset, "0");
    assert_eq!(settings("cpu_rt_runtime: 400ms").resources.cpu_realtime_runtime, 400_000);
    assert_eq!(settings("cpu_rt_period: '11000'").resources.cpu_realtime_period, 11_000);
    assert_eq!(settings("mem_swappiness: '0'").resources.memory_swappiness, Some(0));
    assert_eq!(settings("shm_size: 1.5g").kernel.shm_size, Some(3 << 29));
    assert_eq!(settings("shm_size: 0").kernel.shm_size, None, "the engine's");
    assert_eq!(settings("group_add: [1000]").group_add, ["1000".to_owned()].into());
    assert_eq!(settings("sysctls: {a.b: 1}").kernel.sysctls["a.b"], "1");
    let limits = settings("ulimits: {nofile: '-1', nproc: {soft: 1, hard: -1}}").kernel.ulimits;
    assert_eq!(limits["nofile"], Ulimit { soft: -1, hard: -1 });
    assert_eq!(limits["nproc"], Ulimit { soft: 1, hard: -1 });
}

#[test]
fn limits_that_the_engine_would_refuse_are_refused_with_the_manifest() {
    refused("memswap_limit: 1g", "`memswap_limit` needs a `mem_limit`");
    refused("mem_limit: 2g\nmemswap_limit: 1g", "`memswap_limit` is less than `mem_limit`");
    refused("cpus: 1\ncpu_quota: 5000", "`cpus` and `cpu_quota` exclude each other");
    refused("cpu_period: 5", "`5` is not between 1000 and 1000000");
    refused("cpu_quota: 5", "`5` is less than 1000");
    refused("mem_swappiness: 101", "`101` is not between 0 and 100");
    refused("oom_score_adj: 1001", "`1001` is not between -1000 and 1000");
    refused("cpuset: a-b", "`a-b` names no CPUs");
    refused("blkio_config: {weight: 5}", "`5` is not between 10 and 1000");
    refused("blkio_config: {device_read_bps: [{path: /dev/a}]}", "needs a `path` and a `rate`");
    refused("blkio_config: {wait: 1}", "unknown key `wait`");
    let twice = "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}";
    refused(twice, "`mem_limit` and `deploy.resources.limits.memory` contradict each other");
    let same = "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 1024m}}}";
    assert_eq!(settings(same).resources.memory, 1 << 30);
}

#[test]
fn devices_are_paths_or_names_of_a_driver() {
    let devices = settings("devices: ['/dev/b:/dev/c:r', /dev/a, vendor.com/gpu=all]").devices;
    let shown = devices.mapped.iter().map(|one| format!("{}:{}", one.source, one.permissions));
    assert_eq!(shown.collect::<Vec<_>>(), ["/dev/a:rwm", "/dev/b:r"]);
    assert_eq!(devices.requests[0].driver, "cdi");
    assert_eq!(devices.requests[0].device_ids, ["vendor.com/gpu=all"]);
    refused("devices: ['/dev/a:rw']", "`rw` is no absolute path of a device");
    refused("devices: ['/dev/a:/dev/b:x']", "`x` are no permissions of a device");
    refused("devices: [{target: /dev/b}]", "a device needs a `source`");
    refused("device_cgroup_rules: ['d 1:3 mr']", "is no rule such as `c 1:3 mr`");
    refused("gpus: some", "`some` is not known here");
    refused("gpus: [{count: 1, device_ids: ['0']}]", "`count` and `device_ids` exclude each other");
    let reserved = |keys| format!("deploy: {{resources: {{reservations: {{devices: [{keys}]}}}}}}");
    refused(&reserved("{driver: nvidia}"), "a reserved device needs `capabilities`");
    let asked = settings(&reserved("{driver: nvidia, count: all, capabilities: [gpu]}"));
    assert_eq!(asked.devices.requests[0].count, -1);
}

#[test]
fn namespaces_are_the_hosts_or_its_own() {
    let namespaces = settings("pid: host\nuts: host\nipc: private\ncgroup: ''").namespaces;
    assert_eq!(
        (namespaces.pid.as_deref(), namespaces.uts.as_deref()),
        (Some("host"), Some("host"))
    );
    assert_eq!((namespaces.ipc.as_deref(), namespaces.cgroup), (Some("private"), None));
    refused("uts: private", "`private` is not known here");
    refused("userns_mode: keep-id", "`keep-id` is not known here");
    refused("dns: [localhost]", "`localhost` is no IP address");
}

#[test]
fn a_mac_address_is_that_of_the_first_network() {
    let endpoints = |keys: &str| {
        let network = settings(keys).network;
        network.endpoints().iter().map(|one| one.mac_address.clone()).collect::<Vec<_>>()
    };
    let address = "mac_address: '02-42-AC-11-00-02'";
    let keys = format!("{address}\nnetworks: {{back: , front: {{priority: 1}}}}");
    assert_eq!(endpoints(&keys), [Some("02:42:ac:11:00:02".to_owned()), None]);
    refused("mac_address: x", "`x` is no MAC address");
    refused(&format!("{address}\nnetwork_mode: host"), "exclude each other");
    let other = "networks: {back: {mac_address: '02:42:ac:11:00:03'}}";
    refused(&format!("{address}\n{other}"), "of its own, and another one");
}

#[test]
fn kernel_settings_are_checked_by_name() {
    refused("ulimits: {nofiles: 1}", "`nofiles` is no limit that the kernel has");
    refused("ulimits: {nofile: {soft: 1}}", "a limit needs both `soft` and `hard`");
    refused("ulimits: {nofile: {soft: 2, hard: 1}}", "the `soft` limit is above the `hard` one");
    refused("ulimits: {nofile: -2}", "`-2` is less than -1");
    refused("sysctls: [net.core.somaxconn]", "has no value");
}

#[test]
fn a_seccomp_profile_is_read_beside_the_manifest_or_on_the_server() {
    let world = || World::shop(&manifest("security_opt: ['seccomp:sec/own.json']"));
    let profile = |world: World| super::web(world.stack()).settings.security_opt;
    let own = profile(world().with_file("shop/sec/own.json", "{\n \"b\": 1 }"));
    assert_eq!(own, ["seccomp={\"b\":1}".to_owned()].into());
    let servers = world().with_server_file("shop/sec/own.json", "{\"c\": 1}");
    assert_eq!(profile(servers), ["seccomp={\"c\":1}".to_owned()].into());
    let missing = world().problems();
    assert!(missing.contains("the seccomp profile `sec/own.json` is not there"), "{missing}");
    assert!(missing.contains("shop/sec/own.json in the repository"), "{missing}");
    let broken = world().with_file("shop/sec/own.json", "[]").problems();
    assert!(broken.contains("is no JSON mapping"), "{broken}");
    refused("security_opt: [no-such=a]", "`no-such=a` is no security option");
    refused("security_opt: [systempaths=all]", "is no security option");
    assert_eq!(settings("security_opt: ['no-new-privileges:false']").security_opt, [].into());
}

#[test]
fn what_only_a_swarm_makes_something_of_is_told() {
    let keys = "deploy: {mode: global, labels: {a: b}, placement: {}, endpoint_mode: vip, \
                resources: {reservations: {cpus: 1, generic_resources: []}}}";
    let told = remarks(&World::shop(&manifest(keys)).stack());
    for part in
        ["`mode: global`", "`deploy.labels`", "`placement`", "`cpus`", "`generic_resources`"]
    {
        assert!(told.contains(part), "{told}");
    }
    refused("deploy: {endpoint_mode: dnsrr}", "only a Swarm knows another one than `vip`");
}
