//! Who may take or free an address on a network: whoever switches holds it alone, whoever just starts or
//! stops shares it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::model::NetworkName;
use crate::plan::{Change, Plan, PlannedStep};

/// One lock per network, for all plans that are carried out at the same time.
#[derive(Clone, Debug, Default)]
pub struct Networks(Arc<Mutex<BTreeMap<NetworkName, Arc<RwLock<()>>>>>);

impl Networks {
    fn of(&self, name: &NetworkName) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(name.clone()).or_default())
    }
}

/// The locks of the networks that one plan is about.
pub struct Addresses(BTreeMap<NetworkName, Arc<RwLock<()>>>);

/// The locks that some steps need.
pub struct AddressLocks {
    locks: Vec<Arc<RwLock<()>>>,
    alone: bool,
}

/// Locks that are held.
pub enum Held {
    /// Nobody else has them.
    Alone(Vec<OwnedRwLockWriteGuard<()>>),
    /// Others share them.
    Shared(Vec<OwnedRwLockReadGuard<()>>),
}

impl AddressLocks {
    /// Takes the locks in the order of the networks' names, so that no two wait for each other.
    pub async fn lock(&self) -> Held {
        if self.alone {
            let mut guards = Vec::new();
            for lock in &self.locks {
                guards.push(lock.clone().write_owned().await);
            }
            return Held::Alone(guards);
        }
        let mut guards = Vec::new();
        for lock in &self.locks {
            guards.push(lock.clone().read_owned().await);
        }
        Held::Shared(guards)
    }
}

impl Addresses {
    /// Those among `networks` that `plan` is about.
    pub fn new(plan: &Plan, networks: &Networks) -> Self {
        let of_sections = plan.sections.iter().flat_map(|section| &section.networks);
        let of_steps = plan.steps.iter().flat_map(|planned| &planned.networks);
        let of_ways_back = plan.changes.iter().flat_map(|change| &change.way_back_networks);
        let names: BTreeSet<_> = of_sections.chain(of_steps).chain(of_ways_back).collect();
        Self(names.into_iter().map(|name| (name.clone(), networks.of(name))).collect())
    }

    /// Those that steps which run one after the other need.
    pub fn of_unit(&self, plan: &Plan, unit: &[&PlannedStep]) -> AddressLocks {
        let section = unit.first().and_then(|planned| planned.section);
        match section.and_then(|section| plan.sections.get(section.0)) {
            Some(section) => self.locks(&section.networks, true),
            None => {
                let networks = unit.iter().flat_map(|planned| planned.networks.iter().cloned());
                self.locks(&networks.collect(), false)
            }
        }
    }

    /// Those that a way back needs.
    pub fn of_way_back(&self, change: &Change) -> AddressLocks {
        self.locks(&change.way_back_networks, true)
    }

    fn locks(&self, networks: &BTreeSet<NetworkName>, alone: bool) -> AddressLocks {
        let locks = networks.iter().filter_map(|name| self.0.get(name).cloned()).collect();
        AddressLocks { locks, alone }
    }
}
