//! WHAT goes because git no longer names it. How it goes is in [`super::clearing`].
//!
//! Only what carries the label of a source that was read completely in this pass. Volumes never: there is
//! no step for that.

use std::collections::BTreeMap;

use super::index::Survey;
use super::{Block, Held, MostRemovals, Situation, Verdict, windows};
use crate::model::{ObservedContainer, ServiceId, SourceName};

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
    /// Whether anything of a source stays.
    stays: BTreeMap<SourceName, bool>,
    all: usize,
}

/// Counts the services that are there, and tells which of them git no longer names.
pub fn census<'a>(situation: &Survey<'a>) -> Census<'a> {
    let mut census = Census { gone: BTreeMap::new(), stays: BTreeMap::new(), all: 0 };
    for (id, containers) in situation.services() {
        let mut is_ours = false;
        for container in containers {
            let Some(source) = container.source() else { continue };
            // Other programs may follow other sources on the same engine.
            if !situation.desired.sources_configured.contains(source) {
                continue;
            }
            is_ours = true;
            let is_gone = is_gone(situation, id, source);
            *census.stays.entry(source.clone()).or_default() |= !is_gone;
            if is_gone {
                census.gone.entry(id.clone()).or_default().push(*container);
            }
        }
        census.all += usize::from(is_ours);
    }
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

/// Whether git no longer names the service that a container of `source` belongs to.
pub fn is_gone(situation: &Situation<'_>, id: &ServiceId, source: &SourceName) -> bool {
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
    let Census { gone, stays, all } = census;
    if situation.rules.allow_removals || gone.is_empty() {
        return None;
    }
    let hint = "run `evenkeel reconcile --once --allow-removals` if that is meant";
    let emptied = stays.iter().filter(|(_, stays)| !**stays).find(|(source, _)| {
        let mut deployments = situation.desired.deployments();
        !deployments.any(|d| d.stack.source == **source && !d.services.is_empty())
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
    if let Some(hold) = situation.memory.hold(id, situation.now) {
        return Verdict::Held(Held::by(hold, Vec::new(), false));
    }
    let question = |why| Verdict::Held(Held::question(why, Vec::new()));
    if let Some(why) = situation.moves().stays(id) {
        return question(why.to_owned());
    }
    match guard {
        Some(why) => question(format!("removal guard: {why}")),
        None => match windows::closed_for_removal(situation, id) {
            Some(waiting) => Verdict::Blocked(Block::Window(waiting)),
            None => Verdict::Remove,
        },
    }
}
