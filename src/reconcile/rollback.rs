//! Going back by command: an earlier generation's record is deployed again, and held.
//!
//! The manifest is read as it was before interpolation, with the server's files of today and the digests of
//! then; planner, gate and way back are those of every pass. Neither git nor a registry has to answer. Which
//! generation that is, [`super::target`] says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::World;
use super::backoff;
use super::lanes::Lanes;
use super::lock::LockError;
use super::pass::{self, Crew, Pass, PassError, Request};
use super::places::Places;
use super::record::{self, Generations, Why};
use super::sources::{self, Freshness, Read};
use super::target::{self, Target, TargetError};
use super::view::{self, Early, Scene, View};
use crate::apply::{Outcome, Watcher};
use crate::engine::EngineError;
use crate::history::{Filter, History, HistoryError};
use crate::manifest::{self, ServerFiles};
use crate::model::desired::{Chosen, Pin, Pins};
use crate::model::memory::{HeldBy, Hold, HoldScope, Memory};
use crate::model::memory_tree::MemoryTree;
use crate::model::spec::Peer;
use crate::model::stack::{Condition, FailureAction, Rollout};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{
    GenerationNumber, Problem, Service, ServiceId, ServiceName, ServiceOutcome, Stack, StackName,
    Trigger,
};
use crate::plan::{self, Plan, Retries, Step};
use crate::resolve::{self, Asks, Loaded, LoadedStack};

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

