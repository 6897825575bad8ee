//! A service's rights, what it shares with its host, how its kernel and its names are set up.

use serde_json::{Value, json};

use super::limits::within;
use super::shapes::{
    Field, closed, key, key_or, list, mapping, one_or_more, or_anothers, shape, words,
};
use crate::manifest::service::ULIMITS;

/// `privileged`, `security_opt`, `pid`, `dns`, `sysctls`, `runtime` and their like.
pub fn fields() -> Vec<Field> {
    let families = [rights(), namespaces(), names(), kernel(), programs()];
    families.into_iter().flatten().collect()
}

fn rights() -> Vec<Field> {
    vec![
        key("cap_add", "Capabilities it gets, such as `NET_ADMIN`.", list(shape("item"))),
        key("cap_drop", "Capabilities it loses; `ALL` is every one.", list(shape("item"))),
        key("group_add", "Further groups of its user, by name or number.", list(shape("item"))),
        key_or(
            "privileged",
            json!(false),
            "Gives it nearly all rights of the host.",
            shape("flag"),
        ),
        key_or("read_only", json!(false), "It cannot write to its image's files.", shape("flag")),
        key(
            "security_opt",
            "`no-new-privileges:true`, `seccomp:FILE` (looked up on the server, then beside the \
             manifest), `seccomp:unconfined`, `apparmor:PROFILE`, `label:…`, `systempaths=unconfined`.",
            list(shape("item")),
        ),
    ]
}

fn namespaces() -> Vec<Field> {
    vec![
        key(
            "cgroup",
            "Whose control groups it sees: the host's, or its own.",
            words(&["host", "private"]),
        ),
        key(
            "ipc",
            "Whose shared memory and semaphores it uses: its own, which others may join if it is \
             `shareable`, the host's, or that of another service or container.",
            or_anothers(&["none", "private", "shareable", "host"]),
        ),
        key(
            "pid",
            "Sees the host's processes, or those of another service or container.",
            or_anothers(&["host"]),
        ),
        key("userns_mode", "Its users are those of the host.", words(&["host"])),
        key("uts", "Its host name is that of the host.", words(&["host"])),
    ]
}

fn names() -> Vec<Field> {
    vec![
        key(
            "mac_address",
            "Always this MAC address, on the network that comes first. Needs Docker 25.0.",
            shape("filled"),
        ),
        key("dns", "Name servers, by address.", one_or_more(shape("item"))),
        key("dns_opt", "Options of the resolver, such as `ndots:2`.", list(shape("item"))),
        key(
            "dns_search",
            "Domains in which short names are looked up.",
            one_or_more(shape("item")),
        ),
    ]
}

fn kernel() -> Vec<Field> {
    vec![
        key_or(
            "oom_kill_disable",
            json!(false),
            "It is not killed when memory runs out; on hosts with cgroup v1 only.",
            shape("flag"),
        ),
        key(
            "oom_score_adj",
            "How readily it is killed when memory runs out, from -1000 to 1000.",
            within(-1000, 1000),
        ),
        key_or("shm_size", json!("64m"), "The size of `/dev/shm`.", shape("bytes")),
        key(
            "sysctls",
            "Kernel parameters of its own, such as `net.core.somaxconn`.",
            shape("pairs"),
        ),
        key("ulimits", "Limits of its processes; -1 is without limit.", ulimits()),
    ]
}

fn ulimits() -> Value {
    let mut limit = closed(vec![
        key("soft", "What holds.", within(-1, i64::MAX)),
        key("hard", "What a process may raise it to.", within(-1, i64::MAX)),
    ]);
    limit["type"] = json!(["integer", "string", "object"]);
    limit["pattern"] = "^(-1|[0-9]+)$|[$]".into();
    limit["minimum"] = json!(-1);
    limit["required"] = json!(["soft", "hard"]);
    closed(ULIMITS.map(|name| key(name, "See `getrlimit(2)`.", limit.clone())).into())
}

fn programs() -> Vec<Field> {
    vec![
        key("runtime", "Who runs it. Without it, the engine's default.", shape("text")),
        key("annotations", "Notes for the runtime. Needs Docker 24.0.", shape("pairs")),
        key("cgroup_parent", "The control group in which its own is made.", shape("text")),
        key("storage_opt", "Options of the engine's storage driver.", mapping(shape("text"))),
    ]
}
