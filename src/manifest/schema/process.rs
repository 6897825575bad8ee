//! The process in the container: how it starts, how it ends, and whether it works.

use serde_json::{Value, json};

use super::shapes::{Field, closed, key, key_or, list, shape};

/// `command`, `restart`, `healthcheck` and their like.
pub fn fields() -> Vec<Field> {
    vec![
        key(
            "post_start",
            "Programs that are run in it after each start; one that fails fails the container.",
            list(hook()),
        ),
        key(
            "pre_stop",
            "Programs that are run in it before each stop, within the grace period.",
            list(hook()),
        ),
        key(
            "command",
            "In place of the image's command. A text is cut into words, without any shell.",
            shape("command"),
        ),
        key(
            "entrypoint",
            "In place of the image's entrypoint. A text is cut into words, without any shell.",
            shape("command"),
        ),
        key(
            "user",
            "Whom it runs as: a name or number, and perhaps a group: `1000:1000`.",
            shape("text"),
        ),
        key("working_dir", "The directory it starts in.", shape("text")),
        key("hostname", "What the container takes itself to be called.", shape("text")),
        key("domainname", "The domain it takes itself to be in.", shape("text")),
        key_or("stdin_open", json!(false), "Keeps its input open.", shape("flag")),
        key_or("tty", json!(false), "Gives it a terminal.", shape("flag")),
        key(
            "container_name",
            "The container's name in place of `<stack>-<service>-<n>`; then there can be only one.",
            json!({
                "type": ["string", "number", "null"],
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]+$|[$]",
            }),
        ),
        key(
            "init",
            "Puts a small init in front, which clears up after child processes.",
            shape("flag"),
        ),
        key_or(
            "stop_grace_period",
            json!("10s"),
            "How long it may take to stop before it is killed; counted in whole seconds.",
            shape("duration"),
        ),
        key(
            "stop_signal",
            "What asks it to stop. Without it, the image's, or SIGTERM.",
            shape("text"),
        ),
        key_or("restart", json!("no"), "When the engine starts it again.", restart()),
        key(
            "healthcheck",
            "How to tell whether it works. Without it, the image's own.",
            healthcheck(),
        ),
    ]
}

fn restart() -> Value {
    // Some tools write an unquoted `no` back as `false`.
    let words = ["no", "always", "unless-stopped", "on-failure"];
    let pattern = "^on-failure:[0-9]+$|^(false)?$|[$]";
    json!({
        "anyOf": [
            {"enum": words},
            {"type": "string", "pattern": pattern},
            {"const": false},
            {"type": "null"},
        ],
    })
}

fn healthcheck() -> Value {
    let mut test = shape("command");
    test["prefixItems"] = json!([{"type": "string", "pattern": "^(NONE|CMD|CMD-SHELL)$|[$]"}]);
    closed(vec![
        key(
            "test",
            "The command that ends with 0 while all is well. A text is run by a shell; a list begins with \
             `CMD`, `CMD-SHELL` or `NONE`.",
            test,
        ),
        key_or("interval", json!("30s"), "The time between two checks.", shape("duration")),
        key_or("timeout", json!("30s"), "How long one check may take.", shape("duration")),
        key_or(
            "retries",
            json!(3),
            "This many failures in a row make it unhealthy.",
            shape("count"),
        ),
        key_or(
            "start_period",
            json!("0s"),
            "How long failures do not count after a start.",
            shape("duration"),
        ),
        key(
            "start_interval",
            "The time between two checks within `start_period`. Needs Docker 25.0.",
            shape("duration"),
        ),
        key_or("disable", json!(false), "Takes the image's own check away.", shape("flag")),
    ])
}

fn hook() -> Value {
    let mut hook = closed(vec![
        key(
            "command",
            "The program. A text is cut into words, without any shell.",
            shape("command"),
        ),
        key("user", "Who runs it. Without it, the container's user.", shape("text")),
        key_or(
            "privileged",
            json!(false),
            "Gives it nearly all rights of the host.",
            shape("flag"),
        ),
        key("working_dir", "Where it runs. Without it, the container's directory.", shape("text")),
        key("environment", "Variables, beside those of the container.", shape("pairs")),
    ]);
    hook["type"] = "object".into();
    hook["required"] = json!(["command"]);
    hook
}
