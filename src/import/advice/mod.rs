//! What is worth a word about a manifest that loads: what to put where, and what rollouts will be like.
//!
//! Read off the result's tree, so that it is told of stacks too that cannot be used yet. What is wrong is
//! told by the loader; what was changed, by whoever changed it.

mod data;
mod services;

use super::convert::Env;
use super::source::{self};
use super::{Advice, File, Input, Weight};
use crate::manifest::interpolate::{self, Lookup};
use crate::manifest::node::{Node, Value};
use crate::model::{Place, ServiceName, StackName};

/// All that is worth a word about `manifests`.
pub fn advise(stack: &StackName, manifests: &[File], env: &Env, input: &Input<'_>) -> Vec<Advice> {
    // What is attached is told of where it is taken in.
    let is_own = |file: &&File| {
        let name = file.name.strip_prefix(stack.as_str()).unwrap_or_default();
        matches!(name, "/compose.yaml" | "/compose.override.yaml")
    };
    let own: Vec<File> = manifests.iter().filter(is_own).cloned().collect();
    let Ok(sources) = source::read(&own) else { return Vec::new() };
    let Ok(tree) = source::merged(&sources) else { return Vec::new() };
    let mut told = Told { env, advice: Vec::new() };
    let jobs = services::awaited_jobs(&tree);
    for (name, service) in services::all(&tree) {
        let of = Of { name: &ServiceName::new(name), service, jobs: &jobs, tree: &tree };
        services::advise(&of, &mut told);
        data::advise(&of, stack, input, &mut told);
    }
    top(stack, &tree, input, &mut told);
    told.advice
}

/// A service of the tree.
struct Of<'a> {
    name: &'a ServiceName,
    service: &'a Node,
    /// Services whose end is awaited.
    jobs: &'a [&'a str],
    tree: &'a Node,
}

/// What is told so far.
struct Told<'a> {
    env: &'a Env,
    advice: Vec<Advice>,
}

impl Told<'_> {
    fn add(
        &mut self,
        weight: Weight,
        at: &Place,
        service: Option<&ServiceName>,
        text: String,
        next: &str,
    ) {
        self.advice.push(Advice {
            weight,
            place: Some(at.clone()),
            service: service.cloned(),
            text,
            next: (!next.is_empty()).then(|| next.to_owned()),
        });
    }

    /// A value with its variables put in, where all of them are known. Never for people.
    fn known(&self, template: &str) -> Option<String> {
        let expanded = interpolate::expand(template, self.env).ok()?;
        expanded.unset.is_empty().then(|| expanded.text.reveal().to_owned())
    }
}

fn top(stack: &StackName, tree: &Node, input: &Input<'_>, told: &mut Told<'_>) {
    let Value::Mapping(fields) = &tree.value else { return };
    if let Some(version) = fields.get("version") {
        let text = "`version` means nothing any more".to_owned();
        told.add(Weight::Worth, &version.key_place, None, text, "take the line out");
    }
    let profiled = services::all(tree).into_iter().find_map(|(_, service)| service.get("profiles"));
    if let Some(profiles) = profiled {
        let active = told.env.get("COMPOSE_PROFILES").is_some();
        let text = match active {
            true => "`COMPOSE_PROFILES` is not read: which profiles are active is up to the server",
            false => "services with a profile run only where the server's configuration names it",
        };
        let next =
            format!("list them in its configuration: `stacks: {{{stack}: {{profiles: […]}}}}`");
        told.add(Weight::Server, &profiles.place, None, text.to_owned(), &next);
    }
    if let Some(dir) = input.working_dir {
        let text = format!("the project's relative data lies in {}", dir.display());
        let next = format!(
            "write `stacks: {{{stack}: {{dir: {}}}}}` into the server's configuration, so that it stays there",
            dir.display()
        );
        told.add(Weight::Server, &tree.place, None, text, &next);
    }
}

/// The text of a single value.
fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

/// The values of a list; a single value is one.
fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::Sequence(items) => items,
        Value::Scalar(_) => std::slice::from_ref(node),
        Value::Null | Value::Mapping(_) => &[],
    }
}
