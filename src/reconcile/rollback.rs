//! Going back by command: an earlier generation's record is deployed again, and held.
//!
//! The manifest is read as it was before interpolation, with the server's files of today and the digests of
//! then; planner, gate and way back are those of every pass. Neither git nor a registry has to answer. Which
//! generation that is, [`super::target`] says.

mod again;
mod deploy;
mod unasked;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::again::Again;
use self::deploy::{Deployed, Today, deploy};
pub(super) use self::unasked::{announce, go_on, restore};
use super::World;
use super::lanes::Lanes;
use super::lock::LockError;
use super::pass::{self, Crew, Pass, PassError};
use super::record;
use super::sources::Freshness;
use super::target::{self, Target, TargetError};
use crate::apply::Watcher;
use crate::engine::EngineError;
use crate::history::{Filter, History, HistoryError};
use crate::model::memory::{HeldBy, Hold, HoldScope};
use crate::model::{GenerationNumber, Problem, ServiceId, ServiceName, Trigger};
use crate::plan::Retries;
use crate::resolve::Loaded;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The stack or service that goes back.
    pub scope: HoldScope,
    /// To this generation; `None` for the newest good one that differs from what runs.
    pub to: Option<GenerationNumber>,
}

/// A rollback that was carried out, well or not.
pub struct RolledBack {
    /// How it went; of the stack alone.
    pub pass: Pass,
    /// The generation whose record was deployed.
    pub to: GenerationNumber,
    /// The services that are held from now on.
    pub held: Vec<ServiceId>,
    /// Those that are still on their way, because it was told to stop: the next pass goes on with them.
    pub going: Vec<ServiceId>,
}

/// Why there was no rollback.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// What keeps any pass from being made.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// There is nothing to go back to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The record cannot be read with the server's files of today, or asks for what is not allowed any more.
    #[error("generation {0} cannot be deployed again as the server's files and `policy` are today")]
    Record(GenerationNumber, Vec<Problem>),
    /// The manifest of then does not run the service with the profiles of today.
    #[error(
        "the manifest of generation {0} has no service {1} with the profiles that are active now"
    )]
    NotInManifest(GenerationNumber, ServiceId),
}

impl From<HistoryError> for RollbackError {
    fn from(error: HistoryError) -> Self {
        Self::Pass(error.into())
    }
}

impl From<LockError> for RollbackError {
    fn from(error: LockError) -> Self {
        Self::Pass(error.into())
    }
}

impl From<EngineError> for RollbackError {
    fn from(error: EngineError) -> Self {
        Self::Pass(error.into())
    }
}

/// Goes back, and holds what went back until git asks for another image.
pub async fn rollback(
    world: &World,
    wish: &Wish,
    watcher: &dyn Watcher,
    stop: &CancellationToken,
) -> Result<RolledBack, RollbackError> {
    let (begun, now) = (Instant::now(), Timestamp::now());
    let state_dir = &world.config.state_dir;
    let lanes = Lanes::default();
    let turn = lanes.turn(state_dir, "rollback", now).await?;
    let history = History::open(state_dir, now)?.history;
    let (fetched, early) = pass::gather(world, Freshness::Recorded, now).await?;
    let today = pass::read(world, &history, fetched, &early, now).await?;
    let memory = record::recall(&history, &lanes, now)?;
    let running = target::running(early.observed(), &memory);
    let target = target::choose(&history, &running, &wish.scope, wish.to)?;
    let number = target.row.number;
    let lines = lines(&history, &today.loaded, &target)?;
    let again = Again::read(world, &history, target, today.places).await?;
    let again = again.with_followers().without_jobs(&memory, &wish.scope)?;
    let before = memory.holds.clone();
    // Held before anything is done: a pass after a crash must not go forward again, and goes on with this.
    let ids = again.ids().into_iter();
    let going: Vec<Hold> = ids
        .map(|id| {
            let image = lines.get(&id.service).cloned().flatten();
            setting_out(id, number, image, now)
        })
        .collect();
    for hold in &going {
        history.hold(hold)?;
    }
    let lane = lanes.enter(&today.loaded, turn);
    let crew = Crew { world, history: &history, watcher, stop, lane: &lane };
    let today = Today { loaded: today.loaded, early: Some(early), memory };
    let deployed = deploy(&crew, &again, today, Retries::AtOnce).await;
    let Arrived { held, going } = settle(&history, &going, &before, deployed.as_ref().ok())?;
    let Deployed { mut view, plan, outcome, generations, notices } = deployed?;
    view.desired.stacks.retain(|name, _| *name == again.stack.name);
    let pass = Pass {
        sources: Vec::new(),
        view,
        plan,
        outcome,
        generations,
        busy: BTreeSet::new(),
        again: false,
        next_try: None,
        notices,
        took: begun.elapsed(),
    };
    Ok(RolledBack { pass, to: number, held, going })
}

