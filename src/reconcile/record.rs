//! What a pass leaves in the history: generations, pins, rejections, the journal of what was set aside.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::lanes::Lanes;
use super::sources::{Read, SourceSeen};
use super::view::View;
use crate::apply::{Journal, Outcome, ServiceResult};
use crate::history::{
    self, GenerationRow, History, HistoryError, NewGeneration, PlannedService, Reason, StoredFile,
};
use crate::model::desired::{Chosen, Deployment, Pin, Pinned, Pins};
use crate::model::memory::{Memory, Rejection};
use crate::model::retention::{Pulled, pull_key};
use crate::model::spec::RestartPolicy;
use crate::model::tree::{EntryKind, Tree};
use crate::model::{
    ContainerId, DesiredService, GenerationNumber, GenerationOutcome, PinnedImage, ServiceId,
    ServiceOutcome, SourceName, StackName, Trigger, labels,
};
use crate::plan::{Change, Difference, Plan, Step, Verdict};
use crate::registry::Registry;
use crate::resolve::pin_key;

/// The generation of each stack that a pass changes.
pub type Generations = BTreeMap<StackName, GenerationNumber>;

/// Why stacks are changed.
#[derive(Clone, Copy)]
pub enum Why<'a> {
    /// For what these sources say, or against what became of it.
    Sources(&'a [SourceSeen]),
    /// Because what this generation left is wanted again.
    Rollback(&'a GenerationRow),
}

/// The largest mounted file that a generation keeps, in bytes.
const LARGEST_FILE: u64 = 8 << 20;

/// How far back it is looked for a generation that did not go back.
const ROLLBACKS_IN_A_ROW: u32 = 10;

/// The journal of one pass.
pub struct Record<'a> {
    /// Where it is written.
    pub history: &'a History,
    /// The generations under way.
    pub generations: &'a Generations,
}

impl Journal for Record<'_> {
    fn set_aside(
        &self,
        stack: &StackName,
        container: &ContainerId,
        had: RestartPolicy,
    ) -> Result<(), String> {
        let Some(generation) = self.generations.get(stack) else { return Ok(()) };
        let written = self.history.set_aside(*generation, container, had);
        written.map_err(|error| format!("the journal cannot be written: {error}"))
    }

    fn pulls(&self, image: &PinnedImage, shown: &str) {
        let now = Timestamp::now();
        let Some(key) = pull_key(&image.reference()) else { return };
        let digest = image.digest().clone();
        let pulled = Pulled { digest, shown: shown.to_owned(), at: now, last_used: now };
        if let Err(error) = self.history.record_pull(&key, &pulled) {
            // Then it stays on the host for good, as one that evenkeel did not pull.
            tracing::warn!("that {shown} is pulled cannot be written down: {error}");
        }
    }

    fn restored(&self, container: &ContainerId) -> Result<(), String> {
        self.history
            .restored(container)
            .map_err(|error| format!("the journal cannot be written: {error}"))
    }
}

/// What the planner is told of the past. Attempts that a dead process left are closed: this process holds
/// the lock, so nobody is at work on them but its own `lanes`.
pub fn recall(history: &History, lanes: &Lanes, now: Timestamp) -> Result<Memory, HistoryError> {
    for attempt in history.unfinished()?.into_iter().filter(|one| !lanes.has(&one.stack)) {
        history.interrupt(attempt.number, now)?;
    }
    history.memory()
}

/// Notes what reading and looking brought: how the sources stand, commits that were accepted, digests that were learnt, containers that
/// are gone, the highest generation that the engine knows of.
pub fn note(
    history: &History,
    read: &Read,
    view: &View,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let before = history.sources()?;
    for seen in &read.sources {
        let mut report = seen.report.clone();
        // A source that cannot be read keeps the commit and the time of its last good reading.
        if let (None, Some((_, old))) =
            (&report.commit, before.iter().find(|(name, _)| *name == seen.name))
        {
            report.commit.clone_from(&old.commit);
            report.fetched_at = old.fetched_at;
            report.signed_by.clone_from(&old.signed_by);
        }
        if let Some(accepted) = &seen.accepted {
            history.record_accepted(&seen.name, accepted)?;
        }
        history.record_source(&seen.name, &report)?;
    }
    let sources: Vec<SourceName> = read.sources.iter().map(|seen| seen.name.clone()).collect();
    history.forget_sources(&sources.into_iter().collect())?;
    history.record_pins(&view.new_pins, now)?;
    history.forget_chosen(&lines(view))?;
    history.record_places(&read.places)?;
    history.forget_containers(&view.containers())?;
    // Another program's containers on the same engine count by themselves.
    let sources = &view.desired.sources_configured;
    let ours = view.observed.containers.iter();
    let ours = ours.filter(|one| one.source().is_some_and(|source| sources.contains(source)));
    let highest = ours.filter_map(|container| container.label(labels::GENERATION));
    if let Some(highest) = highest.filter_map(|number| number.parse().ok()).max() {
        history.continue_after(GenerationNumber(highest))?;
    }
    *memory = history.memory()?;
    Ok(())
}

