//! `evenkeel.pass/v1`: what a pass did, and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::containers::containers_of;
use super::shared::{joined, masks_of, problems_of, seconds, wired};
use super::{WireProblem, WireReason};
use crate::apply::{Failure, Outcome};
use crate::model::{
    DesiredState, GenerationNumber, ObservedState, ServiceOutcome, SourceName, StackName,
};
use crate::plan::{Change, Plan, Verdict};
use crate::report::state;

/// How a pass, or a stack in it, ended; the worst last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PassOutcome {
    /// As git says, or as an operator wishes.
    #[default]
    Converged,
    /// A rollout failed and was rolled back; nothing else is wrong.
    RolledBack,
    /// Something is wrong.
    Failed,
}

impl PassOutcome {
    /// The word in JSON and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
        }
    }
}

/// All that is known of a pass.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// What should be.
    pub desired: &'a DesiredState,
    /// What was there when the plan was made.
    pub observed: &'a ObservedState,
    /// What was to be done.
    pub plan: &'a Plan,
    /// What was done.
    pub outcome: &'a Outcome,
    /// The attempts that were made, by stack.
    pub generations: &'a BTreeMap<StackName, GenerationNumber>,
    /// Sources that could not be read, with the reason (without credentials).
    pub failed_sources: &'a [(SourceName, String)],
    /// From the first fetch to the last step.
    pub took: Duration,
}

/// What a pass did.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PassReport {
    /// `evenkeel.pass/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// How it ended.
    pub outcome: PassOutcome,
    /// Sources that could not be read.
    pub failed_sources: Vec<PassSource>,
    /// Failures that belong to no service: a network that cannot be made.
    pub failures: Vec<PassFailure>,
    /// Whether it was stopped before everything was done.
    pub stopped: bool,
    /// Every stack, also those that stayed.
    pub stacks: Vec<PassStack>,
    /// How long it took.
    pub seconds: f64,
}

/// A source that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PassSource {
    /// Its name.
    pub source: String,
    /// Why.
    pub error: String,
}

