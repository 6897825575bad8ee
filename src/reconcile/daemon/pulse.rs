//! Whether the daemon gets on: systemd's watchdog is fed by what happens, not by a timer beside it.
//!
//! The messages are sent from within the task that does the work. So none goes out while that task is stuck in
//! itself, nor after a pass has waited too long without a step under way.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::apply::{Event, Watcher};
use crate::reconcile::daemon::Audience;
use crate::reconcile::daemon::desk::PassId;
use crate::systemd::Manager;

/// How long a pass may be without a step under way and without a word: longer than all questions that it asks
/// git servers, registries and the engine between two steps take by their own limits.
const PATIENCE: Duration = Duration::from_secs(900);

/// Hears what happens in passes, hands it on, and tells the manager as long as they get on.
pub struct Pulse<'a> {
    manager: &'a Manager,
    audience: &'a dyn Audience,
    beat: Mutex<Beat>,
}

/// Hears what happens in one pass.
pub struct Heard<'a>(&'a Pulse<'a>, PassId);

/// What was heard last.
#[derive(Clone, Copy)]
struct Beat {
    last: Instant,
    /// Steps under way; each has a limit of its own (an answer of the engine, a grace period, a deadline).
    running: usize,
}

impl<'a> Pulse<'a> {
    /// Hears what the `audience` is to hear too.
    pub fn new(manager: &'a Manager, audience: &'a dyn Audience) -> Self {
        let beat = Mutex::new(Beat { last: Instant::now(), running: 0 });
        Self { manager, audience, beat }
    }

    /// Hears what happens in `pass`.
    pub fn of(&'a self, pass: PassId) -> Heard<'a> {
        Heard(self, pass)
    }

    /// A pass begins, and no other one is under way.
    pub fn begin(&self) {
        *self.beat() = Beat { last: Instant::now(), running: 0 };
    }

    /// Works at passes. The manager hears of it as long as they get on.
    pub async fn attend<T>(&self, work: impl Future<Output = T>) -> T {
        self.feed(work, |now| self.gets_on(now)).await
    }

    /// Waits for something, however long that takes.
    pub async fn rest<T>(&self, pause: impl Future<Output = T>) -> T {
        self.feed(pause, |_| true).await
    }

    /// Does `work`, and tells the manager twice in the time that it waits for, where that is so.
    async fn feed<T>(&self, work: impl Future<Output = T>, is_so: impl Fn(Instant) -> bool) -> T {
        let Some(limit) = self.manager.watchdog() else { return work.await };
        let (mut work, mut ticks) = (pin!(work), tokio::time::interval(limit / 2));
        loop {
            tokio::select! {
                biased;
                now = ticks.tick() => {
                    if is_so(now) {
                        self.manager.alive();
                    }
                }
                done = &mut work => return done,
            }
        }
    }

    fn gets_on(&self, now: Instant) -> bool {
        let beat = *self.beat();
        beat.running > 0 || now.saturating_duration_since(beat.last) < PATIENCE
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Heard<'_> {
    fn event(&self, event: &Event<'_>) {
        let Self(pulse, pass) = self;
        {
            let mut beat = pulse.beat();
            beat.last = Instant::now();
            match event {
                Event::StepStarted(_) => beat.running += 1,
                Event::StepDone(_) | Event::StepFailed(..) => {
                    beat.running = beat.running.saturating_sub(1);
                }
                Event::Pulling(..)
                | Event::Seen(..)
                | Event::HookFailed(_)
                | Event::GoingBack(_) => {}
            }
        }
        pulse.audience.event(*pass, event);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::model::{NetworkName, StackName};
    use crate::plan::{PlannedStep, Step, StepId};

    struct Nobody;

    impl Audience for Nobody {
        fn event(&self, _: PassId, _: &Event<'_>) {}
    }

    /// Ends `work` after `seconds`; how often the manager, which waits ten seconds, heard of it by then.
    async fn fed(seconds: u64, work: impl AsyncFnOnce(&Pulse<'_>)) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = Manager::at(path.as_os_str(), Some(Duration::from_secs(10))).unwrap();
        let pulse = Pulse::new(&manager, &Nobody);
        let mut count = 0;
        let mut drain = || {
            while socket.recv(&mut [0; 64]).is_ok() {
                count += 1;
            }
        };
        let (end, mut work) =
            (tokio::time::sleep(Duration::from_secs(seconds)), pin!(work(&pulse)));
        let (mut end, mut second) = (pin!(end), tokio::time::interval(Duration::from_secs(1)));
        loop {
            tokio::select! {
                () = &mut end => break,
                () = &mut work => panic!("it never ends"),
                _ = second.tick() => drain(),
            }
        }
        drain();
        count
    }

    fn step() -> PlannedStep {
        PlannedStep {
            id: StepId(0),
            stack: StackName::new("shop"),
            service: None,
            replica: None,
            step: Step::RemoveNetwork(NetworkName::new("shop_default")),
            because: String::new(),
            after: Vec::new(),
            behind: Vec::new(),
            section: None,
            networks: BTreeSet::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_hangs_is_given_up_by_and_by() {
        let hangs = async |pulse: &Pulse<'_>| pulse.attend(std::future::pending()).await;
        assert_eq!(fed(99, hangs).await, 20);
        assert_eq!(fed(9_999, hangs).await, 180, "for PATIENCE");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_under_way_takes_the_time_it_needs() {
        let works = async |pulse: &Pulse<'_>| {
            let step = step();
            let work = async {
                pulse.of(PassId(1)).event(&Event::StepStarted(&step));
                std::future::pending::<()>().await;
            };
            pulse.attend(work).await;
        };
        assert_eq!(fed(9_999, works).await, 2_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_may_be_long() {
        let rests = async |pulse: &Pulse<'_>| pulse.rest(std::future::pending()).await;
        assert_eq!(fed(9_999, rests).await, 2_000);
    }
}
