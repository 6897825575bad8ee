//! The process in the container, and what it may use.

use serde_json::json;

use super::{check, wrong};

#[test]
fn a_command_is_a_list_of_words() {
    check("command: echo 'a b' $$HOME", json!({"command": ["echo", "a b", "$$HOME"]}));
    check("entrypoint: [sh, -c, 1]", json!({"entrypoint": ["sh", "-c", "1"]}));
    check("command: []", json!({"command": []}));
    check("command: ''", json!({"command": []}));
    check("command:", json!({}));
    wrong("command: a && b", "an unquoted `&`");
}

#[test]
fn a_health_check_given_as_a_text_is_run_by_the_shell() {
    check(
        "healthcheck: {test: curl localhost, interval: 90s, retries: 3, disable: false}",
        json!({"healthcheck": {
            "test": ["CMD-SHELL", "curl localhost"], "interval": "1m30s", "retries": 3,
        }}),
    );
    check("healthcheck: {test: [NONE]}", json!({"healthcheck": {"test": ["NONE"]}}));
    check("healthcheck: {disable: false}", json!({"healthcheck": {}}));
    check("healthcheck: {disable: true}", json!({"healthcheck": {"disable": true}}));
}

#[test]
fn bytes_are_texts_and_numbers_are_numbers() {
    check(
        "mem_limit: 256m\nmemswap_limit: -1\nshm_size: 1.5g\ncpus: '0.50'\npids_limit: 50",
        json!({
            "mem_limit": "268435456", "memswap_limit": "-1", "shm_size": "1610612736",
            "cpus": 0.5, "pids_limit": 50,
        }),
    );
    check("mem_limit: 0\ncpus: 0\npids_limit: 0\ncpu_shares: 0", json!({}));
    check(
        "cpu_rt_period: 1400us\ncpu_quota: 5000",
        json!({"cpu_rt_period": 1400, "cpu_quota": 5000}),
    );
}

#[test]
fn what_is_off_is_left_out_but_for_a_choice() {
    check("privileged: false\nread_only: no\ntty: 'off'", json!({}));
    check("privileged: 'true'", json!({"privileged": true}));
    check("init: false\nattach: false", json!({"init": false, "attach": false}));
}

#[test]
fn ulimits_are_a_number_or_two() {
    check(
        "ulimits: {nproc: 65535, nofile: {soft: 1, hard: '-1'}}",
        json!({"ulimits": {"nofile": {"soft": 1, "hard": -1}, "nproc": 65535}}),
    );
}

#[test]
fn deploy_always_has_resources_and_placement() {
    check("deploy: {}", json!({"deploy": {"placement": {}, "resources": {}}}));
    check(
        "deploy:\n  replicas: 0\n  labels: [a=b]\n  resources: {limits: {cpus: '0.1', memory: 1k, pids: 5}}\n  \
         update_config: {order: stop-first, parallelism: 0, delay: 10s, max_failure_ratio: 0.1}\n  \
         rollback_config: {order: start-first, parallelism: 2, monitor: 90s, failure_action: pause}\n  \
         restart_policy: {condition: any, max_attempts: 3, window: 120s}",
        json!({"deploy": {
            "replicas": 0, "labels": {"a": "b"}, "placement": {},
            "resources": {"limits": {"cpus": 0.1, "memory": "1024", "pids": 5}},
            "update_config": {
                "order": "stop-first", "parallelism": 0, "delay": "10s", "max_failure_ratio": 0.1,
            },
            "rollback_config": {
                "order": "start-first", "parallelism": 2, "monitor": "1m30s", "failure_action": "pause",
            },
            "restart_policy": {"condition": "any", "max_attempts": 3, "window": "2m0s"},
        }}),
    );
}

#[test]
fn a_request_for_devices_without_a_number_is_for_all_of_them() {
    check("gpus: all", json!({"gpus": [{"count": -1}]}));
    check(
        "deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}",
        json!({"deploy": {"placement": {}, "resources": {"reservations": {"devices": [
            {"driver": "nvidia", "capabilities": ["gpu"], "count": -1},
        ]}}}}),
    );
    check(
        "gpus: [{device_ids: ['0'], options: {a: 1}}]",
        json!({"gpus": [{"device_ids": ["0"], "options": {"a": "1"}}]}),
    );
}

#[test]
fn what_cannot_run_here_is_shown_all_the_same() {
    check(
        "blkio_config: {weight: 300, device_read_bps: [{path: /dev/sda, rate: 1mb}]}\n\
         credential_spec: {file: my.json}\n\
         isolation: process\n\
         post_start: [{command: ./seed.sh, user: root, environment: [A=1]}]",
        json!({
            "blkio_config": {
                "weight": 300, "device_read_bps": [{"path": "/dev/sda", "rate": "1048576"}],
            },
            "credential_spec": {"file": "my.json"},
            "isolation": "process",
            "post_start": [{"command": ["./seed.sh"], "user": "root", "environment": {"A": "1"}}],
        }),
    );
}

#[test]
fn a_build_is_shown_with_its_context() {
    check("build: .", json!({"build": {"context": "/wd/shop", "dockerfile": "Dockerfile"}}));
    check(
        "build:\n  context: https://example.org/a.git\n  dockerfile_inline: FROM a\n  args: [A=1, UNSET]\n  \
         additional_contexts: [lib=../lib, base=docker-image://a]\n  ssh: default\n  shm_size: 1k",
        json!({"build": {
            "context": "https://example.org/a.git", "dockerfile_inline": "FROM a",
            "args": {"A": "1"},
            "additional_contexts": {"base": "docker-image://a", "lib": "/wd/lib"},
            "ssh": ["default"], "shm_size": "1024",
        }}),
    );
}

#[test]
fn an_unknown_key_is_an_error_at_every_depth() {
    wrong("imgae: a", "unknown key `imgae`");
    wrong("healthcheck: {tests: a}", "unknown key `tests`");
    wrong("deploy: {resources: {limits: {memroy: 1k}}}", "unknown key `memroy`");
    wrong("volumes: [{type: bind, source: /a, target: /b, content: c}]", "unknown key `content`");
    wrong("ulimits: {nofile: {sof: 1}}", "unknown key `sof`");
    wrong("mem_limit: 1x", "expected a number of bytes");
}
