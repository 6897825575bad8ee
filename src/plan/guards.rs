//! What stands against a change: holds, images that may not run here, rejected specs, data at risk, things that are in the way, the hour.

use super::change::{Judged, Need};
use super::compare;
use super::index::Survey;
use super::{Block, Difference, Held, Verdict, windows};
use crate::model::desired::Pinned;
use crate::model::memory::HeldBy;
use crate::model::spec::Peer;
use crate::model::stack::Order;
use crate::model::{ContainerName, ObservedContainer};

/// What stands against carrying the verdict out: a hold, a rejection, data at risk, a name that is taken, a
/// window that is closed.
pub fn overrule(situation: &Survey<'_>, judged: &Judged<'_>, pinned: &Pinned) -> Verdict {
    let verdict = judged.verdict.clone();
    let differences = verdict.differences().to_vec();
    let changed_network = super::networks::changed(situation, judged);
    let in_sync = verdict == Verdict::InSync && changed_network.is_none();
    if let Some(held) = held(situation, judged, &differences, in_sync) {
        return Verdict::Held(held);
    }
    if in_sync {
        return verdict;
    }
    if let Some(barred) = &pinned.barred {
        return Verdict::Blocked(Block::Barred(barred.clone()));
    }
    let rejected = situation.memory.rejected.get(&(judged.id.clone(), pinned.hash.clone()));
    if let Some(rejection) = rejected {
        return Verdict::Rejected {
            since: rejection.since,
            error: rejection.error.clone(),
            differences,
        };
    }
    if let Some(held) = data_first(situation, judged, pinned, &differences) {
        return Verdict::Held(held);
    }
    if let Some(trouble) = situation.waits_out(&judged.id, pinned.hash.as_str()) {
        return Verdict::Blocked(Block::Trouble(trouble.clone()));
    }
    match changed_network.or_else(|| in_the_way(situation, judged)) {
        Some(block) => Verdict::Blocked(block),
        // Last: what needs a person is to be heard of before the window opens.
        None => match windows::closed(situation, judged, pinned) {
            Some(waiting) => Verdict::Blocked(Block::Window(waiting)),
            None => verdict,
        },
    }
}

fn held(
    situation: &Survey<'_>,
    judged: &Judged<'_>,
    differences: &[Difference],
    in_sync: bool,
) -> Option<Held> {
    let differences = differences.to_vec();
    if let Some(hold) = situation.memory.hold(&judged.id, situation.now) {
        return Some(Held::by(hold, differences, in_sync));
    }
    let suspension = judged.deployment.stack.suspended.as_ref()?;
    if suspension.until.is_some_and(|until| until <= situation.now) {
        return None;
    }
    let why = match &suspension.reason {
        Some(reason) => format!("suspended in the manifest: {reason}"),
        None => "suspended in the manifest".to_owned(),
    };
    Some(Held {
        by: HeldBy::Operator,
        since: None,
        until: suspension.until,
        why,
        hint: Some("take `suspend` out of the manifest to end it".to_owned()),
        desired: true,
        in_sync,
        differences,
    })
}

fn data_first(
    situation: &Survey<'_>,
    judged: &Judged<'_>,
    pinned: &Pinned,
    differences: &[Difference],
) -> Option<Held> {
    if situation.memory.adopted.contains(&(judged.id.clone(), pinned.hash.clone())) {
        return None;
    }
    let conflict = judged.replicas.iter().find_map(|replica| match &replica.need {
        Need::Replace(old, _) => {
            let wanted = &judged.desired.service.settings;
            let deployment = situation.desired.deployment(&judged.id.stack);
            compare::data_conflict(wanted, &old.settings)
                .or_else(|| compare::other_place(wanted, old, &deployment?.stack.working_dir))
        }
        Need::Nothing
        | Need::Create
        | Need::Mend(..)
        | Need::Await(_)
        | Need::Finish(..)
        | Need::Retire => None,
    });
    let id = &judged.id;
    let why = match conflict {
        Some((target, old, new)) => format!(
            "data first: {target} shows {old} now and would show {new}; move the data, or confirm with `evenkeel adopt {id}`"
        ),
        None => situation.moves().risk(id)?,
    };
    Some(Held::question(why, differences.to_vec()))
}

