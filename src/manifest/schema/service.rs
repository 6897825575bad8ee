//! The keys of a service, but for the families that have a file of their own.

use serde_json::{Value, json};

use super::shapes::{
    FILLED, Field, PROTOCOL, closed, key, key_or, list, list_or_named, mapping, one_or_more, shape,
    short_or, strict, words,
};
use super::{deploy, devices, files, limits, mounts, networks, process, surroundings};

/// Every key of a service.
pub fn fields() -> Vec<Field> {
    let families = [image(), process::fields(), environment(), order(), shown(), ignored()];
    let mut fields: Vec<Field> = families.into_iter().flatten().collect();
    fields.extend(deploy::fields());
    fields.extend(devices::fields());
    fields.extend(files::fields());
    fields.extend(limits::fields());
    fields.extend(mounts::fields());
    fields.extend(networks::fields());
    fields.extend(surroundings::fields());
    fields.push(key("x-evenkeel", "What Compose has no word for: this service.", evenkeel()));
    fields
}

fn image() -> Vec<Field> {
    vec![
        key(
            "image",
            "What runs: a tag, a digest, or both. A tag is looked up once, when this line is new or \
             changes; the digest it had then stays until it changes again.",
            shape("item"),
        ),
        key(
            "extends",
            "Another service that this one begins as a copy of. What is written here is laid over it.",
            short_or(FILLED, extended(), &["service"]),
        ),
        key("build", "Has no effect beside `image`: the server never builds.", json!(true)),
        key(
            "platform",
            "The platform of the image, such as `linux/arm64`. Without it, the engine's own.",
            json!({"type": ["string", "number", "null"], "pattern": "^[A-Za-z0-9/_.-]+$|[$]"}),
        ),
        key_or(
            "pull_policy",
            json!("missing"),
            "`missing` pulls what is not on the host; `never` runs only what is already there; the others \
             ask the registry what a tag means now.",
            json!({"anyOf": [
                {"enum": ["missing", "if_not_present", "build", "never", "always", "daily", "weekly"]},
                {"type": "string", "pattern": "^every_[0-9]|[$]"},
                {"type": "null"},
            ]}),
        ),
    ]
}

fn extended() -> Value {
    closed(vec![
        key("service", "Its name.", shape("filled")),
        key(
            "file",
            "The file it is in, as seen from the directory of this one. Without it, this file.",
            shape("filled"),
        ),
    ])
}

fn environment() -> Vec<Field> {
    let file = closed(vec![
        key("path", "Looked up on the server, then beside the manifest.", shape("filled")),
        key_or("required", json!(true), "Whether the stack is invalid without it.", shape("flag")),
        key("format", "`raw` takes lines as they are: no quotes, no variables.", words(&["raw"])),
    ]);
    vec![
        key(
            "environment",
            "Variables of the container, over those of `env_file`. A name without a value is passed \
             through from the server's env files.",
            shape("pairs"),
        ),
        key(
            "label_file",
            "Files of labels, below those of `labels`; a later one goes before an earlier one.",
            one_or_more(shape("item")),
        ),
        key(
            "env_file",
            "Files of variables; a later one goes before an earlier one.",
            one_or_more(short_or(FILLED, file, &["path"])),
        ),
    ]
}

fn order() -> Vec<Field> {
    let dependency = closed(vec![
        key_or(
            "condition",
            json!("service_started"),
            "What is waited for: that it runs, that its health check passes, or that it ends with 0.",
            words(&["service_started", "service_healthy", "service_completed_successfully"]),
        ),
        key_or(
            "restart",
            json!(false),
            "Restart this service after that one is replaced.",
            shape("flag"),
        ),
        key_or(
            "required",
            json!(true),
            "Whether it is an error that it is not there.",
            shape("flag"),
        ),
    ]);
    vec![
        key(
            "depends_on",
            "Services that come first, and what is waited for.",
            list_or_named(shape("item"), dependency),
        ),
        key(
            "profiles",
            "The service runs only where the server's configuration has one of these active.",
            one_or_more(shape("word")),
        ),
    ]
}

fn shown() -> Vec<Field> {
    let logging = closed(vec![
        key("driver", "The engine's log driver. Without it, the engine's default.", shape("text")),
        key("options", "Options of the driver.", mapping(shape("text"))),
    ]);
    let port = format!("^[0-9]+(-[0-9]+)?(/{PROTOCOL})?$|[$]");
    vec![
        key("labels", "Labels of the container.", shape("pairs")),
        key("logging", "What becomes of its output.", logging),
        key(
            "expose",
            "Ports it listens on, for other containers to know; publishes none.",
            list(json!({"type": ["string", "integer"], "pattern": port, "minimum": 1})),
        ),
    ]
}