/// Begins a generation for every stack that the plan changes, and writes its number on what will be made.
pub fn begin(
    history: &History,
    view: &View,
    why: Why<'_>,
    plan: &mut Plan,
    now: Timestamp,
) -> Result<Generations, HistoryError> {
    for (container, spec) in &plan.matches {
        history.record_match(container, spec)?;
    }
    for (service, spec) in &plan.completed {
        history.complete_job(service, spec)?;
    }
    let mut stacks: Vec<StackName> =
        plan.steps.iter().map(|planned| planned.stack.clone()).collect();
    stacks.sort();
    stacks.dedup();
    let mut generations = Generations::new();
    for stack in stacks {
        let number = begin_one(history, view, why, plan, &stack, now)?;
        generations.insert(stack, number);
    }
    for planned in &mut plan.steps {
        let Step::CreateContainer(request) = &mut planned.step else { continue };
        if let Some(number) = generations.get(&planned.stack) {
            request.belongs_to(*number);
        }
    }
    Ok(generations)
}

fn begin_one(
    history: &History,
    view: &View,
    why: Why<'_>,
    plan: &Plan,
    stack: &StackName,
    now: Timestamp,
) -> Result<GenerationNumber, HistoryError> {
    let changes: Vec<&Change> =
        plan.changes.iter().filter(|change| change.service.stack == *stack).collect();
    let services = changes.iter().map(|change| PlannedService {
        service: change.service.service.clone(),
        verdict: change.verdict.word().to_owned(),
        reasons: reasons(change),
    });
    let deployment = view.desired.deployment(stack);
    let nothing = crate::model::stack::StackRecord::default();
    let (source, commit) = origin(view, stack);
    let (trigger, words) = match why {
        Why::Sources(sources) => {
            let of_commit = |seen: &&SourceSeen| seen.report.commit.as_ref() == Some(&commit);
            let seen = sources.iter().filter(|seen| seen.name == source).find(of_commit);
            let words = seen.and_then(|seen| seen.words.as_ref());
            (trigger(history, view, stack, &commit, &changes)?, words)
        }
        Why::Rollback(earlier) => (Trigger::Rollback, earlier.words.as_ref()),
    };
    history.begin(&NewGeneration {
        stack,
        source: &source,
        commit: &commit,
        words,
        directory: deployment.map_or("", |deployment| &deployment.stack.directory),
        trigger,
        started_at: now,
        services: services.collect(),
        record: deployment.map_or(&nothing, |deployment| &deployment.stack.record),
        mounted: &deployment.map(mounted).unwrap_or_default(),
    })
}

/// Where a stack comes from; for one that is gone from git, what its containers say.
fn origin(view: &View, stack: &StackName) -> (SourceName, crate::model::CommitId) {
    if let Some(desired) = view.desired.stacks.get(stack) {
        return (desired.source.clone(), desired.commit.clone());
    }
    let container =
        view.observed.containers.iter().find(|container| container.stack() == Some(stack));
    let label =
        |name| container.and_then(|container| container.label(name)).unwrap_or("").to_owned();
    (SourceName::new(label(labels::SOURCE)), crate::model::CommitId::new(label(labels::COMMIT)))
}

fn reasons(change: &Change) -> Vec<Reason> {
    let differences = change.verdict.reasons().into_iter();
    differences.map(|Difference { field, from, to }| Reason { field, from, to }).collect()
}

/// Why a stack is changed: newer images at a registry alone, a new commit, else what differs.
fn trigger(
    history: &History,
    view: &View,
    stack: &StackName,
    commit: &crate::model::CommitId,
    changes: &[&Change],
) -> Result<Trigger, HistoryError> {
    let filter = history::Filter {
        stack: Some(stack.clone()),
        limit: Some(ROLLBACKS_IN_A_ROW),
        ..history::Filter::default()
    };
    let is_change =
        |change: &&&Change| change.verdict != Verdict::InSync && !change.verdict.is_left_alone();
    let mut changed = changes.iter().filter(is_change).peekable();
    let pins = history.pins()?;
    if changed.peek().is_some() && changed.all(|change| is_followed(view, &pins, change)) {
        return Ok(Trigger::Image);
    }
    // One that went back says nothing of what git wanted.
    let mut before = history.generations(&filter)?.into_iter();
    let last = before.find(|row| row.trigger != Trigger::Rollback);
    if last.is_none_or(|last| last.commit != *commit) {
        return Ok(Trigger::Commit);
    }
    let updates = changes.iter().filter(|change| matches!(change.verdict, Verdict::Update(_)));
    let mut fields = updates
        .flat_map(|change| change.verdict.differences())
        .map(|difference| difference.field.as_str());
    Ok(match fields.next() {
        None => Trigger::Drift,
        Some("image") => Trigger::Image,
        Some(_) => Trigger::Env,
    })
}

