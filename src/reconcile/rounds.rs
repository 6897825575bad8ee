//! When each source was asked, and what it said: it is asked again when its own interval is over, however often
//! other things begin a pass.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::sources::SourceSeen;
use crate::model::SourceName;

/// What sources said last, and when to ask them again.
#[derive(Default)]
pub struct Rounds(Mutex<BTreeMap<SourceName, Answer>>);

struct Answer {
    seen: SourceSeen,
    due: Instant,
}

impl Rounds {
    /// What `source` said, as long as that holds.
    pub fn holds(&self, source: &SourceName, now: Instant) -> Option<SourceSeen> {
        let answers = self.answers();
        answers.get(source).filter(|answer| now < answer.due).map(|answer| answer.seen.clone())
    }

    /// Notes what a source said, which holds until it is `due`.
    pub fn note(&self, seen: &SourceSeen, due: Instant) {
        let mut seen = seen.clone();
        // It has been said.
        seen.remarks.clear();
        self.answers().insert(seen.name.clone(), Answer { seen, due });
    }

    /// Notes what became of what a source said, for as long as that holds.
    pub fn know(&self, seen: &SourceSeen) {
        if let Some(answer) = self.answers().get_mut(&seen.name) {
            answer.seen = seen.clone();
            answer.seen.remarks.clear();
            answer.seen.accepted = None;
        }
    }

    /// The next pass asks `source`.
    pub fn forget(&self, source: &SourceName) {
        self.answers().remove(source);
    }

    /// The next pass asks all of them.
    pub fn forget_all(&self) {
        self.answers().clear();
    }

    /// When the first of them is to be asked again.
    pub fn next_due(&self) -> Option<Instant> {
        self.answers().values().map(|answer| answer.due).min()
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<SourceName, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