/// Goes on with rollbacks that were interrupted, with the services of `going`. Gives things worth saying.
pub(super) async fn go_on(
    crew: &Crew<'_>,
    going: &[ServiceId],
    read: &Read,
    memory: &Memory,
    retries: Retries,
) -> Result<Vec<String>, PassError> {
    let mut together: BTreeMap<(&StackName, GenerationNumber), Vec<Hold>> = BTreeMap::new();
    for (id, number, hold) in memory.going_back().filter(|(id, ..)| going.contains(id)) {
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
pub(super) async fn restore(
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

/// Says of every change of a service that has lost its containers what the next pass will do about it.
pub(super) fn announce(
    history: &History,
    lost: &[ServiceId],
    plan: &mut Plan,
    view: &View,
    memory: &Memory,
) -> Result<(), HistoryError> {
    for (id, number, _) in memory.going_back() {
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

/// Whether some service of `stack` waits for this one to complete, or it is known to have done so.
fn is_job(stack: &Stack, name: &ServiceName, memory: &Memory) -> bool {
    let is_awaited = stack.services.values().any(|other| {
        let awaited = other.depends_on.get(name);
        awaited.is_some_and(|it| it.condition == Condition::Completed)
    });
    let id = ServiceId::new(&stack.name, name);
    is_awaited || memory.completed_jobs.iter().any(|(job, _)| *job == id)
}

/// A record that was deployed again, well or not.
struct Deployed {
    view: View,
    plan: Plan,
    outcome: Outcome,
    generations: Generations,
    notices: Vec<String>,
}

impl Deployed {
    /// Whether the service runs what it was to run.
    fn is_well(&self, id: &ServiceId) -> bool {
        let change = self.plan.changes.iter().find(|change| change.service == *id);
        let done = self.outcome.services.get(id).map(|result| result.outcome);
        let done = done.or_else(|| Some(record::without_steps(&change?.verdict)));
        matches!(done, Some(ServiceOutcome::Done | ServiceOutcome::Unchanged))
    }

    fn why_not(&self, id: &ServiceId) -> String {
        let failure = self.outcome.services.get(id).and_then(|result| result.failure.as_ref());
        failure.map(|failure| format!(": {}", failure.message)).unwrap_or_default()
    }
}

/// What is wanted, there and remembered today.
struct Today {
    loaded: Loaded,
    /// A look at the engine that was taken already.
    early: Option<Early>,
    memory: Memory,
}

/// Plans for the record in place of what is wanted today, and carries that out.
async fn deploy(
    crew: &Crew<'_>,
    again: &Again,
    today: Today,
    retries: Retries,
) -> Result<Deployed, PassError> {
    let (world, history, now) = (crew.world, crew.history, Timestamp::now());
    let Today { loaded, early, mut memory } = today;
    let loaded = again.in_place_of(loaded);
    let mut pins = history.pins()?;
    again.pin(&mut pins);
    let services = again.ids();
    let only = services.iter().cloned().map(HoldScope::Service).collect();
    let rules = world.rules(&Request { only, retries, now: true, ..Request::default() });
    // What was decided then stands, whatever registries say today.
    let (proofs, asks) = (history.proofs()?, Asks::All);
    let scene = Scene {
        loaded: &loaded,
        pins: &pins,
        polls: None,
        proofs: &proofs,
        asks,
        goes_back: true,
        rules: &rules,
        offline: true,
        now,
    };
    let mut view = view::look(world, early, &scene.with(&memory)).await?;
    let found = view.proofs.clone().unwrap_or_default();
    if view.proofs.is_some() {
        history.record_proofs(&proofs, &found, now)?;
    }
    let scene = Scene { proofs: &found, ..scene };
    let mut notices = crew.put_in_order(&scene, &mut memory, &mut view).await?;
    free(&mut memory, &services);
    let mut plan = plan::plan(&view.situation(&memory, &rules, now));
    let missing = missing_images(&plan);
    let why = Why::Rollback(&again.target.row);
    let generations = record::begin(history, &view, why, &mut plan, now)?;
    let mut outcome = crew.carry_out(&plan, &view, &generations).await;
    for result in outcome.services.values_mut().filter(|_| !missing.is_empty()) {
        if let Some(failure) = result.failure.as_mut().filter(|failure| !failure.blames_spec) {
            failure.hint = Some(where_to_have_images(again.target.row.number));
        }
    }
    notices.extend(missing);
    let ended = Timestamp::now();
    record::finish(history, &view, &plan, &outcome, &generations, ended)?;
    backoff::record(history, &view, &plan, &outcome, &memory, ended)?;
    record::deployed(history, &view, &plan, &outcome, &memory)?;
    Ok(Deployed { view, plan, outcome, generations, notices })
}

fn where_to_have_images(number: GenerationNumber) -> String {
    format!(
        "the image of generation {number} has to be on this host or at its registry; `--to` names another generation"
    )
}

/// A stack as a generation's record describes it, and what of it is deployed again.
struct Again {
    target: Target,
    stack: Stack,
}

impl Again {
    /// Reads the record with the server's files of today.
    async fn read(
        world: &World,
        history: &History,
        target: Target,
        places: Places,
    ) -> Result<Self, RollbackError> {
        let number = target.row.number;
        let mut tree = MemoryTree::default();
        for (path, file) in history.files(number)? {
            match file.executable {
                true => tree.insert_executable(path, file.bytes),
                false => tree.insert(path, file.bytes),
            }
        }
        let revision = Revision {
            source: target.row.source.clone(),
            commit: target.row.commit.clone(),
            tree: SharedTree(Arc::new(tree)),
            path: target.row.directory.clone(),
        };
        let (config, vault) = (world.config.clone(), Arc::clone(&world.vault));
        let reading = tokio::task::spawn_blocking(move || {
            let (disk, all) = (ServerFiles::Disk, ["**".to_owned()]);
            sources::with_options(
                &revision,
                &config,
                &places,
                (&all, &[]),
                disk,
                &*vault,
                |options| manifest::load(&revision, options),
            )
        });
        let loaded = reading.await.map_err(|error| PassError::Broken(error.to_string()))?;
        let refused = |problems| RollbackError::Record(number, problems);
        let loaded = loaded.map_err(|problem| refused(vec![*problem]))?;
        let of_stack = |one: &manifest::LoadedStack| one.name == target.row.stack;
        let Some(found) = loaded.stacks.into_iter().find(of_stack) else {
            let message = format!("its record has no stack {}", target.row.stack);
            let problem = Problem::new("no-stack", message);
            return Err(refused(loaded.problems.into_iter().chain([problem]).collect()));
        };
        let mut stack = found.result.map_err(refused)?;
        // An operator's word counts now, whatever was to be waited for then.
        (stack.after, stack.suspended) = (Vec::new(), None);
        if let Some(gone) = target.services.keys().find(|name| !stack.services.contains_key(*name))
        {
            let id = ServiceId::new(&stack.name, gone);
            return Err(RollbackError::NotInManifest(number, id));
        }
        let mut again = Self { target, stack };
        for service in again.stack.services.values_mut() {
            service.rollout = rollout(service);
        }
        Ok(again)
    }

    /// Adds those that live in another's network, or are to be restarted with it: they go along.
    fn with_followers(mut self) -> Self {
        // In dependency order, so that those who follow a follower come behind it.
        for (name, service) in &self.stack.services {
            let goes = |other: &ServiceName| self.target.services.contains_key(other);
            let shares = service.settings.peers().iter().any(|words| match Peer::parse(words) {
                Some(Peer::Service(other)) => goes(&other),
                Some(Peer::Container(_)) | None => false,
            });
            let restarts = service.depends_on.iter().any(|(other, it)| it.restart && goes(other));
            let row = self.target.row.services.iter().find(|row| row.service == *name);
            let digest = row.filter(|row| target::is_good(row)).and_then(|row| row.digest.clone());
            if let Some(digest) = digest.filter(|_| shares || restarts) {
                self.target.services.insert(name.clone(), digest);
            }
        }
        self
    }

    /// Leaves jobs out: what they did, they did.
    fn without_jobs(mut self, memory: &Memory, scope: &HoldScope) -> Result<Self, RollbackError> {
        let names = self.target.services.keys();
        let jobs: BTreeSet<ServiceName> =
            names.filter(|name| is_job(&self.stack, name, memory)).cloned().collect();
        self.target.services.retain(|name, _| !jobs.contains(name));
        match (scope, self.target.services.is_empty()) {
            (HoldScope::Service(id), _) if jobs.contains(&id.service) => {
                Err(TargetError::Job(id.clone()).into())
            }
            (_, true) => Err(TargetError::NothingEarlier(scope.clone()).into()),
            (_, false) => Ok(self),
        }
    }

    /// What is wanted today, with this stack as it was.
    fn in_place_of(&self, mut today: Loaded) -> Loaded {
        let name: &StackName = &self.stack.name;
        let again = LoadedStack {
            name: name.clone(),
            source: self.target.row.source.clone(),
            commit: self.target.row.commit.clone(),
            content: Ok(self.stack.clone()),
        };
        match today.stacks.iter_mut().find(|stack| stack.name == *name) {
            Some(stack) => *stack = again,
            None => today.stacks.push(again),
        }
        // What is gone from git is not this command's business.
        today.sources_read.clear();
        today
    }

    /// The digests and tags of then go before whatever is known of the image lines.
    fn pin(&self, pins: &mut Pins) {
        let row = &self.target.row;
        for (name, digest) in &self.target.services {
            let Some(service) = self.stack.services.get(name) else { continue };
            let id = ServiceId::new(&self.stack.name, name);
            let of_service = row.services.iter().find(|one| one.service == *name);
            let tag = of_service.and_then(|one| service.tag_shown(one.image.as_deref()?));
            let why = format!("generation {} ran it", row.number);
            let chosen = tag.map(|tag| Chosen { tag: Some(tag), why, at: row.started_at });
            let pin = Pin { digest: digest.clone(), chosen };
            pins.0.insert((id, resolve::pin_key(&service.image)), pin);
        }
    }

    fn ids(&self) -> Vec<ServiceId> {
        let names = self.target.services.keys();
        names.map(|name| ServiceId::new(&self.stack.name, name)).collect()
    }
}

/// How a service is rolled out on its way back. One that fails goes back to what ran: what `pause`, which is
/// also what Compose takes where nothing is written, would leave half-way serves nobody.
fn rollout(service: &Service) -> Rollout {
    let failure_action = match service.rollback.failure_action {
        FailureAction::Rollback | FailureAction::Pause => FailureAction::Rollback,
        FailureAction::Continue => FailureAction::Continue,
    };
    Rollout { failure_action, ..service.rollback.clone() }
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

/// Nothing stands against an operator's word to go back: neither holds nor an earlier rejection.
fn free(memory: &mut Memory, services: &[ServiceId]) {
    memory.holds.clear();
    memory.rejected.retain(|(id, _), _| !services.contains(id));
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

/// Images that have to be pulled again.
fn missing_images(plan: &Plan) -> Vec<String> {
    let pulls = plan.steps.iter().filter_map(|planned| {
        let Step::PullImage { shown, .. } = &planned.step else { return None };
        Some(shown)
    });
    pulls
        .map(|shown| format!("{shown} is not on this host any more: its registry is asked"))
        .collect()
}