/// The image line that git has for each service, as people may see it; where git cannot be read or does not
/// name the service, that of the last attempt that did not go back.
fn lines(
    history: &History,
    today: &Loaded,
    target: &Target,
) -> Result<BTreeMap<ServiceName, Option<String>>, HistoryError> {
    let name = &target.row.stack;
    let stack = today.stacks.iter().find(|stack| stack.name == *name);
    let stack = stack.and_then(|stack| stack.content.as_ref().ok());
    let mut lines = BTreeMap::new();
    let filter = Filter { stack: Some(name.clone()), ..Filter::default() };
    for row in history.generations(&filter)?.into_iter().rev() {
        if row.trigger != Trigger::Rollback {
            lines.extend(row.services.into_iter().map(|service| (service.service, service.image)));
        }
    }
    for service in stack.into_iter().flat_map(|stack| stack.services.values()) {
        lines.insert(service.name.clone(), Some(service.image_shown.clone()));
    }
    Ok(lines)
}

/// The hold of a service that sets out for generation `to`.
fn setting_out(id: ServiceId, to: GenerationNumber, image: Option<String>, now: Timestamp) -> Hold {
    Hold {
        scope: HoldScope::Service(id),
        by: HeldBy::Rollback,
        since: now,
        until: None,
        reason: Some(format!("going back to generation {to}")),
        image,
        going_to: Some(to),
    }
}

/// Who was to go back, and did not fail.
struct Arrived {
    /// Those that have, and are held.
    held: Vec<ServiceId>,
    /// Those that are still on their way.
    going: Vec<ServiceId>,
}

/// Says of each hold in `going` how that went; without `deployed`, nothing came of it. `before` are the holds that
/// there were before.
fn settle(
    history: &History,
    going: &[Hold],
    before: &[Hold],
    deployed: Option<&Deployed>,
) -> Result<Arrived, HistoryError> {
    let mut arrived = Arrived { held: Vec::new(), going: Vec::new() };
    for hold in going {
        let HoldScope::Service(id) = &hold.scope else { continue };
        match deployed {
            Some(deployed) if deployed.is_well(id) => {
                let reason = hold.going_to.map(|to| format!("rolled back to generation {to}"));
                history.hold(&Hold { reason, going_to: None, ..hold.clone() })?;
                arrived.held.push(id.clone());
            }
            Some(deployed) if deployed.outcome.stopped => arrived.going.push(id.clone()),
            Some(_) | None => take_back_hold(history, before, id)?,
        }
    }
    Ok(arrived)
}

/// A rollback that did not come through leaves the holds as they were.
fn take_back_hold(history: &History, before: &[Hold], id: &ServiceId) -> Result<(), HistoryError> {
    let scope = HoldScope::Service(id.clone());
    match before.iter().find(|hold| hold.by == HeldBy::Rollback && hold.scope == scope) {
        Some(earlier) => history.hold(earlier),
        None => history.end_rollback(&scope),
    }
}
