//! What a record expects and what is found, brought to one form.
//!
//! The canonical form is what `docker compose config` prints. The records hold what Compose's loader gives,
//! which that command completes and cuts, and most of them ask the loader not to complete anything. Only what
//! those two steps are known to do is levelled here; each function says which.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

/// Stands for the directory of a record that names none, whose paths stay relative.
const NOWHERE: &str = "/nowhere";

/// The kinds of resources at the top.
const KINDS: [&str; 4] = ["networks", "volumes", "secrets", "configs"];

/// Where Compose ran.
pub fn root(record: &Json) -> PathBuf {
    match record["working_dir"].as_str().unwrap_or_default() {
        "" => NOWHERE.into(),
        directory => directory.into(),
    }
}

/// What `record` expects and what was `found`, to be compared.
pub fn both(record: &Json, found: Json) -> (Json, Json) {
    let mut expected = record["expected"].clone();
    let mut found = texts(found, &|text| relative(&text.replace("$$", "$")));
    if !asked(record, "resolve_paths") {
        for_each(&mut expected, "services", |service| resolve_context(service, &root(record)));
    }
    if asked(record, "project_name_imperative") {
        rename(&mut found, &expected);
    }
    for document in [&mut expected, &mut found] {
        for_each(document, "services", level);
    }
    if !record["options"]["selected_services"].is_null() {
        keep(&mut found, "services", |name| expected["services"].get(name).is_some());
    }
    if asked(record, "skip_normalization") {
        undo_completion(&expected, &mut found);
    }
    for kind in KINDS {
        let used = used(&expected, kind);
        for document in [&mut expected, &mut found] {
            keep(document, kind, |name| used.iter().any(|used| used == name));
        }
    }
    (expected, found)
}

fn asked(record: &Json, option: &str) -> bool {
    record["options"][option].as_bool() == Some(true)
}

fn relative(text: &str) -> String {
    match text.strip_prefix(NOWHERE) {
        Some("") => ".".to_owned(),
        Some(rest) => rest.strip_prefix('/').unwrap_or(rest).to_owned(),
        None => text.to_owned(),
    }
}

/// `value` with every text in it, keys too, changed.
fn texts(value: Json, change: &impl Fn(&str) -> String) -> Json {
    match value {
        Json::String(text) => change(&text).into(),
        Json::Array(items) => items.into_iter().map(|item| texts(item, change)).collect(),
        Json::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(key, value)| (change(&key), texts(value, change)))
                .collect::<Map<_, _>>()
                .into()
        }
        other @ (Json::Null | Json::Bool(_) | Json::Number(_)) => other,
    }
}

/// A name that Compose is told goes before the manifest's own.
fn rename(found: &mut Json, expected: &Json) {
    let names = (found["name"].as_str(), expected["name"].as_str());
    let (Some(own), Some(told)) = names else { return };
    let (own, told) = (own.to_owned(), told.to_owned());
    *found = texts(found.take(), &|text| text.replace(&own, &told));
}

fn for_each(document: &mut Json, kind: &str, change: impl Fn(&mut Map<String, Json>)) {
    let all = document.get_mut(kind).and_then(Json::as_object_mut).into_iter().flatten();
    all.filter_map(|(_, one)| one.as_object_mut()).for_each(change);
}

/// Some records ask to leave paths as they are written.
fn resolve_context(service: &mut Map<String, Json>, root: &Path) {
    if let Some(context) = service.get_mut("build").and_then(|build| build.get_mut("context"))
        && let Some(path) = context.as_str()
    {
        *context = root.join(path).to_string_lossy().into();
    }
}

/// What only one of the two forms shows of a service: `config` reads env files and prints the variables, and has
/// done what `extends` asks for; the loader leaves out that a missing directory is made, which is the default.
fn level(service: &mut Map<String, Json>) {
    service.remove("env_file");
    service.remove("extends");
    let volumes = service.get_mut("volumes").and_then(Json::as_array_mut).into_iter().flatten();
    for bind in volumes.filter_map(|volume| volume.get_mut("bind")?.as_object_mut()) {
        if bind.get("create_host_path") == Some(&Json::Bool(true)) {
            bind.remove("create_host_path");
        }
    }
}

/// Compose's "normalisation": the default network, the names of resources, the usual Dockerfile, and whom a
/// service depends on without saying so. What the record has of these itself is compared.
fn undo_completion(expected: &Json, found: &mut Json) {
    let names: Vec<String> =
        found["services"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names {
        let wanted = &expected["services"][&name];
        let Some(service) = found["services"][&name].as_object_mut() else { continue };
        for key in ["networks", "depends_on"] {
            if wanted.get(key).is_none() {
                service.remove(key);
            }
        }
        if let Some(build) = service.get_mut("build").and_then(Json::as_object_mut)
            && wanted["build"].get("dockerfile").is_none()
        {
            build.remove("dockerfile");
        }
    }
    for kind in KINDS {
        let Some(resources) = found.get_mut(kind).and_then(Json::as_object_mut) else { continue };
        if expected[kind].get("default").is_none() {
            resources.remove("default");
        }
        for (key, resource) in resources {
            if expected[kind][key].get("name").is_none()
                && let Some(fields) = resource.as_object_mut()
            {
                fields.remove("name");
            }
        }
    }
}

/// `config` leaves out what no service uses.
fn used(document: &Json, kind: &str) -> Vec<String> {
    let services = document["services"].as_object().into_iter().flatten();
    services
        .flat_map(|(_, service)| [names(&service[kind]), names(&service["build"][kind])].concat())
        .collect()
}

/// The names in a list of texts or of mounts, or the keys of a mapping.
fn names(value: &Json) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    let named = items.filter_map(|item| item.as_str().or_else(|| item["source"].as_str()));
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key.clone());
    named.map(str::to_owned).chain(keys).collect()
}

fn keep(document: &mut Json, kind: &str, is_kept: impl Fn(&str) -> bool) {
    let Some(resources) = document.get_mut(kind).and_then(Json::as_object_mut) else { return };
    resources.retain(|name, _| is_kept(name));
    if resources.is_empty()
        && let Some(fields) = document.as_object_mut()
    {
        fields.remove(kind);
    }
}
