//! The loop: a pass, a pause, and again, until told to stop.

use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::World;
use super::pass::{self, Pass, PassError, Request};
use crate::apply::Watcher;

/// Follows all sources until SIGTERM or SIGINT; SIGHUP begins the next pass at once.
///
/// `tell` hears how each pass went. A pass that fails does not end the loop.
pub async fn run(
    world: &World,
    watcher: &dyn Watcher,
    mut tell: impl FnMut(Result<Pass, PassError>),
) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = stop_on_signal()?;
    while !stop.is_cancelled() {
        let request = Request { follows: true, ..Request::default() };
        let pass = pass::pass(world, &request, watcher, &stop).await;
        let is_due = pass.as_ref().is_ok_and(|pass| pass.superseded);
        tell(pass);
        if is_due {
            continue;
        }
        pause(with_jitter(world.interval(), Timestamp::now()), &mut hangup, &stop).await;
    }
    tracing::info!("stopped");
    Ok(())
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

async fn pause(length: Duration, hangup: &mut Signal, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        _ = hangup.recv() => tracing::info!("told to look at once"),
        () = stop.cancelled() => {}
    }
}

/// `interval` ± 10 %, so that many hosts do not ask one server at the same moment.
fn with_jitter(interval: Duration, now: Timestamp) -> Duration {
    let share = f64::from(now.subsec_nanosecond() % 1_000_003) / 1_000_003.0;
    interval.mul_f64(0.9 + share * 0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

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
