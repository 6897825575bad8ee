//! `cap_add`, `cap_drop`, `privileged`, `read_only`: what a container may do.

use std::collections::BTreeSet;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// `cap_add`
pub fn cap_add(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.cap_add = capabilities(at);
}

/// `cap_drop`
pub fn cap_drop(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.cap_drop = capabilities(at);
}

/// In the engine's spelling without the prefix: `cap_net_admin` and `NET_ADMIN` are one.
fn capabilities(at: &At<'_>) -> BTreeSet<String> {
    let name = |item: At<'_>| {
        let name = item.filled()?.to_uppercase();
        Some(name.strip_prefix("CAP_").map_or(name.clone(), str::to_owned))
    };
    at.items().into_iter().filter_map(name).collect()
}

/// `privileged`
pub fn privileged(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.privileged = at.boolean().unwrap_or_default();
}

/// `read_only`
pub fn read_only(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.read_only = at.boolean().unwrap_or_default();
}
