//! Services in the network of another one's container: when that container is replaced, theirs have to be
//! too, and when it was started again, they have to be started again.
//!
//! A container that was stopped and started has another network than before; whoever was in the old one is
//! cut off, though the id is the same. When they were started tells.

use std::collections::BTreeMap;

use super::change::{self, Judged, Need, Replica};
use super::drift::Drift;
use super::index::Survey;
use super::peers::{self, There};
use super::{Block, Difference, Held, Verdict, alive, windows};
use crate::model::spec::Peer;
use crate::model::{ObservedContainer, ServiceId, ServiceName};

/// What becomes of the container that another one depends on.
enum Fate {
    /// It stays.
    Stays(There),
    /// It is started again in this pass.
    StartsAgain(There),
    /// Another one takes its place in this pass, or a first one is made.
    New,
    /// There is none.
    Absent,
}

/// A container that a service depends on beyond being there first.
struct Other {
    /// The key by which it is shared; `None` for `depends_on` with `restart`.
    key: Option<&'static str>,
    /// In words for people.
    called: String,
    service: Option<ServiceName>,
    fate: Fate,
}

/// Lets every service follow those that it shares with; `judged` stands in dependency order.
pub fn settle<'a>(situation: &Survey<'a>, judged: &mut [Judged<'a>]) {
    let places: BTreeMap<ServiceId, usize> =
        judged.iter().zip(0..).map(|(one, place)| (one.id.clone(), place)).collect();
    for place in 0..judged.len() {
        let service = &judged[place].desired.service;
        let restarts = service.depends_on.values().any(|dependency| dependency.restart);
        if restarts || !service.settings.shared().is_empty() {
            follow(situation, judged, &places, place);
        }
    }
}

fn follow<'a>(
    situation: &Survey<'a>,
    judged: &mut [Judged<'a>],
    places: &BTreeMap<ServiceId, usize>,
    place: usize,
) {
    let others = others(situation, judged, places, &judged[place]);
    let one = &mut judged[place];
    let Ok(pinned) = &one.desired.image else { return };
    if one.verdict.is_left_alone() {
        // Without the other container it could not be started.
        one.replicas.retain(|replica| can_start(situation, replica, &others));
        return;
    }
    let was_in_sync = one.verdict == Verdict::InSync;
    let needs: Vec<Option<Need<'a>>> =
        one.replicas.iter().map(|replica| adapted(situation, replica, &others)).collect();
    if needs.iter().all(Option::is_none) {
        return;
    }
    for (replica, need) in one.replicas.iter_mut().zip(needs) {
        if let Some(need) = need {
            replica.need = need;
        }
    }
    let new = others.iter().filter(|other| matches!(other.fate, Fate::New));
    one.follows = new.filter_map(|other| other.service.clone()).collect();
    one.only_follows = was_in_sync;
    change::conclude(situation, one, pinned);
}

fn can_start(situation: &Survey<'_>, replica: &Replica<'_>, others: &[Other]) -> bool {
    let Some(container) = replica.slot.current else { return true };
    let starts_again = |id: &str| {
        others.iter().any(|other| matches!(&other.fate, Fate::StartsAgain(there) if there.id == id))
    };
    peers::joined(&container.settings).iter().all(|id| {
        starts_again(id) || peers::by_id(situation, id).is_some_and(|there| there.is_running)
    })
}

