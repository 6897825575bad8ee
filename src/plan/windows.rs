//! Windows: until when a deployment waits that may start at certain hours only.
//!
//! A deployment is what brings something that was not deployed here before: a new service, another spec, other
//! replicas. What puts back what was deployed, starts it again, or finishes what was begun is none and never waits.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::change::{Judged, Need};
use super::index::Survey;
use super::{Block, Difference, Verdict};
use crate::model::desired::{PinOrigin, Pinned};
use crate::model::memory::Deployed;
use crate::model::{ImageRef, ServiceId, StackName, Window, window};

/// When deployments may start, as the operator has it.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Somebody said to do it now.
    pub ignored: bool,
    /// The zone of windows that name none.
    pub zone: TimeZone,
    /// For all stacks but those that have their own.
    pub host: Option<Window>,
    /// In place of the host's.
    pub stacks: BTreeMap<StackName, Window>,
}

impl Default for Windows {
    /// Always, in UTC.
    fn default() -> Self {
        Self { ignored: false, zone: TimeZone::UTC, host: None, stacks: BTreeMap::new() }
    }
}

impl Windows {
    /// The operator's window for `stack`, and where it stands.
    pub fn of_operator(&self, stack: &StackName) -> Option<(Owner, &Window)> {
        match self.stacks.get(stack) {
            Some(window) => Some((Owner::Settings, window)),
            None => self.host.as_ref().map(|window| (Owner::Host, window)),
        }
    }
}

/// Whose window it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `window` in the host's configuration.
    Host,
    /// `stacks.<name>.window` there.
    Settings,
    /// `x-evenkeel.window` at the top of the manifest.
    Manifest,
    /// `x-evenkeel.update.window` of the service, for an image that it follows.
    Update,
}

impl std::fmt::Display for Owner {
    /// Completes "the window … ".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "of this host",
            Self::Settings => "of this stack in the host's configuration",
            Self::Manifest => "of its manifest",
            Self::Update => "of its `update`",
        })
    }
}

/// What waits for a window, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// Another service or stack that waits, and this one for it.
    pub behind: Option<String>,
    /// The window as it is written.
    pub window: String,
    /// Whose it is.
    pub owner: Owner,
    /// When it is open, and all others that have to be; `None` where they never are at once.
    pub until: Option<Timestamp>,
    /// What would be done.
    pub differences: Vec<Difference>,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(other) = &self.behind {
            write!(f, "waits for {other}, which ")?;
        }
        write!(f, "waits for the window `{}` {}", self.window, self.owner)
    }
}

/// Until when the change waits that `judged` stands for; `None` where it may be made now.
pub fn closed(situation: &Survey<'_>, judged: &Judged<'_>, pinned: &Pinned) -> Option<Waiting> {
    if situation.rules.windows.ignored || !is_deployment(situation, judged, pinned) {
        return None;
    }
    let stack = &judged.deployment.stack;
    let mut windows: Vec<(Owner, &Window)> = Vec::new();
    windows.extend(situation.rules.windows.of_operator(&stack.name));
    windows.extend(stack.window.as_ref().map(|window| (Owner::Manifest, window)));
    let update = judged.desired.service.update.as_ref();
    let of_update = update.and_then(|update| update.window.as_ref());
    if pinned.origin == PinOrigin::Followed && is_image_new(judged, pinned) {
        windows.extend(of_update.map(|window| (Owner::Update, window)));
    }
    waiting(situation, &windows, judged.verdict.reasons())
}

/// The same for a service that git no longer names. That waits too: what is renamed goes and comes, and would
/// be gone meanwhile.
pub fn closed_for_removal(situation: &Survey<'_>, id: &ServiceId) -> Option<Waiting> {
    if situation.rules.windows.ignored {
        return None;
    }
    let mut windows: Vec<(Owner, &Window)> = Vec::new();
    windows.extend(situation.rules.windows.of_operator(&id.stack));
    let deployment = situation.desired.deployment(&id.stack);
    let of_manifest = deployment.and_then(|deployment| deployment.stack.window.as_ref());
    windows.extend(of_manifest.map(|window| (Owner::Manifest, window)));
    waiting(situation, &windows, Verdict::Remove.reasons())
}

fn waiting(
    situation: &Survey<'_>,
    windows: &[(Owner, &Window)],
    differences: Vec<Difference>,
) -> Option<Waiting> {
    let (zone, now) = (&situation.rules.windows.zone, situation.now);
    let (owner, closed) = windows.iter().find(|(_, window)| !window.is_open(now, zone))?;
    let all: Vec<&Window> = windows.iter().map(|(_, window)| *window).collect();
    Some(Waiting {
        behind: None,
        window: closed.to_string(),
        owner: *owner,
        until: window::all_open(&all, now, zone),
        differences,
    })
}

