//! Hears from the engine when something befalls a container of ours, so that it is seen at once and not at the next
//! look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::{Engine, EngineError, Incident};
use crate::model::{ContainerId, StackName};
use crate::reconcile::lanes::Lanes;

/// The first pause after the engine ended the stream, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often one container wakes the daemon within [`BURST`]. One that dies over and over is seen with every look.
const MOST: u32 = 3;
const BURST: Duration = Duration::from_secs(60);

/// The stacks that the last pass knew; `None` before the first one.
pub type Known = Arc<Mutex<Option<BTreeSet<StackName>>>>;

/// From now on only incidents of `stacks` wake anybody: what else runs on the host is no business of ours.
pub fn know<'a>(known: &Known, stacks: impl Iterator<Item = &'a StackName>) {
    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(stacks.cloned().collect());
}

/// Wakes at incidents of `known` stacks, and when the engine is back after it had gone. What befalls a stack that is in
/// hand in one of the `lanes` is looked at afterwards. Ends with the handle.
pub fn look_out(
    engine: Arc<dyn Engine>,
    known: Known,
    lanes: Lanes,
    wake: Arc<Notify>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        follow(&*engine, &known, &lanes, &wake).await;
    }))
}

async fn follow(engine: &dyn Engine, known: &Known, lanes: &Lanes, wake: &Notify) {
    let bursts = Mutex::new(Bursts::default());
    let heard = |incident: Incident| {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = known.as_ref().is_none_or(|stacks| stacks.contains(&incident.stack));
        let mut bursts = bursts.lock().unwrap_or_else(PoisonError::into_inner);
        if is_ours && bursts.is_due(&incident.container, Instant::now()) {
            tracing::debug!(container = %incident.container, stack = %incident.stack, "{:?}", incident.mishap);
            if !lanes.owe(&incident.stack) {
                wake.notify_one();
            }
        }
    };
    let mut since = Timestamp::now();
    let mut pause = PAUSES.0;
    loop {
        let begun = Instant::now();
        let ended = engine.watch(since, &heard).await;
        tracing::debug!("the engine tells of no more events: {}", words(&ended));
        if begun.elapsed() > PAUSES.1 {
            pause = PAUSES.0;
        }
        since = Timestamp::now();
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            if engine.info().await.is_ok() {
                break;
            }
        }
        // An engine that starts forgets what it told before.
        wake.notify_one();
    }
}

fn words(ended: &Result<(), EngineError>) -> String {
    ended.as_ref().err().map_or_else(|| "it ended the stream".to_owned(), ToString::to_string)
}

/// How often each container was heard of lately.
#[derive(Default)]
struct Bursts(BTreeMap<ContainerId, (Instant, u32)>);

impl Bursts {
    fn is_due(&mut self, container: &ContainerId, now: Instant) -> bool {
        self.0.retain(|_, (begun, _)| now.duration_since(*begun) < BURST);
        let (_, count) = self.0.entry(container.clone()).or_insert((now, 0));
        *count += 1;
        *count <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeEngine;
    use crate::engine::fake::faults::{Fault, Matcher, Verb};

    #[test]
    fn a_container_that_dies_over_and_over_wakes_three_times_a_minute() {
        let mut bursts = Bursts::default();
        let (one, other) = (ContainerId::new("a"), ContainerId::new("b"));
        let begun = Instant::now();
        let mut at = |id, seconds| bursts.is_due(id, begun + Duration::from_secs(seconds));
        let due: Vec<bool> = [0, 1, 2, 3, 59].map(|second| at(&one, second)).to_vec();
        assert_eq!(due, [true, true, true, false, false]);
        assert!(at(&other, 59), "others have nothing to do with it");
        assert!(at(&one, 61));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_had_gone_wakes_once_it_is_back() {
        let engine = FakeEngine::new();
        for verb in [Verb::Watch, Verb::Info, Verb::Info] {
            engine.fail_next(Matcher::any(verb), Fault::TimesOutBefore);
        }
        let wake = Arc::new(Notify::new());
        let begun = Instant::now();
        let lookout = look_out(
            Arc::new(engine.clone()),
            Known::default(),
            Lanes::default(),
            Arc::clone(&wake),
        );
        wake.notified().await;
        // After a second nobody answers, nor after two more; four seconds later somebody does.
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let watches = engine.calls().iter().filter(|call| call.verb == Verb::Watch).count();
        assert_eq!(watches, 2, "it is heard again, and goes on");
        drop(lookout);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_tells_of_nothing_is_asked_less_and_less() {
        let engine = FakeEngine::new();
        let refused = EngineError::Other("403 Forbidden".to_owned());
        for _ in 0..1_000 {
            engine.fail_next(Matcher::any(Verb::Watch), Fault::Refused(refused.clone()));
        }
        let lookout =
            look_out(Arc::new(engine.clone()), Known::default(), Lanes::default(), Arc::default());
        tokio::time::sleep(Duration::from_secs(600)).await;
        let watches = engine.calls().iter().filter(|call| call.verb == Verb::Watch).count();
        assert!((20..=30).contains(&watches), "{watches}");
        drop(lookout);
    }
}
