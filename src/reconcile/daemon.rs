//! The loop: a pass, a pause, and again, until told to stop.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::World;
use super::lookout::{self, Known};
use super::pass::{self, Pass, PassError, Request};
use super::post::Post;
use super::pulse::Pulse;
use super::watches::{self, Watches};
use crate::apply::Watcher;
use crate::config::Config;
use crate::systemd::Manager;

/// How long the daemon goes on after it was told to stop: for the steps under way. A longer one (a container
/// that takes its time to stop) is left to the engine, and put in order by the next pass.
const FAREWELL: Duration = Duration::from_secs(8);

/// Who is around the loop.
#[derive(Clone, Copy)]
pub struct Company<'a> {
    /// Hears what happens in passes.
    pub watcher: &'a dyn Watcher,
    /// Is told that the daemon is there and gets on.
    pub manager: &'a Manager,
    /// Makes the world anew where its configuration is no longer this one.
    pub reload: &'a dyn Fn(&Config) -> Result<Option<World>, String>,
    /// Where the configuration is written; `None` where it comes from the command line.
    pub config_file: Option<&'a Path>,
}

/// What there is to tell.
pub enum News {
    /// How a pass went.
    Pass(Box<Result<Pass, PassError>>),
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
/// number of them during a pass ask for one more. `tell` hears how each pass went. A pass that fails does not end the
/// loop. The configuration is looked at before each pass.
pub async fn run(
    world: World,
    company: &Company<'_>,
    mut tell: impl FnMut(News),
) -> std::io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    let stop = stop_on_signal()?;
    company.manager.ready();
    tokio::select! {
        // The farewell first, so that it is said also where the loop ends at once.
        biased;
        () = farewell(company.manager, &stop) => {
            tracing::warn!("a step takes long; what it leaves half-way is put in order by the next pass");
        }
        () = follow(world, company, hangup, &stop, &mut tell) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

async fn follow(
    mut world: World,
    company: &Company<'_>,
    mut hangup: Signal,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(News),
) {
    let pulse = Pulse::new(company.manager, company.watcher);
    let wake = Arc::new(Notify::new());
    let mut watches = Watches::new(Arc::clone(&wake));
    let known = Known::default();
    let look_out = |world: &World| {
        lookout::look_out(Arc::clone(&world.engine), Arc::clone(&known), Arc::clone(&wake))
    };
    let mut _lookout = look_out(&world);
    let mut delivery = Delivery::of(&world);
    watches.set(watches::places(&world, company.config_file).await);
    while !stop.is_cancelled() {
        match (company.reload)(&world.config) {
            Ok(None) => tell(News::Unchanged),
            Ok(Some(new)) => {
                world = new;
                _lookout = look_out(&world);
                delivery = Delivery::of(&world);
                tell(News::Reloaded);
            }
            Err(why) => tell(News::Refused(why)),
        }
        let request = Request { follows: true, ..Request::default() };
        let pass = pulse.attend(pass::pass(&world, &request, &pulse, stop)).await;
        let is_due = pass.as_ref().is_ok_and(|pass| pass.superseded);
        let next_try = pass.as_ref().ok().and_then(|pass| pass.next_try);
        if let Ok(pass) = &pass {
            lookout::know(&known, pass.view.desired.stacks.keys());
        }
        tell(News::Pass(Box::new(pass)));
        delivery.post.wake();
        if is_due {
            continue;
        }
        watches.set(watches::places(&world, company.config_file).await);
        let now = Timestamp::now();
        let length = until_next(with_jitter(world.interval(), now), next_try, now);
        pulse.rest(pause(length, &mut hangup, &wake, stop)).await;
    }
}

/// A post at work beside the passes, until it is dropped; what is under way then is tried again by the next one.
struct Delivery {
    post: Arc<Post>,
    _work: JoinSet<Infallible>,
}

impl Delivery {
    fn of(world: &World) -> Self {
        let post = Arc::new(Post::of(world));
        let delivering = Arc::clone(&post);
        let mut work = JoinSet::new();
        work.spawn(async move { delivering.run().await });
        Self { post, _work: work }
    }
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

async fn pause(length: Duration, hangup: &mut Signal, wake: &Notify, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        () = wake.notified() => tracing::debug!("something has changed on this host"),
        _ = hangup.recv() => tracing::info!("told to look at once"),
        () = stop.cancelled() => {}
    }
}

/// How long to pause: `interval`, or less where a service that the world was in the way of is to be tried again, or a
/// registry to be asked. What fell due while the pass was brought to its end comes soon, and not only with the next
/// interval.
fn until_next(interval: Duration, next_try: Option<Timestamp>, now: Timestamp) -> Duration {
    let wait = next_try.map(|time| match time > now {
        true => time.duration_since(now).unsigned_abs(),
        false => SHORTEST,
    });
    wait.map_or(interval, |wait| wait.min(interval))
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
