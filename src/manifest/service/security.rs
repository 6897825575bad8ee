//! `cap_add`, `cap_drop`, `group_add`, `privileged`, `read_only`, `security_opt`: what a container may do.

use std::collections::BTreeSet;

use super::Draft;
use crate::manifest::lookup::{self, Origin, Search};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::security_option;

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

/// `group_add`
pub fn group_add(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let groups = at.items();
    draft.settings.group_add = groups.iter().filter_map(At::filled).map(str::to_owned).collect();
}

/// `privileged`
pub fn privileged(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.privileged = at.boolean().unwrap_or_default();
}

/// `read_only`
pub fn read_only(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.read_only = at.boolean().unwrap_or_default();
}

/// `security_opt`
pub fn security_opt(at: &At<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) {
    for item in at.items() {
        let Some(text) = item.filled() else { continue };
        // The engine's older form parts them with a colon.
        let (name, value) =
            text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((text, ""));
        let option = match (name, value) {
            ("no-new-privileges", "" | "true" | "false") => security_option(text),
            ("seccomp", value) => seccomp(&item, value, draft, scene),
            ("systempaths", "unconfined") => security_option(text),
            ("apparmor" | "label" | "writable-cgroups", value) if !value.is_empty() => {
                security_option(text)
            }
            _ => {
                complain(&item);
                None
            }
        };
        draft.settings.security_opt.extend(option);
    }
}

fn complain(at: &At<'_>) {
    let problem = at.trouble("wrong-value", format!("{} is no security option", at.shown()));
    at.report(problem.hint(
        "write `no-new-privileges:true`, `seccomp:FILE`, `seccomp:unconfined`, `apparmor:PROFILE`, \
         `label:…` or `systempaths=unconfined`",
    ));
}

/// The profile itself, as the engine takes it: it cannot read the file.
fn seccomp(at: &At<'_>, value: &str, draft: &mut Draft<'_>, scene: &Scene<'_>) -> Option<String> {
    if matches!(value, "unconfined" | "builtin") {
        return security_option(&format!("seccomp={value}"));
    }
    let found = match lookup::find_path(scene, at, value) {
        Search::Found(found) => found,
        Search::Missing(missing) => {
            let shown = at.quoted(value);
            if scene.server.is_offline() && value.starts_with('/') {
                let text = format!("the seccomp profile {shown} has to be on the server");
                at.remark(None, text);
                return None;
            }
            let message = format!("the seccomp profile {shown} is not there");
            at.report(
                missing.explain(at.trouble("missing-file", message), ", or in the repository"),
            );
            return None;
        }
        Search::Failed => return None,
    };
    if found.origin == (Origin::Sealed { is_json: false }) {
        draft.hidden.insert("security_opt".to_owned());
    }
    let is_mapping = |json: serde_json::Value| json.is_object();
    let profile = String::from_utf8(found.bytes).unwrap_or_default();
    if serde_json::from_str(&profile).is_ok_and(is_mapping) {
        return security_option(&format!("seccomp={profile}"));
    }
    let message = format!("the seccomp profile {} is no JSON mapping", at.quoted(value));
    at.problem("wrong-value", message);
    None
}
