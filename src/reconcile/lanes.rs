//! Passes side by side: while one waits for its containers, the next one may change other stacks.
//!
//! A stack is changed by one pass at a time. What a pass has in hand it keeps until it has recorded how that went;
//! a pass that begins meanwhile leaves those stacks alone, and those that wait for them, and tells the earlier pass
//! which of its services are wanted otherwise by now.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;

use super::lock::{self, LockError, PATIENCE, Turn};
use crate::apply::{Networks, Superseded};
use crate::model::{ServiceId, StackName};
use crate::resolve::Loaded;

/// What is under way in this process.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Mutex<Traffic>>);

#[derive(Default)]
struct Traffic {
    turn: Weak<Turn>,
    under_way: Vec<Arc<UnderWay>>,
    networks: Networks,
}

/// A pass that changes something.
struct UnderWay {
    stacks: Mutex<BTreeSet<StackName>>,
    loaded: Loaded,
    superseded: Superseded,
    /// Another pass has begun meanwhile.
    was_passed: AtomicBool,
    /// Something befell what is in hand.
    is_owed: AtomicBool,
}

/// What one pass has in hand, until it is dropped.
pub struct Lane {
    lanes: Lanes,
    own: Arc<UnderWay>,
    _turn: Arc<Turn>,
}

impl Lanes {
    /// The host's lock, for as long as anything is under way.
    pub async fn turn(
        &self,
        state_dir: &Path,
        purpose: &str,
        now: Timestamp,
    ) -> Result<Arc<Turn>, LockError> {
        let shared = self.traffic().turn.upgrade();
        if let Some(turn) = shared {
            return Ok(turn);
        }
        let turn = Arc::new(lock::take(state_dir, purpose, now, PATIENCE).await?);
        self.traffic().turn = Arc::downgrade(&turn);
        Ok(turn)
    }

    /// Whether `stack` is in hand.
    pub fn has(&self, stack: &StackName) -> bool {
        self.traffic().under_way.iter().any(|other| other.stacks().contains(stack))
    }

    /// How many passes are under way.
    pub fn count(&self) -> usize {
        self.traffic().under_way.len()
    }

    /// The stacks that a pass for `loaded` leaves alone. Who has them in hand hears what is wanted otherwise.
    pub fn meet(&self, loaded: &Loaded) -> BTreeSet<StackName> {
        let traffic = self.traffic();
        let mut busy = BTreeSet::new();
        for other in &traffic.under_way {
            other.superseded.extend(changed(&other.loaded, loaded));
            other.was_passed.store(true, Ordering::Relaxed);
            busy.extend(other.stacks().iter().cloned());
        }
        with_those_behind(busy, loaded)
    }

    /// Something befell `stack`: whoever has it in hand owes a look at it afterwards. Whether anybody has.
    pub fn owe(&self, stack: &StackName) -> bool {
        let traffic = self.traffic();
        let other = traffic.under_way.iter().find(|other| other.stacks().contains(stack));
        other.inspect(|other| other.is_owed.store(true, Ordering::Relaxed)).is_some()
    }

    /// A lane for a pass for `loaded`, which has nothing in hand yet.
    pub fn enter(&self, loaded: &Loaded, turn: Arc<Turn>) -> Lane {
        let own = Arc::new(UnderWay {
            stacks: Mutex::default(),
            loaded: loaded.clone(),
            superseded: Superseded::default(),
            was_passed: AtomicBool::new(false),
            is_owed: AtomicBool::new(false),
        });
        self.traffic().under_way.push(Arc::clone(&own));
        Lane { lanes: self.clone(), own, _turn: turn }
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn stacks(&self) -> MutexGuard<'_, BTreeSet<StackName>> {
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Takes `stacks` in hand, none of which [`Lanes::meet`] named.
    pub fn claim(&self, stacks: impl IntoIterator<Item = StackName>) {
        self.own.stacks().extend(stacks);
    }

    /// Services of which a newer commit wants something else.
    pub fn superseded(&self) -> &Superseded {
        &self.own.superseded
    }

    /// Who may take and free addresses on networks, over all passes.
    pub fn networks(&self) -> Networks {
        self.lanes.traffic().networks.clone()
    }

    /// Whether nothing else is under way.
    pub fn is_alone(&self) -> bool {
        self.lanes.count() == 1
    }

    /// The stacks in hand, where another pass has begun meanwhile: it saw all others later than this one.
    pub fn only(&self) -> Option<BTreeSet<StackName>> {
        self.was_passed().then(|| self.own.stacks().clone())
    }

    /// Whether the next pass is due when this one ends: another one left alone what this one has in hand, or something
    /// befell that.
    pub fn calls_for_another(&self) -> bool {
        self.was_passed() || self.own.is_owed.load(Ordering::Relaxed)
    }

    fn was_passed(&self) -> bool {
        self.own.was_passed.load(Ordering::Relaxed)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.lanes.traffic().under_way.retain(|other| !Arc::ptr_eq(other, &self.own));
    }
}

/// `busy`, and the stacks that wait for one of them (`x-evenkeel.after`): how that ends is not known yet.
fn with_those_behind(mut busy: BTreeSet<StackName>, loaded: &Loaded) -> BTreeSet<StackName> {
    loop {
        let behind = loaded.stacks.iter().filter(|stack| {
            let after = stack.content.as_ref().map_or(&[][..], |stack| &stack.after);
            !busy.contains(&stack.name) && after.iter().any(|other| busy.contains(other))
        });
        let behind: Vec<StackName> = behind.map(|stack| stack.name.clone()).collect();
        if behind.is_empty() {
            return busy;
        }
        busy.extend(behind);
    }
}

/// Services that are no longer wanted as they were. A stack that cannot be read changes nothing.
fn changed(before: &Loaded, newer: &Loaded) -> Vec<ServiceId> {
    let mut changed = Vec::new();
    for stack in &before.stacks {
        let again = newer.stacks.iter().find(|one| one.name == stack.name);
        let (Ok(old), Some(Ok(new))) = (&stack.content, again.map(|one| &one.content)) else {
            continue;
        };
        for service in old.services.values() {
            let is_same = new.services.get(&service.name).is_some_and(|newer| {
                newer.image == service.image && newer.settings == service.settings
            });
            if !is_same {
                changed.push(ServiceId::new(&stack.name, &service.name));
            }
        }
    }
    changed
}
