//! How the stacks stand after a pass, kept for a `status` that can ask neither engine nor repository.

use super::record::without_steps;
use super::telling::notices::Done;
use crate::apply::{Outcome, ServiceResult};
use crate::history::{History, HistoryError, StackReport};
use crate::model::desired::{Barred, DesiredStack, StackContent};
use crate::model::{Masks, ServiceOutcome};
use crate::plan::{Change, Plan, Verdict};

/// Records how every stack stands that the pass concerned, and forgets those that are gone. A stack of a source that
/// was not read stands as it stood; of a pass that another one has passed, only those count that it had in hand.
pub fn record(history: &History, done: &Done<'_>) -> Result<(), HistoryError> {
    let Done { view, plan, outcome, generations, .. } = done;
    let before = history.stacks()?;
    for (name, desired) in view.desired.stacks.iter().filter(|(name, _)| done.sees(name)) {
        let old = before.iter().find(|report| report.stack == *name);
        let (state, error) = state(desired, plan, outcome);
        history.record_stack(&StackReport {
            stack: name.clone(),
            source: desired.source.clone(),
            commit: desired.commit.clone(),
            state: state.to_owned(),
            error,
            generation: generations.get(name).copied().or(old.and_then(|old| old.generation)),
        })?;
    }
    let mut kept = done.unseen(&before);
    kept.extend(view.desired.stacks.keys().cloned());
    history.forget_stacks(&kept)
}

/// The word that `status` shows (interface: states), and why.
fn state(desired: &DesiredStack, plan: &Plan, outcome: &Outcome) -> (&'static str, Option<String>) {
    let masks = match &desired.content {
        StackContent::Invalid(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return ("invalid", Some(all.join("; ")));
        }
        StackContent::Usable(deployment) => &deployment.stack.masks,
    };
    let changes = plan.changes.iter().filter(|change| change.service.stack == desired.name);
    let worst = changes
        .map(|change| standing(change, outcome.services.get(&change.service), masks))
        .max_by_key(|(state, _)| BEST_FIRST.iter().position(|word| word == state));
    worst.unwrap_or(("in-sync", None))
}

const BEST_FIRST: [&str; 5] = ["in-sync", "pending", "held", "failed", "rejected"];

pub(super) fn standing(
    change: &Change,
    result: Option<&ServiceResult>,
    masks: &Masks,
) -> (&'static str, Option<String>) {
    let failure = result.and_then(|result| result.failure.as_ref());
    let barred = change.verdict.barred();
    let remembered = if let Verdict::Rejected { error, .. } = &change.verdict {
        Some(error.as_str())
    } else {
        let trouble = change.verdict.trouble().map(|trouble| trouble.error.as_str());
        trouble.or(barred.map(Barred::why))
    };
    let why = failure.map(|failure| failure.message.as_str()).or(remembered);
    let why = why.map(|why| masks.mask(&format!("{}: {why}", change.service)));
    let outcome = result.map_or_else(|| without_steps(&change.verdict), |result| result.outcome);
    let blames_the_spec = failure.is_some_and(|failure| failure.blames_spec);
    let state = match outcome {
        ServiceOutcome::Done | ServiceOutcome::Unchanged => "in-sync",
        ServiceOutcome::Held => "held",
        ServiceOutcome::Skipped => "pending",
        ServiceOutcome::RolledBack => "rejected",
        ServiceOutcome::Failed if blames_the_spec => "rejected",
        ServiceOutcome::Blocked if change.verdict.waits_for_its_time() => "pending",
        ServiceOutcome::Blocked if matches!(barred, Some(Barred::Refused { .. })) => "rejected",
        ServiceOutcome::Blocked if matches!(change.verdict, Verdict::Rejected { .. }) => "rejected",
        ServiceOutcome::Failed | ServiceOutcome::Blocked => "failed",
    };
    (state, why)
}
