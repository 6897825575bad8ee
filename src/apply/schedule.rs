//! The order of work: which step runs when, and what a failure takes with it.
//!
//! Plain bookkeeping; who carries the work out is [`super::run`].

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::outcome::{Failure, Outcome, ServiceResult};
use crate::model::{ServiceId, ServiceOutcome};
use crate::plan::{Change, Plan, PlannedStep, StepId};

/// Something to be carried out.
pub enum Work<'p> {
    /// Steps that run one after the other: a section, or a single step. With the unit's place.
    Unit(usize, Vec<&'p PlannedStep>),
    /// The way back after the step that failed: of the service, or of one replica alone.
    WayBack(&'p Change, &'p PlannedStep, Option<u32>),
}

/// How that went.
pub enum Ended<'p> {
    /// A unit.
    Unit {
        /// Its place.
        unit: usize,
        /// Whether a container ended well in place of running on.
        completed: bool,
        /// The step that failed; those behind it were not tried.
        failed: Option<(StepId, Failure)>,
    },
    /// A way back.
    WayBack {
        /// The service.
        service: &'p ServiceId,
        /// The replica, where it was that of one alone.
        replica: Option<u32>,
        /// How it went.
        result: Result<(), Failure>,
    },
}

#[derive(Clone, Debug)]
enum State {
    Waiting,
    Running,
    Done,
    /// Failed or skipped, and why.
    NotDone(String),
}

/// Steps that run one after the other.
struct Unit<'p> {
    steps: Vec<&'p PlannedStep>,
    state: State,
    /// Steps of other units that have not ended yet; one that is waited for twice counts twice.
    open: usize,
    /// Units that wait for a step of this one.
    waiting: Vec<usize>,
}

/// What is done, under way, and to come.
pub struct Schedule<'p> {
    units: Vec<Unit<'p>>,
    /// The unit of each step.
    unit_of: BTreeMap<StepId, usize>,
    ready: BTreeSet<usize>,
    /// Services whose way back is still to be walked.
    to_go_back: BTreeSet<&'p ServiceId>,
    /// Steps after which a single replica is to go back.
    replicas_to_go_back: Vec<&'p PlannedStep>,
    changes: BTreeMap<&'p ServiceId, &'p Change>,
    services: BTreeMap<&'p ServiceId, Progress<'p>>,
    shared_failures: Vec<Failure>,
    completed: BTreeSet<ServiceId>,
}

#[derive(Default)]
struct Progress<'p> {
    begun: Option<Instant>,
    ended: Option<Instant>,
    /// Units under way.
    running: usize,
    failure: Option<Failure>,
    /// The failed step after which the way back is to be walked.
    to_go_back: Option<&'p PlannedStep>,
    went_back: Option<bool>,
    /// Replicas that failed and are borne: the others go on.
    borne: BTreeSet<u32>,
    /// Whether every one of them came back.
    borne_back: Option<bool>,
    skipped: Option<String>,
}

impl Progress<'_> {
    /// Whether a failure keeps a unit of this replica from running.
    fn concerns(&self, replica: Option<u32>) -> bool {
        match (self.borne.is_empty(), replica) {
            (true, _) => self.failure.is_some(),
            (false, Some(replica)) => self.borne.contains(&replica),
            (false, None) => false,
        }
    }
}

impl<'p> Schedule<'p> {
    /// Nothing is done yet.
    pub fn new(plan: &'p Plan) -> Self {
        let (mut units, unit_of) = units(plan);
        for (place, step) in plan.steps.iter().filter_map(|one| Some((*unit_of.get(&one.id)?, one)))
        {
            let others = step.after.iter().chain(&step.behind).filter_map(|id| unit_of.get(id));
            for other in others.filter(|other| **other != place) {
                units[*other].waiting.push(place);
                units[place].open += 1;
            }
        }
        let ready = units.iter().enumerate().filter(|(_, unit)| unit.open == 0);
        let services = plan.steps.iter().filter_map(|planned| planned.service.as_ref());
        Self {
            ready: ready.map(|(place, _)| place).collect(),
            to_go_back: BTreeSet::new(),
            replicas_to_go_back: Vec::new(),
            units,
            unit_of,
            changes: plan.changes.iter().map(|change| (&change.service, change)).collect(),
            services: services.map(|service| (service, Progress::default())).collect(),
            shared_failures: Vec::new(),
            completed: BTreeSet::new(),
        }
    }