/// Whether a service gets another image, and nothing else, because the registry has a newer one than it had for the
/// same image line.
fn is_followed(view: &View, pins: &Pins, change: &Change) -> bool {
    let ServiceId { stack, service } = &change.service;
    let desired = view.desired.deployment(stack).and_then(|it| it.services.get(service));
    let Some(DesiredService { service, image: Ok(pinned) }) = desired else { return false };
    let is_known = pins.0.contains_key(&(change.service.clone(), pin_key(&service.image)));
    let is_chosen = pinned.followed.as_ref().is_some_and(|followed| followed.chosen.is_some());
    let is_update = matches!(change.verdict, Verdict::Update(_));
    let mut fields = change.verdict.differences().iter().map(|it| it.field.as_str());
    is_known && is_chosen && is_update && fields.all(|field| field == "image")
}

/// The files of the repository that the stack's services mount, as far as they are not enormous.
fn mounted(deployment: &Deployment) -> BTreeMap<String, StoredFile> {
    let mut files = BTreeMap::new();
    for service in deployment.stack.services.values() {
        for export in &service.exports {
            collect(&*export.tree, &export.path, &mut files);
        }
    }
    files
}

fn collect(tree: &dyn Tree, path: &str, files: &mut BTreeMap<String, StoredFile>) {
    match tree.kind(path) {
        Ok(Some(EntryKind::File { executable })) => {
            if let Ok(Some(bytes)) = tree.read(path, LARGEST_FILE) {
                files.insert(path.to_owned(), StoredFile { bytes, executable });
            }
        }
        Ok(Some(EntryKind::Directory)) => {
            for entry in tree.list(path).unwrap_or_default() {
                collect(tree, &format!("{path}/{}", entry.name), files);
            }
        }
        // A link or something unreadable was refused when the manifest was loaded.
        Ok(Some(EntryKind::Symlink | EntryKind::Other) | None) | Err(_) => {}
    }
}

/// Closes the generations, and remembers what the outcome says about specs and jobs.
pub fn finish(
    history: &History,
    view: &View,
    plan: &Plan,
    outcome: &Outcome,
    generations: &Generations,
    now: Timestamp,
) -> Result<(), HistoryError> {
    for change in &plan.changes {
        let Some(result) = outcome.services.get(&change.service) else { continue };
        remember(history, outcome, change, result, now)?;
    }
    for (stack, number) in generations {
        let changes = plan.changes.iter().filter(|change| change.service.stack == *stack);
        let results: Vec<history::ServiceResult> =
            changes.clone().map(|change| row(view, outcome, change)).collect();
        // What waits for its time is as it is to be.
        let tried =
            changes.zip(&results).filter(|(change, _)| !change.verdict.waits_for_its_time());
        let ended = match outcome.stopped {
            true => GenerationOutcome::Interrupted,
            false => how_it_ended(tried.map(|(_, result)| result.outcome)),
        };
        history.finish(*number, ended, now, &results)?;
    }
    Ok(())
}

/// Remembers what services are deployed as after a pass. Writes nothing where that is known.
pub fn deployed(
    history: &History,
    view: &View,
    plan: &Plan,
    outcome: &Outcome,
    memory: &Memory,
) -> Result<(), HistoryError> {
    for (service, deployed) in outcome.deployed(plan, &view.desired) {
        if memory.deployed.get(&service) != deployed.as_ref() {
            history.record_deployed(&service, deployed.as_ref())?;
        }
    }
    Ok(())
}

/// Records how registries want to be approached, so that a restart asks them nothing twice.
pub fn registries(
    history: &History,
    registry: &dyn Registry,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let memory = registry.memory();
    // Serialising texts into memory cannot fail.
    let text = serde_json::to_string(&memory).unwrap_or_default();
    if memory.is_empty() { Ok(()) } else { history.record_registries(&text, now) }
}