fn others(
    situation: &Survey<'_>,
    judged: &[Judged<'_>],
    places: &BTreeMap<ServiceId, usize>,
    one: &Judged<'_>,
) -> Vec<Other> {
    let service = &one.desired.service;
    let shared = service.settings.shared();
    let mut others = Vec::new();
    for (key, words) in &shared {
        let Some(peer) = Peer::parse(words) else { continue };
        let there = peers::find(situation, &one.id.stack, words);
        let (name, fate) = match &peer {
            Peer::Service(name) => {
                let place = places.get(&ServiceId::new(&one.id.stack, name));
                (Some(name.clone()), fate(place.map(|place| &judged[*place]), there))
            }
            Peer::Container(_) => (None, there.map_or(Fate::Absent, Fate::Stays)),
        };
        others.push(Other { key: Some(key), called: peer.to_string(), service: name, fate });
    }
    let is_shared = |name: &ServiceName| others.iter().any(|it| it.service.as_ref() == Some(name));
    let restarted: Vec<&ServiceName> = service
        .depends_on
        .iter()
        .filter(|(name, dependency)| dependency.restart && !is_shared(name))
        .map(|(name, _)| name)
        .collect();
    for name in restarted {
        let id = ServiceId::new(&one.id.stack, name);
        let replaced = places.get(&id).is_some_and(|place| is_replaced(&judged[*place]));
        let fate = match (replaced, made_last(situation, &id)) {
            (true, _) => Fate::New,
            (false, Some(there)) => Fate::Stays(there),
            (false, None) => Fate::Absent,
        };
        let called = Peer::Service(name.clone()).to_string();
        others.push(Other { key: None, called, service: Some(name.clone()), fate });
    }
    others
}

fn fate(provider: Option<&Judged<'_>>, there: Option<There>) -> Fate {
    let first = provider.and_then(|one| one.replicas.iter().find(|replica| replica.number == 1));
    match (first.map(|replica| &replica.need), there) {
        (Some(Need::Create | Need::Replace(..)), _) => Fate::New,
        (Some(Need::Mend(_, drift)), Some(there)) if drift.start => Fate::StartsAgain(there),
        (
            Some(Need::Nothing | Need::Mend(..) | Need::Await(_) | Need::Finish(..)) | None,
            Some(there),
        ) => Fate::Stays(there),
        (Some(Need::Retire), _)
        | (Some(Need::Nothing | Need::Mend(..) | Need::Await(_) | Need::Finish(..)) | None, None) => {
            Fate::Absent
        }
    }
}

fn is_replaced(provider: &Judged<'_>) -> bool {
    provider.replicas.iter().any(|replica| matches!(replica.need, Need::Replace(..)))
}

/// A service as one container that was made when the first of its containers was: only when all of them are
/// others than before has it been replaced.
fn made_last(situation: &Survey<'_>, id: &ServiceId) -> Option<There> {
    let slots = change::slots_of(situation, id);
    let first = slots.values().filter_map(|slot| slot.current).min_by_key(|one| one.created_at)?;
    Some(There { id: first.id.to_string(), is_running: true, started_at: first.created_at })
}

/// What a replica needs because of the others; `None` where that is what it needs anyway.
fn adapted<'a>(
    situation: &Survey<'a>,
    replica: &Replica<'a>,
    others: &[Other],
) -> Option<Need<'a>> {
    let (container, drift) = match &replica.need {
        // A job that is done needs nobody.
        Need::Nothing => (replica.slot.current.filter(|one| one.is_up())?, Drift::default()),
        Need::Mend(container, drift) => (*container, drift.clone()),
        Need::Create | Need::Replace(..) | Need::Await(_) | Need::Finish(..) | Need::Retire => {
            return None;
        }
    };
    let elsewhere: Vec<Difference> =
        others.iter().filter_map(|other| elsewhere(other, container)).collect();
    if !elsewhere.is_empty() {
        return Some(Need::Replace(container, [drift.differences, elsewhere].concat()));
    }
    if !container.is_up() {
        return None;
    }
    let restart: Vec<Difference> =
        others.iter().filter_map(|other| again(situation, other, container)).collect();
    if restart.is_empty() {
        return None;
    }
    let differences = [drift.differences.clone(), restart].concat();
    Some(Need::Mend(container, Drift { differences, stop: true, start: true, ..drift }))
}

/// The field of a difference that says in whose network a container is.
pub fn field(key: &str) -> String {
    format!("{key}.container")
}

