//! What a pass comes to in numbers. Nothing here can fail a pass, and nothing waits.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::EngineError;
use crate::history::{History, HistoryError, SourceState};
use crate::metrics::{Metrics, PassFigures, SourceFigures};
use crate::model::desired::StackContent;
use crate::model::polls::{Polls, Unknown};
use crate::model::{SourceName, StackName, Trigger};
use crate::plan::{Change, Verdict};
use crate::reconcile::pass::{Pass, PassError};
use crate::reconcile::standing;
use crate::reconcile::telling::notices::{Done, FORGOTTEN, last_generation, named};
use crate::reconcile::world::World;

/// Counts what a pass found and did. What the record does not tell is only logged.
pub fn record(world: &World, history: &History, done: &Done<'_>, took: Duration, now: Timestamp) {
    match figures(history, done, took, now) {
        Ok(figures) => world.metrics.passed(&figures, now),
        Err(error) => tracing::warn!("this pass is not counted: {error}"),
    }
}

/// Counts a pass that broke off.
pub fn count(metrics: &Metrics, pass: &Result<Pass, PassError>) {
    match pass {
        Ok(_) => {}
        Err(PassError::Engine(error)) => metrics.broke_off(Some(kind(error))),
        Err(PassError::Lock(_) | PassError::History(_) | PassError::Broken(_)) => {
            metrics.broke_off(None);
        }
    }
}

fn kind(error: &EngineError) -> &'static str {
    match error {
        EngineError::Unreachable(_) => "unreachable",
        EngineError::Version(_) => "version",
        EngineError::NotFound(_) => "not-found",
        EngineError::Conflict(_) => "conflict",
        EngineError::PortTaken(_) => "port-taken",
        EngineError::Refused(_) => "refused",
        EngineError::DiskFull(_) => "disk-full",
        EngineError::CannotStart(_) => "cannot-start",
        EngineError::Other(_) => "other",
    }
}

fn figures(
    history: &History,
    done: &Done<'_>,
    took: Duration,
    now: Timestamp,
) -> Result<PassFigures, HistoryError> {
    let stacks = &done.view.desired.stacks;
    let unseen = done.unseen(&history.stacks()?);
    let is_invalid = |stack: &StackName| {
        stacks.get(stack).is_some_and(|it| matches!(it.content, StackContent::Invalid(_)))
    };
    let invalid = stacks.keys().filter(|stack| is_invalid(stack)).cloned().collect();
    let mut figures = PassFigures {
        took,
        sources: sources(history, done)?,
        generations: done.generations.clone(),
        unseen,
        invalid,
        ..PassFigures::default()
    };
    for change in &done.plan.changes {
        let stack = &change.service.stack;
        let result = done.outcome.services.get(&change.service);
        // One that went is in no state any more.
        if change.verdict != Verdict::Remove {
            let (state, _) = standing::standing(change, result, &done.view.masks);
            *figures.services.entry((stack.clone(), state)).or_default() += 1;
        }
        if let Some(result) = result {
            *figures.rollouts.entry((stack.clone(), result.outcome)).or_default() += 1;
        }
    }
    for stack in done.generations.keys() {
        let last = last_generation(history, stack)?;
        if last.is_some_and(|last| last.trigger == Trigger::Drift) {
            let changes = done.plan.changes.iter().filter(|change| change.service.stack == *stack);
            let many = changes.filter(|change| has_drifted(change)).count();
            figures.drift.insert(stack.clone(), many as u64);
        }
    }
    let polls = match &done.view.polls {
        Some(polls) => polls,
        None => &history.polls()?,
    };
    figures.unknown = unknown(polls, done, now);
    Ok(figures)
}

/// A source that was not read this time was last read when the record says.
fn sources(
    history: &History,
    done: &Done<'_>,
) -> Result<BTreeMap<SourceName, SourceFigures>, HistoryError> {
    let recorded: BTreeMap<_, _> = history.sources()?.into_iter().collect();
    let figures = done.sources.iter().map(|seen| {
        let is_read = seen.report.state == SourceState::Ok;
        let report = if is_read { Some(&seen.report) } else { recorded.get(&seen.name) };
        let last_read = report.and_then(|report| report.fetched_at);
        (seen.name.clone(), SourceFigures { last_read, is_well: seen.is_well() })
    });
    Ok(figures.collect())
}

/// Whether something had been done to it, in a stack that git wants as before.
fn has_drifted(change: &Change) -> bool {
    match change.verdict {
        Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::Remove => true,
        Verdict::InSync
        | Verdict::CleanUp
        | Verdict::Held(_)
        | Verdict::Rejected { .. }
        | Verdict::Blocked(_) => false,
    }
}

/// Open questions by registry, with nought for each that is followed. What is not asked any more does not count.
fn unknown(polls: &Polls, done: &Done<'_>, now: Timestamp) -> BTreeMap<String, u64> {
    let named = named(done.view);
    let tags = polls.tags.iter().map(|((repository, _), heard)| (repository, &heard.unknown));
    let lists = polls.lists.iter().map(|(repository, heard)| (repository, &heard.unknown));
    let is_asked = |unknown: &Unknown| now.duration_since(unknown.again).as_secs() <= FORGOTTEN;
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for (repository, unknown) in tags.chain(lists) {
        let Some(named) = named.get(repository) else { continue };
        let many = found.entry(named.registry.clone()).or_default();
        *many += u64::from(unknown.as_ref().is_some_and(is_asked));
    }
    found
}
