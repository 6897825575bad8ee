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
        key("type", "What is mounted.", words(&["bind", "volume", "tmpfs", "image"])),
        key(
            "source",
            "A path, the key of a volume, or an image with its digest. Without it, a volume without a name.",
            shape("filled"),
        ),
        key("target", "The path in the container.", shape("filled")),
        key_or("read_only", json!(false), "It cannot be written to.", shape("flag")),
        key("bind", "Of a path.", bind()),
        key("volume", "Of a volume.", volume_options()),
        key("tmpfs", "Of memory.", tmpfs()),
        key("image", "Of an image.", closed(vec![subpath("image")])),
        key("consistency", "Has no effect on Linux.", json!(true)),
    ])
}

fn volume_options() -> Value {
    closed(vec![
        key_or(
            "nocopy",
            json!(false),
            "An empty volume is not filled with what the image has there.",
            shape("flag"),
        ),
        subpath("volume"),
        key(
            "labels",
            "Labels of a volume without a name; those of others stand at the top.",
            shape("pairs"),
        ),
    ])
}

fn subpath(whole: &str) -> Field {
    let path = json!({"type": ["string", "null"], "not": {"pattern": "^/"}});
    key(
        "subpath",
        &format!("The directory of the {whole} that is mounted in place of the whole."),
        path,
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
        key_or(
            "recursive",
            json!("enabled"),
            "What is mounted below it: `disabled` is not seen, `writable` stays writable though this mount \
             is read-only, `readonly` is read-only or the container does not start.",
            words(&["enabled", "disabled", "writable", "readonly"]),
        ),
    ])
}

fn tmpfs() -> Value {
    closed(vec![
        key("size", "At most this much. Without it, half of the memory.", shape("bytes")),
        key("mode", "Permissions, in octal.", shape("mode")),
    ])
}
