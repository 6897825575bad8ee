//! One pass: read, look, repair, plan, apply, record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acceptance;
use super::lanes::{Lane, Lanes};
use super::lock::LockError;
use super::places::places;
use super::record::{self, Generations, Record, Why};
use super::retention::Keeper;
use super::rollback;
use super::room;
use super::sources::{self, Fetched, Freshness, Read, SourceSeen};
use super::standing;
use super::telling::figures;
use super::telling::notices::{self, Done};
use super::telling::statuses;
use super::view::{self, Early, Scene, View};
use super::world::World;
use super::write_back;
use super::{backoff, daemon};
use crate::apply::{self, Hands, Outcome, Watcher};
use crate::engine::EngineError;
use crate::history::{History, HistoryError};
use crate::model::desired::Pins;
use crate::model::login::Login;
use crate::model::memory::{HeldBy, HoldScope, Memory};
use crate::model::polls::Polls;
use crate::model::proofs::Proofs;
use crate::model::{ServiceId, StackName};
use crate::plan::{self, Block, Change, Plan, Retries, Rules, Step, Verdict};
use crate::resolve::{Asks, Loaded};

/// How often what an earlier pass left is put in order before anything new is planned.
const REPAIRS: usize = 3;

/// What is asked of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Only these stacks or services; empty for all.
    pub only: Vec<HoldScope>,
    /// Lifts the removal guard.
    pub allow_removals: bool,
    /// Asks no registry.
    pub offline: bool,
    /// Ignores windows.
    pub now: bool,
    /// Whether what the world kept from being done is tried before its time.
    pub retries: Retries,
    /// Asks only those sources whose interval is over.
    pub unhurried: bool,
}

/// How a pass went.
pub struct Pass {
    /// One for each source.
    pub sources: Vec<SourceSeen>,
    /// What was wanted and what was there.
    pub view: View,
    /// What was planned.
    pub plan: Plan,
    /// How that went.
    pub outcome: Outcome,
    /// The generation of each stack that was changed.
    pub generations: Generations,
    /// Stacks that it left alone because another pass has them in hand.
    pub busy: BTreeSet<StackName>,
    /// Whether the next one is due at once: another one has begun meanwhile and left alone what this one had in hand, or
    /// something befell that.
    pub again: bool,
    /// When the first service is tried again that the world, or a window, kept from being changed, or a registry
    /// is to be asked.
    pub next_try: Option<Timestamp>,
    /// Things worth saying about the pass as a whole.
    pub notices: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What a pass would do.
pub struct Preview {
    /// One for each source.
    pub sources: Vec<SourceSeen>,
    /// What is wanted and what is there.
    pub view: View,
    /// What would be done.
    pub plan: Plan,
}

/// Why there was no pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Another one is under way.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The record of this host.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A part of the program gave up: a bug.
    #[error("evenkeel itself failed, please report it: {0}")]
    Broken(String),
}

/// Does one pass.
pub async fn pass(
    world: &World,
    request: &Request,
    watcher: &dyn Watcher,
    stop: &CancellationToken,
) -> Result<Pass, PassError> {
    prepare(world, request, watcher, stop, &Lanes::default())
        .await?
        .carry_out(world, watcher, stop)
        .await
}

/// A pass that has a plan, and the stacks that it changes in hand.
pub struct Prepared {
    begun: Instant,
    lane: Lane,
    history: History,
    read: Read,
    rules: Rules,
    memory: Memory,
    view: View,
    plan: Plan,
    generations: Generations,
    lost: Vec<ServiceId>,
    going: Vec<ServiceId>,
    notices: Vec<String>,
    now: Timestamp,
}

