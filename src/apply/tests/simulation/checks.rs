//! What is never seen, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use super::day::Wish;
use crate::apply::tests::bench::*;
use crate::engine::fake::{Scene, Seen, Verb};
use crate::model::memory::Memory;
use crate::model::spec::RestartPolicy;
use crate::model::stack::Order;
use crate::model::{ContainerId, ObservedState, ServiceName, StackContent, labels};
use crate::plan::{Change, Plan, Verdict};

/// The host before a pass.
pub struct Before {
    scene: Scene,
    memory: Memory,
    stranger: Vec<Seen>,
    /// What is wanted of each service: replicas, order, batch.
    wishes: BTreeMap<String, (u32, Order, u32)>,
    /// Services that are started again when another is replaced.
    restarted: BTreeSet<String>,
    specs: Specs,
    calm: bool,
}

/// What becomes of the containers of some specs.
#[derive(Clone, Default)]
pub struct Specs {
    /// They end by themselves now and then, or fall sick.
    pub ending: BTreeSet<String>,
    /// They do not pass their gate.
    pub bad: BTreeSet<String>,
}

impl Before {
    pub fn of(host: &Bench, wishes: &[Wish], specs: &Specs, calm: bool) -> Self {
        let scene = host.world.scene();
        let is_atomic = host.desired.stacks.values().any(|stack| match &stack.content {
            StackContent::Usable(deployment) => deployment.stack.atomic,
            StackContent::Invalid(_) => false,
        });
        let one = |wish: &Wish| {
            // What goes back as a whole has every old one beside its new one for a while.
            let is_whole = wish.parallelism == 0 || is_atomic;
            let batch = if is_whole { wish.replicas } else { wish.parallelism };
            (wish.name.to_owned(), (wish.replicas, wish.order, batch))
        };
        let restarted = wishes.iter().filter(|wish| wish.is_restarted());
        Self {
            stranger: theirs(&scene),
            memory: host.memory(),
            wishes: wishes.iter().map(one).collect(),
            restarted: restarted.map(|wish| wish.name.to_owned()).collect(),
            scene,
            specs: specs.clone(),
            calm,
        }
    }

    /// Containers of a service that had a process.
    fn running(&self, service: &str) -> BTreeSet<&ContainerId> {
        of(&self.scene, service).filter(|seen| seen.runs).map(|seen| &seen.id).collect()
    }
}

fn theirs(scene: &Scene) -> Vec<Seen> {
    scene.containers.iter().filter(|seen| seen.service.is_empty()).cloned().collect()
}

fn of<'s>(scene: &'s Scene, service: &str) -> impl Iterator<Item = &'s Seen> {
    scene.containers.iter().filter(move |seen| seen.service == service)
}

