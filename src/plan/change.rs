//! WHAT changes, and why: a verdict per service, and what each of its replicas needs.
//!
//! What stands against a change is in [`super::guards`], what a service that is left alone still gets in
//! [`super::alive`]. How a change is carried out is decided in [`super::rollout`].

use std::collections::BTreeSet;

use super::compare::Depth;
use super::drift::{self, Drift};
use super::index::Survey;
use super::slots::Slot;
use super::{Block, Difference, Verdict, alive, compare, defaults_of, guards, volumes};
use crate::model::desired::{Deployment, Pinned};
use crate::model::observed::ContainerState;
use crate::model::spec::RestartPolicy;
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, DesiredService, ObservedContainer, ServiceId,
    ServiceName, SpecHash, labels,
};

/// The verdict on one service, with all that carrying it out needs.
pub struct Judged<'a> {
    /// The service.
    pub id: ServiceId,
    /// Its stack.
    pub deployment: &'a Deployment,
    /// What is wanted.
    pub desired: &'a DesiredService,
    /// What happens.
    pub verdict: Verdict,
    /// What each replica needs, by number; nothing for a service that is left alone.
    pub replicas: Vec<Replica<'a>>,
    /// Containers found to match though they carry another hash.
    pub matches: Vec<(ContainerId, SpecHash)>,
    /// The spec with which it is seen to have completed, unless that is known already: a job.
    pub completed: Option<SpecHash>,
    /// Services whose new containers its own have to join.
    pub follows: BTreeSet<ServiceName>,
    /// Whether it would be in sync but for those it follows.
    pub only_follows: bool,
    /// Things worth saying.
    pub remarks: Vec<String>,
}

/// One replica.
pub struct Replica<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// The name its container carries when no rollout is under way.
    pub name: ContainerName,
    /// What is there.
    pub slot: Slot<'a>,
    /// What it needs.
    pub need: Need<'a>,
}

impl Replica<'_> {
    /// Whether all it needs is its first start: an earlier pass did not come to that.
    pub fn was_never_started(&self) -> bool {
        match &self.need {
            Need::Mend(container, drift) => {
                drift.start && container.state == ContainerState::Created
            }
            Need::Nothing
            | Need::Create
            | Need::Replace(..)
            | Need::Await(_)
            | Need::Finish(..)
            | Need::Retire => false,
        }
    }
}

/// What a replica needs.
#[derive(Clone, Debug)]
pub enum Need<'a> {
    /// Nothing.
    Nothing,
    /// A first container.
    Create,
    /// Mending in place.
    Mend(&'a ObservedContainer, Drift),
    /// Another container in place of this one.
    Replace(&'a ObservedContainer, Vec<Difference>),
    /// To be waited for: a job that an earlier pass started.
    Await(&'a ObservedContainer),
    /// Its new container to pass the gate, and the one set aside to go.
    Finish(&'a ObservedContainer, &'a ObservedContainer),
    /// To go: the service has fewer replicas now.
    Retire,
}

/// A verdict for every service of every usable stack, in dependency order.
pub fn verdicts<'a>(situation: &Survey<'a>) -> Vec<Judged<'a>> {
    let mut judged: Vec<Judged<'a>> = Vec::new();
    for deployment in situation.desired.deployments() {
        for desired in deployment.services.values() {
            let id = ServiceId::new(&deployment.stack.name, &desired.service.name);
            if !situation.rules.includes(&id) {
                continue;
            }
            judged.push(judge(situation, deployment, desired, id));
        }
    }
    judged
}

