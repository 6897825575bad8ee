//! `post_start` and `pre_stop`: programs that are run in the container.

use std::collections::BTreeMap;

use super::Draft;
use super::environment::passed_through;
use super::process::{non_empty, split};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::Hidden;
use crate::model::spec::Hook;

/// `post_start`
pub fn post_start(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    draft.settings.hooks.post_start = hooks(at, scene);
}

/// `pre_stop`
pub fn pre_stop(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    draft.settings.hooks.pre_stop = hooks(at, scene);
}

fn hooks(at: &At<'_>, scene: &Scene<'_>) -> Vec<Hook> {
    at.items().iter().filter_map(|at| hook(at, scene)).collect()
}

fn hook(at: &At<'_>, scene: &Scene<'_>) -> Option<Hook> {
    if !at.is_mapping() {
        at.expected("a mapping");
        return None;
    }
    at.only(&["command", "user", "privileged", "working_dir", "environment"], &[]);
    let command = at.value("command").and_then(|at| split(&at)).unwrap_or_default();
    if command.is_empty() {
        let problem = at.trouble("missing-key", "a hook needs a `command`");
        at.report(problem.hint("write the program to run in the container: `command: [sync]`"));
        return None;
    }
    let text = |key| at.value(key).and_then(|at| non_empty(&at));
    let environment = at.value("environment");
    Some(Hook {
        command,
        user: text("user"),
        privileged: at.value("privileged").and_then(|at| at.boolean()).unwrap_or(false),
        working_dir: text("working_dir"),
        environment: environment.map(|at| variables(&at, scene)).unwrap_or_default(),
    })
}

/// A bare name is passed through; one that is set nowhere is left out.
fn variables(at: &At<'_>, scene: &Scene<'_>) -> BTreeMap<String, Hidden> {
    let pairs = at.pairs().into_iter().filter_map(|pair| {
        let value = pair.value.map(Hidden::new);
        Some((pair.key.clone(), value.or_else(|| passed_through(scene, &pair.key))?))
    });
    pairs.collect()
}
