//! Replicas in batches: so many at a time, with a pause between, so that a bad one stops the rest.

use super::Emission;
use crate::plan::change::{Need, Replica};
use crate::plan::step::Step;
use crate::plan::way_back::WayBack;

impl Emission<'_, '_> {
    /// Plans every replica, batch by batch, and gives the ways back of all.
    pub(super) fn all_replicas(&mut self) -> Vec<WayBack> {
        let size = self.batch_size();
        let mut in_batch = 0;
        let mut ways = Vec::new();
        for replica in &self.service.replicas {
            if comes_up(replica) {
                if in_batch == size {
                    self.next_batch();
                    in_batch = 0;
                }
                in_batch += 1;
            }
            ways.push(self.replica(replica));
        }
        ways
    }

    /// How many replicas at a time: what does not run yet takes nothing from anybody and may come at once.
    fn batch_size(&self) -> usize {
        let interrupts = self.service.replicas.iter().any(|replica| match &replica.need {
            Need::Replace(..) | Need::Finish(..) => true,
            Need::Mend(_, drift) => drift.stop,
            Need::Nothing | Need::Create | Need::Await(_) | Need::Retire => false,
        });
        match self.service.desired.service.rollout.parallelism {
            0 => usize::MAX,
            _ if !interrupts => usize::MAX,
            some => some as usize,
        }
    }

    /// The next batch waits for this one to have come through.
    fn next_batch(&mut self) {
        let ends = std::mem::take(&mut self.ends);
        let delay = self.service.desired.service.rollout.delay;
        if delay.is_zero() || ends.is_empty() {
            return self.waits.extend(ends);
        }
        let because = "`update_config.delay` between two batches";
        let paused = self.add(Step::Pause(delay), because, ends);
        self.waits.push(paused);
    }
}

/// Whether a container of the replica is started.
fn comes_up(replica: &Replica<'_>) -> bool {
    match &replica.need {
        Need::Create | Need::Replace(..) | Need::Finish(..) => true,
        Need::Mend(_, drift) => drift.start,
        Need::Nothing | Need::Await(_) | Need::Retire => false,
    }
}
