//! How a service will fare: its version, its health, its rights, its ports.

use super::{Of, Told, items, text};
use crate::import::Weight;
use crate::manifest::node::{Node, Value};
use crate::model::{ImageRef, Place};

/// Every service of `tree`, by name.
pub fn all(tree: &Node) -> Vec<(&str, &Node)> {
    match tree.get("services").map(|services| &services.value) {
        Some(Value::Mapping(fields)) => {
            fields.iter().map(|(name, field)| (name.as_str(), &field.node)).collect()
        }
        Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => Vec::new(),
    }
}

/// Services that others await the end of.
pub fn awaited_jobs(tree: &Node) -> Vec<&str> {
    let mut jobs = Vec::new();
    for (_, service) in all(tree) {
        let Some(Value::Mapping(fields)) = service.get("depends_on").map(|d| &d.value) else {
            continue;
        };
        let ended = |node: &Node| {
            node.get("condition").and_then(text) == Some("service_completed_successfully")
        };
        jobs.extend(fields.iter().filter(|(_, f)| ended(&f.node)).map(|(name, _)| name.as_str()));
    }
    jobs
}

/// Tells what is worth a word about one service.
pub fn advise(of: &Of<'_>, told: &mut Told<'_>) {
    if !matches!(of.service.value, Value::Mapping(_)) {
        return;
    }
    image(of, told);
    rights(of, told);
    ports(of, told);
    if !is_job(of) {
        health(of, told);
        restart(of, told);
    }
    dependencies(of, told);
}

fn image(of: &Of<'_>, told: &mut Told<'_>) {
    let Some(node) = of.service.get("image") else { return };
    let known = text(node).and_then(|written| told.known(written));
    let Some(image) = known.and_then(|known| ImageRef::parse(&known).ok()) else { return };
    if image.digest().is_some() {
        return;
    }
    let what = match image.tag() {
        None => "names no version",
        Some("latest") => "says `latest`, which is no version",
        Some(_) => return,
    };
    let text = format!("the image {what}: what is deployed is what the tag means on that day");
    told.add(Weight::Worth, &node.place, Some(of.name), text, "name the version that runs today");
}

fn rights(of: &Of<'_>, told: &mut Told<'_>) {
    if let Some(node) = of.service.get("privileged").filter(|node| text(node) == Some("true")) {
        let text = "it is privileged: whoever writes to the repository has the host".to_owned();
        let next = "name what it needs in `cap_add` and `devices`, if it is not all";
        told.add(Weight::Worth, &node.place, Some(of.name), text, next);
    }
    let sockets = of.service.get("volumes").map(items).unwrap_or_default().iter();
    let source = |node: &Node| match &node.value {
        Value::Mapping(_) => node.get("source").and_then(text).map(str::to_owned),
        Value::Scalar(_) => text(node).and_then(|t| t.split(':').next()).map(str::to_owned),
        Value::Null | Value::Sequence(_) => None,
    };
    let is_socket = |node: &&Node| {
        source(node)
            .is_some_and(|path| path == "/var/run/docker.sock" || path == "/run/docker.sock")
    };
    for node in sockets.filter(is_socket) {
        let text = "it has the engine's socket, and so the host".to_owned();
        let next =
            "put a proxy that passes on what it needs before the socket, or leave it knowingly";
        told.add(Weight::Worth, &node.place, Some(of.name), text, next);
    }
}

fn ports(of: &Of<'_>, told: &mut Told<'_>) {
    let Some(node) = of.service.get("ports") else { return };
    let is_published = |item: &Node| match &item.value {
        Value::Mapping(_) => item.get("published").is_some(),
        Value::Scalar(scalar) => scalar.text.contains(':'),
        Value::Null | Value::Sequence(_) => false,
    };
    if items(node).iter().any(is_published) {
        let text = "only one container at a time can have its host ports: an update stops the old one first";
        let next = "let a reverse proxy in the stack have the ports, for updates without a gap";
        told.add(Weight::Worth, &node.place, Some(of.name), text.to_owned(), next);
    }
}

fn health(of: &Of<'_>, told: &mut Told<'_>) {
    if of.service.get("healthcheck").is_some() {
        return;
    }
    let text = "without a `healthcheck`, a new version counts as good once it has run for 10 s";
    let next = "write one, unless the image brings its own";
    told.add(Weight::Worth, &here(of), Some(of.name), text.to_owned(), next);
}

fn restart(of: &Of<'_>, told: &mut Told<'_>) {
    let deploy = of.service.get("deploy").and_then(|deploy| deploy.get("restart_policy"));
    if of.service.get("restart").or(deploy).is_some() {
        return;
    }
    let text = "without `restart`, it stays down when it ends or the host reboots".to_owned();
    told.add(Weight::Worth, &here(of), Some(of.name), text, "write `restart: unless-stopped`");
}

/// Whether it runs to its end.
fn is_job(of: &Of<'_>) -> bool {
    let restart = of.service.get("restart").and_then(text).unwrap_or_default();
    restart == "no" || restart.starts_with("on-failure") || of.jobs.contains(&of.name.as_str())
}

fn dependencies(of: &Of<'_>, told: &mut Told<'_>) {
    let Some(node) = of.service.get("depends_on") else { return };
    let started: Vec<(&str, &Place)> = match &node.value {
        Value::Sequence(_) | Value::Scalar(_) => {
            items(node).iter().filter_map(|item| Some((text(item)?, &item.place))).collect()
        }
        Value::Mapping(fields) => {
            let waits = |node: &Node| node.get("condition").is_some();
            let fields = fields.iter().filter(|(_, field)| !waits(&field.node));
            fields.map(|(name, field)| (name.as_str(), &field.key_place)).collect()
        }
        Value::Null => Vec::new(),
    };
    for (name, place) in started {
        let target = of.tree.get("services").and_then(|services| services.get(name));
        if target.and_then(|target| target.get("healthcheck")).is_none() {
            continue;
        }
        let text =
            format!("it starts as soon as `{name}` has started, though that has a health check");
        let next = format!("write `depends_on: {{{name}: {{condition: service_healthy}}}}`");
        told.add(Weight::Worth, place, Some(of.name), text, &next);
    }
}

/// Where the service is named.
fn here(of: &Of<'_>) -> Place {
    let Some(Value::Mapping(fields)) = of.tree.get("services").map(|services| &services.value)
    else {
        return of.service.place.clone();
    };
    fields.get(of.name.as_str()).map_or(of.service.place.clone(), |field| field.key_place.clone())
}