/// What a change that has to wait for `others` waits for, where these wait for nothing but windows: `None` where
/// one of them waits for something else.
pub fn behind<'a>(
    others: impl IntoIterator<Item = (String, &'a Verdict)>,
    own: &Verdict,
) -> Option<Waiting> {
    let mut latest: Option<Waiting> = None;
    for (name, verdict) in others {
        let waiting = verdict.waiting()?;
        let is_later = |latest: &Waiting| {
            let time = |waiting: &Waiting| waiting.until.unwrap_or(Timestamp::MAX);
            time(waiting) > time(latest)
        };
        if latest.as_ref().is_none_or(is_later) {
            latest = Some(Waiting { behind: Some(name), ..waiting.clone() });
        }
    }
    latest.map(|waiting| Waiting { differences: own.reasons(), ..waiting })
}

impl Verdict {
    /// What it waits for, if that is a window.
    pub fn waiting(&self) -> Option<&Waiting> {
        if let Self::Blocked(Block::Window(waiting)) = self { Some(waiting) } else { None }
    }
}

/// Whether carrying the verdict out would bring something that was not deployed here before.
fn is_deployment(situation: &Survey<'_>, judged: &Judged<'_>, pinned: &Pinned) -> bool {
    let wanted = wanted(judged, pinned);
    let before = situation.memory.deployed.get(&judged.id);
    let was_deployed = before == Some(&wanted);
    match &judged.verdict {
        Verdict::Create => before.is_none_or(|before| before.spec != wanted.spec),
        Verdict::Update(_) => !was_deployed && !is_begun(judged, pinned),
        // Without a record, replicas that are there were made by a pass that died before it wrote one.
        Verdict::Mend(_) if before.is_none() && is_begun(judged, pinned) => false,
        Verdict::Mend(_) => !was_deployed && asks_for_more(judged, pinned),
        Verdict::InSync
        | Verdict::Start(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove
        | Verdict::Held(_)
        | Verdict::Rejected { .. }
        | Verdict::Blocked(_) => false,
    }
}

/// What is to be remembered of the service once it is deployed.
fn wanted(judged: &Judged<'_>, pinned: &Pinned) -> Deployed {
    Deployed::of(&judged.desired.service, &pinned.hash)
}

/// Whether a change in place is one that git may have asked for: other replicas, another name, or whatever there
/// is about a container that was not made by evenkeel from this very spec.
fn asks_for_more(judged: &Judged<'_>, pinned: &Pinned) -> bool {
    judged.replicas.iter().any(|replica| match &replica.need {
        Need::Create | Need::Retire => true,
        Need::Mend(container, _) => {
            container.spec() != Some(&pinned.hash) || container.name != replica.name
        }
        Need::Nothing | Need::Replace(..) | Need::Await(_) | Need::Finish(..) => false,
    })
}

/// Whether a replica is as it is to be: a rollout that was begun is brought to its end.
fn is_begun(judged: &Judged<'_>, pinned: &Pinned) -> bool {
    let mut containers = judged.replicas.iter().filter_map(|replica| replica.slot.current);
    containers.any(|container| container.spec() == Some(&pinned.hash))
}

/// Whether another image is to run than does.
fn is_image_new(judged: &Judged<'_>, pinned: &Pinned) -> bool {
    let containers = judged.replicas.iter().filter_map(|replica| replica.slot.current);
    let digests = containers.map(|container| {
        let reference = ImageRef::parse(&container.image).ok();
        reference.and_then(|reference| reference.digest().cloned())
    });
    let mut digests = digests.peekable();
    digests.peek().is_none() || digests.any(|digest| digest.as_ref() != Some(pinned.image.digest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(until: Option<i64>) -> Verdict {
        let until = until.map(|second| Timestamp::from_second(second).unwrap());
        let (window, owner) = ("Sat 02:00-05:00".to_owned(), Owner::Host);
        let differences = vec![Difference::hidden("command")];
        Verdict::Blocked(Block::Window(Waiting { behind: None, window, owner, until, differences }))
    }

    #[test]
    fn who_waits_for_several_waits_for_the_last_of_them() {
        let (early, late, never) = (waits(Some(10)), waits(Some(20)), waits(None));
        let own = Verdict::Update(vec![Difference::hidden("image")]);
        for (others, expected) in [
            (vec![], None),
            (vec![&early], Some(0)),
            (vec![&early, &late], Some(1)),
            (vec![&late, &early], Some(0)),
            (vec![&late, &late], Some(0)),
            (vec![&late, &never], Some(1)),
            (vec![&never, &late], Some(0)),
            // What waits for something else keeps nobody waiting for a window.
            (vec![&late, &Verdict::Create], None),
        ] {
            let named = others.iter().enumerate().map(|(place, one)| (place.to_string(), *one));
            let told = behind(named, &own);
            assert_eq!(
                told,
                expected.map(|place: usize| Waiting {
                    behind: Some(place.to_string()),
                    differences: own.reasons(),
                    ..others[place].waiting().unwrap().clone()
                }),
                "{others:?}"
            );
        }
    }
}
