//! How a [`StatusReport`] is made: each stack from the plan, or from what else is known of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::WireRemark;
use super::containers::{bare, containers_of, running_digest};
use super::shared::{followed_words, joined, masks_of, problems_of, wired};
use super::status::{
    StatusDisk, StatusEngine, StatusFollows, StatusRefused, StatusReport, StatusService,
    StatusSource, StatusStack,
};
use crate::engine::EngineError;
use crate::history::{Pressure, SourceReport, StackReport};
use crate::model::desired::Barred;
use crate::model::observed::EngineInfo;
use crate::model::{
    DesiredService, DesiredState, GenerationNumber, HostName, ImageRef, Masks, ObservedContainer,
    ObservedState, ServiceId, SourceName, StackName,
};
use crate::plan::{Change, Plan};
use crate::report::state::{self, State};

/// All that is known of where things stand.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// This host.
    pub host: &'a HostName,
    /// The engine, or why it does not answer.
    pub engine: Result<&'a EngineInfo, &'a EngineError>,
    /// A disk that stays too full.
    pub pressure: Option<&'a Pressure>,
    /// Every configured source, as it was last read.
    pub sources: &'a [(SourceName, SourceReport)],
    /// What the last recorded revisions ask for; `None` where they cannot be read.
    pub desired: Option<&'a DesiredState>,
    /// What is; empty where the engine does not answer.
    pub observed: &'a ObservedState,
    /// What a pass would do now; `None` without a desired state or an engine.
    pub plan: Option<&'a Plan>,
    /// How the stacks stood at the last pass, for those that nothing newer is known of.
    pub recorded: &'a [StackReport],
    /// The last attempt at each stack.
    pub generations: &'a BTreeMap<StackName, GenerationNumber>,
    /// Now.
    pub now: Timestamp,
}

/// Where everything stands, stack by stack.
pub fn status(standing: &Standing<'_>) -> StatusReport {
    let wanted: BTreeSet<&StackName> =
        standing.desired.into_iter().flat_map(|desired| desired.stacks.keys()).collect();
    let names = standing.desired.into_iter().flat_map(|desired| desired.stacks.keys());
    let mut stacks: Vec<StatusStack> = names.map(|name| known(standing, name)).collect();
    stacks.extend(others(standing, &wanted));
    StatusReport {
        schema: "evenkeel.status/v1",
        host: standing.host.to_string(),
        at: standing.now,
        engine: engine(standing.engine),
        disk: standing.pressure.map(|Pressure { since, says }| StatusDisk {
            state: State::Degraded,
            since: *since,
            error: says.clone(),
        }),
        sources: standing
            .sources
            .iter()
            .map(|(name, report)| source(name, report, standing.now))
            .collect(),
        stacks,
    }
}

fn engine(engine: Result<&EngineInfo, &EngineError>) -> StatusEngine {
    match engine {
        Ok(info) => StatusEngine {
            version: Some(info.version.clone()),
            api_version: Some(info.api_version.clone()),
            os: Some(info.os.clone()),
            architecture: Some(info.architecture.clone()),
            error: None,
        },
        Err(error) => StatusEngine { error: Some(error.to_string()), ..StatusEngine::default() },
    }
}

fn source(name: &SourceName, report: &SourceReport, now: Timestamp) -> StatusSource {
    StatusSource {
        name: name.to_string(),
        repo: report.repo.clone(),
        branch: report.branch.clone(),
        commit: report.commit.as_ref().map(ToString::to_string),
        fetched_at: report.fetched_at,
        state: report.state.word(),
        error: report.error.clone(),
        // A clock that was set back makes nothing younger than now.
        stale_seconds: report.fetched_at.map(|at| now.duration_since(at).as_secs().max(0)),
        signed_by: report.signed_by.clone(),
        refused: report.refused.as_ref().map(|refused| StatusRefused {
            commit: refused.commit.to_string(),
            reason: refused.reason.clone(),
        }),
        alarm: report.alarm.clone(),
    }
}

