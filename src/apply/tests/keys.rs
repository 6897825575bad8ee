//! Every key of a service: changed by itself, it changes the hash and is the reason that is told; and a
//! container that was made with it is right without a look at its label.
//!
//! A new key is one more line in [`KEYS`]. Manifests go through the real loader.

use std::sync::Arc;
use std::time::Duration;

use super::bench::*;
use crate::engine::Engine;
use crate::manifest::interpolate::Unset;
use crate::manifest::{self, Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs};
use crate::model::memory_tree::MemoryTree;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, HostName, ObservedState, SourceName};
use crate::plan::Verdict;
use crate::plan::compare::{self, Depth};
use crate::registry::FakeRegistry;
use crate::resolve::{self, Context, Loaded, LoadedStack};

/// The field that a reason names, and the keys of a service before and after. Nothing before is the key
/// left out.
const KEYS: &[(&str, &str, &str)] = &[
    ("annotations.team", "", "annotations: ['team=shop']"),
    ("blkio_config", "", "blkio_config: {weight: 300}"),
    (
        "blkio_config",
        "blkio_config: {device_read_bps: [{path: /dev/sda, rate: 1mb}]}",
        "blkio_config: {device_read_bps: [{path: /dev/sda, rate: 2mb}]}",
    ),
    ("cap_add", "cap_add: [NET_ADMIN]", "cap_add: [CAP_NET_ADMIN, sys_time]"),
    ("cap_drop", "", "cap_drop: [ALL]"),
    ("cgroup", "", "cgroup: host"),
    ("cgroup_parent", "", "cgroup_parent: shop.slice"),
    ("command", "", "command: serve --fast"),
    ("command", "command: [a]", "command: [a, b]"),
    ("cpu_period", "cpu_period: 50000", "cpu_period: '100000'"),
    ("cpu_quota", "", "cpu_quota: 25000"),
    ("cpu_rt_period", "", "cpu_rt_period: 1400us"),
    ("cpu_rt_runtime", "", "cpu_rt_runtime: 950000"),
    ("cpu_shares", "cpu_shares: 512", "cpu_shares: '1024'"),
    ("cpus", "", "cpus: 0.5"),
    ("cpus", "cpus: '1'", "deploy: {resources: {limits: {cpus: '0.5'}}}"),
    ("cpuset", "cpuset: '0'", "cpuset: 0,1"),
    ("device_cgroup_rules", "", "device_cgroup_rules: ['c 1:3 mr']"),
    ("devices", "", "devices: [/dev/ttyUSB0]"),
    ("devices", "devices: ['/dev/a:/dev/b:r']", "devices: [{source: /dev/a, target: /dev/b}]"),
    ("devices", "", "devices: [vendor.com/gpu=all]"),
    ("dns", "", "dns: 192.168.1.53"),
    ("dns", "dns: [1.1.1.1, 9.9.9.9]", "dns: [9.9.9.9, 1.1.1.1]"),
    ("dns_opt", "", "dns_opt: ['ndots:2']"),
    ("dns_search", "", "dns_search: example.org"),
    ("domainname", "", "domainname: example.org"),
    ("entrypoint", "", "entrypoint: [/init]"),
    ("env.LOG_LEVEL", "", "environment: {LOG_LEVEL: debug}"),
    ("env.LOG_LEVEL", "environment: {LOG_LEVEL: info}", "environment: ['LOG_LEVEL=debug']"),
    ("expose", "", "expose: [8000]"),
    ("extra_hosts", "", "extra_hosts: ['a=10.0.0.1']"),
    ("gpus", "", "gpus: all"),
    (
        "gpus",
        "gpus: [{count: 1}]",
        "deploy: {resources: {reservations: {devices: [{count: 2, capabilities: [gpu]}]}}}",
    ),
    (
        "gpus",
        "deploy: {resources: {reservations: {devices: [{count: 1, capabilities: [gpu]}]}}}",
        "deploy: {resources: {reservations: {devices: [{count: 1, capabilities: [gpu, utility]}]}}}",
    ),
    ("group_add", "", "group_add: [audio, 1000]"),
    ("healthcheck", "", "healthcheck: {test: curl x}"),
    ("healthcheck", "healthcheck: {test: a, timeout: 3s}", "healthcheck: {test: a, timeout: 4s}"),
    (
        "healthcheck",
        "healthcheck: {test: a, start_period: 9s}",
        "healthcheck: {test: a, start_period: 9s, start_interval: 1s}",
    ),
    ("hostname", "", "hostname: web"),
    ("init", "", "init: true"),
    ("ipc", "", "ipc: shareable"),
    ("ipc", "ipc: private", "ipc: host"),
    ("labels.team", "", "labels: {team: shop}"),
    ("logging", "", "logging: {driver: journald}"),
    ("logging", "", "logging: {options: {max-size: 1m}}"),
    ("mem_limit", "", "mem_limit: 64m"),
    ("mem_limit", "mem_limit: 64m", "deploy: {resources: {limits: {memory: 128m}}}"),
    ("mem_reservation", "", "mem_reservation: 32m"),
    ("mem_swappiness", "", "mem_swappiness: 0"),
    ("memswap_limit", "mem_limit: 64m", "{mem_limit: 64m, memswap_limit: -1}"),
    (
        "memswap_limit",
        "{mem_limit: 64m, memswap_limit: 64m}",
        "{mem_limit: 64m, memswap_limit: 96m}",
    ),
    ("network_mode", "", "network_mode: host"),
    ("networks.shop_back", "networks: {back: {aliases: [a]}}", "networks: {back: {aliases: [b]}}"),
    ("oom_kill_disable", "", "oom_kill_disable: true"),
    ("oom_score_adj", "", "oom_score_adj: -500"),
    ("pid", "", "pid: host"),
    ("pids_limit", "pids_limit: 10", "pids_limit: '20'"),
    ("ports", "", "ports: ['8080:80']"),
    ("privileged", "", "privileged: true"),
    ("read_only", "", "read_only: 'true'"),
    ("restart", "restart: always", "restart: on-failure:3"),
    ("restart", "restart: always", "deploy: {restart_policy: {condition: on-failure}}"),
    ("runtime", "", "runtime: kata"),
    ("security_opt", "", "security_opt: ['no-new-privileges:true']"),
    ("security_opt", "security_opt: [systempaths=unconfined]", "security_opt: [label=disable]"),
    ("security_opt", "security_opt: ['seccomp:one.json']", "security_opt: ['seccomp=two.json']"),
    ("shm_size", "", "shm_size: 128m"),
    ("shm_size", "shm_size: 64m", "shm_size: 1gb"),
    ("stdin_open", "", "stdin_open: true"),
    ("stop_grace_period", "", "stop_grace_period: 30s"),
    ("stop_signal", "", "stop_signal: SIGINT"),
    ("storage_opt.size", "", "storage_opt: {size: 10G}"),
    ("sysctls.net.core.somaxconn", "", "sysctls: ['net.core.somaxconn=1024']"),
    ("sysctls.a.b", "sysctls: {a.b: 1}", "sysctls: {a.b: 2}"),
    ("tmpfs", "", "tmpfs: ['/run:size=1m']"),
    ("tty", "", "tty: true"),
    ("ulimits.nofile", "", "ulimits: {nofile: 1024}"),
    (
        "ulimits.nofile",
        "ulimits: {nofile: {soft: 1, hard: 2}, core: 0}",
        "ulimits: {nofile: '2', core: 0}",
    ),
    ("user", "", "user: '1000'"),
    ("userns_mode", "", "userns_mode: host"),
    ("uts", "", "uts: host"),
    ("volumes./data", "volumes: ['data:/data']", "volumes: ['data:/data:ro']"),
    ("volumes./data", "volumes: ['data:/data']", "volumes: ['data:/data:nocopy']"),
    (
        "volumes./data",
        "volumes: [{type: volume, source: data, target: /data}]",
        "volumes: [{type: volume, source: data, target: /data, volume: {labels: {a: b}}}]",
    ),
    (
        "volumes./data",
        "volumes: [{type: bind, source: /srv, target: /data, read_only: true}]",
        "volumes: [{type: bind, source: /srv, target: /data, read_only: true, bind: {recursive: readonly}}]",
    ),
    (
        "volumes./data",
        "volumes: [{type: bind, source: /srv, target: /data, bind: {recursive: disabled}}]",
        "volumes: ['/srv:/data']",
    ),
    ("working_dir", "", "working_dir: /srv"),
];

