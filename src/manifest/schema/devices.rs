//! Devices of the host.

use serde_json::{Value, json};

use super::shapes::{FILLED, Field, closed, key, key_or, list, shape, short_or};

/// `devices`, `device_cgroup_rules` and `gpus`.
pub fn fields() -> Vec<Field> {
    let device = closed(vec![
        key("source", "Its path on the host, or its CDI name.", shape("filled")),
        key("target", "Its path in the container. Without it, the same.", shape("filled")),
        key_or(
            "permissions",
            json!("rwm"),
            "What it may be used for: some of `r`ead, `w`rite and `m`ake.",
            json!({"type": ["string", "null"], "pattern": "^[rwm]+$|[$]"}),
        ),
    ]);
    let rule = "^[abc] ([0-9]+|[*]):([0-9]+|[*]) [rwm]{1,3}$|[$]";
    let gpus = json!({
        "type": ["array", "string", "null"],
        "pattern": "^all$|[$]",
        "items": requested(),
    });
    vec![
        key(
            "devices",
            "Devices it may use: `/dev/name`, `/dev/name:/dev/name:rwm`, or a CDI name such as \
             `vendor.com/gpu=all`.",
            list(short_or(FILLED, device, &["source"])),
        ),
        key(
            "device_cgroup_rules",
            "Kinds of devices it may use, such as `c 1:3 mr`.",
            list(json!({"type": "string", "pattern": rule})),
        ),
        key("gpus", "Graphics cards it may use: `all`, or a list of requests.", gpus),
    ]
}

/// Devices that a driver picks.
pub fn requested() -> Value {
    let mut requested = closed(vec![
        key("capabilities", "What they must be able to do, such as `gpu`.", list(shape("item"))),
        key("driver", "Who picks them, such as `nvidia`.", shape("text")),
        key(
            "count",
            "How many. Without it and `device_ids`, all.",
            json!({"anyOf": [{"const": "all"}, shape("integer")]}),
        ),
        key("device_ids", "These and no others.", list(shape("item"))),
        key("options", "Options of the driver.", shape("pairs")),
    ]);
    requested["type"] = "object".into();
    requested
}
