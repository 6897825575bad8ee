//! Carries the work out that [`super::schedule`] hands over, so much at once.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::addresses::{AddressLocks, Addresses};
use super::outcome::{Failure, Outcome};
use super::perform::{self, Done};
use super::schedule::{Ended, Schedule, Walked, Work};
use super::{Event, Hands};
use crate::model::ServiceId;
use crate::plan::way_back::Leg;
use crate::plan::{Plan, PlannedStep, Step, Target};

/// Runs all steps of `plan`.
pub async fn run(plan: &Plan, hands: &Hands<'_>) -> Outcome {
    let addresses = Addresses::new(plan, hands.networks);
    let mut schedule = Schedule::new(plan);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < hands.parallel.max(1) && !hands.stop.is_cancelled() {
            let Some(work) = schedule.next_work() else { break };
            let locks = match &work {
                Work::Unit(_, steps) => addresses.of_unit(plan, steps),
                Work::WayBack { change, .. } => addresses.of_way_back(change),
            };
            running.push(carry_out(hands, work, locks));
        }
        let Some(ended) = running.next().await else { break };
        schedule.ended(ended);
    }
    drop(running);
    schedule.outcome(hands.stop.is_cancelled())
}

async fn carry_out<'p>(hands: &Hands<'_>, work: Work<'p>, locks: AddressLocks) -> Ended<'p> {
    let _held = locks.lock().await;
    match work {
        Work::Unit(unit, steps) => run_unit(hands, unit, &steps).await,
        Work::WayBack { change, failed, replica, legs } => {
            hands.watcher.event(&Event::GoingBack(&change.service));
            let walked = walk_back(hands, failed, &legs).await;
            Ended::WayBack { service: &change.service, replica, walked }
        }
    }
}

async fn run_unit<'p>(hands: &Hands<'_>, unit: usize, steps: &[&'p PlannedStep]) -> Ended<'p> {
    let mut completed = false;
    for planned in steps {
        match perform::perform(hands, planned).await {
            Ok(Done::Well) => {}
            Ok(Done::Completed) => completed = true,
            Err(failure) => {
                return Ended::Unit { unit, completed, failed: Some((planned.id, failure)) };
            }
        }
    }
    Ended::Unit { unit, completed, failed: None }
}

/// Walks every leg, whatever becomes of those of other replicas.
async fn walk_back<'p>(hands: &Hands<'_>, failed: &PlannedStep, legs: &[&'p Leg]) -> Walked<'p> {
    let mut walked = Walked::new();
    let mut lost: BTreeSet<(&ServiceId, u32)> = BTreeSet::new();
    for leg in legs {
        let result = walked.entry(&leg.service).or_insert(Ok(()));
        // What could not be stopped must not get its predecessor beside it.
        if lost.contains(&(&leg.service, leg.replica)) {
            continue;
        }
        if let Err(failure) = walk_leg(hands, failed, &leg.steps).await {
            lost.insert((&leg.service, leg.replica));
            *result = std::mem::replace(result, Ok(())).and(Err(failure));
        }
    }
    walked
}

async fn walk_leg(hands: &Hands<'_>, failed: &PlannedStep, steps: &[Step]) -> Result<(), Failure> {
    let mut serving: Vec<&Target> = Vec::new();
    for step in steps {
        // What was never stopped is not started again, and nothing is waited for.
        if let Step::StartContainer(old) = step
            && perform::is_running(hands, old).await
        {
            serving.push(old);
        } else if !matches!(step, Step::AwaitGate { container, .. } if serving.contains(&container))
        {
            perform::step(hands, &failed.stack, None, step).await?;
        }
    }
    Ok(())
}
