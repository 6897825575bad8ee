//! The loop: a pass, a pause, and again, until told to stop; passes side by side where one waits for its containers.

pub mod desk;
pub mod watches;
pub mod lookout;
pub mod pulse;

use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::desk::{Desk, PassId};
use self::lookout::Known;
use self::pulse::Pulse;
use self::watches::Watches;
use crate::apply::Event;
use crate::config::Config;
use crate::reconcile::World;
use crate::reconcile::lanes::Lanes;
use crate::reconcile::pass::{self, Pass, PassError, Prepared, Request};
use crate::reconcile::telling::figures;
use crate::reconcile::telling::post::Post;
use crate::systemd::Manager;

/// How long the daemon goes on after it was told to stop: for the steps under way. A longer one (a container
/// that takes its time to stop) is left to the engine, and put in order by the next pass.
const FAREWELL: Duration = Duration::from_secs(8);

/// Who is around the loop.
#[derive(Clone, Copy)]
pub struct Company<'a> {
    /// Hears what happens in passes.
    pub audience: &'a dyn Audience,
    /// Is told that the daemon is there and gets on.
    pub manager: &'a Manager,
    /// Makes the world anew where its configuration is no longer this one.
    pub reload: &'a dyn Fn(&Config) -> Result<Option<World>, String>,
    /// Where the configuration is written; `None` where it comes from the command line.
    pub config_file: Option<&'a Path>,
    /// Where passes are asked for; it knows the first world.
    pub desk: &'a Desk,
}