    /// What can be carried out now; ways back first. Skips what can no longer run.
    pub fn next_work(&mut self) -> Option<Work<'p>> {
        if let Some(way_back) = self.next_way_back().or_else(|| self.next_replica_back()) {
            return Some(way_back);
        }
        while let Some(place) = self.ready.pop_first() {
            match self.cannot_run(place) {
                Some(why) => self.skip(place, why),
                None => return Some(self.begin(place)),
            }
        }
        None
    }

    /// A way back is walked once nothing else of its service is under way.
    fn next_way_back(&mut self) -> Option<Work<'p>> {
        let is_still = |service: &ServiceId| {
            self.services.get(service).is_none_or(|progress| progress.running == 0)
        };
        let is_idle =
            |service: &&ServiceId| is_still(service) && self.together(service).iter().all(is_still);
        let service = self.to_go_back.iter().copied().find(is_idle)?;
        self.to_go_back.remove(service);
        let progress = self.services.get_mut(service)?;
        let failed = progress.to_go_back.take()?;
        progress.running += 1;
        Some(Work::WayBack(self.changes.get(service).copied()?, failed, None))
    }

    /// The way back of a single replica, once nothing else of it is under way.
    fn next_replica_back(&mut self) -> Option<Work<'p>> {
        let is_under_way = |failed: &PlannedStep| {
            self.units.iter().any(|unit| {
                matches!(unit.state, State::Running)
                    && unit.steps.first().is_some_and(|one| {
                        one.service == failed.service && one.replica == failed.replica
                    })
            })
        };
        let place = self.replicas_to_go_back.iter().position(|failed| !is_under_way(failed))?;
        let failed = self.replicas_to_go_back.swap_remove(place);
        let service = failed.service.as_ref()?;
        self.services.get_mut(service)?.running += 1;
        Some(Work::WayBack(self.changes.get(service).copied()?, failed, failed.replica))
    }

    /// The services that go back with this one.
    fn together(&self, service: &ServiceId) -> &'p [ServiceId] {
        self.changes.get(service).map_or(&[], |change| &change.together)
    }

    fn begin(&mut self, place: usize) -> Work<'p> {
        self.units[place].state = State::Running;
        if let Some(progress) = self.progress_of(place) {
            progress.begun.get_or_insert_with(Instant::now);
            progress.running += 1;
        }
        Work::Unit(place, self.units[place].steps.clone())
    }

    fn service_of(&self, place: usize) -> Option<&'p ServiceId> {
        self.units[place].steps.first().and_then(|planned| planned.service.as_ref())
    }

    fn progress_of(&mut self, place: usize) -> Option<&mut Progress<'p>> {
        let service = self.service_of(place)?;
        self.services.get_mut(service)
    }

    /// Why a unit can no longer run: something it waits for did not succeed, or its service has failed.
    fn cannot_run(&self, place: usize) -> Option<String> {
        let service = self.service_of(place);
        let replica = self.units[place].steps.first().and_then(|planned| planned.replica);
        if let Some(service) = service
            && self.services.get(service).is_some_and(|progress| progress.concerns(replica))
        {
            return Some(format!("{service} has failed"));
        }
        let after = self.units[place].steps.iter().flat_map(|planned| &planned.after);
        let mut others = after.filter_map(|id| self.unit_of.get(id));
        others.find_map(|other| match &self.units[*other].state {
            State::NotDone(why) => Some(why.clone()),
            State::Waiting | State::Running | State::Done => None,
        })
    }

    fn skip(&mut self, place: usize, why: String) {
        if let Some(progress) = self.progress_of(place) {
            progress.skipped.get_or_insert_with(|| why.clone());
        }
        self.close(place, State::NotDone(why));
    }

    /// The unit has ended; those that waited for it may be ready.
    fn close(&mut self, place: usize, state: State) {
        self.units[place].state = state;
        for waiting in std::mem::take(&mut self.units[place].waiting) {
            self.units[waiting].open = self.units[waiting].open.saturating_sub(1);
            if self.units[waiting].open == 0 {
                self.ready.insert(waiting);
            }
        }
    }

    /// Notes how something ended.
    pub fn ended(&mut self, ended: Ended<'p>) {
        match ended {
            Ended::WayBack { service, replica, result } => self.went_back(service, replica, result),
            Ended::Unit { unit, completed, failed } => self.unit_ended(unit, completed, failed),
        }
    }

    fn unit_ended(&mut self, unit: usize, completed: bool, failed: Option<(StepId, Failure)>) {
        let service = self.service_of(unit);
        if let Some(service) = service.filter(|_| completed) {
            self.completed.insert(service.clone());
        }
        if let Some(progress) = self.progress_of(unit) {
            progress.ended = Some(Instant::now());
            progress.running = progress.running.saturating_sub(1);
        }
        let Some((at, failure)) = failed else { return self.close(unit, State::Done) };
        let why = match service {
            Some(service) => format!("{service} has failed: {}", failure.message),
            None => failure.message.clone(),
        };
        self.note_failure(unit, at, failure);
        self.close(unit, State::NotDone(why));
    }

    fn note_failure(&mut self, unit: usize, at: StepId, failure: Failure) {
        let step = self.units[unit].steps.iter().copied().find(|planned| planned.id == at);
        let service = self.service_of(unit);
        let change = service.and_then(|service| self.changes.get(service).copied());
        let leads_back = change.is_some_and(|one| !one.pauses && !one.way_back.is_empty());
        let Some(service) = service else {
            self.shared_failures.push(failure);
            return;
        };
        if let (Some(step), Some(change)) = (step, change)
            && failure.half_done
            && self.bear(change, step, &failure)
        {
            return;
        }
        let goes_back = failure.half_done && leads_back;
        let members = self.together(service);
        if goes_back && members.iter().all(|member| !self.goes_back_already(member)) {
            self.to_go_back.insert(service);
            if let Some(progress) = self.services.get_mut(service) {
                progress.to_go_back = step;
            }
        }
        if goes_back {
            // A container that is replaced for another one's sake alone has that one to blame.
            let keeps_spec = change.is_some_and(|change| !change.tries_spec);
            let with = Failure {
                message: format!("it goes back with {service}: {}", failure.message),
                blames_spec: failure.blames_spec && keeps_spec,
                blames_another: true,
                ..Failure::of_the_world("")
            };
            for member in members.iter().filter(|member| *member != service) {
                if let Some(progress) = self.services.get_mut(member) {
                    progress.failure.get_or_insert_with(|| with.clone());
                }
            }
        }
        if let Some(progress) = self.services.get_mut(service) {
            progress.borne.clear();
            progress.failure.get_or_insert(failure);
            self.replicas_to_go_back.retain(|failed| failed.service.as_ref() != Some(service));
        }
    }

    /// Lets a replica go back alone, where that many may fail.
    fn bear(&mut self, change: &Change, step: &'p PlannedStep, failure: &Failure) -> bool {
        let has_leg = |one: &u32| change.way_back.iter().any(|leg| leg.replica == Some(*one));
        let Some(replica) = step.replica.filter(has_leg) else { return false };
        let Some(progress) = self.services.get_mut(&change.service) else { return false };
        // Once the whole service has failed it goes back as a whole.
        let has_given_up = progress.failure.is_some() && progress.borne.is_empty();
        if has_given_up || progress.borne.len() >= change.bears {
            return false;
        }
        progress.borne.insert(replica);
        let message = format!("replica {replica} went back alone: {}", failure.message);
        progress.failure.get_or_insert_with(|| Failure { message, ..failure.clone() });
        self.replicas_to_go_back.push(step);
        true
    }

    fn goes_back_already(&self, service: &ServiceId) -> bool {
        let has_gone = |progress: &Progress<'_>| progress.went_back.is_some();
        self.to_go_back.contains(service) || self.services.get(service).is_some_and(has_gone)
    }

    fn went_back(
        &mut self,
        service: &ServiceId,
        replica: Option<u32>,
        result: Result<(), Failure>,
    ) {
        let Some(progress) = self.services.get_mut(service) else { return };
        progress.running = progress.running.saturating_sub(1);
        progress.ended = Some(Instant::now());
        if replica.is_some() {
            let all = progress.borne_back.unwrap_or(true) && result.is_ok();
            progress.borne_back = Some(all);
            return;
        }
        progress.went_back = Some(result.is_ok());
        let is_back = result.is_ok();
        if let (Err(second), Some(first)) = (result, &mut progress.failure) {
            first.message = format!("{}; and going back failed: {}", first.message, second.message);
        }
        for member in self.together(service) {
            if let Some(progress) = self.services.get_mut(member) {
                progress.ended = Some(Instant::now());
                progress.went_back = Some(is_back);
            }
        }
    }

    /// How everything ended.
    pub fn outcome(mut self, stopped: bool) -> Outcome {
        // What was never reached is told apart from what was done.
        for place in 0..self.units.len() {
            if matches!(self.units[place].state, State::Waiting) {
                self.skip(place, "the pass was stopped".to_owned());
            }
        }
        let services = self
            .services
            .iter()
            .map(|(id, progress)| {
                let has_way_back = self.changes.get(id).is_some_and(|change| change.has_way_back);
                ((*id).clone(), result(progress, has_way_back, stopped))
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

/// The units in the order of their first steps, and the unit of each step.
fn units(plan: &Plan) -> (Vec<Unit<'_>>, BTreeMap<StepId, usize>) {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut unit_of = BTreeMap::new();
    let mut sections = BTreeMap::new();
    for planned in &plan.steps {
        let known = planned.section.and_then(|section| sections.get(&section).copied());
        let place = known.unwrap_or(units.len());
        if known.is_none() {
            let (steps, waiting) = (Vec::new(), Vec::new());
            units.push(Unit { steps, state: State::Waiting, open: 0, waiting });
        }
        if let Some(section) = planned.section {
            sections.insert(section, place);
        }
        units[place].steps.push(planned);
        unit_of.insert(planned.id, place);
    }
    (units, unit_of)
}

fn result(progress: &Progress<'_>, has_way_back: bool, stopped: bool) -> ServiceResult {
    let took = match (progress.begun, progress.ended) {
        (Some(begun), Some(ended)) => ended.saturating_duration_since(begun),
        (Some(_) | None, None) | (None, Some(_)) => std::time::Duration::ZERO,
    };
    let went_back = progress.went_back.or(progress.borne_back);
    let outcome = match (&progress.failure, &progress.skipped, went_back) {
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
