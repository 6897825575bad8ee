//! What no service of a stack can have that is changed as a whole or not at all (`x-evenkeel.rollout.atomic`).

use crate::manifest::read::At;
use crate::manifest::service::Draft;
use crate::model::stack::FailureAction;

/// Reports what would leave a service half-way while the rest of its stack goes back.
pub fn check(drafts: &[Draft<'_>]) {
    for draft in drafts {
        let deploy = draft.at.value("deploy");
        let Some(config) = deploy.and_then(|at| at.value("update_config")) else { continue };
        let action = config.value("failure_action");
        if let Some(at) = action.filter(|_| draft.rollout.failure_action != FailureAction::Rollback)
        {
            complain(&at, "`failure_action` must be `rollback`");
        }
        let ratio = config.value("max_failure_ratio");
        if let Some(at) = ratio.filter(|_| draft.rollout.max_failure_ratio > 0) {
            complain(&at, "no replica may fail");
        }
    }
}

fn complain(at: &At<'_>, why: &str) {
    let message = format!("{why} where the stack is changed as a whole or not at all");
    let hint = "take it out, or `atomic` out of `x-evenkeel.rollout` at the top of the file";
    at.report(at.trouble("contradiction", message).hint(hint));
}