/// Records what following registries led to, for each service that it has proved itself in.
pub fn chosen(
    history: &History,
    view: &View,
    plan: &Plan,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let mut pins = Pins::default();
    for change in &plan.changes {
        let desired = view.desired.deployment(&change.service.stack);
        let desired = desired.and_then(|it| it.services.get(&change.service.service));
        let Some(DesiredService { service, image: Ok(pinned) }) = desired else { continue };
        let why = pinned.followed.as_ref().and_then(|followed| followed.chosen.clone());
        let Some(why) = why.filter(|_| is_good(how_it_went(outcome, change))) else { continue };
        let (reference, digest) = (pinned.image.reference(), pinned.image.digest().clone());
        let newer = reference.tag().filter(|tag| *tag != service.image.tag_or_latest());
        let tag = newer.map(str::to_owned);
        let key = (change.service.clone(), pin_key(&service.image));
        pins.0.insert(key, Pin { digest, chosen: Some(Chosen { tag, why, at: now }) });
    }
    history.record_pins(&pins, now)
}

fn how_it_went(outcome: &Outcome, change: &Change) -> ServiceOutcome {
    let result = outcome.services.get(&change.service);
    result.map_or_else(|| without_steps(&change.verdict), |result| result.outcome)
}

fn is_good(outcome: ServiceOutcome) -> bool {
    matches!(outcome, ServiceOutcome::Done | ServiceOutcome::Unchanged)
}

/// The image line of each service that git has.
fn lines(view: &View) -> BTreeMap<ServiceId, String> {
    let services = view.desired.deployments().flat_map(|deployment| {
        let stack = &deployment.stack.name;
        deployment.services.iter().map(move |(name, desired)| {
            (ServiceId::new(stack, name), pin_key(&desired.service.image))
        })
    });
    services.collect()
}

fn remember(
    history: &History,
    outcome: &Outcome,
    change: &Change,
    result: &ServiceResult,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let Some(spec) = &change.spec else { return Ok(()) };
    if outcome.completed.contains(&change.service) {
        history.complete_job(&change.service, spec)?;
    }
    let Some(failure) = &result.failure else { return Ok(()) };
    let Some(rejected) = failure.rejects(change) else { return Ok(()) };
    let paused = failure.pauses(change);
    let mut error = failure.message.clone();
    if paused {
        error.push_str("; it was left half-way, as its `failure_action: pause` says");
    }
    history.reject(&change.service, rejected, &Rejection { since: now, error, paused })
}

fn row(view: &View, outcome: &Outcome, change: &Change) -> history::ServiceResult {
    let result = outcome.services.get(&change.service);
    let ended = how_it_went(outcome, change);
    let desired = view.desired.deployment(&change.service.stack);
    let desired = desired.and_then(|deployment| deployment.services.get(&change.service.service));
    let pinned = desired.and_then(|desired| desired.image.as_ref().ok());
    let failure = result.and_then(|result| result.failure.as_ref());
    history::ServiceResult {
        service: change.service.service.clone(),
        verdict: change.verdict.word().to_owned(),
        outcome: ended,
        image_shown: desired.map(|desired| match pinned {
            Some(pinned) => desired.service.shown_with(&pinned.image),
            None => desired.service.image_shown.clone(),
        }),
        digest: pinned.map(|Pinned { image, .. }| image.digest().clone()),
        reasons: reasons(change),
        error: failure.map(|failure| failure.message.clone()),
        logs: failure.map(|failure| failure.logs.clone()).unwrap_or_default(),
        seconds: result.map_or(0.0, |result| result.took.as_secs_f64()),
        spec: change.spec.clone().filter(|_| is_good(ended)),
    }
}

/// The outcome of a service for which nothing was done.
pub fn without_steps(verdict: &Verdict) -> ServiceOutcome {
    match verdict {
        Verdict::InSync => ServiceOutcome::Unchanged,
        Verdict::Held(_) => ServiceOutcome::Held,
        Verdict::Rejected { .. } | Verdict::Blocked(_) => ServiceOutcome::Blocked,
        Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove => ServiceOutcome::Skipped,
    }
}

fn how_it_ended(outcomes: impl Iterator<Item = ServiceOutcome>) -> GenerationOutcome {
    let mut ended = GenerationOutcome::Converged;
    for outcome in outcomes {
        match outcome {
            ServiceOutcome::Failed | ServiceOutcome::Blocked | ServiceOutcome::Skipped => {
                return GenerationOutcome::Failed;
            }
            ServiceOutcome::RolledBack => ended = GenerationOutcome::RolledBack,
            ServiceOutcome::Unchanged | ServiceOutcome::Done | ServiceOutcome::Held => {}
        }
    }
    ended
}
