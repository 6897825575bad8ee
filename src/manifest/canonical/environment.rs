//! `environment`, `env_file` and build arguments: names with their values.

use std::collections::BTreeMap;

use super::around::Around;
use super::form::sorted;
use super::make;
use crate::manifest::interpolate::Variable;
use crate::manifest::node::Node;
use crate::manifest::read::{At, Pair};
use crate::manifest::service::env_files;
use crate::model::ServiceName;

/// The variables of a service: its env files in their order, `environment` over them.
pub fn of_service(at: &At<'_>, name: &str, around: &Around<'_>) -> Option<Node> {
    let files = env_files(&ServiceName::new(name), at, around.scene);
    let files = files.iter().map(|(key, value)| (key.clone(), make::text(at, value.reveal())));
    let mut all: BTreeMap<String, Node> = files.collect();
    if let Some(written) = at.value("environment").and_then(|at| environment(&at, around)) {
        all.extend(make::fields_of(&written).map(|(key, node)| (key.clone(), node.clone())));
    }
    sorted(at, all.into_iter().collect())
}

/// `environment`; a name without a value takes that of the variable, and keeps standing there where none
/// is set: the engine then takes the image's away.
pub fn environment(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let pairs = at.pairs().into_iter().map(|pair| {
        let node = value(&pair, around).unwrap_or_else(|| make::nothing(&pair.at));
        (pair.key, node)
    });
    sorted(at, pairs.collect())
}

/// `build.args`; a name without a value that is set nowhere is left out.
pub fn arguments(at: &At<'_>, around: &Around<'_>) -> Option<Node> {
    let pairs = at.pairs().into_iter();
    let set = pairs.filter_map(|pair| value(&pair, around).map(|node| (pair.key, node)));
    sorted(at, set.collect())
}

fn value(pair: &Pair<'_>, around: &Around<'_>) -> Option<Node> {
    if let Some(text) = &pair.value {
        return Some(make::text(&pair.at, text));
    }
    let Variable { value, from_server } = around.scene.variable(&pair.key, pair.at.node)?;
    let node = make::text(&pair.at, value.reveal());
    Some(Node { sensitive: node.sensitive || from_server, ..node })
}