/// A failure of no service in particular.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PassFailure {
    /// What went wrong.
    pub error: String,
    /// The next move.
    pub hint: Option<String>,
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PassStack {
    /// Its name.
    pub stack: String,
    /// The revision; null where git no longer names it.
    pub commit: Option<String>,
    /// The attempt; null where there was nothing to attempt.
    pub generation: Option<u64>,
    /// How it ended.
    pub outcome: PassOutcome,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// The same, one by one.
    pub problems: Vec<WireProblem>,
    /// Its services, in dependency order.
    pub services: Vec<PassService>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PassService {
    /// Its name.
    pub service: String,
    /// What was to happen.
    pub verdict: &'static str,
    /// What happened: a word of [`ServiceOutcome`].
    pub outcome: &'static str,
    /// What differed.
    pub reasons: Vec<WireReason>,
    /// What went wrong, masked.
    pub error: Option<String>,
    /// The next move.
    pub hint: Option<String>,
    /// Who holds it.
    pub held_by: Option<&'static str>,
    /// Why it was left as it is.
    pub note: Option<String>,
    /// The last lines of a failed container, masked.
    pub logs: Vec<String>,
    /// How long it took; null where nothing was done.
    pub seconds: Option<f64>,
}

/// What a pass did, stack by stack.
pub fn pass(pass: &Pass<'_>) -> PassReport {
    let mut names: Vec<&StackName> = pass.desired.stacks.keys().collect();
    for change in &pass.plan.changes {
        if !names.contains(&&change.service.stack) {
            names.push(&change.service.stack);
        }
    }
    let stacks: Vec<PassStack> = names.into_iter().map(|name| stack(pass, name)).collect();
    PassReport {
        schema: "evenkeel.pass/v1",
        host: pass.desired.host.to_string(),
        outcome: whole(pass, &stacks),
        failed_sources: pass
            .failed_sources
            .iter()
            .map(|(name, error)| PassSource { source: name.to_string(), error: error.clone() })
            .collect(),
        failures: pass.outcome.shared_failures.iter().map(shared_failure).collect(),
        stopped: pass.outcome.stopped,
        stacks,
        seconds: seconds(pass.took),
    }
}

fn shared_failure(failure: &Failure) -> PassFailure {
    PassFailure { error: failure.message.clone(), hint: failure.hint.clone() }
}

/// The worst of the stacks, and of what belongs to none.
fn whole(pass: &Pass<'_>, stacks: &[PassStack]) -> PassOutcome {
    let is_wrong = !pass.failed_sources.is_empty()
        || !pass.outcome.shared_failures.is_empty()
        || pass.outcome.stopped;
    if is_wrong {
        return PassOutcome::Failed;
    }
    stacks.iter().map(|stack| stack.outcome).max().unwrap_or_default()
}

fn stack(pass: &Pass<'_>, name: &StackName) -> PassStack {
    let found = pass.desired.stacks.get(name);
    let problems = found.and_then(|stack| problems_of(&stack.content));
    let changes: Vec<&Change> =
        pass.plan.changes.iter().filter(|change| change.service.stack == *name).collect();
    let of_services = changes.iter().map(|change| counts_as(pass, change)).max();
    PassStack {
        stack: name.to_string(),
        commit: found.map(|stack| stack.commit.to_string()),
        generation: pass.generations.get(name).map(|number| number.0),
        outcome: match problems {
            None => of_services.unwrap_or_default(),
            Some(_) => PassOutcome::Failed,
        },
        error: problems.map(joined),
        problems: wired(problems),
        services: changes.iter().map(|change| service(pass, change)).collect(),
    }
}

fn service(pass: &Pass<'_>, change: &Change) -> PassService {
    let masks = masks_of(pass.desired, &change.service.stack);
    let result = pass.outcome.services.get(&change.service);
    let failure = result.and_then(|result| result.failure.as_ref());
    let (note, hint) = state::why(change, &masks);
    let is_trouble = matches!(change.verdict, Verdict::Rejected { .. } | Verdict::Blocked(_))
        && !state::is_desired(&change.verdict);
    let is_trouble = is_trouble.then_some(());
    PassService {
        service: change.service.service.to_string(),
        verdict: change.verdict.word(),
        outcome: outcome(pass, change).word(),
        reasons: change.verdict.reasons().iter().map(WireReason::from).collect(),
        error: failure
            .map(|failure| failure.message.clone())
            .or_else(|| is_trouble.and_then(|()| note.clone()))
            .or_else(|| ailment(pass, change)),
        hint: failure
            .and_then(|failure| failure.hint.clone().or_else(|| what_now(failure, change)))
            .or(hint),
        held_by: state::held_by(&change.verdict),
        note,
        logs: failure.map(|failure| failure.logs.clone()).unwrap_or_default(),
        seconds: result.map(|result| seconds(result.took)),
    }
}

/// What is wrong with a service that is as git says and yet not well: nothing was to be done about it.
fn ailment(pass: &Pass<'_>, change: &Change) -> Option<String> {
    let is_left = outcome(pass, change) == ServiceOutcome::Unchanged;
    let containers = containers_of(pass.observed, &change.service);
    containers.iter().filter(|_| is_left).find_map(|container| state::ailment(container))
}

/// The next move where the spec failed here: the same one is not tried again.
fn what_now(failure: &Failure, change: &Change) -> Option<String> {
    failure.blames_spec.then(|| state::way_out(&change.service))
}

/// How a service came out; what had no step came out as its verdict says.
fn outcome(pass: &Pass<'_>, change: &Change) -> ServiceOutcome {
    match &change.verdict {
        Verdict::Held(_) => ServiceOutcome::Held,
        Verdict::Rejected { .. } | Verdict::Blocked(_) => ServiceOutcome::Blocked,
        Verdict::InSync
        | Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove => match pass.outcome.services.get(&change.service) {
            Some(result) => result.outcome,
            None if change.verdict == Verdict::InSync => ServiceOutcome::Unchanged,
            None => ServiceOutcome::Skipped,
        },
    }
}

/// What a service makes of its stack.
fn counts_as(pass: &Pass<'_>, change: &Change) -> PassOutcome {
    match outcome(pass, change) {
        ServiceOutcome::Unchanged if ailment(pass, change).is_some() => PassOutcome::Failed,
        ServiceOutcome::Unchanged | ServiceOutcome::Done => PassOutcome::Converged,
        ServiceOutcome::RolledBack => PassOutcome::RolledBack,
        ServiceOutcome::Failed => PassOutcome::Failed,
        ServiceOutcome::Held | ServiceOutcome::Blocked => {
            if state::is_desired(&change.verdict) {
                PassOutcome::Converged
            } else {
                PassOutcome::Failed
            }
        }
        ServiceOutcome::Skipped => why_skipped(pass),
    }
}

/// A skipped service follows whatever kept it: where nothing but rollbacks happened, that was a rollback.
fn why_skipped(pass: &Pass<'_>) -> PassOutcome {
    let mut outcomes = pass.outcome.services.values().map(|result| result.outcome);
    let only_went_back = outcomes.clone().any(|outcome| outcome == ServiceOutcome::RolledBack)
        && outcomes.all(|outcome| outcome != ServiceOutcome::Failed)
        && pass.outcome.shared_failures.is_empty()
        && !pass.outcome.stopped;
    if only_went_back { PassOutcome::RolledBack } else { PassOutcome::Failed }
}