fn elsewhere(other: &Other, container: &ObservedContainer) -> Option<Difference> {
    let key = other.key?;
    let has = container.settings.joined(key);
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    let from = has.map_or_else(|| "none".to_owned(), short);
    match &other.fate {
        Fate::New => {
            Some(Difference::shown(field(key), from, format!("a new one of {}", other.called)))
        }
        Fate::Stays(there) | Fate::StartsAgain(there) if has != Some(&there.id) => {
            Some(Difference::shown(field(key), from, short(&there.id)))
        }
        Fate::Stays(_) | Fate::StartsAgain(_) | Fate::Absent => None,
    }
}

fn again(
    _situation: &Survey<'_>,
    other: &Other,
    container: &ObservedContainer,
) -> Option<Difference> {
    let is_newer = match &other.fate {
        Fate::StartsAgain(_) => other.key.is_some(),
        Fate::Stays(there) => there.is_newer_than(container),
        Fate::New => other.key.is_none(),
        Fate::Absent => false,
    };
    let (field, to) = match other.key {
        Some(key) => (field(key), format!("{} as it was started again", other.called)),
        None => ("depends_on".to_owned(), format!("{} as it was replaced", other.called)),
    };
    is_newer.then(|| Difference::shown(field, format!("{} as it was", other.called), to))
}

/// A service that only follows one which is left alone after all has nothing to follow.
pub fn let_be(one: &mut Judged<'_>, left_alone: &BTreeMap<ServiceId, Verdict>) {
    let leads = |name: &ServiceName| left_alone.contains_key(&ServiceId::new(&one.id.stack, name));
    if one.only_follows && !one.verdict.is_left_alone() && one.follows.iter().any(leads) {
        one.verdict = Verdict::InSync;
        one.follows.clear();
        one.replicas.iter_mut().for_each(|replica| replica.need = Need::Nothing);
    }
}

/// Leaves alone what would cut off a service that is left alone; false where there is none such.
pub fn spare<'a>(situation: &Survey<'a>, judged: &mut [Judged<'a>]) -> bool {
    let cut_off = judged.iter().filter(|one| one.verdict.is_left_alone()).find_map(|one| {
        let words = one.desired.service.settings.shared();
        let providers = words.iter().filter_map(|(key, words)| match Peer::parse(words)? {
            Peer::Service(name) => Some((*key, ServiceId::new(&one.id.stack, &name))),
            Peer::Container(_) => None,
        });
        let mut places = providers.filter_map(|(key, id)| {
            let place = judged.iter().position(|provider| provider.id == id)?;
            would_cut_off(situation, &judged[place], one, key).then_some(place)
        });
        let place = places.next()?;
        Some((place, because_of(one, &judged[place].verdict)))
    });
    let Some((place, verdict)) = cut_off else { return false };
    let provider = &mut judged[place];
    provider.verdict = verdict;
    let pinned = provider.desired.image.as_ref().ok();
    provider.replicas = alive::keep_alive(situation, &provider.id, pinned);
    true
}

fn would_cut_off(
    situation: &Survey<'_>,
    provider: &Judged<'_>,
    one: &Judged<'_>,
    key: &str,
) -> bool {
    let replaced = provider.replicas.iter().find_map(|replica| match &replica.need {
        Need::Replace(old, _) if replica.number == 1 && old.is_up() => Some(old.id.as_str()),
        Need::Nothing
        | Need::Create
        | Need::Mend(..)
        | Need::Replace(..)
        | Need::Await(_)
        | Need::Finish(..)
        | Need::Retire => None,
    });
    let Some(old) = replaced else { return false };
    let mut containers = situation.containers_of(&one.id).filter(|container| container.is_up());
    containers.any(|container| container.settings.joined(key) == Some(old))
}

/// What the provider of `one` waits for, in place of what its verdict was.
fn because_of(one: &Judged<'_>, provider: &Verdict) -> Verdict {
    match one.verdict.held() {
        Some(held) => Verdict::Held(Held {
            why: format!("{}, which is in its network, is held: {}", one.id, held.why),
            in_sync: false,
            ..held.clone()
        }),
        None => {
            let id = one.id.clone();
            let waiting = windows::behind([(id.to_string(), &one.verdict)], provider);
            Verdict::Blocked(waiting.map_or_else(|| Block::On(vec![id]), Block::Window))
        }
    }
}
