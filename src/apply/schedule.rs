//! The order of work: which step runs when, and what a failure takes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

use super::outcome::{Failure, Outcome, ServiceResult};
use super::perform::{self, Done};
use super::{Event, Hands};
use crate::model::{NetworkName, ServiceId, ServiceOutcome};
use crate::plan::{Change, Plan, PlannedStep, StepId};

/// Runs all steps of `plan`.
pub async fn run(plan: &Plan, hands: &Hands<'_>) -> Outcome {
    let mut schedule = Schedule::new(plan, hands);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < hands.parallel.max(1) && !hands.stop.is_cancelled() {
            let Some(unit) = schedule.next_ready() else { break };
            let addresses = &schedule.addresses;
            running.push(run_unit(
                hands,
                schedule.change_of(&unit),
                addresses.of(plan, &unit),
                unit,
            ));
        }
        let Some(ended) = running.next().await else { break };
        schedule.ended(ended);
    }
    drop(running);
    schedule.outcome(hands.stop.is_cancelled())
}

/// Steps that run one after the other: a section, or a single step.
type Unit<'p> = Vec<&'p PlannedStep>;

struct Ended<'p> {
    unit: Unit<'p>,
    completed: bool,
    failed: Option<Failed>,
}

struct Failed {
    at: StepId,
    failure: Failure,
    /// How the way back ended, where it was walked.
    way_back: Option<Result<(), Failure>>,
}

async fn run_unit<'p>(
    hands: &Hands<'_>,
    change: Option<&'p Change>,
    addresses: AddressLocks,
    unit: Unit<'p>,
) -> Ended<'p> {
    let held = addresses.lock().await;
    let mut completed = false;
    for planned in unit.clone() {
        match perform::perform(hands, planned).await {
            Ok(Done::Well) => {}
            Ok(Done::Completed) => completed = true,
            Err(failure) => {
                let walks = failure.half_done && !hands.stop.is_cancelled();
                let way_back = match change.filter(|change| walks && !change.way_back.is_empty()) {
                    Some(change) => {
                        drop(held);
                        Some(walk_back(hands, planned, change, addresses.whole).await)
                    }
                    None => None,
                };
                return Ended {
                    unit,
                    completed,
                    failed: Some(Failed { at: planned.id, failure, way_back }),
                };
            }
        }
    }
    Ended { unit, completed, failed: None }
}

async fn walk_back(
    hands: &Hands<'_>,
    planned: &PlannedStep,
    change: &Change,
    networks: Vec<Arc<RwLock<()>>>,
) -> Result<(), Failure> {
    hands.watcher.event(&Event::GoingBack(&change.service));
    let mut held = Vec::new();
    for network in networks {
        held.push(network.write_owned().await);
    }
    for step in &change.way_back {
        perform::step(hands, &planned.stack, None, step).await?;
    }
    Ok(())
}

/// One lock per network: whoever switches holds it alone, whoever just starts or stops shares it.
#[derive(Default)]
struct Addresses(BTreeMap<NetworkName, Arc<RwLock<()>>>);

struct AddressLocks {
    locks: Vec<Arc<RwLock<()>>>,
    alone: bool,
    /// The locks of a way back: always alone.
    whole: Vec<Arc<RwLock<()>>>,
}

enum Held {
    Alone { _guards: Vec<OwnedRwLockWriteGuard<()>> },
    Shared { _guards: Vec<OwnedRwLockReadGuard<()>> },
}

impl AddressLocks {
    /// Takes the locks in the order of the networks' names, so that no two units wait for each other.
    async fn lock(&self) -> Held {
        if self.alone {
            let mut guards = Vec::new();
            for lock in &self.locks {
                guards.push(lock.clone().write_owned().await);
            }
            return Held::Alone { _guards: guards };
        }
        let mut guards = Vec::new();
        for lock in &self.locks {
            guards.push(lock.clone().read_owned().await);
        }
        Held::Shared { _guards: guards }
    }
}

impl Addresses {
    fn new(plan: &Plan) -> Self {
        let of_sections = plan.sections.iter().flat_map(|section| &section.networks);
        let of_steps = plan.steps.iter().flat_map(|planned| &planned.networks);
        let of_ways_back = plan.changes.iter().flat_map(|change| &change.way_back_networks);
        let names = of_sections.chain(of_steps).chain(of_ways_back);
        Self(names.map(|name| (name.clone(), Arc::default())).collect())
    }