/// Changes of the text that change nothing of a service.
const SAME: &[(&str, &str)] = &[
    ("", "# a comment"),
    ("", "x-other: {a: 1}"),
    ("{user: a, tty: true}", "{tty: true, user: a}"),
    ("environment: [A=1, B=2]", "environment: {B: 2, A: '1'}"),
    ("ulimits: {nproc: 1, core: 2}", "ulimits: {core: 2, nproc: {soft: 1, hard: 1}}"),
    ("mem_limit: 64m", "deploy: {resources: {limits: {memory: 67108864}}}"),
    ("group_add: [a, b]", "group_add: [b, a]"),
    ("devices: [/dev/b, /dev/a]", "devices: ['/dev/a:/dev/a:rwm', /dev/b]"),
    ("security_opt: ['no-new-privileges:true']", "security_opt: [no-new-privileges]"),
    ("security_opt: ['seccomp:one.json']", "security_opt: ['seccomp=one-indented.json']"),
    ("platform: linux/x86_64", "platform: linux/amd64"),
    (
        "",
        "deploy: {placement: {constraints: [node.role == manager]}, labels: {a: b}, mode: global}",
    ),
    ("", "healthcheck: {disable: false}"),
    (
        "volumes: ['/srv:/data']",
        "volumes: [{type: bind, source: /srv, target: /data, bind: {recursive: enabled}}]",
    ),
    (
        "volumes: ['data:/data']",
        "volumes: [{type: volume, source: data, target: /data, volume: {subpath: ''}}]",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("shop/one.json", r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#),
    ("shop/one-indented.json", "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n"),
    ("shop/two.json", r#"{"defaultAction":"SCMP_ACT_ERRNO"}"#),
];

/// Keys of a service as they stand in a manifest: lines, or a mapping within one.
fn manifest(image: &str, keys: &str) -> String {
    let keys = match keys.strip_prefix('{') {
        Some(flow) => format!("<<: {{{flow}"),
        None => keys.to_owned(),
    };
    format!(
        "services:\n  other: {{image: '{image}', network_mode: none}}\n  web:\n    image: '{image}'\n    {keys}\n\
         networks: {{back: }}\nvolumes: {{data: }}\n"
    )
}

/// Wants what `text` says, with the server's variables `env`.
async fn want(bench: &mut Bench, text: &str, env: &str) {
    let server = tempfile::tempdir().unwrap();
    std::fs::write(server.path().join("shop.env"), env).unwrap();
    let files = FILES.iter().copied().chain([("shop/compose.yaml", text)]);
    let revision = Revision {
        source: SourceName::new("git"),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(MemoryTree::new(files))),
        path: String::new(),
    };
    let options = Options {
        host: &HostName::new("here"),
        env_dir: server.path(),
        data_dir: "/data".as_ref(),
        state_dir: "/state".as_ref(),
        credentials_dir: None,
        home: None,
        server: ServerFiles::Disk,
        opener: &crate::model::sealed::Nobody,
        // Nothing is waited for.
        defaults: RolloutDefaults {
            stable: Duration::ZERO,
            monitor: Duration::ZERO,
            ..RolloutDefaults::default()
        },
        unset: Unset::Error,
        limits: Limits::default(),
        policy: None,
        per_stack: &|_| StackOptions::default(),
        include: &globs(&["**"]).unwrap(),
        exclude: &globs::<&str>(&[]).unwrap(),
    };
    let stack = manifest::load(&revision, &options).stacks.remove(0);
    let loaded = Loaded {
        host: "here".into(),
        stacks: vec![LoadedStack {
            name: stack.name,
            source: "git".into(),
            commit: revision.commit.clone(),
            content: Ok(stack.result.unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"))),
        }],
        sources_read: ["git".into()].into(),
        sources_configured: ["git".into()].into(),
    };
    let context = Context {
        registry: &FakeRegistry::default(),
        pins: &Default::default(),
        observed: &ObservedState::default(),
        offline: false,
        waits: &|_, _| None,
        platform: &crate::model::Platform("linux/amd64".into()),
        following: None,
        gate: None,
    };
    bench.desired = resolve::resolve(loaded, &context).await.desired;
}

/// What a host that runs `before` is told of `after`: whether the hash is another one, and the reasons.
async fn change(before: &str, after: &str, env: [&str; 2]) -> (bool, Verdict) {
    let mut bench = Bench::new();
    let image = bench.app().to_string();
    want(&mut bench, &manifest(&image, before), env[0]).await;
    bench.converge().await;
    assert_is_right_without_its_label(&bench, before).await;
    let hash = bench.hash("shop/web");
    want(&mut bench, &manifest(&image, after), env[1]).await;
    let plan = bench.plan().await;
    assert_eq!(*verdict(&plan, "shop/other"), Verdict::InSync, "{after}");
    (hash != bench.hash("shop/web"), verdict(&plan, "shop/web").clone())
}

async fn assert_is_right_without_its_label(bench: &Bench, keys: &str) {
    let observed = bench.observe().await.unwrap();
    let container = observed.containers.iter().find(|one| one.name.as_str() == "shop-web-1");
    let container = container.unwrap();
    let mut image = bench.world.image_defaults(&container.image_id).await.unwrap();
    bench.world.defaults().await.unwrap().add_to(&mut image);
    let web = &bench.desired.deployment(&"shop".into()).unwrap().services[&id("shop/web").service];
    let pinned = web.image.as_ref().unwrap();
    let images = &observed.images;
    let found = compare::differences(&web.service, pinned, container, &image, images, Depth::Live);
    assert_eq!(found, [], "{keys}");
}

async fn check(changes: impl Iterator<Item = (&str, &str, &str)>) {
    let mut wrong = Vec::new();
    for (field, before, after) in changes {
        let (is_new, verdict) = change(before, after, ["", ""]).await;
        let told: Vec<_> = verdict.differences().iter().map(|one| &*one.field).collect();
        if !is_new || told != [field] || !matches!(verdict, Verdict::Update(_)) {
            wrong.push(format!("{field}: {before} → {after}: {is_new}, {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_is_the_reason_that_is_told() {
    check(KEYS.iter().copied()).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_taken_back_is_the_reason_that_is_told() {
    check(KEYS.iter().map(|(field, before, after)| (*field, *after, *before))).await;
}

#[tokio::test(start_paused = true)]
async fn what_means_the_same_changes_nothing() {
    for (before, after) in SAME {
        let (is_new, verdict) = change(before, after, ["", ""]).await;
        assert!(!is_new, "the hash changes: {before} → {after}");
        assert_eq!(verdict, Verdict::InSync, "{before} → {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_the_server_is_never_told() {
    let keys = [
        "user: $V",
        "runtime: $V",
        "domainname: $V",
        "ulimits: {nofile: $V}",
        "cpu_shares: $V",
        "shm_size: $V",
        "oom_score_adj: $V",
        "mem_limit: $V",
        "deploy: {resources: {limits: {pids: $V}}}",
        "sysctls: {a.b: $V}",
        "annotations: {a: $V}",
        "storage_opt: {a: $V}",
        "devices: ['/dev/$V']",
        "group_add: [$V]",
        "labels: {a: $V}",
    ];
    for keys in keys {
        let env = |value: &str| format!("V={value}\n");
        // As high as a limit of anything may be that is refused below a least value.
        let (old, new) = ("900000777", "900000888");
        let (old, new) = if keys.contains("oom_") { ("777", "888") } else { (old, new) };
        let (is_new, verdict) = change(keys, keys, [&env(old), &env(new)]).await;
        assert!(is_new, "{keys}");
        let told = verdict.differences();
        assert_eq!(told.len(), 1, "{keys}: {told:?}");
        let shown = format!("{told:?}");
        assert!(!shown.contains("777") && !shown.contains("888"), "{keys}: {shown}");
    }
}
