//! What goes because git no longer names it: services, their containers, networks nobody is attached to.
//!
//! Only what carries the label of a source that was read completely in this pass. Volumes never: there is
//! no step for that.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Builder, For, explanation};
use super::change::{Judged, Need};
use super::index::Survey;
use super::step::{Step, StepId, Target};
use super::{Held, MostRemovals, Situation, Verdict};
use crate::model::memory::HeldBy;
use crate::model::spec::PortBinding;
use crate::model::{NetworkName, ObservedContainer, ServiceId, SourceName, StackName, labels};

/// A service that git no longer names.
pub struct Removal<'a> {
    /// The service.
    pub id: ServiceId,
    /// Its containers, in any state.
    pub containers: Vec<&'a ObservedContainer>,
    /// [`Verdict::Remove`], or why it stays.
    pub verdict: Verdict,
}

/// The containers of services that git no longer names.
pub type Gone<'a> = BTreeMap<ServiceId, Vec<&'a ObservedContainer>>;

/// What is there of the sources this host follows.
pub struct Census<'a> {
    /// What git no longer names of it.
    pub gone: Gone<'a>,
    of_source: BTreeMap<SourceName, BTreeSet<ServiceId>>,
    all: usize,
}

/// Counts the services that are there, and tells which of them git no longer names.
pub fn census<'a>(situation: &Situation<'a>) -> Census<'a> {
    let mut census = Census { gone: BTreeMap::new(), of_source: BTreeMap::new(), all: 0 };
    let mut all: BTreeSet<ServiceId> = BTreeSet::new();
    for container in &situation.observed.containers {
        let (Some(id), Some(source)) = (container.service(), container.source()) else { continue };
        // Other programs may follow other sources on the same engine.
        if !situation.desired.sources_configured.contains(&source) {
            continue;
        }
        all.insert(id.clone());
        census.of_source.entry(source.clone()).or_default().insert(id.clone());
        if is_gone(situation, &id, &source) {
            census.gone.entry(id).or_default().push(container);
        }
    }
    census.all = all.len();
    census
}

/// The services that git no longer names, with the removal guard applied.
pub fn removals<'a>(situation: &Survey<'a>, census: Census<'a>) -> Vec<Removal<'a>> {
    let guard = guard(situation, &census);
    let gone = census.gone.into_iter().filter(|(id, _)| situation.rules.includes(id));
    gone.map(|(id, containers)| {
        let verdict = verdict(situation, &id, guard.as_deref());
        Removal { id, containers, verdict }
    })
    .collect()
}

fn is_gone(situation: &Situation<'_>, id: &ServiceId, source: &SourceName) -> bool {
    if !situation.desired.sources_read.contains(source) {
        return false;
    }
    match (situation.desired.stacks.get(&id.stack), situation.desired.deployment(&id.stack)) {
        (None, _) => true,
        // A stack that cannot be used keeps all that it has.
        (Some(_), None) => false,
        (Some(_), Some(deployment)) => !deployment.services.contains_key(&id.service),
    }
}

/// Why nothing is removed in this pass: too large a share at once, or the last service of a source.
fn guard(situation: &Situation<'_>, census: &Census<'_>) -> Option<String> {
    let Census { gone, of_source, all } = census;
    if situation.rules.allow_removals || gone.is_empty() {
        return None;
    }
    let hint = "run `evenkeel reconcile --once --allow-removals` if that is meant";
    let emptied = of_source.iter().find(|(source, services)| {
        let wanted = situation
            .desired
            .deployments()
            .any(|d| d.stack.source == **source && !d.services.is_empty());
        !wanted && services.iter().all(|id| gone.contains_key(id))
    });
    if let Some((source, _)) = emptied {
        return Some(format!("the source {source} has no service left; {hint}"));
    }
    let most = situation.rules.removals_max;
    let too_many = match most {
        MostRemovals::Percent(percent) => gone.len() * 100 > *all * percent as usize,
        MostRemovals::Count(count) => gone.len() > count as usize,
    };
    (gone.len() > 1 && too_many).then(|| {
        format!(
            "{} of {all} services would be removed at once, more than {most}; {hint}",
            gone.len()
        )
    })
}

fn verdict(situation: &Survey<'_>, id: &ServiceId, guard: Option<&str>) -> Verdict {
    let held = |by, since, why: String, desired| {
        Verdict::Held(Held { by, since, why, desired, differences: Vec::new() })
    };
    if let Some(hold) = situation.memory.hold(id, situation.now) {
        let why = hold.reason.clone().unwrap_or_else(|| "held by an operator".to_owned());
        return held(hold.by, Some(hold.since), why, true);
    }
    if let Some(why) = situation.moves().stays(id) {
        return held(HeldBy::Adoption, None, why.to_owned(), false);
    }
    match guard {
        Some(why) => held(HeldBy::Adoption, None, format!("removal guard: {why}"), false),
        None => Verdict::Remove,
    }
}

