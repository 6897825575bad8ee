//! The JSON Schema of a manifest, for editors: what the loader takes today, and nothing else.
//!
//! A key that Compose has and evenkeel refuses is not here. The readers decide; that no key is missing
//! or too many is what the tests compare with them. A schema looks at one file, before it is merged and
//! before variables are filled in: so nothing is required that another file could add, and where a
//! number or a word is expected, a text with a `$` in it will do.

mod deploy;
mod devices;
mod examples;
mod files;
mod limits;
pub mod lookup;
mod mounts;
mod networks;
mod process;
mod service;
mod shapes;
mod surroundings;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::project::REFUSED;
use super::service::refused as in_services;

use self::shapes::{
    FILLED, Field, closed, definitions, key, key_or, list, named, one_or_more, shape, short_or,
    strict,
};

/// The schema (draft 2020-12) of `compose.yaml`.
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evenkeel manifest",
        "description": "A Compose file with the keys that evenkeel understands.",
        "$defs": definitions(),
    });
    let top = closed(top());
    if let (Some(schema), Some(top)) = (schema.as_object_mut(), top.as_object()) {
        schema.extend(top.clone());
        // An empty file is no manifest.
        schema.insert("type".to_owned(), "object".into());
    }
    examples::add(&mut schema);
    schema
}

/// Keys that Compose has and evenkeel refuses, each with its path and the reason: what a schema has no place for.
pub fn refused() -> Vec<(String, &'static str)> {
    let top = REFUSED.iter().map(|(key, why)| ((*key).to_owned(), *why));
    top.chain(in_services().map(|(key, why)| (format!("services.*.{key}"), why))).collect()
}

fn top() -> Vec<Field> {
    vec![
        key(
            "name",
            "The stack's name, by which its containers, networks and volumes are called. Without it, the \
             directory's.",
            shape("project"),
        ),
        key("version", "Has no effect; today's Compose files do without it.", json!(true)),
        key(
            "include",
            "Other Compose files of the repository whose services, networks, volumes, secrets and configs \
             belong to this stack, each with its own directory and `.env`.",
            list(short_or(FILLED, include(), &["path"])),
        ),
        key("services", "What runs, by name.", services()),
        key(
            "networks",
            "Networks of this stack, by name. `default` is there without being written, and every service \
             that names no other joins it.",
            named(networks::network()),
        ),
        key(
            "volumes",
            "Named volumes, by name. evenkeel never removes one.",
            named(mounts::volume()),
        ),
        key(
            "secrets",
            "Files that services may read, their content being secret.",
            files::secrets(),
        ),
        key("configs", "Files that services may read.", files::configs()),
        key("x-evenkeel", "What Compose has no word for: the stack as a whole.", evenkeel()),
    ]
}

fn include() -> Value {
    closed(vec![
        key(
            "path",
            "The file, as seen from the directory of this one. Further files are laid over the first.",
            one_or_more(shape("filled")),
        ),
        key(
            "project_directory",
            "Where relative paths in these files start. Without it, the directory of the first one.",
            shape("filled"),
        ),
        key(
            "env_file",
            "Files of variables for these files, below those of the including one. Without it, the `.env` of \
             their directory.",
            one_or_more(shape("filled")),
        ),
    ])
}

fn services() -> Value {
    let mut services = named(closed(service::fields()));
    services["type"] = "object".into();
    services["minProperties"] = 1.into();
    services["additionalProperties"]["type"] = "object".into();
    services
}

fn evenkeel() -> Value {
    let suspended = strict(vec![
        key(
            "until",
            "A day or a point in time: `2026-03-01`, `2026-03-01T08:00:00Z`. Without it, until this is \
             taken out again.",
            shape("text"),
        ),
        key("reason", "Shown wherever the stack is.", shape("text")),
    ]);
    strict(vec![
        key(
            "after",
            "Stacks that have to be in sync before this one is changed.",
            one_or_more(shape("project_item")),
        ),
        key(
            "hosts",
            "Patterns such as `web-*`: only hosts whose name matches one run this stack. Without it, \
             every host.",
            one_or_more(shape("item")),
        ),
        key(
            "rollout",
            "How the stack as a whole is changed.",
            strict(vec![key_or(
                "atomic",
                json!(false),
                "Change the services of this stack as a whole or not at all: when one fails its gate or \
                 while it is watched, those that were changed in the same pass go back too, and the others \
                 are not begun.",
                shape("flag"),
            )]),
        ),
        key(
            "window",
            "When deployments of this stack may start. Mending and going back never wait.",
            shape("window"),
        ),
        key(
            "suspend",
            "Leave this stack as it is.",
            json!({"anyOf": [shape("flag"), suspended], "default": false}),
        ),
    ])
}
