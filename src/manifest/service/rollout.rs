//! `deploy.update_config` and `deploy.rollback_config`: how a change is rolled out, and how going back is.
//!
//! What Compose has no word for, and both have in common, is in `x-evenkeel.rollout`.

use std::time::Duration;

use super::Draft;
use crate::manifest::options::RolloutDefaults;
use crate::manifest::read::At;
use crate::manifest::units;
use crate::model::stack::{FailureAction, Order, Rollout};

const KNOWN: [&str; 6] =
    ["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"];

const UPDATE_ACTIONS: [(&str, FailureAction); 3] = [
    ("rollback", FailureAction::Rollback),
    ("pause", FailureAction::Pause),
    ("continue", FailureAction::Continue),
];

/// Behind a way back that failed there is no other one.
const ROLLBACK_ACTIONS: [(&str, FailureAction); 2] =
    [("pause", FailureAction::Pause), ("continue", FailureAction::Continue)];

/// What holds where `update_config` says nothing.
pub fn update_defaults(defaults: &RolloutDefaults) -> Rollout {
    Rollout {
        order: Order::StopFirst,
        parallelism: 1,
        delay: Duration::ZERO,
        monitor: defaults.monitor,
        max_failure_ratio: 0,
        failure_action: FailureAction::Rollback,
        stable: defaults.stable,
        deadline: None,
        restarts: 5,
        shared_writers: false,
    }
}

/// What holds where `rollback_config` says nothing. As in the Compose Specification it takes nothing from
/// `update_config`, and after a failure it stays where it is.
pub fn rollback_defaults(defaults: &RolloutDefaults) -> Rollout {
    Rollout { failure_action: FailureAction::Pause, ..update_defaults(defaults) }
}

/// `deploy.update_config`
pub fn update_config<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    let start_first = read(at, &UPDATE_ACTIONS, &mut draft.rollout);
    draft.start_first.extend(start_first);
}

/// `deploy.rollback_config`
pub fn rollback_config<'a>(at: &At<'a>, draft: &mut Draft<'a>) {
    let start_first = read(at, &ROLLBACK_ACTIONS, &mut draft.rollback);
    draft.start_first.extend(start_first);
}

/// Gives the place of an order that starts first.
fn read<'a>(
    at: &At<'a>,
    actions: &[(&str, FailureAction)],
    rollout: &mut Rollout,
) -> Option<At<'a>> {
    at.only(&KNOWN, &[]);
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
    if let Some(action) = at.value("failure_action").and_then(|at| at.word(actions)) {
        rollout.failure_action = action;
    }
    let orders = [("stop-first", Order::StopFirst), ("start-first", Order::StartFirst)];
    let order = at.value("order")?;
    rollout.order = order.word(&orders)?;
    (rollout.order == Order::StartFirst).then_some(order)
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
