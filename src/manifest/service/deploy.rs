//! `deploy` and `scale`: how many, how much, and how a change is rolled out.

use super::Draft;
use super::{limits, rollout};
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::RestartPolicy;

const KNOWN: [&str; 9] = [
    "replicas",
    "resources",
    "restart_policy",
    "update_config",
    "rollback_config",
    "labels",
    "mode",
    "placement",
    "endpoint_mode",
];

/// The most replicas that are taken for meant.
const MOST_REPLICAS: u32 = 1000;

/// `deploy`; what only a Swarm makes something of is a remark.
pub fn deploy<'a>(at: &At<'a>, draft: &mut Draft<'a>, scene: &Scene<'_>) {
    at.only(&KNOWN, &[]);
    for (key, value) in at.fields().into_iter().filter(|(_, value)| !value.is_null()) {
        match key {
            "replicas" => scale(&value, draft, scene),
            "resources" => limits::resources(&value, draft, scene),
            "restart_policy" => restart_policy(&value, draft),
            "update_config" => rollout::update_config(&value, draft),
            "rollback_config" => rollout::rollback_config(&value, draft),
            "mode" => mode(&value, draft),
            "placement" => {
                value.remark(Some(&draft.name), "`placement` has no effect outside a Swarm")
            }
            "labels" => value.remark(
                Some(&draft.name),
                "`deploy.labels` have no effect outside a Swarm; a container's are under `labels`",
            ),
            "endpoint_mode" => endpoint_mode(&value),
            _ => {}
        }
    }
}

/// `scale` and `deploy.replicas`
pub fn scale(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(count) = at.integer::<u32>() else { return };
    if count > MOST_REPLICAS {
        return at.wrong(&format!("is more than the {MOST_REPLICAS} replicas a service may have"));
    }
    if let Some((other, _)) = draft.replicas.first()
        && *other != count
    {
        at.problem("contradiction", "`scale` and `deploy.replicas` contradict each other");
    }
    draft.replicas.push((count, at.place().clone()));
}

fn mode(at: &At<'_>, draft: &Draft<'_>) {
    let modes = ["replicated", "global", "replicated-job", "global-job"].map(|mode| (mode, mode));
    if let Some(mode) = at.word(&modes).filter(|mode| *mode != "replicated") {
        at.remark(Some(&draft.name), format!("`mode: {mode}` has no effect outside a Swarm"));
    }
}

fn endpoint_mode(at: &At<'_>) {
    if at.text().is_some_and(|mode| mode != "vip") {
        at.unsupported("endpoint_mode", "only a Swarm knows another one than `vip`");
    }
}

fn restart_policy(at: &At<'_>, draft: &mut Draft<'_>) {
    at.only(&["condition", "delay", "max_attempts", "window"], &[]);
    for key in ["delay", "window"] {
        if let Some(at) = at.value(key) {
            at.remark(Some(&draft.name), format!("`{key}` has no effect outside a Swarm"));
        }
    }
    let attempts = at.value("max_attempts").and_then(|at| at.integer()).unwrap_or(0);
    let conditions = [
        ("any", RestartPolicy::Always),
        ("always", RestartPolicy::Always),
        ("unless-stopped", RestartPolicy::UnlessStopped),
        ("on-failure", RestartPolicy::OnFailure(attempts)),
        ("none", RestartPolicy::No),
        ("no", RestartPolicy::No),
    ];
    let condition = at.value("condition").map(|at| at.word(&conditions));
    // As in the Compose Specification, a policy without a condition restarts always.
    let policy = condition.unwrap_or(Some(RestartPolicy::Always));
    if let Some(policy) = policy {
        draft.settings.restart = policy;
        draft.restart_is_final = true;
    }
}
