//! `deploy` and `scale`: how many, how much, and how a change is rolled out.

use super::Draft;
use super::limits;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::manifest::units;
use crate::model::spec::RestartPolicy;
use crate::model::stack::{FailureAction, Order};

const KNOWN: [&str; 8] = [
    "replicas",
    "resources",
    "restart_policy",
    "update_config",
    "labels",
    "mode",
    "placement",
    "endpoint_mode",
];

/// The most replicas that are taken for meant.
const MOST_REPLICAS: u32 = 1000;

/// `deploy`; what only a Swarm makes something of is a remark.
pub fn deploy<'a>(at: &At<'a>, draft: &mut Draft<'a>, scene: &Scene<'_>) {
    at.only(&KNOWN, &[("rollback_config", "not supported yet; `update_config` rules both ways")]);
    for (key, value) in at.fields().into_iter().filter(|(_, value)| !value.is_null()) {
        match key {
            "replicas" => scale(&value, draft, scene),
            "resources" => limits::resources(&value, draft, scene),
            "restart_policy" => restart_policy(&value, draft),
            "update_config" => update_config(&value, draft),
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

fn update_config<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    let known = ["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"];
    at.only(&known, &[]);
    if let Some(at) = at.value("order") {
        order(at, draft);
    }
    let rollout = &mut draft.rollout;
    if let Some(count) = at.value("parallelism").and_then(|at| at.integer()) {
        rollout.parallelism = count;
    }
    if let Some(delay) = at.value("delay").and_then(|at| at.duration()) {
        rollout.delay = delay;
    }
    if let Some(monitor) = at.value("monitor").and_then(|at| at.duration()) {
        rollout.monitor = monitor;
    }
    if let Some(ratio) = at.value("max_failure_ratio").and_then(|at| millionths(&at)) {
        rollout.max_failure_ratio = ratio;
    }
    let actions = [
        ("rollback", FailureAction::Rollback),
        ("pause", FailureAction::Pause),
        ("continue", FailureAction::Continue),
    ];
    if let Some(action) = at.value("failure_action").and_then(|at| at.word(&actions)) {
        rollout.failure_action = action;
    }
}

fn order<'a>(at: At<'a>, draft: &mut Draft<'a>) {
    let orders = [("stop-first", Order::StopFirst), ("start-first", Order::StartFirst)];
    let Some(order) = at.word(&orders) else { return };
    draft.rollout.order = order;
    draft.start_first = (order == Order::StartFirst).then_some(at);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1 there is nothing to lose"
)]
fn millionths(at: &At<'_>) -> Option<u32> {
    let ratio = at.parse(units::float)?;
    if (0.0..=1.0).contains(&ratio) {
        return Some((ratio * 1_000_000.0).round() as u32);
    }
    at.wrong("is no share between 0 and 1");
    None
}