/// A stack that git names.
fn known(standing: &Standing<'_>, name: &StackName) -> StatusStack {
    let found = standing.desired.and_then(|desired| desired.stacks.get(name));
    let problems = found.and_then(|stack| problems_of(&stack.content));
    let recorded = standing.recorded.iter().find(|report| report.stack == *name);
    let services = if problems.is_none() {
        planned(standing, name)
    } else {
        seen(standing, name, State::Invalid, "the stack cannot be used")
    };
    let of_services = services.iter().map(|service| service.state).max().unwrap_or_default();
    StatusStack {
        stack: name.to_string(),
        source: found.map(|stack| stack.source.to_string()),
        commit: found.map(|stack| stack.commit.to_string()),
        state: match problems {
            None if standing.plan.is_none() => recorded_state(recorded),
            None => of_services,
            Some(_) => State::Invalid,
        },
        generation: standing.generations.get(name).map(|number| number.0),
        error: match problems {
            None if standing.plan.is_none() => recorded.and_then(|report| report.error.clone()),
            None => None,
            Some(problems) => Some(joined(problems)),
        },
        problems: wired(problems),
        remarks: remarks(standing, name),
        services,
    }
}

fn remarks(standing: &Standing<'_>, name: &StackName) -> Vec<WireRemark> {
    let deployment = standing.desired.and_then(|desired| desired.deployment(name));
    let written = deployment.into_iter().flat_map(|deployment| &deployment.stack.remarks);
    let unverified = deployment.into_iter().flat_map(|deployment| {
        deployment.services.values().filter_map(|desired| {
            let text = desired.image.as_ref().ok()?.unverified.clone()?;
            Some(WireRemark::of_service(desired.service.name.as_str(), text))
        })
    });
    written.map(WireRemark::from).chain(unverified).collect()
}

/// Stacks that git does not name: to be removed, orphaned, or known from the last pass only.
fn others(standing: &Standing<'_>, wanted: &BTreeSet<&StackName>) -> Vec<StatusStack> {
    let mut sources: BTreeMap<StackName, Option<SourceName>> = BTreeMap::new();
    for container in &standing.observed.containers {
        if let (Some(stack), Some(source)) = (container.stack(), container.source()) {
            sources.insert(stack.clone(), Some(source.clone()));
        }
    }
    for change in standing.plan.into_iter().flat_map(|plan| &plan.changes) {
        sources.entry(change.service.stack.clone()).or_default();
    }
    if standing.desired.is_none() {
        for report in standing.recorded {
            sources.insert(report.stack.clone(), Some(report.source.clone()));
        }
    }
    sources.retain(|name, _| !wanted.contains(name));
    sources.into_iter().map(|(name, source)| unknown(standing, &name, source)).collect()
}

fn unknown(standing: &Standing<'_>, name: &StackName, source: Option<SourceName>) -> StatusStack {
    let recorded = standing.recorded.iter().find(|report| report.stack == *name);
    let planned = planned(standing, name);
    let is_orphan = source.as_ref().is_some_and(|source| !is_configured(standing, source));
    let services = if is_orphan {
        seen(standing, name, State::Orphaned, "its source is no longer configured")
    } else if !planned.is_empty() {
        planned
    } else {
        seen(standing, name, State::Pending, "its source cannot be read; this is what is here")
    };
    let of_services = services.iter().map(|service| service.state).max();
    let of_services = of_services.max(recorded.map(|report| recorded_state(Some(report))));
    StatusStack {
        stack: name.to_string(),
        source: source.map(|source| source.to_string()),
        commit: recorded.map(|report| report.commit.to_string()),
        state: of_services.unwrap_or_else(|| recorded_state(recorded)),
        generation: standing.generations.get(name).map(|number| number.0),
        error: recorded.and_then(|report| report.error.clone()),
        problems: Vec::new(),
        remarks: Vec::new(),
        services,
    }
}

fn is_configured(standing: &Standing<'_>, source: &SourceName) -> bool {
    standing.sources.iter().any(|(name, _)| name == source)
        || standing.desired.is_some_and(|desired| desired.sources_configured.contains(source))
}

fn recorded_state(recorded: Option<&StackReport>) -> State {
    recorded.and_then(|report| State::from_word(&report.state)).unwrap_or(State::Pending)
}

