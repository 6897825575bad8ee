//! `annotations`, `cgroup_parent`, `runtime`, `storage_opt`: for the programs that carry a container out.

use super::Draft;
use super::process::non_empty;
use super::settings::options;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// `annotations`
pub fn annotations(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let pairs = at.pairs().into_iter();
    draft.settings.annotations =
        pairs.map(|pair| (pair.key, pair.value.unwrap_or_default())).collect();
}

/// `cgroup_parent`
pub fn cgroup_parent(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.cgroup_parent = non_empty(at);
}

/// `runtime`
pub fn runtime(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.runtime = non_empty(at);
}

/// `storage_opt`
pub fn storage_opt(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.storage_opt = options(at);
}
