//! A merged, interpolated tree becomes a stack: the top of the file, every service, and whether they fit.

pub mod atomic;
pub mod consistency;
pub mod evenkeel;
pub mod files;
pub mod networks;
pub mod order;
pub mod relations;
pub mod start_first;
pub mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::findings::Findings;
use super::node::Node;
use super::read::At;
use super::scene::Scene;
use super::service::{self, Draft};
use super::{keys, names, policy};
use crate::model::stack::{Service, Stack};
use crate::model::{Problem, ServiceName};
use crate::policy::Judged;

/// What may stand at the top of a manifest. `include` has been followed before the rest is read.
pub const KNOWN: [&str; 9] = [
    "name",
    "version",
    "include",
    "services",
    "networks",
    "volumes",
    "secrets",
    "configs",
    "x-evenkeel",
];
/// What Compose knows there besides, and why it cannot be used.
pub const REFUSED: [(&str, &str); 1] = [("models", "evenkeel runs containers only")];

/// Circles beyond this many say nothing new.
const MOST_CIRCLES: usize = 20;

/// Reads the stack out of `tree`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the files.
pub fn read(
    tree: &Node,
    findings: Findings,
    scene: Scene<'_>,
    files: Vec<String>,
) -> Result<Stack, Vec<Problem>> {
    let Understood { mut stack, judged, findings } = judge(tree, findings, scene, files)?;
    judged.found.into_iter().for_each(|finding| policy::tell(finding, &findings));
    let (problems, remarks) = findings.into_parts(&stack.masks);
    if !problems.is_empty() {
        return Err(problems);
    }
    stack.remarks = remarks;
    Ok(stack)
}

/// A stack that makes sense, and what the operator's rules make of it.
pub struct Understood {
    stack: Stack,
    /// Nothing of it is told yet.
    pub judged: Judged,
    findings: Findings,
}

/// Reads the stack out of `tree`, and asks the operator's rules about it.
///
/// # Errors
/// Everything that is wrong with it, whatever the rules say.
pub fn judge(
    tree: &Node,
    findings: Findings,
    mut scene: Scene<'_>,
    files: Vec<String>,
) -> Result<Understood, Vec<Problem>> {
    let (used, settings) = examine(tree, &findings, &mut scene);
    scene.remark_on_place().into_iter().for_each(|remark| findings.remark(remark));
    let masks = scene.masks();
    if !findings.is_sound() {
        return Err(findings.into_parts(&masks).0);
    }
    let (options, is_taken_over) = (scene.options, scene.is_taken_over);
    let asked_for = std::mem::take(&mut scene.traces.borrow_mut().host_files);
    let stack = assemble(used, settings, scene, files);
    let asked = policy::Asked { tree, files: &asked_for, is_taken_over };
    let judged = policy::judge(&stack, &asked, options);
    Ok(Understood { stack, judged, findings })
}

/// Reads all of `tree`; what is wrong with it, and what is worth saying, is in `findings`.
pub fn examine(
    tree: &Node,
    findings: &Findings,
    scene: &mut Scene<'_>,
) -> (Used, evenkeel::TopSettings) {
    let top = At::root(tree, findings);
    top.only(&KNOWN, &REFUSED);
    evenkeel::check_hosts(&top, scene.options.host);
    let settings = evenkeel::read(&top, scene.stack);
    scene.networks = networks::read(&top, scene.stack);
    scene.volumes = volumes::read(&top, scene.stack);
    scene.secrets = files::read(&top, files::Kind::Secret, scene);
    scene.configs = files::read(&top, files::Kind::Config, scene);
    (services(&top, scene, settings.atomic), settings)
}

/// The services, and the keys of what they use.
#[derive(Default)]
pub struct Used {
    services: IndexMap<ServiceName, Service>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
}

fn services(top: &At<'_>, scene: &Scene<'_>, is_atomic: bool) -> Used {
    let (mut drafts, inactive) = drafts(top, scene);
    for draft in &mut drafts {
        draft.settle(scene);
    }
    relations::settle(&mut drafts, scene.stack);
    consistency::check(&mut drafts, &inactive);
    start_first::check(&drafts);
    if is_atomic {
        atomic::check(&drafts);
    }
    let order = ordered(&drafts);
    let mut used = Used::default();
    for draft in drafts {
        used.networks.extend(draft.network_keys.iter().cloned());
        used.volumes.extend(draft.volumes.iter().cloned());
        let finished = draft.finish();
        used.services.extend(finished.map(|service| (service.name.clone(), service)));
    }
    let place: BTreeMap<&ServiceName, usize> =
        order.iter().enumerate().map(|(place, name)| (name, place)).collect();
    used.services.sort_by_cached_key(|name, _| place.get(name).copied());
    used
}

