//! What the daemon's loop tells, for those who ask: how its passes went, what happens in them, whether it is well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{LocalPoolHandle, TaskTracker};

use super::manners::Manners;
use super::shared::Shared;
use crate::apply::{Event, Watcher};
use crate::asked::{Refusal, passes, refusal};
use crate::model::memory::HoldScope;
use crate::reconcile::daemon::desk::{Desk, PassId};
use crate::reconcile::daemon::{Audience, News};
use crate::reconcile::pass::{Pass, PassError};
use crate::report::exit::{self, ExitCode};
use crate::report::wire::{EventKind, PassEvent, PassReport};

/// Events that a reader may be behind before it is left.
const MOST_BEHIND: usize = 1024;
/// Threads on which answers are made.
const THREADS: usize = 2;
/// People who may listen to events at once.
const MOST_LISTENERS: usize = 32;
/// Passes whose reports are kept.
const MOST_KEPT: usize = 32;
/// How long after the pause after a pass the next one may end.
const GRACE: Duration = Duration::from_secs(900);

/// What the loop and the API share.
pub struct Hub {
    /// Where passes are asked for.
    pub desk: Arc<Desk>,
    pub(super) shared: Shared,
    pub(super) manners: Manners,
    /// Places for those who listen to events.
    pub(super) listeners: Arc<Semaphore>,
    /// Ends what was begun here: rollbacks, and waits.
    pub(super) stop: CancellationToken,
    /// Where answers are made, apart from the loop.
    pub(super) threads: LocalPoolHandle,
    /// What was begun here and is to be finished.
    pub(super) tasks: TaskTracker,
    watcher: Arc<dyn Watcher>,
    events: broadcast::Sender<Arc<str>>,
    looked: watch::Sender<u64>,
    known: Mutex<Known>,
}

/// How a pass came out.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// It waits for the one under way.
    Waiting,
    /// It is under way.
    UnderWay,
    /// It was made.
    Made(Arc<Made>),
    /// It was not made.
    Refused(Arc<Refusal>),
}

/// A pass that was made.
#[derive(Debug)]
pub(super) struct Made {
    pub report: PassReport,
    /// Lines that its command prints too.
    pub says: Vec<String>,
    /// How its command ends.
    pub exit: ExitCode,
}

#[derive(Default)]
struct Known {
    passes: BTreeMap<PassId, Stage>,
    /// What passes that were asked for are confined to.
    only: BTreeMap<PassId, Vec<HoldScope>>,
    health: Health,
}

/// Whether passes end well.
#[derive(Clone, Debug, Default)]
enum Health {
    /// None has ended yet.
    #[default]
    New,
    /// The last one was made then.
    Well(Instant),
    /// The last one was not made.
    Ill(String),
}

impl Hub {
    /// A hub for `desk`; `watcher` hears what happens in passes too.
    pub fn new(desk: Arc<Desk>, watcher: Arc<dyn Watcher>) -> Self {
        Self {
            desk,
            shared: Shared::default(),
            manners: Manners::default(),
            listeners: Arc::new(Semaphore::new(MOST_LISTENERS)),
            stop: CancellationToken::new(),
            threads: LocalPoolHandle::new(THREADS),
            tasks: TaskTracker::new(),
            watcher,
            events: broadcast::Sender::new(MOST_BEHIND),
            looked: watch::Sender::new(0),
            known: Mutex::default(),
        }
    }

    /// Hears what the loop has to tell.
    pub fn hear(&self, news: &News) {
        match news {
            // The configuration was looked at: tokens are read anew, and a place to listen at is tried again.
            News::Unchanged | News::Reloaded | News::Refused(_) => {
                self.looked.send_modify(|times| *times = times.wrapping_add(1));
            }
            News::Begun(id) => self.begin(*id),
            News::Pass(id, pass) => self.hear_pass(*id, pass),
        }
    }

    fn hear_pass(&self, id: PassId, pass: &Result<Pass, PassError>) {
        self.shared.forget_all();
        match pass {
            Ok(done) => {
                self.known().health = Health::Well(Instant::now());
                let report = passes::report(done);
                let only = self.known().only.remove(&id).unwrap_or_default();
                let made = match refusal::check_scopes(&done.view, &only) {
                    Ok(()) => Made::of(report, Vec::new()),
                    Err(unknown) => Made {
                        exit: ExitCode::Failed,
                        ..Made::of(report, vec![format!("error: {unknown}")])
                    },
                };
                self.made(id, made);
            }
            Err(error) => {
                self.known().health = Health::Ill(error.to_string());
                self.refused(id, Refusal::of_pass(error));
            }
        }
    }

    /// Whether the daemon is ready at `now`; or why not, in one line.
    pub(super) fn ready(&self, now: Instant) -> Result<(), String> {
        let pause = self.desk.world().interval();
        match &self.known().health {
            Health::New => Err("the first pass has not ended yet".to_owned()),
            Health::Ill(why) => Err(format!("no pass: {}", why.lines().next().unwrap_or_default())),
            Health::Well(at) => {
                let passed = now.saturating_duration_since(*at);
                let is_late = passed > pause.mul_f64(1.1) + GRACE;
                let ago = passed.as_secs();
                if is_late { Err(format!("the last pass ended {ago} s ago")) } else { Ok(()) }
            }
        }
    }

    /// Follows the looks at the configuration.
    pub(super) fn looks(&self) -> watch::Receiver<u64> {
        self.looked.subscribe()
    }

