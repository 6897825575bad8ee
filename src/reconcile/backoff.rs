//! Trouble of the world, service by service: since when, and when what failed is tried again.
//!
//! That a service waits is decided in [`crate::plan`]; here is what a pass remembers for it.

use std::time::Duration;

use jiff::Timestamp;

use super::view::View;
use crate::apply::{Outcome, ServiceResult};
use crate::history::{History, HistoryError};
use crate::model::memory::{HoldScope, Memory, Trouble};
use crate::model::{ServiceId, ServiceOutcome};
use crate::plan::{Block, Change, Plan, Verdict};
use crate::resolve;

/// The wait after a first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// What a pass says about the trouble with one service.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It was tried, and the world was in the way.
    Failed { about: String, error: String },
    /// There is none, or none of the world.
    Over,
    /// It was not tried.
    None,
}

/// Remembers which services met trouble of the world in a pass that began at `begun` and ended `now`, and forgets
/// those that no longer do.
pub fn record(
    history: &History,
    view: &View,
    plan: &Plan,
    outcome: &Outcome,
    memory: &Memory,
    now: Timestamp,
) -> Result<(), HistoryError> {
    for change in &plan.changes {
        let service = &change.service;
        match news(view, change, outcome) {
            News::Failed { about, error } => {
                let before = memory.trouble(service, &about);
                history.record_trouble(service, &again(before, about, error, now))?;
            }
            News::Over if memory.troubles.contains_key(service) => {
                history.forget_troubles(&HoldScope::Service(service.clone()))?;
            }
            News::Over | News::None => {}
        }
    }
    Ok(())
}

/// When the first of all services that wait is tried again, if that is after `now`.
pub fn next_try(history: &History, now: Timestamp) -> Result<Option<Timestamp>, HistoryError> {
    let troubles = history.memory()?.troubles;
    let times = troubles.values().map(|trouble| trouble.next_try);
    Ok(times.filter(|time| *time > now).min())
}

fn news(view: &View, change: &Change, outcome: &Outcome) -> News {
    if let Some(result) = outcome.services.get(&change.service) {
        return if outcome.stopped { News::None } else { of_result(change, result) };
    }
    match &change.verdict {
        Verdict::InSync => News::Over,
        Verdict::Blocked(Block::Image { message, .. }) => {
            let about = image_line(view, &change.service);
            let error = view.masks.mask(message);
            about.map_or(News::None, |about| News::Failed { about, error })
        }
        Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove
        | Verdict::Held(_)
        | Verdict::Rejected { .. }
        | Verdict::Blocked(_) => News::None,
    }
}

fn of_result(change: &Change, result: &ServiceResult) -> News {
    match (&result.outcome, &result.failure, &change.spec) {
        (ServiceOutcome::Done | ServiceOutcome::Unchanged, _, _) => News::Over,
        (_, Some(failure), _) if failure.blames_spec => News::Over,
        (ServiceOutcome::Failed | ServiceOutcome::RolledBack, Some(failure), Some(spec))
            if !failure.blames_another && !change.verdict.is_left_alone() =>
        {
            News::Failed { about: spec.as_str().to_owned(), error: failure.message.clone() }
        }
        (
            ServiceOutcome::Failed
            | ServiceOutcome::RolledBack
            | ServiceOutcome::Held
            | ServiceOutcome::Blocked
            | ServiceOutcome::Skipped,
            _,
            _,
        ) => News::None,
    }
}

fn image_line(view: &View, service: &ServiceId) -> Option<String> {
    let desired = view.desired.deployment(&service.stack)?.services.get(&service.service)?;
    Some(resolve::pin_key(&desired.service.image))
}

/// What is remembered of one more failure.
fn again(before: Option<&Trouble>, about: String, error: String, now: Timestamp) -> Trouble {
    let times = before.map_or(0, |trouble| trouble.times).saturating_add(1);
    let since = before.map_or(now, |trouble| trouble.since);
    let wait = super::daemon::with_jitter(wait(times), now);
    let next_try = now.checked_add(wait).unwrap_or(Timestamp::MAX);
    Trouble { about, since, times, next_try, error }
}

/// How long is waited after so many failures in a row.
fn wait(times: u32) -> Duration {
    let doubled = 2_u32.checked_pow(times.saturating_sub(1));
    doubled.and_then(|factor| FIRST.checked_mul(factor)).map_or(LONGEST, |wait| wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(before: Option<&Trouble>, about: &str, second: i64) -> Trouble {
        let now = Timestamp::new(second, 0).unwrap();
        again(before, about.to_owned(), "the disk is full".to_owned(), now)
    }

    #[test]
    fn the_wait_doubles_from_ten_seconds_to_five_minutes() {
        let waits: Vec<u64> = (1..=7).map(|times| wait(times).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(wait(u32::MAX), LONGEST);
    }

    #[test]
    fn a_row_of_failures_has_one_beginning_and_another_spec_begins_anew() {
        let first = failed(None, "a", 1000);
        let second = failed(Some(&first), "a", 1010);
        assert_eq!((second.since, second.times), (first.since, 2));
        let wait = second.next_try.duration_since(second.since).as_secs() - 10;
        assert!((18..=22).contains(&wait), "{wait}");
        let web = ServiceId::new(&"shop".into(), &"web".into());
        let memory = Memory { troubles: [(web.clone(), second)].into(), ..Memory::default() };
        assert_eq!(memory.trouble(&web, "b"), None);
    }
}