/// A container of someone else that carries a name this service needs, an external network or volume that
/// is missing, an earlier run of the same job.
fn in_the_way(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<Block> {
    let is_job = situation.is_job(&judged.id);
    for replica in &judged.replicas {
        if matches!(replica.need, Need::Replace(..) | Need::Create)
            && replica.slot.previous.or(replica.slot.next).is_some()
        {
            return Some(Block::World {
                message: format!(
                    "an earlier rollout of {} could not be finished or taken back",
                    judged.id
                ),
                hint: None,
            });
        }
        if let Need::Replace(old, _) = &replica.need
            && let Some(block) = two_writers(judged, old)
        {
            return Some(block);
        }
        if let Need::Replace(old, _) = &replica.need
            && is_job
            && old.is_running()
        {
            return Some(Block::RunningJob);
        }
        if matches!(replica.need, Need::Nothing | Need::Await(_) | Need::Retire) {
            continue;
        }
        if let Some(owner) = owner_of_name(situation, judged, &replica.name) {
            return Some(Block::World {
                message: format!(
                    "the container name {} is taken by {owner}, which is not ours",
                    replica.name
                ),
                hint: Some(format!("rename or remove it: docker rename {} …", replica.name)),
            });
        }
    }
    super::abilities::lacking(situation, judged)
        .or_else(|| missing_peer(situation, judged))
        .or_else(|| missing_external(situation, judged))
}

/// Start-first, where the image brings along a volume without a name: both containers would write to it.
fn two_writers(judged: &Judged<'_>, old: &ObservedContainer) -> Option<Block> {
    let rollout = &judged.desired.service.rollout;
    if rollout.order != Order::StartFirst || rollout.shared_writers || !old.is_up() {
        return None;
    }
    let target = old.anonymous_volumes.keys().next()?;
    Some(Block::World {
        message: format!(
            "{} cannot start first: the anonymous volume at {target}, which its image asks for, would be written to by two",
            judged.id
        ),
        hint: Some(format!(
            "mount something there (`tmpfs: {target}`), write `order: stop-first`, or, if the program bears a second writer, `x-evenkeel: {{rollout: {{shared_writers: true}}}}`"
        )),
    })
}

/// A container that the manifest names and whose network or volumes are to be shared.
fn missing_peer(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<Block> {
    let stack = &judged.id.stack;
    judged.desired.service.settings.peers().iter().find_map(|words| match Peer::parse(words)? {
        Peer::Service(_) => None,
        Peer::Container(name) => {
            super::peers::find(situation, stack, words).is_none().then(|| Block::World {
                message: format!("the container {name}, which it shares with, is not on this host"),
                hint: Some("start it, or name the service it belongs to".to_owned()),
            })
        }
    })
}

fn owner_of_name(
    situation: &Survey<'_>,
    judged: &Judged<'_>,
    name: &ContainerName,
) -> Option<String> {
    if let Some(container) = situation.foreign_named(name) {
        return Some(format!("container {}", container.id.get(..12).unwrap_or(&container.id)));
    }
    let service = situation.named(name)?.service()?;
    // What goes in this pass goes before this service is made.
    (*service != judged.id && !situation.is_removed(service))
        .then(|| format!("a container of {service}"))
}

fn missing_external(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<Block> {
    let stack = &judged.deployment.stack;
    let endpoints = judged.desired.service.settings.network.endpoints();
    let network = stack.networks.values().filter(|network| network.external).find(|network| {
        endpoints.iter().any(|endpoint| endpoint.network == network.name)
            && situation.network(&network.name).is_none()
    });
    if let Some(network) = network {
        return Some(Block::World {
            message: format!("the external network {} does not exist on this host", network.name),
            hint: Some(format!("create it: docker network create {}", network.name)),
        });
    }
    let mounts = &judged.desired.service.settings.mounts;
    let volume = stack.volumes.values().filter(|volume| volume.external).find(|volume| {
        let is_used = mounts.iter().any(|mount| {
            matches!(&mount.source, crate::model::spec::MountSource::Volume { name, .. } if *name == volume.name)
        });
        is_used && !situation.observed.volumes.contains_key(&volume.name)
    })?;
    Some(Block::World {
        message: format!("the external volume {} does not exist on this host", volume.name),
        hint: Some(format!("create it: docker volume create {}", volume.name)),
    })
}
