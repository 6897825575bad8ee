//! Replicas in batches: so many at a time, with a pause between, so that a bad one stops the rest.

use super::Emission;
use crate::model::stack::FailureAction;
use crate::plan::change::{Judged, Need, Replica};
use crate::plan::step::Step;
use crate::plan::way_back::WayBack;

impl Emission<'_, '_> {
    /// Plans every replica, batch by batch, and gives the way back of each by its number.
    pub(super) fn all_replicas(&mut self) -> Vec<(u32, WayBack)> {
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
            let planned = self.builder.plan.steps.len();
            ways.push((replica.number, self.replica(replica)));
            for step in self.builder.plan.steps.iter_mut().skip(planned) {
                step.replica = (self.bears > 0).then_some(replica.number);
            }
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

    /// The next batch waits for this one to have come through; where some may fail, to have ended.
    fn next_batch(&mut self) {
        let mut ends = std::mem::take(&mut self.ends);
        let delay = self.service.desired.service.rollout.delay;
        if !delay.is_zero() && !ends.is_empty() {
            let because = "`update_config.delay` between two batches";
            let (after, behind) =
                if self.bears == 0 { (ends, Vec::new()) } else { (Vec::new(), ends) };
            let paused = self.add(Step::Pause(delay), because, after);
            self.builder.put_behind(paused, behind);
            ends = vec![paused];
        }
        match self.bears {
            0 => self.waits.extend(ends),
            _ => self.behind.extend(ends),
        }
    }
}

/// How many replicas may fail without taking the others back.
pub(super) fn bears(service: &Judged<'_>) -> usize {
    let wanted = &service.desired.service;
    let share = match wanted.rollout.failure_action {
        FailureAction::Continue => 1_000_000,
        FailureAction::Rollback | FailureAction::Pause => wanted.rollout.max_failure_ratio,
    };
    let bears = u64::from(wanted.replicas) * u64::from(share) / 1_000_000;
    // One replica alone has no others to spare.
    if wanted.replicas > 1 { usize::try_from(bears).unwrap_or(usize::MAX) } else { 0 }
}

/// Whether a container of the replica is started.
fn comes_up(replica: &Replica<'_>) -> bool {
    match &replica.need {
        Need::Create | Need::Replace(..) | Need::Finish(..) => true,
        Need::Mend(_, drift) => drift.start,
        Need::Nothing | Need::Await(_) | Need::Retire => false,
    }
}
