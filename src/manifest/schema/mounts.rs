//! `volumes`, at the top and on a service, and `tmpfs`.

use serde_json::{Value, json};

use super::networks::external;
use super::shapes::{
    FILLED, Field, closed, key, key_or, list, mapping, one_or_more, shape, short_or, words,
};

/// One entry of `volumes` at the top.
pub fn volume() -> Value {
    let mut fields = external("volume");
    fields.extend([
        key("driver", "Who keeps it. Without it, the engine itself.", shape("filled")),
        key("driver_opts", "Options of the driver.", mapping(shape("text"))),
        key("labels", "Labels of the volume.", shape("pairs")),
    ]);
    closed(fields)
}

/// `volumes` and `tmpfs` of a service.
pub fn fields() -> Vec<Field> {
    vec![
        key(
            "volumes",
            "What it sees at which path. In short: `source:target[:options]`. A source that begins with \
             `./` and lies in git is mounted read-only; one that does not is a directory of the server.",
            list(short_or(FILLED, mount(), &["type", "target"])),
        ),
        key(
            "volumes_from",
            "Services, or `container:name`, all of whose volumes it mounts too; `:ro` to read only.",
            list(shape("item")),
        ),
        key(
            "tmpfs",
            "Paths in memory, with options after a colon: `/run:size=16m`.",
            one_or_more(json!({"type": "string", "pattern": "^/|[$]"})),
        ),
    ]
}

fn mount() -> Value {
    closed(vec![
        key("type", "What is mounted.", words(&["bind", "volume", "tmpfs"])),
        key(
            "source",
            "A path, or the key of a volume. Without it, a volume without a name.",
            shape("filled"),
        ),
        key("target", "The path in the container.", shape("filled")),
        key_or("read_only", json!(false), "It cannot be written to.", shape("flag")),
        key("bind", "Of a path.", bind()),
        key("volume", "Of a volume.", closed(vec![nocopy()])),
        key("tmpfs", "Of memory.", tmpfs()),
        key("consistency", "Has no effect on Linux.", json!(true)),
    ])
}

fn nocopy() -> Field {
    key_or(
        "nocopy",
        json!(false),
        "An empty volume is not filled with what the image has there.",
        shape("flag"),
    )
}

fn bind() -> Value {
    let propagations = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];
    closed(vec![
        key_or(
            "propagation",
            json!("rprivate"),
            "Whether later mounts are seen on the other side.",
            words(&propagations),
        ),
        key_or("create_host_path", json!(true), "Make a directory that is missing.", shape("flag")),
        key(
            "selinux",
            "The label: `z` shared between containers, `Z` its own.",
            words(&["z", "Z"]),
        ),
    ])
}

fn tmpfs() -> Value {
    closed(vec![
        key("size", "At most this much. Without it, half of the memory.", shape("bytes")),
        key("mode", "Permissions, in octal.", shape("mode")),
    ])
}
