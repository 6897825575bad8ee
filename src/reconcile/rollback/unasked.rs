//! What a pass deploys again without being asked: what a rollback was about that was interrupted, and what has lost its
//! containers while git is no help.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::again::{Again, is_job};
use super::deploy::{Today, deploy};
use super::{RollbackError, settle};
use crate::history::{History, HistoryError};
use crate::model::memory::{Hold, HoldScope, Memory};
use crate::model::{GenerationNumber, ServiceId, ServiceName, StackName};
use crate::plan::{Plan, Retries};
use crate::reconcile::pass::{Crew, PassError};
use crate::reconcile::sources::Read;
use crate::reconcile::target::{self, Target, TargetError};
use crate::reconcile::view::View;

/// Goes on with rollbacks that were interrupted, with the services of `going`. Gives things worth saying.
pub async fn go_on(
    crew: &Crew<'_>,
    going: &[ServiceId],
    read: &Read,
    memory: &Memory,
    retries: Retries,
) -> Result<Vec<String>, PassError> {
    let now = Timestamp::now();
    let mut together: BTreeMap<(&StackName, GenerationNumber), Vec<Hold>> = BTreeMap::new();
    for (id, number, hold) in memory.going_back(now).filter(|(id, ..)| going.contains(id)) {
        together.entry((&id.stack, number)).or_default().push(hold.clone());
    }
    let mut notices = Vec::new();
    for ((stack, number), holds) in together {
        let Some(row) = crew.history.generation(number)? else { continue };
        let goes = |name: &ServiceName| {
            let id = ServiceId::new(stack, name);
            holds.iter().any(|hold| hold.scope == HoldScope::Service(id.clone()))
        };
        let target = target::of(&row, |service| goes(&service.service));
        let again = match Again::read(crew.world, crew.history, target, read.places.clone()).await {
            Ok(again) => again,
            Err(RollbackError::Pass(error)) => return Err(error),
            Err(error) => {
                notices.push(format!(
                    "the way back of {stack} was interrupted and cannot go on: {error}; `evenkeel unhold {stack}` gives it up"
                ));
                continue;
            }
        };
        let today = Today { loaded: read.loaded.clone(), early: None, memory: memory.clone() };
        let deployed = deploy(crew, &again, today, retries).await?;
        notices.extend(deployed.notices.iter().cloned());
        let arrived = settle(crew.history, &holds, &[], Some(&deployed))?;
        for id in again.ids() {
            notices.push(match (arrived.held.contains(&id), arrived.going.contains(&id)) {
                (true, _) => format!(
                    "the way back of {id} was interrupted: now it runs what generation {number} ran"
                ),
                (false, true) => format!("{id} is still on its way back to generation {number}"),
                (false, false) => format!(
                    "the way back of {id} was interrupted, and generation {number} could not be deployed again{}",
                    deployed.why_not(&id)
                ),
            });
        }
    }
    Ok(notices)
}

/// Deploys again what services were last well with that have lost their containers. Nothing is held by that:
/// the next spec is tried as ever. Gives things worth saying.
pub async fn restore(
    crew: &Crew<'_>,
    lost: &[ServiceId],
    read: &Read,
    memory: &Memory,
    retries: Retries,
) -> Result<Vec<String>, PassError> {
    let mut notices = Vec::new();
    for id in lost {
        let Some(target) = restorable(crew.history, id, memory)? else { continue };
        let (number, scope) = (target.row.number, HoldScope::Service(id.clone()));
        let again = Again::read(crew.world, crew.history, target, read.places.clone()).await;
        let again = match again.and_then(|again| again.without_jobs(memory, &scope)) {
            Ok(again) => again,
            Err(RollbackError::Pass(error)) => return Err(error),
            Err(RollbackError::Target(TargetError::Job(_))) => continue,
            Err(error) => {
                notices.push(format!("{id} has lost its container: {error}"));
                continue;
            }
        };
        let (loaded, memory) = (read.loaded.clone(), memory.clone());
        let today = Today { loaded, early: None, memory };
        let deployed = deploy(crew, &again, today, retries).await?;
        notices.extend(deployed.notices.iter().cloned());
        notices.push(match deployed.is_well(id) {
            true => format!(
                "{id} had lost its container: it runs again what generation {number} ran"
            ),
            false => format!(
                "{id} has lost its container, and what generation {number} ran could not be deployed again{}",
                deployed.why_not(id)
            ),
        });
    }
    Ok(notices)
}

/// What a service that has lost its containers was last well with; `None` where that is nothing that would be
/// deployed again.
fn restorable(
    history: &History,
    id: &ServiceId,
    memory: &Memory,
) -> Result<Option<Target>, HistoryError> {
    let Some(good) = history.last_good(id)? else { return Ok(None) };
    match memory.rejected.contains_key(&(id.clone(), good.spec)) {
        true => Ok(None),
        false => target::last_good(history, id),
    }
}

/// Says of every change of a service that is on its way back, or has lost its containers (`lost`), what the next pass
/// will do about it.
pub fn announce(
    history: &History,
    lost: &[ServiceId],
    plan: &mut Plan,
    view: &View,
    memory: &Memory,
    now: Timestamp,
) -> Result<(), HistoryError> {
    for (id, number, _) in memory.going_back(now) {
        for change in plan.changes.iter_mut().filter(|change| change.service == *id) {
            change.remarks.push(format!(
                "it is on its way back to generation {number}: where that was interrupted, the next pass goes on"
            ));
        }
    }
    for change in plan.changes.iter_mut().filter(|change| lost.contains(&change.service)) {
        let id = &change.service;
        let deployment = view.desired.deployment(&id.stack);
        if deployment.is_some_and(|it| is_job(&it.stack, &id.service, memory)) {
            continue;
        }
        if let Some(target) = restorable(history, id, memory)? {
            let number = target.row.number;
            change.remarks.push(format!(
                "it has lost its container: the next pass deploys again what generation {number} ran"
            ));
        }
    }
    Ok(())
}
