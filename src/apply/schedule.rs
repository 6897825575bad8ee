//! The order of work: which step runs when, and what a failure takes with it.
//!
//! Plain bookkeeping; who carries the work out is [`super::run`].

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::failing;
use super::outcome::{Failure, Outcome, ServiceResult};
use crate::model::{ServiceId, ServiceOutcome};
use crate::plan::way_back::Leg;
use crate::plan::{Change, Plan, PlannedStep, Step, StepId};

/// Something to be carried out.
pub enum Work<'p> {
    /// Steps that run one after the other: a section, or a single step. With the unit's place.
    Unit(usize, Vec<&'p PlannedStep>),
    /// A way back.
    WayBack {
        /// The change that is taken back.
        change: &'p Change,
        /// The step that failed.
        failed: &'p PlannedStep,
        /// The replica, where it is that of one alone.
        replica: Option<u32>,
        /// What is walked.
        legs: Vec<&'p Leg>,
    },
}

/// How the way back of each service went; the first failure, if there was one.
pub type Walked<'p> = BTreeMap<&'p ServiceId, Result<(), Failure>>;

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
        walked: Walked<'p>,
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
    /// Whether something was done to its containers.
    touched: bool,
    /// Whether it goes back for another one's sake.
    goes_along: bool,
    /// Why it is not begun any more.
    given_up: Option<String>,
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
        loop {
            if let Some(way_back) = self.next_way_back().or_else(|| self.next_replica_back()) {
                return Some(way_back);
            }
            let place = self.ready.pop_first()?;
            match self.cannot_run(place) {
                Some(why) => self.skip_with_all(place, why),
                None => return Some(self.begin(place)),
            }
        }
    }

    /// A way back is walked once nothing else is under way of those who go it.
    fn next_way_back(&mut self) -> Option<Work<'p>> {
        let is_idle = |service: &&ServiceId| {
            let Some(change) = self.changes.get(service) else { return false };
            let others = change.together.iter().filter(|other| other != service);
            let is_still = self.services.get(service).is_none_or(|progress| progress.running == 0);
            is_still && others.into_iter().all(|other| self.is_settled(change, other))
        };
        let service = self.to_go_back.iter().copied().find(is_idle)?;
        self.to_go_back.remove(service);
        let change = self.changes.get(service).copied()?;
        let legs = change.way_back.iter().filter(|leg| self.is_to_be_walked(leg)).collect();
        let progress = self.services.get_mut(service)?;
        let failed = progress.to_go_back.take()?;
        progress.running += 1;
        Some(Work::WayBack { change, failed, replica: None, legs })
    }

    /// Whether `other` is in nobody's way when `change` goes back: a job that was begun is waited for.
    fn is_settled(&self, change: &Change, other: &ServiceId) -> bool {
        let Some(progress) = self.services.get(other) else { return true };
        let ends_by_itself = progress.touched && !change.takes_back(other);
        let has_ended = progress.failure.is_some() || !self.has_open_units(other);
        progress.running == 0 && (!ends_by_itself || has_ended)
    }

    fn has_open_units(&self, service: &ServiceId) -> bool {
        self.units.iter().any(|unit| {
            let is_its_own =
                unit.steps.first().is_some_and(|one| one.service.as_ref() == Some(service));
            is_its_own && matches!(unit.state, State::Waiting | State::Running)
        })
    }

    fn is_to_be_walked(&self, leg: &Leg) -> bool {
        let has_gone = |progress: &Progress<'_>| progress.went_back.is_some();
        self.is_touched(&leg.service) && !self.services.get(&leg.service).is_some_and(has_gone)
    }

    /// Whether something was done to the containers of a service, or to those that it cannot be without. Who is
    /// changed alone has a way back for that reason only.
    fn is_touched(&self, service: &ServiceId) -> bool {
        let Some(change) = self.changes.get(service) else { return false };
        let is_touched = |one: &ServiceId| self.services.get(one).is_some_and(|it| it.touched);
        change.together.is_empty() || change.mates.iter().any(is_touched)
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
        let change = self.changes.get(service).copied()?;
        let legs = change.way_back.iter().filter(|leg| Some(leg.replica) == failed.replica);
        let legs = legs.collect();
        Some(Work::WayBack { change, failed, replica: failed.replica, legs })
    }

    fn begin(&mut self, place: usize) -> Work<'p> {
        self.units[place].state = State::Running;
        let touches = self.units[place].steps.iter().any(|planned| touches(&planned.step));
        if let Some(progress) = self.progress_of(place) {
            progress.begun.get_or_insert_with(Instant::now);
            progress.running += 1;
            progress.touched |= touches;
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
            && let Some(progress) = self.services.get(service)
        {
            if progress.concerns(replica) {
                return Some(format!("{service} has failed"));
            }
            if let Some(why) = &progress.given_up {
                return Some(why.clone());
            }
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

    /// Skips a unit for the sake of another one; who is changed as one with its service goes back.
    fn skip_with_all(&mut self, place: usize, why: String) {
        let service = self.service_of(place);
        let is_known = service
            .and_then(|service| self.services.get(service))
            .is_none_or(|it| it.failure.is_some() || it.given_up.is_some() || it.skipped.is_some());
        let step = self.units[place].steps.first().copied();
        self.skip(place, why.clone());
        let change = service.and_then(|service| self.changes.get(service).copied());
        if let (false, Some(change), Some(step)) = (is_known, change, step)
            && !change.together.is_empty()
        {
            self.take_back(change, step, &Failure::of_the_world(why));
        }
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
            Ended::WayBack { service, replica, walked } => self.went_back(service, replica, walked),
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

    fn note_failure(&mut self, unit: usize, at: StepId, mut failure: Failure) {
        let step = self.units[unit].steps.iter().copied().find(|planned| planned.id == at);
        let service = self.service_of(unit);
        let change = service.and_then(|service| self.changes.get(service).copied());
        failure.other_spec = change.and_then(|change| change.tries_other.get(&at).cloned());
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
        let waits_in_vain = failure.blames_another && change.is_some_and(Change::is_one_of_several);
        if let (Some(step), Some(change)) = (step, change)
            && ((failure.half_done && leads_back) || waits_in_vain)
        {
            self.take_back(change, step, &failure);
        }
        if let Some(progress) = self.services.get_mut(service) {
            progress.borne.clear();
            progress.failure.get_or_insert(failure);
            self.replicas_to_go_back.retain(|failed| failed.service.as_ref() != Some(service));
        }
    }

    /// Lets a replica go back alone, where that many may fail.
    fn bear(&mut self, change: &Change, step: &'p PlannedStep, failure: &Failure) -> bool {
        let has_leg = |one: &u32| change.way_back.iter().any(|leg| leg.replica == *one);
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

    /// Has the way back of `change` walked by all who were touched of those that are changed as one with it; the
    /// others are not begun any more.
    fn take_back(&mut self, change: &'p Change, step: &'p PlannedStep, failure: &Failure) {
        let service = &change.service;
        let is_touched = change.way_back.iter().any(|leg| self.is_to_be_walked(leg));
        if is_touched && !self.goes_back_already(service) {
            self.to_go_back.insert(service);
            if let Some(progress) = self.services.get_mut(service) {
                progress.to_go_back = Some(step);
            }
        }
        for other in change.together.iter().filter(|other| *other != service) {
            self.take_along(change, other, failure);
        }
    }

    fn take_along(&mut self, change: &Change, other: &'p ServiceId, failure: &Failure) {
        let service = &change.service;
        let is_touched = self.is_touched(other);
        let Some(progress) = self.services.get_mut(other) else { return };
        if !is_touched {
            let why = format!("{service}, with which it is changed as one, has failed");
            progress.given_up.get_or_insert(why);
        } else if change.takes_back(other) && progress.failure.is_none() {
            // A container that is replaced for another one's sake alone has that one to blame.
            let is_to_blame = change.mates.contains(other) || change.follows.contains(other);
            progress.goes_along = true;
            progress.failure = Some(Failure {
                blames_spec: failure.blames_spec && !change.tries_spec && is_to_blame,
                blames_another: true,
                ..Failure::of_the_world(format!("it goes back with {service}: {}", failure.message))
            });
        }
    }

    /// Whether the way back of `service` was walked, or is to be with that of another one.
    fn goes_back_already(&self, service: &ServiceId) -> bool {
        let has_gone = |progress: &Progress<'_>| progress.went_back.is_some();
        let takes_it_back = |one: &&ServiceId| {
            self.changes.get(*one).is_some_and(|change| change.takes_back(service))
        };
        self.to_go_back.iter().any(takes_it_back)
            || self.services.get(service).is_some_and(has_gone)
    }

    fn went_back(&mut self, service: &ServiceId, replica: Option<u32>, walked: Walked<'p>) {
        if let Some(progress) = self.services.get_mut(service) {
            progress.running = progress.running.saturating_sub(1);
        }
        for (service, result) in walked {
            let Some(progress) = self.services.get_mut(service) else { continue };
            progress.ended = Some(Instant::now());
            if replica.is_some() {
                let all = progress.borne_back.unwrap_or(true) && result.is_ok();
                progress.borne_back = Some(all);
                continue;
            }
            progress.went_back = Some(result.is_ok());
            if let (Err(second), Some(first)) = (result, &mut progress.failure) {
                let second = second.message;
                first.message = format!("{}; and going back failed: {second}", first.message);
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
                let has_way_back = progress.goes_along
                    || self.changes.get(id).is_some_and(|change| change.has_way_back);
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

/// Whether a step does something to containers, as against looking at them.
fn touches(step: &Step) -> bool {
    let looks = matches!(step, Step::AwaitGate { .. } | Step::Monitor { .. });
    failing::changes_containers(step) && !looks
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