/// Hears what happens in the passes of the daemon, several of which may be under way.
pub trait Audience: Send + Sync {
    /// Something has happened in `pass`.
    fn event(&self, pass: PassId, event: &Event<'_>);
}

/// What there is to tell.
pub enum News {
    /// A pass begins.
    Begun(PassId),
    /// How a pass went.
    Pass(PassId, Box<Result<Pass, PassError>>),
    /// The configuration is the one that holds.
    Unchanged,
    /// The configuration has changed; from now on the new one holds.
    Reloaded,
    /// The configuration cannot be used as it is now; the one before it still holds. Told at every pass.
    Refused(String),
}

/// The shortest pause before something that is due.
const SHORTEST: Duration = Duration::from_secs(1);

/// Follows all sources until SIGTERM or SIGINT.
///
/// SIGHUP, a change of a file that the world depends on, and an incident at the engine begin the next pass at once; any
/// number of them while one is prepared ask for one more; so does who asks at the desk. While a pass carries out its plan, others may change other
/// stacks. `tell` hears how each pass went. A pass that fails does not end the loop. The configuration is looked at
/// before each pass.
pub async fn run(company: &Company<'_>, mut tell: impl FnMut(News)) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    let stop = stop_on_signal()?;
    company.manager.ready();
    tokio::select! {
        // The farewell first, so that it is said also where the loop ends at once.
        biased;
        () = farewell(company.manager, &stop) => {
            tracing::warn!("a step takes long; what it leaves half-way is put in order by the next pass");
        }
        () = follow(company, hangup, &stop, &mut tell) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

async fn follow(
    company: &Company<'_>,
    hangup: Signal,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(News),
) {
    let (desk, mut world) = (company.desk, company.desk.world());
    let pulse = Pulse::new(company.manager, company.audience);
    let (lanes, known) = (Lanes::default(), Known::default());
    let mut alarm = Alarm { hangup, wake: Arc::clone(desk.wake()), due: Instant::now() };
    let mut watches = Watches::new(Arc::clone(&alarm.wake));
    let look_out = |world: &World, wake: &Arc<Notify>| {
        let (engine, known) = (Arc::clone(&world.engine), Arc::clone(&known));
        lookout::look_out(engine, known, lanes.clone(), Arc::clone(wake))
    };
    let mut _lookout = look_out(&world, &alarm.wake);
    let mut _delivery = deliver(&world);
    let mut under_way = FuturesUnordered::new();
    watches.set(watches::places(&world, company.config_file).await);
    loop {
        let is_idle = under_way.is_empty();
        let has_room = under_way.len() < world.config.limits.parallel as usize;
        let is_asked = is_idle && desk.is_asked();
        let next = async {
            tokio::select! {
                biased;
                Some(ended) = under_way.next() => Some(ended),
                () = std::future::ready(()), if is_asked => None,
                () = alarm.rings(&world, stop), if has_room => None,
            }
        };
        let next = if is_idle { pulse.rest(next).await } else { pulse.attend(next).await };
        if let Some((id, ended)) = next {
            alarm.set_after(&ended, &world);
            told(id, ended, &world, tell);
            continue;
        }
        if stop.is_cancelled() {
            break;
        }
        // What was asked for is for all that it names, so it waits until nothing is in hand; meanwhile a newer commit may
        // be what ends that.
        let usual = Request { unhurried: !desk.is_asked(), ..Request::default() };
        let (id, request) = if is_idle { desk.next(usual) } else { (desk.number(), usual) };
        if request.only.is_empty() {
            // Whatever rang before a pass begins is answered by it.
            let _ = alarm.wake.notified().now_or_never();
        }
        match (company.reload)(&world.config) {
            Ok(None) => tell(News::Unchanged),
            Ok(Some(new)) => {
                world = Arc::new(new);
                desk.set_world(Arc::clone(&world));
                _lookout = look_out(&world, &alarm.wake);
                _delivery = deliver(&world);
                tell(News::Reloaded);
            }
            Err(why) => tell(News::Refused(why)),
        }
        if is_idle {
            pulse.begin();
        }
        tell(News::Begun(id));
        let heard = pulse.of(id);
        let preparing = pass::prepare(&world, &request, &heard, stop, &lanes);
        let (prepared, ended) = pulse.attend(beside(preparing, &mut under_way)).await;
        alarm.due = match &prepared {
            Ok(_) => next_round(&world),
            Err(_) => Instant::now() + with_jitter(world.interval(), Timestamp::now()),
        };
        for (id, ended) in ended {
            alarm.set_after(&ended, &world);
            told(id, ended, &world, tell);
        }
        match prepared {
            Ok(prepared) => {
                lookout::know(&known, prepared.stacks());
                under_way.push(carry_out(id, Arc::clone(&world), prepared, &pulse, stop));
            }
            Err(error) => told(id, Err(error), &world, tell),
        }
        watches.set(watches::places(&world, company.config_file).await);
    }
    // Each ends with the step that it is at.
    while let Some((id, ended)) = under_way.next().await {
        told(id, ended, &world, tell);
    }
}

async fn carry_out(
    id: PassId,
    world: Arc<World>,
    prepared: Prepared,
    pulse: &Pulse<'_>,
    stop: &CancellationToken,
) -> (PassId, Result<Pass, PassError>) {
    (id, prepared.carry_out(&world, &pulse.of(id), stop).await)
}

fn told(id: PassId, ended: Result<Pass, PassError>, world: &World, tell: &mut dyn FnMut(News)) {
    figures::count(&world.metrics, &ended);
    tell(News::Pass(id, Box::new(ended)));
    world.mail.notify_one();
}

/// Does `work` while others go on; gives what of those ended meanwhile.
async fn beside<T, F: Future>(
    work: impl Future<Output = T>,
    others: &mut FuturesUnordered<F>,
) -> (T, Vec<F::Output>) {
    let (mut work, mut ended) = (pin!(work), Vec::new());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return (done, ended),
            Some(one) = others.next() => ended.push(one),
        }
    }
}

/// When a source is to be asked again.
fn next_round(world: &World) -> Instant {
    let interval = || Instant::now() + with_jitter(world.interval(), Timestamp::now());
    world.rounds.next_due().unwrap_or_else(interval)
}

/// When the next pass begins.
struct Alarm {
    hangup: Signal,
    wake: Arc<Notify>,
    due: Instant,
}

impl Alarm {
    /// Waits until it is time, or something has happened.
    async fn rings(&mut self, world: &World, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep_until(self.due) => {}
            () = self.wake.notified() => tracing::debug!("something has changed on this host"),
            _ = self.hangup.recv() => {
                tracing::info!("told to look at once");
                world.rounds.forget_all();
            }
            () = stop.cancelled() => {}
        }
    }