/// The services of a stack as the plan judges them.
fn planned(standing: &Standing<'_>, name: &StackName) -> Vec<StatusService> {
    let Some(plan) = standing.plan else { return Vec::new() };
    plan.changes
        .iter()
        .filter(|change| change.service.stack == *name)
        .map(|change| judged(standing, change))
        .collect()
}

fn judged(standing: &Standing<'_>, change: &Change) -> StatusService {
    let id = &change.service;
    let masks = standing.desired.map(|desired| masks_of(desired, &id.stack)).unwrap_or_default();
    let containers = containers_of(standing.observed, id);
    let (_, hint) = state::why(change, &masks);
    let ailment = || containers.iter().find_map(|container| state::ailment(container));
    let state = State::of_service(&change.verdict, &containers);
    let reason =
        if state == State::Degraded { ailment() } else { state::in_one_line(change, &masks) };
    let desired = desired_service(standing, id);
    let held = change.verdict.held();
    let trouble = change.verdict.trouble();
    let barred = change.verdict.barred();
    StatusService {
        state,
        held_by: state::held_by(&change.verdict),
        since: held.and_then(|held| held.since),
        until: match change.verdict.waiting() {
            Some(waiting) => waiting.until,
            None => held.and_then(|held| held.until),
        },
        image: desired.map(|desired| image_that_runs(desired, &containers, &masks)),
        digest: running_digest(&containers).or_else(|| {
            let pinned = desired.and_then(|desired| desired.image.as_ref().ok());
            pinned.map(|pinned| pinned.image.digest().to_string())
        }),
        reason,
        hint,
        follows: desired.and_then(|desired| follows(desired, &masks)),
        failing_since: trouble.map(|trouble| trouble.since).or(barred.and_then(Barred::since)),
        next_try_at: trouble.map(|trouble| trouble.next_try).or(barred.and_then(Barred::again)),
        desired: state::is_desired(&change.verdict),
        ..bare(id, &containers, &masks)
    }
}

fn follows(desired: &DesiredService, masks: &Masks) -> Option<StatusFollows> {
    let (service, pinned) = (&desired.service, desired.image.as_ref().ok()?);
    let followed = pinned.followed.as_ref()?;
    let reference = pinned.image.reference();
    let before = followed.before.as_ref();
    Some(StatusFollows {
        asks: followed_words(service)?,
        tag: service.shown_tag(reference.tag_or_latest()).to_owned(),
        why: followed.chosen.clone().or_else(|| before.map(|it| it.why.clone())),
        chosen_at: before.map(|it| it.at),
        waits: followed.waits.as_ref().map(|waits| masks.mask(waits)),
    })
}

/// The image of the running container; before there is one, and where a server value is part of its name,
/// as the manifest has it.
fn image_that_runs(
    desired: &DesiredService,
    containers: &[&ObservedContainer],
    masks: &Masks,
) -> String {
    let service = &desired.service;
    let pinned = desired.image.as_ref().ok();
    let shown =
        pinned.map_or_else(|| service.image_shown.clone(), |it| service.shown_with(&it.image));
    let holds_server_value = service.image_shown != service.image.to_string();
    if holds_server_value {
        return shown;
    }
    let running = containers.iter().find(|container| container.is_running());
    let reference = running.and_then(|container| ImageRef::parse(&container.image).ok());
    reference.map_or(shown, |reference| masks.mask(&reference.without_digest().to_string()))
}

fn desired_service<'a>(standing: &Standing<'a>, id: &ServiceId) -> Option<&'a DesiredService> {
    standing.desired?.deployment(&id.stack)?.services.get(&id.service)
}

/// The services of a stack as the engine shows them, all in one state.
fn seen(
    standing: &Standing<'_>,
    name: &StackName,
    state: State,
    reason: &str,
) -> Vec<StatusService> {
    let ids: BTreeSet<&ServiceId> = standing
        .observed
        .containers
        .iter()
        .filter_map(ObservedContainer::service)
        .filter(|id| id.stack == *name)
        .collect();
    ids.iter()
        .map(|id| {
            let containers = containers_of(standing.observed, id);
            StatusService {
                state,
                reason: Some(reason.to_owned()),
                digest: running_digest(&containers),
                ..bare(id, &containers, &Masks::default())
            }
        })
        .collect()
}
