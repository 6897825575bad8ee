//! `deploy` and `scale`.

use serde_json::{Value, json};

use super::devices;
use super::shapes::{Field, closed, key, key_or, list, shape, words};

/// `deploy` and `scale`
pub fn fields() -> Vec<Field> {
    vec![
        key("scale", "How many containers; the same as `deploy.replicas`.", replicas()),
        key("deploy", "How many, how much, and how a change is rolled out.", deploy()),
    ]
}

fn replicas() -> Value {
    let mut replicas = shape("count");
    replicas["maximum"] = 1000.into();
    replicas["default"] = 1.into();
    replicas
}

fn deploy() -> Value {
    closed(vec![
        key("replicas", "How many containers.", replicas()),
        key("resources", "What it may use, and what it keeps.", resources()),
        key(
            "restart_policy",
            "When the engine starts it again; goes before `restart`.",
            restart_policy(),
        ),
        key(
            "update_config",
            "How a change is rolled out.",
            rollout(&["rollback", "pause", "continue"]),
        ),
        key(
            "rollback_config",
            "How it is when a command goes back to an earlier generation; takes nothing from `update_config`.",
            rollout(&["pause", "continue"]),
        ),
        key("labels", "Has no effect outside a Swarm.", shape("pairs")),
        key(
            "mode",
            "Has no effect outside a Swarm.",
            words(&["replicated", "global", "replicated-job", "global-job"]),
        ),
        key("placement", "Has no effect outside a Swarm.", json!(true)),
        key("endpoint_mode", "Has no effect outside a Swarm.", words(&["vip"])),
    ])
}

fn resources() -> Value {
    let limits = closed(vec![
        key("cpus", "At most this much processor time; the same as `cpus`.", shape("cpus")),
        key("memory", "At most this much memory; the same as `mem_limit`.", shape("bytes")),
        key("pids", "At most this many processes; the same as `pids_limit`.", shape("integer")),
    ]);
    let reservations = closed(vec![
        key("cpus", "Has no effect outside a Swarm.", shape("text")),
        key(
            "memory",
            "Kept when the host runs short; the same as `mem_reservation`.",
            shape("bytes"),
        ),
        key("devices", "Devices that a driver picks, such as graphics cards.", reserved()),
        key("generic_resources", "Has no effect outside a Swarm.", json!(true)),
    ]);
    closed(vec![
        key("limits", "What it may use at most.", limits),
        key("reservations", "What it keeps when the host runs short.", reservations),
    ])
}

fn reserved() -> Value {
    let mut requested = devices::requested();
    requested["required"] = json!(["capabilities"]);
    list(requested)
}

fn restart_policy() -> Value {
    let conditions = ["any", "always", "unless-stopped", "on-failure", "none", "no"];
    closed(vec![
        key_or(
            "condition",
            json!("any"),
            "After which ends it is started again.",
            words(&conditions),
        ),
        key("max_attempts", "How often, with `on-failure`. Without it, for ever.", shape("count")),
        key("delay", "Has no effect outside a Swarm.", json!(true)),
        key("window", "Has no effect outside a Swarm.", json!(true)),
    ])
}

/// `update_config` and `rollback_config`; the first of the `actions` after a failure is the default.
fn rollout(actions: &[&str]) -> Value {
    closed(vec![
        key_or(
            "order",
            json!("stop-first"),
            "Which goes first: `stop-first` stops the old container and keeps it until the new one has \
             proved itself; with `start-first` the old one serves until then.",
            words(&["stop-first", "start-first"]),
        ),
        key_or(
            "parallelism",
            json!(1),
            "How many replicas are replaced at a time.",
            shape("count"),
        ),
        key_or("delay", json!("0s"), "The pause between two batches.", shape("duration")),
        key_or(
            "monitor",
            json!("10s"),
            "How long a new container is watched after the switch; a failure in that time switches back.",
            shape("duration"),
        ),
        key_or(
            "max_failure_ratio",
            json!(0),
            "The share of replicas that may fail, from 0 to 1.",
            json!({"type": ["number", "string", "null"], "pattern": "[0-9$]", "minimum": 0, "maximum": 1}),
        ),
        key_or(
            "failure_action",
            json!(actions.first()),
            "After a failure: `rollback` puts back what ran, `pause` stays half-way for somebody to look, \
             `continue` goes on.",
            words(actions),
        ),
    ])
}