/// Begins a pass: reads, looks, puts in order and plans, beside those that `lanes` are busy with.
pub async fn prepare(
    world: &World,
    request: &Request,
    watcher: &dyn Watcher,
    stop: &CancellationToken,
    lanes: &Lanes,
) -> Result<Prepared, PassError> {
    let begun = Instant::now();
    let now = Timestamp::now();
    let turn = lanes.turn(&world.config.state_dir, "reconcile", now).await?;
    // The database is opened and checked while sources and engine are asked.
    let state_dir = world.config.state_dir.clone();
    let opening = tokio::task::spawn_blocking(move || History::open(&state_dir, now));
    let freshness = if request.unhurried { Freshness::Due } else { Freshness::Latest };
    let (fetched, early) = gather(world, freshness, now).await?;
    let opened = opening.await.map_err(|error| PassError::Broken(error.to_string()))??;
    let mut notices: Vec<String> = opened.notice.into_iter().collect();
    let history = opened.history;
    let mut read = read(world, &history, fetched, &early, now).await?;

    let mut rules = world.rules(request);
    rules.busy = lanes.meet(&read.loaded);
    let mut memory = record::recall(&history, lanes, now)?;
    let sight = Sight { world, request, history: &history, rules: &rules, now };
    let mut view = sight.look(&read, Some(early), &mut memory).await?;
    let due = write_back::due(&view, &memory, &rules, now);
    let (is_new, written) = write_back::write_all(world, &read, &due, now).await;
    notices.extend(written);
    if is_new {
        // What is committed is what is deployed.
        let fetched = sources::fetch(world, Freshness::Latest, now).await;
        read = sources::read(world, fetched, &history.accepted()?, read.places, now).await;
        view = sight.look(&read, None, &mut memory).await?;
    }
    let known = Known {
        pins: history.pins()?,
        polls: view.polls.clone().unwrap_or_default(),
        proofs: view.proofs.clone().unwrap_or_default(),
    };
    let asks = if request.offline { Asks::Nobody } else { Asks::All };
    let scene = scene(request, &read.loaded, &known, asks, &rules, now);
    for ended in memory.end_rollbacks(&view.desired) {
        history.end_rollback(&ended.scope)?;
        notices.push(format!("{} is no longer held: git asks for another image", ended.scope));
    }

    let lane = lanes.enter(&read.loaded, turn);
    let crew = Crew { world, history: &history, watcher, stop, lane: &lane };
    notices.extend(crew.put_in_order(&scene, &mut memory, &mut view).await?);

    let mut plan = plan::plan(&view.situation(&memory, &rules, now));
    let generations = record::begin(&history, &view, Why::Sources(&read.sources), &mut plan, now)?;
    statuses::begin(world, &history, &read.sources, &view, &plan, now);
    let going = going_back(&rules, &memory, now);
    let mut lost = lost(&plan, &view, &memory);
    lost.retain(|id| !going.contains(id));
    let changed = generations.keys().chain(lost.iter().chain(&going).map(|id| &id.stack));
    lane.claim(changed.cloned());
    Ok(Prepared {
        begun,
        lane,
        history,
        read,
        rules,
        memory,
        view,
        plan,
        generations,
        lost,
        going,
        notices,
        now,
    })
}

impl Prepared {
    /// The stacks that git has.
    pub fn stacks(&self) -> impl Iterator<Item = &StackName> {
        self.view.desired.stacks.keys()
    }

    /// Carries the plan out, and records how that went.
    pub async fn carry_out(
        self,
        world: &World,
        watcher: &dyn Watcher,
        stop: &CancellationToken,
    ) -> Result<Pass, PassError> {
        let Self { begun, lane, history, read, rules, memory, view, plan, generations, .. } = self;
        let (lost, going, mut notices) = (self.lost, self.going, self.notices);
        let crew = Crew { world, history: &history, watcher, stop, lane: &lane };
        let outcome = crew.carry_out(&plan, &view, &generations).await;
        let ended = Timestamp::now();
        record::finish(&history, &view, &plan, &outcome, &generations, ended)?;
        record::chosen(&history, &view, &plan, &outcome, ended)?;
        backoff::record(&history, &view, &plan, &outcome, &memory, ended)?;
        record::deployed(&history, &view, &plan, &outcome, &memory)?;
        let done = Done {
            sources: &read.sources,
            view: &view,
            plan: &plan,
            outcome: &outcome,
            generations: &generations,
            rules: &rules,
            only: lane.only(),
        };
        standing::record(&history, &done)?;
        if !going.is_empty() && !outcome.stopped {
            notices.extend(rollback::go_on(&crew, &going, &read, &memory, rules.retries).await?);
        }
        if !lost.is_empty() && !outcome.stopped {
            notices.extend(rollback::restore(&crew, &lost, &read, &memory, rules.retries).await?);
        }
        if lane.is_alone() {
            crew.keeper(&view, ended).after_pass(&outcome).await;
        }
        let opens = plan.changes.iter().filter_map(|change| change.verdict.waiting()?.until);
        record::registries(&history, &*world.registry, ended)?;
        let done = Done { only: lane.only(), ..done };
        notices::record(world, &history, &done, ended);
        statuses::record(world, &history, &done, ended);
        figures::record(world, &history, &done, begun.elapsed(), ended);
        let asks = view.next_poll.map(|due| daemon::not_before(due, self.now, ended));
        let next_try =
            backoff::next_try(&history, ended)?.into_iter().chain(opens).chain(asks).min();
        Ok(Pass {
            busy: rules.busy,
            again: lane.calls_for_another(),
            sources: read.sources,
            view,
            plan,
            outcome,
            generations,
            next_try,
            notices,
            took: begun.elapsed(),
        })
    }
}

