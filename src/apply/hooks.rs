//! Hooks: programs that are run in a container after its start and before its stop.

use std::time::Duration;

use tokio::time::timeout;

use super::gate::Stuck;
use super::{Event, Hands};
use crate::engine::{ContainerRef, Engine, EngineError, Executed};
use crate::model::spec::{Hook, USUAL_GRACE_PERIOD};

/// Runs `post_start`; the first that fails ends it.
pub async fn post_start(
    engine: &dyn Engine,
    container: &ContainerRef,
    hooks: &[Hook],
    within: Option<Duration>,
) -> Result<(), Stuck> {
    for (hook, number) in hooks.iter().zip(1..) {
        match in_time(engine, container, hook, within).await {
            Ok(Executed { code: 0, .. }) => {}
            Ok(ended) => return Err(Stuck::Hook { number, why: told(&ended) }),
            Err(Unfinished::Late(within)) => {
                let why = format!("did not end within {} s", within.as_secs());
                return Err(Stuck::Hook { number, why });
            }
            // Whoever has ended meanwhile is judged by that.
            Err(Unfinished::Engine(EngineError::Conflict(_))) => return Ok(()),
            Err(Unfinished::Engine(error)) => return Err(Stuck::Engine(error)),
        }
    }
    Ok(())
}

/// Stops a container; before that it runs its `pre_stop`, all within the grace period. A hook that fails is
/// said aloud, and the stop goes on.
pub async fn stop(hands: &Hands<'_>, container: &ContainerRef) -> Result<(), EngineError> {
    let found = hands.engine.inspect(container).await?.filter(|found| found.is_running());
    if let Some(found) = found.filter(|found| !found.settings.hooks.pre_stop.is_empty()) {
        let within = found.settings.stop_grace_period.unwrap_or(USUAL_GRACE_PERIOD);
        let begun = tokio::time::Instant::now();
        for (hook, number) in found.settings.hooks.pre_stop.iter().zip(1..) {
            let left = within.saturating_sub(begun.elapsed());
            let why = match in_time(hands.engine, container, hook, Some(left)).await {
                Ok(Executed { code: 0, .. }) => continue,
                Ok(ended) => told(&ended),
                Err(Unfinished::Late(_)) => {
                    format!("did not end within the grace period of {} s", within.as_secs())
                }
                Err(Unfinished::Engine(error)) => format!("could not be run: {error}"),
            };
            let text = hands.masks.mask(&format!("{}: `pre_stop` {number} {why}", found.name));
            hands.watcher.event(&Event::HookFailed(&text));
        }
    }
    hands.engine.stop(container).await
}

enum Unfinished {
    Late(Duration),
    Engine(EngineError),
}

async fn in_time(
    engine: &dyn Engine,
    container: &ContainerRef,
    hook: &Hook,
    within: Option<Duration>,
) -> Result<Executed, Unfinished> {
    let run = engine.exec(container, hook);
    let ended = match within {
        Some(within) => timeout(within, run).await.map_err(|_| Unfinished::Late(within))?,
        None => run.await,
    };
    ended.map_err(Unfinished::Engine)
}

fn told(ended: &Executed) -> String {
    match ended.output.last() {
        Some(line) => format!("ended with code {}: {line}", ended.code),
        None => format!("ended with code {}", ended.code),
    }
}
