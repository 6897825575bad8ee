//! Stacks that got another name: their data lies under the old one (interface: data first).
//!
//! Nothing at the engine says that one stack is another's successor. A stack that goes while another of
//! its source has services of the same names which are not there yet is taken for renamed; that matters
//! only where a new container would see other data than the old one wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::compare;
use super::index::Survey;
use super::removal::Gone;
use crate::model::desired::{Deployment, Pinned};
use crate::model::spec::MountSource;
use crate::model::{ContainerSpec, DesiredService, ObservedContainer, ServiceId, ServiceName};

/// What renamed stacks put at risk.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// New services that would see other data than their predecessors wrote.
    risks: BTreeMap<ServiceId, Risk>,
    /// Old services that stay until that is settled, and why.
    staying: BTreeMap<ServiceId, String>,
}

/// Data that a service would leave behind under its old name.
#[derive(Clone, Debug)]
struct Risk {
    before: ServiceId,
    target: String,
    old: String,
    new: String,
}

impl Moves {
    /// Why `service` is not created under its new name; `None` where no data is at risk.
    pub fn risk(&self, service: &ServiceId) -> Option<String> {
        let Risk { before, target, old, new } = self.risks.get(service)?;
        Some(format!(
            "data first: {target} of {before} shows {old}, here it would show {new}; move the data, or confirm with `evenkeel adopt {service}`"
        ))
    }

    /// Why `service` is not removed though git no longer names it.
    pub fn stays(&self, service: &ServiceId) -> Option<&str> {
        self.staying.get(service).map(String::as_str)
    }
}

/// Looks for successors of what is `gone`.
pub fn moves(situation: &Survey<'_>, gone: &Gone<'_>) -> Moves {
    let mut moves = Moves::default();
    let mut predecessors: BTreeMap<&ServiceName, Vec<&ServiceId>> = BTreeMap::new();
    for id in gone.keys().filter(|id| !situation.desired.stacks.contains_key(&id.stack)) {
        predecessors.entry(&id.service).or_default().push(id);
    }
    if predecessors.is_empty() {
        return moves;
    }
    for deployment in situation.desired.deployments() {
        successors(situation, gone, &predecessors, deployment, &mut moves);
    }
    moves
}

/// The services of one stack that are not there yet, in dependency order: those that put data at risk, and
/// those that must wait for such a one.
fn successors(
    situation: &Survey<'_>,
    gone: &Gone<'_>,
    predecessors: &BTreeMap<&ServiceName, Vec<&ServiceId>>,
    deployment: &Deployment,
    moves: &mut Moves,
) {
    let mut waiting: BTreeSet<&ServiceName> = BTreeSet::new();
    for (name, desired) in &deployment.services {
        let id = ServiceId::new(&deployment.stack.name, name);
        let is_new = situation.containers_of(&id).next().is_none();
        let before = predecessors.get(name).into_iter().flatten().filter(|before| {
            gone[**before].iter().all(|old| old.source() == Some(&deployment.stack.source))
        });
        let before: Vec<&&ServiceId> = before.filter(|_| is_new).collect();
        let risk = before.iter().find_map(|before| risk(desired, before, &gone[**before]));
        let why = match &risk {
            _ if is_confirmed(situation, &id, desired) => continue,
            Some(_) => format!("data first: {id} is to take over with other data and is held"),
            None => match needed(desired, &waiting) {
                Some(other) if is_new => format!("{id}, which is to take over, waits for {other}"),
                Some(_) | None => continue,
            },
        };
        waiting.insert(name);
        for before in before {
            moves.staying.entry((*before).clone()).or_insert_with(|| why.clone());
        }
        moves.risks.extend(risk.map(|risk| (id, risk)));
    }
}

fn is_confirmed(situation: &Survey<'_>, id: &ServiceId, desired: &DesiredService) -> bool {
    let Ok(Pinned { hash, .. }) = &desired.image else { return false };
    situation.memory.adopted.contains(&(id.clone(), hash.clone()))
}

fn needed<'d>(
    desired: &'d DesiredService,
    waiting: &BTreeSet<&ServiceName>,
) -> Option<&'d ServiceName> {
    let mut needs = desired.service.depends_on.iter().filter(|(_, one)| one.required);
    needs.find(|(name, _)| waiting.contains(name)).map(|(name, _)| name)
}

fn risk(
    desired: &DesiredService,
    before: &ServiceId,
    containers: &[&ObservedContainer],
) -> Option<Risk> {
    let wanted = &desired.service.settings;
    let mut conflicts = containers.iter().filter_map(|old| {
        compare::left_behind(wanted, &old.settings).or_else(|| left_unnamed(wanted, old))
    });
    let (target, old, new) = conflicts.next()?;
    Some(Risk { before: before.clone(), target, old, new })
}

/// A volume that the engine named for the old container: a container of another stack does not inherit it.
fn left_unnamed(
    wanted: &ContainerSpec,
    old: &ObservedContainer,
) -> Option<(String, String, String)> {
    let (target, volume) = old.anonymous_volumes.iter().find(|(target, volume)| {
        let named = |source: &MountSource| match source {
            MountSource::Volume { name, .. } => name == *volume,
            MountSource::Bind { .. } | MountSource::Anonymous | MountSource::Image { .. } => false,
        };
        let is_kept = wanted.mounts.iter().any(|new| new.target == **target && named(&new.source));
        !is_kept && !wanted.tmpfs.contains_key(*target)
    })?;
    let short = volume.as_str().get(..12).unwrap_or(volume.as_str());
    Some((target.clone(), format!("the anonymous volume {short}"), "an empty one".to_owned()))
}