fn judge<'a>(
    situation: &Survey<'a>,
    deployment: &'a Deployment,
    desired: &'a DesiredService,
    id: ServiceId,
) -> Judged<'a> {
    let mut judged = Judged {
        id,
        deployment,
        desired,
        verdict: Verdict::InSync,
        replicas: Vec::new(),
        matches: Vec::new(),
        completed: None,
        follows: BTreeSet::new(),
        only_follows: false,
        remarks: Vec::new(),
    };
    let pinned = match &desired.image {
        Ok(pinned) => pinned,
        Err(trouble) => {
            judged.verdict = Verdict::Blocked(match &trouble.waits {
                Some(waits) => Block::Trouble((**waits).clone()),
                None => {
                    Block::Image { message: trouble.message.clone(), hint: trouble.hint.clone() }
                }
            });
            judged.replicas = alive::keep_alive(situation, &judged.id, None);
            return judged;
        }
    };
    judged.remarks.extend(pinned.remark.clone());
    judged.remarks.extend(pinned.unverified.clone());
    if let Some(followed) = &pinned.followed {
        judged.remarks.extend(followed.chosen.iter().chain(&followed.waits).cloned());
    }
    judged.remarks.extend(volumes::remarks(situation, &judged));
    judged.remarks.extend(unknown_hooks(situation, &judged));
    judged.replicas =
        replicas(situation, &mut judged.matches, deployment, desired, pinned, &judged.id);
    judged.completed = completed(situation, &judged, pinned);
    conclude(situation, &mut judged, pinned);
    judged
}

/// The verdict that follows from what the replicas need, and from what stands against it.
pub fn conclude<'a>(situation: &Survey<'a>, judged: &mut Judged<'a>, pinned: &Pinned) {
    judged.verdict = verdict(&judged.replicas, |container| {
        let found = (container.id.clone(), pinned.hash.clone());
        compare::is_known_to_match(container, &pinned.hash, situation.memory)
            || judged.matches.contains(&found)
    });
    if judged.verdict == Verdict::InSync && lacks_image(situation, judged) {
        judged.verdict =
            Verdict::Mend(vec![Difference::shown("image", "removed from this host", "pulled")]);
    }
    judged.verdict = guards::overrule(situation, judged, pinned);
    if judged.verdict.is_left_alone() {
        judged.replicas = alive::keep_alive(situation, &judged.id, Some(pinned));
        alive::respect_stops(judged);
    }
}

/// What is run before a stop stands on the container, where evenkeel made it.
fn unknown_hooks(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<String> {
    if judged.desired.service.settings.hooks.pre_stop.is_empty() {
        return None;
    }
    let mut containers = situation.containers_of(&judged.id);
    let other = containers.find(|container| container.label(labels::SPEC).is_none())?;
    Some(format!(
        "what was to run before {} stops is not known, since evenkeel did not make it: its `pre_stop` is not run",
        other.name
    ))
}

fn replicas<'a>(
    situation: &Survey<'a>,
    matches: &mut Vec<(ContainerId, SpecHash)>,
    deployment: &'a Deployment,
    desired: &'a DesiredService,
    pinned: &'a Pinned,
    id: &ServiceId,
) -> Vec<Replica<'a>> {
    let mut there = slots_of(situation, id);
    let mut replicas = Vec::new();
    for number in 1..=desired.service.replicas {
        let slot = there.remove(&number).unwrap_or_default();
        let name = desired.service.container(&deployment.stack.name, number);
        let need = need(situation, matches, desired, pinned, id, &name, &slot);
        replicas.push(Replica { number, name, slot, need });
    }
    for (number, slot) in there {
        let name = desired.service.container(&deployment.stack.name, number);
        replicas.push(Replica { number, name, slot, need: Need::Retire });
    }
    replicas
}

/// The containers of a service by replica.
pub fn slots_of<'a>(
    situation: &Survey<'a>,
    id: &ServiceId,
) -> std::collections::BTreeMap<u32, Slot<'a>> {
    let mut there = std::collections::BTreeMap::new();
    for container in situation.containers_of(id) {
        there.entry(container.number()).or_insert_with(Vec::new).push(container);
    }
    there.into_iter().map(|(number, containers)| (number, Slot::of(containers))).collect()
}