/// The services, dependencies first; every circle among them is reported.
fn ordered(drafts: &[Draft<'_>]) -> Vec<ServiceName> {
    let mut edges = consistency::edges(drafts);
    for _ in 0..MOST_CIRCLES {
        match order::dependencies_first(&edges) {
            Ok(order) => return order,
            Err(circle) => {
                consistency::report_circle(drafts, &circle);
                order::open(&mut edges, &circle);
            }
        }
    }
    edges.into_keys().collect()
}

/// Every active service, and the names of those that are not.
fn drafts<'a>(top: &At<'a>, scene: &Scene<'_>) -> (Vec<Draft<'a>>, BTreeSet<ServiceName>) {
    let mut drafts = Vec::new();
    let mut inactive = BTreeSet::new();
    let services = top.value("services");
    let fields = services.as_ref().map(At::fields).unwrap_or_default();
    if fields.is_empty() && services.as_ref().is_none_or(At::is_mapping) {
        let place = top.get("services").map_or(top.place(), |at| at.key_place());
        top.report(
            top.trouble("no-services", "there are no services in this manifest")
                .at(place.clone())
                .hint("write them below `services:`; a stack is removed by removing its directory"),
        );
    }
    unknown_profiles(top, &fields, scene);
    for (key, at) in fields {
        check_key(&at, key);
        let name = ServiceName::new(key);
        if at.is_mapping() && !service::is_active(&at, &scene.profiles) {
            inactive.insert(name);
        } else if at.is_mapping() {
            drafts.push(service::read(name, &at, scene));
        } else {
            empty_service(&at, key);
        }
    }
    (drafts, inactive)
}

/// A profile that the host names and no service has does nothing, and is perhaps misspelt.
fn unknown_profiles(top: &At<'_>, services: &[(&str, At<'_>)], scene: &Scene<'_>) {
    let known: BTreeSet<&str> =
        services.iter().flat_map(|(_, service)| service::profiles(service)).collect();
    for profile in scene.profiles.iter().filter(|profile| *profile != "*") {
        if !known.contains(profile.as_str()) {
            let (stack, known) = (scene.stack, known.iter().copied());
            let near =
                keys::nearest(profile, known).map(|near| format!("; did you mean `{near}`?"));
            let near = near.unwrap_or_default();
            let text = format!(
                "the server's `stacks.{stack}.profiles` names `{profile}`, which no service has{near}"
            );
            top.remark(None, text);
        }
    }
}

fn empty_service(at: &At<'_>, key: &str) {
    if !at.is_null() {
        return at.expected("a mapping");
    }
    let problem = at.trouble("wrong-type", format!("service `{key}` is empty"));
    let problem = problem.at(at.key_place().clone());
    at.report(problem.hint("give it at least an `image`, or remove it"));
}

fn assemble(
    used: Used,
    settings: evenkeel::TopSettings,
    scene: Scene<'_>,
    files: Vec<String>,
) -> Stack {
    let masks = scene.masks();
    let mut traces = scene.traces.into_inner();
    let mut services = used.services;
    for (name, service) in &mut services {
        service.server_files = traces.server_files.remove(name).unwrap_or_default();
    }
    let mut networks = scene.networks;
    networks.retain(|key, _| used.networks.contains(key));
    let mut volumes = scene.volumes;
    volumes.retain(|key, _| used.volumes.contains(key));
    Stack {
        name: scene.stack.clone(),
        source: scene.revision.source.clone(),
        commit: scene.revision.commit.clone(),
        directory: scene.directory.to_owned(),
        files,
        working_dir: scene.working_dir,
        services,
        networks,
        volumes,
        after: settings.after.iter().map(|(name, _)| name.clone()).collect(),
        after_at: settings.after.into_iter().collect(),
        atomic: settings.atomic,
        window: settings.window,
        suspended: settings.suspended,
        remarks: Vec::new(),
        masks,
        record: traces.record,
    }
}

/// Says so where `key` is none that Compose takes.
fn check_key(at: &At<'_>, key: &str) {
    if let Err(why) = names::check_key(key) {
        let problem = Problem::new("wrong-name", why).at(at.key_place().clone()).path(&at.path);
        at.report(problem);
    }
}

/// `external` and the name at the engine, if one is written; something external is called by its key.
fn name_of(at: &At<'_>, key: &str) -> (bool, Option<String>) {
    // A variable may have left it empty: then it is none, as for Compose.
    let written = at.value("name").and_then(|at| at.text()).filter(|name| !name.is_empty());
    let written = written.map(str::to_owned);
    let Some(external) = at.value("external") else { return (false, written) };
    if !external.is_mapping() {
        let external = external.boolean().unwrap_or(false);
        return (external, written.or_else(|| external.then(|| key.to_owned())));
    }
    // The old way of writing it: `external: {name: …}`.
    external.only(&["name"], &[]);
    let inner = external.value("name").and_then(|at| at.filled()).map(str::to_owned);
    (true, inner.or(written).or_else(|| Some(key.to_owned())))
}

/// What is made by someone else cannot be described here too.
fn only_external(at: &At<'_>) {
    for (key, value) in at.fields() {
        if !["name", "external"].contains(&key) && !key.starts_with("x-") {
            value
                .problem("contradiction", format!("`{key}` has no effect on something `external`"));
        }
    }
}
