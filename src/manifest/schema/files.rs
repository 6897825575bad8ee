//! `secrets` and `configs`: at the top, and on a service.

use serde_json::{Value, json};

use super::shapes::{FILLED, Field, closed, key, key_or, list, named, shape, short_or};

/// `secrets` at the top.
pub fn secrets() -> Value {
    named(closed(sources()))
}

/// `configs` at the top.
pub fn configs() -> Value {
    let mut config = sources();
    config.push(key(
        "content",
        "The content itself; variables in it are filled in.",
        shape("text"),
    ));
    named(closed(config))
}

fn sources() -> Vec<Field> {
    vec![
        key("file", "A file: looked up on the server, then beside the manifest.", shape("filled")),
        key("environment", "The variable whose value is the content.", shape("filled")),
        key("name", "Has no effect: an engine without a Swarm keeps none of these.", json!(true)),
        key("labels", "Has no effect: an engine without a Swarm keeps none of these.", json!(true)),
    ]
}

/// `secrets` and `configs` of a service.
pub fn fields() -> Vec<Field> {
    let secret = "Secrets it may read, below /run/secrets unless a target says otherwise.";
    let config = "Configs it may read, at the root unless a target says otherwise.";
    vec![key("secrets", secret, list(grant())), key("configs", config, list(grant()))]
}

fn grant() -> Value {
    let long = closed(vec![
        key("source", "Its name at the top.", shape("filled")),
        key(
            "target",
            "Where it appears in the container. Without it, by its name.",
            shape("filled"),
        ),
        key("uid", "The number of the user that owns it. Without it, root.", shape("count")),
        key("gid", "The number of the group that owns it. Without it, root.", shape("count")),
        key_or("mode", json!("0444"), "Its permissions, in octal.", shape("mode")),
    ]);
    short_or(FILLED, long, &["source"])
}