/// Looks at every scene of a pass.
pub fn during(before: &Before, scenes: &[Scene]) -> Result<(), String> {
    let mut volumes = before.scene.volumes;
    for (number, scene) in scenes.iter().enumerate() {
        let all = [
            check(scene.volumes >= volumes, || "a volume was removed".to_owned()),
            check(theirs(scene) == before.stranger, || "something foreign was touched".to_owned()),
            remembered(before, scene),
            serves_on(before, scene),
            not_too_many(before, scene),
            stays_aside(before, scene),
        ];
        volumes = scene.volumes;
        for one in all {
            one.map_err(|why| format!("call {number}, {:?}: {why}", scene.verb))?;
        }
    }
    Ok(())
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// A spec that failed here is not started again.
fn remembered(before: &Before, scene: &Scene) -> Result<(), String> {
    if scene.verb != Verb::Start {
        return Ok(());
    }
    let started = scene.containers.iter().find(|seen| Some(&seen.id) == scene.of.as_ref());
    let Some(started) = started else { return Ok(()) };
    let key = (id(&format!("shop/{}", started.service)), started.spec.as_str().into());
    // One that ran all the same, by somebody's hand or after a fault, is gone back to.
    let was_up = before.scene.containers.iter().any(|seen| seen.id == started.id && seen.is_up);
    if was_up || before.memory.set_aside.contains_key(&started.id) {
        return Ok(());
    }
    check(!before.memory.rejected.contains_key(&key), || {
        format!("{} was started, though its spec has failed here", started.name)
    })
}

/// Start-first: as many containers have a process as had one, or are wanted, unless a fault took one.
fn serves_on(before: &Before, scene: &Scene) -> Result<(), String> {
    for (service, (replicas, order, _)) in &before.wishes {
        let is_whole = in_place(&before.scene, service) >= *replicas as usize;
        let may_end = of(scene, service).any(|seen| before.specs.ending.contains(&seen.spec));
        let may_end = may_end || before.restarted.contains(service);
        if !before.calm || *order != Order::StartFirst || !is_whole || may_end {
            continue;
        }
        let runs = serving(scene, service);
        check(runs >= *replicas as usize, || {
            format!("{runs} replicas of {service} run, of {replicas}")
        })?;
    }
    Ok(())
}

/// What was stopped in favour of another is not started by the engine when that starts again.
fn stays_aside(before: &Before, scene: &Scene) -> Result<(), String> {
    if !before.calm || scene.verb != Verb::Stop {
        return Ok(());
    }
    let stopped = scene.containers.iter().find(|seen| Some(&seen.id) == scene.of.as_ref());
    let Some(stopped) = stopped.filter(|seen| seen.name.as_str().ends_with(".previous")) else {
        return Ok(());
    };
    // One that is not wanted any more goes at once.
    let goes = before.wishes.get(&stopped.service).is_none_or(|(many, ..)| number(stopped) > *many);
    check(goes || stopped.policy == RestartPolicy::No, || {
        format!("{} is set aside and would come back by its restart policy", stopped.name)
    })
}

/// How many replicas have a container that runs.
fn serving(scene: &Scene, service: &str) -> usize {
    let running = of(scene, service).filter(|seen| seen.runs);
    running.map(|seen| plain(seen.name.as_str())).collect::<BTreeSet<_>>().len()
}

/// How many replicas had a container that runs and has the names of the service.
fn in_place(scene: &Scene, service: &str) -> usize {
    let running = of(scene, service).filter(|seen| seen.runs);
    let named = running.map(|seen| seen.name.as_str()).filter(|name| !name.ends_with(".next"));
    named.map(plain).collect::<BTreeSet<_>>().len()
}

/// No more run than the replicas and one batch beside them.
fn not_too_many(before: &Before, scene: &Scene) -> Result<(), String> {
    for (service, (replicas, order, batch)) in &before.wishes {
        let slots: BTreeSet<&str> =
            of(&before.scene, service).map(|seen| plain(seen.name.as_str())).collect();
        let most = slots.len().max(*replicas as usize);
        let beside = match order {
            Order::StartFirst => *batch as usize,
            Order::StopFirst => 0,
        };
        // What an earlier pass left running beside the rest, or people did, is not this pass's doing.
        let most = (most + beside).max(before.running(service).len());
        let runs = of(scene, service).filter(|seen| seen.runs).count();
        // Where the old ones are no good either, new ones stay in their place.
        let may_stay = of(scene, service).any(|seen| before.specs.ending.contains(&seen.spec));
        check(!before.calm || may_stay || runs <= most, || {
            format!("{runs} containers of {service} run, and {most} would be the most")
        })?;
    }
    Ok(())
}

fn plain(name: &str) -> &str {
    name.strip_suffix(".next").or(name.strip_suffix(".previous")).unwrap_or(name)
}

/// The host right after a pass, on a day on which nothing goes wrong but what is wished for: what served goes on
/// or has a good successor, and nothing is left half-way.
pub fn afterwards(before: &Before, host: &Bench) -> Result<(), String> {
    let scene = host.world.scene();
    let paused = pausing(host);
    let is_paused = |seen: &&Seen| paused.contains(&seen.service.as_str());
    let Specs { ending, bad } = &before.specs;
    let may_end = |seen: &Seen| ending.contains(&seen.spec) || bad.contains(&seen.spec);
    for old in before.scene.containers.iter().filter(|seen| seen.runs && !may_end(seen)) {
        let wished = before.wishes.get(&old.service);
        if wished.is_none_or(|(replicas, ..)| number(old) > *replicas) || is_paused(&old) {
            continue;
        }
        let name = plain(old.name.as_str());
        let now = scene.containers.iter().find(|seen| seen.name.as_str() == name);
        let now = now.ok_or_else(|| format!("{name} served and is gone"))?;
        check(!bad.contains(&now.spec), || format!("{} was replaced by a bad one", now.name))?;
        check(now.runs || may_end(now), || format!("{} served and does not run", now.name))?;
    }
    for seen in scene.containers.iter().filter(|seen| !seen.service.is_empty() && !is_paused(seen))
    {
        // The new one stays until the old one has proved itself, if both are bad.
        let both_are_bad = of(&before.scene, &seen.service).any(&may_end);
        check(both_are_bad || plain(seen.name.as_str()) == seen.name.as_str(), || {
            format!("{} is left half-way after a pass", seen.name)
        })?;
        check(!seen.runs || seen.policy == RestartPolicy::UnlessStopped, || {
            format!("{} runs and has lost its restart policy", seen.name)
        })?;
        check(!seen.runs || seen.aliases.contains(&seen.service), || {
            format!("{} runs without the name of its service", seen.name)
        })?;
    }
    Ok(())
}

/// A stack that is changed as a whole right after a pass in which a new spec has failed: what was to be
/// replaced serves as before.
pub fn as_a_whole(before: &Before, pass: &Pass, host: &Bench) -> Result<(), String> {
    let has_failed = |change: &&Change| {
        let result = pass.outcome.services.get(&change.service);
        let failure = result.and_then(|result| result.failure.as_ref());
        change.tries_spec && failure.is_some_and(|failure| failure.blames_spec)
    };
    let Some(failed) = pass.plan.changes.iter().find(has_failed) else { return Ok(()) };
    let Specs { ending, bad } = &before.specs;
    let may_end = |seen: &Seen| ending.contains(&seen.spec) || bad.contains(&seen.spec);
    let updates =
        pass.plan.changes.iter().filter(|change| matches!(change.verdict, Verdict::Update(_)));
    for service in updates.map(|change| change.service.service.as_str()) {
        let replicas = before.wishes.get(service).map_or(0, |(replicas, ..)| *replicas);
        let served = of(&before.scene, service).filter(|seen| seen.runs && !may_end(seen));
        for old in served.filter(|seen| number(seen) <= replicas) {
            let now = host.world.container(plain(old.name.as_str()));
            check(now.is_some_and(|now| now.id == old.id), || {
                format!("{} was replaced, and {} has failed", old.name, failed.service)
            })?;
        }
    }
    Ok(())
}

/// Which replica it is.
fn number(seen: &Seen) -> u32 {
    let number = plain(seen.name.as_str()).rsplit('-').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// How the host is once nothing happens any more.
pub fn at_rest(host: &Bench, plan: &Plan, wishes: &[Wish]) -> Result<(), String> {
    let scene = host.world.scene();
    let waiting = waiting(plan, wishes);
    for change in &plan.changes {
        if waiting.contains(change.service.service.as_str()) {
            continue;
        }
        let service = change.service.service.as_str();
        match &change.verdict {
            Verdict::InSync => in_sync(host, &scene, change.spec.as_ref(), service)?,
            Verdict::Rejected { .. } | Verdict::Blocked(_) | Verdict::Held(_) => {}
            other @ (Verdict::Create
            | Verdict::Start(_)
            | Verdict::Mend(_)
            | Verdict::Update(_)
            | Verdict::Recreate(_)
            | Verdict::CleanUp
            | Verdict::Remove) => return Err(format!("{service} at rest: {other:?}")),
        }
    }
    let mut stays: BTreeSet<&str> = pausing(host).into_iter().collect();
    // Nothing is done for one whose dependencies cannot be had, whatever somebody took from it.
    let blocked = plan.changes.iter().filter(|one| matches!(one.verdict, Verdict::Blocked(_)));
    stays.extend(blocked.map(|change| change.service.service.as_str()));
    for seen in scene.containers.iter().filter(|seen| !seen.service.is_empty()) {
        let name = ServiceName::new(&seen.service);
        let known = plan.changes.iter().any(|change| change.service.service == name);
        let is_wanted = wishes.iter().any(|wish| wish.name == seen.service);
        check(known || is_wanted, || format!("{} is left over", seen.name))?;
        let is_half_way = plain(seen.name.as_str()) != seen.name.as_str();
        check(!is_half_way || stays.contains(seen.service.as_str()), || {
            format!("{} is left half-way", seen.name)
        })?;
    }
    Ok(())
}

/// What waits for another one to be healthy, or for one that does.
fn waiting<'p>(plan: &'p Plan, wishes: &[Wish]) -> BTreeSet<&'p str> {
    let steps = plan.steps.iter();
    let waits = steps.filter(|planned| planned.because.ends_with("must be healthy first"));
    let services = waits.filter_map(|planned| planned.service.as_ref());
    let mut waiting: BTreeSet<&str> = services.map(|id| id.service.as_str()).collect();
    for wish in wishes {
        let change = plan.changes.iter().find(|change| change.service.service == wish.name.into());
        if let Some(change) = change.filter(|_| wish.needs_any(&waiting)) {
            waiting.insert(change.service.service.as_str());
        }
    }
    waiting
}

