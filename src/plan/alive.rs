//! What a service that is left as it is still gets.

use super::Verdict;
use super::change::{Judged, Need, Replica, slots_of};
use super::index::Survey;
use super::{compare, drift};
use crate::model::desired::Pinned;
use crate::model::memory::HeldBy;
use crate::model::observed::ContainerState;
use crate::model::spec::RestartPolicy;
use crate::model::{ObservedContainer, ServiceId, SpecHash};

/// What a service that is left as it is still gets: a container that crashed or was stopped is started
/// again, unless the spec it was made from was rejected, or trouble of the world keeps it from starting.
pub fn keep_alive<'a>(
    situation: &Survey<'a>,
    id: &ServiceId,
    pinned: Option<&Pinned>,
) -> Vec<Replica<'a>> {
    let is_rejected = |container: &ObservedContainer| {
        container.spec().is_some_and(|spec| {
            let key = (id.clone(), spec.clone());
            situation.memory.rejected.contains_key(&key)
                || situation.memory.completed_jobs.contains(&key)
        })
    };
    let waits = pinned.filter(|pinned| situation.waits_out(id, pinned.hash.as_str()).is_some());
    let is_waited_for = |container: &ObservedContainer| {
        waits.is_some_and(|pinned| {
            compare::is_known_to_match(container, &pinned.hash, situation.memory)
        })
    };
    let mut replicas = Vec::new();
    for (number, slot) in slots_of(situation, id) {
        let Some(current) = slot.current else { continue };
        let crashed = match &current.state {
            ContainerState::Exited { code, .. } => *code != 0 || restarts_by_itself(current),
            ContainerState::Created
            | ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting { .. }
            | ContainerState::Dead => false,
        };
        let ours = current.source().is_some() || pinned.is_some();
        if !crashed || !ours || is_rejected(current) || situation.is_job(id) {
            continue;
        }
        if is_waited_for(current) {
            continue;
        }
        let drift = drift::to_run_again(current, situation);
        let name = current.name.clone();
        replicas.push(Replica { number, name, slot, need: Need::Mend(current, drift) });
    }
    replicas
}

/// The spec that shows what it is worth when `container` of a service that is left alone is started again:
/// another one than is wanted, which is tried by its own rollout, and none that was good here before.
pub fn tries_other<'c>(
    situation: &Survey<'_>,
    judged: &Judged<'_>,
    container: &'c ObservedContainer,
) -> Option<&'c SpecHash> {
    let wanted = judged.desired.image.as_ref().ok()?;
    let was_good = situation.memory.deployed.get(&judged.id);
    let spec = container.spec().filter(|_| judged.verdict.is_left_alone())?;
    let is_other = *spec != wanted.hash && was_good.is_none_or(|good| good.spec != *spec);
    is_other.then_some(spec)
}

/// Who holds a service may stop it, too: such a container is not started again.
pub fn respect_stops(judged: &mut Judged<'_>) {
    if matches!(&judged.verdict, Verdict::Held(held) if held.by == HeldBy::Operator) {
        judged.replicas.retain(|replica| !was_stopped(replica));
    }
}

/// Whether the container ended as `docker stop` ends one.
pub fn was_stopped(replica: &Replica<'_>) -> bool {
    replica.slot.current.is_some_and(|container| {
        matches!(container.state, ContainerState::Exited { code: 0 | 137 | 143, oom_killed: false })
    })
}

fn restarts_by_itself(container: &ObservedContainer) -> bool {
    match container.settings.restart {
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::Unset | RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
    }
}