fn ignored() -> Vec<Field> {
    vec![
        key("attach", "Has no effect on a server.", json!(true)),
        key("develop", "Has no effect on a server.", json!(true)),
        key("pull_refresh_after", "Has no effect.", json!(true)),
    ]
}

fn evenkeel() -> Value {
    let rollout = strict(vec![
        key_or(
            "stable",
            json!("10s"),
            "How long a new container without health check has to run before it counts as good.",
            shape("duration"),
        ),
        key(
            "deadline",
            "How long a new container may take from create to good. Without it, five minutes, or as \
             long as its health check can take.",
            shape("duration"),
        ),
        key_or(
            "restarts",
            json!(5),
            "How many restarts of a new container are borne before it counts as failed.",
            shape("count"),
        ),
        key_or(
            "shared_writers",
            json!(false),
            "With `order: start-first`: whether old and new container may write to the same volumes for a while.",
            shape("flag"),
        ),
    ]);
    let mut keep = shape("count");
    keep["minimum"] = 1.into();
    strict(vec![
        key("keep", "How many good generations keep their images on the host.", keep),
        key("rollout", "How a new container proves itself, and beside what.", rollout),
        key(
            "probe",
            "What a new container is asked from its host, each second until its deadline, once it is good otherwise.",
            probe(),
        ),
        key(
            "update",
            "Which newer tags of its image the service follows. Without it, git alone decides.",
            update(),
        ),
        key(
            "stamp",
            "Variables that tell a container when and from what it was made. A new value alone is no reason \
             for a new container.",
            stamp(),
        ),
    ])
}

fn update() -> Value {
    strict(vec![
        key(
            "semver",
            "Tags whose version is in this range, in the words of cargo and npm: `~1.4`, `^2`, `>=1.4 <3`. They \
             have as many numbers as the written tag, and the same behind them.",
            shape("filled"),
        ),
        key(
            "match",
            "Tags that this regular expression matches as a whole. The group `version` of it, or else the tag, is \
             what is ordered.",
            shape("filled"),
        ),
        key_or(
            "order",
            json!("semver"),
            "How the tags of `match` are ordered.",
            words(&["semver", "numeric", "alphabetical"]),
        ),
        key(
            "allow",
            "How far a version may be from the one that is written in git: `minor` keeps the first number, `patch` \
             the first two.",
            words(&["patch", "minor", "major"]),
        ),
        key(
            "min_age",
            "How old an image has to be, by the time at which it was made and the time at which this host first \
             saw it.",
            shape("duration"),
        ),
        key(
            "window",
            "When a newer image may be deployed. It is looked for at any time.",
            shape("window"),
        ),
        key_or(
            "write_back",
            json!(false),
            "Whether the newer image is written to the manifest in git.",
            shape("flag"),
        ),
    ])
}

fn stamp() -> Value {
    json!({
        "type": ["object", "null"],
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {
            "description": "`generation` is its number; `commit` all 40 digits; `image` is `repository:tag`; \
                            `digest` is what the registry calls the image.",
            "anyOf": [
                {"enum": ["generation", "commit", "image", "digest"]},
                {"type": "string", "pattern": "[$]"},
            ],
        },
    })
}

fn probe() -> Value {
    let mut status = shape("integer");
    status["minimum"] = 100.into();
    status["maximum"] = 599.into();
    let expect = strict(vec![
        key_or("status", json!(200), "The status of the answer.", status),
        key(
            "json",
            "Members that the answer's JSON has to have, with these values; it may have others. \
             `${IMAGE_TAG}` is the tag of the service's image.",
            json!(true),
        ),
        key(
            "body",
            "A text that has to be somewhere in the answer. `${IMAGE_TAG}` is the tag of the service's image.",
            shape("item"),
        ),
    ]);
    let mut probe = strict(vec![
        key(
            "http",
            "What is asked for: `:8000/health` of the container itself, or a whole URL.",
            json!({"type": "string", "pattern": "^(:[0-9]|http://.)|[$]"}),
        ),
        key(
            "tcp",
            "A port that has to take a connection: `:5432` of the container itself, or `host:port`.",
            json!({"type": "string", "pattern": ":[0-9]+$|[$]"}),
        ),
        key("expect", "The right answer.", expect),
    ]);
    probe["oneOf"] = json!([{"required": ["http"]}, {"required": ["tcp"]}, {"type": "null"}]);
    probe
}