/// What a pass would do. Takes no turn, changes nothing at the engine and nothing in the record.
pub async fn preview(
    world: &World,
    request: &Request,
    freshness: Freshness,
) -> Result<Preview, PassError> {
    let now = Timestamp::now();
    let history = History::read_only(&world.config.state_dir)?;
    let (fetched, early) = gather(world, freshness, now).await?;
    let read = read(world, &history, fetched, &early, now).await?;
    let rules = world.rules(request);
    let (mut memory, known) = (history.memory()?, Known::read(&history)?);
    let asks = if request.offline { Asks::Memory } else { Asks::Registries };
    let scene = scene(request, &read.loaded, &known, asks, &rules, now);
    let view = view::look(world, Some(early), &scene.with(&memory)).await?;
    memory.end_rollbacks(&view.desired);
    let situation = view.situation(&memory, &rules, now);
    let mut plan = plan::plan(&situation);
    let lost = lost(&plan, &view, &memory);
    let repair = plan::repair::repair(&situation);
    if !repair.steps.is_empty() {
        // What an earlier pass left half-way is put in order first; what follows depends on how that ends.
        plan.changes
            .retain(|change| repair.changes.iter().all(|one| one.service != change.service));
        plan.changes.extend(repair.changes);
        (plan.steps, plan.sections) = (repair.steps, repair.sections);
    }
    rollback::announce(&history, &lost, &mut plan, &view, &memory, now)?;
    Ok(Preview { sources: read.sources, view, plan })
}

/// What a look at sources and host is taken with.
struct Sight<'a> {
    world: &'a World,
    request: &'a Request,
    history: &'a History,
    rules: &'a Rules,
    now: Timestamp,
}

impl Sight<'_> {
    /// Looks, and notes what that brought.
    async fn look(
        &self,
        read: &Read,
        early: Option<Early>,
        memory: &mut Memory,
    ) -> Result<View, PassError> {
        let Self { world, request, history, rules, now } = *self;
        let known = Known::read(history)?;
        let asks = if request.offline { Asks::Nobody } else { Asks::All };
        let scene = scene(request, &read.loaded, &known, asks, rules, now);
        let view = view::look(world, early, &scene.with(memory)).await?;
        record::note(history, read, &view, memory, now)?;
        acceptance::keep(world, &read.sources).await;
        let heard = view.polls.clone().unwrap_or_default().masked(&view.masks);
        history.record_polls(&known.polls, &heard, now)?;
        if let Some(proofs) = &view.proofs {
            history.record_proofs(&known.proofs, proofs, now)?;
        }
        Ok(view)
    }
}

fn scene<'a>(
    request: &Request,
    loaded: &'a Loaded,
    Known { pins, polls, proofs }: &'a Known,
    asks: Asks,
    rules: &'a Rules,
    now: Timestamp,
) -> Scene<'a> {
    let (polls, offline) = (Some(polls), request.offline);
    Scene { loaded, pins, polls, proofs, asks, goes_back: false, rules, offline, now }
}

/// What was decided, heard and found out before.
struct Known {
    pins: Pins,
    polls: Polls,
    proofs: Proofs,
}

impl Known {
    fn read(history: &History) -> Result<Self, HistoryError> {
        let (pins, polls) = (history.pins()?, history.polls()?);
        Ok(Self { pins, polls, proofs: history.proofs()? })
    }
}

/// Services that have lost their containers and for which git is no help: what it asks for was rejected here or may
/// not run, waits for something that was, waits since a rollback, or, where there was one before, waits for a window.
fn lost(plan: &Plan, view: &View, memory: &Memory) -> Vec<ServiceId> {
    let is_stuck = |change: &&Change| {
        let before = memory.deployed.get(&change.service);
        matches!(change.verdict, Verdict::Rejected { .. } | Verdict::Blocked(Block::OnWhole(_)))
            || change.verdict.barred().is_some()
            || change.verdict.held().is_some_and(|held| held.by == HeldBy::Rollback)
            || (change.verdict.waiting().is_some() && before.is_some_and(|it| it.replicas > 0))
    };
    let stuck = plan.changes.iter().filter(is_stuck);
    let ids = stuck.map(|change| &change.service);
    ids.filter(|id| view.observed.containers_of(id).next().is_none()).cloned().collect()
}