    fn set_after(&mut self, ended: &Result<Pass, PassError>, world: &World) {
        match ended {
            Ok(pass) if pass.again => self.wake.notify_one(),
            Ok(pass) => {
                let round = next_round(world).saturating_duration_since(Instant::now());
                self.due = Instant::now() + until_next(round, pass.next_try, Timestamp::now());
            }
            Err(_) => {}
        }
    }
}

/// A post at work beside the passes, until it is dropped; what is under way then is tried again by the next one.
fn deliver(world: &World) -> JoinSet<Infallible> {
    let post = Post::of(world);
    let mut work = JoinSet::new();
    work.spawn(async move { post.run().await });
    work
}

/// Waits until the daemon was told to stop, and then as long as it may take.
async fn farewell(manager: &Manager, stop: &CancellationToken) {
    stop.cancelled().await;
    manager.stopping();
    tokio::time::sleep(FAREWELL).await;
}

/// Cancelled by the first SIGTERM or SIGINT.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: the step under way is finished first");
        token.cancel();
    });
    Ok(stop)
}

/// How long to pause: until the next `round`, or less where a service that the world was in the way of is to be tried again, or a
/// registry to be asked. What fell due while the pass was brought to its end comes soon, and not only with the next
/// interval.
fn until_next(round: Duration, next_try: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next_try.map(|time| match time > now {
        true => time.duration_since(now).unsigned_abs(),
        false => SHORTEST,
    });
    wait.map_or(round, |wait| wait.min(round))
}

/// When a registry is asked that a pass from `begun` to `ended` found to be due at `due`: up to a fifth of the wait
/// later, so that many hosts do not ask it at the same moment, and never without a pause.
pub(super) fn not_before(due: Timestamp, begun: Timestamp, ended: Timestamp) -> Timestamp {
    let wait = due.duration_since(begun).unsigned_abs();
    let later = with_jitter(wait, begun).saturating_sub(wait.mul_f64(0.9));
    let at = due.checked_add(later).unwrap_or(Timestamp::MAX);
    at.max(ended.checked_add(SHORTEST).unwrap_or(Timestamp::MAX))
}

/// `interval` ± 10 %, so that many hosts do not ask one server at the same moment.
pub(super) fn with_jitter(interval: Duration, now: Timestamp) -> Duration {
    let share = f64::from(now.subsec_nanosecond() % 1_000_003) / 1_000_003.0;
    interval.mul_f64(0.9 + share * 0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_pass_comes_with_the_interval_or_when_a_service_is_tried_again() {
        let now = Timestamp::new(1_700_000_000, 0).unwrap();
        let (interval, second) = (Duration::from_secs(30), Duration::from_secs(1));
        let check = |next_try: Option<Timestamp>, expected| {
            assert_eq!(until_next(interval, next_try, now), expected);
        };
        check(None, interval);
        check(Some(now + 7 * second), 7 * second);
        check(Some(now + 70 * second), interval);
        check(Some(now - second), second);
    }

    #[test]
    fn a_registry_is_asked_when_it_is_due_or_somewhat_later_and_not_before_the_pass_is_over() {
        let begun = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
        let second = Duration::from_secs(1);
        let check = |due: u32, ended: u32| {
            let at = not_before(begun + due * second, begun, begun + ended * second);
            at.duration_since(begun).as_millis()
        };
        let at = check(300, 2);
        assert!((300_000..=360_000).contains(&at), "{at}");
        assert_eq!(check(10, 60), 61_000, "it fell due meanwhile");
    }

    #[test]
    fn the_jitter_stays_within_a_tenth() {
        let interval = Duration::from_secs(30);
        for nanosecond in [0, 1, 500_000, 999_999, 123_456_789, 999_999_999] {
            let now = Timestamp::new(1_700_000_000, nanosecond).unwrap();
            let pause = with_jitter(interval, now);
            assert!(
                pause >= Duration::from_secs(27) && pause <= Duration::from_secs(33),
                "{pause:?}"
            );
        }
    }
}
