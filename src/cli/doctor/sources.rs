//! Whether every source can be read, its stacks make sense, and its registries let us in.

use super::Finding;
use crate::model::{ImageRef, Problem};
use crate::reconcile::World;
use crate::reconcile::places::Places;
use crate::reconcile::sources::{self, Freshness, SourceSeen};
use crate::registry::{self, RegistryError};

/// The sources, what is wrong with their stacks, and the registries these name.
pub(super) async fn look(world: &World) -> Vec<Finding> {
    let fetched = sources::fetch(world, Freshness::Latest, jiff::Timestamp::now()).await;
    let read = sources::read(world, fetched, Places::new()).await;
    let mut findings: Vec<Finding> = read.sources.iter().flat_map(source).collect();
    let mut images: Vec<&ImageRef> = Vec::new();
    for stack in &read.loaded.stacks {
        match &stack.content {
            Ok(stack) => images.extend(stack.services.values().map(|service| &service.image)),
            Err(problems) => {
                findings.push(unusable(format!("stack {}", stack.name), problems));
            }
        }
    }
    images.sort_by(|a, b| a.registry().cmp(b.registry()));
    images.dedup_by(|a, b| a.registry() == b.registry());
    let asked = images.into_iter().map(|image| registry_of(world, image));
    findings.extend(futures_util::future::join_all(asked).await);
    findings
}

fn source(seen: &SourceSeen) -> Vec<Finding> {
    let what = format!("source {}", seen.name);
    let mut findings = Vec::new();
    match (&seen.report.error, &seen.report.commit) {
        (Some(error), _) => {
            let remedy = seen
                .hint
                .clone()
                .unwrap_or_else(|| "see `sources` in the configuration".to_owned());
            findings.push(Finding::failed(&what, error, remedy));
        }
        (None, Some(commit)) => {
            findings
                .push(Finding::ok(&what, format!("{}, at {}", seen.report.repo, commit.short())));
        }
        (None, None) => {}
    }
    if !seen.problems.is_empty() {
        findings.push(unusable(what, &seen.problems));
    }
    findings
}

/// The first of `problems`, and how many more there are.
fn unusable(what: String, problems: &[Problem]) -> Finding {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let more = match problems.len() {
        0 | 1 => String::new(),
        number => format!(" (and {} more)", number - 1),
    };
    let hint = problems.first().and_then(|problem| problem.hint.clone());
    let see = "`evenkeel plan` shows all of it";
    let remedy = hint.map_or(see.to_owned(), |hint| format!("{hint}; {see}"));
    Finding::failed(what, format!("{first}{more}"), remedy)
}

async fn registry_of(world: &World, image: &ImageRef) -> Finding {
    let what = format!("registry {}", image.registry());
    match registry::digest(&*world.registry, image).await {
        Ok(_) => Finding::ok(what, "answers, and lets us in"),
        Err(RegistryError::NoSuchImage { .. } | RegistryError::NotForPlatform { .. }) => {
            Finding::ok(what, "answers")
        }
        Err(RegistryError::Denied { why, .. }) => Finding::failed(
            what,
            format!("refuses access: {why}"),
            "log in with `docker login`, or set `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Credentials { why, .. }) => Finding::failed(
            what,
            format!("credentials cannot be used: {why}"),
            "see `registry.docker_config` and `registry.hosts` in the configuration",
        ),
        Err(RegistryError::Unknown { why, .. } | RegistryError::NotAsked { why, .. }) => {
            Finding::warning(
                what,
                format!("gives no answer: {why}"),
                "what runs goes on; new images cannot be pulled until it answers",
            )
        }
    }
}
