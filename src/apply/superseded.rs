//! Services of which a newer commit wants something else while a pass is at work for an older one.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ServiceId;

/// Services that a newer commit changes: what waits at its gate for one of them is given up and taken back.
/// Grows while the pass is at work.
#[derive(Debug, Default)]
pub struct Superseded(Mutex<BTreeSet<ServiceId>>);

impl Superseded {
    /// Adds services.
    pub fn extend(&self, services: impl IntoIterator<Item = ServiceId>) {
        self.lock().extend(services);
    }

    /// Whether a newer commit changes `service`.
    pub fn contains(&self, service: &ServiceId) -> bool {
        self.lock().contains(service)
    }

    /// Whether nothing was superseded.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<ServiceId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