fn need<'a>(
    situation: &Survey<'a>,
    matches: &mut Vec<(ContainerId, SpecHash)>,
    desired: &DesiredService,
    pinned: &Pinned,
    id: &ServiceId,
    name: &ContainerName,
    slot: &Slot<'a>,
) -> Need<'a> {
    let done_before = situation.memory.completed_jobs.contains(&(id.clone(), pinned.hash.clone()));
    let Some(current) = slot.current else {
        return if done_before { Need::Nothing } else { Need::Create };
    };
    let differences = spec_differences(situation, matches, desired, pinned, current);
    if !differences.is_empty() {
        // A job runs once for each spec, also when git goes back to an earlier one.
        let has_nothing_to_do = done_before && current.ended_well() && slot.previous.is_none();
        return match has_nothing_to_do {
            true => Need::Nothing,
            false => Need::Replace(current, differences),
        };
    }
    if let Some(previous) = slot.previous {
        return Need::Finish(current, previous);
    }
    let done = is_done(situation, desired, pinned, id, current);
    let drift = drift::drift(&desired.service, name, current, situation, done);
    if drift.is_none() {
        let goes_on = current.is_running() && situation.is_job(id);
        return if goes_on { Need::Await(current) } else { Need::Nothing };
    }
    if drift.beyond_mending {
        return Need::Replace(current, drift.differences);
    }
    Need::Mend(current, drift)
}

/// In what `current` differs from the wanted spec; empty when its hash says that it does not.
fn spec_differences(
    situation: &Survey<'_>,
    matches: &mut Vec<(ContainerId, SpecHash)>,
    desired: &DesiredService,
    pinned: &Pinned,
    current: &ObservedContainer,
) -> Vec<Difference> {
    if compare::is_known_to_match(current, &pinned.hash, situation.memory) {
        return Vec::new();
    }
    let none = ContainerSpec::default();
    let defaults = defaults_of(situation.observed, &current.image_id).unwrap_or(&none);
    let images = &situation.observed.images;
    let compare =
        |depth| compare::differences(&desired.service, pinned, current, defaults, images, depth);
    let differences = match compare::has_comparable_hash(current, &pinned.hash) {
        // The label knows better than what `inspect` can show: contents behind an unchanged path.
        true => [Depth::Live, Depth::Suspected]
            .into_iter()
            .map(compare)
            .find(|differences| !differences.is_empty())
            .unwrap_or_else(|| invisible(desired)),
        false => compare(Depth::Made),
    };
    if differences.is_empty() {
        matches.push((current.id.clone(), pinned.hash.clone()));
    }
    differences
}

/// What may have changed without `inspect` showing it.
fn invisible(desired: &DesiredService) -> Vec<Difference> {
    let settings = &desired.service.settings;
    let platform = settings.platform.as_ref().map(|_| "platform".to_owned());
    let field = settings.contents.keys().next().cloned().or(platform);
    vec![Difference::hidden(field.unwrap_or_else(|| "spec".to_owned()))]
}

/// Whether ending with exit code 0 was the right thing for this container to do (interface: job).
fn is_done(
    situation: &Survey<'_>,
    desired: &DesiredService,
    pinned: &Pinned,
    id: &ServiceId,
    container: &ObservedContainer,
) -> bool {
    if !container.ended_well() {
        return false;
    }
    let is_job = situation.is_job(id)
        || situation.memory.completed_jobs.contains(&(id.clone(), pinned.hash.clone()));
    // Who writes `restart: "no"` or `on-failure` says that ending well is the end.
    let may_end = match desired.service.settings.restart {
        RestartPolicy::No | RestartPolicy::OnFailure(_) => true,
        RestartPolicy::Unset | RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
    };
    is_job || may_end
}

/// The spec of a job whose containers have all ended well, where a pass that died could not write that down.
fn completed(situation: &Survey<'_>, judged: &Judged<'_>, pinned: &Pinned) -> Option<SpecHash> {
    let has_completed = |replica: &Replica<'_>| match (&replica.need, replica.slot.current) {
        (Need::Nothing, Some(container)) => container.ended_well(),
        (Need::Nothing, None)
        | (
            Need::Create
            | Need::Mend(..)
            | Need::Replace(..)
            | Need::Await(_)
            | Need::Finish(..)
            | Need::Retire,
            _,
        ) => false,
    };
    if !situation.is_job(&judged.id) || !judged.replicas.iter().all(has_completed) {
        return None;
    }
    let is_known =
        situation.memory.completed_jobs.contains(&(judged.id.clone(), pinned.hash.clone()));
    (!is_known).then(|| pinned.hash.clone())
}