    fn of(&self, plan: &Plan, unit: &[&PlannedStep]) -> AddressLocks {
        let section = unit.first().and_then(|planned| planned.section);
        let networks = match section.and_then(|section| plan.sections.get(section.0)) {
            Some(section) => section.networks.clone(),
            None => unit.iter().flat_map(|planned| planned.networks.iter().cloned()).collect(),
        };
        let service = unit.first().and_then(|planned| planned.service.as_ref());
        let change = plan.changes.iter().find(|change| Some(&change.service) == service);
        AddressLocks {
            locks: self.locks(&networks),
            alone: section.is_some(),
            whole: change.map(|change| self.locks(&change.way_back_networks)).unwrap_or_default(),
        }
    }

    fn locks(&self, networks: &BTreeSet<NetworkName>) -> Vec<Arc<RwLock<()>>> {
        networks.iter().filter_map(|name| self.0.get(name).cloned()).collect()
    }
}

#[derive(Clone, Debug)]
enum State {
    Waiting,
    Running,
    Done,
    Failed(String),
    Skipped(String),
}

impl State {
    fn has_ended(&self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Done | Self::Failed(_) | Self::Skipped(_) => true,
        }
    }
}

struct Schedule<'p> {
    plan: &'p Plan,
    changes: BTreeMap<&'p ServiceId, &'p Change>,
    states: BTreeMap<StepId, State>,
    addresses: Addresses,
    services: BTreeMap<ServiceId, Progress>,
    shared_failures: Vec<Failure>,
    completed: BTreeSet<ServiceId>,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    begun: Option<Instant>,
    ended: Option<Instant>,
    failure: Option<Failure>,
    went_back: Option<bool>,
    skipped: Option<String>,
}

impl<'p> Schedule<'p> {
    fn new(plan: &'p Plan, _hands: &Hands<'_>) -> Self {
        let services = plan.steps.iter().filter_map(|planned| planned.service.clone());
        Self {
            plan,
            changes: plan.changes.iter().map(|change| (&change.service, change)).collect(),
            states: plan.steps.iter().map(|planned| (planned.id, State::Waiting)).collect(),
            addresses: Addresses::new(plan),
            services: services.map(|service| (service, Progress::default())).collect(),
            shared_failures: Vec::new(),
            completed: BTreeSet::new(),
        }
    }

