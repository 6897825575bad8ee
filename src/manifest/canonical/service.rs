//! Every key of a service with its form (Compose Specification, chapter "Services").

use super::around::Around;
use super::form::{self, Form};
use super::{build, deploy, environment, make, mounts, networks, ports, process};
use crate::manifest::node::{Node, Value};
use crate::manifest::read::At;

/// The keys of a service.
const KEYS: &[(&str, Form)] = {
    use Form::{
        Bytes, Choice, Count, Fields, Flag, Free, Items, Left, Named, Number, OneOrMore, Pairs,
        Read, Text, Texts, Time, Whole,
    };
    &[
        ("annotations", Pairs),
        ("attach", Choice),
        ("blkio_config", Fields(deploy::BLOCK_IO)),
        ("build", Read(build::build)),
        ("cap_add", Texts),
        ("cap_drop", Texts),
        ("cgroup", Text),
        ("cgroup_parent", Text),
        ("command", Read(process::command)),
        ("configs", Read(mounts::configs)),
        ("container_name", Text),
        ("cpu_count", Whole),
        ("cpu_percent", Number),
        ("cpu_period", Read(deploy::scheduler_time)),
        ("cpu_quota", Read(deploy::scheduler_time)),
        ("cpu_rt_period", Read(deploy::scheduler_time)),
        ("cpu_rt_runtime", Read(deploy::scheduler_time)),
        ("cpu_shares", Whole),
        ("cpus", Number),
        ("cpuset", Text),
        ("credential_spec", Fields(&[("config", Text), ("file", Text), ("registry", Text)])),
        ("depends_on", Read(networks::depends_on)),
        ("deploy", Read(deploy::deploy)),
        ("develop", Free),
        ("device_cgroup_rules", Texts),
        ("devices", Read(mounts::devices)),
        ("dns", OneOrMore),
        ("dns_opt", Texts),
        ("dns_search", OneOrMore),
        ("domainname", Text),
        ("entrypoint", Read(process::command)),
        // What is in its files is part of `environment`.
        ("env_file", Left),
        ("environment", Left),
        ("expose", Texts),
        ("extends", Free),
        ("external_links", Texts),
        ("extra_hosts", Read(networks::extra_hosts)),
        ("gpus", Read(deploy::gpus)),
        ("group_add", Texts),
        ("healthcheck", Read(process::healthcheck)),
        ("hostname", Text),
        ("image", Text),
        ("init", Choice),
        ("ipc", Text),
        ("isolation", Text),
        ("label_file", Read(mounts::label_file)),
        ("labels", Pairs),
        ("links", Texts),
        ("logging", Fields(&[("driver", Text), ("options", Pairs)])),
        ("mac_address", Text),
        ("mem_limit", Bytes),
        ("mem_reservation", Bytes),
        ("mem_swappiness", Bytes),
        ("memswap_limit", Bytes),
        ("models", Read(networks::models)),
        ("network_mode", Text),
        ("networks", Read(networks::joined)),
        ("oom_kill_disable", Flag),
        ("oom_score_adj", Whole),
        ("pid", Text),
        ("pids_limit", Whole),
        ("platform", Text),
        ("ports", Read(ports::ports)),
        ("post_start", Items(&process::HOOK)),
        ("pre_start", Items(&process::HOOK)),
        ("pre_stop", Items(&process::HOOK)),
        ("privileged", Flag),
        ("profiles", Texts),
        ("provider", Fields(&[("type", Text), ("options", Named(&OneOrMore))])),
        ("pull_policy", Read(process::pull_policy)),
        ("pull_refresh_after", Text),
        ("read_only", Flag),
        ("restart", Text),
        ("runtime", Text),
        ("scale", Count),
        ("secrets", Read(mounts::secrets)),
        ("security_opt", Texts),
        ("shm_size", Bytes),
        ("stdin_open", Flag),
        ("stop_grace_period", Time),
        ("stop_signal", Text),
        ("storage_opt", Pairs),
        ("sysctls", Pairs),
        ("tmpfs", OneOrMore),
        ("tty", Flag),
        ("ulimits", Named(&process::ULIMIT)),
        ("use_api_socket", Flag),
        ("user", Text),
        ("userns_mode", Text),
        ("uts", Text),
        ("volume_driver", Text),
        ("volumes", Read(mounts::volumes)),
        ("volumes_from", Texts),
        ("working_dir", Text),
    ]
};

/// A service, its keys sorted; `command` and `entrypoint` are always there.
pub fn service(name: &str, at: &At<'_>, around: &Around<'_>) -> Node {
    let mut node = form::fields(KEYS, at, around);
    if let Some(environment) = environment::of_service(at, name, around) {
        make::put_missing(&mut node, "environment", environment);
    }
    if ["image", "build", "provider"].iter().all(|key| at.value(key).is_none()) {
        let problem = at.trouble("missing-key", format!("service `{name}` has no `image`"));
        at.report(
            problem
                .at(at.key_place().clone())
                .hint("name the image to run: `image: repository:tag`"),
        );
    }
    for key in ["command", "entrypoint"] {
        make::put_missing(&mut node, key, make::nothing(at));
    }
    networks::join_default(&mut node, at);
    networks::add_implied(&mut node, at);
    if let Value::Mapping(fields) = &mut node.value {
        fields.sort_keys();
    }
    node
}