/// The verdict that the replicas' needs add up to. `is_made_right` says whether a container was made from
/// the wanted spec, so that only drift can be why it is replaced.
fn verdict(
    replicas: &[Replica<'_>],
    is_made_right: impl Fn(&ObservedContainer) -> bool,
) -> Verdict {
    let replaced = collect(replicas, |need| match need {
        Need::Replace(_, differences) => differences.clone(),
        Need::Nothing
        | Need::Create
        | Need::Mend(..)
        | Need::Await(_)
        | Need::Finish(..)
        | Need::Retire => Vec::new(),
    });
    if !replaced.is_empty() {
        let has_changed = replicas.iter().any(|replica| match &replica.need {
            Need::Replace(container, _) => !is_made_right(container),
            Need::Nothing
            | Need::Create
            | Need::Mend(..)
            | Need::Await(_)
            | Need::Finish(..)
            | Need::Retire => false,
        });
        return if has_changed { Verdict::Update(replaced) } else { Verdict::Recreate(replaced) };
    }
    let is_there = |replica: &Replica<'_>| replica.slot.all().next().is_some();
    if replicas.iter().any(|replica| matches!(replica.need, Need::Create)) {
        return match replicas.iter().any(is_there) {
            true => Verdict::Mend(vec![scale(replicas)]),
            false => Verdict::Create,
        };
    }
    if replicas.iter().any(|replica| matches!(replica.need, Need::Finish(..))) {
        return Verdict::CleanUp;
    }
    if replicas.iter().any(|replica| matches!(replica.need, Need::Retire)) {
        return Verdict::Mend(vec![scale(replicas)]);
    }
    let mended = collect(replicas, |need| match need {
        Need::Mend(_, drift) => drift.differences.clone(),
        Need::Await(_) => vec![Difference::shown("state", "running", "completed")],
        Need::Nothing | Need::Create | Need::Replace(..) | Need::Finish(..) | Need::Retire => {
            Vec::new()
        }
    });
    let starts = replicas.iter().any(|replica| match &replica.need {
        Need::Mend(_, drift) => drift.start,
        Need::Await(_) => true,
        Need::Nothing | Need::Create | Need::Replace(..) | Need::Finish(..) | Need::Retire => false,
    });
    match (mended.is_empty(), starts) {
        (true, _) => Verdict::InSync,
        (false, true) => Verdict::Start(mended),
        (false, false) => Verdict::Mend(mended),
    }
}

fn scale(replicas: &[Replica<'_>]) -> Difference {
    let there = replicas.iter().filter(|replica| replica.slot.all().next().is_some()).count();
    let wanted = replicas.iter().filter(|replica| !matches!(replica.need, Need::Retire)).count();
    Difference::shown("replicas", there.to_string(), wanted.to_string())
}

fn collect(replicas: &[Replica<'_>], of: impl Fn(&Need<'_>) -> Vec<Difference>) -> Vec<Difference> {
    let mut all: Vec<Difference> = replicas.iter().flat_map(|replica| of(&replica.need)).collect();
    all.sort();
    all.dedup();
    all
}

/// Whether the image a service runs was removed from the host. Its container goes on, but could not be
/// made again without the registry.
pub fn lacks_image(situation: &Survey<'_>, judged: &Judged<'_>) -> bool {
    let Ok(pinned) = &judged.desired.image else { return false };
    let has_container = judged.replicas.iter().any(|replica| replica.slot.current.is_some());
    has_container
        && !judged.desired.service.pull_policy.is_never()
        && !situation.has_image(&pinned.image)
}