/// Services whose way back was interrupted: whoever was at it is gone, since a pass has its turn.
fn going_back(rules: &Rules, memory: &Memory, now: Timestamp) -> Vec<ServiceId> {
    let is_asked =
        |id: &ServiceId| rules.only.is_empty() || rules.only.iter().any(|one| one.covers(id));
    let ids = memory.going_back(now).map(|(id, ..)| id);
    ids.filter(|id| is_asked(id) && !rules.busy.contains(&id.stack)).cloned().collect()
}

/// Fetches the sources, and looks at the engine while they are asked.
pub(super) async fn gather(
    world: &World,
    freshness: Freshness,
    now: Timestamp,
) -> Result<(Vec<Fetched>, Early), EngineError> {
    let (fetched, early) =
        tokio::join!(sources::fetch(world, freshness, now), view::look_early(world));
    Ok((fetched, early?))
}

/// Reads what was fetched; where files of stacks lie is remembered, or seen at the engine.
pub(super) async fn read(
    world: &World,
    history: &History,
    fetched: Vec<Fetched>,
    early: &Early,
    now: Timestamp,
) -> Result<Read, HistoryError> {
    let places = places(history.places()?, early.observed(), &world.config);
    Ok(sources::read(world, fetched, &history.accepted()?, places, now).await)
}

/// Those who carry out the plans of one pass.
pub(super) struct Crew<'a> {
    pub world: &'a World,
    pub history: &'a History,
    pub watcher: &'a dyn Watcher,
    pub stop: &'a CancellationToken,
    pub lane: &'a Lane,
}

impl Crew<'_> {
    /// Puts in order what an earlier pass left half-way, and says so.
    pub async fn put_in_order(
        &self,
        scene: &Scene<'_>,
        memory: &mut Memory,
        view: &mut View,
    ) -> Result<Vec<String>, PassError> {
        let mut notices = Vec::new();
        // A request of a program that died may still be under way, and its work come to light while the rest
        // is put in order.
        for _ in 0..REPAIRS {
            let repair = plan::repair::repair(&view.situation(memory, scene.rules, scene.now));
            if repair.steps.is_empty() {
                break;
            }
            let many = repair.changes.len();
            notices.push(format!("{many} rollouts of an earlier pass were put in order"));
            self.carry_out(&repair, view, &Generations::default()).await;
            *memory = self.history.memory()?;
            *view = view::look(self.world, None, &scene.with(memory)).await?;
        }
        Ok(notices)
    }

    pub async fn carry_out(&self, plan: &Plan, view: &View, generations: &Generations) -> Outcome {
        let mut layers = BTreeMap::new();
        if plan.steps.iter().any(|planned| matches!(planned.step, Step::PullImage { .. })) {
            // Another pass may be about to use what this one knows no use for.
            if self.lane.is_alone() {
                let made = self.keeper(view, Timestamp::now()).make_room().await;
                if let Err(error) = made {
                    tracing::warn!("no room is made before images are pulled: {error}");
                }
            }
            layers = room::missing_layers(self.world, plan, view).await;
        }
        let logins = self.logins(plan).await;
        let record = Record { history: self.history, generations };
        let hands = Hands {
            engine: &*self.world.engine,
            prober: &*self.world.prober,
            logins: &logins,
            layers: &layers,
            journal: &record,
            watcher: self.watcher,
            masks: &view.masks,
            parallel: self.world.config.limits.parallel as usize,
            stop: self.stop,
            superseded: self.lane.superseded(),
            networks: &self.lane.networks(),
        };
        apply::apply(plan, &hands).await
    }

    /// Who looks after the images.
    fn keeper<'a>(&'a self, view: &'a View, now: Timestamp) -> Keeper<'a> {
        let Self { world, history, stop, .. } = *self;
        Keeper { world, history, desired: &view.desired, stop, now }
    }

    /// The credentials for every registry that the plan pulls from.
    async fn logins(&self, plan: &Plan) -> BTreeMap<String, Login> {
        let mut logins = BTreeMap::new();
        for planned in &plan.steps {
            let Step::PullImage { image, .. } = &planned.step else { continue };
            let reference = image.reference();
            if logins.contains_key(reference.registry()) {
                continue;
            }
            match self.world.registry.login(&reference).await {
                Ok(Some(login)) => {
                    logins.insert(reference.registry().to_owned(), login);
                }
                Ok(None) => {}
                // The pull is tried without: the registry's own answer says more.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        logins
    }
}