    fn change_of(&self, unit: &[&PlannedStep]) -> Option<&'p Change> {
        let service = unit.first()?.service.as_ref()?;
        self.changes.get(service).copied()
    }

    /// The next unit whose waits are over. Skips what can no longer run on the way.
    fn next_ready(&mut self) -> Option<Unit<'p>> {
        for planned in &self.plan.steps {
            if !matches!(self.states[&planned.id], State::Waiting)
                || !self.is_first_of_unit(planned)
            {
                continue;
            }
            if let Some(why) = self.cannot_run(planned) {
                self.skip(planned, &why);
                continue;
            }
            let is_ready = planned.after.iter().all(|id| matches!(self.states[id], State::Done))
                && planned.behind.iter().all(|id| self.states[id].has_ended());
            if is_ready {
                return Some(self.begin(planned));
            }
        }
        None
    }

    fn is_first_of_unit(&self, planned: &PlannedStep) -> bool {
        let Some(section) = planned.section else { return true };
        let first = self.plan.steps.iter().find(|other| other.section == Some(section));
        first.is_some_and(|first| first.id == planned.id)
    }

    fn unit(&self, planned: &'p PlannedStep) -> Unit<'p> {
        match planned.section {
            None => vec![planned],
            Some(section) => {
                self.plan.steps.iter().filter(|other| other.section == Some(section)).collect()
            }
        }
    }

    fn begin(&mut self, planned: &'p PlannedStep) -> Unit<'p> {
        let unit = self.unit(planned);
        for step in &unit {
            self.states.insert(step.id, State::Running);
        }
        if let Some(progress) =
            planned.service.as_ref().and_then(|service| self.services.get_mut(service))
        {
            progress.begun.get_or_insert_with(Instant::now);
        }
        unit
    }

    /// Why a step can no longer run: something it waits for did not succeed, or its service has failed.
    fn cannot_run(&self, planned: &PlannedStep) -> Option<String> {
        if let Some(service) = &planned.service
            && self.services.get(service).is_some_and(|progress| progress.failure.is_some())
        {
            return Some(format!("{service} has failed"));
        }
        planned.after.iter().find_map(|id| match &self.states[id] {
            State::Failed(why) | State::Skipped(why) => Some(why.clone()),
            State::Waiting | State::Running | State::Done => None,
        })
    }

    fn skip(&mut self, planned: &'p PlannedStep, why: &str) {
        for step in self.unit(planned) {
            self.states.insert(step.id, State::Skipped(why.to_owned()));
        }
        if let Some(progress) =
            planned.service.as_ref().and_then(|service| self.services.get_mut(service))
        {
            progress.skipped.get_or_insert_with(|| why.to_owned());
        }
    }

    fn ended(&mut self, ended: Ended<'p>) {
        let service = ended.unit.first().and_then(|planned| planned.service.clone());
        let mut failed_at = None;
        if let Some(failed) = ended.failed {
            failed_at = Some(failed.at);
            let message = failed.failure.message.clone();
            let why = match &service {
                Some(service) => format!("{service} has failed: {message}"),
                None => message,
            };
            for planned in &ended.unit {
                let is_done = planned.id < failed.at;
                self.states.insert(
                    planned.id,
                    if is_done { State::Done } else { State::Failed(why.clone()) },
                );
            }
            self.note_failure(service.as_ref(), failed);
        }
        if failed_at.is_none() {
            for planned in &ended.unit {
                self.states.insert(planned.id, State::Done);
            }
        }
        if let Some(service) = service {
            if ended.completed {
                self.completed.insert(service.clone());
            }
            if let Some(progress) = self.services.get_mut(&service) {
                progress.ended = Some(Instant::now());
            }
        }
    }

    fn note_failure(&mut self, service: Option<&ServiceId>, failed: Failed) {
        let Some(progress) = service.and_then(|service| self.services.get_mut(service)) else {
            self.shared_failures.push(failed.failure);
            return;
        };
        progress.went_back = failed.way_back.as_ref().map(Result::is_ok);
        let mut failure = failed.failure;
        if let Some(Err(second)) = failed.way_back {
            failure.message =
                format!("{}; and going back failed: {}", failure.message, second.message);
        }
        progress.failure.get_or_insert(failure);
    }

    fn outcome(mut self, stopped: bool) -> Outcome {
        // What was never reached is told apart from what was done.
        let waiting: Vec<&PlannedStep> = self
            .plan
            .steps
            .iter()
            .filter(|planned| matches!(self.states[&planned.id], State::Waiting))
            .collect();
        for planned in waiting {
            self.skip(planned, "the pass was stopped");
        }
        let services = self
            .services
            .iter()
            .map(|(id, progress)| {
                let has_way_back = self.changes.get(id).is_some_and(|change| change.has_way_back);
                (id.clone(), result(progress, has_way_back, stopped))
            })
            .collect();
        Outcome {
            services,
            shared_failures: self.shared_failures,
            completed: self.completed,
            stopped,
        }
    }
}

fn result(progress: &Progress, has_way_back: bool, stopped: bool) -> ServiceResult {
    let took = match (progress.begun, progress.ended) {
        (Some(begun), Some(ended)) => ended.saturating_duration_since(begun),
        (Some(_) | None, None) | (None, Some(_)) => std::time::Duration::ZERO,
    };
    let outcome = match (&progress.failure, &progress.skipped, progress.went_back) {
        (Some(_), _, Some(true)) if has_way_back => ServiceOutcome::RolledBack,
        (Some(_), _, _) => ServiceOutcome::Failed,
        (None, Some(_), _) if stopped => ServiceOutcome::Skipped,
        (None, Some(_), _) => ServiceOutcome::Blocked,
        (None, None, _) => ServiceOutcome::Done,
    };
    let failure =
        progress.failure.clone().or_else(|| progress.skipped.clone().map(Failure::of_the_world));
    ServiceResult { outcome, failure, took }
}