    /// Listens to what happens from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.events.subscribe()
    }

    /// How a pass came out; `None` for one that nobody knows of, or not any more.
    pub(super) fn stage(&self, id: PassId) -> Option<Stage> {
        self.known().passes.get(&id).cloned()
    }

    /// A pass was asked for, of these stacks and services alone; of all where there are none.
    pub(super) fn asked(&self, id: PassId, only: &[HoldScope]) {
        let mut known = self.known();
        known.only.insert(id, only.to_vec());
        known.passes.entry(id).or_insert(Stage::Waiting);
        known.forget_old();
    }

    /// A pass begins.
    pub(super) fn begin(&self, id: PassId) {
        {
            let mut known = self.known();
            known.passes.insert(id, Stage::UnderWay);
            known.forget_old();
        }
        self.send(|| PassEvent::of_pass(id.0, EventKind::PassBegun, Timestamp::now()));
    }

    /// A pass was made.
    pub(super) fn made(&self, id: PassId, made: Made) {
        let outcome = Some(made.report.outcome);
        self.known().passes.insert(id, Stage::Made(Arc::new(made)));
        self.send(|| {
            let ended = PassEvent::of_pass(id.0, EventKind::PassEnded, Timestamp::now());
            PassEvent { outcome, ..ended }
        });
    }

    /// A pass was not made.
    pub(super) fn refused(&self, id: PassId, refusal: Refusal) {
        let error = Some(refusal.text.clone());
        self.known().passes.insert(id, Stage::Refused(Arc::new(refusal)));
        self.send(|| {
            let ended = PassEvent::of_pass(id.0, EventKind::PassEnded, Timestamp::now());
            PassEvent { error, ..ended }
        });
    }

    /// Tells those who listen, without waiting for any of them.
    fn send(&self, event: impl FnOnce() -> PassEvent) {
        if self.events.receiver_count() == 0 {
            return;
        }
        if let Ok(text) = serde_json::to_string(&event()) {
            // Fails where nobody listens any more.
            let _ = self.events.send(text.into());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    /// A pass that ends its command as its report says.
    pub fn of(report: PassReport, says: Vec<String>) -> Self {
        Self { exit: exit::of_pass(&report), report, says }
    }
}

impl Known {
    fn forget_old(&mut self) {
        for _ in MOST_KEPT..self.passes.len() {
            if let Some((old, _)) = self.passes.pop_first() {
                self.only.remove(&old);
            }
        }
    }
}

impl Audience for Hub {
    fn event(&self, pass: PassId, event: &Event<'_>) {
        self.watcher.event(event);
        self.send(|| PassEvent::of_step(pass.0, event, Timestamp::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::World;
    use crate::report::wire::PassOutcome;

    struct Nobody;

    impl Watcher for Nobody {
        fn event(&self, _: &Event<'_>) {}
    }

    fn hub() -> Hub {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ambient = crate::config::Ambient { hostname: "web-1".into(), ..Default::default() };
        let config = crate::config::Config::for_repo("/nowhere", None, None, &ambient).unwrap();
        let desk = Desk::new(Arc::new(World::new(config).unwrap()));
        Hub::new(Arc::new(desk), Arc::new(Nobody))
    }

    fn broken() -> News {
        News::Pass(PassId(1), Box::new(Err(PassError::Broken("a part\ngave up".to_owned()))))
    }

    fn report() -> PassReport {
        PassReport {
            schema: "evenkeel.pass/v1",
            host: "web-1".to_owned(),
            outcome: PassOutcome::RolledBack,
            failed_sources: Vec::new(),
            failures: Vec::new(),
            stopped: false,
            stacks: Vec::new(),
            seconds: 1.0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_when_a_pass_has_ended_well_and_not_too_long_ago() {
        let hub = hub();
        assert_eq!(hub.ready(Instant::now()).unwrap_err(), "the first pass has not ended yet");
        hub.hear(&News::Begun(PassId(1)));
        hub.hear(&broken());
        let why = hub.ready(Instant::now()).unwrap_err();
        assert!(why.starts_with("no pass: ") && why.ends_with("a part"), "{why}");
        hub.known().health = Health::Well(Instant::now());
        assert_eq!(hub.ready(Instant::now()), Ok(()));
        assert_eq!(hub.ready(Instant::now() + GRACE), Ok(()), "a long rollout is under way");
        assert!(hub.ready(Instant::now() + 2 * GRACE).is_err());
    }

    #[tokio::test]
    async fn who_listens_hears_of_a_pass_and_its_end_in_order() {
        let hub = hub();
        let mut events = hub.listen();
        hub.asked(PassId(7), &[]);
        assert!(matches!(hub.stage(PassId(7)), Some(Stage::Waiting)));
        hub.begin(PassId(7));
        assert!(matches!(hub.stage(PassId(7)), Some(Stage::UnderWay)));
        hub.made(PassId(7), Made::of(report(), Vec::new()));
        let mut heard = || serde_json::from_str::<PassEvent>(&events.try_recv().unwrap()).unwrap();
        assert_eq!(heard().event, EventKind::PassBegun);
        let ended = heard();
        assert_eq!((ended.pass, ended.event), (7, EventKind::PassEnded));
        assert_eq!(ended.outcome, Some(PassOutcome::RolledBack));
        assert!(matches!(hub.stage(PassId(7)), Some(Stage::Made(_))));
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_that_it_is_behind_and_holds_up_nobody() {
        let hub = hub();
        let mut events = hub.listen();
        for number in 0..5_000 {
            hub.begin(PassId(number));
        }
        assert!(matches!(events.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
        assert!(hub.stage(PassId(0)).is_none(), "old passes are forgotten");
        assert!(hub.stage(PassId(4_999)).is_some());
    }
}