/// Removes first what stands in the way of a service that is about to start: a host port, a name. Gives the
/// steps each such service waits for.
pub fn first_of_all(
    builder: &mut Builder,
    removals: &[Removal<'_>],
    judged: &[Judged<'_>],
) -> BTreeMap<ServiceId, Vec<StepId>> {
    let mut waits: BTreeMap<ServiceId, Vec<StepId>> = BTreeMap::new();
    for removal in removals.iter().filter(|removal| removal.verdict == Verdict::Remove) {
        let hindered: Vec<&Judged<'_>> =
            judged.iter().filter(|service| starts(service) && hinders(removal, service)).collect();
        if hindered.is_empty() {
            continue;
        }
        let steps = remove(builder, removal, &[]);
        for service in hindered {
            waits.entry(service.id.clone()).or_default().extend(&steps);
        }
    }
    waits
}

fn starts(service: &Judged<'_>) -> bool {
    service.replicas.iter().any(|replica| match &replica.need {
        Need::Create | Need::Replace(..) => true,
        Need::Mend(_, drift) => drift.start,
        Need::Nothing | Need::Await(_) | Need::Finish(..) | Need::Retire => false,
    })
}

fn hinders(removal: &Removal<'_>, service: &Judged<'_>) -> bool {
    let published = |ports: &[PortBinding]| -> BTreeSet<String> {
        let fixed = ports.iter().filter(|port| !port.published.is_empty());
        fixed.map(|port| format!("{}/{}", port.published, port.target.protocol)).collect()
    };
    let wanted = published(&service.desired.service.settings.ports);
    removal.containers.iter().any(|container| {
        !wanted.is_disjoint(&published(&container.settings.ports))
            || service.replicas.iter().any(|replica| replica.name == container.name)
    })
}

/// Removes all the rest once every other step has ended, and the networks that are left over.
pub fn last_of_all(builder: &mut Builder, situation: &Situation<'_>, removals: Vec<Removal<'_>>) {
    let already: BTreeSet<ServiceId> =
        builder.plan.steps.iter().filter_map(|planned| planned.service.clone()).collect();
    let everything: Vec<StepId> = builder.plan.steps.iter().map(|planned| planned.id).collect();
    let mut removed: Vec<StepId> = Vec::new();
    let mut staying: BTreeSet<StackName> = BTreeSet::new();
    for removal in &removals {
        if removal.verdict == Verdict::Remove {
            if !already.contains(&removal.id) {
                removed.extend(remove(builder, removal, &everything));
            }
        } else {
            staying.insert(removal.id.stack.clone());
        }
        builder.plan.changes.push(explanation(removal.id.clone(), removal.verdict.clone()));
    }
    remove_networks(builder, situation, &staying, &removed, &everything);
}

fn remove(builder: &mut Builder, removal: &Removal<'_>, behind: &[StepId]) -> Vec<StepId> {
    let purpose = For { stack: &removal.id.stack, service: Some(&removal.id) };
    let because = "git no longer names it";
    let mut last = Vec::new();
    for container in &removal.containers {
        let target = Target::Id(container.id.clone());
        let networks: BTreeSet<NetworkName> = container.attached.keys().cloned().collect();
        let stopped = builder.add_on(
            &purpose,
            Step::StopContainer(target.clone()),
            because,
            Vec::new(),
            &networks,
        );
        builder.put_behind(stopped, behind.to_vec());
        last.push(builder.add(&purpose, Step::RemoveContainer(target), because, vec![stopped]));
    }
    last
}

fn remove_networks(
    builder: &mut Builder,
    situation: &Situation<'_>,
    staying: &BTreeSet<StackName>,
    removed: &[StepId],
    everything: &[StepId],
) {
    for network in &situation.observed.networks {
        let (Some(stack), Some(source)) =
            (network.labels.get(labels::COMPOSE_PROJECT), network.labels.get(labels::SOURCE))
        else {
            continue;
        };
        let (name, stack) = (NetworkName::new(&network.name), StackName::new(stack));
        let whole_pass = situation.rules.only.is_empty();
        if !whole_pass
            || staying.contains(&stack)
            || !is_left_over(situation, &name, &stack, &SourceName::new(source))
        {
            continue;
        }
        let in_use =
            situation.observed.foreign.iter().any(|container| container.networks.contains(&name));
        if in_use || !all_users_go(situation, &name) {
            continue;
        }
        let step = Step::RemoveNetwork(name);
        let id = builder.add(
            &For { stack: &stack, service: None },
            step,
            "no service uses it",
            removed.to_vec(),
        );
        builder.put_behind(id, everything.to_vec());
    }
}

fn is_left_over(
    situation: &Situation<'_>,
    network: &NetworkName,
    stack: &StackName,
    source: &SourceName,
) -> bool {
    if !situation.desired.sources_read.contains(source) {
        return false;
    }
    match (situation.desired.stacks.get(stack), situation.desired.deployment(stack)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(deployment)) => {
            deployment.stack.networks.values().all(|wanted| wanted.name != *network)
        }
    }
}

/// Whether every container attached to the network belongs to a service that is removed. A service that is
/// moved off the network in this pass leaves it to the next one.
fn all_users_go(situation: &Situation<'_>, network: &NetworkName) -> bool {
    situation
        .observed
        .containers
        .iter()
        .filter(|container| container.attached.contains_key(network))
        .all(|container| match (container.service(), container.source()) {
            (Some(id), Some(source)) => is_gone(situation, &id, &source),
            (Some(_) | None, None) | (None, Some(_)) => false,
        })
}