/// The network of the stack says whose it is, for Compose and for people.
pub fn networks(observed: &ObservedState) -> Result<(), String> {
    for network in observed.networks.iter().filter(|network| network.name == "shop_default") {
        check(network.labels.contains_key(labels::COMPOSE_PROJECT), || {
            format!("{} does not say whose it is", network.name)
        })?;
    }
    Ok(())
}

/// Services with a rollout that was left half-way on purpose.
fn pausing(host: &Bench) -> Vec<&str> {
    let deployments = host.desired.deployments();
    let services = deployments.flat_map(|deployment| deployment.services.values());
    let memory = host.memory();
    services
        .filter(|desired| {
            let spec = desired.image.as_ref().map(|pinned| pinned.hash.clone());
            spec.is_ok_and(|spec| {
                let key = (id(&format!("shop/{}", desired.service.name)), spec);
                memory.rejected.get(&key).is_some_and(|rejection| rejection.paused)
            })
        })
        .map(|desired| desired.service.name.as_str())
        .collect()
}

fn in_sync(
    host: &Bench,
    scene: &Scene,
    spec: Option<&crate::model::SpecHash>,
    service: &str,
) -> Result<(), String> {
    let Some(spec) = spec else { return Ok(()) };
    for seen in of(scene, service) {
        check(seen.spec == spec.as_str(), || format!("{} has another spec", seen.name))?;
        // Its policy may be about to start it again.
        let is_up = host.world.container(seen.name.as_str()).is_some_and(|one| one.is_up());
        check(is_up, || format!("{} does not run", seen.name))?;
        let policy = host.container(seen.name.as_str()).settings.restart;
        check(policy == RestartPolicy::UnlessStopped, || {
            format!("{} has lost its restart policy: {policy}", seen.name)
        })?;
    }
    Ok(())
}
