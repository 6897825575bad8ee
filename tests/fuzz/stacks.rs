//! Whole manifests.

use std::path::Path;
use std::sync::Arc;

use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{
    Limits, Loaded, Options, RolloutDefaults, ServerFiles, StackOptions, globs, load,
};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, MemoryTree, SourceName};
use globset::GlobSet;
use proptest::prelude::*;
use proptest::sample::select;

use super::{config, is_within, mixed, quick};

const KEYS: &[&str] = &[
    "annotations",
    "attach",
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "cpus",
    "cpu_shares",
    "depends_on",
    "deploy",
    "develop",
    "devices",
    "dns",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "labels",
    "links",
    "logging",
    "mem_limit",
    "memswap_limit",
    "network_mode",
    "networks",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "volumes",
    "working_dir",
    "x-evenkeel",
    "x-y",
];

const VALUES: &[&str] = &[
    "~",
    "x",
    "\"\"",
    "1",
    "-1",
    "0",
    "1.5",
    "0440",
    "true",
    "no",
    "nginx:1.27",
    "[a, b]",
    "[]",
    "{}",
    "{a: b}",
    "{a: ~}",
    "{a: {b: c}}",
    "[{a: b}]",
    "[A=1, B]",
    "[\"80:80\", \"81\"]",
    "[\"1-3:1-3/udp\"]",
    "[{target: 80, published: \"8080\"}]",
    "[./a:/b, v:/c:ro, /d]",
    "[{type: bind, source: ./a, target: /b}]",
    "[{type: tmpfs, target: /b, tmpfs: {size: 1m}}]",
    "[{type: volume, source: v, target: /b, volume: {nocopy: true}}]",
    "[{type: volume, source: v, target: /b, volume: {subpath: a/../b, labels: {a: b}}}]",
    "[{type: bind, source: /a, target: /b, read_only: true, bind: {recursive: writable}}]",
    "[{type: image, source: a, target: /b, image: {subpath: c}}]",
    "[\"${A}:/b:ro\", \"v:${NOPE:-/c:d}\"]",
    "[\"h=1.2.3.4,[::1]\", \"h:host-gateway\"]",
    "{test: [CMD, x], interval: 1s, retries: 3}",
    "{test: x, disable: true}",
    "{test: NONE}",
    "{driver: json-file, options: {a: 1}}",
    "[s, t]",
    "{s: {condition: service_healthy}, t: {condition: service_started, required: false}}",
    "{n: {aliases: [x]}, default: }",
    "{nofile: 10, nproc: {soft: 1, hard: 2}}",
    "{resources: {limits: {cpus: '0.5', memory: 1g}}}",
    "{replicas: 2}",
    "{restart_policy: {condition: on-failure, max_attempts: 3}}",
    "{update_config: {order: start-first, monitor: 5s}}",
    "{rollback_config: {order: stop-first, failure_action: pause}}",
    "{order: start-first}",
    "host",
    "none",
    "service:s",
    "container:c",
    "on-failure:3",
    "always",
    "512m",
    "10s",
    "a.env",
    "[{path: a.env, required: false}]",
    "${A}",
    "${NOPE}",
    "${NOPE:?why}",
    "${",
    "$$",
    "*x",
    "&x {a: b}",
    "!reset ~",
    "{file: base.yaml, service: s}",
    "[sec, {source: sec, target: /y, mode: 0440}]",
    "SIGTERM",
    "\"é\"",
    "/abs",
    "../up",
];

/// A manifest with a few keys that are known, and values that suit some of them.
fn manifest() -> impl Strategy<Value = String> {
    let field = (
        select(KEYS),
        prop_oneof![9 => select(VALUES).prop_map(str::to_owned), 1 => mixed(super::trees::FLOW, 6)],
    );
    let fields = proptest::collection::vec(field, 0..6);
    let top = select(
        &[
            "",
            "networks: {n: {}, default: {}}\n",
            "volumes: {v: {}}\n",
            "volumes: {v: {external: true}}\n",
            "name: other\n",
            "secrets: {sec: {file: a.env}}\n",
            "configs: {a: {content: $A}}\n",
            "x-a: &x {a: b}\n",
            "version: '3'\n",
            "include: [a]\n",
            "networks: {n: {external: true, name: y}}\n",
            "secrets: {sec: {environment: A}}\n",
            "x-evenkeel: {hosts: [host]}\n",
        ][..],
    );
    (proptest::collection::vec(top, 0..4), fields.clone(), fields).prop_map(
        |(mut top, one, other)| {
            let service = |name: &str, fields: Vec<(&str, String)>| {
                let fields = fields.iter().map(|(key, value)| format!("    {key}: {value}\n"));
                format!("  {name}:\n    image: a:1\n{}", fields.collect::<String>())
            };
            top.sort_by_key(|line| line.split(':').next());
            top.dedup_by_key(|line| line.split(':').next());
            format!("{}services:\n{}{}", top.concat(), service("s", one), service("t", other))
        },
    )
}

thread_local! {
    static GLOBS: (GlobSet, GlobSet) = (globs(&["**"]).unwrap(), globs::<&str>(&[]).unwrap());
}

fn loaded(manifest: &str) -> Loaded {
    let files = [
        ("shop/compose.yaml", manifest),
        ("shop/.env", "A=a\n"),
        ("shop/a.env", "B=$A\n"),
        ("shop/a", "text"),
        ("shop/base.yaml", "services: {s: {labels: {x: y}}}"),
    ];
    let revision = Revision {
        source: SourceName::new("fuzz"),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(MemoryTree::new(files))),
        path: String::new(),
    };
    GLOBS.with(|(all, none)| {
        load(
            &revision,
            &Options {
                host: &HostName::new("host"),
                env_dir: Path::new("/nonexistent/env"),
                data_dir: Path::new("/data"),
                state_dir: Path::new("/state"),
                credentials_dir: None,
                home: None,
                server: ServerFiles::Disk,
                opener: &evenkeel::model::sealed::Nobody,
                defaults: RolloutDefaults::default(),
                unset: Unset::Error,
                limits: Limits::default(),
                policy: None,
                per_stack: &|_| StackOptions::default(),
                include: all,
                exclude: none,
            },
        )
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_manifest_is_loaded_or_refused_at_a_place_in_it(manifest in manifest()) {
        let one = quick(|| loaded(&manifest));
        let results = one.stacks.iter().filter_map(|stack| stack.result.as_ref().err());
        for problem in one.problems.iter().chain(results.flatten()) {
            let place = problem.place.as_ref();
            let is_here = place.is_none_or(|place| &*place.file == "shop/compose.yaml");
            prop_assert!(!is_here || is_within(problem, &manifest), "{manifest}\n{problem:?}");
            prop_assert!(!problem.message.is_empty());
        }
        let two = loaded(&manifest);
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}
